package messages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// NewStreamDecoder implements api.Codec.
func (Codec) NewStreamDecoder() api.StreamDecoder { return &streamDecoder{} }

// streamDecoder follows https://platform.claude.com/docs/en/build-with-claude/streaming.
type streamDecoder struct {
	ev    api.Event // the one event that all are told with
	emit  func(*api.Event)
	block []block // those that are open, nearly always one at most
	parts int
	calls int

	started, called, finished, done, failed bool

	usage, told api.Usage
	extra       map[string]json.RawMessage

	echo    api.Echo
	speaker int    // the index of the block whose text was learned
	said    []byte // the text of the event that is being read, if it has nothing else
}

// Decode implements api.StreamDecoder. The type inside the data decides; the
// event's name only repeats it.
func (d *streamDecoder) Decode(name, data []byte, emit func(*api.Event)) error {
	if d.done || len(data) == 0 {
		return nil
	}
	d.emit = emit
	if string(data) == "[DONE]" { // OpenAI's end, which some imitators send
		if d.finished {
			d.end()
		}
		return nil
	}
	if text := d.echo.Text(data); text != nil {
		d.text(&d.block[d.find(d.speaker)], text)
		return nil
	}
	d.said = nil
	err := d.read(name, data)
	d.echo.Learn(data, d.said)
	d.said = nil
	return err
}

func (d *streamDecoder) read(name, data []byte) error {
	var kind, inner []byte
	var index int
	it := jsonscan.Object(data)
	for it.Next() {
		switch string(it.Key) {
		case "type":
			kind = trimQuotes(it.Value())
		case "index":
			index, _ = strconv.Atoi(string(it.Value()))
		case "delta", "content_block", "message":
			inner = it.Value()
		}
	}
	if it.Err != nil {
		return fmt.Errorf("an event that is no object: %w", it.Err)
	}
	named := kind == nil
	if named {
		if kind = name; !api.Empty(jsonscan.Member(data, "error")) {
			kind = []byte("error")
		}
	}
	d.event(kind, index, inner, data)
	if named {
		d.said = nil // the next one may have another name
	}
	return nil
}

func trimQuotes(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	return raw[1 : len(raw)-1]
}

func (d *streamDecoder) event(kind []byte, index int, inner, data []byte) {
	switch string(kind) {
	case "content_block_delta":
		d.delta(index, inner)
	case "content_block_start":
		d.open(index, inner)
	case "content_block_stop":
		if i := d.find(index); i >= 0 {
			d.close(i)
		}
	case "message_start":
		d.start(inner)
	case "message_delta":
		d.messageDelta(inner, data)
	case "message_stop":
		d.end()
	case "ping":
		if d.started && !d.finished {
			d.send(api.Ping)
		}
	case "error":
		d.fail(data)
	}
}

func (d *streamDecoder) fail(data []byte) {
	kind, message := readError(data)
	if message == "" {
		message = "The provider reports an error in its stream."
	}
	request, _ := jsonscan.String(jsonscan.Member(data, "request_id"))
	d.done, d.failed = true, true
	d.ev.Err = &api.Error{Status: statusOf(kind), Code: codeOf(message), Message: message, RequestID: request}
	d.send(api.ErrorEvent)
}

// send tells of what ev holds.
func (d *streamDecoder) send(kind api.EventKind) {
	d.ev.Kind = kind
	d.emit(&d.ev)
	d.ev = api.Event{}
}

// begun tells of the start, which some imitators leave out.
func (d *streamDecoder) begun() {
	if d.started {
		return
	}
	d.started = true
	d.ev.Source, d.ev.Usage = api.Messages, d.usage
	d.send(api.Start)
}

// start also takes a second message_start: some gateways repeat it, and some
// splice two answers together.
func (d *streamDecoder) start(message []byte) {
	it := jsonscan.Object(message)
	for it.Next() {
		switch string(it.Key) {
		case "id":
			d.ev.ID, _ = jsonscan.String(it.Value())
		case "model":
			d.ev.Model, _ = jsonscan.String(it.Value())
		case "usage":
			d.usage = tokens(it.Value(), d.usage)
			d.ev.ServiceTier, d.extra = moreUsage(it.Value(), d.extra)
		}
	}
	if d.started {
		d.ev = api.Event{}
		d.closeAll()
		return
	}
	d.begun()
}

func (d *streamDecoder) find(index int) int {
	for i := range slices.Backward(d.block) {
		if d.block[i].index == index {
			return i
		}
	}
	return -1
}

func (d *streamDecoder) text(b *block, literal []byte) {
	if len(literal) <= 2 || literal[0] != '"' || b.kind == api.Opaque {
		return
	}
	d.ev.Part, d.ev.Text = b.part, api.Literal(literal)
	d.send(api.Delta)
}

// signed keeps a signature, and cited a source, until their block ends: Anthropic
// sends the sources of a text before it, and no text may follow what is told of it.
func (b *block) signed(raw []byte) {
	if signature, _ := jsonscan.String(raw); b.kind == api.Thinking {
		b.signature += signature
	}
}

