package api

import "bytes"

// Echo knows an event again that is the one before it with another text, as
// nearly all of a stream are: to compare takes a tenth of looking through it.
// The zero value knows none.
type Echo struct {
	head, tail []byte // around the text
	signs      Signs
}

// longestFrame is how much around a text, in bytes, is worth remembering.
const longestFrame = 1 << 10

// Repeats tells whether an event is the one that was learned, but for its text.
func (e *Echo) Repeats(data []byte) (Signs, bool) {
	frame := len(e.head) + len(e.tail)
	if len(e.head) == 0 || len(data) <= frame || !bytes.HasPrefix(data, e.head) || !bytes.HasSuffix(data, e.tail) {
		return Signs{}, false
	}
	for _, b := range data[len(e.head) : len(data)-len(e.tail)] {
		if b == '"' || b == '\\' || b < ' ' {
			return Signs{}, false
		}
	}
	signs := e.signs
	signs.Size = len(data) - frame
	return signs, true
}

// Learn takes in what an event was found to tell. Raw is its text as it stands in
// data. An event that tells of anything else, or of more than one text, makes
// forget the one before.
func (e *Echo) Learn(data, raw []byte, signs Signs) {
	e.head, e.tail = e.head[:0], e.tail[:0]
	size := len(raw) - len(`""`)
	if size <= 0 || raw[0] != '"' || signs != (Signs{Content: true, Size: size}) || len(data)-size > longestFrame {
		return
	}
	start := cap(data) - cap(raw) + 1 // raw is a part of data
	e.head = append(e.head, data[:start]...)
	e.tail = append(e.tail, data[start+size:]...)
	e.signs = signs
}
