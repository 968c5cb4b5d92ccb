package messages

import (
	"bytes"
	"encoding/json"
	"maps"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// NewStreamEncoder implements api.Codec.
func (Codec) NewStreamEncoder(req *api.Request) api.StreamEncoder {
	e := &streamEncoder{req: req}
	e.order = api.NewSerializer(e.handle)
	return e
}

// streamEncoder writes the blocks of an answer one after the other. A block is
// opened with its first piece, so that none is empty.
type streamEncoder struct {
	req   *api.Request
	order *api.Serializer
	dst   []byte
	index int // of the block that is open, or of the next

	part      api.Part // the part that is open
	call      api.Call
	open      bool   // its block is
	held      []byte // a call's first piece, see hold
	waiting   bool   // a call has begun whose block is not open
	signature string // of a text or a call, told after its block began

	calls, refused, started, done bool

	source   api.API
	finish   api.Finish
	sequence string
	usage    api.Usage
	extra    map[string]json.RawMessage
}

// Encode implements api.StreamEncoder.
func (e *streamEncoder) Encode(dst []byte, ev *api.Event) []byte {
	e.dst = dst
	if !e.done {
		e.order.Add(ev)
	}
	dst, e.dst = e.dst, nil
	return dst
}

func (e *streamEncoder) handle(ev *api.Event) {
	switch ev.Kind {
	case api.Start:
		e.start(ev)
	case api.PartStart:
		e.start(&api.Event{}) // unless there was one
		e.partStart(ev.Content)
	case api.Delta:
		e.delta(ev.Text)
	case api.Signature:
		if ev.Content != nil {
			e.sign(ev.Content)
		}
	case api.CitationEvent:
		e.citation(ev.Citation)
	case api.PartEnd:
		e.partEnd()
	case api.Finished:
		e.finish, e.sequence = ev.Finish, ev.StopSequence
		if e.source == api.Messages {
			e.extra = maps.Clone(ev.Extra)
		}
	case api.UsageEvent:
		e.usage = ev.Usage
	case api.Ping:
		if e.started {
			e.dst = append(e.dst, "event: ping\ndata: {\"type\":\"ping\"}\n\n"...)
		}
	case api.ErrorEvent:
		e.fail(ev.Err)
	case api.End:
		e.end()
	}
}

// begin writes an event up to the members beside its type; endEvent ends it.
func (e *streamEncoder) begin(kind string) {
	e.dst = append(append(e.dst, "event: "...), kind...)
	e.dst = append(append(e.dst, "\ndata: {\"type\":\""...), kind...)
	e.dst = append(e.dst, '"')
}

func (e *streamEncoder) endEvent() { e.dst = append(e.dst, "}\n\n"...) }

// start tells zeros as the usage where the provider's comes last: clients need
// numbers here. message_delta has the true ones.
func (e *streamEncoder) start(ev *api.Event) {
	if e.started {
		return
	}
	e.started, e.source = true, ev.Source
	if ev.Usage.Known {
		e.usage = ev.Usage
	}
	e.begin("message_start")
	e.dst = memberText(append(member(e.dst, "message"), '{'), "id", messageID(ev.ID))
	e.dst = append(e.dst, `,"type":"message","role":"assistant"`...)
	e.dst = memberText(e.dst, "model", modelOf(ev.Model, e.req))
	e.dst = append(e.dst, `,"content":[],"stop_reason":null,"stop_sequence":null`...)
	e.dst = appendUsage(member(e.dst, "usage"), e.usage)
	if e.source == api.Messages && ev.ServiceTier != "" {
		e.dst = append(memberText(e.dst[:len(e.dst)-1], "service_tier", ev.ServiceTier), '}')
	}
	e.dst = append(e.dst, '}')
	e.endEvent()
}

func (e *streamEncoder) blockStart() {
	e.begin("content_block_start")
	e.dst = memberInt(e.dst, "index", int64(e.index))
	e.dst = member(e.dst, "content_block")
}

// openBlock opens the block of the part that has begun.
func (e *streamEncoder) openBlock() {
	if e.open {
		return
	}
	e.open = true
	e.blockStart()
	switch {
	case len(e.part.Raw) > 0:
		e.dst = append(e.dst, e.part.Raw...)
	case e.part.Kind == api.Thinking:
		e.dst = append(e.dst, `{"type":"thinking","thinking":"","signature":""}`...)
	case e.part.Kind == api.ToolCall:
		e.dst = memberText(append(e.dst, `{"type":"tool_use"`...), "id", api.CallID(e.call.ID))
		e.dst = append(memberText(e.dst, "name", e.call.Name), `,"input":{}}`...)
	default:
		e.dst = append(e.dst, `{"type":"text","text":""}`...)
	}
	e.endEvent()
}

func (e *streamEncoder) closeBlock() {
	if !e.open {
		return
	}
	e.begin("content_block_stop")
	e.dst = memberInt(e.dst, "index", int64(e.index))
	e.endEvent()
	e.open = false
	e.index++
}

// whole writes a block that has no deltas.
func (e *streamEncoder) whole(block []byte) {
	e.blockStart()
	e.dst = append(e.dst, block...)
	e.endEvent()
	e.open = true
	e.closeBlock()
}

func (e *streamEncoder) piece(kind, name string, literal []byte) {
	e.begin("content_block_delta")
	e.dst = memberInt(e.dst, "index", int64(e.index))
	e.dst = append(append(append(e.dst, `,"delta":{"type":"`...), kind...), `","`...)
	e.dst = append(append(append(e.dst, name...), `":`...), literal...)
	e.dst = append(e.dst, '}')
	e.endEvent()
}

func (e *streamEncoder) partStart(content *api.Part) {
	if content == nil {
		content = &api.Part{Kind: api.Text}
	}
	e.part, e.call, e.signature = *content, api.Call{}, ""
	e.part.Citations, e.part.Media, e.part.Result = nil, nil, nil
	if e.part.Raw = nil; content.Kind == api.ToolCall && content.Source == api.Messages && json.Valid(content.Raw) {
		e.part.Raw = append([]byte(nil), onOneLine(withInput(content.Raw, "{}"))...)
	}
	switch content.Kind {
	case api.ToolCall:
		if content.Call != nil {
			e.call = *content.Call
		}
		e.part.Call, e.calls, e.waiting = nil, true, true
		fallthrough
	case api.Text, api.Refusal:
		e.refused = e.refused || content.Kind == api.Refusal
		if content.Signature != "" {
			e.whole(appendRedacted(nil, ofNext+api.Seal(content.Vendor, content.Signature)))
			if e.waiting {
				e.openCall()
			}
		}
	case api.Opaque:
		if content.Source == api.Messages && json.Valid(content.Raw) {
			e.whole(onOneLine(content.Raw))
		}
	}
}

// openCall opens a call's block. A custom tool's text becomes a member.
func (e *streamEncoder) openCall() {
	e.waiting = false
	e.openBlock()
	if e.call.Custom {
		e.piece("input_json_delta", "partial_json", []byte(`"{\"`+api.CustomInput+`\":\""`))
	}
	if len(e.held) > 0 {
		e.arguments(e.held)
		e.held = e.held[:0]
	}
}

func (e *streamEncoder) arguments(literal []byte) {
	if e.call.Custom { // escaped once more: it stands in a string in a string
		literal = api.Quote(string(literal[1 : len(literal)-1]))
	}
	e.piece("input_json_delta", "partial_json", literal)
}

// hold keeps a call back that comes in one piece, until it ends or more comes:
// Gemini's signature of it follows, and has to stand in a block before it, since
// clients may cut off reasoning at the end of a turn.
func (e *streamEncoder) hold(literal []byte) bool {
	if !e.waiting || len(e.held) > 0 || e.call.Custom {
		return false
	}
	s, ok := jsonscan.String(literal)
	if !ok || !jsonscan.Valid([]byte(s)) {
		return false
	}
	e.held = append(e.held[:0], literal...)
	return true
}

func (e *streamEncoder) delta(raw json.RawMessage) {
	literal := api.Literal(raw)
	if len(literal) <= 2 {
		return
	}
	switch e.part.Kind {
	case api.ToolCall:
		if e.hold(literal) {
			return
		}
		if e.waiting {
			e.openCall()
		}
		e.arguments(literal)
	case api.Thinking:
		e.openBlock()
		e.piece("thinking_delta", "thinking", literal)
	case api.Text, api.Refusal:
		e.openBlock()
		e.piece("text_delta", "text", literal)
	}
}

func (e *streamEncoder) sign(content *api.Part) {
	switch e.part.Kind {
	case api.Thinking:
		e.part.Vendor = content.Vendor
		e.part.Signature += content.Signature
	case api.ToolCall:
		if e.waiting && content.Signature != "" {
			e.whole(appendRedacted(nil, ofNext+api.Seal(content.Vendor, content.Signature)))
			e.openCall()
			return
		}
		e.signature = api.Seal(content.Vendor, content.Signature)
	default:
		e.signature = api.Seal(content.Vendor, content.Signature)
	}
}

func (e *streamEncoder) citation(c *api.Citation) {
	if c == nil || e.part.Kind != api.Text {
		return
	}
	e.openBlock()
	e.piece("citations_delta", "citation", onOneLine(appendCitation(nil, c)))
}

// onOneLine takes out line breaks, which would end the data of an event.
func onOneLine(raw []byte) []byte {
	if !bytes.ContainsAny(raw, "\r\n") {
		return raw
	}
	var out bytes.Buffer
	if json.Compact(&out, raw) != nil {
		return []byte("null")
	}
	return out.Bytes()
}

func (e *streamEncoder) partEnd() {
	switch {
	case e.part.Kind == api.Thinking:
		e.endThinking()
	case e.waiting:
		e.openCall()
	}
	if e.part.Kind == api.ToolCall && e.call.Custom {
		e.piece("input_json_delta", "partial_json", []byte(`"\"}"`))
	}
	e.closeBlock()
	if e.signature != "" && e.index > 0 { // of an empty text, it stands on the part before
		e.whole(appendRedacted(nil, ofPrevious+e.signature))
	}
	e.part, e.signature = api.Part{}, ""
}

// endThinking tells the signature, or the whole of reasoning that nobody sees.
func (e *streamEncoder) endThinking() {
	signature := signedBy(e.source, e.part.Vendor, e.part.Signature)
	switch {
	case signature == "", e.part.Signature == "" && !e.open:
	case !e.open && (e.part.Redacted || e.part.Vendor != vendor):
		e.whole(appendRedacted(nil, signature))
	default:
		e.openBlock()
		e.piece("signature_delta", "signature", api.Quote(signature))
	}
}

// fail ends the stream with an error, and says nothing that looks like success.
func (e *streamEncoder) fail(err *api.Error) {
	e.done = true
	if err == nil {
		err = &api.Error{Status: 502, Message: "The provider's stream failed."}
	}
	e.dst = append(e.dst, api.Messages.ErrorEvent(*err, 0)...)
}

func (e *streamEncoder) end() {
	e.done = true
	e.start(&api.Event{})
	e.begin("message_delta")
	e.dst = append(e.dst, `,"delta":{"stop_reason":"`...)
	e.dst = append(append(e.dst, stopReason(e.finish, e.calls, e.refused)...), '"')
	e.dst = append(appendExtra(appendStopSequence(e.dst, e.sequence), e.extra, inDelta), '}')
	e.dst = appendExtra(e.dst, e.extra, inEvent)
	if e.usage.Known {
		e.dst = appendUsage(member(e.dst, "usage"), e.usage)
		e.dst = append(appendExtra(e.dst[:len(e.dst)-1], e.extra, inUsage), '}')
	} else {
		e.dst = append(e.dst, `,"usage":{"output_tokens":0}`...)
	}
	e.endEvent()
	e.begin("message_stop")
	e.endEvent()
}
