package messages

import (
	"strings"

	"github.com/caddy-plexus/plexus/api"
)

// turn is a message in the making: its blocks with commas between.
type turn struct {
	role    string
	results []byte
	rest    []byte
	calls   []string // as the client names them
	thinks  bool     // it begins with reasoning

	// last is the text of the last block, if that is plain text, which begins
	// at lastAt; single says that it is the only block.
	last   string
	lastAt int
	single bool
}

func (t *turn) empty() bool { return len(t.results) == 0 && len(t.rest) == 0 }

// block adds a block that begins where it is called.
func (t *turn) block(raw []byte) {
	t.single, t.lastAt = false, -1
	if len(t.rest) > 0 {
		t.rest = append(t.rest, ',')
	}
	t.rest = append(t.rest, raw...)
}

func (t *turn) result(raw []byte) {
	t.single = false
	if len(t.results) > 0 {
		t.results = append(t.results, ',')
	}
	t.results = append(t.results, raw...)
}

// plain adds text that is nothing else.
func (t *turn) plain(s string) {
	first := t.empty()
	if len(t.rest) > 0 {
		t.rest = append(t.rest, ',')
	}
	t.last, t.lastAt, t.single = s, len(t.rest), first
	t.rest = appendText(t.rest, s)
}

func appendText(dst []byte, s string) []byte {
	return append(memberText(append(dst, `{"type":"text"`...), "text", s), '}')
}

// trim cuts the space at the end off a last block of text.
func (t *turn) trim() {
	if t.lastAt < 0 || len(t.rest) == 0 {
		return
	}
	s := strings.TrimRight(t.last, " \t\r\n")
	if s == t.last {
		return
	}
	t.rest = t.rest[:t.lastAt]
	if s != "" {
		t.last, t.rest = s, appendText(t.rest, s)
	}
}

// appendContent writes the blocks, or a single text as a string.
func (t *turn) appendContent(dst []byte) []byte {
	if t.single {
		return api.AppendQuoted(dst, t.last)
	}
	dst = append(append(dst, '['), t.results...)
	if len(t.results) > 0 && len(t.rest) > 0 {
		dst = append(dst, ',')
	}
	return append(append(dst, t.rest...), ']')
}
