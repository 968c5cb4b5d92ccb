package plexus

import (
	"iter"
	"math"
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// lane is a way to a target: with one of the provider's credentials. Providers
// limit how often a model may be asked with each, so a 429 closes the lane and
// leaves the others open.
type lane struct {
	credential *Credential
	state      *laneState
	gate       *gate
}

// laneState is what is learnt of a credential at one model.
type laneState struct {
	breaker
}

// breakers are what may keep requests away from a lane: what its credential did
// at all models, what it did at this one, what the target itself did, and what
// the provider's health checks found. Where one does not count it is nil.
func (l *lane) breakers(t *Target) [4]*breaker {
	checked := t.Provider.checked()
	if t.Provider.cooldown.Off {
		return [4]*breaker{3: checked}
	}
	return [4]*breaker{&l.credential.state.breaker, &l.state.breaker, &t.state.breaker, checked}
}

// counting are those of the breakers that count.
func (l *lane) counting(t *Target) iter.Seq[*breaker] {
	return func(yield func(*breaker) bool) {
		for _, b := range l.breakers(t) {
			if b != nil && !yield(b) {
				return
			}
		}
	}
}

// free tells whether nothing keeps requests away from the lane.
func (l *lane) free(t *Target, now time.Time) bool {
	at := stamp(now)
	for b := range l.counting(t) {
		if !b.admits(at) {
			return false
		}
	}
	return true
}

// pardoned tells whether the lane may be taken all the same where there is
// nowhere else to go.
func (l *lane) pardoned(t *Target, now time.Time) bool {
	for b := range l.counting(t) {
		if !b.admits(stamp(now)) && !b.pardons(&t.Provider.cooldown, stamp(now)) {
			return false
		}
	}
	return true
}

// opens is the stamp at which a request may take the lane that has nowhere else to
// go; 0 where nothing keeps it out.
func (l *lane) opens(t *Target) (end int64) {
	for b := range l.counting(t) {
		end = max(end, b.opens(&t.Provider.cooldown))
	}
	return end
}

// share is the part of the lane's latest attempts that did not fail.
func (l *lane) share(t *Target, now time.Time) float64 {
	share := 1.0
	for b := range l.counting(t) {
		share = min(share, b.share(&t.Provider.cooldown, stamp(now)))
	}
	return share
}

// lanes is a set of a target's lanes, a bit each.
type lanes uint64

func (s lanes) has(i int) bool { return s&(1<<i) != 0 }
func (s *lanes) add(i int)     { *s |= 1 << i }
func (s *lanes) remove(i int)  { *s &^= 1 << i }

// only is the one lane of the set, if it is one.
func (s lanes) only() (int, bool) {
	return bits.TrailingZeros64(uint64(s)), s&(s-1) == 0
}

// golden is the step that spreads points over a line most evenly, however many
// there are: each falls into the widest gap that the earlier ones left.
const golden = 0.6180339887498949

// turns is how many turns a target's credentials have had.
type turns struct{ taken atomic.Uint64 }

// point is the next turn's, from 0 up to 1.
func (t *turns) point() float64 {
	_, fraction := math.Modf(float64(t.taken.Add(1)%(1<<32)) * golden)
	return fraction
}

// pick chooses one of the lanes by a point from 0 up to 1, each for a part of
// that line as large as its weight. It is -1 where there is none.
func pick(all []*lane, among lanes, point float64) int {
	sum := 0.0
	for i, l := range all {
		if among.has(i) {
			sum += l.credential.weight
		}
	}
	chosen, at := -1, point*sum
	for i, l := range all {
		if !among.has(i) {
			continue
		}
		if chosen = i; at < l.credential.weight {
			break
		}
		at -= l.credential.weight
	}
	return chosen
}

// Interface guard
var _ caddy.Destructor = (*laneState)(nil)
