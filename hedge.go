package plexus

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/prices"
)

// Hedge is when a second target is asked the same, because the first has not
// begun to answer: the one whose first content comes first gives the answer, and
// the other is cancelled, which may have to be paid all the same.
type Hedge struct {
	// How long the first target has before the second is asked. Default: none,
	// the quantile decides.
	Delay caddy.Duration `json:"delay,omitempty"`
	// The quantile, above 0 and below 1, of the first target's latest times to
	// first content after which the second is asked: with `0.95` about one
	// request of twenty asks a second target. A target with fewer than 20 known
	// answers in the last 10 minutes is not hedged. Default: none.
	Quantile float64 `json:"quantile,omitempty"`
}

// newHedge is a hedge as it is written: 2s, or p95.
func newHedge(text string) (*Hedge, error) {
	if percent, ok := strings.CutPrefix(text, "p"); ok {
		if n, err := strconv.ParseFloat(percent, 64); err == nil && n > 0 && n < 100 {
			return &Hedge{Quantile: n / 100}, nil
		}
	} else if delay, err := caddy.ParseDuration(text); err == nil && delay > 0 {
		return &Hedge{Delay: caddy.Duration(delay)}, nil
	}
	return nil, fmt.Errorf("hedge: expected a delay such as 2s or a quantile such as p95, got %q", text)
}

func (h *Hedge) validate() error {
	switch {
	case h == nil:
		return nil
	case h.Delay < 0:
		return fmt.Errorf("hedge: expected a positive delay, got %s", time.Duration(h.Delay))
	case !(h.Quantile >= 0 && h.Quantile < 1):
		return fmt.Errorf("hedge: expected a quantile above 0 and below 1, got %v", h.Quantile)
	case (h.Delay > 0) == (h.Quantile > 0):
		return errors.New("hedge: expected either a delay such as 2s or a quantile such as p95")
	}
	return nil
}

// after is how long a target has, and false where it is not known.
func (h *Hedge) after(a *attempt) (time.Duration, bool) {
	if h.Delay > 0 {
		return time.Duration(h.Delay), true
	}
	return a.recent().quantile(h.Quantile, a.x.gateway.now())
}

// hedged makes an attempt, and another one at the next target if the first is
// slow to begin. It returns nil once the client has its answer, else why the
// first failed.
func (x *exchange) hedged(a *attempt, hedge *Hedge) *failure {
	delay, known := hedge.after(a)
	if !known || x.plan.exhausted() {
		return a.run()
	}
	x.race = newRace()
	defer func() { x.race = nil }()
	first := newRunner(a)
	go first.run()
	defer first.stop() // whatever happens here, nothing may outlive the handler
	var second *runner
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-first.ended:
	case <-x.race.won:
	case <-timer.C:
		if second = x.second(); second != nil {
			defer func() { second.claim.giveBack(x.gateway.now()) }()
			go second.run()
			defer second.stop()
		}
	}
	x.await(first, second)
	if second == nil {
		return first.result()
	}
	x.hedgeCost += first.wasted + second.wasted
	metrics.hedges.WithLabelValues(x.alias(), answerer(x.race.winner)).Inc()
	failed, other := first.result(), second.result()
	if other == nil {
		return nil
	}
	return failed
}

// second is an attempt at the next target, if it is free and the first has not
// begun to answer meanwhile; else nil.
func (x *exchange) second() *runner {
	x.race.mu.Lock()
	defer x.race.mu.Unlock()
	for x.race.winner == nil && x.asked < x.failover.Attempts && !x.plan.exhausted() {
		t, _, _ := x.plan.next()
		if x.outgrown(t) {
			continue
		}
		passage, err := x.prepare(t)
		if err != nil {
			continue
		}
		claim, _, ok := t.claim(x.gateway.now(), false, x.mayUse(t), x.conversation, x.want)
		if !ok {
			x.plan.again(t)
			continue
		}
		x.asked++
		b := x.newAttempt(t, passage, claim)
		b.second = true
		return newRunner(b)
	}
	return nil
}

// await waits for the end of both runners, or of the only one. Once one of them
// has the client, the other is stopped.
func (x *exchange) await(first, second *runner) {
	won, firstEnds := x.race.won, first.ended
	var secondEnds chan struct{}
	if second != nil {
		secondEnds = second.ended
	}
	for firstEnds != nil || secondEnds != nil {
		select {
		case <-firstEnds:
			firstEnds = nil
			x.note(first)
		case <-secondEnds:
			secondEnds = nil
			x.note(second)
		case <-won:
			won = nil
			for _, r := range []*runner{first, second} {
				if r != nil && r.attempt != x.race.winner {
					r.stop()
				}
			}
			x.letGo()
		}
	}
}

// note records how an attempt ended that came to nothing, and gives its slot back:
// the other one may go on for an hour.
func (x *exchange) note(r *runner) {
	defer func() { r.claim.giveBack(x.gateway.now()) }()
	switch {
	case r.failed == nil:
	case r.failed.verdict == verdictOutrun:
		x.outrun(r)
	case x.r.Context().Err() == nil:
		x.record(r.attempt, r.failed)
	case r.second: // the first is counted where all others are
		metrics.attempt(r.target, verdictCanceled)
	}
}

// answerer names the attempt that has the client.
func answerer(winner *attempt) string {
	switch {
	case winner == nil:
		return "none"
	case winner.second:
		return "second"
	default:
		return "first"
	}
}

// outrun records an attempt that another was faster than. It would have taken
// longer than it was given, which is news if that was longer than usual.
func (x *exchange) outrun(r *runner) {
	a := r.attempt
	metrics.attempt(a.target, verdictOutrun)
	now := x.gateway.now()
	if took := now.Sub(a.began); a.target.state.tookAtLeast(took, x.req.stream, now) {
		a.recent().add(took, now)
	}
	if cost, known := x.outrunCost(a); known {
		r.wasted = cost // the exchange may be read by whoever has the client
		metrics.hedgeCost.WithLabelValues(x.alias(), a.target.Provider.Name, a.target.label).Add(cost.USD())
	}
}

// outrunCost is what an attempt costs that was cancelled: by the usage that the
// provider had told until then, else by the size of the prompt, which it had got.
func (x *exchange) outrunCost(a *attempt) (prices.NanoUSD, bool) {
	var usage api.Usage
	if a.answer.watcher != nil {
		usage = a.answer.watcher.Usage()
	}
	tariff := x.tariff(a.target, &usage)
	if usage.Known {
		a.claim.slot.used(usage)
		return tariff.Cost(billed(&usage))
	}
	return tariff.Cost(prices.Usage{prices.Input: int64(x.promptTokens)})
}
