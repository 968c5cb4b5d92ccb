package plexus

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/sse"
	"github.com/caddy-plexus/plexus/mock"
)

// serveMock is a provider that speaks every API.
func serveMock(t *testing.T, config string) string {
	t.Helper()
	m := new(mock.Mock)
	require.NoError(t, caddy.StrictUnmarshalJSON([]byte(config), m))
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	t.Cleanup(cancel)
	require.NoError(t, m.Provision(ctx))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, caddyhttp.NewTestReplacer(r)))
		if err := m.ServeHTTP(w, r, caddyhttp.HandlerFunc(func(http.ResponseWriter, *http.Request) error { return nil })); err != nil {
			t.Errorf("serving %s: %v", r.URL, err)
		}
	}))
	t.Cleanup(server.Close)
	return server.URL
}

// oneAPI is a provider called like the API that it alone speaks.
func oneAPI(a api.API, url string) string {
	version := "v1"
	if a == api.Gemini {
		version = "v1beta"
	}
	return fmt.Sprintf("provider %s none {\n base_url %s %s/%s\n cooldown off\n}\n", a, a, url, version)
}

// generators are the APIs of targets that can be translated to.
var generators = []api.API{api.Chat, api.Responses, api.Messages, api.Gemini}

// questions ask the model for a greeting, in each API of a client.
var questions = []struct {
	api    api.API
	path   string
	body   string
	stream string // the path for a stream, where it is another one
}{
	{api.Chat, "/v1/chat/completions", `{"model":"%[1]s","messages":[{"role":"user","content":"hi"}]%[2]s}`, ""},
	{api.Completions, "/v1/completions", `{"model":"%[1]s","prompt":"hi"%[2]s}`, ""},
	{api.Responses, "/v1/responses", `{"model":"%[1]s","input":"hi","store":false%[2]s}`, ""},
	{api.Messages, "/v1/messages", `{"model":"%[1]s","max_tokens":100,"messages":[{"role":"user","content":"hi"}]%[2]s}`, ""},
	{api.Gemini, "/v1beta/models/%[1]s:generateContent", `{"contents":[{"role":"user","parts":[{"text":"hi"}]}],"labels":{"model":"%[1]s"}%[2]s}`, "/v1beta/models/%[1]s:streamGenerateContent?alt=sse"},
}

func TestEveryDirection(t *testing.T) {
	url := serveMock(t, `{"text":"Hello from {model}."}`)
	var block strings.Builder
	for _, a := range generators {
		block.WriteString(oneAPI(a, url))
	}
	gateway := serveGateway(t, newGateway(t, block.String())).URL
	for _, q := range questions {
		for _, target := range generators {
			name := fmt.Sprintf("%s to %s", q.api, target)
			model := string(target) + "/m"
			got := post(t, gateway+named(q.path, model), fmt.Sprintf(q.body, model, ""))
			require.Equal(t, 200, got.status, "%s: %s", name, got.body)
			require.Equal(t, "Hello from m.", textOf(t, q.api, got.body), name)
			require.Equal(t, string(target), got.header.Get("X-Plexus-Provider"), name)

			path, stream := q.path, `,"stream":true`
			if q.stream != "" {
				path, stream = q.stream, ""
			}
			body := fmt.Sprintf(strings.ReplaceAll(q.body, "%[2]s", stream), model)
			got = post(t, gateway+named(path, model), body)
			require.NoError(t, got.err, name)
			require.Contains(t, got.header.Get("Content-Type"), "text/event-stream", name)
			require.Equal(t, "Hello from m.", textOfStream(t, q.api, got.body), "%s: %s", name, got.body)
		}
	}
}

func named(path, model string) string {
	if strings.Contains(path, "%") {
		return fmt.Sprintf(path, model)
	}
	return path
}

// textOf is the text of a whole answer.
func textOf(t *testing.T, a api.API, body string) string {
	t.Helper()
	if a == api.Completions {
		var answer struct{ Choices []struct{ Text string } }
		require.NoError(t, json.Unmarshal([]byte(body), &answer))
		require.Len(t, answer.Choices, 1)
		return answer.Choices[0].Text
	}
	resp, err := codecs[a].DecodeResponse([]byte(body))
	require.NoError(t, err)
	return texts(resp)
}

func texts(resp *api.Response) (text string) {
	for _, choice := range resp.Choices {
		for i := range choice.Parts {
			if choice.Parts[i].Kind == api.Text {
				text += choice.Parts[i].Text
			}
		}
	}
	return text
}

