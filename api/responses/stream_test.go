package responses_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/responses"
	"github.com/caddy-plexus/plexus/api/sse"
)

var codec = responses.Codec{}

// keep copies an event, whose contents are only lent.
func keep(ev *api.Event) api.Event {
	out := *ev
	out.Text = bytes.Clone(ev.Text)
	if ev.Content != nil {
		part := *ev.Content
		part.Raw = bytes.Clone(part.Raw)
		if part.Call != nil {
			c := *part.Call
			part.Call = &c
		}
		out.Content = &part
	}
	if ev.Citation != nil {
		citation := *ev.Citation
		citation.Raw = bytes.Clone(citation.Raw)
		out.Citation = &citation
	}
	return out
}

// readStream decodes the data of a stream's events.
func readStream(t testing.TB, datas ...string) (events []api.Event, whole bool) {
	t.Helper()
	d := codec.NewStreamDecoder()
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

// writeStream encodes events, and gives the data of the stream's.
func writeStream(t testing.TB, req *api.Request, events ...api.Event) (datas []string) {
	t.Helper()
	e := codec.NewStreamEncoder(req)
	var stream []byte
	for i := range events {
		ev := keep(&events[i])
		stream = e.Encode(stream, &ev)
	}
	r := sse.NewReader(bytes.NewReader(stream))
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			return datas
		}
		require.NoError(t, err)
		if len(ev.Data) == 0 { // a comment
			continue
		}
		require.True(t, json.Valid(ev.Data), "%s", ev.Data)
		var head struct{ Type string }
		require.NoError(t, json.Unmarshal(ev.Data, &head), "%s", ev.Data)
		require.Equal(t, head.Type, string(ev.Name))
		datas = append(datas, string(ev.Data))
	}
}

