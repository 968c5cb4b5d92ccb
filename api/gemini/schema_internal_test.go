package gemini

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestReduceSchema(t *testing.T) {
	f := func(schema, want string) {
		t.Helper()
		got := reduceSchema(json.RawMessage(schema))
		require.True(t, json.Valid(got), "%s", got)
		require.JSONEq(t, want, string(got))
		require.JSONEq(t, want, string(reduceSchema(got)), "what is reduced stays")
	}
	f(`{}`, `{}`)
	f(`true`, `{}`)
	f(`{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer","minimum":12345678901234567890,"maximum":1e-7}},"required":["a","zzz"]}`,
		`{"type":"object","properties":{"b":{"type":"string"},"a":{"type":"integer","minimum":12345678901234567890,"maximum":1e-7}},"required":["a"]}`)
	f(`{"$schema":"x","$id":"y","$comment":"z","title":"T","description":"D","default":1,"examples":[1],"deprecated":true,"type":"integer","multipleOf":2}`,
		`{"title":"T","description":"D","type":"integer"}`)
	// Words of objects.
	f(`{"type":"object","additionalProperties":false,"patternProperties":{},"propertyNames":{},"minProperties":1,"properties":{"properties":{"type":"object","additionalProperties":true}}}`,
		`{"type":"object","minProperties":1,"properties":{"properties":{"type":"object"}}}`)
	f(`{"properties":{"a":{}}}`, `{"type":"object","properties":{"a":{}}}`)
	// A map says of what; a list of one shape may still be open.
	f(`{"type":"object","additionalProperties":{"type":["string","null"],"format":"uri"}}`, `{"type":"object","additionalProperties":{"anyOf":[{"type":"string"},{"type":"null"}]}}`)
	f(`{"type":"object","additionalProperties":{}}`, `{"type":"object"}`)
	// Types.
	f(`{"type":["string"]}`, `{"type":"string"}`)
	f(`{"type":["string","null"],"description":"D","minLength":1}`, `{"description":"D","anyOf":[{"type":"string","minLength":1},{"type":"null"}]}`)
	f(`{"type":["string","integer","object"],"minimum":1,"format":"int64","properties":{"a":{}},"enum":["a",1]}`,
		`{"anyOf":[{"type":"string","enum":["a"]},{"type":"integer","minimum":1,"format":"int64","enum":[1]},{"type":"object","properties":{"a":{}}}]}`)
	f(`{"type":"string","nullable":true}`, `{"anyOf":[{"type":"string"},{"type":"null"}]}`)
	f(`{"type":"null"}`, `{"type":"null"}`)
	// Values.
	f(`{"const":"a"}`, `{"type":"string","enum":["a"]}`)
	f(`{"const":3,"type":"integer"}`, `{"type":"integer","enum":[3]}`)
	f(`{"const":true}`, `{"type":"boolean"}`)
	f(`{"enum":["a","b"]}`, `{"type":"string","enum":["a","b"]}`)
	f(`{"enum":["a",null],"type":["string","null"]}`, `{"anyOf":[{"type":"string","enum":["a"]},{"type":"null"}]}`)
	f(`{"type":"boolean","enum":[true]}`, `{"type":"boolean"}`)
	f(`{"type":"string","format":"date-time"}`, `{"type":"string","format":"date-time"}`)
	f(`{"type":"string","format":"email","pattern":"^a"}`, `{"type":"string","pattern":"^a"}`)
	f(`{"type":"number","format":"double","exclusiveMinimum":0,"maximum":5,"exclusiveMaximum":9}`, `{"type":"number","format":"double","maximum":5,"minimum":0}`)
	// Arrays.
	f(`{"type":"array","items":{"const":1},"minItems":1,"uniqueItems":true,"contains":{}}`, `{"type":"array","items":{"type":"number","enum":[1]},"minItems":1}`)
	f(`{"items":[{"type":"string"},{"type":"integer"}],"additionalItems":false}`, `{"type":"array","prefixItems":[{"type":"string"},{"type":"integer"}]}`)
	// Unions.
	f(`{"oneOf":[{"type":"string"},{"const":1}],"description":"D"}`, `{"description":"D","anyOf":[{"type":"string"},{"type":"number","enum":[1]}]}`)
	f(`{"anyOf":[{"type":"string"},{"type":"null"}]}`, `{"anyOf":[{"type":"string"},{"type":"null"}]}`)
	// One that lets anything in says nothing.
	f(`{"type":"object","properties":{"a":{},"b":{}},"anyOf":[{"required":["a"]},{"required":["b"]}]}`, `{"type":"object","properties":{"a":{},"b":{}}}`)
	f(`{"description":"D","oneOf":[{"type":"string"},{"not":{}}]}`, `{"description":"D"}`)
	f(`{"allOf":[{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]},{"properties":{"b":{"type":"string"}},"required":["b"]}],"description":"D"}`,
		`{"description":"D","type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a","b"]}`)
	// References.
	f(`{"$defs":{"p":{"type":"object","properties":{"n":{"type":"string"}},"description":"P"}},"type":"object","properties":{"a":{"$ref":"#/$defs/p"},"b":{"$ref":"#/$defs/p","description":"mine"}}}`,
		`{"type":"object","properties":{"a":{"type":"object","description":"P","properties":{"n":{"type":"string"}}},"b":{"type":"object","description":"mine","properties":{"n":{"type":"string"}}}}}`)
	f(`{"definitions":{"a/b c":{"type":"string"}},"$ref":"#/definitions/a~1b%20c"}`, `{"type":"string"}`)
	f(`{"$ref":"https://example.com/x","description":"D"}`, `{"description":"D"}`)
	f(`{"$defs":{"node":{"type":"object","properties":{"next":{"$ref":"#/$defs/node"},"v":{"type":"string"}},"required":["v"]}},"$ref":"#/$defs/node"}`,
		`{"type":"object","properties":{"next":{"type":"object"},"v":{"type":"string"}},"required":["v"]}`)
	f(`{"type":"object","properties":{"me":{"$ref":"#"}}}`, `{"type":"object","properties":{"me":{"type":"object","properties":{"me":{"type":"object"}}}}}`)
	f(`{"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"}`, `{}`)
}

