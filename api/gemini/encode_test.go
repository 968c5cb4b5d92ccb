package gemini_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func text(s string) api.Part { return api.Part{Kind: api.Text, Text: s} }

func call(id, name, arguments string) api.Part {
	return api.Part{Kind: api.ToolCall, Call: &api.Call{ID: id, Name: name, Arguments: arguments}}
}

func result(id string, parts ...api.Part) api.Message {
	return api.Message{Role: api.RoleTool, Parts: []api.Part{{Kind: api.ToolResult, Result: &api.Result{ID: id, Parts: parts}}}}
}

func say(role api.Role, parts ...api.Part) api.Message { return api.Message{Role: role, Parts: parts} }

func encode(t *testing.T, req *api.Request) (body map[string]json.RawMessage, dropped []string) {
	t.Helper()
	raw, dropped, err := codec.EncodeRequest(req)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(raw, &body))
	decode(t, string(raw))
	return body, dropped
}

func TestEncodeConversation(t *testing.T) {
	f := func(model, want string, messages ...api.Message) {
		t.Helper()
		body, _ := encode(t, &api.Request{Source: api.Chat, Model: model, Messages: messages})
		require.JSONEq(t, want, string(body["contents"]))
	}
	old, recent := "gemini-2.5-pro", "models/gemini-3-pro-preview"
	f(old, `[{"role":"user","parts":[{"text":"a"},{"text":"b"},{"text":"late"}]},{"role":"model","parts":[{"text":"c"},{"text":"no"}]},{"role":"user","parts":[{"text":"d"}]}]`,
		say(api.RoleSystem, text("s")), say(api.RoleUser, text("a")), say(api.RoleUser, text("b"), text("")), say(api.RoleDeveloper, text("late")),
		say(api.RoleAssistant, text("c"), api.Part{Kind: api.Refusal, Text: "no"}), say(api.RoleUser, text("d")))
	f(old, `[{"role":"user","parts":[{"text":" "}]}]`, say(api.RoleSystem, text("alone")))
	f(old, `[{"role":"user","parts":[{"text":" "}]},{"role":"model","parts":[{"text":"a"}]}]`, say(api.RoleAssistant, text("a")))

	// Results stand right after their calls, in their order, by the names of the functions.
	turns := []api.Message{
		say(api.RoleUser, text("a")),
		say(api.RoleAssistant, call("1", "f", `{"n":1e-7}`), call("2", "g", "")),
		say(api.RoleUser, text("wait")), result("2", text("two")), result("1", text(`{"one":1}`)),
	}
	f(old, `[{"role":"user","parts":[{"text":"a"}]},
		{"role":"model","parts":[{"functionCall":{"name":"f","args":{"n":1e-7}}},{"functionCall":{"name":"g","args":{}}}]},
		{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"one":1}}},{"functionResponse":{"name":"g","response":{"output":"two"}}},{"text":"wait"}]}]`, turns...)
	// Gemini 3 wants each step signed.
	f(recent, `[{"role":"user","parts":[{"text":"a"}]},
		{"role":"model","parts":[{"functionCall":{"id":"1","name":"f","args":{"n":1e-7}},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"id":"2","name":"g","args":{}}}]},
		{"role":"user","parts":[{"functionResponse":{"id":"1","name":"f","response":{"one":1}}},{"functionResponse":{"id":"2","name":"g","response":{"output":"two"}}},{"text":"wait"}]}]`, turns...)
	signed := call("1", "f", "")
	signed.Signature, signed.Vendor = "c2ln", api.Google
	foreign := api.Part{Kind: api.Thinking, Text: "hm", Signature: "x", Vendor: api.Anthropic}
	f(recent, `[{"role":"user","parts":[{"text":"a"}]},
		{"role":"model","parts":[{"text":"own","thought":true},{"functionCall":{"id":"1","name":"f","args":{}},"thoughtSignature":"c2ln"}]}]`,
		say(api.RoleUser, text("a")), say(api.RoleAssistant, foreign, api.Part{Kind: api.Thinking, Text: "unsigned"},
			api.Part{Kind: api.Thinking, Text: "own", Vendor: api.Google}, signed))
	// Ids tell calls of one name apart.
	f(old, `[{"role":"user","parts":[{"text":"a"}]},
		{"role":"model","parts":[{"functionCall":{"id":"call_1","name":"f","args":{}}},{"functionCall":{"id":"call_2","name":"f","args":{}}}]},
		{"role":"user","parts":[{"functionResponse":{"id":"call_1","name":"f","response":{"output":"1"}}},{"functionResponse":{"id":"call_2","name":"f","response":{"output":"2"}}}]}]`,
		say(api.RoleUser, text("a")), say(api.RoleAssistant, call("call_1", "f", ""), call("call_2", "f", "")), result("call_2", text("2")), result("call_1", text("1")))
	// Arguments that are no object, free text, errors.
	custom := api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "2", Name: "patch", Arguments: "*** Begin", Custom: true}}
	failed := result("1", text("no"), text("way"))
	failed.Parts[0].Result.IsError = true
	f(old, `[{"role":"user","parts":[{"text":"a"}]},
		{"role":"model","parts":[{"functionCall":{"name":"f","args":{"_raw":"{\"a\":"}}},{"functionCall":{"name":"patch","args":{"input":"*** Begin"}}}]},
		{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"error":"no\nway"}}},{"functionResponse":{"name":"patch","response":{"output":""}}}]}]`,
		say(api.RoleUser, text("a")), say(api.RoleAssistant, call("1", "f", `{"a":`), custom), failed, result("2"))
}

