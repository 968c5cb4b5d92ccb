package direct

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/internal/freeport"
)

// secure is a server with TLS, and what a client has to trust for it.
func secure(t *testing.T, handler http.HandlerFunc) (server *httptest.Server, trust *tls.Config) {
	t.Helper()
	server = httptest.NewUnstartedServer(handler)
	server.EnableHTTP2 = true // it is not offered
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return server, &tls.Config{RootCAs: pool, NextProtos: []string{"h2", "http/1.1"}}
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	w.Header().Set("Proto", r.Proto)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

func TestTLS(t *testing.T) {
	server, trust := secure(t, echo)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		config := trust.Clone()
		config.MaxVersion = version
		c := &Transport{TLSClientConfig: config}
		defer c.CloseIdleConnections()
		sure := false // that the last connection has been kept
		for range 5 {
			for _, size := range []int{0, 2, 1 << 10, bufferSize, writtenFirst, writtenFirst + 1, 1 << 20} {
				whole := strings.Repeat("x", size)
				r := newRequest(t, "POST", server.URL, newMemory(whole[:size/3], whole[size/3:]))
				if r.ContentLength = int64(size); size == 0 {
					r.Body = nil
				}
				res, body, reused := trip(t, c, r)
				require.Equal(t, whole, body)
				require.True(t, !sure || reused)
				sure = size <= writtenFirst
				require.Equal(t, version, res.TLS.Version)
				require.Equal(t, "HTTP/1.1", res.Header.Get("Proto"))
			}
			r := newRequest(t, "POST", server.URL, strings.NewReader(strings.Repeat("y", 1<<20)))
			_, body, _ := trip(t, c, r)
			require.Len(t, body, 1<<20)
		}
	}
	require.Equal(t, []string{"h2", "http/1.1"}, trust.NextProtos, "the configuration is the caller's")
	require.Empty(t, trust.ServerName)
}

// What is wrong with TLS is told as package tls tells it.
func TestTLSErrors(t *testing.T) {
	server, _ := secure(t, echo)
	body := newMemory("{}")
	r := newRequest(t, "POST", server.URL, body)
	r.ContentLength = 2
	_, err := (&Transport{}).RoundTrip(r)
	var certificate *tls.CertificateVerificationError
	require.ErrorAs(t, err, &certificate)
	require.Equal(t, 1, body.closed)

	url := serve(t, func(p *peer) { p.say("HTTP/1.1 400 Bad Request\r\n\r\n") })
	_, err = (&Transport{}).RoundTrip(newRequest(t, "GET", strings.Replace(url, "http:", "https:", 1), nil))
	var record tls.RecordHeaderError
	require.ErrorAs(t, err, &record)

	_, err = (&Transport{}).RoundTrip(newRequest(t, "GET", "https://"+freeport.Address(), nil))
	var dial *net.OpError
	require.ErrorAs(t, err, &dial)
	require.Equal(t, "dial", dial.Op)
}

func TestHandshakeTimeout(t *testing.T) {
	direct(t, func(p *peer) {
		_, _ = io.Copy(io.Discard, p)
	}, func(t *testing.T, c *Transport, s *pipes) {
		c.TLSHandshakeTimeout = time.Minute
		began := time.Now()
		_, err := c.RoundTrip(newRequest(t, "GET", "https://a.example", nil))
		require.True(t, isTimeout(err), "%v", err)
		require.Equal(t, time.Minute, time.Since(began))
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errSecret)
		defer cancel()
		_, err = c.RoundTrip(newRequest(t, "GET", "https://a.example", nil).WithContext(ctx))
		require.Equal(t, errSecret, err)
		_, gone := s.count()
		require.Equal(t, 2, gone)
	})
}

// scripted is a server with TLS that plays a script.
func scripted(t *testing.T, script func(p *peer)) (url string, trust *tls.Config) {
	t.Helper()
	server, trust := secure(t, echo)
	certificates := server.TLS.Certificates
	return strings.Replace(serve(t, func(p *peer) {
		p.Conn = tls.Server(&holding{Conn: p.Conn}, &tls.Config{Certificates: certificates})
		p.br.Reset(p.Conn)
		script(p)
	}), "http:", "https:", 1), trust
}

// holding is a connection that holds back what is written, to send it at once.
type holding struct {
	net.Conn
	on   bool
	held []byte
}

func (h *holding) Write(p []byte) (int, error) {
	if h.on {
		h.held = append(h.held, p...)
		return len(p), nil
	}
	return h.Conn.Write(p)
}

func (h *holding) let() {
	_, _ = h.Conn.Write(h.held)
	h.on, h.held = false, nil
}

