package chat_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

var codec chat.Codec

func decoded(t *testing.T, body string) *api.Request {
	t.Helper()
	req, err := codec.DecodeRequest([]byte(body))
	require.NoError(t, err, body)
	return req
}

func encoded(t *testing.T, req *api.Request) (string, []string) {
	t.Helper()
	body, dropped, err := codec.EncodeRequest(req)
	require.NoError(t, err)
	require.True(t, json.Valid(body), "%s", body)
	return string(body), dropped
}

// message is a request around one message or several.
func message(messages string) string {
	return `{"model":"m","messages":[` + messages + `]}`
}

const hi = `{"role":"user","content":"Hi"}`

func TestRequestsStayWhatTheyAre(t *testing.T) {
	f := func(body string) {
		t.Helper()
		got, dropped := encoded(t, decoded(t, body))
		require.JSONEq(t, body, got)
		require.Empty(t, dropped)
	}
	with := func(members string) {
		t.Helper()
		f(`{"model":"m","messages":[` + hi + `],` + members + `}`)
	}
	f(message(`{"role":"system","content":"Be brief."},{"role":"system","content":"Be kind."},{"role":"developer","content":"Be both."},` + hi))
	f(message(`{"role":"system","content":[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral","ttl":"1h"}}]},` + hi))
	f(message(`{"role":"user","name":"Ann","content":[{"type":"text","text":"Look","cache_control":{"type":"ephemeral"}}]}`))
	f(message(`{"role":"user","content":""}`))
	f(message(`{"role":"user","content":[{"type":"text","text":"What is this?"},
		{"type":"image_url","image_url":{"url":"https://example.com/a.png","detail":"high"}},
		{"type":"image_url","image_url":{"url":"data:image/gif;base64,R0lGOD=="}},
		{"type":"input_audio","input_audio":{"data":"UklG","format":"wav"}},
		{"type":"input_audio","input_audio":{"data":"SUQz","format":"mp3"}},
		{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,JVBE"}},
		{"type":"file","file":{"file_id":"file-1"}},
		{"type":"video_url","video_url":{"url":"https://example.com/a"}}]}`))
	f(message(hi + `,{"role":"assistant","content":"Hello"},{"role":"assistant","content":"again"},` + hi))
	f(message(hi + `,{"role":"assistant","content":null,"refusal":"I can't."},` + hi))
	f(message(hi + `,{"role":"assistant","content":null,"audio":{"id":"audio_1"}},` + hi))
	f(message(hi + `,{"role":"assistant","content":null,"tool_calls":[
			{"id":"call_1","type":"function","function":{"name":"look_up","arguments":"{\"q\": 12345678901234567890}"}},
			{"id":"call_2","type":"custom","custom":{"name":"shell","input":"ls -l"}},
			{"id":"call_3","type":"function","function":{"name":"look_up","arguments":"not json"}}]},
		{"role":"tool","tool_call_id":"call_1","content":"found"},
		{"role":"tool","tool_call_id":"call_2","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},
		{"role":"tool","tool_call_id":"call_3","content":""}`))
	f(message(hi + `,{"role":"assistant","content":"x","reasoning_content":"Hm."},` + hi))
	f(message(hi + `,{"role":"assistant","content":"x","reasoning_content":"Hm.So.","reasoning_details":[
		{"type":"reasoning.text","text":"Hm.","signature":"c2ln","format":"anthropic-claude-v1","index":0},
		{"type":"reasoning.text","text":"So.","signature":"c2lo","format":"anthropic-claude-v1","index":1}]},` + hi))
	f(message(hi + `,{"role":"assistant","content":"x","reasoning_content":"Sum.","reasoning_details":[
		{"type":"reasoning.summary","summary":"Sum.","format":"openai-responses-v1","index":0},
		{"type":"reasoning.encrypted","data":"ZW5j","id":"rs_1","format":"openai-responses-v1","index":0}]},` + hi))
	f(message(hi + `,{"role":"assistant","content":"x","extra_content":{"google":{"thought_signature":"dGV4dA=="}},"tool_calls":[
		{"id":"call_1","type":"function","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"Y2FsbA=="}}}]},
		{"role":"tool","tool_call_id":"call_1","content":"1"}`))

	with(`"max_tokens":9`)
	with(`"max_completion_tokens":9,"reasoning_effort":"high"`)
	with(`"max_tokens":9,"reasoning_effort":"minimal"`)
	with(`"reasoning":{"effort":"high"}`)
	with(`"reasoning":{"max_tokens":2000}`)
	with(`"reasoning":{"max_tokens":2000,"exclude":true}`)
	with(`"stop":"END"`)
	with(`"stop":["a","b","c","d"]`)
	with(`"temperature":0.70000000000000001,"top_p":1e-7,"top_k":40,"frequency_penalty":-1.5,"presence_penalty":2,"seed":12345678901234567890`)
	with(`"n":2,"logprobs":true,"top_logprobs":5,"logit_bias":{"50256":-100}`)
	with(`"stream":true,"stream_options":{"include_usage":true}`)
	with(`"stream":true,"stream_options":{"include_usage":true,"include_obfuscation":false}`)
	with(`"response_format":{"type":"json_object"}`)
	with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","description":"d","schema":{"type":"object","$defs":{"a":{}},"properties":{"b":{"$ref":"#/$defs/a"}}},"strict":true}}`)
	with(`"verbosity":"low","user":"u","safety_identifier":"s","prompt_cache_key":"k","metadata":{"a":"b"},"store":true,"service_tier":"flex"`)
	with(`"safety_identifier":"s"`)
	with(`"modalities":["text","audio"],"audio":{"voice":"alloy","format":"mp3"},"prediction":{"type":"content","content":"x"}`)
	with(`"future":{"big":12345678901234567890,"small":1e-7},"nothing":null`)
	with(`"web_search_options":{"search_context_size":"low","user_location":{"type":"approximate","approximate":{"city":"Bern","region":"BE","country":"CH","timezone":"Europe/Zurich"}}}`)
	with(`"web_search_options":{}`)

	const tools = `"tools":[
		{"type":"function","function":{"name":"f","description":"d","parameters":{"type":"object","properties":{"a":{"type":["string","null"]}},"additionalProperties":false},"strict":true}},
		{"type":"function","function":{"name":"g"},"cache_control":{"type":"ephemeral"}},
		{"type":"custom","custom":{"name":"c","description":"d","format":{"type":"grammar","grammar":{"syntax":"lark","definition":"start: \"x\""}}}},
		{"type":"custom","custom":{"name":"t","format":{"type":"text"}}},
		{"type":"builtin_function","function":{"name":"$web_search"}}]`
	for _, choice := range []string{
		`"auto"`, `"none"`, `"required"`, `{"type":"function","function":{"name":"f"}}`, `{"type":"custom","custom":{"name":"c"}}`,
		`{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}},{"type":"custom","custom":{"name":"c"}}]}}`,
	} {
		with(tools + `,"parallel_tool_calls":false,"tool_choice":` + choice)
	}
}

