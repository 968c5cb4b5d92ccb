package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestParseScript(t *testing.T) {
	f := func(name string, want script) {
		t.Helper()
		want.name = name
		got, err := parseScript(name)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f("whole-200", script{size: 200})
	f("stream-400-0s", script{events: 400})
	f("stream-30-100ms", script{events: 30, pause: 100 * time.Millisecond})
	f("hold", script{events: 1, hold: true})
	f("ask-10240", script{size: 200, asked: 10240})
	f("ask-8388608-picture", script{size: 200, asked: 8 << 20, kind: picture})
	f("ask-1048576-document", script{size: 200, asked: 1 << 20, kind: document})
	f("ask-102400-agent", script{size: 200, asked: 100 << 10, kind: agent})

	bad := func(name string) {
		t.Helper()
		_, err := parseScript(name)
		require.ErrorContains(t, err, name)
	}
	bad("gpt-4o")
	bad("whole")
	bad("whole-x")
	bad("stream-1-fast")
	bad("stream-1")
	bad("ask")
	bad("ask-x")
	bad("ask-1")
	bad("ask-2000-song")
	bad("ask-2000-agent")
}

func TestAnswersAreAsLongAsAskedFor(t *testing.T) {
	f := func(form *format, size, want int) {
		t.Helper()
		require.Len(t, form.whole(&script{size: size}), want)
	}
	f(&chatFormat, 1024, 1024)
	f(&chatFormat, 1<<20, 1<<20)
	f(&messagesFormat, 1024, 1024)
	f(&chatFormat, 1, len(chatFormat.wholeHead)+len(chatFormat.wholeTail))
	require.LessOrEqual(t, len(chatFormat.whole(&script{size: 200})), 210)
}

func TestModelIn(t *testing.T) {
	require.Equal(t, "whole-200@one", modelIn(body("whole-200@one", true)))
	require.Empty(t, modelIn([]byte(`{}`)))
}