// TLS reads ahead: what it holds beyond the answer is found there, though the
// socket has nothing more.
func TestTLSBytesAfterTheAnswer(t *testing.T) {
	url, trust := scripted(t, func(p *peer) {
		for p.request() != nil {
			h := p.Conn.(*tls.Conn).NetConn().(*holding)
			h.on = true
			p.say(ok)
			p.say("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
			h.let()
		}
	})
	c := &Transport{TLSClientConfig: trust}
	defer c.CloseIdleConnections()
	for range 3 {
		res, body, reused := trip(t, c, newRequest(t, "GET", url, nil))
		require.Equal(t, 200, res.StatusCode)
		require.Equal(t, "ok", body)
		require.False(t, reused)
		require.Equal(t, 1, c.pool.size, "it has not been noticed yet")
		require.False(t, c.pool.newest.probe.pending(), "nor will it by the socket")
	}
}

// An idle connection that TLS has something to say on is used nevertheless, as
// long as that is nothing for the reader; one that has ended is not.
func TestTLSIdle(t *testing.T) {
	end := make(chan bool)
	url, trust := scripted(t, func(p *peer) {
		for p.request() != nil {
			p.say(ok)
			if <-end {
				p.say(ok) // unasked
			} else {
				_ = p.Conn.(*tls.Conn).CloseWrite()
			}
			end <- true
		}
	})
	c := &Transport{TLSClientConfig: trust}
	defer c.CloseIdleConnections()
	for _, how := range []bool{true, false, true} {
		_, _, reused := trip(t, c, newRequest(t, "GET", url, nil))
		require.False(t, reused)
		require.Equal(t, 1, c.pool.size)
		end <- how
		<-end
	}
	_, _, reused := trip(t, c, newRequest(t, "GET", url, nil))
	require.False(t, reused)
	end <- true
	<-end
}

// writes counts the calls, and hides the socket beneath.
type writes struct {
	net.Conn
	n atomic.Int64
}

func (w *writes) Write(p []byte) (int, error) {
	w.n.Add(1)
	return w.Conn.Write(p)
}

// A small request is one write, also where the connection is wrapped, and one
// record of TLS.
func TestOneWrite(t *testing.T) {
	server, trust := secure(t, echo)
	plain := serve(t, answers(ok))
	f := func(url string, want int64, bodies ...io.ReadCloser) {
		t.Helper()
		var w *writes
		c := &Transport{TLSClientConfig: trust, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			w = &writes{Conn: conn}
			return w, err
		}}
		defer c.CloseIdleConnections()
		trip(t, c, newRequest(t, "GET", url, nil))
		for i, body := range bodies {
			w.n.Store(0)
			r := newRequest(t, "POST", url, body)
			r.ContentLength = 10 << 10
			_, _, reused := trip(t, c, r)
			require.True(t, reused)
			require.Equal(t, want, w.n.Load(), i)
		}
	}
	size := strings.Repeat("x", 5<<10)
	f(plain, 1, newMemory(size, size), io.NopCloser(strings.NewReader(size+size)))
	f(server.URL, 1, newMemory(size, size), io.NopCloser(strings.NewReader(size+size)))
}

// A protocol that was not offered is not spoken.
func TestOtherProtocol(t *testing.T) {
	c := &Transport{TLSClientConfig: &tls.Config{NextProtos: []string{"h2", "spdy/3"}}}
	require.Empty(t, c.tlsConfig("a.example").NextProtos)
	require.Equal(t, "a.example", c.tlsConfig("a.example").ServerName)
	c.TLSClientConfig.ServerName = "b.example"
	require.Equal(t, "b.example", c.tlsConfig("a.example").ServerName)
}

// A server that ends without saying so breaks an answer off whose end is told by
// nothing else.
func TestTLSTruncated(t *testing.T) {
	url, trust := scripted(t, func(p *peer) {
		if p.request() != nil {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
			_ = p.Conn.(*tls.Conn).NetConn().Close()
		}
	})
	res, err := (&Transport{TLSClientConfig: trust}).RoundTrip(newRequest(t, "GET", url, nil))
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Equal(t, "hello", string(body))
}

// With TLS, too, what has not left for the server is sent on another connection.
func TestTLSNothingWritten(t *testing.T) {
	server, trust := secure(t, echo)
	var conns []*failing
	c := &Transport{TLSClientConfig: trust, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		conns = append(conns, &failing{Conn: conn})
		return conns[len(conns)-1], err
	}}
	defer c.CloseIdleConnections()
	for n := range 3 {
		r := newRequest(t, "POST", server.URL, strings.NewReader("{}"))
		_, body, reused := trip(t, c, r)
		require.Equal(t, "{}", body)
		require.False(t, reused)
		require.Len(t, conns, n+1)
		conns[n].now = true
	}
}

