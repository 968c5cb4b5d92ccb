package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// readAs reads a stream in pieces of so many bytes.
func readAs(q *question, stream string, size int) ([]time.Time, error) {
	r := reader{q: q}
	var seen []time.Time
	for len(stream) > 0 {
		n := min(size, len(stream))
		if err := r.take([]byte(stream[:n]), func(at time.Time) { seen = append(seen, at) }); err != nil {
			return seen, err
		}
		stream = stream[n:]
	}
	return seen, r.end()
}

func streamOf(f *format, events ...time.Time) string {
	out := strings.Join(f.head, "")
	for _, at := range events {
		out += string(f.event(nil, at))
	}
	return out + strings.Join(f.tail, "") + f.end
}

func TestStreamsAreReadInAnyPieces(t *testing.T) {
	times := []time.Time{time.Unix(0, 1764000000000000001), time.Unix(0, 1764000000000000002)}
	f := func(client, target *format, size int) {
		t.Helper()
		q, err := newQuestion("stream-2-0s", client, target)
		require.NoError(t, err)
		seen, err := readAs(q, streamOf(client, times...), size)
		require.NoError(t, err)
		require.Equal(t, times, seen)
	}
	for size := range 700 {
		f(&chatFormat, &chatFormat, size+1)
		f(&messagesFormat, &messagesFormat, size+1)
		f(&chatFormat, &messagesFormat, size+1)
		f(&messagesFormat, &chatFormat, size+1)
	}
}

func TestFlushesAreCounted(t *testing.T) {
	q, err := newQuestion("stream-2-0s", &chatFormat, &chatFormat)
	require.NoError(t, err)
	event := string(chatFormat.event(nil, time.Unix(0, 1764000000000000001)))
	f := func(want int, chunks ...string) {
		t.Helper()
		r := reader{q: q}
		for _, chunk := range chunks {
			require.NoError(t, r.take([]byte(chunk), func(time.Time) {}))
		}
		require.Equal(t, want, r.chunks)
	}
	f(2, event, event)
	f(1, event+event)
	f(1, event[:20], event[20:])
	f(1, event, chatFormat.tail[0])
}

func TestWrongStreamsAreNoticed(t *testing.T) {
	at := time.Unix(0, 1764000000000000001)
	good := streamOf(&chatFormat, at, at)
	f := func(stream, reason string) {
		t.Helper()
		q, err := newQuestion("stream-2-0s", &chatFormat, &chatFormat)
		require.NoError(t, err)
		_, err = readAs(q, stream, 64)
		require.ErrorContains(t, err, reason)
	}
	f(streamOf(&chatFormat, at), "1 of 2 events")
	f(streamOf(&chatFormat, at, at, at), "3 of 2 events")
	f(strings.TrimSuffix(good, chatFormat.end), "its end: false")
	f(good+chatFormat.end, "after the end")
	f(good+"data: ", "at its end")
	f(strings.Replace(good, `"index":0`, `"index":1`, 1), "is not the provider's")
	f(strings.TrimSuffix(good, chatFormat.end)+chatFormat.usage+chatFormat.end, "is not the provider's")
}

func TestWrongAnswersAreNoticed(t *testing.T) {
	q, err := newQuestion("whole-400", &chatFormat, &chatFormat)
	require.NoError(t, err)
	require.NoError(t, q.check(q.answer))
	require.ErrorContains(t, q.check(q.answer[:399]), "is not the provider's")

	q, err = newQuestion("whole-400", &chatFormat, &messagesFormat)
	require.NoError(t, err)
	require.NotEmpty(t, q.text)
	require.NoError(t, q.check(chatFormat.whole(&script{size: 1000})))
	require.ErrorContains(t, q.check([]byte(`{"error":{}}`)), "lacks the provider's text")
}
