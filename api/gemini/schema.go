package gemini

import (
	"bytes"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// reduceSchema brings a JSON Schema into the part of the language that Gemini
// reads: https://ai.google.dev/api/generate-content#FIELDS.response_json_schema
// and, for functions, https://ai.google.dev/api/caching#Schema.
//
//   - $ref is replaced by what it refers to; where that contains itself, the
//     inner one becomes a value of its type with nothing said about it.
//   - allOf is merged into its schema, oneOf becomes anyOf.
//   - A list of types, and nullable, become anyOf.
//   - const becomes an enum; enums keep texts and numbers.
//   - Formats but those of Google's table, $schema and every other word that
//     Google's list lacks are left out, and so is additionalProperties where it
//     is no schema; required names only what properties define.
//   - anyOf is left out where one of its schemas lets anything in, as one does
//     that had nothing but such words.
//
// Values are copied as they stand, in their order: no number changes.
func reduceSchema(raw json.RawMessage) json.RawMessage {
	if absent(raw) {
		return nil
	}
	r := &reducer{root: raw}
	return r.schema(raw, 0)
}

const (
	// maxSchemaDepth is how deep references may be followed.
	maxSchemaDepth = 64
	// maxSchemaSize ends the copying of definitions that refer to each other
	// several times over, which doubles with each step.
	maxSchemaSize = 1 << 20
)

type reducer struct {
	root json.RawMessage
	open []string // references that are being replaced
	size int
}

// words are a schema's members.
type words []field

func (w words) get(name string) json.RawMessage {
	for i := range w {
		if w[i].name == name {
			return w[i].raw
		}
	}
	return nil
}

func (w words) without(names ...string) words {
	return slices.DeleteFunc(slices.Clone(w), func(f field) bool { return slices.Contains(names, f.name) })
}

// set replaces a member where it stands, or adds it.
func (w words) set(name string, raw json.RawMessage) words {
	for i := range w {
		if w[i].name == name {
			out := slices.Clone(w)
			out[i].raw = raw
			return out
		}
	}
	return append(slices.Clip(w), field{name, raw})
}

func members(raw json.RawMessage) (w words) {
	it := jsonscan.Object(raw)
	for it.Next() {
		w = append(w, field{string(it.Key), it.Value()})
	}
	return w
}

func (r *reducer) schema(raw json.RawMessage, depth int) json.RawMessage {
	if r.size += 16; depth > maxSchemaDepth || r.size > maxSchemaSize {
		return json.RawMessage("{}")
	}
	before := len(r.open)
	w := r.flatten(members(raw), depth)
	out := r.node(w, depth)
	r.open = r.open[:before]
	r.size += len(out)
	return out
}

// flatten follows references and merges allOf, until neither is left.
func (r *reducer) flatten(w words, depth int) words {
	for range maxSchemaDepth {
		switch ref, all := w.get("$ref"), w.get("allOf"); {
		case ref != nil:
			w = r.refer(w.without("$ref"), ref)
		case all != nil:
			w = r.mergeAll(w.without("allOf"), all, depth)
		default:
			return w
		}
	}
	return w.without("$ref", "allOf")
}

// refer puts what a reference means under the members that stand beside it.
func (r *reducer) refer(beside words, ref json.RawMessage) words {
	name, _ := jsonscan.String(ref)
	target := members(r.resolve(name))
	if slices.Contains(r.open, name) || r.size > maxSchemaSize {
		var cut words
		if kind := target.get("type"); kind != nil {
			cut = words{{"type", kind}}
		}
		target = cut
	} else {
		r.open = append(r.open, name)
	}
	for _, m := range beside {
		target = target.set(m.name, m.raw)
	}
	return target
}

// resolve follows a JSON pointer within the document, which RFC 6901 has in a
// URI's fragment.
func (r *reducer) resolve(ref string) json.RawMessage {
	pointer, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return nil
	}
	if unescaped, err := url.PathUnescape(pointer); err == nil {
		pointer = unescaped
	}
	at := r.root
	for _, step := range strings.Split(pointer, "/")[1:] {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		if len(at) > 0 && at[0] == '[' {
			at = element(at, step)
		} else {
			at = jsonscan.Member(at, step)
		}
	}
	return at
}

func element(raw json.RawMessage, step string) json.RawMessage {
	n, err := strconv.Atoi(step)
	it := jsonscan.Array(raw)
	for i := 0; err == nil && it.Next(); i++ {
		if i == n {
			return it.Value()
		}
	}
	return nil
}

// mergeAll takes in the members of each schema of allOf. Properties and what is
// required add up; of anything else the first one counts.
func (r *reducer) mergeAll(w words, all json.RawMessage, depth int) words {
	it := jsonscan.Array(all)
	for it.Next() && depth < maxSchemaDepth {
		for _, m := range r.flatten(members(it.Value()), depth+1) {
			have := w.get(m.name)
			switch {
			case have == nil:
				w = w.set(m.name, m.raw)
			case m.name == "properties":
				w = w.set(m.name, join(have, m.raw, '}'))
			case m.name == "required":
				w = w.set(m.name, join(have, m.raw, ']'))
			}
		}
	}
	return w
}

