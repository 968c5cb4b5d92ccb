package responses

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddy-plexus/plexus/api"
)

// item is what an item of an input or an output says.
type item struct {
	role  api.Role
	parts []api.Part
	// mark and what follows it say that the item is no reasoning of its own,
	// but the signature of another item; see markCall.
	mark, call, signature string
	vendor                api.Vendor
}

// decodeItem reads an item. In an answer nothing is sealed: there the provider
// speaks, not a client.
func decodeItem(raw json.RawMessage, answer bool) (item, error) {
	var kind, id, role string
	err := members(raw, func(key string, value json.RawMessage) error {
		switch key {
		case "type":
			return readText(value, &kind)
		case "role":
			return readText(value, &role)
		case "id":
			return readText(value, &id)
		}
		return nil
	})
	if err != nil {
		return item{}, err
	}
	if answer && kind == "message" && role == "" {
		role = string(api.RoleAssistant) // nobody else answers
	}
	switch {
	case kind == "message", kind == "" && role != "":
		return decodeMessage(raw, role, id)
	case kind == "function_call", kind == "custom_tool_call":
		return decodeCall(raw, kind == "custom_tool_call", id, answer)
	case (kind == "function_call_output" || kind == "custom_tool_call_output") && !answer:
		return decodeResult(raw, kind == "custom_tool_call_output", id)
	case kind == "reasoning":
		return decodeReasoning(raw, id, answer)
	case kind == "" && id == "":
		return item{}, in("type", expected("the kind of the item, such as message"))
	}
	return opaque(raw, id), nil
}

// opaque is an item that only OpenAI understands: a call of one of its own
// tools, a reference, whatever comes tomorrow.
func opaque(raw json.RawMessage, id string) item {
	part := api.Part{Kind: api.Opaque, ID: id, Vendor: vendor, Raw: raw, Source: api.Responses}
	return item{role: api.RoleAssistant, parts: []api.Part{part}}
}

func decodeMessage(raw json.RawMessage, role, id string) (item, error) {
	it := item{role: api.Role(role)}
	switch it.role {
	case api.RoleUser, api.RoleSystem, api.RoleDeveloper:
		id = ""
	case api.RoleAssistant:
	default:
		return it, in("role", expected("user, assistant, system or developer"))
	}
	err := members(raw, func(key string, value json.RawMessage) (err error) {
		if key == "content" {
			it.parts, err = decodeContents(value)
		}
		return err
	})
	if it.role == api.RoleAssistant {
		// Of a kind that nobody knows yet, and no item that could stand alone.
		it.parts = slices.DeleteFunc(it.parts, func(p api.Part) bool { return p.Kind == api.Opaque })
		if len(it.parts) == 0 && err == nil {
			// OpenAI refuses reasoning whose message is missing, even an empty one.
			return opaque(raw, id), nil
		}
	}
	for i := range it.parts {
		it.parts[i].ID = id
	}
	return it, err
}

// decodeContents reads a message's content or a tool's output: a text, or a list.
// Empty texts say nothing, and other vendors refuse them.
func decodeContents(raw json.RawMessage) (parts []api.Part, err error) {
	if !isArray(raw) {
		var text string
		if readText(raw, &text) != nil {
			return nil, expected("a text or a list")
		}
		if text != "" {
			parts = []api.Part{{Kind: api.Text, Text: text}}
		}
		return parts, nil
	}
	err = elements(raw, func(_ int, value json.RawMessage) error {
		part, err := decodeContent(value)
		if err == nil && (part.Kind != api.Text || part.Text != "" || part.Citations != nil) {
			parts = append(parts, part)
		}
		return err
	})
	return parts, err
}

