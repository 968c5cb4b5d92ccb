package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/openai"
)

// NewStreamDecoder implements api.Codec.
func (Codec) NewStreamDecoder() api.StreamDecoder { return &streamDecoder{} }

// streamDecoder reads the chunks of one stream. It says that a choice has
// finished only when the whole stream has: until then others may go on, servers
// send a second finish_reason, and some add to what had ended.
type streamDecoder struct {
	emit    func(*api.Event)
	ev      api.Event
	content api.Part // of ev
	call    api.Call // of content

	started, over bool
	id, model     string
	created       int64
	usage         []byte // the last one that was told
	sources       sources
	choices       []*choiceState
}

// maxChoices bounds what a broken stream can make us keep; OpenAI allows 128.
const maxChoices = 1024

// Decode implements api.StreamDecoder.
func (d *streamDecoder) Decode(name, data []byte, emit func(*api.Event)) error {
	if d.over {
		return nil
	}
	d.emit = emit
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0:
		if d.started {
			d.send(api.Ping)
		}
		return nil
	case string(data) == "[DONE]":
		d.end()
		return nil
	case data[0] != '{':
		if !jsonscan.Valid(data) {
			return errors.New("a chunk is not valid JSON")
		}
		return nil
	}
	return d.chunk(data, string(name) == "error")
}

// Close implements api.StreamDecoder.
func (d *streamDecoder) Close(emit func(*api.Event)) bool {
	if d.over {
		return d.ev.Kind == api.End
	}
	d.emit = emit
	finished := 0
	for _, c := range d.choices {
		if c.seen && !c.finished {
			return false
		}
		if c.seen {
			finished++
		}
	}
	if finished > 0 {
		d.end()
	}
	return finished > 0
}

// chunk reads one chunk. The choices come last, as the id that stands behind
// them is wanted before them.
func (d *streamDecoder) chunk(data []byte, bad bool) error {
	var choices, failure, message []byte
	it := jsonscan.Object(data)
	for it.Next() {
		switch string(it.Key) {
		case "choices":
			choices = it.Value()
		case "error", "errors":
			failure = it.Value()
		case "message", "detail":
			message = it.Value()
		default:
			d.member(string(it.Key), it.Value())
		}
	}
	switch {
	case it.Err != nil:
		return it.Err
	case failed(failure) && (failure[0] == '{' || failure[0] == '"'):
		d.fail(streamError(failure))
		return nil
	case bad, failed(failure), choices == nil && !api.Empty(message):
		d.fail(streamError(data))
		return nil
	}
	if !api.Empty(choices) {
		d.start()
		return d.each(choices)
	}
	// Azure's first chunk tells of the prompt's filters and has no id yet.
	if d.id != "" && choices != nil {
		d.start()
	}
	return nil
}

// member reads a member of a chunk that stands beside the choices.
func (d *streamDecoder) member(name string, value []byte) {
	switch name {
	case "id":
		if d.id == "" {
			d.id = textOf(value)
		}
	case "model":
		if d.model == "" {
			d.model = textOf(value)
		}
	case "created":
		if d.created == 0 {
			d.created = seconds(value)
		}
	case "usage":
		d.used(value)
	case "x_groq": // where include_usage was not asked for
		d.used(jsonscan.Member(value, "usage"))
	case "citations", "search_results":
		d.sources.member(name, value)
	}
}

// used keeps a usage, of which some servers have one in every chunk.
func (d *streamDecoder) used(raw []byte) {
	if !api.Empty(raw) {
		d.usage = append(d.usage[:0], raw...)
	}
}

func (d *streamDecoder) each(choices []byte) error {
	it := jsonscan.Array(choices)
	for i := 0; it.Next() && !d.over; i++ {
		raw := it.Value()
		index := i
		if n, err := strconv.Atoi(string(jsonscan.Member(raw, "index"))); err == nil && n >= 0 {
			index = n
		}
		if index >= maxChoices {
			return at("choices", at("index", expected("a smaller number")))
		}
		d.choice(index).read(raw)
	}
	if it.Err != nil {
		return at("choices", it.Err)
	}
	return nil
}

func (d *streamDecoder) choice(index int) *choiceState {
	for len(d.choices) <= index {
		d.choices = append(d.choices, &choiceState{d: d, index: len(d.choices), open: none})
	}
	return d.choices[index]
}

func (d *streamDecoder) send(kind api.EventKind) {
	d.ev.Kind = kind
	d.emit(&d.ev)
}

func (d *streamDecoder) start() {
	if d.started {
		return
	}
	d.started = true
	d.ev = api.Event{ID: d.id, Model: d.model, Created: d.created}
	d.send(api.Start)
	d.ev = api.Event{}
}

// fail ends the stream with an error. A stream may begin with one.
func (d *streamDecoder) fail(e *api.Error) {
	d.over = true
	d.ev = api.Event{Err: e}
	d.send(api.ErrorEvent)
}

// broke ends the stream for a finish_reason that is no success.
func (d *streamDecoder) broke(reason string, status int, raw []byte) {
	if failed(raw) {
		d.fail(streamError(raw))
		return
	}
	d.fail(&api.Error{Status: status, Message: "The provider ended its answer with the finish reason " + reason + "."})
}

