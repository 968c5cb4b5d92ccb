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

// Latency asks the target first whose recent time to first content is the
// shortest. The time is a decayed average of what this process saw, each new
// sample weighing one fifth, and forgotten after ten minutes without one. A
// target of which nothing is known is tried by one request a second, and
// otherwise comes after those that are known.
type Latency struct{}

// CaddyModule returns the Caddy module information.
func (Latency) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "plexus.selectors.latency", New: func() caddy.Module { return new(Latency) }}
}

// Order implements Selector.
func (Latency) Order(s *Selection) {
	orderObserved(s, func(t *Target) (float64, bool) {
		d, known := t.FirstContent(s.Now)
		return d.Seconds(), known
	})
}

// Performance asks the target first that gives the most for its time and money.
// The score, of which the smallest wins, is
//
//	seconds × √cost     seconds = time to first content + 500 / output rate
//
// with the decayed averages of Latency and the price of Cost: being twice as
// fast makes up for costing four times as much. Where the price of any of the
// targets is unknown, the seconds alone decide. A target whose rate is not
// known, for only streams tell it, is tried as Latency does.
type Performance struct{}

// CaddyModule returns the Caddy module information.
func (Performance) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "plexus.selectors.performance", New: func() caddy.Module { return new(Performance) }}
}

// Order implements Selector.
func (Performance) Order(s *Selection) {
	priced := true
	for _, t := range s.Candidates {
		for member := range t.all() {
			_, known := s.Cost(member)
			priced = priced && known
		}
	}
	orderObserved(s, func(t *Target) (float64, bool) {
		first, known := t.FirstContent(s.Now)
		rate, streamed := t.OutputRate(s.Now)
		if !known || !streamed || rate <= 0 {
			return 0, false
		}
		score := first.Seconds() + typicalAnswer/rate
		if priced {
			score *= math.Sqrt(s.cost(t))
		}
		return score, true
	})
}

// orderObserved sorts by a score that is not known of every target.
func orderObserved(s *Selection, score func(*Target) (float64, bool)) {
	var room [16]float64
	scores := room[:0]
	exploring := false
	for _, t := range s.Candidates {
		value, known := t.best(score)
		switch {
		case known:
		case !exploring && !s.Fallback && t.Explore(s.Now):
			exploring = true
			value = math.Inf(-1)
		default:
			value = math.Inf(1)
		}
		scores = append(scores, value)
	}
	sortBy(s.Candidates, scores)
}

// Interface guards
var (
	_ Selector = Cost{}
	_ Selector = Latency{}
	_ Selector = Performance{}
)
