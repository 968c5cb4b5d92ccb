package gemini

import (
	"encoding/json"
	"slices"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// formats are those that Google lists, by type.
var formats = map[string][]string{
	"string":  {"enum", "date-time"},
	"number":  {"float", "double"},
	"integer": {"int32", "int64"},
}

// single writes a schema of one type, or of none that is said.
func (r *reducer) single(w words, kind string, depth int) json.RawMessage {
	var o object
	if kind != "" {
		o.text("type", kind)
	}
	for _, m := range w {
		r.word(&o, w, m, kind, depth)
	}
	if w.get("enum") == nil && w.get("const") != nil {
		o.enum(w, kind)
	}
	for _, bound := range []string{"Minimum", "Maximum"} {
		// The bound itself is let in; Google knows no other.
		name := map[string]string{"Minimum": "minimum", "Maximum": "maximum"}[bound]
		if limit := w.get("exclusive" + bound); isNumber(limit) && w.get(name) == nil && numeric(kind) {
			o.add(name, limit)
		}
	}
	return o.end()
}

func numeric(kind string) bool { return kind == "" || kind == "number" || kind == "integer" }

// word writes a member that Google knows, and that belongs to the type.
func (r *reducer) word(o *object, w words, m field, kind string, depth int) {
	is := func(other string) bool { return kind == "" || kind == other }
	switch m.name {
	case "title", "description":
		o.add(m.name, m.raw)
	case "enum":
		o.enum(w, kind)
	case "format":
		if format, _ := jsonscan.String(m.raw); slices.Contains(formats[kind], format) {
			o.add(m.name, m.raw)
		}
	case "minimum", "maximum":
		if numeric(kind) && isNumber(m.raw) {
			o.add(m.name, m.raw)
		}
	case "minLength", "maxLength", "pattern":
		if is("string") {
			o.add(m.name, m.raw)
		}
	case "minItems", "maxItems":
		if is("array") {
			o.add(m.name, m.raw)
		}
	case "items", "prefixItems":
		if is("array") {
			r.items(o, m, depth)
		}
	case "minProperties", "maxProperties", "propertyOrdering":
		if is("object") {
			o.add(m.name, m.raw)
		}
	case "properties":
		if is("object") {
			r.properties(o, m.raw, depth)
		}
	case "additionalProperties":
		// What a map holds. Whether there may be more says nothing that the
		// model keeps to.
		if is("object") && len(m.raw) > 0 && m.raw[0] == '{' {
			if of := r.schema(m.raw, depth+1); len(of) > len("{}") {
				o.add(m.name, of)
			}
		}
	case "required":
		if is("object") {
			o.required(m.raw, members(w.get("properties")))
		}
	}
}

// enum writes the values that Gemini takes: texts and numbers.
func (o *object) enum(w words, kind string) {
	var list []byte
	for _, value := range enumOf(w) {
		of := kindOf(value)
		if of != "string" && of != "number" || kind != "" && kind != of && (kind != "integer" || of != "number") {
			continue
		}
		list = append(append(list, ','), value...)
	}
	if len(list) > 0 {
		list[0] = '['
		o.add("enum", append(list, ']'))
	}
}

// items writes the schema of an array's elements; a list of them is what drafts
// before 2020-12 called items and later ones prefixItems.
func (r *reducer) items(o *object, m field, depth int) {
	if len(m.raw) == 0 || m.raw[0] != '[' {
		if m.name == "items" {
			o.add("items", r.schema(m.raw, depth+1))
		}
		return
	}
	var list []byte
	for it := jsonscan.Array(m.raw); it.Next(); {
		list = append(append(list, ','), r.schema(it.Value(), depth+1)...)
	}
	if len(list) > 0 {
		list[0] = '['
		o.add("prefixItems", append(list, ']'))
	}
}

func (r *reducer) properties(o *object, raw json.RawMessage, depth int) {
	var list object
	var seen []string
	for it := jsonscan.Object(raw); it.Next(); {
		// allOf may define a property more than once.
		if name := string(it.Key); !slices.Contains(seen, name) {
			seen = append(seen, name)
			list.add(name, r.schema(it.Value(), depth+1))
		}
	}
	o.add("properties", list.end())
}

// required names what has to be there, of what is defined: Google refuses others.
func (o *object) required(raw json.RawMessage, properties words) {
	var names []string
	for it := jsonscan.Array(raw); it.Next(); {
		name, ok := jsonscan.String(it.Value())
		if ok && properties.get(name) != nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	o.texts("required", names)
}
