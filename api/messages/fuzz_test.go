package messages_test

import (
	"bytes"
	"encoding/json"
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
