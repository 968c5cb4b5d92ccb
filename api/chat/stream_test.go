package chat_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/sse"
)

// order checks that events come as api.EventKind demands.
type order struct {
	t        require.TestingT
	started  bool
	over     bool
	tail     int
	open     map[[2]int]int // 0 deltas, 1 signed, 2 cited
	next     map[int]int
	finished map[int]bool
}

func newOrder(t require.TestingT) *order {
	return &order{t: t, open: map[[2]int]int{}, next: map[int]int{}, finished: map[int]bool{}}
}

func (o *order) add(ev *api.Event) {
	t := o.t
	require.False(t, o.over, "nothing follows the end")
	key := [2]int{ev.Choice, ev.Part}
	state, open := o.open[key]
	stage := 0
	switch ev.Kind {
	case api.Start:
		require.False(t, o.started)
		o.started = true
	case api.PartStart:
		require.NotNil(t, ev.Content)
		require.False(t, open)
		require.Equal(t, o.next[ev.Choice], ev.Part)
		o.next[ev.Choice]++
		o.open[key] = 0
		if ev.Content.Kind == api.ToolCall {
			require.NotEmpty(t, ev.Content.Call.ID)
		}
	case api.Delta:
		require.True(t, open)
		require.Zero(t, state, "deltas come before signatures and citations")
		require.True(t, json.Valid(ev.Text))
		require.NotEqual(t, `""`, string(ev.Text))
	case api.Signature:
		require.True(t, open)
		require.Zero(t, state)
		o.open[key] = 1
	case api.CitationEvent:
		require.True(t, open)
		o.open[key] = 2
	case api.PartEnd:
		require.True(t, open)
		delete(o.open, key)
	case api.Finished:
		require.Empty(t, o.open)
		require.False(t, o.finished[ev.Choice])
		require.NotEmpty(t, ev.Finish)
		o.finished[ev.Choice], stage = true, 1
	case api.UsageEvent:
		stage = 2
	case api.End:
		require.NotEmpty(t, o.finished)
		o.over = true
		stage = 3
	case api.ErrorEvent:
		require.NotNil(t, ev.Err)
		require.NotEmpty(t, ev.Err.Message)
		o.over = true
		return
	}
	require.True(t, o.started)
	require.GreaterOrEqual(t, stage, o.tail)
	o.tail = stage
}

// tell is an event in a line.
func tell(ev *api.Event) string {
	at := fmt.Sprintf("%d.%d ", ev.Choice, ev.Part)
	switch ev.Kind {
	case api.Start:
		return fmt.Sprintf("start %s %s %d", ev.ID, ev.Model, ev.Created)
	case api.PartStart:
		p := ev.Content
		names := map[api.Kind]string{api.Text: "text", api.Thinking: "thinking", api.ToolCall: "call", api.Refusal: "refusal", api.Image: "image"}
		line := at + names[p.Kind]
		if p.Call != nil {
			line += " " + p.Call.ID + " " + p.Call.Name
			if p.Call.Custom {
				line += " custom"
			}
		}
		if p.Media != nil {
			line += " " + p.Media.MIME + " " + p.Media.Data
		}
		if p.Redacted {
			line += " redacted"
		}
		if p.Signature != "" {
			line += " " + string(p.Vendor) + ":" + p.Signature
		}
		return line
	case api.Delta:
		return at + string(ev.Text)
	case api.Signature:
		return at + "signed " + string(ev.Content.Vendor) + ":" + ev.Content.Signature
	case api.CitationEvent:
		return at + "cites " + ev.Citation.URL
	case api.PartEnd:
		return at + "end"
	case api.Finished:
		return strings.TrimSpace(fmt.Sprintf("finish %d %s %s", ev.Choice, ev.Finish, ev.StopSequence))
	case api.UsageEvent:
		u := ev.Usage
		return fmt.Sprintf("usage %d %d %d %d %d", u.Input, u.CacheRead, u.CacheWrite, u.Output, u.Reasoning)
	case api.Ping:
		return "ping"
	case api.ErrorEvent:
		return fmt.Sprintf("error %d %s", ev.Err.Status, ev.Err.Message)
	}
	return "END"
}

