package plexus

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/caddy-plexus/plexus/prices"
)

// aliasPrefix is how a Caddyfile writes a target that is another model:
// `target alias:smart`. No provider's name may begin with it.
const aliasPrefix = "alias:"

// entry is one target of a model whose targets may be other models.
type entry struct {
	// target is the provider's model, or what stands for another model when the
	// entries are put in order.
	target *Target
	inner  *route // the other model; nil for a provider's model
}

// addEntry adds a target that is another model, which may be defined later.
func (r *Router) addEntry(g *Gateway, rt *route, mt *ModelTarget) error {
	if err := mt.checkWeight(); err != nil {
		return err
	}
	if mt.Disabled {
		return nil
	}
	// Only its identity counts, for rotations that outlive a reload: what is
	// learnt is learnt of the providers' models.
	state := g.pooled.state("alias\n"+g.home()+"\n"+mt.String(), nil)
	t := &Target{Weight: 1, state: state, alias: mt.Alias}
	if mt.Weight != nil {
		t.Weight = *mt.Weight
	}
	rt.entries = append(rt.entries, entry{target: t})
	return nil
}

// linkModels finds the models that stand among the targets of others, now that
// all are known, and gives each model all the targets that it may come to.
func (r *Router) linkModels(g *Gateway) error {
	for _, rt := range r.models {
		if err := r.checkAliases(rt); err != nil {
			return fmt.Errorf("model %q: %w", rt.model.Alias, err)
		}
	}
	done := map[*route]bool{}
	for _, rt := range r.models {
		if err := r.link(g, rt, nil, done); err != nil {
			return fmt.Errorf("model %q: %w", rt.model.Alias, err)
		}
	}
	return nil
}

// checkAliases checks the names of a model's targets that are models. Two names
// of one model are one target.
func (r *Router) checkAliases(rt *route) error {
	seen := map[*route]bool{}
	for i := range rt.model.Targets {
		mt := &rt.model.Targets[i]
		if mt.Alias == "" {
			continue
		}
		inner := r.names[mt.Alias]
		if inner == nil {
			return rt.model.undefined(mt, sortedKeys(r.names))
		}
		if seen[inner] {
			return fmt.Errorf("target %s is listed twice; give it one weight", mt)
		}
		seen[inner] = true
	}
	return nil
}

// undefined is the error where there is no model of the name of one of the
// model's targets. Its own names are no advice: they would lead in a circle.
func (m *Model) undefined(mt *ModelTarget, names []string) error {
	names = slices.DeleteFunc(names, func(name string) bool { return slices.Contains(m.names(), name) })
	return fmt.Errorf("target %s: model %q %w%s", mt, mt.Alias, errUndefined, didYouMean(mt.Alias, names))
}

// link goes down from a model to those among its targets. A circle is refused
// even where one of its targets is disabled: else it would be found when
// somebody switches that on.
func (r *Router) link(g *Gateway, rt *route, path []*route, done map[*route]bool) error {
	if i := slices.Index(path, rt); i >= 0 {
		return circular(append(path[i:], rt))
	}
	if done[rt] {
		return nil
	}
	path = append(path, rt)
	for i := range rt.model.Targets {
		if alias := rt.model.Targets[i].Alias; alias != "" {
			if err := r.link(g, r.names[alias], path, done); err != nil {
				return err
			}
		}
	}
	done[rt] = true
	if rt.entries == nil {
		return nil
	}
	return r.flatten(g, rt)
}

func circular(path []*route) error {
	aliases := make([]string, len(path))
	for i, rt := range path {
		aliases[i] = rt.model.Alias
	}
	return errors.New("targets lead in a circle: " + strings.Join(aliases, " → "))
}

// flatten lists all targets that a model may come to, each once.
func (r *Router) flatten(g *Gateway, rt *route) error {
	rt.targets = nil
	for i := range rt.entries {
		e := &rt.entries[i]
		reached := []*Target{e.target}
		if e.target.alias != "" {
			e.inner = r.names[e.target.alias]
			if reached = e.inner.targets; len(reached) == 0 {
				g.logger.Warn("a target is a model whose every target is disabled",
					zap.String("plexus_alias", rt.model.Alias), zap.String("target", e.target.String()))
			}
		}
		for _, t := range reached {
			if sameTarget(rt.targets, t) == nil {
				rt.targets = append(rt.targets, t)
			}
		}
	}
	if h := rt.model.Hedge; h != nil && h.Quantile > 0 {
		for _, t := range rt.targets {
			t.state.keepRecent()
		}
	}
	return nil
}

