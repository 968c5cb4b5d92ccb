package gemini

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// fromOpenAPI makes a JSON Schema of Google's Schema, which has its words from
// OpenAPI 3.0 and is written as protobuf: types in capitals, nullable beside
// the type, whole numbers perhaps in strings
// (https://ai.google.dev/api/caching#Schema).
func fromOpenAPI(raw json.RawMessage) json.RawMessage {
	it := jsonscan.Object(raw)
	var list words
	for it.Next() {
		list = append(list, field{camel(string(it.Key)), it.Value()})
	}
	if it.Err != nil {
		return raw
	}
	var o object
	nullable := string(list.get("nullable")) == "true"
	for _, m := range list {
		openAPIWord(&o, m, nullable)
	}
	if nullable && list.get("type") == nil && list.get("anyOf") != nil {
		out := o.end()
		return json.RawMessage(`{"anyOf":[` + string(out) + `,{"type":"null"}]}`)
	}
	return o.end()
}

func openAPIWord(o *object, m field, nullable bool) {
	switch m.name {
	case "type":
		o.types(m.raw, nullable)
	case "nullable", "propertyOrdering":
	case "items", "additionalProperties":
		o.add(m.name, fromOpenAPI(m.raw))
	case "properties", "defs", "$defs":
		var list object
		for it := jsonscan.Object(m.raw); it.Next(); {
			list.add(string(it.Key), fromOpenAPI(it.Value()))
		}
		name := m.name
		if name == "defs" {
			name = "$defs"
		}
		o.add(name, list.end())
	case "ref":
		o.add("$ref", m.raw)
	case "anyOf", "oneOf", "allOf", "prefixItems":
		var list []byte
		for it := jsonscan.Array(m.raw); it.Next(); {
			list = append(append(list, ','), fromOpenAPI(it.Value())...)
		}
		if len(list) > 0 {
			list[0] = '['
			o.add(m.name, append(list, ']'))
		}
	case "example":
		o.add("examples", []byte("["+string(m.raw)+"]"))
	case "enum":
		o.add(m.name, withNull(m.raw, nullable))
	case "format":
		// enum says no more than the member enum does.
		if s, _ := jsonscan.String(m.raw); s != "enum" {
			o.add(m.name, m.raw)
		}
	case "minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties":
		o.add(m.name, unquoted(m.raw))
	default:
		o.add(m.name, m.raw)
	}
}

// types writes a type, or the list of them that some clients send although
// OpenAPI 3.0 has none.
func (o *object) types(raw json.RawMessage, nullable bool) {
	var kinds []string
	add := func(raw []byte) {
		kind, _ := jsonscan.String(raw)
		if kind = strings.ToLower(kind); kind != "" && kind != "type_unspecified" && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	list := len(raw) > 0 && raw[0] == '['
	if list {
		for it := jsonscan.Array(raw); it.Next(); {
			add(it.Value())
		}
	} else {
		add(raw)
	}
	if nullable && len(kinds) > 0 && !slices.Contains(kinds, "null") {
		kinds = append(kinds, "null")
	}
	if len(kinds) == 1 && !list {
		o.text("type", kinds[0])
		return
	}
	o.texts("type", kinds)
}

// withNull lets null in where an enum would keep it out.
func withNull(list json.RawMessage, nullable bool) json.RawMessage {
	if !nullable || len(list) == 0 || list[0] != '[' {
		return list
	}
	return join(list, json.RawMessage("[null]"), ']')
}

// unquoted is a whole number that protobuf put into a string.
func unquoted(raw json.RawMessage) json.RawMessage {
	if s, ok := jsonscan.String(raw); ok && isNumber([]byte(s)) {
		return json.RawMessage(s)
	}
	return raw
}
