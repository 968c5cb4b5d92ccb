package mock

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// checkSequence decodes a Responses stream and checks its numbering.
func checkSequence(t *testing.T, list []event) []map[string]any {
	t.Helper()
	decoded := make([]map[string]any, len(list))
	for i, e := range list {
		decoded[i] = object(t, e.data)
		require.Equal(t, e.name, decoded[i]["type"])
		require.InDelta(t, i, decoded[i]["sequence_number"], 0)
	}
	return decoded
}

func TestResponses(t *testing.T) {
	url := serve(t, `{"tokens": 4}`).URL + "/v1/responses"
	got := object(t, post(t, url, `{"model":"gpt","instructions":"12345678","input":"1234","metadata":{"a":"b"},"temperature":0.5}`).body)
	require.Equal(t, "response", got["object"])
	require.Equal(t, "completed", got["status"])
	require.Equal(t, map[string]any{"a": "b"}, got["metadata"])
	require.InDelta(t, 0.5, got["temperature"], 0)
	require.Equal(t, "12345678", got["instructions"])
	require.Equal(t, "message", at(t, got, "output", 0, "type"))
	require.Equal(t, "This is a mock", at(t, got, "output", 0, "content", 0, "text"))
	require.InDelta(t, 3, at(t, got, "usage", "input_tokens"), 0)
	require.InDelta(t, 7, at(t, got, "usage", "total_tokens"), 0)
}

func TestResponsesStream(t *testing.T) {
	url := serve(t, `{"tokens": 4}`).URL + "/v1/responses"
	list := eventsOf(t, post(t, url, `{"model":"gpt","input":"hi","stream":true}`).body)
	require.Equal(t, []string{
		"response.created", "response.in_progress", "response.output_item.added", "response.content_part.added",
		"response.output_text.delta", "response.output_text.done", "response.content_part.done",
		"response.output_item.done", "response.completed",
	}, names(list))
	decoded := checkSequence(t, list)
	text := ""
	for _, e := range decoded {
		if e["type"] == "response.output_text.delta" {
			text += e["delta"].(string)
		}
	}
	require.Equal(t, "This is a mock", text)
	require.Equal(t, "in_progress", at(t, decoded[0], "response", "status"))
	require.Empty(t, at(t, decoded[0], "response", "output"))
	last := at(t, decoded[len(decoded)-1], "response")
	require.Equal(t, text, at(t, last, "output", 0, "content", 0, "text"))
	require.InDelta(t, 4, at(t, last, "usage", "output_tokens"), 0)
}

func TestResponsesIncomplete(t *testing.T) {
	url := serve(t, `{}`).URL + "/v1/responses"
	got := object(t, post(t, url, `{"model":"gpt","input":"hi","max_output_tokens":2}`).body)
	require.Equal(t, "incomplete", got["status"])
	require.Equal(t, "max_output_tokens", at(t, got, "incomplete_details", "reason"))
	require.Equal(t, "This is", at(t, got, "output", 0, "content", 0, "text"))
	list := eventsOf(t, post(t, url, `{"model":"gpt","input":"hi","max_output_tokens":2,"stream":true}`).body)
	require.Equal(t, "response.incomplete", list[len(list)-1].name)
}

func TestResponsesReasoningAndCalls(t *testing.T) {
	url := serve(t, `{"parallel_calls": 2}`).URL + "/v1/responses"
	const rest = `"reasoning":{"effort":"high"},"include":["reasoning.encrypted_content"],"tools":[
		{"type":"web_search"},
		{"type":"function","name":"f","parameters":{"type":"object","properties":{"a":{"type":"string"}}}}],"input":[{"role":"user","content":"hi"}]`
	got := object(t, post(t, url, `{"model":"gpt",`+rest+`}`).body)
	require.Len(t, got["output"], 3)
	require.Equal(t, "reasoning", at(t, got, "output", 0, "type"))
	require.NotEmpty(t, at(t, got, "output", 0, "summary", 0, "text"))
	require.NotEmpty(t, at(t, got, "output", 0, "encrypted_content"))
	require.Equal(t, "f", at(t, got, "output", 2, "name"))
	require.JSONEq(t, `{"a":"mock"}`, at(t, got, "output", 2, "arguments").(string))
	require.NotEqual(t, at(t, got, "output", 1, "id"), at(t, got, "output", 2, "id"))
	require.InDelta(t, 8, at(t, got, "usage", "output_tokens_details", "reasoning_tokens"), 0)

	list := eventsOf(t, post(t, url, `{"model":"gpt","stream":true,`+rest+`}`).body)
	call := []string{
		"response.output_item.added", "response.function_call_arguments.delta",
		"response.function_call_arguments.done", "response.output_item.done",
	}
	want := append([]string{
		"response.created", "response.in_progress", "response.output_item.added",
		"response.reasoning_summary_part.added", "response.reasoning_summary_text.delta",
		"response.reasoning_summary_text.done", "response.reasoning_summary_part.done", "response.output_item.done",
	}, append(append(call, call...), "response.completed")...)
	require.Equal(t, want, names(list))
	arguments := map[any]string{}
	for _, e := range checkSequence(t, list) {
		if e["type"] == "response.function_call_arguments.delta" {
			arguments[e["output_index"]] += e["delta"].(string)
		}
	}
	require.Equal(t, map[any]string{1.0: `{"a":"mock"}`, 2.0: `{"a":"mock"}`}, arguments)
}

func TestResponsesInputs(t *testing.T) {
	url := serve(t, `{"text": "{prompt}"}`).URL + "/v1/responses"
	const tools = `"tools":[{"type":"function","name":"f"}]`
	for _, test := range []struct{ name, rest, kind, text string }{
		{"after a result", tools + `,"input":[{"role":"user","content":[{"type":"input_text","text":"a"}]},
			{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":"r"}]`, "message", "a"},
		{"no choice", tools + `,"tool_choice":"none","input":"b"`, "message", "b"},
		{"call", tools + `,"tool_choice":{"type":"function","name":"f"},"input":"b"`, "function_call", ""},
		{"structured", `"text":{"format":{"type":"json_schema","name":"s","schema":{"type":"object","properties":{"a":{"type":"boolean"}}}}},"input":"b"`, "message", `{"a":true}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := object(t, post(t, url, `{"model":"gpt",`+test.rest+`}`).body)
			require.Equal(t, test.kind, at(t, got, "output", 0, "type"))
			if test.kind == "message" {
				require.Equal(t, test.text, at(t, got, "output", 0, "content", 0, "text"))
			}
		})
	}
}

func TestResponsesError(t *testing.T) {
	url := serve(t, `{"fault": "error_event", "after": 1}`).URL + "/v1/responses"
	list := eventsOf(t, post(t, url, `{"model":"gpt","input":"hi","stream":true}`).body)
	decoded := checkSequence(t, list)
	require.True(t, strings.HasSuffix(strings.Join(names(list), " "), "response.output_text.delta error response.failed"))
	require.Equal(t, "server_error", decoded[len(decoded)-2]["code"])
	require.Equal(t, "server_error", at(t, decoded[len(decoded)-2], "error", "code"))
	require.Equal(t, "failed", at(t, decoded[len(decoded)-1], "response", "status"))
}
