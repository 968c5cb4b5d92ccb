package chat

import (
	"slices"

	"github.com/caddy-plexus/plexus/api"
)

// partEnd writes what of a part can only be told at its end.
func (e *streamEncoder) partEnd(dst []byte, ev *api.Event) []byte {
	p := e.part(ev)
	if p == nil {
		return dst
	}
	switch p.kind {
	case api.ToolCall:
		dst = e.callEnd(dst, p)
	case api.Thinking:
		dst = e.thoughtEnd(dst, p)
	case api.Text:
		if p.content.Signature != "" {
			w := writer{b: e.open(dst, p.choice)}
			w.google(sealed(&p.content, api.Google))
			dst = e.close(w.b)
		}
	}
	e.parts = slices.DeleteFunc(e.parts, func(other *partOut) bool { return other == p })
	p.content = api.Part{}
	e.spare = append(e.spare, p)
	return dst
}

func (e *streamEncoder) callEnd(dst []byte, p *partOut) []byte {
	switch {
	case p.unwrap != nil:
		p.held = append(p.unwrap.End(append(p.held[:0], '"')), '"')
		dst = e.arguments(dst, p, p.held)
	case !p.spoke && !p.custom:
		dst = e.arguments(dst, p, []byte(`"{}"`))
	}
	if p.content.Signature == "" || p.call == none || e.req.Functions {
		return dst
	}
	w := writer{b: e.open(dst, p.choice)}
	w.begin("tool_calls", '[')
	w.open()
	w.integer("index", int64(p.call))
	w.google(sealed(&p.content, api.Google))
	w.b = append(w.b, `}]`...)
	return e.close(w.b)
}

// thoughtEnd writes the details of reasoning that is signed. They repeat the
// text, since a signature is worth nothing without exactly its own: a client
// that sends the message back sends the details too, and of several pieces of
// reasoning only they tell where one ends.
func (e *streamEncoder) thoughtEnd(dst []byte, p *partOut) []byte {
	c := e.choice(p.choice)
	if p.content.Signature == "" {
		return dst
	}
	p.content.Text = api.Unquote(quoted(p.held))
	w := writer{b: e.open(dst, p.choice)}
	w.begin("reasoning_details", '[')
	w.detail(&p.content, sealed(&p.content, vendor), c.thoughts)
	w.close(']')
	c.thoughts++
	return e.close(w.b)
}

func quoted(inside []byte) []byte {
	return append(append(append(make([]byte, 0, len(inside)+2), '"'), inside...), '"')
}

// finish writes a choice's finish_reason, once.
func (e *streamEncoder) finish(dst []byte, ev *api.Event) []byte {
	dst = e.role(dst, ev.Choice)
	c := e.choice(ev.Choice)
	if c.finished {
		return dst
	}
	c.finished = true
	w := writer{b: append(e.open(dst, ev.Choice), '}')}
	start := len(w.b)
	if w.raw("logprobs", ev.Logprobs); len(w.b) == start {
		w.raw("logprobs", []byte("null"))
	}
	oneLine(w.b[start:])
	w.text("finish_reason", finishReason(ev.Finish, c.refused, e.req.Functions))
	w.close('}')
	return append(w.b, e.tail...)
}

// end writes the usage, if the client asked for it and the provider told it, and
// the end of the stream.
func (e *streamEncoder) end(dst []byte) []byte {
	e.over = true
	if dst = e.role(dst, 0); !e.choice(0).finished {
		last := api.Event{Finish: api.FinishStop}
		if e.choice(0).calls > 0 {
			last.Finish = api.FinishToolCalls
		}
		dst = e.finish(dst, &last)
	}
	if e.req.StreamUsage && e.usage.Known {
		w := writer{b: append(append(dst, e.head...), ']')}
		w.usage(e.usage)
		dst = append(w.b, "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}
