package embeddings_test

import (
	"strings"
	"testing"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/embeddings"
)

func BenchmarkResponse(b *testing.B) {
	body := []byte(`{"embedding":{"values":[` + strings.Repeat("-0.012345678,", 1535) + `0.1]}}`)
	f := func(name string, req *embeddings.Request) {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				resp, err := embeddings.DecodeResponse(api.Gemini, body)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := embeddings.EncodeResponse(api.Embeddings, resp, req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	f("numbers", &embeddings.Request{Inputs: make([]embeddings.Input, 1)})
	f("base64", &embeddings.Request{Inputs: make([]embeddings.Input, 1), Base64: true})
}

func BenchmarkRequest(b *testing.B) {
	body := []byte(`{"model":"m","input":["The quick brown fox","jumps over the lazy dog"],"dimensions":256}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		req, err := embeddings.DecodeRequest(api.Embeddings, "", body)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, _, err := embeddings.EncodeRequest(api.Gemini, req); err != nil {
			b.Fatal(err)
		}
	}
}
