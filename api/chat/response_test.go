package chat_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// answerOf is an answer around a message.
func answerOf(message, finish string) string {
	return `{"id":"c1","object":"chat.completion","created":7,"model":"m","choices":[{"index":0,"message":{"role":"assistant",` + message + `},"logprobs":null,"finish_reason":"` + finish + `"}]}`
}

func TestAnswersStayWhatTheyAre(t *testing.T) {
	f := func(body string) {
		t.Helper()
		resp, err := codec.DecodeResponse([]byte(body))
		require.NoError(t, err)
		req := &api.Request{Source: api.Chat, Tools: []api.Tool{{Kind: api.CustomTool, Name: "sh"}}}
		got, err := codec.EncodeResponse(resp, req)
		require.NoError(t, err)
		require.JSONEq(t, body, string(got))
	}
	f(answerOf(`"content":"Hi","refusal":null`, "stop"))
	f(answerOf(`"content":"","refusal":null`, "length"))
	f(answerOf(`"content":"Hi","refusal":null,"annotations":[{"type":"url_citation","url_citation":{"start_index":0,"end_index":2,"title":"t","url":"https://example.com"}}]`, "stop"))
	f(answerOf(`"content":null,"refusal":"I can't."`, "stop"))
	f(answerOf(`"content":"H","refusal":null`, "content_filter"))
	f(answerOf(`"content":null,"refusal":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"a\":12345678901234567890}"}},{"id":"b","type":"custom","custom":{"name":"sh","input":"ls"}}]`, "tool_calls"))
	f(answerOf(`"content":"Hi","refusal":null,"reasoning_content":"Hm."`, "stop"))
	f(answerOf(`"content":"Hi","refusal":null,"reasoning_content":"Hm.","reasoning_details":[{"type":"reasoning.text","text":"Hm.","signature":"s","index":0},{"type":"reasoning.encrypted","data":"d","id":"r","index":1}]`, "stop"))
	f(answerOf(`"content":null,"refusal":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}]`, "tool_calls"))
	f(answerOf(`"content":"Hi","refusal":null,"extra_content":{"google":{"thought_signature":"s"}}`, "stop"))
	f(answerOf(`"content":null,"refusal":null,"audio":{"id":"audio_1","data":"AA","expires_at":9,"transcript":"Hi"}`, "stop"))
	f(answerOf(`"content":"Hi","refusal":null,"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"},"index":0}]`, "stop"))
	f(`{"id":"c1","object":"chat.completion","created":7,"model":"m","service_tier":"default","choices":[
		{"index":0,"message":{"role":"assistant","content":"a","refusal":null},"logprobs":{"content":[{"token":"a","logprob":-1e-7,"bytes":[97],"top_logprobs":[]}],"refusal":null},"finish_reason":"stop"},
		{"index":1,"message":{"role":"assistant","content":"b","refusal":null},"logprobs":null,"finish_reason":"length"}],
		"usage":{"prompt_tokens":10,"completion_tokens":9,"total_tokens":19,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":3}}}`)
}