// heard is what a stream's data says, and whether the stream came to its end.
func heard(t *testing.T, data ...string) (lines []string, whole bool) {
	t.Helper()
	o, d := newOrder(t), codec.NewStreamDecoder()
	emit := func(ev *api.Event) { o.add(ev); lines = append(lines, tell(ev)) }
	for _, one := range data {
		require.NoError(t, d.Decode(nil, []byte(one), emit))
	}
	whole = d.Close(emit)
	require.Equal(t, whole, d.Close(emit), "closing twice says nothing new")
	return lines, whole
}

// deltas are chunks with these deltas, around which are a head and an end.
func deltas(finish string, list ...string) (data []string) {
	for _, one := range list {
		data = append(data, `{"id":"c1","created":7,"model":"m","choices":[{"index":0,"delta":`+one+`,"finish_reason":null}]}`)
	}
	return append(data, `{"id":"c1","choices":[{"index":0,"delta":{},"finish_reason":"`+finish+`"}]}`, `[DONE]`)
}

func TestStreamsDecode(t *testing.T) {
	f := func(data []string, want ...string) {
		t.Helper()
		lines, whole := heard(t, data...)
		require.True(t, whole)
		require.Equal(t, append([]string{"start c1 m 7"}, append(want, "END")...), lines)
	}
	f(deltas("stop", `{"role":"assistant","content":""}`, `{"content":"H\u00e9"}`, `{"content":null,"tool_calls":null,"refusal":null,"reasoning":null}`, `{"content":"\ud83d"}`, `{"content":"\ude00"}`),
		`0.0 text`, `0.0 "H\u00e9"`, `0.0 "\ud83d"`, `0.0 "\ude00"`, `0.0 end`, `finish 0 stop`)
	f(deltas("length", `{"reasoning_content":"Hm"}`, `{"reasoning":"."}`, `{"content":"x"}`),
		`0.0 thinking`, `0.0 "Hm"`, `0.0 "."`, `0.0 end`, `0.1 text`, `0.1 "x"`, `0.1 end`, `finish 0 length`)
	f(deltas("stop", `{"refusal":"No"}`, `{"refusal":"."}`), `0.0 refusal`, `0.0 "No"`, `0.0 "."`, `0.0 end`, `finish 0 refusal`)
	f(deltas("stop", `{"content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm"}]}]}`, `{"content":[{"type":"text","text":"x"}]}`),
		`0.0 thinking`, `0.0 "Hm"`, `0.0 end`, `0.1 text`, `0.1 "x"`, `0.1 end`, `finish 0 stop`)
	f(deltas("stop", `{"content":"x"}`, `{"annotations":[{"index":0,"type":"url_citation","url_citation":{"url":"https://example.com"}}]}`, `{"content":"y"}`),
		`0.0 text`, `0.0 "x"`, `0.0 cites https://example.com`, `0.0 end`, `0.1 text`, `0.1 "y"`, `0.1 end`, `finish 0 stop`)
	f(deltas("stop", `{"content":"","images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}}]}`), `0.0 image image/png AA`, `0.0 end`, `finish 0 stop`)
	f(deltas("stop", `{"content":"x"}`, `{"content":"","extra_content":{"google":{"thought_signature":"s"}}}`), `0.0 text`, `0.0 "x"`, `0.0 signed google:s`, `0.0 end`, `finish 0 stop`)

	// Reasoning in both places counts once.
	f(deltas("stop", `{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0}]}`, `{"reasoning_details":[{"type":"reasoning.text","signature":"s","index":0}]}`, `{"reasoning":"b"}`),
		`0.0 thinking`, `0.0 "a"`, `0.0 signed openai:s`, `0.0 end`, `0.1 thinking`, `0.1 "b"`, `0.1 end`, `finish 0 stop`)
	f(deltas("stop", `{"reasoning_content":"ab"}`, `{"reasoning_details":[{"type":"reasoning.text","text":"ab","signature":"plexus:anthropic:s"}]}`),
		`0.0 thinking`, `0.0 "ab"`, `0.0 signed anthropic:s`, `0.0 end`, `finish 0 stop`)
	f(deltas("stop", `{"reasoning_details":[{"type":"reasoning.summary","summary":"a"}]}`, `{"reasoning_details":[{"type":"reasoning.encrypted","data":"e"}]}`),
		`0.0 thinking`, `0.0 "a"`, `0.0 signed openai:e`, `0.0 end`, `finish 0 stop`)
	f(deltas("stop", `{"reasoning_details":[{"type":"reasoning.encrypted","data":"plexus:anthropic:e"}]}`, `{"content":"x"}`),
		`0.0 thinking redacted anthropic:e`, `0.0 end`, `0.1 text`, `0.1 "x"`, `0.1 end`, `finish 0 stop`)
}