// textOfStream is the text of a stream, which has to come to its end.
func textOfStream(t *testing.T, a api.API, body string) string {
	t.Helper()
	if a == api.Completions { // whose chunks are whole answers
		text := ""
		require.True(t, strings.HasSuffix(body, "data: [DONE]\n\n"))
		for data := range strings.SplitSeq(strings.TrimSuffix(body, "data: [DONE]\n\n"), "\n\n") {
			if data, ok := strings.CutPrefix(data, "data: "); ok { // else a comment
				text += textOf(t, a, data)
			}
		}
		return text
	}
	resp := collected(t, a, body)
	return texts(resp)
}

// collected is the whole answer that a stream comes to.
func collected(t *testing.T, a api.API, body string) *api.Response {
	t.Helper()
	var whole api.Accumulator
	decoder := codecs[a].NewStreamDecoder()
	reader := sse.NewReader(strings.NewReader(body))
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.NoError(t, decoder.Decode(ev.Name, ev.Data, whole.Add))
	}
	decoder.Close(whole.Add)
	resp, complete := whole.Response()
	require.True(t, complete, body)
	return resp
}

const (
	askMessages    = `{"model":"fast","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`
	streamMessages = `{"model":"fast","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`
	streamFast     = `{"model":"fast","stream":true,"messages":[{"role":"user","content":"hi"}]}`

	messagesAnswer = `{"id":"m1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":3,"cache_read_input_tokens":4,"output_tokens":2}}`
	messagesStart  = "event: message_start\ndata: " + `{"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"output_tokens":1}}}` + "\n\n"
	messagesOpen   = "event: content_block_start\ndata: " + `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n"
	messagesHello  = "event: content_block_delta\ndata: " + `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}` + "\n\n"
	messagesWorld  = "event: content_block_delta\ndata: " + `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" world"}}` + "\n\n"
	messagesClose  = "event: content_block_stop\ndata: " + `{"type":"content_block_stop","index":0}` + "\n\n"
	messagesDelta  = "event: message_delta\ndata: " + `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":2}}` + "\n\n"
	messagesStop   = "event: message_stop\ndata: " + `{"type":"message_stop"}` + "\n\n"
	messagesFailed = "event: error\ndata: " + `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}` + "\n\n"
)

// apis is a gateway whose model "fast" asks providers, each of which speaks one
// API, one after the other.
func apis(t *testing.T, extra string, each ...any) string {
	t.Helper()
	var block, targets strings.Builder
	for i := 0; i < len(each); i += 2 {
		a := each[i].(api.API)
		block.WriteString(strings.Replace(oneAPI(a, each[i+1].(*provider).URL), "provider "+string(a), fmt.Sprintf("provider p%d", i/2+1), 1))
		fmt.Fprintf(&targets, " target p%d m%d\n", i/2+1, i/2+1)
	}
	return serveGateway(t, newGateway(t, block.String()+"model fast {\n selector in_order\n"+targets.String()+"}\n"+extra)).URL
}

func TestTranslatedRequest(t *testing.T) {
	p := newProvider(t, says(200, messagesAnswer, "Request-Id", "r1"))
	url := apis(t, "", api.Messages, p)
	got := post(t, url+"/v1/chat/completions", `{"model":"fast","max_tokens":7,"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}],"stop":"END"}`,
		"Openai-Beta", "x", "Traceparent", "00-1-2-01", "Cookie", "a=b")
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "application/json", got.header.Get("Content-Type"))
	require.Equal(t, "r1", got.header.Get("Request-Id"))
	require.Contains(t, got.body, `"prompt_tokens":7`, "cached tokens are a part of OpenAI's prompt")

	sent := p.last(t)
	require.Equal(t, "/v1/messages", sent.path)
	require.JSONEq(t, `{"model":"m1","max_tokens":7,"system":"Be brief.","messages":[{"role":"user","content":"hi"}],"stop_sequences":["END"]}`, sent.body)
	require.Equal(t, anthropicVersion[0], sent.header.Get("Anthropic-Version"))
	require.Equal(t, "00-1-2-01", sent.header.Get("Traceparent"))
	for _, name := range []string{"Openai-Beta", "Cookie", "Authorization"} {
		require.Empty(t, sent.header.Get(name), name)
	}
}

func TestExtraBodyOfATranslatedRequest(t *testing.T) {
	p := newProvider(t, says(200, messagesAnswer))
	url := serveGateway(t, newGateway(t, "provider p {\n base_url messages "+p.URL+"/v1\n extra_body `{\"max_tokens\":5,\"top_k\":1}`\n}\n")).URL
	require.Equal(t, 200, post(t, url+"/v1/chat/completions", strings.Replace(askFast, "fast", "p/m", 1)).status)
	require.JSONEq(t, `{"model":"m","max_tokens":5,"top_k":1,"messages":[{"role":"user","content":"hi"}]}`, p.last(t).body)
}

