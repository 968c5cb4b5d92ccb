package completions_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
	"github.com/caddy-plexus/plexus/api/completions"
)

func TestDecodeRequest(t *testing.T) {
	req, err := completions.Codec{}.DecodeRequest([]byte(`{"model":"m","prompt":["Once"],"max_tokens":9,"stop":"end","stream":true,` +
		`"stream_options":{"include_usage":true},"temperature":1e-7,"seed":12345678901234567890,"n":2,"user":"u"}`))
	require.NoError(t, err)
	require.Equal(t, &api.Request{
		Source: api.Completions, Model: "m", Stream: true, StreamUsage: true, MaxTokens: 9, N: 2, Stop: []string{"end"},
		Temperature: "1e-7", Seed: "12345678901234567890", User: "u",
		Messages: []api.Message{{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: "Once"}}}},
	}, req)
}

func TestDecodeRequestRefuses(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		_, err := completions.Codec{}.DecodeRequest([]byte(body))
		require.ErrorContains(t, err, want)
	}
	f(`{"prompt":["a","b"]}`, "prompt: expected one text, got 2")
	f(`{}`, "prompt: expected one text, got 0")
	f(`{"prompt":[1,2]}`, "prompt: expected a text or a list of texts")
	f(`{"prompt":"a","suffix":"b"}`, "suffix: only a target")
	f(`{"prompt":"a","echo":true}`, "echo: only a target")
	f(`{"prompt":"a","best_of":2}`, "best_of: only a target")
	f(`{"prompt":"a","logprobs":3}`, "logprobs: only a target")
	f(`{"prompt":"a","stop":7}`, "stop: expected a text")
	f(`{"prompt":"a","max_tokens":"x"}`, "max_tokens: expected a int64")
	f(`[`, "unexpected end")
}

func answer() *api.Response {
	return &api.Response{ID: "c1", Model: "m2", Created: 7, Choices: []api.Choice{{
		Parts:  []api.Part{{Kind: api.Thinking, Text: "hm"}, {Kind: api.Text, Text: "Hi \"you\""}},
		Finish: api.FinishLength,
	}}, Usage: api.Usage{Known: true, Input: 3, CacheRead: 2, Output: 4, Reasoning: 1}}
}

func TestEncodeResponse(t *testing.T) {
	got, err := completions.Codec{}.EncodeResponse(answer(), &api.Request{})
	require.NoError(t, err)
	require.JSONEq(t, `{"id":"c1","object":"text_completion","created":7,"model":"m2","choices":[{"text":"Hi \"you\"","index":0,"logprobs":null,"finish_reason":"length"}],`+
		`"usage":{"prompt_tokens":5,"completion_tokens":5,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}}}`, string(got))
}

func TestStream(t *testing.T) {
	f := func(req *api.Request, want string) {
		t.Helper()
		enc := completions.Codec{}.NewStreamEncoder(req)
		var out []byte
		answer().Emit(func(ev *api.Event) { out = enc.Encode(out, ev) })
		require.Equal(t, want, string(out))
	}
	const head = `data: {"id":"c1","object":"text_completion","created":7,"model":"m2","choices":[`
	text := func(usage string) string {
		return head + `{"text":"Hi \"you\"","index":0,"logprobs":null,"finish_reason":null}]` + usage + "}\n\n" +
			head + `{"text":"","index":0,"logprobs":null,"finish_reason":"length"}]` + usage + "}\n\n"
	}
	const done = "data: [DONE]\n\n"
	f(&api.Request{}, text("")+done)
	f(&api.Request{StreamUsage: true}, text(`,"usage":null`)+head+`],"usage":{"prompt_tokens":5,"completion_tokens":5,"total_tokens":10,"prompt_tokens_details":{"cached_tokens":2},"completion_tokens_details":{"reasoning_tokens":1}}}`+"\n\n"+done)
}

func TestStreamThatBreaks(t *testing.T) {
	enc := completions.Codec{}.NewStreamEncoder(&api.Request{})
	out := enc.Encode(nil, &api.Event{Kind: api.Start, ID: "c1"})
	out = enc.Encode(out, &api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: 502, Message: "no"}})
	out = enc.Encode(out, &api.Event{Kind: api.End})
	require.Equal(t, `data: {"error":{"message":"no","type":"server_error","param":null,"code":null}}`+"\n\n", string(out))
}

