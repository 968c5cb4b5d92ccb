package messages

import (
	"strings"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// maxNested is how deep a schema may be nested before nobody looks further.
const maxNested = 64

// bindable tells whether Anthropic can bind the model to a schema. It compiles
// the schema into a grammar, and refuses one that refers to itself; what it takes
// is closed, so that an object of any members would always be empty:
// https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations.
func bindable(schema []byte) bool {
	b := binding{definitions: map[string][]byte{}, within: map[string]bool{}, bound: map[string]bool{}}
	for _, name := range []string{"$defs", "definitions"} {
		it := jsonscan.Object(jsonscan.Member(schema, name))
		for it.Next() {
			b.definitions["#/"+name+"/"+string(it.Key)] = it.Value()
		}
	}
	return b.schema(schema, 0)
}

type binding struct {
	definitions map[string][]byte // by what refers to them
	// within are those that are being looked at, and bound those that have been.
	within, bound map[string]bool
}

func (b *binding) schema(raw []byte, depth int) bool {
	if depth > maxNested {
		return false
	}
	object, members, ok := false, false, true
	it := jsonscan.Object(raw)
	for it.Next() {
		value := it.Value()
		switch string(it.Key) {
		case "type":
			object = string(value) == `"object"`
		case "$ref":
			ok = ok && b.reference(value, depth)
		case "properties":
			members = true
			ok = ok && b.all(jsonscan.Object(value), depth)
		case "items":
			ok = ok && b.schema(value, depth+1)
		case "anyOf", "oneOf", "allOf":
			members = true
			ok = ok && b.all(jsonscan.Array(value), depth)
		case "additionalProperties":
			members = members || string(value) == "false"
			ok = ok && (string(value) == "false" || string(value) == "true" || !strings.HasPrefix(string(value), "{"))
		}
	}
	return ok && (!object || members)
}

func (b *binding) all(it jsonscan.Iter, depth int) bool {
	for it.Next() {
		if !b.schema(it.Value(), depth+1) {
			return false
		}
	}
	return true
}

func (b *binding) reference(raw []byte, depth int) bool {
	name, _ := jsonscan.String(raw)
	target, known := b.definitions[name]
	if b.bound[name] {
		return true
	}
	if !known || b.within[name] {
		return false
	}
	b.within[name] = true
	ok := b.schema(target, depth+1)
	b.within[name], b.bound[name] = false, ok
	return ok
}
