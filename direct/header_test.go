package direct

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The header is the very bytes that net/http writes, but for an empty Host where
// a name is meant (RFC 9112, section 3.2, has both).
func TestHeaderBytes(t *testing.T) {
	f := func(method, address, host, body string, header http.Header, closing bool) {
		t.Helper()
		u, err := url.Parse(address)
		require.NoError(t, err)
		r := (&http.Request{Method: method, URL: u, Host: host, Header: header, Close: closing}).WithContext(t.Context())
		if body != "" {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		}
		before := header.Clone()
		b := takeBuffer()
		defer b.release()
		require.NoError(t, check(r))
		require.NoError(t, b.header(r, outgoing(r), closing))
		var want bytes.Buffer
		require.NoError(t, r.Write(&want))
		require.Equal(t, want.String(), string(b.b)+body)
		require.Equal(t, before, header, "the request is the caller's")
	}
	f("GET", "http://a.example/", "", "", http.Header{}, false)
	f("", "http://a.example", "", "", http.Header{}, false)
	f("POST", "http://a.example/v1/x?y=%20z&a", "", "{}", http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer x"}}, false)
	f("POST", "http://a.example/", "", "", http.Header{}, false)
	f("PUT", "http://a.example/", "", "", http.Header{}, false)
	f("DELETE", "http://a.example/", "", "", http.Header{}, false)
	f("DELETE", "http://a.example/", "", "x", http.Header{}, false)
	f("GET", "http://a.example:8080/", "b.example", "", http.Header{"User-Agent": {"x"}}, false)
	f("GET", "http://a.example/", "", "", http.Header{"User-Agent": {""}}, false)
	f("GET", "http://a.example/", "", "", http.Header{"User-Agent": nil}, false)
	f("GET", "http://a.example/", "", "", http.Header{"User-Agent": {" x ", "y"}}, false)
	f("GET", "http://a.example/", "", "", http.Header{"Idempotency-Key": nil, "B": {"1", "2"}, "A": {"  trimmed\t"}}, false)
	f("GET", "http://a.example/", "", "", http.Header{"Host": {"other"}, "Content-Length": {"7"}, "Trailer": {"x"}, "Transfer-Encoding": {"y"}}, false)
	f("GET", "http://a.example/", "", "", http.Header{}, true)
	f("GET", "http://a.example/", "", "", http.Header{"Connection": {"close"}}, true)
	f("GET", "http://a.example/", "", "", http.Header{"Connection": {"x"}}, true)
	f("GET", "http://bücher.example/ä", "", "", http.Header{}, false)
	f("GET", "http://[fe80::1%25en0]:8080/", "", "", http.Header{}, false)
	f("GET", "http://[::1]/", "", "", http.Header{}, false)
	f("GET", "http://a.example/", "/run/a.sock", "", http.Header{}, false)
	f("GET", "http://a.example/", "x y", "", http.Header{}, false)
	f("PATCH", "http://a.example/%2f//b;c?", "", "{}", http.Header{"X-Accept": {"ä"}}, false)
	f("POST", "http://a.example/", "", "{}", http.Header{"Long": {strings.Repeat("a", 3*bufferSize)}}, false)
}

// What frames a message is the transport's alone, however a field is spelled.
func TestFraming(t *testing.T) {
	r := newRequest(t, "POST", "http://a.example/", strings.NewReader("{}"))
	r.Header["content-length"] = []string{"7"}
	r.Header["TRANSFER-ENCODING"] = []string{"chunked"}
	r.Header["host"] = []string{"b.example"}
	b := takeBuffer()
	defer b.release()
	require.NoError(t, b.header(r, 2, false))
	require.Equal(t, "POST / HTTP/1.1\r\nHost: a.example\r\nUser-Agent: Go-http-client/1.1\r\nContent-Length: 2\r\n\r\n", string(b.b))
}

// Requests that cannot be sent are refused before anything is dialed, without
// the values of their fields, and with their bodies closed.
func TestRefused(t *testing.T) {
	f := func(name string, change func(r *http.Request)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			both(t, options{}, func(t *testing.T, c client) {
				body := &watched{Reader: strings.NewReader("{}")}
				r := newRequest(t, "POST", "http://127.0.0.1:1/", body)
				r.ContentLength = 2
				change(r)
				_, err := c.RoundTrip(r)
				require.Error(t, err)
				require.NotContains(t, err.Error(), "secret")
				require.NotContains(t, err.Error(), "refused", "it has been dialed")
				require.Equal(t, 1, body.times())
			})
		})
	}
	f("value", func(r *http.Request) { r.Header.Set("Authorization", "secret\r\nX: y") })
	f("control", func(r *http.Request) { r.Header.Set("Authorization", "secret\x00") })
	f("name", func(r *http.Request) { r.Header["A b"] = []string{"secret"} })
	f("method", func(r *http.Request) { r.Method = "GE T" })
	f("no host", func(r *http.Request) { r.URL.Host = "" })
	f("no URL", func(r *http.Request) { r.URL = nil })
	f("no header", func(r *http.Request) { r.Header = nil })
	f("scheme", func(r *http.Request) { r.URL.Scheme = "ftp" })
	f("no scheme", func(r *http.Request) { r.URL.Scheme = "" })

	for _, u := range []*url.URL{{Scheme: "http", Host: "127.0.0.1:1", Opaque: "/\r\n"}, {Scheme: "http", Host: "127.0.0.1:1", RawQuery: "a\nb"}} {
		body := newMemory("{}")
		r := newRequest(t, "POST", "http://127.0.0.1:1", body)
		r.ContentLength, r.URL = 2, u
		_, err := newTransport(options{}).RoundTrip(r)
		require.ErrorContains(t, err, "control character")
		require.Equal(t, 1, body.closed)
	}

	r := newRequest(t, "GET", "http://127.0.0.1:1", nil)
	r.Host = "xn--\u00fc.example\u2028:x:y"
	_, err := newTransport(options{}).RoundTrip(r)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "refused", "it has been dialed")

	r = newRequest(t, "GET", "http://127.0.0.1:1", nil)
	r.ContentLength = 7
	_, err = newTransport(options{}).RoundTrip(r)
	require.ErrorContains(t, err, "ContentLength")
}

