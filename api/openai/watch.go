// Package openai holds OpenAI's formats that have no streams of deltas worth a
// package of their own: completions, embeddings, moderations, images, audio,
// and rerank, which others added in the same style.
package openai

import (
	"encoding/json"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Watcher watches an answer of one of these formats.
type Watcher struct {
	// Expected is how many images the request asks for; 0 means one.
	Expected int

	usage   api.Usage
	choices api.Choices // of completions
	images  int         // that are complete
}

// Event implements api.Watcher. Every event of audio and images that is not an
// error counts as content: a transcript's text, a piece of audio, a partial
// image. The last one's type ends as transcript.text.done does.
func (w *Watcher) Event(_, data []byte) api.Signs {
	switch string(data) {
	case "":
		return api.Signs{}
	case "[DONE]":
		return api.Signs{Finished: true, Closed: true}
	}
	signs := w.Answer(data)
	if kind, ok := jsonscan.String(jsonscan.Member(data, "type")); ok {
		w.typed(kind, &signs)
	} else if choices := jsonscan.Member(data, "choices"); choices != nil {
		w.completion(choices, &signs)
	}
	return signs
}

// typed looks at an event of audio or images. Each image ends with an event of
// its own; that of audio is the last.
func (w *Watcher) typed(kind string, signs *api.Signs) {
	signs.Failed = signs.Failed || kind == "error"
	switch {
	case strings.HasSuffix(kind, ".done"):
		signs.Finished, signs.Closed = true, true
	case strings.HasSuffix(kind, ".completed"):
		w.images++
		signs.Finished, signs.Closed = true, w.images >= w.Expected
	case strings.HasSuffix(kind, ".partial_image"):
		signs.Reopened = w.images > 0
	}
}

// completion looks at the choices of a completion's chunk, whose text may be
// empty.
func (w *Watcher) completion(raw []byte, signs *api.Signs) {
	signs.Content = false
	choices := jsonscan.Array(raw)
	for choices.Next() {
		ended := false
		switch reason := jsonscan.Member(choices.Value(), "finish_reason"); {
		case string(reason) == `"error"`:
			signs.Failed = true
		case !api.Empty(reason):
			signs.Content, signs.Finished, ended = true, true, true
		case !api.Empty(jsonscan.Member(choices.Value(), "text")):
			signs.Content = true
		}
		w.choices.See(jsonscan.Member(choices.Value(), "index"), ended)
	}
	w.choices.Judge(signs)
}

// Answer implements api.Watcher.
func (w *Watcher) Answer(body []byte) api.Signs {
	signs := api.Signs{Content: true}
	it := jsonscan.Object(body)
	for it.Next() {
		switch string(it.Key) {
		case "error":
			signs.Failed = signs.Failed || !api.Empty(it.Value())
		case "usage":
			w.usage = Usage(it.Value(), w.usage)
		}
	}
	return signs
}

// Usage implements api.Watcher.
func (w *Watcher) Usage() api.Usage { return w.usage }

// usage is OpenAI's usage object in both of its generations: prompt and
// completion tokens, later called input and output tokens.
type usage struct {
	Prompt     *int64 `json:"prompt_tokens"`
	Completion *int64 `json:"completion_tokens"`
	Input      *int64 `json:"input_tokens"`
	Output     *int64 `json:"output_tokens"`
	Total      *int64 `json:"total_tokens"`
	// DeepSeek's name for what it read from its cache, Moonshot's, and those of
	// gateways in front of Anthropic.
	CacheHit          int64   `json:"prompt_cache_hit_tokens"`
	Cached            int64   `json:"cached_tokens"`
	CacheRead         int64   `json:"cache_read_input_tokens"`
	CacheCreation     int64   `json:"cache_creation_input_tokens"`
	PromptDetails     details `json:"prompt_tokens_details"`
	InputDetails      details `json:"input_tokens_details"`
	CompletionDetails details `json:"completion_tokens_details"`
	OutputDetails     details `json:"output_tokens_details"`
}

type details struct {
	Cached    int64 `json:"cached_tokens"`
	Written   int64 `json:"cache_write_tokens"`
	Reasoning int64 `json:"reasoning_tokens"`
}

// Usage reads OpenAI's usage object. Where raw says nothing, what was known
// before stays; so it does where a transcript is billed by its seconds.
func Usage(raw []byte, before api.Usage) api.Usage {
	var u usage
	if api.Empty(raw) || json.Unmarshal(raw, &u) != nil {
		return before
	}
	prompt, completion, total := count(u.Prompt, u.Input), count(u.Completion, u.Output), count(u.Total)
	if u.Prompt == nil && u.Input == nil && u.Completion == nil && u.Output == nil {
		if u.Total == nil {
			return before
		}
		// Embeddings and rerankings generate nothing, and some servers tell
		// their total alone.
		prompt = total
	}
	cached := max(u.PromptDetails.Cached, u.InputDetails.Cached, u.CacheHit, u.Cached, u.CacheRead)
	written := max(u.PromptDetails.Written, u.InputDetails.Written, u.CacheCreation)
	reasoning := u.CompletionDetails.Reasoning + u.OutputDetails.Reasoning
	generates := u.Completion != nil || u.Output != nil
	switch rest := total - prompt - completion; {
	case rest <= 0 || !generates:
	case rest == reasoning:
		// xAI leaves the reasoning out of completion_tokens, and only the total
		// tells: https://docs.x.ai/docs/guides/reasoning.
		completion += rest
	case rest == u.CacheRead+u.CacheCreation:
		prompt += rest // counted as Anthropic does
	case reasoning == 0:
		// Google's compatible endpoint does not even say what it left out:
		// https://github.com/mozilla-ai/any-llm/issues/1290.
		completion, reasoning = completion+rest, rest
	}
	return api.Usage{
		Input:      max(0, prompt-cached-written),
		CacheRead:  cached,
		CacheWrite: written,
		Output:     max(0, completion-reasoning),
		Reasoning:  reasoning,
		Known:      true,
	}
}

// count is the sum of the counts that are there.
func count(each ...*int64) (sum int64) {
	for _, n := range each {
		if n != nil {
			sum += *n
		}
	}
	return sum
}

// Interface guard
var _ api.Watcher = (*Watcher)(nil)
