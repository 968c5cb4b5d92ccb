package plexus

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// conversation is how one goes on in an API: its requests of the first turn and of
// the fifth.
type conversation struct{ first, fifth string }

// conversations are each API's. The user's first words are where it says WORDS.
var conversations = map[api.API][]conversation{
	api.Chat: {{
		`{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"WORDS"}]}`,
		`{"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"WORDS"},{"role":"assistant","content":"Yes."},
			{"role":"user","content":"And now?"}],"model":"m","stream":true,"temperature":1}`,
	}, {
		// A mark for the cache needs a part to stand in, and moves on.
		`{"messages":[{"role":"system","content":[{"type":"text","text":"Be brief."}]},
			{"role":"user","content":[{"type":"text","text":"WORDS","cache_control":{"type":"ephemeral"}},{"type":"image_url","image_url":{"url":"data:,a"}}]}]}`,
		`{"messages":[{"content":"Be brief.","role":"developer"},{"role":"user","content":"WORDS"},
			{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},
			{"role":"tool","tool_call_id":"1","content":"2"}]}`,
	}},
	api.Messages: {{
		`{"model":"m","max_tokens":9,"system":"Be brief.","messages":[{"role":"user","content":"WORDS"}]}`,
		`{"model":"m","messages":[{"role":"user","content":"WORDS"},{"role":"assistant","content":"Yes."},{"role":"user","content":"And now?"}],
			"max_tokens":9,"system":"Be brief."}`,
	}, {
		// As Claude Code: its system prompt begins with a checksum of the request.
		`{"system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.177.01c; cc_entrypoint=cli; cch=36ee5;"},
			{"type":"text","text":"You are.","cache_control":{"type":"ephemeral"}}],
			"messages":[{"role":"user","content":[{"type":"text","text":"<system-reminder>"},{"type":"text","text":"WORDS","cache_control":{"type":"ephemeral"}}]}]}`,
		`{"system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1.177.7b4; cc_entrypoint=cli; cch=0aaa9;"},
			{"type":"text","text":"You are."}],
			"messages":[{"role":"user","content":[{"type":"text","text":"<system-reminder>"},{"type":"text","text":"WORDS"}]},
			{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"text":"x"}}]},
			{"role":"user","content":[{"type":"tool_result","tool_use_id":"t","content":"2","cache_control":{"type":"ephemeral"}}]}]}`,
	}, {
		`{"system":"x-anthropic-billing-header: cch=36ee5;\nYou are.","messages":[{"role":"user","content":"WORDS"}]}`,
		`{"system":"x-anthropic-billing-header: cch=0aaa9;\nYou are.","messages":[{"role":"user","content":"WORDS"},{"role":"assistant","content":"A"}]}`,
	}},
	api.Gemini: {{
		`{"contents":[{"role":"user","parts":[{"text":"WORDS"}]}],"systemInstruction":{"parts":[{"text":"Be brief."}]}}`,
		`{"system_instruction":{"parts":[{"text":"Be brief."}]},
			"contents":[{"role":"user","parts":[{"text":"WORDS"}]},{"role":"model","parts":[{"text":"Yes."}]},{"parts":[{"text":"And now?"}]}]}`,
	}, {
		`{"contents":[{"parts":[{"text":"WORDS"},{"inlineData":{"mimeType":"image/png","data":"AA"}}]}]}`,
		`{"contents":[{"parts":[{"text":"WORDS"},{"inlineData":{"mimeType":"image/png","data":"AA"}}]},{"role":"model","parts":[{"text":"Yes."}]}]}`,
	}},
	api.Responses: {{
		`{"model":"m","instructions":"Be brief.","input":"WORDS"}`,
		`{"model":"m","input":[{"role":"user","content":"WORDS"},{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Yes."}]},
			{"role":"user","content":[{"type":"input_text","text":"And now?"}]}],"instructions":"Be brief."}`,
	}, {
		// As Codex: a message about the surroundings comes before the prompt.
		`{"instructions":"You are.","input":[{"type":"message","role":"developer","content":[{"type":"input_text","text":"<permissions>"}]},
			{"type":"message","role":"user","content":[{"type":"input_text","text":"<environment_context>"}]},
			{"type":"message","role":"user","content":[{"type":"input_text","text":"WORDS"}]}]}`,
		`{"instructions":"You are.","input":[{"type":"message","role":"developer","content":[{"type":"input_text","text":"<permissions>"}]},
			{"type":"message","role":"user","content":[{"type":"input_text","text":"<environment_context>"}]},
			{"type":"message","role":"user","content":[{"type":"input_text","text":"WORDS"}]},
			{"type":"reasoning","summary":[],"content":[{"type":"reasoning_text","text":"Hm."}],"encrypted_content":"x"},
			{"type":"function_call","call_id":"1","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"1","output":"2"},
			{"type":"message","role":"user","content":[{"type":"input_text","text":"And now?"}]}]}`,
	}},
	api.Completions: {{
		`{"prompt":"` + strings.Repeat("Be brief. ", 30) + `WORDS"}`,
		`{"prompt":["` + strings.Repeat("Be brief. ", 30) + `WORDS Yes. And now?"],"model":"m"}`,
	}},
}

