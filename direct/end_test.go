package direct

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// last is a connection that is broken by a cancellation while it hands out the
// last bytes of an answer.
type last struct {
	played
	cancel func()
	broken chan bool
}

func (l *last) Read(p []byte) (int, error) {
	l.cancel()
	<-l.broken
	return copy(p, ok), nil
}

func (l *last) Close() error {
	select {
	case <-l.broken:
	default:
		close(l.broken)
	}
	return nil
}

// The answer is whole, but the connection has been broken: it must not be kept,
// or the next request would find it so.
func TestBrokenAtTheEnd(t *testing.T) {
	for range 10 {
		r, cancel := canceled(t, newRequest(t, "GET", "http://a.example", nil))
		conn := &last{cancel: cancel, broken: make(chan bool)}
		c := &Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
		_, body, _ := trip(t, c, r)
		require.Equal(t, "ok", body)
		require.Zero(t, c.pool.size)
	}
}

// The end of the connection may come together with that of the answer, as TLS
// reports it.
func TestEndWithTheAnswer(t *testing.T) {
	conn := &played{says: iotest.DataErrReader(strings.NewReader(ok))}
	c := &Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return conn, nil }}
	_, body, _ := trip(t, c, newRequest(t, "GET", "http://a.example", nil))
	require.Equal(t, "ok", body)
	require.Zero(t, c.pool.size)
	require.True(t, conn.closed)
}

// Buffers that are used again hold nothing of what was sent.
func TestNothingHeld(t *testing.T) {
	f := func(conn net.Conn) {
		t.Helper()
		x := &exchange{t: &Transport{}, c: newConn(origin{}, conn, 0), body: newMemory("a", "b", "c"), length: 3}
		b := takeBuffer()
		b.b = append(b.b, "header"...)
		require.NoError(t, x.write(b))
		require.Len(t, b.pieces, 4)
		for _, piece := range b.pieces {
			require.Nil(t, piece)
		}
		b.keys = append(b.keys, "Secret")
		keys := b.keys
		b.release()
		require.Empty(t, keys[0])
		require.Nil(t, b.unsent)
	}
	f(&played{})
	url := serve(t, func(p *peer) { _, _ = io.Copy(io.Discard, p) })
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	f(conn)
}

// An answer whose header comes before the request has been written is bound by no
// limit of the header any longer.
func TestHeaderBeforeTheRequestIsWritten(t *testing.T) {
	bubble(t, options{headerTimeout: time.Minute}, func(p *peer) {
		r, err := http.ReadRequest(p.br)
		if err != nil {
			return
		}
		p.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
		time.Sleep(time.Second)
		_, _ = io.Copy(io.Discard, r.Body)
		time.Sleep(time.Hour)
		p.say("world")
		p.request()
	}, func(t *testing.T, c client, s *pipes) {
		r := newRequest(t, "POST", "http://a.example", strings.NewReader(strings.Repeat("x", 1<<20)))
		_, body, _ := trip(t, c, r)
		require.Equal(t, "helloworld", body)
		_, gone := s.count()
		require.Zero(t, gone, "all has been written meanwhile")
	})
}