// Each event reaches the client before the provider sends the next one.
func TestTranslatedEventsArriveAsTheyCome(t *testing.T) {
	p, events := gated(t)
	url := apis(t, "", api.Messages, p)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(streamFast))
	require.NoError(t, err)
	opened := make(chan *http.Response)
	go func() {
		defer close(opened)
		if res, err := http.DefaultClient.Do(req); err == nil {
			opened <- res
		}
	}()
	events <- messagesStart
	events <- messagesOpen
	select {
	case <-opened:
		t.Fatal("the header was sent before the first content")
	case <-time.After(50 * time.Millisecond):
	}
	events <- messagesHello
	res := <-opened
	require.NotNil(t, res)
	defer res.Body.Close()
	reader := sse.NewReader(res.Body)
	reads := func(want string) {
		t.Helper()
		for {
			ev, err := reader.Next()
			require.NoError(t, err)
			if bytes.Contains(ev.Raw, []byte(want)) {
				return
			}
		}
	}
	reads(`"content":"Hello"`)
	events <- messagesWorld
	reads(`"content":" world"`)
	events <- messagesClose
	events <- messagesDelta
	events <- messagesStop
	reads(`"finish_reason":"stop"`)
	reads("[DONE]")
	close(events)
	_, err = reader.Next()
	require.ErrorIs(t, err, io.EOF)
}