func TestWhatRequestsMean(t *testing.T) {
	parts := func(messages string) []api.Part {
		t.Helper()
		list := decoded(t, message(messages)).Messages
		return list[len(list)-1].Parts
	}
	yes, no := true, false

	require.Equal(t, []api.Part{{Kind: api.Image, Media: &api.Media{MIME: "image/png", Data: "AAAA", Detail: "low"}}},
		parts(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA","detail":"low"}}]}`))
	require.Equal(t, []api.Part{{Kind: api.Image, Media: &api.Media{MIME: "image/webp", URL: "https://example.com/x.WEBP?a=b"}}},
		parts(`{"role":"user","content":[{"type":"image_url","image_url":"https://example.com/x.WEBP?a=b"}]}`))
	require.Equal(t, []api.Part{{Kind: api.Sound, Media: &api.Media{MIME: "audio/mpeg", Data: "SUQz"}}},
		parts(`{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"SUQz","format":"mp3"}}]}`))
	require.Equal(t, []api.Part{{Kind: api.File, Media: &api.Media{MIME: "application/pdf", Name: "a.PDF", Data: "JVBE"}}},
		parts(`{"role":"user","content":[{"type":"file","file":{"filename":"a.PDF","file_data":"JVBE"}}]}`))
	require.Equal(t, []api.Part{{Kind: api.File, Media: &api.Media{MIME: "text/plain", Data: "SGkgeW91"}}},
		parts(`{"role":"user","content":[{"type":"file","file":{"file_data":"data:text/plain,Hi%20you"}}]}`))

	// The same reasoning in both places counts once.
	got := parts(`{"role":"assistant","content":"x","reasoning":"Hm.","reasoning_content":"Hm.","reasoning_details":[{"type":"reasoning.text","text":"Hm.","signature":"plexus:anthropic:sig"}]}`)
	require.Equal(t, []api.Part{{Kind: api.Thinking, Text: "Hm.", Signature: "sig", Vendor: api.Anthropic}, {Kind: api.Text, Text: "x"}}, got)
	got = parts(`{"role":"assistant","content":"x","reasoning_content":"Hm.","reasoning_details":[{"type":"reasoning.text","signature":"plexus:anthropic:sig"},{"type":"reasoning.encrypted","data":"plexus:anthropic:red"}]}`)
	require.Equal(t, []api.Part{
		{Kind: api.Thinking, Text: "Hm.", Signature: "sig", Vendor: api.Anthropic},
		{Kind: api.Thinking, Signature: "red", Vendor: api.Anthropic, Redacted: true},
		{Kind: api.Text, Text: "x"},
	}, got)
	got = parts(`{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":{"a":1}},"extra_content":{"google":{"thought_signature":"sig"}}}]}`)
	require.Equal(t, []api.Part{{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: "f", Arguments: `{"a":1}`}, Vendor: api.Google, Signature: "sig"}}, got)
	got = parts(`{"role":"assistant","content":[{"type":"thinking","thinking":[{"type":"text","text":"Hm."}]},{"type":"text","text":"x"}]}`)
	require.Equal(t, []api.Part{{Kind: api.Thinking, Text: "Hm."}, {Kind: api.Text, Text: "x"}}, got)

	got = parts(hi + `,{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"sh","input":"ls"}}]},{"role":"tool","tool_call_id":"c","content":[{"type":"text","text":"a"}]}`)
	require.Equal(t, []api.Part{{Kind: api.ToolResult, Result: &api.Result{ID: "c", Name: "sh", Custom: true, Parts: []api.Part{{Kind: api.Text, Text: "a"}}}}}, got)

	req := decoded(t, `{"model":"m","messages":[`+hi+`,{"role":"assistant","content":null,"function_call":{"name":"f","arguments":"{}"}},{"role":"function","name":"f","content":"1"}],
		"functions":[{"name":"f","parameters":{"type":"object"}}],"function_call":{"name":"f"}}`)
	require.True(t, req.Functions)
	require.Equal(t, api.ToolChoice{Mode: api.ToolNamed, Name: "f"}, req.ToolChoice)
	require.Equal(t, []api.Tool{{Kind: api.FunctionTool, Name: "f", Schema: json.RawMessage(`{"type":"object"}`)}}, req.Tools)
	require.Equal(t, &no, req.ParallelToolCalls)
	require.Equal(t, req.Messages[1].Parts[0].Call.ID, req.Messages[2].Parts[0].Result.ID)
	require.Equal(t, "f", req.Messages[2].Parts[0].Result.Name)

	with := func(members string) *api.Request {
		t.Helper()
		return decoded(t, `{"model":"m","messages":[`+hi+`],`+members+`}`)
	}
	require.Equal(t, int64(7), with(`"max_completion_tokens":7,"max_tokens":9`).MaxTokens)
	require.Equal(t, int64(7), with(`"max_tokens":9,"max_completion_tokens":7`).MaxTokens)
	require.Zero(t, with(`"max_tokens":-1`).MaxTokens)
	require.Equal(t, &api.Reasoning{Effort: "low"}, with(`"reasoning_effort":"low"`).Reasoning)
	require.Equal(t, &api.Reasoning{Effort: "medium", Visible: true}, with(`"reasoning":{"enabled":true}`).Reasoning)
	require.Equal(t, &api.Reasoning{Effort: "none"}, with(`"reasoning":{"enabled":false,"effort":"high"}`).Reasoning)
	require.Equal(t, &api.Reasoning{Budget: 2000}, with(`"reasoning":{"max_tokens":2000,"exclude":true}`).Reasoning)
	require.Equal(t, "s", with(`"safety_identifier":"s"`).User)
	require.Nil(t, with(`"response_format":{"type":"text"}`).Format)
	require.Equal(t, &api.Format{Name: "n", Schema: json.RawMessage(`{}`), Strict: &yes}, with(`"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{},"strict":true}}`).Format)
	require.Equal(t, []string{"x"}, with(`"stop":"x"`).Stop)
	require.Equal(t, json.Number("1e-7"), with(`"temperature":1e-7`).Temperature)
	require.JSONEq(t, `{"type":"grammar","syntax":"lark","definition":"d"}`,
		string(with(`"tools":[{"type":"custom","custom":{"name":"c","format":{"type":"grammar","grammar":{"definition":"d","syntax":"lark"}}}}]`).Tools[0].Grammar))
	require.Equal(t, api.ToolChoice{Mode: api.ToolRequired}, with(`"tool_choice":"any"`).ToolChoice)
}

func TestMalformedRequestsAreToldWhereTheyAre(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		_, err := codec.DecodeRequest([]byte(body))
		require.ErrorContains(t, err, want, body)
	}
	with := func(members, want string) {
		t.Helper()
		f(`{"model":"m","messages":[`+hi+`],`+members+`}`, want)
	}
	f(``, "invalid JSON")
	f(`[]`, "expected a JSON object")
	f(`{"model":"m"`, "invalid JSON at byte")
	f(`{"model":"m","messages":[{"role":"user","content":"`+"\x01"+`"}]}`, "invalid JSON")
	f(`{"model":"m"}`, "messages: expected a list of messages")
	f(`{"model":"m","messages":{}}`, "messages: expected a list")
	f(`{"model":7,"messages":[`+hi+`]}`, "model: expected a text")
	f(message(`"Hi"`), "messages[0]: expected an object")
	f(message(hi+`,{"role":"wizard"}`), "messages[1].role: expected system,")
	f(message(`{"role":"user","content":7}`), "messages[0].content: expected a text or a list of parts")
	f(message(`{"role":"user"}`), "messages[0].content: expected a text or a list of parts")
	f(message(`{"role":"user","content":[{"type":"hologram"}]}`), "messages[0].content[0].type: expected text,")
	f(message(hi+`,{"role":"user","content":[{"type":"text","text":"x"},{"type":"image_url","image_url":{"url":7}}]}`), "messages[1].content[1].image_url.url: expected a text")
	f(message(`{"role":"user","content":[{"type":"image_url"}]}`), "messages[0].content[0].image_url: expected")
	f(message(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png"}}]}`), "messages[0].content[0].image_url.url: expected data:")
	f(message(`{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"mp3"}}]}`), "input_audio.data: expected base64")
	f(message(`{"role":"user","content":[{"type":"file","file":{}}]}`), "file: expected file_id or file_data")
	f(message(`{"role":"tool","content":"x"}`), "messages[0].tool_call_id: expected")
	f(message(`{"role":"assistant","tool_calls":[{"id":"a","function":{"name":7}}]}`), "messages[0].tool_calls[0].function.name: expected a text")
	f(message(`{"role":"assistant","tool_calls":[{"id":"a","function":{"name":"f"}},{"id":"b","function":{"arguments":"{}"}}]}`), "messages[0].tool_calls[1].function.name: expected the tool's name")
	f(message(`{"role":"assistant","tool_calls":[{"id":"a","custom":{"input":"x"}}]}`), "messages[0].tool_calls[0].custom.name: expected the tool's name")
	f(message(`{"role":"assistant","function_call":{"arguments":"{}"}}`), "messages[0].function_call.name: expected the tool's name")
	with(`"max_tokens":"many"`, "max_tokens: expected a whole number")
	with(`"max_tokens":0`, "max_tokens: expected a whole number of at least 1")
	with(`"n":1.5`, "n: expected a whole number")
	with(`"temperature":"hot"`, "temperature: expected a number")
	with(`"stream":"yes"`, "stream: expected true or false")
	with(`"stop":[1]`, "stop[0]: expected a text")
	with(`"tools":[{"type":"function","function":{}}]`, "tools[0].function.name: expected a name")
	with(`"tools":[{"function":{"name":"f"}}]`, "tools[0].type: expected")
	with(`"tool_choice":"sometimes"`, "tool_choice: expected auto")
	with(`"tool_choice":{"type":"function","function":{}}`, "tool_choice.function.name: expected")
	with(`"response_format":{"type":"yaml"}`, "response_format.type: expected text")
	with(`"response_format":{"type":"json_schema","json_schema":{"name":7}}`, "response_format.json_schema.name: expected a text")
}

func TestRequestsFromOtherFormats(t *testing.T) {
	user := api.Message{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: "Hi"}}}
	ask := func(source api.API, messages ...api.Message) *api.Request {
		return &api.Request{Source: source, Model: "m", Messages: messages}
	}
	f := func(req *api.Request, want string, dropped ...string) {
		t.Helper()
		body, list := encoded(t, req)
		require.JSONEq(t, want, body)
		if dropped == nil {
			require.Empty(t, list)
		} else {
			require.Equal(t, dropped, list)
		}
	}
	call := func(id string) api.Part {
		return api.Part{Kind: api.ToolCall, Call: &api.Call{ID: id, Name: "f", Arguments: `{"a":1}`}}
	}
	result := func(r api.Result) api.Message {
		return api.Message{Role: api.RoleTool, Parts: []api.Part{{Kind: api.ToolResult, Result: &r}}}
	}
	text := func(s string) api.Part { return api.Part{Kind: api.Text, Text: s} }
	assistant := func(parts ...api.Part) api.Message { return api.Message{Role: api.RoleAssistant, Parts: parts} }
	toolCall := func(id string) string {
		return `{"id":"` + id + `","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}}`
	}

	// Roles.
	developer := api.Message{Role: api.RoleDeveloper, Parts: []api.Part{text("d")}}
	f(ask(api.Messages, developer, user), message(`{"role":"system","content":"d"},`+hi))
	f(ask(api.Responses, developer, user), message(`{"role":"system","content":"d"},`+hi))

	// Results follow their calls at once; what is no text in them follows all of them.
	image := api.Part{Kind: api.Image, Media: &api.Media{MIME: "image/png", Data: "AAAA"}}
	f(ask(api.Messages, user, assistant(text("So."), call("c1"), call("c2")), user,
		result(api.Result{ID: "c1", Parts: []api.Part{text("a"), image, text("b")}}),
		result(api.Result{ID: "c2", IsError: true, Parts: []api.Part{text(`no "luck"`)}})),
		message(hi+`,{"role":"assistant","content":"So.","tool_calls":[`+toolCall("c1")+`,`+toolCall("c2")+`]},
			{"role":"tool","tool_call_id":"c1","content":"a\nb"},
			{"role":"tool","tool_call_id":"c2","content":"{\"error\":\"no \\\"luck\\\"\"}"},
			{"role":"user","content":[{"type":"text","text":"Files that the tool call c1 returned:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]},`+hi))
	f(ask(api.Messages, assistant(call("c1")), result(api.Result{ID: "c1", Parts: []api.Part{image}})),
		message(`{"role":"assistant","content":null,"tool_calls":[`+toolCall("c1")+`]},{"role":"tool","tool_call_id":"c1","content":"The result is in the user's message that follows."},
			{"role":"user","content":[{"type":"text","text":"Files that the tool call c1 returned:"},{"type":"image_url","image_url":{"url":"data:image/png;base64,AAAA"}}]}`))
	// Turns of the model become one, so that the calls and their results stay together.
	f(ask(api.Responses, user, assistant(text("a"), text("b")), assistant(text("c")), assistant(call("c1")), assistant(call("c2")),
		result(api.Result{ID: "c1", Parts: []api.Part{text("1")}}), result(api.Result{ID: "c2", Parts: []api.Part{text("2")}})),
		message(hi+`,{"role":"assistant","content":"ab\n\nc","tool_calls":[`+toolCall("c1")+`,`+toolCall("c2")+`]},
			{"role":"tool","tool_call_id":"c1","content":"1"},{"role":"tool","tool_call_id":"c2","content":"2"}`))

	// Ids that OpenAI refuses are changed alike in call and result.
	long := strings.Repeat("x", 65)
	short := api.CallID(long)
	f(ask(api.Gemini, assistant(call(long)), result(api.Result{ID: long, Parts: []api.Part{text("1")}})),
		message(`{"role":"assistant","content":null,"tool_calls":[`+toolCall(short)+`]},{"role":"tool","tool_call_id":"`+short+`","content":"1"}`))

	// Reasoning: foreign signatures stay behind with their text, our own go back,
	// and unsigned text goes back with the calls to which it led.
	thought := func(p api.Part) api.Part { p.Kind = api.Thinking; return p }
	f(ask(api.Messages, user, assistant(thought(api.Part{Text: "Hm.", Signature: "s", Vendor: api.Anthropic}), text("x")), user), message(hi+`,{"role":"assistant","content":"x"},`+hi), "messages.thinking")
	f(ask(api.Messages, user, assistant(thought(api.Part{Signature: "s", Vendor: api.Anthropic, Redacted: true})), user), message(hi+`,`+hi), "messages.thinking")
	f(ask(api.Messages, user, assistant(thought(api.Part{Text: "Hm.", Vendor: api.Anthropic}), text("x")), user), message(hi+`,{"role":"assistant","content":"x"},`+hi))
	f(ask(api.Messages, assistant(thought(api.Part{Text: "Hm.", Vendor: api.Anthropic}), call("c"))),
		message(`{"role":"assistant","content":null,"reasoning_content":"Hm.","tool_calls":[`+toolCall("c")+`]}`))
	f(ask(api.Messages, assistant(thought(api.Part{Text: "Hm.", Signature: "s", Vendor: api.OpenAI}), call("c"))),
		message(`{"role":"assistant","content":null,"reasoning_content":"Hm.","reasoning_details":[{"type":"reasoning.text","text":"Hm.","signature":"s","index":0}],"tool_calls":[`+toolCall("c")+`]}`))
	f(ask(api.Responses, assistant(thought(api.Part{ID: "rs_1", Signature: "s", Vendor: api.OpenAI}), call("c"))),
		message(`{"role":"assistant","content":null,"reasoning_details":[{"type":"reasoning.encrypted","data":"s","id":"rs_1","index":0}],"tool_calls":[`+toolCall("c")+`]}`))
	signed := call("c")
	signed.Signature, signed.Vendor = "s", api.Google
	f(ask(api.Gemini, assistant(signed)), message(`{"role":"assistant","content":null,"tool_calls":[`+toolCall("c")+`]}`))
	gemini := ask(api.Messages, assistant(signed))
	gemini.Model = "google/gemini-3-pro"
	f(gemini, `{"model":"google/gemini-3-pro","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{\"a\":1}"},"extra_content":{"google":{"thought_signature":"s"}}}]}]}`)

	// Documents.
	media := func(kind api.Kind, m api.Media) api.Message {
		return api.Message{Role: api.RoleUser, Parts: []api.Part{{Kind: kind, Media: &m}}}
	}
	f(ask(api.Messages, media(api.File, api.Media{MIME: "text/plain", Name: "a.txt", Text: "Hi"})), message(`{"role":"user","content":[{"type":"text","text":"a.txt:\n\nHi"}]}`))
	f(ask(api.Messages, media(api.File, api.Media{MIME: "text/plain", Data: "SGk="})), message(`{"role":"user","content":[{"type":"text","text":"Hi"}]}`))
	f(ask(api.Messages, media(api.File, api.Media{MIME: "application/pdf", Data: "JVBE"})), message(`{"role":"user","content":[{"type":"file","file":{"filename":"document.pdf","file_data":"data:application/pdf;base64,JVBE"}}]}`))
	f(ask(api.Gemini, media(api.Sound, api.Media{MIME: "audio/x-wav", Data: "UklG"})), message(`{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"UklG","format":"wav"}}]}`))
	f(ask(api.Gemini, media(api.File, api.Media{MIME: "video/mp4", URL: "https://example.com/v"})), message(`{"role":"user","content":[{"type":"video_url","video_url":{"url":"https://example.com/v"}}]}`))
	f(ask(api.Responses, media(api.Image, api.Media{FileID: "file-1"})), message(`{"role":"user","content":[{"type":"file","file":{"file_id":"file-1"}}]}`))

	// Parameters.
	req := ask(api.Messages, user)
	req.Messages = append([]api.Message{{Role: api.RoleSystem, Parts: []api.Part{{Kind: api.Text, Text: "s", Cache: json.RawMessage(`{}`)}}}}, req.Messages...)
	req.MaxTokens, req.TopK, req.Temperature, req.Stop = 5, "3", "0.5", []string{"a", "b", "c", "d"}
	req.Stream, req.User, req.ServiceTier, req.Extra = true, "u", "standard_only", map[string]json.RawMessage{"context_management": json.RawMessage(`{}`)}
	f(req, `{"model":"m","messages":[{"role":"system","content":"s"},`+hi+`],"max_tokens":5,"stop":["a","b","c","d"],"temperature":0.5,"user":"u","stream":true,"stream_options":{"include_usage":true}}`,
		"cache_control", "context_management", "service_tier", "top_k")
	req = ask(api.Messages, user)
	req.MaxTokens, req.Reasoning = 5, &api.Reasoning{Budget: 10000, Visible: true}
	f(req, `{"model":"m","messages":[`+hi+`],"max_tokens":5,"reasoning_effort":"medium"}`)
	req.Reasoning = &api.Reasoning{Adaptive: true, Effort: "max"}
	f(req, `{"model":"m","messages":[`+hi+`],"max_tokens":5,"reasoning_effort":"high"}`)
	req.Reasoning, req.Model, req.Temperature, req.TopP = nil, "openai/gpt-5-mini", "1", "0.9"
	f(req, `{"model":"openai/gpt-5-mini","messages":[`+hi+`],"max_completion_tokens":5}`, "temperature", "top_p")
	req = ask(api.Responses, user)
	req.Reasoning = &api.Reasoning{Effort: "low", Summary: "auto", Encrypted: true}
	req.Extra = map[string]json.RawMessage{"store": json.RawMessage("false"), "prompt_cache_key": json.RawMessage(`"k"`), "safety_identifier": json.RawMessage(`"s"`)}
	f(req, `{"model":"m","messages":[`+hi+`],"reasoning_effort":"low","prompt_cache_key":"k","safety_identifier":"s"}`,
		"reasoning.encrypted_content", "reasoning.summary", "store")
	req = ask(api.Gemini, user)
	req.Format = &api.Format{Schema: json.RawMessage(`{"type":"object"}`)}
	f(req, `{"model":"m","messages":[`+hi+`],"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object"}}}}`)

	// Tools.
	req = ask(api.Gemini, user)
	req.Tools = []api.Tool{{Kind: api.FunctionTool, Name: "f"}, {Kind: api.FunctionTool, Name: "g"}, {Kind: api.WebSearchTool}}
	req.ToolChoice = api.ToolChoice{Mode: api.ToolRequired, Allowed: []string{"g"}}
	f(req, `{"model":"m","messages":[`+hi+`],"tools":[{"type":"function","function":{"name":"g","parameters":{"type":"object","properties":{}}}}],"tool_choice":"required","web_search_options":{}}`)
	req = ask(api.Messages, user)
	no := false
	req.ToolChoice, req.ParallelToolCalls = api.ToolChoice{Mode: api.ToolAuto}, &no
	req.Tools = []api.Tool{
		{Kind: api.OpaqueTool, Raw: json.RawMessage(`{"type":"bash_20250124","name":"bash"}`), Source: api.Messages},
		{Kind: api.WebSearchTool, Search: &api.WebSearch{MaxUses: 3, AllowedDomains: []string{"a"}, Country: "CH"}},
	}
	f(req, `{"model":"m","messages":[`+hi+`],"web_search_options":{"user_location":{"type":"approximate","approximate":{"country":"CH"}}}}`,
		"tools.bash_20250124", "web_search.allowed_domains", "web_search.max_uses")
	req = ask(api.Responses, user, assistant(api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: "patch", Arguments: "*** \"x\"", Custom: true}}))
	req.Tools = []api.Tool{{Kind: api.CustomTool, Name: "patch", Description: "Patches.", Grammar: json.RawMessage(`{"type":"grammar","syntax":"lark","definition":"start: x"}`)}}
	req.ToolChoice = api.ToolChoice{Mode: api.ToolNamed, Name: "patch"}
	f(req, `{"model":"m","messages":[`+hi+`,{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"patch","arguments":"{\"input\":\"*** \\\"x\\\"\"}"}}]}],
		"tools":[{"type":"function","function":{"name":"patch","description":"Patches.\n\nThe input has to follow this lark grammar:\nstart: x",
			"parameters":{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}}}],
		"tool_choice":{"type":"function","function":{"name":"patch"}}}`)
}

