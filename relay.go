package plexus

import (
	"bufio"
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/sse"
)

// answer is a target's answer on its way to the client.
type answer struct {
	x       *exchange
	ctx     context.Context
	target  *Target
	passage *passage
	ids     *responseIDs // for responses that the provider stores
	began   time.Time
	res     *http.Response
	clock   *time.Timer
	watcher api.Watcher

	content  time.Duration // since began, to the first content
	events   int64         // that went to the client
	finished bool          // as the model meant it to
	closed   bool          // nothing of it can follow
	failed   bool          // the provider says so
	told     bool          // the client has been told that it broke off
}

// maxHeld is how much of a stream, in bytes, is held back while waiting for its
// first content. The opening events of every API are far smaller, but for those
// of Responses, which repeat the request: its size comes on top.
const maxHeld = 1 << 20

// maxWhole is how much of an answer, in bytes, is read before the client gets
// its header: enough for nearly every answer to be judged as a whole, so that
// one that breaks off can still be asked of another target.
const maxWhole = 4 << 20

// pass passes the answer on: by relay where client and target speak the same
// API, else by translation. It returns nil once the client has got anything, else
// why the next target shall be asked.
func (a *answer) pass() *failure {
	kind, _, _ := mime.ParseMediaType(a.res.Header.Get("Content-Type"))
	switch {
	case kind == "text/html":
		return a.fail(failure{reason: "an HTML page instead of an answer", verdict: verdictInvalid})
	case a.passage.stream && kind != eventStream && a.saysEvents():
		kind = eventStream
		a.res.Header.Set("Content-Type", kind)
	}
	if stream := kind == eventStream; a.translates(stream) {
		return a.translate(stream)
	}
	return a.relay(kind)
}

const eventStream = "text/event-stream"

// saysEvents tells whether an answer that does not call itself a stream of events
// is one, as those of some servers are.
func (a *answer) saysEvents() bool {
	body := bufio.NewReader(a.res.Body)
	a.res.Body = rejoined{body, a.res.Body}
	head, _ := body.Peek(len("event:"))
	for _, field := range []string{"data:", "event:", "id:", ":"} {
		if strings.HasPrefix(string(head), field) {
			return true
		}
	}
	return false
}

// translates tells whether the answer has to be put into another form: its API is
// another one, or it is a stream where the client asked for none, or the reverse.
// The latter passes as it is where nobody understands what the client asks.
func (a *answer) translates(stream bool) bool {
	if a.passage.op.api != a.x.op.api {
		return true
	}
	if stream && a.x.wantsArray() {
		return true // which only Gemini's clients do
	}
	if stream == a.x.req.stream || a.x.op.verb != verbGenerate || codecs[a.x.op.api] == nil || a.isArray() {
		return false
	}
	_, err := a.x.neutralRequest()
	return err == nil
}

// wantsArray tells whether the client asks for a stream in a JSON array, as Gemini's
// do without alt=sse.
func (x *exchange) wantsArray() bool {
	return x.op.streams() && x.r.URL.Query().Get("alt") != "sse"
}

// isArray tells whether the answer is a stream in a JSON array, as Gemini's are
// without alt=sse.
func (a *answer) isArray() bool {
	return a.passage.op.streams() && !strings.Contains(a.passage.query, "alt=sse")
}

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

func (a *answer) fail(f failure) *failure {
	f.status = a.res.StatusCode
	return a.x.failed(a.target, f, nil)
}

// gone is the verdict on an answer that broke off before anything of it went to
// the client.
func (a *answer) gone(err error) *failure {
	f := judgeError(a.ctx, err)
	return a.x.failed(a.target, f, err)
}