// Newer models refuse to go on from where a client left the answer.
func TestEncodeConversationThatEndsWithTheModel(t *testing.T) {
	f := func(model, want string, last ...api.Part) {
		t.Helper()
		body, _ := encode(t, &api.Request{Source: api.Messages, Model: model, Messages: []api.Message{say(api.RoleUser, text("a")), say(api.RoleAssistant, last...)}})
		require.JSONEq(t, `[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[`+want, string(body["contents"]))
	}
	f("gemini-2.5-flash", `{"text":"{"}]}]`, text("{"))
	f("gemini-3.5-flash", `{"text":"{"}]}]`, text("{"))
	f("gemini-3.5-flash-lite", `{"text":"{"}]},{"role":"user","parts":[{"text":"Continue."}]}]`, text("{"))
	f("gemini-3.8-flash", `{"text":"{"}]},{"role":"user","parts":[{"text":"Continue."}]}]`, text("{"))
	req := decode(t, `{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[{"text":"{"}]}]}`)
	req.Model = "gemini-3.8-flash"
	body, _ := encode(t, req)
	require.NotContains(t, string(body["contents"]), "Continue", "a client of Google's knows what Google takes")
}

// What OpenAI calls strict is a mode of all functions here.
func TestEncodeStrictFunctions(t *testing.T) {
	yes, no := true, false
	f := func(model string, strict *bool, mode api.ToolMode, want string, dropped ...string) {
		t.Helper()
		body, got := encode(t, &api.Request{
			Source: api.Chat, Model: model, Messages: []api.Message{say(api.RoleUser, text("a"))}, ToolChoice: api.ToolChoice{Mode: mode},
			Tools: []api.Tool{{Kind: api.FunctionTool, Name: "f"}, {Kind: api.FunctionTool, Name: "g", Strict: strict}},
		})
		if want == "" {
			require.NotContains(t, body, "toolConfig")
		} else {
			require.JSONEq(t, `{"functionCallingConfig":{"mode":"`+want+`"}}`, string(body["toolConfig"]))
		}
		require.Equal(t, dropped, got)
	}
	f("gemini-2.5-flash", &yes, "", "VALIDATED")
	f("gemini-2.5-flash", &yes, api.ToolAuto, "VALIDATED")
	f("gemini-2.5-flash", &yes, api.ToolRequired, "ANY")
	f("gemini-2.5-flash", &yes, api.ToolNone, "NONE")
	f("gemini-2.5-flash", &no, api.ToolAuto, "AUTO")
	f("gemini-2.5-flash", nil, "", "")
	f("gemini-2.0-flash", &yes, api.ToolAuto, "AUTO", "strict")
}

