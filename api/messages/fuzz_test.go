package messages_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/messages"
)

func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","max_tokens":9,"system":[{"type":"text","text":"a"}],"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"a","content":[]}]}]}`,
		`{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"x","signature":"plexus:google:y"},{"type":"redacted_thinking","data":"next:plexus:google:y"}]}],"thinking":{"type":"enabled","budget_tokens":1024},"tools":[{"name":"a","input_schema":{"anyOf":[{"$ref":"#/$defs/A"}],"$defs":{"A":{"$ref":"#/$defs/A"}}}}]}`,
		`{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"content","content":[{"type":"image","source":{"type":"url","url":"data:a;base64,b"}}]}}]}],"output_config":{"format":{"type":"json_schema","schema":{"not":{}}}},"metadata":{"a":1}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := messages.Codec{}.DecodeRequest(body)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		api.EstimateTokens(req)
		for _, source := range []api.API{api.Messages, api.Chat} {
			for _, model := range []string{"m", "claude-3-haiku", "claude-opus-5"} {
				req.Source, req.Model = source, model
				out, _, err := messages.Codec{}.EncodeRequest(req)
				if err == nil && json.Valid(body) && utf8.Valid(body) {
					require.True(t, json.Valid(out), "%s", out)
					_, err = messages.Codec{}.DecodeRequest(out)
					require.NoError(t, err)
				}
			}
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	f.Add([]byte(`{"id":"1","content":[{"type":"text","text":"Hi","citations":[{"url":"u"}]},{"type":"tool_use","id":"a","name":"f","input":{"a":1}}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}`))
	f.Add([]byte(`{"content":[{"type":"server_tool_use","id":"\ud83d"},{"type":"redacted_thinking","data":"x"}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		resp, err := messages.Codec{}.DecodeResponse(body)
		messages.Codec{}.DecodeError(200, body)
		if err != nil {
			return
		}
		out, err := messages.Codec{}.EncodeResponse(resp, &api.Request{})
		require.NoError(t, err)
		if json.Valid(body) {
			require.True(t, json.Valid(out), "%s", out)
			_, err = messages.Codec{}.DecodeResponse(out)
			require.NoError(t, err)
		}
		resp.Emit(func(*api.Event) {})
	})
}

func FuzzStream(f *testing.F) {
	f.Add([]byte(startOf + "\n" + textOf + "\n" + hello + "\n" + stopOf + "\n" + endOf + "\n" + stop))
	f.Add([]byte(startOf + "\n" + `{"type":"content_block_start","index":1,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}` + "\n" +
		`{"type":"content_block_delta","index":1,"delta":{"type":"input_json_delta","partial_json":"{\"a\":"}}` + "\n" + startOf + "\n" + `{"type":"error","error":{"type":"overloaded_error"}}`))
	f.Add([]byte(`{"type":"content_block_start","content_block":{"type":"server_tool_use","input":{}}}` + "\n" + `{"type":"content_block_delta","delta":{"partial_json":"{}"}}` + "\n" + `{"type":"message_delta","delta":{"stop_reason":"pause_turn"}}` + "\n[DONE]"))
	f.Fuzz(func(t *testing.T, stream []byte) {
		var events []api.Event
		emit := func(ev *api.Event) { events = append(events, keep(ev)) }
		d := messages.Codec{}.NewStreamDecoder()
		broken := false
		for line := range bytes.Lines(stream) {
			if broken = d.Decode(nil, bytes.TrimSpace(line), emit) != nil; broken {
				break
			}
		}
		whole := false
		if !broken {
			whole = d.Close(emit)
		} else {
			events = append(events, api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: 502}})
		}
		if len(events) == 0 {
			return
		}
		legal(t, events, whole)

		datas := writeStream(t, nil, events...)
		terminals := 0
		for i, data := range datas {
			var ev struct{ Type string }
			require.NoError(t, json.Unmarshal([]byte(data), &ev))
			if ev.Type == "message_stop" || ev.Type == "error" {
				require.Equal(t, len(datas)-1, i)
				terminals++
			}
		}
		over := whole || events[len(events)-1].Kind == api.ErrorEvent
		require.Equal(t, over, terminals == 1)
		require.LessOrEqual(t, terminals, 1)

		if whole { // what was told is what is heard
			again, _ := readStream(t, datas...)
			var want, got heard
			want.of(partsOf(events))
			got.of(partsOf(again))
			require.Equal(t, want.text, got.text)
			require.Equal(t, want.thinking, got.thinking)
			require.Equal(t, want.arguments, got.arguments)
			require.Len(t, got.calls, len(want.calls))
		}
	})
}

func partsOf(events []api.Event) []api.Part {
	if resp := accumulate(events); len(resp.Choices) > 0 {
		return resp.Choices[0].Parts
	}
	return nil
}

// toldOf is a stream of a line each as it is told on, with something between its
// events that tells nothing.
func toldOf(stream []byte, between string) (out []byte, failed bool) {
	codec := messages.Codec{}
	d, e := codec.NewStreamDecoder(), codec.NewStreamEncoder(&api.Request{Source: api.Messages})
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

// FuzzStreamOfLikes holds events that are like the one before, of which only the
// text is read, against such as are not told to be.
func FuzzStreamOfLikes(f *testing.F) {
	add := func(data ...string) { f.Add([]byte(strings.Join(data, "\n"))) }
	delta := func(index int, delta string) string {
		return fmt.Sprintf(`{"type":"content_block_delta","index":%d,"delta":%s}`, index, delta)
	}
	add(startOf, textOf, hello, hello, delta(0, `{"text":"a"}`), delta(0, `{"text":"b"}`), delta(0, `{"text":"\n"}`), delta(0, `{"text":""}`), stopOf, delta(0, `{"text":"b"}`), endOf, stop)
	add(delta(1, `{"thinking":"a"}`), delta(1, `{"thinking":"b"}`), delta(1, `{"signature":"s"}`), delta(1, `{"thinking":"b"}`), stop)
	add(delta(0, `{"text":"a","signature":"s"}`), delta(0, `{"text":"b","signature":"s"}`), delta(0, `{"text":"c","text":"s"}`), delta(0, `{"text":"d","text":"s"}`))
	add(startOf, `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"f","input":{}}}`, delta(0, `{"partial_json":"1"}`), delta(0, `{"partial_json":"2"}`), delta(0, `{"text":"b"}`), delta(0, `{"text":"c"}`))
	add(textOf, hello, textOf, hello, hello, `{"type":"error","error":{"type":"overloaded_error"}}`, hello, hello)
	f.Fuzz(func(t *testing.T, stream []byte) {
		want, broken := toldOf(stream, `{"type":"unknown"}`)
		got, failed := toldOf(stream, "")
		require.Equal(t, string(want), string(got))
		require.Equal(t, broken, failed)
	})
}

// Of an event whose data has no type the name decides, however alike the data is.
func TestLikesByAnotherName(t *testing.T) {
	told := 0
	d := messages.Codec{}.NewStreamDecoder()
	for _, name := range []string{"content_block_delta", "content_block_delta", "unknown", "content_block_delta"} {
		require.NoError(t, d.Decode([]byte(name), []byte(`{"index":0,"delta":{"text":"a"}}`), func(ev *api.Event) {
			if ev.Kind == api.Delta {
				told++
			}
		}))
	}
	require.Equal(t, 3, told)
}
