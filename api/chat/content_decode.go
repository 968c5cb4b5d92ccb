package chat

import (
	"encoding/base64"
	neturl "net/url"
	"path"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// detail is an entry of reasoning_details.
type detail struct {
	kind, text, signature, id string
}

// The kinds of details: https://openrouter.ai/docs/use-cases/reasoning-tokens.
const (
	detailText      = "reasoning.text"
	detailSummary   = "reasoning.summary"
	detailEncrypted = "reasoning.encrypted"
)

func readDetail(raw []byte) (d detail) {
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "type":
			d.kind = textOf(it.Value())
		case "text", "summary":
			d.text += textOf(it.Value())
		case "signature", "data":
			d.signature += textOf(it.Value())
		case "id":
			d.id = textOf(it.Value())
		}
	}
	return d
}

// thought is the part that an entry stands for. It keeps the entry, which a
// target that made it gets back unchanged.
func thought(d detail, raw []byte) api.Part {
	part := api.Part{Kind: api.Thinking, Text: d.text, ID: d.id}
	if part.Vendor, part.Signature = api.Unseal(d.signature, vendor); part.Signature == "" {
		part.Vendor = ""
	}
	part.Redacted = d.kind == detailEncrypted && part.Vendor == api.Anthropic
	if part.Vendor == vendor || part.Vendor == "" {
		part.Source = api.Chat
		part.Raw = append(append([]byte{'['}, raw...), ']')
	}
	return part
}

// thoughts reads reasoning_details. A summary and what is encrypted after it are
// one piece of OpenAI's reasoning.
func thoughts(raw []byte) (parts []api.Part, open int, err error) {
	open = -1
	last := ""
	err = array(raw, func(_ int, raw []byte) error {
		d := readDetail(raw)
		part := thought(d, raw)
		if n := len(parts) - 1; last == detailSummary && d.kind == detailEncrypted && part.Vendor == vendor && parts[n].Signature == "" {
			whole := &parts[n]
			whole.Signature, whole.Vendor, whole.ID = part.Signature, part.Vendor, d.id
			whole.Raw = append(append(whole.Raw[:len(whole.Raw)-1], ','), part.Raw[1:]...)
		} else {
			if d.kind == detailText && d.text == "" && open < 0 {
				open = len(parts)
			}
			parts = append(parts, part)
		}
		last = d.kind
		return nil
	})
	return parts, open, err
}

// reasoning joins what the details and the plain text say of the same reasoning:
// the text stands in one of them or in both, signatures only in the details.
func reasoning(details []byte, plain string) (parts []api.Part, err error) {
	open := -1
	if !null(details) {
		if parts, open, err = thoughts(details); err != nil {
			return nil, err
		}
	}
	for i := range parts {
		if parts[i].Text != "" {
			return parts, nil
		}
	}
	switch {
	case plain == "":
	case open >= 0:
		parts[open].Text = plain
	default:
		parts = append([]api.Part{{Kind: api.Thinking, Text: plain}}, parts...)
	}
	return parts, nil
}

// contents reads a content, which is a text or a list of parts.
func contents(raw []byte, role api.Role) (parts []api.Part, err error) {
	if null(raw) {
		return nil, nil
	}
	if raw[0] == '"' {
		if s := textOf(raw); s != "" {
			parts = []api.Part{{Kind: api.Text, Text: s}}
		}
		return parts, nil
	}
	if raw[0] != '[' {
		return nil, expected("a text or a list of parts")
	}
	err = array(raw, func(_ int, raw []byte) error {
		more, err := content(raw, role)
		parts = append(parts, more...)
		return err
	})
	return parts, err
}

// content reads a part of a content. One of Mistral's holds several thoughts.
func content(raw []byte, role api.Role) ([]api.Part, error) {
	if raw[0] == '"' {
		return []api.Part{{Kind: api.Text, Text: textOf(raw)}}, nil
	}
	if raw[0] != '{' {
		return nil, expected("an object")
	}
	kind := textOf(jsonscan.Member(raw, "type"))
	value := jsonscan.Member(raw, kind)
	part, err := api.Part{}, error(nil)
	switch kind {
	case "text", "input_text", "output_text":
		part = api.Part{Kind: api.Text}
		err = at("text", text(jsonscan.Member(raw, "text"), &part.Text))
	case "refusal":
		part = api.Part{Kind: api.Refusal}
		err = at(kind, text(value, &part.Text))
	case "thinking":
		// https://docs.mistral.ai/capabilities/reasoning
		return mistralThoughts(value)
	case "image_url", "video_url", "document_url":
		part, err = reference(kind, value)
	case "input_audio":
		part, err = inputAudio(value)
	case "file":
		part, err = file(value)
	default:
		if role != api.RoleAssistant {
			return nil, at("type", expected("text, image_url, input_audio or file"))
		}
		if words := jsonscan.Member(raw, "text"); !null(words) && words[0] == '"' {
			return []api.Part{{Kind: api.Text, Text: textOf(words)}}, nil
		}
		part = api.Part{Kind: api.Opaque, Vendor: vendor, Raw: kept(raw), Source: api.Chat}
	}
	if cache := jsonscan.Member(raw, "cache_control"); !null(cache) {
		part.Cache = kept(cache)
	}
	return []api.Part{part}, err
}

