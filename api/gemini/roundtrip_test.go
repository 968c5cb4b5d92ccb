package gemini_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
	"github.com/caddy-plexus/plexus/api/messages"
)

// A client of another vendor sends back what it was answered, and Google gets
// its signatures where they stood.
func TestSignaturesThroughOtherClients(t *testing.T) {
	const parts = `{"text":"hm","thought":true,"thoughtSignature":"c2lnMQ=="},{"text":"Let me see.","thoughtSignature":"c2lnMg=="},
		{"functionCall":{"id":"call_1","name":"f","args":{"n":12345678901234567890}},"thoughtSignature":"c2lnMw=="},{"functionCall":{"id":"call_2","name":"f","args":{}}}`
	resp := answer(t, `{"candidates":[{"content":{"role":"model","parts":[`+parts+`]},"finishReason":"STOP"}],"responseId":"r"}`)
	f := func(client api.ClientCodec, question string, conversation func(answer json.RawMessage) string) {
		t.Helper()
		req, err := client.DecodeRequest([]byte(question))
		require.NoError(t, err)
		body, err := client.EncodeResponse(resp, req)
		require.NoError(t, err)
		again, err := client.DecodeRequest([]byte(conversation(body)))
		require.NoError(t, err, "%s", body)
		again.Model = "gemini-3-pro-preview"
		toGoogle, _ := encode(t, again)
		require.JSONEq(t, `[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[`+parts+`]},{"role":"user","parts":[
			{"functionResponse":{"id":"call_1","name":"f","response":{"output":"1"}}},{"functionResponse":{"id":"call_2","name":"f","response":{"output":"2"}}}]}]`, string(toGoogle["contents"]))
	}
	f(chat.Codec{}, `{"model":"m","messages":[{"role":"user","content":"a"}]}`, func(answer json.RawMessage) string {
		var a struct {
			Choices []struct{ Message json.RawMessage }
		}
		require.NoError(t, json.Unmarshal(answer, &a))
		return `{"model":"m","messages":[{"role":"user","content":"a"},` + string(a.Choices[0].Message) + `,{"role":"tool","tool_call_id":"call_1","content":"1"},{"role":"tool","tool_call_id":"call_2","content":"2"}]}`
	})
	f(messages.Codec{}, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"}]}`, func(answer json.RawMessage) string {
		var a struct{ Content json.RawMessage }
		require.NoError(t, json.Unmarshal(answer, &a))
		return `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":` + string(a.Content) + `},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"call_1","content":"1"},{"type":"tool_result","tool_use_id":"call_2","content":"2"}]}]}`
	})
}