func TestPrefixIsTheConversations(t *testing.T) {
	for a, all := range conversations {
		for _, c := range all {
			first, known := prefixKey(a, []byte(c.first))
			require.True(t, known, c.first)
			require.True(t, json.Valid([]byte(c.fifth)), c.fifth)
			fifth, known := prefixKey(a, []byte(c.fifth))
			require.True(t, known, c.fifth)
			require.Equal(t, first, fifth, c.fifth)
			for _, from := range []string{"WORDS", "Be brief.", "You are."} {
				if a == api.Completions && from == "WORDS" || !strings.Contains(c.first, from) {
					continue
				}
				other, known := prefixKey(a, []byte(strings.ReplaceAll(c.first, from, "Something else.")))
				require.True(t, known)
				require.NotEqual(t, first, other, "%s of %s", from, c.first)
			}
		}
	}
}

func TestPrefixUnknown(t *testing.T) {
	f := func(a api.API, body string) {
		t.Helper()
		_, known := prefixKey(a, []byte(body))
		require.False(t, known, body)
	}
	f(api.Embeddings, `{"input":"a"}`)
	f(api.Chat, ``)
	f(api.Chat, `{`)
	f(api.Chat, `[]`)
	f(api.Chat, `{}`)
	f(api.Chat, `{"messages":7}`)
	f(api.Chat, `{"messages":[]}`)
	f(api.Chat, `{"messages":[{"role":"user","content":""},{"role":"user","content":"late"}]}`)
	f(api.Chat, `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:,a"}}]}]}`)
	f(api.Messages, `{"system":"x-anthropic-billing-header: cch=36ee5;","messages":[]}`)
	f(api.Chat, `{"system_instruction":"a"}`)
	f(api.Completions, `{}`)
	f(api.Completions, `{"prompt":""}`)

	key, known := prefixKey(api.Completions, []byte(`{"prompt":[17,4]}`))
	other, _ := prefixKey(api.Completions, []byte(`{"prompt":[17,5]}`))
	require.True(t, known)
	require.NotEqual(t, key, other)
}

// Two texts are not the same as both in one.
func TestPrefixKeepsTextsApart(t *testing.T) {
	a, _ := prefixKey(api.Messages, []byte(`{"system":"ab","messages":[{"role":"user","content":"c"}]}`))
	b, _ := prefixKey(api.Messages, []byte(`{"system":"a","messages":[{"role":"user","content":"bc"}]}`))
	require.NotEqual(t, a, b)
}

// Parts within parts are not followed for ever.
func TestPrefixOfDeepParts(t *testing.T) {
	deep := func(n int) string {
		return `{"messages":[{"role":"user","content":` + strings.Repeat(`[`, n) + `"a"` + strings.Repeat(`]`, n) + `}]}`
	}
	_, known := prefixKey(api.Chat, []byte(deep(maxPartDepth-1)))
	require.True(t, known)
	_, known = prefixKey(api.Chat, []byte(deep(maxPartDepth)))
	require.False(t, known)
}

