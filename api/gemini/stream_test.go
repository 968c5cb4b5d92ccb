package gemini_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/sse"
)

// told of a stream: its events in short, and the answer that they come to.
type heard struct {
	events []string
	resp   *api.Response
	err    *api.Error
	ended  bool
}

var kinds = map[api.EventKind]string{
	api.Start: "start", api.PartStart: "part", api.Delta: "delta", api.Signature: "sign", api.CitationEvent: "cite",
	api.PartEnd: "end", api.Finished: "finish", api.UsageEvent: "usage", api.Ping: "ping", api.ErrorEvent: "error", api.End: "END",
}

// listen decodes chunks, and checks the order of what is told.
func listen(t *testing.T, chunks ...string) heard {
	t.Helper()
	var h heard
	var all api.Accumulator
	order := newOrder(t)
	emit := func(ev *api.Event) {
		h.events = append(h.events, kinds[ev.Kind])
		order.see(ev)
		all.Add(ev)
	}
	d := codec.NewStreamDecoder()
	for _, chunk := range chunks {
		require.NoError(t, d.Decode(nil, []byte(chunk), emit))
	}
	h.ended = d.Close(emit)
	order.close(h.ended)
	h.resp, _ = all.Response()
	h.err = all.Err()
	return h
}

// order is the grammar of api.EventKind.
type order struct {
	t       *testing.T
	started bool
	over    bool
	late    bool // Finished came
	open    map[[2]int]int
	seen    map[[2]int]bool
	done    map[int]bool
}

func newOrder(t *testing.T) *order {
	return &order{t: t, open: map[[2]int]int{}, seen: map[[2]int]bool{}, done: map[int]bool{}}
}

func (o *order) see(ev *api.Event) {
	require.False(o.t, o.over, "nothing follows the end")
	if ev.Kind == api.Start {
		require.False(o.t, o.started)
		o.started = true
		return
	}
	require.True(o.t, o.started || ev.Kind == api.ErrorEvent)
	at := [2]int{ev.Choice, ev.Part}
	switch ev.Kind {
	case api.PartStart:
		require.False(o.t, o.late || o.seen[at])
		require.NotNil(o.t, ev.Content)
		o.seen[at], o.open[at] = true, 1
	case api.Delta:
		require.Equal(o.t, 1, o.open[at])
		require.True(o.t, json.Valid(ev.Text), "%s", ev.Text)
		require.Equal(o.t, byte('"'), ev.Text[0])
		require.Greater(o.t, len(ev.Text), 2)
	case api.Signature:
		require.Equal(o.t, 1, o.open[at])
		o.open[at] = 2
	case api.CitationEvent:
		require.NotZero(o.t, o.open[at])
		o.open[at] = 3
	case api.PartEnd:
		require.NotZero(o.t, o.open[at])
		delete(o.open, at)
	case api.Finished:
		require.Empty(o.t, o.open)
		require.False(o.t, o.done[ev.Choice])
		o.late, o.done[ev.Choice] = true, true
	case api.UsageEvent:
		require.True(o.t, o.late)
	case api.End, api.ErrorEvent:
		o.over = true
	}
}

func (o *order) close(ended bool) {
	if ended {
		require.True(o.t, o.over)
	}
}

func chunkOf(parts string, more ...string) string {
	return `{"candidates":[{"content":{"role":"model","parts":[` + parts + `]}` + strings.Join(more, "") + `,"index":0}],"modelVersion":"g","responseId":"r"}`
}

const stop = `,"finishReason":"STOP"`

