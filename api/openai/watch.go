// Package openai holds OpenAI's formats that have no streams of deltas worth a
// package of their own: completions, embeddings, moderations, images, audio,
// and rerank, which others added in the same style.
package openai

import (
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
	signs.Works = true // what comes is no text, or comes in large pieces
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
		signs.Size += api.SizeOf(jsonscan.Member(choices.Value(), "text"))
		w.choices.See(jsonscan.Member(choices.Value(), "index"), ended)
	}
	w.choices.Judge(signs)
}

// Answer implements api.Watcher.
func (w *Watcher) Answer(body []byte) api.Signs {
	signs := api.Signs{Content: true}
	doc := jsonscan.Walk(body)
	for doc.Object(); doc.Next(); {
		switch string(doc.Key) {
		case "error":
			signs.Failed = !api.Empty(doc.Value()) || signs.Failed
		case "usage":
			w.usage = Usage(doc.Value(), w.usage)
		}
	}
	signs.Broken = doc.Err != nil
	return signs
}

// Usage implements api.Watcher.
func (w *Watcher) Usage() api.Usage { return w.usage }

// Interface guard
var _ api.Watcher = (*Watcher)(nil)