// Before Gemini 3, Google's own tools stand alone or not at all.
func TestEncodeSearchBesideFunctions(t *testing.T) {
	f := func(model, tools, config string, dropped ...string) {
		t.Helper()
		body, got := encode(t, &api.Request{
			Source: api.Messages, Model: model, Messages: []api.Message{say(api.RoleUser, text("a"))},
			ToolChoice: api.ToolChoice{Mode: api.ToolAuto},
			Tools: []api.Tool{
				{Kind: api.WebSearchTool},
				{Kind: api.FunctionTool, Name: "f"},
				{Kind: api.OpaqueTool, Raw: json.RawMessage(`{"type":"code_execution_20250522"}`), Source: api.Messages},
			},
		})
		require.JSONEq(t, tools, string(body["tools"]))
		require.JSONEq(t, config, string(body["toolConfig"]))
		require.Equal(t, dropped, got)
	}
	f("gemini-2.5-flash", `[{"functionDeclarations":[{"name":"f"}]}]`, `{"functionCallingConfig":{"mode":"AUTO"}}`, "tools.code_execution_20250522", "web_search")
	f("gemini-3.8-flash", `[{"googleSearch":{}},{"functionDeclarations":[{"name":"f"}]},{"codeExecution":{}}]`,
		`{"functionCallingConfig":{"mode":"VALIDATED"},"includeServerSideToolInvocations":true}`)
	f("my-endpoint", `[{"googleSearch":{}},{"functionDeclarations":[{"name":"f"}]},{"codeExecution":{}}]`, `{"functionCallingConfig":{"mode":"AUTO"}}`)

	body, dropped := encode(t, &api.Request{Source: api.Messages, Model: "gemini-2.5-flash", Messages: []api.Message{say(api.RoleUser, text("a"))}, Tools: []api.Tool{{Kind: api.WebSearchTool}}})
	require.JSONEq(t, `[{"googleSearch":{}}]`, string(body["tools"]))
	require.Empty(t, dropped)
}

func TestEncodeMedia(t *testing.T) {
	f := func(source api.API, want string, parts ...api.Part) {
		t.Helper()
		body, _ := encode(t, &api.Request{Source: source, Messages: []api.Message{say(api.RoleUser, parts...)}})
		require.JSONEq(t, `[{"role":"user","parts":[`+want+`]}]`, string(body["contents"]))
	}
	media := func(kind api.Kind, m api.Media) api.Part { return api.Part{Kind: kind, Media: &m} }
	f(api.Chat, `{"inlineData":{"mimeType":"image/webp","data":"AAAA"}}`, media(api.Image, api.Media{MIME: "image/webp", Data: "AAAA"}))
	f(api.Chat, `{"inlineData":{"mimeType":"image/png","data":"iVBORw0K"}}`, media(api.Image, api.Media{Data: "iVBORw0K"}))
	f(api.Chat, `{"fileData":{"mimeType":"image/gif","fileUri":"https://example.com/a.GIF?b=c.png"}}`, media(api.Image, api.Media{URL: "https://example.com/a.GIF?b=c.png"}))
	f(api.Chat, `{"fileData":{"mimeType":"image/jpeg","fileUri":"https://example.com/a"}}`, media(api.Image, api.Media{URL: "https://example.com/a"}))
	f(api.Chat, `{"fileData":{"mimeType":"application/pdf","fileUri":"https://example.com/a"}}`, media(api.File, api.Media{URL: "https://example.com/a"}))
	f(api.Chat, `{"fileData":{"mimeType":"video/mp4","fileUri":"https://www.youtube.com/watch?v=x"}}`, media(api.File, api.Media{URL: "https://www.youtube.com/watch?v=x"}))
	f(api.Chat, `{"inlineData":{"mimeType":"audio/wav","data":"UklGR"}}`, media(api.Sound, api.Media{MIME: "audio/wav", Data: "UklGR"}))
	f(api.Messages, `{"inlineData":{"mimeType":"text/plain","data":"SGk="}}`, media(api.File, api.Media{Text: "Hi", Name: "a.txt"}))
	f(api.Chat, `{"inlineData":{"mimeType":"image/jpeg","data":"AAAA"}}`, media(api.Image, api.Media{MIME: "image/jpg", Data: "AAAA"}))
	f(api.Chat, `{"inlineData":{"mimeType":"audio/wav","data":"UklGRgAA"}}`, media(api.Sound, api.Media{Data: "UklGRgAA"}))
	// A file that the client gave to Google beforehand.
	f(api.Chat, `{"fileData":{"mimeType":"application/pdf","fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x"}}`, media(api.File, api.Media{FileID: "https://generativelanguage.googleapis.com/v1beta/files/x"}))
	f(api.Responses, `{"inlineData":{"mimeType":"text/csv","data":"AAAA"}}`, media(api.File, api.Media{Data: "AAAA", Name: "a.csv"}))

	_, _, err := codec.EncodeRequest(&api.Request{Source: api.Messages, Messages: []api.Message{say(api.RoleUser, media(api.File, api.Media{FileID: "file_1"}))}})
	var unsupported *api.Unsupported
	require.ErrorAs(t, err, &unsupported)
	require.Equal(t, "source.file_id", unsupported.Field)
}

