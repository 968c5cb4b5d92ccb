package completions_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
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
		`"usage":{"prompt_tokens":5,"completion_tokens":5,"total_tokens":10}}`, string(got))
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
	const text = head + `{"text":"Hi \"you\"","index":0,"logprobs":null,"finish_reason":null}]}` + "\n\n" +
		head + `{"text":"","index":0,"logprobs":null,"finish_reason":"length"}]}` + "\n\n"
	const done = "data: [DONE]\n\n"
	f(&api.Request{}, text+done)
	f(&api.Request{StreamUsage: true}, text+head+`],"usage":{"prompt_tokens":5,"completion_tokens":5,"total_tokens":10}}`+"\n\n"+done)
}

func TestStreamThatBreaks(t *testing.T) {
	enc := completions.Codec{}.NewStreamEncoder(&api.Request{})
	out := enc.Encode(nil, &api.Event{Kind: api.Start, ID: "c1"})
	out = enc.Encode(out, &api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: 502, Message: "no"}})
	out = enc.Encode(out, &api.Event{Kind: api.End})
	require.Equal(t, `data: {"error":{"message":"no","type":"server_error","param":null,"code":null}}`+"\n\n", string(out))
}
