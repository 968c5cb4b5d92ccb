package messages_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/messages"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func say(s string) api.Part { return api.Part{Kind: api.Text, Text: s} }

func turn(role api.Role, parts ...api.Part) api.Message { return api.Message{Role: role, Parts: parts} }

func call(id, name, arguments string) api.Part {
	return api.Part{Kind: api.ToolCall, Call: &api.Call{ID: id, Name: name, Arguments: arguments}}
}

func result(id string, parts ...api.Part) api.Part {
	return api.Part{Kind: api.ToolResult, Result: &api.Result{ID: id, Parts: parts}}
}

func sum(s string) string {
	hash := sha256.Sum256([]byte(s))
	return hex.EncodeToString(hash[:])
}

var asked = []api.Message{turn(api.RoleUser, say("Hi"))}

// encode gives the members of a request of chat's that is encoded.
func encode(t *testing.T, req api.Request) (got map[string]json.RawMessage, dropped []string) {
	t.Helper()
	if req.Source == "" {
		req.Source = api.Chat
	}
	if req.Messages == nil {
		req.Messages = asked
	}
	before, err := json.Marshal(req)
	require.NoError(t, err)
	body, dropped, err := messages.Codec{}.EncodeRequest(&req)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(body, &got), "%s", body)
	after, err := json.Marshal(req)
	require.NoError(t, err)
	require.JSONEq(t, string(before), string(after), "other attempts need the request as it was")
	return got, dropped
}

