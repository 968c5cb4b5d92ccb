package plexus

import (
	"errors"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/gemini"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/sse"
)

// translation is an answer on its way from a target's API to the client's, or
// from a stream to a whole answer or back. It has two ends, each of which knows
// one format, and the neutral form in between.
type translation struct {
	*answer
	req    *api.Request // the client's
	client api.ClientCodec
	target api.TargetCodec

	encoder api.StreamEncoder
	array   bool             // the stream is Gemini's JSON array, and no event stream
	emit    func(*api.Event) // take
	buf     []byte           // what is to be sent
	ready   bool             // something that the client can act on has come

	signs api.Signs   // of the last event of the target's
	sight api.Watcher // of the target's API
}

// maxTranslated is how much of an answer, in bytes, is read to be translated as
// a whole: images are among them.
const maxTranslated = 64 << 20

// translate passes the answer on in the client's API. It returns nil once the
// client has got anything, else why the next target shall be asked.
func (a *answer) translate(stream bool) *failure {
	if a.x.op.verb == verbEmbed {
		return a.translateEmbeddings()
	}
	req, err := a.x.neutralRequest()
	if err != nil {
		return a.fail(failure{reason: "the answer is not in the form that was asked for", verdict: verdictInvalid})
	}
	t := &translation{answer: a, req: req, client: clientCodec(a.x.op.api), target: codecs[a.passage.op.api]}
	switch {
	case stream && a.x.req.stream:
		t.req = req.Answering()
		return t.relayEvents()
	case stream:
		return t.collect()
	default:
		return t.relayAnswer()
	}
}

// relayAnswer translates an answer in one piece, for a client that asked for one
// or for a stream.
func (t *translation) relayAnswer() *failure {
	body, err := t.x.gateway.buffers.readAll(io.LimitReader(t.res.Body, maxTranslated), t.res.ContentLength)
	switch {
	case err != nil:
		return t.gone(err)
	case len(body) == maxTranslated:
		return t.fail(failure{reason: "an answer that is too large to translate", verdict: verdictInvalid})
	case reportsError(body):
		return t.fail(errorInside(body))
	}
	resp, err := t.target.DecodeResponse(body)
	if err != nil {
		return t.failed(failure{status: t.res.StatusCode, reason: "an answer that cannot be understood", verdict: verdictInvalid}, err)
	}
	if f, bad := judgeAnswer(api.Signs{Content: answers(resp)}, body); bad {
		return t.fail(f)
	}
	t.adopt(resp)
	if malformed(resp) {
		return t.fail(malformedCall)
	}
	if t.x.req.stream {
		return t.unfold(resp)
	}
	return t.deliver(resp)
}

// reportsError tells whether a whole answer is an error, in any of the APIs.
func reportsError(body []byte) bool { return !api.Empty(jsonscan.Member(body, "error")) }

// answers tells whether there is anything in an answer: content, or why it ended.
func answers(resp *api.Response) bool {
	return slices.ContainsFunc(resp.Choices, func(c api.Choice) bool { return len(c.Parts) > 0 || c.Finish != "" })
}

// collect makes one answer of a stream.
func (t *translation) collect() *failure {
	var whole api.Accumulator
	over := false
	add := func(ev *api.Event) {
		over = over || ev.Kind == api.End || ev.Kind == api.ErrorEvent
		whole.Add(ev)
	}
	decoder := t.target.NewStreamDecoder()
	body := &io.LimitedReader{R: t.res.Body, N: maxTranslated}
	// What follows the end is not waited for: some connections stay open.
	for reader := sse.NewReader(body); !over; {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) && body.N > 0 {
			decoder.Close(add)
			break
		}
		if err != nil {
			return t.collectFailed(body, err)
		}
		if err := decoder.Decode(ev.Name, ev.Data, add); err != nil {
			return t.failed(failure{status: t.res.StatusCode, reason: "a broken stream", verdict: verdictInvalid}, err)
		}
	}
	resp, complete := whole.Response()
	switch {
	case whole.Err() != nil:
		return t.fail(errorInside([]byte(whole.Err().Message)))
	case len(resp.Choices) == 0:
		return t.fail(failure{reason: "empty stream", verdict: verdictInvalid})
	case !complete:
		return t.fail(failure{reason: "a stream that broke off", verdict: verdictInvalid})
	}
	t.adopt(resp)
	if malformed(resp) {
		return t.fail(malformedCall)
	}
	return t.deliver(resp)
}

// malformedCall is the failure of an answer whose call of a tool the provider itself
// could not read, as Gemini's MALFORMED_FUNCTION_CALL: chat and messages have no word
// for it but that all went well. It comes of some tools more often than of others.
var malformedCall = failure{reason: "a call of a tool that could not be read", verdict: verdictInvalid, blameless: true}

