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
	expected := x.req.estimate(&x.op)
	x.want = x.wants(expected)
	plan, free, err := x.route.plan(&x.op, expected, x.start, x.targets[:0])
	if err != nil {
		return err
	}
	failover := x.gateway.router.failoverOf(&x.route)
	x.logPlan(plan)
	defer x.giveBackGranted()
	var unable error // what the first target said that cannot express the request
	var busy error   // what is full, and stayed so
	var others bool  // were faster to come to a target that only one may come to
	for i, asked := 0, 0; i < len(plan) && asked < failover.Attempts; i++ {
		t := plan[i]
		failed, err := x.try(t, failover, i >= free)
		switch {
		case errors.Is(err, errFull): // it waits once that is all that is left
		case errors.Is(err, errTaken):
			if others = true; i < free {
				plan = append(plan, t) // for when all the rest has failed
			}
		case errors.Is(err, ErrClientClosed):
			return err
		case err != nil && unable == nil:
			unable = err
		case err == nil && failed == nil:
			return nil
		case failed != nil:
			asked++
			if failed.dropped && i == len(plan)-1 && x.lastChance() {
				plan = append(plan, t)
			}
		}
		if len(x.full) == 0 || asked == failover.Attempts || i+1 != free && i+1 != len(plan) {
			continue
		}
		switch next, err := x.wait(); {
		case errors.Is(err, ErrClientClosed):
			return err
		case err != nil:
			busy, x.full = err, nil
		default:
			plan = slices.Insert(plan, i+1, next)
			free = max(free, i+2)
		}
	}
	return x.inVain(plan, busy, unable, others)
}

// inVain is the error of a request that no target answered.
func (x *exchange) inVain(plan []*Target, busy, unable error, others bool) error {
	switch {
	case errors.Is(busy, ErrAllTargetsBusy):
		return busy
	case len(x.failures) > 0:
		return x.allFailed()
	case others || busy != nil:
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

// try asks a target, with one credential after the other where that is what it
// takes. It returns neither error nor failure once the client has got an answer.
func (x *exchange) try(t *Target, failover *Failover, last bool) (failed *failure, err error) {
	for among := x.mayUse(t); ; {
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
		failed = x.ask(&attempt{x: x, target: t, passage: passage, failover: failover, claim: claim})
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
	defer func() { a.claim.giveBack(x.gateway.now()) }()
	x.attempts++
	x.target, x.targetAPI = a.target, a.passage.op.api
	failed := a.run()
	if failed != nil && x.r.Context().Err() == nil {
		x.failures = append(x.failures, *failed)
		metrics.attempt(a.target, failed.verdict)
		// A target that cannot count tokens may answer questions all the same.
		if x.op.verb != verbCount {
			x.gateway.blame(a, failed)
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
