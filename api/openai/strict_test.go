package openai_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api/openai"
)

func TestStrict(t *testing.T) {
	f := func(schema string, want bool) {
		t.Helper()
		require.Equal(t, want, openai.Strict([]byte(schema)), schema)
	}
	property := func(schema string, want bool) {
		t.Helper()
		f(`{"type":"object","properties":{"a":`+schema+`},"required":["a"],"additionalProperties":false}`, want)
	}
	f(`{"type":"object","properties":{},"additionalProperties":false}`, true)
	f(`{"type":"object","properties":{}}`, false)
	f(`{"type":"object","additionalProperties":false}`, false)
	f(`{"type":"object","properties":{"a":{"type":"string"},"b":{"type":"string"}},"required":["a"],"additionalProperties":false}`, false)
	f(`{"type":"object","properties":{"\u0061":{"type":"string"}},"required":["a"],"additionalProperties":false}`, true)
	f(`{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"required":["a"],"additionalProperties":false,"$defs":{"a":{"type":"object","properties":{"b":{"type":"string"}},"additionalProperties":false}}}`, false)
	f(`{"type":"array","items":{"type":"string"}}`, false)
	f(`{"type":"object","anyOf":[],"properties":{},"additionalProperties":false}`, false)
	f(``, false)
	f(`true`, false)
	property(`{"type":["string","null"],"enum":["a",null],"description":"d"}`, true)
	property(`{"type":"integer","minimum":1}`, true)
	property(`{"anyOf":[{"type":"string","format":"date"},{"type":"null"}]}`, true)
	property(`{"$ref":"#/$defs/a"}`, true)
	property(`{"$ref":"#/$defs/a","description":"d"}`, false)
	property(`{"type":"array","items":{"type":"string"},"maxItems":3}`, true)
	property(`{"type":"array"}`, false)
	property(`{"type":"string","minLength":1}`, false)
	property(`{"type":"string","default":""}`, false)
	property(`{"type":"object","properties":{}}`, false)
	property(`{"type":["object","null"],"properties":{}}`, false)
	property(`{"enum":["a"]}`, false)
	property(`{}`, false)
}

func TestWithProperties(t *testing.T) {
	f := func(schema, want string) {
		t.Helper()
		require.Equal(t, want, string(openai.WithProperties([]byte(schema))))
	}
	f(`{"type":"object"}`, `{"type":"object","properties":{}}`)
	f(`{}`, `{"type":"object","properties":{}}`)
	f(`{"type":"object","additionalProperties":true}`, `{"type":"object","additionalProperties":true,"properties":{}}`)
	f(`{"type":"object","properties":{"a":{}}}`, `{"type":"object","properties":{"a":{}}}`)
	f(`{"$ref":"#/$defs/a","$defs":{}}`, `{"$ref":"#/$defs/a","$defs":{}}`)
	f(`true`, `true`)
}
