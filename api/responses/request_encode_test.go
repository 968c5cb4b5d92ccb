package responses_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

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
	body, dropped, err := codec.EncodeRequest(&req)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(body, &got), "%s", body)
	after, err := json.Marshal(req)
	require.NoError(t, err)
	require.JSONEq(t, string(before), string(after), "other attempts need the request as it was")
	return got, dropped
}

func TestEncodeSettings(t *testing.T) {
	f := func(req api.Request, want string, dropped ...string) {
		t.Helper()
		got, lost := encode(t, req)
		require.Equal(t, dropped, lost)
		delete(got, "model")
		delete(got, "input")
		out, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, want, string(out))
	}
	const unstored = `"store":false`
	extra := func(names ...string) map[string]json.RawMessage {
		out := map[string]json.RawMessage{}
		for _, name := range names {
			out[name] = raw("true")
		}
		return out
	}
	f(api.Request{}, `{`+unstored+`}`)
	f(api.Request{Stream: true, MaxTokens: 100, Temperature: "1e-7", TopP: "0.5", Verbosity: "low", User: "u", Metadata: raw(`{"a":"b"}`), ServiceTier: "flex", ParallelToolCalls: new(false)},
		`{"stream":true,"max_output_tokens":100,"temperature":1e-7,"top_p":0.5,"text":{"verbosity":"low"},"user":"u","metadata":{"a":"b"},"service_tier":"flex","parallel_tool_calls":false,`+unstored+`}`)
	f(api.Request{MaxTokens: 1}, `{"max_output_tokens":16,`+unstored+`}`)
	f(api.Request{TopK: "5", Seed: "1", FrequencyPenalty: "1", PresencePenalty: "1", LogitBias: raw(`{"1":2}`)}, `{`+unstored+`}`,
		"frequency_penalty", "logit_bias", "presence_penalty", "seed", "top_k")
	f(api.Request{Logprobs: true, TopLogprobs: 2}, `{"top_logprobs":2,"include":["message.output_text.logprobs"],`+unstored+`}`)
	f(api.Request{Source: api.Messages, ServiceTier: "auto", User: strings.Repeat("u", 65)}, `{"user":"`+sum(strings.Repeat("u", 65))+`",`+unstored+`}`, "service_tier")
	f(api.Request{Extra: extra("store", "prompt_cache_key", "safety_identifier", "prediction")}, `{"store":true,"prompt_cache_key":true,"safety_identifier":true}`, "prediction")
	f(api.Request{Source: api.Messages, Extra: extra("store", "context_management")}, `{}`, "context_management", "store")

	f(api.Request{Format: &api.Format{}}, `{"text":{"format":{"type":"json_object"}},`+unstored+`}`)
	f(api.Request{Format: &api.Format{Schema: raw(`{"a":1}`)}}, `{"text":{"format":{"type":"json_schema","name":"answer","schema":{"a":1}}},`+unstored+`}`)
	f(api.Request{Format: &api.Format{Schema: raw(`{}`), Name: "n", Description: "d", Strict: new(true)}}, `{"text":{"format":{"type":"json_schema","name":"n","description":"d","schema":{},"strict":true}},`+unstored+`}`)

	const include = `"include":["reasoning.encrypted_content"],`
	f(api.Request{Reasoning: &api.Reasoning{Effort: "minimal"}, Temperature: "1"}, `{"reasoning":{"effort":"minimal"},"temperature":1,`+include+unstored+`}`)
	f(api.Request{Source: api.Messages, Reasoning: &api.Reasoning{Budget: 20000, Visible: true}, Temperature: "1", TopP: "1"}, `{"reasoning":{"effort":"high","summary":"auto"},`+include+unstored+`}`, "temperature", "top_p")
	f(api.Request{Source: api.Messages, Reasoning: &api.Reasoning{Effort: "max", Adaptive: true}}, `{"reasoning":{"effort":"xhigh"},`+include+unstored+`}`)
	f(api.Request{Source: api.Gemini, Reasoning: &api.Reasoning{Effort: "none"}, Temperature: "1"}, `{"reasoning":{"effort":"none"},"temperature":1,`+unstored+`}`)
}

