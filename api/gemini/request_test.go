package gemini_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/gemini"
)

var codec gemini.Codec

func decode(t *testing.T, body string) *api.Request {
	t.Helper()
	req, err := codec.DecodeRequest([]byte(body))
	require.NoError(t, err, body)
	return req
}

func TestDecodeConversation(t *testing.T) {
	req := decode(t, `{
		"system_instruction": {"role":"system","parts":[{"text":"Be brief."}]},
		"contents": [
			{"parts":[{"text":"Look"},{"inline_data":{"mime_type":"image/png","data":"AAAA"}},
				{"fileData":{"fileUri":"gs://bucket/a.pdf","mimeType":"application/pdf"}},
				{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x","mimeType":"audio/mp3"}}]},
			{"role":"model","parts":[{"text":"hm","thought":true},
				{"functionCall":{"name":"look_up","args":{"n":12345678901234567890}},"thoughtSignature":"c2ln"},
				{"functionCall":{"name":"look_up","args":{"n":2}}},
				{"functionCall":{"id":"own","name":"other"}}]},
			{"role":"function","parts":[
				{"functionResponse":{"id":"own","name":"other","response":{"error":"no"}}},
				{"functionResponse":{"name":"look_up","response":{"output":"one"}}},
				{"functionResponse":{"name":"look_up","response":{"a":1,"b":[2]},"parts":[{"inlineData":{"mimeType":"image/png","data":"BB=="}}]}},
				{"text":"go on"}]},
			{"role":"model","parts":[{"executableCode":{"language":"PYTHON","code":"1"}}]}
		]}`)
	require.Equal(t, api.Gemini, req.Source)
	require.Empty(t, req.Model)
	require.Len(t, req.Messages, 6)
	roles := []api.Role{}
	for _, m := range req.Messages {
		roles = append(roles, m.Role)
	}
	require.Equal(t, []api.Role{api.RoleSystem, api.RoleUser, api.RoleAssistant, api.RoleTool, api.RoleUser, api.RoleAssistant}, roles)
	require.Equal(t, "Be brief.", req.Messages[0].Parts[0].Text)

	user := req.Messages[1].Parts
	require.Equal(t, api.Part{Kind: api.Image, Media: &api.Media{MIME: "image/png", Data: "AAAA"}}, user[1])
	require.Equal(t, api.Part{Kind: api.File, Media: &api.Media{MIME: "application/pdf", URL: "gs://bucket/a.pdf"}}, user[2])
	require.Equal(t, api.Sound, user[3].Kind)
	require.Equal(t, "https://generativelanguage.googleapis.com/v1beta/files/x", user[3].Media.FileID)

	model := req.Messages[2].Parts
	require.Equal(t, api.Part{Kind: api.Thinking, Text: "hm", Vendor: api.Google}, model[0])
	require.Equal(t, `{"n":12345678901234567890}`, model[1].Call.Arguments)
	require.Equal(t, "c2ln", model[1].Signature)
	require.Equal(t, api.Google, model[1].Vendor)
	require.NotEqual(t, model[1].Call.ID, model[2].Call.ID)
	require.Equal(t, "own", model[3].Call.ID)

	results := req.Messages[3].Parts
	require.Equal(t, "own", results[0].Result.ID)
	require.True(t, results[0].Result.IsError)
	require.Equal(t, "no", results[0].Result.Parts[0].Text)
	require.Equal(t, model[1].Call.ID, results[1].Result.ID)
	require.Equal(t, "one", results[1].Result.Parts[0].Text)
	require.Equal(t, model[2].Call.ID, results[2].Result.ID)
	require.Equal(t, `{"a":1,"b":[2]}`, results[2].Result.Parts[0].Text)
	require.Equal(t, "image/png", results[2].Result.Parts[1].Media.MIME)

	opaque := req.Messages[5].Parts[0]
	require.Equal(t, api.Opaque, opaque.Kind)
	require.Equal(t, api.Google, opaque.Vendor)
	require.JSONEq(t, `{"executableCode":{"language":"PYTHON","code":"1"}}`, string(opaque.Raw))
}