func TestStreamedCallsDecode(t *testing.T) {
	f := func(data []string, want ...string) {
		t.Helper()
		lines, whole := heard(t, data...)
		require.True(t, whole)
		require.Equal(t, append([]string{"start c1 m 7"}, append(want, "END")...), lines)
	}
	call := func(members string) string { return `{"tool_calls":[{` + members + `}]}` }

	f(deltas("tool_calls", `{"content":"So"}`,
		call(`"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}`), call(`"index":0,"function":{"arguments":"{\"x\":"}`), call(`"index":0,"function":{"arguments":"\"}\"}"}`),
		call(`"index":1,"id":"b","type":"function","function":{"name":"g","arguments":"{}"}`)),
		`0.0 text`, `0.0 "So"`, `0.0 end`, `0.1 call a f`, `0.1 "{\"x\":"`, `0.1 "\"}\"}"`, `0.1 end`, `0.2 call b g`, `0.2 "{}"`, `0.2 end`, `finish 0 tool_calls`)
	// Interleaved: the first one is not complete when the second one starts.
	f(deltas("stop", call(`"index":0,"id":"a","function":{"name":"f","arguments":"{"}`), call(`"index":1,"id":"b","function":{"name":"g","arguments":"{"}`),
		call(`"index":0,"function":{"arguments":"}"}`), call(`"index":1,"function":{"arguments":"}"}`)),
		`0.0 call a f`, `0.0 "{"`, `0.1 call b g`, `0.1 "{"`, `0.0 "}"`, `0.1 "}"`, `0.0 end`, `0.1 end`, `finish 0 tool_calls`)
	// Without an index; the id in each chunk; the name later; arguments that are no JSON.
	f(deltas("stop", call(`"id":"a","function":{"name":"f","arguments":"{"}`), call(`"id":"a","function":{"name":"f","arguments":"}"}`), call(`"id":"b","function":{"arguments":"no"}`), call(`"id":"b","function":{"name":"g","arguments":" json"}`)),
		`0.0 call a f`, `0.0 "{"`, `0.0 "}"`, `0.0 end`, `0.1 call b g`, `0.1 "no"`, `0.1 " json"`, `0.1 end`, `finish 0 tool_calls`)
	// Google's compatible endpoint: each call whole, all of index 0.
	f(deltas("stop", call(`"index":0,"id":"a","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}`), call(`"index":0,"id":"b","function":{"name":"f","arguments":"{}"}`)),
		`0.0 call a f`, `0.0 "{}"`, `0.0 signed google:s`, `0.0 end`, `0.1 call b f`, `0.1 "{}"`, `0.1 end`, `finish 0 tool_calls`)
	// The name again in each chunk, with an id of its own.
	f(deltas("stop", call(`"index":0,"id":"a","function":{"name":"f","arguments":"{"}`), call(`"index":0,"id":"b","function":{"name":"f","arguments":"}"}`)),
		`0.0 call a f`, `0.0 "{"`, `0.0 "}"`, `0.0 end`, `finish 0 tool_calls`)
	// The whole call again at the end, an object as arguments, no arguments at all.
	f(deltas("stop", call(`"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}`), call(`"index":1,"id":"b","function":{"name":"g"}`), call(`"index":0,"id":"a","function":{"name":"f","arguments":{"x":1}}`)),
		`0.0 call a f`, `0.0 "{\"x\":1}"`, `0.0 end`, `0.1 call b g`, `0.1 end`, `finish 0 tool_calls`)
	f(deltas("tool_calls", call(`"index":0,"id":"a","type":"custom","custom":{"name":"sh","input":""}`), call(`"index":0,"custom":{"input":"ls"}`)),
		`0.0 call a sh custom`, `0.0 "ls"`, `0.0 end`, `finish 0 tool_calls`)

	lines, whole := heard(t, deltas("function_call", `{"function_call":{"name":"f","arguments":""}}`, `{"function_call":{"arguments":"{}"}}`)...)
	require.True(t, whole)
	require.Regexp(t, `^0.0 call call_[0-9a-f]{24} f$`, lines[1])
	again, _ := heard(t, deltas("function_call", `{"function_call":{"name":"f","arguments":""}}`, `{"function_call":{"arguments":"{}"}}`)...)
	require.Equal(t, lines, again)
}

