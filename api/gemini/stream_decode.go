package gemini

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// streamDecoder reads the chunks of streamGenerateContent. Each is an answer of
// its own with the parts that are new. Nothing marks the last one, and reasons
// to finish may come more than once and before the sources: all that ends a
// stream is therefore told once the wire has ended.
type streamDecoder struct {
	started, failed, closed bool

	choices []choiceDecoder
	usage   api.Usage
	ids     string // how made-up ids begin
	counter int    // of calls

	ev      api.Event
	content api.Part
	call    api.Call
	buf     []byte
}

// choiceDecoder is what is known of one candidate.
type choiceDecoder struct {
	index   int
	started int // parts so far
	kind    api.Kind
	open    bool
	signed  bool // the open part has its signature
	calls   bool

	// Of an open call: arguments that came in pieces, and what is told at its end.
	args      *node
	signature string

	text     []byte   // of all texts, as the inside of a JSON string
	sources  []source // that have been told
	finish   string
	finished bool
}

// NewStreamDecoder implements api.Codec.
func (Codec) NewStreamDecoder() api.StreamDecoder { return new(streamDecoder) }

// chunk is the members of one event that count.
type chunk struct {
	candidates, feedback, usage, model, id, time, err []byte
}

// Decode implements api.StreamDecoder.
func (d *streamDecoder) Decode(_, data []byte, emit func(*api.Event)) error {
	if data = bytes.TrimSpace(data); d.failed || len(data) == 0 || string(data) == "[DONE]" {
		return nil
	}
	var c chunk
	it := jsonscan.Object(data)
	for it.Next() {
		c.read(it.Key, it.Value())
	}
	if it.Err != nil {
		return fmt.Errorf("chunk of a stream: %w", it.Err)
	}
	if !api.Empty(c.err) {
		d.fail(c.err, emit)
		return nil
	}
	if c.candidates == nil && c.feedback == nil && c.usage == nil && c.id == nil && c.model == nil {
		return nil // an event of which nothing is known
	}
	d.start(&c, emit)
	d.usage = readUsage(c.usage, d.usage)
	if !absent(c.candidates) {
		candidates := jsonscan.Array(c.candidates)
		for candidates.Next() {
			d.candidate(candidates.Value(), emit)
		}
	}
	if c.feedback != nil && !api.Empty(jsonscan.Member(c.feedback, "blockReason")) {
		choice := d.choice(0)
		if !choice.finished {
			choice.finish, choice.finished = "SAFETY", true
		}
	}
	return nil
}

func (c *chunk) read(key, value []byte) {
	switch string(key) {
	case "candidates":
		c.candidates = value
	case "promptFeedback":
		c.feedback = value
	case "usageMetadata":
		c.usage = value
	case "modelVersion":
		c.model = value
	case "responseId":
		c.id = value
	case "createTime":
		c.time = value
	case "error":
		c.err = value
	}
}

func (d *streamDecoder) fail(raw []byte, emit func(*api.Event)) {
	var p problem
	if json.Unmarshal(raw, &p) != nil {
		p.Message = plain(raw)
	}
	if p.Message == "" {
		p.Message = "The provider reports an error in its stream."
	}
	d.failed = true
	status := p.streamStatus()
	emit(&api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: status, Code: p.code(status), Message: p.Message}})
}

func (d *streamDecoder) start(c *chunk, emit func(*api.Event)) {
	if d.started {
		return
	}
	d.started = true
	id, _ := jsonscan.String(c.id)
	model, _ := jsonscan.String(c.model)
	d.ids = answerIDs(id)
	emit(&api.Event{Kind: api.Start, ID: id, Model: model, Created: created(c.time)})
}

// choice is the candidate of that index.
func (d *streamDecoder) choice(index int) *choiceDecoder {
	for len(d.choices) <= index {
		d.choices = append(d.choices, choiceDecoder{index: len(d.choices)})
	}
	return &d.choices[index]
}

func (d *streamDecoder) candidate(raw []byte, emit func(*api.Event)) {
	var index int
	var content, finish, groundingRaw, citationRaw []byte
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "index":
			index, _ = strconv.Atoi(string(it.Value()))
		case "content":
			content = it.Value()
		case "finishReason":
			finish = it.Value()
		case "groundingMetadata":
			groundingRaw = it.Value()
		case "citationMetadata":
			citationRaw = it.Value()
		}
	}
	if index < 0 || index >= maxIndex {
		return
	}
	c := d.choice(index)
	if content != nil {
		list := jsonscan.Array(jsonscan.Member(content, "parts"))
		for list.Next() {
			d.part(c, list.Value(), emit)
		}
	}
	if hasSources(groundingRaw) || hasSources(citationRaw) {
		d.cite(c, groundingRaw, citationRaw, emit)
	}
	if reason, ok := jsonscan.String(finish); ok && reason != "" && reason != unspecified && !c.finished {
		c.finish, c.finished = reason, true
	}
}

// piece is the members of a part that a stream brings often.
type piece struct {
	text, call, signature []byte
	thought, other        bool
}

func (d *streamDecoder) part(c *choiceDecoder, raw []byte, emit func(*api.Event)) {
	var p piece
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "text":
			p.text = it.Value()
		case "thought":
			p.thought = string(it.Value()) == "true"
		case "thoughtSignature":
			p.signature = it.Value()
		case "functionCall":
			p.call = it.Value()
		default:
			p.other = p.other || !absent(it.Value())
		}
	}
	signature, _ := jsonscan.String(p.signature)
	switch {
	case !absent(p.call):
		d.functionCall(c, p.call, signature, emit)
	case p.text == nil && p.other:
		d.whole(c, raw, emit)
	default:
		d.text(c, &p, signature, emit)
	}
}