// legal checks the order of neutral events.
func legal(t testing.TB, events []api.Event, whole bool) {
	t.Helper()
	// What of a part has been told, in the order in which it may be.
	const text, signature, citation = 1, 2, 3
	open := map[int]int{}
	next, finished, over := 0, false, false
	step := func(part, to int) {
		require.NotZero(t, open[part], "a part that is not open")
		require.LessOrEqual(t, open[part], to)
		open[part] = to
	}
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
			open[ev.Part] = text
			next++
		case api.Delta:
			step(ev.Part, text)
			require.True(t, json.Valid(ev.Text), "%s", ev.Text)
			require.Greater(t, len(ev.Text), 2)
		case api.Signature:
			step(ev.Part, signature)
		case api.CitationEvent:
			step(ev.Part, citation)
		case api.PartEnd:
			step(ev.Part, citation)
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

// snapshot is a response as a client puts it together from the events.
type snapshot struct {
	Output []map[string]any
}

// ordered follows a stream as OpenAI's SDK for Node does, and checks that nothing
// is told of what has not begun, that everything ends, and that the last event
// holds what the others have built.
func ordered(t testing.TB, datas []string) {
	t.Helper()
	var s snapshot
	open := map[string]bool{}
	for i, data := range datas {
		var ev map[string]any
		require.NoError(t, json.Unmarshal([]byte(data), &ev))
		require.EqualValues(t, i, ev["sequence_number"], data)
		kind := ev["type"].(string)
		switch i {
		case 0:
			require.Contains(t, []string{"response.created", "error"}, kind)
		case 1:
			require.Contains(t, []string{"response.in_progress", "error"}, kind)
		}
		switch kind {
		case "response.created", "response.in_progress":
			require.Less(t, i, 2)
			complete(t, ev["response"].(map[string]any), "in_progress")
		case "response.completed", "response.incomplete", "response.failed":
			require.Equal(t, len(datas)-1, i)
			require.Empty(t, open)
			response := ev["response"].(map[string]any)
			complete(t, response, strings.TrimPrefix(kind, "response."))
			require.Len(t, response["output"], len(s.Output))
			for i, item := range response["output"].([]any) {
				require.Equal(t, s.Output[i], item)
			}
		case "error":
			require.GreaterOrEqual(t, i, len(datas)-2, "only the failed response may follow")
			require.NotEmpty(t, ev["message"])
			require.NotEmpty(t, ev["error"].(map[string]any)["message"])
		default:
			s.apply(t, open, kind, ev)
		}
	}
}

// complete checks that a response has what the SDKs take for granted.
func complete(t testing.TB, response map[string]any, status string) {
	t.Helper()
	require.Equal(t, status, response["status"])
	require.Equal(t, "response", response["object"])
	require.NotEmpty(t, response["id"])
	require.NotZero(t, response["created_at"])
	for _, name := range []string{
		"error", "incomplete_details", "instructions", "max_output_tokens", "metadata", "model", "output",
		"parallel_tool_calls", "previous_response_id", "reasoning", "service_tier", "store", "temperature", "text",
		"tool_choice", "tools", "top_p", "truncation", "usage", "user",
	} {
		require.Contains(t, response, name)
	}
	require.Equal(t, status == "in_progress", response["usage"] == nil)
	require.Equal(t, status == "failed", response["error"] != nil)
	require.Equal(t, status == "incomplete", response["incomplete_details"] != nil)
}

func (s *snapshot) apply(t testing.TB, open map[string]bool, kind string, ev map[string]any) {
	t.Helper()
	n := int(ev["output_index"].(float64))
	switch kind {
	case "response.output_item.added":
		require.Len(t, s.Output, n)
		require.Empty(t, open)
		item := ev["item"].(map[string]any)
		if item["status"] == "in_progress" { // not passed on as it was
			require.NotEmpty(t, item["id"])
		}
		s.Output = append(s.Output, item)
		open["item"] = true
		return
	case "response.output_item.done":
		require.Equal(t, map[string]bool{"item": true}, open)
		item := ev["item"].(map[string]any)
		require.Equal(t, s.Output[n]["id"], item["id"])
		for _, name := range []string{"content", "summary", "arguments", "input", "name", "call_id", "namespace"} {
			require.Equal(t, s.Output[n][name], item[name], name)
		}
		s.Output[n] = item
		delete(open, "item")
		return
	}
	require.True(t, open["item"])
	require.Len(t, s.Output, n+1)
	item := s.Output[n]
	require.Equal(t, item["id"], ev["item_id"])
	if name, ok := callEvents[kind]; ok {
		if strings.HasSuffix(kind, ".delta") {
			require.NotEmpty(t, ev["delta"])
			item[name] = item[name].(string) + ev["delta"].(string)
		} else {
			require.Equal(t, item[name], ev[name])
		}
		return
	}
	s.applyPart(t, open, kind, ev, item)
}

var callEvents = map[string]string{
	"response.function_call_arguments.delta": "arguments",
	"response.function_call_arguments.done":  "arguments",
	"response.custom_tool_call_input.delta":  "input",
	"response.custom_tool_call_input.done":   "input",
}

func (s *snapshot) applyPart(t testing.TB, open map[string]bool, kind string, ev, item map[string]any) {
	t.Helper()
	list, index := "content", "content_index"
	if strings.Contains(kind, "summary") {
		list, index = "summary", "summary_index"
	}
	parts := item[list].([]any)
	at := int(ev[index].(float64))
	if strings.HasSuffix(kind, "_part.added") {
		require.Len(t, parts, at)
		require.False(t, open["part"])
		open["part"] = true
		item[list] = append(parts, ev["part"])
		return
	}
	require.Len(t, parts, at+1)
	require.True(t, open["part"])
	part := parts[at].(map[string]any)
	name := "text"
	if part["type"] == "refusal" {
		name = "refusal"
	}
	switch {
	case strings.HasSuffix(kind, ".annotation.added"):
		annotations := part["annotations"].([]any)
		require.EqualValues(t, len(annotations), ev["annotation_index"])
		part["annotations"] = append(annotations, ev["annotation"])
	case strings.HasSuffix(kind, ".delta"):
		require.NotEmpty(t, ev["delta"])
		part[name] = part[name].(string) + ev["delta"].(string)
	case strings.HasSuffix(kind, "_part.done"):
		require.Equal(t, part, ev["part"])
		delete(open, "part")
	default:
		require.Contains(t, []string{"response.output_text.done", "response.refusal.done", "response.reasoning_summary_text.done"}, kind)
		require.Equal(t, part[name], ev[name])
	}
}

// Probabilities come with the pieces to which they belong, and with their text.
func TestStreamedLogprobs(t *testing.T) {
	const a, b = `{"token":"a","logprob":-1e-7,"top_logprobs":[]}`, `{"token":"b","logprob":-2,"top_logprobs":[]}`
	events, whole := readStream(t, created,
		`{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"a","logprobs":[`+a+`]}`,
		`{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"b","logprobs":[`+b+`]}`,
		completed)
	require.True(t, whole)
	require.JSONEq(t, `{"content":[`+a+`,`+b+`],"refusal":null}`, string(accumulate(events).Choices[0].Logprobs))
	wire := strings.Join(writeStream(t, nil, events...), "\n")
	require.Contains(t, wire, `"delta":"a","logprobs":[`+a+`]`)
	require.Contains(t, wire, `"logprobs":[`+a+`,`+b+`],"text":"ab"`)
}