// Failover moves from one API to another, each time from the client's own bytes.
func TestFailoverBetweenAPIs(t *testing.T) {
	f := func(name string, bad http.HandlerFunc) {
		t.Helper()
		first, second := newProvider(t, bad), newProvider(t, streams(chatRole, chatHello, chatStop, chatUsage, chatDone))
		url := apis(t, "failover {\n first_content 300ms\n}", api.Messages, first, api.Chat, second)
		got := post(t, url+"/v1/messages", streamMessages)
		require.Equal(t, 200, got.status, "%s: %s", name, got.body)
		require.Equal(t, "Hello", textOfStream(t, api.Messages, got.body), name)
		require.Equal(t, "2", got.header.Get("X-Plexus-Attempts"), name)
		require.JSONEq(t, strings.Replace(streamMessages, "fast", "m1", 1), first.last(t).body, name)
		require.JSONEq(t, `{"model":"m2","stream":true,"stream_options":{"include_usage":true},"max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`, second.last(t).body, name)

		// And when it is the translated one that fails.
		first, second = newProvider(t, bad), newProvider(t, streams(chatRole, chatHello, chatStop, chatDone))
		url = apis(t, "failover {\n first_content 300ms\n}", api.Messages, first, api.Chat, second)
		got = post(t, url+"/v1/chat/completions", streamFast)
		require.Equal(t, chatRole+chatHello+chatStop+chatDone, got.body, "nothing of the first target may be left: %s", name)
	}
	f("overloaded", says(529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`))
	f("error event at once", streams(messagesFailed))
	f("error event before content", streams(messagesStart, messagesFailed))
	f("empty stream", streams())
	f("end before content", streams(messagesStart, messagesOpen))
	f("malformed event", streams("data: {\"type\":\n\n"))
	f("hang", hangs)
	f("reset", breaksOff)
	f("error body", says(200, `{"type":"error","error":{"type":"api_error","message":"no"}}`))
	f("a page", says(200, `<html>`, "Content-Type", "text/html"))
}

func TestProvidersErrorInTheClientsAPI(t *testing.T) {
	f := func(status int, body string, target api.API, path, ask string, wantStatus int, want string) {
		t.Helper()
		p := newProvider(t, says(status, body, "Retry-After", "7"))
		got := post(t, apis(t, "", target, p)+path, ask)
		require.Equal(t, wantStatus, got.status, got.body)
		require.Contains(t, got.body, want)
		require.Equal(t, "7", got.header.Get("Retry-After"))
	}
	const tooLong = `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 9 tokens > 8 maximum"}}`
	f(400, tooLong, api.Messages, "/v1/chat/completions", askFast, 400, `"code":"context_length_exceeded"`)
	f(400, tooLong, api.Messages, "/v1/chat/completions", askFast, 400, `"type":"invalid_request_error"`)
	f(400, tooLong, api.Messages, "/v1beta/models/fast:generateContent", `{"contents":[{"parts":[{"text":"hi"}]}]}`, 400, `"status":"INVALID_ARGUMENT"`)
	const bad = `{"error":{"message":"bad temperature","type":"invalid_request_error","param":"temperature","code":null}}`
	f(400, bad, api.Chat, "/v1/messages", askMessages, 400, `{"type":"error","error":{"type":"invalid_request_error","message":"bad temperature"`)
	f(422, `{"detail":"no"}`, api.Chat, "/v1/messages", askMessages, 422, `"message":"no"`)
	const google = `{"error":{"code":400,"message":"Invalid value","status":"INVALID_ARGUMENT"}}`
	f(400, google, api.Gemini, "/v1/messages", askMessages, 400, `"message":"Invalid value"`)
	// What is wrong with our credential is not the client's business.
	f(401, bad, api.Chat, "/v1/messages", askMessages, 502, `"type":"api_error"`)
	f(429, bad, api.Chat, "/v1/messages", askMessages, 429, `"type":"rate_limit_error"`)
	const busy = `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`
	f(529, busy, api.Messages, "/v1/messages", askMessages, 529, `"type":"overloaded_error"`)
	f(529, busy, api.Messages, "/v1/chat/completions", askFast, 503, `"type":"server_error"`)
	f(429, google, api.Gemini, "/v1/chat/completions", askFast, 429, `"type":"rate_limit_error"`)
}

// After the first content an answer that fails ends with the client's own error
// event, once, and never with a sign of success.
func TestTranslatedStreamThatFails(t *testing.T) {
	f := func(name string, events ...string) {
		t.Helper()
		p := newProvider(t, streams(events...))
		url := apis(t, "", api.Messages, p)
		got := post(t, url+"/v1/chat/completions", streamFast)
		require.Equal(t, 200, got.status, name)
		require.Contains(t, got.body, `"content":"Hello"`, name)
		require.Equal(t, 1, strings.Count(got.body, `"error":{`), "%s: %s", name, got.body)
		require.NotContains(t, got.body, "[DONE]", name)
		got = post(t, url+"/v1beta/models/fast:streamGenerateContent", `{"contents":[{"parts":[{"text":"hi"}]}]}`)
		require.True(t, json.Valid([]byte(got.body)), "%s: %s", name, got.body)
		require.Equal(t, 1, strings.Count(got.body, `"error":{`), "%s: %s", name, got.body)
	}
	f("error event", messagesStart, messagesOpen, messagesHello, messagesFailed)
	f("more after the error", messagesStart, messagesOpen, messagesHello, messagesFailed, messagesWorld)
	f("end without an end", messagesStart, messagesOpen, messagesHello)
	f("broken event", messagesStart, messagesOpen, messagesHello, "data: {\"type\":\n\n")
}

// Gemini's clients that do not ask for events get an array.
func TestTranslatedArray(t *testing.T) {
	p := newProvider(t, streams(messagesStart, messagesOpen, messagesHello, messagesWorld, messagesClose, messagesDelta, messagesStop))
	got := post(t, apis(t, "", api.Messages, p)+"/v1beta/models/fast:streamGenerateContent", `{"contents":[{"parts":[{"text":"hi"}]}]}`)
	require.Equal(t, "application/json; charset=utf-8", got.header.Get("Content-Type"))
	var chunks []json.RawMessage
	require.NoError(t, json.Unmarshal([]byte(got.body), &chunks), got.body)
	text := ""
	for _, chunk := range chunks {
		text += textOf(t, api.Gemini, string(chunk))
	}
	require.Equal(t, "Hello world", text)
}

func TestWhatNoAPIOfATargetCanExpress(t *testing.T) {
	messages, chat := newProvider(t, says(200, messagesAnswer)), newProvider(t, says(200, chatAnswer))
	const two = `{"model":"fast","n":2,"messages":[{"role":"user","content":"hi"}]}`
	got := post(t, apis(t, "", api.Messages, messages)+"/v1/chat/completions", two)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, `"param":"n"`)
	require.Zero(t, messages.count())

	got = post(t, apis(t, "", api.Messages, messages, api.Chat, chat)+"/v1/chat/completions", two)
	require.Equal(t, 200, got.status)
	require.Equal(t, "1", got.header.Get("X-Plexus-Attempts"), "what was never sent is no attempt")

	got = post(t, apis(t, "", api.Messages, messages)+"/v1/chat/completions", `{"model":"fast","messages":"hi"}`)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "messages")
}

