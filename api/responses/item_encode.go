package responses

import (
	"slices"
	"strings"

	"github.com/caddy-plexus/plexus/api"
)

// message writes a message's items.
func (e *requestEncoder) message(m *api.Message) {
	e.drop(m.Name != "", "name")
	for parts := m.Parts; len(parts) > 0; {
		n := e.asItStood(m.Role, parts)
		if n == 0 {
			n = e.run(m.Role, parts)
			e.items(m.Role, parts[:n])
		}
		for i := range parts[:n] {
			e.note(&parts[i])
		}
		parts = parts[n:]
	}
}

// run is how many parts to write at once: up to the next one that keeps an item
// of its own.
func (e *requestEncoder) run(role api.Role, parts []api.Part) int {
	if role != api.RoleAssistant && role != api.RoleTool {
		return len(parts)
	}
	n := 1
	for n < len(parts) && (parts[n].Raw == nil || parts[0].Raw != nil && &parts[n].Raw[0] == &parts[0].Raw[0]) {
		n++
	}
	return n
}

// note remembers what later parts need to know of this one.
func (e *requestEncoder) note(part *api.Part) {
	e.drop(part.Cache != nil, "cache_control")
	if part.Kind == api.ToolCall && part.Call.Custom {
		if e.custom == nil {
			e.custom = map[string]bool{}
		}
		e.custom[part.Call.ID] = true
	}
}

// items writes parts as items, in their order.
func (e *requestEncoder) items(role api.Role, parts []api.Part) {
	switch role {
	case api.RoleAssistant:
		for len(parts) > 0 {
			parts = parts[e.assistant(parts):]
		}
	case api.RoleTool:
		for i := range parts {
			if parts[i].Kind == api.ToolResult {
				e.result(&parts[i])
			}
		}
	default:
		e.open('{')
		e.text("type", "message")
		e.text("role", string(role))
		e.key("content")
		e.contents(parts)
		e.close('}')
	}
}

// assistant writes the item that the first of the parts belongs to, if there is
// one, and tells how many parts it takes up.
func (e *requestEncoder) assistant(parts []api.Part) int {
	first := &parts[0]
	switch first.Kind {
	case api.Text, api.Refusal:
		n := 1
		for n < len(parts) && (parts[n].Kind == api.Text || parts[n].Kind == api.Refusal) && parts[n].ID == first.ID {
			n++
		}
		e.said(parts[:n])
		return n
	case api.Thinking:
		n := 1
		for n < len(parts) && parts[n].Kind == api.Thinking && first.ID != "" && parts[n].ID == first.ID {
			n++
		}
		e.thought(parts[:n])
		return n
	case api.ToolCall:
		e.call(first)
	case api.Opaque:
		if first.Source == api.Responses {
			e.element(first.Raw)
		}
	default:
		e.drop(true, "assistant media")
	}
	return 1
}

// said writes a message of the assistant.
func (e *requestEncoder) said(parts []api.Part) {
	if !slices.ContainsFunc(parts, func(p api.Part) bool { return p.Text != "" }) {
		return
	}
	e.open('{')
	e.text("type", "message")
	e.optional("id", parts[0].ID)
	e.text("role", "assistant")
	e.key("content")
	e.open('[')
	for i := range parts {
		switch part := &parts[i]; {
		case part.Text == "":
		case part.Kind == api.Refusal:
			e.open('{')
			e.text("type", "refusal")
			e.text("refusal", part.Text)
			e.close('}')
		default:
			e.open('{')
			e.text("type", "output_text")
			e.text("text", part.Text)
			e.close('}')
		}
	}
	e.close(']')
	e.close('}')
}

// thought writes OpenAI's own reasoning. What it cannot recognise by its id or
// its signature, it would not take.
func (e *requestEncoder) thought(parts []api.Part) {
	last := &parts[len(parts)-1]
	if last.Vendor != vendor || last.Signature == "" && last.ID == "" {
		e.drop(true, "messages.thinking")
		return
	}
	e.open('{')
	e.text("type", "reasoning")
	e.optional("id", last.ID)
	e.key("summary")
	e.open('[')
	for i := range parts {
		if parts[i].Text != "" {
			e.open('{')
			e.text("type", "summary_text")
			e.text("text", parts[i].Text)
			e.close('}')
		}
	}
	e.close(']')
	e.optional("encrypted_content", last.Signature)
	e.close('}')
}

// callID is a call's id as OpenAI takes it.
func (e *requestEncoder) callID(id string) string {
	if e.foreign() {
		return api.CallID(id)
	}
	return id
}

func (e *requestEncoder) call(part *api.Part) {
	call := part.Call
	e.open('{')
	if call.Custom {
		e.text("type", "custom_tool_call")
	} else {
		e.text("type", "function_call")
	}
	e.optional("id", part.ID)
	e.text("call_id", e.callID(call.ID))
	e.text("name", call.Name)
	switch {
	case call.Custom:
		e.text("input", call.Arguments)
	case call.Arguments == "":
		e.text("arguments", "{}")
	default:
		e.text("arguments", call.Arguments)
	}
	e.close('}')
}

