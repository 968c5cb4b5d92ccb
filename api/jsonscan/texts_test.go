package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

func TestTexts(t *testing.T) {
	f := func(doc string, want bool) {
		t.Helper()
		require.True(t, jsonscan.Valid([]byte(doc)), doc)
		require.Equal(t, want, jsonscan.Texts([]byte(doc)), doc)
		require.Equal(t, want, json.Valid([]byte(doc)), doc)
	}
	f("{\n\t\"a\": [1, \"\", \"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83d é\"]\r\n}", true)
	f(`"\u12"`, false)
	f(`"\u12g4"`, false)
	f(`"\x"`, false)
	f("\"a\nb\"", false)
	f("{\"a\x00\":1}", false)
	f("\"\xff\"", true)
}

func FuzzTexts(f *testing.F) {
	for _, seed := range []string{`{"a":["b\n\u0041"]}`, `"\\\""`, `"\`, `[1,"\u00"]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		if bytes.Count(doc, []byte("["))+bytes.Count(doc, []byte("{")) < jsonscan.MaxDepth {
			require.Equal(t, json.Valid(doc), jsonscan.Valid(doc) && jsonscan.Texts(doc))
		}
	})
}

func BenchmarkTexts(b *testing.B) {
	doc := []byte(`{"a":"` + strings.Repeat(`a line of text\n`, 1000) + `"}`)
	b.Run("here", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			_ = jsonscan.Texts(doc)
		}
	})
	b.Run("encoding", func(b *testing.B) {
		b.SetBytes(int64(len(doc)))
		for b.Loop() {
			_ = json.Valid(doc)
		}
	})
}