// A provider that knows only one way to answer serves both kinds of clients.
func TestStreamOfAProvider(t *testing.T) {
	f := func(option string, answer http.HandlerFunc, wantSent string) {
		t.Helper()
		p := newProvider(t, answer)
		url := serveGateway(t, newGateway(t, "provider p {\n base_url chat "+p.URL+"/v1\n "+option+"\n}\n")).URL
		for _, q := range questions[:4] {
			got := post(t, url+q.path, fmt.Sprintf(q.body, "p/m", ""))
			require.Equal(t, 200, got.status, got.body)
			require.Equal(t, "Hello", textOf(t, q.api, got.body))
			require.Contains(t, p.last(t).body, wantSent)
			got = post(t, url+q.path, fmt.Sprintf(q.body, "p/m", `,"stream":true`))
			require.Equal(t, "Hello", textOfStream(t, q.api, got.body), got.body)
			require.Contains(t, p.last(t).body, wantSent)
		}
	}
	whole := strings.Replace(chatAnswer, `"Hi"`, `"Hello"`, 1)
	f("stream always", streams(chatRole, chatHello, chatStop, chatUsage, chatDone), `"stream":true`)
	f("stream never", says(200, whole), `"m"`)
	// Some answer in their way without saying so.
	f("", streams(chatRole, chatHello, chatStop, chatDone), `"m"`)
	f("", says(200, whole), `"m"`)
}

func TestAPIMatch(t *testing.T) {
	url := serveMock(t, `{"text":"Hi"}`)
	f := func(option, path, want string) {
		t.Helper()
		block := oneAPI(api.Gemini, url) + oneAPI(api.Messages, url) + oneAPI(api.Chat, url) +
			"model fast {\n selector in_order\n " + option + "\n target gemini m\n target messages m\n target chat m\n}"
		got := post(t, serveGateway(t, newGateway(t, block)).URL+path, askMessages)
		require.Equal(t, 200, got.status, got.body)
		require.Equal(t, want, got.header.Get("X-Plexus-Provider"))
	}
	f("", "/v1/messages", "gemini")
	f("api_match", "/v1/messages", "messages")
	f("api_match", "/v1/chat/completions", "chat")
}

func TestTranslatedUsageIsKnown(t *testing.T) {
	f := func(answer http.HandlerFunc, body string) {
		t.Helper()
		g := newGateway(t, oneAPI(api.Messages, newProvider(t, answer).URL))
		x, done := observed(t, g, "/v1/chat/completions", strings.Replace(body, "fast", "messages/m", 1))
		done()
		require.Equal(t, api.Usage{Known: true, Input: 3, Output: 2}, x.usage)
		require.Equal(t, api.Messages, x.targetAPI)
		require.Nil(t, x.err)
		require.Positive(t, x.firstContent)
	}
	f(streams(messagesStart, messagesOpen, messagesHello, messagesClose, messagesDelta, messagesStop), streamFast)
	f(says(200, strings.Replace(messagesAnswer, `"cache_read_input_tokens":4,`, "", 1)), askFast)
}

// observed serves one request, and gives the exchange to look at.
func observed(t *testing.T, g *Gateway, path, body string) (*exchange, func()) {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	ctx := context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "127.0.0.1"})
	r = r.WithContext(ctx)
	op, ok := operationOf(r)
	require.True(t, ok)
	x := newExchange(g, httptest.NewRecorder(), r, op)
	require.NoError(t, x.serve())
	return x, x.finish
}

func TestCountTokens(t *testing.T) {
	const messagesCount, geminiCount = "/v1/messages/count_tokens", "/v1beta/models/fast:countTokens"
	f := func(target api.API, answer http.HandlerFunc, path, ask, want string, estimated bool) {
		t.Helper()
		p := newProvider(t, answer)
		got := post(t, apis(t, "", target, p)+path, ask)
		require.Equal(t, 200, got.status, got.body)
		require.JSONEq(t, want, got.body)
		require.Equal(t, estimated, got.header.Get(estimateHeader) == "true")
	}
	const gemini = `{"contents":[{"parts":[{"text":"hi there"}]}]}`
	f(api.Messages, says(200, `{"input_tokens":77}`), messagesCount, askMessages, `{"input_tokens":77}`, false)
	f(api.Gemini, says(200, `{"totalTokens":77}`), geminiCount, gemini, `{"totalTokens":77}`, false)
	// A target without such an endpoint, in its own API or in another one.
	f(api.Messages, says(404, `404 page not found`), messagesCount, askMessages, `{"input_tokens":5}`, true)
	f(api.Chat, says(404, ``), messagesCount, askMessages, `{"input_tokens":5}`, true)
	f(api.Chat, says(404, ``), geminiCount, gemini, `{"totalTokens":6}`, true)
	f(api.Messages, says(500, ``), messagesCount, askMessages, `{"input_tokens":5}`, true)

	f(api.Messages, says(400, `{"error":"count_tokens is not supported"}`), messagesCount, askMessages, `{"input_tokens":5}`, true)
	f(api.Messages, says(200, `OK`, "Content-Type", "text/plain"), messagesCount, askMessages, `{"input_tokens":5}`, true)
	f(api.Messages, says(200, messagesAnswer), messagesCount, askMessages, `{"input_tokens":5}`, true)
	// What is new to the gateway counts by its size.
	f(api.Chat, says(404, ``), messagesCount, `{"model":"fast","messages":[{"role":"judge"}],"thinking":{"type":"new"}}`, `{"input_tokens":19}`, true)
	f(api.Responses, says(200, `{"object":"response.input_tokens","input_tokens":77}`), "/v1/responses/input_tokens", `{"model":"fast","input":"hi"}`, `{"object":"response.input_tokens","input_tokens":77}`, false)
	f(api.Chat, says(404, ``), "/v1/responses/input_tokens", `{"model":"fast","input":"hi"}`, `{"object":"response.input_tokens","input_tokens":5}`, true)
}

