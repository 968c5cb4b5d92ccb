package mock

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const weatherTools = `"tools":[
	{"type":"function","function":{"name":"get_time","parameters":{"type":"object","properties":{"zone":{"type":"string"}}}}},
	{"type":"function","function":{"name":"get_weather","parameters":{"type":"object","properties":{
		"city":{"type":"string"},"days":{"type":"integer"},"exact":{"type":"boolean"},"tags":{"type":"array"},"more":{"type":"object"}},
		"required":["city","unit"]}}}]`

const weatherArguments = `{"city":"mock","days":1,"exact":true,"tags":[],"more":{},"unit":"mock"}`

// chatStreamed joins the deltas of one choice of a stream.
type chatStreamed struct {
	text, reasoning, finish string
	calls                   []string
	names                   []string
	usage                   any
	last                    string
	chunks                  int
}

func joinChat(t *testing.T, body string, choice int) chatStreamed {
	t.Helper()
	var got chatStreamed
	for _, e := range eventsOf(t, body) {
		got.last = e.data
		if e.data == "[DONE]" {
			continue
		}
		got.chunks++
		chunk := object(t, e.data)
		require.Equal(t, "chat.completion.chunk", chunk["object"])
		if u := chunk["usage"]; u != nil {
			require.Empty(t, chunk["choices"])
			got.usage = u
			continue
		}
		if at(t, chunk, "choices", 0, "index") != float64(choice) {
			continue
		}
		if reason, ok := at(t, chunk, "choices", 0, "finish_reason").(string); ok {
			got.finish = reason
		}
		delta, _ := at(t, chunk, "choices", 0, "delta").(map[string]any)
		if s, ok := delta["content"].(string); ok {
			got.text += s
		}
		if s, ok := delta["reasoning_content"].(string); ok {
			got.reasoning += s
		}
		if delta["tool_calls"] != nil {
			i := int(at(t, delta, "tool_calls", 0, "index").(float64))
			function := at(t, delta, "tool_calls", 0, "function").(map[string]any)
			if name, ok := function["name"].(string); ok {
				require.Len(t, got.calls, i)
				require.NotEmpty(t, at(t, delta, "tool_calls", 0, "id"))
				got.calls, got.names = append(got.calls, ""), append(got.names, name)
			}
			got.calls[i] += function["arguments"].(string)
		}
	}
	return got
}

func TestChat(t *testing.T) {
	url := serve(t, `{"tokens": 5}`).URL + "/v1/chat/completions"
	got := object(t, post(t, url, `{"model":"gpt","messages":[
		{"role":"system","content":"1234"},{"role":"user","content":[{"type":"text","text":"12345678"},{"type":"image_url","image_url":{}}]}]}`).body)
	require.Equal(t, "chat.completion", got["object"])
	require.Equal(t, "gpt", got["model"])
	require.Equal(t, "This is a mock answer", at(t, got, "choices", 0, "message", "content"))
	require.Equal(t, "stop", at(t, got, "choices", 0, "finish_reason"))
	require.InDelta(t, 3, at(t, got, "usage", "prompt_tokens"), 0)
	require.InDelta(t, 5, at(t, got, "usage", "completion_tokens"), 0)
	require.InDelta(t, 8, at(t, got, "usage", "total_tokens"), 0)
}

