package chat

import (
	"strconv"

	"github.com/caddy-plexus/plexus/api"
)

// NewStreamEncoder implements api.Codec.
func (Codec) NewStreamEncoder(req *api.Request) api.StreamEncoder {
	return &streamEncoder{req: req}
}

// streamEncoder writes the chunks of one stream. Chunks of calls name theirs, so
// that interleaved parts pass as they come.
type streamEncoder struct {
	req     *api.Request
	head    []byte // of every chunk, up to its choices
	tail    []byte // of every chunk of a choice
	begun   bool
	over    bool
	choices []choiceOut
	parts   []*partOut
	spare   []*partOut
	usage   api.Usage
}

// choiceOut is what was said of a choice.
type choiceOut struct {
	begun, finished bool
	calls, thoughts int
	cited, images   int
	refused         bool
	characters      int64
}

// partOut is a part that has begun and not ended.
type partOut struct {
	choice, part int
	kind         api.Kind
	call         int // among the choice's calls, or none where it is not told
	custom       bool
	unwrap       *api.CustomUnwrapper
	spoke        bool
	from         int64 // where a text begins in the whole of them
	content      api.Part
	held         []byte // the inside of JSON strings
}

// Encode implements api.StreamEncoder.
func (e *streamEncoder) Encode(dst []byte, ev *api.Event) []byte {
	if e.over {
		return dst
	}
	switch ev.Kind {
	case api.Start:
		e.begin(ev)
		return e.role(dst, 0)
	case api.PartStart:
		return e.partStart(dst, ev)
	case api.Delta:
		return e.delta(dst, ev)
	case api.Signature:
		if p := e.part(ev); p != nil && ev.Content != nil {
			p.content.Signature += ev.Content.Signature
			p.content.Vendor = ev.Content.Vendor
		}
	case api.CitationEvent:
		return e.citation(dst, ev)
	case api.PartEnd:
		return e.partEnd(dst, ev)
	case api.Finished:
		return e.finish(dst, ev)
	case api.UsageEvent:
		e.usage = ev.Usage
	case api.Ping:
		// A comment, which readers of event streams skip.
		return append(dst, ": ping\n\n"...)
	case api.ErrorEvent:
		e.over = true
		var failure api.Error
		if failure.Status = 502; ev.Err != nil {
			failure = *ev.Err
		}
		return append(dst, api.Chat.ErrorEvent(failure, 0)...)
	case api.End:
		return e.end(dst)
	}
	return dst
}

// begin makes what every chunk begins with.
func (e *streamEncoder) begin(ev *api.Event) {
	if e.begun {
		return
	}
	e.begun = true
	id, created, model := identity(ev.ID, ev.Created, ev.Model, e.req)
	w := writer{b: []byte("data: {")}
	w.text("id", id)
	w.text("object", "chat.completion.chunk")
	w.integer("created", created)
	w.text("model", model)
	e.head = append(w.b, `,"choices":[`...)
	e.tail = []byte(`]`)
	if e.req.StreamUsage {
		e.tail = append(e.tail, `,"usage":null`...)
	}
	e.tail = append(e.tail, "}\n\n"...)
}

// open begins a chunk, up to the members of its delta; a choice's first one says
// the role.
func (e *streamEncoder) open(dst []byte, choice int) []byte {
	dst = e.role(dst, choice)
	dst = append(dst, e.head...)
	dst = append(dst, `{"index":`...)
	dst = strconv.AppendInt(dst, int64(choice), 10)
	return append(dst, `,"delta":{`...)
}

func (e *streamEncoder) close(dst []byte) []byte { return e.closeWith(dst, nil) }

// closeWith ends a chunk that may have probabilities.
func (e *streamEncoder) closeWith(dst, logprobs []byte) []byte {
	dst = append(dst, `},"logprobs":`...)
	if len(logprobs) == 0 {
		dst = append(dst, "null"...)
	}
	start := len(dst)
	dst = append(dst, logprobs...)
	oneLine(dst[start:])
	return append(append(dst, `,"finish_reason":null}`...), e.tail...)
}

func (e *streamEncoder) role(dst []byte, choice int) []byte {
	if e.choice(choice).begun {
		return dst
	}
	if !e.begun {
		e.begin(&api.Event{})
	}
	e.choice(choice).begun = true
	dst = append(e.open(dst, choice), `"role":"assistant","content":"","refusal":null`...)
	return e.close(dst)
}

func (e *streamEncoder) choice(i int) *choiceOut {
	for len(e.choices) <= i {
		e.choices = append(e.choices, choiceOut{})
	}
	return &e.choices[i]
}

func (e *streamEncoder) part(ev *api.Event) *partOut {
	for _, p := range e.parts {
		if p.choice == ev.Choice && p.part == ev.Part {
			return p
		}
	}
	return nil
}

func (e *streamEncoder) partStart(dst []byte, ev *api.Event) []byte {
	if ev.Content == nil || e.part(ev) != nil {
		return dst
	}
	p := &partOut{}
	if n := len(e.spare); n > 0 {
		p, e.spare = e.spare[n-1], e.spare[:n-1]
	}
	c := e.choice(ev.Choice)
	*p = partOut{choice: ev.Choice, part: ev.Part, kind: ev.Content.Kind, call: none, from: c.characters, held: p.held[:0]}
	// The content is the giver's; what is kept of it are its texts.
	p.content = *ev.Content
	p.content.Call, p.content.Media, p.content.Raw = nil, nil, nil
	e.parts = append(e.parts, p)
	switch p.kind {
	case api.ToolCall:
		return e.callStart(dst, p, ev.Content.Call)
	case api.Image:
		if ev.Content.Media == nil {
			return dst
		}
		w := writer{b: e.open(dst, ev.Choice)}
		w.begin("images", '[')
		w.image(ev.Content, c.images)
		w.close(']')
		c.images++
		return e.close(w.b)
	case api.Sound:
		w := writer{b: e.open(dst, ev.Choice)}
		start := len(w.b)
		w.audio(ev.Content)
		oneLine(w.b[start:])
		return e.close(w.b)
	case api.Refusal:
		c.refused = true
	}
	return dst
}

