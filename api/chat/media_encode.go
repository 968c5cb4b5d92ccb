package chat

import (
	"encoding/base64"
	"strings"

	"github.com/caddy-plexus/plexus/api"
)

// media writes the members of an image, a sound or a file.
func (e *requestEncoder) media(p *api.Part) {
	m := p.Media
	if m == nil {
		return
	}
	if m.FileID != "" && !e.kin {
		e.refuse(e.word("file_id", "source.file_id", "fileData.fileUri"), "names a file at another vendor, which a chat target cannot read: send the content or a URL")
		return
	}
	switch {
	case p.Kind == api.Image && m.FileID == "":
		e.image(m)
	case p.Kind == api.Sound && m.FileID == "":
		e.sound(m)
	default:
		e.file(m)
	}
}

func (e *requestEncoder) image(m *api.Media) {
	e.text("type", "image_url")
	e.begin("image_url", '{')
	e.url("url", m, "image/png")
	e.some("detail", m.Detail)
	e.close('}')
}

// url writes where the content is, or the content itself as a data: URL.
func (w *writer) url(name string, m *api.Media, mime string) {
	if m.Data == "" && m.URL != "" {
		w.text(name, m.URL)
		return
	}
	if m.MIME != "" {
		mime = m.MIME
	}
	// Escaping is no matter in base64 or a media type, unless someone means
	// harm; the quoting is for them.
	w.key(name)
	w.b = append(w.b, api.AppendQuoted(nil, "data:"+mime+";base64,")...)
	w.b = w.b[:len(w.b)-1]
	data := len(w.b)
	w.b = api.AppendQuoted(w.b, m.Data)
	w.b = append(w.b[:data], w.b[data+1:]...)
}

func (e *requestEncoder) sound(m *api.Media) {
	if m.Data == "" {
		e.refuse(e.word("input_audio", "source", "fileData.fileUri"), "is given by its URL, and chat takes only its content")
		return
	}
	e.text("type", "input_audio")
	e.begin("input_audio", '{')
	e.text("data", m.Data)
	e.text("format", soundFormat(m.MIME))
	e.close('}')
}

func soundFormat(mime string) string {
	mime, _, _ = strings.Cut(mime, ";")
	mime = strings.TrimSpace(strings.ToLower(mime))
	switch mime {
	case "audio/x-wav", "audio/wave", "audio/vnd.wave":
		return "wav"
	case "audio/mp3":
		return "mp3"
	}
	for format, known := range soundTypes {
		if known == mime {
			return format
		}
	}
	if format := strings.TrimPrefix(strings.TrimPrefix(mime, "audio/"), "x-"); format != "" {
		return format
	}
	return "wav"
}

// file writes a document. Videos have a part of their own with OpenRouter, vLLM
// and Qwen; OpenAI takes none at all.
func (e *requestEncoder) file(m *api.Media) {
	if plain, ok := plainText(m); ok && !e.native {
		if m.Name != "" {
			plain = m.Name + ":\n\n" + plain
		}
		e.text("type", "text")
		e.text("text", plain)
		return
	}
	if strings.HasPrefix(m.MIME, "video/") && m.FileID == "" {
		e.text("type", "video_url")
		e.begin("video_url", '{')
		e.url("url", m, "video/mp4")
		e.close('}')
		return
	}
	if m.FileID == "" && m.Data == "" && !e.native {
		e.refuse(e.word("file_url", "source.url", "fileData.fileUri"), "is given by its URL, and chat takes only its content or the id of a file")
		return
	}
	e.text("type", "file")
	e.begin("file", '{')
	e.some("file_id", m.FileID)
	if m.FileID == "" {
		name := m.Name
		if name == "" && !e.native {
			name = "document" // OpenAI refuses a content without a name
			if m.MIME == "" || m.MIME == "application/pdf" {
				name += ".pdf"
			}
		}
		e.some("filename", name)
		e.url("file_data", m, "application/pdf")
	} else {
		e.some("filename", m.Name)
	}
	e.close('}')
}

// plainText is the content of a document that is nothing but text, of which
// OpenAI's chat takes none as a file: PDF is all it reads
// (https://platform.openai.com/docs/guides/pdf-files).
func plainText(m *api.Media) (string, bool) {
	if m.Text != "" {
		return m.Text, true
	}
	if m.Data == "" || !strings.HasPrefix(m.MIME, "text/") && m.MIME != "application/json" {
		return "", false
	}
	b, err := base64.StdEncoding.DecodeString(m.Data)
	return string(b), err == nil
}
