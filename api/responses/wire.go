package responses

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// pathError says what is wrong with a member. The path is put together on the
// way out.
type pathError struct{ path, what string }

func (e *pathError) Error() string {
	if e.path == "" {
		return e.what
	}
	return e.path + ": " + e.what
}

func expected(what string) error { return &pathError{what: "expected " + what} }

// in tells that an error came from a member, or an element such as [2].
func in(key string, err error) error {
	if err == nil {
		return nil
	}
	var inner *pathError
	if !errors.As(err, &inner) {
		return &pathError{path: key, what: err.Error()}
	}
	if inner.path != "" && inner.path[0] != '[' {
		key += "."
	}
	return &pathError{path: key + inner.path, what: inner.what}
}

// members calls f for each member of an object that is not null.
func members(raw []byte, f func(key string, value json.RawMessage) error) error {
	it := jsonscan.Object(raw)
	for it.Next() {
		if value := it.Value(); string(value) != "null" {
			if err := f(string(it.Key), value); err != nil {
				return in(string(it.Key), err)
			}
		}
	}
	if it.Err != nil {
		return expected("an object")
	}
	return nil
}

// elements calls f for each element of a list.
func elements(raw []byte, f func(i int, value json.RawMessage) error) error {
	it := jsonscan.Array(raw)
	for i := 0; it.Next(); i++ {
		if err := f(i, it.Value()); err != nil {
			return in("["+strconv.Itoa(i)+"]", err)
		}
	}
	if it.Err != nil {
		return expected("a list")
	}
	return nil
}

func readText(raw []byte, to *string) error {
	s, ok := jsonscan.String(raw)
	if !ok {
		return expected("a text")
	}
	*to = s
	return nil
}

func readTexts(raw []byte, to *[]string) error {
	return elements(raw, func(_ int, value json.RawMessage) error {
		var s string
		err := readText(value, &s)
		*to = append(*to, s)
		return err
	})
}

func readWhole(raw []byte, to *int64) error {
	if json.Unmarshal(raw, to) != nil {
		return expected("a whole number")
	}
	return nil
}

func readNumber(raw []byte, to *json.Number) error {
	if c := raw[0]; c != '-' && (c < '0' || c > '9') {
		return expected("a number")
	}
	*to = json.Number(raw)
	return nil
}

func readBool(raw []byte, to *bool) error {
	switch string(raw) {
	case "true", "false":
		*to = raw[0] == 't'
		return nil
	}
	return expected("true or false")
}

func isArray(raw []byte) bool { return len(raw) > 0 && raw[0] == '[' }

// readURL takes a URL, whose content may be in it.
func readURL(s string, media *api.Media) error {
	rest, ok := strings.CutPrefix(s, "data:")
	if !ok {
		media.URL = s
		return nil
	}
	head, data, ok := strings.Cut(rest, ",")
	if !ok {
		return expected("a data URL with a comma before its data")
	}
	head, isBase64 := strings.CutSuffix(head, ";base64")
	if kind, _, _ := strings.Cut(head, ";"); kind != "" {
		media.MIME = kind
	}
	if !isBase64 {
		text, err := url.PathUnescape(data)
		if err != nil {
			return expected("a data URL whose escapes are valid")
		}
		data = base64.StdEncoding.EncodeToString([]byte(text))
	}
	media.Data = data
	return nil
}

// dataURL is the URL of content that is at hand.
func dataURL(mime, otherwise, data string) string {
	if mime == "" {
		mime = otherwise
	}
	return "data:" + mime + ";base64," + data
}

// buffer is JSON that is being written. Commas put themselves where they belong.
type buffer []byte

func (b *buffer) comma() {
	if n := len(*b); n > 0 {
		switch (*b)[n-1] {
		case '{', '[', ':':
			return
		}
		*b = append(*b, ',')
	}
}

func (b *buffer) open(bracket byte) {
	b.comma()
	*b = append(*b, bracket)
}

func (b *buffer) close(bracket byte) { *b = append(*b, bracket) }

func (b *buffer) key(name string) {
	b.comma()
	*b = append(api.AppendQuoted(*b, name), ':')
}

func (b *buffer) text(name, value string) {
	b.key(name)
	*b = api.AppendQuoted(*b, value)
}

// optional writes a text that is not empty.
func (b *buffer) optional(name, value string) {
	if value != "" {
		b.text(name, value)
	}
}

func (b *buffer) whole(name string, value int64) {
	b.key(name)
	*b = strconv.AppendInt(*b, value, 10)
}

func (b *buffer) boolean(name string, value bool) {
	b.key(name)
	*b = strconv.AppendBool(*b, value)
}

// raw writes a value that is JSON already.
func (b *buffer) raw(name string, value []byte) {
	b.key(name)
	b.value(value)
}

// value writes JSON of others on one line, as server-sent events need it.
func (b *buffer) value(value []byte) {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 {
		*b = append(*b, value...)
		return
	}
	var line bytes.Buffer
	if json.Compact(&line, value) != nil {
		*b = append(*b, "null"...)
		return
	}
	*b = append(*b, line.Bytes()...)
}

// inner writes the text whose JSON string this is the inside of.
func (b *buffer) inner(name string, inside []byte) {
	b.key(name)
	*b = append(append(append(*b, '"'), inside...), '"')
}

// element writes an element of a list.
func (b *buffer) element(value []byte) {
	b.comma()
	b.value(value)
}