// A target that cannot count is not to be left alone for it.
func TestCountsDoNotCool(t *testing.T) {
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "count_tokens") {
			says(404, "")(w, r)
			return
		}
		says(200, messagesAnswer)(w, r)
	})
	other := newProvider(t, says(200, messagesAnswer))
	g := newGateway(t, "provider one {\n base_url messages "+p.URL+"/v1\n}\nprovider two {\n base_url messages "+other.URL+"/v1\n}\nmodel fast {\n selector in_order\n target one m\n target two m\n}")
	url := serveGateway(t, g).URL
	require.Equal(t, 200, post(t, url+"/v1/messages/count_tokens", askMessages).status)
	require.Equal(t, "one", post(t, url+"/v1/messages", askMessages).header.Get("X-Plexus-Provider"))
}

func TestCountsDoNotWaitLong(t *testing.T) {
	p := newProvider(t, hangs)
	got := post(t, apis(t, "failover {\n first_content 100ms\n}", api.Messages, p)+"/v1/messages/count_tokens", askMessages)
	require.Equal(t, 200, got.status)
	require.Equal(t, "true", got.header.Get(estimateHeader))
}

// Names of tools that a target refuses get others on the way, and come back.
func TestLongNamesOfTools(t *testing.T) {
	url := serveMock(t, `{}`)
	long := "mcp__" + strings.Repeat("server_", 10) + "tool"
	ask := `{"model":"%s/m","max_tokens":9%s,"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"` + long + `","input_schema":{"type":"object"}}]}`
	gateway := serveGateway(t, newGateway(t, oneAPI(api.Chat, url)+oneAPI(api.Responses, url)+oneAPI(api.Gemini, url))).URL
	for _, target := range []api.API{api.Chat, api.Responses, api.Gemini} {
		got := post(t, gateway+"/v1/messages", fmt.Sprintf(ask, target, ""))
		require.Contains(t, got.body, `"name":"`+long+`"`, target)
		got = post(t, gateway+"/v1/messages", fmt.Sprintf(ask, target, `,"stream":true`))
		require.Contains(t, got.body, `"name":"`+long+`"`, target)
	}
	require.NotContains(t, ask, api.Chat.ToolName(long))
}

// A conversation that another vendor's model was a part of goes on without its
// signatures, which Anthropic would refuse; all else is relayed.
func TestForeignSignaturesAreNotRelayed(t *testing.T) {
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "count_tokens") {
			says(200, `{"input_tokens":7}`)(w, r)
			return
		}
		says(200, messagesAnswer)(w, r)
	})
	url := apis(t, "", api.Messages, p)
	const native = `{"type":"thinking","thinking":"hm","signature":"EqQB"},`
	foreign := `{"type":"thinking","thinking":"so","signature":"` + api.Seal(api.Google, "abc") + `"},`
	const conversation = `{"model":"%s","max_tokens":9,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":[%s{"type":"text","text":"Hi"}]},{"role":"user","content":"more"}]}`
	for _, path := range []string{"/v1/messages", "/v1/messages/count_tokens"} {
		got := post(t, url+path+"?beta=true", fmt.Sprintf(conversation, "fast", native+foreign))
		require.Equal(t, 200, got.status, got.body)
		require.Contains(t, []string{messagesAnswer, `{"input_tokens":7}`}, got.body, "the answer is relayed")
		require.Equal(t, "beta=true", p.last(t).query)
		require.Equal(t, path, p.last(t).path)
		require.JSONEq(t, fmt.Sprintf(conversation, "m1", native), p.last(t).body)
	}
	body := fmt.Sprintf(conversation, "fast", native)
	post(t, url+"/v1/messages", body)
	require.Equal(t, strings.Replace(body, `"fast"`, `"m1"`, 1), p.last(t).body, "what is Anthropic's own passes byte by byte")
}

