package plexus

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/internal/freeport"
)

const askFast = `{"model":"fast","messages":[{"role":"user","content":"hi"}]}`

// inOrder is a gateway whose model "fast" asks the given base URLs one after the
// other.
func inOrder(t *testing.T, extra string, urls ...string) (*Gateway, string) {
	t.Helper()
	var block strings.Builder
	for i, url := range urls {
		fmt.Fprintf(&block, "provider p%d {\n base_url %s/v1\n base_url messages %s/v1\n base_url responses %s/v1\n base_url gemini %s/v1beta\n cooldown off\n}\n", i+1, url, url, url, url)
	}
	block.WriteString("model fast quick {\n selector in_order\n")
	for i := range urls {
		fmt.Fprintf(&block, " target p%d m%d\n", i+1, i+1)
	}
	block.WriteString("}\n" + extra)
	g := newGateway(t, block.String())
	return g, serveGateway(t, g).URL
}

func TestFailoverOnEachVerdict(t *testing.T) {
	good := newProvider(t, says(200, chatAnswer))
	f := func(name string, bad http.HandlerFunc) {
		t.Helper()
		first := newProvider(t, bad)
		_, url := inOrder(t, "failover {\n first_content 300ms\n answer 300ms\n}", first.URL, good.URL)
		got := post(t, url+"/v1/chat/completions", askFast)
		require.Equal(t, 200, got.status, name)
		require.Equal(t, chatAnswer, got.body, name)
		require.Equal(t, "2", got.header.Get("X-Plexus-Attempts"), name)
		require.Equal(t, "p2", got.header.Get("X-Plexus-Provider"), name)
		require.Equal(t, "m2", got.header.Get("X-Plexus-Model"), name)
		require.Equal(t, 1, first.count(), name)
	}
	for _, status := range []int{301, 401, 402, 403, 408, 409, 425, 429, 500, 502, 503, 504, 529} {
		f(fmt.Sprint(status), says(status, `{"error":{"message":"no"}}`))
	}
	f("404 of OpenAI", says(404, `{"error":{"message":"The model x does not exist","code":"model_not_found"}}`))
	f("404 of Gemini", says(404, `{"error":{"code":404,"message":"models/x is not found","status":"NOT_FOUND"}}`))
	f("404 of Ollama", says(404, `{"error":"model 'x' not found"}`))
	f("400 of Mistral", says(400, `{"object":"error","message":"Invalid model: x","type":"invalid_model","code":"1500"}`))
	f("400 of OpenRouter", says(400, `{"error":{"message":"x is not a valid model ID","code":400}}`))
	f("400 for Gemini's key", says(400, `{"error":{"code":400,"details":[{"reason":"API_KEY_INVALID"}]}}`))
	f("reset", breaksOff)
	f("hang", hangs)
	f("error inside a 200", says(200, `{"error":{"message":"overloaded"}}`))
	f("malformed", says(200, `{"choices":[`))
	f("empty", says(200, ``))
	f("nothing in it", says(200, `{"object":"chat.completion"}`))
	f("a page", says(200, `<html>`, "Content-Type", "text/html; charset=utf-8"))
	f("cut short", says(200, `{"choices":[`, "Content-Length", "1000"))
}