// join puts the inside of b behind that of a, two objects or two lists.
func join(a, b json.RawMessage, closing byte) json.RawMessage {
	a, b = bytes.TrimSpace(a), bytes.TrimSpace(b)
	if len(a) < 2 || len(b) < 2 || a[len(a)-1] != closing || b[len(b)-1] != closing {
		return a
	}
	inner, more := bytes.TrimSpace(a[1:len(a)-1]), bytes.TrimSpace(b[1:len(b)-1])
	out := append([]byte{a[0]}, inner...)
	if len(inner) > 0 && len(more) > 0 {
		out = append(out, ',')
	}
	return append(append(out, more...), closing)
}

// node writes one schema that has neither references nor allOf.
func (r *reducer) node(w words, depth int) json.RawMessage {
	types, nullable := typesOf(w)
	w = w.without("type", "nullable")
	if w.get("anyOf") != nil || w.get("oneOf") != nil {
		return r.union(w, types, nullable, depth)
	}
	if len(types) == 1 && !nullable {
		return r.single(w, types[0], depth)
	}
	if len(types) == 0 {
		return r.single(w, "", depth)
	}
	// The description is the whole's; everything else is each type's own.
	var o object
	for _, name := range []string{"title", "description"} {
		if raw := w.get(name); raw != nil {
			o.add(name, raw)
		}
	}
	own := w.without("title", "description")
	var branches []byte
	for _, kind := range types {
		branches = append(append(branches, ','), r.single(own, kind, depth)...)
	}
	if nullable {
		branches = append(append(branches, ','), null...)
	}
	branches[0] = '['
	o.add("anyOf", append(branches, ']'))
	return o.end()
}

// typesOf is the types that a schema allows, null apart.
func typesOf(w words) (types []string, nullable bool) {
	add := func(raw json.RawMessage) {
		switch kind, ok := jsonscan.String(raw); {
		case !ok:
		case kind == "null":
			nullable = true
		case !slices.Contains(types, strings.ToLower(kind)):
			types = append(types, strings.ToLower(kind))
		}
	}
	raw := w.get("type")
	if len(raw) > 0 && raw[0] == '[' {
		for it := jsonscan.Array(raw); it.Next(); {
			add(it.Value())
		}
	} else {
		add(raw)
	}
	if len(types) == 0 && nullable {
		return []string{"null"}, false
	}
	if len(types) == 0 {
		types = implied(w)
	}
	nullable = nullable || string(w.get("nullable")) == "true"
	return types, nullable
}

// implied is the type that a schema's other members speak of, which Gemini wants
// to be told.
func implied(w words) []string {
	switch {
	case w.get("properties") != nil:
		return []string{"object"}
	case w.get("items") != nil || w.get("prefixItems") != nil:
		return []string{"array"}
	}
	values := enumOf(w)
	var kinds []string
	for _, value := range values {
		kind := kindOf(value)
		if kind == "" || len(kinds) > 0 && kinds[0] != kind {
			return nil
		}
		kinds = []string{kind}
	}
	return kinds
}

func kindOf(value []byte) string {
	switch value[0] {
	case '"':
		return "string"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	case '{', '[':
		return ""
	}
	return "number"
}

// enumOf is the values of an enum or const.
func enumOf(w words) (values []json.RawMessage) {
	if value := w.get("const"); value != nil {
		return []json.RawMessage{value}
	}
	if raw := w.get("enum"); raw != nil {
		it := jsonscan.Array(raw)
		for it.Next() {
			values = append(values, it.Value())
		}
	}
	return values
}

// union writes anyOf, which oneOf is taken for.
func (r *reducer) union(w words, types []string, nullable bool, depth int) json.RawMessage {
	of := w.get("anyOf")
	if api.Empty(of) {
		of = w.get("oneOf")
	}
	out := r.single(w.without("anyOf", "oneOf"), first(types), depth)
	var branches []byte
	hasNull := false
	for it := jsonscan.Array(of); it.Next(); {
		branch := r.schema(it.Value(), depth+1)
		if len(branch) == len("{}") {
			return out
		}
		hasNull = hasNull || string(branch) == null
		branches = append(append(branches, ','), branch...)
	}
	if len(branches) == 0 {
		return out
	}
	if nullable && !hasNull {
		branches = append(append(branches, ','), null...)
	}
	branches[0] = '['
	o := object{out: out[:len(out)-1]}
	if len(o.out) == 1 {
		o.out = nil
	}
	o.add("anyOf", append(branches, ']'))
	return o.end()
}

// null is the schema of nothing.
const null = `{"type":"null"}`

func first(types []string) string {
	if len(types) == 1 {
		return types[0]
	}
	return ""
}
