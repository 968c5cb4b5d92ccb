package direct

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// client is what is compared: http.Transport and the one of this package.
type client interface {
	http.RoundTripper
	CloseIdleConnections()
}

// options are what a test wants of both.
type options struct {
	headerBytes   int64
	headerTimeout time.Duration
	noKeepAlive   bool
	dial          func(ctx context.Context, network, addr string) (net.Conn, error)
}

// both runs a test over both transports, so that differences show.
func both(t *testing.T, o options, f func(t *testing.T, c client)) {
	t.Helper()
	t.Run("net", func(t *testing.T) {
		c := netTransport(o)
		defer c.CloseIdleConnections()
		f(t, c)
	})
	t.Run("direct", func(t *testing.T) {
		c := newTransport(o)
		defer c.CloseIdleConnections()
		f(t, c)
	})
}

func netTransport(o options) *http.Transport {
	return &http.Transport{
		DialContext: o.dial, MaxResponseHeaderBytes: o.headerBytes, ResponseHeaderTimeout: o.headerTimeout,
		DisableKeepAlives: o.noKeepAlive, DisableCompression: true,
	}
}

func newTransport(o options) *Transport {
	return &Transport{
		DialContext: o.dial, MaxResponseHeaderBytes: o.headerBytes, ResponseHeaderTimeout: o.headerTimeout,
		DisableKeepAlives: o.noKeepAlive,
	}
}

// peer is one connection of a server that plays by a script.
type peer struct {
	net.Conn
	br *bufio.Reader
	n  int // which it is, from 0
}

// serve plays a script on each connection, which ends with it.
func serve(t *testing.T, script func(p *peer)) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var running sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	running.Go(func() {
		for n := 0; ; n++ {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			running.Go(func() {
				defer conn.Close()
				script(&peer{conn, bufio.NewReader(conn), n})
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, conn := range conns {
			_ = conn.Close()
		}
		mu.Unlock()
		running.Wait()
	})
	return "http://" + l.Addr().String()
}

// request reads a request with its body; nil if none comes.
func (p *peer) request() *http.Request {
	r, err := http.ReadRequest(p.br)
	if err != nil {
		return nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil
	}
	r.Body = io.NopCloser(strings.NewReader(string(body)))
	return r
}

func (p *peer) say(s string) { _, _ = io.WriteString(p, s) }

// reset ends the connection by a reset.
func (p *peer) reset() {
	_ = p.Conn.(*net.TCPConn).SetLinger(0)
	_ = p.Close()
}

// answers is a script that gives the same answer to every request.
func answers(s string) func(*peer) {
	return func(p *peer) {
		for p.request() != nil {
			p.say(s)
		}
	}
}

// memory is a body in memory.
type memory struct {
	pieces net.Buffers
	whole  io.Reader
	closed int
	given  bool
}

func newMemory(pieces ...string) *memory {
	m := &memory{}
	for _, piece := range pieces {
		m.pieces = append(m.pieces, []byte(piece))
	}
	m.whole = strings.NewReader(strings.Join(pieces, ""))
	return m
}

func (m *memory) Read(p []byte) (int, error) { return m.whole.Read(p) }

func (m *memory) Close() error {
	m.closed++
	return nil
}

func (m *memory) Buffers() net.Buffers {
	m.given = true
	return m.pieces
}

// watched is a body that counts how often it is closed.
type watched struct {
	io.Reader
	mu     sync.Mutex
	closed int
	fails  error
}

func (w *watched) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed++
	return w.fails
}

func (w *watched) times() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.closed
}

func newRequest(t *testing.T, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	return r
}

// trip makes a request, reads the answer, and tells whether the connection was
// one that had been kept.
func trip(t *testing.T, c client, r *http.Request) (res *http.Response, body string, reused bool) {
	t.Helper()
	res, err := c.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
	})))
	require.NoError(t, err)
	read, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res, string(read), reused
}

// isTimeout asks as url.Error does.
func isTimeout(err error) bool {
	late, ok := err.(interface{ Timeout() bool })
	return ok && late.Timeout()
}

var errSecret = errors.New("given up for a reason")
