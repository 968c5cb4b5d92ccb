package openai

import (
	"strings"

	"github.com/caddy-plexus/plexus/api"
)

// Word is an instruction that holds the word without which OpenAI refuses to
// answer with a JSON object of no schema:
// https://platform.openai.com/docs/guides/structured-outputs#json-mode.
const Word = "Answer with a JSON object."

// WantsWord tells whether a request asks for such an object and none of the
// messages has the word. Other vendors do not insist on it.
func WantsWord(f *api.Format, messages []api.Message) bool {
	if f == nil || f.Schema != nil {
		return false
	}
	for i := range messages {
		for j := range messages[i].Parts {
			if p := &messages[i].Parts[j]; p.Kind == api.Text && strings.Contains(strings.ToLower(p.Text), "json") {
				return false
			}
		}
	}
	return true
}