func TestWhatChatCannotExpress(t *testing.T) {
	f := func(source api.API, p api.Part, field string) {
		t.Helper()
		_, _, err := codec.EncodeRequest(&api.Request{Source: source, Messages: []api.Message{{Role: api.RoleUser, Parts: []api.Part{p}}}})
		var unsupported *api.Unsupported
		require.ErrorAs(t, err, &unsupported)
		require.Equal(t, field, unsupported.Field)
	}
	f(api.Messages, api.Part{Kind: api.Image, Media: &api.Media{FileID: "file_1"}}, "source.file_id")
	f(api.Gemini, api.Part{Kind: api.Image, Media: &api.Media{FileID: "files/1"}}, "fileData.fileUri")
	f(api.Messages, api.Part{Kind: api.File, Media: &api.Media{URL: "https://example.com/a.pdf"}}, "source.url")
	f(api.Responses, api.Part{Kind: api.File, Media: &api.Media{URL: "https://example.com/a.pdf"}}, "file_url")
	f(api.Gemini, api.Part{Kind: api.File, Media: &api.Media{URL: "https://example.com/a.pdf"}}, "fileData.fileUri")
	f(api.Gemini, api.Part{Kind: api.Sound, Media: &api.Media{URL: "gs://a"}}, "fileData.fileUri")
}

