package chat_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// What servers that call themselves compatible send.

// anonymous replaces the ids that were made up for calls.
var anonymous = regexp.MustCompile(`call_[0-9a-f]{24}`)

func hears(t *testing.T, data []string, want ...string) {
	t.Helper()
	lines, whole := heard(t, data...)
	require.True(t, whole)
	for i := range lines {
		lines[i] = anonymous.ReplaceAllString(lines[i], "?")
	}
	require.Equal(t, append([]string{"start c1 m 7"}, append(want, "END")...), lines)
}

func call(members ...string) string {
	return `{"tool_calls":[{` + strings.Join(members, "},{") + `}]}`
}

// Google's endpoint and older Ollamas count every call 0 and give no ids.
func TestWholeCallsThatOnlyTheirNamesTellApart(t *testing.T) {
	const a, b = `"index":0,"id":"","type":"function","function":{"name":"f","arguments":"{\"a\":1}"}`, `"index":0,"id":"","function":{"name":"f","arguments":"{\"b\":2}"}`
	both := []string{`0.0 call ? f`, `0.0 "{\"a\":1}"`, `0.0 end`, `0.1 call ? f`, `0.1 "{\"b\":2}"`, `0.1 end`, `finish 0 tool_calls`}
	hears(t, deltas("stop", call(a), call(b)), both...)
	hears(t, deltas("stop", call(a, b)), both...)
	without := strings.NewReplacer(`"index":0,`, "", `"id":"",`, "")
	hears(t, deltas("stop", without.Replace(call(a, b))), both...)
	// A repeated name is no call of its own, with arguments or without.
	hears(t, deltas("stop", call(`"index":0,"id":"a","function":{"name":"f","arguments":""}`), call(`"index":0,"function":{"name":"f","arguments":"{}"}`), call(`"index":0,"function":{"name":"f","arguments":""}`)),
		`0.0 call a f`, `0.0 "{}"`, `0.0 end`, `finish 0 tool_calls`)
}

// vLLM with speculative decoding: two pieces of a call in its first chunk.
func TestTwoPiecesOfACallInAChunk(t *testing.T) {
	hears(t, deltas("tool_calls", call(`"index":0,"id":"a","function":{"name":"f"}`, `"index":0,"function":{"arguments":"{\"x"}`), call(`"index":0,"function":{"arguments":"\":1}"}`)),
		`0.0 call a f`, `0.0 "{\"x"`, `0.0 "\":1}"`, `0.0 end`, `finish 0 tool_calls`)
}

// Nothing is lost of a call that goes on after its finish_reason.
func TestArgumentsAfterTheFinishReason(t *testing.T) {
	hears(t, []string{
		`{"id":"c1","created":7,"model":"m","choices":[{"index":0,"delta":` + call(`"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\":"}`) + `,"finish_reason":"tool_calls"}]}`,
		`{"choices":[{"index":0,"delta":` + call(`"index":0,"function":{"arguments":"1}"}`) + `}]}`, `[DONE]`,
	},
		`0.0 call a f`, `0.0 "{\"x\":"`, `0.0 "1}"`, `0.0 end`, `finish 0 tool_calls`)
}

// Arguments are a text with JSON in it; some servers send the JSON.
func TestArgumentsThatAreNoText(t *testing.T) {
	for raw, want := range map[string]string{`{"a":1}`: `{"a":1}`, `[1]`: `[1]`, `7`: `7`, `null`: ``, `"{}"`: `{}`} {
		resp, err := codec.DecodeResponse([]byte(answerOf(`"tool_calls":[{"id":"a","function":{"name":"f","arguments":`+raw+`}}]`, "tool_calls")))
		require.NoError(t, err)
		require.Equal(t, want, resp.Choices[0].Parts[0].Call.Arguments)
		var a api.Accumulator
		d := codec.NewStreamDecoder()
		for _, one := range deltas("tool_calls", call(`"index":0,"id":"a","function":{"name":"f","arguments":`+raw+`}`)) {
			require.NoError(t, d.Decode(nil, []byte(one), a.Add))
		}
		streamed, _ := a.Response()
		require.Equal(t, want, streamed.Choices[0].Parts[0].Call.Arguments)
	}
}

