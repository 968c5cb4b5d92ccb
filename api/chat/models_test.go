package chat_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// asked is a request of another format's client with everything that some model
// refuses.
func asked(model string) *api.Request {
	no := false
	return &api.Request{
		Source: api.Messages, Model: model, MaxTokens: 9,
		Messages:    []api.Message{{Role: api.RoleDeveloper, Parts: []api.Part{{Kind: api.Text, Text: "d"}}}, {Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: "Hi"}}}},
		Temperature: "0.5", TopP: "0.9", FrequencyPenalty: "1", PresencePenalty: "1", Seed: "7",
		LogitBias: json.RawMessage(`{"1":2}`), ParallelToolCalls: &no, Verbosity: "low", User: "u",
	}
}

// with gives it tools.
func withTools(req *api.Request) *api.Request {
	req.Tools = []api.Tool{{Kind: api.FunctionTool, Name: "f"}}
	return req
}

// sent are the members that go to the model, besides those that all take.
func sent(t *testing.T, req *api.Request) (names string, body map[string]json.RawMessage) {
	t.Helper()
	raw, _ := encoded(t, req)
	require.NoError(t, json.Unmarshal([]byte(raw), &body))
	var list []string
	for _, name := range []string{"max_tokens", "max_completion_tokens", "temperature", "frequency_penalty", "logit_bias", "seed", "random_seed", "parallel_tool_calls", "verbosity", "user"} {
		if body[name] != nil {
			list = append(list, name)
		}
	}
	return strings.Join(list, " "), body
}

// OpenAI's thinking models, xAI's and Mistral's refuse what others take.
func TestParametersThatModelsRefuse(t *testing.T) {
	f := func(model, role, want string) {
		t.Helper()
		names, body := sent(t, withTools(asked(model)))
		require.Equal(t, want, names)
		require.Contains(t, string(body["messages"]), `"role":"`+role+`"`)
	}
	const all = "max_tokens temperature frequency_penalty logit_bias seed parallel_tool_calls"
	f("m", "system", all+" verbosity user")
	f("gpt-4o", "developer", all+" user")
	f("gpt-5-chat-latest", "developer", all+" user")
	f("chatgpt-4o-latest", "developer", all+" user")
	f("gpt-4o-search-preview", "developer", "max_tokens seed parallel_tool_calls user")
	f("gpt-5", "developer", "max_completion_tokens seed parallel_tool_calls verbosity user")
	f("openai/gpt-5-mini", "developer", "max_completion_tokens seed parallel_tool_calls verbosity user")
	f("eu-gpt-5-nano", "developer", "max_completion_tokens seed parallel_tool_calls verbosity user")
	f("gpt-5.1", "developer", "max_completion_tokens temperature seed parallel_tool_calls verbosity user")
	f("o3-mini", "developer", "max_completion_tokens seed user")
	f("ft:o4-mini:acme", "developer", "max_completion_tokens seed user")
	f("openai/gpt-oss-120b", "system", all+" user")
	f("grok-4", "system", "max_tokens temperature seed parallel_tool_calls user")
	f("grok-4-fast-non-reasoning", "system", all+" user")
	f("grok-3", "system", all+" user")
	f("mistral-large-latest", "system", strings.Replace(all, "seed", "random_seed", 1))
	f("mistralai/mistral-large", "system", all+" user")
}

