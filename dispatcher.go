package plexus

import (
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
	}
	plan, free, err := x.route.plan(&x.op, expected, x.start, x.targets[:0])
	if err != nil {
		return err
	}
	most := x.gateway.router.failoverOf(&x.route).Attempts
	x.logPlan(plan)
	var unable error // what the first target said that cannot express the request
	var others bool  // were faster to come to a target that only one may come to
	for i := 0; i < len(plan) && x.attempts < most; i++ {
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
		failed := x.ask(&attempt{x: x, target: t, passage: passage, failover: t.failover, claim: claim})
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

// ask makes an attempt, and holds its failure against the target.
func (x *exchange) ask(a *attempt) *failure {
	defer a.claim.giveBack()
	x.attempts++
	x.target, x.targetAPI = a.target, a.passage.op.api
	failed := a.run()
	if failed != nil && x.r.Context().Err() == nil {
		x.failures = append(x.failures, *failed)
		metrics.attempt(a.target, failed.verdict)
		// A target that cannot count tokens may answer questions all the same.
		if x.op.verb != verbCount {
			x.gateway.blame(a.target, failed, a.began)
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
