package messages_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/messages"
)

// relay is a request of this format that goes on to a target of this format, by
// way of the neutral one because it holds seals.
func relay(t *testing.T, body string) (sent string, dropped []string) {
	t.Helper()
	out, dropped, err := messages.Codec{}.EncodeRequest(decode(t, body))
	require.NoError(t, err)
	return string(out), dropped
}

// What other vendors signed is left out, and all else stays as it is.
func TestSealedBlocksAreLeftOut(t *testing.T) {
	long := "call_" + strings.Repeat("x", 70)
	body := func(foreign ...string) string {
		pieces := make([]any, 0, len(foreign))
		for _, s := range foreign {
			if s != "" {
				s += ","
			}
			pieces = append(pieces, s)
		}
		s := `{"model":"claude-opus-4-8","max_tokens":32000,"stream":true,
		"system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2"},{"type":"text","text":"You are an agent.","cache_control":{"type":"ephemeral","ttl":"1h"}}],
		"thinking":{"type":"adaptive"},"output_config":{"effort":"high"},"context_management":{"edits":[{"type":"clear_thinking_20251015","keep":"all"}]},
		"metadata":{"user_id":"{\"device_id\":\"d\",\"session_id\":\"s\"}"},"speed":"fast",
		"tools":[{"name":"Bash","description":"d","input_schema":{"type":"object"},"eager_input_streaming":true},{"name":"x","input_schema":{"type":"object"},"defer_loading":true,"strict":true,"input_examples":[{}]}],
		"messages":[
			{"role":"user","content":"Hi"},
			{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"EqQB"},{"type":"tool_use","id":"t.1","name":"Bash","input":{"n":12345678901234567890}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"t.1","content":"ok"},{"type":"text","text":"<system-reminder>"}]},
			{"role":"system","content":"Be brief."},
			{"role":"assistant","content":[%0%1%2{"type":"tool_use","id":"` + long + `","name":"Bash","input":{},"caller":{"type":"direct"}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"` + long + `","is_error":true,"content":[{"type":"text","text":"no"},{"type":"text","text":"!"}]}]},
			{"role":"assistant","content":[%3{"type":"text","text":"So","citations":[%4{"type":"char_location","cited_text":"a","document_index":0,"document_title":null,"start_char_index":0,"end_char_index":1}]}]},
			{"role":"user","content":"one"},
			{"role":"user","content":"two"}]}`
		for i, piece := range pieces {
			s = strings.ReplaceAll(s, "%"+string(rune('0'+i)), piece.(string))
		}
		return s
	}
	sealed := body(
		`{"type":"thinking","thinking":"because","signature":"`+api.Seal(api.OpenAI, "enc")+`"}`,
		`{"type":"redacted_thinking","data":"`+api.Seal(api.OpenAI, "hidden")+`"}`,
		`{"type":"redacted_thinking","data":"next:`+api.Seal(api.Google, "sig")+`"}`,
		`{"type":"thinking","thinking":"unsigned","signature":"`+api.Unsigned+`"}`,
		`{"type":"web_search_result_location","url":"u","title":"t","cited_text":"","encrypted_index":"`+api.Unsigned+`"}`,
	)
	require.True(t, api.HasSeal([]byte(sealed)))
	sent, dropped := relay(t, sealed)
	require.JSONEq(t, body("", "", "", "", ""), sent)
	require.Equal(t, []string{"messages.thinking"}, dropped)
	require.False(t, api.HasSeal([]byte(sent)))
}

