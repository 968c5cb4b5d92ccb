// Package direct is an HTTP/1.1 client that runs on its caller's goroutine.
//
// http.Transport gives each connection two goroutines and hands every exchange
// over to them and back. For a relay, whose requests lie in memory and whose
// answers are streams, nothing is gained by that. Here the goroutine that calls
// RoundTrip writes the request, reads the header of the answer with net/http's
// own parser, and later reads the body from the connection; an idle connection
// costs no goroutine at all. What is rare goes to a Fallback.
package direct

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"time"

	"golang.org/x/net/http/httpguts"
)

// Transport is an http.RoundTripper for HTTP/1.1, with and without TLS. Its zero
// value works; its fields must not change once it is used. Semantics are those of
// http.Transport, with these differences: no compression is asked for that the
// request does not ask for itself, and a request whose body is at most 64 KiB is
// written before anything of the answer is read. Where the buffers of both hosts
// together hold less than that, the answer of a server which does not read is lost.
//
// The caller has to read an answer's body to its end or to close it. Nothing
// watches the connection meanwhile but the request's context. Idle connections are
// looked at when they are wanted, and every two seconds.
type Transport struct {
	// DialContext makes connections. Default: that of a zero net.Dialer.
	DialContext func(ctx context.Context, network, addr string) (net.Conn, error)

	// TLSClientConfig is what TLS is spoken by. Protocols other than HTTP/1.1 are
	// not offered, whatever NextProtos says. Default: that of package tls.
	TLSClientConfig *tls.Config

	// TLSHandshakeTimeout is how long a handshake may take. Default: no limit.
	TLSHandshakeTimeout time.Duration

	// ResponseHeaderTimeout is how long the header of the answer may take once the
	// request has been written. Default: no limit.
	ResponseHeaderTimeout time.Duration

	// MaxResponseHeaderBytes limits the header of an answer, together with those of
	// informational answers before it. Default: 10 MiB, as in net/http.
	MaxResponseHeaderBytes int64

	// ReadBufferSize is the size of each connection's buffer, in bytes. Reads into
	// larger buffers bypass it. Default: 4 KiB.
	ReadBufferSize int

	// DisableKeepAlives makes each request use a connection of its own. Default:
	// false.
	DisableKeepAlives bool

	// MaxIdleConns limits the idle connections to all hosts; the one that has been
	// idle for longest is closed. Default: no limit.
	MaxIdleConns int

	// MaxIdleConnsPerHost limits the idle connections to one scheme and host. None
	// are kept if it is negative. Default: 2, as in net/http.
	MaxIdleConnsPerHost int

	// IdleConnTimeout is how long a connection may be idle. Default: no limit.
	IdleConnTimeout time.Duration

	// Fallback gets the requests that this transport does not make: those of other
	// schemes than http and https, CONNECT, with an Upgrade, Expect or trailers,
	// with a body of unknown length or an explicit Transfer-Encoding, and those
	// with the deprecated Cancel. Without one they fail.
	Fallback http.RoundTripper

	pool pool
}

// Buffered is a request's body that lies in memory. It is not copied on its way
// to the connection, and goes out together with the header.
type Buffered interface {
	io.ReadCloser

	// Buffers is what has not been read yet, in pieces, which stay valid and
	// unchanged until Close. It counts as having read it all.
	Buffers() net.Buffers
}

// Observer is told how a request comes by its connection. One that is in the
// request's context, by ObserverKey, takes the place of a trace of net/http's,
// which takes more to make than the whole exchange.
type Observer interface {
	// Connects is told that a connection is looked for.
	Connects()
	// Connected is told that there is one.
	Connected()
}

type observerKey struct{}

// ObserverKey is the key of an Observer in a request's context.
var ObserverKey any = observerKey{}

const (
	// defaultHeaderBytes is net/http's, which is that of HTTP/2 also.
	defaultHeaderBytes = 10 << 20
	defaultReadBuffer  = 4 << 10
	// writtenFirst is the size up to which a body is written before the answer is
	// read. It fits into the buffers between two hosts, so that the write comes to
	// its end without anybody's reading.
	writtenFirst = 64 << 10
)

// RoundTrip makes a request, as http.RoundTripper has it. The request's body is
// closed in any case, if need be after RoundTrip has returned.
func (t *Transport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL == nil {
		return nil, refused(req, errors.New("direct: the request has no URL"))
	}
	if why := beyond(req); why != "" {
		if t.Fallback == nil {
			return nil, refused(req, fmt.Errorf("direct: %s is not supported without a fallback", why))
		}
		return t.Fallback.RoundTrip(req)
	}
	if err := check(req); err != nil {
		return nil, refused(req, err)
	}
	return t.do(req)
}

