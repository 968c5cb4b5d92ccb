package plexus

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
)

// loadGateway provisions what a plexus block says, by way of its JSON, as Caddy
// does.
func loadGateway(t testing.TB, block string) (*Gateway, error) {
	t.Helper()
	parsed := new(Gateway)
	require.NoError(t, parsed.UnmarshalCaddyfile(caddyfile.NewTestDispenser("plexus {\n"+block+"\n}")))
	raw, err := json.Marshal(parsed)
	require.NoError(t, err)
	g := new(Gateway)
	require.NoError(t, caddy.StrictUnmarshalJSON(raw, g))
	return g, provision(t, g)
}

func provision(t testing.TB, g *Gateway) error {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(func() {
		cancel()
		require.NoError(t, g.Cleanup())
	})
	err := g.Provision(ctx)
	g.logger = zap.NewNop()
	return err
}

func newGateway(t testing.TB, block string) *Gateway {
	t.Helper()
	g, err := loadGateway(t, block)
	require.NoError(t, err)
	return g
}

// serveGateway is a server with nothing but the gateway, and what Caddy's own
// server puts into a request's context.
func serveGateway(t *testing.T, g *Gateway) *httptest.Server {
	t.Helper()
	h := &Handler{Gateway: g}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, _ := net.SplitHostPort(r.RemoteAddr)
		repl := caddyhttp.NewTestReplacer(r)
		ctx := context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl)
		ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: host})
		ctx = context.WithValue(ctx, caddyhttp.ExtraLogFieldsCtxKey, new(caddyhttp.ExtraLogFields))
		err := h.ServeHTTP(w, r.WithContext(ctx), caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
			w.WriteHeader(http.StatusTeapot)
			return nil
		}))
		if err != nil {
			panic(err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// provider is a provider whose answers a test writes.
type provider struct {
	*httptest.Server
	mu       sync.Mutex
	requests []received
}

type received struct {
	path, query string
	header      http.Header
	body        string
}

func newProvider(t *testing.T, answer http.HandlerFunc) *provider {
	t.Helper()
	p := new(provider)
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		p.mu.Lock()
		p.requests = append(p.requests, received{r.URL.EscapedPath(), r.URL.RawQuery, r.Header.Clone(), string(body)})
		p.mu.Unlock()
		answer(w, r)
	}))
	t.Cleanup(p.Server.Close)
	return p
}

// last is the latest request that the provider got.
func (p *provider) last(t *testing.T) received {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	require.NotEmpty(t, p.requests, "the provider got no request")
	return p.requests[len(p.requests)-1]
}

func (p *provider) count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.requests)
}

// says answers with a status and a body.
func says(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// streams answers with events, each in a write of its own.
func streams(events ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for _, ev := range events {
			_, _ = io.WriteString(w, ev)
			_ = http.NewResponseController(w).Flush()
		}
	}
}

// breaksOff ends the connection without an end of the body.
func breaksOff(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

const (
	chatAnswer = `{"id":"c1","object":"chat.completion","model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}`
	chatRole   = `data: {"id":"c1","choices":[{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}]}` + "\n\n"
	chatHello  = `data: {"id":"c1","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}` + "\n\n"
	chatWorld  = `data: {"id":"c1","choices":[{"index":0,"delta":{"content":" world"},"finish_reason":null}]}` + "\n\n"
	chatStop   = `data: {"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n"
	chatUsage  = `data: {"id":"c1","choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}}` + "\n\n"
	chatDone   = "data: [DONE]\n\n"
	chatFailed = `data: {"error":{"message":"overloaded","type":"server_error"}}` + "\n\n"
)

// answered is what a client got.
type answered struct {
	status int
	header http.Header
	body   string
	err    error // from reading the body
}

func ask(t *testing.T, method, url, body string, header ...string) answered {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return answered{res.StatusCode, res.Header, string(text), err}
}

func post(t *testing.T, url, body string, header ...string) answered {
	t.Helper()
	return ask(t, http.MethodPost, url, body, header...)
}

// awaits polls for what another goroutine is about to do.
func awaits(t *testing.T, what string, done func() bool) {
	t.Helper()
	require.Eventually(t, done, 5*time.Second, time.Millisecond, what)
}