func TestFinishReasons(t *testing.T) {
	f := func(message, reason string, want api.Finish) {
		t.Helper()
		resp, err := codec.DecodeResponse([]byte(answerOf(message, reason)))
		require.NoError(t, err)
		require.Equal(t, want, resp.Choices[0].Finish, reason)
	}
	const text, calls, legacy = `"content":"x"`, `"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]`, `"function_call":{"name":"f","arguments":"{}"}`
	f(text, "stop", api.FinishStop)
	f(text, "STOP", api.FinishStop)
	f(text, "eos", api.FinishStop)
	f(text, "whatever", api.FinishStop)
	f(text, "tool_calls", api.FinishStop)
	f(text, "length", api.FinishLength)
	f(text, "model_length", api.FinishContextLength)
	f(text, "content_filter", api.FinishContentFilter)
	f(`"refusal":"no"`, "stop", api.FinishRefusal)
	f(calls, "stop", api.FinishToolCalls)
	f(calls, "tool_calls", api.FinishToolCalls)
	f(calls, "length", api.FinishLength)
	f(legacy, "function_call", api.FinishToolCalls)

	resp, err := codec.DecodeResponse([]byte(`{"choices":[{"message":{"content":"x"},"finish_reason":"stop","stop_reason":"END"}]}`))
	require.NoError(t, err)
	require.Equal(t, api.FinishStopSequence, resp.Choices[0].Finish)
	require.Equal(t, "END", resp.Choices[0].StopSequence)

	encode := func(finish api.Finish, want string) {
		t.Helper()
		body, err := codec.EncodeResponse(&api.Response{Choices: []api.Choice{{Finish: finish}}}, &api.Request{})
		require.NoError(t, err)
		require.Contains(t, string(body), `"finish_reason":"`+want+`"`)
	}
	encode(api.FinishStop, "stop")
	encode(api.FinishStopSequence, "stop")
	encode(api.FinishLength, "length")
	encode(api.FinishContextLength, "length")
	encode(api.FinishToolCalls, "tool_calls")
	encode(api.FinishContentFilter, "content_filter")
	encode(api.FinishRefusal, "content_filter")
	encode(api.FinishPause, "stop")
	encode(api.FinishMalformed, "stop")
}

func TestAnswersOfOtherFormats(t *testing.T) {
	f := func(source api.API, req *api.Request, want, finish string, c api.Finish, parts ...api.Part) {
		t.Helper()
		body, err := codec.EncodeResponse(&api.Response{Source: source, ID: "c1", Model: "m", Created: 7, Choices: []api.Choice{{Parts: parts, Finish: c}}, ServiceTier: "x"}, req)
		require.NoError(t, err)
		require.JSONEq(t, answerOf(want, finish), string(body))
	}
	any := &api.Request{Source: api.Chat}
	thought := func(text, signature string, redacted bool) api.Part {
		return api.Part{Kind: api.Thinking, Text: text, Signature: signature, Vendor: api.Anthropic, Redacted: redacted}
	}
	f(api.Messages, any, `"content":"ab","refusal":null,"reasoning_content":"HmSo","reasoning_details":[
			{"type":"reasoning.text","text":"Hm","signature":"plexus:anthropic:s1","index":0},
			{"type":"reasoning.encrypted","data":"plexus:anthropic:r","index":1},
			{"type":"reasoning.text","text":"So","signature":"plexus:anthropic:s2","index":2}],
		"annotations":[{"type":"url_citation","url_citation":{"start_index":1,"end_index":2,"title":"t","url":"https://example.com"}}]`, "stop", api.FinishStop,
		thought("Hm", "s1", false), thought("", "r", true), api.Part{Kind: api.Text, Text: "a"}, thought("So", "s2", false),
		api.Part{Kind: api.Text, Text: "b", Citations: []api.Citation{{URL: "https://example.com", Title: "t", Source: api.Messages, Raw: json.RawMessage(`{}`)}, {Title: "a document"}}},
		api.Part{Kind: api.Opaque, Source: api.Messages, Raw: json.RawMessage(`{}`)})
	f(api.Gemini, any, `"content":null,"refusal":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}]`, "tool_calls", api.FinishToolCalls,
		api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "a", Name: "f"}, Signature: "s", Vendor: api.Google})
	f(api.Messages, &api.Request{Source: api.Chat, Tools: []api.Tool{{Kind: api.CustomTool, Name: "sh"}}},
		`"content":null,"refusal":null,"tool_calls":[{"id":"a","type":"custom","custom":{"name":"sh","input":"ls \"x\""}}]`, "tool_calls", api.FinishToolCalls,
		api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "a", Name: "sh", Arguments: `{"input":"ls \"x\""}`}})
	f(api.Messages, &api.Request{Source: api.Chat, Functions: true},
		`"content":null,"refusal":null,"function_call":{"name":"f","arguments":"{}"}`, "function_call", api.FinishToolCalls,
		api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "a", Name: "f"}})
}

