package responses_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/responses"
)

func raw(s string) json.RawMessage { return json.RawMessage(s) }

func say(s string) api.Part { return api.Part{Kind: api.Text, Text: s} }

func turn(role api.Role, parts ...api.Part) api.Message { return api.Message{Role: role, Parts: parts} }

func call(id, name, arguments string) api.Part {
	return api.Part{Kind: api.ToolCall, Call: &api.Call{ID: id, Name: name, Arguments: arguments}}
}

func custom(id, name, input string) api.Part {
	return api.Part{Kind: api.ToolCall, Call: &api.Call{ID: id, Name: name, Arguments: input, Custom: true}}
}

func result(id, name string, parts ...api.Part) api.Part {
	return api.Part{Kind: api.ToolResult, Result: &api.Result{ID: id, Name: name, Parts: parts}}
}

func thought(text, signature string, v api.Vendor) api.Part {
	return api.Part{Kind: api.Thinking, Text: text, Signature: signature, Vendor: v}
}

func media(kind api.Kind, m api.Media) api.Part { return api.Part{Kind: kind, Media: &m} }

func with(p api.Part, change func(*api.Part)) api.Part {
	change(&p)
	return p
}

func decode(t testing.TB, body string) *api.Request {
	t.Helper()
	req, err := codec.DecodeRequest([]byte(body))
	require.NoError(t, err)
	return req
}

// plain takes away where the parts came from.
func plain(messages []api.Message) []api.Message {
	for m := range messages {
		for p := range messages[m].Parts {
			part := &messages[m].Parts[p]
			if part.Kind != api.Opaque {
				part.Raw, part.Source = nil, ""
			}
			for c := range part.Citations {
				part.Citations[c].Raw, part.Citations[c].Source = nil, ""
			}
		}
	}
	return messages
}

func TestDecodeConversation(t *testing.T) {
	f := func(input string, want ...api.Message) {
		t.Helper()
		require.Equal(t, want, plain(decode(t, `{"input":`+input+`}`).Messages))
	}
	f(`"Hi"`, turn(api.RoleUser, say("Hi")))
	f(`[{"role":"user","content":"Hi"},{"role":"developer","content":"d"},{"role":"system","content":[{"type":"input_text","text":"s"}]}]`,
		turn(api.RoleUser, say("Hi")), turn(api.RoleDeveloper, say("d")), turn(api.RoleSystem, say("s")))
	f(`[{"role":"user","content":[{"type":"input_text","text":""},{"type":"input_text","text":"a"},
		{"type":"input_image","image_url":"data:image/png;charset=x;base64,AA==","detail":"low"},{"type":"input_image","image_url":"https://a.org/b"},{"type":"input_image","file_id":"f"},
		{"type":"input_image","image_url":"data:image/svg+xml,%3Csvg/%3E"}]}]`,
		turn(api.RoleUser, say("a"),
			media(api.Image, api.Media{MIME: "image/png", Data: "AA==", Detail: "low"}), media(api.Image, api.Media{URL: "https://a.org/b"}), media(api.Image, api.Media{FileID: "f"}),
			media(api.Image, api.Media{MIME: "image/svg+xml", Data: "PHN2Zy8+"})))
	f(`[{"role":"user","content":[{"type":"input_file","filename":"a.PDF","file_data":"JVBERi0="},{"type":"input_file","file_data":"data:text/plain;base64,AA=="},{"type":"input_file","file_url":"https://a.org/b"},{"type":"input_file","file_id":"f"},
		{"type":"input_audio","input_audio":{"data":"AA==","format":"mp3"}},{"type":"input_audio","input_audio":{"data":"AA==","format":"wav"}}]}]`,
		turn(api.RoleUser, media(api.File, api.Media{MIME: "application/pdf", Data: "JVBERi0=", Name: "a.PDF"}), media(api.File, api.Media{MIME: "text/plain", Data: "AA=="}),
			media(api.File, api.Media{URL: "https://a.org/b"}), media(api.File, api.Media{FileID: "f"}),
			media(api.Sound, api.Media{MIME: "audio/mpeg", Data: "AA=="}), media(api.Sound, api.Media{MIME: "audio/wav", Data: "AA=="})))

	// The assistant's items are one turn, and so are the outputs of its tools.
	f(`[{"role":"user","content":"x"},{"type":"reasoning","id":"rs","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":"E"},
		{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"y"},{"type":"refusal","refusal":"no"}]},
		{"type":"function_call","id":"fc","call_id":"1","name":"f","arguments":"{}"},{"type":"custom_tool_call","call_id":"2","name":"patch","input":"p"},{"type":"function_call","call_id":"3","namespace":"mcp__s__","name":"t","arguments":{"a":1}},
		{"type":"function_call_output","call_id":"1","output":"one"},{"type":"custom_tool_call_output","call_id":"2","output":[{"type":"input_text","text":"two"},{"type":"input_image","image_url":"https://a.org/b"}]},
		{"type":"function_call_output","call_id":"3","output":"","status":"incomplete"}]`,
		turn(api.RoleUser, say("x")),
		turn(api.RoleAssistant,
			with(thought("a", "", api.OpenAI), func(p *api.Part) { p.ID = "rs" }), with(thought("b", "E", api.OpenAI), func(p *api.Part) { p.ID = "rs" }),
			with(say("y"), func(p *api.Part) { p.ID = "m" }), api.Part{Kind: api.Refusal, Text: "no", ID: "m"},
			with(call("1", "f", "{}"), func(p *api.Part) { p.ID = "fc" }), custom("2", "patch", "p"), call("3", "mcp__s__t", `{"a":1}`)),
		turn(api.RoleTool, result("1", "f", say("one")),
			with(result("2", "patch", say("two"), media(api.Image, api.Media{URL: "https://a.org/b"})), func(p *api.Part) { p.Result.Custom = true }),
			with(result("3", "mcp__s__t"), func(p *api.Part) { p.Result.IsError = true })))
	f(`[{"role":"assistant","content":[{"type":"output_text","text":"y","annotations":[{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":1},{"type":"file_citation","file_id":"f","filename":"n"}]}]}]`,
		turn(api.RoleAssistant, api.Part{Kind: api.Text, Text: "y", Citations: []api.Citation{{URL: "u", Title: "t", End: 1}, {Title: "n"}}}))
	f(`[{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"hm"}]},{"type":"reasoning","id":"rs","summary":[]}]`,
		turn(api.RoleAssistant, thought("hm", "", api.OpenAI), api.Part{Kind: api.Opaque, ID: "rs", Vendor: api.OpenAI, Raw: raw(`{"type":"reasoning","id":"rs","summary":[]}`), Source: api.Responses}))
}

