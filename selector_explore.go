package plexus

import (
	"math"
	"time"
)

// view is what is expected of a target.
type view struct {
	score float64   // the smaller the better
	at    time.Time // when it was last seen
	known bool
}

const (
	// alike is how much worse than the best a target may be and still count as
	// about as good: averages of a few samples tell no more.
	alike = 1.15
	// trialShare is the part of the requests that may be sent to a target only
	// because it has not been seen for a while.
	trialShare = 0.02
)

// orderObserved sorts by what is expected of each target, chooses among those that
// are about as good as the best, and lets one that should be looked at go first.
// The leave for that is of the trial that a target's sample puts an end to.
func (l *luck) orderObserved(s *Selection, look func(*Target) view, of func(*Target) *trial) {
	var roomScores, roomPromises [16]float64
	scores, promises := roomScores[:0], roomPromises[:0]
	var explored *Target
	for _, t := range s.Candidates {
		v := t.view(look)
		if v.known && t.members != nil {
			of(t).succeeded() // what it stands for has been seen
		}
		if !v.known {
			v.score = math.Inf(1)
			if explored == nil && !s.Fallback && of(t).leave(s.Now) {
				explored = t
			}
		}
		scores = append(scores, v.score)
		promise := v.score
		if v.known {
			promise *= fading(s.Now.Sub(v.at))
		}
		promises = append(promises, promise)
	}
	if explored == nil && !s.Fallback {
		explored = l.overdue(s, scores, promises, of)
	}
	sortBy(s.Candidates, scores)
	n := 0
	for n < len(scores) && scores[n] <= scores[0]*alike {
		n++
	}
	l.pickOfTwo(s, n)
	for i, t := range s.Candidates {
		if t == explored {
			toFront(s.Candidates, i)
		}
	}
}

// overdue is, for a small part of the requests, the known target that promises the
// most, if that is more than what the best one keeps; else nil.
func (l *luck) overdue(s *Selection, scores, promises []float64, of func(*Target) *trial) *Target {
	if s.Fallback || len(scores) < 2 || l.draw() >= trialShare {
		return nil
	}
	best, promising := 0, 0
	for i := range scores {
		if scores[i] < scores[best] {
			best = i
		}
		if promises[i] < promises[promising] {
			promising = i
		}
	}
	if t := s.Candidates[promising]; promises[promising] < scores[best] && of(t).leave(s.Now) {
		return t
	}
	return nil
}

// pickOfTwo puts one of the first n candidates before all others: of two that are
// drawn by weight the one with fewer requests in flight for its weight. That keeps
// the load even without everybody's rushing at the same target, which is the least
// busy one only until all have seen it (Mitzenmacher, The Power of Two Choices in
// Randomized Load Balancing, 2001).
func (l *luck) pickOfTwo(s *Selection, n int) {
	if n < 2 {
		return
	}
	first := l.drawByWeight(s, n, -1)
	second := l.drawByWeight(s, n, first)
	if s.busy(s.Candidates[second]) < s.busy(s.Candidates[first]) {
		first = second
	}
	toFront(s.Candidates, first)
}

// busy is how many requests a target has in flight for its weight.
func (s *Selection) busy(t *Target) float64 {
	return float64(t.InFlight()) / t.EffectiveWeight(s.Now)
}

// drawByWeight draws one of the first n candidates but the one at not.
func (l *luck) drawByWeight(s *Selection, n, not int) int {
	sum := 0.0
	for i, t := range s.Candidates[:n] {
		if i != not {
			sum += t.EffectiveWeight(s.Now)
		}
	}
	at, drawn := l.draw()*sum, 0
	for i, t := range s.Candidates[:n] {
		if i == not {
			continue
		}
		drawn = i
		if at -= t.EffectiveWeight(s.Now); at < 0 {
			break
		}
	}
	return drawn
}