func (b *block) cited(raw []byte) {
	if b.kind == api.Text {
		b.citations = append(b.citations, bytes.Clone(raw))
	}
}

// tellTail tells what of a block comes after its text.
func (d *streamDecoder) tellTail(b *block) {
	if b.signature != "" {
		d.ev.Part, d.ev.Content = b.part, &api.Part{Kind: api.Thinking, Signature: b.signature, Vendor: vendor}
		d.send(api.Signature)
	}
	for _, raw := range b.citations {
		citation, err := citation(raw)
		if err != nil || !jsonscan.Texts(raw) { // it passes on as it stands
			continue
		}
		d.ev.Part, d.ev.Citation = b.part, &citation
		d.send(api.CitationEvent)
	}
}

// delta adds to a block. One that never started is begun: some imitators leave
// content_block_start out.
func (d *streamDecoder) delta(index int, raw []byte) {
	if d.finished {
		return
	}
	i := d.find(index)
	it := jsonscan.Object(raw)
	members := 0
	for it.Next() {
		key, value := it.Key, it.Value()
		if string(key) == "type" {
			continue
		}
		members++
		if i < 0 {
			if i = d.implied(index, key, value); i < 0 {
				continue
			}
		}
		d.piece(&d.block[i], key, value)
	}
	if members > 1 {
		d.said = nil
	}
}

func (d *streamDecoder) implied(index int, key, value []byte) int {
	content := api.Part{Kind: api.Text}
	switch {
	case len(value) <= 2:
		return -1
	case string(key) == "thinking":
		content = api.Part{Kind: api.Thinking}
	case string(key) != "text":
		return -1
	}
	d.begin(block{index: index, kind: content.Kind}, &content)
	return len(d.block) - 1
}

func (d *streamDecoder) piece(b *block, key, value []byte) {
	if b.kind == api.Opaque {
		b.keep(string(key), value)
		return
	}
	switch string(key) {
	case "text":
		if b.kind == api.Text && b.start == nil {
			d.text(b, value)
			d.speaker, d.said = b.index, value
		}
	case "thinking":
		if b.kind == api.Thinking {
			d.text(b, value)
			d.speaker, d.said = b.index, value
		}
	case "partial_json":
		if len(value) > 2 {
			b.start = nil
		}
		if b.value {
			b.keep(string(key), value)
			return
		}
		d.text(b, value)
	case "signature":
		b.signed(value)
	case "citation":
		b.cited(value)
	}
}

func (d *streamDecoder) close(i int) {
	b := d.block[i]
	d.block = append(d.block[:i], d.block[i+1:]...)
	switch {
	case b.kind == api.Opaque:
		content := api.Part{Kind: api.Opaque, Vendor: vendor, Source: api.Messages, Raw: b.whole()}
		d.begin(b, &content)
		b.part = d.parts - 1
		d.block = d.block[:len(d.block)-1]
	case b.value:
		if b.start != nil {
			b.input = b.start
		}
		d.text(&b, api.Quote(valueOf(b.input)))
	case b.start != nil:
		d.text(&b, api.Quote(string(b.start)))
	}
	d.tellTail(&b)
	d.ev.Part = b.part
	d.send(api.PartEnd)
}

func (d *streamDecoder) closeAll() {
	for len(d.block) > 0 {
		d.close(0)
	}
}

func (d *streamDecoder) messageDelta(delta, data []byte) {
	if usage := jsonscan.Member(data, "usage"); usage != nil {
		d.usage = tokens(usage, d.usage)
		_, d.extra = moreUsage(usage, d.extra)
	}
	d.extra = more(d.extra, data, "type", "delta", "usage")
	d.extra = more(d.extra, delta, "stop_reason", "stop_sequence")
	if reason, _ := jsonscan.String(jsonscan.Member(delta, "stop_reason")); reason != "" {
		sequence, _ := jsonscan.String(jsonscan.Member(delta, "stop_sequence"))
		d.finish(reason, sequence)
	}
	d.tellUsage()
}

func (d *streamDecoder) finish(reason, sequence string) {
	if d.finished {
		return
	}
	d.begun()
	d.closeAll()
	d.finished = true
	d.ev.Finish, d.ev.StopSequence, d.ev.Extra = finishOf(reason, d.called), sequence, d.extra
	d.send(api.Finished)
}

func (d *streamDecoder) tellUsage() {
	if d.finished && d.usage.Known && d.usage != d.told {
		d.told, d.ev.Usage = d.usage, d.usage
		d.send(api.UsageEvent)
	}
}

func (d *streamDecoder) end() {
	d.finish("", "")
	d.tellUsage()
	d.done = true
	d.send(api.End)
}

// Close implements api.StreamDecoder. An answer that told why it ended is whole,
// even where message_stop is missing.
func (d *streamDecoder) Close(emit func(*api.Event)) bool {
	d.emit = emit
	if !d.done && d.finished {
		d.end()
	}
	return d.done && !d.failed
}
