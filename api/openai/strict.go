package openai

import (
	"slices"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// maxDepth is how deep a strict schema may be nested:
// https://platform.openai.com/docs/guides/structured-outputs#supported-schemas.
const maxDepth = 10

// notStrict are the keywords that a strict schema must not have, from the same
// page and from what the API answers.
var notStrict = []string{
	"allOf", "oneOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "patternProperties",
	"propertyNames", "minProperties", "maxProperties", "unevaluatedProperties", "unevaluatedItems", "contains",
	"minContains", "maxContains", "uniqueItems", "prefixItems", "minLength", "maxLength", "default",
}

// Strict tells whether OpenAI takes a schema where `strict` is true: each object
// is closed and demands all of its properties. It answers 400 to any other, while
// Anthropic's strict tools may have properties that can be left out.
func Strict(schema []byte) bool {
	return string(jsonscan.Member(schema, "type")) == `"object"` && jsonscan.Member(schema, "anyOf") == nil && strict(schema, 0)
}

func strict(schema []byte, depth int) bool {
	var properties, required, items []byte
	var object, array, known, reference, closed bool
	members, within := 0, true
	it := jsonscan.Object(schema)
	for it.Next() {
		members++
		value := it.Value()
		switch key := string(it.Key); key {
		case "type":
			known, object, array = true, has(value, `"object"`), has(value, `"array"`)
		case "properties":
			properties = value
			within = within && each(jsonscan.Object(value), depth)
		case "$defs", "definitions":
			within = within && each(jsonscan.Object(value), depth)
		case "required":
			required = value
		case "additionalProperties":
			closed = string(value) == "false"
		case "items":
			items = value
			within = within && strict(value, depth+1)
		case "anyOf":
			known = true
			within = within && each(jsonscan.Array(value), depth)
		case "$ref":
			known, reference = true, true
		default:
			within = within && !slices.Contains(notStrict, key)
		}
	}
	return it.Err == nil && within && known && depth <= maxDepth &&
		!(reference && members > 1 && depth > 0) &&
		(!object || closed && properties != nil && demanded(properties, required)) &&
		(!array || items != nil)
}

// each tells whether all schemas of an object or a list are strict.
func each(it jsonscan.Iter, depth int) bool {
	for it.Next() {
		if !strict(it.Value(), depth+1) {
			return false
		}
	}
	return it.Err == nil
}

// has tells whether a `type` is or lists a word.
func has(types []byte, word string) bool {
	if string(types) == word {
		return true
	}
	for it := jsonscan.Array(types); it.Next(); {
		if string(it.Value()) == word {
			return true
		}
	}
	return false
}

// demanded tells whether all properties are required.
func demanded(properties, required []byte) bool {
	it := jsonscan.Object(properties)
	for it.Next() {
		found := false
		for names := jsonscan.Array(required); names.Next() && !found; {
			name, _ := jsonscan.String(names.Value())
			found = name == string(it.Key)
		}
		if !found {
			return false
		}
	}
	return it.Err == nil
}

// WithProperties is the schema of a function's arguments with a member for their
// properties, without which OpenAI refuses an object:
// https://github.com/langchain-ai/langchain-mcp-adapters/issues/137. Other formats
// take one that says no more than that it is an object.
func WithProperties(schema []byte) []byte {
	if len(schema) == 0 || schema[0] != '{' {
		return schema
	}
	none := true
	for it := jsonscan.Object(schema); it.Next(); {
		switch string(it.Key) {
		case "properties", "$ref", "anyOf", "oneOf", "allOf":
			return schema
		}
		none = false
	}
	out := append([]byte(nil), schema[:len(schema)-1]...)
	if !none {
		out = append(out, ',')
	}
	if jsonscan.Member(schema, "type") == nil {
		out = append(out, `"type":"object",`...)
	}
	return append(out, `"properties":{}}`...)
}

// IsObject tells whether a schema's root is an object, as OpenAI demands of the
// answer's: https://platform.openai.com/docs/guides/structured-outputs#root-objects-must-not-be-anyof-and-must-be-an-object.
func IsObject(schema []byte) bool {
	kind := string(jsonscan.Member(schema, "type"))
	return kind == "" || kind == `"object"`
}
