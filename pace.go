package plexus

import (
	"math"
	"time"
)

// average is a decayed average. A sample moves it by
//
//	avg += (sample - avg) × (1 - 4/5 × 2^(-age / 30s))
//
// where age is how long ago the sample before it came. Of those that come one
// after the other the latest five weigh two thirds; after half a minute without
// any the next one weighs more than all before, after two minutes hardly
// anything is left of them. What was last sampled longer than staleAfter ago
// counts as not known.
type average struct {
	value float64
	at    time.Time
}

const (
	decay      = 1.0 / 5
	halfLife   = 30 * time.Second
	staleAfter = 10 * time.Minute
)

func (a *average) add(sample float64, now time.Time) {
	if _, known := a.get(now); known {
		a.value += (1 - (1-decay)*fading(now.Sub(a.at))) * (sample - a.value)
	} else {
		a.value = sample
	}
	a.at = now
}

func (a *average) get(now time.Time) (float64, bool) {
	return a.value, !a.at.IsZero() && now.Sub(a.at) < staleAfter
}

// fading is what something so long ago still tells: 1 of what is now, and half as
// much every half-life.
func fading(age time.Duration) float64 {
	return math.Exp2(-float64(max(age, 0)) / float64(halfLife))
}

// pace is how long a target takes to its first content, by those that have had
// theirs and by those that still wait for it.
type pace struct {
	took    average // seconds
	crowd   average // how many were waiting when these began, themselves included
	waiting int64   // how many are now
	began   int64   // the sum of the stamps at which they began; it may overflow, the sum of their ages does not
}

// expected is how many seconds the next request is expected to take to its first
// content if no more wait than usual, and whether anything is known:
//
//	max(took, min(2 × sum of ages / (waiting + 1), took + silence))
//
// The ages are of those that wait now: twice their mean is how long they take when
// they come evenly, and the one in the divisor makes it the age of the oldest,
// which is certain, where they are few. So a target that has become slow is known
// before anything of it is complete. The silence is the time since the latest first
// content: while others get theirs, one that does not tells of itself, not of the
// target.
func (p *pace) expected(now time.Time) (seconds float64, known bool) {
	if seconds, known = p.took.get(now); !known {
		return 0, false
	}
	ages := time.Duration(p.waiting*stamp(now) - p.began).Seconds()
	silence := now.Sub(p.took.at).Seconds()
	return max(seconds, min(2*ages/float64(p.waiting+1), seconds+silence)), true
}

// trusted is how many may wait for their first content together although nobody
// knows yet how the target fares with so many.
const trusted = 4

// crowding is how many times longer than expected the next request takes because
// more wait already than usual, or fewer:
//
//	(waiting + 1) / (crowd + 4)    if that is more than 1
//	√((waiting + 1) / crowd)       if that is less than 1
//	1                              else
//
// It keeps a burst from landing on one target. What was measured holds for as many
// as waited then, and a few; how the target fares with more nobody knows, and it is
// expected to take as many times longer as there are more. If it does not, more are
// sent in the next round, for the crowd has grown. What was measured in a crowd is
// owed partly to it: with half as many the target is expected to be faster, if not
// twice as fast, lest one that was overrun once is left alone as if it were slow.
func (p *pace) crowding(now time.Time) float64 {
	crowd, _ := p.crowd.get(now)
	next := float64(p.waiting + 1)
	if next < crowd {
		return math.Sqrt(next / crowd)
	}
	return max(1, next/(crowd+trusted))
}

// flight is an attempt under way, as its target counts it. It belongs to one
// goroutine.
type flight struct {
	state *targetState
	pace  *pace // nil for one that tells nothing, or no more
	began time.Time
	crowd int64
}

// begin counts an attempt that begins now. Those for a stream and those for a whole
// answer are told apart, since the one waits for a word and the other for all of
// them. One that is not timed says nothing of how fast the target answers questions.
func (s *targetState) begin(stream, timed bool, now time.Time) flight {
	s.inFlight.Add(1)
	f := flight{state: s, began: now}
	if !timed {
		return f
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f.pace = s.pace(stream)
	f.pace.waiting++
	f.pace.began += stamp(now)
	f.crowd = f.pace.waiting
	return f
}

// answered notes that the first content is there.
func (f *flight) answered(now time.Time) {
	p := f.wait()
	if p == nil {
		return
	}
	f.state.mu.Lock()
	defer f.state.mu.Unlock()
	p.took.add(now.Sub(f.began).Seconds(), now)
	p.crowd.add(float64(f.crowd), now)
	f.state.firstTrial.succeeded()
}

// tookAtLeast notes an attempt that was given up before its first content. It tells
// whether there is anything in that: only that it took longer than usual is news.
func (s *targetState) tookAtLeast(took time.Duration, stream bool, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pace(stream)
	usual, known := p.took.get(now)
	if !known || took.Seconds() <= usual {
		return false
	}
	p.took.add(took.Seconds(), now)
	return true
}

// end counts the attempt as over, however it ended.
func (f *flight) end() {
	f.wait()
	f.state.inFlight.Add(-1)
}

// wait ends the wait for the first content. It gives the pace that is to learn how
// long it was, or nil after the first time.
func (f *flight) wait() *pace {
	p := f.pace
	if p == nil {
		return nil
	}
	f.pace = nil
	f.state.mu.Lock()
	defer f.state.mu.Unlock()
	p.waiting--
	p.began -= stamp(f.began)
	return p
}