func TestEncodeSettings(t *testing.T) {
	f := func(model string, req api.Request, want string, dropped ...string) {
		t.Helper()
		req.Model = model
		got, lost := encode(t, req)
		require.Equal(t, dropped, lost)
		delete(got, "model")
		delete(got, "messages")
		out, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, want, string(out))
	}
	const old, now = "claude-sonnet-4-20250514", "claude-opus-4-8"
	f("m", api.Request{}, `{"max_tokens":8192}`)
	f(old, api.Request{}, `{"max_tokens":32000}`)
	f("claude-3-haiku-20240307", api.Request{}, `{"max_tokens":4096}`)
	f("claude-3-5-haiku-20241022", api.Request{MaxTokens: 16000}, `{"max_tokens":8192}`, "max_tokens")
	f("m", api.Request{MaxTokens: 7, Stop: []string{"a", " \n"}, Stream: true, User: "u"},
		`{"max_tokens":7,"stop_sequences":["a"],"stream":true,"metadata":{"user_id":"u"}}`, "stop")
	f("m", api.Request{MaxTokens: 7, ServiceTier: "default"}, `{"max_tokens":7,"service_tier":"standard_only"}`)
	f("m", api.Request{
		MaxTokens: 7, ServiceTier: "flex", Seed: "1", FrequencyPenalty: "1", PresencePenalty: "1", LogitBias: raw(`{"1":2}`),
		Verbosity: "low", Metadata: raw(`{"a":"b"}`), Extra: map[string]json.RawMessage{"store": raw("true"), "prediction": raw("{}")},
		Messages: []api.Message{{Role: api.RoleUser, Name: "Ann", Parts: []api.Part{say("Hi")}}},
	}, `{"max_tokens":7}`, "frequency_penalty", "logit_bias", "metadata", "name", "prediction", "presence_penalty", "seed", "service_tier", "store", "verbosity")

	// Who asks: Anthropic refuses addresses, telephone numbers and what is long.
	const hashed = `{"max_tokens":7,"metadata":{"user_id":"b4c9a289323b21a01c3e940f150eb9b8c542587f1abfd8f0e1cc1ffc5e475514"}}`
	f("m", api.Request{MaxTokens: 7, User: "user@example.com"}, hashed)
	f("m", api.Request{MaxTokens: 7, User: "+41 44 668 18 00"}, `{"max_tokens":7,"metadata":{"user_id":"`+sum("+41 44 668 18 00")+`"}}`)
	f("m", api.Request{MaxTokens: 7, User: strings.Repeat("x", 257)}, `{"max_tokens":7,"metadata":{"user_id":"`+sum(strings.Repeat("x", 257))+`"}}`)
	f("m", api.Request{MaxTokens: 7, User: strings.Repeat("x", 256)}, `{"max_tokens":7,"metadata":{"user_id":"`+strings.Repeat("x", 256)+`"}}`)
	f("m", api.Request{MaxTokens: 7, User: "4711@home"}, `{"max_tokens":7,"metadata":{"user_id":"4711@home"}}`)

	// Sampling.
	f(old, api.Request{MaxTokens: 7, Temperature: "1e-7", TopK: "5"}, `{"max_tokens":7,"temperature":1e-7,"top_k":5}`)
	f(old, api.Request{MaxTokens: 7, Temperature: "1.7"}, `{"max_tokens":7,"temperature":1}`, "temperature")
	f("m", api.Request{MaxTokens: 7, Temperature: "0.5", TopP: "0.5"}, `{"max_tokens":7,"temperature":0.5,"top_p":0.5}`)
	f("claude-sonnet-4-5", api.Request{MaxTokens: 7, Temperature: "0.5", TopP: "0.5"}, `{"max_tokens":7,"temperature":0.5}`, "top_p")
	f(now, api.Request{MaxTokens: 7, Temperature: "0.5", TopP: "0.5", TopK: "5"}, `{"max_tokens":7}`, "temperature", "top_k", "top_p")

	// Reasoning.
	f(old, api.Request{MaxTokens: 20000, Reasoning: &api.Reasoning{Effort: "medium"}}, `{"max_tokens":20000,"thinking":{"type":"enabled","budget_tokens":8192}}`)
	f(old, api.Request{Reasoning: &api.Reasoning{Budget: 40000}}, `{"max_tokens":48192,"thinking":{"type":"enabled","budget_tokens":40000}}`)
	f(old, api.Request{MaxTokens: 9000, Reasoning: &api.Reasoning{Budget: 10}}, `{"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":1024}}`)
	f(old, api.Request{MaxTokens: 4000, Reasoning: &api.Reasoning{Budget: 5000}}, `{"max_tokens":4000,"thinking":{"type":"enabled","budget_tokens":2000}}`, "reasoning.budget")
	f(old, api.Request{MaxTokens: 1000, Reasoning: &api.Reasoning{Effort: "low"}}, `{"max_tokens":1000}`, "reasoning")
	f("m", api.Request{Reasoning: &api.Reasoning{Effort: "high"}}, `{"max_tokens":32768,"thinking":{"type":"enabled","budget_tokens":24576}}`)
	f("m", api.Request{MaxTokens: 7, Reasoning: &api.Reasoning{Effort: "none"}}, `{"max_tokens":7,"thinking":{"type":"disabled"}}`)
	f(now, api.Request{MaxTokens: 7, Reasoning: &api.Reasoning{Effort: "none"}}, `{"max_tokens":7}`)
	f(now, api.Request{MaxTokens: 7, Reasoning: &api.Reasoning{Effort: "minimal", Visible: true}}, `{"max_tokens":7,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"low"}}`)
	f(now, api.Request{MaxTokens: 7, Reasoning: &api.Reasoning{Budget: 30000}}, `{"max_tokens":7,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"}}`)
	f("claude-opus-4-6", api.Request{MaxTokens: 7, Reasoning: &api.Reasoning{Effort: "xhigh"}}, `{"max_tokens":7,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"high"}}`)
	f("claude-3-5-haiku-latest", api.Request{MaxTokens: 7, Reasoning: &api.Reasoning{Effort: "high"}}, `{"max_tokens":7}`, "reasoning")
	f(old, api.Request{MaxTokens: 9000, Reasoning: &api.Reasoning{Effort: "low"}, Temperature: "0.5", TopP: "0.5", TopK: "5"},
		`{"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":1024}}`, "temperature", "top_k", "top_p")
	f(old, api.Request{MaxTokens: 9000, Reasoning: &api.Reasoning{Effort: "low"}, Temperature: "1.0"},
		`{"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":1024},"temperature":1.0}`)
	f(old, api.Request{MaxTokens: 9000, Reasoning: &api.Reasoning{Effort: "low"}, TopP: "0.97"},
		`{"max_tokens":9000,"thinking":{"type":"enabled","budget_tokens":1024},"top_p":0.97}`)

	// Structured output.
	schema := raw(`{"type":"object","properties":{"n":{"type":"integer","minimum":1,"description":"a number"},"l":{"type":"array","items":{"type":"object","properties":{}},"maxItems":3}},"required":["n"]}`)
	f("claude-sonnet-4-5", api.Request{MaxTokens: 7, Format: &api.Format{Name: "x", Schema: schema, Strict: new(true)}}, `{"max_tokens":7,"output_config":{"format":{"type":"json_schema","schema":{
		"type":"object","properties":{"n":{"type":"integer","description":"a number {minimum: 1}"},"l":{"type":"array","items":{"type":"object","properties":{},"additionalProperties":false},"description":"{maxItems: 3}"}},
		"required":["n"],"additionalProperties":false}}}}`)
	f(old, api.Request{MaxTokens: 7, Format: &api.Format{Schema: raw(`{"type":"object","properties":{}}`), Description: "D"}, Reasoning: &api.Reasoning{Effort: "low"}},
		`{"max_tokens":7,"tools":[{"name":"plexus_json_output","description":"D","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"tool","name":"plexus_json_output"}}`, "reasoning")
	f("m", api.Request{MaxTokens: 7, Format: &api.Format{}, Tools: []api.Tool{{Kind: api.FunctionTool, Name: "a"}}},
		`{"max_tokens":7,"tools":[{"name":"a","input_schema":{"type":"object","properties":{}}},{"name":"plexus_json_output","description":"The answer, as a JSON object.","input_schema":{"type":"object","additionalProperties":true}}],"tool_choice":{"type":"any"}}`)
}