// Anthropic's answers have no time, Google's streams sometimes no id.
func TestWhatTheAnswerDoesNotTell(t *testing.T) {
	req := &api.Request{Model: "mine"}
	body, err := completions.Codec{}.EncodeResponse(&api.Response{}, req)
	require.NoError(t, err)
	require.Regexp(t, `^\{"id":"cmpl-\w+","object":"text_completion","created":[1-9]\d+,"model":"mine","choices":\[\]\}$`, string(body))
	enc := completions.Codec{}.NewStreamEncoder(req)
	// No start, no end of its own, and two of another.
	out := enc.Encode(nil, &api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.Text}})
	out = enc.Encode(out, &api.Event{Kind: api.Delta, Text: json.RawMessage(`"x"`)})
	out = enc.Encode(out, &api.Event{Kind: api.Delta, Part: 7, Text: json.RawMessage(`"of nothing"`)})
	out = enc.Encode(out, &api.Event{Kind: api.Finished, Choice: 1, Finish: api.FinishStop})
	out = enc.Encode(out, &api.Event{Kind: api.Finished, Choice: 1, Finish: api.FinishStop})
	out = enc.Encode(out, &api.Event{Kind: api.End})
	require.Regexp(t, `^data: \{"id":"cmpl-\w+"`, string(out))
	require.Equal(t, 1, strings.Count(string(out), `"finish_reason":"stop"`))
	require.NotContains(t, string(out), "of nothing")
	require.True(t, strings.HasSuffix(string(out), "data: [DONE]\n\n"))

	enc = completions.Codec{}.NewStreamEncoder(nil)
	require.Contains(t, string(enc.Encode(nil, &api.Event{Kind: api.ErrorEvent})), `"type":"server_error"`)
	require.Equal(t, ": ping\n\n", string(completions.Codec{}.NewStreamEncoder(req).Encode(nil, &api.Event{Kind: api.Ping})))
}

func TestHarmlessMembers(t *testing.T) {
	f := func(members string, want *api.Request) {
		t.Helper()
		req, err := completions.Codec{}.DecodeRequest([]byte(`{"prompt":"a",` + members + `}`))
		require.NoError(t, err)
		want.Source = api.Completions
		want.Messages = []api.Message{{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: "a"}}}}
		require.Equal(t, want, req)
	}
	f(`"suffix":null,"echo":false,"best_of":1,"logprobs":null,"stream":null,"stream_options":null,"stop":null,"logit_bias":null,"n":null,"max_tokens":null,"user":null,"seed":null`, &api.Request{})
	f(`"best_of":2,"n":2`, &api.Request{N: 2})
	f(`"logprobs":false`, &api.Request{})
	f(`"max_tokens":-1`, &api.Request{})
	f(`"stop":[]`, &api.Request{Stop: []string{}})
	f(`"prompt_cache_key":"k","top_k":5`, &api.Request{Extra: map[string]json.RawMessage{"prompt_cache_key": json.RawMessage(`"k"`), "top_k": json.RawMessage(`5`)}})
}

// 0 asks for the probabilities of the tokens themselves.
func TestLogprobsOfNoAlternatives(t *testing.T) {
	_, err := completions.Codec{}.DecodeRequest([]byte(`{"prompt":"a","logprobs":0}`))
	require.ErrorContains(t, err, "logprobs: only a target")
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"model":"m","prompt":["Once"],"stop":["a"],"x":1}`))
	f.Add([]byte(`{"prompt":[[1]],"n":1.5}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := completions.Codec{}.DecodeRequest(body)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		out, _, err := chat.Codec{}.EncodeRequest(req)
		if err == nil {
			require.True(t, json.Valid(out), "%s", out)
		}
	})
}

// FuzzStream reads a chat stream of one event a line, and writes a completion's.
func FuzzStream(f *testing.F) {
	f.Add([]byte(`{"id":"c","choices":[{"index":0,"delta":{"content":"a\ud83d","reasoning":"b"}},{"index":1,"delta":{"refusal":"c"}}]}` + "\n[DONE]"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		d, e := chat.Codec{}.NewStreamDecoder(), completions.Codec{}.NewStreamEncoder(&api.Request{StreamUsage: true})
		var out []byte
		failed := false
		emit := func(ev *api.Event) { failed = failed || ev.Kind == api.ErrorEvent; out = e.Encode(out, ev) }
		for line := range bytes.Lines(stream) {
			if d.Decode(nil, bytes.TrimSpace(line), emit) != nil {
				return
			}
		}
		whole := d.Close(emit)
		require.Equal(t, whole && !failed, bytes.HasSuffix(out, []byte("data: [DONE]\n\n")))
		for event := range bytes.SplitSeq(bytes.TrimSuffix(out, []byte("\n\n")), []byte("\n\n")) {
			data, ok := bytes.CutPrefix(event, []byte("data: "))
			require.True(t, !ok || string(data) == "[DONE]" || json.Valid(data), "%s", event)
		}
	})
}
