package plexus

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-plexus/plexus/prices"
)

func init() {
	caddy.RegisterModule(Random{})
	caddy.RegisterModule(InOrder{})
	caddy.RegisterModule(RoundRobin{})
}

// Selector is the strategy by which a model's targets are ordered for one
// request: the first is asked, the next is the failover. Selectors are modules
// of the namespace plexus.selectors.
type Selector interface {
	// Order sorts the candidates in place, best first. It is called by many
	// requests at once.
	Order(s *Selection)
}

// Selection is what a selector knows of one request.
type Selection struct {
	// Candidates are the targets that can answer the request. No two are the
	// same provider's same model.
	Candidates []*Target
	// InputTokens and OutputTokens are estimates of the prompt's tokens and of
	// the answer's.
	InputTokens, OutputTokens int
	// Stream says that the answer is to come as a stream.
	Stream bool
	// Now is when the choice is made.
	Now time.Time
	// Rotation is the model's, and outlives reloads.
	Rotation *Rotation
	// Fallback says that the candidates come behind others, or that tokens are
	// counted, not generated: ordering them takes no turn, and tries out nothing.
	Fallback bool

	of *exchange
	// weights are those of the candidates as they stand when they are to be
	// ordered, where nothing is held against any; else nil.
	weights []float64
}

// weight is the effective one of the candidate at i, before any has been moved.
func (s *Selection) weight(i int) float64 {
	if s.weights != nil {
		return s.weights[i]
	}
	return s.Candidates[i].EffectiveWeight(s.Now)
}

// Cost is what the request is expected to cost at a target, and whether that is
// known.
func (s *Selection) Cost(t *Target) (prices.NanoUSD, bool) {
	if t.members != nil {
		return s.leastCost(t.members)
	}
	return t.Price.At(s.Now).Cost(prices.Usage{prices.Input: int64(s.InputTokens), prices.Output: int64(s.OutputTokens)})
}

// luck is a source of chance.
type luck struct {
	chance func() float64 // nil for that of the process
}

func (l *luck) draw() float64 {
	chance := rand.Float64
	if l.chance != nil {
		chance = l.chance
	}
	return chance()
}

// Random picks a target by chance, in proportion to the weights: of two targets
// with weights 70 and 30 the first is asked seven times of ten. The failover
// goes on in the same way among those that are left. A target of which some
// attempts fail has less than its weight: see Target.EffectiveWeight.
type Random struct{ luck }

// CaddyModule returns the Caddy module information.
func (Random) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "plexus.selectors.random", New: func() caddy.Module { return new(Random) }}
}

// Order implements Selector.
func (r *Random) Order(s *Selection) { r.shuffle(s) }

// shuffle sorts by chance and weight. Each target draws an exponentially
// distributed time with its weight as the rate; the order of arrival is a weighted
// sample without replacement (Efraimidis and Spirakis, 2006).
func (l *luck) shuffle(s *Selection) {
	var room [16]float64
	arrivals := room[:0]
	for i := range s.Candidates {
		arrivals = append(arrivals, -math.Log(1-l.draw())/s.weight(i))
	}
	sortBy(s.Candidates, arrivals)
}

// InOrder asks the targets as they are written: the first, and each following
// one when all before it have failed.
type InOrder struct{}

// CaddyModule returns the Caddy module information.
func (InOrder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "plexus.selectors.in_order", New: func() caddy.Module { return new(InOrder) }}
}

// Order implements Selector.
func (InOrder) Order(*Selection) {}

// RoundRobin goes through the targets in turn, one step a request. A target of
// weight 2 comes twice as often as one of weight 1, spread evenly, and one of which
// some attempts fail less often: see Target.EffectiveWeight.
type RoundRobin struct{}

// CaddyModule returns the Caddy module information.
func (RoundRobin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "plexus.selectors.round_robin", New: func() caddy.Module { return new(RoundRobin) }}
}

// Order implements Selector. It is nginx's smooth weighted round robin: each
// target earns its weight in credit, the richest is chosen and pays the sum.
func (RoundRobin) Order(s *Selection) {
	if len(s.Candidates) < 2 {
		return
	}
	s.Rotation.mu.Lock()
	defer s.Rotation.mu.Unlock()
	var room [16]float64
	debts := room[:0]
	sum := 0.0
	for _, t := range s.Candidates {
		weight := t.EffectiveWeight(s.Now)
		sum += weight
		debts = append(debts, -s.Rotation.credits[t.state]-weight)
	}
	if s.Fallback {
		sortBy(s.Candidates, debts)
		return
	}
	for i, t := range s.Candidates {
		s.Rotation.credits[t.state] = -debts[i]
	}
	sortBy(s.Candidates, debts)
	s.Rotation.credits[s.Candidates[0].state] -= sum
}

// sortBy sorts targets by their scores, the smallest first, equals in the order
// in which they stand. There are few: insertion is the fastest, and allocates
// nothing.
func sortBy(targets []*Target, scores []float64) {
	for i := 1; i < len(targets); i++ {
		for k := i; k > 0 && scores[k] < scores[k-1]; k-- {
			scores[k], scores[k-1] = scores[k-1], scores[k]
			targets[k], targets[k-1] = targets[k-1], targets[k]
		}
	}
}

// toFront puts the target at i first; the others keep their order.
func toFront(targets []*Target, i int) {
	t := targets[i]
	copy(targets[1:], targets[:i])
	targets[0] = t
}

// selectorNames lists the registered strategies.
func selectorNames() []string {
	var names []string
	for _, info := range caddy.GetModules("plexus.selectors") {
		names = append(names, info.ID.Name())
	}
	slices.Sort(names)
	return names
}

// Interface guards
var (
	_ Selector = (*Random)(nil)
	_ Selector = InOrder{}
	_ Selector = RoundRobin{}
)