// hangs answers nothing until the other side leaves.
func hangs(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func TestFailoverOfStreams(t *testing.T) {
	good := newProvider(t, streams(chatRole, chatHello, chatStop, chatDone))
	f := func(name string, bad http.HandlerFunc) {
		t.Helper()
		first := newProvider(t, bad)
		_, url := inOrder(t, "failover {\n first_content 300ms\n}", first.URL, good.URL)
		got := post(t, url+"/v1/chat/completions", `{"model":"fast","stream":true}`)
		require.Equal(t, 200, got.status, name)
		require.NoError(t, got.err, name)
		require.Equal(t, chatRole+chatHello+chatStop+chatDone, got.body, "nothing of the first target may be left: %s", name)
		require.Equal(t, "2", got.header.Get("X-Plexus-Attempts"), name)
	}
	f("error event at once", streams(chatFailed))
	f("error event before content", streams(chatRole, chatFailed))
	f("OpenRouter's error", streams(`data: {"error":{"code":502,"message":"x"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`+"\n\n"))
	f("empty stream", streams())
	f("end before content", streams(chatRole))
	f("only [DONE]", streams(chatDone))
	f("malformed event", streams("data: {\"choices\":\n\n"))
	f("reset before content", func(w http.ResponseWriter, r *http.Request) {
		streams(chatRole)(w, r)
		panic(http.ErrAbortHandler)
	})
	f("keep-alives without content", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for r.Context().Err() == nil {
			_, _ = io.WriteString(w, ": keep-alive\n\n")
			_ = http.NewResponseController(w).Flush()
			select {
			case <-r.Context().Done():
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	f("JSON error for a stream", says(200, `{"error":{"message":"no"}}`))
}

func TestUnreachableTargets(t *testing.T) {
	refused := "http://" + freeport.Address()
	plain := newProvider(t, says(200, chatAnswer))
	noTLS := strings.Replace(plain.URL, "http://", "https://", 1)

	_, url := inOrder(t, "", refused, noTLS, "http://nobody.invalid")
	got := post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, 502, got.status)
	require.Contains(t, got.body, "model \\\"fast\\\": 3 targets tried, none succeeded: p1/m1: connection refused; p2/m2: TLS handshake failed; p3/m3: ")
	require.NotContains(t, got.body, "127.0.0.1", "a provider's URL is nobody's business")
	require.NotContains(t, got.body, "nobody.invalid")
}

func TestTheRestIsTheClientsAnswer(t *testing.T) {
	never := newProvider(t, says(200, chatAnswer))
	f := func(status int, body, want string) {
		t.Helper()
		first := newProvider(t, says(status, body, "X-Request-Id", "r1", "Set-Cookie", "a=b"))
		_, url := inOrder(t, "", first.URL, never.URL)
		got := post(t, url+"/v1/chat/completions", askFast)
		require.Equal(t, status, got.status)
		require.Equal(t, want, got.body)
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
		require.Equal(t, "r1", got.header.Get("X-Request-Id"))
		require.Empty(t, got.header.Get("Set-Cookie"))
		require.Equal(t, "1", got.header.Get("X-Plexus-Attempts"))
	}
	const complaint = `{"error":{"message":"bad temperature","type":"invalid_request_error"}}`
	f(400, complaint, complaint)
	f(413, complaint, complaint)
	f(422, complaint, complaint)
	f(404, `{"error":{"message":"no such file"}}`, `{"error":{"message":"no such file"}}`)
	f(405, "nginx says no", `{"error":{"message":"the provider p1 refused the request with status 405: nginx says no","type":"invalid_request_error","param":null,"code":null}}`)
	require.Zero(t, never.count())
}

func TestOnStatusAddsToTheVerdicts(t *testing.T) {
	bad := newProvider(t, says(422, `{"error":{}}`))
	good := newProvider(t, says(200, chatAnswer))
	_, url := inOrder(t, "failover {\n on_status 418 422\n}", bad.URL, good.URL)
	require.Equal(t, 200, post(t, url+"/v1/chat/completions", askFast).status)
	_, url = inOrder(t, "failover {\n on_status 4xx\n}", bad.URL, good.URL)
	require.Equal(t, 200, post(t, url+"/v1/chat/completions", askFast).status)
}

func TestAllFailed(t *testing.T) {
	f := func(want int, answers ...http.HandlerFunc) answered {
		t.Helper()
		urls := make([]string, len(answers))
		for i, a := range answers {
			urls[i] = newProvider(t, a).URL
		}
		_, url := inOrder(t, "failover {\n first_content 200ms\n answer 200ms\n on_status 422\n}", urls...)
		got := post(t, url+"/v1/chat/completions", askFast)
		require.Equal(t, want, got.status)
		require.Contains(t, got.body, `"code":"all_targets_failed"`)
		return got
	}
	got := f(502, says(500, ""), says(503, ""))
	require.Contains(t, got.body, "p1/m1: 500 Internal Server Error; p2/m2: 503 Service Unavailable")
	f(502, says(401, ""))
	f(502, says(404, `{"error":{"code":"model_not_found"}}`))
	f(502, says(400, `{"error":{"code":"model_not_available"}}`))
	f(422, says(500, ""), says(422, ""))
	f(504, says(500, ""), hangs)
	f(504, says(504, ""))
	got = f(429, says(500, ""), says(429, "", "Retry-After", "7"))
	require.Equal(t, "7", got.header.Get("Retry-After"))
	got = f(429, says(429, "", "retry-after-ms", "1500"))
	require.Equal(t, "2", got.header.Get("Retry-After"), "rounded up")
}

func TestAttemptsAreLimited(t *testing.T) {
	bad := newProvider(t, says(500, ""))
	urls := []string{bad.URL, bad.URL, bad.URL, bad.URL, bad.URL}
	_, url := inOrder(t, "", urls...)
	post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, 3, bad.count(), "the default")

	_, url = inOrder(t, "failover {\n attempts 5\n}", urls...)
	post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, 8, bad.count())

	_, url = inOrder(t, "failover {\n attempts 5\n}\nmodel other {\n target p1 m\n target p2 m\n failover {\n  attempts 1\n }\n}", urls...)
	post(t, url+"/v1/chat/completions", `{"model":"other"}`)
	require.Equal(t, 9, bad.count(), "the model's own failover wins")
}

func TestCooldownKeepsRequestsAway(t *testing.T) {
	bad := newProvider(t, says(429, "", "Retry-After", "30"))
	good := newProvider(t, says(200, chatAnswer))
	g := newGateway(t, fmt.Sprintf(`
		provider bad {
			base_url %s/v1
		}
		provider good {
			base_url %s/v1
		}
		model fast {
			selector in_order
			target bad m
			target good m
		}
		model only {
			target bad m
		}
	`, bad.URL, good.URL))
	url := serveGateway(t, g).URL
	for range 5 {
		require.Equal(t, 200, post(t, url+"/v1/chat/completions", askFast).status)
	}
	require.Equal(t, 1, bad.count())
	got := post(t, url+"/v1/chat/completions", `{"model":"only"}`)
	require.Equal(t, 503, got.status)
	require.Equal(t, "30", got.header.Get("Retry-After"))
	require.Contains(t, got.body, "all_targets_cooling_down")

	now := g.now()
	g.now = func() time.Time { return now.Add(31 * time.Second) }
	post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, 2, bad.count(), "after the pause it is asked again")
}

