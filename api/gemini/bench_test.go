package gemini_test

import (
	"testing"

	"github.com/caddy-plexus/plexus/api"
)

var delta = []byte(`{"candidates":[{"content":{"parts":[{"text":" a piece of text\n"}],"role":"model"},"index":0}],"usageMetadata":{"promptTokenCount":9,"candidatesTokenCount":13,"totalTokenCount":324,"promptTokensDetails":[{"modality":"TEXT","tokenCount":9}],"thoughtsTokenCount":302},"modelVersion":"gemini-3-pro-preview","responseId":"M3iLaY-AI7zTxN8P3Piw4Qg"}`)

func BenchmarkStreamDecode(b *testing.B) {
	b.SetBytes(int64(len(delta)))
	b.ReportAllocs()
	d := codec.NewStreamDecoder()
	emit := func(*api.Event) {}
	for b.Loop() {
		if err := d.Decode(nil, delta, emit); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStreamEncode(b *testing.B) {
	b.ReportAllocs()
	e := codec.NewStreamEncoder(nil)
	dst := e.Encode(nil, &api.Event{Kind: api.Start, ID: "msg_1", Model: "claude"})
	dst = e.Encode(dst, &api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.Text}})
	ev := &api.Event{Kind: api.Delta, Text: []byte(`" a piece of text\n"`)}
	for b.Loop() {
		dst = e.Encode(dst[:0], ev)
	}
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
