package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// Strings are passed eight bytes at a time up to some length, if there is enough of
// the document: what is special may stand at any place of these.
func TestShortStrings(t *testing.T) {
	for _, size := range []int{0, 1, 6, 7, 8, 9, 15, 16, 22, 23, 24, 25} {
		for at := range size + 1 {
			for _, odd := range []string{"", `\"`, `\\`, `\n`, `\q`, "\x00", "\x1f", " ", "\x7f", "é", "\xff"} {
				text := strings.Repeat("a", at) + odd + strings.Repeat("b", size-at)
				for _, pad := range []string{"", strings.Repeat(" ", 30)} {
					requireAsJSON(t, `{"`+text+`":1}`+pad)
					requireAsJSON(t, `{"k":["`+text+`",{"`+text+`":2}]}`+pad)
					requireAsJSON(t, `{"k":"`+text+pad)
				}
			}
		}
	}
}

func requireAsJSON(t *testing.T, doc string) {
	t.Helper()
	var want map[string]any
	valid := json.Unmarshal([]byte(doc), &want) == nil && utf8.ValidString(doc)
	it := StrictObject([]byte(doc))
	for it.Next() {
		if valid {
			require.Contains(t, want, string(it.Key), "%q", doc)
		}
	}
	require.Equal(t, valid, it.Err == nil, "%q: %v", doc, it.Err)
}