func mistralThoughts(raw []byte) (parts []api.Part, err error) {
	parts, err = contents(raw, api.RoleAssistant)
	for i := range parts {
		if parts[i].Kind == api.Text {
			parts[i].Kind = api.Thinking
		}
	}
	return parts, at("thinking", err)
}

// reference reads image_url, and the likes that OpenRouter, vLLM and Mistral
// have: an object with a url, or the URL itself.
func reference(kind string, raw []byte) (api.Part, error) {
	part := api.Part{Kind: api.Image, Media: &api.Media{}}
	if kind != "image_url" {
		part.Kind = api.File
	}
	var url string
	if _, ok := jsonscan.String(raw); ok {
		url = textOf(raw)
	} else if err := object(raw, func(key string, value []byte) error {
		switch key {
		case "url":
			return text(value, &url)
		case "detail":
			return text(value, &part.Media.Detail)
		}
		return nil
	}); err != nil {
		return part, at(kind, err)
	}
	if url == "" {
		return part, at(kind, at("url", expected("a URL")))
	}
	if err := locate(part.Media, url); err != nil {
		return part, at(kind, at("url", err))
	}
	if kind == "video_url" && part.Media.MIME == "" {
		part.Media.MIME = "video/mp4"
	}
	return part, nil
}

// locate takes a URL, or the content that a data: URL holds (RFC 2397).
func locate(m *api.Media, url string) error {
	if len(url) < 5 || !strings.EqualFold(url[:5], "data:") {
		m.URL = url
		m.MIME = byName(url)
		return nil
	}
	head, data, ok := strings.Cut(url[5:], ",")
	if !ok {
		return expected("data:…;base64,…")
	}
	head, isBase64 := strings.CutSuffix(head, ";base64")
	m.MIME, _, _ = strings.Cut(head, ";")
	if isBase64 {
		m.Data = data
		return nil
	}
	plain, err := neturl.PathUnescape(data)
	if err != nil {
		return expected("data:…;base64,…")
	}
	m.Data = base64.StdEncoding.EncodeToString([]byte(plain))
	return nil
}

// byName guesses a media type by the end of a URL or of a file's name, as
// targets such as Gemini demand one.
func byName(name string) string {
	if parsed, err := neturl.Parse(name); err == nil {
		name = parsed.Path
	}
	return mimeTypes[strings.ToLower(path.Ext(name))]
}

// mimeTypes are those that models take. The operating system's table, which the
// package mime asks, differs from machine to machine.
var mimeTypes = map[string]string{
	".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif", ".webp": "image/webp",
	".heic": "image/heic", ".heif": "image/heif",
	".pdf": "application/pdf", ".txt": "text/plain", ".md": "text/markdown", ".csv": "text/csv", ".html": "text/html",
	".json": "application/json", ".xml": "text/xml",
	".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime", ".mpeg": "video/mpeg",
	".mp3": "audio/mpeg", ".wav": "audio/wav", ".flac": "audio/flac", ".ogg": "audio/ogg", ".m4a": "audio/mp4", ".aac": "audio/aac",
}

// soundTypes are the formats of an input_audio. OpenAI knows the first two.
var soundTypes = map[string]string{
	"wav": "audio/wav", "mp3": "audio/mpeg", "flac": "audio/flac", "ogg": "audio/ogg",
	"m4a": "audio/mp4", "aac": "audio/aac", "aiff": "audio/aiff", "pcm16": "audio/L16", "webm": "audio/webm",
}

func inputAudio(raw []byte) (api.Part, error) {
	part := api.Part{Kind: api.Sound, Media: &api.Media{}}
	format := ""
	err := object(raw, func(key string, value []byte) error {
		switch key {
		case "data":
			return text(value, &part.Media.Data)
		case "format":
			return text(value, &format)
		}
		return nil
	})
	if err == nil && part.Media.Data == "" {
		err = at("data", expected("base64"))
	}
	if part.Media.MIME = soundTypes[strings.ToLower(format)]; part.Media.MIME == "" && format != "" {
		part.Media.MIME = "audio/" + format
	}
	return part, at("input_audio", err)
}

func file(raw []byte) (api.Part, error) {
	part := api.Part{Kind: api.File, Media: &api.Media{}}
	m := part.Media
	err := object(raw, func(key string, value []byte) error {
		switch key {
		case "file_id":
			return text(value, &m.FileID)
		case "filename":
			return text(value, &m.Name)
		case "file_data":
			var url string
			if err := text(value, &url); err != nil {
				return err
			}
			// Bare base64 occurs as well.
			if !strings.Contains(url, ":") {
				m.Data = url
				return nil
			}
			return locate(m, url)
		}
		return nil
	})
	if err == nil && m.FileID == "" && m.Data == "" && m.URL == "" {
		err = expected("file_id or file_data")
	}
	if m.MIME == "" {
		m.MIME = byName(m.Name)
	}
	return part, at("file", err)
}
