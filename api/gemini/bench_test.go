package gemini_test

import (
	"strings"
	"testing"

	"github.com/caddy-plexus/plexus/api"
)

const delta = `{"candidates":[{"content":{"parts":[{"text":" a piece of text\n"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":13,"totalTokenCount":324,"promptTokensDetails":[{"modality":"TEXT","tokenCount":9}],"thoughtsTokenCount":302},"modelVersion":"gemini-3-pro-preview","responseId":"M3iLaY-AI7zTxN8P3Piw4Qg"}`

func BenchmarkStreamDecode(b *testing.B) {
	f := func(name, chunk string) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			d, raw := codec.NewStreamDecoder(), []byte(chunk)
			emit := func(*api.Event) {}
			for b.Loop() {
				if err := d.Decode(nil, raw, emit); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	f("text", delta)
	f("call", strings.Replace(delta, `{"text":" a piece of text\n"}`, `{"functionCall":{"id":"x","name":"look_up","args":{"city":"Köln","days":3}},"thoughtSignature":"c2ln"}`, 1))
}

func BenchmarkStreamEncode(b *testing.B) {
	f := func(name string, content *api.Part, text string) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			e := codec.NewStreamEncoder(nil)
			dst := e.Encode(nil, &api.Event{Kind: api.Start, ID: "msg_1", Model: "claude"})
			begin := &api.Event{Kind: api.PartStart, Content: content}
			ev, end := &api.Event{Kind: api.Delta, Text: api.Quote(text)}, &api.Event{Kind: api.PartEnd}
			for b.Loop() {
				dst = e.Encode(e.Encode(e.Encode(dst[:0], begin), ev), end)
			}
		})
	}
	f("text", &api.Part{Kind: api.Text}, " a piece of text\n")
	f("call", &api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "x", Name: "look_up"}}, `{"city":"Köln","days":3}`)
}

func BenchmarkRequest(b *testing.B) {
	body := []byte(`{"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Hi"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{"a":1}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"output":"x"}}}]}],"tools":[{"functionDeclarations":[{"name":"f","parametersJsonSchema":{"type":"object","properties":{"a":{"type":"integer"}}}}]}],"generationConfig":{"temperature":0.5,"maxOutputTokens":100}}`)
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := codec.DecodeRequest(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		req, err := codec.DecodeRequest(body)
		if err != nil {
			b.Fatal(err)
		}
		req.Source = api.Chat
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := codec.EncodeRequest(req); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkResponse(b *testing.B) {
	body := []byte(strings.Replace(delta, `"index":0`, `"finishReason":"STOP","index":0`, 1))
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := codec.DecodeResponse(body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		resp, err := codec.DecodeResponse(body)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := codec.EncodeResponse(resp, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
}