func malformed(resp *api.Response) bool {
	return slices.ContainsFunc(resp.Choices, func(c api.Choice) bool { return c.Finish == api.FinishMalformed })
}

// adopt makes an answer the client's, with its names of tools.
func (t *translation) adopt(resp *api.Response) {
	t.passage.names.Restore(resp)
	t.watcher = counted(resp.Usage)
}

// sealed is the id by which a stored response can be found again.
func (t *translation) sealed(id string) string {
	if t.ids == nil || id == "" {
		return id
	}
	return t.ids.seal(id)
}

func (t *translation) collectFailed(body *io.LimitedReader, err error) *failure {
	if body.N <= 0 {
		return t.fail(failure{reason: "an answer that is too large to translate", verdict: verdictInvalid})
	}
	return t.gone(err)
}

// deliver gives the client a whole answer.
func (t *translation) deliver(resp *api.Response) *failure {
	resp.ID = t.sealed(resp.ID)
	body, err := t.client.EncodeResponse(resp, t.req)
	if err != nil {
		return t.failed(failure{status: t.res.StatusCode, reason: "an answer that cannot be translated", verdict: verdictInvalid}, err)
	}
	return t.sendWhole(http.StatusOK, "application/json", body)
}

// unfold gives a whole answer to a client that asked for a stream.
func (t *translation) unfold(resp *api.Response) *failure {
	t.begin()
	resp.Emit(t.take)
	if f := t.open(); f != nil {
		return f
	}
	defer t.x.flush()
	t.finish(nil)
	return nil
}

// begin makes ready to write a stream.
func (t *translation) begin() {
	if t.array = t.x.wantsArray(); t.array {
		t.encoder = gemini.Codec{}.NewArrayEncoder(t.req)
	} else {
		t.encoder = t.client.NewStreamEncoder(t.req)
	}
	t.sight, t.watcher, t.emit = t.watcher, new(counter), t.take
}

// take notes what an event tells of the answer, and writes it for the client.
func (t *translation) take(ev *api.Event) {
	if ev.Kind == api.Finished && ev.Finish == api.FinishMalformed {
		t.harmless = true
		ev = &api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: http.StatusBadGateway, Message: "the model made " + malformedCall.reason + "; try again"}}
	}
	switch ev.Kind {
	case api.Start:
		if ev.Usage.Known {
			t.watcher = counted(ev.Usage)
		}
		ev.ID = t.sealed(ev.ID)
	case api.Delta:
		t.ready = true
		if !api.Empty(ev.Text) {
			t.signs.Content = true
			t.signs.Size += api.SizeOf(ev.Text)
		}
	case api.Finished, api.CitationEvent:
		t.ready, t.signs.Content = true, true
	case api.PartStart:
		t.ready = t.ready || ev.Content != nil && ev.Content.Kind != api.Text && ev.Content.Kind != api.Thinking
		t.signs.Works = true
	case api.UsageEvent:
		t.watcher = counted(ev.Usage)
	case api.ErrorEvent:
		t.errored = true
		ev = &api.Event{Kind: api.ErrorEvent, Err: t.forClient(ev.Err)}
	case api.End:
		t.finished, t.closed = true, true
	}
	t.passage.names.RestoreEvent(ev)
	t.buf = t.encoder.Encode(t.buf, ev)
}

// forClient is a provider's error in the middle of a stream, as far as it is the
// client's business: what is wrong with our credential is not.
func (t *translation) forClient(e *api.Error) *api.Error {
	out := api.Error{Status: http.StatusBadGateway, Message: t.answer.target.String() + " ended its answer with an error"}
	if e != nil {
		out = *e
		out.Message = string(t.answer.target.Provider.redact([]byte(e.Message)))
	}
	if ourFault(&out) {
		out = api.Error{Status: http.StatusBadGateway, Message: t.answer.target.String() + " refuses the gateway's credential"}
	}
	return &out
}

// ourFault tells whether an error is about our credential or our account.
func ourFault(e *api.Error) bool {
	switch e.Status {
	case http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden:
		return true
	}
	for _, word := range []string{e.Code, e.Type} {
		switch word {
		case "invalid_api_key", "authentication_error", "permission_error", "billing_error", "insufficient_quota":
			return true
		}
	}
	return false
}