func TestDecodeStream(t *testing.T) {
	f := func(events string, parts []api.Part, finish api.Finish, chunks ...string) {
		t.Helper()
		h := listen(t, chunks...)
		require.True(t, h.ended)
		require.Equal(t, events, strings.Join(h.events, " "))
		require.Equal(t, parts, h.resp.Choices[0].Parts)
		require.Equal(t, finish, h.resp.Choices[0].Finish)
		require.Equal(t, "g", h.resp.Model)
		require.Equal(t, "r", h.resp.ID)
	}
	thought := api.Part{Kind: api.Thinking, Text: "hm so", Vendor: api.Google}
	f("start part delta delta end part delta delta end finish END", []api.Part{thought, text("Hi all")}, api.FinishStop,
		chunkOf(`{"text":"hm","thought":true}`), chunkOf(`{"text":" so","thought":true},{"text":"Hi"}`), chunkOf(`{"text":" all"}`), chunkOf(`{"text":""}`, stop))
	f("start part delta sign end finish END", []api.Part{{Kind: api.Text, Text: "Hi", Signature: "c2ln", Vendor: api.Google}}, api.FinishStop,
		chunkOf(`{"text":"Hi"}`), chunkOf(`{"text":"","thoughtSignature":"c2ln"}`, stop))
	f("start part delta sign end part delta end finish END",
		[]api.Part{{Kind: api.Text, Text: "a", Signature: "c2ln", Vendor: api.Google}, text("b")}, api.FinishLength,
		chunkOf(`{"text":"a","thoughtSignature":"c2ln"}`), chunkOf(`{"text":"b"}`), chunkOf(``, `,"finishReason":"MAX_TOKENS"`), chunkOf(``, stop))
	one, two := call("plexus_call_r_1", "f", `{"n":1e-7}`), call("own", "g", ``)
	one.Signature, one.Vendor = "c2ln", api.Google
	f("start part delta sign end part end finish END", []api.Part{one, two}, api.FinishToolCalls,
		chunkOf(`{"functionCall":{"name":"f","args":{"n":1e-7}},"thoughtSignature":"c2ln"},{"functionCall":{"id":"own","name":"g"}}`, stop))
	image := api.Part{Kind: api.Image, Media: &api.Media{MIME: "image/png", Data: "AAAA"}}
	f("start part delta end part end part sign end part delta end finish END",
		[]api.Part{
			text("a"),
			{Kind: api.Opaque, Vendor: api.Google, Source: api.Gemini, Raw: json.RawMessage(`{"executableCode":{"code":"1"}}`)},
			{Kind: api.Image, Media: image.Media, Signature: "c2ln", Vendor: api.Google},
			text("b"),
		}, api.FinishStop,
		chunkOf(`{"text":"a"}`), chunkOf(`{"executableCode":{"code":"1"}}`), chunkOf(`{"inlineData":{"mimeType":"image/png","data":"AAAA"},"thoughtSignature":"c2ln"}`), chunkOf(`{"text":"b"}`, stop))
	// Half a surrogate pair stays what it is until the other half comes.
	h := listen(t, chunkOf(`{"text":"\ud83d"}`), chunkOf(`{"text":"\ude00"}`, stop))
	require.True(t, h.ended)
	// Odd things that occur.
	f("start part delta end finish END", []api.Part{text("a")}, api.FinishStop,
		``, `{"unknown":1}`, chunkOf(`{"text":null},{},{"text":"a","thought":null,"thoughtSignature":null}`), `{"candidates":[]}`, `{"candidates":null,"usageMetadata":null}`,
		`{"candidates":[{"content":{"role":"model"}}]}`, `{"candidates":[{"content":null,"finishReason":null}]}`, chunkOf(`{"functionCall":{}}`, stop), `[DONE]`)
	require.False(t, listen(t, chunkOf(`{"text":"a"}`, `,"finishReason":"FINISH_REASON_UNSPECIFIED"`)).ended, "no reason is none")
	f("start finish END", nil, api.FinishContentFilter, `{"promptFeedback":{"blockReason":"SAFETY"},"modelVersion":"g","responseId":"r"}`)
}