func TestOddStreams(t *testing.T) {
	f := func(want bool, data []string, lines ...string) {
		t.Helper()
		got, whole := heard(t, data...)
		require.Equal(t, lines, got)
		require.Equal(t, want, whole)
	}
	const (
		first  = `{"id":"c1","created":7.5,"model":"m","choices":[{"index":0,"delta":{"content":"x"}}]}`
		finish = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
		usage  = `{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}`
		start  = "start c1 m 7"
	)
	text := []string{start, `0.0 text`, `0.0 "x"`, `0.0 end`, `finish 0 stop`}
	whole := append(slices.Clip(text), "END")
	f(true, []string{first, finish}, whole...)         // no [DONE]
	f(true, []string{first, `[DONE]`}, whole...)       // no finish_reason
	f(true, []string{first, finish, finish}, whole...) // two of them
	f(true, []string{first, finish, `[DONE]`, first, `[DONE]`}, whole...)
	f(true, []string{``, `{"choices":[],"id":"","model":"","prompt_filter_results":[{}]}`, `{"object":"ping"}`, `7`, first, finish}, whole...)
	f(true, []string{first, finish, usage, `[DONE]`}, append(slices.Clip(text), "usage 6 4 0 3 2", "END")...)
	f(true, []string{first, ``, finish}, start, `0.0 text`, `0.0 "x"`, "ping", `0.0 end`, `finish 0 stop`, "END")
	f(true, []string{first, finish, first}, start, `0.0 text`, `0.0 "x"`, `0.0 end`, `0.1 text`, `0.1 "x"`, `0.1 end`, `finish 0 stop`, "END")
	f(true, []string{`{"id":"c1","created":7,"model":"m","choices":[{"message":{"role":"assistant","content":"x"},"finish_reason":"stop","stop_reason":"END"}]}`}, start, `0.0 text`, `0.0 "x"`, `0.0 end`, `finish 0 stop_sequence END`, "END")
	f(true, []string{`[DONE]`}, "start   0", "finish 0 stop", "END")
	f(false, []string{first}, start, `0.0 text`, `0.0 "x"`)
	f(false, nil)
	// Several answers: all have to finish.
	const second = `{"choices":[{"index":1,"delta":{"content":"y"}}]}`
	f(false, []string{first, second, finish}, start, `0.0 text`, `0.0 "x"`, `1.0 text`, `1.0 "y"`, `0.0 end`)
	f(true, []string{first, second, finish, `{"choices":[{"index":1,"delta":{"content":"z"},"finish_reason":"length"}]}`},
		start, `0.0 text`, `0.0 "x"`, `1.0 text`, `1.0 "y"`, `0.0 end`, `1.0 "z"`, `1.0 end`, `finish 0 stop`, `finish 1 length`, "END")

	// Errors.
	e := func(data, want string) {
		t.Helper()
		f(false, []string{first, data, finish, `[DONE]`}, start, `0.0 text`, `0.0 "x"`, want)
	}
	e(`{"error":{"message":"m","type":"rate_limit_error"}}`, "error 429 m")
	e(`{"error":{"message":"m","type":"overloaded_error"}}`, "error 529 m")
	e(`{"error":{"message":"m","type":"invalid_request_error","code":"context_length_exceeded"}}`, "error 400 m")
	e(`{"error":{"message":"m","code":503}}`, "error 503 m")
	e(`{"error":{"message":"m","code":401}}`, "error 502 m")
	e(`{"error":{"message":"m","type":"server_error"}}`, "error 502 m")
	e(`{"error":"m"}`, "error 502 m")
	e(`{"object":"error","message":"m","code":400}`, "error 400 m")
	e(`{"error":{"code":502,"message":"m"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`, "error 502 m")
	e(`{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error","error":{"code":429,"message":"m"}}]}`, "error 429 m")
	e(`{"choices":[{"index":0,"delta":{},"finish_reason":"error"}]}`, "error 502 The provider ended its answer with the finish reason error.")
	e(`{"choices":[{"index":0,"delta":{},"finish_reason":"insufficient_system_resource"}]}`, "error 503 The provider ended its answer with the finish reason insufficient_system_resource.")

	d := codec.NewStreamDecoder()
	none := func(*api.Event) { t.Error("no event") }
	require.Error(t, d.Decode(nil, []byte(`{"choices":[{"delta":`), none))
	require.Error(t, d.Decode(nil, []byte(`<html>`), none))
	d = codec.NewStreamDecoder()
	require.NoError(t, d.Decode([]byte("error"), []byte(`{"message":"m"}`), func(ev *api.Event) { require.Equal(t, "error 502 m", tell(ev)) }))
}