func TestEncodeImagesOfResults(t *testing.T) {
	messages := []api.Message{
		say(api.RoleUser, text("a")), say(api.RoleAssistant, call("1", "f", "")),
		result("1", text("see"), api.Part{Kind: api.Image, Media: &api.Media{MIME: "image/png", Data: "AAAA"}},
			api.Part{Kind: api.Image, Media: &api.Media{MIME: "image/png", URL: "https://example.com/a.png"}}),
		say(api.RoleUser, text("b")),
	}
	f := func(model, want string) {
		t.Helper()
		body, _ := encode(t, &api.Request{Source: api.Messages, Model: model, Messages: messages})
		var contents []struct{ Parts json.RawMessage }
		require.NoError(t, json.Unmarshal(body["contents"], &contents))
		require.JSONEq(t, want, string(contents[2].Parts))
	}
	f("gemini-2.5-flash", `[{"functionResponse":{"name":"f","response":{"output":"see"}}},{"inlineData":{"mimeType":"image/png","data":"AAAA"}},
		{"fileData":{"mimeType":"image/png","fileUri":"https://example.com/a.png"}},{"text":"b"}]`)
	f("gemini-3.8-flash", `[{"functionResponse":{"id":"1","name":"f","response":{"output":"see"},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}},
		{"fileData":{"mimeType":"image/png","fileUri":"https://example.com/a.png"}},{"text":"b"}]`)
}

func TestEncodeSystem(t *testing.T) {
	body, dropped := encode(t, &api.Request{Source: api.Messages, Messages: []api.Message{
		say(api.RoleSystem, text("a"), api.Part{Kind: api.Text, Text: "b", Cache: json.RawMessage(`{"type":"ephemeral"}`)}),
		say(api.RoleDeveloper, text("c")), say(api.RoleUser, text("d")),
	}})
	require.JSONEq(t, `{"parts":[{"text":"a"},{"text":"b"},{"text":"c"}]}`, string(body["systemInstruction"]))
	require.Equal(t, []string{"cache_control"}, dropped)

	// Gemma was not trained to follow one.
	body, _ = encode(t, &api.Request{Source: api.Chat, Model: "gemma-3-27b-it", Messages: []api.Message{say(api.RoleSystem, text("a")), say(api.RoleUser, text("b"))}})
	require.NotContains(t, body, "systemInstruction")
	require.JSONEq(t, `[{"role":"user","parts":[{"text":"a"},{"text":"b"}]}]`, string(body["contents"]))
}

