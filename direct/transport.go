// Package direct is an HTTP/1.1 client that makes its exchanges on the goroutine
// of whoever asks for them. net/http's own client hands each request to one
// goroutine of its connection and gets the answer from another, which costs more
// than the rest of a short exchange; and it copies a large body through a small
// buffer, where this one sends it from where it is.
//
// Parsing is net/http's. What this client does not do it leaves to another one:
// see Transport.Fallback.
package direct

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"
)

// Transport is an http.RoundTripper. It has to stay where it is once it has been
// used.
type Transport struct {
	// DialContext opens connections. Default: that of a net.Dialer.
	DialContext func(ctx context.Context, network, address string) (net.Conn, error)
	// TLSClientConfig is that of connections for https. Default: Go's.
	TLSClientConfig *tls.Config
	// TLSHandshakeTimeout is how long a handshake may take. Default: for ever.
	TLSHandshakeTimeout time.Duration
	// MaxIdleConnsPerHost is how many connections are kept for each host. Default:
	// as many as there were requests at the same time.
	MaxIdleConnsPerHost int
	// IdleConnTimeout is how long a connection is kept. Default: for ever.
	IdleConnTimeout time.Duration
	// ResponseHeaderTimeout is how long the header of an answer may take once the
	// request has been sent. Default: for ever.
	ResponseHeaderTimeout time.Duration
	// MaxResponseHeaderBytes is how large the header of an answer may be in bytes,
	// with the headers of all interim answers. Default: 10 MiB.
	MaxResponseHeaderBytes int64
	// ReadBufferSize is how much is read ahead, in bytes, for each connection.
	// Default: 4 KiB.
	ReadBufferSize int
	// Fallback gets the requests that are not made here: those of other methods
	// of transport (CONNECT, Upgrade, Expect, trailers, a body of unknown
	// length, Connection) and of other schemes than http and https. Default: none,
	// and they fail.
	Fallback http.RoundTripper

	pool pool
}

// Buffered is a body that is in memory. Buffers gives away what has not been read
// yet, which is good until the body is closed.
type Buffered interface {
	io.ReadCloser
	Buffers() net.Buffers
}

// RoundTrip implements http.RoundTripper. As net/http's it repeats a request on
// another connection if a kept one broke before anything of the answer came, and
// the request may be repeated: it is idempotent, or has an Idempotency-Key (even
// one without values, which is not sent), and its body can be had again.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if !takes(req) {
		return t.leave(req)
	}
	trace := httptrace.ContextClientTrace(req.Context())
	res, err, again := t.attempt(req, req.Body, trace, false)
	for again {
		var body io.ReadCloser
		if body, err = reopened(req); err != nil {
			return nil, err
		}
		res, err, again = t.attempt(req, body, trace, true)
	}
	return res, err
}

// attempt makes the exchange on one connection. It tells whether another may do
// what this one could not.
func (t *Transport) attempt(req *http.Request, body io.ReadCloser, trace *httptrace.ClientTrace, wary bool) (res *http.Response, err error, again bool) {
	l := letters.Get().(*letter)
	ctx := req.Context()
	if err = l.write(req); err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	var c *conn
	if err == nil {
		c, err = t.connect(ctx, req, trace, wary)
	}
	if err != nil {
		l.free()
		closeBody(body)
		return nil, err, false
	}
	x := &exchange{t: t, conn: c, ctx: ctx, req: req, body: body, trace: trace}
	res, err = x.run(l)
	return res, err, err != nil && x.mayRepeat(err)
}

// CloseIdleConnections closes the connections that are kept. Those in use are
// closed once they would be kept, until another request is made.
func (t *Transport) CloseIdleConnections() { t.pool.closeIdle() }

// leave leaves a request to the fallback.
func (t *Transport) leave(req *http.Request) (*http.Response, error) {
	if t.Fallback != nil {
		return t.Fallback.RoundTrip(req)
	}
	closeBody(req.Body)
	return nil, errors.New("the request is of a kind that this transport does not make: expected plain HTTP/1.1 with a body of known length")
}