func TestDecodeStreamUsageAndTime(t *testing.T) {
	h := listen(t,
		`{"candidates":[{"content":{"parts":[{"text":"a"}]}}],"usageMetadata":{"promptTokenCount":3},"createTime":"2026-05-04T20:01:02.264968Z"}`,
		`{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1,"thoughtsTokenCount":2}}`, `{"usageMetadata":{"trafficType":"x"}}`)
	require.Equal(t, "start part delta end finish usage END", strings.Join(h.events, " "))
	require.Equal(t, api.Usage{Input: 3, Output: 1, Reasoning: 2, Known: true}, h.resp.Usage)
	require.EqualValues(t, 1777924862, h.resp.Created)
}

func TestDecodeStreamOfSeveralCandidates(t *testing.T) {
	h := listen(t, `{"candidates":[{"index":0,"content":{"parts":[{"text":"a"}]}},{"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"STOP"}]}`,
		`{"candidates":[{"index":0,"content":{"parts":[{"text":"c"}]},"finishReason":"MAX_TOKENS"}]}`)
	require.Equal(t, "start part delta part delta delta end end finish finish END", strings.Join(h.events, " "))
	require.Equal(t, "ac", h.resp.Choices[0].Parts[0].Text)
	require.Equal(t, "b", h.resp.Choices[1].Parts[0].Text)
	require.Equal(t, api.FinishLength, h.resp.Choices[0].Finish)
}

func TestDecodeStreamErrors(t *testing.T) {
	f := func(raw string, status int) {
		t.Helper()
		h := listen(t, chunkOf(`{"text":"a"}`), raw, chunkOf(`{"text":"b"}`, stop))
		require.False(t, h.ended)
		require.Equal(t, "start part delta error", strings.Join(h.events, " "))
		require.Equal(t, status, h.err.Status)
		require.Equal(t, "Oh.", h.err.Message)
	}
	f(`{"error":{"code":503,"message":"Oh.","status":"UNAVAILABLE"}}`, 503)
	f(`{"error":{"code":429,"message":"Oh.","status":"RESOURCE_EXHAUSTED"}}`, 429)
	f(`{"error":{"code":400,"message":"Oh.","status":"INVALID_ARGUMENT"}}`, 400)
	f(`{"error":{"code":500,"message":"Oh.","status":"INTERNAL"}}`, 502)
	f(`{"error":{"message":"Oh.","status":"UNAVAILABLE"}}`, 503)
	f(`{"error":"Oh."}`, 502)
	require.Error(t, codec.NewStreamDecoder().Decode(nil, []byte(`{"candidates":[`), func(*api.Event) {}))
}

func TestPartialArguments(t *testing.T) {
	f := func(want string, pieces ...string) {
		t.Helper()
		chunks := []string{chunkOf(`{"functionCall":{"name":"f","willContinue":true},"thoughtSignature":"c2ln"}`)}
		for _, piece := range pieces {
			chunks = append(chunks, chunkOf(`{"functionCall":{"partialArgs":[`+piece+`],"willContinue":true}}`))
		}
		for _, last := range [][]string{{chunkOf(`{"functionCall":{}}`, stop)}, {chunkOf(`{"text":"b"}`, stop)}, {chunkOf(``, stop)}, {chunkOf(`{"functionCall":{}}`), chunkOf(``, stop)}} {
			h := listen(t, append(chunks, last...)...)
			require.True(t, h.ended)
			part := h.resp.Choices[0].Parts[0]
			require.Equal(t, want, part.Call.Arguments)
			require.Equal(t, "c2ln", part.Signature)
		}
	}
	f(``)
	f(`{"a":"Boston, \"MA\" é"}`, `{"jsonPath":"$.a","stringValue":"Bos","willContinue":true}`, `{"jsonPath":"$.a","stringValue":"ton, \"MA\"","willContinue":true}`, `{"jsonPath":"$.a","stringValue":" é"}`)
	f(`{"n":12345678901234567890,"b":true,"x":null,"s":""}`, `{"jsonPath":"$.n","numberValue":12345678901234567890}`, `{"jsonPath":"$.b","boolValue":true},{"jsonPath":"$.x","nullValue":null}`, `{"jsonPath":"$.s","stringValue":""}`)
	f(`{"l":[{"a":"1","b":[2]},{"a":"3"}],"z":{"y.z":"4"}}`, `{"jsonPath":"$.l[0].a","stringValue":"1"}`, `{"jsonPath":"$.l[0].b[0]","numberValue":2}`,
		`{"jsonPath":"$.l[1].a","stringValue":"3"}`, `{"jsonPath":"$['z'][\"y.z\"]","stringValue":"4"}`)
	f(`{"a":"two"}`, `{"jsonPath":"$.a","stringValue":"one"}`, `{"jsonPath":"$.a","stringValue":"two"}`)
}

