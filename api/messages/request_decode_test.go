package messages_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/messages"
)

func decode(t *testing.T, body string) *api.Request {
	t.Helper()
	req, err := messages.Codec{}.DecodeRequest([]byte(body))
	require.NoError(t, err, body)
	require.Equal(t, api.Messages, req.Source)
	return req
}

func TestDecodeSettings(t *testing.T) {
	f := func(member string, want api.Request) {
		t.Helper()
		want.Source = api.Messages
		require.Equal(t, &want, decode(t, `{`+member+`,"messages":[]}`), member)
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	f(`"model":"claude-x"`, api.Request{Model: "claude-x"})
	f(`"max_tokens":100`, api.Request{MaxTokens: 100})
	f(`"max_tokens":4096.0`, api.Request{MaxTokens: 4096})
	f(`"max_tokens":0`, api.Request{Extra: map[string]json.RawMessage{"max_tokens": raw("0")}})
	f(`"max_tokens":null`, api.Request{})
	f(`"stop_sequences":["a","\n"]`, api.Request{Stop: []string{"a", "\n"}})
	f(`"stream":true`, api.Request{Stream: true})
	f(`"temperature":1e-7,"top_p":0.10000000000000000000001,"top_k":40`, api.Request{Temperature: "1e-7", TopP: "0.10000000000000000000001", TopK: "40"})
	f(`"metadata":{"user_id":"u1","more":1}`, api.Request{User: "u1", Extra: map[string]json.RawMessage{"metadata.more": raw("1")}})
	f(`"service_tier":"auto"`, api.Request{ServiceTier: "auto"})
	f(`"container":"c1","context_management":{"edits":[]},"mcp_servers":[]`, api.Request{Extra: map[string]json.RawMessage{
		"container": raw(`"c1"`), "context_management": raw(`{"edits":[]}`), "mcp_servers": raw(`[]`),
	}})

	f(`"thinking":{"type":"enabled","budget_tokens":2048}`, api.Request{Reasoning: &api.Reasoning{Budget: 2048, Visible: true}})
	f(`"thinking":{"type":"adaptive"}`, api.Request{Reasoning: &api.Reasoning{Adaptive: true, Visible: true}})
	f(`"thinking":{"type":"adaptive","display":"omitted"},"output_config":{"effort":"high"}`, api.Request{
		Reasoning: &api.Reasoning{Adaptive: true, Effort: "high"}, Extra: map[string]json.RawMessage{"thinking.display": raw(`"omitted"`)},
	})
	f(`"thinking":{"type":"disabled"}`, api.Request{Reasoning: &api.Reasoning{Effort: "none"}})
	f(`"thinking":{"type":"disabled"},"output_config":{"effort":"low"}`, api.Request{
		Reasoning: &api.Reasoning{Effort: "none"}, Extra: map[string]json.RawMessage{"output_config.effort": raw(`"low"`)},
	})
	f(`"output_config":{"effort":"low"},"thinking":{"type":"disabled"}`, api.Request{
		Reasoning: &api.Reasoning{Effort: "none"}, Extra: map[string]json.RawMessage{"output_config.effort": raw(`"low"`)},
	})
	f(`"output_config":{"effort":"max","task_budget":{"total":9}}`, api.Request{
		Reasoning: &api.Reasoning{Effort: "max"}, Extra: map[string]json.RawMessage{"output_config.task_budget": raw(`{"total":9}`)},
	})
	f(`"output_config":{"format":{"type":"json_schema","schema":{"type":"object"}}}`, api.Request{Format: &api.Format{Schema: raw(`{"type":"object"}`)}})
	f(`"output_format":{"type":"json_schema","schema":{"type":"object"}}`, api.Request{Format: &api.Format{Schema: raw(`{"type":"object"}`)}})

	f(`"tool_choice":{"type":"auto"}`, api.Request{ToolChoice: api.ToolChoice{Mode: api.ToolAuto}})
	f(`"tool_choice":{"type":"any","disable_parallel_tool_use":true}`, api.Request{ToolChoice: api.ToolChoice{Mode: api.ToolRequired}, ParallelToolCalls: new(false)})
	f(`"tool_choice":{"type":"tool","name":"t","disable_parallel_tool_use":false}`, api.Request{ToolChoice: api.ToolChoice{Mode: api.ToolNamed, Name: "t"}, ParallelToolCalls: new(true)})
	f(`"tool_choice":{"type":"none"}`, api.Request{ToolChoice: api.ToolChoice{Mode: api.ToolNone}})
}

func TestDecodeTools(t *testing.T) {
	f := func(tool string, want api.Tool) {
		t.Helper()
		require.Equal(t, []api.Tool{want}, decode(t, `{"messages":[],"tools":[`+tool+`]}`).Tools)
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	f(`{"name":"a","description":"b","input_schema":{"type":"object"},"strict":true,"cache_control":{"type":"ephemeral"}}`, api.Tool{
		Kind: api.FunctionTool, Name: "a", Description: "b", Schema: raw(`{"type":"object"}`), Strict: new(true), Cache: raw(`{"type":"ephemeral"}`),
	})
	deferred := `{"name":"a","input_schema":{},"defer_loading":true}`
	f(deferred, api.Tool{Kind: api.FunctionTool, Name: "a", Schema: raw(`{}`), Raw: raw(deferred), Source: api.Messages})
	f(`{"type":"web_search_20250305","name":"web_search","max_uses":3,"allowed_domains":["a.org"],"user_location":{"type":"approximate","city":"Bern","country":"CH","region":"BE","timezone":"Europe/Zurich"}}`, api.Tool{
		Kind: api.WebSearchTool, Name: "web_search",
		Search: &api.WebSearch{MaxUses: 3, AllowedDomains: []string{"a.org"}, City: "Bern", Country: "CH", Region: "BE", Timezone: "Europe/Zurich"},
	})
	later := `{"type":"web_search_20260209","name":"web_search","blocked_domains":["b.org"]}`
	f(later, api.Tool{Kind: api.WebSearchTool, Name: "web_search", Search: &api.WebSearch{BlockedDomains: []string{"b.org"}}, Raw: raw(later), Source: api.Messages})
	for _, server := range []string{
		`{"type":"web_fetch_20250910","name":"web_fetch"}`, `{"type":"code_execution_20250825","name":"code_execution"}`,
		`{"type":"tool_search_tool_regex_20251119","name":"tool_search_tool_regex"}`, `{"type":"bashful_20990101","name":"bash"}`,
	} {
		var named struct{ Name string }
		require.NoError(t, json.Unmarshal([]byte(server), &named))
		f(server, api.Tool{Kind: api.OpaqueTool, Name: named.Name, Raw: raw(server), Source: api.Messages})
	}
	f(`{"type":"mcp_toolset","mcp_server_name":"s"}`, api.Tool{Kind: api.OpaqueTool, Raw: raw(`{"type":"mcp_toolset","mcp_server_name":"s"}`), Source: api.Messages})
}

// The tools that Anthropic defines and the client runs are functions to others,
// with the arguments that Anthropic documents.
func TestDecodeClientTools(t *testing.T) {
	f := func(tool, name string, members ...string) {
		t.Helper()
		got := decode(t, `{"messages":[],"tools":[`+tool+`]}`).Tools[0]
		require.Equal(t, api.FunctionTool, got.Kind)
		require.Equal(t, name, got.Name)
		require.NotEmpty(t, got.Description)
		require.Equal(t, tool, string(got.Raw))
		require.Equal(t, api.Messages, got.Source)
		var schema struct{ Properties map[string]json.RawMessage }
		require.NoError(t, json.Unmarshal(got.Schema, &schema))
		for _, m := range members {
			require.Contains(t, schema.Properties, m)
		}
		require.Len(t, schema.Properties, len(members))
	}
	f(`{"type":"bash_20250124","name":"bash","cache_control":{"type":"ephemeral"}}`, "bash", "command", "restart")
	f(`{"type":"text_editor_20250124","name":"str_replace_editor"}`, "str_replace_editor", "command", "path", "file_text", "old_str", "new_str", "insert_line", "view_range")
	f(`{"type":"text_editor_20250728","name":"str_replace_based_edit_tool","max_characters":10000}`, "str_replace_based_edit_tool",
		"command", "path", "file_text", "old_str", "new_str", "insert_line", "insert_text", "view_range")
	f(`{"type":"memory_20250818","name":"memory"}`, "memory",
		"command", "path", "file_text", "old_str", "new_str", "insert_line", "insert_text", "view_range", "old_path", "new_path")
	f(`{"type":"computer_20250124","name":"computer","display_width_px":1024,"display_height_px":768}`, "computer",
		"action", "coordinate", "start_coordinate", "text", "duration", "scroll_direction", "scroll_amount")

	computer := decode(t, `{"messages":[],"tools":[{"type":"computer_20250124","name":"computer","display_width_px":1024,"display_height_px":768}]}`).Tools[0]
	require.Contains(t, computer.Description, "1024 x 768")
}

func TestDecodeMessages(t *testing.T) {
	f := func(body string, want ...api.Message) {
		t.Helper()
		require.Equal(t, want, decode(t, body).Messages, body)
	}
	text := func(s string) api.Part { return api.Part{Kind: api.Text, Text: s} }
	one := func(role api.Role, parts ...api.Part) api.Message { return api.Message{Role: role, Parts: parts} }

	f(`{"messages":[{"role":"user","content":"Hi"}],"system":"Be brief"}`, one(api.RoleSystem, text("Be brief")), one(api.RoleUser, text("Hi")))
	f(`{"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral"}},{"type":"text","text":"b"}],"messages":[]}`,
		one(api.RoleSystem, api.Part{Kind: api.Text, Text: "a", Cache: json.RawMessage(`{"type":"ephemeral"}`)}, text("b")))
	// Claude Code's messages in mid-conversation keep their place.
	f(`{"messages":[{"role":"user","content":"Hi"},{"role":"system","content":"Now be brief"},{"role":"assistant","content":"Yes"}]}`,
		one(api.RoleUser, text("Hi")), one(api.RoleSystem, text("Now be brief")), one(api.RoleAssistant, text("Yes")))
	// Results are a message of their own, before what else the turn holds.
	f(`{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"look","input":{"n":12345678901234567890}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":[{"type":"text","text":"no"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}]},{"type":"text","text":"So?"}]}]}`,
		one(api.RoleAssistant, api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "t1", Name: "look", Arguments: `{"n":12345678901234567890}`}}),
		one(api.RoleTool, api.Part{Kind: api.ToolResult, Result: &api.Result{ID: "t1", Name: "look", IsError: true, Parts: []api.Part{
			text("no"), {Kind: api.Image, Media: &api.Media{MIME: "image/png", Data: "AA=="}},
		}}}),
		one(api.RoleUser, text("So?")))
	f(`{"messages":[{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","content":"ok"}]}]}`,
		one(api.RoleTool, api.Part{Kind: api.ToolResult, Result: &api.Result{ID: "t1", Parts: []api.Part{text("ok")}}}))
}