func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range []string{
		message(hi), message(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,AA"}},{"type":"file","file":{"file_data":"x"}}]}`),
		`{"model":"m","messages":[{"role":"assistant","content":[{"type":"thinking","thinking":[]}],"reasoning_details":[{"type":"reasoning.summary","summary":"a"},{"type":"reasoning.encrypted","data":"b"}],"tool_calls":[{"custom":{"name":"x","input":"y"}}]},{"role":"tool","tool_call_id":"a"}],"tools":[{"type":"custom","custom":{"name":"x"}}],"stream_options":{"a":1},"max_tokens":1,"functions":[],"reasoning":{}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := codec.DecodeRequest(body)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		first, _, err := codec.EncodeRequest(req)
		require.NoError(t, err)
		require.True(t, json.Valid(first), "%s", first)
		again, err := codec.DecodeRequest(first)
		require.NoError(t, err, "%s", first)
		second, _, err := codec.EncodeRequest(again)
		require.NoError(t, err)
		require.JSONEq(t, string(first), string(second), "what was encoded once stays")
		for _, source := range []api.API{api.Messages, api.Gemini, api.Responses} {
			req.Source = source
			other, dropped, err := codec.EncodeRequest(req)
			if err == nil {
				require.True(t, json.Valid(other), "%s", other)
				require.True(t, slices.IsSorted(dropped))
			}
		}
	})
}

// Anthropic's schemas may leave properties out, and Google binds the model to any;
// OpenAI answers 400 to a schema that it cannot be strict about.
func TestStrictSchemasOfOtherVendors(t *testing.T) {
	f := func(source api.API, model, schema string, strict *bool, tool, format string, dropped ...string) {
		t.Helper()
		out, lost, err := codec.EncodeRequest(&api.Request{
			Source: source, Model: model, Messages: []api.Message{{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: "Hi"}}}},
			Tools:  []api.Tool{{Kind: api.FunctionTool, Name: "f", Schema: json.RawMessage(schema), Strict: strict}},
			Format: &api.Format{Schema: json.RawMessage(schema)},
		})
		require.NoError(t, err)
		require.Equal(t, dropped, lost)
		require.Equal(t, tool, string(jsonscan.Member(jsonscan.Member(jsonscan.Member(out, "tools")[1:len(jsonscan.Member(out, "tools"))-1], "function"), "strict")))
		require.Equal(t, format, string(jsonscan.Member(jsonscan.Member(jsonscan.Member(out, "response_format"), "json_schema"), "strict")))
	}
	const closed = `{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`
	const open = `{"type":"object","properties":{"a":{"type":"string"}},"additionalProperties":false}`
	f(api.Messages, "gpt-4.1", closed, new(true), "true", "true")
	f(api.Messages, "gpt-4.1", open, new(true), "", "", "tools.f.strict")
	f(api.Messages, "mistral-large", closed, nil, "", "")
	f(api.Gemini, "gpt-4.1", closed, new(false), "false", "true")
	f(api.Responses, "gpt-4.1", open, new(true), "true", "")
}

// OpenAI refuses an object without a member for its properties.
func TestSchemasWithoutProperties(t *testing.T) {
	out, _, err := codec.EncodeRequest(&api.Request{
		Source: api.Messages, Messages: []api.Message{{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: "Hi"}}}},
		Tools: []api.Tool{{Kind: api.FunctionTool, Name: "f", Schema: json.RawMessage(`{"type":"object"}`)}},
	})
	require.NoError(t, err)
	require.Contains(t, string(out), `"parameters":{"type":"object","properties":{}}`)
}

// A list of no messages is refused by every server.
func TestConversationsOfNothing(t *testing.T) {
	_, _, err := codec.EncodeRequest(&api.Request{Source: api.Responses})
	require.EqualError(t, err, "input holds nothing that a chat target could answer")
	_, _, err = codec.EncodeRequest(&api.Request{Source: api.Gemini, Messages: []api.Message{{Role: api.RoleUser}}})
	require.EqualError(t, err, "contents holds nothing that a chat target could answer")
}

// OpenAI refuses to answer with any JSON object unless a message has the word.
func TestJSONIsNamed(t *testing.T) {
	f := func(source api.API, text string, want int) {
		t.Helper()
		out, _, err := codec.EncodeRequest(&api.Request{Source: source, Format: &api.Format{}, Messages: []api.Message{{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: text}}}}})
		require.NoError(t, err)
		require.Equal(t, want, strings.Count(string(out), "JSON object"))
	}
	f(api.Gemini, "Name a city.", 1)
	f(api.Gemini, "Name a city in json.", 0)
	f(api.Chat, "Name a city.", 0)
}