// recorded is the chunks of a recording.
func recorded(t *testing.T, name string) []string {
	t.Helper()
	for _, file := range recordings(t, "vercel-ai/google/*.chunks.txt") {
		if filepath.Base(file) == name+".chunks.txt" {
			return strings.Split(strings.TrimSpace(string(read(t, file))), "\n")
		}
	}
	t.Fatal(name)
	return nil
}

func TestRecordedStreamsDecode(t *testing.T) {
	f := func(name string, want ...string) {
		t.Helper()
		chunks := recorded(t, name)
		h := listen(t, chunks...)
		require.True(t, h.ended, name)
		var got []string
		for _, part := range h.resp.Choices[0].Parts {
			switch part.Kind {
			case api.Text:
				got = append(got, part.Text)
			case api.ToolCall:
				got = append(got, part.Call.Name+" "+part.Call.Arguments)
			}
		}
		require.Equal(t, want, got, name)
		require.True(t, h.resp.Usage.Known)
		// Cut before the chunk with the reason.
		for n := range chunks {
			if strings.Contains(chunks[n], `"finishReason"`) {
				break
			}
			require.False(t, listen(t, chunks[:n+1]...).ended, "cut after %d", n)
		}
	}
	f("google-reasoning-gemini3", "There are **3** \"r\"s in strawberry.\n\nSt**r**awbe**rr**y")
	f("google-stream-tool-call-arguments", `getWeather {"location":"Boston"}`, `getWeather {"location":"San Francisco"}`)
	f("google-stream-no-args-tool-call", "read_theme ", `read_screen {"id":"A"}`, `read_screen {"id":"B"}`, `read_screen {"id":"C"}`)

	for _, name := range []string{"google-vertex-stream-tool-call-arguments-nested.1", "google-stream-tool-call-array-arguments-missing-terminal-function-call"} {
		h := listen(t, recorded(t, name)...)
		require.True(t, h.ended)
		require.Len(t, h.resp.Choices[0].Parts, 1)
		require.Equal(t, api.FinishToolCalls, h.resp.Choices[0].Finish)
		require.Equal(t, collected(t, recorded(t, name)), h.resp.Choices[0].Parts[0].Call.Arguments)
	}
}

// collected is the strings and numbers of a recording in the order in which they
// were sent, put together by the paths that they name with nothing but text.
func collected(t *testing.T, chunks []string) string {
	t.Helper()
	values := map[string]string{}
	var paths []string
	for _, chunk := range chunks {
		var c struct {
			Candidates []struct {
				Content struct {
					Parts []struct {
						FunctionCall struct {
							PartialArgs []struct {
								JSONPath    string       `json:"jsonPath"`
								StringValue *string      `json:"stringValue"`
								NumberValue *json.Number `json:"numberValue"`
							} `json:"partialArgs"`
						} `json:"functionCall"`
					} `json:"parts"`
				} `json:"content"`
			} `json:"candidates"`
		}
		require.NoError(t, json.Unmarshal([]byte(chunk), &c))
		for _, part := range c.Candidates[0].Content.Parts {
			for _, arg := range part.FunctionCall.PartialArgs {
				if _, ok := values[arg.JSONPath]; !ok {
					paths = append(paths, arg.JSONPath)
				}
				switch {
				case arg.StringValue != nil:
					values[arg.JSONPath] += *arg.StringValue
				case arg.NumberValue != nil:
					values[arg.JSONPath] = "#" + arg.NumberValue.String()
				}
			}
		}
	}
	var root any = map[string]any{}
	for _, path := range paths {
		var leaf any = values[path]
		if n, ok := strings.CutPrefix(values[path], "#"); ok {
			leaf = json.Number(n)
		}
		root = put(root, strings.FieldsFunc(strings.TrimPrefix(path, "$"), func(r rune) bool { return r == '.' || r == '[' || r == ']' }), leaf)
	}
	return ordered(t, root, paths)
}