func TestDecodeBlocks(t *testing.T) {
	f := func(block string, want ...api.Part) {
		t.Helper()
		got := decode(t, `{"messages":[{"role":"assistant","content":[`+block+`]}]}`).Messages[0].Parts
		require.Equal(t, want, got, block)
	}
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	f(`{"type":"image","source":{"type":"url","url":"https://a.org/b.png"}}`, api.Part{Kind: api.Image, Media: &api.Media{URL: "https://a.org/b.png"}})
	f(`{"type":"image","source":{"type":"url","url":"data:image/gif;base64,R0lGOD"}}`, api.Part{Kind: api.Image, Media: &api.Media{MIME: "image/gif", Data: "R0lGOD"}})
	f(`{"type":"image","source":{"type":"file","file_id":"file_1"}}`, api.Part{Kind: api.Image, Media: &api.Media{FileID: "file_1"}})
	f(`{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},"title":"T"}`,
		api.Part{Kind: api.File, Media: &api.Media{MIME: "application/pdf", Data: "JVBERi0=", Name: "T"}})
	cited := `{"type":"document","source":{"type":"text","media_type":"text/plain","data":"abc"},"context":"c","citations":{"enabled":true}}`
	f(cited, api.Part{Kind: api.File, Media: &api.Media{MIME: "text/plain", Text: "abc"}, Raw: raw(cited), Source: api.Messages})
	mixed := `{"type":"document","source":{"type":"content","content":[{"type":"text","text":"a"},{"type":"image","source":{"type":"url","url":"https://a.org/b.png"}},{"type":"text","text":"b"}]}}`
	f(mixed, api.Part{Kind: api.File, Media: &api.Media{MIME: "text/plain", Text: "a\nb"}, Raw: raw(mixed), Source: api.Messages},
		api.Part{Kind: api.Image, Media: &api.Media{URL: "https://a.org/b.png"}, Raw: raw("null"), Source: api.Messages})
	found := `{"type":"search_result","source":"https://a.org","title":"T","content":[{"type":"text","text":"x"}]}`
	f(found, api.Part{Kind: api.File, Media: &api.Media{MIME: "text/plain", Name: "T", Text: "https://a.org\nx"}, Raw: raw(found), Source: api.Messages})

	f(`{"type":"thinking","thinking":"hm","signature":"sig"}`, api.Part{Kind: api.Thinking, Text: "hm", Signature: "sig", Vendor: api.Anthropic})
	f(`{"type":"thinking","thinking":"hm","signature":""}`, api.Part{Kind: api.Thinking, Text: "hm"})
	f(`{"type":"thinking","thinking":"hm","signature":"plexus:openai:enc"}`, api.Part{Kind: api.Thinking, Text: "hm", Signature: "enc", Vendor: api.OpenAI})
	f(`{"type":"redacted_thinking","data":"d"}`, api.Part{Kind: api.Thinking, Signature: "d", Vendor: api.Anthropic, Redacted: true})
	f(`{"type":"redacted_thinking","data":"plexus:openai:enc"}`, api.Part{Kind: api.Thinking, Signature: "enc", Vendor: api.OpenAI})

	// Gemini's signatures of texts and calls.
	f(`{"type":"redacted_thinking","data":"next:plexus:google:s1"},{"type":"tool_use","id":"a","name":"b","input":{}}`,
		api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "a", Name: "b", Arguments: "{}"}, Signature: "s1", Vendor: api.Google})
	f(`{"type":"text","text":"x"},{"type":"redacted_thinking","data":"previous:plexus:google:s2"}`,
		api.Part{Kind: api.Text, Text: "x", Signature: "s2", Vendor: api.Google})

	// What a tool's search found is a text to those who have no such thing, and so
	// is the summary of a conversation that was cut.
	found = `{"type":"tool_reference","tool_name":"look"}`
	f(`{"type":"tool_result","tool_use_id":"t","content":[`+found+`]}`, api.Part{Kind: api.ToolResult, Result: &api.Result{
		ID: "t", Parts: []api.Part{{Kind: api.Text, Text: "look", Raw: raw(found), Source: api.Messages}},
	}})
	summary := `{"type":"compaction","content":"Until now"}`
	f(summary, api.Part{Kind: api.Text, Text: "Until now", Raw: raw(summary), Source: api.Messages})
	f(`{"type":"compaction","content":null}`, api.Part{Kind: api.Opaque, Raw: raw(`{"type":"compaction","content":null}`), Source: api.Messages, Vendor: api.Anthropic})

	cite := `{"type":"web_search_result_location","url":"https://a.org","title":"A","cited_text":"q","encrypted_index":"e"}`
	f(`{"type":"text","text":"x","citations":[`+cite+`]}`, api.Part{Kind: api.Text, Text: "x", Citations: []api.Citation{
		{URL: "https://a.org", Title: "A", CitedText: "q", Raw: raw(cite), Source: api.Messages},
	}})
	for _, block := range []string{
		`{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}}`, `{"type":"container_upload","file_id":"f"}`,
		`{"type":"mcp_tool_result","tool_use_id":"m","is_error":false,"content":[]}`, `{"type":"of_tomorrow","text":7}`,
	} {
		f(block, api.Part{Kind: api.Opaque, Raw: raw(block), Source: api.Messages, Vendor: api.Anthropic})
	}
}

