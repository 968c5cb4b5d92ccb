// Package sse reads server-sent events as LLM providers send them, keeping each
// event's own bytes so that a relay can forward them untouched.
//
// The format is https://html.spec.whatwg.org/multipage/server-sent-events.html,
// with lines ended by LF or CRLF. A lone CR, which no provider sends, does not
// end a line here.
package sse

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

const (
	// startSize holds nearly every text delta; a stream that never sends more
	// never holds more.
	startSize = 4 << 10
	// busySize is for a stream that fills what it is given.
	busySize = 32 << 10
	// keepSize is the buffer that a stream may keep for good. A larger one,
	// grown for one large event, is given back after that event.
	keepSize = 64 << 10
	// MaxEvent is the largest event in bytes. Images arrive as one event of
	// several megabytes; nothing legitimate comes near this.
	MaxEvent = 64 << 20
)

// ErrTooLarge says that an event is larger than MaxEvent.
var ErrTooLarge = fmt.Errorf("an event is larger than %d MiB", MaxEvent>>20)

// Event is one event, or one comment that stands alone. Its slices are valid
// until the next call of Next, and Raw until Next reads on, which it does not as long
// as Ahead is not 0: then the Raw of one event mostly goes over into that of the next.
type Event struct {
	// Raw is the event as it came, with the blank line that ends it.
	Raw []byte
	// Name is the value of the last `event` field, or nil.
	Name []byte
	// Data is the lines of the `data` fields joined by LF, or nil where there
	// is none, as in a keep-alive comment.
	Data []byte
}

// Around is what stands before and behind the data in Raw, or nothing where Data is not
// a part of it.
func (e Event) Around() (before, after []byte) {
	at := cap(e.Raw) - cap(e.Data) // they end in the same memory
	if len(e.Data) == 0 || at <= 0 || at >= len(e.Raw) || &e.Raw[at] != &e.Data[0] {
		return nil, nil
	}
	return e.Raw[:at], e.Raw[at+len(e.Data):]
}

// Reader splits a stream into events.
type Reader struct {
	src     io.Reader
	buf     []byte
	from    int // start of the event being looked for
	end     int // of that event, once it has been found; 0 before
	line    int // start of the line being looked at
	seen    int // what was searched for its end already
	to      int // end of what was read
	lines   int // of that event, which are not blank
	joined  []byte
	err     error
	started bool
}

// NewReader reads events from src.
func NewReader(src io.Reader) *Reader { return &Reader{src: src} }

// Next is the next event. At the end of the stream it returns io.EOF; an event
// whose blank line is missing there counts, since some servers leave it out.
// Any other error of the source is returned as it is, and what came of the
// unfinished event is not.
func (r *Reader) Next() (Event, error) {
	r.release()
	for {
		if r.Ahead() > 0 {
			raw, lines := r.buf[r.from:r.end], r.lines
			r.from, r.end, r.lines = r.end, 0, 0
			if ev, ok := onlyData(raw, lines); ok {
				return ev, nil
			}
			return r.parse(raw), nil
		}
		if r.err != nil {
			return r.last()
		}
		if err := r.fill(); err != nil {
			return Event{}, err
		}
	}
}

// Ahead is how many bytes that Next has not returned yet have been read of the
// source, if Next needs to read no more for an event; else 0.
func (r *Reader) Ahead() int {
	if r.end == 0 {
		r.end = r.findEnd()
	}
	if r.end == 0 {
		return 0
	}
	return r.to - r.from
}

// Peek is what has been read of the source and not been returned. It is valid until
// Next reads on.
func (r *Reader) Peek() []byte { return r.buf[r.from:r.to] }

// Skip goes past n bytes of what Peek shows, and returns them: they must be whole
// events.
func (r *Reader) Skip(n int) []byte {
	b := r.buf[r.from : r.from+n]
	r.from += n
	r.line, r.seen, r.end, r.lines = r.from, r.from, 0, 0
	return b
}

// last is what remains when the source has ended.
func (r *Reader) last() (Event, error) {
	raw := r.buf[r.from:r.to]
	r.from, r.line, r.seen = r.to, r.to, r.to
	if errors.Is(r.err, io.EOF) && len(bytes.TrimSpace(raw)) > 0 {
		return r.parse(raw), nil
	}
	return Event{}, r.err
}