func TestEncodeRefusesWhatWouldChangeTheAnswer(t *testing.T) {
	f := func(field string, req api.Request) {
		t.Helper()
		if req.Messages == nil {
			req.Messages = asked
		}
		_, _, err := codec.EncodeRequest(&req)
		var unsupported *api.Unsupported
		require.ErrorAs(t, err, &unsupported)
		require.Equal(t, field, unsupported.Field)
		require.NotEmpty(t, unsupported.Why)
	}
	user := func(source api.API, part api.Part) api.Request {
		return api.Request{Source: source, Messages: []api.Message{turn(api.RoleUser, part)}}
	}
	f("n", api.Request{Source: api.Chat, N: 2})
	f("generationConfig.candidateCount", api.Request{Source: api.Gemini, N: 2})
	f("stop", api.Request{Source: api.Chat, Stop: []string{"x"}})
	f("stop_sequences", api.Request{Source: api.Messages, Stop: []string{"x"}})
	f("generationConfig.stopSequences", api.Request{Source: api.Gemini, Stop: []string{"x"}})
	f("modalities", api.Request{Source: api.Chat, Extra: map[string]json.RawMessage{"modalities": raw(`["text","audio"]`)}})
	f("source.file_id", user(api.Messages, media(api.File, api.Media{FileID: "f"})))
	f("fileData.fileUri", user(api.Gemini, media(api.Image, api.Media{FileID: "f"})))
	f("input_audio", user(api.Chat, media(api.Sound, api.Media{MIME: "audio/flac", Data: "AA=="})))
	f("inlineData", user(api.Gemini, media(api.Sound, api.Media{URL: "https://a.org/b.wav"})))
	f("inlineData", user(api.Gemini, media(api.File, api.Media{MIME: "video/mp4", Data: "AA=="})))
}

