package gemini_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/gemini"
)

func answer(t *testing.T, body string) *api.Response {
	t.Helper()
	resp, err := codec.DecodeResponse([]byte(body))
	require.NoError(t, err)
	return resp
}

func TestDecodeResponse(t *testing.T) {
	resp := answer(t, `{"candidates":[{"content":{"role":"model","parts":[
		{"text":"hm","thought":true},{"text":"Hi","thoughtSignature":"c2ln"},
		{"functionCall":{"name":"f","args":{"n":12345678901234567890}}},{"functionCall":{"id":"own","name":"g"}},
		{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"executableCode":{"code":"1"}}]},"finishReason":"STOP","index":0}],
		"usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":7,"totalTokenCount":22},
		"modelVersion":"gemini-3-flash","responseId":"abc-1","createTime":"2026-05-04T20:01:02.264968Z"}`)
	require.Equal(t, "abc-1", resp.ID)
	require.Equal(t, "gemini-3-flash", resp.Model)
	require.EqualValues(t, 1777924862, resp.Created)
	require.Equal(t, api.Usage{Input: 6, CacheRead: 4, Output: 5, Reasoning: 7, Known: true}, resp.Usage)
	require.Len(t, resp.Choices, 1)
	require.Equal(t, api.FinishToolCalls, resp.Choices[0].Finish)
	parts := resp.Choices[0].Parts
	require.Equal(t, api.Part{Kind: api.Thinking, Text: "hm", Vendor: api.Google}, parts[0])
	require.Equal(t, api.Part{Kind: api.Text, Text: "Hi", Signature: "c2ln", Vendor: api.Google}, parts[1])
	require.Equal(t, `{"n":12345678901234567890}`, parts[2].Call.Arguments)
	require.Equal(t, "plexus_call_abc-1_1", parts[2].Call.ID)
	require.Equal(t, &api.Call{ID: "own", Name: "g"}, parts[3].Call)
	require.Equal(t, api.Image, parts[4].Kind)
	require.Equal(t, api.Opaque, parts[5].Kind)

	_, err := codec.DecodeResponse([]byte(`<html>`))
	require.Error(t, err)
	require.Equal(t, []api.Choice{{Finish: api.FinishContentFilter}}, answer(t, `{"promptFeedback":{"blockReason":"SAFETY"}}`).Choices)
	require.Empty(t, answer(t, `{}`).Choices)
	require.False(t, answer(t, `{"usageMetadata":{}}`).Usage.Known)

	one, two := answer(t, `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}`), answer(t, `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]}}]}`)
	require.NotEqual(t, one.Choices[0].Parts[0].Call.ID, two.Choices[0].Parts[0].Call.ID, "both answers may be of one conversation")
}

// Models that draw show their drafts as thoughts, which are not the answer.
func TestImagesOfThoughtsAreNoAnswer(t *testing.T) {
	draft := `{"thought":true,"inlineData":{"mimeType":"image/png","data":"AAAA"}}`
	resp := answer(t, `{"candidates":[{"content":{"parts":[`+draft+`,{"inlineData":{"mimeType":"image/png","data":"BBBB"}}]}}]}`)
	parts := resp.Choices[0].Parts
	require.Equal(t, api.Part{Kind: api.Opaque, Vendor: api.Google, Source: api.Gemini, Raw: json.RawMessage(draft)}, parts[0])
	require.Equal(t, "BBBB", parts[1].Media.Data)
	h := listen(t, chunkOf(draft), chunkOf(`{"inlineData":{"mimeType":"image/png","data":"BBBB"}}`, stop))
	require.Equal(t, parts, h.resp.Choices[0].Parts)
}

// Models write such calls; the rest of the answer is good.
func TestCallWithoutANameIsNoCall(t *testing.T) {
	const parts = `{"text":"a"},{"functionCall":{"name":"","args":{}}},{"functionCall":{}}`
	resp := answer(t, `{"candidates":[{"content":{"parts":[`+parts+`]},"finishReason":"STOP"}]}`)
	require.Equal(t, text("a"), resp.Choices[0].Parts[0])
	require.Equal(t, api.FinishStop, resp.Choices[0].Finish)
	h := listen(t, chunkOf(parts, stop))
	require.Equal(t, []api.Part{text("a")}, h.resp.Choices[0].Parts)
	require.Equal(t, api.FinishStop, h.resp.Choices[0].Finish)
}

