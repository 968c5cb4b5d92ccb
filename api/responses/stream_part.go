package responses

import (
	"bytes"
	"encoding/json"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// outputPart is the part that the encoder is at.
type outputPart struct {
	kind      api.Kind
	id        string
	call      api.Call
	namespace string
	wrapped   bool // the client's tool takes free text, which the target put into JSON
	redacted  bool
	signature string
	vendor    api.Vendor

	open      bool   // its events have begun
	place     []byte // what of them says whose they are
	text      []byte // the inside of a JSON string: of the text, the arguments, …
	citations buffer // of a text, with the commas between them
	cited     int64  // how many they are

	characters int64 // of a text
}

func (e *streamEncoder) partStart(content *api.Part) {
	if content == nil {
		content = &api.Part{Kind: api.Text}
	}
	e.part = outputPart{
		kind: content.Kind, id: content.ID, redacted: content.Redacted,
		signature: content.Signature, vendor: content.Vendor,
		place: e.part.place[:0], text: e.part.text[:0], citations: e.part.citations[:0],
	}
	switch content.Kind {
	case api.ToolCall:
		if content.Call != nil {
			e.part.call = *content.Call
		}
		e.openCall()
	case api.Refusal:
		e.refused = true
	case api.Opaque:
		if content.Source == api.Responses && json.Valid(content.Raw) {
			e.wholeItem(content.Raw)
		}
	case api.Image:
		if content.Media != nil && content.Media.Data != "" {
			e.image(content)
		}
	}
}

func (e *streamEncoder) delta(raw json.RawMessage, logprobs []byte) {
	literal := api.Literal(raw)
	inside := literal[1 : len(literal)-1]
	if len(inside) == 0 {
		return
	}
	e.openPart()
	e.part.text = append(e.part.text, inside...)
	if e.part.kind == api.Text {
		_, n := measure(inside)
		e.part.characters += n
	}
	if e.part.kind == api.Text {
		e.odds(logprobs)
	}
	if !e.part.wrapped {
		e.piece(inside, logprobs)
	}
}

// odds adds the probabilities of a piece to those of its text.
func (e *streamEncoder) odds(list []byte) {
	if api.Empty(list) {
		return
	}
	all := buffer(bytes.TrimSuffix(e.logprobs, []byte("]")))
	if len(all) == 0 {
		all = buffer{'['}
	}
	for it := jsonscan.Array(list); it.Next(); {
		all.element(it.Value())
	}
	e.logprobs = append(all, ']')
}

// piece tells of a piece of what the part says.
func (e *streamEncoder) piece(inside, logprobs []byte) {
	var kind string
	switch e.part.kind {
	case api.Text:
		kind = "response.output_text.delta"
	case api.Refusal:
		kind = "response.refusal.delta"
	case api.Thinking:
		kind = "response.reasoning_summary_text.delta"
	case api.ToolCall:
		if kind = "response.function_call_arguments.delta"; e.part.call.Custom {
			kind = "response.custom_tool_call_input.delta"
		}
	default:
		return
	}
	e.begin(kind)
	e.dst = append(e.dst, e.part.place...)
	e.dst.inner("delta", inside)
	if e.part.kind == api.Text {
		e.dst.rawOr("logprobs", logprobs, "[]")
	}
	e.send()
}

// openPart opens a text or a piece of reasoning, once there is something in it.
func (e *streamEncoder) openPart() {
	if e.part.open {
		return
	}
	var kind, index string
	switch e.part.kind {
	case api.Text, api.Refusal:
		e.openItem(message, e.part.id)
		kind, index = "response.content_part.added", "content_index"
	case api.Thinking:
		e.openItem(reasoning, e.part.id)
		kind, index = "response.reasoning_summary_part.added", "summary_index"
	default:
		return
	}
	e.part.open = true
	e.place(index)
	e.begin(kind)
	e.dst = append(e.dst, e.part.place...)
	e.dst.key("part")
	e.content()
	e.send()
}

// place prepares what the events of the part say of where it is.
func (e *streamEncoder) place(index string) {
	b := buffer(append(e.part.place[:0], ','))
	b = append(b, `"item_id":`...)
	b = api.AppendQuoted(b, e.item.id)
	b.whole("output_index", e.items)
	if index != "" {
		b.whole(index, e.item.parts)
	}
	e.part.place = b
}

// content is the part as it stands in its item.
func (e *streamEncoder) content() { e.dst.content(&e.part, e.logprobs) }

func (b *buffer) content(p *outputPart, logprobs []byte) {
	b.open('{')
	switch p.kind {
	case api.Refusal:
		b.text("type", "refusal")
		b.inner("refusal", p.text)
	case api.Thinking:
		b.text("type", "summary_text")
		b.inner("text", p.text)
	default:
		b.text("type", "output_text")
		b.key("annotations")
		b.open('[')
		*b = append(*b, p.citations...)
		b.close(']')
		if logprobs == nil {
			logprobs = []byte("[]")
		}
		b.raw("logprobs", logprobs)
		b.inner("text", p.text)
	}
	b.close('}')
}

func (e *streamEncoder) partEnd() {
	switch {
	case e.part.kind == api.ToolCall:
		e.endCall()
		e.sign(markCall + api.CallID(e.part.call.ID) + ":")
	case e.part.kind == api.Thinking:
		e.endThinking()
	case e.part.open:
		e.endText()
		e.sign(markPrevious)
	case e.part.kind == api.Text:
		e.sign(markText)
	}
	e.part.kind, e.part.open = 0, false
}

// endText tells the whole of a text.
func (e *streamEncoder) endText() {
	if e.part.kind == api.Refusal {
		e.begin("response.refusal.done")
		e.dst = append(e.dst, e.part.place...)
		e.dst.inner("refusal", e.part.text)
	} else {
		e.begin("response.output_text.done")
		e.dst = append(e.dst, e.part.place...)
		e.dst.inner("text", e.part.text)
		e.dst.rawOr("logprobs", e.logprobs, "[]")
	}
	e.send()
	e.endPart("response.content_part.done")
	if e.part.kind == api.Text {
		e.logprobs = nil
		e.characters += e.part.characters
	}
}

// endPart tells the part as its item has it from now on.
func (e *streamEncoder) endPart(kind string) {
	e.item.content.content(&e.part, e.logprobs)
	e.item.parts++
	e.begin(kind)
	e.dst = append(e.dst, e.part.place...)
	e.dst.key("part")
	e.content()
	e.send()
}

// endThinking tells the whole of a piece of reasoning. Others may follow in the
// same item, of which the last has the signature.
func (e *streamEncoder) endThinking() {
	if e.part.open {
		e.begin("response.reasoning_summary_text.done")
		e.dst = append(e.dst, e.part.place...)
		e.dst.inner("text", e.part.text)
		e.send()
		e.endPart("response.reasoning_summary_part.done")
	}
	if e.part.signature != "" {
		mark := ""
		if e.part.redacted {
			mark = markRedacted
		}
		e.openItem(reasoning, e.part.id)
		e.item.encrypted = e.sealed(mark)
	}
	if e.part.id == "" && e.item.kind == reasoning {
		if e.item.encrypted == "" {
			// Its id is ours: OpenAI would look in vain for such an item.
			e.item.encrypted = api.Unsigned
		}
		e.closeItem()
	}
}

// sealed is the part's signature for a client that knows OpenAI's only.
func (e *streamEncoder) sealed(mark string) string {
	if v := e.part.vendor; v != "" && (v != vendor || mark != "" && mark != markRedacted) {
		return api.Seal(v, mark+e.part.signature)
	}
	return e.part.signature
}

// sign carries the signature of a text or a call, which has no place of its own,
// in an item that follows it. Clients send reasoning back as it is.
func (e *streamEncoder) sign(mark string) {
	if e.part.signature == "" || e.part.vendor == "" {
		return
	}
	e.closeItem()
	e.openItem(reasoning, "")
	e.item.encrypted = e.sealed(mark)
	e.closeItem()
}

func (e *streamEncoder) citation(c *api.Citation) {
	if c == nil || e.part.kind != api.Text {
		return
	}
	var b buffer
	if b.citation(c, e.characters, e.part.characters); len(b) == 0 {
		return
	}
	e.openPart()
	e.part.citations.comma()
	e.part.citations = append(e.part.citations, b...)
	e.begin("response.output_text.annotation.added")
	e.dst = append(e.dst, e.part.place...)
	e.dst.whole("annotation_index", e.part.cited)
	e.dst.raw("annotation", b)
	e.send()
	e.part.cited++
}

// unwrap gives the free text for a custom tool that the target called as a
// function: the one text among its arguments. Anything else stays as it is.
func unwrap(arguments string) string {
	input, found := arguments, 0
	it := jsonscan.Object([]byte(arguments))
	for it.Next() {
		if s, ok := jsonscan.String(it.Value()); ok {
			input = s
		}
		found++
	}
	if it.Err != nil || found != 1 {
		return arguments
	}
	return input
}
