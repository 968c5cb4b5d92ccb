package gemini

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTraitsOfModels(t *testing.T) {
	f := func(model string, want traits) {
		t.Helper()
		require.Equal(t, want, traitsOf(model), model)
	}
	f("", traits{})
	f("my-endpoint", traits{})
	f("gemini-1.5-pro-002", traits{version: 15, pro: true, mute: true})
	f("publishers/google/models/gemini-2.0-flash-001", traits{version: 20, mute: true})
	f("models/gemini-2.5-flash-lite", traits{version: 25, lite: true})
	f("Gemini-2.5-Pro", traits{version: 25, pro: true})
	f("gemini-2.5-flash-image", traits{version: 25, mute: true})
	f("gemini-2.5-flash-preview-tts", traits{version: 25, mute: true})
	f("gemini-3-pro-preview", traits{version: 30, pro: true})
	f("gemini-3.1-flash-image", traits{version: 31})
	f("google/gemini-3.8-flash", traits{version: 38})
	f("gemini-flash-latest", traits{version: latest})
	f("gemini-pro-latest", traits{version: latest, pro: true})
	f("gemini-exp-1206", traits{version: latest})
	f("gemini-3.x", traits{version: 30})
	f("gemma-3-27b-it", traits{mute: true, plain: true})
	f("gemma-4-31b-it", traits{})
}

func TestWhatModelsTake(t *testing.T) {
	f := func(model string, minimal, medium, continues, penalties bool) {
		t.Helper()
		m := traitsOf(model)
		require.Equal(t, []bool{minimal, medium, continues, penalties},
			[]bool{m.minimal(), m.medium(), m.continues(), m.penalties()}, model)
	}
	f("gemini-2.0-flash", true, true, true, true)
	f("gemini-2.5-flash", true, true, true, false)
	f("gemini-3-pro-preview", false, false, true, false)
	f("gemini-3.1-pro-preview", false, true, true, false)
	f("gemini-3.5-flash", true, true, true, false)
	f("gemini-3.5-flash-lite", true, true, false, false)
	f("gemini-3.6-flash", true, true, false, false)
	f("gemini-3.7-flash", false, true, false, false)
	f("gemini-flash-latest", false, true, false, false)
	f("gemini-pro-latest", false, true, true, false)
	f("my-endpoint", true, true, true, true)
}
