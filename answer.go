package plexus

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-plexus/plexus/api"
)

// answer is a target's answer on its way to the client.
type answer struct {
	*attempt
	res     *http.Response
	ids     *responseIDs // for responses that the provider stores
	watcher api.Watcher

	content  time.Duration // since began, to the first content
	events   int64         // that went to the client
	finished bool          // as the model meant it to
	took     bool          // the client has got that end
	closed   bool          // nothing of it can follow
	errored  bool          // the provider says so
	told     bool          // the client has been told that it broke off
	opened   bool          // a keep-alive has sent the client a header
	lost     bool          // the client did not take all of it
	inArray  bool          // the client has got elements of an array
	harmless bool          // what it failed by may be the request's doing
}

// pass passes the answer on: by relay where client and target speak the same
// API, else by translation. It returns nil once the client has got anything, else
// why the next target shall be asked.
func (a *answer) pass() *failure {
	kind := mediaType(a.res.Header.Get("Content-Type"))
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

func (a *answer) fail(f failure) *failure {
	f.status = a.res.StatusCode
	return a.failed(f, nil)
}

// gone is the verdict on an answer that broke off before anything of it went to
// the client.
func (a *answer) gone(err error) *failure {
	return a.failed(judgeError(&a.ctx, err), err)
}

// commit makes the answer the client's. From here on there is no failover.
func (a *answer) commit(as shape) *failure {
	x := a.x
	if late := a.clocks.commit(as == inOnePiece); late != nil {
		// The first content came in the very moment in which time ran out.
		return a.gone(late)
	}
	var err error
	a.clocks.holds() // a keep-alive may be on its way to a slow client
	a.opened, err = a.win(as)
	a.clocks.released()
	switch {
	case errors.Is(err, errUnfit):
		return a.fail(failure{reason: "an answer in one piece, where the client has been promised a stream", verdict: verdictInvalid, blameless: true})
	case err != nil:
		return a.gone(err)
	}
	now := x.gateway.now()
	x.committed = true
	a.sent.drop()
	if x.race == nil {
		x.letGo()
	}
	x.firstContent, a.content = now.Sub(x.start), now.Sub(a.began)
	a.flight.answered(now)
	if !a.counts() {
		a.recent().add(a.content, now)
		x.gateway.answered(a.attempt)
	}
	return nil
}

// header sends the header to the client, unless a keep-alive has done so. The
// kind and the length take the place of the provider's, where they are given.
func (a *answer) header(status int, kind string, length int64) {
	if a.opened {
		return
	}
	header := a.x.w.Header()
	copyAnswerHeader(header, a.res.Header)
	a.x.nameTarget(header)
	if kind != "" {
		header["Content-Type"] = []string{kind}
	}
	if length >= 0 {
		header["Content-Length"] = []string{strconv.FormatInt(length, 10)}
	}
	a.x.w.WriteHeader(status)
}

// streamHeader sends the header of a stream.
func (a *answer) streamHeader(status int, kind string) {
	if !a.opened {
		streamHeader(a.x.w.Header())
		a.header(status, kind, unknownLength)
	}
}

// unknownLength is that of a body which is as long as it gets.
const unknownLength = -1

// sendWhole gives the client an answer in one piece. A kind takes the place of the
// provider's Content-Type.
func (a *answer) sendWhole(status int, kind string, body []byte) *failure {
	if f := a.commit(inOnePiece); f != nil {
		return f
	}
	a.header(status, kind, int64(len(body)))
	a.finished = true
	if len(body) > caddyhttp.DefaultMaxWriteChunk {
		defer a.x.inBulk()()
	}
	if _, err := a.x.w.Write(body); err != nil {
		a.lost = true
		a.clientGone(err)
		return nil
	}
	a.took = true
	a.ended(nil)
	return nil
}

// streamHeader keeps what stands between us and the client from collecting the
// events: compression gains nothing on what is flushed one by one, and a buffer,
// such as nginx's, defeats its purpose.
func streamHeader(header http.Header) {
	header["Cache-Control"] = []string{"no-cache, no-transform"}
	header["X-Accel-Buffering"] = []string{"no"}
}

// flushed sees to it that what was written leaves.
func flushed(rc *http.ResponseController) error {
	if err := rc.Flush(); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	return nil
}

// ended judges how the provider's stream ended. One that it left unfinished ends
// with the error event of the client's API: never in silence, as if this were
// all. A finished one may end without the API's mark of the end, as some
// servers do, or not at all, but may not break off before it.
func (a *answer) ended(err error) {
	orderly := err == nil || errors.Is(err, io.EOF) || a.late() != nil
	switch {
	case a.errored:
		a.conclude(verdictInvalid, fail(ErrStreamBroken, "%s ended its answer with an error", a.target), err)
	case a.finished && (orderly || a.closed):
		if a.inArray {
			_ = a.send([]byte("]\n"))
		}
		a.conclude(verdictServed, nil, nil)
	case a.x.r.Context().Err() != nil:
		a.clientGone(err)
	default:
		verdict, e := a.brokenOff()
		a.conclude(verdict, e, err)
		if !a.told {
			a.told = true
			_ = a.send(a.errorEvent(e.forClient())) // nothing is left to try
		}
	}
}

// late is the clock that ended the attempt, or nil.
func (a *attempt) late() *overdue {
	late, _ := errors.AsType[*overdue](context.Cause(&a.ctx))
	return late
}

// brokenOff is the verdict on an answer that was not all, and what the client is
// told of it.
func (a *attempt) brokenOff() (verdict string, e *Error) {
	late := a.late()
	if late == nil {
		return verdictInvalid, fail(ErrStreamBroken, "the answer of %s broke off before its end", a.target)
	}
	e = fail(ErrStreamBroken, "the answer of %s was given up: %s", a.target, late.reason)
	e.Status = http.StatusGatewayTimeout
	return verdictTimeout, e
}

// fault is what was wrong with an answer that had begun, for those who see it
// beside the target's name.
func (a *answer) fault() string {
	late := a.late()
	switch {
	case a.errored:
		return "it ended its answer with an error"
	case late != nil:
		return late.reason
	}
	return "its answer broke off"
}

// send gives the client a part of the answer. How long it takes is its own
// business.
func (a *answer) send(b []byte) error {
	a.clocks.holds()
	defer a.clocks.released()
	send := a.x.send
	if a.closed || a.errored || a.told {
		send = a.x.sendLast
	}
	if err := send(b); err != nil {
		return err
	}
	a.took = a.finished
	return nil
}

// mark shows the clocks what an event told. One that has joined others came when
// they did.
func (a *answer) mark(signs api.Signs, joined bool) {
	switch {
	case signs.Works:
		a.clocks.works()
	case signs.Content && joined && a.clocks.fresh:
		a.clocks.size.Add(int64(signs.Size))
	case signs.Content:
		a.clocks.heard(signs.Size)
	default:
		a.clocks.fresh = false // what came before may never be sent by itself
	}
}

// clientGone notes that the client left. SDKs hang up on the last event, without
// waiting for the end of the body: that is a success.
func (a *answer) clientGone(err error) {
	if a.took && !a.errored {
		a.conclude(verdictServed, nil, nil)
		return
	}
	a.conclude(verdictCanceled, fail(ErrClientClosed, "the client went away"), err)
}

// conclude records how the answer ended, and what it tells of the target.
func (a *answer) conclude(verdict string, e *Error, cause error) {
	x, t, now := a.x, a.target, a.x.gateway.now()
	x.usage, x.err = a.watcher.Usage(), e
	if x.partial = a.passage.op.api == api.Messages && !a.finished; x.partial {
		// Until its end a stream of messages tells a number of tokens of the answer
		// that is the first event's, mostly 1.
		x.usage.Output, x.usage.Reasoning = 0, 0
	}
	if taken := x.usage; taken.Known {
		if x.partial {
			taken.Output = x.want.output
		}
		a.claim.slot.used(taken)
	}
	m := x.meters()
	m.attempt(verdict)
	if c := x.gateway.logger.Check(zapcore.DebugLevel, "answered"); c != nil {
		c.Write(zap.String("plexus_alias", x.route.Alias), zap.String("plexus_provider", t.Provider.Name), zap.String("plexus_model", t.Model),
			zap.Int("attempt", a.number), zap.String("verdict", verdict), zap.Error(cause))
	}
	if !a.counts() {
		m.began(a.content)
		t.state.observeUsage(x.usage, now)
	}
	switch verdict {
	case verdictServed:
		if a.counts() {
			return
		}
		x.gateway.succeeded(a.attempt)
		if rate, ok := outputRate(x.usage.Generated(), now.Sub(a.began), a.content, x.req.stream); ok {
			t.state.observeOutputRate(rate, now)
			m.rate(rate)
		}
	case verdictInvalid, verdictTimeout:
		if a.harmless {
			return
		}
		x.gateway.blame(a.attempt, &failure{reason: a.fault(), verdict: verdict, timeout: verdict == verdictTimeout, late: true})
	}
}