// Mistral's contents are lists, whose thoughts may be a text; others put bare
// texts or texts of a kind of their own there.
func TestContentsThatAreLists(t *testing.T) {
	content := `[{"type":"thinking","thinking":"Hm"},{"type":"thinking","thinking":[{"type":"text","text":"So"}]},"a",{"type":"output_text","text":"b"},{"type":"novelty","text":"c"},{"type":"refusal","refusal":"No"},{"type":"reference","reference_ids":[1]}]`
	hears(t, deltas("stop", `{"content":`+content+`}`),
		`0.0 thinking`, `0.0 "Hm"`, `0.0 "So"`, `0.0 end`, `0.1 text`, `0.1 "a"`, `0.1 "b"`, `0.1 "c"`, `0.1 end`, `0.2 refusal`, `0.2 "No"`, `0.2 end`, `finish 0 refusal`)
	resp, err := codec.DecodeResponse([]byte(answerOf(`"content":`+content, "stop")))
	require.NoError(t, err)
	var said heardParts
	said.of(resp.Choices[0].Parts)
	require.Equal(t, heardParts{text: "abc", thinking: "HmSo", refusal: "No"}, said)
}

// GitHub Copilot's name of the reasoning.
func TestNamesOfReasoning(t *testing.T) {
	for _, name := range []string{"reasoning_content", "reasoning", "reasoning_text"} {
		hears(t, deltas("stop", `{"`+name+`":"Hm","content":""}`, `{"`+name+`":null,"content":"x"}`),
			`0.0 thinking`, `0.0 "Hm"`, `0.0 end`, `0.1 text`, `0.1 "x"`, `0.1 end`, `finish 0 stop`)
		resp, err := codec.DecodeResponse([]byte(answerOf(`"`+name+`":"Hm","content":"x"`, "stop")))
		require.NoError(t, err)
		require.Equal(t, []api.Part{{Kind: api.Thinking, Text: "Hm"}, {Kind: api.Text, Text: "x"}}, resp.Choices[0].Parts)
	}
	// Both names of one text.
	resp, err := codec.DecodeResponse([]byte(answerOf(`"reasoning":"Hm","reasoning_content":"Hm","content":"x"`, "stop")))
	require.NoError(t, err)
	require.Len(t, resp.Choices[0].Parts, 2)
	hears(t, deltas("stop", `{"reasoning":"Hm","reasoning_content":"Hm"}`), `0.0 thinking`, `0.0 "Hm"`, `0.0 end`, `finish 0 stop`)
}

func TestWhereUsageStands(t *testing.T) {
	const first = `{"id":"c1","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"x"}}],"usage":{"prompt_tokens":9,"completion_tokens":1}}`
	text := []string{`0.0 text`, `0.0 "x"`, `0.0 end`, `finish 0 stop`}
	f := func(last, want string) {
		t.Helper()
		hears(t, []string{first, last, `[DONE]`}, append(text[:4:4], want)...)
	}
	// xAI: in the last chunk; some say it in each; Groq, with and without include_usage;
	// Moonshot: in the choice.
	f(`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3}}`, "usage 9 0 0 3 0")
	f(`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":null}`, "usage 9 0 0 1 0")
	f(`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{"id":"r","usage":{"prompt_tokens":9,"completion_tokens":4}}}`, "usage 9 0 0 4 0")
	f(`{"choices":[{"index":0,"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":9,"completion_tokens":5,"cached_tokens":2}}]}`, "usage 7 2 0 5 0")
}

