package plexus

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/caddy-plexus/plexus/api"
)

// canned answers every request with the same bytes, so that what is measured is
// the gateway.
type canned struct{ kind, body string }

func (c canned) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {c.kind}},
		Body: io.NopCloser(strings.NewReader(c.body)), ContentLength: -1,
	}, nil
}

// BenchmarkTranslate compares translated answers with relayed ones.
func BenchmarkTranslate(b *testing.B) {
	chatStream := chatRole + strings.Repeat(chatHello, 20) + chatStop + chatUsage + chatDone
	messagesStream := messagesStart + messagesOpen + strings.Repeat(messagesHello, 20) + messagesClose + messagesDelta + messagesStop
	const json, events = "application/json", "text/event-stream"
	for _, c := range []struct {
		name   string
		target api.API
		path   string
		ask    string
		answer canned
	}{
		{"chat/relay", api.Chat, "/v1/chat/completions", askFast, canned{json, chatAnswer}},
		{"chat/from-messages", api.Messages, "/v1/chat/completions", askFast, canned{json, messagesAnswer}},
		{"messages/relay", api.Messages, "/v1/messages", askMessages, canned{json, messagesAnswer}},
		{"messages/from-chat", api.Chat, "/v1/messages", askMessages, canned{json, chatAnswer}},
		{"chat-stream/relay", api.Chat, "/v1/chat/completions", streamFast, canned{events, chatStream}},
		{"chat-stream/from-messages", api.Messages, "/v1/chat/completions", streamFast, canned{events, messagesStream}},
		{"messages-stream/relay", api.Messages, "/v1/messages", streamMessages, canned{events, messagesStream}},
		{"messages-stream/from-chat", api.Chat, "/v1/messages", streamMessages, canned{events, chatStream}},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := benchHandler(b, c.target, c.answer)
			b.ReportAllocs()
			for b.Loop() {
				w := httptest.NewRecorder()
				serveOnce(b, h, w, c.path, c.ask)
				if w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}

// serveOnce has a handler answer a client on the same machine.
func serveOnce(tb testing.TB, h *Handler, w http.ResponseWriter, path, ask string) {
	tb.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(ask))
	ctx := context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "127.0.0.1"})
	if err := h.ServeHTTP(w, r.WithContext(ctx), nil); err != nil {
		tb.Fatal(err)
	}
}

func benchHandler(b testing.TB, a api.API, answer http.RoundTripper) *Handler {
	b.Helper()
	g := &Gateway{
		Providers: []*Provider{{Name: "p", BaseURLs: map[string]string{string(a): "http://127.0.0.1:1/v1"}}},
		Models:    []*Model{{Alias: "fast", Targets: []ModelTarget{{Provider: "p", Model: "m"}}}},
	}
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	b.Cleanup(cancel)
	require.NoError(b, g.Provision(ctx))
	b.Cleanup(func() { require.NoError(b, g.Cleanup()) })
	g.Providers[0].use(answer)
	g.logger = zap.NewNop()
	return &Handler{Gateway: g}
}
