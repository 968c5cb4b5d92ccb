package responses_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

const (
	created   = `{"type":"response.created","response":{"id":"r","model":"m","created_at":7,"status":"in_progress","output":[],"usage":null},"sequence_number":0}`
	progress  = `{"type":"response.in_progress","response":{"id":"r","status":"in_progress","output":[]},"sequence_number":1}`
	added     = `{"type":"response.output_item.added","output_index":0,"item":{"id":"msg_1","type":"message","status":"in_progress","content":[],"role":"assistant"}}`
	partAdded = `{"type":"response.content_part.added","item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","annotations":[],"text":""}}`
	hello     = `{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":"Hé","logprobs":[]}`
	world     = `{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":" \ud83d\ude00","logprobs":[]}`
	textDone  = `{"type":"response.output_text.done","item_id":"msg_1","output_index":0,"content_index":0,"text":"Hé 😀"}`
	partDone  = `{"type":"response.content_part.done","item_id":"msg_1","output_index":0,"content_index":0,"part":{"type":"output_text","annotations":[],"text":"Hé 😀"}}`
	message   = `{"id":"msg_1","type":"message","status":"completed","content":[{"type":"output_text","annotations":[],"text":"Hé 😀"}],"role":"assistant"}`
	itemDone  = `{"type":"response.output_item.done","output_index":0,"item":` + message + `}`
	usageOf   = `"usage":{"input_tokens":3,"input_tokens_details":{"cached_tokens":1},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":2},"total_tokens":8}`
	completed = `{"type":"response.completed","response":{"id":"r","model":"m","created_at":7,"status":"completed","output":[` + message + `],` + usageOf + `}}`
	empty     = `{"type":"response.completed","response":{"id":"r","model":"m","created_at":7,"status":"completed","output":[],` + usageOf + `}}`
)

var greeting = api.Response{
	ID: "r", Model: "m", Created: 7, Usage: api.Usage{Input: 2, CacheRead: 1, Output: 3, Reasoning: 2, Known: true},
	Choices: []api.Choice{{Finish: api.FinishStop, Parts: []api.Part{{Kind: api.Text, Text: "Hé 😀", ID: "msg_1"}}}},
}

func TestDecodeStream(t *testing.T) {
	events, whole := readStream(t, created, progress, added, partAdded, hello, world, textDone, partDone, itemDone, completed)
	require.True(t, whole)
	legal(t, events, true)
	kinds := make([]api.EventKind, len(events))
	for i := range events {
		kinds[i] = events[i].Kind
	}
	require.Equal(t, []api.EventKind{api.Start, api.Ping, api.PartStart, api.Delta, api.Delta, api.PartEnd, api.Finished, api.UsageEvent, api.End}, kinds)
	require.Equal(t, greeting, *accumulate(events))
}

// What is left out or comes twice makes no difference.
func TestDecodeStreamsThatAreNotInOrder(t *testing.T) {
	f := func(datas ...string) {
		t.Helper()
		events, whole := readStream(t, datas...)
		require.True(t, whole)
		legal(t, events, true)
		require.Equal(t, greeting, *accumulate(events))
	}
	f(created, created, progress, added, added, partAdded, partAdded, hello, world, textDone, textDone, partDone, partDone, itemDone, itemDone, completed, completed, created)
	f(created, hello, world, completed)                  // no item events
	f(created, hello, world, empty)                      // the last event repeats nothing
	f(created, added, partAdded, hello, completed)       // the rest is in the last event,
	f(created, added, partAdded, hello, textDone, empty) // in the text's,
	f(created, added, hello, partDone, empty)            // in the part's,
	f(created, added, hello, itemDone, empty)            // or in the item's
	f(created, itemDone, empty)                          // no deltas at all
	f(created, completed)
	f(completed)
	f(created, `{"type":"response.event_of_tomorrow","x":[1]}`, added, `{"type":"response.content_of_tomorrow.delta","item_id":"msg_1","output_index":0,"delta":"x"}`, hello, world, `{"type":"keepalive","sequence_number":3}`, completed)
	f(created, added, `{"type":"response.output_text.delta","item_id":"msg_1","output_index":0,"content_index":0,"delta":""}`, `{"type":"response.output_text.delta","delta":null}`, hello, world, completed, "[DONE]")
	f(created, strings.ReplaceAll(added, `"output_index":0,`, ""), strings.ReplaceAll(hello, `"item_id":"msg_1","output_index":0,`, ""), strings.ReplaceAll(world, `"output_index":0,"content_index":0,`, ""), completed) // no indexes
	f("", "[]", "7", created, hello, world, strings.TrimSuffix(completed, "}"))
}

