package mock

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
)

func TestPrecedence(t *testing.T) {
	url := serve(t, `{"tokens": 1}`).URL + "/v1/chat/completions"
	for _, test := range []struct{ name, model, header, member, want string }{
		{"configuration", "m", ``, ``, "This"},
		{"model", "m#tokens=2", ``, ``, "This is"},
		{"header over model", "m#tokens=2", `{"tokens":3}`, ``, "This is a"},
		{"body over header", "m#tokens=2", `{"tokens":3}`, `{"tokens":4}`, "This is a mock"},
		{"merged", "m#tokens=2", `{"crlf":true}`, `{}`, "This is"},
		{"null", "m#tokens=2", ``, `null`, "This is"},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := `{"model":"` + test.model + `"`
			if test.member != "" {
				body += `,"mock":` + test.member
			}
			var headers []string
			if test.header != "" {
				headers = []string{optionsHeader, test.header}
			}
			got := object(t, post(t, url, body+`}`, headers...).body)
			require.Equal(t, test.want, at(t, got, "choices", 0, "message", "content"))
			require.Equal(t, test.model, got["model"])
		})
	}
	gemini := object(t, post(t, serve(t, `{}`).URL+"/v1beta/models/pro%23tokens=1:generateContent", `{}`).body)
	require.Equal(t, "pro#tokens=1", gemini["modelVersion"])
	require.Equal(t, "This", at(t, gemini, "candidates", 0, "content", "parts", 0, "text"))
}

// A request's options must not leak into the handler's or the next request's.
func TestOptionsStayWithTheirRequest(t *testing.T) {
	url := serve(t, `{"tool_calls": true, "fault_share": 0}`).URL + "/v1/chat/completions"
	for range 2 {
		got := post(t, url, `{"model":"m","mock":{"tool_calls":false,"fault_share":1,"status":503}}`)
		require.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
		got = post(t, url, `{"model":"m","tools":[{"type":"function","function":{"name":"f"}}],"mock":{"status":503}}`)
		require.Equal(t, "tool_calls", at(t, object(t, got.body), "choices", 0, "finish_reason"))
	}
}

