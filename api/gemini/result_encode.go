package gemini

import (
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
)

// result writes what a function answered. The text stands under output, an error
// under error, and a text that is an object is the response itself.
func (e *encoder) result(dst []byte, part *api.Part) []byte {
	result := part.Result
	info, ok := e.calls[result.ID]
	name := info.name
	if !ok {
		name = result.Name
	}
	if name == "" {
		e.unsupported(e.word("messages.tool_call_id", "messages.content.tool_use_id", "input.call_id"),
			strconv.Quote(result.ID)+" belongs to no earlier call, and Gemini has to be told the function's name")
	}
	var o object
	if info.sendID {
		id := result.ID
		if !e.native {
			id = api.CallID(id)
		}
		o.text("id", id)
	}
	o.text("name", name)
	o.key("response")
	o.out = appendResponse(o.out, result)
	if media := e.resultMedia(nil, result, true); len(media) > 0 {
		o.key("parts")
		media[0] = '['
		o.out = append(append(o.out, media...), ']')
	}
	dst = append(append(dst, `{"functionResponse":`...), o.end()...)
	return append(appendSignature(dst, ownSignature(part)), '}')
}

func appendResponse(dst []byte, result *api.Result) []byte {
	var texts []string
	for i := range result.Parts {
		if part := &result.Parts[i]; part.Media == nil && part.Kind != api.Opaque {
			texts = append(texts, part.Text)
		}
	}
	text := strings.Join(texts, "\n")
	switch {
	case result.IsError:
		dst = api.AppendQuoted(append(dst, `{"error":`...), text)
	case isObject(text):
		return append(dst, strings.TrimSpace(strings.ToValidUTF8(text, "\ufffd"))...)
	default:
		dst = api.AppendQuoted(append(dst, `{"output":`...), text)
	}
	return append(dst, '}')
}

// inResponse are the types of data that a functionResponse may hold since
// Gemini 3: https://ai.google.dev/gemini-api/docs/function-calling#multimodal.
var inResponse = []string{"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"}

// resultMedia appends the images and files of a result, each after a comma:
// those that stand inside of it, or those that follow it in the user's turn,
// which is where older models and other types have them.
func (e *encoder) resultMedia(dst []byte, result *api.Result, inside bool) []byte {
	for i := range result.Parts {
		part := &result.Parts[i]
		if part.Media == nil {
			continue
		}
		m := part.Media
		mime := mimeOf(part.Kind, m)
		fits := e.model.version >= 30 && (m.Data != "" || m.Text != "") && slices.Contains(inResponse, mime)
		if fits == inside {
			dst = e.media(append(dst, ','), part.Kind, m, "")
		}
	}
	return dst
}
