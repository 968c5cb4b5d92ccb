package chat_test

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What chunks are made of: C stands for a choice, T for a text.
var (
	likeChunks = []string{
		`{"choices":[C]}`, `{"id":"i","model":"m","choices":[C]}`, `{"choices":[C,C]}`, `{"choices":[C],"choices":[C]}`,
		`{"choices":[C],"usage":{"prompt_tokens":1}}`, `{"choices":[C],"usage":{"prompt_tokens":2}}`, `{"choices":[],"usage":{"prompt_tokens":5}}`,
		`{"citations":["u"],"choices":[C]}`, `{"error":null,"choices":[C]}`, `{"detail":"T","choices":[C]}`,
	}
	likeChoices = []string{
		`{"index":0,"delta":{"content":"T"},"finish_reason":null}`,
		`{"index":1,"delta":{"content":"T"}}`,
		`{"index":0,"message":{"content":"T"}}`,
		`{"index":0,"delta":{"role":"assistant","content":"T"}}`,
		`{"index":0,"delta":{"content":"T","content":"T"}}`,
		`{"index":0,"delta":{"content":["T"]}}`,
		`{"index":0,"delta":{"content":[{"type":"text","text":"T"}]}}`,
		`{"index":0,"delta":{"reasoning_content":"T"}}`,
		`{"index":0,"delta":{"reasoning":"T","reasoning_details":[{"type":"reasoning.text","text":"T"}]}}`,
		`{"index":0,"delta":{"content":"T"},"logprobs":{"content":[{"token":"x"}]}}`,
		`{"index":0,"delta":{},"logprobs":{"content":[{"token":"y"}]}}`,
		`{"index":0,"delta":{"refusal":"T"}}`,
		`{"index":0,"delta":{"content":"T","annotations":[{"type":"url_citation","url_citation":{"url":"u","title":"t"}}]}}`,
		`{"index":0,"delta":{"content":"T","extra_content":{"google":{"thought_signature":"s"}}}}`,
		`{"index":0,"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"T"}}]}}`,
		`{"index":0,"delta":{"content":"T","tool_calls":[{"index":0,"function":{"arguments":"1"}}]}}`,
		`{"index":0,"delta":{"audio":{"id":"a","transcript":"T"}}}`,
		`{"index":0,"delta":{"content":"T"},"usage":{"prompt_tokens":3}}`,
		`{"index":0,"delta":{"content":"T"},"stop_reason":"x"}`,
		`{"index":0,"delta":{"content":"T"},"finish_reason":"stop"}`,
		`{"index":0,"delta":{},"finish_reason":"stop"}`,
		`{"index":0,"delta":{"content":"T"},"error":{"message":"x"}}`,
	}
	likeTexts = []string{"a", "word", " ", "ö", `\n`, `\"`, "", `x\u00e9`}
)

// filled puts one of the choices in every place of a mark.
func filled(r *rand.Rand, text, mark string, choices []string) string {
	for strings.Contains(text, mark) {
		text = strings.Replace(text, mark, choices[r.IntN(len(choices))], 1)
	}
	return text
}

// A chunk that is like the one before is told as if all of it had been read,
// whatever was said before and whatever stands in it.
func TestLikesAreToldAsTheyAre(t *testing.T) {
	made := regexp.MustCompile(`"call_[0-9a-f]{24}"`)
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var lines []string
		chunk := ""
		for range 2 + r.IntN(8) {
			if chunk == "" || r.IntN(3) == 0 {
				chunk = filled(r, likeChunks[r.IntN(len(likeChunks))], "C", likeChoices)
			}
			lines = append(lines, filled(r, chunk, "T", likeTexts))
		}
		if r.IntN(2) == 0 {
			lines = append(lines, "[DONE]")
		}
		stream := []byte(strings.Join(lines, "\n"))
		want, broken := toldOf(stream, `{}`)
		got, failed := toldOf(stream, "")
		require.Equal(t, broken, failed)
		require.Equal(t, made.ReplaceAllString(string(want), ""), made.ReplaceAllString(string(got), ""), "%s", stream)
	}
}
