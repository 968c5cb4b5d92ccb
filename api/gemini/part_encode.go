package gemini

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"path"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// appendText appends a part of text, whose literal is a JSON string.
func appendText(dst, literal []byte, thought bool, signature string) []byte {
	dst = append(append(dst, `{"text":`...), literal...)
	if thought {
		dst = append(dst, `,"thought":true`...)
	}
	return append(appendSignature(dst, signature), '}')
}

func appendSignature(dst []byte, signature string) []byte {
	if signature == "" {
		return dst
	}
	return api.AppendQuoted(append(dst, `,"thoughtSignature":`...), signature)
}

// appendCall appends a call; an empty id is left out.
func appendCall(dst []byte, id string, call *api.Call, signature string) []byte {
	dst = append(dst, `{"functionCall":{`...)
	if id != "" {
		dst = append(api.AppendQuoted(append(dst, `"id":`...), id), ',')
	}
	dst = api.AppendQuoted(append(dst, `"name":`...), call.Name)
	dst = append(dst, `,"args":`...)
	dst = append(appendArguments(dst, call), '}')
	return append(appendSignature(dst, signature), '}')
}

// appendArguments appends a call's arguments, which have to be an object here.
// Others, which a model wrote that keeps to no format, and the free text of a
// custom tool become the one member of an object.
func appendArguments(dst []byte, call *api.Call) []byte {
	switch text := call.Arguments; {
	case call.Custom:
		dst = append(dst, `{"`+customArguments+`":`...)
		return append(api.AppendQuoted(dst, text), '}')
	case strings.TrimSpace(text) == "":
		return append(dst, "{}"...)
	case isObject(text):
		return appendOneLine(dst, []byte(strings.ToValidUTF8(text, "\ufffd")))
	default:
		dst = append(dst, `{"`+rawArguments+`":`...)
		return append(api.AppendQuoted(dst, text), '}')
	}
}

func isObject(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	return strings.HasPrefix(text, "{") && json.Valid([]byte(text)) && jsonscan.Valid([]byte(text))
}

// appendMedia appends an image, a sound or a document.
func appendMedia(dst []byte, kind api.Kind, m *api.Media, guess bool, signature string) []byte {
	var o object
	mime := m.MIME
	if guess {
		mime = mimeOf(kind, m)
	}
	o.optional("mimeType", mime)
	name := "fileData"
	switch {
	case m.Data != "":
		name = "inlineData"
		o.text("data", m.Data)
	case m.URL != "":
		o.text("fileUri", m.URL)
	case m.FileID != "":
		o.text("fileUri", m.FileID)
	case m.Text != "":
		name, o.out = "inlineData", nil
		o.text("mimeType", "text/plain")
		o.text("data", base64.StdEncoding.EncodeToString([]byte(m.Text)))
	default:
		name = "inlineData"
		o.text("data", "")
	}
	if !guess {
		// Only Vertex AI knows a file's name.
		o.optional("displayName", m.Name)
	}
	dst = append(dst, `{"`+name+`":`...)
	dst = append(dst, o.end()...)
	return append(appendSignature(dst, signature), '}')
}

// mimes are the types that Gemini reads, by the ends of files' names:
// https://ai.google.dev/gemini-api/docs/file-input-methods.
var mimes = map[string]string{
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp",
	".gif": "image/gif", ".heic": "image/heic", ".heif": "image/heif", ".avif": "image/avif", ".bmp": "image/bmp",
	".pdf": "application/pdf", ".txt": "text/plain", ".md": "text/markdown", ".html": "text/html", ".htm": "text/html",
	".csv": "text/csv", ".xml": "text/xml", ".json": "application/json", ".css": "text/css", ".js": "text/javascript",
	".wav": "audio/wav", ".mp3": "audio/mpeg", ".aac": "audio/aac", ".ogg": "audio/ogg", ".flac": "audio/flac", ".m4a": "audio/m4a",
	".mp4": "video/mp4", ".mov": "video/quicktime", ".webm": "video/webm", ".mpeg": "video/mpeg", ".avi": "video/x-msvideo",
}

// beginnings are those of files in base64.
var beginnings = []struct{ data, mime string }{
	{"iVBORw", "image/png"},
	{"/9j/", "image/jpeg"},
	{"R0lGOD", "image/gif"},
	{"JVBERi", "application/pdf"},
}

// riff begins files of several kinds.
const riff = "UklGR"

// mimeOf is the media type by the name that Google knows it by.
func mimeOf(kind api.Kind, m *api.Media) string {
	switch m.MIME {
	case "":
		return guessMIME(kind, m)
	case "image/jpg":
		return "image/jpeg"
	}
	return m.MIME
}

// guessMIME finds a media type where the client gave none. Google demands one
// for data, and Vertex AI for addresses as well. Where nothing tells, it is the
// commonest of its kind; Gemini looks at the content anyway.
func guessMIME(kind api.Kind, m *api.Media) string {
	for _, b := range beginnings {
		if strings.HasPrefix(m.Data, b.data) {
			return b.mime
		}
	}
	if strings.HasPrefix(m.Data, riff) {
		return map[api.Kind]string{api.Image: "image/webp", api.Sound: "audio/wav", api.File: "video/x-msvideo"}[kind]
	}
	address := m.URL
	if u, err := url.Parse(m.URL); err == nil {
		address = u.Path
		if host := strings.TrimPrefix(u.Hostname(), "www."); host == "youtube.com" || host == "youtu.be" {
			return "video/mp4"
		}
	}
	for _, name := range []string{m.Name, address} {
		if mime := mimes[strings.ToLower(path.Ext(name))]; mime != "" {
			return mime
		}
	}
	switch kind {
	case api.Image:
		return "image/jpeg"
	case api.Sound:
		return "audio/mpeg"
	}
	return "application/pdf"
}