// What other vendors signed comes back sealed.
func TestDecodeSealedSignatures(t *testing.T) {
	f := func(items string, want ...api.Part) {
		t.Helper()
		req := decode(t, `{"input":[{"role":"user","content":"x"},`+items+`]}`)
		require.Equal(t, []api.Message{turn(api.RoleUser, say("x")), turn(api.RoleAssistant, want...)}, plain(req.Messages))
	}
	f(`{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"encrypted_content":"plexus:anthropic:sig"}`, thought("hm", "sig", api.Anthropic))
	f(`{"type":"reasoning","summary":[],"encrypted_content":"plexus:anthropic:redacted:data"}`, with(thought("", "data", api.Anthropic), func(p *api.Part) { p.Redacted = true }))
	f(`{"type":"function_call","call_id":"a:b","name":"f","arguments":"{}"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"reasoning","summary":[],"encrypted_content":"plexus:google:call:a:b:sig"}`,
		with(call("a:b", "f", "{}"), func(p *api.Part) { p.Signature, p.Vendor = "sig", api.Google }), call("c", "f", "{}"))
	f(`{"role":"assistant","content":"y"},{"type":"reasoning","summary":[],"encrypted_content":"plexus:google:prev:sig"},{"role":"assistant","content":"z"}`,
		with(say("y"), func(p *api.Part) { p.Signature, p.Vendor = "sig", api.Google }), say("z"))
	f(`{"role":"assistant","content":"y"},{"type":"reasoning","summary":[],"encrypted_content":"plexus:google:text:sig"}`,
		say("y"), with(say(""), func(p *api.Part) { p.Signature, p.Vendor = "sig", api.Google }))

	// What it was of is gone.
	require.Len(t, decode(t, `{"input":[{"role":"user","content":"x"},{"type":"reasoning","summary":[],"encrypted_content":"plexus:google:prev:sig"}]}`).Messages, 1)
	require.Len(t, decode(t, `{"input":[{"type":"reasoning","summary":[],"encrypted_content":"plexus:google:call:x:sig"},{"role":"user","content":"x"}]}`).Messages, 1)
}

