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
	echo  api.Echo
}

// Event implements api.Watcher. The type inside the data decides: the event's
// name only repeats it, and some imitators leave it out.
func (w *Watcher) Event(_, data []byte) api.Signs {
	if text := w.echo.Text(data); text != nil {
		return api.OfText(text)
	}
	signs, text := w.look(data)
	if signs != api.OfText(text) {
		text = nil
	}
	w.echo.Learn(data, text)
	return signs
}

// Repeats implements api.Repeater.
func (w *Watcher) Repeats(b, before, after []byte, most int) api.Run {
	return w.echo.Run(b, before, after, most)
}

// look finds out what an event tells, and the last text that it has.
func (w *Watcher) look(data []byte) (signs api.Signs, text []byte) {
	kind, _ := jsonscan.String(jsonscan.Member(data, "type"))
	switch kind {
	case "content_block_delta":
		signs.Size, text = says(jsonscan.Member(data, "delta"))
		signs.Content = signs.Size > 0
	case "content_block_start":
		signs.Size, _ = says(jsonscan.Member(data, "content_block"))
		signs.Content, signs.Works = signs.Size > 0, true
	case "content_block_stop":
		signs.Works = true
	case "message_start":
		// A stream tells its usage twice: here the input, in message_delta the
		// output and whatever else became final, each number a total so far.
		w.usage = tokens(jsonscan.Member(jsonscan.Member(data, "message"), "usage"), w.usage)
	case "message_delta":
		w.usage = tokens(jsonscan.Member(data, "usage"), w.usage)
		stopped := !api.Empty(jsonscan.Member(jsonscan.Member(data, "delta"), "stop_reason"))
		signs.Content, signs.Finished = stopped, stopped
	case "message_stop":
		signs.Finished, signs.Closed = true, true
	case "error":
		signs.Failed = true
	case "":
		// Imitators send their own error objects.
		signs.Failed = !api.Empty(jsonscan.Member(data, "error"))
	}
	return signs, text
}

// says is the size of what a block or a delta holds beside its type, and the last
// of it: the start of a tool call has its name, that of text and thinking is empty.
func says(raw []byte) (size int, last []byte) {
	it := jsonscan.Object(raw)
	for it.Next() {
		if string(it.Key) != "type" && !api.Empty(it.Value()) {
			last = it.Value()
			size += api.SizeOf(last)
		}
	}
	return size, last
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
