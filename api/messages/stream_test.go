package messages_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/messages"
	"github.com/caddy-plexus/plexus/api/sse"
)

// keep copies an event, whose contents are only lent.
func keep(ev *api.Event) api.Event {
	out := *ev
	out.Text = bytes.Clone(ev.Text)
	out.Extra = maps.Clone(ev.Extra)
	if ev.Content != nil {
		content := *ev.Content
		content.Raw = bytes.Clone(content.Raw)
		if content.Call != nil {
			c := *content.Call
			content.Call = &c
		}
		out.Content = &content
	}
	if ev.Citation != nil {
		citation := *ev.Citation
		citation.Raw = bytes.Clone(citation.Raw)
		out.Citation = &citation
	}
	return out
}

// read decodes the data of a stream's events.
func readStream(t testing.TB, datas ...string) (events []api.Event, whole bool) {
	t.Helper()
	d := messages.Codec{}.NewStreamDecoder()
	emit := func(ev *api.Event) { events = append(events, keep(ev)) }
	for _, data := range datas {
		lent := []byte(data)
		require.NoError(t, d.Decode(nil, lent, emit), data)
		for i := range lent {
			lent[i] = '!' // the reader's buffer is used again
		}
	}
	return events, d.Close(emit)
}

// spoil makes what an event points to useless: it is only lent.
func spoil(ev *api.Event) {
	lent := [][]byte{ev.Text}
	if ev.Content != nil {
		lent = append(lent, ev.Content.Raw)
		*ev.Content = api.Part{Signature: "spoiled"}
	}
	if ev.Citation != nil {
		lent = append(lent, ev.Citation.Raw)
	}
	for _, b := range lent {
		for i := range b {
			b[i] = '!'
		}
	}
	clear(ev.Extra)
}

// write encodes events, and gives the data of the stream's.
func writeStream(t testing.TB, req *api.Request, events ...api.Event) (datas []string) {
	t.Helper()
	e := messages.Codec{}.NewStreamEncoder(req)
	var stream []byte
	for i := range events {
		ev := keep(&events[i])
		stream = e.Encode(stream, &ev)
		spoil(&ev)
	}
	r := sse.NewReader(bytes.NewReader(stream))
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			return datas
		}
		require.NoError(t, err)
		var head struct{ Type string }
		require.NoError(t, json.Unmarshal(ev.Data, &head), "%s", ev.Data)
		require.Equal(t, head.Type, string(ev.Name))
		datas = append(datas, string(ev.Data))
	}
}

// legal checks the order of neutral events.
func legal(t testing.TB, events []api.Event, whole bool) {
	t.Helper()
	open := map[int]bool{}
	next, finished, over := 0, false, false
	for i, ev := range events {
		require.False(t, over, "an event after the end")
		if i == 0 {
			require.Contains(t, []api.EventKind{api.Start, api.ErrorEvent}, ev.Kind)
		} else {
			require.NotEqual(t, api.Start, ev.Kind)
		}
		switch ev.Kind {
		case api.PartStart:
			require.False(t, finished)
			require.Equal(t, next, ev.Part)
			require.NotNil(t, ev.Content)
			open[ev.Part] = true
			next++
		case api.Delta:
			require.True(t, open[ev.Part])
			require.True(t, json.Valid(ev.Text), "%s", ev.Text)
			require.Greater(t, len(ev.Text), 2)
		case api.Signature, api.CitationEvent:
			require.True(t, open[ev.Part])
		case api.PartEnd:
			require.True(t, open[ev.Part])
			delete(open, ev.Part)
		case api.Finished:
			require.False(t, finished)
			require.Empty(t, open)
			finished = true
		case api.UsageEvent:
			require.True(t, finished)
		case api.End, api.ErrorEvent:
			over = true
			require.True(t, ev.Kind == api.ErrorEvent || finished)
		}
	}
	require.Equal(t, whole, over && events[len(events)-1].Kind == api.End)
}

func accumulate(events []api.Event) *api.Response {
	var a api.Accumulator
	for i := range events {
		a.Add(&events[i])
	}
	resp, _ := a.Response()
	return resp
}