// CloseIdleConnections closes the connections that are idle. Those in use are
// closed, too, when they come back, until a request asks for a connection again.
func (t *Transport) CloseIdleConnections() { t.pool.closeIdle() }

// do makes a request that has been checked, again and again if kept connections
// turn out to be dead.
func (t *Transport) do(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	observer, _ := ctx.Value(ObserverKey).(Observer)
	var trace *httptrace.ClientTrace
	if observer == nil {
		trace = httptrace.ContextClientTrace(ctx)
	}
	body, length := req.Body, outgoing(req)
	for {
		x := &exchange{t: t, req: req, ctx: ctx, observer: observer, trace: trace, body: body, length: length}
		b := takeBuffer()
		err := b.header(req, length, req.Close || t.DisableKeepAlives)
		if err == nil {
			err = x.connect()
		}
		if err != nil {
			b.release()
			_ = closeBody(body)
			return nil, err
		}
		res, err := x.run(b)
		if err == nil {
			return res, nil
		}
		if !x.repeatable {
			return nil, err
		}
		if body != nil && body != http.NoBody {
			if body, err = req.GetBody(); err != nil {
				return nil, fmt.Errorf("direct: repeating the request: %w", err)
			}
		}
	}
}

// beyond is what a request wants that is left to the fallback, or empty.
func beyond(req *http.Request) string {
	switch {
	case req.URL.Scheme != "http" && req.URL.Scheme != "https":
		return fmt.Sprintf("the scheme %q", req.URL.Scheme)
	case req.Method == http.MethodConnect:
		return "the method CONNECT"
	case len(req.Header["Upgrade"]) > 0, httpguts.HeaderValuesContainsToken(req.Header["Connection"], "upgrade"):
		return "an upgrade"
	case len(req.Header["Expect"]) > 0:
		return "Expect"
	case len(req.TransferEncoding) > 0:
		return "a Transfer-Encoding of the request"
	case len(req.Trailer) > 0:
		return "a trailer of the request"
	case outgoing(req) < 0:
		return "a body of unknown length"
	case req.Cancel != nil: //nolint:staticcheck // It is deprecated, not gone.
		return "Request.Cancel"
	}
	return ""
}

// outgoing is the length of the request's body, negative where it is unknown.
func outgoing(req *http.Request) int64 {
	switch {
	case req.Body == nil, req.Body == http.NoBody:
		return 0
	case req.ContentLength == 0:
		return -1
	}
	return req.ContentLength
}

// check tells why a request cannot be sent. It names no values of header fields:
// they may be secrets.
func check(req *http.Request) error {
	if req.Header == nil {
		return errors.New("direct: the request has no Header")
	}
	for name, values := range req.Header {
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("direct: invalid header field name %q", name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("direct: invalid header field value for %q", name)
			}
		}
	}
	switch {
	case req.Method != "" && !httpguts.ValidHeaderFieldName(req.Method): // both are tokens
		return fmt.Errorf("direct: invalid method %q", req.Method)
	case req.URL.Host == "":
		return errors.New("direct: the request's URL has no host")
	case req.Body == nil && req.ContentLength != 0:
		return fmt.Errorf("direct: a ContentLength of %d without a Body", req.ContentLength)
	}
	return nil
}

// replayable tells whether a request may be made twice, by net/http's rules. That
// an idempotency key is named suffices; it need not have a value.
func replayable(req *http.Request) bool {
	if req.Body != nil && req.Body != http.NoBody && req.GetBody == nil {
		return false
	}
	_, key := req.Header["Idempotency-Key"]
	_, extension := req.Header["X-Idempotency-Key"]
	return key || extension || slices.Contains([]string{"", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace}, req.Method)
}

// refused closes the body of a request that is not made.
func refused(req *http.Request, err error) error {
	_ = closeBody(req.Body)
	return err
}

func closeBody(body io.Closer) error {
	if body == nil {
		return nil
	}
	return body.Close()
}

// wantsClose tells whether the connection shall not outlive the exchange.
func wantsClose(req *http.Request) bool {
	return req.Close || httpguts.HeaderValuesContainsToken(req.Header["Connection"], "close")
}

func (t *Transport) maxHeaderBytes() int64 {
	if t.MaxResponseHeaderBytes > 0 {
		return t.MaxResponseHeaderBytes
	}
	return defaultHeaderBytes
}

// originOf is where a URL's requests are sent.
func originOf(u *url.URL) origin { return origin{tls: u.Scheme == "https", host: u.Host} }