func TestSignaturesSurviveTheClient(t *testing.T) {
	parts := []api.Part{
		{Kind: api.Thinking, Text: "Hm", Signature: "s1", Vendor: api.Anthropic},
		{Kind: api.Thinking, Signature: "r", Vendor: api.Anthropic, Redacted: true},
		{Kind: api.Thinking, Signature: "hidden", Vendor: api.Anthropic},
		{Kind: api.Thinking, Text: "Sum", Signature: "enc", Vendor: api.OpenAI, ID: "rs_1"},
		{Kind: api.Thinking, Signature: "enc", Vendor: api.OpenAI, ID: "rs_2"},
		{Kind: api.Thinking, Text: "G", Signature: "g", Vendor: api.Google},
		{Kind: api.Text, Text: "x", Signature: "t", Vendor: api.Google},
		{Kind: api.ToolCall, Call: &api.Call{ID: "a", Name: "f", Arguments: "{}"}, Signature: "c", Vendor: api.Google},
	}
	body, err := codec.EncodeResponse(&api.Response{Choices: []api.Choice{{Parts: parts}}}, &api.Request{Source: api.Chat})
	require.NoError(t, err)
	var answer struct {
		Choices []struct{ Message json.RawMessage }
	}
	require.NoError(t, json.Unmarshal(body, &answer))
	got := decoded(t, message(string(answer.Choices[0].Message))).Messages[0].Parts
	for i := range got {
		if got[i].Kind == api.Thinking {
			got[i].Raw, got[i].Source = nil, ""
		}
	}
	require.Equal(t, parts, got)
}

func TestAnswersThatAreNone(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		_, err := codec.DecodeResponse([]byte(body))
		require.ErrorContains(t, err, want)
	}
	f(``, "not valid JSON")
	f(`{}`, "choices: expected")
	f(`{"choices":[]}`, "choices: expected at least one")
	f(`{"error":{"message":"gone"},"choices":[{}]}`, "gone")
	f(`{"choices":[{"message":{"content":"Hal"},"finish_reason":"error"}]}`, `choices[0].finish_reason: "error"`)
	f(`{"choices":[{"message":{"content":7}}]}`, "choices[0].message.content: expected")
}

func TestErrors(t *testing.T) {
	f := func(status int, body string, want api.Error) {
		t.Helper()
		require.Equal(t, want, codec.DecodeError(status, []byte(body)))
	}
	f(429, `{"error":{"message":"Slow down.","type":"rate_limit_error","param":null,"code":"rate_limit_exceeded"}}`, api.Error{Status: 429, Type: "rate_limit_error", Code: "rate_limit_exceeded", Message: "Slow down."})
	f(400, `[{"error":{"code":400,"message":"No.","status":"INVALID_ARGUMENT"}}]`, api.Error{Status: 400, Message: "No."})
	f(404, `{"error":"model not found"}`, api.Error{Status: 404, Message: "model not found"})
	f(422, `{"detail":[{"loc":["body"],"msg":"extra"}]}`, api.Error{Status: 422, Message: "extra"})
	f(400, `{"object":"error","message":"Too long.","code":400}`, api.Error{Status: 400, Message: "Too long."})
	f(502, `<html>Bad gateway</html>`, api.Error{Status: 502, Message: "<html>Bad gateway</html>"})
	f(503, ``, api.Error{Status: 503, Message: "Service Unavailable"})
}

func TestRecordedAnswersDecode(t *testing.T) {
	for _, file := range recordings(t, "gomodel/*/chat_*.json") {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			checkAnswer(t, read(t, file))
		})
	}
}

