package plexus

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-plexus/plexus/api"
)

// Why another target was asked is the operator's business, in the provider's own
// words: the client gets ours, for theirs may tell of our account.
func TestDebugLogTellsWhatTheProviderSaid(t *testing.T) {
	f := func(a api.API, path, body string, answer http.HandlerFunc, want string) {
		t.Helper()
		p := newProvider(t, answer)
		g := newGateway(t, strings.Replace(oneAPI(a, p.URL), "base_url", "api_key sk-do-not-show\n base_url", 1)+"model fast {\n target "+string(a)+" m1\n}\n")
		core, logs := observer.New(zap.DebugLevel)
		g.logger = zap.New(core)
		got := post(t, serveGateway(t, g).URL+path, body)
		require.NotEqual(t, 200, got.status)
		require.NotContains(t, got.body, "org-1")
		require.Equal(t, want, logs.FilterMessage("attempt failed").All()[0].ContextMap()["said"])
	}
	const said, told = `{"error":{"message":"org-1 with sk-do-not-show is down"}}`, `{"error":{"message":"org-1 with REDACTED is down"}}`
	inStream := streams("data: " + said + "\n\n")
	chat := func(body string, answer http.HandlerFunc, want string) {
		t.Helper()
		f(api.Chat, "/v1/chat/completions", body, answer, want)
	}
	chat(askFast, says(500, said), told)
	chat(askFast, says(429, said), told)
	chat(askFast, says(200, said), told)
	chat(streamFast, inStream, told)
	chat(askFast, says(503, ""), "")
	chat(askFast, says(503, strings.Repeat("x", 501)), strings.Repeat("x", 500))

	const toMessages = `{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
	f(api.Chat, "/v1/messages", toMessages, says(200, said), told)
	f(api.Chat, "/v1/messages", strings.Replace(toMessages, "{", `{"stream":true,`, 1), inStream, told)
	f(api.Gemini, "/v1beta/models/fast:streamGenerateContent", `{"contents":[{"parts":[{"text":"hi"}]}]}`, says(200, "["+said+"]"), told)
}