func TestRequestOptionErrors(t *testing.T) {
	server := serve(t, `{}`)
	for _, test := range []struct{ name, model, header, member, want string }{
		{"model", "m#tokenz=1", ``, `{}`, `in the model name: unknown option \"tokenz\" (options: latency, `},
		{"model value", "m#tokens=x", ``, `{}`, `option \"tokens\"`},
		{"header", "m", `{"a":1}`, `{}`, `in the header X-Plexus-Mock: json: unknown field \"a\" (options: latency, `},
		{"header syntax", "m", `{`, `{}`, `in the header X-Plexus-Mock: `},
		{"two values", "m", `{} {}`, `{}`, `more than one JSON value`},
		{"body", "m", `{}`, `{"a":1}`, `unknown field \"a\" (options: latency, `},
		{"body type", "m", `{}`, `7`, `in the member \"mock\"`},
		{"fault", "m", `{}`, `{"fault":"x"}`, `unknown fault \"x\" (faults: status, reset,`},
		{"handler option", "m", `{}`, `{"api_key":"x"}`, `unknown field \"api_key\"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := post(t, server.URL+"/v1/messages", `{"model":"`+test.model+`","mock":`+test.member+`}`, optionsHeader, test.header)
			if test.header == "" {
				got = post(t, server.URL+"/v1/messages", `{"model":"`+test.model+`","mock":`+test.member+`}`)
			}
			require.Equal(t, http.StatusBadRequest, got.StatusCode, got.body)
			require.Contains(t, got.body, test.want)
			require.Equal(t, "error", object(t, got.body)["type"])
		})
	}
}

func TestDecodeList(t *testing.T) {
	var b Behaviour
	require.NoError(t, b.decodeList("latency=1500ms,first_content=1s,rate=2.5,pause=2s,pause_after=3,tokens=4,text=a b,reasoning=5,"+
		"cached_tokens=1,tool_calls=off,parallel_calls=2,fault=cut,status=503,retry_after=7,message=m,code=c,after=6,fault_share=0.5,"+
		"fault_first=2,seed=-9,keep_alive=1d,crlf,no_done=true,"))
	off, half := false, 0.5
	require.Equal(t, Behaviour{
		Latency: caddy.Duration(1500 * time.Millisecond), FirstContent: caddy.Duration(time.Second), Rate: 2.5,
		Pause: caddy.Duration(2 * time.Second), PauseAfter: 3, Tokens: 4, Text: "a b", Reasoning: 5, CachedTokens: 1,
		ToolCalls: &off, ParallelCalls: 2, Fault: faultCut, Status: 503, RetryAfter: "7", Message: "m", Code: "c", After: 6,
		FaultShare: &half, FaultFirst: 2, Seed: -9, KeepAlive: caddy.Duration(24 * time.Hour), CRLF: true, NoDone: true,
	}, b)
	for _, list := range []string{"latency=x", "rate=x", "fault_share=x", "seed=x", "crlf=x", "tool_calls=x", "reasoning=x", "=1", "tokens"} {
		require.Error(t, b.decodeList(list), list)
	}
}

func TestJSONOptions(t *testing.T) {
	for _, test := range []struct{ in, out string }{
		{`{"reasoning":true}`, `{"reasoning":8}`},
		{`{"reasoning":false}`, `{"reasoning":false}`},
		{`{"reasoning":0}`, `{"reasoning":false}`},
		{`{"reasoning":null}`, `{}`},
		{`{"retry_after":3}`, `{"retry_after":"3"}`},
		{`{"retry_after":"Wed, 21 Oct 2015 07:28:00 GMT"}`, `{"retry_after":"Wed, 21 Oct 2015 07:28:00 GMT"}`},
		{`{"latency":"1ms"}`, `{"latency":1000000}`},
	} {
		var b Behaviour
		require.NoError(t, b.decode([]byte(test.in)))
		out, err := json.Marshal(b)
		require.NoError(t, err)
		require.JSONEq(t, test.out, string(out))
	}
	require.Error(t, new(Behaviour).decode([]byte(`{"reasoning":"x"}`)))
	require.Error(t, new(Behaviour).decode([]byte(`{"retry_after":{}}`)))
}

func TestOverlayFaults(t *testing.T) {
	for _, test := range []struct{ below, above, fault string }{
		{`{"fault":"cut"}`, `{}`, "cut"},
		{`{"fault":"cut"}`, `{"status":429}`, "status"},
		{`{"fault":"cut"}`, `{"fault":"none"}`, "none"},
		{`{"status":429}`, `{"fault":"html"}`, "html"},
		{`{"status":429}`, `{"tokens":3}`, "status"},
		{`{}`, `{"status":429,"fault":"error_body"}`, "error_body"},
	} {
		var b Behaviour
		for _, source := range []string{test.below, test.above} {
			require.NoError(t, b.overlay(func(b *Behaviour) error { return b.decode([]byte(source)) }))
		}
		require.Equal(t, test.fault, b.Fault, test)
	}
}

func TestCheck(t *testing.T) {
	two := 2.0
	for _, b := range []Behaviour{
		{Latency: -1},
		{FirstContent: -1},
		{Pause: -1},
		{KeepAlive: -1},
		{Rate: -1},
		{PauseAfter: -1},
		{After: -1},
		{FaultFirst: -1},
		{CachedTokens: -1},
		{Tokens: -1},
		{Tokens: maxTokens + 1},
		{Reasoning: maxTokens + 1},
		{ParallelCalls: -1},
		{ParallelCalls: 65},
		{Status: 200},
		{Status: 600},
		{FaultShare: &two},
		{Fault: "x"},
	} {
		require.Error(t, b.check(), b)
	}
	for _, fault := range faultNames() {
		require.NoError(t, (&Behaviour{Fault: fault}).check())
	}
}
