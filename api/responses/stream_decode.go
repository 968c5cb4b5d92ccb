package responses

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/openai"
)

// NewStreamDecoder implements api.Codec.
func (Codec) NewStreamDecoder() api.StreamDecoder { return &streamDecoder{} }

// streamDecoder follows
// https://platform.openai.com/docs/api-reference/responses-streaming. Deltas count
// where there are some; the events that repeat a text, an item or all of them tell
// what is missing.
type streamDecoder struct {
	emit    func(*api.Event)
	ev      api.Event // the one event that all are told with
	content api.Part  // of ev
	call    api.Call  // of content

	started, over, whole bool

	id string

	items      []*inputItem // in the order in which they began
	parts      int
	characters int64 // of the texts so far

	called, refused bool
}

// wireEvent is the members of an event, as they stand in it.
type wireEvent struct {
	kind            []byte
	id              []byte // of the item, without its quotes
	output, content int    // the indexes; none where they are not said
	delta           []byte
	logprobs        []byte // of the delta
	whole           []byte // a whole text, refusal, input or arguments
	part            []byte
	item            []byte
	annotation      []byte
	response        []byte
	failure         []byte
}

// none is an index that is not said.
const none = -1

// Decode implements api.StreamDecoder. The type inside the data decides; the
// event's name only repeats it.
func (d *streamDecoder) Decode(name, data []byte, emit func(*api.Event)) error {
	if d.over || len(data) == 0 || string(data) == "[DONE]" {
		return nil
	}
	d.emit = emit
	ev := wireEvent{output: none, content: none}
	if err := ev.read(data); err != nil {
		if errors.Is(err, jsonscan.ErrNotObject) {
			return nil
		}
		// One that only lacks its last brace has said all.
		if ev = (wireEvent{output: none, content: none}); ev.read(append(bytes.Clone(data), '}')) != nil {
			return fmt.Errorf("an event that is not valid JSON: %w", err)
		}
	}
	if ev.kind == nil {
		if ev.kind = name; !api.Empty(ev.failure) {
			ev.kind = []byte("error")
		}
	}
	d.event(&ev, data)
	return nil
}

func (ev *wireEvent) read(data []byte) error {
	it := jsonscan.Object(data)
	for it.Next() {
		value := it.Value()
		switch string(it.Key) {
		case "type":
			ev.kind = trimQuotes(value)
		case "item_id":
			ev.id = trimQuotes(value)
		case "output_index":
			ev.output = index(value)
		case "content_index", "summary_index":
			ev.content = index(value)
		case "delta":
			ev.delta = value
		case "logprobs":
			ev.logprobs = value
		case "text", "refusal", "arguments", "input":
			ev.whole = value
		case "part":
			ev.part = value
		case "item":
			ev.item = value
		case "annotation":
			ev.annotation = value
		case "response":
			ev.response = value
		case "error":
			ev.failure = value
		}
	}
	return it.Err
}

func index(raw []byte) int {
	n, err := strconv.Atoi(string(raw))
	if err != nil || n < 0 {
		return none
	}
	return n
}

func trimQuotes(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	return raw[1 : len(raw)-1]
}

// event sorts the events by what they are about. Those of the provider's own
// tools say how far these are, which is a sign of life.
func (d *streamDecoder) event(ev *wireEvent, data []byte) {
	switch string(ev.kind) {
	case "response.output_text.delta":
		d.textDelta(ev, message, api.Text)
	case "response.refusal.delta":
		d.textDelta(ev, message, api.Refusal)
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		d.textDelta(ev, reasoning, api.Thinking)
	case "response.function_call_arguments.delta":
		d.callDelta(ev, functionCall)
	case "response.custom_tool_call_input.delta":
		d.callDelta(ev, customCall)
	case "response.created", "response.queued":
		d.begin(ev.response)
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled":
		d.end(ev)
	case "response.output_item.added":
		d.itemAdded(ev)
	case "response.output_item.done":
		d.itemDone(ev)
	case "error":
		d.fail(eventError(ev, data))
	default:
		if !d.repeat(ev) {
			d.begin(ev.response)
			d.ping()
		}
	}
}

