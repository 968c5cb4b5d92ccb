// Package gemini is the format of Google's Gemini API:
// https://ai.google.dev/api/generate-content.
package gemini

import (
	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Watcher watches what generateContent and its siblings answer.
type Watcher struct {
	// Expected is how many candidates the request asks for; 0 means one. As
	// Gemini's streams have no mark of their end, this tells it.
	Expected int

	usage      api.Usage
	candidates api.Choices
}

// Event implements api.Watcher.
func (w *Watcher) Event(_, data []byte) api.Signs {
	var signs api.Signs
	blocked, hasCandidate := false, false
	it := jsonscan.Object(data)
	for it.Next() {
		switch string(it.Key) {
		case "error":
			signs.Failed = signs.Failed || !api.Empty(it.Value())
		case "usageMetadata":
			w.usage = readUsage(it.Value(), w.usage)
		case "promptFeedback":
			// A blocked prompt has no candidates: this is the whole answer.
			if !api.Empty(jsonscan.Member(it.Value(), "blockReason")) {
				signs.Content, signs.Finished, blocked = true, true, true
			}
		case "candidates":
			candidates := jsonscan.Array(it.Value())
			for candidates.Next() {
				hasCandidate = true
				w.candidate(candidates.Value(), &signs)
			}
		}
	}
	if hasCandidate {
		w.candidates.Judge(&signs)
	}
	signs.Closed = signs.Finished && (blocked || w.candidates.Ended() >= w.Expected)
	return signs
}

func (w *Watcher) candidate(raw []byte, signs *api.Signs) {
	var index []byte
	ended := false
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "index":
			index = it.Value()
		case "finishReason":
			if !api.Empty(it.Value()) && string(it.Value()) != `"`+unspecified+`"` {
				signs.Content, signs.Finished, ended = true, true, true
			}
		case "groundingMetadata", "urlContextMetadata", "citationMetadata":
			signs.Works = signs.Works || !api.Empty(it.Value())
		case "content":
			parts := jsonscan.Array(jsonscan.Member(it.Value(), "parts"))
			for parts.Next() {
				part := jsonscan.Object(parts.Value())
				for part.Next() {
					// thought only marks the text beside it.
					if string(part.Key) != "thought" && !api.Empty(part.Value()) {
						signs.Content = true
						signs.Size += api.SizeOf(part.Value())
					}
				}
			}
		}
	}
	w.candidates.See(index, ended)
}

// Answer implements api.Watcher.
func (w *Watcher) Answer(body []byte) api.Signs {
	signs := w.Event(nil, body)
	signs.Content, signs.Broken = true, !jsonscan.Valid(body)
	return signs
}

// Usage implements api.Watcher.
func (w *Watcher) Usage() api.Usage { return w.usage }

// Interface guard
var _ api.Watcher = (*Watcher)(nil)
