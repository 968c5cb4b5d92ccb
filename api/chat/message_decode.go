package chat

import (
	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// message is a message of a request or of an answer, taken apart.
type message struct {
	role, name, callID string

	content, toolCalls, functionCall, refusal []byte
	// Reasoning has two names: reasoning_content is DeepSeek's
	// (https://api-docs.deepseek.com/guides/thinking_mode), reasoning
	// OpenRouter's, which adds reasoning_details
	// (https://openrouter.ai/docs/use-cases/reasoning-tokens).
	plain, details []byte
	audio, images  []byte
	annotations    []byte
	signature      string // Google's, on the text
}

func readMessage(raw []byte) (m message, err error) {
	err = object(raw, func(key string, value []byte) error {
		switch key {
		case "role":
			return text(value, &m.role)
		case "name":
			return text(value, &m.name)
		case "tool_call_id":
			return text(value, &m.callID)
		case "content":
			m.content = value
		case "tool_calls":
			m.toolCalls = value
		case "function_call":
			m.functionCall = value
		case "refusal":
			m.refusal = value
		case "reasoning_content", "reasoning", "reasoning_text": // the last one is GitHub Copilot's
			if string(value) != `""` {
				m.plain = value
			}
		case "reasoning_details":
			m.details = value
		case "audio":
			m.audio = value
		case "images":
			m.images = value
		case "annotations":
			m.annotations = value
		case "extra_content":
			m.signature = googleSignature(value)
		}
		return nil
	})
	return m, err
}

// googleSignature is the thoughtSignature in an extra_content, as Google's
// compatible endpoint has it: https://ai.google.dev/gemini-api/docs/thought-signatures.
func googleSignature(extra []byte) string {
	return textOf(inside(extra, "google", "thought_signature"))
}

// assistant is what the model said. A call without an id gets one of newID.
func (m *message) assistant(newID func(i int) string) ([]api.Part, error) {
	parts, err := reasoning(m.details, textOf(m.plain))
	if err != nil {
		return nil, at("reasoning_details", err)
	}
	content, err := contents(m.content, api.RoleAssistant)
	if err != nil {
		return nil, at("content", err)
	}
	parts = append(parts, content...)
	if err := m.annotate(&parts); err != nil {
		return nil, at("annotations", err)
	}
	if refusal := textOf(m.refusal); refusal != "" {
		parts = append(parts, api.Part{Kind: api.Refusal, Text: refusal})
	}
	if !null(m.audio) {
		parts = append(parts, sound(m.audio))
	}
	if !null(m.images) {
		images, err := contents(m.images, api.RoleAssistant)
		if err != nil {
			return nil, at("images", err)
		}
		parts = append(parts, images...)
	}
	calls, err := m.calls(newID)
	return append(parts, calls...), err
}

// annotate gives citations and a signature to the last text, to which they
// belong; there is one afterwards if there was none.
func (m *message) annotate(parts *[]api.Part) error {
	var citations []api.Citation
	if !null(m.annotations) {
		err := array(m.annotations, func(_ int, raw []byte) error {
			citations = append(citations, citation(raw))
			return nil
		})
		if err != nil {
			return err
		}
	}
	if len(citations) == 0 && m.signature == "" {
		return nil
	}
	last := -1
	for i := range *parts {
		if (*parts)[i].Kind == api.Text {
			last = i
		}
	}
	if last < 0 {
		last = len(*parts)
		*parts = append(*parts, api.Part{Kind: api.Text})
	}
	part := &(*parts)[last]
	part.Citations = citations
	if m.signature != "" {
		part.Vendor, part.Signature = api.Unseal(m.signature, api.Google)
	}
	return nil
}

// citation reads an annotation, of which OpenAI has the type url_citation only.
func citation(raw []byte) api.Citation {
	c := api.Citation{Raw: kept(raw), Source: api.Chat}
	it := jsonscan.Object(jsonscan.Member(raw, "url_citation"))
	for it.Next() {
		switch string(it.Key) {
		case "url":
			c.URL = textOf(it.Value())
		case "title":
			c.Title = textOf(it.Value())
		case "content": // OpenRouter
			c.CitedText = textOf(it.Value())
		case "start_index":
			_ = integer(it.Value(), &c.Start)
		case "end_index":
			_ = integer(it.Value(), &c.End)
		}
	}
	return c
}

// sound is a spoken answer, or in a request the id of one given before.
func sound(raw []byte) api.Part {
	return api.Part{
		Kind: api.Sound, Text: textOf(jsonscan.Member(raw, "transcript")),
		Media: &api.Media{FileID: textOf(jsonscan.Member(raw, "id")), Data: textOf(jsonscan.Member(raw, "data"))},
		Raw:   kept(raw), Source: api.Chat,
	}
}

// calls reads tool_calls and what stood in their place before.
func (m *message) calls(newID func(i int) string) (parts []api.Part, err error) {
	if !null(m.toolCalls) {
		err = array(m.toolCalls, func(i int, raw []byte) error {
			part, err := call(raw)
			if part.Call.ID == "" {
				part.Call.ID = newID(i)
			}
			parts = append(parts, part)
			return err
		})
	}
	if err == nil && !null(m.functionCall) && len(parts) == 0 {
		c := &api.Call{ID: newID(0)}
		parts = append(parts, api.Part{Kind: api.ToolCall, Call: c})
		return parts, at("function_call", function(m.functionCall, c))
	}
	return parts, at("tool_calls", err)
}

func call(raw []byte) (api.Part, error) {
	c := &api.Call{}
	part := api.Part{Kind: api.ToolCall, Call: c}
	err := object(raw, func(key string, value []byte) error {
		switch key {
		case "id":
			return text(value, &c.ID)
		case "function":
			return function(value, c)
		case "custom":
			c.Custom = true
			return function(value, c)
		case "extra_content":
			if s := googleSignature(value); s != "" {
				part.Vendor, part.Signature = api.Unseal(s, api.Google)
			}
		}
		return nil
	})
	return part, err
}

// function reads the name and the arguments of a call. Some servers give the
// arguments themselves and not their text.
func function(raw []byte, c *api.Call) error {
	return object(raw, func(key string, value []byte) error {
		switch key {
		case "name":
			return text(value, &c.Name)
		case "arguments", "input":
			if value[0] != '"' {
				c.Arguments = string(value)
				return nil
			}
			return text(value, &c.Arguments)
		}
		return nil
	})
}
