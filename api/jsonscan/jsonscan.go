// Package jsonscan walks JSON without decoding it. A gateway that relays
// megabytes needs to know where one member stands, not what all of them say:
// strings are skipped without a look at each byte, nothing is copied or allocated.
//
// The structure of the whole document is checked (RFC 8259: brackets, commas,
// colons, literals, numbers). The inside of strings is not, except by
// StrictObject and, as far as it goes, StrictNames: escapes and control characters
// are left for whoever reads the text.
package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// MaxDepth is how deep arrays and objects may nest. Nothing that a model is
// asked comes near it, and a provider's own parser may be recursive.
const MaxDepth = 512

var (
	// ErrTooDeep says that a document nests deeper than MaxDepth.
	ErrTooDeep = fmt.Errorf("nested deeper than %d levels", MaxDepth)
	// ErrNotObject says that a document is something else than an object.
	ErrNotObject = errors.New("expected a JSON object")
	// ErrNotArray says that a value is something else than an array.
	ErrNotArray = errors.New("expected a JSON array")
)

// SyntaxError says where a document stops being JSON.
type SyntaxError struct {
	Offset int // in bytes from the start
	What   string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("invalid JSON at byte %d: %s", e.Offset, e.What)
}

// Iter goes through the members of an object or the elements of an array:
//
//	it := jsonscan.Object(data)
//	for it.Next() {
//		… it.Key, it.Value() …
//	}
//	if it.Err != nil { … }
//
// It checks the grammar of everything it passes, and of all of data once Next
// has returned false.
type Iter struct {
	// Key is the name of the current member, unescaped; nil in an array.
	Key []byte
	// Start and End bound the current value in the data.
	Start, End int
	// Err is the first violation of the grammar, at which Next stops.
	Err error

	c       cursor
	object  bool
	started bool
}

// Object goes through the members of the object that is the whole of data.
func Object(data []byte) Iter { return open(data, '{', ErrNotObject) }

// Array goes through the elements of the array that is the whole of data.
func Array(data []byte) Iter { return open(data, '[', ErrNotArray) }

func open(data []byte, bracket byte, otherwise error) Iter {
	it := Iter{c: cursor{data: data}, object: bracket == '{'}
	it.open(bracket, otherwise)
	return it
}

func (it *Iter) open(bracket byte, otherwise error) {
	if it.c.space(); !it.c.take(bracket) {
		if it.Err = it.c.value(); it.Err == nil {
			it.Err = otherwise
		}
	}
}

// Value is the current member's or element's raw text.
func (it *Iter) Value() []byte { return it.c.data[it.Start:it.End] }

// Next moves to the next member or element, and tells whether there is one.
func (it *Iter) Next() bool {
	if it.Err != nil {
		return false
	}
	if it.c.space(); it.c.closes(it.object) {
		it.Err = it.c.atEnd()
		return false
	}
	if it.started {
		if it.Err = it.c.expect(','); it.Err != nil {
			return false
		}
		it.c.space()
	}
	it.started = true
	if it.object {
		var to int
		from := it.c.i + 1
		if to, it.c.i, it.Err = it.c.name(it.c.i); it.Err != nil {
			return false
		}
		it.Key = unescape(it.c.data[from:to])
	}
	it.Start = it.c.i
	it.Err = it.c.value()
	it.End = it.c.i
	return it.Err == nil
}

// Member is the raw value of the first member called key of the object that
// data holds, or nil. It stops there: what follows is not looked at.
func Member(data []byte, key string) []byte {
	it := Object(data)
	for it.Next() {
		if string(it.Key) == key {
			return it.Value()
		}
	}
	return nil
}

// String is the text of a raw JSON string, and whether raw is one.
func String(raw []byte) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	inner := raw[1 : len(raw)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), true
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return "", false
	}
	return s, true
}

// unescape turns the inside of a JSON string into its text. A broken escape
// leaves it as it stands, which then equals no name anyone looks for.
func unescape(inner []byte) []byte {
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	quoted := make([]byte, 0, len(inner)+2)
	quoted = append(append(append(quoted, '"'), inner...), '"')
	if s, ok := String(quoted); ok {
		return []byte(s)
	}
	return inner
}

// Valid tells whether data is one JSON value and nothing else.
func Valid(data []byte) bool {
	c := cursor{data: data}
	c.space()
	return c.value() == nil && c.atEnd() == nil
}
