package chat_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// heardText is all texts of a stream by choice and kind, which neither order nor
// number of its parts may change.
type heardText struct {
	kinds map[[2]int]api.Kind
	texts map[string]string
}

func newHeardText() *heardText {
	return &heardText{kinds: map[[2]int]api.Kind{}, texts: map[string]string{}}
}

func (h *heardText) add(ev *api.Event) {
	key := [2]int{ev.Choice, ev.Part}
	switch ev.Kind {
	case api.PartStart:
		h.kinds[key] = ev.Content.Kind
	case api.Delta:
		if kind := h.kinds[key]; kind != api.ToolCall {
			h.texts[string(rune('0'+ev.Choice))+"/"+string(rune('0'+int(kind)))] += string(ev.Text[1 : len(ev.Text)-1])
		}
	}
}

// FuzzStream feeds one event a line.
func FuzzStream(f *testing.F) {
	add := func(data ...string) { f.Add([]byte(strings.Join(data, "\n"))) }
	add(deltas("stop", `{"role":"assistant","content":""}`, `{"content":"H\u00e9"}`, `{"reasoning":"x"}`, `{"refusal":"no"}`, `{"annotations":[{}]}`)...)
	add(deltas("tool_calls", `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}},{"index":1,"function":{"arguments":"}"}}]}`, `{"tool_calls":[{"custom":{"name":"x","input":"y"}}],"function_call":{"name":"z"}}`)...)
	add(deltas("length", `{"reasoning_details":[{"type":"reasoning.summary","summary":"a"},{"type":"reasoning.encrypted","data":"plexus:anthropic:x"}],"extra_content":{"google":{"thought_signature":"s"}},"images":[{"image_url":"x"}]}`)...)
	add(deltas("stop", `{"audio":{"id":"a","data":"AA==","transcript":"x"}}`, `{"content":[{"type":"thinking","thinking":"x"},"y"]}`, call(`"id":"a","function":{"name":"sh","arguments":"{\"input\":\"l"}`))...)
	add(`{"citations":["u"],"x_groq":{"usage":{"total_tokens":1}},"choices":[{"index":0,"delta":{"content":"x"},"logprobs":{"content":[1]},"finish_reason":"stop","usage":{}}]}`, `{"detail":[{"loc":[1],"msg":"x"}]}`)
	add(`{"choices":[{"index":2,"delta":{"content":"x"}}],"usage":{"prompt_tokens":1}}`, `{"error":"x"}`, `[DONE]`)
	f.Fuzz(func(t *testing.T, stream []byte) {
		o, heard := newOrder(t), newHeardText()
		d := codec.NewStreamDecoder()
		e := codec.NewStreamEncoder(&api.Request{Source: api.Chat, StreamUsage: true, Tools: []api.Tool{{Kind: api.CustomTool, Name: "sh"}}})
		var out []byte
		failed := false
		emit := func(ev *api.Event) {
			o.add(ev)
			heard.add(ev)
			failed = failed || ev.Kind == api.ErrorEvent
			out = e.Encode(out, ev)
		}
		for line := range bytes.SplitSeq(stream, []byte("\n")) {
			if d.Decode(nil, line, emit) != nil {
				return
			}
		}
		whole := d.Close(emit)
		require.Equal(t, whole, o.over && !failed)
		require.Equal(t, map[bool]int{true: 1}[whole], bytes.Count(out, []byte("data: [DONE]\n\n")))

		again := newHeardText()
		o = newOrder(t)
		d = codec.NewStreamDecoder()
		for _, one := range split(t, out) {
			require.NoError(t, d.Decode(nil, []byte(one), func(ev *api.Event) { o.add(ev); again.add(ev) }), one)
		}
		require.Equal(t, heard.texts, again.texts)
	})
}

// toldOf is a stream of a line each as it is told on, with something between its
// chunks that tells nothing.
func toldOf(stream []byte, between string) (out []byte, failed bool) {
	d, e := codec.NewStreamDecoder(), codec.NewStreamEncoder(&api.Request{Source: api.Chat, StreamUsage: true})
	emit := func(ev *api.Event) {
		ev.ID, ev.Created = "one", 1 // not those that are made where there are none
		out = e.Encode(out, ev)
	}
	for line := range bytes.SplitSeq(stream, []byte("\n")) {
		if d.Decode(nil, line, emit) != nil || between != "" && d.Decode(nil, []byte(between), emit) != nil {
			return out, true
		}
	}
	d.Close(emit)
	return out, false
}

// FuzzStreamOfLikes holds chunks that are like the one before, of which only the
// text is read, against such as are not told to be.
func FuzzStreamOfLikes(f *testing.F) {
	add := func(data ...string) { f.Add([]byte(strings.Join(data, "\n"))) }
	add(deltas("stop", `{"content":"a"}`, `{"content":"b"}`, `{"content":"c"}`, `{"reasoning":"x"}`, `{"content":"d"}`, `{"content":"\""}`, `{"content":""}`)...)
	add(deltas("stop", `{"content":"a","extra_content":{"google":{"thought_signature":"s"}}}`, `{"content":"b","extra_content":{"google":{"thought_signature":"s"}}}`, `{"content":"c"}`, `{"content":"d"}`)...)
	add(`{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}`, `{"choices":[{"index":0,"delta":{"content":"c"}},{"index":1,"delta":{"content":"b"}}]}`, `[DONE]`)
	add(`{"choices":[{"delta":{"content":"a"},"logprobs":{"content":[1]}}]}`, `{"choices":[{"delta":{"content":"b"},"logprobs":{"content":[1]}}]}`, `{"choices":[{"delta":{"content":"c"},"logprobs":{"content":[1]}}]}`, `[DONE]`)
	add(`{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":1}}`, `{"choices":[{"delta":{"content":"b"}}],"usage":{"prompt_tokens":1}}`, `{"choices":[],"usage":{"prompt_tokens":2}}`, `{"choices":[{"delta":{"content":"c"}}],"usage":{"prompt_tokens":1}}`, `[DONE]`)
	add(`{"citations":["u"],"choices":[{"delta":{"content":"a"}}]}`, `{"citations":["u"],"choices":[{"delta":{"content":"b"}}]}`, `{"citations":["u"],"choices":[{"delta":{"content":"c"},"finish_reason":"stop"}]}`, `{"choices":[{"delta":{"content":"c"},"finish_reason":"stop"}]}`)
	f.Fuzz(func(t *testing.T, stream []byte) {
		want, broken := toldOf(stream, `{}`)
		got, failed := toldOf(stream, "")
		require.Equal(t, string(want), string(got))
		require.Equal(t, broken, failed)
	})
}