const (
	startOf = `{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","content":[],"model":"m","stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":2,"output_tokens":1}}}`
	textOf  = `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`
	hello   = `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hel\u006co \ud83d"}}`
	stopOf  = `{"type":"content_block_stop","index":0}`
	endOf   = `{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}`
	stop    = `{"type":"message_stop"}`
)

var usageOf = api.Usage{Input: 3, CacheRead: 2, Output: 9, Known: true}

func TestDecodeStream(t *testing.T) {
	f := func(datas []string, whole bool, want ...api.Event) {
		t.Helper()
		got, complete := readStream(t, datas...)
		require.Equal(t, want, got)
		require.Equal(t, whole, complete)
		legal(t, got, whole)
	}
	begin := api.Event{Kind: api.Start, Source: api.Messages, ID: "msg_1", Model: "m", Usage: api.Usage{Input: 3, CacheRead: 2, Output: 1, Known: true}}
	open := api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.Text}}
	delta := api.Event{Kind: api.Delta, Text: json.RawMessage(`"Hel\u006co \ud83d"`)}
	shut := api.Event{Kind: api.PartEnd}
	finished := api.Event{Kind: api.Finished, Finish: api.FinishStop}
	usage := api.Event{Kind: api.UsageEvent, Usage: usageOf}
	end := api.Event{Kind: api.End}
	all := []api.Event{begin, open, delta, shut, finished, usage, end}

	f([]string{startOf, textOf, hello, stopOf, endOf, stop}, true, all...)
	f([]string{startOf, textOf, hello, stopOf, endOf}, true, all...)
	f([]string{startOf, startOf, textOf, hello, stopOf, endOf, endOf, stop, stop}, true, all...)
	f([]string{startOf, textOf, hello, endOf, "[DONE]"}, true, all...)
	f([]string{startOf, "", `{"type":"of_tomorrow"}`, textOf, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":null}}`, hello, stopOf, endOf, stop}, true, all...)
	f([]string{startOf, hello, stopOf, endOf, stop}, true, all...)
	f([]string{startOf, `{"type":"ping"}`, textOf, hello}, false, begin, api.Event{Kind: api.Ping}, open, delta)
	f([]string{startOf, textOf, hello, stopOf, stop}, true, begin, open, delta, shut, finished, api.Event{Kind: api.UsageEvent, Usage: api.Usage{Input: 3, CacheRead: 2, Output: 1, Known: true}}, end)
	f([]string{endOf, stop}, true, api.Event{Kind: api.Start, Source: api.Messages, Usage: api.Usage{Output: 9, Known: true}}, finished, api.Event{Kind: api.UsageEvent, Usage: api.Usage{Output: 9, Known: true}}, end)
	f(nil, false)

	bad := func(data string, status int, message string) {
		t.Helper()
		f([]string{startOf, textOf, hello, data, stop}, false, begin, open, delta, api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: status, Message: message}})
	}
	bad(`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, 529, "Overloaded")
	bad(`{"type":"error","error":{"type":"rate_limit_error","message":"Slow"}}`, 429, "Slow")
	bad(`{"type":"error","error":{"type":"invalid_request_error","message":"No"}}`, 400, "No")
	bad(`{"type":"error","error":{"type":"api_error","message":"Oh"}}`, 502, "Oh")
	f([]string{startOf, `{"type":"error","error":{"type":"api_error","message":"Oh"},"request_id":"req_1"}`}, false, begin, api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: 502, Message: "Oh", RequestID: "req_1"}})
	bad(`{"error":{"message":"theirs"}}`, 502, "theirs")
	bad(`{"type":"error"}`, 502, "The provider reports an error in its stream.")

	require.Error(t, messages.Codec{}.NewStreamDecoder().Decode(nil, []byte(`{"type":`), func(*api.Event) {}))
}

func TestDecodeStreamBlocks(t *testing.T) {
	f := func(finish api.Finish, want []api.Part, datas ...string) {
		t.Helper()
		datas = append(append([]string{startOf}, datas...), `{"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}}`, stop)
		events, whole := readStream(t, datas...)
		legal(t, events, true)
		require.True(t, whole)
		resp := accumulate(events)
		require.Equal(t, api.Usage{Input: 3, CacheRead: 2, Output: 5, Reasoning: 4, Known: true}, resp.Usage)
		require.Equal(t, finish, resp.Choices[0].Finish)
		for i := range want {
			if len(want[i].Raw) == 0 {
				resp.Choices[0].Parts[i].Raw = nil
			}
		}
		require.Equal(t, want, resp.Choices[0].Parts)
	}
	begin := func(block string) string {
		return `{"type":"content_block_start","index":0,"content_block":` + block + `}`
	}
	delta := func(delta string) string { return `{"type":"content_block_delta","index":0,"delta":` + delta + `}` }
	call := func(arguments string) []api.Part {
		return []api.Part{{Kind: api.ToolCall, Call: &api.Call{ID: "t", Name: "n", Arguments: arguments}}}
	}
	f(api.FinishToolCalls, call(`{"a":1`), begin(`{"type":"tool_use","id":"t","name":"n","input":{}}`), delta(`{"type":"input_json_delta","partial_json":""}`), delta(`{"type":"input_json_delta","partial_json":"{\"a\":"}`), delta(`{"type":"input_json_delta","partial_json":"1"}`), stopOf)
	f(api.FinishToolCalls, call(`{"p":"x"}`), begin(`{"type":"tool_use","id":"t","name":"n","input":{"p":"x"}}`), stopOf)
	called := call(`{"p":"x"}`)
	called[0].Raw, called[0].Source = raw(`{"type":"tool_use","id":"t","name":"n","input":{},"caller":{"type":"direct"}}`), api.Messages
	f(api.FinishToolCalls, called, begin(`{"type":"tool_use","id":"t","name":"n","input":{"p":"x"},"caller":{"type":"direct"}}`), stopOf)
	f(api.FinishToolCalls, call(``), begin(`{"type":"tool_use","id":"t","name":"n","input":{}}`), stopOf)
	f(api.FinishStop, []api.Part{{Kind: api.Text, Text: `{"a":1}`}}, begin(`{"type":"tool_use","id":"t","name":"plexus_json_output","input":{}}`), delta(`{"type":"input_json_delta","partial_json":"{\"a\":1}"}`), stopOf)
	f(api.FinishStop, []api.Part{{Kind: api.Thinking, Text: "hm", Signature: "sig", Vendor: api.Anthropic}},
		begin(`{"type":"thinking","thinking":"","signature":""}`), delta(`{"type":"thinking_delta","thinking":"hm"}`), delta(`{"type":"signature_delta","signature":"sig"}`), stopOf)
	f(api.FinishStop, []api.Part{{Kind: api.Thinking, Text: "hm"}}, begin(`{"type":"thinking","thinking":"","signature":""}`), delta(`{"type":"thinking_delta","thinking":"hm"}`), stopOf)
	f(api.FinishStop, []api.Part{{Kind: api.Thinking, Redacted: true, Signature: "d", Vendor: api.Anthropic}}, begin(`{"type":"redacted_thinking","data":"d"}`), stopOf)
	cite := `{"type":"web_search_result_location","url":"u","title":"t","cited_text":"c"}`
	f(api.FinishStop, []api.Part{{Kind: api.Text, Text: "x", Citations: []api.Citation{{URL: "u", Title: "t", CitedText: "c", Raw: raw(cite), Source: api.Messages}}}},
		begin(`{"type":"text","text":"","citations":[]}`), delta(`{"type":"text_delta","text":"x"}`), delta(`{"type":"citations_delta","citation":`+cite+`}`), stopOf)
	opaque := func(raw string) []api.Part {
		return []api.Part{{Kind: api.Opaque, Vendor: api.Anthropic, Source: api.Messages, Raw: json.RawMessage(raw)}}
	}
	f(api.FinishStop, opaque(`{"type":"server_tool_use","id":"s","name":"web_search","input":{"q":"x"}}`),
		begin(`{"type":"server_tool_use","id":"s","name":"web_search","input":{}}`), delta(`{"type":"input_json_delta","partial_json":"{\"q\":"}`), delta(`{"type":"input_json_delta","partial_json":"\"x\"}"}`), stopOf)
	f(api.FinishStop, opaque(`{"type":"compaction","content":"ab"}`), begin(`{"type":"compaction","content":null}`), delta(`{"type":"compaction_delta","content":"a"}`), delta(`{"type":"compaction_delta","content":"b"}`), stopOf)
}

// What only this format knows comes through: how a call came about, where code
// ran, how long a cache is kept.
func TestStreamIdentity(t *testing.T) {
	datas := []string{
		`{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":3,"cache_creation_input_tokens":9,"cache_read_input_tokens":2,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":7},"output_tokens":1,"service_tier":"standard"}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}`,
		`{"type":"content_block_stop","index":0}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"n","input":{},"caller":{"type":"code_execution_20250825","tool_id":"s"}}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"1}"}}`,
		`{"type":"content_block_stop","index":1}`,
		`{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null,"container":{"id":"c"},"stop_details":{"x":1}},"context_management":{"applied_edits":[]},"usage":{"input_tokens":3,"cache_creation_input_tokens":9,"cache_read_input_tokens":2,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":7},"output_tokens":9,"server_tool_use":{"web_search_requests":1}}}`,
		stop,
	}
	events, whole := readStream(t, datas...)
	require.True(t, whole)
	got := writeStream(t, nil, events...)
	require.Len(t, got, len(datas))
	for i := range datas {
		require.JSONEq(t, datas[i], got[i])
	}

	// A client that does not stream gets the same, and one that does gets a whole
	// answer so.
	body, err := messages.Codec{}.EncodeResponse(accumulate(events), nil)
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"thinking","thinking":"hm","signature":"sig"},
		{"type":"tool_use","id":"t","name":"n","input":{"a":1},"caller":{"type":"code_execution_20250825","tool_id":"s"}}],
		"stop_reason":"tool_use","stop_sequence":null,"stop_details":{"x":1},"container":{"id":"c"},"context_management":{"applied_edits":[]},
		"usage":{"input_tokens":3,"cache_creation_input_tokens":9,"cache_read_input_tokens":2,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":7},"output_tokens":9,"server_tool_use":{"web_search_requests":1},"service_tier":"standard"}}`, string(body))
	resp, err := messages.Codec{}.DecodeResponse(body)
	require.NoError(t, err)
	events = nil
	resp.Emit(func(ev *api.Event) { events = append(events, keep(ev)) })
	require.JSONEq(t, `{"type":"tool_use","id":"t","name":"n","input":{"a":1},"caller":{"type":"code_execution_20250825","tool_id":"s"}}`, collect(t, writeStream(t, nil, events...))[1])
	require.Contains(t, writeStream(t, nil, events...)[5], `"input":{}`)
}

