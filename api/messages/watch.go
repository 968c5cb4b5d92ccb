// Package messages is the format of Anthropic's Messages:
// https://docs.anthropic.com/en/api/messages.
package messages

import (
	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Watcher watches a message, streamed or whole.
type Watcher struct {
	usage api.Usage
}

// Event implements api.Watcher. The type inside the data decides: the event's
// name only repeats it, and some imitators leave it out.
func (w *Watcher) Event(_, data []byte) api.Signs {
	kind, _ := jsonscan.String(jsonscan.Member(data, "type"))
	switch kind {
	case "content_block_delta":
		said := says(jsonscan.Member(data, "delta"))
		return api.Signs{Content: said > 0, Size: said}
	case "content_block_start":
		said := says(jsonscan.Member(data, "content_block"))
		return api.Signs{Content: said > 0, Size: said, Works: true}
	case "content_block_stop":
		return api.Signs{Works: true}
	case "message_start":
		// A stream tells its usage twice: here the input, in message_delta the
		// output and whatever else became final, each number a total so far.
		w.usage = tokens(jsonscan.Member(jsonscan.Member(data, "message"), "usage"), w.usage)
	case "message_delta":
		w.usage = tokens(jsonscan.Member(data, "usage"), w.usage)
		stopped := !api.Empty(jsonscan.Member(jsonscan.Member(data, "delta"), "stop_reason"))
		return api.Signs{Content: stopped, Finished: stopped}
	case "message_stop":
		return api.Signs{Finished: true, Closed: true}
	case "error":
		return api.Signs{Failed: true}
	case "":
		// Imitators send their own error objects.
		return api.Signs{Failed: !api.Empty(jsonscan.Member(data, "error"))}
	}
	return api.Signs{}
}

// says is the size of what a block or a delta holds beside its type: the start of
// a tool call has its name, that of text and thinking is empty.
func says(raw []byte) (size int) {
	it := jsonscan.Object(raw)
	for it.Next() {
		if string(it.Key) != "type" && !api.Empty(it.Value()) {
			size += api.SizeOf(it.Value())
		}
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
			signs.Failed = !api.Empty(doc.Value()) || signs.Failed
		case "usage":
			w.usage = tokens(doc.Value(), w.usage)
		case "content", "input_tokens":
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