// written is the stream that the events of a whole answer become.
func written(req *api.Request, events ...*api.Event) string {
	e := codec.NewStreamEncoder(req)
	var out []byte
	for _, ev := range events {
		out = e.Encode(out, ev)
	}
	return string(out)
}

// bare are the chunks' choices or other members, without what all of them share.
func bare(t *testing.T, stream string) (lines []string) {
	t.Helper()
	for _, event := range strings.SplitAfter(stream, "\n\n") {
		const head = `data: {"id":"c1","object":"chat.completion.chunk","created":7,"model":"m",`
		line, ok := strings.CutPrefix(event, head)
		if line = strings.TrimSuffix(line, "\n\n"); ok {
			require.True(t, json.Valid([]byte("{"+line)), event)
			line = strings.TrimSuffix(strings.TrimPrefix(line, `"choices":[{"index":0,"delta":`), `,"logprobs":null,"finish_reason":null}]}`)
		}
		if line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}

func TestStreamsEncode(t *testing.T) {
	start := &api.Event{Kind: api.Start, ID: "c1", Model: "m", Created: 7}
	part := func(i int, p api.Part) *api.Event { return &api.Event{Kind: api.PartStart, Part: i, Content: &p} }
	delta := func(i int, s string) *api.Event { return &api.Event{Kind: api.Delta, Part: i, Text: api.Quote(s)} }
	sign := func(i int, v api.Vendor, s string) *api.Event {
		return &api.Event{Kind: api.Signature, Part: i, Content: &api.Part{Vendor: v, Signature: s}}
	}
	end := func(i int) *api.Event { return &api.Event{Kind: api.PartEnd, Part: i} }
	finish := func(f api.Finish) *api.Event { return &api.Event{Kind: api.Finished, Finish: f} }
	usage := &api.Event{Kind: api.UsageEvent, Usage: api.Usage{Input: 1, CacheRead: 2, CacheWrite: 3, Output: 4, Reasoning: 5, Known: true}}
	over := &api.Event{Kind: api.End}
	call := func(i int, c api.Call) *api.Event { return part(i, api.Part{Kind: api.ToolCall, Call: &c}) }
	const role = `{"role":"assistant","content":"","refusal":null}`

	f := func(req *api.Request, events []*api.Event, want ...string) {
		t.Helper()
		require.Equal(t, append([]string{role}, want...), bare(t, written(req, append([]*api.Event{start}, events...)...)))
	}
	any := &api.Request{Source: api.Chat}
	finished := func(reason string) string {
		return `{},"logprobs":null,"finish_reason":"` + reason + `"}]}`
	}
	const done = `data: [DONE]`

	f(any, []*api.Event{part(0, api.Part{Kind: api.Text}), delta(0, "H\n"), {Kind: api.Ping}, delta(0, ""), end(0), finish(api.FinishLength), usage, over, over},
		`{"content":"H\n"}`, `: ping`, finished("length"), done)
	f(any, []*api.Event{
		part(0, api.Part{Kind: api.Thinking}), delta(0, "Hm"), delta(0, "."), sign(0, api.Anthropic, "s"), end(0),
		part(1, api.Part{Kind: api.Thinking, Redacted: true, Signature: "r", Vendor: api.Anthropic}), end(1),
		part(2, api.Part{Kind: api.Text}), delta(2, "😀x"),
		{Kind: api.CitationEvent, Part: 2, Citation: &api.Citation{URL: "u", Title: "t"}},
		sign(2, api.Google, "g"), end(2), finish(api.FinishStop), over,
	},
		`{"reasoning_content":"Hm"}`, `{"reasoning_content":"."}`,
		`{"reasoning_details":[{"type":"reasoning.text","text":"Hm.","signature":"plexus:anthropic:s","index":0}]}`,
		`{"reasoning_details":[{"type":"reasoning.encrypted","data":"plexus:anthropic:r","index":1}]}`,
		`{"content":"😀x"}`, `{"annotations":[{"index":0,"type":"url_citation","url_citation":{"start_index":0,"end_index":2,"title":"t","url":"u"}}]}`,
		`{"extra_content":{"google":{"thought_signature":"g"}}}`, finished("stop"), done)
	// Interleaved calls; one without arguments; the index counts calls only.
	f(any, []*api.Event{part(0, api.Part{Kind: api.Text}), call(1, api.Call{ID: "a", Name: "f"}), call(2, api.Call{ID: "b", Name: "g"}), delta(1, "{"), delta(0, "x"), sign(1, api.Google, "s"), end(2), delta(1, "}"), end(1), end(0), finish(api.FinishToolCalls), over},
		`{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}`,
		`{"tool_calls":[{"index":1,"id":"b","type":"function","function":{"name":"g","arguments":""}}]}`,
		`{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}`, `{"content":"x"}`,
		`{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":"}"}}]}`,
		`{"tool_calls":[{"index":0,"extra_content":{"google":{"thought_signature":"s"}}}]}`, finished("tool_calls"), done)
	custom := &api.Request{Source: api.Chat, Tools: []api.Tool{{Kind: api.CustomTool, Name: "sh"}}}
	f(custom, []*api.Event{call(0, api.Call{ID: "a", Name: "sh", Custom: true}), delta(0, "ls"), end(0), call(1, api.Call{ID: "b", Name: "sh"}), delta(1, `{"inp`), delta(1, `ut":"\"x\""}`), end(1), finish(api.FinishToolCalls), over},
		`{"tool_calls":[{"index":0,"id":"a","type":"custom","custom":{"name":"sh","input":""}}]}`, `{"tool_calls":[{"index":0,"custom":{"input":"ls"}}]}`,
		`{"tool_calls":[{"index":1,"id":"b","type":"custom","custom":{"name":"sh","input":""}}]}`, `{"tool_calls":[{"index":1,"custom":{"input":"\"x\""}}]}`, finished("tool_calls"), done)
	f(&api.Request{Functions: true}, []*api.Event{call(0, api.Call{ID: "a", Name: "f"}), delta(0, "{}"), end(0), call(1, api.Call{ID: "b", Name: "g"}), delta(1, "{}"), end(1), finish(api.FinishToolCalls), over},
		`{"function_call":{"name":"f","arguments":""}}`, `{"function_call":{"arguments":"{}"}}`, finished("function_call"), done)
	f(any, []*api.Event{part(0, api.Part{Kind: api.Refusal}), delta(0, "No"), end(0), finish(api.FinishRefusal), over}, `{"refusal":"No"}`, finished("stop"), done)
	f(any, []*api.Event{part(0, api.Part{Kind: api.Image, Media: &api.Media{MIME: "image/png", Data: "AA"}}), end(0), part(1, api.Part{Kind: api.Opaque, Raw: json.RawMessage(`{}`)}), end(1), over},
		`{"images":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"},"index":0}]}`, finished("stop"), done)
	f(any, []*api.Event{part(0, api.Part{Kind: api.Text}), {Kind: api.ErrorEvent, Err: &api.Error{Status: 429, Message: "m"}}, over},
		`data: {"error":{"message":"m","type":"rate_limit_error","param":null,"code":null}}`)

	withUsage := written(&api.Request{StreamUsage: true, Model: "mine"}, &api.Event{Kind: api.Start, ID: "c1", Created: 7}, finish(api.FinishStop), usage, over)
	require.Contains(t, withUsage, `"model":"mine"`)
	require.Contains(t, withUsage, `"finish_reason":"stop"}],"usage":null}`)
	require.True(t, strings.HasSuffix(withUsage, `"choices":[],"usage":{"prompt_tokens":6,"completion_tokens":9,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":2,"cache_write_tokens":3},"completion_tokens_details":{"reasoning_tokens":5}}}`+"\n\ndata: [DONE]\n\n"), withUsage)
	require.NotContains(t, written(&api.Request{StreamUsage: true}, start, finish(api.FinishStop), over), `"prompt_tokens"`)

	two := written(any, start, &api.Event{Kind: api.PartStart, Choice: 1, Content: &api.Part{Kind: api.Text}}, &api.Event{Kind: api.Delta, Choice: 1, Text: api.Quote("y")})
	require.Contains(t, two, `{"index":1,"delta":{"role":"assistant"`)
	require.Contains(t, two, `{"index":1,"delta":{"content":"y"}`)
}

// split are the events of a stream, in data.
func split(t *testing.T, stream []byte) (data []string) {
	t.Helper()
	reader := sse.NewReader(bytes.NewReader(stream))
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return data
		}
		require.NoError(t, err)
		data = append(data, string(ev.Data))
	}
}