func TestEncodeConfig(t *testing.T) {
	f := func(req api.Request, want string, dropped ...string) {
		t.Helper()
		if req.Source == "" {
			req.Source = api.Chat
		}
		req.Messages = []api.Message{say(api.RoleUser, text("a"))}
		body, got := encode(t, &req)
		if want == "" {
			require.NotContains(t, body, "generationConfig")
		} else {
			require.JSONEq(t, want, string(body["generationConfig"]))
		}
		require.Equal(t, dropped, got)
	}
	no, yes := false, true
	f(api.Request{}, "")
	f(api.Request{MaxTokens: 9, Stop: []string{"x"}, Temperature: "1e-7", TopP: "0.5", TopK: "3", Seed: "-5", PresencePenalty: "1", FrequencyPenalty: "-1", N: 2},
		`{"maxOutputTokens":9,"stopSequences":["x"],"temperature":1e-7,"topP":0.5,"topK":3,"seed":-5,"presencePenalty":1,"frequencyPenalty":-1,"candidateCount":2}`)
	f(api.Request{
		N: 1, Seed: "1e3", LogitBias: json.RawMessage(`{"1":1}`), ParallelToolCalls: &no, User: "u", Metadata: json.RawMessage(`{"a":"b"}`),
		ServiceTier: "flex", Verbosity: "low", ToolChoice: api.ToolChoice{Mode: api.ToolRequired}, Extra: map[string]json.RawMessage{"prediction": json.RawMessage(`1`)},
	}, "", "logit_bias", "metadata", "parallel_tool_calls", "prediction", "seed", "service_tier", "tool_choice", "user", "verbosity")
	// A seed of 64 bits stays a seed, and the same one.
	f(api.Request{Seed: "12345678901"}, `{"seed":-539222985}`)
	f(api.Request{Seed: "2147483647"}, `{"seed":2147483647}`)
	// No penalty is what every model takes.
	f(api.Request{Model: "gemini-2.5-flash", PresencePenalty: "0.5", FrequencyPenalty: "0.0"}, `{"frequencyPenalty":0.0}`, "presence_penalty")
	f(api.Request{Model: "gemini-2.0-flash", PresencePenalty: "0.5", FrequencyPenalty: "-1"}, `{"presencePenalty":0.5,"frequencyPenalty":-1}`)
	f(api.Request{Logprobs: true, TopLogprobs: 2}, `{"responseLogprobs":true,"logprobs":2}`)
	modalities := func(list string) map[string]json.RawMessage {
		return map[string]json.RawMessage{"modalities": json.RawMessage(list), "background": json.RawMessage(`false`), "conversation": json.RawMessage(`null`)}
	}
	f(api.Request{Extra: modalities(`["image","text"]`)}, `{"responseModalities":["IMAGE","TEXT"]}`)
	f(api.Request{Extra: modalities(`["text"]`)}, "")
	f(api.Request{Format: &api.Format{Description: "D", Schema: json.RawMessage(`{"type":"string"}`)}}, `{"responseMimeType":"application/json","responseJsonSchema":{"type":"string","description":"D"}}`)
	f(api.Request{Format: &api.Format{Description: "D", Schema: json.RawMessage(`{"type":"string","description":"own"}`)}}, `{"responseMimeType":"application/json","responseJsonSchema":{"type":"string","description":"own"}}`)
	f(api.Request{Format: &api.Format{}}, `{"responseMimeType":"application/json"}`)
	f(api.Request{Format: &api.Format{Name: "n", Strict: &yes, Schema: json.RawMessage(`{"type":"object","additionalProperties":false,"properties":{"a":{"type":["string","null"]}}}`)}},
		`{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"a":{"anyOf":[{"type":"string"},{"type":"null"}]}}}}`)

	thinking := func(model string, r api.Reasoning, want string, dropped ...string) {
		t.Helper()
		if want != "" {
			want = `{"thinkingConfig":` + want + `}`
		}
		f(api.Request{Source: api.Responses, Model: model, Reasoning: &r}, want, dropped...)
	}
	thinking("gemini-2.5-flash", api.Reasoning{Effort: "medium", Visible: true}, `{"thinkingBudget":8192,"includeThoughts":true}`)
	thinking("gemini-2.5-flash", api.Reasoning{Effort: "none"}, `{"thinkingBudget":0}`)
	thinking("gemini-2.5-pro", api.Reasoning{Effort: "none"}, `{"thinkingBudget":128}`)
	thinking("gemini-2.5-flash", api.Reasoning{Adaptive: true}, `{"thinkingBudget":-1}`)
	thinking("gemini-2.5-flash", api.Reasoning{Adaptive: true, Effort: "high"}, `{"thinkingBudget":24576}`)
	thinking("gemini-2.5-flash", api.Reasoning{Budget: 63999}, `{"thinkingBudget":24576}`)
	thinking("gemini-3.8-flash", api.Reasoning{Effort: "xhigh"}, `{"thinkingLevel":"HIGH"}`)
	thinking("gemini-3.6-flash", api.Reasoning{Effort: "none", Visible: true}, `{"thinkingLevel":"MINIMAL","includeThoughts":true}`)
	thinking("gemini-3.8-flash", api.Reasoning{Effort: "none"}, `{"thinkingLevel":"LOW"}`)
	thinking("gemini-2.5-flash", api.Reasoning{Effort: "none", Visible: true}, `{"thinkingBudget":0}`)
	thinking("gemini-2.5-pro", api.Reasoning{Effort: "none", Visible: true}, `{"thinkingBudget":128,"includeThoughts":true}`)
	thinking("gemini-2.5-flash-lite", api.Reasoning{Budget: 200}, `{"thinkingBudget":512}`)
	thinking("gemini-2.5-flash-image", api.Reasoning{Effort: "low", Visible: true}, "", "reasoning")
	thinking("gemini-3.1-pro", api.Reasoning{Effort: "minimal"}, `{"thinkingLevel":"LOW"}`)
	thinking("gemini-3-pro-preview", api.Reasoning{Effort: "medium"}, `{"thinkingLevel":"HIGH"}`)
	thinking("gemini-3.8-flash", api.Reasoning{Budget: 2000}, `{"thinkingLevel":"LOW"}`)
	thinking("gemini-3.8-flash", api.Reasoning{Adaptive: true, Visible: true}, `{"includeThoughts":true}`)
	thinking("gemini-2.0-flash", api.Reasoning{Effort: "low"}, "", "reasoning")

	// Chat cannot say that it wants to see them, and shows them where they are.
	f(api.Request{Source: api.Chat, Model: "gemini-3.8-flash", Reasoning: &api.Reasoning{Effort: "low"}}, `{"thinkingConfig":{"thinkingLevel":"LOW","includeThoughts":true}}`)
	f(api.Request{Source: api.Chat, Model: "gemini-2.5-flash", Reasoning: &api.Reasoning{Effort: "low"}}, `{"thinkingConfig":{"thinkingBudget":1024,"includeThoughts":true}}`)
	f(api.Request{Source: api.Chat, Model: "gemini-2.5-flash", Reasoning: &api.Reasoning{Effort: "none"}}, `{"thinkingConfig":{"thinkingBudget":0}}`)
	f(api.Request{Source: api.Chat, Model: "gemini-2.5-flash"}, "")
}

