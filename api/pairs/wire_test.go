package pairs_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// ends are the events of a wire that end a stream.
type ends struct {
	success, failure int
	after            int // events that follow the end
}

// inspect checks that a stream is made of whole server-sent events with JSON in
// them, in the shape of a client's format, and finds its ends.
func inspect(t testing.TB, format string, wire []byte) (e ends) {
	t.Helper()
	for len(wire) > 0 {
		event, rest, whole := bytes.Cut(wire, []byte("\n\n"))
		if !whole { // the bare error at which Google's SDK throws
			require.Equal(t, "gemini", format, "an event without its blank line: %s", event)
			require.Equal(t, 1, e.failure)
			require.True(t, json.Valid(event), "%s", event)
			return e
		}
		wire = rest
		if event[0] == ':' {
			continue
		}
		data := dataOf(t, event)
		if format == "responses" && e.failure == 1 && bytes.HasPrefix(event, []byte("event: response.failed\n")) {
			continue // OpenAI tells it twice
		}
		if e.success+e.failure > 0 {
			e.after++
		}
		if string(data) == "[DONE]" {
			require.Contains(t, "chat completions", format)
			e.success++
			continue
		}
		require.True(t, json.Valid(data), "%s", data)
		e.judge(format, data)
	}
	return e
}

func dataOf(t testing.TB, event []byte) (data []byte) {
	t.Helper()
	for line := range bytes.SplitSeq(event, []byte("\n")) {
		name, value, ok := bytes.Cut(line, []byte(": "))
		require.True(t, ok, "%s", event)
		switch string(name) {
		case "data":
			require.Nil(t, data, "two lines of data: %s", event)
			data = value
		case "event":
			require.Nil(t, data)
		default:
			require.Fail(t, "a line that is no field", "%s", event)
		}
	}
	require.NotNil(t, data, "%s", event)
	return data
}

func (e *ends) judge(format string, data []byte) {
	kind, _ := jsonscan.String(jsonscan.Member(data, "type"))
	failed := jsonscan.Member(data, "error") != nil
	switch {
	case format == "gemini" && !failed:
		candidates := jsonscan.Array(jsonscan.Member(data, "candidates"))
		for candidates.Next() {
			if jsonscan.Member(candidates.Value(), "finishReason") != nil {
				e.success++
				return
			}
		}
	case failed, kind == "error":
		e.failure++
	case kind == "message_stop", kind == "response.completed", kind == "response.incomplete", kind == "response.failed":
		e.success++
	}
}