// A picture may well be larger than what is held back for want of content.
func TestLargeFirstContent(t *testing.T) {
	picture := strings.Repeat("A", 2*maxHeld)
	p := newProvider(t, streams(`data: {"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"`+picture+`"}}]},"finishReason":"STOP"}]}`+"\n\n"))
	got := post(t, apis(t, "", api.Gemini, p)+"/v1/chat/completions", streamFast)
	require.Equal(t, 200, got.status)
	require.Contains(t, got.body, picture)
}

// Google's clients get the frame that they asked for, also where the request had
// to be written anew, or the provider knows but one.
func TestArrayOfRewrittenRequest(t *testing.T) {
	const answer = `data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}` + "\n\n"
	p := newProvider(t, streams(answer))
	url := apis(t, "", api.Gemini, p)
	for _, body := range []string{
		`{"contents":[{"role":"user","parts":[{"text":"hi"}]},{"role":"model","parts":[{"text":"so","thoughtSignature":"` + api.Seal(api.Anthropic, "abc") + `"}]},{"role":"user","parts":[{"text":"more"}]}]}`,
		`{"contents":[{"role":"user","parts":[{"text":"hi"}]}]}`,
	} {
		got := post(t, url+"/v1beta/models/fast:streamGenerateContent", body)
		require.True(t, json.Valid([]byte(got.body)), got.body)
		require.Contains(t, got.body, `"text":"Hi"`)
	}
}

// Some servers call their streams by another name, or by none.
func TestStreamOfAnotherName(t *testing.T) {
	for _, name := range []string{"text/plain", "application/octet-stream", "application/x-ndjson", "application/json"} {
		p := newProvider(t, says(200, chatRole+chatHello+chatStop+chatDone, "Content-Type", name))
		url := apis(t, "", api.Chat, p)
		got := post(t, url+"/v1/chat/completions", streamFast)
		require.Equal(t, chatRole+chatHello+chatStop+chatDone, got.body, name)
		require.Equal(t, "text/event-stream", got.header.Get("Content-Type"), name)
		got = post(t, url+"/v1/messages", streamMessages)
		require.Equal(t, "Hello", textOfStream(t, api.Messages, got.body), name)
	}
}

// After the last event nobody waits for a connection that stays open.
func TestNobodyWaitsForAnOpenEnd(t *testing.T) {
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		streams(chatRole, chatHello, chatStop, chatDone)(w, r)
		<-r.Context().Done()
	})
	url := serveGateway(t, newGateway(t, "provider p {\n base_url chat "+p.URL+"/v1\n stream always\n}")).URL
	ask := func(body string) string { return strings.Replace(body, "fast", "p/m", 1) }
	require.Equal(t, "Hello", textOf(t, api.Messages, post(t, url+"/v1/messages", ask(askMessages)).body))
	require.Equal(t, "Hello", textOfStream(t, api.Messages, post(t, url+"/v1/messages", ask(streamMessages)).body))
	got := post(t, url+"/v1beta/models/p/m:streamGenerateContent?alt=sse", `{"contents":[{"parts":[{"text":"hi"}]}]}`)
	require.Equal(t, "Hello", textOfStream(t, api.Gemini, got.body))
}

// What was counted before a stream broke is not lost.
func TestUsageOfABrokenStream(t *testing.T) {
	g := newGateway(t, oneAPI(api.Messages, newProvider(t, streams(messagesStart, messagesOpen, messagesHello)).URL))
	x, done := observed(t, g, "/v1/chat/completions", strings.Replace(streamFast, "fast", "messages/m", 1))
	done()
	require.ErrorIs(t, x.err, ErrStreamBroken)
	require.EqualValues(t, 3, x.usage.Input)
}

// That our credential is refused is not told in the provider's words.
func TestCredentialInAStream(t *testing.T) {
	p := newProvider(t, streams(chatRole, chatHello, `data: {"error":{"message":"Incorrect API key provided: sk-1","type":"authentication_error","code":"invalid_api_key"}}`+"\n\n"))
	got := post(t, apis(t, "", api.Chat, p)+"/v1/messages", streamMessages)
	require.Contains(t, got.body, `"type":"api_error"`)
	require.NotContains(t, got.body, "sk-1")
}

