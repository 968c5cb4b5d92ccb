package pairs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// TestAnswers gives each client the whole answers of each provider, also as the
// stream that a client may have asked for: what it gets is in testdata/answer, to
// be read, and what it hears is what the provider said.
func TestAnswers(t *testing.T) {
	for _, from := range formats {
		for theme, body := range fixtures(t, "answer", from.name, ".json") {
			for _, to := range clients {
				t.Run(theme+"/"+string(from.name)+"-"+to.name, func(t *testing.T) {
					resp, err := from.codec.DecodeResponse(body)
					require.NoError(t, err)
					want := hear(resp)
					out, err := to.codec.EncodeResponse(resp, &api.Request{Model: "asked-for", Logprobs: true})
					require.NoError(t, err)
					golden(t, "answer/"+theme+"."+string(from.name)+"-"+to.name+".golden", steady(indented(t, out)))
					checkAnswer(t, to, want, out)
					checkUnfolded(t, to, want, resp)
				})
			}
		}
	}
}

func indented(t *testing.T, body []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, json.Indent(&out, body, "", "  "), "%s", body)
	out.WriteByte('\n')
	return out.Bytes()
}

func checkAnswer(t *testing.T, to client, want said, body []byte) {
	t.Helper()
	if to.back == nil {
		return
	}
	again, err := to.back.DecodeResponse(body)
	require.NoError(t, err)
	require.Equal(t, want.as(formatOf(to)), hear(again).as(formatOf(to)), "%s", body)
}

// checkUnfolded checks the stream that a whole answer comes to.
func checkUnfolded(t *testing.T, to client, want said, resp *api.Response) {
	t.Helper()
	out := translated{whole: true, said: want}
	encoder := to.codec.NewStreamEncoder(asking())
	order := newOrder(t)
	resp.Emit(func(ev *api.Event) {
		order.see(ev)
		out.wire = encoder.Encode(out.wire, ev)
	})
	checkEnds(t, to, out)
	checkSaid(t, to, out)
}

// TestFinishes tells each client of each reason to end: testdata/finishes.golden
// is the table.
func TestFinishes(t *testing.T) {
	var table bytes.Buffer
	f := func(from format, body string, reasons ...string) {
		t.Helper()
		for _, reason := range reasons {
			fmt.Fprintf(&table, "%s %s:", from.name, reason)
			for _, to := range clients {
				resp, err := from.codec.DecodeResponse(fmt.Appendf(nil, body, reason))
				require.NoError(t, err)
				out, err := to.codec.EncodeResponse(resp, &api.Request{Model: "m"})
				require.NoError(t, err)
				fmt.Fprintf(&table, " %s %s", to.name, endOfAnswer(t, out))
			}
			table.WriteByte('\n')
		}
	}
	const chatBody, geminiBody = `{"id":"c","choices":[{"message":{"content":"x"},"finish_reason":"%s"}]}`, `{"candidates":[{"content":{"parts":[{"text":"x"}]},"finishReason":"%s"}]}`
	f(formats[0], chatBody, "stop", "length", "content_filter")
	f(formats[0], `{"id":"c","choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"%s"}]}`, "tool_calls", "stop")
	f(formats[1], `{"id":"r","output":[{"type":"message","content":[{"type":"output_text","text":"x"}]}],"status":"%s"}`, "completed")
	f(formats[1], `{"id":"r","output":[{"type":"message","content":[{"type":"output_text","text":"x"}]}],"status":"incomplete","incomplete_details":{"reason":"%s"}}`, "max_output_tokens", "content_filter")
	f(formats[1], `{"id":"r","output":[{"type":"function_call","call_id":"a","name":"f","arguments":"{}"}],"status":"%s"}`, "completed")
	f(formats[2], `{"id":"m","content":[{"type":"text","text":"x"}],"stop_reason":"%s","stop_sequence":null}`, "end_turn", "max_tokens", "stop_sequence", "pause_turn", "refusal", "model_context_window_exceeded")
	f(formats[2], `{"id":"m","content":[{"type":"tool_use","id":"a","name":"f","input":{}}],"stop_reason":"%s"}`, "tool_use", "max_tokens")
	f(formats[3], geminiBody, "STOP", "MAX_TOKENS", "SAFETY", "RECITATION", "LANGUAGE", "OTHER", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "MALFORMED_FUNCTION_CALL", "IMAGE_SAFETY", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS")
	f(formats[3], `{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f"}}]},"finishReason":"%s"}]}`, "STOP", "MAX_TOKENS")
	golden(t, "finishes.golden", table.Bytes())
}

// endOfAnswer is why an answer ended, in the words of its format.
func endOfAnswer(t *testing.T, body []byte) string {
	t.Helper()
	var answer struct {
		Choices []struct {
			Reason string `json:"finish_reason"`
		}
		Status  string
		Details struct{ Reason string } `json:"incomplete_details"`
		Stop    string                  `json:"stop_reason"`

		Candidates []struct{ FinishReason string }
	}
	require.NoError(t, json.Unmarshal(body, &answer))
	switch {
	case len(answer.Choices) > 0:
		return answer.Choices[0].Reason
	case len(answer.Candidates) > 0:
		return answer.Candidates[0].FinishReason
	case answer.Details.Reason != "":
		return answer.Details.Reason
	}
	return answer.Status + answer.Stop
}