// A pair of surrogates may be cut in two, and still counts as one text.
func TestDecodeStreamThatCutsASurrogatePair(t *testing.T) {
	piece := func(delta string) string { return strings.Replace(hello, "Hé", delta, 1) }
	events, whole := readStream(t, created, piece("Hé "), piece(`\ud83d`), piece(`\ude00`), textDone, itemDone, completed)
	require.True(t, whole)
	var texts []string
	for _, ev := range events {
		if ev.Kind == api.Delta {
			texts = append(texts, string(ev.Text))
		}
	}
	require.Equal(t, []string{`"Hé "`, `"\ud83d"`, `"\ude00"`}, texts)
}

// GitHub's Copilot gives an item another id in each event.
func TestDecodeStreamWithRotatingIDs(t *testing.T) {
	rotate := func(data, id string) string { return strings.ReplaceAll(data, "msg_1", id) }
	events, whole := readStream(t, created, added, rotate(partAdded, "a"), rotate(hello, "b"), rotate(world, "c"), rotate(textDone, "d"), rotate(partDone, "e"), rotate(itemDone, "f"), rotate(completed, "g"))
	require.True(t, whole)
	require.Equal(t, greeting, *accumulate(events))
}

// Some servers give all items the same index.
func TestDecodeStreamWithOneIndexForAll(t *testing.T) {
	const (
		one     = `{"type":"function_call","id":"fc_1","call_id":"a","name":"f","arguments":`
		two     = `{"type":"function_call","id":"fc_2","call_id":"b","name":"g","arguments":`
		start   = `{"type":"response.output_item.added","output_index":0,"item":`
		pieceOf = `{"type":"response.function_call_arguments.delta","output_index":0,"item_id":`
		end     = `{"type":"response.output_item.done","output_index":0,"item":`
	)
	events, whole := readStream(t, created, added, hello, world, itemDone, start+one+`""}}`, start+two+`""}}`, pieceOf+`"fc_1","delta":"{\"x\""}`, pieceOf+`"fc_2","delta":"{}"}`, pieceOf+`"fc_1","delta":":1}"}`,
		end+one+`"{\"x\":1}"}}`, end+two+`"{}"}}`, strings.Replace(completed, message, message+","+one+`"{\"x\":1}"},`+two+`"{}"}`, 1))
	require.True(t, whole)
	legal(t, events, true)
	require.Equal(t, []api.Part{
		greeting.Choices[0].Parts[0],
		with(call("a", "f", `{"x":1}`), func(p *api.Part) { p.ID = "fc_1" }),
		with(call("b", "g", `{}`), func(p *api.Part) { p.ID = "fc_2" }),
	}, accumulate(events).Choices[0].Parts)
	require.Equal(t, api.FinishToolCalls, accumulate(events).Choices[0].Finish)
}