func TestDecodeConfig(t *testing.T) {
	req := decode(t, `{"contents":{"parts":{"text":"Hi"}},
		"generation_config":{"max_output_tokens":"100","stopSequences":["a","b"],"temperature":1e-7,"top_p":0.95,"topK":40,"seed":7,
			"presencePenalty":0.1,"frequency_penalty":0.2,"candidateCount":2,"responseLogprobs":true,"logprobs":3,
			"responseMimeType":"application/json","responseJsonSchema":{"type":"object"},
			"thinkingConfig":{"thinkingBudget":2048,"includeThoughts":true},"responseModalities":["TEXT"]},
		"safetySettings":[{"category":"c","threshold":"t"}],"labels":{"a_b":"c"}}`)
	require.Len(t, req.Messages, 1)
	require.EqualValues(t, 100, req.MaxTokens)
	require.Equal(t, []string{"a", "b"}, req.Stop)
	require.Equal(t, []json.Number{"1e-7", "0.95", "40", "7", "0.1", "0.2"},
		[]json.Number{req.Temperature, req.TopP, req.TopK, req.Seed, req.PresencePenalty, req.FrequencyPenalty})
	require.EqualValues(t, 2, req.N)
	require.True(t, req.Logprobs)
	require.EqualValues(t, 3, req.TopLogprobs)
	require.JSONEq(t, `{"type":"object"}`, string(req.Format.Schema))
	require.Equal(t, &api.Reasoning{Budget: 2048, Visible: true}, req.Reasoning)
	require.JSONEq(t, `["TEXT"]`, string(req.Extra["generationConfig.responseModalities"]))
	require.JSONEq(t, `{"a_b":"c"}`, string(req.Extra["labels"]))
	require.Contains(t, req.Extra, "safetySettings")
	// Others are told which members they cannot say, and refuse some by name.
	req = decode(t, `{"contents":[],"toolConfig":{"retrieval_config":{"a":1},"functionCallingConfig":{"mode":"VALIDATED"}},"generationConfig":{"thinkingConfig":{"new":1}}}`)
	require.Equal(t, map[string]json.RawMessage{
		"toolConfig.retrievalConfig": json.RawMessage(`{"a":1}`), "toolConfig.functionCallingConfig.mode": json.RawMessage(`"VALIDATED"`),
		"generationConfig.thinkingConfig.new": json.RawMessage(`1`),
	}, req.Extra)
	require.Nil(t, req.Reasoning, "nothing is asked for")

	reasoning := func(config string, want api.Reasoning) {
		t.Helper()
		require.Equal(t, &want, decode(t, `{"contents":[],"generationConfig":{"thinkingConfig":`+config+`}}`).Reasoning)
	}
	reasoning(`{"thinkingBudget":0}`, api.Reasoning{Effort: "none"})
	reasoning(`{"thinkingBudget":-1}`, api.Reasoning{Adaptive: true})
	reasoning(`{"thinkingLevel":"HIGH"}`, api.Reasoning{Effort: "high"})
	reasoning(`{"thinking_level":"low","include_thoughts":true}`, api.Reasoning{Effort: "low", Visible: true})

	schema := func(config, want string) {
		t.Helper()
		got := decode(t, `{"contents":[],"generationConfig":`+config+`}`).Format
		require.NotNil(t, got)
		require.JSONEq(t, want, string(got.Schema))
	}
	schema(`{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","properties":{"a":{"type":"STRING","nullable":true}}}}`,
		`{"type":"object","properties":{"a":{"type":["string","null"]}}}`)
	schema(`{"response_format":{"text":{"mime_type":"APPLICATION_JSON","schema":{"type":"array"}}}}`, `{"type":"array"}`)
	require.Nil(t, decode(t, `{"contents":[],"generationConfig":{"responseMimeType":"text/plain"}}`).Format)
}