func askedFor(a api.API, body string, header ...string) *exchange {
	x := &exchange{op: operation{api: a, verb: verbGenerate}, r: httptest.NewRequest(http.MethodPost, "/", nil)}
	x.req.body = []byte(body)
	for _, value := range header {
		x.r.Header.Set("X-Session", value)
	}
	return x
}

func TestAffinity(t *testing.T) {
	key := func(by string, x *exchange) uint64 {
		t.Helper()
		s := Selection{of: x}
		key, known := s.Affinity(by, "X-Session")
		require.True(t, known)
		require.Equal(t, key, x.conversation)
		return key
	}
	const hello = `"messages":[{"role":"user","content":"hello"}]`
	prefix := key(ByPrefix, askedFor(api.Chat, `{`+hello+`}`))

	require.NotEqual(t, prefix, key(ByHeader, askedFor(api.Chat, `{`+hello+`}`, "1")))
	require.Equal(t, key(ByHeader, askedFor(api.Chat, `{`+hello+`}`, "1")), key(ByHeader, askedFor(api.Messages, `{}`, "1")))
	require.NotEqual(t, key(ByHeader, askedFor(api.Chat, `{}`, "1")), key(ByHeader, askedFor(api.Chat, `{}`, "2")))
	require.Equal(t, prefix, key(ByHeader, askedFor(api.Chat, `{`+hello+`}`)), "without the header the prefix counts")
	require.Equal(t, prefix, key(ByPrefix, askedFor(api.Chat, `{"user":"u",`+hello+`}`, "1")))

	user := func(body string) uint64 { return key(ByUser, askedFor(api.Chat, body)) }
	require.Equal(t, user(`{"user":"u"}`), user(`{"safety_identifier":"u",`+hello+`}`))
	require.NotEqual(t, user(`{"user":"u"}`), user(`{"user":"v"}`))
	require.Equal(t, user(`{"user":"u"}`), user(`{"metadata":{"user_id":"u"}}`))
	require.Equal(t, user(`{"user":"u"}`), user(`{"metadata":{"user_id":"v"},"safety_identifier":"w","user":"u"}`))
	require.Equal(t, user(`{"user":"u"}`), user(`{"prompt_cache_key":"u","user":"v"}`))
	require.Equal(t, user(`{"user":"u"}`), user(`{"prompt_cache_key":"","user":"u"}`))
	require.Equal(t, prefix, user(`{"user":7,"metadata":{"a":"b"},`+hello+`}`), "without a user the prefix counts")

	f := func(by string, x *exchange) {
		t.Helper()
		s := Selection{of: x}
		_, known := s.Affinity(by, "X-Session")
		require.False(t, known)
	}
	f(ByPrefix, nil)
	f(ByUser, askedFor(api.Embeddings, `{"input":"a"}`))
	form := askedFor(api.Audio, `{"user":"u"}`)
	form.req.boundary = "b"
	f(ByUser, form)
}

func FuzzPrefix(f *testing.F) {
	for _, all := range conversations {
		for _, c := range all {
			f.Add([]byte(c.first))
			f.Add([]byte(c.fifth))
		}
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, a := range api.All {
			key, known := prefixKey(a, body)
			again, _ := prefixKey(a, append([]byte(nil), body...))
			require.Equal(t, key, again)
			if known && a != api.Completions && utf8.Valid(body) {
				require.Contains(t, string(body), `"`)
			}
		}
		_, _ = userKey(body)
	})
}

func BenchmarkPrefix(b *testing.B) {
	text := strings.Repeat(`Some text with \"escapes\" in it.\n`, 2000)
	body := []byte(`{"model":"m","messages":[{"role":"user","content":"` + text + `"},{"role":"assistant","content":"` + text + `"}],"system":"` + text + `"}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		prefixKey(api.Messages, body)
	}
}