// A stream that is cut anywhere never corrupts a text, and has an end only where
// its reason is told.
func TestStreamCutAnywhere(t *testing.T) {
	var wire []byte
	for _, data := range []string{
		startOf, `{"type":"ping"}`, textOf, hello, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ude00 ☃ caf\u00e9"}}`, stopOf,
		`{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":\"☃\"}"}}`, `{"type":"content_block_stop","index":1}`,
	} {
		wire = append(wire, "event: x\r\ndata: "+data+"\r\n\r\n"...)
	}
	finished := len(wire) + len("event: x\r\ndata: "+endOf)
	wire = append(wire, "event: x\r\ndata: "+endOf+"\r\n\r\nevent: x\r\ndata: "+stop+"\r\n\r\n"...)
	const text, arguments = "Hello 😀 ☃ café", `{"a":"☃"}`
	for cut := range len(wire) + 1 {
		var events []api.Event
		emit := func(ev *api.Event) { events = append(events, keep(ev)) }
		reader := sse.NewReader(iotest.OneByteReader(bytes.NewReader(wire[:cut])))
		decoder := messages.Codec{}.NewStreamDecoder()
		broken := false
		for !broken {
			ev, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			broken = decoder.Decode(ev.Name, ev.Data, emit) != nil
		}
		whole := !broken && decoder.Close(emit)
		require.Equal(t, cut >= finished && !broken, whole, "cut after %d bytes", cut)
		if len(events) == 0 {
			continue
		}
		legal(t, events, whole)
		var got heard
		got.of(partsOf(events))
		if got.text != "Hello \ufffd" { // half a character
			require.True(t, strings.HasPrefix(text, got.text), "%q", got.text)
		}
		require.True(t, strings.HasPrefix(arguments, got.arguments), "%q", got.arguments)
		if whole {
			require.Equal(t, text, got.text)
			require.Equal(t, arguments, got.arguments)
		}
	}
}