// sameTarget finds the target among others that is the same provider's same
// model, whatever its weight.
func sameTarget(targets []*Target, t *Target) *Target {
	for _, other := range targets {
		if other.state == t.state {
			return other
		}
	}
	return nil
}

// among is what stands for the entry where only some targets may be asked; nil
// where none of its own are among them.
func (e *entry) among(choice []*Target) *Target {
	if e.inner == nil {
		if sameTarget(choice, e.target) == nil {
			return nil
		}
		return e.target
	}
	var members []*Target
	for _, t := range e.inner.targets {
		if sameTarget(choice, t) != nil {
			members = append(members, t)
		}
	}
	if len(members) == 0 {
		return nil
	}
	t := *e.target
	t.Provider, t.Model, t.members, t.inner = members[0].Provider, members[0].Model, members, e.inner
	return &t
}

// orderEntries orders the candidates where models are among the targets: the
// entries by the model's own selector, and in the place of each that is a model
// its targets, by that one's. A target that is reached twice keeps its first
// place.
func (rt *route) orderEntries(s *Selection, op *operation) {
	outer := *s
	outer.Candidates = make([]*Target, 0, len(rt.entries))
	for i := range rt.entries {
		if t := rt.entries[i].among(s.Candidates); t != nil {
			outer.Candidates = append(outer.Candidates, t)
		}
	}
	rt.orderTargets(&outer, op)
	order := make([]*Target, 0, len(s.Candidates))
	for i, t := range outer.Candidates {
		if t.inner != nil {
			inner := *s
			inner.Candidates, inner.Fallback = t.members, s.Fallback || i > 0
			t.inner.order(&inner, op)
		}
		for member := range t.all() {
			if sameTarget(order, member) == nil {
				order = append(order, sameTarget(s.Candidates, member))
			}
		}
	}
	copy(s.Candidates, order)
}

// all are the targets that a target stands for: itself, or those of the model
// that it is.
func (t *Target) all() iter.Seq[*Target] {
	return func(yield func(*Target) bool) {
		if t.members == nil {
			yield(t)
			return
		}
		for _, member := range t.members {
			if !yield(member) {
				return
			}
		}
	}
}

// best is the least of a figure among what the target stands for, and whether it
// is known of any.
func (t *Target) best(figure func(*Target) (float64, bool)) (least float64, known bool) {
	if t.members == nil {
		return figure(t)
	}
	for _, member := range t.members {
		if value, ok := figure(member); ok && (!known || value < least) {
			least, known = value, true
		}
	}
	return least, known
}

// view is the best view of what the target stands for.
func (t *Target) view(look func(*Target) view) (best view) {
	if t.members == nil {
		return look(t)
	}
	for _, member := range t.members {
		if v := look(member); v.known && (!best.known || v.score < best.score) {
			best = v
		}
	}
	return best
}

// consumption is what all that the target stands for have lately given.
func (t *Target) consumption(now time.Time) (sum consumption) {
	for member := range t.all() {
		sum.add(member.state.consumption(now), 1)
	}
	return sum
}

// leastCost is what the request is expected to cost at the cheapest of some
// targets, and whether that is known of any.
func (s *Selection) leastCost(targets []*Target) (least prices.NanoUSD, known bool) {
	for _, t := range targets {
		if cost, ok := s.Cost(t); ok && (!known || cost < least) {
			least, known = cost, true
		}
	}
	return least, known
}

// distance is how far the nearest API of what the target stands for is from a
// request's.
func (t *Target) distance(op *operation) int {
	if t.members == nil {
		return t.Provider.distance(op)
	}
	least := -1
	for _, member := range t.members {
		if d := member.Provider.distance(op); d >= 0 && (least < 0 || d < least) {
			least = d
		}
	}
	return least
}