func TestEncodeTools(t *testing.T) {
	f := func(req api.Request, tools, choice string, dropped ...string) {
		t.Helper()
		req.Model, req.MaxTokens = "claude-sonnet-4-5", 9999
		got, lost := encode(t, req)
		require.Equal(t, dropped, lost)
		if tools == "" {
			require.Nil(t, got["tools"])
		} else {
			require.JSONEq(t, tools, string(got["tools"]))
		}
		if choice == "" {
			require.Nil(t, got["tool_choice"])
		} else {
			require.JSONEq(t, choice, string(got["tool_choice"]))
		}
	}
	a := api.Tool{Kind: api.FunctionTool, Name: "a", Schema: raw(`{"type":"object"}`)}
	const sentA = `[{"name":"a","input_schema":{"type":"object"}}]`
	choose := func(mode api.ToolMode, name string, parallel *bool) api.Request {
		return api.Request{Tools: []api.Tool{a}, ToolChoice: api.ToolChoice{Mode: mode, Name: name}, ParallelToolCalls: parallel}
	}
	f(choose("", "", nil), sentA, "")
	f(choose("", "", new(true)), sentA, "")
	f(choose("", "", new(false)), sentA, `{"type":"auto","disable_parallel_tool_use":true}`)
	f(choose(api.ToolAuto, "", nil), sentA, `{"type":"auto"}`)
	f(choose(api.ToolNone, "", new(false)), sentA, `{"type":"none"}`)
	f(choose(api.ToolRequired, "", new(false)), sentA, `{"type":"any","disable_parallel_tool_use":true}`)
	f(choose(api.ToolNamed, "a", nil), sentA, `{"type":"tool","name":"a"}`)
	f(api.Request{ToolChoice: api.ToolChoice{Mode: api.ToolAuto}}, "", "")
	// Anthropic has refused calls in a conversation without tools.
	called := []api.Message{asked[0], turn(api.RoleAssistant, call("1", "a", ""), call("2", "b", ""), call("3", "a", "")), turn(api.RoleTool, result("1"), result("2"), result("3"))}
	f(api.Request{Messages: called}, `[{"name":"a","input_schema":{"type":"object","properties":{}}},{"name":"b","input_schema":{"type":"object","properties":{}}}]`, `{"type":"none"}`)
	f(api.Request{Messages: called, Tools: []api.Tool{a}}, sentA, "")
	f(api.Request{Tools: []api.Tool{a, {Kind: api.FunctionTool, Name: "b"}}, ToolChoice: api.ToolChoice{Mode: api.ToolAuto, Allowed: []string{"a"}}}, sentA, `{"type":"auto"}`)
	forced := choose(api.ToolRequired, "", nil)
	forced.Reasoning = &api.Reasoning{Effort: "low"}
	f(forced, sentA, `{"type":"any"}`, "reasoning")

	tool := func(tool api.Tool, want string, dropped ...string) {
		t.Helper()
		f(api.Request{Tools: []api.Tool{tool}}, want, "", dropped...)
	}
	tool(api.Tool{Kind: api.FunctionTool, Name: "a", Description: "d", Strict: new(true), Schema: raw(`{"type":"object","properties":{"n":{"type":"number","maximum":1e-7}}}`), Cache: raw(`{"type":"ephemeral"}`)},
		`[{"name":"a","description":"d","input_schema":{"type":"object","properties":{"n":{"type":"number","description":"{maximum: 1e-7}"}},"additionalProperties":false},"strict":true,"cache_control":{"type":"ephemeral"}}]`)
	tool(api.Tool{Kind: api.FunctionTool, Name: "a", Strict: new(false), Schema: raw(`{"properties":{"n":{"type":"number","maximum":12345678901234567890}}}`)},
		`[{"name":"a","input_schema":{"type":"object","properties":{"n":{"type":"number","maximum":12345678901234567890}}}}]`)
	tool(api.Tool{Kind: api.FunctionTool, Name: "a", Schema: raw(`{"anyOf":[{"type":"object","properties":{"x":{"type":"string"}},"required":["x","y"]},{"$ref":"#/$defs/B"}],"$defs":{"B":{"properties":{"y":{"type":"null"}},"required":["y"]}}}`)},
		`[{"name":"a","input_schema":{"type":"object","properties":{"x":{"type":"string"},"y":{"type":"null"}},"required":["y"],"$defs":{"B":{"properties":{"y":{"type":"null"}},"required":["y"]}}}}]`)
	tool(api.Tool{Kind: api.CustomTool, Name: "patch", Description: "d", Grammar: raw(`{"type":"grammar","syntax":"lark","definition":"start: \"x\""}`)},
		`[{"name":"patch","description":"d\n\nThe input has to follow this lark grammar:\nstart: \"x\"","input_schema":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}}]`)
	tool(api.Tool{Kind: api.WebSearchTool, Search: &api.WebSearch{AllowedDomains: []string{"a.org"}, BlockedDomains: []string{"b.org"}, MaxUses: 2, ContextSize: "low", Country: "CH"}},
		`[{"type":"web_search_20250305","name":"web_search","max_uses":2,"allowed_domains":["a.org"],"user_location":{"type":"approximate","country":"CH"}}]`,
		"tools[0].blocked_domains", "tools[0].search_context_size")
	tool(api.Tool{Kind: api.OpaqueTool, Raw: raw(`{"type":"file_search"}`), Source: api.Responses}, "", "tools[0]")
}