// takes tells whether a request is made here.
func takes(req *http.Request) bool {
	known := req.ContentLength > 0 || req.ContentLength == 0 && (req.Body == nil || req.Body == http.NoBody)
	return known && (req.URL != nil && req.URL.Host != "" && req.URL.Opaque == "" && (req.URL.Scheme == "http" || req.URL.Scheme == "https")) &&
		req.Method != http.MethodConnect && !req.Close && len(req.TransferEncoding) == 0 && len(req.Trailer) == 0 &&
		req.Header["Upgrade"] == nil && req.Header["Expect"] == nil && req.Header["Connection"] == nil && req.Header["Transfer-Encoding"] == nil && req.Header["Trailer"] == nil
}

func closeBody(body io.Closer) {
	if body != nil {
		_ = body.Close() // what it was for has been done, or has failed
	}
}

// reopened is the body of a request that is to be repeated.
func reopened(req *http.Request) (io.ReadCloser, error) {
	if req.Body == nil || req.Body == http.NoBody {
		return req.Body, nil
	}
	return req.GetBody()
}

// repeatable tells whether a request may have been carried out and be repeated all
// the same.
func repeatable(req *http.Request) bool {
	switch req.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace:
		return true
	}
	_, key := req.Header["Idempotency-Key"]
	_, xKey := req.Header["X-Idempotency-Key"]
	return key || xKey
}

// connect is a kept connection, or a new one. Once one has turned out to be broken
// the others are looked at more closely.
func (t *Transport) connect(ctx context.Context, req *http.Request, trace *httptrace.ClientTrace, wary bool) (*conn, error) {
	if trace != nil && trace.GetConn != nil {
		trace.GetConn(addressOf(req.URL))
	}
	key := hostKey{secure: req.URL.Scheme == "https", host: req.URL.Host}
	c, idle := t.pool.take(key, t.IdleConnTimeout, wary)
	if c == nil {
		var err error
		if c, err = t.dial(ctx, req, key); err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return nil, err
		}
	}
	if trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{Conn: c.Conn, Reused: c.reused, WasIdle: c.reused, IdleTime: idle})
	}
	return c, nil
}

// dial opens a connection.
func (t *Transport) dial(ctx context.Context, req *http.Request, key hostKey) (*conn, error) {
	dial := t.DialContext
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	raw, err := dial(ctx, "tcp", addressOf(req.URL))
	if err != nil {
		return nil, err
	}
	if !key.secure {
		return newConn(key, raw, raw, t.ReadBufferSize), nil
	}
	secured, err := t.handshake(ctx, raw, req.URL.Hostname())
	if err != nil {
		_ = raw.Close()
		return nil, err
	}
	return newConn(key, secured, raw, t.ReadBufferSize), nil
}

func (t *Transport) handshake(ctx context.Context, raw net.Conn, host string) (*tls.Conn, error) {
	config := t.TLSClientConfig.Clone()
	if config == nil {
		config = new(tls.Config)
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = []string{"http/1.1"}
	if t.TLSHandshakeTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, t.TLSHandshakeTimeout, errHandshakeTimeout)
		defer cancel()
	}
	secured := tls.Client(raw, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		if errors.Is(context.Cause(ctx), errHandshakeTimeout) {
			err = errHandshakeTimeout
		}
		return nil, err
	}
	return secured, nil
}

// timeoutError is a net.Error.
type timeoutError string

func (e timeoutError) Error() string { return string(e) }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

const (
	errHandshakeTimeout timeoutError = "timeout of the TLS handshake"
	errHeaderTimeout    timeoutError = "timeout awaiting the header of the answer"
)

// Interface guards
var (
	_ http.RoundTripper = (*Transport)(nil)
	_ net.Error         = timeoutError("")
)
