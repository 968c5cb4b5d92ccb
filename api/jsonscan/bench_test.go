package jsonscan_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// bodies are what agents send: one long text, code with an escape every few
// words, and text that is not ASCII.
var bodies = map[string]string{
	"text":    strings.Repeat(`word `, 200_000),
	"lines":   strings.Repeat(`A line of text as people write them, some eighty characters long, and then:\n`, 12_500),
	"code":    strings.Repeat(`\tif err != nil {\n\t\treturn fmt.Errorf(\"x\")\n\t}\n`, 20_000),
	"chinese": strings.Repeat(`模型网关`, 84_000),
}

// Checking the inside of strings costs little more than passing over them.
func BenchmarkBody(b *testing.B) {
	for name, text := range bodies {
		doc := []byte(`{"messages":[{"role":"user","content":"` + text + `"}],"model":"fast"}`)
		names := func(doc []byte) jsonscan.Iter { return jsonscan.StrictNames(doc, "signature", "data") }
		for way, open := range map[string]func([]byte) jsonscan.Iter{"lax": jsonscan.Object, "names": names, "strict": jsonscan.StrictObject} {
			b.Run(name+"/"+way, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(doc)))
				for b.Loop() {
					it := open(doc)
					for it.Next() {
					}
					if it.Err != nil || way == "lax" && !utf8.Valid(doc) {
						b.Fatal(it.Err)
					}
				}
			})
		}
	}
}