// What is beyond the transport goes to the fallback as it is, or is an error.
func TestFallback(t *testing.T) {
	f := func(want string, change func(r *http.Request)) {
		t.Helper()
		body := newMemory("{}")
		r := newRequest(t, "POST", "http://127.0.0.1:1/", body)
		r.ContentLength = 2
		change(r)
		_, err := (&Transport{}).RoundTrip(r)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "fallback")
		require.Equal(t, 1, body.closed)
		var got *http.Request
		c := &Transport{Fallback: roundTrips(func(r *http.Request) (*http.Response, error) {
			got = r
			return nil, errSecret
		})}
		_, err = c.RoundTrip(r)
		require.Equal(t, errSecret, err)
		require.Same(t, r, got)
	}
	f("upgrade", func(r *http.Request) { r.Header.Set("Connection", "keep-alive, Upgrade") })
	f("upgrade", func(r *http.Request) { r.Header.Set("Upgrade", "websocket") })
	f("Expect", func(r *http.Request) { r.Header.Set("Expect", "100-continue") })
	f("CONNECT", func(r *http.Request) { r.Method = "CONNECT" })
	f("Transfer-Encoding", func(r *http.Request) { r.TransferEncoding = []string{"chunked"} })
	f("unknown length", func(r *http.Request) { r.ContentLength = -1 })
	f("unknown length", func(r *http.Request) { r.ContentLength = 0 })
	f("trailer", func(r *http.Request) { r.Trailer = http.Header{"A": nil} })
	f(`scheme "ftp"`, func(r *http.Request) { r.URL.Scheme = "ftp" })
	f("Cancel", func(r *http.Request) { r.Cancel = make(chan struct{}) }) //nolint:staticcheck // It is deprecated, not gone.
}

type roundTrips func(r *http.Request) (*http.Response, error)

func (f roundTrips) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestAddress(t *testing.T) {
	f := func(u, want string) {
		t.Helper()
		parsed, err := url.Parse(u)
		require.NoError(t, err)
		require.Equal(t, want, address(parsed))
	}
	f("http://a.example", "a.example:80")
	f("https://a.example/x", "a.example:443")
	f("https://a.example:8443", "a.example:8443")
	f("http://[::1]", "[::1]:80")
	f("http://[::1]:8080", "[::1]:8080")
	f("http://bücher.example", "xn--bcher-kva.example:80")
	f("http://10.0.0.1", "10.0.0.1:80")
}