func TestEncodeStream(t *testing.T) {
	got := writeStream(t, &api.Request{Model: "asked"},
		api.Event{Kind: api.Start, ID: "chatcmpl-1"},
		api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.Thinking}},
		api.Event{Kind: api.Delta, Text: raw(`"hm"`)},
		api.Event{Kind: api.Signature, Content: &api.Part{Kind: api.Thinking, Signature: "enc", Vendor: api.OpenAI}},
		api.Event{Kind: api.PartEnd},
		api.Event{Kind: api.Ping},
		// Interleaved, and an answer too many.
		api.Event{Kind: api.PartStart, Part: 1, Content: &api.Part{Kind: api.Text}},
		api.Event{Kind: api.PartStart, Part: 2, Content: &api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "a|b", Name: "f"}}},
		api.Event{Kind: api.Delta, Part: 1, Text: raw(`"Hel\ud83d"`)},
		api.Event{Kind: api.Delta, Part: 2, Text: raw(`"{\"x\":"`)},
		api.Event{Kind: api.PartStart, Choice: 1, Content: &api.Part{Kind: api.Text}},
		api.Event{Kind: api.Delta, Choice: 1, Text: raw(`"other"`)},
		api.Event{Kind: api.Delta, Part: 1, Text: raw(`"\ude00"`)},
		api.Event{Kind: api.CitationEvent, Part: 1, Citation: &api.Citation{URL: "https://a.org", Title: "A"}},
		api.Event{Kind: api.PartEnd, Part: 1},
		api.Event{Kind: api.Delta, Part: 2, Text: raw(`"1}"`)},
		api.Event{Kind: api.PartEnd, Part: 2},
		api.Event{Kind: api.PartStart, Part: 3, Content: &api.Part{Kind: api.Text}},
		api.Event{Kind: api.PartEnd, Part: 3},
		api.Event{Kind: api.Finished, Finish: api.FinishToolCalls},
		api.Event{Kind: api.Finished, Choice: 1, Finish: api.FinishLength},
		api.Event{Kind: api.UsageEvent, Usage: api.Usage{Input: 3, CacheRead: 2, CacheWrite: 1, Output: 5, Reasoning: 4, Known: true}},
		api.Event{Kind: api.End},
		api.Event{Kind: api.End},
	)
	require.Equal(t, []string{
		`{"type":"message_start","message":{"id":"chatcmpl-1","type":"message","role":"assistant","model":"asked","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hm"}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"plexus:openai:enc"}}`,
		`{"type":"content_block_stop","index":0}`,
		`{"type":"ping"}`,
		`{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Hel\ud83d"}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"\ude00"}}`,
		`{"type":"content_block_delta","index":1,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","cited_text":"","encrypted_index":"plexus::","title":"A","url":"https://a.org"}}}`,
		`{"type":"content_block_stop","index":1}`,
		`{"type":"content_block_start","index":2,"content_block":{"type":"tool_use","id":"` + api.CallID("a|b") + `","name":"f","input":{}}}`,
		`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"{\"x\":"}}`,
		`{"type":"content_block_delta","index":2,"delta":{"type":"input_json_delta","partial_json":"1}"}}`,
		`{"type":"content_block_stop","index":2}`,
		`{"type":"message_delta","delta":{"stop_reason":"tool_use","stop_sequence":null},"usage":{"input_tokens":3,"cache_creation_input_tokens":1,"cache_read_input_tokens":2,"output_tokens":9,"output_tokens_details":{"thinking_tokens":4}}}`,
		`{"type":"message_stop"}`,
	}, got)
}