func TestDecodeSettings(t *testing.T) {
	f := func(members string, want api.Request) {
		t.Helper()
		want.Source = api.Responses
		got := decode(t, `{`+members+`}`)
		for i := range got.Tools {
			got.Tools[i].Raw, got.Tools[i].Source = nil, ""
		}
		require.Equal(t, want, *got)
	}
	extra := func(name, value string) map[string]json.RawMessage {
		return map[string]json.RawMessage{name: raw(value)}
	}
	f(`"model":"m","stream":true,"max_output_tokens":7,"temperature":0.1,"top_p":1,"top_logprobs":2,"user":"u","service_tier":"flex","metadata":{"a":"b"},"parallel_tool_calls":false,"temperature_of_tomorrow":null`, api.Request{
		Model: "m", Stream: true, MaxTokens: 7, Temperature: "0.1", TopP: "1", TopLogprobs: 2, User: "u", ServiceTier: "flex", Metadata: raw(`{"a":"b"}`), ParallelToolCalls: new(false),
	})
	f(`"store":false`, api.Request{Extra: extra("store", "false")})
	f(`"text":{"verbosity":"low","format":{"type":"json_schema","name":"n","schema":{},"strict":true}}`, api.Request{Verbosity: "low", Format: &api.Format{Name: "n", Schema: raw(`{}`), Strict: new(true)}})
	f(`"text":{"format":{"type":"json_object"}}`, api.Request{Format: &api.Format{}})
	f(`"text":{"format":{"type":"text"}}`, api.Request{})
	f(`"reasoning":{"effort":"low","summary":"auto"},"include":["reasoning.encrypted_content"]`, api.Request{Reasoning: &api.Reasoning{Effort: "low", Summary: "auto", Visible: true, Encrypted: true}})
	f(`"include":["message.output_text.logprobs"]`, api.Request{Logprobs: true})

	f(`"tools":[{"type":"function","name":"f","description":"d","parameters":{"a":1},"strict":false},{"type":"custom","name":"c","format":{"type":"text"}},{"type":"local_shell"},{"type":"mcp","server_label":"s"}]`, api.Request{Tools: []api.Tool{
		{Kind: api.FunctionTool, Name: "f", Description: "d", Schema: raw(`{"a":1}`), Strict: new(false)},
		{Kind: api.CustomTool, Name: "c", Grammar: raw(`{"type":"text"}`)},
		{Kind: api.OpaqueTool, Name: "local_shell"},
		{Kind: api.OpaqueTool, Name: "s"},
	}})
	f(`"tools":[{"type":"namespace","name":"mcp__s","tools":[{"type":"function","name":"a"},{"type":"custom","name":"b"}]},{"type":"namespace","name":"n","tools":[]}]`, api.Request{Tools: []api.Tool{
		{Kind: api.FunctionTool, Name: "mcp__s__a"}, {Kind: api.CustomTool, Name: "mcp__s__b"}, {Kind: api.OpaqueTool, Name: "n"},
	}})
	f(`"tools":[{"type":"web_search_preview","filters":{"allowed_domains":["a"],"blocked_domains":["b"]},"search_context_size":"low","user_location":{"type":"approximate","city":"c","region":"r","country":"C","timezone":"t"}}]`, api.Request{Tools: []api.Tool{
		{Kind: api.WebSearchTool, Name: "web_search", Search: &api.WebSearch{AllowedDomains: []string{"a"}, BlockedDomains: []string{"b"}, ContextSize: "low", City: "c", Region: "r", Country: "C", Timezone: "t"}},
	}})
	choose := func(choice string, want api.ToolChoice) {
		t.Helper()
		f(`"tool_choice":`+choice, api.Request{ToolChoice: want})
	}
	choose(`"required"`, api.ToolChoice{Mode: api.ToolRequired})
	choose(`{"type":"function","name":"f"}`, api.ToolChoice{Mode: api.ToolNamed, Name: "f"})
	choose(`{"type":"function","namespace":"n","name":"f"}`, api.ToolChoice{Mode: api.ToolNamed, Name: "n__f"})
	choose(`{"type":"web_search_preview"}`, api.ToolChoice{Mode: api.ToolNamed, Name: "web_search"})
	choose(`{"type":"mcp","server_label":"s","name":"t"}`, api.ToolChoice{Mode: api.ToolNamed, Name: "s.t"})
	choose(`{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"web_search"}]}`, api.ToolChoice{Mode: api.ToolRequired, Allowed: []string{"f", "web_search"}})
	choose(`{"type":"allowed_tools","tools":[{"type":"function","name":"f"}]}`, api.ToolChoice{Mode: api.ToolAuto, Allowed: []string{"f"}})
}