func put(at any, steps []string, leaf any) any {
	if len(steps) == 0 {
		return leaf
	}
	if i := strings.IndexAny(steps[0], "0123456789"); i == 0 {
		list, _ := at.([]any)
		n := int(steps[0][0] - '0')
		if len(steps[0]) > 1 {
			n = n*10 + int(steps[0][1]-'0')
		}
		for len(list) <= n {
			list = append(list, nil)
		}
		list[n] = put(list[n], steps[1:], leaf)
		return list
	}
	object, ok := at.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	object[steps[0]] = put(object[steps[0]], steps[1:], leaf)
	return object
}

// ordered writes a value with its members in the order of their first paths.
func ordered(t *testing.T, v any, paths []string) string {
	t.Helper()
	switch v := v.(type) {
	case map[string]any:
		var keys []string
		for _, path := range paths {
			for _, step := range strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' }) {
				if _, ok := v[step]; ok && !slices.Contains(keys, step) {
					keys = append(keys, step)
				}
			}
		}
		out := "{"
		for i, key := range keys {
			if i > 0 {
				out += ","
			}
			out += string(api.Quote(key)) + ":" + ordered(t, v[key], paths)
		}
		return out + "}"
	case []any:
		out := "["
		for i := range v {
			if i > 0 {
				out += ","
			}
			out += ordered(t, v[i], paths)
		}
		return out + "]"
	case string:
		return string(api.Quote(v))
	default:
		return asJSON(t, v)
	}
}

func TestRecordedAnswersDecode(t *testing.T) {
	for _, file := range recordings(t, "vercel-ai/google/google-reasoning-gemini3.json") {
		resp := answer(t, string(read(t, file)))
		require.Len(t, resp.Choices[0].Parts, 1)
		require.Equal(t, "There are **3** \"r\"s in strawberry.\n\nHere is the breakdown: st**r**awbe**rr**y.", resp.Choices[0].Parts[0].Text)
		require.NotEmpty(t, resp.Choices[0].Parts[0].Signature)
		require.Equal(t, api.FinishStop, resp.Choices[0].Finish)
		require.Equal(t, api.Usage{Input: 9, Output: 29, Reasoning: 258, Known: true}, resp.Usage)

		// A stream of the one chunk says the same as the answer.
		var compact bytes.Buffer
		require.NoError(t, json.Compact(&compact, read(t, file)))
		h := listen(t, compact.String())
		require.True(t, h.ended)
		resp.Source = ""
		require.Equal(t, resp, h.resp)
	}
}

// write encodes events and reads the stream that they become.
func write(t *testing.T, req *api.Request, events ...*api.Event) []string {
	t.Helper()
	e := codec.NewStreamEncoder(req)
	var out []byte
	for _, ev := range events {
		out = e.Encode(out, ev)
	}
	var chunks []string
	reader := sse.NewReader(bytes.NewReader(out))
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return chunks
		}
		require.NoError(t, err)
		require.Empty(t, ev.Name)
		if ev.Data == nil {
			continue // the bare text of an error, see api.API.ErrorEvent
		}
		require.True(t, json.Valid(ev.Data), "%s", ev.Data)
		chunks = append(chunks, string(ev.Data))
	}
}