func TestDecodeTools(t *testing.T) {
	req := decode(t, `{"contents":[],"tools":[
		{"function_declarations":[{"name":"f","description":"F","parameters":{"type":"OBJECT","properties":{"a_b":{"type":"INTEGER","minItems":"3"}}}},
			{"name":"g","parametersJsonSchema":{"$ref":"#/$defs/x"}},{"name":"h"}]},
		{"googleSearch":{},"codeExecution":{}}]}`)
	require.Len(t, req.Tools, 5)
	require.JSONEq(t, `{"type":"object","properties":{"a_b":{"type":"integer","minItems":3}}}`, string(req.Tools[0].Schema))
	require.JSONEq(t, `{"$ref":"#/$defs/x"}`, string(req.Tools[1].Schema))
	require.Nil(t, req.Tools[2].Schema)
	require.Equal(t, api.WebSearchTool, req.Tools[3].Kind)
	require.Equal(t, api.WebSearchTool, decode(t, `{"contents":[],"tools":[{"enterpriseWebSearch":{}}]}`).Tools[0].Kind)
	require.Equal(t, api.OpaqueTool, req.Tools[4].Kind)
	require.JSONEq(t, `{"codeExecution":{}}`, string(req.Tools[4].Raw))

	choice := func(config string, want api.ToolChoice) {
		t.Helper()
		require.Equal(t, want, decode(t, `{"contents":[],"toolConfig":{"functionCallingConfig":`+config+`}}`).ToolChoice)
	}
	choice(`{"mode":"AUTO"}`, api.ToolChoice{Mode: api.ToolAuto})
	choice(`{"mode":"NONE"}`, api.ToolChoice{Mode: api.ToolNone})
	choice(`{"mode":"ANY"}`, api.ToolChoice{Mode: api.ToolRequired})
	choice(`{"mode":"ANY","allowed_function_names":["f"]}`, api.ToolChoice{Mode: api.ToolNamed, Name: "f"})
	choice(`{"mode":"ANY","allowedFunctionNames":["f","g"]}`, api.ToolChoice{Mode: api.ToolRequired, Allowed: []string{"f", "g"}})
	choice(`{"mode":"VALIDATED","allowedFunctionNames":["f","g"]}`, api.ToolChoice{Mode: api.ToolAuto, Allowed: []string{"f", "g"}})
	choice(`{}`, api.ToolChoice{})
}

// Some clients send a text where a list of parts is meant, as the SDKs' own
// functions take it.
func TestDecodeTextsInPlaceOfParts(t *testing.T) {
	f := func(body string) {
		t.Helper()
		req := decode(t, body)
		require.Equal(t, []api.Message{say(api.RoleSystem, text("Be brief.")), say(api.RoleUser, text("Hi"))}, req.Messages)
	}
	f(`{"systemInstruction":"Be brief.","contents":"Hi"}`)
	f(`{"systemInstruction":{"parts":"Be brief."},"contents":["Hi"]}`)
	f(`{"system_instruction":["Be brief."],"contents":{"parts":"Hi"}}`)
	f(`{"systemInstruction":[{"text":"Be brief."}],"contents":[{"role":"user","parts":["Hi"]}]}`)
}

// A name may be called again before its first call was ever answered.
func TestDecodeResultsOfTheSameName(t *testing.T) {
	f := func(contents string, want ...int) {
		t.Helper()
		req := decode(t, `{"contents":[`+contents+`]}`)
		var calls []string
		var got []int
		for _, m := range req.Messages {
			for _, p := range m.Parts {
				switch p.Kind {
				case api.ToolCall:
					calls = append(calls, p.Call.ID)
				case api.ToolResult:
					got = append(got, slices.Index(calls, p.Result.ID))
				}
			}
		}
		require.Equal(t, want, got, contents)
	}
	model := func(parts string) string { return `{"role":"model","parts":[` + parts + `]}` }
	user := func(parts string) string { return `{"role":"user","parts":[` + parts + `]}` }
	call, result := `{"functionCall":{"name":"f"}}`, `{"functionResponse":{"name":"f","response":{}}}`
	f(model(call+`,`+call)+`,`+user(result+`,`+result), 0, 1)
	f(model(call)+`,`+user(result)+`,`+model(call)+`,`+user(result), 0, 1)
	f(model(call)+`,`+user(`{"text":"stop"}`)+`,`+model(call)+`,`+user(result), 1)
	f(model(call)+`,`+model(call)+`,`+user(result+`,`+result), 0, 1)
	// A result may bring an id where the call has lost its own.
	f(model(call+`,{"functionCall":{"id":"x","name":"f"}}`)+`,`+user(`{"functionResponse":{"id":"y","name":"f","response":{}}}`), 0)
	f(model(call+`,{"functionCall":{"id":"x","name":"f"}}`)+`,`+user(`{"functionResponse":{"id":"x","name":"f","response":{}}},`+result), 1, 0)
	f(user(result), -1)
}