func TestEncodeMessages(t *testing.T) {
	f := func(want, system string, list ...api.Message) {
		t.Helper()
		got, _ := encode(t, api.Request{Model: "m", Messages: list})
		require.JSONEq(t, want, string(got["messages"]))
		require.Equal(t, system, string(got["system"]))
	}
	const sys, dev, user, assistant, tool = api.RoleSystem, api.RoleDeveloper, api.RoleUser, api.RoleAssistant, api.RoleTool
	hi := turn(user, say("Hi"))

	f(`[{"role":"user","content":"Hi"}]`, "", hi)
	f(`[{"role":"user","content":"Hi"}]`, `"a"`, turn(sys, say("a")), hi)
	f(`[{"role":"user","content":"Hi"}]`, `[{"type":"text","text":"a"},{"type":"text","text":"b"}]`, turn(sys, say("a")), turn(dev, say("b")), hi)
	f(`[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"text","text":"c"}]},{"role":"assistant","content":"Yes"}]`, `"a"`,
		turn(sys, say("a")), hi, turn(dev, say("c")), turn(assistant, say("Yes")))
	// Turns of the same role, and nothing but space.
	f(`[{"role":"user","content":[{"type":"text","text":"Hi"},{"type":"text","text":"there"}]}]`, "",
		hi, turn(assistant, say("")), turn(user, say(" \n"), say("there")))
	f(`[{"role":"user","content":"Hi"},{"role":"assistant","content":"The answer is"}]`, "", hi, turn(assistant, say("The answer is \n")))
	f(`[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`, "", hi, turn(assistant, say("a"), say("b ")))
	// Conversations without the user.
	f(`[{"role":"user","content":"Say hello"}]`, "", turn(sys, say("Say hello")))
	f(`[{"role":"user","content":"."},{"role":"assistant","content":"Hello"},{"role":"user","content":"Hi"}]`, "", turn(assistant, say("Hello")), hi)
	f(`[{"role":"user","content":"."}]`, "", turn(user))

	// Calls and results.
	f(`[{"role":"user","content":"Hi"},
		{"role":"assistant","content":[{"type":"text","text":"Let me see"},{"type":"tool_use","id":"a","name":"f","input":{"x":12345678901234567890}},{"type":"tool_use","id":"b","name":"g","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"},{"type":"tool_result","tool_use_id":"b","is_error":true,"content":[{"type":"text","text":"2"},{"type":"image","source":{"type":"url","url":"https://a.org/b.png"}}]},{"type":"text","text":"So?"}]}]`, "",
		hi, turn(assistant, say("Let me see"), call("a", "f", `{"x":12345678901234567890}`), call("b", "g", "")),
		turn(tool, result("a", say("1"))), turn(user, say("So?")),
		turn(tool, api.Part{Kind: api.ToolResult, Result: &api.Result{ID: "b", IsError: true, Parts: []api.Part{say("2"), {Kind: api.Image, Media: &api.Media{URL: "https://a.org/b.png"}}}}}))
	// A result that comes late, one that is missing and one of nothing.
	f(`[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}},{"type":"tool_use","id":"b","name":"f","input":{}},{"type":"tool_use","id":"c","name":"f","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":"1"},{"type":"tool_result","tool_use_id":"b","content":"2"},{"type":"tool_result","tool_use_id":"c"}]},
		{"role":"assistant","content":"Hm"},{"role":"user","content":[{"type":"text","text":"3"},{"type":"text","text":"Hi"}]}]`, "",
		hi, turn(assistant, call("a", "f", ""), call("b", "f", ""), call("c", "f", "")), turn(tool, result("a", say("1"))),
		turn(assistant, say("Hm")), turn(tool, result("b", say("2")), result("x", say("3"))), hi)
	// Ids: too long, of other letters, given twice.
	long := strings.Repeat("x", 70)
	f(`[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"`+api.CallID(long)+`","name":"f","input":{}},{"type":"tool_use","id":"`+api.CallID("a|b")+`","name":"f","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"`+api.CallID(long)+`","content":"1"},{"type":"tool_result","tool_use_id":"`+api.CallID("a|b")+`","content":"2"}]}]`, "",
		hi, turn(assistant, call(long, "f", ""), call("a|b", "f", "")), turn(tool, result(long, say("1")), result("a|b", say("2"))))
	f(`[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"c0","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c0","content":"1"}]},
		{"role":"assistant","content":[{"type":"tool_use","id":"c0_2","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c0_2","content":"2"}]}]`, "",
		hi, turn(assistant, call("c0", "f", "")), turn(tool, result("c0", say("1"))), turn(assistant, call("c0", "f", "")), turn(tool, result("c0", say("2"))))
	// Arguments that are no object.
	f(`[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{"_raw":"{\"x\":"}},{"type":"tool_use","id":"b","name":"f","input":{"_raw":"[1]"}},{"type":"tool_use","id":"c","name":"f","input":{"input":"*** Begin\n"}}]}]`, "",
		hi, turn(assistant, call("a", "f", `{"x":`), call("b", "f", `[1]`), api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: "f", Arguments: "*** Begin\n", Custom: true}}))

	// Reasoning goes back to its maker only.
	f(`[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"d"},{"type":"text","text":"Yes"}]},{"role":"user","content":"Hi"}]`, "",
		hi, turn(assistant,
			api.Part{Kind: api.Thinking, Text: "hm", Signature: "s", Vendor: api.Anthropic},
			api.Part{Kind: api.Thinking, Signature: "d", Redacted: true, Vendor: api.Anthropic},
			api.Part{Kind: api.Thinking, Text: "hm", Signature: "enc", Vendor: api.OpenAI},
			api.Part{Kind: api.Thinking, Text: "hm"},
			api.Part{Kind: api.Opaque, Raw: raw(`{"type":"reasoning"}`), Source: api.Responses, Vendor: api.OpenAI},
			api.Part{Kind: api.Text, Text: "Yes", Signature: "g", Vendor: api.Google}), hi)
	f(`[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"server_tool_use"},{"type":"text","text":"I cannot"}]}]`, "",
		hi, turn(assistant, api.Part{Kind: api.Opaque, Raw: raw(`{"type":"server_tool_use"}`), Source: api.Messages, Vendor: api.Anthropic}, api.Part{Kind: api.Refusal, Text: "I cannot"}))
	// Nothing to answer: models that still take a beginning go on with it.
	f(`[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]}]`, "", hi, turn(assistant, call("a", "f", "")))
	// The assistant's pictures.
	f(`[{"role":"user","content":"Hi"},{"role":"assistant","content":"Here"},{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}},{"type":"text","text":"Hi"}]}]`, "",
		hi, turn(assistant, say("Here"), api.Part{Kind: api.Image, Media: &api.Media{Data: "iVBORw0KGgo="}}), hi)
}