func TestEncodeStream(t *testing.T) {
	part := func(choice, index int, p api.Part) *api.Event {
		return &api.Event{Kind: api.PartStart, Choice: choice, Part: index, Content: &p}
	}
	delta := func(choice, index int, s string) *api.Event {
		return &api.Event{Kind: api.Delta, Choice: choice, Part: index, Text: api.Quote(s)}
	}
	end := func(choice, index int) *api.Event { return &api.Event{Kind: api.PartEnd, Choice: choice, Part: index} }
	start := &api.Event{Kind: api.Start, ID: "msg_1", Model: "claude"}
	usage := &api.Event{Kind: api.UsageEvent, Usage: api.Usage{Input: 3, CacheRead: 4, Output: 5, Reasoning: 6, Known: true}}
	got := write(t, &api.Request{Model: "mine"}, start, &api.Event{Kind: api.Ping},
		part(0, 0, api.Part{Kind: api.Thinking}), delta(0, 0, "hm"),
		part(0, 1, api.Part{Kind: api.Text}), delta(0, 1, "Hi"), delta(0, 0, " so"),
		&api.Event{Kind: api.Signature, Part: 0, Content: &api.Part{Signature: "sig", Vendor: api.Anthropic}}, end(0, 0), delta(0, 1, " all"), end(0, 1),
		part(0, 2, call("t1", "f", "")), part(0, 3, call("t2", "g", "")), delta(0, 2, `{"a":`), delta(0, 3, `{"b`), delta(0, 2, "1}"), end(0, 2), end(0, 3),
		&api.Event{Kind: api.Finished, Finish: api.FinishToolCalls}, usage, &api.Event{Kind: api.End}, delta(0, 9, "late"), &api.Event{Kind: api.End})
	content := func(parts, more string) string {
		return `{"candidates":[{"content":{"parts":[` + parts + `],"role":"model"}` + more + `,"index":0}],"modelVersion":"claude","responseId":"msg_1"}`
	}
	want := []string{
		content(`{"text":"hm","thought":true}`, ``), content(`{"text":" so","thought":true}`, ``),
		content(`{"text":"","thought":true,"thoughtSignature":"cGxleHVzOmFudGhyb3BpYzpzaWc="}`, ``),
		content(`{"text":"Hi"}`, ``), content(`{"text":" all"}`, ``),
		content(`{"functionCall":{"id":"t1","name":"f","args":{"a":1}}}`, ``), content(`{"functionCall":{"id":"t2","name":"g","args":{"_raw":"{\"b"}}}`, ``),
	}
	require.Len(t, got, len(want)+1)
	for i := range want {
		require.JSONEq(t, want[i], got[i])
	}
	require.JSONEq(t, `{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],
		"usageMetadata":{"promptTokenCount":7,"cachedContentTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":6,"totalTokenCount":18},"modelVersion":"claude","responseId":"msg_1"}`, got[len(want)])
	require.NotContains(t, strings.Join(got, ""), "[DONE]")

	// An error has no mark of success.
	got = write(t, nil, start, part(0, 0, text("")), delta(0, 0, "a"), &api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: 529, Message: "Oh."}}, &api.Event{Kind: api.End})
	require.Contains(t, got[1], `"message":"Oh."`)
	require.NotContains(t, strings.Join(got, ""), "finishReason")

	// Candidates.
	got = write(t, &api.Request{Model: "mine"}, &api.Event{Kind: api.Start}, part(0, 0, text("")), part(1, 0, text("")), delta(1, 0, "b"), delta(0, 0, "a"), end(1, 0), end(0, 0),
		&api.Event{Kind: api.Finished, Finish: api.FinishLength}, &api.Event{Kind: api.Finished, Choice: 1, Finish: api.FinishRefusal}, &api.Event{Kind: api.End})
	h := listen(t, got...)
	require.Equal(t, "a", h.resp.Choices[0].Parts[0].Text)
	require.Equal(t, "b", h.resp.Choices[1].Parts[0].Text)
	require.Equal(t, api.FinishLength, h.resp.Choices[0].Finish)
	require.Equal(t, api.FinishContentFilter, h.resp.Choices[1].Finish)
	require.Equal(t, "mine", h.resp.Model)
	require.False(t, h.resp.Usage.Known)

	// Line breaks within arguments, and a pair of surrogates in two pieces.
	got = write(t, nil, start, part(0, 0, call("c", "f", "")), delta(0, 0, "{\n \"a\":\""),
		&api.Event{Kind: api.Delta, Text: []byte(`"\ud83d"`)}, &api.Event{Kind: api.Delta, Text: []byte(`"\ude00"`)}, delta(0, 0, "\"}\n"), end(0, 0), &api.Event{Kind: api.End})
	require.JSONEq(t, content(`{"functionCall":{"id":"c","name":"f","args":{"a":"😀"}}}`, ``), got[0])
}

