package responses_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/responses"
)

func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range []string{
		`{"model":"m","instructions":"i","input":"Hi","max_output_tokens":9,"text":{"format":{"type":"json_schema","schema":{}}},"reasoning":{"effort":"low","summary":"auto"},"include":["reasoning.encrypted_content"]}`,
		`{"input":[{"role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:image/png;base64,AA=="},{"type":"input_file","file_id":"f"},{"type":"x"}]},{"type":"reasoning","id":"r","summary":[{"text":"s"}],"encrypted_content":"plexus:google:call:c:x"},{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"function_call_output","call_id":"c","output":[]}]}`,
		`{"input":[{"role":"assistant","content":[{"type":"output_text","text":"a","annotations":[{"url":"u"}]}]},{"type":"reasoning","summary":[],"encrypted_content":"plexus:anthropic:redacted:x"},{"type":"custom_tool_call","id":"i","name":"n","input":"x"},{"type":"reasoning","summary":[],"encrypted_content":"plexus:google:text:x"},{"id":"y"}]}`,
		`{"input":[],"tools":[{"type":"namespace","name":"n","tools":[{"type":"custom","name":"c"}]},{"type":"web_search","filters":{"allowed_domains":["a"]}},{"type":"mcp","server_label":"s"}],"tool_choice":{"type":"allowed_tools","tools":[{"type":"mcp","server_label":"s","name":"t"}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		req, err := codec.DecodeRequest(body)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		api.EstimateTokens(req)
		responses.Stateful(req)
		if !utf8.Valid(body) {
			return
		}
		for _, source := range []api.API{api.Responses, api.Chat, api.Messages, api.Gemini} {
			req.Source = source
			out, _, err := codec.EncodeRequest(req)
			if err != nil {
				continue
			}
			require.True(t, json.Valid(out), "%s", out)
			_, err = codec.DecodeRequest(out)
			require.NoError(t, err, "%s", out)
		}
		answer, err := codec.EncodeResponse(&api.Response{ID: "r"}, req)
		require.NoError(t, err)
		require.True(t, json.Valid(answer), "%s", answer)
	})
}

func FuzzDecodeResponse(f *testing.F) {
	f.Add([]byte(`{"id":"1","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"Hi","annotations":[{"url":"u"}],"logprobs":[{}]},{"type":"refusal","refusal":"x"}]},{"type":"function_call","name":"f","arguments":{}}],"status":"completed","usage":{"input_tokens":1,"output_tokens":2}}`))
	f.Add([]byte(`{"output":[{"type":"reasoning","summary":[{"text":"a"}],"content":[{"text":"b"}],"encrypted_content":"c"},{"type":"web_search_call","id":"\ud83d"},{"type":"custom_tool_call","id":"x","input":"y"}],"status":"incomplete"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		resp, err := codec.DecodeResponse(body)
		codec.DecodeError(200, body)
		if err != nil {
			return
		}
		out, err := codec.EncodeResponse(resp, &api.Request{})
		require.NoError(t, err)
		require.True(t, json.Valid(out), "%s", out)
		again, err := codec.DecodeResponse(out)
		if resp.Choices[0].Finish == api.FinishMalformed {
			return
		}
		require.NoError(t, err)
		require.Equal(t, heardOf(resp), heardOf(again))

		// As a stream it says the same.
		var events []api.Event
		resp.Emit(func(ev *api.Event) { events = append(events, keep(ev)) })
		datas := writeStream(t, nil, events...)
		ordered(t, datas)
		streamed, whole := readStream(t, datas...)
		require.True(t, whole)
		require.Equal(t, heardOf(again), heardOf(accumulate(streamed)))
	})
}

// heard is what an answer says, however it is cut into parts.
type heard struct {
	text, refusal, thoughts, arguments string
	calls, items                       int
}

func heardOf(resp *api.Response) (h heard) {
	if len(resp.Choices) == 0 {
		return h
	}
	for i := range resp.Choices[0].Parts {
		switch p := &resp.Choices[0].Parts[i]; p.Kind {
		case api.Text:
			h.text += p.Text
		case api.Refusal:
			h.refusal += p.Text
		case api.Thinking:
			h.thoughts += p.Text
		case api.ToolCall:
			h.calls++
			h.arguments += p.Call.Name + "(" + p.Call.Arguments + ")"
			if p.Call.Arguments == "" && !p.Call.Custom {
				h.arguments = strings.TrimSuffix(h.arguments, ")") + "{})"
			}
		case api.Opaque:
			h.items++
		}
	}
	return h
}

// FuzzStream feeds one event a line.
func FuzzStream(f *testing.F) {
	add := func(datas ...string) { f.Add([]byte(strings.Join(datas, "\n"))) }
	add(created, progress, added, partAdded, hello, world, textDone, partDone, itemDone, completed)
	add(created, hello, `{"type":"response.output_text.annotation.added","item_id":"msg_1","output_index":0,"annotation":{"url":"u"}}`, `{"type":"error","message":"x"}`)
	add(`{"type":"response.output_item.added","output_index":0,"item":{"type":"function_call","id":"a","call_id":"b","name":"c","arguments":"{}"}}`, `{"type":"response.function_call_arguments.delta","output_index":1,"delta":"{"}`,
		`{"type":"response.output_item.done","output_index":1,"item":{"type":"function_call","name":"d","arguments":"{}"}}`, empty)
	add(created, `{"type":"response.reasoning_summary_text.delta","summary_index":0,"delta":"a"}`, `{"type":"response.reasoning_text.delta","content_index":1,"delta":"b"}`, `{"type":"response.output_item.done","item":{"type":"reasoning","summary":[{"text":"ab"}],"encrypted_content":"x"}}`,
		`{"type":"response.custom_tool_call_input.delta","delta":"x"}`, `{"type":"response.refusal.delta","delta":"\ud83d"}`, `{"type":"response.incomplete","response":{"output":[{"type":"image_generation_call"},{"type":"message","content":[{"type":"refusal","refusal":"y"}]}]}}`)
	f.Fuzz(func(t *testing.T, stream []byte) {
		var events []api.Event
		emit := func(ev *api.Event) { events = append(events, keep(ev)) }
		d := codec.NewStreamDecoder()
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
			events = append(events, api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: 502, Message: "broken"}})
		}
		if len(events) == 0 {
			return
		}
		legal(t, events, whole)

		datas := writeStream(t, nil, events...)
		ordered(t, datas)
		terminals := 0
		for _, data := range datas {
			var ev struct{ Type string }
			require.NoError(t, json.Unmarshal([]byte(data), &ev))
			switch ev.Type {
			case "response.completed", "response.incomplete", "response.failed":
				terminals++
			case "error":
				if len(datas) == 1 || !strings.Contains(datas[len(datas)-1], `"response.failed"`) {
					terminals++ // else the response is told of as well
				}
			}
		}
		over := whole || events[len(events)-1].Kind == api.ErrorEvent
		require.Equal(t, map[bool]int{true: 1}[over], terminals)

		if whole { // what was told is what is heard
			again, ended := readStream(t, datas...)
			require.True(t, ended)
			require.Equal(t, heardOf(accumulate(events)), heardOf(accumulate(again)))
		}
	})
}