func TestFinishReasons(t *testing.T) {
	f := func(reason string, want api.Finish, back string) {
		t.Helper()
		resp := answer(t, `{"candidates":[{"content":{"parts":[{"text":"a"}]},"finishReason":"`+reason+`"}]}`)
		require.Equal(t, want, resp.Choices[0].Finish, reason)
		body, err := codec.EncodeResponse(resp, nil)
		require.NoError(t, err)
		require.Contains(t, string(body), `"finishReason":"`+back+`"`)
	}
	f("STOP", api.FinishStop, "STOP")
	f("MAX_TOKENS", api.FinishLength, "MAX_TOKENS")
	for reason := range strings.FieldsSeq("SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII LANGUAGE IMAGE_SAFETY") {
		f(reason, api.FinishContentFilter, "SAFETY")
	}
	f("MALFORMED_FUNCTION_CALL", api.FinishMalformed, "MALFORMED_FUNCTION_CALL")
	f("UNEXPECTED_TOOL_CALL", api.FinishMalformed, "MALFORMED_FUNCTION_CALL")
	f("OTHER", api.FinishStop, "STOP")
	f("CONTINUATION", api.FinishLength, "MAX_TOKENS")
	f("SOMETHING_NEW", api.FinishStop, "STOP")
}

// What the neutral form holds of an answer comes back as it was.
func TestResponseIdentity(t *testing.T) {
	f := func(body string) {
		t.Helper()
		got, err := codec.EncodeResponse(answer(t, body), &api.Request{Model: "mine"})
		require.NoError(t, err)
		require.JSONEq(t, body, string(got))
	}
	candidate := func(parts, more string) {
		t.Helper()
		f(`{"candidates":[{"content":{"parts":[` + parts + `],"role":"model"},"finishReason":"STOP"` + more + `,"index":0}],"modelVersion":"g","responseId":"r"}`)
	}
	candidate(`{"text":"hm","thought":true},{"text":"Hi","thoughtSignature":"c2ln"},{"text":" all"}`, ``)
	candidate(`{"functionCall":{"name":"f","args":{"n":1e-7}},"thoughtSignature":"c2ln"},{"functionCall":{"id":"x","name":"f","args":{}}}`, ``)
	candidate(`{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"executableCode":{"language":"PYTHON","code":"1"}},{"text":"a","partMetadata":{"b":1}}`, ``)
	candidate(`{"text":"Grüße aus Köln."}`, `,"groundingMetadata":{"webSearchQueries":["q"],"groundingChunks":[{"web":{"uri":"https://a","title":"A"}}],
		"groundingSupports":[{"segment":{"startIndex":7,"endIndex":18,"text":"aus Köln."},"groundingChunkIndices":[0],"confidenceScores":[0.9]}]},
		"citationMetadata":{"citationSources":[{"startIndex":0,"endIndex":3,"uri":"https://b","license":"MIT"}]}`)
	candidate(`{"text":"a"}`, `,"logprobsResult":{"topCandidates":[{"candidates":[{"token":"a","logProbability":-0.10},{"token":"é","logProbability":-1e-7}]}],"chosenCandidates":[{"token":"a","logProbability":-0.10}]}`)
	f(`{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"finishReason":"MAX_TOKENS","index":0},{"content":{"role":"model"},"finishReason":"SAFETY","index":1}],
		"usageMetadata":{"promptTokenCount":10,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":7,"totalTokenCount":22},
		"modelVersion":"g","createTime":"2026-05-04T20:01:02Z","responseId":"r"}`)
}

func TestCitations(t *testing.T) {
	resp := answer(t, `{"candidates":[{"content":{"parts":[{"text":"Grüße aus Köln."}]},"groundingMetadata":{
		"groundingChunks":[{"web":{"uri":"https://a","title":"A"}},{"maps":{"uri":"https://m","title":"M"}}],
		"groundingSupports":[{"segment":{"startIndex":8,"endIndex":17},"groundingChunkIndices":[0,1,7]}]},
		"citationMetadata":{"citations":[{"endIndex":7,"uri":"https://b","title":"B"}]}}]}`)
	got := resp.Choices[0].Parts[0].Citations
	require.Len(t, got, 3)
	for i := range got {
		got[i].Raw, got[i].Source = nil, ""
	}
	require.Equal(t, []api.Citation{
		{URL: "https://a", Title: "A", Start: 6, End: 14}, {URL: "https://m", Title: "M", Start: 6, End: 14}, {URL: "https://b", Title: "B", Start: 0, End: 5},
	}, got)

	// Those of other vendors.
	body, err := codec.EncodeResponse(&api.Response{Choices: []api.Choice{{Finish: api.FinishStop, Parts: []api.Part{
		{Kind: api.Text, Text: "Grüße. "},
		{Kind: api.Text, Text: "Köln.", Citations: []api.Citation{{URL: "https://a", Title: "A", Start: 7, End: 11}, {URL: "https://b"}, {URL: "https://a", Title: "A"}}},
	}}}}, &api.Request{Model: "mine"})
	require.NoError(t, err)
	require.JSONEq(t, `{"candidates":[{"content":{"parts":[{"text":"Grüße. "},{"text":"Köln."}],"role":"model"},"finishReason":"STOP","groundingMetadata":{
		"groundingChunks":[{"web":{"uri":"https://a","title":"A"}},{"web":{"uri":"https://b"}}],
		"groundingSupports":[{"segment":{"startIndex":9,"endIndex":14,"text":"Köln"},"groundingChunkIndices":[0]},
			{"segment":{"startIndex":9,"endIndex":15,"text":"Köln."},"groundingChunkIndices":[1]},{"segment":{"startIndex":9,"endIndex":15,"text":"Köln."},"groundingChunkIndices":[0]}]},"index":0}],"modelVersion":"mine"}`, string(body))
}

