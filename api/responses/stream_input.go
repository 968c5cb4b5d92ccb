package responses

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"

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

// inputText is a text in an item.
type inputText struct {
	index     int
	kind      api.Kind
	summary   bool
	part      int
	open      bool
	told      int      // bytes
	before    int64    // characters of the answer before it
	citations [][]byte // told last: no text may follow them
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

// text is a text of an item, if it has begun.
func (item *inputItem) text(ev *wireEvent, kind api.Kind) *inputText {
	at, summary := max(ev.content, 0), isSummary(ev.kind)
	for i := range item.texts {
		if t := &item.texts[i]; t.index == at && t.kind == kind && t.summary == summary {
			return t
		}
	}
	return nil
}

// isSummary tells the summaries of reasoning from the reasoning itself, which
// count their texts each for themselves.
func isSummary(kind []byte) bool { return bytes.Contains(kind, []byte("summary")) }

// beginText begins a text. In an item of reasoning the one before it ends: only
// the last stays open for the signature.
func (d *streamDecoder) beginText(item *inputItem, index int, kind api.Kind, summary bool) *inputText {
	if kind == api.Thinking {
		for i := range item.texts {
			d.endText(&item.texts[i])
		}
	}
	d.refused = d.refused || kind == api.Refusal
	d.content = api.Part{Kind: kind, ID: item.id}
	if kind == api.Thinking {
		d.content.Vendor = vendor
	}
	item.texts = append(item.texts, inputText{
		index: index, kind: kind, summary: summary, part: d.partStart(), open: true, before: d.characters,
	})
	return &item.texts[len(item.texts)-1]
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

func (d *streamDecoder) textDelta(ev *wireEvent, kind string, of api.Kind) {
	item := d.find(ev, kind)
	d.tell(item, item.text(ev, of), ev, of, ev.delta)
}

// textDone tells what no delta has told.
func (d *streamDecoder) textDone(ev *wireEvent, kind string, of api.Kind, whole []byte) {
	item := d.find(ev, kind)
	t := item.text(ev, of)
	told := 0
	if t != nil {
		told = t.told
	}
	d.tell(item, t, ev, of, rest(whole, told))
}

// tell tells a piece of a text.
func (d *streamDecoder) tell(item *inputItem, t *inputText, ev *wireEvent, kind api.Kind, piece []byte) {
	if item.ended || len(piece) <= 2 || piece[0] != '"' || t != nil && !t.open {
		return
	}
	if t == nil {
		t = d.beginText(item, max(ev.content, 0), kind, isSummary(ev.kind))
	}
	literal := api.Literal(piece)
	size, characters := measure(literal[1 : len(literal)-1])
	t.told += size
	if kind == api.Text {
		d.characters += characters
	}
	d.ev.Part, d.ev.Text = t.part, literal
	d.send(api.Delta)
}

// rest is what a whole text has beyond the bytes of it that were told.
func rest(whole []byte, told int) []byte {
	if told == 0 || len(whole) <= 2 || whole[0] != '"' {
		return whole
	}
	if size, _ := measure(whole[1 : len(whole)-1]); size <= told {
		return nil
	}
	s, _ := jsonscan.String(whole)
	if told >= len(s) || !utf8.RuneStart(s[told]) {
		return nil
	}
	return api.Quote(s[told:])
}

func (d *streamDecoder) annotation(ev *wireEvent) {
	item := d.find(ev, message)
	t := item.text(ev, api.Text)
	if t != nil && t.open && !slices.ContainsFunc(t.citations, func(c []byte) bool { return bytes.Equal(c, ev.annotation) }) {
		t.citations = append(t.citations, bytes.Clone(ev.annotation))
	}
}

// cite takes the annotations of a whole text, if they are more than were told.
func (t *inputText) cite(annotations []byte) {
	var list [][]byte
	it := jsonscan.Array(annotations)
	for it.Next() {
		list = append(list, it.Value())
	}
	if len(list) > len(t.citations) {
		t.citations = t.citations[:0]
		for _, raw := range list {
			t.citations = append(t.citations, bytes.Clone(raw))
		}
	}
}

func (d *streamDecoder) endText(t *inputText) {
	if !t.open {
		return
	}
	t.open = false
	for _, raw := range t.citations {
		citation, err := decodeCitation(raw)
		if err != nil {
			continue
		}
		list := []api.Citation{citation}
		shift(list, t.before)
		d.ev.Part, d.ev.Citation = t.part, &list[0]
		d.send(api.CitationEvent)
	}
	t.citations = nil
	d.partEnd(t.part)
}

// partDone ends a part. One of reasoning stays open for the item's end.
func (d *streamDecoder) partDone(ev *wireEvent) {
	if isSummary(ev.kind) {
		d.textDone(ev, reasoning, api.Thinking, jsonscan.Member(ev.part, "text"))
		return
	}
	kind, _ := jsonscan.String(jsonscan.Member(ev.part, "type"))
	if kind == "reasoning_text" {
		d.textDone(ev, reasoning, api.Thinking, jsonscan.Member(ev.part, "text"))
		return
	}
	d.contentDone(d.find(ev, message), ev, kind, ev.part)
}

// contentDone ends a part of a message.
func (d *streamDecoder) contentDone(item *inputItem, ev *wireEvent, kind string, part []byte) {
	of, name := api.Text, "text"
	switch kind {
	case "refusal":
		of, name = api.Refusal, "refusal"
	case "output_text", "text":
	default:
		return
	}
	t, told := item.text(ev, of), 0
	if t != nil {
		told = t.told
	}
	d.tell(item, t, ev, of, rest(jsonscan.Member(part, name), told))
	annotations := jsonscan.Member(part, "annotations")
	if t = item.text(ev, of); t == nil && !item.ended && !api.Empty(annotations) {
		t = d.beginText(item, max(ev.content, 0), of, false)
	}
	if t != nil && t.open {
		t.cite(annotations)
		d.endText(t)
	}
}

// itemAdded begins an item. A call begins at once, a text with its first piece.
func (d *streamDecoder) itemAdded(ev *wireEvent) {
	kind, _ := jsonscan.String(jsonscan.Member(ev.item, "type"))
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

// itemDone takes an item whole.
func (d *streamDecoder) itemDone(ev *wireEvent) {
	kind, _ := jsonscan.String(jsonscan.Member(ev.item, "type"))
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
	case "":
	default:
		d.opaque(raw)
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
