package sdk_test

import "github.com/stretchr/testify/require"

var embeddingFeatures = []feature{
	{"a text", func(c *cell) { c.embeds(0, "one") }},
	{"several texts", func(c *cell) { c.embeds(0, "one", "two", "three") }},
	{"a length", func(c *cell) { c.embeds(3, "one", "two") }},
}

// embeds checks that each text gets the vector that the mock makes of it alone,
// in its place.
func (c *cell) embeds(size int, texts ...string) {
	c.Helper()
	length := size
	if size == 0 {
		length = 8
	}
	got, err := c.asker.(embedder).embed(c.Context(), c.model(), size, texts...)
	require.NoError(c, err)
	require.Len(c, got, len(texts))
	for i, text := range texts {
		alone, err := c.asker.(embedder).embed(c.Context(), c.model(), size, text)
		require.NoError(c, err)
		require.Len(c, got[i], length)
		require.Equal(c, alone[0], got[i])
		if i > 0 {
			require.NotEqual(c, got[0], got[i])
		}
	}
}
