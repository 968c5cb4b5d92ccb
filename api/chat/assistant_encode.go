package chat

import (
	"cmp"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// said is what the model said in a turn, sorted as a message has it.
type said struct {
	content  []api.Part // texts, and what only chat knows
	text     strings.Builder
	refusal  string
	calls    []*api.Part
	thoughts []*api.Part
	audio    string
	images   []api.Part
	extra    string // Google's signature of the text
}

// assistant writes a turn of the model, and tells whether it ended with calls.
func (e *requestEncoder) assistant(turn []api.Message) bool {
	var s said
	for i := range turn {
		if i > 0 && s.text.Len() > 0 && hasText(turn[i].Parts) {
			s.text.WriteString("\n\n")
		}
		for j := range turn[i].Parts {
			e.sort(&s, &turn[i].Parts[j])
		}
	}
	start := len(e.b)
	e.open()
	e.text("role", "assistant")
	e.some("name", turn[0].Name)
	empty := e.said(&s)
	e.some("refusal", s.refusal)
	e.thoughts(&s)
	e.calls(s.calls)
	if s.audio != "" {
		e.begin("audio", '{')
		e.text("id", s.audio)
		e.close('}')
	}
	if len(s.images) > 0 && e.native {
		e.begin("images", '[')
		for i := range s.images {
			e.part(&s.images[i])
		}
		e.close(']')
	}
	e.google(s.extra)
	e.close('}')
	if empty && !e.native && s.refusal == "" {
		e.b = e.b[:start]
	}
	if !e.native && len(s.images) > 0 {
		e.drop("messages.images", true)
	}
	return len(s.calls) > 0
}

func hasText(parts []api.Part) bool {
	for i := range parts {
		if parts[i].Kind == api.Text && parts[i].Text != "" {
			return true
		}
	}
	return false
}

func (e *requestEncoder) sort(s *said, p *api.Part) {
	switch p.Kind {
	case api.Text:
		s.content = append(s.content, *p)
		s.text.WriteString(p.Text)
		if sig := e.googleSignature(p); sig != "" {
			s.extra = sig
		}
	case api.Refusal:
		s.refusal += p.Text
	case api.ToolCall:
		s.calls = append(s.calls, p)
	case api.Thinking:
		// What another vendor signed is no use without the signature.
		if p.Signature == "" || p.Vendor == vendor {
			s.thoughts = append(s.thoughts, p)
		} else {
			e.drop("messages.thinking", true)
		}
	case api.Sound:
		if p.Media != nil && e.native {
			s.audio = p.Media.FileID
		} else {
			e.drop("messages.audio", true)
		}
	case api.Image:
		s.images = append(s.images, *p)
	case api.Opaque:
		if e.native && p.Source == api.Chat {
			s.content = append(s.content, *p)
		} else {
			e.drop("messages."+cmp.Or(textOf(jsonscan.Member(p.Raw, "type")), "content"), true)
		}
	}
}

// said writes the content: a text, as most servers take nothing else from the
// model. It tells whether the message says nothing.
func (e *requestEncoder) said(s *said) (empty bool) {
	list := len(s.content) > 1
	for i := range s.content {
		p := &s.content[i]
		list = list || p.Kind == api.Opaque || p.Cache != nil
		e.drop("cache_control", p.Cache != nil && !e.native)
	}
	mute := s.text.Len() == 0 && len(s.calls) == 0 && s.audio == ""
	switch {
	case list && e.native:
		e.content(s.content)
	case s.text.Len() > 0 || mute && s.refusal == "":
		e.text("content", s.text.String())
	default:
		e.raw("content", []byte("null"))
	}
	return mute
}

// thoughts writes the reasoning. DeepSeek and others insist on having it back
// with the calls to which it led
// (https://api-docs.deepseek.com/guides/thinking_mode#tool-calls), and older
// servers refuse it elsewhere; only a chat client knows better.
func (e *requestEncoder) thoughts(s *said) {
	if !e.native && len(s.calls) == 0 {
		return
	}
	var b strings.Builder
	signed := false
	for _, p := range s.thoughts {
		b.WriteString(p.Text)
		signed = signed || p.Signature != "" || e.native && p.Raw != nil
	}
	switch {
	case !e.model.reasoning():
		e.drop("messages.thinking", b.Len() > 0)
		return
	case b.Len() == 0 && e.model.demandsReasoning():
		e.text("reasoning_content", "")
	default:
		e.some("reasoning_content", b.String())
	}
	if signed && (e.native || e.model.details()) {
		e.details(s.thoughts)
	}
}

func (e *requestEncoder) details(thoughts []*api.Part) {
	e.begin("reasoning_details", '[')
	for i, p := range thoughts {
		if e.native && len(p.Raw) > 2 {
			e.element(p.Raw[1 : len(p.Raw)-1])
			continue
		}
		e.detail(p, p.Signature, i)
	}
	e.close(']')
}

// detail writes an entry of reasoning_details, whose signature may be sealed.
func (w *writer) detail(p *api.Part, signature string, index int) {
	w.open()
	if p.Redacted || p.Text == "" && p.Vendor == vendor {
		w.text("type", detailEncrypted)
		w.text("data", signature)
	} else {
		w.text("type", detailText)
		w.text("text", p.Text)
		w.some("signature", signature)
	}
	w.some("id", p.ID)
	w.integer("index", int64(index))
	w.close('}')
}

func (e *requestEncoder) calls(calls []*api.Part) {
	if len(calls) == 0 {
		return
	}
	e.begin("tool_calls", '[')
	for _, p := range calls {
		c := p.Call
		e.open()
		e.text("id", api.CallID(c.ID))
		e.callBody(c, c.Custom && e.native)
		e.google(e.googleSignature(p))
		e.close('}')
	}
	e.close(']')
}

// callBody writes what is called, and with what. A custom call that has to pass
// for a function's gets an argument to stand in.
func (w *writer) callBody(c *api.Call, custom bool) {
	if custom {
		w.text("type", "custom")
		w.begin("custom", '{')
		w.text("name", c.Name)
		w.text("input", c.Arguments)
		w.close('}')
		return
	}
	w.text("type", "function")
	w.begin("function", '{')
	w.text("name", c.Name)
	arguments := c.Arguments
	if c.Custom {
		arguments = api.WrapCustom(arguments)
	} else if arguments == "" {
		arguments = "{}"
	}
	w.text("arguments", arguments)
	w.close('}')
}

// googleSignature is a signature of Google's that the target may know: because
// the client sent it in this place, or because it is a Gemini behind Google's
// compatible endpoint or a reseller's, which refuses calls without theirs.
func (e *requestEncoder) googleSignature(p *api.Part) string {
	if p.Vendor == api.Google && (e.native || strings.Contains(strings.ToLower(e.req.Model), "gemini")) {
		return p.Signature
	}
	return ""
}

// google writes an extra_content with a signature in it.
func (w *writer) google(signature string) {
	if signature == "" {
		return
	}
	w.begin("extra_content", '{')
	w.begin("google", '{')
	w.text("thought_signature", signature)
	w.b = append(w.b, `}}`...)
}
