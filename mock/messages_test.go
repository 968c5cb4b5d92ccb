package mock

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMessages(t *testing.T) {
	url := serve(t, `{"tokens": 4, "cached_tokens": 1}`).URL + "/v1/messages"
	got := object(t, post(t, url, `{"model":"claude","max_tokens":99,"system":[{"type":"text","text":"12345678"}],
		"messages":[{"role":"user","content":"1234"}]}`).body)
	require.Equal(t, "message", got["type"])
	require.Equal(t, "claude", got["model"])
	require.Equal(t, "This is a mock", at(t, got, "content", 0, "text"))
	require.Equal(t, "end_turn", got["stop_reason"])
	require.InDelta(t, 2, at(t, got, "usage", "input_tokens"), 0)
	require.InDelta(t, 1, at(t, got, "usage", "cache_read_input_tokens"), 0)
	require.InDelta(t, 0, at(t, got, "usage", "cache_creation_input_tokens"), 0)
	require.InDelta(t, 4, at(t, got, "usage", "output_tokens"), 0)
}

func TestMessagesThinkingTokens(t *testing.T) {
	url := serve(t, `{"tokens":4,"reasoning":3}`).URL + "/v1/messages"
	got := object(t, post(t, url, `{"model":"claude"}`).body)
	require.InDelta(t, 7, at(t, got, "usage", "output_tokens"), 0)
	require.InDelta(t, 3, at(t, got, "usage", "output_tokens_details", "thinking_tokens"), 0)
	list := eventsOf(t, post(t, url, `{"model":"claude","stream":true}`).body)
	require.InDelta(t, 3, at(t, object(t, list[len(list)-2].data), "usage", "output_tokens_details", "thinking_tokens"), 0)
	require.NotContains(t, list[0].data, "thinking_tokens")
}

func TestMessagesStream(t *testing.T) {
	url := serve(t, `{"tokens": 4}`).URL + "/v1/messages"
	list := eventsOf(t, post(t, url, `{"model":"claude","max_tokens":99,"stream":true,"messages":[{"role":"user","content":"hi"}]}`).body)
	require.Equal(t, []string{
		"message_start", "ping", "content_block_start", "content_block_delta", "content_block_stop",
		"message_delta", "message_stop",
	}, names(list))
	text := ""
	for _, e := range list {
		decoded := object(t, e.data)
		require.Equal(t, e.name, decoded["type"])
		if e.name == "content_block_delta" {
			text += at(t, decoded, "delta", "text").(string)
		}
	}
	require.Equal(t, "This is a mock", text)
	require.Equal(t, "claude", at(t, object(t, list[0].data), "message", "model"))
	end := object(t, list[len(list)-2].data)
	require.Equal(t, "end_turn", at(t, end, "delta", "stop_reason"))
	require.InDelta(t, 4, at(t, end, "usage", "output_tokens"), 0)
}

func TestMessagesThinkingAndCalls(t *testing.T) {
	url := serve(t, `{"parallel_calls": 2}`).URL + "/v1/messages"
	const rest = `"thinking":{"type":"adaptive"},"messages":[{"role":"user","content":"hi"}],"tools":[
		{"type":"web_search_20250305","name":"web_search"},
		{"name":"f","input_schema":{"type":"object","properties":{"a":{"type":"string"}}}},{"name":"g","input_schema":{"type":"object"}}]`
	got := object(t, post(t, url, `{"model":"claude",`+rest+`}`).body)
	require.Len(t, got["content"], 3)
	require.Equal(t, "thinking", at(t, got, "content", 0, "type"))
	require.NotEmpty(t, at(t, got, "content", 0, "signature"))
	require.Equal(t, map[string]any{"a": "mock"}, at(t, got, "content", 1, "input"))
	require.Equal(t, "g", at(t, got, "content", 2, "name"))
	require.Equal(t, "tool_use", got["stop_reason"])

	starts, fragments, index := 0, map[float64]string{}, -1.0
	list := eventsOf(t, post(t, url, `{"model":"claude","stream":true,`+rest+`}`).body)
	kinds := map[any]bool{}
	for _, e := range list {
		decoded := object(t, e.data)
		switch e.name {
		case "content_block_start":
			starts++
			require.InDelta(t, index+1, decoded["index"], 0)
			index++
		case "content_block_delta":
			require.InDelta(t, index, decoded["index"], 0, "blocks come one after the other")
			kinds[at(t, decoded, "delta", "type")] = true
			if s, ok := at(t, decoded, "delta").(map[string]any)["partial_json"].(string); ok {
				fragments[index] += s
			}
		}
	}
	require.Equal(t, 3, starts)
	require.Equal(t, map[any]bool{"thinking_delta": true, "signature_delta": true, "input_json_delta": true}, kinds)
	require.Equal(t, map[float64]string{1: `{"a":"mock"}`, 2: `{}`}, fragments)
}