// checkStream holds a recorded stream against what is understood of it, and
// against what it becomes when it is written again.
func checkStream(t *testing.T, stream []byte) {
	t.Helper()
	data := split(t, stream)
	lines, whole := heard(t, data...)
	require.True(t, whole)

	var want, reasoning strings.Builder
	finish := len(data)
	for i, one := range data {
		var chunk struct {
			Choices []struct {
				Delta        map[string]json.RawMessage
				FinishReason string `json:"finish_reason"`
			}
		}
		if json.Unmarshal([]byte(one), &chunk) != nil {
			continue
		}
		for _, c := range chunk.Choices {
			want.WriteString(api.Unquote(orEmpty(c.Delta["content"])))
			reasoning.WriteString(api.Unquote(orEmpty(c.Delta["reasoning_content"])))
			if c.FinishReason != "" {
				finish = min(finish, i)
			}
		}
	}
	var a api.Accumulator
	d, e := codec.NewStreamDecoder(), codec.NewStreamEncoder(&api.Request{Source: api.Chat, StreamUsage: true})
	var again []byte
	emit := func(ev *api.Event) { a.Add(ev); again = e.Encode(again, ev) }
	for _, one := range data {
		require.NoError(t, d.Decode(nil, []byte(one), emit))
	}
	require.True(t, d.Close(emit))
	resp, ok := a.Response()
	require.True(t, ok)
	var got, thought strings.Builder
	for _, p := range resp.Choices[0].Parts {
		switch p.Kind {
		case api.Text:
			got.WriteString(p.Text)
		case api.Thinking:
			thought.WriteString(p.Text)
		}
	}
	require.Equal(t, want.String(), got.String())
	require.Equal(t, reasoning.String(), thought.String())

	same, whole := heard(t, split(t, again)...)
	require.True(t, whole)
	require.Equal(t, lines, same)

	for cut := range data[:finish] {
		_, whole := heard(t, data[:cut]...)
		require.False(t, whole, "cut after %d events", cut)
	}
	_, whole = heard(t, data[:min(finish+1, len(data))]...)
	require.True(t, whole)
}