func TestClientGoneBeforeTheAnswer(t *testing.T) {
	left := make(chan struct{})
	hanging := newProvider(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(left)
	})
	next := newProvider(t, says(200, chatAnswer))
	g, url := inOrder(t, "", hanging.URL, next.URL)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(askFast))
		if err == nil {
			_, err = http.DefaultClient.Do(req)
		}
		done <- err
	}()
	awaits(t, "the provider gets the request", func() bool { return hanging.count() == 1 })
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	select {
	case <-left:
	case <-time.After(5 * time.Second):
		t.Fatal("the provider still works for a client that is gone")
	}
	require.Zero(t, next.count(), "nobody waits for a second attempt")
	route, err := g.router.Resolve("fast")
	require.NoError(t, err)
	require.Zero(t, route.Targets[0].state.pauses(), "the client's leaving is not the target's fault")
}

// A client that leaves, before a whole answer or a stream's first content, is a
// 499 in logs and metrics, and nobody's fault.
func TestClientGoneIsA499(t *testing.T) {
	f := func(body string, answer http.HandlerFunc) {
		t.Helper()
		ctx, leave := context.WithCancel(t.Context())
		left := make(chan struct{})
		p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
			answer(w, r)
			leave()
			<-r.Context().Done()
			close(left)
		})
		g, _ := inOrder(t, "open", p.URL)
		ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{})
		req := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/chat/completions", strings.NewReader(body))
		got := httptest.NewRecorder()
		require.NoError(t, (&Handler{Gateway: g}).ServeHTTP(got, req, nil))
		<-left
		require.Equal(t, 499, got.Code)
		require.Empty(t, got.Body.String())
		require.Zero(t, g.router.names["fast"].targets[0].state.pauses())
	}
	nothing := func(http.ResponseWriter, *http.Request) {}
	f(askFast, nothing)
	f(askFast, says(200, `{"choices":[`))
	f(`{"model":"fast","stream":true}`, nothing)
	f(`{"model":"fast","stream":true}`, streams(chatRole, ": keep-alive\n\n"))
}