func TestDecodeStreamedParts(t *testing.T) {
	f := func(want []api.Part, datas ...string) {
		t.Helper()
		events, whole := readStream(t, append(append([]string{created}, datas...), empty)...)
		require.True(t, whole)
		legal(t, events, true)
		got := accumulate(events).Choices[0].Parts
		plain([]api.Message{{Parts: got}})
		require.Equal(t, want, got)
	}
	id := func(id string, p api.Part) api.Part {
		p.ID = id
		return p
	}
	event := func(kind, members string) string { return `{"type":"response.` + kind + `",` + members + `}` }

	// Summaries end with the next one; the signature is the last one's.
	f([]api.Part{id("rs", thought("ab", "", api.OpenAI)), id("rs", thought("c", "E", api.OpenAI))},
		event("output_item.added", `"output_index":0,"item":{"id":"rs","type":"reasoning","summary":[],"encrypted_content":"early"}`),
		event("reasoning_summary_part.added", `"item_id":"rs","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":""}`),
		event("reasoning_summary_text.delta", `"item_id":"rs","output_index":0,"summary_index":0,"delta":"a"`),
		event("reasoning_summary_text.delta", `"item_id":"rs","output_index":0,"summary_index":0,"delta":"b"`),
		event("reasoning_summary_text.done", `"item_id":"rs","output_index":0,"summary_index":0,"text":"ab"`),
		event("reasoning_summary_part.done", `"item_id":"rs","output_index":0,"summary_index":0,"part":{"type":"summary_text","text":"ab"}`),
		event("reasoning_summary_text.delta", `"item_id":"rs","output_index":0,"summary_index":1,"delta":"c"`),
		event("output_item.done", `"output_index":0,"item":{"id":"rs","type":"reasoning","summary":[{"type":"summary_text","text":"ab"},{"type":"summary_text","text":"c"}],"encrypted_content":"E"}`))
	f([]api.Part{id("rs", thought("", "E", api.OpenAI))}, event("output_item.done", `"output_index":0,"item":{"id":"rs","type":"reasoning","summary":[],"encrypted_content":"E"}`))
	f([]api.Part{id("rs", thought("s", "", api.OpenAI)), id("rs", thought("t", "", api.OpenAI))}, event("output_item.done", `"output_index":0,"item":{"id":"rs","type":"reasoning","summary":[{"text":"s"}],"content":[{"text":"t"}]}`))
	// xAI tells the reasoning itself, with no events of its parts.
	f([]api.Part{id("rs", thought("hm", "", api.OpenAI))},
		event("output_item.added", `"output_index":0,"item":{"id":"rs","type":"reasoning","summary":[],"status":"in_progress"}`),
		event("reasoning_text.delta", `"item_id":"rs","output_index":0,"content_index":0,"delta":"h"`),
		event("reasoning_text.delta", `"item_id":"rs","output_index":0,"content_index":0,"delta":"m"`),
		event("reasoning_text.done", `"item_id":"rs","output_index":0,"content_index":0,"text":"hm"`),
		event("content_part.done", `"item_id":"rs","output_index":0,"content_index":0,"part":{"type":"reasoning_text","text":"hm"}`),
		event("output_item.done", `"output_index":0,"item":{"id":"rs","type":"reasoning","summary":[],"status":"completed"}`))

	f([]api.Part{{Kind: api.Refusal, Text: "no", ID: "m"}},
		event("refusal.delta", `"item_id":"m","output_index":0,"content_index":0,"delta":"n"`),
		event("refusal.done", `"item_id":"m","output_index":0,"content_index":0,"refusal":"no"`))
	f([]api.Part{id("m", say("a")), {Kind: api.Refusal, Text: "no", ID: "m"}},
		event("output_item.done", `"output_index":0,"item":{"id":"m","type":"message","content":[{"type":"output_text","text":"a"},{"type":"refusal","refusal":"no"},{"type":"content_of_tomorrow"}]}`))

	// Annotations come in between, and count from the beginning of the answer.
	f([]api.Part{id("m", say("é")), {Kind: api.Text, Text: "Hi!", ID: "n", Citations: []api.Citation{{URL: "u", Title: "t", Start: 1, End: 3}, {Title: "file"}}}},
		event("output_item.done", `"output_index":0,"item":{"id":"m","type":"message","content":[{"type":"output_text","text":"é"}]}`),
		event("output_text.delta", `"item_id":"n","output_index":1,"content_index":0,"delta":"Hi"`),
		event("output_text.annotation.added", `"item_id":"n","output_index":1,"content_index":0,"annotation_index":0,"annotation":{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":2}`),
		event("output_text.delta", `"item_id":"n","output_index":1,"content_index":0,"delta":"!"`),
		event("content_part.done", `"item_id":"n","output_index":1,"content_index":0,"part":{"type":"output_text","text":"Hi!","annotations":[{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":2},{"type":"file_citation","filename":"file"}]}`))

	f([]api.Part{id("fc", call("c", "n__f", `{"a":1}`)), id("ct", custom("d", "p", "x\ny")), id("x", call("x", "late", "{}"))},
		event("output_item.added", `"output_index":0,"item":{"type":"function_call","id":"fc","call_id":"c","namespace":"n","name":"f","arguments":""}`),
		event("function_call_arguments.delta", `"item_id":"fc","output_index":0,"delta":"{\"a\""`),
		event("function_call_arguments.done", `"item_id":"fc","output_index":0,"arguments":"{\"a\":1}"`),
		event("output_item.added", `"output_index":1,"item":{"type":"custom_tool_call","id":"ct","call_id":"d","name":"p","input":""}`),
		event("custom_tool_call_input.delta", `"item_id":"ct","output_index":1,"delta":"x"`),
		event("custom_tool_call_input.done", `"item_id":"ct","output_index":1,"input":"x\ny"`),
		event("function_call_arguments.delta", `"item_id":"x","output_index":2,"delta":"{"`), // its name comes last
		event("function_call_arguments.delta", `"item_id":"x","output_index":2,"delta":"}"`),
		event("output_item.done", `"output_index":2,"item":{"type":"function_call","id":"x","name":"late","arguments":"{}"}`))
	f([]api.Part{id("fc", call("c", "f", `{"a":1}`)), id("fd", call("d", "g", `{"b":2}`))}, // whole at the start, or as an object
		event("output_item.added", `"output_index":0,"item":{"type":"function_call","id":"fc","call_id":"c","name":"f","arguments":"{\"a\":1}"}`),
		event("output_item.done", `"output_index":1,"item":{"type":"function_call","id":"fd","call_id":"d","name":"g","arguments":{"b":2}}`))

	f([]api.Part{{Kind: api.Opaque, ID: "ws", Vendor: api.OpenAI, Raw: raw(`{"type":"web_search_call","id":"ws","status":"completed"}`), Source: api.Responses}},
		event("output_item.added", `"output_index":0,"item":{"type":"web_search_call","id":"ws","status":"in_progress"}`),
		event("web_search_call.searching", `"output_index":0,"item_id":"ws"`),
		event("output_item.done", `"output_index":0,"item":{"type":"web_search_call","id":"ws","status":"completed"}`))
}