// end says what is left to say. A stream may end without a finish_reason, but
// not without its [DONE] then.
func (d *streamDecoder) end() {
	d.start()
	if len(d.choices) == 0 {
		d.choice(0).seen = true
	}
	for _, c := range d.choices {
		c.endAll()
	}
	for _, c := range d.choices {
		if !c.seen {
			continue
		}
		d.ev = api.Event{Choice: c.index, Finish: finish(c.reason, c.called, c.refused), StopSequence: c.stop, Logprobs: c.odds}
		if c.stop != "" && d.ev.Finish == api.FinishStop {
			d.ev.Finish = api.FinishStopSequence
		} else {
			d.ev.StopSequence = ""
		}
		d.send(api.Finished)
	}
	if usage := openai.Usage(d.usage, api.Usage{}); usage.Known {
		d.ev = api.Event{Usage: usage}
		d.send(api.UsageEvent)
	}
	d.over = true
	d.ev = api.Event{}
	d.send(api.End)
}

// none is the number of a part that there is not.
const none = -1

// choiceState is where one of the answers stands.
type choiceState struct {
	d        *streamDecoder
	index    int
	parts    int // begun so far
	open     int // the part that is no call and still open, or none
	kind     api.Kind
	tail     int  // what of the open part's end was told: see below
	summary  bool // the open part came from a reasoning.summary
	plain    bool // reasoning comes outside of the details
	calls    []*callState
	spoken   *speech
	odds     json.RawMessage // of tokens that came without a text
	called   bool
	refused  bool
	cited    bool
	seen     bool
	finished bool
	reason   string
	stop     string
}

// A part's signature comes after its text, and its citations after that. What
// comes too late for its place goes into a part of its own.
const (
	tailNone = iota
	tailSigned
	tailCited
)

func (c *choiceState) read(raw []byte) {
	c.seen = true
	var delta, message, failure, odds []byte
	reason := ""
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "delta":
			delta = it.Value()
		case "message":
			message = it.Value()
		case "error":
			failure = it.Value()
		case "finish_reason":
			reason = textOf(it.Value())
		case "stop_reason":
			c.stop = textOf(it.Value())
		case "logprobs":
			odds = it.Value()
		case "usage": // Moonshot
			c.d.used(it.Value())
		}
	}
	// Perplexity repeats the whole message beside each delta; others send a
	// message alone where a delta is due.
	if delta == nil {
		delta = message
	}
	c.said(delta, odds)
	if status, yes := broken(reason); yes || failed(failure) {
		if !yes {
			status = http.StatusBadGateway
		}
		c.d.broke(reason, status, failure)
		return
	}
	if reason != "" {
		if c.reason == "" {
			c.reason = reason
		}
		c.finished = true
		// A call that is not complete may go on, whatever the reason.
		c.endText()
		c.endComplete()
	}
}

// said reads a delta, and the probabilities of what it says: they go with its
// first text.
func (c *choiceState) said(delta, odds []byte) {
	if !api.Empty(odds) && odds[0] == '{' && jsonscan.Valid(odds) {
		c.odds = api.JoinLogprobs(c.odds, odds)
	}
	c.delta(delta)
}

// event sends an event of one of the choice's parts.
func (c *choiceState) event(kind api.EventKind, part int) {
	c.d.ev.Choice, c.d.ev.Part = c.index, part
	c.d.send(kind)
}

// piece sends a piece of a text, unless it is empty.
func (c *choiceState) piece(part int, raw []byte) {
	c.d.ev.Text = api.Literal(raw)
	if part == c.open && c.kind != api.Thinking {
		c.d.ev.Logprobs, c.odds = c.odds, nil
	}
	c.event(api.Delta, part)
	c.d.ev.Text, c.d.ev.Logprobs = nil, nil
}

// begin is the part that is open, if it is of the kind and its tail not too
// long; else what is open ends, and another part starts.
func (c *choiceState) begin(kind api.Kind, tail int) int {
	if c.open != none && c.kind == kind && c.tail <= tail {
		return c.open
	}
	c.end()
	c.d.content = api.Part{Kind: kind}
	c.open, c.kind, c.tail, c.summary = c.next(), kind, tailNone, false
	return c.open
}

// next announces the decoder's content as a part of its own.
func (c *choiceState) next() int {
	part := c.parts
	c.parts++
	c.d.ev.Content = &c.d.content
	c.event(api.PartStart, part)
	c.d.ev.Content = nil
	return part
}

// end ends the part that is open and no call.
func (c *choiceState) end() {
	if c.open != none {
		c.event(api.PartEnd, c.open)
		c.open = none
	}
}

// endText ends what is no call.
func (c *choiceState) endText() {
	if !c.cited && !c.called && c.d.sources.any() {
		c.d.sources.list(c.cite)
	}
	c.end()
	c.endSpeech()
}

func (c *choiceState) endAll() {
	c.endText()
	for _, call := range c.calls {
		c.endCall(call)
	}
}

// sign gives a signature to a part.
func (c *choiceState) sign(part int, kind api.Kind, v api.Vendor, signature string) {
	c.d.content = api.Part{Kind: kind, Vendor: v, Signature: signature}
	c.d.ev.Content = &c.d.content
	c.event(api.Signature, part)
	c.d.ev.Content = nil
}

// Interface guard
var _ api.StreamDecoder = (*streamDecoder)(nil)