// commit sends the header to the client. From here on there is no failover.
func (a *answer) commit() error {
	x := a.x
	if !a.clock.Stop() {
		// The first content came in the very moment in which time ran out.
		return errFirstContent
	}
	now := x.gateway.now()
	x.committed = true
	// Nobody else will be asked, and the stream may go on for an hour.
	x.req.body = nil
	x.sent.drop()
	x.firstContent, a.content = now.Sub(x.start), now.Sub(a.began)
	header := x.w.Header()
	copyAnswerHeader(header, a.res.Header)
	x.nameTarget(header)
	x.gateway.answered(a.target, a.began)
	return nil
}

// relayWhole passes on an answer that is one JSON document.
func (a *answer) relayWhole() *failure {
	limit := maxWhole
	if a.ids != nil {
		limit = maxTranslated // its id has to be found
	}
	body, err := readAll(io.LimitReader(a.res.Body, int64(limit)), a.res.ContentLength)
	if err != nil {
		return a.gone(err)
	}
	if len(body) == limit {
		return a.relayBytes(body)
	}
	if !jsonscan.Valid(body) && len(body) > 0 {
		return a.fail(failure{reason: "a broken answer", verdict: verdictInvalid})
	}
	if f, bad := judgeAnswer(a.watcher.Answer(body), body); bad {
		return a.fail(f)
	}
	if a.x.op.verb == verbCount && !counts(body) {
		return a.fail(failure{reason: "an answer that is no count", verdict: verdictInvalid})
	}
	if err := a.commit(); err != nil {
		return a.gone(err)
	}
	if a.ids != nil {
		body = a.ids.document(body)
	}
	a.x.w.Header()["Content-Length"] = []string{strconv.Itoa(len(body))}
	a.x.w.WriteHeader(a.res.StatusCode)
	a.finished = true
	if _, err := a.x.w.Write(body); err != nil {
		a.clientGone(err)
		return nil
	}
	a.ended(nil)
	return nil
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
		return a.fail(failure{reason: "an error inside a 200", verdict: verdictInvalid})
	}
	if err := a.commit(); err != nil {
		return a.gone(err)
	}
	if a.res.ContentLength >= 0 && !a.res.Uncompressed {
		a.x.w.Header()["Content-Length"] = []string{strconv.FormatInt(a.res.ContentLength, 10)}
	}
	a.x.w.WriteHeader(a.res.StatusCode)
	for {
		if err := a.send(head); err != nil {
			a.clientGone(err)
			return nil
		}
		if err != nil {
			a.endBytes(err)
			return nil
		}
		n, err = a.res.Body.Read(buf)
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
		_ = a.x.rc.Flush() // renews the deadline, as at the end of a stream
	case a.x.r.Context().Err() != nil:
		a.clientGone(err)
	default:
		a.conclude(verdictInvalid, a.brokenOff(), err)
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
			a.events++
		}
		if signs.Content {
			break
		}
		if len(held) > limit {
			return a.fail(failure{reason: "a stream without content", verdict: verdictInvalid})
		}
	}
	if err := a.commit(); err != nil {
		return a.gone(err)
	}
	streamHeader(a.x.w.Header())
	a.x.w.WriteHeader(a.res.StatusCode)
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
	a.failed = a.failed || signs.Failed
	return signs
}

