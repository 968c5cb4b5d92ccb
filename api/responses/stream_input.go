package responses

import (
	"bytes"
	"encoding/json"
	"slices"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// inputItem is an item that the decoder has seen begin.
type inputItem struct {
	index int // the server's, or none
	id    string
	kind  string
	ended bool
	texts []inputText // of a message or of reasoning

	// What follows is a call's.
	name, callID string
	begun        bool
	part         int
	told         int    // bytes of its input
	early        []byte // the inside of the input that came before the name
	given        []byte // the input that the item began with
}

// find is the item that an event is about: the one of its index, unless another
// one has the id. GitHub's Copilot gives an item another id in each event, and
// some servers the same index to all items. What has not begun does so now.
func (d *streamDecoder) find(ev *wireEvent, kind string) *inputItem {
	var byIndex, byID, last *inputItem
	for _, item := range slices.Backward(d.items) {
		if item.kind != kind {
			continue
		}
		if last == nil {
			last = item
		}
		if len(ev.id) > 0 && item.id == string(ev.id) {
			byID = item
			break
		}
		if byIndex == nil && ev.output != none && item.index == ev.output {
			byIndex = item
		}
	}
	switch {
	case byID != nil:
		return byID
	case byIndex != nil:
		return byIndex
	case ev.output == none && len(ev.id) == 0 && last != nil:
		return last
	}
	return d.add(ev.output, ev.id, kind)
}

func (d *streamDecoder) add(index int, id []byte, kind string) *inputItem {
	d.start(&answer{})
	item := &inputItem{index: index, id: string(id), kind: kind}
	d.items = append(d.items, item)
	return item
}

// partStart tells that the part begins that content holds.
func (d *streamDecoder) partStart() int {
	part := d.parts
	d.parts++
	d.ev.Part, d.ev.Content = part, &d.content
	d.send(api.PartStart)
	return part
}

func (d *streamDecoder) partEnd(part int) {
	d.ev.Part = part
	d.send(api.PartEnd)
}

// itemAdded begins an item. A call begins at once, a text with its first piece.
func (d *streamDecoder) itemAdded(ev *wireEvent) {
	kind := kindOf(ev.item)
	if kind == "" {
		return
	}
	id := trimQuotes(jsonscan.Member(ev.item, "id"))
	for _, item := range d.items {
		if item.kind == kind && item.index == ev.output && item.id == string(id) && !item.ended {
			return
		}
	}
	item := d.add(ev.output, id, kind)
	if kind == functionCall || kind == customCall {
		item.call(ev.item)
		if input := jsonscan.Member(ev.item, callInput(kind == customCall)); !api.Empty(input) {
			item.given = bytes.Clone(asText(input))
		}
		d.beginCall(item, false)
	}
}

// kindOf is what kind of an item it is; a message may leave it out.
func kindOf(item []byte) string {
	kind, _ := jsonscan.String(jsonscan.Member(item, "type"))
	if kind == "" && !api.Empty(jsonscan.Member(item, "role")) {
		return message
	}
	return kind
}

// itemDone takes an item whole.
func (d *streamDecoder) itemDone(ev *wireEvent) {
	kind := kindOf(ev.item)
	if ev.id == nil {
		ev.id = trimQuotes(jsonscan.Member(ev.item, "id"))
	}
	if item := d.find(ev, kind); !item.ended {
		d.finish(item, ev.item)
	}
}

// finish tells what is left to tell of an item, and ends it.
func (d *streamDecoder) finish(item *inputItem, raw []byte) {
	switch item.kind {
	case message:
		d.finishMessage(item, raw)
	case reasoning:
		d.finishReasoning(item, raw)
	case functionCall, customCall:
		item.call(raw)
		d.beginCall(item, true)
		d.input(item, rest(asText(jsonscan.Member(raw, callInput(item.kind == customCall))), item.told))
	default:
		if item.kind != "" || !api.Empty(jsonscan.Member(raw, "id")) {
			d.opaque(raw)
		}
	}
	d.endItem(item)
}

func (d *streamDecoder) finishMessage(item *inputItem, raw []byte) {
	contents := jsonscan.Array(jsonscan.Member(raw, "content"))
	for i := 0; contents.Next(); i++ {
		kind, _ := jsonscan.String(jsonscan.Member(contents.Value(), "type"))
		d.contentDone(item, &wireEvent{content: i}, kind, contents.Value())
	}
	if len(item.texts) == 0 {
		d.opaque(raw)
	}
}

// finishReasoning has to be given its item: without texts and without a signature
// only OpenAI knows what it stands for.
func (d *streamDecoder) finishReasoning(item *inputItem, raw []byte) {
	for _, list := range []struct {
		name string
		kind []byte
	}{{"summary", []byte("summary")}, {"content", nil}} {
		texts := jsonscan.Array(jsonscan.Member(raw, list.name))
		for i := 0; texts.Next(); i++ {
			ev := wireEvent{kind: list.kind, content: i}
			t, told := item.text(&ev, api.Thinking), 0
			if t != nil {
				told = t.told
			}
			d.tell(item, t, &ev, api.Thinking, rest(jsonscan.Member(texts.Value(), "text"), told))
		}
	}
	signature, _ := jsonscan.String(jsonscan.Member(raw, "encrypted_content"))
	if signature == "" {
		if len(item.texts) == 0 {
			d.opaque(raw)
		}
		return
	}
	if len(item.texts) == 0 {
		d.beginText(item, 0, api.Thinking, true)
	}
	last := &item.texts[len(item.texts)-1]
	d.ev.Part, d.ev.Content = last.part, &api.Part{Kind: api.Thinking, Signature: signature, Vendor: vendor}
	d.send(api.Signature)
}

// opaque tells an item that only OpenAI understands.
func (d *streamDecoder) opaque(raw []byte) {
	if !json.Valid(raw) {
		return
	}
	id, _ := jsonscan.String(jsonscan.Member(raw, "id"))
	d.content = api.Part{Kind: api.Opaque, ID: id, Vendor: vendor, Raw: raw, Source: api.Responses}
	d.partEnd(d.partStart())
}

// endItem ends what is open of an item. A call without a name is one all the same.
func (d *streamDecoder) endItem(item *inputItem) {
	if item.ended {
		return
	}
	for i := range item.texts {
		d.endText(&item.texts[i])
	}
	if item.kind == functionCall || item.kind == customCall {
		d.beginCall(item, true)
		if item.told == 0 && len(item.given) > 0 {
			d.input(item, item.given)
		}
		d.partEnd(item.part)
	}
	item.ended = true
	item.texts, item.early, item.given = nil, nil, nil
}
