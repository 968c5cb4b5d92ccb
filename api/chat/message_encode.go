package chat

import (
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/openai"
)

// messages writes the conversation. What a tool answered has to follow the
// assistant's message with the calls at once
// (https://platform.openai.com/docs/guides/function-calling), whatever else
// stands between them in the source; and since other formats have an item for
// each call, or several turns of the model in a row, those become one message.
func (e *requestEncoder) messages() {
	e.begin("messages", '[')
	e.schema()
	start := len(e.b)
	list := e.req.Messages
	for len(list) > 0 {
		n := e.turn(list)
		switch list[0].Role {
		case api.RoleAssistant:
			called := e.assistant(list[:n])
			list = list[n:]
			if called {
				n = until(list, api.RoleAssistant)
				e.results(list[:n])
				e.others(list[:n])
				list = list[n:]
			}
			continue
		case api.RoleTool:
			e.results(list[:n])
		default:
			e.others(list[:n])
		}
		list = list[n:]
	}
	if len(e.b) == start {
		e.refuse(e.conversation(), "holds nothing that a chat target could answer")
	}
	e.close(']')
}

// conversation is what the client calls the list of the messages.
func (e *requestEncoder) conversation() string {
	if e.req.Source == api.Responses {
		return "input"
	}
	return e.word("messages", "messages", "contents")
}

// schema tells a model the schema that it could not be bound to, and one that may
// answer with any object what OpenAI wants it to be told.
func (e *requestEncoder) schema() {
	if !e.kin && openai.WantsWord(e.req.Format, e.req.Messages) {
		e.open()
		e.text("role", "system")
		e.text("content", openai.Word)
		e.close('}')
	}
	if f := e.req.Format; f != nil && f.Schema != nil && !e.model.schemas() {
		e.open()
		e.text("role", "system")
		e.text("content", "Answer with nothing but a JSON object that follows this JSON Schema:\n"+string(f.Schema))
		e.close('}')
	}
}

// turn is how many of the messages at the start of list are written together.
func (e *requestEncoder) turn(list []api.Message) int {
	n, role := 1, list[0].Role
	together := role == api.RoleTool || role == api.RoleAssistant && !e.native
	for together && n < len(list) && list[n].Role == role {
		n++
	}
	return n
}

// until is the number of messages before the first one of a role.
func until(list []api.Message, role api.Role) int {
	for i := range list {
		if list[i].Role == role {
			return i
		}
	}
	return len(list)
}

// others writes the messages that are no results.
func (e *requestEncoder) others(list []api.Message) {
	for i := range list {
		m := &list[i]
		if m.Role == api.RoleTool || !e.native && len(m.Parts) == 0 {
			continue
		}
		start := len(e.b)
		e.open()
		e.text("role", e.role(m.Role))
		e.some("name", m.Name)
		if wrote := e.content(m.Parts); !wrote && !e.native {
			e.b = e.b[:start]
			continue
		}
		e.close('}')
	}
}

// role is the word for a role. Compatible servers do not know developer, and
// Codex speaks as one.
func (e *requestEncoder) role(role api.Role) string {
	if role == api.RoleDeveloper && !e.native && !e.model.openAI() {
		role = api.RoleSystem
	}
	return string(role)
}

// content writes the content of a message that is not the assistant's, as a text
// where one text is all there is. It tells whether there was anything.
func (e *requestEncoder) content(parts []api.Part) bool {
	if len(parts) == 0 {
		e.text("content", "")
		return false
	}
	if p := &parts[0]; len(parts) == 1 && p.Kind == api.Text && (p.Cache == nil || !e.native) {
		e.drop("cache_control", p.Cache != nil)
		e.text("content", p.Text)
		return true
	}
	e.begin("content", '[')
	start := len(e.b)
	for i := range parts {
		e.part(&parts[i])
	}
	wrote := len(e.b) > start
	e.close(']')
	return wrote
}

// part writes a part of a content, or nothing where chat has none of its kind.
func (e *requestEncoder) part(p *api.Part) {
	if p.Kind == api.Opaque {
		if e.native && p.Source == api.Chat {
			e.element(p.Raw)
		}
		return
	}
	start := len(e.b)
	e.open()
	switch p.Kind {
	case api.Text:
		e.text("type", "text")
		e.text("text", p.Text)
	case api.Refusal:
		e.text("type", "refusal")
		e.text("refusal", p.Text)
	case api.Image, api.File, api.Sound:
		e.media(p)
	}
	if n := len(e.b); e.b[n-1] == '{' || p.Kind == api.Text && p.Text == "" && !e.native {
		e.b = e.b[:start]
		return
	}
	e.cache(p.Cache)
	e.close('}')
}

// results writes a message for each result, and after them what of the results
// is no text: a tool's message takes nothing else.
func (e *requestEncoder) results(list []api.Message) {
	var rest []api.Part
	for i := range list {
		for j := range list[i].Parts {
			r := list[i].Parts[j].Result
			if list[i].Role != api.RoleTool || r == nil {
				continue
			}
			e.drop("cache_control", list[i].Parts[j].Cache != nil)
			other := withoutTexts(r.Parts)
			e.result(r, len(other) > 0)
			if len(other) > 0 {
				rest = append(rest, api.Part{Kind: api.Text, Text: "Files that the tool call " + api.CallID(r.ID) + " returned:"})
				rest = append(rest, other...)
			}
		}
	}
	if len(rest) > 0 {
		e.others([]api.Message{{Role: api.RoleUser, Parts: rest}})
	}
}

func (e *requestEncoder) result(r *api.Result, more bool) {
	e.open()
	e.text("role", "tool")
	e.text("tool_call_id", api.CallID(r.ID))
	texts := onlyTexts(r.Parts)
	switch {
	case e.native && len(texts) > 1 || e.native && len(texts) == 1 && texts[0].Cache != nil:
		e.content(texts)
	case r.IsError:
		// chat has no flag for it, and models read an object with an error as
		// one.
		e.text("content", string(append(api.AppendQuoted([]byte(`{"error":`), join(texts)), '}')))
	case len(texts) == 0 && more:
		e.text("content", "The result is in the user's message that follows.")
	default:
		e.text("content", join(texts))
	}
	e.close('}')
}

func onlyTexts(parts []api.Part) (texts []api.Part) {
	for i := range parts {
		if parts[i].Kind == api.Text {
			texts = append(texts, parts[i])
		}
	}
	return texts
}

func withoutTexts(parts []api.Part) (others []api.Part) {
	for i := range parts {
		switch parts[i].Kind {
		case api.Image, api.File, api.Sound:
			others = append(others, parts[i])
		}
	}
	return others
}

func join(texts []api.Part) string {
	var b strings.Builder
	for i := range texts {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(texts[i].Text)
	}
	return b.String()
}
