package mock

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// serve starts a provider with the given configuration.
func serve(t *testing.T, config string) *httptest.Server {
	t.Helper()
	m := new(Mock)
	require.NoError(t, caddy.StrictUnmarshalJSON([]byte(config), m))
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	require.NoError(t, m.Provision(ctx))
	require.NoError(t, m.Validate())
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusTeapot)
		return nil
	})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		repl := caddy.NewReplacer()
		repl.Set("mock.name", "first")
		r = r.WithContext(context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl))
		if err := m.ServeHTTP(w, r, next); err != nil {
			t.Errorf("serving %s: %v", r.URL, err)
		}
	}))
	t.Cleanup(server.Close)
	return server
}

// reply is an answer that has been read to its end, or to the error that ended it.
type reply struct {
	*http.Response
	body string
	err  error
}

// do sends a request; headers are name, value pairs.
func do(t *testing.T, method, url, body string, headers ...string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return reply{err: err}
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	return reply{resp, string(got), err}
}

func post(t *testing.T, url, body string, headers ...string) reply {
	t.Helper()
	return do(t, http.MethodPost, url, body, headers...)
}

// object decodes a JSON object.
func object(t *testing.T, body string) map[string]any {
	t.Helper()
	var v map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &v), body)
	return v
}

// at follows keys and indexes into decoded JSON.
func at(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			m, ok := v.(map[string]any)
			require.True(t, ok, "%v is not an object, at %v of %v", v, step, path)
			v = m[step]
		case int:
			l, ok := v.([]any)
			require.True(t, ok, "%v is not a list, at %v of %v", v, step, path)
			require.Greater(t, len(l), step)
			v = l[step]
		}
	}
	return v
}

// event is one server-sent event.
type event struct {
	name string
	data string
}

// eventsOf parses a stream, strictly.
func eventsOf(t *testing.T, body string) []event {
	t.Helper()
	var list []event
	var e event
	lines := bufio.NewScanner(strings.NewReader(body))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		switch line := strings.TrimSuffix(lines.Text(), "\r"); {
		case line == "" && e != event{}:
			list = append(list, e)
			e = event{}
		case line == "", strings.HasPrefix(line, ":"):
		case strings.HasPrefix(line, "event: "):
			e.name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			e.data += line[len("data: "):]
		default:
			require.Fail(t, "not a line of a stream", line)
		}
	}
	require.NoError(t, lines.Err())
	require.Zero(t, e, "the last event has no end")
	return list
}

// names are the events' names, each run of the same name once.
func names(list []event) []string {
	var names []string
	for _, e := range list {
		if len(names) == 0 || names[len(names)-1] != e.name {
			names = append(names, e.name)
		}
	}
	return names
}

func TestRouting(t *testing.T) {
	server := serve(t, `{}`)
	for _, test := range []struct {
		method, path string
		status       int
	}{
		{"POST", "/v1/chat/completions", 200},
		{"POST", "/openai/v1/chat/completions", 200},
		{"GET", "/v1/chat/completions", 405},
		{"GET", "/v1/models", 200},
		{"HEAD", "/v1/models", 200},
		{"POST", "/v1/models", 405},
		{"GET", "/v1/models/mock-small", 200},
		{"GET", "/v1/models/other", 404},
		{"GET", "/v1beta/models/mock-small", 200},
		{"POST", "/v1beta/models/a/b:c:generateContent", 200},
		{"POST", "/v1/models/a:countTokens", 200},
		{"GET", "/v1/models/a:unknownMethod", 404},
		{"GET", "/v1beta/models/a:generateContent", 405},
		{"POST", "/v1beta/chat/completions", 418},
		{"POST", "/v1/chat/completions/x", 418},
		{"POST", "/chat/completions", 418},
		{"GET", "/v1/", 418},
		{"GET", "/v1/models/", 418},
		{"GET", "/v12/models", 418},
		{"GET", "/", 418},
	} {
		t.Run(test.method+test.path, func(t *testing.T) {
			got := do(t, test.method, server.URL+test.path, `{"model":"m"}`)
			require.NoError(t, got.err)
			require.Equal(t, test.status, got.StatusCode, got.body)
			if test.status == http.StatusMethodNotAllowed {
				require.NotEmpty(t, got.Header.Get("Allow"))
			}
		})
	}
}

