package mock

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"
)

// framing is how the pieces of a streamed body are told apart.
type framing int

const (
	// framed by nothing, as a single JSON body or binary data.
	unframed framing = iota
	// server-sent events.
	events
	// elements of one JSON array.
	array
)

// wire collects the bytes of a body. Answers are written as JSON text rather
// than marshalled: each event then reads as the API documents it, and a load
// test measures the client instead of encoding/json.
type wire struct {
	buf     []byte
	framing framing
	crlf    bool
	// begun: the JSON array has its first element.
	begun bool
}

// raw appends s as it is.
func (w *wire) raw(s string) *wire {
	w.buf = append(w.buf, s...)
	return w
}

// str appends s as a JSON string.
func (w *wire) str(s string) *wire {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			return w.value(s)
		}
	}
	w.buf = append(append(append(w.buf, '"'), s...), '"')
	return w
}

// strOrNull appends s as a JSON string, or null if it is empty.
func (w *wire) strOrNull(s string) *wire {
	if s == "" {
		return w.raw("null")
	}
	return w.str(s)
}

// num appends a number.
func (w *wire) num(n int) *wire {
	w.buf = strconv.AppendInt(w.buf, int64(n), 10)
	return w
}

// json appends the text raw, or alternative if the request did not have it.
func (w *wire) json(raw json.RawMessage, alternative string) *wire { //nolint:unparam // the others chain too
	if len(raw) == 0 {
		return w.raw(alternative)
	}
	return w.value(raw)
}

// value appends the JSON of v, on one line, as events require.
func (w *wire) value(v any) *wire {
	// Only strings, numbers and valid raw JSON come here: it cannot fail.
	b, _ := json.Marshal(v)
	w.buf = append(w.buf, b...)
	return w
}

// comma appends a comma before every element but the first.
func (w *wire) comma(i int) *wire {
	if i > 0 {
		w.buf = append(w.buf, ',')
	}
	return w
}

// event begins an event. Only some APIs name their events.
func (w *wire) event(name string) *wire {
	switch w.framing {
	case events:
		if name != "" {
			w.raw("event: ").raw(name).newline()
		}
		w.raw("data: ")
	case array:
		if w.begun {
			w.raw(",\r\n")
		} else {
			w.raw("[")
		}
		w.begun = true
	case unframed:
	}
	return w
}

// end finishes an event.
func (w *wire) end() {
	if w.framing == events {
		w.newline().newline()
	}
}

// comment appends an SSE comment, which clients ignore.
func (w *wire) comment(s string) {
	if w.framing == events {
		w.raw(": ").raw(s).newline().newline()
	}
}

func (w *wire) newline() *wire {
	if w.crlf {
		return w.raw("\r\n")
	}
	return w.raw("\n")
}

// close ends the JSON array that the events were elements of.
func (w *wire) close() {
	if w.framing != array {
		return
	}
	if !w.begun {
		w.raw("[")
	}
	w.raw("]")
}
