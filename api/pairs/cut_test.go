package pairs_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// TestStreamsCut cuts each stream at every byte. The client gets the beginning of
// what it would have got, and hears that it was cut off unless the provider's own
// end had come.
func TestStreamsCut(t *testing.T) {
	for _, from := range formats {
		for theme, wire := range fixtures(t, "stream", from.name, ".sse") {
			for _, to := range clients {
				t.Run(theme+"/"+string(from.name)+"-"+to.name, func(t *testing.T) {
					cutEverywhere(t, from, to, wire)
				})
			}
		}
	}
}

func cutEverywhere(t *testing.T, from format, to client, wire []byte) {
	uncut := translate(from.codec, to.codec, asking(), bytes.NewReader(wire), nil)
	end := endOf(t, from.name, wire)
	var before []byte
	for n := range wire {
		order := newOrder(t)
		out := translate(from.codec, to.codec, asking(), bytes.NewReader(wire[:n]), order.see)
		order.close(out.whole)
		if out.whole {
			require.GreaterOrEqual(t, n, end, "whole at %q", tail(wire[:n]))
		}
		if bytes.Equal(before, out.wire) {
			continue // within the same event
		}
		before = out.wire
		checkEnds(t, to, out)
		checkSaid(t, to, out)
		checkBegins(t, uncut.said, out.said)
	}
}

// tail is the end of what was read, to be shown.
func tail(wire []byte) []byte { return wire[max(0, len(wire)-80):] }

// checkBegins checks that what was heard of a stream that was cut is the beginning
// of what there was.
func checkBegins(t *testing.T, whole, cut said) {
	t.Helper()
	require.LessOrEqual(t, len(cut.choices), len(whole.choices))
	for i := range cut.choices {
		w, c := &whole.choices[i], &cut.choices[i]
		require.True(t, strings.HasPrefix(w.text, c.text), "%q of %q", c.text, w.text)
		require.True(t, strings.HasPrefix(w.thoughts, c.thoughts))
		require.True(t, strings.HasPrefix(w.refusal, c.refusal))
		require.LessOrEqual(t, len(c.calls), len(w.calls))
		for j := range c.calls {
			require.Equal(t, w.calls[j].name, c.calls[j].name)
			require.Equal(t, w.calls[j].id, c.calls[j].id)
			require.True(t, strings.HasPrefix(w.calls[j].arguments, c.calls[j].arguments))
		}
	}
}

// endOf is how much of a stream has to be there before it may pass for whole: up
// to why it ended, in the words of its format.
func endOf(t *testing.T, from api.API, wire []byte) int {
	t.Helper()
	marks := map[api.API]string{
		api.Chat: `"finish_reason":"`, api.Messages: `"stop_reason":"`, api.Gemini: `"finishReason":"`, api.Responses: "event: response.",
	}
	at := bytes.LastIndex(wire, []byte(marks[from]))
	if blocked := bytes.Index(wire, []byte(`"blockReason":"`)); at < 0 {
		at = blocked
	}
	if at < 0 || bytes.Contains(wire, []byte(`"error":{`)) {
		return len(wire)
	}
	if rest := bytes.IndexByte(wire[at:], '}'); from != api.Responses && rest >= 0 {
		return at
	}
	return at + len(marks[from])
}
