package messages_test

import (
	"testing"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/messages"
)

func BenchmarkStreamDecode(b *testing.B) {
	d := messages.Codec{}.NewStreamDecoder()
	emit := func(*api.Event) {}
	_ = d.Decode(nil, []byte(startOf), emit)
	_ = d.Decode(nil, []byte(textOf), emit)
	data := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a few words,\nno more"}}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_ = d.Decode(nil, data, emit)
	}
}

func BenchmarkStreamEncode(b *testing.B) {
	e := messages.Codec{}.NewStreamEncoder(&api.Request{Model: "m"})
	dst := e.Encode(nil, &api.Event{Kind: api.Start, ID: "1"})
	dst = e.Encode(dst, &api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.Text}})
	ev := &api.Event{Kind: api.Delta, Text: []byte(`" a few words,\nno more"`)}
	b.ReportAllocs()
	for b.Loop() {
		dst = e.Encode(dst[:0], ev)
	}
}

const smallRequest = `{"model":"claude-sonnet-4-5","max_tokens":100,"system":"Be brief","messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{"x":1}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"}]}],"tools":[{"name":"f","input_schema":{"type":"object","properties":{"x":{"type":"integer"}}}}]}`

func BenchmarkDecodeRequest(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, _ = messages.Codec{}.DecodeRequest([]byte(smallRequest))
	}
}

func BenchmarkEncodeRequest(b *testing.B) {
	req, _ := messages.Codec{}.DecodeRequest([]byte(smallRequest))
	req.Source = api.Chat
	b.ReportAllocs()
	for b.Loop() {
		_, _, _ = messages.Codec{}.EncodeRequest(req)
	}
}
