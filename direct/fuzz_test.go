package direct

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// played is a connection on which a server says what it says, whatever it gets.
type played struct {
	net.Conn // nil: nothing else is called
	says     io.Reader
	closed   bool
}

func (p *played) Read(b []byte) (int, error)       { return p.says.Read(b) }
func (p *played) Write(b []byte) (int, error)      { return len(b), nil }
func (p *played) SetDeadline(time.Time) error      { return nil }
func (p *played) SetReadDeadline(time.Time) error  { return nil }
func (p *played) SetWriteDeadline(time.Time) error { return nil }

func (p *played) Close() error {
	p.closed = true
	return nil
}

// Whatever a server says, it is read as net/http's parser reads it, and the
// connection is kept only if nothing is left that has been read from it.
func FuzzAnswers(f *testing.F) {
	for _, answer := range []string{
		ok,
		"HTTP/1.1 204 No Content\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\n" + ok,
		"HTTP/1.1 101 Switching Protocols\r\n\r\n",
		"HTTP/1.1 099 x\r\nContent-Length: 0\r\n\r\n",
		"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
		"HTTP/1.0 200 OK\r\n\r\nall",
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		"HTTP/1.1 200 OK\r\nTrailer: A\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n\r\n" + ok,
		"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nok",
		ok + ok,
	} {
		for i := range 4 {
			f.Add([]byte(answer), i%2 == 0, i/2 == 0)
		}
	}
	f.Fuzz(func(t *testing.T, says []byte, head, slow bool) {
		const limit = 4 << 10
		conn := &played{says: bytes.NewReader(says)}
		if slow {
			conn.says = iotest.OneByteReader(conn.says)
		}
		c := &Transport{MaxResponseHeaderBytes: limit, DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
		method := http.MethodGet
		if head {
			method = http.MethodHead
		}
		r := newRequest(t, method, "http://a.example", nil)
		res, err := c.RoundTrip(r)
		if err != nil {
			require.True(t, conn.closed)
			require.Zero(t, c.pool.size)
			return
		}
		body, err := io.ReadAll(res.Body)
		require.NoError(t, res.Body.Close())
		require.NotEqual(t, conn.closed, c.pool.size == 1)
		if err == nil && c.pool.size == 1 {
			require.Zero(t, c.pool.newest.br.Buffered())
			require.False(t, res.Close)
		}

		var want *http.Response
		br := bufio.NewReader(bytes.NewReader(says))
		for want == nil || want.StatusCode >= 100 && want.StatusCode < 200 {
			var err error
			want, err = http.ReadResponse(br, r)
			require.NoError(t, err)
		}
		wanted, wantErr := io.ReadAll(want.Body)
		require.Equal(t, wantErr, err)
		require.Equal(t, wanted, body)
		require.Equal(t, want.Status, res.Status)
		require.Equal(t, want.Header, res.Header)
		require.Equal(t, want.Trailer, res.Trailer)
	})
}

// FuzzHeader makes requests of anything: what is written is one request, and the
// one that was meant.
func FuzzHeader(f *testing.F) {
	f.Add("POST", "/a?b", "a.example", "X-A", "b")
	f.Add("", "//", "[::1%en0]:80", "content-length", "7")
	f.Add("GET", "/\r\n", "a b", "A\nB", "c\r\nd")
	f.Add("G T", "*", "ä", "", " ")
	f.Fuzz(func(t *testing.T, method, path, host, name, value string) {
		r := newRequest(t, "POST", "http://a.example", nil)
		r.Method, r.URL.Opaque, r.Host, r.Header = method, path, host, http.Header{name: {value}}
		if beyond(r) != "" || check(r) != nil {
			return
		}
		b := takeBuffer()
		defer b.release()
		if b.header(r, 0, false) != nil {
			return
		}
		fields := bytes.Count(b.b, []byte("\r\n"))
		require.LessOrEqual(t, fields, 6)
		require.Equal(t, fields, bytes.Count(b.b, []byte("\n")))
		require.Equal(t, fields, bytes.Count(b.b, []byte("\r")))
		require.True(t, bytes.HasSuffix(b.b, []byte("\r\n\r\n")))
		require.Equal(t, 1, bytes.Count(b.b, []byte("\r\n\r\n")))
		require.LessOrEqual(t, bytes.Count(bytes.ToLower(b.b), []byte("\r\ncontent-length:")), 1)
	})
}
