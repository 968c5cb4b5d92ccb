package messages

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// field is a member of a JSON object, in the object's own order.
type field struct {
	key string
	raw []byte
}

func fieldsOf(raw []byte) (list []field) {
	it := jsonscan.Object(raw)
	for it.Next() {
		list = append(list, field{string(it.Key), it.Value()})
	}
	return list
}

func lookup(list []field, key string) []byte {
	for i := range list {
		if list[i].key == key {
			return list[i].raw
		}
	}
	return nil
}

func set(list []field, key, raw string) []field {
	for i := range list {
		if list[i].key == key {
			list[i].raw = []byte(raw)
			return list
		}
	}
	return append(list, field{key, []byte(raw)})
}

// objectOf is the object with these members.
func objectOf(list []field) []byte {
	dst := []byte{'{'}
	for _, f := range list {
		dst = append(api.AppendQuoted(element(dst), f.key), ':')
		dst = append(dst, f.raw...)
	}
	return append(dst, '}')
}

const emptySchema = `{"type":"object","properties":{}}`

// inputSchema is a tool's schema as Anthropic takes it: an object, with no
// choice and no reference at the top.
func inputSchema(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 || raw[0] != '{' {
		return json.RawMessage(emptySchema)
	}
	list := fieldsOf(raw)
	plain := string(lookup(list, "type")) == `"object"`
	for _, key := range []string{"$ref", "anyOf", "oneOf", "allOf"} {
		plain = plain && lookup(list, key) == nil
	}
	if plain {
		return raw
	}
	f := flattener{defs: lookup(list, "$defs"), left: maxBranches}
	list = f.flatten(list, 0)
	list = set(list, "type", `"object"`)
	return objectOf(list)
}

const (
	// maxFlatten bounds references that lead in a circle, and maxBranches
	// choices among such, which multiply with each step.
	maxFlatten  = 8
	maxBranches = 1000
)

type flattener struct {
	defs []byte
	left int // branches that may still be looked at
}

// flatten resolves a reference at the top and merges the choices there: any of
// their properties may then be given, and only what all of them demand has to.
func (f *flattener) flatten(list []field, depth int) []field {
	if f.left--; depth > maxFlatten || f.left < 0 {
		return nil
	}
	out := slices.Clone(list)
	for _, key := range []string{"$ref", "allOf", "anyOf", "oneOf"} {
		raw := lookup(out, key)
		if raw == nil {
			continue
		}
		out = slices.DeleteFunc(out, func(member field) bool { return member.key == key })
		if key == "$ref" {
			var ref string
			_ = text(raw, &ref)
			target := jsonscan.Member(f.defs, strings.TrimPrefix(ref, "#/$defs/"))
			out = mergeBranches(out, [][]field{f.flatten(fieldsOf(target), depth+1)}, true)
			continue
		}
		var branches [][]field
		it := jsonscan.Array(raw)
		for it.Next() {
			branches = append(branches, f.flatten(fieldsOf(it.Value()), depth+1))
		}
		out = mergeBranches(out, branches, key == "allOf")
	}
	return out
}

func mergeBranches(into []field, branches [][]field, all bool) []field {
	properties := fieldsOf(lookup(into, "properties"))
	var demanded []string
	_ = texts(lookup(into, "required"), &demanded)
	var common []string
	for i, branch := range branches {
		for _, f := range fieldsOf(lookup(branch, "properties")) {
			if lookup(properties, f.key) == nil {
				properties = append(properties, f)
			}
		}
		var required []string
		_ = texts(lookup(branch, "required"), &required)
		switch {
		case all || i == 0:
			common = append(common, required...)
		default:
			common = slices.DeleteFunc(common, func(s string) bool { return !slices.Contains(required, s) })
		}
	}
	for _, name := range common {
		if !slices.Contains(demanded, name) {
			demanded = append(demanded, name)
		}
	}
	into = set(into, "properties", string(objectOf(properties)))
	if len(demanded) > 0 {
		list := memberTexts([]byte{'{'}, "r", demanded)
		into = set(into, "required", string(list[len(`{"r":`):]))
	}
	return into
}

// Anthropic compiles the schemas of structured outputs and of strict tools, and
// refuses what its grammar cannot say. What is left out goes into the
// description, so that the model still reads it:
// https://platform.claude.com/docs/en/build-with-claude/structured-outputs#json-schema-limitations.
var (
	refused = []string{
		"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength",
		"maxItems", "uniqueItems", "minProperties", "maxProperties", "contains", "minContains", "maxContains",
		"patternProperties", "propertyNames", "unevaluatedProperties", "unevaluatedItems", "dependentRequired",
		"dependentSchemas", "prefixItems", "not", "if", "then", "else",
	}
	formats = []string{"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)

// reduce brings a schema into the subset.
func reduce(raw []byte) []byte {
	if len(raw) == 0 || raw[0] != '{' {
		return raw
	}
	var out []field
	var lost []byte
	object := false
	for _, f := range fieldsOf(raw) {
		switch {
		case f.key == "$schema" || f.key == "additionalProperties":
			continue
		case dropped(f):
			lost = append(append(append(lost, f.key...), ": "...), f.raw...)
			lost = append(lost, ", "...)
			continue
		case f.key == "type":
			object = string(f.raw) == `"object"` || jsonHas(f.raw, `"object"`)
		case f.key == "properties":
			object = true
			f.raw = reduceValues(f.raw)
		case f.key == "$defs" || f.key == "definitions":
			f.raw = reduceValues(f.raw)
		case f.key == "items":
			f.raw = reduce(f.raw)
		case f.key == "anyOf" || f.key == "allOf":
			f.raw = reduceList(f.raw)
		case f.key == "oneOf":
			f.key, f.raw = "anyOf", reduceList(f.raw)
		}
		out = append(out, f)
	}
	if object {
		out = set(out, "additionalProperties", "false")
	}
	if len(lost) > 0 {
		var description string
		_ = text(lookup(out, "description"), &description)
		description = strings.TrimSpace(description + " {" + string(lost[:len(lost)-2]) + "}")
		out = set(out, "description", string(api.Quote(description)))
	}
	return objectOf(out)
}

func dropped(f field) bool {
	switch f.key {
	case "minItems":
		return string(f.raw) != "0" && string(f.raw) != "1"
	case "format":
		var name string
		return text(f.raw, &name) == nil && !slices.Contains(formats, name)
	case "pattern": // no lookaround, word boundaries or backreferences
		return strings.Contains(string(f.raw), "(?") || strings.Contains(string(f.raw), `\\b`)
	}
	return slices.Contains(refused, f.key)
}

func jsonHas(raw []byte, literal string) bool {
	it := jsonscan.Array(raw)
	for it.Next() {
		if string(it.Value()) == literal {
			return true
		}
	}
	return false
}

func reduceValues(raw []byte) []byte {
	list := fieldsOf(raw)
	for i := range list {
		list[i].raw = reduce(list[i].raw)
	}
	return objectOf(list)
}

func reduceList(raw []byte) []byte {
	dst := []byte{'['}
	it := jsonscan.Array(raw)
	for it.Next() {
		dst = append(element(dst), reduce(it.Value())...)
	}
	return append(dst, ']')
}