func orEmpty(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || string(raw) == "null" {
		return json.RawMessage(`""`)
	}
	return raw
}

func TestRecordedStreamsDecode(t *testing.T) {
	for _, file := range recordings(t, "gomodel/*/chat_completion_stream.txt") {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) { checkStream(t, read(t, file)) })
	}
}

func TestStreamAndAnswerSayTheSame(t *testing.T) {
	body := answerOf(`"content":"a","refusal":null,"reasoning_content":"Hm","reasoning_details":[{"type":"reasoning.text","text":"Hm","signature":"s","index":0}],
		"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{\"x\":1}"},"extra_content":{"google":{"thought_signature":"s"}}}]`, "tool_calls")
	resp, err := codec.DecodeResponse([]byte(body))
	require.NoError(t, err)
	var events []*api.Event
	resp.Emit(func(ev *api.Event) { events = append(events, ev) })
	var a api.Accumulator
	d := codec.NewStreamDecoder()
	for _, one := range split(t, []byte(written(&api.Request{Source: api.Chat}, events...))) {
		require.NoError(t, d.Decode(nil, []byte(one), a.Add))
	}
	got, ok := a.Response()
	require.True(t, ok)
	for i := range resp.Choices[0].Parts {
		resp.Choices[0].Parts[i].Raw, resp.Choices[0].Parts[i].Source = nil, ""
	}
	for i := range got.Choices[0].Parts {
		got.Choices[0].Parts[i].Raw = nil
	}
	require.Equal(t, resp.Choices, got.Choices)
}