func TestDecodeStreamEnds(t *testing.T) {
	f := func(end string, want api.Finish) {
		t.Helper()
		events, whole := readStream(t, created, hello, end)
		require.True(t, whole)
		legal(t, events, true)
		require.Equal(t, want, accumulate(events).Choices[0].Finish)
	}
	f(`{"type":"response.completed","response":{}}`, api.FinishStop)
	f(`{"type":"response.completed"}`, api.FinishStop)
	f(`{"type":"response.incomplete","response":{"incomplete_details":{"reason":"max_output_tokens"}}}`, api.FinishLength)
	f(`{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}}`, api.FinishContentFilter)
	f(`{"type":"response.completed","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}`, api.FinishLength)
	f(`{"type":"response.completed","response":{"status":"in_progress"}}`, api.FinishStop)

	for i, data := range []string{created, added, partAdded, hello, world, textDone, partDone, itemDone} {
		events, whole := readStream(t, []string{created, added, partAdded, hello, world, textDone, partDone, itemDone, "[DONE]"}[:i+1]...)
		require.False(t, whole, "cut after %s", data)
		legal(t, events, false)
	}
	_, whole := readStream(t, created, hello, itemDone, "[DONE]")
	require.False(t, whole, "nothing has told why it ended")
	_, whole = readStream(t)
	require.False(t, whole)
}

