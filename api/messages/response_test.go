package messages_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/messages"
)

func TestDecodeResponse(t *testing.T) {
	f := func(body string, want api.Choice) {
		t.Helper()
		resp, err := messages.Codec{}.DecodeResponse([]byte(body))
		require.NoError(t, err)
		require.Equal(t, []api.Choice{want}, resp.Choices)
	}
	f(`{"content":[],"stop_reason":"refusal"}`, api.Choice{Finish: api.FinishRefusal})
	f(`{"content":[{"type":"text","text":"Hi"}],"stop_reason":"of_tomorrow"}`, api.Choice{Finish: api.FinishStop, Parts: []api.Part{say("Hi")}})
	f(`{"content":[{"type":"tool_use","id":"t","name":"n","input":{"a":1}}],"stop_reason":"end_turn"}`, api.Choice{Finish: api.FinishToolCalls, Parts: []api.Part{call("t", "n", `{"a":1}`)}})
	f(`{"content":[{"type":"tool_use","name":"n"}],"stop_reason":"tool_use"}`, api.Choice{Finish: api.FinishToolCalls, Parts: []api.Part{call("toolu_plexus_0", "n", "")}})
	f(`{"content":[{"type":"tool_use","id":"t","name":"plexus_json_output","input":{"a":1}}],"stop_reason":"tool_use"}`, api.Choice{Finish: api.FinishStop, Parts: []api.Part{say(`{"a":1}`)}})

	bad := func(body, want string) {
		t.Helper()
		_, err := messages.Codec{}.DecodeResponse([]byte(body))
		require.ErrorContains(t, err, want)
	}
	bad(`{"type":"error","error":{"type":"api_error","message":"Oh"}}`, "the provider reports an error: Oh")
	bad(`{}`, "content: expected a list of blocks")
	bad(`<html>`, "invalid JSON")
}

func TestEncodeResponse(t *testing.T) {
	f := func(resp api.Response, want string) {
		t.Helper()
		resp.ID, resp.Source = "1", api.Chat
		body, err := messages.Codec{}.EncodeResponse(&resp, &api.Request{Model: "asked"})
		require.NoError(t, err)
		require.JSONEq(t, want, string(body))
	}
	answer := func(content, reason string) string {
		return `{"id":"1","type":"message","role":"assistant","model":"asked","content":[` + content + `],"stop_reason":"` + reason + `","stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":0}}`
	}
	parts := func(finish api.Finish, parts ...api.Part) api.Response {
		return api.Response{Choices: []api.Choice{{Parts: parts, Finish: finish}, {Parts: []api.Part{say("another")}}}}
	}
	f(api.Response{}, answer("", "end_turn"))
	f(parts(api.FinishStop, say("Hi"), say("")), answer(`{"type":"text","text":"Hi"}`, "end_turn"))
	f(parts(api.FinishContentFilter, say("Hi")), answer(`{"type":"text","text":"Hi"}`, "refusal"))
	f(parts(api.FinishStop, api.Part{Kind: api.Refusal, Text: "No"}), answer(`{"type":"text","text":"No"}`, "refusal"))
	f(parts(api.FinishStop, call("a|b", "f", `{"x":`)), answer(`{"type":"tool_use","id":"`+api.CallID("a|b")+`","name":"f","input":{"_raw":"{\"x\":"}}`, "tool_use"))
	f(parts(api.FinishLength, api.Part{Kind: api.Thinking, Text: "hm"}, api.Part{Kind: api.Thinking, Text: "hm", Signature: "e", Vendor: api.OpenAI}, api.Part{Kind: api.Thinking, Signature: "h", Vendor: api.OpenAI}, api.Part{Kind: api.Thinking}),
		answer(`{"type":"thinking","thinking":"hm","signature":"plexus::"},{"type":"thinking","thinking":"hm","signature":"plexus:openai:e"},{"type":"redacted_thinking","data":"plexus:openai:h"}`, "max_tokens"))
	f(parts(api.FinishStop, api.Part{Kind: api.Image, Media: &api.Media{}}, api.Part{Kind: api.Opaque, Raw: raw(`{}`), Source: api.Responses}), answer("", "end_turn"))
}

func TestDecodeError(t *testing.T) {
	f := func(status int, body string, want api.Error) {
		t.Helper()
		require.Equal(t, want, messages.Codec{}.DecodeError(status, []byte(body)))
	}
	f(429, `{"type":"error","error":{"type":"rate_limit_error","message":"Slow down"},"request_id":"r"}`, api.Error{Status: 429, Message: "Slow down", RequestID: "r"})
	f(402, `{"type":"error","error":{"type":"billing_error","message":"Pay"}}`, api.Error{Status: 402, Message: "Pay"})
	f(200, `{"type":"error","error":{"type":"conflict_error","message":"Twice"}}`, api.Error{Status: 409, Message: "Twice"})
	f(429, `[{"error":{"code":429,"message":"Vertex","status":"RESOURCE_EXHAUSTED"}}]`, api.Error{Status: 429, Message: "Vertex"})
	f(400, `{"message":"Bedrock: Input is too long for requested model."}`, api.Error{Status: 400, Code: "context_length_exceeded", Message: "Bedrock: Input is too long for requested model."})
	f(400, `{"type":"error","error":{"type":"invalid_request_error","message":"Prompt is too long"}}`, api.Error{Status: 400, Code: "context_length_exceeded", Message: "Prompt is too long"})
	f(400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}`,
		api.Error{Status: 400, Code: "context_length_exceeded", Message: "prompt is too long: 210000 tokens > 200000 maximum"})
	f(200, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, api.Error{Status: 529, Message: "Overloaded"})
	f(500, `{"error":"theirs"}`, api.Error{Status: 500, Message: "theirs"})
	f(500, `{"detail":"theirs"}`, api.Error{Status: 500, Message: "theirs"})
	f(502, "bad\xff gateway\n", api.Error{Status: 502, Message: "bad\ufffd gateway"})
	f(503, ``, api.Error{Status: 503, Message: "Service Unavailable"})
}