func TestEncodeTools(t *testing.T) {
	f := func(choice api.ToolChoice, tools []api.Tool, wantTools, wantConfig string, dropped ...string) {
		t.Helper()
		body, got := encode(t, &api.Request{Source: api.Responses, Tools: tools, ToolChoice: choice, Messages: []api.Message{say(api.RoleUser, text("a"))}})
		require.JSONEq(t, wantTools, string(body["tools"]))
		if wantConfig == "" {
			require.NotContains(t, body, "toolConfig")
		} else {
			require.JSONEq(t, wantConfig, string(body["toolConfig"]))
		}
		require.Equal(t, dropped, got)
	}
	yes := true
	fn := api.Tool{Kind: api.FunctionTool, Name: "f", Description: "F", Schema: json.RawMessage(`{"$schema":"x","type":"object","properties":{"n":{"type":"integer","minimum":12345678901234567890}}}`)}
	strict := api.Tool{Kind: api.FunctionTool, Name: "g", Strict: &yes, Schema: json.RawMessage(`{"type":"object","properties":{},"additionalProperties":false}`)}
	custom := api.Tool{Kind: api.CustomTool, Name: "patch", Description: "P", Grammar: json.RawMessage(`{"type":"grammar","syntax":"lark","definition":"start: x"}`)}
	f(api.ToolChoice{Mode: api.ToolAuto}, []api.Tool{fn, {Kind: api.WebSearchTool, Search: &api.WebSearch{MaxUses: 3}}, strict, custom},
		`[{"functionDeclarations":[
			{"name":"f","description":"F","parametersJsonSchema":{"type":"object","properties":{"n":{"type":"integer","minimum":12345678901234567890}}}},{"name":"g"},
			{"name":"patch","description":"P\n\nThe input is free text, not JSON. It has to match this lark grammar:\nstart: x",
				"parametersJsonSchema":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}}]},{"googleSearch":{}}]`,
		`{"functionCallingConfig":{"mode":"AUTO"}}`, "strict", "web_search.max_uses")
	f(api.ToolChoice{}, []api.Tool{{Kind: api.FunctionTool, Name: "u", Schema: json.RawMessage(`{"oneOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"object","properties":{"b":{"const":1}}}]}`)}},
		`[{"functionDeclarations":[{"name":"u","parametersJsonSchema":{"type":"object","anyOf":[{"type":"object","properties":{"a":{"type":"string"}}},{"type":"object","properties":{"b":{"type":"number","enum":[1]}}}]}}]}]`, "")
	one := `[{"functionDeclarations":[{"name":"g"}]}]`
	g := []api.Tool{{Kind: api.FunctionTool, Name: "g"}}
	f(api.ToolChoice{}, g, one, "")
	f(api.ToolChoice{Mode: api.ToolNone}, g, one, `{"functionCallingConfig":{"mode":"NONE"}}`)
	f(api.ToolChoice{Mode: api.ToolRequired}, g, one, `{"functionCallingConfig":{"mode":"ANY"}}`)
	f(api.ToolChoice{Mode: api.ToolNamed, Name: "g"}, g, one, `{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["g"]}}`)
	f(api.ToolChoice{Mode: api.ToolAuto, Allowed: []string{"g", "web_search"}}, g, one, `{"functionCallingConfig":{"mode":"VALIDATED","allowedFunctionNames":["g"]}}`)
	f(api.ToolChoice{Mode: api.ToolNamed, Name: "web_search"}, g, one, "", "tool_choice")
	f(api.ToolChoice{}, []api.Tool{
		{Kind: api.OpaqueTool, Raw: json.RawMessage(`{"type":"code_interpreter"}`), Source: api.Responses},
		{Kind: api.OpaqueTool, Raw: json.RawMessage(`{"type":"local_shell"}`), Source: api.Responses},
	}, `[{"codeExecution":{}}]`, "", "tools.local_shell")
}