// Arguments that are no object were wrapped on their way to the client.
func TestDecodeWrappedArguments(t *testing.T) {
	f := func(args, want string) {
		t.Helper()
		body := `{"contents":[{"role":"model","parts":[{"functionCall":{"name":"f","args":` + args + `}}]}]}`
		req := decode(t, body)
		require.Equal(t, want, req.Messages[0].Parts[0].Call.Arguments)
		encoded, _, err := codec.EncodeRequest(req)
		require.NoError(t, err)
		require.JSONEq(t, body, string(encoded))
	}
	f(`{"_raw":"{\"a\":"}`, `{"a":`)
	f(`{"_raw":"{}"}`, `{"_raw":"{}"}`)
	f(`{"_raw":1}`, `{"_raw":1}`)
	f(`{"_raw":"a","b":1}`, `{"_raw":"a","b":1}`)
	f(`{"a":1}`, `{"a":1}`)
}

func TestDecodeRequestRefuses(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		_, err := codec.DecodeRequest([]byte(body))
		require.ErrorContains(t, err, want, body)
	}
	f(``, "ends too early")
	f(`[]`, "expected a JSON object")
	f(`{"a":"\x"}`, "invalid")
	f(`{}`, "contents: expected a list of contents")
	f(`{"contents":5}`, "contents: expected an object")
	f(`{"contents":[{"role":"system"}]}`, `contents[0].role: expected "user" or "model"`)
	f(`{"contents":[{},{"parts":[{"text":"a"},{"text":1}]}]}`, "contents[1].parts[1].text: expected a string")
	f(`{"contents":[{"parts":[{"inlineData":{"data":[]}}]}]}`, "contents[0].parts[0].inlineData.data: expected a string")
	f(`{"contents":[{"parts":[{"functionCall":{}}]}]}`, "contents[0].parts[0].functionCall.name: expected the name of a function")
	f(`{"contents":[],"generationConfig":{"temperature":"warm"}}`, "generationConfig.temperature: expected a number")
	f(`{"contents":[],"generationConfig":{"maxOutputTokens":1.5}}`, "generationConfig.maxOutputTokens: expected a whole number")
	f(`{"contents":[],"generationConfig":{"stopSequences":[1]}}`, "generationConfig.stopSequences[0]: expected a string")
	f(`{"contents":[],"tools":[{"functionDeclarations":[{}]}]}`, "tools[0].functionDeclarations[0].name: expected the name of a function")
	f(`{"contents":[],"toolConfig":{"functionCallingConfig":{"mode":"SOME"}}}`, "toolConfig.functionCallingConfig.mode: expected")
}

