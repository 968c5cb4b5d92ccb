package direct

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/internal/freeport"
)

func newContext(t *testing.T) caddy.Context {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	return ctx
}

// load makes a transport of its configuration, as Caddy does.
func load(t *testing.T, config string) *HTTPTransport {
	t.Helper()
	mod, err := newContext(t).LoadModuleByID("http.reverse_proxy.transport.direct", json.RawMessage(config))
	require.NoError(t, err)
	return mod.(*HTTPTransport)
}

// What the options allow is made directly, all else by the transport beneath.
func TestDirect(t *testing.T) {
	f := func(config string, plain, secure bool) {
		t.Helper()
		c := load(t, config)
		for _, host := range []string{"a.example", "10.0.0.1:8080", "[::1]"} {
			require.Equal(t, plain, c.Direct(&url.URL{Scheme: "http", Host: host}), config)
			require.Equal(t, secure, c.Direct(&url.URL{Scheme: "https", Host: host}), config)
		}
		u := &url.URL{Host: "a.example"}
		want := plain
		if c.TLSEnabled() {
			want = secure
		}
		require.Equal(t, want, c.Direct(u), config)
		require.Empty(t, u.Scheme, "the URL is the caller's")
	}
	f(`{}`, true, false)
	f(`{"versions": ["1.1"]}`, true, true)
	f(`{"versions": ["1.1", "2"]}`, true, false)
	f(`{"versions": ["2"]}`, true, false)
	f(`{"versions": ["h2c", "2"]}`, false, false)
	f(`{"versions": ["3"]}`, false, false)
	f(`{"versions": ["1.1"], "compression": false}`, true, true)
	f(`{"versions": ["1.1"], "compression": true}`, false, false)
	f(`{"versions": ["1.1"], "max_conns_per_host": 5}`, false, false)
	f(`{"versions": ["1.1"], "proxy_protocol": "v2"}`, false, false)
	f(`{"versions": ["1.1"], "tls": {}}`, true, true)
	f(`{"versions": ["1.1"], "tls": {"server_name": "b.example"}}`, true, true)
	f(`{"versions": ["1.1"], "tls": {"server_name": "{http.request.host}"}}`, true, false)
	f(`{"versions": ["1.1"], "tls": {"except_ports": ["8080"]}}`, true, true)
	f(`{"versions": ["1.1"], "network_proxy": {"from": "url", "url": "http://127.0.0.1:1"}}`, false, false)
	f(`{"versions": ["1.1"], "network_proxy": {"from": "none"}}`, true, true)
	require.False(t, new(HTTPTransport).Direct(&url.URL{Scheme: "http", Host: "a.example"}), "before it is provisioned")
}

// The options are those of the transport beneath.
func TestOptions(t *testing.T) {
	c := load(t, `{
		"keep_alive": {"idle_timeout": "7s", "max_idle_conns": 8, "max_idle_conns_per_host": 9},
		"response_header_timeout": "10s", "max_response_header_size": 11, "read_buffer_size": 12,
		"tls": {"handshake_timeout": "13s", "insecure_skip_verify": true}
	}`).core
	require.Equal(t, 7*time.Second, c.IdleConnTimeout)
	require.Equal(t, 8, c.MaxIdleConns)
	require.Equal(t, 9, c.MaxIdleConnsPerHost)
	require.Equal(t, 10*time.Second, c.ResponseHeaderTimeout)
	require.EqualValues(t, 11, c.MaxResponseHeaderBytes)
	require.Equal(t, 12, c.ReadBufferSize)
	require.Equal(t, 13*time.Second, c.TLSHandshakeTimeout)
	require.True(t, c.TLSClientConfig.InsecureSkipVerify)
	require.NotNil(t, c.DialContext)
	require.False(t, c.DisableKeepAlives)
	require.True(t, load(t, `{"keep_alive": {"enabled": false}}`).core.DisableKeepAlives)
	require.Equal(t, 1024, load(t, `{}`).core.MaxIdleConnsPerHost)
	require.Equal(t, 7, load(t, `{"keep_alive": {"max_idle_conns_per_host": 7}}`).core.MaxIdleConnsPerHost)
	_, err := newContext(t).LoadModuleByID("http.reverse_proxy.transport.direct", json.RawMessage(`{"versions": ["4"]}`))
	require.ErrorContains(t, err, "unsupported HTTP version: 4")
}

// proxied makes a reverse_proxy of its Caddyfile syntax.
func proxied(t *testing.T, caddyfileText, wantTransport string) (handler *reverseproxy.Handler, transport *HTTPTransport) {
	t.Helper()
	handler = new(reverseproxy.Handler)
	require.NoError(t, handler.UnmarshalCaddyfile(caddyfile.NewTestDispenser(caddyfileText)))
	require.JSONEq(t, wantTransport, string(handler.TransportRaw))
	ctx, err := caddy.ProvisionContext(&caddy.Config{AppsRaw: caddy.ModuleMap{}})
	require.NoError(t, err)
	require.NoError(t, handler.Provision(ctx))
	t.Cleanup(func() { _ = handler.Cleanup() })
	return handler, handler.Transport.(*HTTPTransport)
}

// pass has a handler answer a request.
func pass(t *testing.T, handler *reverseproxy.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	repl := caddy.NewReplacer()
	r = caddyhttp.PrepareRequest(r.WithContext(t.Context()), repl, w, &caddyhttp.Server{})
	require.NoError(t, handler.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })))
	return w
}

// describe says what of a request shows who has made it.
func describe(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	fmt.Fprintf(w, "%s %s %s %s %q", r.Proto, r.Host, r.URL, body, r.Header.Get("Accept-Encoding"))
}