func TestWhatTheProviderReceives(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	t.Setenv("PLEXUS_TEST_KEY", "sk-upstream")
	g := newGateway(t, fmt.Sprintf(`
		provider lab {
			base_url %s/openai/v1
			base_url messages %s/anthropic/v1
			base_url gemini %s/v1beta
			api_key {env.PLEXUS_TEST_KEY}
			header_up X-Team research
			header_up +X-Client {http.request.header.X-App}
		}
		provider azure {
			base_url %s/azure/v1
			api_key {env.PLEXUS_TEST_KEY}
		}
		model fast {
			target lab big/1
		}
		key app client-secret
	`, p.URL, p.URL, p.URL, p.URL))
	url := serveGateway(t, g).URL
	identity := []string{
		"Authorization", "Bearer client-secret", "Cookie", "session=1", "X-Forwarded-For", "203.0.113.9", "X-Real-Ip", "203.0.113.9",
		"User-Agent", "client/1.0", "Openai-Organization", "org-client", "Anthropic-Beta", "context-1m", "Traceparent", "00-a-b-01",
		"Accept-Encoding", "br", "X-App", "console", "Referer", "https://client.example", "X-Stainless-Lang", "js",
	}
	const body = ` { "zeta":1e-7 , "model" : "fast", "n":12345678901234567890,"messages":[{"role":"user","content":"model \"fast\" ☃"}],"unknown":{"model":"fast"} } `

	post(t, url+"/v1/chat/completions?key=client-secret&alt=x&user=me", body, identity...)
	got := p.last(t)
	require.Equal(t, "/openai/v1/chat/completions", got.path)
	require.Equal(t, "alt=x", got.query)
	require.Equal(t, strings.Replace(body, `"model" : "fast"`, `"model" : "big/1"`, 1), got.body)
	require.Equal(t, http.Header{
		"Authorization":  {"Bearer sk-upstream"},
		"Content-Type":   {"application/json"},
		"Content-Length": {fmt.Sprint(len(got.body))},
		"Anthropic-Beta": {"context-1m"},
		"Traceparent":    {"00-a-b-01"},
		"User-Agent":     {"Plexus"},
		// the transport's own
		"X-Team":   {"research"},
		"X-Client": {"console"},
	}, got.header)

	post(t, url+"/v1/messages?beta=true", body, identity...)
	got = p.last(t)
	require.Equal(t, "/anthropic/v1/messages", got.path)
	require.Equal(t, "beta=true", got.query)
	require.Equal(t, "sk-upstream", got.header.Get("X-Api-Key"))
	require.Equal(t, "2023-06-01", got.header.Get("Anthropic-Version"))
	require.Empty(t, got.header.Get("Authorization"))

	post(t, url+"/v1beta/models/fast:streamGenerateContent?alt=sse&key=client-secret", `{"contents":[]}`)
	got = p.last(t)
	require.Equal(t, "/v1beta/models/big/1:streamGenerateContent", got.path)
	require.Equal(t, "alt=sse", got.query)
	require.Equal(t, "sk-upstream", got.header.Get("X-Goog-Api-Key"))
	require.Equal(t, `{"contents":[]}`, got.body)

	post(t, url+"/v1/chat/completions", `{"model":"azure/gpt-4o"}`, identity...)
	got = p.last(t)
	require.Equal(t, "sk-upstream", got.header.Get("Api-Key"))
	require.Equal(t, `{"model":"gpt-4o"}`, got.body)
}

