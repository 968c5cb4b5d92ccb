package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func TestEstimateTokens(t *testing.T) {
	f := func(want int64, parts ...api.Part) {
		t.Helper()
		req := &api.Request{Messages: []api.Message{{Role: api.RoleUser, Parts: parts}}}
		require.Equal(t, 4+want, api.EstimateTokens(req))
	}
	f(0)
	f(1, api.Part{Kind: api.Text, Text: "Hi"})
	f(25, api.Part{Kind: api.Text, Text: strings.Repeat("x", 100)})
	f(26, api.Part{Kind: api.Text, Text: strings.Repeat("x", 100)}, api.Part{Kind: api.Refusal, Text: "No"})
	f(2, api.Part{Kind: api.Thinking, Text: "because", Signature: strings.Repeat("s", 4000)})
	f(0, api.Part{Kind: api.Thinking, Redacted: true, Signature: "hidden"})
	f(4, api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "ignored", Name: "look_up", Arguments: `{"q":1}`}})
	f(1602, api.Part{Kind: api.ToolResult, Result: &api.Result{Parts: []api.Part{{Kind: api.Text, Text: "pictures"}, {Kind: api.Image, Media: &api.Media{URL: "https://example.com/a.png"}}}}})
	f(1600, api.Part{Kind: api.Image, Media: &api.Media{MIME: "image/png", Data: strings.Repeat("A", 1<<20)}})
	f(1600, api.Part{Kind: api.File, Media: &api.Media{MIME: "application/pdf", Data: "JVBERi0="}})
	f(3000, api.Part{Kind: api.File, Media: &api.Media{MIME: "application/pdf", Data: strings.Repeat("A", 100_000)}})
	f(200_000, api.Part{Kind: api.File, Media: &api.Media{Data: strings.Repeat("A", 32<<20)}})
	f(3, api.Part{Kind: api.File, Media: &api.Media{Text: "plain text!!"}})
	f(24, api.Part{Kind: api.Sound, Media: &api.Media{Data: strings.Repeat("A", 16_000)}})
	f(4, api.Part{Kind: api.Opaque, Raw: json.RawMessage(`{"type":"other"}`)})
	f(0, api.Part{Kind: api.Image}, api.Part{Kind: api.ToolCall}, api.Part{Kind: api.ToolResult})
}

func TestEstimateTokensOfTools(t *testing.T) {
	require.Zero(t, api.EstimateTokens(&api.Request{}))
	require.EqualValues(t, 300+16+2, api.EstimateTokens(&api.Request{Tools: []api.Tool{{Kind: api.FunctionTool, Name: "four", Schema: json.RawMessage("{} ")}}}))
	require.EqualValues(t, 300+16+4, api.EstimateTokens(&api.Request{Tools: []api.Tool{{Kind: api.OpaqueTool, Raw: json.RawMessage(`{"type":"other"}`)}}}))
	require.EqualValues(t, 3, api.EstimateTokens(&api.Request{Format: &api.Format{Description: "ten", Schema: json.RawMessage(`{"a":1}`)}}))
}
