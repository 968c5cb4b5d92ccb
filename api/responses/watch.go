// Package responses is the format of OpenAI's Responses:
// https://platform.openai.com/docs/api-reference/responses.
package responses

import (
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/openai"
)

// Watcher watches a response, streamed or whole.
type Watcher struct {
	usage api.Usage
}

// Event implements api.Watcher.
func (w *Watcher) Event(_, data []byte) api.Signs {
	kind, _ := jsonscan.String(jsonscan.Member(data, "type"))
	switch kind {
	case "response.completed", "response.incomplete", "response.failed":
		w.usage = openai.Usage(jsonscan.Member(jsonscan.Member(data, "response"), "usage"), w.usage)
		ended := kind != "response.failed"
		return api.Signs{Content: ended, Finished: ended, Failed: !ended, Closed: ended}
	case "response.output_item.done", "response.image_generation_call.partial_image":
		return api.Signs{Content: true, Works: true}
	case "error":
		return api.Signs{Failed: true}
	case "":
		// Imitators send a bare error object, as in a chat stream.
		return api.Signs{Failed: !api.Empty(jsonscan.Member(data, "error"))}
	}
	if strings.HasSuffix(kind, ".delta") {
		delta := jsonscan.Member(data, "delta")
		return api.Signs{Content: !api.Empty(delta), Size: api.SizeOf(delta)}
	}
	return api.Signs{Works: works(kind)}
}

// works tells whether an event says that something goes on in the response: what
// happens to its items and parts has names such as
// response.web_search_call.searching and response.reasoning_summary_part.added.
// Those of the response itself, response.in_progress for one, are no such sign.
func works(kind string) bool {
	rest, ok := strings.CutPrefix(kind, "response.")
	return ok && strings.Contains(rest, ".")
}

// Answer implements api.Watcher. A response that is still in progress is a
// valid answer to a request for work in the background.
func (w *Watcher) Answer(body []byte) api.Signs {
	var signs api.Signs
	doc := jsonscan.Walk(body)
	for doc.Object(); doc.Next(); {
		switch string(doc.Key) {
		case "error":
			signs.Failed = !api.Empty(doc.Value()) || signs.Failed
		case "usage":
			w.usage = openai.Usage(doc.Value(), w.usage)
		case "output", "status":
			signs.Content, signs.Finished = true, true
		}
	}
	signs.Broken = doc.Err != nil
	return signs
}

// Usage implements api.Watcher.
func (w *Watcher) Usage() api.Usage { return w.usage }

// Interface guard
var _ api.Watcher = (*Watcher)(nil)
