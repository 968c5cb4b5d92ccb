package plexus

import (
	"errors"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// dispatch asks the targets one after the other until one answers, or until
// what happened is the client's business. This is the only loop over targets.
func (x *exchange) dispatch() error {
	var expected estimate
	if len(x.route.Targets) > 1 {
		expected = x.req.estimate(&x.op)
		x.route.fit(&x.req, &x.op, expected)
		x.route.of = x
	}
	x.promptTokens = expected.input
	order, free, err := x.route.plan(&x.op, expected, x.start, x.targets[:0])
	if err != nil {
		return err
	}
	x.plan = plan{targets: order, free: free}
	x.failover = x.gateway.router.failoverOf(&x.route)
	x.logPlan(order)
	var unable error // what the first target said that cannot express the request
	var others bool  // were faster to come to a target that only one may come to
	for x.asked < x.failover.Attempts {
		t, last, ok := x.plan.next()
		if !ok {
			break
		}
		if x.outgrown(t) {
			continue
		}
		failed, err := x.try(t, last)
		switch {
		case errors.Is(err, errTaken):
			if others = true; !last {
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
	}
	if len(x.failures) > 0 {
		return x.allFailed()
	}
	if others {
		return coolingDown(x.plan.targets, x.gateway.now())
	}
	if able := x.ableLater(x.plan.targets); len(able) > 0 {
		return coolingDown(able, x.gateway.now())
	}
	return unable
}

// plan is the targets of a request in the order in which they are asked.
type plan struct {
	targets []*Target
	free    int // so many have nothing that keeps requests away
	at      int
}

// next is the next target, and whether there is none left that is free.
func (p *plan) next() (t *Target, last, ok bool) {
	if p.over() {
		return nil, false, false
	}
	p.at++
	return p.targets[p.at-1], p.at > p.free, true
}

// exhausted tells whether no target is left that is free.
func (p *plan) exhausted() bool { return p.at >= min(p.free, len(p.targets)) }

func (p *plan) over() bool { return p.at == len(p.targets) }

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

// errTaken says that others were faster to come to a target.
var errTaken = errors.New("the target is taken")

// try asks a target, with one credential after the other where that is what it
// takes. It returns neither error nor failure once the client has got an answer.
func (x *exchange) try(t *Target, last bool) (failed *failure, err error) {
	for among, first := x.mayUse(t), true; ; first = false {
		passage, err := x.prepare(t)
		if err != nil {
			return nil, err
		}
		claim, ok := t.claim(x.gateway.now(), last, among, x.conversation)
		switch {
		case !ok && failed != nil:
			return failed, nil
		case !ok:
			return nil, errTaken
		}
		if first {
			x.asked++ // with whichever credentials
		}
		failed = x.ask(x.newAttempt(t, passage, claim))
		if err := x.r.Context().Err(); err != nil && !x.committed {
			metrics.attempt(t, verdictCanceled)
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
	defer a.claim.giveBack()
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