// A model gets the nearest effort that it knows, and none where it does not think
// as asked.
func TestEfforts(t *testing.T) {
	f := func(model string, wants ...string) {
		t.Helper()
		for i, effort := range []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"} {
			req := asked(model)
			req.Reasoning = &api.Reasoning{Effort: effort}
			_, body := sent(t, req)
			want := wants[min(i, len(wants)-1)]
			require.Equal(t, want, api.Unquote(body["reasoning_effort"]), "%s, %s", model, effort)
		}
	}
	f("m", "none", "minimal", "low", "medium", "high", "high", "high")
	f("acme/m", "none", "minimal", "low", "medium", "high", "xhigh", "xhigh")
	f("gpt-4.1", "")
	f("gpt-5-chat-latest", "")
	f("o3", "low", "low", "low", "medium", "high")
	f("gpt-5", "minimal", "minimal", "low", "medium", "high")
	f("gpt-5-pro", "high")
	f("gpt-5.2-pro", "medium", "medium", "medium", "medium", "high", "xhigh", "xhigh")
	f("gpt-5-codex", "low", "low", "low", "medium", "high")
	f("gpt-5.1-codex-max", "low", "low", "low", "medium", "high", "xhigh", "xhigh")
	f("gpt-5.1-2025-11-13", "none", "low", "low", "medium", "high")
	f("gpt-5.2", "none", "low", "low", "medium", "high", "xhigh", "xhigh")
	f("gpt-5.6", "none", "low", "low", "medium", "high", "xhigh", "max")
	f("gpt-oss-20b", "low", "low", "low", "medium", "high")
	f("llama-3.3-70b-versatile", "")
	f("magistral-medium-2509", "")
	f("qwen/qwen3-32b", "none", "")
	f("grok-3-mini", "low", "low", "low", "high", "high")
	f("grok-4-1-fast-reasoning", "")
	f("grok-4.20-reasoning", "")
	f("grok-4.3", "none", "low", "low", "medium", "high")
	f("grok-4.5", "low", "low", "low", "medium", "high")
	f("deepseek-chat", "none", "minimal", "low", "medium", "high", "max", "max")

	// OpenAI's chat has functions only without thinking, from 5.4 on.
	g := func(model string, tools bool, effort, want string) {
		t.Helper()
		req := asked(model)
		if tools {
			withTools(req)
		}
		if effort != "" {
			req.Reasoning = &api.Reasoning{Effort: effort}
		}
		_, dropped := encoded(t, req)
		_, body := sent(t, req)
		require.Equal(t, want, api.Unquote(body["reasoning_effort"]))
		require.Equal(t, effort != "" && effort != want, strings.Contains(strings.Join(dropped, " "), "reasoning_effort"))
	}
	g("gpt-5.6", true, "", "none")
	g("gpt-5.6", true, "high", "none")
	g("gpt-5.6", false, "", "")
	g("gpt-5.4-mini", true, "low", "none")
	g("gpt-5.2", true, "low", "low")
	g("openai/gpt-5.6", true, "low", "low")
}

// Stop sequences and probabilities change what an answer means.
func TestWhatAModelCannotDo(t *testing.T) {
	f := func(model, field string, change func(*api.Request)) {
		t.Helper()
		req := asked(model)
		change(req)
		_, _, err := codec.EncodeRequest(req)
		if field == "" {
			require.NoError(t, err)
			return
		}
		var unsupported *api.Unsupported
		require.ErrorAs(t, err, &unsupported)
		require.Equal(t, field, unsupported.Field)
	}
	stop := func(r *api.Request) { r.Stop = []string{"x"} }
	f("gpt-5", "stop_sequences", stop)
	f("o3", "stop_sequences", stop)
	f("o3", "generationConfig.stopSequences", func(r *api.Request) { stop(r); r.Source = api.Gemini })
	f("grok-4", "stop_sequences", stop)
	f("gpt-5.5", "", stop)
	f("gpt-4o", "", stop)
	f("m", "", stop)
	f("gpt-5", "generationConfig.responseLogprobs", func(r *api.Request) { r.Source, r.Logprobs = api.Gemini, true })
	f("gpt-4o", "", func(r *api.Request) { r.Source, r.Logprobs = api.Gemini, true })

	search := func(r *api.Request) {
		r.Tools = []api.Tool{{Kind: api.WebSearchTool, Name: "web_search"}}
	}
	f("gpt-4o", "", search)
	f("gpt-4o", "tool_choice", func(r *api.Request) {
		search(r)
		r.ToolChoice = api.ToolChoice{Mode: api.ToolNamed, Name: "web_search"}
	})
}

// Only search models search, and the search is no tool that could be named.
func TestWebSearch(t *testing.T) {
	f := func(model string, want string, dropped bool) {
		t.Helper()
		req := asked(model)
		req.Tools = []api.Tool{{Kind: api.WebSearchTool, Name: "web_search"}, {Kind: api.WebSearchTool, Name: "again"}, {Kind: api.FunctionTool, Name: "f"}}
		if !dropped {
			req.ToolChoice = api.ToolChoice{Mode: api.ToolNamed, Name: "web_search"}
		}
		_, body := sent(t, req)
		require.Equal(t, want, string(body["web_search_options"]))
		require.Nil(t, body["tool_choice"])
		_, list := encoded(t, req)
		require.Equal(t, dropped, strings.Contains(strings.Join(list, " "), "tools.web_search"))
	}
	f("gpt-4o", "", true)
	f("gpt-5", "", true)
	f("llama-3.3-70b-versatile", "", true)
	f("gpt-4o-search-preview", "{}", false)
	f("m", "{}", false)
	f("openai/gpt-5", "{}", false)
}