func (e *streamEncoder) callStart(dst []byte, p *partOut, call *api.Call) []byte {
	c := e.choice(p.choice)
	if call == nil || e.req.Functions && c.calls > 0 {
		return dst // the old kind has room for one
	}
	p.call = c.calls
	c.calls++
	p.custom = call.Custom
	if !call.Custom && isCustom(e.req, call.Name) {
		p.custom, p.unwrap = true, &api.CustomUnwrapper{}
	}
	w := writer{b: e.open(dst, p.choice)}
	if e.req.Functions {
		w.begin("function_call", '{')
		w.text("name", call.Name)
		w.text("arguments", "")
		w.close('}')
		return e.close(w.b)
	}
	w.begin("tool_calls", '[')
	w.open()
	w.integer("index", int64(p.call))
	w.text("id", call.ID)
	kind, input := callNames(p.custom)
	w.text("type", kind)
	w.begin(kind, '{')
	w.text("name", call.Name)
	w.text(input, "")
	w.b = append(w.b, `}}]`...)
	return e.close(w.b)
}

// callNames are the names of a call's kind and of its text.
func callNames(custom bool) (kind, input string) {
	if custom {
		return "custom", "input"
	}
	return "function", "arguments"
}

func (e *streamEncoder) delta(dst []byte, ev *api.Event) []byte {
	p := e.part(ev)
	if p == nil {
		return dst
	}
	text := api.Literal(ev.Text)
	if len(text) <= 2 {
		return dst
	}
	p.spoke = true
	switch p.kind {
	case api.ToolCall:
		if p.unwrap != nil {
			p.held = append(p.unwrap.Add(append(p.held[:0], '"'), text), '"')
			text = p.held
		}
		return e.arguments(dst, p, text)
	case api.Text:
		e.choice(p.choice).characters += characters(text)
		return e.say(dst, ev, `"content":`, text)
	case api.Thinking:
		p.held = append(p.held, text[1:len(text)-1]...)
		return e.say(dst, ev, `"reasoning_content":`, text)
	case api.Refusal:
		return e.say(dst, ev, `"refusal":`, text)
	}
	return dst
}

func (e *streamEncoder) say(dst []byte, ev *api.Event, name string, text []byte) []byte {
	return e.closeWith(append(append(e.open(dst, ev.Choice), name...), text...), ev.Logprobs)
}

func (e *streamEncoder) arguments(dst []byte, p *partOut, text []byte) []byte {
	if p.call == none || len(text) <= 2 {
		return dst
	}
	dst = e.open(dst, p.choice)
	switch {
	case e.req.Functions:
		dst = append(dst, `"function_call":{"arguments":`...)
		return e.close(append(append(dst, text...), '}'))
	case p.custom:
		dst = strconv.AppendInt(append(dst, `"tool_calls":[{"index":`...), int64(p.call), 10)
		dst = append(dst, `,"custom":{"input":`...)
	default:
		dst = strconv.AppendInt(append(dst, `"tool_calls":[{"index":`...), int64(p.call), 10)
		dst = append(dst, `,"function":{"arguments":`...)
	}
	return e.close(append(append(dst, text...), `}}]`...))
}

// characters counts those of a JSON string.
func characters(literal []byte) (n int64) {
	for i := 1; i < len(literal)-1; i++ {
		switch b := literal[i]; {
		case b == '\\':
			// The second half of a surrogate pair is no character of its own.
			if i++; literal[i] == 'u' && i+4 < len(literal) {
				if literal[i+1]|0x20 == 'd' && literal[i+2]|0x20 >= 'c' {
					n--
				}
				i += 4
			}
			n++
		case b&0xC0 != 0x80:
			n++
		}
	}
	return n
}

func (e *streamEncoder) citation(dst []byte, ev *api.Event) []byte {
	p := e.part(ev)
	if p == nil || ev.Citation == nil {
		return dst
	}
	c := *ev.Citation
	if c.Start == 0 && c.End == 0 {
		c.Start, c.End = p.from, e.choice(p.choice).characters
	}
	count := e.choice(p.choice)
	var w writer
	if w.citation(&c); len(w.b) == 0 || w.b[0] != '{' {
		return dst
	}
	// OpenAI's SDK for Python takes a second list only if its elements have an
	// index, and tells all of them apart by it.
	dst = append(e.open(dst, p.choice), `"annotations":[{"index":`...)
	dst = strconv.AppendInt(dst, int64(count.cited), 10)
	count.cited++
	if w.b = w.b[1:]; w.b[0] != '}' {
		dst = append(dst, ',')
	}
	return e.close(append(append(dst, oneLine(w.b)...), ']'))
}

// oneLine takes the line breaks out of JSON, where a whole answer that is told as
// a stream has them and no event may.
func oneLine(raw []byte) []byte {
	for i, b := range raw {
		if b == '\n' || b == '\r' {
			raw[i] = ' '
		}
	}
	return raw
}

// Interface guard
var _ api.StreamEncoder = (*streamEncoder)(nil)
