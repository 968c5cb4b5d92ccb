package messages_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/messages"
	"github.com/caddy-plexus/plexus/api/sse"
)

// heard is what a recording says, read by other means.
type heard struct {
	text, thinking, arguments string
	calls                     []string
}

func (h *heard) of(parts []api.Part) {
	for i := range parts {
		switch p := &parts[i]; p.Kind {
		case api.Text:
			h.text += p.Text
		case api.Thinking:
			h.thinking += p.Text
		case api.ToolCall:
			h.calls = append(h.calls, p.Call.ID+" "+p.Call.Name)
			h.arguments += p.Call.Arguments
		}
	}
}

func (h *heard) listen(t *testing.T, datas []string) {
	kinds := map[int]string{}
	whole := map[int]json.RawMessage{} // inputs that came with the start
	for _, data := range datas {
		var ev struct {
			Type  string
			Index int
			Block struct {
				Type, ID, Name string
				Input          json.RawMessage
			} `json:"content_block"`
			Delta struct {
				Text, Thinking string
				Partial        string `json:"partial_json"`
			}
		}
		require.NoError(t, json.Unmarshal([]byte(data), &ev))
		switch ev.Type {
		case "content_block_start":
			if kinds[ev.Index] = ev.Block.Type; ev.Block.Type == "tool_use" {
				h.calls = append(h.calls, ev.Block.ID+" "+ev.Block.Name)
				if !api.Empty(ev.Block.Input) {
					whole[ev.Index] = ev.Block.Input
				}
			}
		case "content_block_stop":
			h.arguments += string(whole[ev.Index])
			delete(whole, ev.Index)
		case "content_block_delta":
			h.text += ev.Delta.Text
			h.thinking += ev.Delta.Thinking
			if kinds[ev.Index] == "tool_use" {
				h.arguments += ev.Delta.Partial
			}
		}
	}
}

func recordedStreams(t *testing.T) map[string][]string {
	t.Helper()
	streams := map[string][]string{}
	for _, file := range recordings(t, "vercel-ai/anthropic/*.chunks.txt") {
		for line := range bytes.Lines(bytes.TrimSpace(read(t, file))) {
			streams[filepath.Base(file)] = append(streams[filepath.Base(file)], string(bytes.TrimSpace(line)))
		}
	}
	for _, file := range recordings(t, "gomodel/anthropic/*_stream.txt") {
		reader := sse.NewReader(bytes.NewReader(read(t, file)))
		for {
			ev, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			streams[filepath.Base(file)] = append(streams[filepath.Base(file)], string(ev.Data))
		}
	}
	// Some recordings are of several answers, one after the other: each is a
	// stream of its own.
	answers := map[string][]string{}
	for name, datas := range streams {
		n := 1
		for _, data := range datas {
			key := name + "#" + strconv.Itoa(n)
			answers[key] = append(answers[key], data)
			if strings.Contains(data, `"type":"message_stop"`) {
				n++
			}
		}
	}
	return answers
}

func TestCodecOnRecordedStreams(t *testing.T) {
	for name, datas := range recordedStreams(t) {
		t.Run(name, func(t *testing.T) {
			events, whole := readStream(t, datas...)
			require.True(t, whole)
			legal(t, events, true)
			var want, got heard
			want.listen(t, datas)
			got.of(accumulate(events).Choices[0].Parts)
			require.Equal(t, want, got)

			// Written for a client and read again, the stream says the same.
			again, whole := readStream(t, writeStream(t, nil, events...)...)
			require.True(t, whole)
			legal(t, again, true)
			require.Equal(t, accumulate(events), accumulate(again))

			// One that is cut has no end.
			for i, data := range datas {
				events, whole := readStream(t, datas[:i]...)
				require.False(t, whole, "cut before %s", data)
				legal(t, events, false)
				if bytes.Contains([]byte(data), []byte(`"message_delta"`)) {
					break
				}
			}
		})
	}
}

func TestCodecOnRecordedAnswers(t *testing.T) {
	for _, file := range recordings(t, "*/anthropic/*.json") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			body := read(t, file)
			var answer struct {
				Content []json.RawMessage
				Stop    string `json:"stop_reason"`
			}
			require.NoError(t, json.Unmarshal(body, &answer))
			resp, err := messages.Codec{}.DecodeResponse(body)
			if answer.Stop == "" { // an answer of another endpoint
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			require.Len(t, resp.Choices[0].Parts, len(answer.Content))

			out, err := messages.Codec{}.EncodeResponse(resp, nil)
			require.NoError(t, err)
			again, err := messages.Codec{}.DecodeResponse(out)
			require.NoError(t, err)
			require.Equal(t, resp, again)

			// Told as a stream, it says the same.
			var events []api.Event
			resp.Emit(func(ev *api.Event) { events = append(events, keep(ev)) })
			told, whole := readStream(t, writeStream(t, nil, events...)...)
			require.True(t, whole)
			streamed := accumulate(told)
			var want, got heard
			want.of(resp.Choices[0].Parts)
			got.of(streamed.Choices[0].Parts)
			if got.arguments != "" || want.arguments != "" {
				require.Equal(t, compact(t, want.arguments), compact(t, got.arguments))
				want.arguments, got.arguments = "", ""
			}
			require.Equal(t, want, got)
			require.Equal(t, resp.Usage, streamed.Usage)
			require.Equal(t, resp.Choices[0].Finish, streamed.Choices[0].Finish)

			if len(answer.Content) == 0 {
				return
			}
			// Sent back as history, it is what it was.
			req := decode(t, `{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"x"},{"role":"assistant","content":`+string(contentOf(t, out))+`}]}`)
			sent, _, err := messages.Codec{}.EncodeRequest(req)
			require.NoError(t, err)
			require.Equal(t, req.Messages, decode(t, string(sent)).Messages)
		})
	}
}

// The one answer that was recorded both ways says the same both ways.
func TestRecordedBothWays(t *testing.T) {
	resp, err := messages.Codec{}.DecodeResponse(read(t, recordings(t, "vercel-ai/anthropic/anthropic-advisor-stop-reasons.json")[0]))
	require.NoError(t, err)
	events, whole := readStream(t, recordedStreams(t)["anthropic-advisor-stop-reasons.chunks.txt#1"]...)
	require.True(t, whole)
	streamed := accumulate(events)
	require.Equal(t, resp.ID, streamed.ID)
	require.Equal(t, resp.Usage, streamed.Usage)
	require.Equal(t, resp.Choices[0].Finish, streamed.Choices[0].Finish)
	require.Len(t, streamed.Choices[0].Parts, len(resp.Choices[0].Parts))
	for i, want := range resp.Choices[0].Parts {
		got := streamed.Choices[0].Parts[i]
		require.Equal(t, want.Kind, got.Kind)
		require.Equal(t, want.Text, got.Text)
		if want.Kind == api.Opaque {
			require.JSONEq(t, string(want.Raw), string(got.Raw))
		}
	}
}

func contentOf(t *testing.T, body []byte) json.RawMessage {
	t.Helper()
	var answer struct{ Content json.RawMessage }
	require.NoError(t, json.Unmarshal(body, &answer))
	return answer.Content
}

func compact(t *testing.T, s string) string {
	t.Helper()
	var out bytes.Buffer
	for decoder := json.NewDecoder(bytes.NewReader([]byte(s))); ; {
		var value json.RawMessage
		if err := decoder.Decode(&value); errors.Is(err, io.EOF) {
			return out.String()
		} else {
			require.NoError(t, err)
		}
		require.NoError(t, json.Compact(&out, value))
	}
}
