package responses_test

import (
	"testing"

	"github.com/caddy-plexus/plexus/api"
)

var (
	textDelta  = []byte(`{"type":"response.output_text.delta","content_index":0,"delta":" a few words,\nno more","item_id":"msg_0b7e83747d2b84440069a314346ed08199b2e605faaedcb745","logprobs":[],"obfuscation":"fIVBptC5V5x","output_index":0,"sequence_number":4}`)
	inputDelta = []byte(`{"type":"response.function_call_arguments.delta","sequence_number":40,"item_id":"fc_01830d662ab3856501693c32151234819091cfca267e98cc5f","output_index":1,"delta":"\"location\":","obfuscation":"hKtg6o5cWUSdCa"}`)
)

func BenchmarkStreamDecode(b *testing.B) {
	emit := func(*api.Event) {}
	bench := func(name string, data []byte, before ...string) {
		b.Run(name, func(b *testing.B) {
			d := codec.NewStreamDecoder()
			for _, data := range before {
				_ = d.Decode(nil, []byte(data), emit)
			}
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				_ = d.Decode(nil, data, emit)
			}
		})
	}
	bench("text", textDelta, created, `{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"msg_0b7e83747d2b84440069a314346ed08199b2e605faaedcb745"}}`)
	bench("arguments", inputDelta, created, `{"type":"response.output_item.added","output_index":1,"item":{"type":"function_call","id":"fc_01830d662ab3856501693c32151234819091cfca267e98cc5f","call_id":"c","name":"f"}}`)
}

func BenchmarkStreamEncode(b *testing.B) {
	bench := func(name string, content api.Part) {
		b.Run(name, func(b *testing.B) {
			e := codec.NewStreamEncoder(&api.Request{Source: api.Responses, Model: "m"})
			dst := e.Encode(nil, &api.Event{Kind: api.Start, ID: "resp_1", Model: "m", Created: 7})
			dst = e.Encode(dst, &api.Event{Kind: api.PartStart, Content: &content})
			ev := &api.Event{Kind: api.Delta, Text: []byte(`" a few words,\nno more"`)}
			b.SetBytes(int64(len(e.Encode(nil, ev))))
			b.ReportAllocs()
			for b.Loop() {
				dst = e.Encode(dst[:0], ev)
			}
		})
	}
	bench("text", api.Part{Kind: api.Text})
	bench("arguments", api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: "f"}})
}

func BenchmarkRequest(b *testing.B) {
	body := []byte(`{"model":"m","instructions":"Be brief.","input":[{"role":"user","content":"Hi"},{"type":"function_call","call_id":"c","name":"f","arguments":"{\"a\":1}"},{"type":"function_call_output","call_id":"c","output":"1"}],"tools":[{"type":"function","name":"f","parameters":{"type":"object","properties":{"a":{"type":"integer"}}}}],"max_output_tokens":100}`)
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
		req := decode(b, string(body))
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
	body := []byte(final(b, []string{completed}))
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
		req := &api.Request{Source: api.Responses}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := codec.EncodeResponse(resp, req); err != nil {
				b.Fatal(err)
			}
		}
	})
}
