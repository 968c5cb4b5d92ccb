package direct

import (
	"net/http"
	"net/url"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
)

func init() {
	caddy.RegisterModule(HTTPTransport{})
}

// HTTPTransport is Caddy's transport for HTTP with all its options, but makes
// exchanges over HTTP/1.1 on the goroutine that asks for them, which takes less
// time and memory. It leaves to Caddy's what it does not do itself: HTTP/2, which
// https has unless `versions` are `1.1` alone, HTTP/3, proxies on the way (also by
// HTTP_PROXY in the environment), the PROXY protocol, `max_conns_per_host`,
// `compression` that is switched on, keep-alive that is switched off, sockets
// of Unix, server names with placeholders, and requests to upgrade the connection.
//
// It asks for no compressed answers unless `compression` is switched on.
type HTTPTransport struct {
	reverseproxy.HTTPTransport

	direct *Transport
	plain  bool // http is made directly
	secure bool // https is
}

// CaddyModule returns the Caddy module information.
func (HTTPTransport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.reverse_proxy.transport.direct",
		New: func() caddy.Module { return new(HTTPTransport) },
	}
}

// Provision implements caddy.Provisioner.
func (h *HTTPTransport) Provision(ctx caddy.Context) error {
	if err := h.HTTPTransport.Provision(ctx); err != nil {
		return err
	}
	rt := h.HTTPTransport.Transport
	h.plain = h.ProxyProtocol == "" && h.MaxConnsPerHost == 0 && (h.Compression == nil || !*h.Compression) &&
		!rt.DisableKeepAlives && slices.Contains(h.Versions, "1.1") && !slices.Contains(h.Versions, "h2c")
	h.secure = h.plain && len(h.Versions) == 1 && rt.DialTLSContext == nil
	h.direct = &Transport{
		DialContext:            rt.DialContext,
		TLSClientConfig:        rt.TLSClientConfig,
		TLSHandshakeTimeout:    rt.TLSHandshakeTimeout,
		MaxIdleConnsPerHost:    rt.MaxIdleConnsPerHost,
		IdleConnTimeout:        rt.IdleConnTimeout,
		ResponseHeaderTimeout:  rt.ResponseHeaderTimeout,
		MaxResponseHeaderBytes: rt.MaxResponseHeaderBytes,
		ReadBufferSize:         rt.ReadBufferSize,
		Fallback:               &h.HTTPTransport,
	}
	return nil
}

// Direct tells whether requests to a URL are made directly, as long as no proxy is
// on the way.
func (h *HTTPTransport) Direct(u *url.URL) bool {
	return h.plain && u.Scheme == "http" || h.secure && u.Scheme == "https"
}

// RoundTrip implements http.RoundTripper.
func (h *HTTPTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	h.SetScheme(req)
	if !h.Direct(req.URL) || h.detours(req) {
		return h.HTTPTransport.RoundTrip(req)
	}
	return h.direct.RoundTrip(req)
}

// detours tells whether a request goes another way than over the network to the
// host in its URL.
func (h *HTTPTransport) detours(req *http.Request) bool {
	if to, ok := reverseproxy.GetDialInfo(req.Context()); ok && to.Network != "tcp" {
		return true
	}
	proxy, err := h.HTTPTransport.Transport.Proxy(req)
	return proxy != nil || err != nil // which the other one will report
}

// Cleanup implements caddy.CleanerUpper.
func (h *HTTPTransport) Cleanup() error {
	if h.direct != nil { // else it was not provisioned to the end
		h.direct.CloseIdleConnections()
	}
	return h.HTTPTransport.Cleanup()
}

// Interface guards
var (
	_ caddy.Provisioner                                = (*HTTPTransport)(nil)
	_ caddy.CleanerUpper                               = (*HTTPTransport)(nil)
	_ caddyfile.Unmarshaler                            = (*HTTPTransport)(nil)
	_ http.RoundTripper                                = (*HTTPTransport)(nil)
	_ reverseproxy.TLSTransport                        = (*HTTPTransport)(nil)
	_ reverseproxy.RequestHeaderOpsTransport           = (*HTTPTransport)(nil)
	_ reverseproxy.HealthCheckSchemeOverriderTransport = (*HTTPTransport)(nil)
)