// What one target cannot express, another may that is only cooling down.
func TestAbleButCooling(t *testing.T) {
	able := newProvider(t, says(429, "", "Retry-After", "60"))
	g := newGateway(t, "provider able {\n base_url chat "+able.URL+"/v1\n}\nprovider other {\n base_url messages "+able.URL+"/v1\n}\nmodel fast {\n selector in_order\n target able m\n target other m\n}")
	url := serveGateway(t, g).URL
	const two = `{"model":"fast","n":2,"messages":[{"role":"user","content":"hi"}]}`
	got := post(t, url+"/v1/chat/completions", two)
	require.Equal(t, 429, got.status)
	require.Contains(t, got.body, "1 target tried, none succeeded: able/m: 429 Too Many Requests; others cannot be asked: ")
	require.Contains(t, got.body, "asked: n cannot be above 1")
	got = post(t, url+"/v1/chat/completions", two)
	require.Equal(t, 503, got.status, got.body)
	require.NotEmpty(t, got.header.Get("Retry-After"))
}

// Chat has no signatures, but its clients may send back what they got of others.
func TestForeignSignaturesAreNotRelayedToChat(t *testing.T) {
	p := newProvider(t, streams(chatRole, chatHello, chatStop, chatDone))
	url := apis(t, "", api.Chat, p)
	const ask = `{"model":"%s","stream":true,"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":"Hi"%s},{"role":"user","content":"more"}]}`
	foreign := `,"reasoning_details":[{"type":"reasoning.text","text":"so","signature":"` + api.Seal(api.Anthropic, "abc") + `","index":0}]`
	got := post(t, url+"/v1/chat/completions", fmt.Sprintf(ask, "fast", foreign))
	require.Equal(t, 200, got.status, got.body)
	require.NotContains(t, p.last(t).body, "plexus:")
	require.NotContains(t, p.last(t).body, "abc")
	require.NotContains(t, got.body, "usage", "the client has not asked for it")
	own := `,"reasoning_details":[{"type":"reasoning.text","text":"so","signature":"abc","index":0}]`
	post(t, url+"/v1/chat/completions", fmt.Sprintf(ask, "fast", own))
	require.Contains(t, p.last(t).body, own, "what is the provider's own passes byte by byte")
}

// A call that Gemini could not read is no answer: clients took it for the end of their
// turn. The next target is asked, and of a stream that has begun it is the error.
func TestACallThatCouldNotBeRead(t *testing.T) {
	const (
		text      = `{"candidates":[{"content":{"role":"model","parts":[{"text":"Let me see."}]},"index":0}]}`
		malformed = `{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL","finishMessage":"Malformed function call: print(f())","index":0}],"usageMetadata":{"promptTokenCount":5,"totalTokenCount":5}}`
	)
	bad := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "/talks:") {
			streams("data: "+text+"\n\ndata: "+malformed+"\n\n")(w, r)
		} else if strings.Contains(r.URL.Path, ":stream") {
			streams("data: "+malformed+"\n\n")(w, r)
		} else {
			says(200, malformed)(w, r)
		}
	})
	g := newGateway(t, oneAPI(api.Gemini, bad.URL)+oneAPI(api.Chat, serveMock(t, `{"text":"Hello."}`))+"model m {\n selector in_order\n target gemini g\n target chat c\n}\nmodel talks {\n target gemini talks\n}\n")
	url := serveGateway(t, g).URL
	for _, stream := range []string{"", `,"stream":true`} {
		got := post(t, url+"/v1/messages", `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]`+stream+`}`)
		require.Contains(t, got.body, "Hello.")
		require.Equal(t, "2", got.header.Get("X-Plexus-Attempts"), "the tools of one client close the target to nobody else")
		got = post(t, url+"/v1/chat/completions", `{"model":"gemini/g","messages":[{"role":"user","content":"hi"}]`+stream+`}`)
		require.Equal(t, 502, got.status)
		require.Contains(t, got.body, "a call of a tool that could not be read")
	}
	got := post(t, url+"/v1/chat/completions", `{"model":"talks","messages":[{"role":"user","content":"hi"}],"stream":true}`)
	require.Contains(t, got.body, "Let me see.")
	require.Contains(t, got.body, `{"error":{"message":"the model made a call of a tool that could not be read; try again"`)
	require.NotContains(t, got.body, `"finish_reason":"`)
	require.Zero(t, g.router.names["talks"].targets[0].state.pauses())
}
