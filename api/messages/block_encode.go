package messages

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// appendToolUse writes a call up to its closing brace.
func appendToolUse(dst []byte, id string, call *api.Call) []byte {
	dst = memberText(append(dst, `{"type":"tool_use"`...), "id", id)
	return append(memberText(dst, "name", call.Name), `,"input":`+toolInput(call)...)
}

// toolInput is a call's input, which has to be an object: free text and what is
// no object go into one.
func toolInput(call *api.Call) string {
	arguments := strings.TrimSpace(call.Arguments)
	switch {
	case call.Custom:
		return api.WrapCustom(call.Arguments)
	case arguments == "":
		return `{}`
	case arguments[0] == '{' && json.Valid([]byte(arguments)):
		return arguments
	}
	return string(append(memberText([]byte{'{'}, rawInput, call.Arguments), '}'))
}

// withInput is a call's block with another input.
func withInput(raw []byte, input string) []byte {
	if string(jsonscan.Member(raw, "input")) == input {
		return raw
	}
	return objectOf(set(fieldsOf(raw), "input", input))
}

// images are the types that Anthropic takes:
// https://platform.claude.com/docs/en/build-with-claude/vision.
var images = []string{"image/jpeg", "image/png", "image/gif", "image/webp"}

// magic are the first letters in base64 of types that nobody has named.
var magic = []struct{ prefix, mime string }{
	{"iVBORw0KGgo", "image/png"},
	{"/9j/", "image/jpeg"},
	{"R0lGOD", "image/gif"},
	{"UklGR", "image/webp"},
	{"JVBERi0", "application/pdf"},
}

func mimeOf(m *api.Media) string {
	mime, _, _ := strings.Cut(strings.ToLower(m.MIME), ";")
	mime = strings.TrimSpace(mime)
	if mime == "image/jpg" {
		return "image/jpeg"
	}
	if mime != "" && mime != "application/octet-stream" && mime != "image/*" {
		return mime
	}
	for _, known := range magic {
		if strings.HasPrefix(m.Data, known.prefix) {
			return known.mime
		}
	}
	name := strings.ToLower(m.Name)
	for ending, known := range map[string]string{".pdf": "application/pdf", ".txt": "text/plain", ".md": "text/plain", ".csv": "text/csv", ".json": "application/json"} {
		if strings.HasSuffix(name, ending) {
			return known
		}
	}
	return mime
}

// mediaBlock writes an image or a document; nil where it stands in the block
// before it.
func mediaBlock(p *api.Part, client api.API) ([]byte, error) {
	if p.Source == api.Messages && len(p.Raw) > 0 {
		if string(p.Raw) == string(absorbed) {
			return nil, nil
		}
		return p.Raw, nil
	}
	m := p.Media
	if p.Kind == api.Sound || m == nil {
		return nil, &api.Unsupported{Field: word(client, "input_audio", "input_audio", "inlineData"), Why: "cannot be sent to Messages, which takes no sound"}
	}
	mime := mimeOf(m)
	kind := "document"
	if p.Kind == api.Image || strings.HasPrefix(mime, "image/") {
		kind = "image"
	}
	source, err := mediaSource(p, mime, kind == "image", client)
	if err != nil {
		return nil, err
	}
	dst := append(memberText([]byte{'{'}, "type", kind), `,"source":`...)
	dst = append(dst, source...)
	if kind == "document" {
		dst = optionalText(dst, "title", m.Name)
	}
	return append(optionalRaw(dst, "cache_control", p.Cache), '}'), nil
}

// mediaSource writes where the content is:
// https://platform.claude.com/docs/en/build-with-claude/pdf-support,
// https://platform.claude.com/docs/en/build-with-claude/files.
func mediaSource(p *api.Part, mime string, image bool, client api.API) ([]byte, error) {
	m := p.Media
	switch {
	case m.Text != "":
		return textSource(m.Text), nil
	case m.Data != "" && image && (mime == "" || mime == "image/*"):
		mime = "image/png"
	case m.Data != "" && image && !slices.Contains(images, mime):
		return nil, &api.Unsupported{Field: word(client, "image_url", "image_url", "inlineData"), Why: "of type " + mime + " cannot be sent to Messages, which takes JPEG, PNG, GIF and WebP"}
	case m.Data != "" && !image && mime != "application/pdf":
		return dataAsText(m, mime, client)
	case m.URL != "" && !strings.HasPrefix(m.URL, "https://") && !strings.HasPrefix(m.URL, "http://"):
		return nil, &api.Unsupported{Field: word(client, "file", "file_url", "fileData.fileUri"), Why: "at " + m.URL + " cannot be sent to Messages, which takes http and https"}
	case m.URL != "" && !image && mime != "" && mime != "application/pdf":
		return nil, unsupportedFile(mime, word(client, "file", "file_url", "fileData"))
	case m.URL != "":
		return append(memberText([]byte(`{"type":"url"`), "url", m.URL), '}'), nil
	case m.FileID != "" && client != api.Messages && p.Vendor != vendor:
		return nil, &api.Unsupported{Field: word(client, "file_id", "file_id", "fileData.fileUri"), Why: "names a file that only its own provider has: send the file itself"}
	case m.FileID != "":
		return append(memberText([]byte(`{"type":"file"`), "file_id", m.FileID), '}'), nil
	}
	dst := memberText([]byte(`{"type":"base64"`), "media_type", mime)
	return append(memberText(dst, "data", m.Data), '}'), nil
}

func textSource(s string) []byte {
	return append(memberText([]byte(`{"type":"text","media_type":"text/plain"`), "data", s), '}')
}

// dataAsText writes a file of text, which Anthropic takes as text only.
func dataAsText(m *api.Media, mime string, client api.API) ([]byte, error) {
	structured := strings.HasSuffix(mime, "json") || strings.HasSuffix(mime, "xml") || strings.HasSuffix(mime, "yaml") || strings.HasSuffix(mime, "javascript")
	if mime == "" || structured || strings.HasPrefix(mime, "text/") {
		content, err := base64.StdEncoding.DecodeString(m.Data)
		if err == nil && utf8.Valid(content) {
			return textSource(string(content)), nil
		}
	}
	return nil, unsupportedFile(mime, word(client, "file", "file_data", "inlineData"))
}

func unsupportedFile(mime, field string) error {
	if mime == "" {
		mime = "unknown"
	}
	return &api.Unsupported{Field: field, Why: "of type " + mime + " cannot be sent to Messages, which takes PDF and text"}
}

// The blocks of an answer, for clients of this format.

// signedBy is a signature as a client of this format gets it. What nobody signed
// is marked, unless it came in this format: Anthropic would refuse it as its own.
func signedBy(source api.API, v api.Vendor, signature string) string {
	switch {
	case signature == "" && source != api.Messages:
		return api.Unsigned
	case signature == "", v == vendor:
		return signature
	}
	return api.Seal(v, signature)
}

func appendRedacted(dst []byte, data string) []byte {
	return append(memberText(append(dst, `{"type":"redacted_thinking"`...), "data", data), '}')
}

// appendCitation writes the source of a text; that of another format becomes
// the result of a web search, with a mark for the index that only Anthropic
// could give.
func appendCitation(dst []byte, c *api.Citation) []byte {
	if c.Source == api.Messages && jsonscan.Valid(c.Raw) {
		return append(dst, c.Raw...)
	}
	dst = memberText(append(dst, `{"type":"web_search_result_location"`...), "cited_text", c.CitedText)
	dst = memberText(memberText(dst, "encrypted_index", api.Unsigned), "title", c.Title)
	return append(memberText(dst, "url", c.URL), '}')
}