// What is decoded and encoded decodes to the same.
func TestStreamIdentity(t *testing.T) {
	f := func(chunks ...string) {
		t.Helper()
		var events []*api.Event
		d := codec.NewStreamDecoder()
		encoder := codec.NewStreamEncoder(nil)
		var out []byte
		emit := func(ev *api.Event) {
			events = append(events, ev)
			out = encoder.Encode(out, ev)
		}
		for _, chunk := range chunks {
			require.NoError(t, d.Decode(nil, []byte(chunk), emit))
		}
		require.True(t, d.Close(emit))
		var again []string
		for line := range strings.SplitSeq(string(out), "\n\n") {
			if line != "" {
				again = append(again, strings.TrimPrefix(line, "data: "))
			}
		}
		want, got := listen(t, chunks...), listen(t, again...)
		require.Equal(t, want.events, got.events)
		for _, choice := range append(want.resp.Choices, got.resp.Choices...) {
			for i := range choice.Parts {
				if c := choice.Parts[i].Call; c != nil && c.Arguments == "" {
					c.Arguments = "{}"
				}
			}
		}
		require.Equal(t, want.resp, got.resp)
	}
	grounding := `,"groundingMetadata":{"groundingChunks":[{"web":{"uri":"https://a","title":"A"}}],"groundingSupports":[{"segment":{"startIndex":1,"endIndex":3},"groundingChunkIndices":[0]}]}`
	f(chunkOf(`{"text":"hm","thought":true,"thoughtSignature":"c2ln"}`), chunkOf(`{"text":"aé","thoughtSignature":"c2ln"}`), chunkOf(``, stop, grounding),
		`{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1}}`)
	f(chunkOf(`{"functionCall":{"name":"f","args":{"n":1e-7,"s":"\u2028\n"}},"thoughtSignature":"c2ln"}`), chunkOf(`{"functionCall":{"id":"x","name":"g","args":{}}},{"executableCode":{"code":"1"}},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}`, stop))
	for _, name := range []string{"google-reasoning-gemini3", "google-stream-tool-call-arguments", "google-vertex-stream-tool-call-arguments-nested.1"} {
		f(recorded(t, name)...)
	}
}

// Google repeats in each chunk what it said of its sources before.
func TestDecodeStreamTellsASourceOnce(t *testing.T) {
	grounding := func(chunks, supports string) string {
		return `,"groundingMetadata":{"groundingChunks":[` + chunks + `],"groundingSupports":[` + supports + `]}`
	}
	one, two := `{"web":{"uri":"https://a","title":"A"}}`, `{"web":{"uri":"https://b","title":"B"}}`
	first, second := `{"segment":{"endIndex":2},"groundingChunkIndices":[0]}`, `{"segment":{"startIndex":2,"endIndex":4},"groundingChunkIndices":[1]}`
	h := listen(t, chunkOf(`{"text":"ab"}`, grounding(one, first)), chunkOf(`{"text":"cd"}`, grounding(one, first)),
		chunkOf(``, grounding(one+","+two, first+","+second)), chunkOf(``, stop, grounding(one+","+two, first+","+second)))
	require.True(t, h.ended)
	var got []api.Citation
	for _, part := range h.resp.Choices[0].Parts {
		for _, c := range part.Citations {
			got = append(got, api.Citation{URL: c.URL, Start: c.Start, End: c.End})
		}
	}
	require.Equal(t, []api.Citation{{URL: "https://a", End: 2}, {URL: "https://b", Start: 2, End: 4}}, got)
}