// checkAnswer holds what was decoded and what is encoded again against the body.
func checkAnswer(t *testing.T, body []byte) {
	t.Helper()
	type call struct {
		Function struct{ Name, Arguments string }
	}
	type answer struct {
		ID, Model string
		Created   int64
		Choices   []struct {
			Message struct {
				Content          string
				ReasoningContent string `json:"reasoning_content"`
				ToolCalls        []call `json:"tool_calls"`
			}
			FinishReason string `json:"finish_reason"`
		}
	}
	var want, got answer
	require.NoError(t, json.Unmarshal(body, &want))
	resp, err := codec.DecodeResponse(body)
	require.NoError(t, err)
	require.Len(t, resp.Choices, len(want.Choices))
	again, err := codec.EncodeResponse(resp, &api.Request{Source: api.Chat})
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(again, &got))
	require.Equal(t, want, got)
}

// cassettes are the recorded exchanges with OpenAI's chat, as pairs of a request
// and an answer.
func cassettes(t *testing.T) map[string][2]string {
	t.Helper()
	all := map[string][2]string{}
	for _, file := range recordings(t, "envoy-openai-cassettes/*chat-*.yaml") {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		bodies := blocks(string(raw))
		if len(bodies) >= 2 {
			all[strings.TrimSuffix(filepath.Base(file), ".yaml")] = [2]string{bodies[0], bodies[1]}
		}
	}
	require.NotEmpty(t, all)
	return all
}

// blocks are the literal block scalars named body of a YAML file.
func blocks(yaml string) (out []string) {
	lines := strings.Split(yaml, "\n")
	for i := 0; i < len(lines); i++ {
		trimmed := strings.TrimSpace(lines[i])
		if !strings.HasPrefix(trimmed, "body: |") {
			continue
		}
		indent := len(lines[i]) - len(strings.TrimLeft(lines[i], " ")) + 4
		var block []string
		for i++; i < len(lines) && (lines[i] == "" || strings.HasPrefix(lines[i], strings.Repeat(" ", indent))); i++ {
			block = append(block, strings.TrimPrefix(lines[i], strings.Repeat(" ", indent)))
		}
		i--
		out = append(out, strings.Join(block, "\n"))
	}
	return out
}

func TestRecordedExchanges(t *testing.T) {
	for name, bodies := range cassettes(t) {
		t.Run(name, func(t *testing.T) {
			if !json.Valid([]byte(bodies[0])) {
				t.Skip("the recording has no request in JSON")
			}
			if req, err := codec.DecodeRequest([]byte(bodies[0])); err == nil {
				again, _ := encoded(t, req)
				require.JSONEq(t, bodies[0], again)
			} else {
				require.Contains(t, bodies[1], `"error"`, err.Error())
			}
			switch {
			case strings.HasPrefix(bodies[1], "data:"):
				checkStream(t, []byte(bodies[1]))
			case strings.Contains(bodies[1], `"error": {`):
				require.NotEmpty(t, codec.DecodeError(400, []byte(bodies[1])).Message)
			default:
				checkAnswer(t, []byte(bodies[1]))
			}
		})
	}
}

func FuzzDecodeResponse(f *testing.F) {
	f.Add([]byte(answerOf(`"content":"x"`, "stop")))
	f.Add([]byte(answerOf(`"content":[{"type":"text","text":"a"},{"type":"x"}],"annotations":[{}],"audio":{"id":1},"images":[{"type":"image_url","image_url":"x"}],"function_call":{},"reasoning_details":[{"data":"plexus:anthropic:x"}]`, "tool_calls")))
	f.Fuzz(func(t *testing.T, body []byte) {
		resp, err := codec.DecodeResponse(body)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		again, err := codec.EncodeResponse(resp, &api.Request{Source: api.Chat})
		require.NoError(t, err)
		require.True(t, json.Valid(again), "%s", again)
		_, err = codec.DecodeResponse(again)
		require.NoError(t, err, "%s", again)
		var told api.Accumulator
		resp.Emit(told.Add)
		codec.DecodeError(400, body)
	})
}