// judgeEvent is the verdict on an event before the first content.
func judgeEvent(ev sse.Event, signs api.Signs) (failure, bool) {
	switch {
	case signs.Failed:
		return failure{reason: "an error inside a 200", verdict: verdictInvalid}, true
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
// flush of its own.
func (a *answer) follow(reader *sse.Reader, held []byte) {
	// net/http writes the end of the body past a deadline that a long pause
	// has let expire, unless a flush renews it.
	defer a.x.rc.Flush()
	if err := a.send(held); err != nil {
		a.clientGone(err)
		return
	}
	for {
		ev, err := reader.Next()
		if err == nil && cutShort(ev) {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			a.ended(err)
			return
		}
		signs := a.look(ev)
		if a.strips(signs) {
			continue
		}
		a.events++
		raw := a.bytes(ev)
		if signs.Failed {
			raw = a.target.Provider.redact(raw)
		}
		if err := a.send(raw); err != nil {
			a.clientGone(err)
			return
		}
	}
}

// cutShort tells whether an event is only the half of one, at which the stream
// broke: what is sent after it, an error for one, would become a part of it.
func cutShort(ev sse.Event) bool {
	last := ev.Raw[len(ev.Raw)-1]
	return last != '\n' && ev.Data != nil && string(ev.Data) != "[DONE]" && !jsonscan.Valid(ev.Data)
}

// streamHeader keeps what stands between us and the client from collecting the
// events: compression gains nothing on what is flushed one by one, and a buffer,
// such as nginx's, defeats its purpose.
func streamHeader(header http.Header) {
	header["Cache-Control"] = []string{"no-cache, no-transform"}
	header["X-Accel-Buffering"] = []string{"no"}
}

// send writes bytes and sees to it that they leave.
func (x *exchange) send(b []byte) error {
	if _, err := x.w.Write(b); err != nil {
		return err
	}
	if err := x.rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// ended judges how the provider's stream ended. One that it left unfinished ends
// with the error event of the client's API: never in silence, as if this were
// all. A finished one may end without the API's mark of the end, as some
// servers do, but may not break off before it.
func (a *answer) ended(err error) {
	orderly := err == nil || errors.Is(err, io.EOF)
	switch {
	case a.failed:
		a.conclude(verdictInvalid, fail(ErrStreamBroken, "%s ended its answer with an error", a.target), err)
	case a.finished && (orderly || a.closed):
		a.conclude(verdictServed, nil, nil)
	case a.x.r.Context().Err() != nil:
		a.clientGone(err)
	default:
		e := a.brokenOff()
		a.conclude(verdictInvalid, e, err)
		if !a.told {
			_ = a.send(a.x.op.api.ErrorEvent(e.forClient(), a.events)) // nothing is left to try
		}
	}
}

func (a *answer) brokenOff() *Error {
	return fail(ErrStreamBroken, "the answer of %s broke off before its end", a.target)
}

func (a *answer) send(b []byte) error { return a.x.send(b) }

// clientGone notes that the client left. SDKs hang up on the last event, without
// waiting for the end of the body: that is a success.
func (a *answer) clientGone(err error) {
	if a.finished && !a.failed {
		a.conclude(verdictServed, nil, nil)
		return
	}
	a.conclude(verdictCanceled, fail(ErrClientClosed, "the client went away"), err)
}

// conclude records how the answer ended, and what it tells of the target.
func (a *answer) conclude(verdict string, e *Error, cause error) {
	x, t, now := a.x, a.target, a.x.gateway.now()
	x.usage, x.err = a.watcher.Usage(), e
	metrics.attempt(t, verdict)
	if c := x.gateway.logger.Check(zapcore.DebugLevel, "answered"); c != nil {
		c.Write(zap.String("plexus_alias", x.route.Alias), zap.String("plexus_provider", t.Provider.Name), zap.String("plexus_model", t.Model),
			zap.Int("attempt", x.attempts), zap.String("verdict", verdict), zap.Error(cause))
	}
	metrics.firstContent.WithLabelValues(t.Provider.Name, t.label, string(x.op.api)).Observe(a.content.Seconds())
	switch verdict {
	case verdictServed:
		x.gateway.succeeded(t, a.began)
		if x.op.verb == verbCount || x.op.verb == verbEmbed {
			return // tells nothing of how fast the target answers questions
		}
		t.state.observeFirstContent(a.content, now)
		if rate, ok := outputRate(x.usage.Generated(), now.Sub(a.began), a.content, x.req.stream); ok {
			t.state.observeOutputRate(rate, now)
			metrics.outputRate.WithLabelValues(t.Provider.Name, t.label).Observe(rate)
		}
	case verdictInvalid:
		x.gateway.blame(t, &failure{reason: e.Message, verdict: verdict, late: true}, a.began)
	}
}
