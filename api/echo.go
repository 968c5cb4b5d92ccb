package api

import "bytes"

// Echo knows an event again that is the one before it with another text, as
// nearly all of a stream are: to compare takes a tenth of looking through it.
// The zero value knows none.
type Echo struct{ head, tail []byte } // around the text, without its quotes

// longestFrame is how much around a text, in bytes, is worth remembering.
const longestFrame = 1 << 10

// Text is the text, raw and in its quotes, of an event that is the learned one but
// for it; nil of any other.
func (e *Echo) Text(data []byte) []byte {
	frame := len(e.head) + len(e.tail)
	if frame == 0 || len(data) <= frame || !bytes.HasPrefix(data, e.head) || !bytes.HasSuffix(data, e.tail) {
		return nil
	}
	start, end := len(e.head), len(data)-len(e.tail)
	if plain(data[start:end]) < end-start {
		return nil
	}
	return data[start-1 : end+1]
}

// Run is the events at the start of b, each with the same before and after its data,
// that are the learned one but for the text. It ends with the one with which they
// come to most bytes.
func (e *Echo) Run(b, before, after []byte, most int) (run Run) {
	if len(e.head) == 0 {
		return Run{}
	}
	for run.Length < most {
		rest, ok := bytes.CutPrefix(b[run.Length:], before)
		if !ok || !bytes.HasPrefix(rest, e.head) {
			break
		}
		rest = rest[len(e.head):]
		size := plain(rest)
		rest = rest[size:]
		if size == 0 || !bytes.HasPrefix(rest, e.tail) || !bytes.HasPrefix(rest[len(e.tail):], after) {
			break
		}
		run.Length += len(before) + len(e.head) + size + len(e.tail) + len(after)
		run.Events++
		run.Size += size
	}
	return run
}

// plain is how many bytes at the start of b stand for themselves in a JSON string.
func plain(b []byte) int {
	for i, c := range b {
		if c == '"' || c == '\\' || c < ' ' {
			return i
		}
	}
	return len(b)
}

// Learn takes in an event that tells of nothing but a text, which is raw as it
// stands in data. Without one it forgets the event before.
func (e *Echo) Learn(data, raw []byte) {
	e.head, e.tail = e.head[:0], e.tail[:0]
	size := len(raw) - len(`""`)
	if size <= 0 || raw[0] != '"' || len(data)-size > longestFrame {
		return
	}
	// Raw is a part of data, and neither was clipped: they end in the same memory.
	start := cap(data) - cap(raw) + 1
	if start < 1 || start+size > len(data) || &data[start] != &raw[1] {
		return
	}
	e.head = append(e.head, data[:start]...)
	e.tail = append(e.tail, data[start+size:]...)
}