func TestEncodeStreamSignatures(t *testing.T) {
	google := func(kind api.Kind, s string) *api.Part {
		return &api.Part{Kind: kind, Signature: s, Vendor: api.Google}
	}
	start := func(part int, content api.Part) api.Event {
		return api.Event{Kind: api.PartStart, Part: part, Content: &content}
	}
	events := []api.Event{
		{Kind: api.Start, ID: "1"},
		start(0, api.Part{Kind: api.Thinking}),
		{Kind: api.Signature, Part: 0, Content: &api.Part{Signature: "hidden", Vendor: api.OpenAI}},
		{Kind: api.PartEnd, Part: 0},
		start(1, api.Part{Kind: api.Text}),
		{Kind: api.Delta, Part: 1, Text: raw(`"x"`)},
		{Kind: api.Signature, Part: 1, Content: google(api.Text, "s1")},
		{Kind: api.PartEnd, Part: 1},
		start(2, api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "a", Name: "f"}}),
		{Kind: api.Delta, Part: 2, Text: raw(`"{\"n\":1}"`)},
		{Kind: api.Signature, Part: 2, Content: google(api.ToolCall, "s2")},
		{Kind: api.PartEnd, Part: 2},
		start(3, api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "b", Name: "f"}, Signature: "s3", Vendor: api.Google}),
		{Kind: api.PartEnd, Part: 3},
		start(4, api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: "f"}}),
		{Kind: api.Delta, Part: 4, Text: raw(`"{}"`)},
		{Kind: api.PartEnd, Part: 4},
		{Kind: api.Finished, Finish: api.FinishToolCalls},
		{Kind: api.End},
	}
	want := []api.Part{
		{Kind: api.Thinking, Signature: "hidden", Vendor: api.OpenAI},
		{Kind: api.Text, Text: "x", Signature: "s1", Vendor: api.Google},
		{Kind: api.ToolCall, Call: &api.Call{ID: "a", Name: "f", Arguments: `{"n":1}`}, Signature: "s2", Vendor: api.Google},
		{Kind: api.ToolCall, Call: &api.Call{ID: "b", Name: "f", Arguments: `{}`}, Signature: "s3", Vendor: api.Google},
		{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: "f", Arguments: `{}`}},
	}
	// The client collects the blocks and sends them back.
	blocks := collect(t, writeStream(t, nil, events...))
	require.Equal(t, want, decode(t, `{"messages":[{"role":"assistant","content":[`+strings.Join(blocks, ",")+`]}]}`).Messages[0].Parts)

	// So it goes with a whole answer.
	resp := &api.Response{Choices: []api.Choice{{Parts: want}}}
	body, err := messages.Codec{}.EncodeResponse(resp, nil)
	require.NoError(t, err)
	var answer struct{ Content json.RawMessage }
	require.NoError(t, json.Unmarshal(body, &answer))
	require.Equal(t, want, decode(t, `{"messages":[{"role":"assistant","content":`+string(answer.Content)+`}]}`).Messages[0].Parts)
}

