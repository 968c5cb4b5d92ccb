package responses_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func start() api.Event { return api.Event{Kind: api.Start, ID: "r", Model: "m", Created: 7} }

func begin(part int, content api.Part) api.Event {
	return api.Event{Kind: api.PartStart, Part: part, Content: &content}
}

func piece(part int, text string) api.Event {
	return api.Event{Kind: api.Delta, Part: part, Text: api.Quote(text)}
}

func sign(part int, v api.Vendor, signature string) api.Event {
	return api.Event{Kind: api.Signature, Part: part, Content: &api.Part{Signature: signature, Vendor: v}}
}

func closed(part int) api.Event { return api.Event{Kind: api.PartEnd, Part: part} }

func finished(f api.Finish) api.Event { return api.Event{Kind: api.Finished, Finish: f} }

func over() api.Event { return api.Event{Kind: api.End} }

// brief is a stream's events without what repeats itself: the responses of the
// first two and the numbers.
func brief(t *testing.T, datas []string) string {
	t.Helper()
	ordered(t, datas)
	var lines []string
	for i, data := range datas {
		var ev map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(data), &ev))
		if i < 2 {
			continue
		}
		line := strings.Trim(string(ev["type"]), `"`)
		for _, name := range []string{"output_index", "item_id", "content_index", "summary_index", "annotation_index", "item", "part", "delta", "text", "refusal", "arguments", "input", "annotation"} {
			if ev[name] != nil {
				line += " " + string(ev[name])
			}
		}
		lines = append(lines, strings.TrimPrefix(line, "response."))
	}
	return strings.Join(lines, "\n")
}

func TestEncodeStreamInTheReferencesOrder(t *testing.T) {
	datas := writeStream(t, &api.Request{Source: api.Responses, Model: "asked"},
		start(), begin(0, api.Part{Kind: api.Thinking}), piece(0, "hm"), sign(0, api.Anthropic, "sig"), closed(0),
		begin(1, say("")), piece(1, "Hi"), api.Event{Kind: api.Ping}, piece(1, "!"),
		api.Event{Kind: api.CitationEvent, Part: 1, Citation: &api.Citation{URL: "u", Title: "t"}}, closed(1),
		begin(2, api.Part{Kind: api.Refusal}), piece(2, "no"), closed(2),
		begin(3, call("c", "f", "")), piece(3, `{"a"`), piece(3, `:1}`), closed(3),
		begin(4, custom("d", "p", "")), piece(4, "x"), closed(4),
		finished(api.FinishToolCalls), api.Event{Kind: api.UsageEvent, Usage: api.Usage{Input: 1, CacheRead: 2, CacheWrite: 3, Output: 4, Reasoning: 5, Known: true}}, over())
	id := sum("r")[:24]
	want := `output_item.added 0 {"id":"rs_@0","type":"reasoning","summary":[]}
reasoning_summary_part.added 0 "rs_@0" 0 {"type":"summary_text","text":""}
reasoning_summary_text.delta 0 "rs_@0" 0 "hm"
reasoning_summary_text.done 0 "rs_@0" 0 "hm"
reasoning_summary_part.done 0 "rs_@0" 0 {"type":"summary_text","text":"hm"}
output_item.done 0 {"id":"rs_@0","type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"plexus:anthropic:sig"}
output_item.added 1 {"id":"msg_@1","type":"message","status":"in_progress","role":"assistant","content":[]}
content_part.added 1 "msg_@1" 0 {"type":"output_text","annotations":[],"logprobs":[],"text":""}
output_text.delta 1 "msg_@1" 0 "Hi"
output_text.delta 1 "msg_@1" 0 "!"
output_text.annotation.added 1 "msg_@1" 0 0 {"type":"url_citation","start_index":0,"end_index":3,"url":"u","title":"t"}
output_text.done 1 "msg_@1" 0 "Hi!"
content_part.done 1 "msg_@1" 0 {"type":"output_text","annotations":[{"type":"url_citation","start_index":0,"end_index":3,"url":"u","title":"t"}],"logprobs":[],"text":"Hi!"}
content_part.added 1 "msg_@1" 1 {"type":"refusal","refusal":""}
refusal.delta 1 "msg_@1" 1 "no"
refusal.done 1 "msg_@1" 1 "no"
content_part.done 1 "msg_@1" 1 {"type":"refusal","refusal":"no"}
output_item.done 1 {"id":"msg_@1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[{"type":"url_citation","start_index":0,"end_index":3,"url":"u","title":"t"}],"logprobs":[],"text":"Hi!"},{"type":"refusal","refusal":"no"}]}
output_item.added 2 {"id":"fc_@2","type":"function_call","status":"in_progress","call_id":"c","name":"f","arguments":""}
function_call_arguments.delta 2 "fc_@2" "{\"a\""
function_call_arguments.delta 2 "fc_@2" ":1}"
function_call_arguments.done 2 "fc_@2" "{\"a\":1}"
output_item.done 2 {"id":"fc_@2","type":"function_call","status":"completed","call_id":"c","name":"f","arguments":"{\"a\":1}"}
output_item.added 3 {"id":"ctc_@3","type":"custom_tool_call","status":"in_progress","call_id":"d","name":"p","input":""}
custom_tool_call_input.delta 3 "ctc_@3" "x"
custom_tool_call_input.done 3 "ctc_@3" "x"
output_item.done 3 {"id":"ctc_@3","type":"custom_tool_call","status":"completed","call_id":"d","name":"p","input":"x"}
completed`
	require.Equal(t, strings.ReplaceAll(want, "@", id), brief(t, datas))

	response := final(t, datas)
	require.JSONEq(t, `{"input_tokens":6,"input_tokens_details":{"cached_tokens":2,"cache_write_tokens":3},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":15}`, string(member(t, response, "usage")))
	for name, want := range map[string]string{"id": `"r"`, "model": `"m"`, "created_at": `7`} {
		require.Equal(t, want, string(member(t, response, name)))
	}
}

