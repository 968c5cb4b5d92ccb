package plexus

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/direct"
)

// attempt is one try at one target: what it is sent, and the clocks by which it
// has to answer. Until it commits it changes nothing of the exchange.
type attempt struct {
	x        *exchange
	target   *Target
	passage  *passage
	failover *Failover
	claim    claim
	number   int  // from 1
	second   bool // it runs beside a first one
	// tried and asked are what had failed, and how many targets had been asked,
	// when it began.
	tried []failure
	asked int

	began  time.Time
	flight flight
	ctx    ownVars
	cancel context.CancelCauseFunc
	clocks clocks
	sent   *source // the body
	answer answer  // once it has come
}

// ownVars is a context with vars of its own, made when they are asked for. The
// transport may write into its request's vars, and an attempt that was given up
// may still be doing so when the next one runs.
type ownVars struct {
	context.Context
	of   *attempt
	once sync.Once
	vars map[string]any
}

// Value implements context.Context.
func (c *ownVars) Value(key any) any {
	switch key {
	case caddyhttp.VarsCtxKey:
		c.once.Do(func() { c.vars = map[string]any{} })
		return c.vars
	case direct.ObserverKey:
		return c.of
	}
	return c.Context.Value(key)
}

// Connects implements direct.Observer.
func (a *attempt) Connects() { a.clocks.dials() }

// Connected implements direct.Observer.
func (a *attempt) Connected() { a.clocks.connected() }

// newAttempt makes ready to ask a target.
func (x *exchange) newAttempt(t *Target, passage *passage, claim claim) *attempt {
	defer x.keeper.holdOff()()
	x.attempts++
	x.target, x.targetAPI = t, passage.op.api
	return &attempt{x: x, target: t, passage: passage, failover: t.failover, claim: claim, number: x.attempts, tried: x.failures, asked: x.asked}
}

// run asks the target. It returns nil once the client has got its answer, good
// or bad; else why the next target shall be asked.
func (a *attempt) run() *failure {
	a.start(a.limit())
	defer a.end()
	return a.ask(a.newRequest())
}

// ask sends the request and passes on what comes of it.
func (a *attempt) ask(req *http.Request) *failure {
	res, err := a.target.Provider.roundTrip(req)
	a.clocks.connected() // where the transport does not tell
	if err != nil {
		f := judgeError(&a.ctx, err)
		f.dropped = f.reason == reasonBrokenOff
		return a.failed(f, err)
	}
	defer res.Body.Close()
	if a.x.op.verb != verbCount { // which has limits of its own
		a.claim.slot.learn(res.Header, a.x.gateway.now())
	}
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return a.refused(res)
	}
	x := a.x
	a.answer = answer{attempt: a, res: res, watcher: x.newWatcher(a.passage)}
	if x.op.api == api.Responses && a.passage.op.api == api.Responses && !x.req.unstored {
		a.answer.ids = &responseIDs{provider: a.target.Provider, credential: a.claim.lane.credential, key: x.key}
	}
	return a.answer.pass()
}

// start sets the clocks.
func (a *attempt) start(first limit) {
	a.began = a.x.gateway.now()
	a.flight = a.target.state.begin(a.x.req.stream, !a.counts(), a.began)
	a.ctx.of = a
	a.ctx.Context, a.cancel = context.WithCancelCause(a.x.r.Context())
	a.clocks.start(a.failover, first, a.streams(), a.cancel)
}

// end ends the attempt. Nobody may have its body again: the memory will be that of
// other requests.
func (a *attempt) end() {
	a.clocks.stop()
	a.cancel(nil)
	a.flight.end()
	if a.sent != nil {
		a.sent.drop()
	}
}

// streams tells whether the client shall get a stream of what the target streams.
func (a *attempt) streams() bool { return a.x.req.stream && a.passage.stream }

// maxCount is how long a target has to count tokens, which agents wait for before
// they ask anything.
const maxCount = 10 * time.Second

// limit is how long a target has until its first content, or its whole answer.
func (a *attempt) limit() limit {
	switch {
	case a.x.op.verb == verbCount:
		return limit{min(time.Duration(a.failover.FirstContent), maxCount), "no count"}
	case a.streams():
		return limit{time.Duration(a.failover.FirstContent), "no content"}
	default:
		return limit{time.Duration(a.failover.Answer), "no answer"}
	}
}

// newRequest makes the request that a target gets. It is built from nothing: of
// the client's headers only those on the list go along, and nothing that says
// who the client is.
func (a *attempt) newRequest() *http.Request {
	passage, p := a.passage, a.target.Provider
	at := p.endpoints[passage.op.api]
	size := passage.body.size()
	a.sent, passage.body = passage.body.source(a.x.req.loan, at.direct), nil
	reader, err := a.sent.open()
	if err != nil { // there is no body, as in the look-up of a stored response
		reader = http.NoBody
	}
	var ctx context.Context = &a.ctx
	if !at.direct { // which takes the attempt for its observer
		ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
			GetConn:      func(string) { a.clocks.dials() },
			GotConn:      func(httptrace.GotConnInfo) { a.clocks.connected() },
			WroteRequest: a.sent.wrote,
		})
	}
	req := (&http.Request{
		Method:        passage.method,
		URL:           passage.op.url(at, a.target.Model, passage.query),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.x.upstreamHeader(at, passage, a.claim.lane.credential),
		Host:          at.base.Host,
		Body:          reader,
		GetBody:       a.sent.open,
		ContentLength: size,
	}).WithContext(ctx)
	if p.HeaderUp != nil {
		a.headerUp(req)
	}
	return req
}

// headerUp applies the provider's header_up, whose placeholders may look at the
// header of the answer.
func (a *attempt) headerUp(req *http.Request) {
	defer a.x.keeper.holdOff()()
	headerUp(a.target.Provider.HeaderUp, req, replacerOf(a.x.r))
}

// recent are the target's latest times to the first content of answers in the
// form that this one has, or nil.
func (a *attempt) recent() *recent {
	form := 0
	if a.streams() {
		form = 1
	}
	return a.target.state.latest[form].Load()
}

// counts tells whether the target only counts the tokens of a question. That says
// nothing of how it answers any, nor of how fast.
func (a *attempt) counts() bool { return a.x.op.verb == verbCount }

// failed completes what is known of an attempt that came to nothing. The cause
// goes to the log alone: it may name the provider's host.
func (a *attempt) failed(f failure, cause error) *failure {
	f.target = a.target
	if f.unsent {
		a.claim.slot.unsent = true
	}
	if len(a.target.lanes) > 1 {
		f.credential = a.claim.lane.credential.number
	}
	said := f.said
	f.said = nil // it lies in memory that will be used again
	if c := a.x.gateway.logger.Check(zapcore.DebugLevel, "attempt failed"); c != nil {
		c.Write(zap.String("plexus_alias", a.x.route.Alias), zap.String("plexus_provider", a.target.Provider.Name), zap.String("plexus_model", a.target.Model),
			zap.Int("attempt", a.number), zap.Int("credential", a.claim.lane.credential.number), zap.String("verdict", f.verdict), zap.String("reason", f.reason), zap.Error(cause),
			zap.String("said", excerpt(a.target.Provider.redact(said))))
	}
	return &f
}

// excerpt is the beginning of what a provider said.
func excerpt(said []byte) string {
	const most = 500
	return strings.ToValidUTF8(string(said[:min(len(said), most)]), "")
}

// Interface guards
var (
	_ context.Context = (*ownVars)(nil)
	_ direct.Observer = (*attempt)(nil)
)
