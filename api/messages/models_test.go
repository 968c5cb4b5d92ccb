package messages

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTraitsOf(t *testing.T) {
	f := func(model string, version int, opus bool) {
		t.Helper()
		got := traitsOf(model)
		require.Equal(t, version, got.version, model)
		require.Equal(t, opus, got.opus, model)
	}
	f("deepseek-chat", 0, false)
	f("claude-2.1", 21, false)
	f("claude-3-opus-20240229", 30, true)
	f("claude-3-5-sonnet-latest", 35, false)
	f("claude-3.7-sonnet", 37, false)
	f("claude-sonnet-4-20250514", 40, false)
	f("claude-opus-4@20250514", 40, true)
	f("claude-opus-4-1-20250805", 41, true)
	f("claude-haiku-4-5", 45, false)
	f("anthropic.claude-opus-4-6-v1:0", 46, true)
	f("us.anthropic.claude-sonnet-4-5-20250929-v1:0", 45, false)
	f("anthropic/claude-4.7-opus", 47, true)
	f("claude-sonnet-5", 50, false)
	f("claude-fable-5-1", 51, false)
	f("claude-mythos-preview", 50, false)
	require.True(t, traitsOf("claude-fable-5").always)
}