// Definitions that refer to each other twice each would double with every one.
func TestReduceSchemaIsBounded(t *testing.T) {
	var defs strings.Builder
	for i := range 60 {
		next := `{"$ref":"#/$defs/` + strconv.Itoa(i+1) + `"}`
		defs.WriteString(`"` + strconv.Itoa(i) + `":{"type":"object","properties":{"a":` + next + `,"b":` + next + `}},`)
	}
	got := reduceSchema(json.RawMessage(`{"$defs":{` + defs.String() + `"60":{}},"$ref":"#/$defs/0"}`))
	require.True(t, json.Valid(got))
	require.Less(t, len(got), 4*maxSchemaSize)
	deep := strings.Repeat(`{"items":`, 400) + `{}` + strings.Repeat(`}`, 400)
	require.True(t, json.Valid(reduceSchema(json.RawMessage(deep))))
}

func TestFromOpenAPI(t *testing.T) {
	f := func(schema, want string) {
		t.Helper()
		require.JSONEq(t, want, string(fromOpenAPI(json.RawMessage(schema))))
	}
	f(`{"type":"OBJECT","properties":{"any_of":{"type":"ARRAY","items":{"type":"NUMBER","format":"double"},"min_items":"2"}},"property_ordering":["any_of"],"required":["any_of"]}`,
		`{"type":"object","properties":{"any_of":{"type":"array","items":{"type":"number","format":"double"},"minItems":2}},"required":["any_of"]}`)
	f(`{"type":"STRING","format":"enum","enum":["a"],"nullable":true,"example":"a"}`, `{"type":["string","null"],"enum":["a",null],"examples":["a"]}`)
	f(`{"anyOf":[{"type":"STRING"},{"type":"INTEGER"}],"nullable":true}`, `{"anyOf":[{"anyOf":[{"type":"string"},{"type":"integer"}]},{"type":"null"}]}`)
	f(`{"type":"TYPE_UNSPECIFIED","minimum":1e-7}`, `{"minimum":1e-7}`)
	// JSON Schema where OpenAPI is expected.
	f(`{"type":["STRING","null"],"oneOf":[{"type":"STRING"}],"allOf":[{"type":"OBJECT"}]}`, `{"type":["string","null"],"oneOf":[{"type":"string"}],"allOf":[{"type":"object"}]}`)
	f(`{"$ref":"#/$defs/a","$defs":{"a":{"type":"STRING"}},"type":["STRING"],"nullable":true}`, `{"$ref":"#/$defs/a","$defs":{"a":{"type":"string"}},"type":["string","null"]}`)
}

func FuzzReduceSchema(f *testing.F) {
	f.Add([]byte(`{"$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"}]}},"anyOf":[{"$ref":"#"}],"type":["a","null"],"enum":[1]}`))
	f.Fuzz(func(t *testing.T, schema []byte) {
		if !json.Valid(schema) {
			return
		}
		require.True(t, json.Valid(reduceSchema(schema)))
		require.True(t, json.Valid(fromOpenAPI(schema)))
	})
}
