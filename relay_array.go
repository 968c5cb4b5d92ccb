package plexus

import (
	"bytes"
	"errors"
	"io"
	"slices"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/sse"
)

// relayArray passes on a stream of Gemini's that is framed as a JSON array, each
// element as it comes. It is held back up to its first content, as relayStream
// does with events.
func (a *answer) relayArray() *failure {
	reader := &elements{src: a.res.Body}
	var held []byte
	for limit := a.mayHold(); ; {
		raw, element, err := reader.next()
		held = append(held, raw...)
		switch {
		case errors.Is(err, errNoArray):
			a.res.Body = rejoined{io.MultiReader(bytes.NewReader(reader.rest()), a.res.Body), a.res.Body}
			return a.relayWhole() // it does not stream, whatever we asked for
		case err != nil:
			return a.endedEarly(err)
		}
		signs := a.look(sse.Event{Data: element})
		switch {
		case signs.Failed:
			return a.fail(errorInside(element))
		case signs.Content:
			if f := a.commit(inEvents); f != nil {
				return f
			}
			a.streamHeader(a.res.StatusCode, "")
			a.followArray(reader, held)
			return nil
		case len(held) > limit:
			return a.fail(failure{reason: "a stream without content", verdict: verdictInvalid})
		}
	}
}

// followArray sends what was held back and then every element as it comes.
func (a *answer) followArray(reader *elements, raw []byte) {
	defer a.x.flush()
	a.inArray = true
	for {
		if err := a.send(raw); err != nil {
			a.clientGone(err)
			return
		}
		var element []byte
		var err error
		raw, element, err = reader.next()
		switch {
		case err == nil && element == nil:
			// The array's end is the stream's.
			a.finished, a.closed, a.inArray = true, true, false
		case err != nil:
			if len(raw) > 0 && !a.inArray {
				_ = a.send(raw) // a line's end behind it
			}
			a.ended(err)
			return
		}
		if signs := a.look(sse.Event{Data: element}); signs.Failed {
			raw = a.target.Provider.redact(raw)
		} else {
			a.mark(signs, false)
		}
	}
}

// errorEvent is an error as the last of an answer that was relayed.
func (a *answer) errorEvent(e api.Error) []byte {
	if a.inArray {
		return slices.Concat([]byte(","), a.x.op.api.ErrorBody(e), []byte("]\n"))
	}
	return a.x.op.api.ErrorEvent(e, a.events)
}

// rejoined is a body with what was read of it in front.
type rejoined struct {
	io.Reader
	io.Closer
}

// elements reads the objects of a JSON array one by one.
type elements struct {
	src      io.Reader
	buf      []byte
	from     int // of what next has not returned yet
	at       int // where to look on
	start    int // of the object that is not complete yet
	depth    int
	quoted   bool
	escaped  bool
	err      error
	finished bool
}

// errNoArray says that a document is no array.
var errNoArray = errors.New("it is no array")

// next is the next object, and with it the bytes that lead to it. At the end of
// the array the object is nil; the source's error comes with what is left.
func (e *elements) next() (raw, object []byte, err error) {
	for {
		for e.at < len(e.buf) {
			done, err := e.step(e.buf[e.at])
			if err != nil {
				return nil, nil, err
			}
			if e.at++; !done {
				continue
			}
			raw = e.buf[e.from:e.at]
			if !e.finished {
				object = e.buf[e.start:e.at]
			}
			e.from = e.at
			return raw, object, nil
		}
		switch {
		case e.err != nil:
			return e.rest(), nil, e.err
		case len(e.buf)-e.from > sse.MaxEvent:
			return nil, nil, sse.ErrTooLarge
		}
		e.read()
	}
}

// step looks at a byte, and tells whether an object or the array ends with it.
func (e *elements) step(b byte) (done bool, err error) {
	switch {
	case e.finished:
		return false, nil
	case e.escaped:
		e.escaped = false
	case e.quoted:
		e.escaped, e.quoted = b == '\\', b != '"'
	case e.depth == 0 && (b == ' ' || b == '\r' || b == '\n' || b == '\t'):
	case e.depth == 0 && b != '[':
		return false, errNoArray
	case b == '"':
		e.quoted = true
	case b == '{' || b == '[':
		if e.depth++; e.depth == 2 {
			e.start = e.at
		}
	case b == '}' || b == ']':
		e.depth--
		e.finished = e.depth == 0
		return e.depth <= 1, nil
	}
	return false, nil
}

// rest is what next has not returned.
func (e *elements) rest() []byte { return e.buf[e.from:] }

// read lets go of what next has returned, and reads on.
func (e *elements) read() {
	const least = 4 << 10
	rest := e.rest()
	if cap(e.buf) > keptBuffer && len(rest) < least {
		e.buf = nil // one image shall not stay for the rest of the stream
	}
	e.buf = slices.Grow(append(e.buf[:0], rest...), least)
	e.at, e.start, e.from = e.at-e.from, e.start-e.from, 0
	n, err := e.src.Read(e.buf[len(e.buf):cap(e.buf)])
	e.buf, e.err = e.buf[:len(e.buf)+n], err
}