// What this format says comes back as it was.
func TestRequestIdentity(t *testing.T) {
	f := func(body string) {
		t.Helper()
		req := decode(t, body)
		req.Model = "gemini-3-flash"
		got, dropped, err := codec.EncodeRequest(req)
		require.NoError(t, err)
		require.Empty(t, dropped)
		require.JSONEq(t, body, string(got))
		again := decode(t, string(got))
		again.Model = req.Model
		require.Equal(t, asJSON(t, req), asJSON(t, again), "and means the same")
	}
	contents := func(s string) { t.Helper(); f(`{"contents":[` + s + `]}`) }
	parts := func(s string) { t.Helper(); contents(`{"role":"user","parts":[` + s + `]}`) }
	config := func(s string) {
		t.Helper()
		f(`{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],"generationConfig":{` + s + `}}`)
	}
	rest := func(s string) { t.Helper(); f(`{"contents":[{"role":"user","parts":[{"text":"Hi"}]}],` + s + `}`) }

	parts(`{"text":"Hi \u2028 😀"},{"text":""}`)
	parts(`{"inlineData":{"mimeType":"image/png","data":"AAAA"}},{"inlineData":{"mimeType":"audio/wav","data":"AAAA","displayName":"a"}}`)
	parts(`{"fileData":{"fileUri":"https://example.com/a"}},{"fileData":{"mimeType":"video/mp4","fileUri":"gs://a/b"}}`)
	parts(`{"fileData":{"fileUri":"https://generativelanguage.googleapis.com/v1beta/files/x"}}`)
	parts(`{"fileData":{"fileUri":"https://youtu.be/x"},"videoMetadata":{"startOffset":"1s"}},{"text":"Hi","partMetadata":{"a":1}}`)
	parts(`{"inlineData":{"mimeType":"image/png","data":"AAAA","new":1}},{"fileData":{"fileUri":"gs://a/b","new":1}}`)
	contents(`{"role":"model","parts":[{"functionCall":{"name":"f","args":{},"new":1}},{"thought":true,"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}`)
	parts(`{"inlineData":{"mimeType":"image/png","data":"AA=="},"mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}},{"newPart":{"x":1e-7}}`)
	contents(`{"role":"user","parts":[{"text":"a"}]},
		{"role":"model","parts":[{"text":"hm","thought":true},{"text":"b","thoughtSignature":"c2ln"},
			{"functionCall":{"name":"f","args":{"n":12345678901234567890,"x":1e-7}},"thoughtSignature":"c2ln"},{"functionCall":{"id":"1","name":"f","args":{}}},
			{"executableCode":{"language":"PYTHON","code":"1"}},{"codeExecutionResult":{"outcome":"OUTCOME_OK","output":"1"}}]},
		{"role":"user","parts":[{"text":"first"},{"functionResponse":{"name":"f","response":{"result":3}}},
			{"functionResponse":{"id":"1","name":"f","willContinue":false,"response":{"image":{"$ref":"a"}},"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA","displayName":"a"}}]}}]},
		{"role":"model","parts":[{"text":"","thoughtSignature":"c2ln"}]}`)
	contents(`{"role":"model","parts":[{"text":"I begin"}]}`)
	rest(`"systemInstruction":{"parts":[{"text":"Be brief."},{"text":"Be kind."}]}`)
	config(`"maxOutputTokens":1,"stopSequences":["a","b","c","d","e"],"temperature":0.10,"topP":1,"topK":40,"seed":-1,"presencePenalty":-1.0,"frequencyPenalty":2`)
	config(`"candidateCount":1,"responseLogprobs":true,"logprobs":5`)
	config(`"responseModalities":["TEXT","IMAGE"],"speechConfig":{"voiceConfig":{}},"mediaResolution":"MEDIA_RESOLUTION_LOW","imageConfig":{"aspectRatio":"1:1"}`)
	config(`"responseMimeType":"application/json"`)
	config(`"responseMimeType":"application/json","responseJsonSchema":{"$defs":{"a":{"const":1}},"$ref":"#/$defs/a"}`)
	config(`"responseMimeType":"application/json","responseSchema":{"type":"STRING","nullable":true}`)
	config(`"responseMimeType":"application/json","_responseJsonSchema":{"type":"string"}`)
	config(`"responseMimeType":"text/x.enum","responseSchema":{"type":"STRING","enum":["a"]}`)
	config(`"responseFormat":{"text":{"mimeType":"APPLICATION_JSON","schema":{"type":"string"}}}`)
	config(`"responseFormat":{"image":{"aspectRatio":"1:1"}}`)
	config(`"thinkingConfig":{"thinkingBudget":-1,"includeThoughts":true}`)
	config(`"thinkingConfig":{"thinkingBudget":0}`)
	config(`"thinkingConfig":{"thinkingBudget":99999}`)
	config(`"thinkingConfig":{"thinkingLevel":"MEDIUM","newMember":1}`)
	rest(`"tools":[{"functionDeclarations":[{"name":"f","description":"F","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING"}}},"response":{"type":"STRING"}},
		{"name":"g","parametersJsonSchema":{"type":"object"},"behavior":"BLOCKING"},{"name":"h"}]},{"googleSearch":{"timeRangeFilter":{}}},{"codeExecution":{}},{"urlContext":{}},{"googleMaps":{}}]`)
	rest(`"toolConfig":{"functionCallingConfig":{"mode":"AUTO"}}`)
	rest(`"toolConfig":{"functionCallingConfig":{"mode":"AUTO","allowedFunctionNames":["f"]}}`)
	rest(`"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}`)
	rest(`"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f","g"]}}`)
	rest(`"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}}`)
	rest(`"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED","allowedFunctionNames":["f"]}}`)
	rest(`"toolConfig":{"functionCallingConfig":{"mode":"NONE","streamFunctionCallArguments":true},"retrievalConfig":{"latLng":{"latitude":1.50}}}`)
	rest(`"safetySettings":[{"category":"c","threshold":"t"}],"cachedContent":"cachedContents/x","labels":{"a_b":"c"},"serviceTier":"flex","store":true,"new":{"n":1e-7}`)
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	require.NoError(t, err)
	return string(raw)
}

