package direct

import (
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() {
	caddy.RegisterModule(HTTPTransport{})
}

// HTTPTransport makes requests over HTTP/1.1 without goroutines of its own: what
// is in memory is written at once, and answers are read by whoever passes them on.
// It has all the options of the `http` transport, and hands over to it whatever it
// does not do itself: requests through a proxy, by PROXY protocol, over HTTP/2
// (which TLS chooses unless `versions` is `1.1`), H2C or HTTP/3, with
// `max_conns_per_host` or `compression` that is on expressly, with a TLS server
// name that holds placeholders, WebSockets and other upgrades, and requests with
// bodies of unknown length. The two keep idle connections of their own. Unlike
// `http`, it does not ask for compression where the request does not, and keeps up
// to 1024 idle connections per host by default. It has no use for
// `write_buffer_size`.
type HTTPTransport struct {
	reverseproxy.HTTPTransport

	core        *Transport
	http, https bool // what is made directly, proxies apart
}

// idlePerHost is how many idle connections are kept for a host by default. Answers
// of models take long, so that many are under way at a time, and all of their
// connections are worth being kept: one more costs a handshake.
const idlePerHost = 1024

// CaddyModule returns the Caddy module information.
func (HTTPTransport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.direct",
		New: func() caddy.Module { return new(HTTPTransport) },
	}
}

// Provision sets up the transport, and beneath it the one that it falls back to.
func (t *HTTPTransport) Provision(ctx caddy.Context) error {
	if t.KeepAlive == nil {
		t.KeepAlive = new(reverseproxy.KeepAlive)
	}
	if t.KeepAlive.MaxIdleConnsPerHost == 0 {
		t.KeepAlive.MaxIdleConnsPerHost = idlePerHost
	}
	if err := t.HTTPTransport.Provision(ctx); err != nil {
		return err
	}
	made := t.Transport
	t.core = &Transport{
		DialContext:            made.DialContext,
		TLSClientConfig:        made.TLSClientConfig,
		TLSHandshakeTimeout:    made.TLSHandshakeTimeout,
		ResponseHeaderTimeout:  made.ResponseHeaderTimeout,
		MaxResponseHeaderBytes: made.MaxResponseHeaderBytes,
		ReadBufferSize:         made.ReadBufferSize,
		DisableKeepAlives:      made.DisableKeepAlives,
		MaxIdleConns:           made.MaxIdleConns,
		MaxIdleConnsPerHost:    made.MaxIdleConnsPerHost,
		IdleConnTimeout:        made.IdleConnTimeout,
		Fallback:               &t.HTTPTransport,
	}
	t.http, t.https = t.able()
	return nil
}

// able tells what can be made directly by the options: requests without TLS, and
// requests with it.
func (t *HTTPTransport) able() (http, https bool) {
	compressed := t.Compression != nil && *t.Compression
	if !probes || t.ProxyProtocol != "" || t.MaxConnsPerHost != 0 || compressed || slices.Contains(t.Versions, "3") {
		return false, false
	}
	http = !slices.Contains(t.Versions, "h2c")
	https = !slices.ContainsFunc(t.Versions, func(version string) bool { return version != "1.1" }) &&
		t.Transport.DialTLSContext == nil && (t.TLS == nil || !strings.Contains(t.TLS.ServerName, "{"))
	return http, https
}

// Direct tells whether requests to a URL are made directly, so that bodies that
// are Buffered are not copied. One that asks for an upgrade, say, is not even so.
func (t *HTTPTransport) Direct(u *url.URL) bool {
	if t.core == nil || u == nil {
		return false
	}
	at := *u
	return t.direct(&http.Request{Method: http.MethodPost, URL: &at, Header: http.Header{}})
}

// direct gives the request its scheme, as the transport beneath does.
func (t *HTTPTransport) direct(req *http.Request) bool {
	t.SetScheme(req)
	if req.URL.Scheme == "https" && !t.https || req.URL.Scheme == "http" && !t.http {
		return false
	}
	proxy, err := t.Transport.Proxy(req)
	return proxy == nil && err == nil
}

// RoundTrip implements http.RoundTripper.
func (t *HTTPTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL == nil || t.direct(req) {
		return t.core.RoundTrip(req)
	}
	return t.HTTPTransport.RoundTrip(req)
}

// Cleanup closes the connections that are idle, and has those in use closed after
// their exchange.
func (t *HTTPTransport) Cleanup() error {
	if t.core != nil {
		t.core.CloseIdleConnections()
	}
	return t.HTTPTransport.Cleanup()
}

// Interface guards
var (
	_ caddy.Module                                     = (*HTTPTransport)(nil)
	_ caddy.Provisioner                                = (*HTTPTransport)(nil)
	_ caddy.CleanerUpper                               = (*HTTPTransport)(nil)
	_ caddyfile.Unmarshaler                            = (*HTTPTransport)(nil)
	_ http.RoundTripper                                = (*HTTPTransport)(nil)
	_ http.RoundTripper                                = (*Transport)(nil)
	_ reverseproxy.TLSTransport                        = (*HTTPTransport)(nil)
	_ reverseproxy.H2CTransport                        = (*HTTPTransport)(nil)
	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*HTTPTransport)(nil)
	_ reverseproxy.ProxyProtocolTransport              = (*HTTPTransport)(nil)
	_ reverseproxy.RequestHeaderOpsTransport           = (*HTTPTransport)(nil)
)