func TestChatStream(t *testing.T) {
	url := serve(t, `{"tokens": 5}`).URL + "/v1/chat/completions"
	got := post(t, url, `{"model":"gpt","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
	require.Equal(t, "text/event-stream; charset=utf-8", got.Header.Get("Content-Type"))
	list := eventsOf(t, got.body)
	require.Len(t, list, 1+5+1+1)
	require.Equal(t, "assistant", at(t, object(t, list[0].data), "choices", 0, "delta", "role"))
	joined := joinChat(t, got.body, 0)
	require.Equal(t, "This is a mock answer", joined.text)
	require.Equal(t, "stop", joined.finish)
	require.Equal(t, "[DONE]", joined.last)
	require.Nil(t, joined.usage)

	got = post(t, url, `{"model":"gpt","stream":true,"stream_options":{"include_usage":true},"mock":{"no_done":true}}`)
	joined = joinChat(t, got.body, 0)
	require.InDelta(t, 5, at(t, joined.usage, "completion_tokens"), 0)
	require.NotEqual(t, "[DONE]", joined.last)
}

func TestChatChoices(t *testing.T) {
	url := serve(t, `{"tokens": 2}`).URL + "/v1/chat/completions"
	got := object(t, post(t, url, `{"model":"gpt","n":3}`).body)
	require.Len(t, got["choices"], 3)
	require.Equal(t, "This is", at(t, got, "choices", 2, "message", "content"))
	require.InDelta(t, 6, at(t, got, "usage", "completion_tokens"), 0)

	streamed := post(t, url, `{"model":"gpt","n":3,"stream":true}`)
	for choice := range 3 {
		joined := joinChat(t, streamed.body, choice)
		require.Equal(t, "This is", joined.text)
		require.Equal(t, "stop", joined.finish)
	}
}

func TestChatTools(t *testing.T) {
	url := serve(t, `{}`).URL + "/v1/chat/completions"
	for _, test := range []struct {
		name, rest string
		calls      []string
		arguments  string
	}{
		{"first", `"messages":[{"role":"user","content":"hi"}]`, []string{"get_time"}, `{"zone":"mock"}`},
		{"named", `"tool_choice":{"type":"function","function":{"name":"get_weather"}}`, []string{"get_weather"}, weatherArguments},
		{"allowed", `"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto","tools":[{"type":"function","function":{"name":"get_weather"}}]}}`, []string{"get_weather"}, weatherArguments},
		{"none", `"tool_choice":"none"`, nil, ""},
		{"off", `"mock":{"tool_calls":false}`, nil, ""},
		{"two", `"mock":{"parallel_calls":2}`, []string{"get_time", "get_weather"}, `{"zone":"mock"}`},
		{"one only", `"parallel_tool_calls":false,"mock":{"parallel_calls":2}`, []string{"get_time"}, `{"zone":"mock"}`},
		{"answered", `"messages":[{"role":"user","content":"hi"},{"role":"assistant","content":null},{"role":"tool","content":"1"},{"role":"system","content":"s"}]`, nil, ""},
		{"asked again", `"messages":[{"role":"tool","content":"1"},{"role":"user","content":"hi"}]`, []string{"get_time"}, `{"zone":"mock"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := object(t, post(t, url, `{"model":"gpt",`+weatherTools+`,`+test.rest+`}`).body)
			message := at(t, got, "choices", 0, "message").(map[string]any)
			streamed := joinChat(t, post(t, url, `{"model":"gpt","stream":true,`+weatherTools+`,`+test.rest+`}`).body, 0)
			require.Equal(t, test.calls, streamed.names)
			if test.calls == nil {
				require.NotContains(t, message, "tool_calls")
				require.NotEmpty(t, message["content"])
				require.Equal(t, "stop", streamed.finish)
				return
			}
			require.Nil(t, message["content"])
			require.Equal(t, "tool_calls", at(t, got, "choices", 0, "finish_reason"))
			require.Equal(t, "tool_calls", streamed.finish)
			require.Len(t, message["tool_calls"], len(test.calls))
			for i, name := range test.calls {
				require.Equal(t, name, at(t, message, "tool_calls", i, "function", "name"))
			}
			require.JSONEq(t, test.arguments, at(t, message, "tool_calls", 0, "function", "arguments").(string))
			require.JSONEq(t, test.arguments, streamed.calls[0])
		})
	}
	streamed := post(t, url, `{"model":"gpt","stream":true,`+weatherTools+`}`)
	require.GreaterOrEqual(t, strings.Count(streamed.body, `"function":{"arguments"`), 2, "several fragments")
}

func TestChatReasoning(t *testing.T) {
	url := serve(t, `{}`).URL + "/v1/chat/completions"
	for _, test := range []struct {
		name, rest string
		words      int
	}{
		{"not asked", `"n":1`, 0},
		{"none", `"reasoning_effort":"none"`, 0},
		{"minimal", `"reasoning_effort":"minimal"`, 0},
		{"asked", `"reasoning_effort":"low"`, 8},
		{"off", `"reasoning_effort":"low","mock":{"reasoning":false}`, 0},
		{"on", `"mock":{"reasoning":true}`, 8},
		{"counted", `"mock":{"reasoning":3}`, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := object(t, post(t, url, `{"model":"gpt",`+test.rest+`}`).body)
			text, _ := at(t, got, "choices", 0, "message").(map[string]any)["reasoning_content"].(string)
			require.Len(t, strings.Fields(text), test.words)
			require.InDelta(t, test.words, at(t, got, "usage", "completion_tokens_details", "reasoning_tokens"), 0)
			require.InDelta(t, 16+test.words, at(t, got, "usage", "completion_tokens"), 0)
			streamed := joinChat(t, post(t, url, `{"model":"gpt","stream":true,`+test.rest+`}`).body, 0)
			require.Equal(t, text, streamed.reasoning)
		})
	}
}