// A client returns streamed reasoning in the pieces that it got, the signature
// behind them, which another vendor refuses without the text.
func TestStreamedPiecesAreJoined(t *testing.T) {
	req := &api.Request{Model: "m"}
	encoder := codec.NewStreamEncoder(req)
	var stream []byte
	for _, ev := range []api.Event{
		{Kind: api.Start},
		{Kind: api.PartStart, Content: &api.Part{Kind: api.Thinking}},
		{Kind: api.Delta, Text: []byte(`"h"`)},
		{Kind: api.Delta, Text: []byte(`"m"`)},
		{Kind: api.Signature, Content: &api.Part{Kind: api.Thinking, Signature: "s", Vendor: api.Anthropic}},
		{Kind: api.PartEnd},
		{Kind: api.Finished, Finish: api.FinishStop},
		{Kind: api.End},
	} {
		stream = encoder.Encode(stream, &ev)
	}
	var parts []string
	for data := range strings.SplitSeq(strings.TrimSpace(string(stream)), "\n\n") {
		var chunk struct {
			Candidates []struct {
				Content struct{ Parts []json.RawMessage }
			}
		}
		require.NoError(t, json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &chunk))
		for _, part := range chunk.Candidates[0].Content.Parts {
			parts = append(parts, string(part))
		}
	}
	content := `{"role":"model","parts":[` + strings.Join(parts, ",") + `]}`
	got := decode(t, `{"contents":[`+content+`,`+content+`]}`)
	for i := range got.Messages {
		require.Equal(t, api.Part{Kind: api.Thinking, Text: "hm", Signature: "s", Vendor: api.Anthropic}, got.Messages[i].Parts[0])
	}

	// So it is with a text, which Google itself gets back in its pieces.
	const pieces = `{"text":"a"},{"text":" "},{"text":"b"}`
	got = decode(t, `{"contents":[{"role":"model","parts":[`+pieces+`,{"functionCall":{"name":"f","args":{}}},{"text":"c"}]},{"role":"user","parts":[`+pieces+`]}]}`)
	require.Len(t, got.Messages[0].Parts, 3)
	require.Equal(t, "a b", got.Messages[0].Parts[0].Text)
	require.Len(t, got.Messages[1].Parts, 3, "what the user says is as the client has it")
	body, _, err := codec.EncodeRequest(got)
	require.NoError(t, err)
	require.Contains(t, string(body), `"role":"model","parts":[`+pieces+`,`)

	// Google takes its own back as it gave them.
	got = decode(t, `{"contents":[{"role":"model","parts":[{"text":"h","thought":true},{"text":"","thought":true,"thoughtSignature":"AA=="}]}]}`)
	require.Len(t, got.Messages[0].Parts, 2)
}

// A client keeps the signatures of other vendors, which only they get back.
func TestSealedSignatures(t *testing.T) {
	f := func(part api.Part) {
		t.Helper()
		body, err := codec.EncodeResponse(&api.Response{Choices: []api.Choice{{Parts: []api.Part{part}}}}, nil)
		require.NoError(t, err)
		var answer struct {
			Candidates []struct {
				Content struct {
					Parts []struct {
						// As Google's SDKs for Go have it: base64 or an error.
						ThoughtSignature []byte `json:"thoughtSignature"`
					} `json:"parts"`
				} `json:"content"`
			} `json:"candidates"`
		}
		require.NoError(t, json.Unmarshal(body, &answer))
		require.NotEmpty(t, answer.Candidates[0].Content.Parts[0].ThoughtSignature)
		var raw struct {
			Candidates []struct{ Content json.RawMessage }
		}
		require.NoError(t, json.Unmarshal(body, &raw))
		req := decode(t, `{"contents":[`+string(raw.Candidates[0].Content)+`]}`)
		require.Equal(t, part, req.Messages[0].Parts[0])

		req.Model = "gemini-2.5-flash"
		toGoogle, _, err := codec.EncodeRequest(req)
		require.NoError(t, err)
		require.NotContains(t, string(toGoogle), "thoughtSignature")
	}
	f(api.Part{Kind: api.Thinking, Text: "hm", Signature: "a-b_c/d+é", Vendor: api.Anthropic})
	f(api.Part{Kind: api.Thinking, Signature: "encrypted", Redacted: true, Vendor: api.Anthropic})
	f(api.Part{Kind: api.Thinking, Text: "hm", Signature: "gAAAA", Vendor: api.OpenAI})
	f(api.Part{Kind: api.Text, Text: "Hi", Signature: "x", Vendor: api.OpenAI})
	f(api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: "f", Arguments: `{}`}, Signature: "x", Vendor: api.OpenAI})
}