// text goes on with the open part of its kind, or begins one.
func (d *streamDecoder) text(c *choiceDecoder, p *piece, signature string, emit func(*api.Event)) {
	empty := len(p.text) < 3 || p.text[0] != '"'
	if empty && signature == "" {
		return
	}
	kind := api.Text
	if p.thought {
		kind = api.Thinking
	}
	if c.open && (c.kind != kind || c.signed) {
		d.end(c, emit)
	}
	if !c.open {
		d.content = api.Part{Kind: kind}
		if p.thought {
			d.content.Vendor = api.Google
		}
		d.begin(c, emit)
	}
	if !empty {
		literal := api.Literal(p.text)
		if kind == api.Text {
			c.text = append(c.text, literal[1:len(literal)-1]...)
		}
		d.delta(c, literal, emit)
	}
	if signature != "" {
		d.sign(c, signature, emit)
		c.signed = true
	}
}

// whole is a part that comes at once: an image, executed code.
func (d *streamDecoder) whole(c *choiceDecoder, raw []byte, emit func(*api.Event)) {
	if !json.Valid(raw) {
		return
	}
	reader := &decoder{answers: true}
	part := reader.part(raw, "part")
	if reader.err != nil || part.Kind == api.ToolResult {
		part = api.Part{Kind: api.Opaque, Vendor: api.Google, Raw: raw, Source: api.Gemini}
	}
	d.end(c, emit)
	d.content = part
	d.content.Signature = ""
	d.begin(c, emit)
	if part.Signature != "" {
		d.sign(c, clientSignature(part.Vendor, part.Signature, part.Redacted), emit)
	}
	d.end(c, emit)
}

// functionCall is a call, or, where Vertex AI streams arguments, a piece of one:
// https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling#streaming-fc.
// There the name comes first and alone, then values by their paths, and an
// empty call is the end, which some models leave out.
func (d *streamDecoder) functionCall(c *choiceDecoder, raw []byte, signature string, emit func(*api.Event)) {
	var id, name, args, partial []byte
	more := false
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "id":
			id = it.Value()
		case "name":
			name = it.Value()
		case "args":
			args = it.Value()
		case "partialArgs":
			partial = it.Value()
		case "willContinue":
			more = string(it.Value()) == "true"
		}
	}
	if s, ok := jsonscan.String(name); ok && s != "" {
		d.beginCall(c, id, s, emit)
	} else if !c.open || c.kind != api.ToolCall {
		return
	}
	if signature != "" {
		c.signature = signature
	}
	if !absent(args) {
		d.buf = api.AppendQuoted(d.buf[:0], string(args))
		d.delta(c, d.buf, emit)
	}
	if !absent(partial) {
		if c.args == nil {
			c.args = new(node)
		}
		c.args.take(partial)
	}
	if !more {
		d.end(c, emit)
	}
}

func (d *streamDecoder) beginCall(c *choiceDecoder, id []byte, name string, emit func(*api.Event)) {
	d.end(c, emit)
	d.call = api.Call{Name: name}
	d.call.ID, _ = jsonscan.String(id)
	// Counted like the calls of a whole answer, so that both give the same ids.
	if d.call.ID == "" {
		d.counter++
		d.call.ID = d.ids + strconv.Itoa(d.counter)
	}
	c.calls = true
	d.content = api.Part{Kind: api.ToolCall, Call: &d.call}
	d.begin(c, emit)
}

func (d *streamDecoder) begin(c *choiceDecoder, emit func(*api.Event)) {
	c.open, c.signed, c.kind = true, false, d.content.Kind
	d.ev = api.Event{Kind: api.PartStart, Choice: c.index, Part: c.started, Content: &d.content}
	c.started++
	emit(&d.ev)
}

func (d *streamDecoder) delta(c *choiceDecoder, literal []byte, emit func(*api.Event)) {
	d.ev = api.Event{Kind: api.Delta, Choice: c.index, Part: c.started - 1, Text: literal}
	emit(&d.ev)
}

func (d *streamDecoder) sign(c *choiceDecoder, signature string, emit func(*api.Event)) {
	d.content = api.Part{Kind: c.kind}
	readSignature(&d.content, signature)
	d.ev = api.Event{Kind: api.Signature, Choice: c.index, Part: c.started - 1, Content: &d.content}
	emit(&d.ev)
}

// end ends the part that is open, if one is.
func (d *streamDecoder) end(c *choiceDecoder, emit func(*api.Event)) {
	if !c.open {
		return
	}
	if c.args != nil {
		d.buf = api.AppendQuoted(d.buf[:0], string(c.args.json(nil)))
		d.delta(c, d.buf, emit)
		c.args = nil
	}
	if c.signature != "" {
		d.sign(c, c.signature, emit)
		c.signature = ""
	}
	c.open = false
	d.ev = api.Event{Kind: api.PartEnd, Choice: c.index, Part: c.started - 1}
	emit(&d.ev)
}

// Close implements api.StreamDecoder.
func (d *streamDecoder) Close(emit func(*api.Event)) bool {
	if d.failed || d.closed || len(d.choices) == 0 {
		return false
	}
	for i := range d.choices {
		if !d.choices[i].finished {
			return false
		}
	}
	d.closed = true
	for i := range d.choices {
		d.end(&d.choices[i], emit)
	}
	for i := range d.choices {
		c := &d.choices[i]
		emit(&api.Event{Kind: api.Finished, Choice: c.index, Finish: finishOf(c.finish, c.calls)})
	}
	if d.usage.Known {
		emit(&api.Event{Kind: api.UsageEvent, Usage: d.usage})
	}
	emit(&api.Event{Kind: api.End})
	return true
}

// Interface guard
var _ api.StreamDecoder = (*streamDecoder)(nil)
