package plexus

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// dispatch asks the targets one after the other until one answers, or until
// what happened is the client's business. This is the only loop over targets.
func (x *exchange) dispatch() error {
	var expected estimate
	if len(x.route.Targets) > 1 {
		expected = x.req.estimate(&x.op)
		x.route.of = x
	}
	plan, free, err := x.route.plan(&x.op, expected, x.start, x.targets[:0])
	if err != nil {
		return err
	}
	failover := x.gateway.router.failoverOf(&x.route)
	x.logPlan(plan)
	var unable error // what the first target said that cannot express the request
	var others bool  // were faster to come to a target that only one may come to
	for i := 0; i < len(plan) && x.attempts < failover.Attempts; i++ {
		t := plan[i]
		passage, err := x.prepare(t)
		if err != nil {
			if unable == nil {
				unable = err
			}
			continue
		}
		claim, ok := t.claim(x.gateway.now(), i >= free)
		if !ok {
			if others = true; i < free {
				plan = append(plan, t) // for when all the rest has failed
			}
			continue
		}
		x.attempts++
		x.target, x.targetAPI = t, passage.op.api
		failed := x.ask(t, passage, failover, claim)
		if err := x.r.Context().Err(); err != nil && !x.committed {
			metrics.attempt(t, verdictCanceled)
			return fail(ErrClientClosed, "the client went away")
		}
		if failed == nil {
			return nil
		}
		if failed.dropped && i == len(plan)-1 && x.lastChance() {
			plan = append(plan, t)
		}
	}
	if len(x.failures) > 0 {
		return x.allFailed()
	}
	if others {
		return coolingDown(plan, x.gateway.now())
	}
	if able := x.ableLater(plan); len(able) > 0 {
		return coolingDown(able, x.gateway.now())
	}
	return unable
}

// ableLater are the targets that were left out, because they are cooling down,
// and could express what none of the others can.
func (x *exchange) ableLater(plan []*Target) (able []*Target) {
	for _, t := range x.route.Targets {
		if slices.Contains(plan, t) || t.Provider.distance(&x.op) < 0 {
			continue
		}
		if _, err := x.prepare(t); err == nil {
			able = append(able, t)
		}
	}
	return able
}

// ask makes one attempt at a target, with the leave to do so, and holds its
// failure against the target.
func (x *exchange) ask(t *Target, passage *passage, failover *Failover, claim claim) *failure {
	defer claim.giveBack()
	began := x.gateway.now()
	x.flight = t.state.begin(x.req.stream, x.op.verb != verbCount, began)
	defer x.flight.end()
	failed := x.attempt(t, passage, failover, began)
	if failed != nil && x.r.Context().Err() == nil {
		x.failures = append(x.failures, *failed)
		metrics.attempt(t, failed.verdict)
		// A target that cannot count tokens may answer questions all the same.
		if x.op.verb != verbCount {
			x.gateway.blame(t, failed, began)
		}
	}
	return failed
}

// lastChance tells, once, that the last target may be asked again: it dropped
// the connection before it answered anything, as a server does that restarts.
func (x *exchange) lastChance() bool {
	first := !x.repeated
	x.repeated = true
	return first
}

// attempt asks one target. It returns nil once the client has got its answer,
// good or bad; else why the next target shall be asked.
func (x *exchange) attempt(t *Target, passage *passage, failover *Failover, began time.Time) *failure {
	ctx, cancel := context.WithCancelCause(x.r.Context())
	defer cancel(nil)
	clock := time.AfterFunc(x.limit(passage, failover), func() { cancel(errFirstContent) })
	defer clock.Stop()

	res, err := t.Provider.transport.RoundTrip(x.newRequest(ctx, t, passage))
	if err != nil {
		f := judgeError(ctx, err)
		f.dropped = f.reason == reasonBrokenOff
		return x.failed(t, f, err)
	}
	defer res.Body.Close()
	if res.StatusCode < 200 || res.StatusCode > 299 {
		return x.relayError(ctx, t, passage, res, failover, began)
	}
	a := &answer{x: x, ctx: ctx, target: t, passage: passage, began: began, res: res, clock: clock, watcher: x.newWatcher(passage)}
	if x.op.api == api.Responses && passage.op.api == api.Responses && !x.req.unstored {
		a.ids = &responseIDs{provider: t.Provider, key: x.key}
	}
	return a.pass()
}

// maxCount is how long a target has to count tokens, which agents wait for before
// they ask anything.
const maxCount = 10 * time.Second

// limit is how long a target has until its first content, or its whole answer.
func (x *exchange) limit(p *passage, failover *Failover) time.Duration {
	switch {
	case x.op.verb == verbCount:
		return min(time.Duration(failover.FirstContent), maxCount)
	case x.req.stream && p.stream:
		return time.Duration(failover.FirstContent)
	default:
		return time.Duration(failover.Answer)
	}
}

