package responses_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/sse"
)

// recordedStreams are the data of the events of streams of this format, by name.
func recordedStreams(t *testing.T) map[string][]string {
	t.Helper()
	streams := map[string][]string{}
	for _, file := range recordings(t, "vercel-ai/openai/*.chunks.txt") {
		for line := range bytes.Lines(bytes.TrimSpace(read(t, file))) {
			name := filepath.Base(file)
			streams[name] = append(streams[name], string(bytes.TrimSpace(line)))
		}
	}
	for _, file := range recordings(t, "gomodel/*/responses_stream.txt") {
		reader := sse.NewReader(bytes.NewReader(read(t, file)))
		for {
			ev, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			name := filepath.Base(filepath.Dir(file))
			streams[name] = append(streams[name], string(ev.Data))
		}
	}
	for name, datas := range streams {
		if !strings.Contains(datas[0], `"response.created"`) {
			delete(streams, name) // a stream of another API
		}
	}
	return streams
}

// final is the response that the last event of a stream holds.
func final(t testing.TB, datas []string) (response json.RawMessage) {
	t.Helper()
	var ev struct{ Response json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(datas[len(datas)-1]), &ev))
	return ev.Response
}

// sameAnswer compares answers by what a stream can tell of them.
func sameAnswer(t testing.TB, want, got *api.Response) {
	t.Helper()
	require.Equal(t, strip(want), strip(got))
}

func strip(resp *api.Response) api.Response {
	out := *resp
	out.Source, out.ServiceTier = "", ""
	out.Choices = nil
	for _, c := range resp.Choices {
		c.Logprobs = nil
		parts := c.Parts
		c.Parts = nil
		for _, p := range parts {
			if p.Raw != nil {
				p.Raw = nil
			}
			c.Parts = append(c.Parts, p)
		}
		out.Choices = append(out.Choices, c)
	}
	return out
}

func TestSmoke(t *testing.T) {
	for name, datas := range recordedStreams(t) {
		t.Run(name, func(t *testing.T) {
			events, whole := readStream(t, datas...)
			require.True(t, whole)
			legal(t, events, true)
			resp, err := codec.DecodeResponse(final(t, datas))
			require.NoError(t, err)
			sameAnswer(t, resp, accumulate(events))
		})
	}
}
