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

// structures are what agents send besides: tools and their calls, where a few bytes
// stand between one bracket or quote and the next, and tokens.
var structures = map[string]string{
	"tools":  strings.Repeat(`,{"type":"function","function":{"name":"read_file","description":"Reads a file from the local filesystem, from a line on if it is long.\nThe path must be absolute.","parameters":{"type":"object","properties":{"file_path":{"type":"string","description":"The absolute path to the file"},"offset":{"type":"integer","minimum":0,"description":"The line to begin with"},"limit":{"type":"integer","exclusiveMinimum":0,"maximum":2000}},"required":["file_path"],"additionalProperties":false}}}`, 200),
	"calls":  strings.Repeat(`,{"role":"assistant","content":null,"tool_calls":[{"id":"call_abc123","type":"function","function":{"name":"read_file","arguments":"{\"file_path\":\"/src/main.go\",\"limit\":200}"}}]},{"role":"tool","tool_call_id":"call_abc123","content":"package main\n\nfunc main() {\n\tfmt.Println(\"hello\")\n}\n"}`, 300),
	"tokens": strings.Repeat(`,1234,17`, 12_000),
}

func BenchmarkStructure(b *testing.B) {
	for name, elements := range structures {
		b.Run(name, func(b *testing.B) {
			doc := []byte(`{"model":"fast","list":[0` + elements + `]}`)
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				it := jsonscan.StrictNames(doc, "signature", "data")
				for it.Next() {
				}
				if it.Err != nil {
					b.Fatal(it.Err)
				}
			}
		})
	}
}