// Perplexity and xAI list the sources beside the choices.
func TestSourcesBesideTheChoices(t *testing.T) {
	const beside = `"citations":["https://a.example","https://b.example"],"search_results":[{"title":"A","url":"https://a.example"}]`
	hears(t, []string{
		`{"id":"c1","created":7,"model":"m",` + beside + `,"choices":[{"index":0,"delta":{"content":"x"}}]}`,
		`{` + beside + `,"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, `[DONE]`,
	},
		`0.0 text`, `0.0 "x"`, `0.0 cites https://a.example`, `0.0 cites https://b.example`, `0.0 end`, `finish 0 stop`)
	resp, err := codec.DecodeResponse([]byte(`{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],` + beside + `}`))
	require.NoError(t, err)
	require.Equal(t, []api.Citation{{URL: "https://a.example", Title: "A"}, {URL: "https://b.example"}}, resp.Choices[0].Parts[0].Citations)
	// Annotations say more.
	resp, err = codec.DecodeResponse([]byte(`{"choices":[{"message":{"content":"x","annotations":[{"type":"url_citation","url_citation":{"url":"https://c.example"}}]},"finish_reason":"stop"}],` + beside + `}`))
	require.NoError(t, err)
	require.Len(t, resp.Choices[0].Parts[0].Citations, 1)
}

// What is passed on as it stands has to be JSON.
func TestSourcesAndProbabilitiesThatAreNotJSON(t *testing.T) {
	hears(t, []string{
		`{"id":"c1","created":7,"model":"m","choices":[{"index":0,"delta":{"content":"x","annotations":[{"type":"url_citation","url_citation":{"url":"\x"}}]},"logprobs":{"content":[{"token":"\x"}]}}]}`,
		`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, `[DONE]`,
	},
		`0.0 text`, `0.0 "x"`, `0.0 end`, `finish 0 stop`)
}

// A spoken answer comes in pieces of base64 and of its transcript.
func TestSpokenAnswersInPieces(t *testing.T) {
	var a api.Accumulator
	d := codec.NewStreamDecoder()
	e := codec.NewStreamEncoder(&api.Request{Source: api.Chat})
	var again []byte
	for _, one := range deltas("stop", `{"audio":{"id":"audio_1","transcript":"Hel"}}`, `{"audio":{"data":"AAE="}}`, `{"audio":{"transcript":"lo"}}`, `{"audio":{"data":"Ag=="}}`, `{"audio":{"expires_at":9}}`) {
		require.NoError(t, d.Decode(nil, []byte(one), func(ev *api.Event) { a.Add(ev); again = e.Encode(again, ev) }))
	}
	resp, ok := a.Response()
	require.True(t, ok)
	part := resp.Choices[0].Parts[0]
	require.Equal(t, api.Sound, part.Kind)
	require.Equal(t, "Hello", part.Text)
	require.Equal(t, &api.Media{FileID: "audio_1", Data: "AAEC"}, part.Media)
	require.Contains(t, string(again), `"audio":{"id":"audio_1","data":"AAEC","expires_at":9,"transcript":"Hello"}`)
}

// Probabilities pass with the pieces to which they belong.
func TestStreamedLogprobs(t *testing.T) {
	chunk := func(content, logprobs, finish string) string {
		return `{"id":"c1","created":7,"model":"m","choices":[{"index":0,"delta":{` + content + `},"logprobs":` + logprobs + `,"finish_reason":` + finish + `}]}`
	}
	const one, two, three = `{"content":[{"token":"a","logprob":-1e-7}],"refusal":null}`, `{"content":[{"token":"","logprob":-2}],"refusal":null}`, `{"content":[{"token":"b","logprob":-3}],"refusal":null}`
	var a api.Accumulator
	d, e := codec.NewStreamDecoder(), codec.NewStreamEncoder(&api.Request{Source: api.Chat, Logprobs: true})
	var again []byte
	for _, data := range []string{chunk(`"role":"assistant","content":""`, `null`, `null`), chunk(`"content":"a"`, one, `null`), chunk(`"content":""`, two, `null`), chunk(`"content":"b"`, three, `null`), chunk(``, two, `"stop"`), `[DONE]`} {
		require.NoError(t, d.Decode(nil, []byte(data), func(ev *api.Event) { a.Add(ev); again = e.Encode(again, ev) }))
	}
	resp, _ := a.Response()
	require.JSONEq(t, `{"content":[{"token":"a","logprob":-1e-7},{"token":"","logprob":-2},{"token":"b","logprob":-3},{"token":"","logprob":-2}],"refusal":null}`, string(resp.Choices[0].Logprobs))
	require.Contains(t, string(again), `{"content":"a"},"logprobs":`+one)
	require.Contains(t, string(again), `"finish_reason":"stop"`)
	var b api.Accumulator
	d = codec.NewStreamDecoder()
	for _, data := range split(t, again) {
		require.NoError(t, d.Decode(nil, []byte(data), b.Add))
	}
	written, _ := b.Response()
	require.JSONEq(t, string(resp.Choices[0].Logprobs), string(written.Choices[0].Logprobs))
	// From a whole answer as well.
	again = nil
	e = codec.NewStreamEncoder(&api.Request{Source: api.Chat, Logprobs: true})
	resp.Emit(func(ev *api.Event) { again = e.Encode(again, ev) })
	require.Contains(t, string(again), `{"token":"b","logprob":-3}`)
}

// Google's endpoint says more in a finish_reason than there is to it.
func TestFinishReasonsWithAnExplanation(t *testing.T) {
	f := func(reason string, want api.Finish) {
		t.Helper()
		resp, err := codec.DecodeResponse([]byte(answerOf(`"content":"x"`, reason)))
		require.NoError(t, err)
		require.Equal(t, want, resp.Choices[0].Finish)
	}
	f("content_filter: PROHIBITED_CONTENT", api.FinishContentFilter)
	f("function_call_filter: MALFORMED_FUNCTION_CALL", api.FinishMalformed)
	f("MALFORMED_FUNCTION_CALL", api.FinishMalformed)
	f("UNEXPECTED_TOOL_CALL", api.FinishMalformed)
	f("MAX_TOKENS", api.FinishLength)
	f("SAFETY", api.FinishContentFilter)
	f("", api.FinishStop)
}

func TestErrorsInAStream(t *testing.T) {
	f := func(data, want string) {
		t.Helper()
		lines, whole := heard(t, data, `[DONE]`)
		require.False(t, whole)
		require.Equal(t, []string{want}, lines)
	}
	f(`{"detail":"Model not loaded"}`, "error 502 Model not loaded")
	f(`{"error":true,"message":"m"}`, "error 502 m")
	f(`{"error":{"message":"m","code":"429"}}`, "error 429 m")
	f(`{"errors":[{"message":"m"}]}`, "error 502 m")
	f(`{"error":{"error":{"message":"m","type":"rate_limit_error"}}}`, "error 429 m")
	f(`{"type":"error","error":{"message":"m"}}`, "error 502 m")
}

// Whoever asks in one of OpenAI's formats hears OpenAI's words.
func TestTypesOfErrors(t *testing.T) {
	f := func(body, kind, param string) {
		t.Helper()
		e := codec.DecodeError(400, []byte(body))
		require.Equal(t, kind, e.Type)
		require.Equal(t, param, e.Param)
	}
	f(`{"error":{"message":"m","type":"invalid_request_error","param":"messages[1].role","code":null}}`, "invalid_request_error", "messages[1].role")
	f(`{"error":{"message":"m","type":"insufficient_quota","param":null}}`, "insufficient_quota", "")
	f(`{"type":"error","error":{"message":"m"}}`, "", "")
	f(`{"detail":[{"msg":"a","type":"missing"},{"msg":"b","type":"extra"}]}`, "", "")
	f(`{"error":"m"}`, "", "")
}

func TestShapesOfErrors(t *testing.T) {
	f := func(body, code, message string) {
		t.Helper()
		e := codec.DecodeError(400, []byte(body))
		e.Type, e.Param = "", ""
		require.Equal(t, api.Error{Status: 400, Code: code, Message: message}, e)
	}
	f(`{"error":{"message":"m","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`, "context_length_exceeded", "m")
	f(`{"error":{"message":"m","type":"insufficient_quota","code":null}}`, "", "m")
	f(`{"error":"m"}`, "", "m")
	f(`{"message":"m"}`, "", "m")
	f(`{"object":"error","message":"m","type":"BadRequestError","param":null,"code":400}`, "", "m")
	f(`{"detail":"m"}`, "", "m")
	f(`{"detail":[{"type":"missing","loc":["body","messages",0,"role"],"msg":"Field required"},{"loc":["body"],"msg":"No"}]}`, "", "messages.0.role: Field required; No")
	f(`{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","x"],"msg":"Extra inputs are not permitted"}]},"code":null}`, "", "x: Extra inputs are not permitted")
	f(`{"detail":{"error":{"message":"m","code":"c"}}}`, "c", "m")
	f(`{"success":false,"errors":[{"code":7003,"message":"m"},{"message":"n"}]}`, "", "m; n")
	f(`[{"error":{"code":400,"message":"m","status":"INVALID_ARGUMENT"}}]`, "", "m")
	f(`{"error":true,"message":"m"}`, "", "m")
	f(`{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"too long\"}}","provider_name":"P"}}}`, "", "Provider returned error: too long")
	f(`{"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"upstream said no"}}}`, "", "Provider returned error: upstream said no")
	f(`{"error":{}}`, "", `{"error":{}}`)
	require.Less(t, len(codec.DecodeError(502, []byte("<html>"+strings.Repeat("é", 9000))).Message), 5000)
	require.True(t, json.Valid(api.Chat.ErrorBody(codec.DecodeError(502, []byte("<html>"+strings.Repeat("é", 9000))))))
}
