package mock

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// schema is the part of JSON Schema, and of Gemini's dialect of it, that
// decides a value that fits.
type schema struct {
	Type       json.RawMessage            `json:"type"`
	Properties json.RawMessage            `json:"properties"`
	Required   []string                   `json:"required"`
	Items      json.RawMessage            `json:"items"`
	MinItems   json.Number                `json:"minItems"`
	Minimum    json.RawMessage            `json:"minimum"`
	Enum       []json.RawMessage          `json:"enum"`
	Const      json.RawMessage            `json:"const"`
	AnyOf      []json.RawMessage          `json:"anyOf"`
	OneOf      []json.RawMessage          `json:"oneOf"`
	AllOf      []json.RawMessage          `json:"allOf"`
	Ref        string                     `json:"$ref"`
	Defs       map[string]json.RawMessage `json:"$defs"`
	OldDefs    map[string]json.RawMessage `json:"definitions"`
}

// sampler writes values that fit schemas.
type sampler struct {
	wire
	root schema
}

const (
	// Below this depth only required properties are written, so that schemas
	// that contain themselves come to an end.
	optionalDepth = 3
	// Below this one, nothing is: not even required recursion ends otherwise.
	maxDepth = 16
	maxItems = 64
	// maxSample bounds schemas that multiply with every level.
	maxSample = 1 << 20
)

// objectText is a JSON object that fits a schema, or an empty one without it.
func objectText(raw json.RawMessage) string {
	if len(raw) == 0 || string(raw) == "null" {
		return `{}`
	}
	var s sampler
	if json.Unmarshal(raw, &s.root) != nil {
		return `{}`
	}
	s.write(raw, 0)
	return string(s.buf)
}

// write appends a value for the schema raw.
func (s *sampler) write(raw json.RawMessage, depth int) {
	var at schema
	// A schema may be a boolean, or something that we do not understand: any
	// value fits the first, and nothing better is known of the second.
	_ = json.Unmarshal(raw, &at)
	switch {
	case depth > maxDepth || len(s.buf) > maxSample:
		s.raw("null")
	case at.Ref != "":
		s.write(s.resolve(at.Ref), depth+1)
	case len(at.Const) > 0:
		s.value(at.Const)
	case len(at.Enum) > 0:
		s.value(at.Enum[0])
	case len(at.AnyOf) > 0:
		s.write(at.AnyOf[0], depth+1)
	case len(at.OneOf) > 0:
		s.write(at.OneOf[0], depth+1)
	case len(at.AllOf) > 0 && len(at.Properties) == 0:
		s.write(at.AllOf[0], depth+1)
	default:
		s.byType(&at, depth)
	}
}

func (s *sampler) byType(at *schema, depth int) {
	switch at.kind() {
	case "object":
		s.object(at, depth)
	case "array":
		s.array(at, depth)
	case "number", "integer":
		s.json(at.Minimum, "1")
	case "boolean":
		s.raw("true")
	case "null":
		s.raw("null")
	default:
		s.raw(`"mock"`)
	}
}

// kind is the schema's first type that is not null, in lower case since
// Gemini writes them in capitals.
func (at *schema) kind() string {
	var one string
	if json.Unmarshal(at.Type, &one) == nil {
		return strings.ToLower(one)
	}
	var list []string
	if json.Unmarshal(at.Type, &list) == nil {
		for _, name := range list {
			if name = strings.ToLower(name); name != "null" {
				return name
			}
		}
	}
	if len(at.Properties) > 0 || len(at.Required) > 0 {
		return "object"
	}
	return "string"
}

// object writes the declared properties in their order, and the required ones
// that are not declared.
func (s *sampler) object(at *schema, depth int) {
	declared := properties(at.Properties)
	s.raw("{")
	n := 0
	for _, p := range declared {
		if depth > optionalDepth && !slices.Contains(at.Required, p.name) {
			continue
		}
		s.comma(n).str(p.name).raw(":")
		s.write(p.schema, depth+1)
		n++
	}
	for _, name := range at.Required {
		if slices.ContainsFunc(declared, func(p property) bool { return p.name == name }) {
			continue
		}
		s.comma(n).str(name).raw(`:"mock"`)
		n++
	}
	s.raw("}")
}

// array writes as few items as the schema allows.
func (s *sampler) array(at *schema, depth int) {
	least, _ := at.MinItems.Int64()
	s.raw("[")
	for i := range min(int(least), maxItems) {
		s.comma(i)
		s.write(at.Items, depth+1)
	}
	s.raw("]")
}

// resolve finds a definition within the same document.
func (s *sampler) resolve(ref string) json.RawMessage {
	if name, ok := strings.CutPrefix(ref, "#/$defs/"); ok {
		return s.root.Defs[name]
	}
	if name, ok := strings.CutPrefix(ref, "#/definitions/"); ok {
		return s.root.OldDefs[name]
	}
	return nil
}

type property struct {
	name   string
	schema json.RawMessage
}

// properties reads an object's members in the order in which they are written.
func properties(raw json.RawMessage) []property {
	var list []property
	dec := json.NewDecoder(bytes.NewReader(raw))
	if _, err := dec.Token(); err != nil {
		return nil
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return list
		}
		var p property
		p.name, _ = name.(string)
		if dec.Decode(&p.schema) != nil {
			return list
		}
		list = append(list, p)
	}
	return list
}
