package responses_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func TestDecodeResponse(t *testing.T) {
	f := func(body string, want api.Choice) {
		t.Helper()
		resp, err := codec.DecodeResponse([]byte(body))
		require.NoError(t, err)
		got := resp.Choices[0]
		plain([]api.Message{{Parts: got.Parts}})
		require.Equal(t, want, got)
	}
	answer := func(output string, finish api.Finish, parts ...api.Part) {
		t.Helper()
		f(`{"id":"r","output":[`+output+`],"status":"completed"}`, api.Choice{Finish: finish, Parts: parts})
	}
	f(`{"output":[]}`, api.Choice{Finish: api.FinishStop})
	f(`{"output":[],"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}`, api.Choice{Finish: api.FinishLength})
	f(`{"output":[],"status":"incomplete","incomplete_details":{"reason":"content_filter"}}`, api.Choice{Finish: api.FinishContentFilter})
	f(`{"output":[],"status":"incomplete"}`, api.Choice{Finish: api.FinishLength})
	answer(`{"type":"message","id":"m","role":"assistant","content":[{"type":"output_text","text":"Hi"},{"type":"output_text","text":""},{"type":"content_of_tomorrow"},{"type":"refusal","refusal":"no"}]}`,
		api.FinishRefusal, with(say("Hi"), func(p *api.Part) { p.ID = "m" }), api.Part{Kind: api.Refusal, Text: "no", ID: "m"})
	answer(`{"type":"function_call","id":"fc","call_id":"c","name":"f","arguments":"{"},{"type":"custom_tool_call","call_id":"d","name":"p","input":"x"},{"type":"function_call","namespace":"n","name":"f","arguments":{"a":1}}`,
		api.FinishToolCalls, with(call("c", "f", "{"), func(p *api.Part) { p.ID = "fc" }), custom("d", "p", "x"), call(api.CallID("r/2"), "n__f", `{"a":1}`))
	// The provider is no client: nothing of its is sealed.
	answer(`{"type":"reasoning","summary":[{"type":"summary_text","text":"a"}],"content":[{"type":"reasoning_text","text":"b"}],"encrypted_content":"plexus:google:text:x"}`,
		api.FinishStop, thought("a", "", api.OpenAI), thought("b", "plexus:google:text:x", api.OpenAI))
	// Citations count from the beginning of the answer.
	answer(`{"type":"message","role":"assistant","content":[{"type":"output_text","text":"é!"},{"type":"output_text","text":"Hi","annotations":[{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":2}]}]}`,
		api.FinishStop, say("é!"), api.Part{Kind: api.Text, Text: "Hi", Citations: []api.Citation{{URL: "u", Title: "t", Start: 2, End: 4}}})

	resp, err := codec.DecodeResponse([]byte(`{"id":"r","model":"m","created_at":1741476542.5,"service_tier":"flex","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi","logprobs":[{"token":"Hi","logprob":-0.1}]}]}],
		"usage":{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":19}}`))
	require.NoError(t, err)
	require.Equal(t, "r", resp.ID)
	require.Equal(t, "m", resp.Model)
	require.EqualValues(t, 1741476542, resp.Created)
	require.Equal(t, "flex", resp.ServiceTier)
	require.Equal(t, api.Usage{Input: 6, CacheRead: 4, Output: 4, Reasoning: 5, Known: true}, resp.Usage)
	require.JSONEq(t, `{"content":[{"token":"Hi","logprob":-0.1}],"refusal":null}`, string(resp.Choices[0].Logprobs))

	bad := func(body, want string) {
		t.Helper()
		_, err := codec.DecodeResponse([]byte(body))
		require.EqualError(t, err, want)
	}
	bad(`<html>`, "the answer is not valid JSON")
	bad(`{}`, "output: expected a list of items")
	bad(`{"output":{}}`, "output: expected a list")
	bad(`{"output":[{}]}`, "output[0].type: expected the kind of the item, such as message")
	bad(`{"status":"failed","error":{"code":"server_error","message":"Oh"},"output":[]}`, "the provider reports an error: Oh")
	bad(`{"status":"failed","error":null,"output":[]}`, "the provider reports an error: The provider's response has failed, and it does not say why.")
	bad(`{"status":"cancelled","output":[]}`, "the provider reports an error: The provider's response has been cancelled.")
	bad(`{"error":{"message":"Oh"}}`, "the provider reports an error: Oh")
	bad(`{"status":"queued","output":[]}`, "status: the answer is not there yet: queued")
}