// Claude 4.6 and later refuse to go on with a turn of the assistant's.
func TestPrefill(t *testing.T) {
	f := func(model, want string, parts ...api.Part) {
		t.Helper()
		got, _ := encode(t, api.Request{Model: model, Messages: []api.Message{asked[0], turn(api.RoleAssistant, parts...)}})
		require.JSONEq(t, want, string(got["messages"]))
	}
	begun := `{"role":"user","content":"Hi"},{"role":"assistant","content":"The"}`
	f("m", `[`+begun+`]`, say("The "))
	f("claude-sonnet-4-5", `[`+begun+`]`, say("The "))
	f("claude-opus-4-6", `[`+begun+`,{"role":"user","content":"."}]`, say("The "))
	f("claude-fable-5", `[`+begun+`,{"role":"user","content":"."}]`, say("The "))
	f("claude-opus-4-6", `[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]}]`, call("a", "f", ""))
	f("claude-opus-4-6", `[{"role":"user","content":"Hi"}]`, say(" "))

	// With thinking, a turn that the model is to go on with has to begin with it.
	got, dropped := encode(t, api.Request{Model: "claude-sonnet-4-5", Reasoning: &api.Reasoning{Effort: "low"}, Messages: []api.Message{asked[0], turn(api.RoleAssistant, say("The"))}})
	require.Nil(t, got["thinking"])
	require.Equal(t, []string{"reasoning"}, dropped)
}

