package messages

import (
	"encoding/json"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// block is one that is open.
type block struct {
	index int
	part  int
	kind  api.Kind
	start []byte // an opaque block, or a call's input that came with its start
	input []byte // the deltas of an opaque block, unquoted
	value bool   // it is the call of valueTool, whose input is kept
	more  string // the member of an opaque block to which they belong

	signature string   // of reasoning
	citations [][]byte // of a text
}

// keep collects the deltas of an opaque block: the input of a server's tool in
// pieces, or a member such as a compaction's content.
func (b *block) keep(key string, value []byte) {
	if key == "partial_json" {
		s, _ := jsonscan.String(value)
		b.more, b.input = "input", append(b.input, s...)
		return
	}
	if s, ok := jsonscan.String(value); ok {
		b.more, b.input = key, append(b.input, s...)
	}
}

// whole is an opaque block with what its deltas have told.
func (b *block) whole() json.RawMessage {
	if len(b.input) == 0 {
		return b.start
	}
	value := b.input
	if b.more != "input" {
		value = api.Quote(string(b.input))
	} else if !json.Valid(value) {
		return b.start
	}
	return objectOf(set(fieldsOf(b.start), b.more, string(value)))
}

func (d *streamDecoder) open(index int, raw []byte) {
	if d.finished {
		return
	}
	if i := d.find(index); i >= 0 {
		d.close(i)
	}
	b := block{index: index}
	var content api.Part
	kind, _ := jsonscan.String(jsonscan.Member(raw, "type"))
	switch kind {
	case "":
		return
	case "text":
		content.Kind = api.Text
	case "thinking":
		content.Kind = api.Thinking // whose it is, is told with the signature
	case "redacted_thinking":
		content = api.Part{Kind: api.Thinking, Vendor: vendor, Redacted: true}
		content.Signature, _ = jsonscan.String(jsonscan.Member(raw, "data"))
	case "tool_use":
		content = d.call(raw, &b)
	default: // told whole once it has ended
		b.kind, b.start = api.Opaque, append([]byte(nil), raw...)
		d.block = append(d.block, b)
		return
	}
	b.kind = content.Kind
	d.begin(b, &content)
	d.given(raw)
}

func (d *streamDecoder) call(raw []byte, b *block) api.Part {
	call := &api.Call{}
	call.ID, _ = jsonscan.String(jsonscan.Member(raw, "id"))
	call.Name, _ = jsonscan.String(jsonscan.Member(raw, "name"))
	if call.ID == "" {
		call.ID = callID(d.calls)
	}
	d.calls++
	// Calls made by code come with their input, with no deltas.
	if input := jsonscan.Member(raw, "input"); !api.Empty(input) {
		b.start = append([]byte(nil), input...)
	}
	if b.value = call.Name == valueTool; b.value || call.Name == jsonTool {
		return api.Part{Kind: api.Text}
	}
	d.called = true
	content := api.Part{Kind: api.ToolCall, Call: call}
	if saysMore(raw) {
		content.Raw, content.Source = withInput(raw, "{}"), api.Messages
	}
	return content
}

// saysMore tells whether a call's block has members that a neutral call has not,
// such as its caller.
func saysMore(raw []byte) bool {
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "type", "id", "name", "input":
		default:
			return true
		}
	}
	return false
}

func (d *streamDecoder) begin(b block, content *api.Part) {
	d.begun()
	b.part = d.parts
	d.parts++
	d.block = append(d.block, b)
	d.ev.Part, d.ev.Content = b.part, content
	d.send(api.PartStart)
}

// given tells what a block holds at its start already.
func (d *streamDecoder) given(raw []byte) {
	b := &d.block[len(d.block)-1]
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "text", "thinking":
			d.text(b, it.Value())
		case "signature":
			b.signed(it.Value())
		case "citations":
			list := jsonscan.Array(it.Value())
			for list.Next() {
				b.cited(list.Value())
			}
		}
	}
}