func TestDecodeRefuses(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		_, err := messages.Codec{}.DecodeRequest([]byte(body))
		require.ErrorContains(t, err, want, body)
	}
	f(`[]`, "expected an object")
	f(`{"messages":[}`, "invalid JSON")
	f(`{}`, "messages: expected a list")
	f(`{"messages":{}}`, "messages: expected a list")
	f(`{"model":1,"messages":[]}`, "model: expected a string")
	f(`{"max_tokens":"x","messages":[]}`, "max_tokens: expected an integer")
	f(`{"max_tokens":-1,"messages":[]}`, "max_tokens: expected a positive number")
	f(`{"temperature":"x","messages":[]}`, "temperature: expected a number")
	f(`{"stream":1,"messages":[]}`, "stream: expected true or false")
	f(`{"stop_sequences":["a",1],"messages":[]}`, "stop_sequences[1]: expected a string")
	f(`{"messages":[{"role":"user","content":"a"},{"role":"bot","content":"a"}]}`, `messages[1].role: expected "user" or "assistant"`)
	f(`{"messages":[{"role":"user"}]}`, "messages[0].content: expected a string or a list of blocks")
	f(`{"messages":[{"role":"user","content":[{"type":"text","text":1}]}]}`, "messages[0].content[0].text: expected a string")
	f(`{"messages":[{"role":"user","content":[{"text":"x"}]}]}`, "messages[0].content[0].type: expected a string")
	f(`{"messages":[{"role":"user","content":["x"]}]}`, "messages[0].content[0]: expected an object")
	f(`{"messages":[{"role":"user","content":[{"type":"image"}]}]}`, "messages[0].content[0].source: expected an object")
	f(`{"messages":[{"role":"user","content":[{"type":"image","source":{"type":"ftp"}}]}]}`, "messages[0].content[0].source.type: expected")
	f(`{"messages":[{"role":"user","content":[{"type":"tool_result","content":"x"}]}]}`, "messages[0].content[0].tool_use_id: expected a string")
	f(`{"messages":[],"tools":[{"description":"x"}]}`, "tools[0].name: expected a string")
	f(`{"messages":[],"tools":[{"name":"x","input_schema":[]}]}`, "tools[0].input_schema: expected an object")
	f(`{"messages":[],"tool_choice":{"type":"must"}}`, "tool_choice.type: expected")
	f(`{"messages":[],"tool_choice":{"type":"tool"}}`, "tool_choice.name: expected a string")
	f(`{"messages":[],"thinking":{"type":"much"}}`, "thinking.type: expected")
	f(`{"messages":[],"output_config":{"format":{"type":"yaml"}}}`, "output_config.format.type: expected")
}

// What is nowhere is refused by every target, and a broken escape by all of them.
func TestDecodeSourcesOfNothing(t *testing.T) {
	f := func(block, want string) {
		t.Helper()
		_, err := messages.Codec{}.DecodeRequest([]byte(`{"messages":[{"role":"user","content":[` + block + `]}]}`))
		require.ErrorContains(t, err, want)
	}
	f(`{"type":"image","source":{"type":"base64","media_type":"image/png"}}`, "messages[0].content[0].source.data: expected what the source is")
	f(`{"type":"image","source":{"type":"url"}}`, "source.url: expected what the source is")
	f(`{"type":"document","source":{"type":"file"}}`, "source.file_id: expected what the source is")
	f(`{"type":"document","source":{"type":"text","data":""}}`, "source.data: expected what the source is")
	f(`{"type":"text","text":"x","cache_control":{"type":"\x"}}`, "invalid JSON")
}
