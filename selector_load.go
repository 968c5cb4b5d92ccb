package plexus

import "github.com/caddyserver/caddy/v2"

func init() {
	caddy.RegisterModule(LeastBusy{})
	caddy.RegisterModule(LeastUsed{})
}

// LeastBusy asks a target that has few requests in flight for its weight, streams
// counted to their end. Of two that are drawn by weight the one goes first with the
// smaller
//
//	in flight / weight
//
// and the first drawn if they are equal; the others follow by the same measure. A
// target of which some attempts fail has less than its weight: see
// Target.EffectiveWeight.
type LeastBusy struct{ luck }

// CaddyModule returns the Caddy module information.
func (LeastBusy) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "plexus.selectors.least_busy", New: func() caddy.Module { return new(LeastBusy) }}
}

// Order implements Selector.
func (l *LeastBusy) Order(s *Selection) {
	var room [16]float64
	loads := room[:0]
	for _, t := range s.Candidates {
		loads = append(loads, s.busy(t))
	}
	sortBy(s.Candidates, loads)
	l.pickOfTwo(s, len(s.Candidates))
}

// LeastUsed asks the target first that has given the fewest tokens for its weight,
// so that what providers allow a minute is used up evenly. With the allowances as
// weights, the order is by the part of them that is gone:
//
//	(tokens + mean × (unknown + in flight)) / weight
//
// where tokens are those of prompts and answers in the last minute, as the provider
// reported them; unknown is how many answers came without such a report; mean is
// what an answer took that had one, over all the targets, or 1 while there was
// none. Without reports the requests are counted, then. A target of which some
// attempts fail has less than its weight: see Target.EffectiveWeight.
type LeastUsed struct{}

// CaddyModule returns the Caddy module information.
func (LeastUsed) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "plexus.selectors.usage", New: func() caddy.Module { return new(LeastUsed) }}
}

// Order implements Selector.
func (LeastUsed) Order(s *Selection) {
	var roomSums [16]consumption
	var roomUses [16]float64
	sums, uses := roomSums[:0], roomUses[:0]
	var all consumption
	for _, t := range s.Candidates {
		sum := t.consumption(s.Now)
		all.add(sum, 1)
		sum.unknown += t.InFlight()
		sums = append(sums, sum)
	}
	mean := 1.0
	if all.tokens > 0 {
		mean = float64(all.tokens) / float64(all.known)
	}
	for i, t := range s.Candidates {
		uses = append(uses, (float64(sums[i].tokens)+mean*float64(sums[i].unknown))/t.EffectiveWeight(s.Now))
	}
	sortBy(s.Candidates, uses)
}

// Interface guards
var (
	_ Selector = (*LeastBusy)(nil)
	_ Selector = LeastUsed{}
)
