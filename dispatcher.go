package plexus

import (
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// dispatch asks the targets one after the other until one answers, or until
// what happened is the client's business. This is the only loop over targets.
func (x *exchange) dispatch() error {
	expected := x.req.estimate(&x.op)
	x.want = x.wants(expected)
	x.route.of = x
	if len(x.route.Targets) > 1 {
		x.route.fit(&x.req, &x.op, expected)
	}
	x.promptTokens = expected.input
	order, free, err := x.route.plan(&x.op, expected, x.start, x.targets[:0])
	if err != nil {
		return err
	}
	x.plan = plan{targets: order, free: free}
	x.keepCredential(order)
	x.failover = x.gateway.router.failoverOf(&x.route)
	x.logPlan(order)
	defer x.giveBackGranted()
	var unable error // what the first target that is unable to cannot express
	var busy error   // what is full, and stayed so
	var taken bool   // others were faster at a target that lets in only one
	for x.asked < x.failover.Attempts {
		t, last, ok := x.plan.next()
		if !ok {
			break
		}
		failed, err := x.try(t, last)
		switch {
		case errors.Is(err, errOutgrown):
		case errors.Is(err, errFull): // it waits once that is all that is left
		case errors.Is(err, errTaken):
			if taken = true; !last {
				x.plan.again(t)
			}
		case errors.Is(err, ErrClientClosed):
			return err
		case err != nil && unable == nil:
			unable = err
		case err == nil && failed == nil:
			return nil
		case failed != nil && failed.dropped && x.plan.over() && x.lastChance():
			x.plan.again(t)
		}
		if len(x.full) == 0 || x.asked == x.failover.Attempts || !x.plan.waits() {
			continue
		}
		switch t, err := x.wait(); {
		case errors.Is(err, ErrClientClosed):
			return err
		case err != nil:
			busy, x.full = err, nil
		default:
			x.plan.insert(t, x.gateway.now())
		}
	}
	return x.inVain(busy, unable, taken)
}

// inVain is the error of a request that no target answered.
func (x *exchange) inVain(busy, unable error, taken bool) error {
	switch {
	case errors.Is(busy, ErrAllTargetsBusy):
		return busy
	case len(x.failures) > 0:
		return x.allFailed(unable)
	case taken || busy != nil:
		return coolingDown(x.plan.targets, x.gateway.now(), x.credential)
	}
	if able := x.ableLater(x.plan.targets); len(able) > 0 {
		return coolingDown(able, x.gateway.now(), x.credential)
	}
	return unable
}

// plan is the targets of a request in the order in which they are asked: those
// that are free, then the last resorts.
type plan struct {
	targets []*Target
	free    int // so many have nothing that keeps requests away
	at      int
}

// next is the next target, and whether it is a last resort.
func (p *plan) next() (t *Target, last, ok bool) {
	if p.over() {
		return nil, false, false
	}
	p.at++
	return p.targets[p.at-1], p.at > p.free, true
}

// exhausted tells whether no target is left that is free.
func (p *plan) exhausted() bool { return p.at >= p.free }

func (p *plan) over() bool { return p.at == len(p.targets) }

// waits tells whether this is the time to wait for room: before the last resorts,
// and behind them.
func (p *plan) waits() bool { return p.at == p.free || p.over() }

// insert puts a target next.
func (p *plan) insert(t *Target, now time.Time) {
	p.targets = slices.Insert(p.targets, p.at, t)
	if t.free(now) {
		p.free = max(p.free, p.at+1)
	}
}

// again puts a target at the end, for when all the rest has failed.
func (p *plan) again(t *Target) { p.targets = append(p.targets, t) }

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

// try asks a target, with one credential after the other where that is what it
// takes. It returns neither error nor failure once the client has got an answer.
func (x *exchange) try(t *Target, last bool) (failed *failure, err error) {
	if x.outgrown(t) {
		return nil, errOutgrown
	}
	for among, first := x.mayUse(t), true; ; first = false {
		passage, err := x.prepare(t)
		if err != nil {
			return nil, err
		}
		claim, err := x.claim(t, last, among)
		switch {
		case err != nil && failed != nil:
			return failed, nil
		case err != nil:
			return nil, err
		}
		if first {
			x.asked++ // with whichever credentials
		}
		failed = x.ask(x.newAttempt(t, passage, claim))
		if err := x.r.Context().Err(); err != nil && !x.committed {
			if failed == nil || !failed.recorded { // of two attempts the first may have failed, and been counted, before
				metrics.attempt(t, verdictCanceled)
			}
			return nil, fail(ErrClientClosed, "the client went away")
		}
		if failed == nil || !failed.ofLane() {
			return failed, nil
		}
		among.remove(claim.index)
	}
}

// mayUse are the lanes of a target that are open to the request: all, unless it
// continues a response, which one credential gives access to.
func (x *exchange) mayUse(t *Target) (among lanes) {
	for i, l := range t.lanes {
		if x.credential == nil || x.credential == l.credential {
			among.add(i)
		}
	}
	return among
}

// ask makes an attempt, and holds its failure against the target.
func (x *exchange) ask(a *attempt) *failure {
	defer func() { a.claim.giveBack(x.gateway.now()) }()
	failed := x.run(a)
	if failed != nil && !failed.recorded && x.r.Context().Err() == nil {
		x.record(a, failed)
	}
	return failed
}

// run makes an attempt, if need be with another one beside it.
func (x *exchange) run(a *attempt) *failure {
	if hedge := x.route.hedge(); hedge != nil && x.op.verb == verbGenerate {
		return x.hedged(a, hedge)
	}
	return a.run()
}

// record notes why an attempt came to nothing.
func (x *exchange) record(a *attempt, failed *failure) {
	failed.recorded = true
	x.failures = append(x.failures, *failed)
	metrics.attempt(a.target, failed.verdict)
	// A target that cannot count tokens may answer questions all the same.
	if x.op.verb != verbCount {
		x.gateway.blame(a, failed)
	}
}

// lastChance tells, once, that the last target may be asked again: it dropped
// the connection before it answered anything, as a server does that restarts.
func (x *exchange) lastChance() bool {
	first := !x.repeated
	x.repeated = true
	return first
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
