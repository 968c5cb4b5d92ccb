package openai

import (
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// usage is OpenAI's usage object in both of its generations: prompt and
// completion tokens, later called input and output tokens.
type usage struct {
	prompt, completion, total tally
	// cached, written and reasoning come from the details of either side.
	cached, written, reasoning int64
	// prompted and generated are the tokens of the other modalities.
	prompted, generated struct{ audio, image int64 }
	// What gateways in front of Anthropic say.
	cacheRead, cacheCreation int64
}

// tally is a number of tokens, if it was told.
type tally struct {
	n    int64
	told bool
}

func (t *tally) add(raw []byte) {
	if n, ok := integer(raw); ok {
		t.n, t.told = t.n+n, true
	}
}

func integer(raw []byte) (int64, bool) {
	if len(raw) == 0 || raw[0] > '9' { // details, of which an error would be made
		return 0, false
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}

// readUsage is called for every answer, and of some providers for every event.
func readUsage(raw []byte) (u usage) {
	it := jsonscan.Object(raw)
	for it.Next() {
		n, _ := integer(it.Value())
		switch string(it.Key) {
		case "prompt_tokens", "input_tokens":
			u.prompt.add(it.Value())
		case "completion_tokens", "output_tokens":
			u.completion.add(it.Value())
		case "total_tokens":
			u.total.add(it.Value())
		case "prompt_cache_hit_tokens", "cached_tokens": // DeepSeek's name, and Moonshot's
			u.cached = max(u.cached, n)
		case "cache_read_input_tokens":
			u.cacheRead = n
		case "cache_creation_input_tokens":
			u.cacheCreation = n
		case "prompt_tokens_details", "input_tokens_details", "input_token_details": // the last of transcripts
			u.details(it.Value(), &u.prompted.audio, &u.prompted.image)
		case "completion_tokens_details", "output_tokens_details":
			u.details(it.Value(), &u.generated.audio, &u.generated.image)
		}
	}
	return u
}

// details reads what kinds of tokens there are: https://platform.openai.com/docs/api-reference/chat/object,
// and of images https://platform.openai.com/docs/api-reference/images/object.
func (u *usage) details(raw []byte, audio, image *int64) {
	it := jsonscan.Object(raw)
	for it.Next() {
		n, _ := integer(it.Value())
		switch string(it.Key) {
		case "cached_tokens":
			u.cached = max(u.cached, n)
		case "cache_write_tokens":
			u.written = max(u.written, n)
		case "reasoning_tokens":
			u.reasoning += n
		case "audio_tokens":
			*audio = max(*audio, n)
		case "image_tokens":
			*image = max(*image, n)
		}
	}
}

// Usage reads OpenAI's usage object. Where raw says nothing, what was known
// before stays; so it does where a transcript is billed by its seconds.
func Usage(raw []byte, before api.Usage) api.Usage {
	u := readUsage(raw)
	prompt, completion, total := u.prompt.n, u.completion.n, u.total.n
	if !u.prompt.told && !u.completion.told {
		if !u.total.told {
			return before
		}
		// Embeddings and rerankings generate nothing, and some servers tell
		// their total alone.
		prompt = total
	}
	cached, written, reasoning := max(u.cached, u.cacheRead), max(u.written, u.cacheCreation), u.reasoning
	switch rest := total - prompt - completion; {
	case rest <= 0 || !u.completion.told:
	case rest == reasoning:
		// xAI leaves the reasoning out of completion_tokens, and only the total
		// tells: https://docs.x.ai/docs/guides/reasoning.
		completion += rest
	case rest == u.cacheRead+u.cacheCreation:
		prompt += rest // counted as Anthropic does
	case reasoning == 0:
		// Google's compatible endpoint does not even say what it left out:
		// https://github.com/mozilla-ai/any-llm/issues/1290.
		completion, reasoning = completion+rest, rest
	}
	out := api.Usage{
		Input:      max(0, prompt-cached-written),
		CacheRead:  cached,
		CacheWrite: written,
		Output:     max(0, completion-reasoning),
		Reasoning:  reasoning,
		Known:      true,
	}
	out.Audio = parts(&out, u.prompted.audio, u.generated.audio)
	out.Image = parts(&out, u.prompted.image, u.generated.image)
	return out
}

// parts are the tokens of a modality in their classes. Which of the prompt's a
// cache held is not told: text comes first in a prompt, and is what it holds
// first.
func parts(u *api.Usage, prompt, answer int64) api.Modality {
	input := within(prompt, u.Input)
	return api.Modality{Input: input, CacheRead: within(prompt-input, u.CacheRead), Output: within(answer, u.Output)}
}

func within(n, most int64) int64 { return max(0, min(n, most)) }
