package gemini

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// extra writes the rest of a request of this format. Of others it refuses what
// an answer would mean something else without, and lists what it can do without.
func (e *encoder) extra(o *object) {
	for _, name := range slices.Sorted(maps.Keys(e.req.Extra)) {
		raw := e.req.Extra[name]
		switch {
		case !e.native:
			e.foreign(name, raw)
		case strings.HasPrefix(name, "generationConfig."), strings.HasPrefix(name, "toolConfig."):
			// They stand in their objects already.
		default:
			o.add(name, raw)
		}
	}
}

func (e *encoder) foreign(name string, raw json.RawMessage) {
	if api.Empty(raw) || string(raw) == "false" {
		return
	}
	switch name {
	case "previous_response_id", "conversation", "prompt":
		e.unsupported(name, "refers to what OpenAI keeps, which Gemini cannot read: send the conversation itself")
	case "background":
		e.unsupported(name, "cannot be had from Gemini, which answers at once")
	case "modalities":
		// Written as responseModalities, unless it asks for speech: that is
		// made by models of their own, with voices of their own.
		if slices.Contains(modalities(raw), "audio") {
			e.unsupported(name, `contains "audio", which Gemini cannot say in the voices and forms of the request`)
		}
	default:
		e.drop(name, true)
	}
}

// modalities are the forms of an answer, in small letters.
func modalities(raw json.RawMessage) (out []string) {
	for it := jsonscan.Array(raw); it.Next(); {
		s, _ := jsonscan.String(it.Value())
		out = append(out, strings.ToLower(s))
	}
	return out
}

// responseModalities asks for images, as OpenRouter's clients do in chat. Text
// is what every model gives.
func (e *encoder) responseModalities(o *object) {
	list := modalities(e.req.Extra["modalities"])
	if e.native || !slices.Contains(list, "image") {
		return
	}
	for i := range list {
		list[i] = strings.ToUpper(list[i])
	}
	o.texts("responseModalities", list)
}

// rest is the members that Extra holds of one of a native request's objects, in
// the order of their names.
func (e *encoder) rest(path string) (list words) {
	if !e.native {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(e.req.Extra)) {
		if member, ok := strings.CutPrefix(name, path+"."); ok {
			list = append(list, field{member, e.req.Extra[name]})
		}
	}
	return list
}

// inside tells whether a member of rest belongs to an object within.
func (f *field) inside(objects ...string) bool {
	return slices.ContainsFunc(objects, func(name string) bool { return strings.HasPrefix(f.name, name+".") })
}
