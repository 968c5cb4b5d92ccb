package sdk_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/messages"
)

// translated is an answer that another provider gave, with parts that interleave,
// pieces of characters, and everything that a client may get.
func translated() []api.Event {
	start := func(part int, content api.Part) api.Event {
		return api.Event{Kind: api.PartStart, Part: part, Content: &content}
	}
	delta := func(part int, literal string) api.Event {
		return api.Event{Kind: api.Delta, Part: part, Text: []byte(literal)}
	}
	end := func(part int) api.Event { return api.Event{Kind: api.PartEnd, Part: part} }
	return []api.Event{
		{Kind: api.Start, Source: api.Chat, ID: "chatcmpl-1", Model: "m"},
		start(0, api.Part{Kind: api.Thinking}), delta(0, `"hm"`), delta(0, `"m"`), end(0),
		start(1, api.Part{Kind: api.Thinking}),
		{Kind: api.Signature, Part: 1, Content: &api.Part{Kind: api.Thinking, Signature: "hidden", Vendor: api.OpenAI}},
		end(1),
		{Kind: api.Ping},
		start(2, api.Part{Kind: api.Text}), delta(2, `"Hel"`),
		start(3, api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "call.1", Name: "f"}}), delta(3, `"{\"a\":"`),
		start(4, api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "b", Name: "g"}}),
		delta(2, `"lo \u2603"`), delta(4, `"{}"`), delta(3, `"[1e-7,12345678901234567890]}"`),
		{Kind: api.CitationEvent, Part: 2, Citation: &api.Citation{URL: "https://example.com", Title: "E"}},
		end(2),
		end(3), end(4),
		start(5, api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: "h", Custom: true}}), delta(5, `"say \"hi\"\n"`), end(5),
		{Kind: api.Finished, Finish: api.FinishToolCalls},
		{Kind: api.UsageEvent, Usage: api.Usage{Known: true, Input: 3, CacheRead: 2, CacheWrite: 9, CacheWriteHour: 7, Output: 5, Reasoning: 4}},
		{Kind: api.End},
	}
}

// codecClient asks a provider that gives what the codec has written.
func codecClient(t *testing.T, contentType string, body []byte) anthropic.Client {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(body)
	}))
	t.Cleanup(server.Close)
	return anthropic.NewClient(option.WithBaseURL(server.URL), option.WithAPIKey("k"), option.WithMaxRetries(0))
}

func requireTranslated(t *testing.T, m *anthropic.Message) {
	t.Helper()
	require.Equal(t, "chatcmpl-1", m.ID)
	require.Equal(t, anthropic.StopReasonToolUse, m.StopReason)
	require.Len(t, m.Content, 6)
	require.Equal(t, "hmm", m.Content[0].AsThinking().Thinking)
	require.Equal(t, api.Unsigned, m.Content[0].AsThinking().Signature)
	require.Equal(t, api.Seal(api.OpenAI, "hidden"), m.Content[1].AsRedactedThinking().Data)
	require.Equal(t, "Hello ☃", m.Content[2].Text)
	require.Equal(t, "https://example.com", m.Content[2].Citations[0].URL)
	require.Equal(t, api.CallID("call.1"), m.Content[3].ID)
	require.JSONEq(t, `{"a":[1e-7,12345678901234567890]}`, string(m.Content[3].Input))
	require.Equal(t, "g", m.Content[4].Name)
	require.JSONEq(t, `{}`, string(m.Content[4].Input))
	require.JSONEq(t, `{"input":"say \"hi\"\n"}`, string(m.Content[5].Input))
	require.Equal(t, int64(3), m.Usage.InputTokens)
	require.Equal(t, int64(2), m.Usage.CacheReadInputTokens)
	require.Equal(t, int64(9), m.Usage.CacheCreationInputTokens)
	require.Equal(t, int64(9), m.Usage.OutputTokens)
}

// What the Messages codec writes is what Anthropic's own SDK reads.
func TestAnthropicReadsTheCodec(t *testing.T) {
	encoder := messages.Codec{}.NewStreamEncoder(&api.Request{Model: "m"})
	var stream []byte
	var whole api.Accumulator
	for _, ev := range translated() {
		stream = encoder.Encode(stream, &ev)
		whole.Add(&ev)
	}
	client := codecClient(t, "text/event-stream", stream)
	m, err := messageStream(client.Messages.NewStreaming(t.Context(), messageParams("m", "Hi")))
	require.NoError(t, err)
	requireTranslated(t, &m)

	resp, complete := whole.Response()
	require.True(t, complete)
	body, err := messages.Codec{}.EncodeResponse(resp, nil)
	require.NoError(t, err)
	client = codecClient(t, "application/json", body)
	answer, err := client.Messages.New(t.Context(), messageParams("m", "Hi"))
	require.NoError(t, err)
	requireTranslated(t, answer)
	require.Equal(t, int64(7), answer.Usage.CacheCreation.Ephemeral1hInputTokens)
}

// A stream that fails ends in the SDK's own error.
func TestAnthropicReadsTheCodecsError(t *testing.T) {
	encoder := messages.Codec{}.NewStreamEncoder(&api.Request{Model: "m"})
	var stream []byte
	for _, ev := range []api.Event{
		{Kind: api.Start},
		{Kind: api.PartStart, Content: &api.Part{Kind: api.Text}},
		{Kind: api.Delta, Text: []byte(`"Hel"`)},
		{Kind: api.ErrorEvent, Err: &api.Error{Status: api.StatusOverloaded, Message: "Later"}},
		{Kind: api.End},
	} {
		stream = encoder.Encode(stream, &ev)
	}
	client := codecClient(t, "text/event-stream", stream)
	m, err := messageStream(client.Messages.NewStreaming(t.Context(), messageParams("m", "Hi")))
	require.ErrorContains(t, err, "overloaded_error")
	require.Equal(t, "Hel", messageText(&m))
}
