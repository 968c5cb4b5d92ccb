// Package openai holds OpenAI's formats that have no streams of deltas worth a
// package of their own: completions, embeddings, moderations, images, audio,
// and rerank, which others added in the same style.
package openai

import (
	"bytes"
	"encoding/json"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Watcher watches an answer of one of these formats.
type Watcher struct {
	usage api.Usage
}

// Event implements api.Watcher. Every event that is not an error counts as
// content: a transcript's text, a piece of audio, a partial image.
func (w *Watcher) Event(_, data []byte) api.Signs {
	if string(data) == "[DONE]" {
		return api.Signs{Content: true, Finished: true}
	}
	if data == nil {
		return api.Signs{}
	}
	signs := w.Answer(data)
	signs.Finished = signs.Finished || finished(data)
	return signs
}

// finished recognises the last event of streamed audio and images, such as
// transcript.text.done, and of completions, which name a finish_reason.
func finished(data []byte) bool {
	if kind, ok := jsonscan.String(jsonscan.Member(data, "type")); ok {
		kind := []byte(kind)
		return bytes.HasSuffix(kind, []byte(".done")) || bytes.HasSuffix(kind, []byte(".completed"))
	}
	choices := jsonscan.Array(jsonscan.Member(data, "choices"))
	for choices.Next() {
		if !api.Empty(jsonscan.Member(choices.Value(), "finish_reason")) {
			return true
		}
	}
	return false
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
	Prompt     int64 `json:"prompt_tokens"`
	Completion int64 `json:"completion_tokens"`
	Input      int64 `json:"input_tokens"`
	Output     int64 `json:"output_tokens"`
	Total      int64 `json:"total_tokens"`
	// DeepSeek's name for what it read from its cache.
	CacheHit          int64   `json:"prompt_cache_hit_tokens"`
	PromptDetails     details `json:"prompt_tokens_details"`
	InputDetails      details `json:"input_tokens_details"`
	CompletionDetails details `json:"completion_tokens_details"`
	OutputDetails     details `json:"output_tokens_details"`
}

type details struct {
	Cached    int64 `json:"cached_tokens"`
	Reasoning int64 `json:"reasoning_tokens"`
}

// Usage reads OpenAI's usage object. Where raw says nothing, what was known
// before stays.
func Usage(raw []byte, before api.Usage) api.Usage {
	var u usage
	if api.Empty(raw) || json.Unmarshal(raw, &u) != nil {
		return before
	}
	prompt, completion := u.Prompt+u.Input, u.Completion+u.Output
	cached := max(u.PromptDetails.Cached, u.InputDetails.Cached, u.CacheHit)
	reasoning := u.CompletionDetails.Reasoning + u.OutputDetails.Reasoning
	// xAI leaves the reasoning out of completion_tokens, and only the total
	// tells: https://docs.x.ai/docs/guides/reasoning.
	if reasoning > 0 && u.Total == prompt+completion+reasoning {
		completion += reasoning
	}
	return api.Usage{
		Input:     max(0, prompt-cached),
		CacheRead: cached,
		Output:    max(0, completion-reasoning),
		Reasoning: reasoning,
		Known:     true,
	}
}

// Interface guard
var _ api.Watcher = (*Watcher)(nil)