// The first event is told before there is anything to tell, and its bytes are
// those of the reference.
func TestEncodeStreamBegins(t *testing.T) {
	ev := start()
	out := string(codec.NewStreamEncoder(nil).Encode(nil, &ev))
	require.Equal(t, 2, strings.Count(out, "\n\n"))
	require.True(t, strings.HasPrefix(out, "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\":\"r\",\"object\":\"response\",\"created_at\":7,\"status\":\"in_progress\","), out)
	require.Contains(t, out, "\n\nevent: response.in_progress\ndata: {\"type\":\"response.in_progress\",\"sequence_number\":1,\"response\":{\"id\":\"r\",")
}

// What comes interleaved is told one after the other.
func TestEncodeInterleavedParts(t *testing.T) {
	datas := writeStream(t, nil, start(),
		begin(0, call("c", "f", "")), begin(1, call("d", "g", "")), piece(0, "{"), piece(1, "{}"), piece(0, "}"), closed(1), closed(0),
		begin(2, say("")), piece(2, "x"), finished(api.FinishStop), over())
	ordered(t, datas)
	events, whole := readStream(t, datas...)
	require.True(t, whole)
	got := accumulate(events).Choices[0].Parts
	for i := range got {
		got[i].ID = ""
	}
	require.Equal(t, []api.Part{call("c", "f", "{}"), call("d", "g", "{}"), say("x")}, got)
}

func TestEncodeStreamsOfFewEvents(t *testing.T) {
	f := func(want string, events ...api.Event) {
		t.Helper()
		require.Equal(t, want, brief(t, writeStream(t, nil, events...)))
	}
	f("completed", start(), over())
	f("completed", over())
	f("incomplete", start(), finished(api.FinishLength), over())
	f("failed", start(), finished(api.FinishMalformed), over())
	f("completed", start(), begin(0, say("")), closed(0), begin(1, api.Part{Kind: api.Thinking}), closed(1), finished(api.FinishStop), over(), over(), piece(1, "x"))
	f("completed", start(), begin(0, say("")), piece(1, "of no part"), closed(0), finished(api.FinishStop), over())
	f("completed", start(), begin(0, api.Part{Kind: api.Opaque, Source: api.Messages, Raw: raw(`{}`)}), closed(0), finished(api.FinishStop), over())
	f(`output_item.added 0 {"type":"web_search_call","id":"w"}
output_item.done 0 {"type":"web_search_call","id":"w"}
completed`, start(), begin(0, api.Part{Kind: api.Opaque, Source: api.Responses, Raw: raw(`{"type":"web_search_call","id":"w"}`)}), closed(0), finished(api.FinishStop), over())
}