func TestBadRequests(t *testing.T) {
	server := serve(t, `{}`)
	for _, path := range []string{
		"/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/embeddings", "/v1/rerank",
		"/v1/messages", "/v1/messages/count_tokens", "/v1/audio/speech",
	} {
		got := post(t, server.URL+path, `{`)
		require.Equal(t, http.StatusBadRequest, got.StatusCode)
		require.Contains(t, at(t, object(t, got.body), "error", "message"), "JSON", path)
		got = post(t, server.URL+path, `{}`)
		require.Equal(t, http.StatusBadRequest, got.StatusCode)
		require.Contains(t, at(t, object(t, got.body), "error", "message"), "model", path)
	}
	for _, path := range []string{"/v1/moderations", "/v1/images/generations", "/v1beta/models/m:embedContent"} {
		require.Equal(t, http.StatusBadRequest, post(t, server.URL+path, `{`).StatusCode)
	}
	require.Equal(t, http.StatusBadRequest, post(t, server.URL+"/v1/audio/transcriptions", `{}`).StatusCode)
}

func TestErrorShapes(t *testing.T) {
	server := serve(t, `{"status": 429, "retry_after": "2", "message": "slow"}`)
	openAI := post(t, server.URL+"/v1/responses", `{"model":"m"}`)
	require.JSONEq(t, `{"error":{"message":"slow","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, openAI.body)
	require.Equal(t, "2", openAI.Header.Get("Retry-After"))

	messages := object(t, post(t, server.URL+"/v1/messages", `{"model":"m"}`).body)
	require.Equal(t, "error", messages["type"])
	require.Equal(t, "rate_limit_error", at(t, messages, "error", "type"))

	gemini := post(t, server.URL+"/v1beta/models/m:generateContent", `{}`)
	require.Equal(t, http.StatusTooManyRequests, gemini.StatusCode)
	require.JSONEq(t, `{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}`, gemini.body)
}

func TestErrorTypes(t *testing.T) {
	for _, test := range []struct {
		status                              int
		openAIType, anthropicType, geminiID string
	}{
		{400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"},
		{401, "invalid_request_error", "authentication_error", "UNAUTHENTICATED"},
		{402, "invalid_request_error", "billing_error", "INVALID_ARGUMENT"},
		{403, "invalid_request_error", "permission_error", "PERMISSION_DENIED"},
		{404, "invalid_request_error", "not_found_error", "NOT_FOUND"},
		{409, "invalid_request_error", "invalid_request_error", "ABORTED"},
		{413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT"},
		{429, "requests", "rate_limit_error", "RESOURCE_EXHAUSTED"},
		{500, "server_error", "api_error", "INTERNAL"},
		{501, "server_error", "api_error", "UNIMPLEMENTED"},
		{503, "server_error", "api_error", "UNAVAILABLE"},
		{504, "server_error", "timeout_error", "DEADLINE_EXCEEDED"},
		{529, "server_error", "overloaded_error", "INTERNAL"},
	} {
		e := &apiError{status: test.status}
		kind, _ := e.openAIType()
		require.Equal(t, test.openAIType, kind, test.status)
		require.Equal(t, test.anthropicType, e.anthropicType(), test.status)
		require.Equal(t, test.geminiID, e.geminiStatus(), test.status)
	}
	own := &apiError{status: 500, code: "mine"}
	_, code := own.openAIType()
	require.Equal(t, []string{"mine", "mine", "mine"}, []string{code, own.anthropicType(), own.geminiStatus()})
}

func TestCredential(t *testing.T) {
	t.Setenv("PLEXUS_MOCK_TEST_KEY", "sesame")
	server := serve(t, `{"api_key": "{env.PLEXUS_MOCK_TEST_KEY}"}`)
	url := server.URL + "/v1/models"
	for _, headers := range [][]string{
		{"Authorization", "Bearer sesame"}, {"X-Api-Key", "sesame"}, {"X-Goog-Api-Key", "sesame"}, {"Api-Key", "sesame"},
	} {
		require.Equal(t, http.StatusOK, do(t, "GET", url, "", headers...).StatusCode, headers)
	}
	require.Equal(t, http.StatusOK, do(t, "GET", url+"?key=sesame", "").StatusCode)
	for _, headers := range [][]string{nil, {"X-Api-Key", "other"}, {"Authorization", "Basic sesame"}} {
		require.Equal(t, http.StatusUnauthorized, do(t, "GET", url, "", headers...).StatusCode, headers)
	}
	got := post(t, server.URL+"/v1/messages", `{"model":"m"}`)
	require.Equal(t, "authentication_error", at(t, object(t, got.body), "error", "type"))
}

func TestConfigurationErrors(t *testing.T) {
	ctx, cancel := caddy.NewContext(caddy.Context{Context: t.Context()})
	t.Cleanup(cancel)
	require.ErrorContains(t, (&Mock{APIKey: "{env.PLEXUS_MOCK_NOT_SET}"}).Provision(ctx), "resolving api_key")
	require.ErrorContains(t, (&Mock{Behaviour: Behaviour{Fault: "flood"}}).Validate(), `unknown fault "flood" (faults: status,`)
	require.ErrorContains(t, caddy.StrictUnmarshalJSON([]byte(`{"latensy":1}`), new(Mock)), "latensy")
}

func TestModelLists(t *testing.T) {
	server := serve(t, `{"models": ["a", "b"]}`)
	list := object(t, do(t, "GET", server.URL+"/v1/models", "").body)
	require.Equal(t, "list", list["object"])
	require.Equal(t, "b", at(t, list, "data", 1, "id"))

	list = object(t, do(t, "GET", server.URL+"/v1/models", "", "Anthropic-Version", "2023-06-01").body)
	require.Equal(t, "model", at(t, list, "data", 0, "type"))
	require.Equal(t, []any{"a", "b", false}, []any{list["first_id"], list["last_id"], list["has_more"]})

	for _, list := range []string{
		do(t, "GET", server.URL+"/v1/models", "", "X-Goog-Api-Key", "k").body,
		do(t, "GET", server.URL+"/v1/models?key=k", "").body,
		do(t, "GET", server.URL+"/v1beta/models", "").body,
	} {
		require.Equal(t, "models/a", at(t, object(t, list), "models", 0, "name"))
	}
	require.Equal(t, "a", object(t, do(t, "GET", server.URL+"/v1/models/a", "").body)["id"])
	require.Equal(t, "models/a", object(t, do(t, "GET", server.URL+"/v1beta/models/a", "").body)["name"])
	require.Equal(t, http.StatusServiceUnavailable,
		do(t, "GET", server.URL+"/v1/models", "", optionsHeader, `{"status":503}`).StatusCode)
}

func TestTheCallThatWasChosen(t *testing.T) {
	server := serve(t, `{"call":"write","arguments":"{\"path\":\"a\"}"}`)
	f := func(tools, want string) {
		t.Helper()
		got := do(t, http.MethodPost, server.URL+"/v1/chat/completions", `{"model":"m","messages":[{"role":"user","content":"hi"}],"tools":[`+tools+`]}`)
		require.Contains(t, got.body, want)
	}
	f(`{"type":"function","function":{"name":"read"}},{"type":"function","function":{"name":"write"}}`, `"name":"write","arguments":"{\"path\":\"a\"}"`)
	f(`{"type":"function","function":{"name":"read"}}`, `"content":"This`)
}