func TestEncodeConversation(t *testing.T) {
	f := func(source api.API, want string, messages ...api.Message) {
		t.Helper()
		got, _ := encode(t, api.Request{Source: source, Messages: messages})
		require.JSONEq(t, want, string(got["input"]))
	}
	user := func(content string) string { return `{"type":"message","role":"user","content":[` + content + `]}` }
	text := func(s string) string { return `{"type":"input_text","text":"` + s + `"}` }
	hi := user(text("Hi"))

	// The first system message is the instructions, unless nothing else is there.
	got, dropped := encode(t, api.Request{Messages: []api.Message{turn(api.RoleSystem, say("a"), with(say("b"), func(p *api.Part) { p.Cache = raw(`{}`) })), asked[0], turn(api.RoleSystem, say("c"))}})
	require.JSONEq(t, `"a\n\nb"`, string(got["instructions"]))
	require.JSONEq(t, `[`+hi+`,{"type":"message","role":"system","content":[`+text("c")+`]}]`, string(got["input"]))
	require.Equal(t, []string{"cache_control"}, dropped)
	f(api.Chat, `[{"type":"message","role":"system","content":[`+text("a")+`]}]`, turn(api.RoleSystem, say("a")))
	f(api.Chat, `[{"type":"message","role":"developer","content":[`+text("a")+`]},`+hi+`]`, turn(api.RoleDeveloper, say("a")), asked[0])

	f(api.Chat, `[`+user(text("a")+`,{"type":"input_image","image_url":"data:image/png;base64,AA==","detail":"low"},{"type":"input_image","image_url":"https://a.org/b"},{"type":"input_image","file_id":"f"},
		{"type":"input_file","filename":"document.pdf","file_data":"data:application/pdf;base64,AA=="},{"type":"input_file","filename":"n.txt","file_data":"data:text/plain;base64,AA=="},{"type":"input_file","file_url":"https://a.org/b.pdf"},{"type":"input_file","file_id":"f"},
		{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}},{"type":"input_audio","input_audio":{"data":"AA==","format":"mp3"}},`+text("plain"))+`]`,
		turn(api.RoleUser, say("a"), say(""),
			media(api.Image, api.Media{MIME: "image/png", Data: "AA==", Detail: "low"}), media(api.Image, api.Media{URL: "https://a.org/b"}), media(api.Image, api.Media{FileID: "f"}),
			media(api.File, api.Media{MIME: "application/pdf", Data: "AA=="}), media(api.File, api.Media{MIME: "text/plain", Data: "AA==", Name: "n.txt"}), media(api.File, api.Media{URL: "https://a.org/b.pdf"}), media(api.File, api.Media{FileID: "f"}),
			media(api.Sound, api.Media{MIME: "audio/wav", Data: "AA=="}), media(api.File, api.Media{MIME: "audio/mpeg", Data: "AA=="}), media(api.File, api.Media{Text: "plain"})))

	// Calls and results, whose ids OpenAI limits.
	long := strings.Repeat("x", 65)
	f(api.Chat, `[`+hi+`,{"type":"message","role":"assistant","content":[{"type":"output_text","text":"y"},{"type":"refusal","refusal":"no"}]},{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},
		{"type":"custom_tool_call","call_id":"`+api.CallID(long)+`","name":"patch","input":"p"},{"type":"function_call_output","call_id":"1","output":"one"},{"type":"custom_tool_call_output","call_id":"`+api.CallID(long)+`","output":[`+text("a")+`,{"type":"input_image","image_url":"https://a.org/b"}],"status":"incomplete"},
		{"type":"function_call_output","call_id":"3","output":""}]`,
		asked[0], turn(api.RoleAssistant, say("y"), api.Part{Kind: api.Refusal, Text: "no"}, call("1", "f", ""), custom(long, "patch", "p")),
		turn(api.RoleTool, result("1", "f", say("one")), with(result(long, "patch", say("a"), media(api.Image, api.Media{URL: "https://a.org/b"})), func(p *api.Part) { p.Result.IsError = true }), result("3", "g")))

	// Reasoning of OpenAI goes back to it, that of others goes nowhere.
	f(api.Chat, `[`+hi+`,{"type":"reasoning","summary":[{"type":"summary_text","text":"a"}],"encrypted_content":"E"},{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"b"},{"type":"summary_text","text":"c"}],"encrypted_content":"F"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"y"}]}]`,
		asked[0], turn(api.RoleAssistant, thought("a", "E", api.OpenAI), with(thought("b", "", api.OpenAI), func(p *api.Part) { p.ID = "rs" }), with(thought("c", "F", api.OpenAI), func(p *api.Part) { p.ID = "rs" }),
			thought("x", "S", api.Anthropic), thought("", "S", api.Google), thought("deepseek", "", ""), api.Part{Kind: api.Opaque, Vendor: api.Anthropic, Source: api.Messages, Raw: raw(`{}`)}, say("y")))
}

// A conversation that went on with another vendor comes back to OpenAI without
// what only that vendor can read.
func TestEncodeDropsWhatOtherVendorsSigned(t *testing.T) {
	f := func(items, want string) {
		t.Helper()
		req := decode(t, `{"model":"m","input":[{"role":"user","content":"x"},`+items+`]}`)
		body, _, err := codec.EncodeRequest(req)
		require.NoError(t, err)
		require.JSONEq(t, `{"model":"m","input":[{"role":"user","content":"x"}`+want+`]}`, string(body))
	}
	const said = `,{"role":"assistant","content":"y"}`
	f(`{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"plexus:anthropic:sig"}`+said, said)
	f(`{"type":"reasoning","id":"rs","summary":[],"encrypted_content":"plexus:anthropic:redacted:sig"}`+said, said)
	f(`{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"plexus::"}`+said, said)
	f(`{"type":"reasoning","id":"rs","summary":[],"encrypted_content":"plexus::"}`+said, said)
	f(`{"role":"assistant","content":"y"},{"type":"reasoning","id":"rs","summary":[],"encrypted_content":"plexus:google:prev:sig"}`, said)
	f(`{"role":"assistant","content":"y"},{"type":"reasoning","id":"rs","summary":[],"encrypted_content":"plexus:google:text:sig"}`, said)
	f(`{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"type":"reasoning","id":"rs","summary":[],"encrypted_content":"plexus:google:call:1:sig"}`, `,{"type":"function_call","call_id":"1","name":"f","arguments":"{}"}`)
}

