package gemini_test

import (
	"bytes"
	"encoding/json"
	"path/filepath"
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

// Recorded streams of other vendors reach a client of this format whole: text,
// reasoning, calls, the reason to end and what it cost.
func TestRecordedStreamsOfOthers(t *testing.T) {
	f := func(codecOf api.TargetCodec, file string) {
		var want, got api.Accumulator
		var out []byte
		e := codec.NewStreamEncoder(&api.Request{Model: "mine"})
		d := codecOf.NewStreamDecoder()
		emit := func(ev *api.Event) {
			want.Add(ev)
			out = e.Encode(out, ev)
		}
		for data := range bytes.SplitSeq(bytes.TrimSpace(read(t, file)), []byte("\n")) {
			data = bytes.TrimPrefix(data, []byte("data: "))
			require.NoError(t, d.Decode(nil, data, emit), "%s", data)
		}
		if !d.Close(emit) {
			t.Skip("a recording without an end")
		}
		again := codec.NewStreamDecoder()
		for chunk := range bytes.SplitSeq(bytes.TrimSpace(out), []byte("\n\n")) {
			require.NoError(t, again.Decode(nil, bytes.TrimPrefix(chunk, []byte("data: ")), got.Add))
		}
		require.True(t, again.Close(got.Add))
		theirs, _ := want.Response()
		ours, _ := got.Response()
		require.Len(t, ours.Choices, len(theirs.Choices))
		for i := range theirs.Choices {
			require.Equal(t, toldBy(&theirs.Choices[i]), toldBy(&ours.Choices[i]))
		}
		require.Equal(t, theirs.Usage.Known, ours.Usage.Known)
		require.Equal(t, theirs.Usage.Generated(), ours.Usage.Generated())
		require.Equal(t, theirs.Usage.Input+theirs.Usage.CacheWrite, ours.Usage.Input)
		require.Equal(t, theirs.Usage.CacheRead, ours.Usage.CacheRead)
	}
	for _, file := range recordings(t, "gomodel/*/chat_completion_stream.txt") {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) { f(chat.Codec{}, file) })
	}
	for _, file := range recordings(t, "vercel-ai/anthropic/*.chunks.txt") {
		t.Run(filepath.Base(file), func(t *testing.T) { f(messages.Codec{}, file) })
	}
}

// toldBy is what a choice says, by kind.
func toldBy(c *api.Choice) map[string]string {
	out := map[string]string{"finish": finishReasonOf(c.Finish)}
	for i := range c.Parts {
		switch p := &c.Parts[i]; p.Kind {
		case api.Text, api.Refusal:
			out["text"] += p.Text
		case api.Thinking:
			out["thinking"] += p.Text
			out["signatures"] += p.Signature
		case api.ToolCall:
			arguments := p.Call.Arguments
			switch {
			case arguments == "":
				arguments = "{}"
			case !json.Valid([]byte(arguments)):
				arguments = `{"_raw":` + string(api.Quote(arguments)) + `}`
			}
			out["calls"] += p.Call.ID + " " + p.Call.Name + " " + arguments + "\n"
		}
	}
	return out
}

// finishReasonOf is the reason as far as Google's words tell it.
func finishReasonOf(f api.Finish) string {
	switch f {
	case api.FinishRefusal:
		return string(api.FinishContentFilter)
	case api.FinishStopSequence, api.FinishPause, api.FinishToolCalls:
		return string(api.FinishStop)
	case api.FinishContextLength:
		return string(api.FinishLength)
	}
	return string(f)
}
