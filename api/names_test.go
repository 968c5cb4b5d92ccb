package api_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func TestToolName(t *testing.T) {
	f := func(a api.API, name, want string) {
		t.Helper()
		require.Equal(t, want, a.ToolName(name))
	}
	long := strings.Repeat("x", 64)
	for _, a := range []api.API{api.Chat, api.Responses, api.Messages, api.Gemini} {
		f(a, "get_weather-2", "get_weather-2")
		f(a, long, long)
		f(a, "", "")
		require.NotEqual(t, a.ToolName("a b"), a.ToolName("a\tb"), "two names stay two")
	}
	f(api.Gemini, "ns.tool:1", "ns.tool:1")
	require.Regexp(t, `^ns_tool_1_[0-9a-f]{8}$`, api.Chat.ToolName("ns.tool:1"))
	require.Regexp(t, `^x{55}_[0-9a-f]{8}$`, api.Chat.ToolName(long+"y"))
	f(api.Messages, long+"y", long+"y")
	require.Len(t, api.Messages.ToolName(strings.Repeat("é", 100)), 128)
	f(api.Embeddings, "any name", "any name")
}

func TestRename(t *testing.T) {
	long := strings.Repeat("long_", 20)
	req := &api.Request{
		Tools:      []api.Tool{{Kind: api.FunctionTool, Name: long}, {Kind: api.FunctionTool, Name: "short"}, {Kind: api.WebSearchTool, Name: long}},
		ToolChoice: api.ToolChoice{Mode: api.ToolNamed, Name: long, Allowed: []string{long, "short"}},
		Messages: []api.Message{
			{Role: api.RoleAssistant, Parts: []api.Part{{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: long}}}},
			{Role: api.RoleTool, Parts: []api.Part{{Kind: api.ToolResult, Result: &api.Result{ID: "c", Name: long}}}},
		},
	}
	out, names := api.Rename(req, api.Chat)
	short := api.Chat.ToolName(long)
	require.Equal(t, api.ToolNames{short: long}, names)
	require.Equal(t, short, out.Tools[0].Name)
	require.Equal(t, "short", out.Tools[1].Name)
	require.Equal(t, long, out.Tools[2].Name, "what the provider runs has a name of its own")
	require.Equal(t, short, out.ToolChoice.Name)
	require.Equal(t, []string{short, "short"}, out.ToolChoice.Allowed)
	require.Equal(t, short, out.Messages[0].Parts[0].Call.Name)
	require.Equal(t, short, out.Messages[1].Parts[0].Result.Name)

	// The request itself stays as it was, for the next target.
	require.Equal(t, long, req.Tools[0].Name)
	require.Equal(t, long, req.ToolChoice.Allowed[0])
	require.Equal(t, long, req.Messages[0].Parts[0].Call.Name)

	resp := &api.Response{Choices: []api.Choice{{Parts: []api.Part{{Kind: api.ToolCall, Call: &api.Call{Name: short}}, {Kind: api.Text}}}}}
	names.Restore(resp)
	require.Equal(t, long, resp.Choices[0].Parts[0].Call.Name)
	ev := &api.Event{Kind: api.PartStart, Content: &api.Part{Call: &api.Call{Name: short}}}
	names.RestoreEvent(ev)
	require.Equal(t, long, ev.Content.Call.Name)

	same, names := api.Rename(req, api.Messages)
	require.Same(t, req, same)
	require.Nil(t, names)
}