func TestEncodeTools(t *testing.T) {
	f := func(req api.Request, tools, choice string, dropped ...string) {
		t.Helper()
		got, lost := encode(t, req)
		require.Equal(t, dropped, lost)
		require.JSONEq(t, tools, string(got["tools"]))
		if choice == "" {
			require.Nil(t, got["tool_choice"])
			return
		}
		require.JSONEq(t, choice, string(got["tool_choice"]))
	}
	g := api.Tool{Kind: api.FunctionTool, Name: "g"}
	const gTool = `{"type":"function","name":"g","parameters":{"type":"object","properties":{}},"strict":false}`
	f(api.Request{Tools: []api.Tool{{Kind: api.FunctionTool, Name: "f", Description: "d", Schema: raw(`{"a":1,"type":"object","properties":{}}`), Strict: new(true), Cache: raw(`{}`)}, g}},
		`[{"type":"function","name":"f","description":"d","parameters":{"a":1,"type":"object","properties":{}},"strict":true},`+gTool+`]`, "", "cache_control")
	f(api.Request{Tools: []api.Tool{{Kind: api.CustomTool, Name: "c", Description: "d", Grammar: raw(`{"type":"text"}`)}}, ToolChoice: api.ToolChoice{Mode: api.ToolNamed, Name: "c"}},
		`[{"type":"custom","name":"c","description":"d","format":{"type":"text"}}]`, `{"type":"custom","name":"c"}`)
	f(api.Request{Tools: []api.Tool{{Kind: api.WebSearchTool, Name: "web_search", Search: &api.WebSearch{AllowedDomains: []string{"a"}, BlockedDomains: []string{"b"}, MaxUses: 2, ContextSize: "low", City: "c", Region: "r", Country: "C", Timezone: "t"}}}, ToolChoice: api.ToolChoice{Mode: api.ToolNamed, Name: "web_search"}},
		`[{"type":"web_search","filters":{"allowed_domains":["a"],"blocked_domains":["b"]},"search_context_size":"low","user_location":{"type":"approximate","city":"c","region":"r","country":"C","timezone":"t"}}]`, `{"type":"web_search"}`, "max_uses")
	f(api.Request{Tools: []api.Tool{g, {Kind: api.OpaqueTool, Name: "bash", Source: api.Messages, Raw: raw(`{}`)}}}, `[`+gTool+`]`, "", "tools.bash")
	f(api.Request{Tools: []api.Tool{g}, ToolChoice: api.ToolChoice{Mode: api.ToolRequired}}, `[`+gTool+`]`, `"required"`)
	f(api.Request{Tools: []api.Tool{g}, ToolChoice: api.ToolChoice{Mode: api.ToolRequired, Allowed: []string{"g"}}}, `[`+gTool+`]`, `{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"g"}]}`)
	f(api.Request{Tools: []api.Tool{g}, ToolChoice: api.ToolChoice{Mode: api.ToolNamed, Name: "g"}}, `[`+gTool+`]`, `{"type":"function","name":"g"}`)

	// A choice without tools is refused, and says nothing where it is free.
	got, _ := encode(t, api.Request{ToolChoice: api.ToolChoice{Mode: api.ToolAuto}})
	require.Nil(t, got["tool_choice"])
	require.Nil(t, got["tools"])
}

func sum(s string) string {
	hash := sha256.Sum256([]byte(s))
	return hex.EncodeToString(hash[:])
}