// findEnd is the index after the blank line that ends the event, or 0. Blank
// lines before the event belong to it, so that no byte of the stream is lost. No
// byte is searched twice, however long its line and short the reads.
func (r *Reader) findEnd() int {
	for {
		n := bytes.IndexByte(r.buf[r.seen:r.to], '\n')
		if n < 0 {
			r.seen = r.to
			return 0
		}
		line := r.buf[r.line : r.seen+n]
		r.seen += n + 1
		r.line = r.seen
		blank := len(line) == 0 || len(line) == 1 && line[0] == '\r'
		switch {
		case !blank:
			r.lines++
		case r.lines > 0:
			return r.seen
		}
	}
}

func (r *Reader) fill() error {
	// The rest of the buffer may be too little for what has come.
	if r.to == len(r.buf) || r.from > 0 && r.to > len(r.buf)/2 {
		if err := r.makeRoom(); err != nil {
			return err
		}
	}
	n, err := r.src.Read(r.buf[r.to:])
	r.to += n
	r.err = err
	if !r.started && r.to >= 3 {
		r.started = true
		if bytes.HasPrefix(r.buf[:r.to], []byte("\xef\xbb\xbf")) {
			copy(r.buf, "\n\n\n") // a byte order mark is no part of the first field's name
			r.line, r.seen = 0, 0
		}
	}
	return nil
}

// makeRoom moves what is unread to the front, in a larger buffer where it
// fills this one.
func (r *Reader) makeRoom() error {
	unread, full := r.to-r.from, r.to == len(r.buf)
	buf := r.buf
	switch {
	case buf == nil:
		buf = make([]byte, startSize)
	case unread > MaxEvent:
		return ErrTooLarge
	case unread > len(buf)/2:
		buf = make([]byte, 2*len(buf))
	case full && len(buf) < busySize:
		buf = make([]byte, busySize)
	}
	r.move(buf)
	return nil
}

// release gives back a buffer that one large event made grow, once what is
// left in it fits a small one.
func (r *Reader) release() {
	if r.from == r.to {
		r.from, r.line, r.seen, r.to = 0, 0, 0, 0
	}
	if len(r.buf) > keepSize && r.to-r.from <= startSize/2 {
		r.move(make([]byte, startSize))
	}
	if cap(r.joined) > keepSize {
		r.joined = nil
	}
}

// move takes what is unread to the front of a buffer.
func (r *Reader) move(buf []byte) {
	copy(buf, r.buf[r.from:r.to])
	r.line, r.seen, r.to = r.line-r.from, r.seen-r.from, r.to-r.from
	r.end = max(r.end-r.from, 0)
	r.buf, r.from = buf, 0
}

// onlyData is an event that is one line of data, as most are. Its end need not be
// looked for again.
func onlyData(raw []byte, lines int) (Event, bool) {
	value, ok := bytes.CutPrefix(raw, []byte("data:"))
	if !ok || lines != 1 {
		return Event{}, false
	}
	return Event{Raw: raw, Data: bytes.TrimPrefix(trimEnd(trimEnd(value)), []byte(" "))}, true
}

// trimEnd takes the end off a line, or the blank line that follows it.
func trimEnd(b []byte) []byte {
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

func (r *Reader) parse(raw []byte) Event {
	ev := Event{Raw: raw}
	lines := 0
	for rest := raw; len(rest) > 0; {
		var line []byte
		line, rest = cutLine(rest)
		switch name, value := cutField(line); string(name) {
		case "event":
			ev.Name = value
		case "data":
			ev.Data = r.join(lines, ev.Data, value)
			lines++
		}
	}
	return ev
}

// join adds a line of data. A single line, which is what every provider sends,
// stays where it is in the buffer.
func (r *Reader) join(lines int, data, line []byte) []byte {
	switch lines {
	case 0:
		return line
	case 1:
		r.joined = append(r.joined[:0], data...)
	}
	r.joined = append(append(r.joined, '\n'), line...)
	return r.joined
}

func cutLine(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte("\n"))
	return bytes.TrimSuffix(line, []byte("\r")), rest
}

// cutField splits a line at its first colon; one space after it is not part of
// the value.
func cutField(line []byte) (name, value []byte) {
	name, value, _ = bytes.Cut(line, []byte(":"))
	return name, bytes.TrimPrefix(value, []byte(" "))
}

// Held is the size in bytes of the reader's buffers.
func (r *Reader) Held() int { return len(r.buf) + cap(r.joined) }
