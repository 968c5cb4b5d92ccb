package plexus

import (
	"bytes"
	"io"
	"slices"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// relayArray passes on a stream of Gemini's that is framed as a JSON array. It
// is held back up to its first content, as relayStream does with events.
func (a *answer) relayArray() *failure {
	var head []byte
	buf := make([]byte, 32<<10)
	limit, next := a.mayHold(), 0 // where the element begins that is not complete yet
	for {
		n, err := a.res.Body.Read(buf)
		head = append(head, buf[:n]...)
		if text := bytes.TrimLeft(head, " \r\n\t"); len(text) > 0 && text[0] != '[' {
			a.res.Body = rejoined{io.MultiReader(bytes.NewReader(head), a.res.Body), a.res.Body}
			return a.relayWhole() // it does not stream, whatever we asked for
		}
		for bytes.IndexByte(buf[:n], '}') >= 0 {
			element, end := firstElement(head[next:])
			if element == nil {
				break
			}
			next += end
			switch signs := a.watcher.Event(nil, element); {
			case signs.Failed:
				return a.fail(failure{reason: "an error inside a 200", verdict: verdictInvalid})
			case signs.Content:
				return a.relayBytes(head)
			}
		}
		switch {
		case err != nil:
			return a.endedEarly(err)
		case len(head) > limit:
			return a.fail(failure{reason: "a stream without content", verdict: verdictInvalid})
		}
	}
}

// rejoined is a body with what was read of it in front.
type rejoined struct {
	io.Reader
	io.Closer
}

// firstElement is the first object of a part of an array, and where it ends; nil
// if it is not complete.
func firstElement(part []byte) (element []byte, end int) {
	rest := bytes.TrimLeft(part, "[, \r\n\t")
	start := len(part) - len(rest)
	array := jsonscan.Array(slices.Concat([]byte("["), rest))
	if !array.Next() {
		return nil, 0
	}
	return array.Value(), start + array.End - 1
}