func TestEncodeResponse(t *testing.T) {
	f := func(req *api.Request, choice api.Choice, status, output string) {
		t.Helper()
		body, err := codec.EncodeResponse(&api.Response{ID: "r", Source: api.Messages, ServiceTier: "standard", Choices: []api.Choice{choice, {Parts: []api.Part{say("another")}}}}, req)
		require.NoError(t, err)
		var got map[string]any
		require.NoError(t, json.Unmarshal(body, &got), "%s", body)
		complete(t, got, status)
		require.Nil(t, got["service_tier"])
		require.JSONEq(t, output, string(member(t, body, "output")))

		// A stream tells the same items.
		var events []api.Event
		resp := &api.Response{ID: "r", Source: api.Messages, Choices: []api.Choice{choice}}
		resp.Emit(func(ev *api.Event) { events = append(events, keep(ev)) })
		datas := writeStream(t, req, events...)
		ordered(t, datas)
		require.JSONEq(t, output, string(member(t, final(t, datas), "output")))
	}
	parts := func(output string, parts ...api.Part) {
		t.Helper()
		f(nil, api.Choice{Parts: parts, Finish: api.FinishStop}, "completed", output)
	}
	id := sum("r")[:24]
	text := func(n, s, status string) string {
		return `{"id":"msg_` + id + n + `","type":"message","status":"` + status + `","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"` + s + `"}]}`
	}
	reasoning := func(n, summary, encrypted string) string {
		if encrypted != "" {
			encrypted = `,"encrypted_content":"` + encrypted + `"`
		}
		return `{"id":"rs_` + id + n + `","type":"reasoning","summary":[` + summary + `]` + encrypted + `}`
	}
	const summary = `{"type":"summary_text","text":"hm"}`
	signed := func(p api.Part) api.Part {
		return with(p, func(p *api.Part) { p.Signature, p.Vendor = "sig", api.Google })
	}

	parts(`[]`)
	parts(`[]`, say(""), api.Part{Kind: api.Thinking}, api.Part{Kind: api.Opaque, Source: api.Messages, Raw: raw(`{}`)})
	parts(`[`+text("0", "Hi", "completed")+`]`, say("Hi"))
	f(nil, api.Choice{Finish: api.FinishLength, Parts: []api.Part{say("Hi")}}, "incomplete", `[`+text("0", "Hi", "incomplete")+`]`)
	f(nil, api.Choice{Finish: api.FinishContentFilter}, "incomplete", `[]`)
	f(nil, api.Choice{Finish: api.FinishRefusal}, "incomplete", `[]`)
	f(nil, api.Choice{Finish: api.FinishMalformed}, "failed", `[]`)
	f(nil, api.Choice{Finish: api.FinishRefusal, Parts: []api.Part{{Kind: api.Refusal, Text: "no"}}}, "completed",
		`[{"id":"msg_`+id+`0","type":"message","status":"completed","role":"assistant","content":[{"type":"refusal","refusal":"no"}]}]`)

	// Texts without ids share a message, until something else comes.
	parts(`[{"id":"msg_`+id+`0","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"a"},{"type":"output_text","annotations":[],"logprobs":[],"text":"b"}]},
		{"id":"fc_`+id+`1","type":"function_call","status":"completed","call_id":"c","name":"f","arguments":"{}"},`+text("2", "d", "completed")+`]`, say("a"), say("b"), call("c", "f", ""), say("d"))

	// Reasoning, whoever signed it, and if nobody did.
	parts(`[`+reasoning("0", summary, "plexus::")+`,`+reasoning("1", summary, "plexus:anthropic:sig")+`,`+reasoning("2", "", "plexus:anthropic:redacted:data")+`,`+reasoning("3", summary, "E")+`,`+text("4", "Hi", "completed")+`]`,
		thought("hm", "", ""), thought("hm", "sig", api.Anthropic), with(thought("", "data", api.Anthropic), func(p *api.Part) { p.Redacted = true }), thought("hm", "E", api.OpenAI), say("Hi"))
	parts(`[{"id":"fc_`+id+`0","type":"function_call","status":"completed","call_id":"c","name":"f","arguments":"{}"},`+reasoning("1", "", "plexus:google:call:c:sig")+`,`+text("2", "Hi", "completed")+`,`+reasoning("3", "", "plexus:google:prev:sig")+`,`+reasoning("4", "", "plexus:google:text:sig")+`]`,
		signed(call("c", "f", "{}")), signed(say("Hi")), signed(say("")))

	// Sources.
	parts(`[{"id":"msg_`+id+`0","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"éé"},
		{"type":"output_text","annotations":[{"type":"url_citation","start_index":1,"end_index":2,"url":"u","title":"t"},{"type":"url_citation","start_index":0,"end_index":2,"url":"v","title":""}],"logprobs":[],"text":"Hi"}]}]`,
		say("éé"), api.Part{Kind: api.Text, Text: "Hi", Citations: []api.Citation{{URL: "u", Title: "t", Start: 3, End: 9}, {URL: "v"}, {Title: "no page"}}})
	parts(`[{"id":"ig_`+id+`0","type":"image_generation_call","status":"completed","result":"AA=="}]`, media(api.Image, api.Media{MIME: "image/png", Data: "AA=="}))
	parts(`[{"type":"web_search_call","id":"w"}]`, api.Part{Kind: api.Opaque, Source: api.Responses, Raw: raw("{\"type\":\"web_search_call\",\n\"id\":\"w\"}")})

	// The client's tools by the client's names, and free text where it wants some.
	tools := decode(t, `{"tools":[{"type":"custom","name":"patch"},{"type":"namespace","name":"mcp__s","tools":[{"type":"function","name":"a"},{"type":"custom","name":"b"}]}]}`)
	f(tools, api.Choice{Parts: []api.Part{
		call("1", "patch", `{"input":"*** \"Begin\"\n"}`), call("2", "patch", `not JSON`), custom("3", "patch", "x"), call("4", "mcp__s__a", `{"a":1}`), call("5", "mcp__s__b", `{"input":"y"}`), call("6", "patch", ""), call("a|b", "other", ""),
	}}, "completed", `[
		{"id":"ctc_`+id+`0","type":"custom_tool_call","status":"completed","call_id":"1","name":"patch","input":"*** \"Begin\"\n"},
		{"id":"ctc_`+id+`1","type":"custom_tool_call","status":"completed","call_id":"2","name":"patch","input":"not JSON"},
		{"id":"ctc_`+id+`2","type":"custom_tool_call","status":"completed","call_id":"3","name":"patch","input":"x"},
		{"id":"fc_`+id+`3","type":"function_call","status":"completed","call_id":"4","namespace":"mcp__s","name":"a","arguments":"{\"a\":1}"},
		{"id":"ctc_`+id+`4","type":"custom_tool_call","status":"completed","call_id":"5","namespace":"mcp__s","name":"b","input":"y"},
		{"id":"ctc_`+id+`5","type":"custom_tool_call","status":"completed","call_id":"6","name":"patch","input":""},
		{"id":"fc_`+id+`6","type":"function_call","status":"completed","call_id":"`+api.CallID("a|b")+`","name":"other","arguments":"{}"}]`)
}