// collect puts blocks together as a client does, and checks their order.
func collect(t testing.TB, datas []string) (blocks []string) {
	t.Helper()
	open := -1
	var block map[string]any
	input := ""
	for _, data := range datas {
		var ev struct {
			Type  string
			Index int
			Block map[string]any `json:"content_block"`
			Delta map[string]any
		}
		require.NoError(t, json.Unmarshal([]byte(data), &ev))
		switch ev.Type {
		case "content_block_start":
			require.Equal(t, -1, open)
			require.Equal(t, len(blocks), ev.Index)
			open, block, input = ev.Index, ev.Block, ""
		case "content_block_delta":
			require.Equal(t, open, ev.Index)
			switch ev.Delta["type"] {
			case "text_delta":
				block["text"] = block["text"].(string) + ev.Delta["text"].(string)
			case "thinking_delta":
				block["thinking"] = block["thinking"].(string) + ev.Delta["thinking"].(string)
			case "signature_delta":
				block["signature"] = ev.Delta["signature"]
			case "input_json_delta":
				input += ev.Delta["partial_json"].(string)
			}
		case "content_block_stop":
			require.Equal(t, open, ev.Index)
			if input != "" {
				block["input"] = json.RawMessage(input)
			}
			open = -1
			out, err := json.Marshal(block)
			require.NoError(t, err)
			blocks = append(blocks, string(out))
		}
	}
	require.Equal(t, -1, open)
	return blocks
}