// A conversation that another vendor's model began goes on with Google's.
func TestForeignConversations(t *testing.T) {
	f := func(model, parts string, foreign bool, want string) {
		t.Helper()
		body := `{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[` + parts + `]},{"role":"user","parts":[{"text":"b"}]}]}`
		require.Equal(t, foreign, gemini.Foreign(model, []byte(body)))
		req := decode(t, body)
		req.Model = model
		encoded, _, err := codec.EncodeRequest(req)
		require.NoError(t, err)
		require.JSONEq(t, `{"contents":[{"role":"user","parts":[{"text":"a"}]},{"role":"model","parts":[`+want+`]},{"role":"user","parts":[{"text":"b"}]}]}`, string(encoded))
		require.False(t, gemini.Foreign(model, encoded))
	}
	same := func(model, parts string) { t.Helper(); f(model, parts, false, parts) }
	old, recent := "gemini-2.5-pro", "gemini-3.8-flash"
	same(recent, `{"text":"a"}`)
	same(recent, `{"functionCall":{"name":"f","args":{}},"thoughtSignature":"c2ln"},{"functionCall":{"name":"f","args":{}}}`)
	same(old, `{"functionCall":{"name":"f","args":{}}}`)
	f(recent, `{"text":"a"},{"functionCall":{"id":"1","name":"f","args":{}}},{"functionCall":{"id":"2","name":"f","args":{}}}`, true,
		`{"text":"a"},{"functionCall":{"id":"1","name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"id":"2","name":"f","args":{}}}`)
	f(recent, `{"function_call":{"name":"f"},"thought_signature":null}`, true, `{"functionCall":{"name":"f","args":{}},"thoughtSignature":"skip_thought_signature_validator"}`)
	f(old, `{"text":"hm","thought":true,"thoughtSignature":"cGxleHVzOmFudGhyb3BpYzpzaWc="},{"text":"a"}`, true, `{"text":"a"}`)
	f(old, `{"text":"a"},{"text":"","thought":true,"thoughtSignature":"cmVkYWN0ZWQ6cGxleHVzOmFudGhyb3BpYzpzaWc="}`, true, `{"text":"a"}`)
}

func TestCountTokens(t *testing.T) {
	req, err := gemini.DecodeCountTokens([]byte(`{"contents":[{"parts":[{"text":"Hi"}]}]}`))
	require.NoError(t, err)
	require.Equal(t, "Hi", req.Messages[0].Parts[0].Text)
	req, err = gemini.DecodeCountTokens([]byte(`{"generate_content_request":{"model":"models/g","contents":[{"parts":[{"text":"Hi"}]}],"tools":[{"functionDeclarations":[{"name":"f"}]}]}}`))
	require.NoError(t, err)
	require.Len(t, req.Tools, 1)
	require.Empty(t, req.Extra)
	_, err = gemini.DecodeCountTokens([]byte(`{"generateContentRequest":{"contents":1}}`))
	require.ErrorContains(t, err, "generateContentRequest.contents: expected an object")
	require.Equal(t, `{"totalTokens":31}`, string(gemini.EncodeCountTokens(31)))
}

// A file that is nowhere is refused by every target.
func TestDecodeFilesOfNothing(t *testing.T) {
	f := func(part, want string) {
		t.Helper()
		_, err := codec.DecodeRequest([]byte(`{"contents":[{"parts":[` + part + `]}]}`))
		require.EqualError(t, err, want)
	}
	f(`{"fileData":{"mimeType":"image/jpeg"}}`, "contents[0].parts[0].fileData.fileUri: expected the address of a file")
	f(`{"inlineData":{"mimeType":"image/png"}}`, "contents[0].parts[0].inlineData.data: expected the content in base64")
}
