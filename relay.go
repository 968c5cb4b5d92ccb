package plexus

import (
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/sse"
)

// maxHeld is how much of a stream, in bytes, is held back while waiting for its
// first content. The opening events of every API are far smaller, but for those
// of Responses, which repeat the request: its size comes on top.
const maxHeld = 1 << 20

// maxWhole is how much of an answer, in bytes, is read before the client gets
// its header: enough for nearly every answer to be judged as a whole, so that
// one that breaks off can still be asked of another target. Of one that says that
// it is longer nothing is held back.
const maxWhole = 4 << 20

// relay passes on the bytes of an answer in the client's own API.
func (a *answer) relay(kind string) *failure {
	isJSON := kind == "application/json" || strings.HasSuffix(kind, "+json") || a.x.op.verb == verbCount
	switch {
	case kind == eventStream:
		return a.relayStream()
	case !isJSON:
		return a.relayBytes(nil)
	case a.isArray():
		return a.relayArray()
	default:
		return a.relayWhole()
	}
}

// relayWhole passes on an answer that is one JSON document.
func (a *answer) relayWhole() *failure {
	limit := int64(maxWhole)
	if a.ids != nil {
		limit = maxTranslated // its id has to be found
	}
	if a.res.ContentLength > limit {
		return a.relayBytes(nil)
	}
	pool := a.x.gateway.buffers
	var src io.Reader = a.res.Body
	if a.res.ContentLength < 0 {
		src = io.LimitReader(src, limit)
	}
	body, err := pool.readAll(src, a.res.ContentLength)
	defer func() { a.giveBack(body) }()
	if err != nil {
		return a.gone(err)
	}
	if int64(len(body)) == limit {
		return a.relayBytes(body)
	}
	if f, bad := judgeAnswer(a.watcher.Answer(body), body); bad {
		return a.fail(f)
	}
	if a.x.op.verb == verbCount && !counts(body) {
		return a.fail(failure{reason: "an answer that is no count", verdict: verdictInvalid})
	}
	if a.ids != nil {
		body = a.ids.document(body)
	}
	return a.sendWhole(a.res.StatusCode, "", body)
}

// giveBack lets the memory of a body be used again, unless HTTP/2 may still be
// writing what a client gave up.
func (a *answer) giveBack(body []byte) {
	if !a.lost {
		a.x.gateway.buffers.put(body)
	}
}

// relayBytes passes on audio, and what else Plexus does not look into, as it
// comes. Head is what has been read of it already.
func (a *answer) relayBytes(head []byte) *failure {
	buf := make([]byte, 32<<10)
	n, err := 0, error(nil)
	if len(head) == 0 {
		for n == 0 && err == nil {
			n, err = a.res.Body.Read(buf)
		}
		head = buf[:n]
	}
	switch {
	case len(head) == 0 && errors.Is(err, io.EOF):
		return a.fail(failure{reason: "empty answer", verdict: verdictInvalid})
	case len(head) == 0:
		return a.gone(err)
	case failedText(head):
		return a.fail(errorInside(head))
	}
	if f := a.commit(inBytes); f != nil {
		return f
	}
	length := a.res.ContentLength
	if a.res.Uncompressed {
		length = unknownLength
	}
	a.header(a.res.StatusCode, "", length)
	for {
		// Of what comes in chunks, a read returns when the buffer is full: a large
		// one would hold back what has come.
		if len(buf) < bulk && len(head) >= len(buf) && a.res.ContentLength >= 0 {
			buf = a.x.gateway.buffers.get(bulk)[:bulk]
			defer a.giveBack(buf)
			defer a.x.inBulk()()
		}
		if err := a.send(head); err != nil {
			a.lost = true
			a.clientGone(err)
			return nil
		}
		if err != nil {
			a.endBytes(err)
			return nil
		}
		n, err = a.res.Body.Read(buf)
		a.clocks.heard(n)
		head = buf[:n]
	}
}

// endBytes ends an answer that has no event in which an error could be told: if
// it is not complete, the connection has to break, or the client would take it
// for complete.
func (a *answer) endBytes(err error) {
	switch {
	case errors.Is(err, io.EOF):
		a.finished = true
		a.ended(nil)
		a.x.flush()
	case a.x.r.Context().Err() != nil:
		a.clientGone(err)
	default:
		verdict, e := a.brokenOff()
		a.conclude(verdict, e, err)
		panic(http.ErrAbortHandler)
	}
}

// failedText recognises an error at the start of an answer that does not call
// itself JSON.
func failedText(head []byte) bool {
	text := strings.TrimLeft(string(head[:min(len(head), 64)]), " \r\n\t{")
	return strings.HasPrefix(text, `"error"`)
}

