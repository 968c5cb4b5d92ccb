// Package chat is the format of OpenAI's Chat Completions, which most providers
// speak: https://platform.openai.com/docs/api-reference/chat.
package chat

import (
	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/openai"
)

// Watcher watches a chat completion, streamed or whole.
type Watcher struct {
	usage   api.Usage
	choices api.Choices
}

// Event implements api.Watcher.
func (w *Watcher) Event(_, data []byte) api.Signs {
	if data == nil {
		return api.Signs{}
	}
	if string(data) == "[DONE]" {
		return api.Signs{Finished: true, Closed: true}
	}
	var signs api.Signs
	hasUsage, hasChoice := false, false
	it := jsonscan.Object(data)
	for it.Next() {
		switch string(it.Key) {
		case "error":
			signs.Failed = signs.Failed || failed(it.Value())
		case "usage":
			hasUsage = !api.Empty(it.Value())
			w.usage = openai.Usage(it.Value(), w.usage)
		case "x_groq": // where include_usage was not asked for
			w.usage = openai.Usage(jsonscan.Member(it.Value(), "usage"), w.usage)
		case "choices":
			choices := jsonscan.Array(it.Value())
			for choices.Next() {
				hasChoice = true
				w.choice(choices.Value(), &signs)
			}
		}
	}
	if hasChoice {
		w.choices.Judge(&signs)
	}
	signs.UsageOnly = hasUsage && !hasChoice && !signs.Failed
	return signs
}

// choice looks at one choice. Reasoning goes by several names: DeepSeek's
// reasoning_content, OpenRouter's reasoning and reasoning_details. Mistral and
// OpenRouter end a choice that broke with the finish_reason "error".
func (w *Watcher) choice(raw []byte, signs *api.Signs) {
	var index []byte
	ended := false
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "index":
			index = it.Value()
		case "error":
			signs.Failed = signs.Failed || failed(it.Value())
		case "finish_reason":
			switch {
			case string(it.Value()) == `"error"`:
				signs.Failed = true
			case !api.Empty(it.Value()):
				signs.Content, signs.Finished = true, true
				ended = true
			}
		case "usage": // Moonshot's streams
			w.usage = openai.Usage(it.Value(), w.usage)
		case "delta":
			delta := jsonscan.Object(it.Value())
			for delta.Next() {
				if string(delta.Key) != "role" && !api.Empty(delta.Value()) {
					signs.Content = true
					signs.Size += sizeOf(delta.Key, delta.Value())
				}
			}
		}
	}
	w.choices.See(index, ended)
}

// sizeOf is the size of a member of a delta, of calls that of their arguments.
func sizeOf(key, raw []byte) (size int) {
	if string(key) != "tool_calls" {
		return api.SizeOf(raw)
	}
	calls := jsonscan.Array(raw)
	for calls.Next() {
		size += api.SizeOf(jsonscan.Member(jsonscan.Member(calls.Value(), "function"), "arguments"))
	}
	return size
}

// Answer implements api.Watcher.
func (w *Watcher) Answer(body []byte) api.Signs {
	var signs api.Signs
	it := jsonscan.Object(body)
	for it.Next() {
		switch string(it.Key) {
		case "error":
			signs.Failed = signs.Failed || failed(it.Value())
		case "usage":
			w.usage = openai.Usage(it.Value(), w.usage)
		case "choices":
			choices := jsonscan.Array(it.Value())
			for choices.Next() {
				w.choice(choices.Value(), &signs)
				signs.Content, signs.Finished = true, true
			}
		}
	}
	return signs
}

// Usage implements api.Watcher.
func (w *Watcher) Usage() api.Usage { return w.usage }

// Interface guard
var _ api.Watcher = (*Watcher)(nil)