func TestMessagesEndings(t *testing.T) {
	url := serve(t, `{}`).URL + "/v1/messages"
	const tools = `"tools":[{"name":"f","input_schema":{}},{"name":"g","input_schema":{}}],"messages":[{"role":"user","content":"hi"}],`
	for _, test := range []struct {
		name, rest, reason string
		path               []any
		want               any
	}{
		{"limit", `"max_tokens":2`, "max_tokens", []any{"content", 0, "text"}, "This is"},
		{"sequence", `"stop_sequences":["x"," a"]`, "stop_sequence", []any{"stop_sequence"}, " a"},
		{"named", tools + `"tool_choice":{"type":"tool","name":"g"}`, "tool_use", []any{"content", 0, "name"}, "g"},
		{"one only", tools + `"tool_choice":{"type":"any","disable_parallel_tool_use":true},"mock":{"parallel_calls":2}`, "tool_use", []any{"content", 0, "name"}, "f"},
		{"no tool", tools + `"tool_choice":{"type":"none"}`, "end_turn", []any{"content", 0, "type"}, "text"},
		{"answered", `"tools":[{"name":"f","input_schema":{}}],"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":[{"type":"text","text":"r"}]}]},{"role":"system","content":"s"}]`, "end_turn", []any{"content", 0, "type"}, "text"},
		{"structured", `"output_config":{"format":{"type":"json_schema","schema":{"properties":{"a":{"type":"null"}}}}}`, "end_turn", []any{"content", 0, "text"}, `{"a":null}`},
		{"structured beta", `"output_format":{"type":"json_schema","schema":{"properties":{"a":{"type":"null"}}}}`, "end_turn", []any{"content", 0, "text"}, `{"a":null}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := object(t, post(t, url, `{"model":"claude",`+test.rest+`}`).body)
			require.Equal(t, test.reason, got["stop_reason"])
			require.Equal(t, test.want, at(t, got, test.path...))
			list := eventsOf(t, post(t, url, `{"model":"claude","stream":true,`+test.rest+`}`).body)
			require.Equal(t, test.reason, at(t, object(t, list[len(list)-2].data), "delta", "stop_reason"))
		})
	}
}

// The same text counts the same in every API.
func TestTokenCounts(t *testing.T) {
	url := serve(t, `{}`).URL
	const system, user, result = `"You are a mock."`, `"What is the time, please?"`, `"It is noon."`
	count := func(path, body string, where ...any) any {
		return at(t, object(t, post(t, url+path, body).body), where...)
	}
	want := float64(tokens(len(system) + len(user) + len(result) - 6))
	messages := `{"model":"m","system":` + system + `,"messages":[{"role":"user","content":` + user + `},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":` + result + `}]}]}`
	geminiBody := `{"systemInstruction":{"parts":[{"text":` + system + `}]},"contents":[{"role":"user","parts":[{"text":` + user + `}]},
		{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":` + result + `}}}]}]}`
	for name, got := range map[string]any{
		"chat": count("/v1/chat/completions", `{"model":"m","messages":[{"role":"system","content":`+system+`},
			{"role":"user","content":`+user+`},{"role":"tool","content":`+result+`}]}`, "usage", "prompt_tokens"),
		"responses": count("/v1/responses", `{"model":"m","instructions":`+system+`,"input":[{"role":"user","content":`+user+`},
			{"type":"function_call_output","output":`+result+`}]}`, "usage", "input_tokens"),
		"messages":     count("/v1/messages", messages, "usage", "input_tokens"),
		"count_tokens": count("/v1/messages/count_tokens", messages, "input_tokens"),
		"gemini":       count("/v1beta/models/m:generateContent", geminiBody, "usageMetadata", "promptTokenCount"),
		"countTokens":  count("/v1beta/models/m:countTokens", geminiBody, "totalTokens"),
		"wrapped":      count("/v1beta/models/m:countTokens", `{"generateContentRequest":`+geminiBody+`}`, "totalTokens"),
	} {
		require.InDelta(t, want, got, 0, name)
	}
	require.InDelta(t, 1, count("/v1/messages/count_tokens", `{"model":"m"}`, "input_tokens"), 0)
}
