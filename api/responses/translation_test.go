package responses_test

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
	"github.com/caddy-plexus/plexus/api/gemini"
	"github.com/caddy-plexus/plexus/api/messages"
	"github.com/caddy-plexus/plexus/api/sse"
)

// What was recorded of the other formats reaches a client of this one whole, and
// in the order that its SDKs expect.
func TestRecordedStreamsOfOtherFormats(t *testing.T) {
	streams := 0
	f := func(target api.TargetCodec, pattern string, perLine bool) {
		t.Helper()
		for _, file := range recordings(t, pattern) {
			t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
				decoder := target.NewStreamDecoder()
				var events []api.Event
				emit := func(ev *api.Event) { events = append(events, keep(ev)) }
				for _, data := range datasOf(t, file, perLine) {
					if decoder.Decode(nil, data, emit) != nil {
						t.Skip("of another format")
					}
				}
				if !decoder.Close(emit) {
					t.Skip("of another format")
				}
				streams++
				datas := writeStream(t, &api.Request{Source: api.Responses}, events...)
				ordered(t, datas)
				again, whole := readStream(t, datas...)
				require.True(t, whole)
				want, got := heardOf(accumulate(events)), heardOf(accumulate(again))
				want.items, got.items = 0, 0 // those of others, and signatures, are no words
				require.Equal(t, want, got)
				require.Equal(t, accumulate(events).Usage.Generated(), accumulate(again).Usage.Generated())
			})
		}
	}
	f(messages.Codec{}, "vercel-ai/anthropic/*.chunks.txt", true)
	f(messages.Codec{}, "gomodel/anthropic/*_stream.txt", false)
	f(chat.Codec{}, "gomodel/*/chat_completion_stream.txt", false)
	f(gemini.Codec{}, "vercel-ai/google/*.chunks.txt", true)
	require.Greater(t, streams, 20)
}

func datasOf(t *testing.T, file string, perLine bool) (datas [][]byte) {
	t.Helper()
	body := read(t, file)
	if perLine {
		for line := range bytes.Lines(bytes.TrimSpace(body)) {
			datas = append(datas, bytes.TrimSpace(line))
		}
		return datas
	}
	reader := sse.NewReader(bytes.NewReader(body))
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return datas
		}
		require.NoError(t, err)
		datas = append(datas, bytes.Clone(ev.Data))
	}
}