// What is left out of a conversation is listed.
func TestDroppedFromMessages(t *testing.T) {
	f := func(part api.Part, want ...string) {
		t.Helper()
		_, dropped := encode(t, api.Request{Model: "m", Messages: []api.Message{asked[0], turn(api.RoleAssistant, part, say("x")), asked[0]}})
		require.Equal(t, want, dropped)
	}
	f(api.Part{Kind: api.Thinking, Text: "hm", Signature: "e", Vendor: api.OpenAI}, "messages.thinking")
	f(api.Part{Kind: api.Thinking, Text: "hm"}, "messages.thinking")
	f(api.Part{Kind: api.Opaque, Raw: raw(`{"type":"computer_call"}`), Source: api.Responses}, "messages.computer_call")
	f(api.Part{Kind: api.Image, Media: &api.Media{URL: "https://a.org/b", Detail: "low"}}, "detail")
	f(api.Part{Kind: api.Image, Media: &api.Media{URL: "https://a.org/b", Detail: "auto"}})
	f(api.Part{Kind: api.Thinking, Text: "hm", Signature: "s", Vendor: api.Anthropic})
}

// A model with a budget refuses to think after calls without thinking.
func TestThinkingAfterUnthinkingCalls(t *testing.T) {
	list := []api.Message{asked[0], turn(api.RoleAssistant, call("a", "f", "")), turn(api.RoleTool, result("a", say("1")))}
	req := api.Request{Model: "claude-sonnet-4-5", Messages: list, Reasoning: &api.Reasoning{Effort: "low"}}
	got, dropped := encode(t, req)
	require.Nil(t, got["thinking"])
	require.Equal(t, []string{"reasoning"}, dropped)

	req.Messages = []api.Message{list[0], turn(api.RoleAssistant, api.Part{Kind: api.Thinking, Text: "hm", Signature: "s", Vendor: api.Anthropic}, call("a", "f", "")), list[2]}
	got, dropped = encode(t, req)
	require.NotNil(t, got["thinking"])
	require.Empty(t, dropped)

	req.Messages, req.Model = list, "claude-opus-5"
	got, _ = encode(t, req)
	require.JSONEq(t, `{"type":"adaptive","display":"summarized"}`, string(got["thinking"]))
}