// relayStream passes on server-sent events, each as it comes. What comes before
// the first content is held back, so that a target that fails until then can be
// replaced by the next.
func (a *answer) relayStream() *failure {
	reader := sse.NewReader(a.res.Body)
	var held []byte
	limit := a.mayHold()
	for {
		ev, err := reader.Next()
		if err != nil {
			return a.endedEarly(err)
		}
		signs := a.look(ev)
		if f, bad := judgeEvent(ev, signs); bad {
			return a.fail(f)
		}
		// A few keep-alives go along; nobody misses the others.
		if !a.strips(signs) && (signs.Content || len(held) < keepAlives || !keepsAlive(ev)) {
			held = append(held, a.bytes(ev)...)
			a.count(ev)
		}
		if signs.Content {
			break
		}
		if len(held) > limit {
			return a.fail(failure{reason: "a stream without content", verdict: verdictInvalid})
		}
	}
	if f := a.commit(inEvents); f != nil {
		return f
	}
	a.streamHeader(a.res.StatusCode, "")
	a.follow(reader, held)
	return nil
}

// keepAlives is how much may be held, in bytes, for a keep-alive to be held too.
const keepAlives = 64 << 10

// keepsAlive tells whether an event is there for its own sake: a comment, or
// Anthropic's ping.
func keepsAlive(ev sse.Event) bool {
	return ev.Data == nil || string(ev.Name) == "ping" || string(jsonscan.Member(ev.Data, "type")) == `"ping"`
}

// mayHold is how much is held back of this stream, in bytes.
func (a *answer) mayHold() int { return maxHeld + 4*len(a.x.req.body) }

// bytes are an event as the client gets it.
func (a *answer) bytes(ev sse.Event) []byte {
	if a.ids != nil {
		return a.ids.event(ev)
	}
	return ev.Raw
}

func (a *answer) look(ev sse.Event) api.Signs {
	signs := a.watcher.Event(ev.Name, ev.Data)
	a.finished = (a.finished || signs.Finished) && !signs.Reopened
	a.closed = a.closed && !signs.Reopened || signs.Closed
	a.errored = a.errored || signs.Failed
	return signs
}

// judgeEvent is the verdict on an event before the first content.
func judgeEvent(ev sse.Event, signs api.Signs) (failure, bool) {
	switch {
	case signs.Failed:
		return errorInside(ev.Data), true
	case len(ev.Data) > 0 && string(ev.Data) != "[DONE]" && !jsonscan.Valid(ev.Data):
		return failure{reason: "a broken stream", verdict: verdictInvalid}, true
	}
	return failure{}, false
}

// endedEarly is the verdict on a stream that ended before its first content.
func (a *answer) endedEarly(err error) *failure {
	if errors.Is(err, io.EOF) {
		return a.fail(failure{reason: "empty stream", verdict: verdictInvalid})
	}
	return a.gone(err)
}

// strips tells whether an event only answers what we asked for and the client
// did not.
func (a *answer) strips(signs api.Signs) bool {
	return signs.UsageOnly && a.passage.strips
}

// follow sends what was held back and then every event as it comes, each in a
// flush of its own unless the provider is far ahead.
func (a *answer) follow(reader *sse.Reader, held []byte) {
	defer a.x.flush()
	batch := batch{out: held}
	for {
		if len(batch.out) > 0 && !batch.joins(len(batch.out), reader.Ahead()) {
			if err := a.send(batch.out); err != nil {
				a.clientGone(err)
				return
			}
			batch.out = nil
		}
		ev, err := reader.Next()
		if err == nil && cutShort(ev) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			a.ended(err)
			return
		}
		signs := a.look(ev)
		a.mark(signs, len(batch.out) > 0)
		if a.strips(signs) {
			continue
		}
		a.count(ev)
		raw := a.bytes(ev)
		if signs.Failed {
			raw = a.target.Provider.redact(raw)
		}
		batch.add(raw)
		if signs.Content && batch.wasAhead {
			a.followRun(reader, ev, &batch)
		}
	}
}

// followRun has those events behind a text go with it that are the like of it. They
// are most of a stream, and need not be told apart.
func (a *answer) followRun(reader *sse.Reader, ev sse.Event, batch *batch) {
	repeater, ok := a.watcher.(api.Repeater)
	before, after := ev.Around()
	if !ok || a.ids != nil || len(after) == 0 {
		return
	}
	run := repeater.Repeats(reader.Peek(), before, after, keptBuffer-len(batch.out))
	if run.Events > 0 {
		batch.add(reader.Skip(run.Length))
		a.events += int64(run.Events)
		a.clocks.size.Add(int64(run.Size))
	}
}

// count counts an event, for the number of one that we may have to add: Responses
// numbers its events, and no comments.
func (a *answer) count(ev sse.Event) {
	if ev.Data != nil {
		a.events++
	}
}

// cutShort tells whether an event is only the half of one, at which the stream
// broke: what is sent after it, an error for one, would become a part of it.
func cutShort(ev sse.Event) bool {
	last := ev.Raw[len(ev.Raw)-1]
	return last != '\n' && ev.Data != nil && string(ev.Data) != "[DONE]" && !jsonscan.Valid(ev.Data)
}
