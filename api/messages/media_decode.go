package messages

import (
	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// media reads an image or a document.
func (d *blockDecoder) media(raw []byte, part *api.Part) (more bool, err error) {
	part.Media = &api.Media{}
	given := false
	err = members(raw, func(key string, value []byte) error {
		switch key {
		case "type":
		case "source":
			given = true
			return source(value, part.Media)
		case "title":
			return text(value, &part.Media.Name)
		case "cache_control":
			part.Cache = present(value)
		default:
			more = true
		}
		return nil
	})
	if err == nil && !given {
		err = in("source", expected("an object"))
	}
	return more || jsonscan.Member(jsonscan.Member(raw, "source"), "content") != nil, err
}

func source(raw []byte, m *api.Media) error {
	var kind, data string
	err := members(raw, func(key string, value []byte) error {
		switch key {
		case "type":
			return text(value, &kind)
		case "media_type":
			return text(value, &m.MIME)
		case "data":
			return text(value, &data)
		case "url":
			return text(value, &m.URL)
		case "file_id":
			return text(value, &m.FileID)
		case "content":
			return inner(value, func(_, s string) { m.Text = join(m.Text, s) })
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch kind {
	case "base64":
		m.Data = data
	case "text":
		m.Text = data
	case "url":
		if mime, content, ok := dataURL(m.URL); ok {
			m.URL, m.MIME, m.Data = "", mime, content
		}
	case "content":
		m.MIME = "text/plain"
	case "file":
	default:
		return in("type", expected(`"base64", "url", "file", "text" or "content"`))
	}
	return nowhere(kind, m)
}

// sources are the members that say where a medium is, by the types of sources. No
// target takes a medium that is nowhere.
var sources = map[string]string{"base64": "data", "text": "data", "url": "url", "file": "file_id"}

func nowhere(kind string, m *api.Media) error {
	if name := sources[kind]; name != "" && m.Data+m.Text+m.URL+m.FileID == "" {
		return in(name, expected("what the source is"))
	}
	return nil
}

// inner calls f for the texts of a document's content.
func inner(raw []byte, f func(kind, text string)) error {
	if s, ok := jsonscan.String(raw); ok {
		f("text", s)
		return nil
	}
	return elements(raw, func(_ int, value []byte) error {
		var s string
		if err := text(jsonscan.Member(value, "text"), &s); err != nil {
			return in("text", err)
		}
		if s != "" {
			f("text", s)
		}
		return nil
	})
}

func join(a, b string) string {
	if a == "" {
		return b
	}
	return a + "\n" + b
}

// inside are the images in a document's content, for formats whose documents
// hold none.
func (d *blockDecoder) inside(part *api.Part) (images []api.Part) {
	if part.Kind != api.File || part.Raw == nil {
		return nil
	}
	it := jsonscan.Array(jsonscan.Member(jsonscan.Member(part.Raw, "source"), "content"))
	for it.Next() {
		if image, err := d.block(it.Value()); err == nil && image.Kind == api.Image {
			image.Raw, image.Source = absorbed, api.Messages
			images = append(images, image)
		}
	}
	return images
}

// searchResult reads what a client has searched itself. Other formats get it as
// a document of text.
func (d *blockDecoder) searchResult(raw []byte, part *api.Part) error {
	part.Kind, part.Media = api.File, &api.Media{MIME: "text/plain"}
	var from, content string
	err := members(raw, func(key string, value []byte) error {
		switch key {
		case "source":
			return text(value, &from)
		case "title":
			return text(value, &part.Media.Name)
		case "cache_control":
			part.Cache = present(value)
		case "content":
			return inner(value, func(_, s string) { content = join(content, s) })
		}
		return nil
	})
	part.Media.Text = join(from, content)
	return err
}
