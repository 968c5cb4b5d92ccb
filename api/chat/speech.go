package chat

import (
	"encoding/base64"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// speech is a spoken answer whose pieces are arriving:
// https://platform.openai.com/docs/guides/audio. The neutral format has sounds as
// a whole only.
type speech struct {
	id         string
	transcript strings.Builder
	data       []byte
	expires    []byte
}

func (c *choiceState) speech(raw []byte) {
	if c.spoken == nil {
		c.spoken = &speech{}
	}
	it := jsonscan.Object(raw)
	for it.Next() {
		switch s := it.Value(); string(it.Key) {
		case "id":
			c.spoken.id = textOf(s)
		case "transcript":
			c.spoken.transcript.WriteString(textOf(s))
		case "data":
			// Each piece is base64 for itself.
			if piece, err := base64.StdEncoding.DecodeString(textOf(s)); err == nil {
				c.spoken.data = append(c.spoken.data, piece...)
			}
		case "expires_at":
			if jsonscan.Valid(s) && jsonscan.Texts(s) {
				c.spoken.expires = kept(s)
			}
		}
	}
}

// endSpeech tells the sound once it is complete.
func (c *choiceState) endSpeech() {
	if c.spoken == nil {
		return
	}
	w := writer{b: []byte{'{'}}
	w.text("id", c.spoken.id)
	w.text("data", base64.StdEncoding.EncodeToString(c.spoken.data))
	w.raw("expires_at", c.spoken.expires)
	w.text("transcript", c.spoken.transcript.String())
	w.close('}')
	c.spoken = nil
	c.end()
	c.d.content = sound(w.b)
	c.event(api.PartEnd, c.next())
}