func decodeContent(raw json.RawMessage) (api.Part, error) {
	var kind string
	if err := members(raw, func(key string, value json.RawMessage) error {
		if key == "type" {
			return readText(value, &kind)
		}
		return nil
	}); err != nil {
		return api.Part{}, err
	}
	switch kind {
	case "input_text", "output_text", "text", "refusal":
		return decodeText(raw, kind == "refusal")
	case "input_image":
		return decodeMedia(raw, api.Image)
	case "input_file":
		return decodeMedia(raw, api.File)
	case "input_audio":
		return decodeSound(raw)
	case "":
		return api.Part{}, in("type", expected("the kind of the content, such as input_text"))
	}
	return api.Part{Kind: api.Opaque, Vendor: vendor, Raw: raw, Source: api.Responses}, nil
}

func decodeText(raw json.RawMessage, refusal bool) (api.Part, error) {
	part, name := api.Part{Kind: api.Text}, "text"
	if refusal {
		part.Kind, name = api.Refusal, "refusal"
	}
	err := members(raw, func(key string, value json.RawMessage) error {
		switch key {
		case name:
			return readText(value, &part.Text)
		case "annotations":
			return elements(value, func(_ int, value json.RawMessage) error {
				citation, err := decodeCitation(value)
				part.Citations = append(part.Citations, citation)
				return err
			})
		}
		return nil
	})
	return part, err
}

// decodeCitation reads an annotation; those of files have no URL:
// https://platform.openai.com/docs/api-reference/responses-streaming/response/output_text_annotation/added.
func decodeCitation(raw json.RawMessage) (api.Citation, error) {
	c := api.Citation{Raw: raw, Source: api.Responses}
	err := members(raw, func(key string, value json.RawMessage) error {
		switch key {
		case "url":
			return readText(value, &c.URL)
		case "title":
			return readText(value, &c.Title)
		case "filename":
			if c.Title == "" {
				return readText(value, &c.Title)
			}
		case "start_index":
			return readWhole(value, &c.Start)
		case "end_index":
			return readWhole(value, &c.End)
		}
		return nil
	})
	return c, err
}

// decodeMedia reads an image or a file.
func decodeMedia(raw json.RawMessage, kind api.Kind) (api.Part, error) {
	media := &api.Media{}
	err := members(raw, func(key string, value json.RawMessage) error {
		var s string
		switch key {
		case "file_id":
			return readText(value, &media.FileID)
		case "detail":
			return readText(value, &media.Detail)
		case "filename":
			return readText(value, &media.Name)
		case "image_url", "file_url":
			if err := readText(value, &s); err != nil {
				return err
			}
			return readURL(s, media)
		case "file_data":
			if err := readText(value, &s); err != nil {
				return err
			}
			if strings.HasPrefix(s, "data:") {
				return readURL(s, media)
			}
			media.Data = s
		}
		return nil
	})
	if err == nil && media.Data == "" && media.URL == "" && media.FileID == "" {
		if kind == api.Image {
			return api.Part{}, in("image_url", expected("a URL, or file_id in its place"))
		}
		return api.Part{}, in("file_data", expected("the file, or file_url or file_id in its place"))
	}
	if media.MIME == "" && media.Data != "" && strings.HasSuffix(strings.ToLower(media.Name), ".pdf") {
		media.MIME = "application/pdf"
	}
	return api.Part{Kind: kind, Media: media}, err
}

func decodeSound(raw json.RawMessage) (api.Part, error) {
	media := &api.Media{}
	err := members(raw, func(key string, value json.RawMessage) error {
		if key != "input_audio" {
			return nil
		}
		return members(value, func(key string, value json.RawMessage) error {
			switch key {
			case "data":
				return readText(value, &media.Data)
			case "format":
				err := readText(value, &media.MIME)
				if media.MIME = "audio/" + media.MIME; media.MIME == "audio/mp3" {
					media.MIME = "audio/mpeg"
				}
				return err
			}
			return nil
		})
	})
	if err == nil && media.Data == "" {
		err = in("input_audio.data", expected("the sound in base64"))
	}
	return api.Part{Kind: api.Sound, Media: media}, err
}

