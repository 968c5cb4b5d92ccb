package plexus

import (
	"context"
	"net/http"
	"net/http/httptrace"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-plexus/plexus/api"
)

// attempt is one try at one target: what it is sent, and the clocks by which it
// has to answer. Until it commits it changes nothing of the exchange.
type attempt struct {
	x        *exchange
	target   *Target
	passage  *passage
	failover *Failover
	claim    claim

	began  time.Time
	ctx    context.Context
	cancel context.CancelCauseFunc
	sent   *source // the body
	clocks clocks
}

// run asks the target. It returns nil once the client has got its answer, good
// or bad; else why the next target shall be asked.
func (a *attempt) run() *failure {
	defer a.start(a.limit())()
	res, err := a.target.Provider.transport.RoundTrip(a.newRequest())
	a.clocks.connected() // where the transport does not tell
	if err != nil {
		f := judgeError(a.ctx, err)
		f.dropped = f.reason == reasonBrokenOff
		return a.failed(f, err)
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return a.refused(res)
	}
	x := a.x
	answer := &answer{attempt: a, res: res, watcher: x.newWatcher(a.passage)}
	if x.op.api == api.Responses && a.passage.op.api == api.Responses && !x.req.unstored {
		answer.ids = &responseIDs{provider: a.target.Provider, key: x.key}
	}
	return answer.pass()
}

// start sets the clocks. What it returns ends the attempt.
func (a *attempt) start(first limit) (end func()) {
	a.began = a.x.gateway.now()
	a.ctx, a.cancel = context.WithCancelCause(a.x.r.Context())
	a.clocks.start(a.failover, first, a.streams(), a.cancel)
	return func() {
		a.clocks.stop()
		a.cancel(nil)
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
	a.sent, passage.body = passage.body.source(), nil
	reader, _ := a.sent.open() // it is all in memory
	// The transport may write into the request's vars, and an attempt that
	// was given up may still be doing so when the next one runs.
	ctx := context.WithValue(a.ctx, caddyhttp.VarsCtxKey, map[string]any{})
	req := (&http.Request{
		Method:        passage.method,
		URL:           passage.op.url(at, a.target.Model, passage.query),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        a.x.upstreamHeader(at, passage),
		Host:          at.base.Host,
		Body:          reader,
		GetBody:       a.sent.open,
		ContentLength: size,
	}).WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		GetConn:      func(string) { a.clocks.dials() },
		GotConn:      func(httptrace.GotConnInfo) { a.clocks.connected() },
		WroteRequest: a.sent.wrote,
	}))
	if p.HeaderUp != nil {
		a.x.headerUp(p.HeaderUp, req)
	}
	return req
}

// failed completes what is known of an attempt that came to nothing. The cause
// goes to the log alone: it may name the provider's host.
func (a *attempt) failed(f failure, cause error) *failure {
	f.target = a.target
	if c := a.x.gateway.logger.Check(zapcore.DebugLevel, "attempt failed"); c != nil {
		c.Write(zap.String("plexus_alias", a.x.route.Alias), zap.String("plexus_provider", a.target.Provider.Name), zap.String("plexus_model", a.target.Model),
			zap.Int("attempt", a.x.attempts), zap.String("verdict", f.verdict), zap.String("reason", f.reason), zap.Error(cause))
	}
	return &f
}