func TestEncodeMedia(t *testing.T) {
	f := func(kind api.Kind, media api.Media, want string) {
		t.Helper()
		got, _ := encode(t, api.Request{Model: "m", Messages: []api.Message{turn(api.RoleUser, api.Part{Kind: kind, Media: &media})}})
		require.JSONEq(t, `[{"role":"user","content":[`+want+`]}]`, string(got["messages"]))
	}
	f(api.Image, api.Media{MIME: "image/webp", Data: "UklGR"}, `{"type":"image","source":{"type":"base64","media_type":"image/webp","data":"UklGR"}}`)
	f(api.Image, api.Media{MIME: "image/jpg", Data: "/9j/"}, `{"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"/9j/"}}`)
	f(api.Image, api.Media{Data: "R0lGODlh"}, `{"type":"image","source":{"type":"base64","media_type":"image/gif","data":"R0lGODlh"}}`)
	f(api.Image, api.Media{URL: "https://a.org/b", Detail: "low"}, `{"type":"image","source":{"type":"url","url":"https://a.org/b"}}`)
	f(api.File, api.Media{MIME: "image/png", Data: "AA=="}, `{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}}`)
	f(api.File, api.Media{Data: "JVBERi0=", Name: "a.pdf"}, `{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},"title":"a.pdf"}`)
	f(api.File, api.Media{MIME: "application/json; charset=utf-8", Data: "e30="}, `{"type":"document","source":{"type":"text","media_type":"text/plain","data":"{}"}}`)
	f(api.File, api.Media{Text: "abc", Name: "n"}, `{"type":"document","source":{"type":"text","media_type":"text/plain","data":"abc"},"title":"n"}`)
	f(api.File, api.Media{URL: "https://a.org/b.pdf"}, `{"type":"document","source":{"type":"url","url":"https://a.org/b.pdf"}}`)
}

func TestEncodeUnsupported(t *testing.T) {
	source := api.Chat
	f := func(req api.Request, field string) {
		t.Helper()
		req.Source = source
		_, _, err := messages.Codec{}.EncodeRequest(&req)
		var unsupported *api.Unsupported
		require.ErrorAs(t, err, &unsupported)
		require.Equal(t, field, unsupported.Field)
	}
	part := func(kind api.Kind, media api.Media) api.Request {
		return api.Request{Messages: []api.Message{turn(api.RoleUser, api.Part{Kind: kind, Media: &media})}}
	}
	f(api.Request{N: 2}, "n")
	f(api.Request{Logprobs: true}, "logprobs")
	f(api.Request{Extra: map[string]json.RawMessage{"modalities": raw(`["text","audio"]`)}}, "modalities")
	// Gemini's clients ask for it inside of an object.
	f(api.Request{Extra: map[string]json.RawMessage{"generationConfig": raw(`{"speechConfig":{},"responseModalities":["AUDIO"]}`)}}, "generationConfig.responseModalities")
	f(api.Request{Extra: map[string]json.RawMessage{"generationConfig": raw(`{"responseModalities":["IMAGE"]}`)}}, "generationConfig.responseModalities")
	f(api.Request{Extra: map[string]json.RawMessage{"previous_response_id": raw(`"r"`)}}, "previous_response_id")
	f(api.Request{Extra: map[string]json.RawMessage{"background": raw(`true`)}}, "background")
	f(api.Request{ToolChoice: api.ToolChoice{Mode: api.ToolNamed, Name: "gone"}}, "tool_choice")
	f(api.Request{ToolChoice: api.ToolChoice{Mode: api.ToolRequired}, Tools: []api.Tool{{Kind: api.OpaqueTool, Raw: raw(`{"type":"file_search"}`), Source: api.Responses}}}, "tool_choice")
	f(part(api.Sound, api.Media{MIME: "audio/wav", Data: "AA=="}), "input_audio")
	f(part(api.Image, api.Media{MIME: "image/bmp", Data: "AA=="}), "image_url")
	f(part(api.Image, api.Media{URL: "gs://b/c.png"}), "file")
	f(part(api.File, api.Media{MIME: "video/mp4", Data: "AA=="}), "file")
	f(part(api.File, api.Media{MIME: "video/mp4", URL: "https://a.org/b"}), "file")
	f(part(api.File, api.Media{FileID: "file-1"}), "file_id")

	source = api.Responses
	f(part(api.File, api.Media{MIME: "video/mp4", URL: "https://a.org/b"}), "file_url")
	f(part(api.File, api.Media{MIME: "video/mp4", Data: "AA=="}), "file_data")
	source = api.Gemini
	f(api.Request{N: 2}, "generationConfig.candidateCount")
	f(api.Request{Logprobs: true}, "generationConfig.responseLogprobs")
	f(api.Request{ToolChoice: api.ToolChoice{Mode: api.ToolNamed, Name: "gone"}}, "toolConfig.functionCallingConfig")
	f(part(api.Sound, api.Media{MIME: "audio/wav", Data: "AA=="}), "inlineData")
	f(part(api.Image, api.Media{MIME: "image/bmp", Data: "AA=="}), "inlineData")
	f(part(api.Image, api.Media{URL: "gs://b/c.png"}), "fileData.fileUri")
	f(part(api.File, api.Media{FileID: "files/1"}), "fileData.fileUri")
}