func TestOurCredentialDoesNotReachTheClient(t *testing.T) {
	p := newProvider(t, says(400, `{"error":{"message":"bad request with key sk-upstream-secret"}}`, "Openai-Organization", "org-ours", "Set-Cookie", "a=b", "X-Ratelimit-Remaining-Tokens", "9"))
	g := newGateway(t, fmt.Sprintf("provider lab {\n base_url %s/v1\n api_key sk-upstream-secret\n}", p.URL))
	got := post(t, serveGateway(t, g).URL+"/v1/chat/completions", `{"model":"lab/m"}`)
	require.Equal(t, `{"error":{"message":"bad request with key REDACTED"}}`, got.body)
	require.Empty(t, got.header.Get("Openai-Organization"))
	require.Empty(t, got.header.Get("Set-Cookie"))
	require.Equal(t, "9", got.header.Get("X-Ratelimit-Remaining-Tokens"))
}

func TestEveryEndpointReachesItsPath(t *testing.T) {
	p := newProvider(t, says(200, `{"ok":true,"choices":[{}],"content":[],"output":[]}`))
	g := newGateway(t, fmt.Sprintf(`
		provider lab {
			base_url %[1]s/v1
			base_url responses %[1]s/v1
			base_url rerank %[1]s/v1
			base_url messages %[1]s/v1
			base_url gemini %[1]s/v1beta
		}
		model fast {
			target lab m
		}
	`, p.URL))
	url := serveGateway(t, g).URL
	f := func(path, want string) {
		t.Helper()
		got := post(t, url+path, `{"model":"fast"}`)
		require.Equal(t, 200, got.status, got.body)
		require.Equal(t, want, p.last(t).path)
	}
	for path, op := range operations {
		if op.kind == operationAsk && !strings.Contains(path, "edits") && !strings.Contains(path, "transcr") && !strings.Contains(path, "transl") {
			f(path, path)
		}
	}
	for _, method := range []string{"generateContent", "streamGenerateContent", "countTokens", "embedContent", "batchEmbedContents"} {
		f("/v1beta/models/fast:"+method, "/v1beta/models/m:"+method)
		f("/v1/models/fast:"+method, "/v1beta/models/m:"+method)
		f("/v1beta/models/lab/hf:x/y:"+method, "/v1beta/models/hf:x/y:"+method)
		f("/v1beta/lab/gemma:"+method, "/v1beta/models/gemma:"+method)
		f("/v1beta/models/lab%2Fgemma:"+method, "/v1beta/models/gemma:"+method)
	}
	require.Equal(t, http.StatusTeapot, post(t, url+"/v1/unknown", `{}`).status, "what is not ours goes on to the next handler")
	require.Equal(t, http.StatusTeapot, post(t, url+"/", `{}`).status)
	require.Equal(t, http.StatusTeapot, post(t, url+"/v1/models/", `{}`).status)
	require.Equal(t, http.StatusTeapot, ask(t, http.MethodOptions, url+"/v1/chat/completions", "").status)
}

// The last target is asked once more when it drops the connection without a
// word, as a server does that restarts.
func TestDroppedConnectionOfTheLastTarget(t *testing.T) {
	var p *provider
	p = newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if p.count() == 1 {
			panic(http.ErrAbortHandler)
		}
		says(200, chatAnswer)(w, r)
	})
	_, url := inOrder(t, "", p.URL)
	got := post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, 200, got.status)
	require.Equal(t, "2", got.header.Get("X-Plexus-Attempts"))

	dropping := newProvider(t, breaksOff)
	_, url = inOrder(t, "", dropping.URL)
	require.Equal(t, 502, post(t, url+"/v1/chat/completions", askFast).status)
	require.Equal(t, 2, dropping.count(), "once, not for ever")
	_, url = inOrder(t, "failover {\n attempts 1\n}", dropping.URL)
	post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, 3, dropping.count(), "within the limit of attempts")
}

// header_up replaces values in place: neither the next request's credential nor
// the next attempt's headers may suffer.
func TestHeaderUpWorksOnCopies(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	g := newGateway(t, fmt.Sprintf(`
		provider lab {
			base_url %s/v1
			api_key sk-one
			header_up Authorization Bearer Token
			header_up +Traceparent more
		}
		model fast {
			target lab m
		}
	`, p.URL))
	url := serveGateway(t, g).URL
	for range 3 {
		post(t, url+"/v1/chat/completions", askFast, "Traceparent", "00-a")
		require.Equal(t, "Token sk-one", p.last(t).header.Get("Authorization"))
		require.Equal(t, []string{"00-a", "more"}, p.last(t).header["Traceparent"])
	}
}