func decodeCall(raw json.RawMessage, custom bool, id string, answer bool) (item, error) {
	call := &api.Call{Custom: custom}
	var namespace string
	err := members(raw, func(key string, value json.RawMessage) error {
		switch key {
		case "call_id":
			return readText(value, &call.ID)
		case "name":
			return readText(value, &call.Name)
		case "namespace":
			return readText(value, &namespace)
		case "arguments", "input":
			if (key == "input") != custom {
				return nil
			}
			if value[0] == '{' { // what some servers and clients take arguments for
				call.Arguments = string(value)
				return nil
			}
			return readText(value, &call.Arguments)
		}
		return nil
	})
	if call.ID == "" {
		call.ID = id
	}
	switch {
	case err != nil:
	case answer: // what is missing can be made up, or is no reason to lose the rest
	case call.ID == "":
		err = in("call_id", expected("the call's id"))
	case call.Name == "":
		err = in("name", expected("the tool's name"))
	}
	call.Name = flatName(namespace, call.Name)
	return item{role: api.RoleAssistant, parts: []api.Part{{Kind: api.ToolCall, ID: id, Call: call}}}, err
}

// decodeResult reads a tool's output. Its status is the nearest that this format
// has to telling a failure.
func decodeResult(raw json.RawMessage, custom bool, id string) (item, error) {
	result := &api.Result{Custom: custom}
	err := members(raw, func(key string, value json.RawMessage) (err error) {
		switch key {
		case "call_id":
			return readText(value, &result.ID)
		case "output":
			result.Parts, err = decodeContents(value)
		case "status":
			result.IsError = string(value) == `"incomplete"`
		}
		return err
	})
	if err == nil && result.ID == "" {
		err = in("call_id", expected("the id of the call that this is the output of"))
	}
	return item{role: api.RoleTool, parts: []api.Part{{Kind: api.ToolResult, ID: id, Result: result}}}, err
}

// decodeReasoning reads a reasoning item: its summaries, or the reasoning itself
// as open models tell it. Each text is a part, so that streams tell the same
// ones; the last has the signature.
func decodeReasoning(raw json.RawMessage, id string, answer bool) (item, error) {
	it := item{role: api.RoleAssistant, vendor: vendor}
	var encrypted string
	err := members(raw, func(key string, value json.RawMessage) error {
		switch key {
		case "encrypted_content":
			return readText(value, &encrypted)
		case "summary", "content":
			return elements(value, func(_ int, value json.RawMessage) error {
				part, err := decodeText(value, false)
				if part.Kind = api.Thinking; part.Text != "" {
					it.parts = append(it.parts, part)
				}
				return err
			})
		}
		return nil
	})
	if err != nil {
		return it, err
	}
	if answer {
		it.signature = encrypted
	} else {
		it.unseal(encrypted)
	}
	if it.mark != "" && it.mark != markRedacted || len(it.parts) == 0 && it.vendor == "" {
		it.parts = nil
		return it, nil
	}
	if len(it.parts) == 0 {
		if it.signature == "" {
			return opaque(raw, id), nil
		}
		it.parts = []api.Part{{Kind: api.Thinking}}
	}
	for i := range it.parts {
		it.parts[i].ID, it.parts[i].Vendor = id, it.vendor
	}
	last := &it.parts[len(it.parts)-1]
	last.Signature, last.Redacted = it.signature, it.mark == markRedacted
	return it, nil
}

// unseal takes encrypted_content apart that another vendor's data may be in.
func (it *item) unseal(encrypted string) {
	it.vendor, it.signature = api.Unseal(encrypted, vendor)
	if it.signature == encrypted {
		return
	}
	for _, mark := range []string{markRedacted, markCall, markPrevious, markText} {
		rest, ok := strings.CutPrefix(it.signature, mark)
		if !ok {
			continue
		}
		if mark == markCall {
			if colon := strings.LastIndexByte(rest, ':'); colon >= 0 {
				it.call, rest = rest[:colon], rest[colon+1:]
			}
		}
		it.mark, it.signature = mark, rest
		return
	}
}