// reluctant is a connection whose server, once it is deaf, takes nothing any more.
type reluctant struct {
	*net.TCPConn
	deaf     atomic.Bool
	closed   chan struct{}
	once     sync.Once
	deadline atomic.Pointer[time.Time] // the latest
}

func (r *reluctant) Write(p []byte) (int, error) {
	if r.deaf.Load() {
		<-r.closed
		return 0, net.ErrClosed
	}
	return r.TCPConn.Write(p)
}

func (r *reluctant) SetWriteDeadline(at time.Time) error {
	if last := r.deadline.Load(); last == nil || at.After(*last) {
		r.deadline.Store(&at)
	}
	return r.TCPConn.SetWriteDeadline(at)
}

func (r *reluctant) Close() error {
	r.once.Do(func() { close(r.closed) })
	return r.TCPConn.Close()
}

// idles is a transport with one idle connection over TLS, whose server sends what it
// is told to, and listens no more.
func idles(t *testing.T) (c *Transport, own *reluctant, url string, say func(string)) {
	t.Helper()
	server, trust := secure(t, echo)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	accepted := make(chan net.Conn, 1)
	go func() {
		raw, err := listener.Accept()
		if err != nil {
			return
		}
		accepted <- raw
		secured := tls.Server(raw, &tls.Config{Certificates: server.TLS.Certificates})
		if _, err := http.ReadRequest(bufio.NewReader(secured)); err == nil {
			_, _ = io.WriteString(secured, ok)
		}
	}()
	c = &Transport{TLSClientConfig: trust, DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		own = &reluctant{TCPConn: conn.(*net.TCPConn), closed: make(chan struct{})}
		return own, nil
	}}
	url = "https://" + listener.Addr().String()
	_, body, _ := trip(t, c, newRequest(t, "GET", url, nil))
	require.Equal(t, "ok", body)
	own.deaf.Store(true)
	raw := <-accepted
	t.Cleanup(func() { raw.Close() })
	return c, own, url, func(text string) {
		_, err := io.WriteString(raw, text)
		require.NoError(t, err)
		require.Eventually(t, newProbe(own).pending, 5*time.Second, time.Millisecond)
	}
}

// garbage is a record that cannot be decrypted: TLS answers it with an alert.
var garbage = "\x17\x03\x03\x00\x20" + strings.Repeat("g", 32)

// A look at an idle connection, under the pool's lock or before an exchange has
// begun, writes nothing: that could block for good.
func TestALookWritesNothing(t *testing.T) {
	within := func(what string, do func()) {
		t.Helper()
		done := make(chan struct{})
		go func() {
			defer close(done)
			do()
		}()
		require.Eventually(t, func() bool {
			select {
			case <-done:
				return true
			default:
				return false
			}
		}, 10*time.Second, time.Millisecond, what)
	}
	c, own, _, say := idles(t)
	say(garbage)
	within("the watch", c.pool.watch)
	require.Zero(t, c.pool.size)
	<-own.closed

	c, own, url, say := idles(t)
	say(garbage)
	first := own
	c.DialContext = func(context.Context, string, string) (net.Conn, error) { return nil, io.ErrClosedPipe }
	within("the next exchange", func() {
		_, err := c.RoundTrip(newRequest(t, "GET", url, nil))
		assert.ErrorIs(t, err, io.ErrClosedPipe)
	})
	<-first.closed
}

// The end of a connection over TLS is a message, which nobody waits for.
func TestACloseDoesNotWait(t *testing.T) {
	c, own, _, _ := idles(t)
	own.deaf.Store(false)
	c.CloseIdleConnections()
	require.LessOrEqual(t, time.Until(*own.deadline.Load()), grace)
}

// What TLS answers while a body is sent beside the reading does not meet the count
// of what was written.
func TestAnAlertBesideTheSending(t *testing.T) {
	server, trust := secure(t, echo)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			raw, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer raw.Close()
				if tls.Server(raw, &tls.Config{Certificates: server.TLS.Certificates}).Handshake() == nil {
					_, _ = io.WriteString(raw, garbage)
					_, _ = io.Copy(io.Discard, raw)
				}
			}()
		}
	}()
	for range 20 {
		_, err := (&Transport{TLSClientConfig: trust}).RoundTrip(newRequest(t, "POST", "https://"+listener.Addr().String(), strings.NewReader(strings.Repeat("x", writtenFirst+1))))
		require.Error(t, err)
	}
}
