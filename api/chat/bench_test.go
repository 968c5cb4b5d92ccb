package chat_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
)

// asRequest is a turn of an agent, some of whose text is long.
var asRequest = []byte(`{"model":"gpt-4o-mini","stream":true,"stream_options":{"include_usage":true},"max_completion_tokens":4096,"temperature":0.2,
	"messages":[{"role":"system","content":"` + strings.Repeat("You are a helpful assistant. ", 100) + `"},
		{"role":"user","content":[{"type":"text","text":"What is on this picture?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + strings.Repeat("iVBORw0KGgo", 200) + `"}}]},
		{"role":"assistant","content":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"look","arguments":"{\"x\":1,\"y\":\"two\"}"}}]},
		{"role":"tool","tool_call_id":"call_1","content":"` + strings.Repeat("a line of a file\\n", 200) + `"}],
	"tools":[{"type":"function","function":{"name":"look","description":"Looks.","parameters":{"type":"object","properties":{"x":{"type":"integer"},"y":{"type":"string"}},"required":["x"]}}}],
	"tool_choice":"auto"}`)

func BenchmarkRequest(b *testing.B) {
	b.Run("decode", func(b *testing.B) {
		b.SetBytes(int64(len(asRequest)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := codec.DecodeRequest(asRequest); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("encode", func(b *testing.B) {
		req, err := codec.DecodeRequest(asRequest)
		require.NoError(b, err)
		req.Source = api.Messages
		b.SetBytes(int64(len(asRequest)))
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := codec.EncodeRequest(req); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkResponse(b *testing.B) {
	body := []byte(answerOf(`"content":"`+strings.Repeat("a piece of text\\n", 100)+`","refusal":null,"tool_calls":[{"id":"call_1","type":"function","function":{"name":"look","arguments":"{\"x\":1}"}}]`, "tool_calls"))
	resp, err := codec.DecodeResponse(body)
	require.NoError(b, err)
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
		req := &api.Request{Source: api.Chat}
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := codec.EncodeResponse(resp, req); err != nil {
				b.Fatal(err)
			}
		}
	})
}

var chunk = []byte(`{"id":"chatcmpl-D0q8CZXN1uEzngZGkU7FuV92lnXWq","object":"chat.completion.chunk","created":1769092764,"model":"gpt-4o-mini-2024-07-18","service_tier":"default","system_fingerprint":"fp_29330a9688","choices":[{"index":0,"delta":{"content":" World"},"logprobs":null,"finish_reason":null}],"obfuscation":"kJ"}`)

var argument = []byte(`{"id":"chatcmpl-1","object":"chat.completion.chunk","created":1769092764,"model":"gpt-4o-mini","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"function":{"arguments":"\"location\":"}}]},"logprobs":null,"finish_reason":null}]}`)

// withUsage says so far what was used, as vLLM and others can.
var withUsage = []byte(strings.Replace(string(chunk), `"choices":`, `"usage":{"prompt_tokens":117,"completion_tokens":14,"total_tokens":131,"prompt_tokens_details":{"cached_tokens":64}},"choices":`, 1))

// repeated says with every piece whose it is.
var repeated = []byte(strings.Replace(string(argument), `"index":0,"function":{`, `"index":0,"id":"a","type":"function","function":{"name":"f",`, 1))

func benchmarkDecode(b *testing.B, data []byte) {
	d := codec.NewStreamDecoder()
	emit := func(*api.Event) {}
	first := `{"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f"}}]}}]}`
	require.NoError(b, d.Decode(nil, []byte(first), emit))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		_ = d.Decode(nil, data, emit)
	}
}

func BenchmarkStreamDecode(b *testing.B) {
	b.Run("usage", func(b *testing.B) { benchmarkDecode(b, withUsage) })
	b.Run("repeated", func(b *testing.B) { benchmarkDecode(b, repeated) })
	b.Run("text", func(b *testing.B) { benchmarkDecode(b, chunk) })
	b.Run("arguments", func(b *testing.B) { benchmarkDecode(b, argument) })
}

func benchmarkEncode(b *testing.B, content api.Part) {
	e := chat.Codec{}.NewStreamEncoder(&api.Request{Source: api.Chat, Tools: []api.Tool{{Kind: api.CustomTool, Name: "sh"}}})
	dst := e.Encode(nil, &api.Event{Kind: api.Start, ID: "chatcmpl-1", Model: "gpt-4o-mini", Created: 1})
	dst = e.Encode(dst, &api.Event{Kind: api.PartStart, Content: &content})
	ev := &api.Event{Kind: api.Delta, Text: []byte(`" World"`)}
	b.SetBytes(int64(len(e.Encode(nil, ev))))
	b.ReportAllocs()
	for b.Loop() {
		dst = e.Encode(dst[:0], ev)
	}
}

func BenchmarkStreamEncode(b *testing.B) {
	b.Run("text", func(b *testing.B) { benchmarkEncode(b, api.Part{Kind: api.Text}) })
	b.Run("arguments", func(b *testing.B) {
		benchmarkEncode(b, api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "a", Name: "f"}})
	})
	b.Run("custom", func(b *testing.B) {
		benchmarkEncode(b, api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "a", Name: "sh"}})
	})
}
