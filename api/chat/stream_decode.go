package chat

import (
	"bytes"
	"errors"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/openai"
)

// NewStreamDecoder implements api.Codec.
func (Codec) NewStreamDecoder() api.StreamDecoder { return &streamDecoder{} }

// streamDecoder reads the chunks of one stream. It says that a choice has
// finished only when the whole stream has: until then others may go on, servers
// send a second finish_reason, and some add to what had ended.
type streamDecoder struct {
	emit    func(*api.Event)
	ev      api.Event
	content api.Part // of ev
	call    api.Call // of content

	started, over bool
	id, model     string
	created       int64
	usage         []byte // the last one that was told
	sources       sources
	choices       []*choiceState

	echo    api.Echo
	speaker *choiceState // of the text that was learned

	// Of the chunk that is being read:
	text   []byte // the content
	others bool   // it tells of more than a text
}

// maxChoices bounds what a broken stream can make us keep; OpenAI allows 128.
const maxChoices = 1024

// Decode implements api.StreamDecoder.
func (d *streamDecoder) Decode(name, data []byte, emit func(*api.Event)) error {
	if d.over {
		return nil
	}
	d.emit = emit
	if text := d.echo.Text(data); text != nil && string(name) != "error" {
		d.speaker.piece(d.speaker.open, text)
		return nil
	}
	data = bytes.TrimSpace(data)
	switch {
	case len(data) == 0:
		if d.started {
			d.send(api.Ping)
		}
		return nil
	case string(data) == "[DONE]":
		d.end()
		return nil
	case data[0] != '{':
		if !jsonscan.Valid(data) {
			return errors.New("a chunk is not valid JSON")
		}
		return nil
	}
	d.text, d.others = nil, false
	err := d.chunk(data, string(name) == "error")
	d.learn(data)
	return err
}

// learn takes in a chunk that only added to a text: from the like of it, the next
// piece can be had without looking through it.
func (d *streamDecoder) learn(data []byte) {
	if d.others {
		d.text = nil
	}
	d.echo.Learn(data, d.text)
	d.text = nil
}

// Close implements api.StreamDecoder.
func (d *streamDecoder) Close(emit func(*api.Event)) bool {
	if d.over {
		return d.ev.Kind == api.End
	}
	d.emit = emit
	finished := 0
	for _, c := range d.choices {
		if c.seen && !c.finished {
			return false
		}
		if c.seen {
			finished++
		}
	}
	if finished > 0 {
		d.end()
	}
	return finished > 0
}

// chunk reads one chunk. The choices come last, as the id that stands behind
// them is wanted before them.
func (d *streamDecoder) chunk(data []byte, bad bool) error {
	var choices, failure, message []byte
	it := jsonscan.Object(data)
	for it.Next() {
		switch string(it.Key) {
		case "choices":
			choices = it.Value()
		case "error", "errors":
			failure = it.Value()
		case "message", "detail":
			message = it.Value()
		default:
			d.member(string(it.Key), it.Value())
		}
	}
	switch {
	case it.Err != nil:
		return it.Err
	case failed(failure) && (failure[0] == '{' || failure[0] == '"'):
		d.fail(streamError(failure))
		return nil
	case bad, failed(failure), choices == nil && !api.Empty(message):
		d.fail(streamError(data))
		return nil
	}
	if !api.Empty(choices) {
		d.start()
		return d.each(choices)
	}
	// Azure's first chunk tells of the prompt's filters and has no id yet.
	if d.id != "" && choices != nil {
		d.start()
	}
	return nil
}

// member reads a member of a chunk that stands beside the choices.
func (d *streamDecoder) member(name string, value []byte) {
	switch name {
	case "id":
		if d.id == "" {
			d.id = textOf(value)
		}
	case "model":
		if d.model == "" {
			d.model = textOf(value)
		}
	case "created":
		if d.created == 0 {
			d.created = seconds(value)
		}
	case "usage":
		d.used(value)
	case "x_groq": // where include_usage was not asked for
		d.used(jsonscan.Member(value, "usage"))
	case "citations", "search_results":
		d.sources.member(name, value)
	}
}

// used keeps a usage, of which some servers have one in every chunk.
func (d *streamDecoder) used(raw []byte) {
	if !api.Empty(raw) {
		d.usage = append(d.usage[:0], raw...)
	}
}

func (d *streamDecoder) each(choices []byte) error {
	it := jsonscan.Array(choices)
	for i := 0; it.Next() && !d.over; i++ {
		d.others = d.others || i > 0
		raw := it.Value()
		index := i
		if n, err := strconv.Atoi(string(jsonscan.Member(raw, "index"))); err == nil && n >= 0 {
			index = n
		}
		if index >= maxChoices {
			return at("choices", at("index", expected("a smaller number")))
		}
		d.choice(index).read(raw)
	}
	if it.Err != nil {
		return at("choices", it.Err)
	}
	return nil
}

func (d *streamDecoder) choice(index int) *choiceState {
	for len(d.choices) <= index {
		d.choices = append(d.choices, &choiceState{d: d, index: len(d.choices), open: none})
	}
	return d.choices[index]
}

func (d *streamDecoder) send(kind api.EventKind) {
	d.ev.Kind = kind
	d.emit(&d.ev)
}

func (d *streamDecoder) start() {
	if d.started {
		return
	}
	d.started = true
	d.ev = api.Event{ID: d.id, Model: d.model, Created: d.created}
	d.send(api.Start)
	d.ev = api.Event{}
}

// fail ends the stream with an error. A stream may begin with one.
func (d *streamDecoder) fail(e *api.Error) {
	d.over = true
	d.ev = api.Event{Err: e}
	d.send(api.ErrorEvent)
}

// broke ends the stream for a finish_reason that is no success.
func (d *streamDecoder) broke(reason string, status int, raw []byte) {
	if failed(raw) {
		d.fail(streamError(raw))
		return
	}
	d.fail(&api.Error{Status: status, Message: "The provider ended its answer with the finish reason " + reason + "."})
}

// end says what is left to say. A stream may end without a finish_reason, but
// not without its [DONE] then.
func (d *streamDecoder) end() {
	d.start()
	if len(d.choices) == 0 {
		d.choice(0).seen = true
	}
	for _, c := range d.choices {
		c.endAll()
	}
	for _, c := range d.choices {
		if !c.seen {
			continue
		}
		d.ev = api.Event{Choice: c.index, Finish: finish(c.reason, c.called, c.refused), StopSequence: c.stop, Logprobs: c.odds}
		if c.stop != "" && d.ev.Finish == api.FinishStop {
			d.ev.Finish = api.FinishStopSequence
		} else {
			d.ev.StopSequence = ""
		}
		d.send(api.Finished)
	}
	if usage := openai.Usage(d.usage, api.Usage{}); usage.Known {
		d.ev = api.Event{Usage: usage}
		d.send(api.UsageEvent)
	}
	d.over = true
	d.ev = api.Event{}
	d.send(api.End)
}

// Interface guard
var _ api.StreamDecoder = (*streamDecoder)(nil)