func TestEncodeRequestRefuses(t *testing.T) {
	f := func(req api.Request, field, why string) {
		t.Helper()
		if req.Messages == nil {
			req.Messages = []api.Message{say(api.RoleUser, text("a"))}
		}
		_, _, err := codec.EncodeRequest(&req)
		var unsupported *api.Unsupported
		require.ErrorAs(t, err, &unsupported)
		require.Equal(t, field, unsupported.Field)
		require.Contains(t, unsupported.Why, why)
	}
	f(api.Request{Source: api.Chat, N: 9}, "n", "is more than the 8 answers")
	f(api.Request{Source: api.Chat, Logprobs: true, Stream: true}, "logprobs", "in a stream")
	f(api.Request{Source: api.Messages, Stop: []string{"1", "2", "3", "4", "5", "6"}}, "stop_sequences", "more than the 5 texts")
	f(api.Request{Source: api.Chat, Tools: []api.Tool{{Kind: api.FunctionTool, Name: "a b"}}}, "tools[0].function.name", `"a b" is no name`)
	f(api.Request{Source: api.Chat, Tools: []api.Tool{{Kind: api.FunctionTool, Name: strings.Repeat("a", 129)}}}, "tools[0].function.name", "is no name")
	f(api.Request{Source: api.Messages, Tools: []api.Tool{{Kind: api.FunctionTool, Name: "1a"}}}, "tools[0].name", `"1a" is no name`)
	state := func(source api.API, name, value string) {
		t.Helper()
		f(api.Request{Source: source, Extra: map[string]json.RawMessage{name: json.RawMessage(value)}}, name, "Gemini")
	}
	state(api.Responses, "previous_response_id", `"resp_1"`)
	state(api.Responses, "conversation", `{"id":"conv_1"}`)
	state(api.Responses, "prompt", `{"id":"pmpt_1"}`)
	state(api.Responses, "background", `true`)
	state(api.Chat, "modalities", `["text","audio"]`)
	f(api.Request{Source: api.Chat, Messages: []api.Message{say(api.RoleUser, text("a")), result("call_9", text("x"))}}, "messages.tool_call_id", `"call_9" belongs to no earlier call`)
}
