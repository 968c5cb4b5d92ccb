package sdk_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genai"
)

// Google's SDK for Go takes a comment for an error; it skips an event that is
// empty.
func TestGeminiKeepAlives(t *testing.T) {
	client := newGemini(t, clientKey)
	text := ""
	for chunk, err := range client.Models.GenerateContentStream(t.Context(), "patient", genai.Text("Wait."), nil) {
		require.NoError(t, err)
		text += chunk.Text()
	}
	require.Equal(t, "Good things take time.", text)
}