func TestChatEndings(t *testing.T) {
	url := serve(t, `{}`).URL + "/v1/chat/completions"
	for _, test := range []struct {
		name, rest, text, finish string
	}{
		{"max_tokens", `"max_tokens":3`, "This is a", "length"},
		{"max_completion_tokens", `"max_completion_tokens":2`, "This is", "length"},
		{"enough", `"max_tokens":3,"mock":{"tokens":3}`, "This is a", "stop"},
		{"reasoning counts", `"max_tokens":10,"reasoning_effort":"high"`, "This is", "length"},
		{"stop", `"stop":" mock"`, "This is a", "stop"},
		{"stops", `"stop":["answer"," a"]`, "This is", "stop"},
		{"text", `"mock":{"text":"  one\ttwo, \"three\" é"}`, "  one\ttwo, \"three\" é", "stop"},
		{"empty", `"mock":{"tokens":0}`, "", "stop"},
		{"json", `"response_format":{"type":"json_object"}`, `{"answer":"mock"}`, "stop"},
		{"schema", `"response_format":{"type":"json_schema","json_schema":{"schema":{"properties":{"n":{"type":"number"}}}}}`, `{"n":1}`, "stop"},
		{"own JSON", `"response_format":{"type":"json_object"},"mock":{"text":"{\"a\": 1}"}`, `{"a": 1}`, "stop"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := object(t, post(t, url, `{"model":"gpt",`+test.rest+`}`).body)
			require.Equal(t, test.text, at(t, got, "choices", 0, "message", "content"))
			require.Equal(t, test.finish, at(t, got, "choices", 0, "finish_reason"))
			streamed := joinChat(t, post(t, url, `{"model":"gpt","stream":true,`+test.rest+`}`).body, 0)
			require.Equal(t, test.text, streamed.text)
			require.Equal(t, test.finish, streamed.finish)
		})
	}
}

func TestTextPlaceholders(t *testing.T) {
	url := serve(t, `{"text": "{mock.name} {model}: {prompt}"}`).URL + "/v1/chat/completions"
	content := func(rest string) any {
		got := object(t, post(t, url, `{"model":"gpt","messages":[{"role":"user","content":"hi {mock.name}"}]`+rest+`}`).body)
		return at(t, got, "choices", 0, "message", "content")
	}
	require.Equal(t, "first gpt: hi {mock.name}", content(``))
	require.Equal(t, "{mock.name} gpt", content(`,"mock":{"text":"{mock.name} {model}"}`), "a client must not read the server")
}

func TestCompletions(t *testing.T) {
	url := serve(t, `{"tokens": 3}`).URL + "/v1/completions"
	got := object(t, post(t, url, `{"model":"old","prompt":["12345678","12345678"],"n":2}`).body)
	require.Equal(t, "text_completion", got["object"])
	require.Len(t, got["choices"], 4)
	require.Equal(t, "This is a", at(t, got, "choices", 3, "text"))
	require.InDelta(t, 4, at(t, got, "usage", "prompt_tokens"), 0)
	require.InDelta(t, 12, at(t, got, "usage", "completion_tokens"), 0)

	got = object(t, post(t, url, `{"model":"old","prompt":[1,2,3],"max_tokens":2}`).body)
	require.Equal(t, "This is", at(t, got, "choices", 0, "text"))
	require.Equal(t, "length", at(t, got, "choices", 0, "finish_reason"))
	require.InDelta(t, 3, at(t, got, "usage", "prompt_tokens"), 0)

	list := eventsOf(t, post(t, url, `{"model":"old","prompt":"x","stream":true,"stream_options":{"include_usage":true}}`).body)
	require.Len(t, list, 3+1+1+1)
	require.Equal(t, " is", at(t, object(t, list[1].data), "choices", 0, "text"))
	require.Equal(t, "stop", at(t, object(t, list[3].data), "choices", 0, "finish_reason"))
	require.InDelta(t, 3, at(t, object(t, list[4].data), "usage", "completion_tokens"), 0)
	require.Equal(t, "[DONE]", list[5].data)
}