// relayEvents translates a stream, event by event. What comes before the first
// content is held back, as in a relay.
func (t *translation) relayEvents() *failure {
	t.begin()
	decoder := t.target.NewStreamDecoder()
	reader := sse.NewReader(t.res.Body)
	limit := t.mayHold()
	for !t.ready {
		ev, err := reader.Next()
		if err != nil {
			if errors.Is(err, io.EOF) && decoder.Close(t.emit) && t.ready {
				break // all of it came with its end
			}
			if t.harmless {
				return t.fail(malformedCall)
			}
			return t.endedEarly(err)
		}
		if err := decoder.Decode(ev.Name, ev.Data, t.emit); err != nil {
			return t.failed(failure{status: t.res.StatusCode, reason: "a broken stream", verdict: verdictInvalid}, err)
		}
		switch {
		case t.harmless:
			return t.fail(malformedCall)
		case t.errored:
			return t.fail(errorInside(ev.Data))
		case !t.ready && len(t.buf) > limit:
			return t.fail(failure{reason: "a stream without content", verdict: verdictInvalid})
		}
	}
	if f := t.open(); f != nil {
		return f
	}
	defer t.x.flush()
	t.follow(decoder, reader)
	return nil
}

// open sends the header.
func (t *translation) open() *failure {
	if f := t.commit(inEvents); f != nil {
		return f
	}
	t.streamHeader(http.StatusOK, streamType(t.array))
	return nil
}

// streamType is the Content-Type of a stream of ours.
func streamType(array bool) string {
	if array {
		return "application/json; charset=utf-8"
	}
	return "text/event-stream; charset=utf-8"
}

// follow sends what was held back and then what each event comes to, in a flush
// of its own unless the provider is far ahead.
func (t *translation) follow(decoder api.StreamDecoder, reader *sse.Reader) {
	var (
		lead    lead
		lingers *time.Timer
	)
	for {
		if len(t.buf) > 0 && !lead.joins(len(t.buf), reader.Ahead()) {
			if err := t.sendBuffered(); err != nil {
				t.clientGone(err)
				return
			}
		}
		if t.closed && len(t.buf) == 0 && lingers == nil {
			// All is told, and the client waits for the body's end. The
			// provider's comes at once, or the connection is given up.
			lingers = time.AfterFunc(lingering, func() { _ = t.res.Body.Close() })
			defer lingers.Stop()
		}
		ev, err := reader.Next()
		switch {
		case err != nil:
			if !t.finished && (errors.Is(err, io.EOF) || t.late() != nil) {
				decoder.Close(t.emit)
			}
			t.finish(err)
			return
		case ev.Data == nil:
			t.mark(api.Signs{}, len(t.buf) > 0)
			t.take(&api.Event{Kind: api.Ping})
		default:
			if err := t.decode(decoder, ev); err != nil || t.errored {
				t.finish(err)
				return
			}
		}
	}
}

// decode takes in an event, and shows it to the clocks. What our form has no word
// for, such as a search that goes on, the watcher of the target's API sees.
func (t *translation) decode(decoder api.StreamDecoder, ev sse.Event) error {
	t.signs = api.Signs{}
	joined := len(t.buf) > 0
	err := decoder.Decode(ev.Name, ev.Data, t.emit)
	if !t.signs.Content && !t.signs.Works {
		t.signs = t.sight.Event(ev.Name, ev.Data)
	}
	t.mark(t.signs, joined)
	return err
}

// lingering is how long a provider has to end a stream whose last event has come.
const lingering = 100 * time.Millisecond

// finish sends what is left, and ends a stream that broke off with the error
// event of the client's API. A decoder that has reported an error is done.
func (t *translation) finish(cause error) {
	if !t.finished && !t.errored && t.x.r.Context().Err() == nil {
		_, broken := t.brokenOff()
		e := broken.forClient()
		t.buf = t.encoder.Encode(t.buf, &api.Event{Kind: api.ErrorEvent, Err: &e})
		t.told = true
	}
	if err := t.sendBuffered(); err != nil {
		t.clientGone(err)
		return
	}
	t.ended(cause)
}

// emptied is a buffer to be used again. One that an image made large shall not
// stay for the rest of the stream.
func emptied(buf []byte) []byte {
	if cap(buf) > keptBuffer {
		return nil
	}
	return buf[:0]
}

// sendBuffered sends what the encoder has written, if anything.
func (t *translation) sendBuffered() error {
	out := t.buf
	t.buf = emptied(out)
	if len(out) == 0 {
		return nil
	}
	return t.send(out)
}

// counter is a watcher of what was decoded: it knows the usage.
type counter struct{ usage api.Usage }

func counted(u api.Usage) *counter { return &counter{u} }

// Event implements api.Watcher. The decoder looks at the events.
func (*counter) Event(_, _ []byte) api.Signs { return api.Signs{} }

// Answer implements api.Watcher. The decoder looks at the answer.
func (*counter) Answer([]byte) api.Signs { return api.Signs{} }

// Usage implements api.Watcher.
func (c *counter) Usage() api.Usage { return c.usage }

// Interface guard
var _ api.Watcher = (*counter)(nil)