// Anthropic's schemas may leave properties out, and Google binds the model to any;
// OpenAI answers 400 to a schema that it cannot be strict about, and to an object
// without a member for its properties.
func TestSchemasOfOtherVendors(t *testing.T) {
	f := func(source api.API, schema, parameters string, strict bool, format string, dropped ...string) {
		t.Helper()
		got, lost := encode(t, api.Request{
			Source: source, Format: &api.Format{Schema: raw(schema)},
			Tools: []api.Tool{{Kind: api.FunctionTool, Name: "f", Schema: raw(schema), Strict: new(true)}},
		})
		require.Equal(t, dropped, lost)
		require.JSONEq(t, fmt.Sprintf(`[{"type":"function","name":"f","parameters":%s,"strict":%v}]`, parameters, strict), string(got["tools"]))
		require.JSONEq(t, `{"format":{"type":"json_schema","name":"answer","schema":`+schema+format+`}}`, string(got["text"]))
	}
	const closed = `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`
	const open = `{"type":"object","properties":{"a":{"type":"string"}}}`
	f(api.Messages, closed, closed, true, `,"strict":true`)
	f(api.Messages, open, open, false, ``, "tools.f.strict")
	f(api.Messages, `{"type":"object"}`, `{"type":"object","properties":{}}`, false, ``, "tools.f.strict")
	f(api.Chat, open, open, true, ``)
}

// What OpenAI's models refuse depends on the model, and other formats' clients do
// not know which one they are asking.
func TestEncodeForModels(t *testing.T) {
	f := func(model string, req api.Request, want string, dropped ...string) {
		t.Helper()
		req.Model = model
		got, lost := encode(t, req)
		require.Equal(t, dropped, lost)
		for _, name := range []string{"model", "input", "store"} {
			delete(got, name)
		}
		out, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, want, string(out))
	}
	think := func(effort string) *api.Reasoning { return &api.Reasoning{Effort: effort, Visible: true} }
	const include = `,"include":["reasoning.encrypted_content"]`
	f("gpt-4.1", api.Request{Source: api.Messages, Reasoning: think("high"), Temperature: "1"}, `{"temperature":1}`, "reasoning")
	f("gpt-4.1", api.Request{Source: api.Messages, Reasoning: &api.Reasoning{Effort: "none"}}, `{}`)
	f("gpt-4.1", api.Request{Verbosity: "low"}, `{}`, "verbosity")
	f("gpt-5", api.Request{Temperature: "0.5", TopP: "1", Verbosity: "low"}, `{"text":{"verbosity":"low"}}`, "temperature", "top_p")
	f("gpt-5", api.Request{Source: api.Gemini, Reasoning: &api.Reasoning{Effort: "none"}}, `{"reasoning":{"effort":"minimal"}}`)
	f("gpt-5.2", api.Request{Temperature: "0.5"}, `{"temperature":0.5}`)
	f("o3", api.Request{Reasoning: think("minimal")}, `{"reasoning":{"effort":"low","summary":"auto"}`+include+`}`)
	f("ours", api.Request{Temperature: "0.5", Reasoning: think("minimal")}, `{"temperature":0.5,"reasoning":{"effort":"minimal","summary":"auto"}`+include+`}`)
	_, _, err := codec.EncodeRequest(&api.Request{Source: api.Chat, Model: "o3", Logprobs: true})
	require.EqualError(t, err, "logprobs is refused by the target's model, which does not tell probabilities: leave it out")
}

// OpenAI refuses to answer with any JSON object unless the word is in the input.
func TestJSONIsNamed(t *testing.T) {
	f := func(source api.API, text string, want int) {
		t.Helper()
		got, _ := encode(t, api.Request{Source: source, Format: &api.Format{}, Messages: []api.Message{turn(api.RoleUser, say(text))}})
		require.Equal(t, want, strings.Count(string(got["input"]), "JSON object"))
	}
	f(api.Gemini, "Name a city.", 1)
	f(api.Gemini, "Name a city in json.", 0)
	f(api.Chat, "Name a city.", 0)
}

// The name of a member that nobody knows may hold anything, also what looks like
// other members.
func TestNamesOfMembersAreQuoted(t *testing.T) {
	const body = `{"model":"m","input":"Hi","x\",\"model\":\"other\",\"y":1,"a\nb":2}`
	req, err := codec.DecodeRequest([]byte(body))
	require.NoError(t, err)
	out, _, err := codec.EncodeRequest(req)
	require.NoError(t, err)
	require.JSONEq(t, body, string(out))
	require.NotContains(t, string(out), `"model":"other"`)
}