// Without alt=sse a stream is one list, an answer at a time.
func TestEncodeStreamAsAList(t *testing.T) {
	f := func(want string, events ...*api.Event) {
		t.Helper()
		e := codec.NewArrayEncoder(&api.Request{Model: "mine"})
		var out []byte
		for _, ev := range events {
			out = e.Encode(out, ev)
		}
		require.JSONEq(t, want, string(out))
	}
	start, part := &api.Event{Kind: api.Start, ID: "r"}, &api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.Text}}
	delta, end := &api.Event{Kind: api.Delta, Text: api.Quote("Hi")}, &api.Event{Kind: api.End}
	chunk := `{"candidates":[{"content":{"parts":[{"text":"Hi"}],"role":"model"},"index":0}],"modelVersion":"mine","responseId":"r"}`
	f(`[`+chunk+`,`+chunk+`,{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}],"modelVersion":"mine","responseId":"r"}]`,
		start, part, delta, delta, end, end)
	failed := &api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: 503, Message: "Oh."}}
	f(`[`+chunk+`,{"error":{"code":503,"message":"Oh.","status":"UNAVAILABLE"}}]`, start, part, delta, failed, end)
	f(`[{"error":{"code":503,"message":"Oh.","status":"UNAVAILABLE"}}]`, failed)
}

// A stream may be cut anywhere, within a character as well: what is told of it
// is what came, and it is whole only with its reason to end.
func TestDecodeStreamCutAtEveryByte(t *testing.T) {
	var stream []byte
	for _, data := range []string{
		chunkOf(`{"text":"hm ü","thought":true}`), chunkOf(`{"text":"Grüße 😀\n"}`), chunkOf(`{"text":"\ud83d\ude00 all","thoughtSignature":"c2ln"}`),
		chunkOf(`{"functionCall":{"name":"f","args":{"é":"ü"}}}`), chunkOf(``, stop),
		`{"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1}}`,
	} {
		stream = append(append(append(stream, "data: "...), data...), "\r\n\r\n"...)
	}
	finish := bytes.Index(stream, []byte(`"index":0}],"modelVersion":"g","responseId":"r"}`+"\r\n\r\ndata: {\"usage"))
	require.Positive(t, finish)
	hear := func(raw []byte) (texts []string, whole bool) {
		d, reader := codec.NewStreamDecoder(), sse.NewReader(iotest.OneByteReader(bytes.NewReader(raw)))
		var all api.Accumulator
		for {
			ev, err := reader.Next()
			if err != nil || d.Decode(ev.Name, ev.Data, all.Add) != nil {
				break
			}
		}
		whole = d.Close(all.Add)
		resp, ended := all.Response()
		require.Equal(t, whole, ended)
		for _, choice := range resp.Choices {
			for _, part := range choice.Parts {
				texts = append(texts, part.Text)
			}
		}
		return texts, whole
	}
	full, whole := hear(stream)
	require.True(t, whole)
	require.Equal(t, []string{"hm ü", "Grüße 😀\n😀 all", ""}, full)
	for cut := range stream {
		texts, whole := hear(stream[:cut])
		require.LessOrEqual(t, len(texts), len(full))
		for i, text := range texts {
			require.True(t, strings.HasPrefix(full[i], text) && utf8.ValidString(text), "cut after %d bytes: %q", cut, text)
		}
		require.False(t, whole && cut < finish, "cut after %d bytes", cut)
	}
}

// An error that does not say what it is gets a sentence all the same.
func TestDecodeStreamErrorsWithoutAMessage(t *testing.T) {
	h := listen(t, `{"error":{"code":503}}`)
	require.Equal(t, "The provider reports an error in its stream.", h.err.Message)
}