// newRequest makes the request that a target gets. It is built from nothing: of
// the client's headers only those on the list go along, and nothing that says
// who the client is.
func (x *exchange) newRequest(ctx context.Context, t *Target, passage *passage) *http.Request {
	p := t.Provider
	at := p.endpoints[passage.op.api]
	size := passage.body.size()
	x.sent, passage.body = passage.body.source(), nil
	reader, _ := x.sent.open() // it is all in memory
	// The transport may write into the request's vars, and an attempt that
	// was given up may still be doing so when the next one runs.
	ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{})
	req := (&http.Request{
		Method:        passage.method,
		URL:           passage.op.url(at, t.Model, passage.query),
		Proto:         "HTTP/1.1",
		ProtoMajor:    1,
		ProtoMinor:    1,
		Header:        x.upstreamHeader(at, passage),
		Host:          at.base.Host,
		Body:          reader,
		GetBody:       x.sent.open,
		ContentLength: size,
	}).WithContext(x.sent.trace(ctx))
	if p.HeaderUp != nil {
		x.headerUp(p.HeaderUp, req)
	}
	return req
}

// asksUsage tells whether a chat stream's usage has to be asked for on the
// gateway's own account.
func (x *exchange) asksUsage(p *Provider) bool {
	return x.req.stream && x.op.api == api.Chat && !x.req.usage && x.mayAskUsage(p)
}

// mayAskUsage tells whether a provider may be asked for the usage of a stream.
func (x *exchange) mayAskUsage(p *Provider) bool {
	return !x.gateway.NoStreamUsage && !p.NoStreamUsage && !presets[p.Preset].noStreamUsage &&
		!slices.ContainsFunc(p.extra, func(m bodyMember) bool { return m.key == "stream_options" })
}

// failed completes what is known of an attempt that came to nothing. The cause
// goes to the log alone: it may name the provider's host.
func (x *exchange) failed(t *Target, f failure, cause error) *failure {
	f.target = t
	if c := x.gateway.logger.Check(zapcore.DebugLevel, "attempt failed"); c != nil {
		c.Write(zap.String("plexus_alias", x.route.Alias), zap.String("plexus_provider", t.Provider.Name), zap.String("plexus_model", t.Model),
			zap.Int("attempt", x.attempts), zap.String("verdict", f.verdict), zap.String("reason", f.reason), zap.Error(cause))
	}
	return &f
}

func (x *exchange) logPlan(plan []*Target) {
	c := x.gateway.logger.Check(zapcore.DebugLevel, "routed")
	if c == nil {
		return
	}
	order := make([]string, len(plan))
	for i, t := range plan {
		order[i] = t.String()
	}
	strategy := "passthrough"
	if x.route.route != nil {
		strategy = x.route.route.strategy
	}
	c.Write(zap.String("plexus_requested_model", x.req.model), zap.String("plexus_alias", x.route.Alias),
		zap.String("plexus_api", string(x.op.api)), zap.String("strategy", strategy), zap.Strings("targets", order), zap.Bool("stream", x.req.stream))
}

// relayError passes judgement on an answer that is no success, and gives the
// client the ones that are its own business.
func (x *exchange) relayError(ctx context.Context, t *Target, passage *passage, res *http.Response, failover *Failover, began time.Time) *failure {
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil && ctx.Err() != nil {
		return x.failed(t, judgeError(ctx, err), err)
	}
	verdict, next := judgeStatus(res.StatusCode, res.Header, body, failover, x.gateway.now())
	if next || x.op.verb == verbCount {
		return x.failed(t, verdict, nil)
	}
	metrics.attempt(t, verdict.verdict)
	x.gateway.succeeded(t, began)
	if passage.op.api == x.op.api {
		body = x.errorBody(t, res, body)
	} else {
		body = x.translatedError(t, passage.op.api, res.StatusCode, body)
	}
	if x.req.sealedID != "" { // the provider quotes its own
		body = bytes.ReplaceAll(body, []byte(x.req.previousID), []byte(x.req.sealedID))
	}
	header := x.w.Header()
	copyAnswerHeader(header, res.Header)
	x.nameTarget(header)
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.committed = true
	x.err = &Error{Code: ErrProviderRefused, Status: res.StatusCode, Message: verdict.reason}
	x.w.WriteHeader(res.StatusCode)
	_, _ = x.w.Write(body) // a client that is gone needs no answer
	return nil
}

// translatedError is what the provider said, in the words of the client's API.
func (x *exchange) translatedError(t *Target, a api.API, status int, body []byte) []byte {
	said := t.Provider.redact(body)
	codec, ok := codecs[a]
	if !ok {
		codec = codecs[api.Chat] // all of OpenAI's APIs fail in the same words
	}
	e := codec.DecodeError(status, said)
	e.Status = status
	return x.op.api.ErrorBody(e)
}

// errorBody is what the provider said, without our credential; in an error of
// the client's API where it said it in words that no SDK could read.
func (x *exchange) errorBody(t *Target, res *http.Response, body []byte) []byte {
	said := bytes.TrimSpace(t.Provider.redact(body))
	switch {
	case len(said) > 0 && said[0] == '{' && jsonscan.Valid(said):
		return said
	case len(said) > 0 && said[0] == '[' && jsonscan.Valid(said):
		// Gemini puts the error of a stream without alt=sse into an array.
		if first := jsonscan.Array(said); first.Next() && jsonscan.Member(first.Value(), "error") != nil {
			return first.Value()
		}
	}
	message := "the provider " + t.Provider.Name + " refused the request with status " + strconv.Itoa(res.StatusCode)
	const most = 500
	if text := strings.ToValidUTF8(string(said[:min(len(said), most)]), ""); text != "" && text[0] != '<' {
		message += ": " + text
	}
	return x.op.api.ErrorBody(api.Error{Status: res.StatusCode, Message: message})
}