func TestDecodeRequestNamesTheMemberAtFault(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		_, err := codec.DecodeRequest([]byte(body))
		require.EqualError(t, err, want)
	}
	f(`{`, "the body is not JSON: unexpected end of JSON input")
	f(`[]`, "expected an object")
	f(`{"model":1}`, "model: expected a text")
	f(`{"stream":"yes"}`, "stream: expected true or false")
	f(`{"max_output_tokens":1.5}`, "max_output_tokens: expected a whole number")
	f(`{"temperature":"hot"}`, "temperature: expected a number")
	f(`{"input":7}`, "input: expected a text or a list of items")
	f(`{"input":["Hi"]}`, "input[0]: expected an object")
	f(`{"input":[{}]}`, "input[0].type: expected the kind of the item, such as message")
	f(`{"input":[{"role":"tool","content":"x"}]}`, "input[0].role: expected user, assistant, system or developer")
	f(`{"input":[{"role":"user","content":7}]}`, "input[0].content: expected a text or a list")
	f(`{"input":[{"role":"user","content":[{"text":"x"}]}]}`, "input[0].content[0].type: expected the kind of the content, such as input_text")
	f(`{"input":[{"role":"user","content":[{"type":"input_image"}]}]}`, "input[0].content[0].image_url: expected a URL, or file_id in its place")
	f(`{"input":[{"role":"user","content":[{"type":"input_image","image_url":"data:x"}]}]}`, "input[0].content[0].image_url: expected a data URL with a comma before its data")
	f(`{"input":[{"role":"user","content":[{"type":"input_file"}]}]}`, "input[0].content[0].file_data: expected the file, or file_url or file_id in its place")
	f(`{"input":[{"role":"user","content":[{"type":"input_audio"}]}]}`, "input[0].content[0].input_audio.data: expected the sound in base64")
	f(`{"input":[{"type":"function_call","name":"f"}]}`, "input[0].call_id: expected the call's id")
	f(`{"input":[{"type":"function_call","call_id":"1"}]}`, "input[0].name: expected the tool's name")
	f(`{"input":[{"type":"function_call_output"}]}`, "input[0].call_id: expected the id of the call that this is the output of")
	f(`{"tools":[{"name":"f"}]}`, "tools[0].type: expected the kind of the tool, such as function")
	f(`{"tools":[{"type":"function"}]}`, "tools[0].name: expected the tool's name")
	f(`{"tools":[{"type":"namespace","name":"n","tools":[{"type":"function"}]}]}`, "tools[0].tools[0].name: expected the tool's name")
	f(`{"tool_choice":"any"}`, "tool_choice: expected auto, none, required or an object")
	f(`{"tool_choice":{}}`, "tool_choice.type: expected the kind of the choice, such as function")
	f(`{"text":{"format":{"type":"json_schema"}}}`, "text.format.schema: expected a JSON Schema")
	f(`{"include":[1]}`, "include[0]: expected a text")
}

func TestStateful(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		require.Equal(t, want, responses.Stateful(decode(t, body)))
	}
	f(`{"input":"Hi","store":true,"background":false,"previous_response_id":null}`, "")
	f(`{"previous_response_id":"r"}`, "previous_response_id")
	f(`{"conversation":"c"}`, "conversation")
	f(`{"prompt":{"id":"p"}}`, "prompt")
	f(`{"background":true}`, "background")
	f(`{"input":[{"type":"item_reference","id":"x"}]}`, "input.item_reference")
	f(`{"input":[{"id":"x"}]}`, "input.item_reference")
	f(`{"input":[{"type":"reasoning","id":"x","summary":[]}]}`, "")
	require.Empty(t, responses.Stateful(&api.Request{Source: api.Chat, Extra: map[string]json.RawMessage{"prompt": raw(`{}1`)}}))
}
