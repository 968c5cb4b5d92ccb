package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// fieldError says what is wrong with a member. The path grows on the way out, so
// that a request without errors pays nothing for it.
type fieldError struct {
	path, what string
}

func (e *fieldError) Error() string {
	if e.path == "" {
		return e.what
	}
	return e.path + ": " + e.what
}

// expected is the error of a value of the wrong kind.
func expected(what string) error { return &fieldError{what: "expected " + what} }

// at says where an error is: in the member called key, or, for a key such as
// [2], in that element.
func at(key string, err error) error {
	if err == nil {
		return nil
	}
	var field *fieldError
	if !errors.As(err, &field) {
		field = &fieldError{what: err.Error()}
	}
	if field.path != "" && field.path[0] != '[' {
		key += "."
	}
	field.path = key + field.path
	return field
}

func null(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }

// object calls f for each member that is not null.
func object(raw []byte, f func(key string, value []byte) error) error {
	it := jsonscan.Object(raw)
	for it.Next() {
		if null(it.Value()) {
			continue
		}
		if err := f(string(it.Key), it.Value()); err != nil {
			return at(string(it.Key), err)
		}
	}
	if it.Err != nil {
		return expected("an object")
	}
	return nil
}

// array calls f for each element.
func array(raw []byte, f func(i int, value []byte) error) error {
	it := jsonscan.Array(raw)
	for i := 0; it.Next(); i++ {
		if err := f(i, it.Value()); err != nil {
			return at("["+strconv.Itoa(i)+"]", err)
		}
	}
	if it.Err != nil {
		return expected("a list")
	}
	return nil
}

func text(raw []byte, to *string) error {
	s, ok := jsonscan.String(raw)
	if !ok {
		return expected("a text")
	}
	*to = s
	return nil
}

func integer(raw []byte, to *int64) error {
	if json.Unmarshal(raw, to) != nil {
		return expected("a whole number")
	}
	return nil
}

func number(raw []byte, to *json.Number) error {
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		return expected("a number")
	}
	*to = json.Number(raw)
	return nil
}

func boolean(raw []byte, to *bool) error {
	switch string(raw) {
	case "true":
		*to = true
	case "false":
		*to = false
	default:
		return expected("true or false")
	}
	return nil
}

func optional(raw []byte, to **bool) error {
	*to = new(bool)
	return boolean(raw, *to)
}

// kept copies raw, which is the caller's, for longer than the call.
func kept(raw []byte) json.RawMessage { return bytes.Clone(raw) }

// textOf is the text of a raw string, and nothing for anything else.
func textOf(raw []byte) string {
	s, _ := jsonscan.String(raw)
	return s
}

// inside is the value under several names, one inside the other.
func inside(raw []byte, names ...string) []byte {
	for _, name := range names {
		if raw = jsonscan.Member(raw, name); raw == nil {
			return nil
		}
	}
	return raw
}

// writer appends JSON. A comma goes before everything that does not come first
// in its object or array, which the byte before tells.
type writer struct {
	b []byte
}

func (w *writer) comma() {
	if n := len(w.b); n > 0 && w.b[n-1] != '{' && w.b[n-1] != '[' && w.b[n-1] != ':' {
		w.b = append(w.b, ',')
	}
}

// key begins a member; its value has to follow.
func (w *writer) key(name string) {
	w.comma()
	w.b = append(api.AppendQuoted(w.b, name), ':')
}

// open begins an object, as an element or after a key.
func (w *writer) open() {
	w.comma()
	w.b = append(w.b, '{')
}

func (w *writer) close(bracket byte) { w.b = append(w.b, bracket) }

// begin begins a member that is an object or an array.
func (w *writer) begin(name string, bracket byte) {
	w.key(name)
	w.b = append(w.b, bracket)
}

func (w *writer) text(name, value string) {
	w.key(name)
	w.b = api.AppendQuoted(w.b, value)
}

// some writes a text that is not empty.
func (w *writer) some(name, value string) {
	if value != "" {
		w.text(name, value)
	}
}

func (w *writer) integer(name string, value int64) {
	w.key(name)
	w.b = strconv.AppendInt(w.b, value, 10)
}

func (w *writer) number(name string, value json.Number) {
	if value != "" {
		w.key(name)
		w.b = append(w.b, value...)
	}
}

func (w *writer) boolean(name string, value bool) {
	w.key(name)
	w.b = strconv.AppendBool(w.b, value)
}

func (w *writer) optional(name string, value *bool) {
	if value != nil {
		w.boolean(name, *value)
	}
}

// raw writes JSON that is there already.
func (w *writer) raw(name string, value []byte) {
	if len(value) > 0 {
		w.key(name)
		w.b = append(w.b, value...)
	}
}

// element writes an element that is JSON already.
func (w *writer) element(value []byte) {
	w.comma()
	w.b = append(w.b, value...)
}
