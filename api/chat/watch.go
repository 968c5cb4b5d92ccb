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

	echo api.Echo
	text []byte // the last of the event that is being looked at
}

// Event implements api.Watcher.
func (w *Watcher) Event(_, data []byte) api.Signs {
	if data == nil {
		return api.Signs{}
	}
	if string(data) == "[DONE]" {
		return api.Signs{Finished: true, Closed: true}
	}
	if text := w.echo.Text(data); text != nil {
		return api.OfText(text)
	}
	signs := w.look(data)
	if signs != api.OfText(w.text) {
		w.text = nil
	}
	w.echo.Learn(data, w.text)
	w.text = nil
	return signs
}

// Repeats implements api.Repeater.
func (w *Watcher) Repeats(b, before, after []byte, most int) api.Run {
	return w.echo.Run(b, before, after, most)
}

// look finds out what an event tells.
func (w *Watcher) look(data []byte) api.Signs {
	var signs api.Signs
	hasUsage, hasChoice := false, false
	doc := jsonscan.Walk(data)
	for doc.Object(); doc.Next(); {
		switch string(doc.Key) {
		case "error":
			signs.Failed = failed(doc.Value()) || signs.Failed
		case "usage":
			usage := doc.Value()
			hasUsage = !api.Empty(usage)
			w.usage = openai.Usage(usage, w.usage)
		case "x_groq": // where include_usage was not asked for
			w.usage = openai.Usage(jsonscan.Member(doc.Value(), "usage"), w.usage)
		case "choices":
			if !doc.Array() {
				continue
			}
			for doc.Next() {
				hasChoice = true
				w.choice(&doc, &signs)
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
func (w *Watcher) choice(doc *jsonscan.Walker, signs *api.Signs) {
	var index []byte
	ended := false
	if doc.Object() {
		for doc.Next() {
			switch string(doc.Key) {
			case "index":
				index = doc.Value()
			case "error":
				signs.Failed = failed(doc.Value()) || signs.Failed
			case "finish_reason":
				switch reason := doc.Value(); {
				case string(reason) == `"error"`:
					signs.Failed = true
				case !api.Empty(reason):
					signs.Content, signs.Finished = true, true
					ended = true
				}
			case "usage": // Moonshot's streams
				w.usage = openai.Usage(doc.Value(), w.usage)
			case "delta":
				w.delta(doc, signs)
			}
		}
	}
	w.choices.See(index, ended)
}

// delta looks at what a choice says.
func (w *Watcher) delta(doc *jsonscan.Walker, signs *api.Signs) {
	if !doc.Object() {
		return
	}
	for doc.Next() {
		key, value := doc.Key, doc.Value()
		if string(key) != "role" && !api.Empty(value) {
			signs.Content = true
			signs.Size += sizeOf(key, value)
			w.text = value
		}
	}
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
	doc := jsonscan.Walk(body)
	for doc.Object(); doc.Next(); {
		switch string(doc.Key) {
		case "error":
			signs.Failed = failed(doc.Value()) || signs.Failed
		case "usage":
			w.usage = openai.Usage(doc.Value(), w.usage)
		case "choices":
			if !doc.Array() {
				continue
			}
			for doc.Next() {
				w.choice(&doc, &signs)
				signs.Content, signs.Finished = true, true
			}
		}
	}
	signs.Broken = doc.Err != nil
	return signs
}

// Usage implements api.Watcher.
func (w *Watcher) Usage() api.Usage { return w.usage }

// Interface guard
var _ api.Watcher = (*Watcher)(nil)
