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

const smallAnswer = `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Let me look."},{"type":"tool_use","id":"toolu_1","name":"look","input":{"q":"x"}}],"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":5,"service_tier":"standard"}}`

func BenchmarkDecodeResponse(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(smallAnswer)))
	for b.Loop() {
		_, _ = messages.Codec{}.DecodeResponse([]byte(smallAnswer))
	}
}

func BenchmarkEncodeResponse(b *testing.B) {
	resp, _ := messages.Codec{}.DecodeResponse([]byte(smallAnswer))
	resp.Source = api.Chat
	b.ReportAllocs()
	for b.Loop() {
		_, _ = messages.Codec{}.EncodeResponse(resp, nil)
	}
}

// A call's arguments come in pieces, and the piece itself is a string of JSON.
func BenchmarkStreamDecodeArguments(b *testing.B) {
	d := messages.Codec{}.NewStreamDecoder()
	emit := func(*api.Event) {}
	_ = d.Decode(nil, []byte(startOf), emit)
	_ = d.Decode(nil, []byte(`{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"t","name":"n","input":{}}}`), emit)
	data := []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"path\": \"/tmp"}}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_ = d.Decode(nil, data, emit)
	}
}

func BenchmarkStreamEncodeArguments(b *testing.B) {
	e := messages.Codec{}.NewStreamEncoder(&api.Request{Model: "m"})
	dst := e.Encode(nil, &api.Event{Kind: api.Start, ID: "1"})
	dst = e.Encode(dst, &api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "t", Name: "n"}}})
	ev := &api.Event{Kind: api.Delta, Text: []byte(`"{\"path\": \"/tmp"`)}
	b.ReportAllocs()
	for b.Loop() {
		dst = e.Encode(dst[:0], ev)
	}
}

// A whole stream of some hundred events, from one codec into the other.
func BenchmarkStream(b *testing.B) {
	wire := [][]byte{[]byte(startOf), []byte(textOf)}
	for range 100 {
		wire = append(wire, []byte(hello))
	}
	wire = append(wire, []byte(stopOf), []byte(endOf), []byte(stop))
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		d, e := messages.Codec{}.NewStreamDecoder(), messages.Codec{}.NewStreamEncoder(nil)
		emit := func(ev *api.Event) { dst = e.Encode(dst[:0], ev) }
		for _, data := range wire {
			_ = d.Decode(nil, data, emit)
		}
	}
}
