package responses

import (
	"bytes"
	"encoding/json"
	"slices"
	"unicode/utf8"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

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
	if kind == api.Text && ev.delta != nil {
		d.ev.Logprobs = chatLogprobs(ev.logprobs)
	}
	d.send(api.Delta)
}

// chatLogprobs is chat's object for a list of probabilities.
func chatLogprobs(list []byte) json.RawMessage {
	if api.Empty(list) || !isArray(list) || !json.Valid(list) {
		return nil
	}
	return append(append([]byte(`{"content":`), list...), `,"refusal":null}`...)
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