// header_up reaches the Host, which net/http keeps beside the headers.
func TestHeaderUpChangesTheHost(t *testing.T) {
	hosts := make(chan string, 1)
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		hosts <- r.Host
		says(200, chatAnswer)(w, r)
	})
	f := func(headerUp, want string) {
		t.Helper()
		g := newGateway(t, fmt.Sprintf("provider lab {\n base_url %s/v1\n %s\n}", p.URL, headerUp))
		require.Equal(t, 200, post(t, serveGateway(t, g).URL+"/v1/chat/completions", `{"model":"lab/m"}`).status)
		require.Equal(t, want, <-hosts)
		require.Empty(t, p.last(t).header.Get("Host"))
	}
	own := strings.TrimPrefix(p.URL, "http://")
	f("", own)
	f("header_up X-Team research", own)
	f("header_up Host llm.example.com", "llm.example.com")
	f("header_up Host {http.request.method}.example.com", "POST.example.com")
	f("header_up -Host", own)
}

func TestWhatAProviderSaysIsNotLost(t *testing.T) {
	f := func(said, want string) {
		t.Helper()
		p := newProvider(t, says(400, said))
		g := newGateway(t, fmt.Sprintf("provider lab {\n base_url %s/v1\n api_key sk-cred/x\n}", p.URL))
		require.Equal(t, want, post(t, serveGateway(t, g).URL+"/v1/chat/completions", `{"model":"lab/m"}`).body)
	}
	f("\n{\"detail\":\"useful\"}\n", `{"detail":"useful"}`)
	f(`[{"error":{"message":"useful"}}]`, `{"error":{"message":"useful"}}`)
	f(`{"error":{"message":"bad key sk-cred\/x"}}`, `{"error":{"message":"bad key REDACTED"}}`)
	f("useful\xff text, not sk-cred/x", `{"error":{"message":"the provider lab refused the request with status 400: useful text, not REDACTED","type":"invalid_request_error","param":null,"code":null}}`)
	f("<html>", `{"error":{"message":"the provider lab refused the request with status 400","type":"invalid_request_error","param":null,"code":null}}`)
}

// A credential that was mended is not punished for the old one, and what is known
// of the target stays.
func TestAnotherCredentialStartsClean(t *testing.T) {
	const block = "provider lab {\n base_url http://127.0.0.1:1/v1\n api_key %s\n}\nmodel m {\n target lab a\n}"
	first := newGateway(t, fmt.Sprintf(block, "sk-old"))
	second := newGateway(t, fmt.Sprintf(block, "sk-new"))
	before, after := first.router.names["m"].targets[0], second.router.names["m"].targets[0]
	require.NotSame(t, before.lanes[0].state, after.lanes[0].state)
	require.NotSame(t, before.lanes[0].credential.state, after.lanes[0].credential.state)
	require.Same(t, before.state, after.state)
}

// A provider that resets every connection was sent a request once for each
// connection that idled, as net/http takes them for stale one after the other.
func TestResetIsRepeatedOnce(t *testing.T) {
	const idle = 8
	var resets atomic.Bool
	var arrived sync.WaitGroup
	arrived.Add(idle)
	first := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if resets.Load() {
			breaksOff(w, r)
		}
		arrived.Done()
		arrived.Wait()
		says(200, chatAnswer)(w, r)
	})
	second := newProvider(t, says(200, chatAnswer))
	_, url := inOrder(t, "", first.URL, second.URL)
	var opening sync.WaitGroup
	for range idle {
		opening.Go(func() { _ = askOnce(url+"/v1/chat/completions", askFast, "Hi") })
	}
	opening.Wait()
	require.Equal(t, idle, first.count())
	resets.Store(true)
	got := post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, 200, got.status)
	require.Equal(t, "p2", got.header.Get("X-Plexus-Provider"))
	require.LessOrEqual(t, first.count()-idle, sendings)
}
