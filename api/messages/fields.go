package messages

import (
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// fieldError says what is wrong with the member at a path.
type fieldError struct{ path, what string }

func (e *fieldError) Error() string {
	if e.path == "" {
		return e.what
	}
	return e.path + ": " + e.what
}

func expected(what string) error { return &fieldError{what: "expected " + what} }

// in says in which member or element an error lies.
func in(name string, err error) error {
	e, ok := errors.AsType[*fieldError](err)
	switch {
	case !ok:
		return err
	case e.path != "" && !strings.HasPrefix(e.path, "["):
		name += "."
	}
	return &fieldError{path: name + e.path, what: e.what}
}

// names are those that nearly every request and answer has, so that no text is
// made of them anew.
var names = func() map[string]string {
	table := map[string]string{}
	for _, name := range []string{
		"model", "max_tokens", "messages", "system", "tools", "tool_choice", "thinking", "metadata", "stream", "temperature",
		"output_config", "context_management", "user_id", "effort", "budget_tokens", "role", "content", "type", "text",
		"cache_control", "citations", "source", "media_type", "data", "url", "title", "signature", "id", "name", "input",
		"caller", "tool_use_id", "is_error", "description", "input_schema", "strict", "eager_input_streaming",
		"defer_loading", "stop_reason", "stop_sequence", "stop_details", "usage", "container",
	} {
		table[name] = name
	}
	return table
}()

// members calls f for each member of an object.
func members(raw []byte, f func(key string, value []byte) error) error {
	it := jsonscan.Object(raw)
	for it.Next() {
		key, known := names[string(it.Key)]
		if !known {
			key = string(it.Key)
		}
		if err := f(key, it.Value()); err != nil {
			return in(key, err)
		}
	}
	if errors.Is(it.Err, jsonscan.ErrNotObject) {
		return expected("an object")
	}
	return it.Err
}

// elements calls f for each element of an array.
func elements(raw []byte, f func(i int, value []byte) error) error {
	it := jsonscan.Array(raw)
	for i := 0; it.Next(); i++ {
		if err := f(i, it.Value()); err != nil {
			return in("["+strconv.Itoa(i)+"]", err)
		}
	}
	if errors.Is(it.Err, jsonscan.ErrNotArray) {
		return expected("a list")
	}
	return it.Err
}

func isNull(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }

// text is a string that may be absent.
func text(raw []byte, to *string) error {
	if isNull(raw) {
		return nil
	}
	s, ok := jsonscan.String(raw)
	if !ok {
		return expected("a string")
	}
	*to = s
	return nil
}

func texts(raw []byte, to *[]string) error {
	if isNull(raw) {
		return nil
	}
	return elements(raw, func(_ int, value []byte) error {
		s, ok := jsonscan.String(value)
		if !ok {
			return expected("a string")
		}
		*to = append(*to, s)
		return nil
	})
}

// number is one that is only passed on.
func number(raw []byte, to *json.Number) error {
	if isNull(raw) {
		return nil
	}
	if raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return expected("a number")
	}
	*to = json.Number(raw)
	return nil
}

// integer also takes 4096.0, which some clients write.
func integer(raw []byte, to *int64) error {
	if isNull(raw) {
		return nil
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil {
		f, ferr := strconv.ParseFloat(string(raw), 64)
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
			return expected("an integer")
		}
		n = int64(f)
	}
	*to = n
	return nil
}

func boolean(raw []byte, to *bool) error {
	switch string(raw) {
	case "true":
		*to = true
	case "false", "null", "":
		*to = false
	default:
		return expected("true or false")
	}
	return nil
}

// The functions below write JSON. A comma stands before a member or an element
// unless it is the first.

func member(dst []byte, name string) []byte {
	dst = append(element(dst), '"')
	return append(append(dst, name...), `":`...)
}

func element(dst []byte) []byte {
	if n := len(dst); n > 0 && dst[n-1] != '{' && dst[n-1] != '[' {
		dst = append(dst, ',')
	}
	return dst
}

func memberText(dst []byte, name, s string) []byte {
	return api.AppendQuoted(member(dst, name), s)
}

func memberRaw[T ~[]byte | ~string](dst []byte, name string, raw T) []byte {
	return append(member(dst, name), raw...)
}

func memberInt(dst []byte, name string, n int64) []byte {
	return strconv.AppendInt(member(dst, name), n, 10)
}

func memberTexts(dst []byte, name string, list []string) []byte {
	dst = append(member(dst, name), '[')
	for _, s := range list {
		dst = api.AppendQuoted(element(dst), s)
	}
	return append(dst, ']')
}

// optionalText and optionalRaw leave out what is empty.
func optionalText(dst []byte, name, s string) []byte {
	if s == "" {
		return dst
	}
	return memberText(dst, name, s)
}

func optionalRaw(dst []byte, name string, raw json.RawMessage) []byte {
	if len(raw) == 0 {
		return dst
	}
	return memberRaw(dst, name, raw)
}
