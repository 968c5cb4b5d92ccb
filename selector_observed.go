package plexus

import (
	"math"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(Cost{})
	caddy.RegisterModule(Latency{})
	caddy.RegisterModule(Performance{})
}

// Cost asks the cheapest target first. The price of a request is
//
//	(input × input price + output × output price) / 1,000,000
//
// where input is the request's size in bytes over four, with files in it as a
// thousand each, and output 500 tokens, or as many as the request allows if these
// are fewer, and none where the answer is not generated. Prices are those of the
// hour and of prompts of this length. Targets whose price is unknown come after
// all others, in the order in which they are written.
type Cost struct{}

// CaddyModule returns the Caddy module information.
func (Cost) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "plexus.selectors.cost", New: func() caddy.Module { return new(Cost) }}
}

// Order implements Selector.
func (Cost) Order(s *Selection) {
	var room [16]float64
	costs := room[:0]
	for _, t := range s.Candidates {
		costs = append(costs, s.cost(t))
	}
	sortBy(s.Candidates, costs)
}

// cost is in USD, and infinite where it is not known.
func (s *Selection) cost(t *Target) float64 {
	if cost, known := s.Cost(t); known {
		return cost.USD()
	}
	return math.Inf(1)
}

// Latency asks the target first whose first content is expected the soonest, by
// what this process saw of it, over reloads. Streams are compared by their first
// content, answers in one piece by the time that all of them take. What is expected
// of a target is
//
//	max(took, min(2 × sum of ages / (waiting + 1), took + silence)) × crowding
//
//	crowding = (waiting + 1) / (crowd + 4)   if that is more than 1
//	           √((waiting + 1) / crowd)      if that is less than 1
//	           1                             else
//
// where took is the decayed average of the times to first content, the ages are
// those of the requests that wait for theirs, silence is the time since the latest
// first content, and crowd is the decayed average of how many waited together. So
// a target that stalls is left before it has answered anything, and a burst spreads
// over several: the best gets no more than is known to do it no harm, and as it
// bears them, more.
//
// Of targets within 15 % of the best one the first is chosen by two draws, by
// weight, of which the one with fewer requests in flight for its weight wins. The
// others follow by what is expected of them.
//
// Exploration: a target of which nothing is known, among them one that is back from
// a pause, is sent one request a second, and half as many with each that teaches
// nothing, down to one a minute. It otherwise comes after those that are known.
// Two of a hundred requests go to the known target with the smallest
//
//	expected × 2^(-age / 30s)
//
// if that is less than what is expected of the best, where age is how long ago its
// latest first content was: one that was twice as slow is looked at again after
// half a minute, one that was four times as slow after a minute.
type Latency struct{ luck }

// CaddyModule returns the Caddy module information.
func (Latency) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "plexus.selectors.latency", New: func() caddy.Module { return new(Latency) }}
}

// Order implements Selector.
func (l *Latency) Order(s *Selection) {
	l.orderObserved(s, s.firstContent, func(t *Target) *trial { return &t.state.firstTrial })
}

// firstContent is how many seconds a target is expected to take to the first
// content.
func (s *Selection) firstContent(t *Target) view {
	if t.unproven() {
		return view{}
	}
	t.state.mu.Lock()
	defer t.state.mu.Unlock()
	p := t.state.pace(s.Stream)
	seconds, known := p.expected(s.Now)
	return view{seconds * p.crowding(s.Now), p.took.at, known}
}

// Performance asks the target first that gives the most for its time and money.
// The score, of which the smallest wins, is
//
//	seconds × √cost     seconds = time to first content + 500 / output rate
//
// with the time and the crowd of Latency, a decayed average of the output rate, and
// the price of Cost: being twice as fast makes up for costing four times as much.
// Of an answer in one piece the seconds are all that it takes. One that is free
// counts as if it cost a ten-thousandth of the dearest. Where the price of any of
// the targets is unknown, or all are free, the seconds alone decide. Targets that
// are about as good as the best are chosen, and others explored, as Latency does;
// for streams a target counts as unknown while its output rate is.
type Performance struct{ luck }

// CaddyModule returns the Caddy module information.
func (Performance) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "plexus.selectors.performance", New: func() caddy.Module { return new(Performance) }}
}

// almostFree is how much of the dearest target's cost one has at least: what costs
// nothing at all would be chosen however slow it is.
const almostFree = 1e-4

// Order implements Selector.
func (p *Performance) Order(s *Selection) {
	priced, dearest := true, 0.0
	for _, t := range s.Candidates {
		for member := range t.all() {
			_, known := s.Cost(member)
			priced, dearest = priced && known, max(dearest, s.cost(member))
		}
	}
	p.orderObserved(s, func(t *Target) view {
		v := s.wholeAnswer(t)
		if priced && dearest > 0 {
			v.score *= math.Sqrt(max(s.cost(t), dearest*almostFree))
		}
		return v
	}, func(t *Target) *trial {
		if s.Stream {
			return &t.state.rateTrial
		}
		return &t.state.firstTrial
	})
}

// wholeAnswer is how many seconds a target is expected to take to the end of a
// typical answer.
func (s *Selection) wholeAnswer(t *Target) view {
	if !s.Stream || t.unproven() {
		return s.firstContent(t)
	}
	t.state.mu.Lock()
	defer t.state.mu.Unlock()
	p := t.state.pace(true)
	first, known := p.expected(s.Now)
	rate, told := t.state.outputRate.get(s.Now)
	if !known || !told {
		return view{}
	}
	return view{(first + typicalAnswer/rate) * p.crowding(s.Now), t.state.outputRate.at, true}
}

// Interface guards
var (
	_ Selector = Cost{}
	_ Selector = (*Latency)(nil)
	_ Selector = (*Performance)(nil)
)
