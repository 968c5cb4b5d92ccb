package responses

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// The kinds of items that are made of parts.
const (
	message      = "message"
	reasoning    = "reasoning"
	functionCall = "function_call"
	customCall   = "custom_tool_call"
)

// The beginnings of the ids that OpenAI gives to its items.
var idPrefixes = map[string]string{
	message:                 "msg_",
	reasoning:               "rs_",
	functionCall:            "fc_",
	customCall:              "ctc_",
	"image_generation_call": "ig_",
}

// outputItem is the item that the encoder is at.
type outputItem struct {
	kind      string // empty where none is open
	id        string
	of        string // the id of its parts, as they came
	parts     int64  // that have ended
	content   buffer // these, with the commas between them
	encrypted string // of reasoning
}

// itemID is the id of the next item: the one that it came with, else one that is
// the same whenever the same answer is encoded.
func (e *streamEncoder) itemID(kind, id string) string {
	if id != "" {
		return id
	}
	sum := sha256.Sum256([]byte(e.id))
	return idPrefixes[kind] + hex.EncodeToString(sum[:12]) + strconv.FormatInt(e.items, 10)
}

// openItem opens a message or an item of reasoning, unless the open one is where
// the next part belongs. Texts without ids share a message, as the blocks do into
// which Anthropic cuts a text that has sources.
func (e *streamEncoder) openItem(kind, of string) {
	if e.item.kind == kind && e.item.of == of {
		return
	}
	e.closeItem()
	e.start(&api.Event{})
	e.item = outputItem{kind: kind, id: e.itemID(kind, of), of: of, content: e.item.content[:0]}
	e.begin("response.output_item.added")
	e.dst.whole("output_index", e.items)
	e.dst.key("item")
	e.dst.unit(&e.item, "in_progress")
	e.send()
}

// closeItem ends the item that is open.
func (e *streamEncoder) closeItem() {
	if e.item.kind == "" {
		return
	}
	status, _ := statusFor(e.finish, e.refused)
	switch {
	case e.failure != nil:
		status = "incomplete"
	case status != "incomplete":
		status = "completed"
	}
	var b buffer
	b.unit(&e.item, status)
	e.item.kind = ""
	e.itemDone(b)
}

// itemDone tells of an item as it is from now on.
func (e *streamEncoder) itemDone(item []byte) {
	e.begin("response.output_item.done")
	e.dst.whole("output_index", e.items)
	e.dst.raw("item", item)
	e.send()
	e.output.element(item)
	e.items++
}

// unit writes a message or an item of reasoning.
func (b *buffer) unit(item *outputItem, status string) {
	b.open('{')
	b.text("id", item.id)
	b.text("type", item.kind)
	if item.kind == reasoning {
		b.key("summary")
	} else {
		b.text("status", status)
		b.text("role", "assistant")
		b.key("content")
	}
	b.open('[')
	*b = append(*b, item.content...)
	b.close(']')
	b.optional("encrypted_content", item.encrypted)
	b.close('}')
}

// wholeItem passes an item on that came from this format.
func (e *streamEncoder) wholeItem(raw json.RawMessage) {
	e.closeItem()
	e.start(&api.Event{})
	var item buffer
	item.value(raw)
	e.begin("response.output_item.added")
	e.dst.whole("output_index", e.items)
	e.dst.raw("item", item)
	e.send()
	e.itemDone(item)
}

// image writes an image that the model made, as OpenAI's tool for it does:
// https://platform.openai.com/docs/guides/tools-image-generation.
func (e *streamEncoder) image(part *api.Part) {
	e.closeItem()
	e.start(&api.Event{})
	const kind = "image_generation_call"
	id := e.itemID(kind, part.ID)
	write := func(status string, done bool) buffer {
		var b buffer
		b.open('{')
		b.text("id", id)
		b.text("type", kind)
		b.text("status", status)
		if done {
			b.text("result", part.Media.Data)
		} else {
			b.raw("result", []byte("null"))
		}
		b.close('}')
		return b
	}
	e.begin("response.output_item.added")
	e.dst.whole("output_index", e.items)
	e.dst.raw("item", write("in_progress", false))
	e.send()
	e.itemDone(write("completed", true))
}

// openCall opens the item of a call, under the name by which the client knows
// the tool.
func (e *streamEncoder) openCall() {
	p := &e.part
	if own, ok := e.names[p.call.Name]; ok {
		p.wrapped = own.custom && !p.call.Custom
		p.call.Custom = p.call.Custom || own.custom
		if own.namespace != "" {
			p.namespace, p.call.Name = own.namespace, own.name
		}
	}
	e.closeItem()
	e.start(&api.Event{})
	p.open = true
	e.item.id = e.itemID(callKind(p.call.Custom), p.id)
	e.place("")
	e.begin("response.output_item.added")
	e.dst.whole("output_index", e.items)
	e.dst.key("item")
	e.callItem(&e.dst, "in_progress")
	e.send()
}

func callKind(custom bool) string {
	if custom {
		return customCall
	}
	return functionCall
}

func (e *streamEncoder) callItem(b *buffer, status string) {
	p := &e.part
	b.open('{')
	b.text("id", e.item.id)
	b.text("type", callKind(p.call.Custom))
	b.text("status", status)
	b.text("call_id", api.CallID(p.call.ID))
	b.optional("namespace", p.namespace)
	b.text("name", p.call.Name)
	b.inner(callInput(p.call.Custom), p.text)
	b.close('}')
}

func callInput(custom bool) string {
	if custom {
		return "input"
	}
	return "arguments"
}

// endCall tells the whole of a call. One without arguments has an empty object.
func (e *streamEncoder) endCall() {
	p := &e.part
	switch {
	case p.wrapped:
		arguments, _ := jsonscan.String(append(append([]byte{'"'}, p.text...), '"'))
		text := api.Quote(unwrap(arguments))
		p.text = append(p.text[:0], text[1:len(text)-1]...)
		if len(p.text) > 0 {
			e.piece(p.text, nil)
		}
	case !p.call.Custom && len(p.text) == 0:
		p.text = append(p.text, "{}"...)
		e.piece(p.text, nil)
	}
	if p.call.Custom {
		e.begin("response.custom_tool_call_input.done")
	} else {
		e.begin("response.function_call_arguments.done")
	}
	e.dst = append(e.dst, p.place...)
	if !p.call.Custom {
		e.dst.text("name", p.call.Name)
	}
	e.dst.inner(callInput(p.call.Custom), p.text)
	e.send()
	status := "completed"
	if arguments, _ := jsonscan.String(append(append([]byte{'"'}, p.text...), '"')); !p.call.Custom && len(arguments) > 0 && arguments[0] == '{' && !json.Valid([]byte(arguments)) {
		status = "incomplete" // the limit of tokens cut it off
	}
	var b buffer
	e.callItem(&b, status)
	e.itemDone(b)
}
