package plexus

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/caddy-plexus/plexus/api"
)

// contender is a target that may be asked once there is room in one of some of
// its lanes.
type contender struct {
	target *Target
	lanes  lanes
}

// way is one lane of a target.
type way struct {
	target *Target
	lane   int
}

// granted is a slot that a request holds before it has a claim, for the target
// that it is to ask next.
type granted struct {
	way
	slot slot
}

var (
	// errFull says that there is no room at a target.
	errFull = errors.New("the target is full")
	// errTaken says that others were faster to come to a target.
	errTaken = errors.New("the target is taken")
	// errOutgrown says that the request is too long for a target.
	errOutgrown = errors.New("the request is too long for the target")
)

// wants is what a request takes of the allowances, by what is known before. The
// size of pictures and sound tells nothing of tokens.
func (x *exchange) wants(expected estimate) tally {
	if x.op.verb == verbCount || x.op.api == api.Images || x.op.api == api.Audio {
		return tally{requests: 1}
	}
	return tally{1, int64(expected.input), int64(expected.output)}
}

// claim asks for the leave to ask a target, for which the request may have waited.
// Where there was no room, it may yet wait.
func (x *exchange) claim(t *Target, last bool, among lanes) (claim, error) {
	now := x.gateway.now()
	if got := x.granted; got.target == t {
		x.granted = granted{}
		c, ok := t.take(got.lane, now, last)
		if c.slot = got.slot; !ok {
			c.slot.unsent = true
			c.giveBack(now)
			return c, errTaken
		}
		return c, nil
	}
	c, full, ok := t.claim(now, last, among, x.conversation, x.want)
	switch {
	case ok:
		return c, nil
	case full == 0:
		return c, errTaken
	}
	x.full = append(x.full, contender{t, full})
	return c, errFull
}

// wait waits until there is room at one of the targets that are full, which is the
// one to ask next. What a provider says of its limits is a hint: it keeps nobody
// out for longer than that.
func (x *exchange) wait() (*Target, error) {
	now := x.gateway.now()
	if x.waitsSince.IsZero() {
		x.waitsSince = now
	}
	w, ways := x.newWaiter(now)
	if len(ways) == 0 {
		return nil, errTaken
	}
	room := x.gateway.router.roomOf(&x.route)
	deadline := now.Add(time.Duration(room.Deadline) - x.queued)
	soonest, _ := w.opens(stamp(now))
	switch {
	case soonest > stamp(deadline), x.op.verb == verbCount: // which is estimated sooner
	case !room.enter():
	default:
		letIn := x.queue(w, deadline)
		room.leave()
		if x.r.Context().Err() != nil {
			w.slot.unsent = true
			w.slot.leave(stamp(x.gateway.now()))
			return nil, fail(ErrClientClosed, "the client went away")
		}
		if letIn {
			return x.grant(ways[w.lane], w.slot), nil
		}
	}
	return x.lastResort(w, ways)
}

// newWaiter is the request as it waits, and the ways that it waits for. Targets
// that have begun to cool down since are none.
func (x *exchange) newWaiter(now time.Time) (*waiter, []way) {
	var ways []way
	var gates []*gate
	for _, c := range x.full {
		for i, l := range c.target.lanes {
			if c.lanes.has(i) && l.pardoned(c.target, now) && !x.outgrown(c.target) {
				ways, gates = append(ways, way{c.target, i}), append(gates, l.gate)
			}
		}
	}
	return newWaiter(stamp(x.waitsSince), x.want, gates), ways
}

// lookAgain is how often a waiter looks for room by itself, at least.
const lookAgain = time.Second

// queue waits until the waiter is let in, its time is up, or the client is gone.
// The client's own bytes are all that is kept of the request meanwhile.
func (x *exchange) queue(w *waiter, until time.Time) (letIn bool) {
	x.neutral, x.neutralErr = nil, nil
	metrics.waiting.Inc()
	defer metrics.waiting.Dec()
	began := x.gateway.now()
	defer func() {
		defer x.keeper.holdOff()()
		x.queued += x.gateway.now().Sub(began)
	}()
	deadline, soon := time.NewTimer(until.Sub(began)), time.NewTimer(time.Hour)
	defer deadline.Stop()
	defer soon.Stop()
	now := stamp(began)
	for w.join(now); ; w.refresh(now) {
		// A slot that is in the way is given back by somebody, who wakes those who
		// wait. An allowance fills up by itself, and wakes nobody.
		wait := lookAgain
		if _, next := w.opens(now); next > now {
			wait = min(wait, time.Duration(next-now))
		}
		soon.Reset(wait)
		select {
		case <-w.ready:
		case <-deadline.C:
		case <-x.r.Context().Done():
		case <-soon.C:
			now = stamp(x.gateway.now())
			continue
		}
		return w.leave(stamp(x.gateway.now()))
	}
}

// grant makes a slot that of the target to ask next.
func (x *exchange) grant(to way, s slot) *Target {
	x.giveBackGranted()
	x.full = slices.DeleteFunc(x.full, func(c contender) bool { return c.target == to.target })
	x.granted = granted{to, s}
	return to.target
}

// giveBackGranted gives back a slot that came to no claim.
func (x *exchange) giveBackGranted() {
	x.granted.slot.unsent = true
	x.granted.slot.leave(stamp(x.gateway.now()))
	x.granted = granted{}
}

// lastResort asks a target of which only its provider said that it is full; else
// it says what is, and when to come back.
func (x *exchange) lastResort(w *waiter, ways []way) (*Target, error) {
	now := stamp(x.gateway.now())
	for i, g := range w.gates {
		if s, ok := g.enter(w.want, now, false); ok {
			return x.grant(ways[i], s), nil
		}
	}
	said := make([]string, len(ways))
	for i, g := range w.gates {
		said[i] = fmt.Sprintf("%s (%s)", ways[i].target, g.describe(w.want, now))
	}
	soonest, _ := w.opens(now)
	err := fail(ErrAllTargetsBusy, "every target that could serve this request is busy: %s", strings.Join(slices.Compact(said), "; "))
	err.RetryAfter = max(time.Second, time.Duration(soonest-now))
	return nil, err
}