// An error ends a stream, and nothing that looks like success follows it.
func TestEncodeStreamEndsWithAnError(t *testing.T) {
	f := func(sequence string, events ...api.Event) {
		t.Helper()
		events = append(events, api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: 503, Message: "Busy"}}, over(), finished(api.FinishStop))
		datas := writeStream(t, nil, events...)
		ordered(t, datas)
		read, whole := readStream(t, datas...)
		require.False(t, whole)
		require.Equal(t, "Busy", read[len(read)-1].Err.Message)
		if sequence != "0" { // as OpenAI does it: the response is told of, too
			failed := datas[len(datas)-1]
			require.Contains(t, failed, `{"type":"response.failed","sequence_number":`)
			require.Contains(t, failed, `"status":"failed","background":false,"error":{"code":"server_error","message":"Busy"}`)
			datas = datas[:len(datas)-1]
		}
		require.Equal(t, `{"type":"error","code":"server_error","message":"Busy","param":null,"sequence_number":`+sequence+`,"error":{"message":"Busy","type":"server_error","param":null,"code":null}}`, datas[len(datas)-1])
	}
	f("0")
	f("2", start())
	f("12", start(), begin(0, say("")), piece(0, "Hi"), begin(1, say("")), piece(1, "waiting"))

	datas := writeStream(t, nil, start(), api.Event{Kind: api.ErrorEvent})
	require.Contains(t, datas[2], "The provider's stream failed.")
}

// A client's tool of free text is a function with one text to other vendors. Its
// free text comes back in one piece, as only the end tells what it was.
func TestEncodeStreamUnwrapsFreeText(t *testing.T) {
	req := decode(t, `{"tools":[{"type":"custom","name":"patch"},{"type":"namespace","name":"mcp__s","tools":[{"type":"function","name":"a"}]}]}`)
	datas := writeStream(t, req, start(), begin(0, call("c", "patch", "")), piece(0, `{"inp`), piece(0, `ut":"*** \"Begin`), piece(0, `\"\n"}`), closed(0),
		begin(1, call("d", "mcp__s__a", "")), closed(1), finished(api.FinishToolCalls), over())
	id := sum("r")[:24]
	require.Equal(t, strings.ReplaceAll(`output_item.added 0 {"id":"ctc_@0","type":"custom_tool_call","status":"in_progress","call_id":"c","name":"patch","input":""}
custom_tool_call_input.delta 0 "ctc_@0" "*** \"Begin\"\n"
custom_tool_call_input.done 0 "ctc_@0" "*** \"Begin\"\n"
output_item.done 0 {"id":"ctc_@0","type":"custom_tool_call","status":"completed","call_id":"c","name":"patch","input":"*** \"Begin\"\n"}
output_item.added 1 {"id":"fc_@1","type":"function_call","status":"in_progress","call_id":"d","namespace":"mcp__s","name":"a","arguments":""}
function_call_arguments.delta 1 "fc_@1" "{}"
function_call_arguments.done 1 "fc_@1" "{}"
output_item.done 1 {"id":"fc_@1","type":"function_call","status":"completed","call_id":"d","namespace":"mcp__s","name":"a","arguments":"{}"}
completed`, "@", id), brief(t, datas))
}

// What the provider wrote reaches the client as it is, escapes and half surrogate
// pairs among it.
func TestEncodeStreamKeepsEscapes(t *testing.T) {
	datas := writeStream(t, nil, start(), begin(0, say("")),
		api.Event{Kind: api.Delta, Text: raw(`"<\u00e9\/"`)}, api.Event{Kind: api.Delta, Text: raw(`"\ud83d"`)}, api.Event{Kind: api.Delta, Text: raw(`"\ude00"`)}, api.Event{Kind: api.Delta, Text: raw(`not JSON`)},
		closed(0), finished(api.FinishStop), over())
	require.Contains(t, datas[4], `"delta":"<\u00e9\/"`)
	require.Contains(t, datas[5], `"delta":"\ud83d"`)
	require.Contains(t, datas[len(datas)-1], `"text":"<\u00e9\/\ud83d\ude00not JSON"`)
}