// What an answer in text satisfies is no reason to refuse.
func TestEncodeModalities(t *testing.T) {
	for _, modalities := range []string{`["TEXT"]`, `["TEXT","IMAGE"]`, `null`} {
		_, dropped := encode(t, api.Request{Model: "m", Extra: map[string]json.RawMessage{"generationConfig": raw(`{"responseModalities":` + modalities + `}`)}})
		require.Equal(t, []string{"generationConfig"}, dropped)
	}
}

func TestEncodeCacheMarkers(t *testing.T) {
	part := api.Part{Kind: api.Text, Text: "Hi", Cache: raw(`{"type":"ephemeral"}`)}
	got, _ := encode(t, api.Request{Model: "m", Messages: []api.Message{turn(api.RoleSystem, part), turn(api.RoleUser, part)}})
	require.JSONEq(t, `[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}]`, string(got["system"]))
	require.JSONEq(t, `[{"role":"user","content":[{"type":"text","text":"Hi","cache_control":{"type":"ephemeral"}}]}]`, string(got["messages"]))
}

// Anthropic refuses to be strict about a schema that refers to itself, and closes
// every object, so that one of any members would always be empty.
func TestSchemasThatBindNobody(t *testing.T) {
	f := func(schema string, strict bool) {
		t.Helper()
		out, dropped, err := messages.Codec{}.EncodeRequest(&api.Request{
			Source: api.Chat, Model: "claude-sonnet-4-5", Messages: []api.Message{{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: "Hi"}}}},
			Tools:  []api.Tool{{Kind: api.FunctionTool, Name: "f", Schema: json.RawMessage(schema), Strict: new(true)}},
			Format: &api.Format{Schema: json.RawMessage(schema)},
		})
		require.NoError(t, err)
		require.Equal(t, strict, strings.Contains(string(out), `"strict":true`), "%s", out)
		require.Equal(t, strict, strings.Contains(string(out), `"output_config"`), "%s", out)
		require.Equal(t, !strict, strings.Contains(string(out), `plexus_json_output`), "%s", out)
		require.Equal(t, !strict, slices.Contains(dropped, "strict"))
	}
	f(`{"type":"object","properties":{"a":{"$ref":"#/$defs/a"},"b":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"string"}}}`, true)
	f(`{"type":"object","properties":{"a":{"$ref":"#/$defs/a"}},"$defs":{"a":{"type":"object","properties":{"next":{"$ref":"#/$defs/a"}}}}}`, false)
	f(`{"type":"object","properties":{"a":{"$ref":"#"}}}`, false)
	f(`{"type":"object","properties":{"a":{"type":"object"}}}`, false)
	f(`{"type":"object","properties":{"a":{"type":"array","items":{"type":"object","additionalProperties":{"type":"string"}}}}}`, false)
	f(`{"type":"object","properties":{"a":{"anyOf":[{"type":"object","additionalProperties":false},{"type":"null"}]}}}`, true)
}

// Choices among references to choices multiply with each step.
func TestSchemasThatMultiply(t *testing.T) {
	branches := strings.TrimSuffix(strings.Repeat(`{"$ref":"#/$defs/a"},`, 50), ",")
	schema := `{"anyOf":[` + branches + `],"$defs":{"a":{"anyOf":[` + branches + `]}}}`
	out, _, err := messages.Codec{}.EncodeRequest(&api.Request{
		Source: api.Chat, Model: "claude-sonnet-4-5", Messages: []api.Message{{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: "Hi"}}}},
		Tools: []api.Tool{{Kind: api.FunctionTool, Name: "f", Schema: json.RawMessage(schema)}},
	})
	require.NoError(t, err)
	require.True(t, json.Valid(out))
}