func (e *requestEncoder) result(part *api.Part) {
	result := part.Result
	e.open('{')
	if result.Custom || e.custom[result.ID] {
		e.text("type", "custom_tool_call_output")
	} else {
		e.text("type", "function_call_output")
	}
	e.optional("id", part.ID)
	e.text("call_id", e.callID(result.ID))
	switch {
	case len(result.Parts) == 0:
		e.text("output", "")
	case len(result.Parts) == 1 && result.Parts[0].Kind == api.Text:
		e.text("output", result.Parts[0].Text)
		e.drop(result.Parts[0].Cache != nil, "cache_control")
	default:
		e.key("output")
		e.contents(result.Parts)
	}
	if result.IsError {
		// There is no other way to tell a failure:
		// https://platform.openai.com/docs/api-reference/responses/create#responses-create-input.
		e.text("status", "incomplete")
	}
	e.close('}')
}

// contents writes what a user, a system or a tool says.
func (e *requestEncoder) contents(parts []api.Part) {
	e.open('[')
	for i := range parts {
		part := &parts[i]
		e.drop(part.Cache != nil, "cache_control")
		switch part.Kind {
		case api.Text, api.Refusal:
			e.inputText(part.Text)
		case api.Image:
			e.image(part.Media)
		case api.File:
			e.file(part.Media)
		case api.Sound:
			e.sound(part.Media)
		case api.Opaque:
			if part.Source == api.Responses {
				e.element(part.Raw)
			}
		}
	}
	e.close(']')
}

func (e *requestEncoder) inputText(text string) {
	if text == "" {
		return
	}
	e.open('{')
	e.text("type", "input_text")
	e.text("text", text)
	e.close('}')
}

// ours tells whether OpenAI knows a file by its id.
func (e *requestEncoder) ours(media *api.Media) bool {
	if media.FileID != "" && media.Data == "" && media.URL == "" && e.req.Source.Vendor() != vendor {
		e.unsupported(words(e.req.Source, "file_id", "source.file_id", "fileData.fileUri"),
			"names a file that is stored with another vendor than the target's: send its content instead")
		return false
	}
	return true
}

func (e *requestEncoder) image(media *api.Media) {
	if media == nil || !e.ours(media) {
		return
	}
	e.open('{')
	e.text("type", "input_image")
	switch {
	case media.Data != "":
		e.text("image_url", dataURL(media.MIME, "image/png", media.Data))
	case media.URL != "":
		e.text("image_url", media.URL)
	default:
		e.text("file_id", media.FileID)
	}
	e.optional("detail", media.Detail)
	e.close('}')
}

func (e *requestEncoder) file(media *api.Media) {
	switch {
	case media == nil || !e.ours(media):
		return
	case media.Text != "" && media.Data == "":
		e.inputText(media.Text)
		return
	case strings.HasPrefix(media.MIME, "video/"):
		e.unsupported(words(e.req.Source, "file", "source", "inlineData"),
			"is a video, which the target's API (responses) does not take")
		return
	case strings.HasPrefix(media.MIME, "audio/"):
		e.sound(media)
		return
	case strings.HasPrefix(media.MIME, "image/"):
		e.image(media)
		return
	}
	e.open('{')
	e.text("type", "input_file")
	switch {
	case media.Data != "":
		e.text("filename", fileName(media))
		e.text("file_data", dataURL(media.MIME, "application/octet-stream", media.Data))
	case media.URL != "":
		e.optional("filename", media.Name)
		e.text("file_url", media.URL)
	default:
		e.text("file_id", media.FileID)
	}
	e.optional("detail", media.Detail)
	e.close('}')
}

// fileName is the name that OpenAI asks for next to a file's data, and whose
// ending tells it how to read it.
func fileName(media *api.Media) string {
	switch {
	case media.Name != "":
		return media.Name
	case media.MIME == "application/pdf":
		return "document.pdf"
	case strings.HasPrefix(media.MIME, "text/"):
		return "document.txt"
	}
	return "document"
}

// soundFormats are what OpenAI hears:
// https://platform.openai.com/docs/guides/audio.
var soundFormats = map[string]string{
	"audio/wav": "wav", "audio/x-wav": "wav", "audio/wave": "wav", "audio/vnd.wave": "wav",
	"audio/mpeg": "mp3", "audio/mp3": "mp3",
}

func (e *requestEncoder) sound(media *api.Media) {
	field := words(e.req.Source, "input_audio", "source", "inlineData")
	if media == nil || media.Data == "" {
		e.unsupported(field, "is a sound without its data, which the target's API (responses) cannot fetch: send its content instead")
		return
	}
	format, ok := soundFormats[media.MIME]
	if !ok && !e.foreign() {
		format, ok = strings.CutPrefix(media.MIME, "audio/")
	}
	if !ok {
		e.unsupported(field, "is "+media.MIME+", while the target's API (responses) takes audio/wav and audio/mpeg")
		return
	}
	e.open('{')
	e.text("type", "input_audio")
	e.key("input_audio")
	e.open('{')
	e.text("data", media.Data)
	e.text("format", format)
	e.close('}')
	e.close('}')
}
