package main

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// question is what a work asks, and the answer that it has to get.
type question struct {
	script script
	// client is the API in which it is asked, target that of the provider.
	client, target *format

	body   []byte
	answer []byte // a relayed one, to the byte
	text   []byte // a translated one has it in it
}

func newQuestion(model string, client, target *format) (*question, error) {
	s, err := parseScript(model)
	if err != nil {
		return nil, err
	}
	api := "chat"
	if target == &messagesFormat {
		api = "messages"
	}
	q := &question{script: s, client: client, target: target, body: body(aliasOf(api, model), s.streams())}
	if s.asked > 0 {
		head, tail := s.conversation()
		q.body = slices.Concat(head, []byte(model), tail)
	}
	if !s.streams() {
		q.answer, q.text = target.whole(&s), []byte(target.text(&s))
	}
	return q, nil
}

func (q *question) relayed() bool { return q.client == q.target }

// check holds a whole answer against what it has to be.
func (q *question) check(got []byte) error {
	switch {
	case q.relayed() && !bytes.Equal(got, q.answer):
		return fmt.Errorf("an answer of %d bytes is not the provider's, of %d: %.300q", len(got), len(q.answer), got)
	case !q.relayed() && !bytes.Contains(got, q.text):
		return fmt.Errorf("an answer of %d bytes lacks the provider's text: %.300q", len(got), got)
	}
	return nil
}

// reader reads one stream, whatever its chunks are, and checks it.
type reader struct {
	q      *question
	rest   []byte // of an event that has begun
	events int    // of content
	chunks int    // that had content in them
	ended  bool
}

// take reads a chunk. It calls seen with the time at which each of its events of
// content was written.
func (r *reader) take(chunk []byte, seen func(written time.Time)) error {
	before := r.events
	data := chunk
	if len(r.rest) > 0 {
		r.rest = append(r.rest, chunk...)
		data = r.rest
	}
	for {
		end := bytes.Index(data, []byte("\n\n"))
		if end < 0 {
			break
		}
		if err := r.event(data[:end+2], seen); err != nil {
			return err
		}
		data = data[end+2:]
	}
	r.rest = append(r.rest[:0], data...)
	if r.events > before {
		r.chunks++
	}
	return nil
}

func (r *reader) event(event []byte, seen func(time.Time)) error {
	if r.ended {
		return fmt.Errorf("%q comes after the end", event)
	}
	f := r.q.client
	if string(event) == f.end {
		r.ended = true
		return nil
	}
	stamp, ok := stampIn(event, f, r.q.relayed())
	if ok {
		r.events++
		seen(time.Unix(0, stamp))
		return nil
	}
	if r.q.relayed() && !slices.Contains(f.head, string(event)) && !slices.Contains(f.tail, string(event)) {
		return fmt.Errorf("%q is not the provider's", event)
	}
	return nil
}

// stampIn is the time in an event of content. A relayed one has nothing but the
// provider's bytes around it.
func stampIn(event []byte, f *format, relayed bool) (int64, bool) {
	var digits []byte
	if relayed {
		if len(event) != len(f.eventHead)+stampDigits+len(f.eventTail) ||
			!bytes.HasPrefix(event, []byte(f.eventHead)) || !bytes.HasSuffix(event, []byte(f.eventTail)) {
			return 0, false
		}
		digits = event[len(f.eventHead) : len(f.eventHead)+stampDigits]
	} else {
		member := `"content":"`
		if f == &messagesFormat {
			member = `"text":"`
		}
		_, rest, found := bytes.Cut(event, []byte(member))
		if !found || len(rest) < stampDigits {
			return 0, false
		}
		digits = rest[:stampDigits]
	}
	stamp, err := strconv.ParseInt(string(digits), 10, 64)
	return stamp, err == nil
}

// end says what the stream lacks.
func (r *reader) end() error {
	if !r.ended || len(r.rest) > 0 || r.events != r.q.script.events {
		return fmt.Errorf("a stream has %d of %d events, its end: %t, and %q at its end", r.events, r.q.script.events, r.ended, r.rest)
	}
	return nil
}