// DeepSeek's and Moonshot's thinking models want their reasoning back with a call,
// Groq's and Mistral's servers refuse it.
func TestReasoningOfFormerTurns(t *testing.T) {
	f := func(model, thought, want string, details bool) {
		t.Helper()
		req := asked(model)
		parts := []api.Part{{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: "f"}}}
		if thought != "" {
			parts = append([]api.Part{{Kind: api.Thinking, Text: thought, Signature: "s", Vendor: api.OpenAI}}, parts...)
		}
		req.Messages = []api.Message{{Role: api.RoleAssistant, Parts: parts}}
		_, body := sent(t, req)
		require.Equal(t, want != "-", strings.Contains(string(body["messages"]), `"reasoning_content":`+string(api.Quote(want))), string(body["messages"]))
		require.Equal(t, details, strings.Contains(string(body["messages"]), "reasoning_details"))
	}
	f("m", "Hm", "Hm", true)
	f("m", "", "-", false)
	f("deepseek-reasoner", "Hm", "Hm", false)
	f("deepseek-reasoner", "", "", false)
	f("kimi-k2-thinking", "", "", false)
	f("moonshotai/kimi-k2-instruct", "", "-", false)
	f("openai/gpt-5", "Hm", "Hm", true)
	for _, model := range []string{"gpt-4o", "gpt-5", "o3", "openai/gpt-oss-120b", "deepseek-r1-distill-llama-70b", "qwen/qwen3-32b", "devstral-2512"} {
		f(model, "Hm", "-", false)
	}
}

func TestMetadataOnlyAlongWithStore(t *testing.T) {
	f := func(model, store, want, wantStore string) {
		t.Helper()
		req := asked(model)
		req.Source, req.Metadata = api.Responses, json.RawMessage(`{"a":"b"}`)
		if store != "" {
			req.Extra = map[string]json.RawMessage{"store": json.RawMessage(store)}
		}
		_, body := sent(t, req)
		require.Equal(t, want, string(body["metadata"]))
		require.Equal(t, wantStore, string(body["store"]))
	}
	f("gpt-4o", "", `{"a":"b"}`, "true")
	f("gpt-4o", "true", `{"a":"b"}`, "true")
	f("gpt-4o", "false", "", "")
	f("m", "", `{"a":"b"}`, "")
}

// Claude Code's metadata.user_id is longer than OpenAI allows.
func TestLongUser(t *testing.T) {
	req := asked("gpt-4o")
	req.User = strings.Repeat("x", 65)
	_, body := sent(t, req)
	require.Len(t, api.Unquote(body["user"]), 64)
	_, again := sent(t, req)
	require.Equal(t, body["user"], again["user"])
	req.User = strings.Repeat("x", 64)
	_, body = sent(t, req)
	require.Equal(t, req.User, api.Unquote(body["user"]))
}

// DeepSeek's server knows no schemas.
func TestSchemaInWords(t *testing.T) {
	req := asked("deepseek-chat")
	req.Format = &api.Format{Schema: json.RawMessage(`{"type":"object"}`)}
	_, body := sent(t, req)
	require.JSONEq(t, `{"type":"json_object"}`, string(body["response_format"]))
	require.Contains(t, string(body["messages"]), `JSON Schema:\n{\"type\":\"object\"}`)
	req.Model = "deepseek/deepseek-chat"
	_, body = sent(t, req)
	require.Contains(t, string(body["response_format"]), "json_schema")
	require.NotContains(t, string(body["messages"]), "JSON Schema")
}

// Only OpenAI knows allowed_tools, and for Responses it has Responses.
func TestAllowedTools(t *testing.T) {
	for _, source := range []api.API{api.Responses, api.Gemini} {
		req := asked("m")
		req.Source = source
		req.Tools = []api.Tool{{Kind: api.FunctionTool, Name: "f"}, {Kind: api.FunctionTool, Name: "g"}}
		req.ToolChoice = api.ToolChoice{Mode: api.ToolAuto, Allowed: []string{"g"}}
		_, body := sent(t, req)
		require.Equal(t, `"auto"`, string(body["tool_choice"]))
		require.NotContains(t, string(body["tools"]), `"f"`)
	}
}

// What is left out of a former turn is told.
func TestDroppedPartsAreTold(t *testing.T) {
	req := asked("m")
	req.Messages = append(req.Messages, api.Message{Role: api.RoleAssistant, Parts: []api.Part{
		{Kind: api.Text, Text: "x"},
		{Kind: api.Opaque, Source: api.Messages, Vendor: api.Anthropic, Raw: json.RawMessage(`{"type":"server_tool_use"}`)},
		{Kind: api.Sound, Media: &api.Media{Data: "AA"}},
		{Kind: api.Thinking, Text: "Hm", Signature: "s", Vendor: api.Anthropic},
	}})
	_, dropped := encoded(t, req)
	require.Subset(t, dropped, []string{"messages.server_tool_use", "messages.audio", "messages.thinking"})
}
