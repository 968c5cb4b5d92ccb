package responses

import (
	"encoding/json"

	"github.com/caddy-plexus/plexus/api"
)

// citation writes an annotation of a text that begins after so many characters of
// the answer, which is from where the neutral format counts. Pages of the web are
// all that OpenAI's clients know of other vendors' sources.
func (b *buffer) citation(c *api.Citation, before, length int64) {
	if c.Source == api.Responses && len(c.Raw) > 0 && json.Valid(c.Raw) {
		b.value(c.Raw)
		return
	}
	if c.URL == "" {
		return
	}
	start, end := int64(0), length
	if c.Start != 0 || c.End != 0 { // else it is of the whole text
		start = min(max(c.Start-before, 0), length)
		end = min(max(c.End-before, start), length)
	}
	b.open('{')
	b.text("type", "url_citation")
	b.whole("start_index", start)
	b.whole("end_index", end)
	b.text("url", c.URL)
	b.text("title", c.Title)
	b.close('}')
}

// shift moves citations to where their text begins in the answer.
func shift(citations []api.Citation, before int64) {
	for i := range citations {
		if c := &citations[i]; c.Start != 0 || c.End != 0 {
			c.Start += before
			c.End += before
		}
	}
}

// measure counts the bytes and the characters of the text whose JSON string has
// this inside. Half a surrogate pair counts as half a character's bytes, and only
// the first half as a character, so that it does not matter where a pair is cut.
func measure(inside []byte) (size int, characters int64) {
	for i := 0; i < len(inside); i++ {
		b := inside[i]
		if b != '\\' {
			if size++; b&0xC0 != 0x80 {
				characters++
			}
			continue
		}
		if i++; i >= len(inside) || inside[i] != 'u' || i+4 >= len(inside) {
			size++
			characters++
			continue
		}
		n, counts := escapeSize(inside[i+1 : i+5])
		size += n
		if counts {
			characters++
		}
		i += 4
	}
	return size, characters
}

// escapeSize is how many bytes four hexadecimal digits stand for, and whether a
// character begins there.
func escapeSize(digits []byte) (size int, begins bool) {
	var n rune
	for _, d := range digits {
		switch {
		case d <= '9':
			d -= '0'
		default:
			d = d | 0x20 - 'a' + 10
		}
		n = n<<4 | rune(d&15)
	}
	switch {
	case n < 0x80:
		return 1, true
	case n < 0x800:
		return 2, true
	case n >= 0xD800 && n < 0xDC00:
		return 2, true
	case n >= 0xDC00 && n < 0xE000:
		return 2, false
	}
	return 3, true
}