// repeat takes what repeats a part, and tells whether the event is one of those.
func (d *streamDecoder) repeat(ev *wireEvent) bool {
	switch string(ev.kind) {
	case "response.output_text.done":
		d.textDone(ev, message, api.Text, ev.whole)
	case "response.refusal.done":
		d.textDone(ev, message, api.Refusal, ev.whole)
	case "response.reasoning_summary_text.done", "response.reasoning_text.done":
		d.textDone(ev, reasoning, api.Thinking, ev.whole)
	case "response.output_text.annotation.added":
		d.annotation(ev)
	case "response.content_part.done", "response.reasoning_summary_part.done":
		d.partDone(ev)
	case "response.function_call_arguments.done":
		d.callDone(ev, functionCall)
	case "response.custom_tool_call_input.done":
		d.callDone(ev, customCall)
	case "response.content_part.added", "response.reasoning_summary_part.added":
	default:
		return false
	}
	return true
}

// send tells of what ev holds.
func (d *streamDecoder) send(kind api.EventKind) {
	d.ev.Kind = kind
	d.emit(&d.ev)
	d.ev = api.Event{}
}

func (d *streamDecoder) ping() {
	if d.started {
		d.send(api.Ping)
	}
}

// begin tells that the answer has begun, by the first event that has a response,
// or else by what there is.
func (d *streamDecoder) begin(response []byte) {
	if d.started || response == nil {
		return
	}
	a, _ := readAnswer(response)
	d.start(&a)
}

func (d *streamDecoder) start(a *answer) {
	if d.started {
		return
	}
	d.started = true
	d.id = a.id
	d.ev.ID, d.ev.Model, d.ev.Created = a.id, a.model, a.created
	d.send(api.Start)
}

// fail ends the stream with an error. A stream may begin with one.
func (d *streamDecoder) fail(e *api.Error) {
	d.over = true
	d.ev.Err = e
	d.send(api.ErrorEvent)
}

// eventError reads an error event, which the reference has flat while OpenAI
// sends it nested.
func eventError(ev *wireEvent, data []byte) *api.Error {
	if !api.Empty(ev.failure) {
		return streamError(ev.failure)
	}
	return streamError(data)
}

// end takes the event that ends the stream. It holds all that there was.
func (d *streamDecoder) end(ev *wireEvent) {
	a, _ := readAnswer(ev.response)
	switch kind := string(ev.kind[len("response."):]); {
	case a.status != "completed" && a.status != "incomplete" && a.status != "failed":
		a.status = kind
	case kind != "completed":
		a.status = kind
	}
	if failure := a.failed(); failure != nil {
		if api.Empty(a.failure) && !api.Empty(ev.failure) {
			failure = streamError(ev.failure)
		}
		d.fail(failure)
		return
	}
	d.start(&a)
	d.complete(a.output)
	d.ev.Finish = finishOf(a.status, a.reason, d.called, d.refused)
	d.send(api.Finished)
	if usage := openai.Usage(a.usage, api.Usage{}); usage.Known {
		d.ev.Usage = usage
		d.send(api.UsageEvent)
	}
	d.over, d.whole = true, true
	d.send(api.End)
}

// complete tells the items of the whole output that the stream has not told, and
// ends those that it has not ended. Items are matched by how many of their kind
// came before them: some servers give other ids or the same index to all.
func (d *streamDecoder) complete(output []byte) {
	seen := map[string]int{}
	list := jsonscan.Array(output)
	for list.Next() {
		raw := list.Value()
		kind := kindOf(raw)
		item := d.nth(kind, seen[kind])
		seen[kind]++
		if item == nil {
			item = d.add(none, trimQuotes(jsonscan.Member(raw, "id")), kind)
		}
		if !item.ended {
			d.finish(item, raw)
		}
	}
	for _, item := range d.items {
		d.endItem(item)
	}
}

func (d *streamDecoder) nth(kind string, n int) *inputItem {
	for _, item := range d.items {
		if item.kind == kind {
			if n == 0 {
				return item
			}
			n--
		}
	}
	return nil
}

// Close implements api.StreamDecoder. Only the event that ends a stream tells why
// the answer ended, so that without it there is no end.
func (d *streamDecoder) Close(func(*api.Event)) bool { return d.whole }

// Interface guard
var _ api.StreamDecoder = (*streamDecoder)(nil)
