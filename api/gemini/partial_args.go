package gemini

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// node is a value of a call's arguments as its pieces come:
// https://cloud.google.com/vertex-ai/docs/reference/rest/v1/Content#PartialArg.
type node struct {
	list bool // children are elements, not members
	keys []string
	kids []*node
	// scalar is the value of a node without children: JSON, or the inside of a
	// string that may go on.
	scalar   []byte
	isString bool
	more     bool
}

// maxElement is how far an index may point: far more than a model writes, and
// little enough to fill.
const maxElement = 1 << 14

// take adds the values of a partialArgs.
func (n *node) take(partial []byte) {
	for it := jsonscan.Array(partial); it.Next(); {
		var path string
		var value []byte
		more, isNull := false, false
		members := jsonscan.Object(it.Value())
		for members.Next() {
			switch string(members.Key) {
			case "jsonPath":
				path, _ = jsonscan.String(members.Value())
			case "stringValue", "numberValue", "boolValue":
				value = members.Value()
			case "nullValue":
				isNull = true
			case "willContinue":
				more = string(members.Value()) == "true"
			}
		}
		if isNull && absent(value) {
			value = []byte("null")
		}
		if len(value) > 0 {
			n.at(path).set(value, more)
		}
	}
}

func (n *node) set(value []byte, more bool) {
	if value[0] != '"' {
		if !json.Valid(value) {
			value = api.Quote(string(value))
		}
		*n = node{scalar: slices.Clone(value)}
		return
	}
	if !n.isString || !n.more {
		*n = node{isString: true}
	}
	literal := api.Literal(value)
	n.scalar = append(n.scalar, literal[1:len(literal)-1]...)
	n.more = more
}

// at is the node to which a path of RFC 9535 leads; what is missing on the way
// is made.
func (n *node) at(path string) *node {
	rest := strings.TrimPrefix(path, "$")
	for rest != "" {
		var step string
		if rest[0] != '[' {
			rest = strings.TrimPrefix(rest, ".")
			end := strings.IndexAny(rest, ".[")
			if end < 0 {
				end = len(rest)
			}
			step, rest = rest[:end], rest[end:]
			n = n.member(step)
			continue
		}
		step, rest = bracket(rest)
		if index, err := strconv.Atoi(step); err == nil && index >= 0 && index < maxElement {
			n = n.element(index)
		} else {
			n = n.member(strings.NewReplacer(`\'`, `'`, `\"`, `"`, `\\`, `\`).Replace(strings.Trim(step, `'"`)))
		}
	}
	return n
}

// bracket takes [0] or ['name'] from the front of a path.
func bracket(path string) (step, rest string) {
	quote := byte(0)
	for i := 1; i < len(path); i++ {
		switch c := path[i]; {
		case quote != 0 && c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == ']':
			return path[1:i], path[i+1:]
		}
	}
	return path[1:], ""
}

func (n *node) member(key string) *node {
	if n.list || n.scalar != nil || n.isString {
		*n = node{}
	}
	if i := slices.Index(n.keys, key); i >= 0 {
		return n.kids[i]
	}
	kid := new(node)
	n.keys, n.kids = append(n.keys, key), append(n.kids, kid)
	return kid
}

func (n *node) element(index int) *node {
	if !n.list {
		*n = node{list: true}
	}
	for len(n.kids) <= index {
		n.kids = append(n.kids, &node{scalar: []byte("null")})
	}
	kid := n.kids[index]
	if string(kid.scalar) == "null" && !kid.isString {
		*kid = node{}
	}
	return kid
}

// json appends the value. A node of which nothing is known is an object, as
// arguments are.
func (n *node) json(dst []byte) []byte {
	switch {
	case n.isString:
		return append(append(append(dst, '"'), n.scalar...), '"')
	case n.scalar != nil:
		return append(dst, n.scalar...)
	case n.list:
		dst = append(dst, '[')
		for i, kid := range n.kids {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = kid.json(dst)
		}
		return append(dst, ']')
	}
	dst = append(dst, '{')
	for i, kid := range n.kids {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = kid.json(append(api.AppendQuoted(dst, n.keys[i]), ':'))
	}
	return append(dst, '}')
}