func TestEncodeResponseOfOthers(t *testing.T) {
	body, err := codec.EncodeResponse(&api.Response{
		ID: "msg_1", Model: "claude", Usage: api.Usage{Input: 1, CacheRead: 2, CacheWrite: 3, Output: 4, Known: true},
		Choices: []api.Choice{{Finish: api.FinishToolCalls, Parts: []api.Part{
			{Kind: api.Opaque, Raw: json.RawMessage(`{"type":"server_tool_use"}`), Source: api.Messages, Vendor: api.Anthropic},
			call("toolu_1", "f", `{"a":`),
			{Kind: api.Refusal, Text: "no"},
			{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: "p", Arguments: "free", Custom: true}},
		}}},
	}, nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"candidates":[{"content":{"parts":[{"functionCall":{"id":"toolu_1","name":"f","args":{"_raw":"{\"a\":"}}},{"text":"no"},
		{"functionCall":{"id":"c","name":"p","args":{"input":"free"}}}],"role":"model"},"finishReason":"STOP","index":0}],
		"usageMetadata":{"promptTokenCount":6,"cachedContentTokenCount":2,"candidatesTokenCount":4,"totalTokenCount":10},"modelVersion":"claude","responseId":"msg_1"}`, string(body))
}

func TestLogprobs(t *testing.T) {
	resp := answer(t, `{"candidates":[{"content":{"parts":[{"text":"é"}]},"logprobsResult":{"chosenCandidates":[{"token":"é","tokenId":9,"logProbability":-0.5}]}}]}`)
	require.JSONEq(t, `{"content":[{"token":"é","logprob":-0.5,"bytes":[195,169],"top_logprobs":[]}],"refusal":null}`, string(resp.Choices[0].Logprobs))
}

func TestDecodeError(t *testing.T) {
	f := func(status int, body string, want api.Error) {
		t.Helper()
		require.Equal(t, want, codec.DecodeError(status, []byte(body)))
	}
	f(400, `{"error":{"code":400,"message":"Bad.","status":"INVALID_ARGUMENT"}}`, api.Error{Status: 400, Message: "Bad."})
	f(400, `{"error":{"code":400,"message":"API key not valid.","status":"INVALID_ARGUMENT","details":[{"@type":"x","reason":"API_KEY_INVALID"}]}}`,
		api.Error{Status: 401, Code: "invalid_api_key", Message: "API key not valid."})
	f(400, `{"error":{"message":"The input token count (9) exceeds the maximum number of tokens allowed (8)."}}`,
		api.Error{Status: 400, Code: "context_length_exceeded", Message: "The input token count (9) exceeds the maximum number of tokens allowed (8)."})
	f(404, `[{"error":{"code":404,"message":"No model.","status":"NOT_FOUND"}}]`, api.Error{Status: 404, Code: "model_not_found", Message: "No model."})
	f(429, `{"error":{"code":429,"message":"Slow.","status":"RESOURCE_EXHAUSTED"}}`, api.Error{Status: 429, Code: "rate_limit_exceeded", Message: "Slow."})
	f(502, `<html>`, api.Error{Status: 502, Message: "<html>"})
	f(http.StatusServiceUnavailable, ``, api.Error{Status: http.StatusServiceUnavailable, Message: http.StatusText(http.StatusServiceUnavailable)})
}

// Google says in the body when to try again, and in no header.
func TestRetryDelay(t *testing.T) {
	f := func(body string, want time.Duration) {
		t.Helper()
		require.Equal(t, want, gemini.RetryDelay([]byte(body)), body)
	}
	info := func(delay string) string {
		return `{"error":{"code":429,"details":[{"@type":"type.googleapis.com/google.rpc.QuotaFailure"},{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":` + delay + `}]}}`
	}
	f(info(`"36s"`), 36*time.Second)
	f(info(`"0.847655010s"`), 847655010)
	f(`[`+info(`"36s"`)+`]`, 36*time.Second)
	for _, none := range []string{info(`"-1s"`), info(`"soon"`), info(`36`), `{"error":{"code":429}}`, `{"error":"x"}`, `<html>`, ``} {
		f(none, 0)
	}
}
