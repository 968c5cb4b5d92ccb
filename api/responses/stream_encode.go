package responses

import (
	"net/http"

	"github.com/caddy-plexus/plexus/api"
)

// NewStreamEncoder implements api.Codec.
func (Codec) NewStreamEncoder(req *api.Request) api.StreamEncoder {
	return newStreamEncoder(req)
}

func newStreamEncoder(req *api.Request) *streamEncoder {
	if req == nil {
		req = &api.Request{Source: api.Responses}
	}
	e := &streamEncoder{req: req, names: toolNames(req)}
	e.order = api.NewSerializer(e.handle)
	return e
}

// streamEncoder writes the items of an answer one after the other, as OpenAI's
// own streams do, and keeps those that are done: the last event repeats them all.
// The SDKs rebuild the answer from each event and throw at one that they do not
// know or that names an item or a part they have not seen begin:
// https://github.com/openai/openai-node/blob/master/src/lib/responses/ResponseAccumulator.ts.
type streamEncoder struct {
	req   *api.Request
	names map[string]toolName
	order *api.Serializer

	dst      buffer
	sequence int64 // of the next event
	whole    bool  // only the response is wanted, and no events
	from     int   // where the event begins that is being written

	id, model, tier string
	created         int64
	started, done   bool

	output buffer // the items that are done, with the commas between them
	items  int64  // how many they are
	item   outputItem
	part   outputPart

	logprobs   []byte // of the first text, or of the one that is being told
	characters int64  // of the texts that have ended

	refused bool
	finish  api.Finish
	usage   api.Usage
	failure *api.Error // that ended the stream
}

// Encode implements api.StreamEncoder.
func (e *streamEncoder) Encode(dst []byte, ev *api.Event) []byte {
	e.dst = dst
	if !e.done {
		e.order.Add(ev)
	}
	dst, e.dst = e.dst, nil
	return dst
}

func (e *streamEncoder) handle(ev *api.Event) {
	switch ev.Kind {
	case api.Start:
		e.start(ev)
	case api.PartStart:
		e.partStart(ev.Content)
	case api.Delta:
		e.delta(ev.Text, answerLogprobs(ev.Logprobs))
	case api.Signature:
		if ev.Content != nil {
			e.part.signature += ev.Content.Signature
			e.part.vendor = ev.Content.Vendor
		}
	case api.CitationEvent:
		e.citation(ev.Citation)
	case api.PartEnd:
		e.partEnd()
	case api.Finished:
		e.finish = ev.Finish
	case api.UsageEvent:
		e.usage = ev.Usage
	case api.Ping:
		// A comment, which readers of event streams skip: of the events that
		// OpenAI documents, none says nothing.
		if e.started {
			e.dst = append(e.dst, ": ping\n\n"...)
		}
	case api.ErrorEvent:
		e.fail(ev.Err)
	case api.End:
		e.end()
	}
}

// begin writes an event up to its own members; send ends it.
func (e *streamEncoder) begin(kind string) {
	e.from = len(e.dst)
	e.dst = append(append(e.dst, "event: "...), kind...)
	e.dst = append(append(e.dst, "\ndata: {\"type\":\""...), kind...)
	e.dst = append(e.dst, '"')
	e.dst.whole("sequence_number", e.sequence)
}

func (e *streamEncoder) send() {
	if e.whole {
		e.dst = e.dst[:e.from]
		return
	}
	e.sequence++
	e.dst = append(e.dst, "}\n\n"...)
}

// start tells of a response that has nothing in it yet.
func (e *streamEncoder) start(ev *api.Event) {
	if e.started {
		return
	}
	e.started = true
	e.id, e.created, e.model = identity(ev.ID, ev.Created, ev.Model, e.req)
	for _, kind := range []string{"response.created", "response.in_progress"} {
		e.begin(kind)
		e.dst.key("response")
		e.response("in_progress", "")
		e.send()
	}
}

// fail ends the stream with an error, and says nothing that looks like success. As
// OpenAI does, it says so twice: its SDKs throw at the first event, and those who
// follow the response's state, as Codex does, read the second. A stream that has
// not begun has no response to tell of.
func (e *streamEncoder) fail(err *api.Error) {
	e.done = true
	if err == nil {
		err = &api.Error{Status: http.StatusBadGateway, Message: "The provider's stream failed. Try again."}
	}
	e.failure = err
	if e.started {
		e.closeItem()
	}
	e.dst = append(e.dst, api.Responses.ErrorEvent(*err, e.sequence)...)
	if !e.started {
		return
	}
	e.sequence++
	e.begin("response.failed")
	e.dst.key("response")
	e.response("failed", "")
	e.send()
}

// end tells the whole response.
func (e *streamEncoder) end() {
	e.start(&api.Event{})
	e.closeItem()
	e.done = true
	status, reason := statusFor(e.finish, e.refused)
	e.begin("response." + status)
	e.dst.key("response")
	e.response(status, reason)
	e.send()
}

// Interface guard
var _ api.StreamEncoder = (*streamEncoder)(nil)