func TestEncodeStreamOdds(t *testing.T) {
	f := func(want []string, events ...api.Event) {
		t.Helper()
		require.Equal(t, want, writeStream(t, &api.Request{Model: "m"}, events...))
	}
	begin := api.Event{Kind: api.Start, ID: "1"}
	const started = `{"type":"message_start","message":{"id":"1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}}`
	ended := func(reason string) string {
		return `{"type":"message_delta","delta":{"stop_reason":"` + reason + `","stop_sequence":null},"usage":{"output_tokens":0}}`
	}
	f([]string{started, ended("max_tokens"), stop}, begin, api.Event{Kind: api.Finished, Finish: api.FinishLength}, api.Event{Kind: api.End})
	f([]string{started, `{"type":"message_delta","delta":{"stop_reason":"stop_sequence","stop_sequence":"x"},"usage":{"output_tokens":0}}`, stop},
		begin, api.Event{Kind: api.Finished, Finish: api.FinishStopSequence, StopSequence: "x"}, api.Event{Kind: api.End})
	f([]string{started, `{"type":"error","error":{"type":"overloaded_error","message":"Later"}}`}, begin, api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: 529, Message: "Later"}}, api.Event{Kind: api.End})
	// A refusal, and a custom tool's text with quotes.
	f([]string{
		started, `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"No"}}`,
		`{"type":"content_block_stop","index":0}`, ended("refusal"), stop,
	}, begin, api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.Refusal}}, api.Event{Kind: api.Delta, Text: raw(`"No"`)}, api.Event{Kind: api.PartEnd}, api.Event{Kind: api.Finished, Finish: api.FinishStop}, api.Event{Kind: api.End})
	custom := writeStream(t, nil, begin, api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "a", Name: "f", Custom: true}}},
		api.Event{Kind: api.Delta, Text: raw(`"say \"hi\"\n"`)}, api.Event{Kind: api.Delta, Text: raw(`"\ud83d\ude00"`)}, api.Event{Kind: api.PartEnd}, api.Event{Kind: api.End})
	require.JSONEq(t, `{"type":"tool_use","id":"a","name":"f","input":{"input":"say \"hi\"\n😀"}}`, collect(t, custom)[0])
	// A part that comes without a start still follows one.
	datas := writeStream(t, nil, api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.Text}}, api.Event{Kind: api.Delta, Text: raw(`"x"`)}, api.Event{Kind: api.PartEnd}, api.Event{Kind: api.End})
	require.Contains(t, datas[0], `"message_start"`)
	require.Len(t, datas, 6)
	// An opaque block of this format is told, one of another is not.
	opaque := func(source api.API) []string {
		return collect(t, writeStream(t, nil, begin, api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.Opaque, Source: source, Raw: raw(`{"type":"x"}`)}}, api.Event{Kind: api.PartEnd}, api.Event{Kind: api.End}))
	}
	require.Equal(t, []string{`{"type":"x"}`}, opaque(api.Messages))
	require.Empty(t, opaque(api.Responses))
}

// An id that nobody gave is made up once.
func TestMadeUpIDs(t *testing.T) {
	datas := writeStream(t, &api.Request{Model: "m"}, api.Event{Kind: api.Start}, api.Event{Kind: api.End})
	require.Regexp(t, `"id":"msg_[0-9a-f]{24}"`, datas[0])
}

// What is passed on as it stands has to be JSON.
func TestStreamMembersThatAreNotJSON(t *testing.T) {
	events, whole := readStream(t, startOf, textOf, hello,
		`{"type":"content_block_delta","index":0,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"u","title":"\x"}}}`,
		`{"type":"message_delta","delta":{"stop_reason":"end_turn","a":"\x"},"usage":{"output_tokens":9,"b":"\x"}}`, stop)
	require.True(t, whole)
	for _, data := range writeStream(t, nil, events...) {
		require.True(t, json.Valid([]byte(data)), "%s", data)
	}
}