// A turn of which nothing is left goes.
func TestSealedTurnGoes(t *testing.T) {
	sent, _ := relay(t, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"plexus::"}]},{"role":"user","content":"b"}]}`)
	require.JSONEq(t, `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"a"},{"role":"user","content":"b"}]}`, sent)
}

// With a budget, Anthropic refuses to go on after calls whose thinking is gone:
// then it goes on without thinking.
func TestSealedThinkingBeforeCalls(t *testing.T) {
	f := func(thinking, block, want string, lost ...string) {
		t.Helper()
		sent, dropped := relay(t, `{"model":"claude-sonnet-4-5","max_tokens":9000,`+thinking+`,"messages":[{"role":"user","content":"a"},
			{"role":"assistant","content":[`+block+`{"type":"tool_use","id":"t","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t"}]}]}`)
		var got map[string]json.RawMessage
		require.NoError(t, json.Unmarshal([]byte(sent), &got))
		delete(got, "messages")
		delete(got, "model")
		delete(got, "max_tokens")
		out, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, want, string(out))
		require.Equal(t, lost, dropped)
	}
	const sealed = `{"type":"thinking","thinking":"hm","signature":"plexus:google:x"},`
	const own = `{"type":"thinking","thinking":"hm","signature":"x"},`
	const enabled = `"thinking":{"type":"enabled","budget_tokens":2048}`
	const edits = `"context_management":{"edits":[{"type":"clear_thinking_20251015"}]}`
	f(enabled, sealed, `{}`, "messages.thinking", "thinking")
	f(enabled+`,`+edits, sealed, `{}`, "context_management", "messages.thinking", "thinking")
	f(enabled+`,"context_management":{"edits":[]}`, sealed, `{"context_management":{"edits":[]}}`, "messages.thinking", "thinking")
	f(enabled, own, `{`+enabled+`}`)
	f(enabled, own+sealed, `{`+enabled+`}`, "messages.thinking")
	f(enabled, ``, `{`+enabled+`}`) // the client's own doing
	f(`"thinking":{"type":"adaptive"}`, sealed, `{"thinking":{"type":"adaptive"}}`, "messages.thinking")
}

// Reasoning without a signature must not come back as Anthropic's own.
func TestUnsignedReasoningIsMarked(t *testing.T) {
	f := func(source api.API, p api.Part, want string) {
		t.Helper()
		p.Kind = api.Thinking
		resp := &api.Response{Source: source, Choices: []api.Choice{{Parts: []api.Part{p}}}}
		body, err := messages.Codec{}.EncodeResponse(resp, nil)
		require.NoError(t, err)
		require.JSONEq(t, `[`+want+`]`, string(contentOf(t, body)))

		var events []api.Event
		resp.Emit(func(ev *api.Event) { events = append(events, keep(ev)) })
		require.Len(t, collect(t, writeStream(t, nil, events...)), 1)
		require.JSONEq(t, want, collect(t, writeStream(t, nil, events...))[0])
	}
	f(api.Chat, api.Part{Text: "hm"}, `{"type":"thinking","thinking":"hm","signature":"plexus::"}`)
	f(api.Chat, api.Part{Text: "hm", Signature: "?"}, `{"type":"thinking","thinking":"hm","signature":"plexus::?"}`)
	f(api.Gemini, api.Part{Text: "hm", Vendor: api.Google}, `{"type":"thinking","thinking":"hm","signature":"plexus::"}`)
	f(api.Messages, api.Part{Text: "hm"}, `{"type":"thinking","thinking":"hm","signature":""}`)
	f(api.Messages, api.Part{Text: "hm", Signature: "s", Vendor: api.Anthropic}, `{"type":"thinking","thinking":"hm","signature":"s"}`)

	require.Equal(t, []api.Part{{Kind: api.Thinking, Text: "hm"}},
		decode(t, `{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"plexus::"}]}]}`).Messages[0].Parts)
}

// A citation that another provider made is not Anthropic's to check.
func TestForeignCitationsAreMarked(t *testing.T) {
	body, err := messages.Codec{}.EncodeResponse(&api.Response{Choices: []api.Choice{{Parts: []api.Part{{Kind: api.Text, Text: "x", Citations: []api.Citation{{URL: "u", Title: "t"}}}}}}}, nil)
	require.NoError(t, err)
	require.True(t, api.HasSeal(body))
	parts := decode(t, `{"messages":[{"role":"assistant","content":`+string(contentOf(t, body))+`}]}`).Messages[0].Parts
	require.Equal(t, []api.Part{{Kind: api.Text, Text: "x", Citations: []api.Citation{{URL: "u", Title: "t"}}}}, parts)
}
