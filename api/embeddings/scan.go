package embeddings

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// valid says what is wrong with a body that is no JSON object. What follows it
// may take for granted that every raw value can be copied.
func valid(body []byte) error {
	it := jsonscan.Object(body)
	for it.Next() {
	}
	if it.Err != nil {
		return it.Err
	}
	if json.Valid(body) {
		return nil
	}
	err := json.Unmarshal(body, new(json.RawMessage))
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("invalid JSON at byte %d: %w", syntax.Offset, err)
	}
	return errors.New("invalid JSON")
}

func absent(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }

func expected(member, what string) error { return fmt.Errorf("%s: expected %s", member, what) }

// text reads a string; null leaves it empty.
func text(member string, raw []byte) (string, error) {
	s, ok := jsonscan.String(raw)
	if !ok && !absent(raw) {
		return "", expected(member, "a string")
	}
	return s, nil
}

// length reads a number of dimensions. Google's JSON may have it in a string.
func length(member string, raw []byte) (int64, error) {
	if absent(raw) {
		return 0, nil
	}
	s := string(raw)
	if quoted, ok := jsonscan.String(raw); ok {
		s = quoted
	}
	n, err := strconv.ParseInt(s, 10, 32)
	if err != nil || n < 1 {
		return 0, expected(member, "a whole number of at least 1")
	}
	return n, nil
}

// keep remembers a member that is not known, unless it says nothing.
func keep(extra map[string]json.RawMessage, name string, raw []byte) map[string]json.RawMessage {
	if absent(raw) {
		return extra
	}
	if extra == nil {
		extra = map[string]json.RawMessage{}
	}
	extra[name] = raw
	return extra
}

// appendExtra appends members in the order of their names, each after a comma.
func appendExtra(dst []byte, extra map[string]json.RawMessage) []byte {
	for _, name := range slices.Sorted(maps.Keys(extra)) {
		dst = append(api.AppendQuoted(append(dst, ','), name), ':')
		dst = append(dst, extra[name]...)
	}
	return dst
}

// names lists what a format that is not the request's own leaves out.
func (r *Request) names() []string {
	set := map[string]bool{}
	for name := range r.Extra {
		set[name] = true
	}
	for i := range r.Inputs {
		for name := range r.Inputs[i].Extra {
			set[name] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// texts refuses inputs that are none, for a format other than their own.
func (r *Request) texts(target string) error {
	for i := range r.Inputs {
		if in := &r.Inputs[i]; in.Other != "" {
			return &api.Unsupported{Field: in.Field, Why: in.Other + ", which " + target + " cannot embed: send text"}
		}
	}
	return nil
}

// camel is a member's name as Google's references spell it.
func camel(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words[1:] {
		if word != "" {
			words[i+1] = strings.ToUpper(word[:1]) + word[1:]
		}
	}
	return strings.Join(words, "")
}
