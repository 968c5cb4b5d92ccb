package direct

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http/httptrace"
	"net/url"
	"slices"

	"golang.org/x/net/idna"
)

// connect gets the exchange a connection: an idle one that is healthy, else one
// that it makes.
func (x *exchange) connect() error {
	if x.ctx.Err() != nil {
		return context.Cause(x.ctx)
	}
	if x.observer != nil {
		x.observer.Connects()
		defer x.observer.Connected()
	}
	if x.trace != nil && x.trace.GetConn != nil {
		x.trace.GetConn(address(x.req.URL))
	}
	info := httptrace.GotConnInfo{}
	x.c = x.idle(&info)
	if x.c == nil {
		c, err := x.t.dial(x.ctx, x.req.URL, x.trace)
		if err != nil && x.ctx.Err() != nil {
			return context.Cause(x.ctx)
		}
		if err != nil {
			return err
		}
		x.c = c
	}
	if x.trace != nil && x.trace.GotConn != nil {
		info.Conn = x.c.stream
		x.trace.GotConn(info)
	}
	return nil
}

// dial makes a connection. Errors of the dialer and of TLS are passed on as they
// are: others tell them apart.
func (t *Transport) dial(ctx context.Context, u *url.URL, trace *httptrace.ClientTrace) (*conn, error) {
	dial := t.DialContext
	if dial == nil {
		dial = (&net.Dialer{}).DialContext
	}
	raw, err := dial(ctx, "tcp", address(u))
	if err != nil {
		return nil, err
	}
	if raw == nil {
		return nil, errors.New("direct: DialContext made no connection")
	}
	c := newConn(originOf(u), raw, t.ReadBufferSize)
	if c.origin.tls {
		if err := t.handshake(ctx, c, hostname(u), trace); err != nil {
			c.abort()
			return nil, err
		}
	}
	return c, nil
}

func (t *Transport) handshake(ctx context.Context, c *conn, host string, trace *httptrace.ClientTrace) error {
	if t.TLSHandshakeTimeout > 0 {
		limited, cancel := context.WithTimeoutCause(ctx, t.TLSHandshakeTimeout, errHandshakeLate)
		defer cancel()
		ctx = limited
	}
	if trace != nil && trace.TLSHandshakeStart != nil {
		trace.TLSHandshakeStart()
	}
	c.wire = &wire{Conn: c.raw, probe: c.probe}
	secure := tls.Client(c.wire, t.tlsConfig(host))
	err := secure.HandshakeContext(ctx)
	state := secure.ConnectionState()
	if err != nil {
		state = tls.ConnectionState{}
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
	}
	if trace != nil && trace.TLSHandshakeDone != nil {
		trace.TLSHandshakeDone(state, err)
	}
	if err == nil && state.NegotiatedProtocol != "" && state.NegotiatedProtocol != "http/1.1" {
		err = fmt.Errorf("direct: the server chose the protocol %q, which was not offered", state.NegotiatedProtocol)
	}
	c.stream, c.state = secure, &state
	return err
}

// tlsConfig is the configuration for one connection.
func (t *Transport) tlsConfig(host string) *tls.Config {
	config := t.TLSClientConfig.Clone()
	if config == nil {
		config = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if config.ServerName == "" {
		config.ServerName = host
	}
	config.NextProtos = slices.DeleteFunc(slices.Clone(config.NextProtos), func(proto string) bool { return proto != "http/1.1" })
	// A server needs the whole of a request, so small records at its beginning only
	// cost calls.
	config.DynamicRecordSizingDisabled = true
	return config
}

// address is where to connect to for a URL.
func address(u *url.URL) string {
	port := u.Port()
	switch {
	case port != "":
	case u.Scheme == "https":
		port = "443"
	default:
		port = "80"
	}
	return net.JoinHostPort(hostname(u), port)
}

// hostname is a URL's host in ASCII. What cannot be turned into it fails later,
// with the resolver.
func hostname(u *url.URL) string {
	host := u.Hostname()
	for i := range len(host) {
		if host[i] < 0x80 {
			continue
		}
		if ascii, err := idna.Lookup.ToASCII(host); err == nil {
			return ascii
		}
		break
	}
	return host
}