// A client of OpenAI's that talks to another vendor's model gets that vendor's
// signatures, and its next request gives them back.
func TestSignaturesSurviveTheTripThroughAClient(t *testing.T) {
	parts := []api.Part{
		thought("hm", "sig1", api.Anthropic),
		with(thought("", "data", api.Anthropic), func(p *api.Part) { p.Redacted = true }),
		thought("", "hidden", api.Google),
		with(say("Hi"), func(p *api.Part) { p.Signature, p.Vendor = "sig2", api.Google }),
		with(call("c:1", "f", "{}"), func(p *api.Part) { p.Signature, p.Vendor = "sig3", api.Google }),
		call("d", "f", "{}"),
		with(say(""), func(p *api.Part) { p.Signature, p.Vendor = "sig4", api.Google }),
		thought("own", "gAAA", api.OpenAI),
	}
	body, err := codec.EncodeResponse(&api.Response{ID: "r", Choices: []api.Choice{{Parts: parts}}}, nil)
	require.NoError(t, err)
	req := decode(t, `{"input":`+string(member(t, body, "output"))+`}`)
	require.Len(t, req.Messages, 1)
	got := plain(req.Messages)[0].Parts
	for i := range got {
		got[i].ID = ""
		if got[i].Call != nil && got[i].Call.ID == api.CallID("c:1") {
			got[i].Call.ID = "c:1"
		}
	}
	require.Equal(t, parts, got)
}

func TestDecodeError(t *testing.T) {
	f := func(status int, body string, want api.Error) {
		t.Helper()
		require.Equal(t, want, codec.DecodeError(status, []byte(body)))
	}
	f(429, `{"error":{"message":"Slow down","type":"tokens","param":"x","code":"rate_limit_exceeded"}}`, api.Error{Status: 429, Type: "tokens", Param: "x", Code: "rate_limit_exceeded", Message: "Slow down"})
	f(400, `{"error":{"message":"Too long","type":"invalid_request_error","code":null}}`, api.Error{Status: 400, Type: "invalid_request_error", Message: "Too long"})
	f(400, `{"code":"Client specified an invalid argument","error":"bad"}`, api.Error{Status: 400, Message: "bad"})
	f(400, `{"detail":"Instructions are required"}`, api.Error{Status: 400, Message: "Instructions are required"})
	f(200, `{"error":{"message":"Gone","code":"rate_limit_exceeded"}}`, api.Error{Status: 429, Code: "rate_limit_exceeded", Message: "Gone"})
	f(200, `{"error":{"message":"Gone"}}`, api.Error{Status: 502, Message: "Gone"})
	f(502, "bad\xff gateway\n", api.Error{Status: 502, Message: "bad\ufffd gateway"})
	f(503, ``, api.Error{Status: 503, Message: "Service Unavailable"})
}

// Some servers do not say who answers.
func TestAnswersWithoutARole(t *testing.T) {
	resp, err := codec.DecodeResponse([]byte(`{"id":"r","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"x"}]}]}`))
	require.NoError(t, err)
	require.Equal(t, "x", resp.Choices[0].Parts[0].Text)
}