func TestReverseProxy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(describe))
	defer server.Close()
	at := strings.TrimPrefix(server.URL, "http://")
	handler, c := proxied(t, "reverse_proxy "+at+" {\n transport direct {\n versions 1.1\n read_timeout 1m\n write_timeout 1m\n }\n}",
		`{"protocol": "direct", "versions": ["1.1"], "read_timeout": 60000000000, "write_timeout": 60000000000}`)
	for range 3 {
		w := pass(t, handler, httptest.NewRequest(http.MethodPost, "http://a.example/x?y", strings.NewReader("{}")))
		require.Equal(t, `HTTP/1.1 a.example /x?y {} ""`, w.Body.String())
		require.Equal(t, 1, c.core.pool.size, "it has been made directly")
		w = pass(t, handler, httptest.NewRequest(http.MethodGet, "http://a.example/", nil))
		require.Equal(t, `HTTP/1.1 a.example /  ""`, w.Body.String())
		require.Equal(t, 1, c.core.pool.size)
	}
	// A body of unknown length goes by the transport beneath, which asks for gzip.
	r := httptest.NewRequest(http.MethodPost, "http://a.example/", io.MultiReader(strings.NewReader("{}")))
	require.Equal(t, `HTTP/1.1 a.example / {} "gzip"`, pass(t, handler, r).Body.String())

	require.NoError(t, c.Cleanup())
	require.Zero(t, c.core.pool.size)
}

func TestReverseProxyUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	l, err := net.Listen("unix", path)
	require.NoError(t, err)
	server := httptest.NewUnstartedServer(http.HandlerFunc(describe))
	server.Listener = l
	server.Start()
	defer server.Close()
	handler, c := proxied(t, "reverse_proxy unix/"+path+" {\n transport direct\n}", `{"protocol": "direct"}`)
	for range 2 {
		w := pass(t, handler, httptest.NewRequest(http.MethodPost, "http://a.example/x", strings.NewReader("{}")))
		require.Equal(t, `HTTP/1.1 a.example /x {} ""`, w.Body.String())
		require.Equal(t, 1, c.core.pool.size)
	}
}

// TLS is made directly where HTTP/2 is ruled out, else by ALPN as ever.
func TestReverseProxyTLS(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(describe))
	server.EnableHTTP2 = true
	server.StartTLS()
	defer server.Close()
	at := server.Listener.Addr().String()
	f := func(options, transport, proto string, kept int) {
		t.Helper()
		handler, c := proxied(t, "reverse_proxy https://"+at+" {\n transport direct {\n tls_insecure_skip_verify\n"+options+"\n}\n}", transport)
		for range 2 {
			w := pass(t, handler, httptest.NewRequest(http.MethodPost, "http://a.example/x", strings.NewReader("{}")))
			require.Contains(t, w.Body.String(), proto+" ")
			require.Contains(t, w.Body.String(), at, "the Host is the provider's")
			require.Equal(t, kept, c.core.pool.size)
		}
	}
	f("versions 1.1", `{"protocol": "direct", "versions": ["1.1"], "tls": {"insecure_skip_verify": true}}`, "HTTP/1.1", 1)
	f("", `{"protocol": "direct", "tls": {"insecure_skip_verify": true}}`, "HTTP/2.0", 0)
}

// A proxy is asked where there is one for the request.
func TestEgressProxy(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(describe))
	defer proxy.Close()
	c := load(t, `{"versions": ["1.1"], "network_proxy": {"from": "url", "url": "`+proxy.URL+`"}}`)
	defer func() { require.NoError(t, c.Cleanup()) }()
	r := newRequest(t, "GET", "http://a.example/x", nil)
	r.Header.Set("Accept-Encoding", "identity")
	res, err := c.RoundTrip(r)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, `HTTP/1.1 a.example http://a.example/x  "identity"`, string(body))
	require.Zero(t, c.core.pool.size)
}

// A deadline that an earlier exchange has left says nothing of a connection.
func TestHealthyAfterADeadline(t *testing.T) {
	end := make(chan bool)
	url := serve(t, func(p *peer) { <-end })
	raw, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	c := newConn(origin{}, raw, 0)
	require.NoError(t, raw.SetDeadline(time.Unix(1, 0)))
	require.True(t, c.healthy())
	end <- true
	require.Eventually(t, func() bool { return !c.healthy() }, 10*time.Second, time.Millisecond)
	c.close()
	require.False(t, c.healthy())
}

// Errors of the dialer are Caddy's, which reverse_proxy retries by.
func TestDialError(t *testing.T) {
	_, err := load(t, `{}`).RoundTrip(newRequest(t, "GET", "http://"+freeport.Address(), nil))
	var dial reverseproxy.DialError
	require.ErrorAs(t, err, &dial)
	require.ErrorContains(t, err, "connection refused")
}

// An upgrade goes by the transport beneath, which hands out the connection.
func TestUpgrade(t *testing.T) {
	at := serve(t, func(p *peer) {
		if p.request() != nil {
			p.say("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
			_, _ = io.Copy(p, p.br)
		}
	})
	c := load(t, `{}`)
	r := newRequest(t, "GET", at, nil)
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "echo")
	res, err := c.RoundTrip(r)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	conn := res.Body.(io.ReadWriteCloser)
	_, err = io.WriteString(conn, "hello")
	require.NoError(t, err)
	var got [5]byte
	_, err = io.ReadFull(conn, got[:])
	require.NoError(t, err)
	require.Equal(t, "hello", string(got[:]))
	require.NoError(t, conn.Close())

	// Nobody asked for one here.
	_, err = newTransport(options{}).RoundTrip(newRequest(t, "GET", at, nil))
	require.ErrorIs(t, err, errSwitched)
}