func TestDecodeStreamedErrors(t *testing.T) {
	f := func(data string, want api.Error) {
		t.Helper()
		for _, before := range [][]string{nil, {created, hello}} {
			events, whole := readStream(t, append(before, data, completed)...)
			require.False(t, whole)
			legal(t, events, false)
			last := events[len(events)-1]
			require.Equal(t, api.ErrorEvent, last.Kind)
			require.Equal(t, want, *last.Err)
		}
	}
	f(`{"type":"error","code":"rate_limit_exceeded","message":"Slow down","param":null,"sequence_number":3}`, api.Error{Status: 429, Code: "rate_limit_exceeded", Message: "Slow down"})
	f(`{"type":"error","sequence_number":2,"error":{"type":"invalid_request_error","code":"context_length_exceeded","message":"Too long"}}`, api.Error{Status: 400, Type: "invalid_request_error", Code: "context_length_exceeded", Message: "Too long"})
	f(`{"error":{"message":"Gone","type":"server_error","code":503}}`, api.Error{Status: 503, Type: "server_error", Message: "Gone"})
	f(`{"type":"response.failed","response":{"status":"failed","error":{"code":"server_is_overloaded","message":"Busy"}}}`, api.Error{Status: 503, Code: "server_is_overloaded", Message: "Busy"})
	f(`{"type":"response.failed","response":{"status":"failed","error":null}}`, api.Error{Status: 502, Message: "The provider's response has failed, and it does not say why."})
	f(`{"type":"response.failed"}`, api.Error{Status: 502, Message: "The provider's response has failed, and it does not say why."})
	f(`{"type":"response.cancelled","response":{"status":"cancelled"}}`, api.Error{Status: 502, Message: "The provider's response has been cancelled."})
	f(`{"type":"response.completed","response":{"status":"failed","error":{"code":"server_error","message":"Oh"}}}`, api.Error{Status: 502, Code: "server_error", Message: "Oh"})
	f(`{"type":"error"}`, api.Error{Status: 502, Message: `The provider reports an error in its stream. It says: {"type":"error"}`})
	// A key that the provider refuses is none of the client's.
	f(`{"type":"error","error":{"code":"invalid_api_key","message":"Wrong","status":401}}`, api.Error{Status: 502, Code: "invalid_api_key", Message: "Wrong"})

	var events []api.Event
	emit := func(ev *api.Event) { events = append(events, keep(ev)) }
	d := codec.NewStreamDecoder()
	require.NoError(t, d.Decode([]byte("error"), []byte(`{"message":"Oh"}`), emit))
	require.Equal(t, api.Error{Status: 502, Message: "Oh"}, *events[0].Err)

	require.ErrorContains(t, codec.NewStreamDecoder().Decode(nil, []byte(`{"type":"response.output_text.delta","delta":"x`), emit), "an event that is not valid JSON")
	require.ErrorContains(t, codec.NewStreamDecoder().Decode(nil, []byte(`<html>`), emit), "an event that is not valid JSON")
}

// The type stands in the event's name too.
func TestDecodeStreamByTheNamesOfEvents(t *testing.T) {
	d := codec.NewStreamDecoder()
	var events []api.Event
	emit := func(ev *api.Event) { events = append(events, keep(ev)) }
	require.NoError(t, d.Decode([]byte("response.output_text.delta"), []byte(`{"item_id":"m","delta":"Hi"}`), emit))
	require.NoError(t, d.Decode([]byte("response.completed"), []byte(`{"response":{}}`), emit))
	require.True(t, d.Close(emit))
	require.Equal(t, "Hi", accumulate(events).Choices[0].Parts[0].Text)
}