// OpenAI writes its whole answers with line breaks, which end a line of an event.
func TestAWholeAnswerWithLineBreaksAsAStream(t *testing.T) {
	var indented bytes.Buffer
	body := answerOf(`"content":"x","audio":{"id":"a","data":"AA","expires_at":1,"transcript":"t"},"annotations":[{"type":"url_citation","url_citation":{"url":"https://example.com"}},{"type":"url_citation","url_citation":{"url":"https://example.org"}}]`, "stop")
	body = strings.Replace(body, `"logprobs":null`, `"logprobs":{"content":[{"token":"x","logprob":-1}],"refusal":null}`, 1)
	require.NoError(t, json.Indent(&indented, []byte(body), "", "  "))
	resp, err := codec.DecodeResponse(indented.Bytes())
	require.NoError(t, err)
	var events []*api.Event
	resp.Emit(func(ev *api.Event) { events = append(events, ev) })
	var cited []string
	for _, one := range split(t, []byte(written(&api.Request{Source: api.Chat}, events...))) {
		require.True(t, one == "[DONE]" || json.Valid([]byte(one)), one)
		for it := regexp.MustCompile(`"annotations":\[\{"index":\d`).FindString(one); it != ""; it = "" {
			cited = append(cited, it[len(it)-1:])
		}
	}
	require.Equal(t, []string{"0", "1"}, cited)
}

// The text for a custom tool leaves as it comes, not when it is complete.
func TestCustomInputStreams(t *testing.T) {
	e := codec.NewStreamEncoder(&api.Request{Source: api.Chat, Tools: []api.Tool{{Kind: api.CustomTool, Name: "sh"}}})
	e.Encode(nil, &api.Event{Kind: api.Start, ID: "c1"})
	e.Encode(nil, &api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "a", Name: "sh"}}})
	f := func(piece, want string) {
		t.Helper()
		got := string(e.Encode(nil, &api.Event{Kind: api.Delta, Text: api.Quote(piece)}))
		if want == "" {
			require.Empty(t, got)
		} else {
			require.Contains(t, got, `"custom":{"input":`+want+`}`)
		}
	}
	f(`{"inp`, ``)
	f(`ut": "ls`, `"ls"`)
	f(` -l\`, `" -l"`)
	f(`nX`, `"\nX"`)
	f(`"}`, ``)
	require.Empty(t, e.Encode(nil, &api.Event{Kind: api.PartEnd}))
}
