package plexus

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// Router finds the targets behind the names that clients ask for. It does not
// change once it is built, so that it needs no lock.
type Router struct {
	models    []*route
	names     map[string]*route
	providers map[string]*Provider
	byRef     map[string]*Provider // by their names in response ids
	failover  Failover
	room      *waitingRoom // of all that is passed through
}

// route is one alias, ready to be asked.
type route struct {
	// Copies of what every request asks of the model, which is large, and would not
	// stay in the processor's cache.
	alias         string
	apiMatch      bool
	skipsOverflow bool

	model    *Model
	targets  []*Target   // the enabled ones
	weights  []float64   // theirs, and
	visited  []*Provider // their providers, each once
	entries  []entry     // what they are reached by, where models are among it; else nil
	selector Selector
	strategy string
	rotation *Rotation
	failover Failover
	room     *waitingRoom
}

// Route is what a name stands for.
type Route struct {
	// Alias is the canonical alias, or "provider/model" for a passthrough.
	Alias string
	// Passthrough says that the name was that of a provider's model.
	Passthrough bool
	// Targets are the enabled ones, in the order in which they are written.
	Targets []*Target

	route *route
	of    *exchange // which asks for it, once it does
}

// newRouter checks the models against the providers and builds the maps.
func newRouter(ctx caddy.Context, g *Gateway) (*Router, error) {
	r := &Router{
		names:     make(map[string]*route, len(g.Models)),
		providers: make(map[string]*Provider, len(g.Providers)),
		byRef:     make(map[string]*Provider, len(g.Providers)),
		failover:  g.Failover.over(nil),
		room:      &waitingRoom{Queue: g.Queue.over(nil)},
	}
	for _, p := range g.Providers {
		if r.providers[p.Name] != nil {
			return nil, fmt.Errorf("duplicate provider %q", p.Name)
		}
		r.providers[p.Name] = p
		r.byRef[providerRef(p.Name)] = p
		if err := r.addProvider(g, p); err != nil {
			return nil, err
		}
	}
	for _, m := range g.Models {
		if err := r.addModel(ctx, g, m); err != nil {
			return nil, fmt.Errorf("model %q: %w", m.Alias, err)
		}
	}
	return r, r.linkModels(g)
}

// addProvider prepares the targets of the models that the provider lists, for
// passthrough.
func (r *Router) addProvider(g *Gateway, p *Provider) error {
	g.newCredentials(p)
	if err := g.provisionHealthCheck(p); err != nil {
		return fmt.Errorf("provider %q: %w", p.Name, err)
	}
	p.models = make(map[string]*Target, len(p.Models))
	for _, m := range p.Models {
		if m.Name == "" {
			return fmt.Errorf("provider %q: a model has no name", p.Name)
		}
		if p.models[m.Name] != nil {
			return fmt.Errorf("provider %q: duplicate model %q", p.Name, m.Name)
		}
		t, err := g.newTarget(p, m.Name, 0)
		if err != nil {
			return err
		}
		p.models[m.Name] = t
	}
	p.unlisted = g.pooled.state(p.stateKey(""), p.standing)
	p.unlistedIn = g.newLanes(p, "", 0)
	return nil
}

func (r *Router) addModel(ctx caddy.Context, g *Gateway, m *Model) error {
	if m.Alias == "" {
		return errors.New("it has no alias")
	}
	if len(m.Targets) == 0 {
		return errors.New("it has no targets; add `target <provider> <model>`, or `target alias:<model>`")
	}
	if err := m.checkContextOverflow(); err != nil {
		return err
	}
	if err := m.Failover.validate(); err != nil {
		return err
	}
	if err := errors.Join(m.Hedge.validate(), m.Queue.validate(), validateKeepAlive(m.KeepAlive)); err != nil {
		return err
	}
	rt := &route{alias: m.Alias, apiMatch: m.APIMatch, skipsOverflow: m.ContextOverflow == overflowSkip, model: m, failover: m.Failover.over(g.Failover), room: &waitingRoom{Queue: m.Queue.over(g.Queue)}}
	for _, name := range m.names() {
		if name == "" {
			return errors.New("an additional alias is empty")
		}
		if other := r.names[name]; other != nil {
			return duplicateAlias(name, other.model, m)
		}
		if len(name) > maxModelName {
			return fmt.Errorf("the alias %s is longer than %d bytes, which no request may be", quoted(name), maxModelName)
		}
		r.names[name] = rt
	}
	for i := range m.Targets {
		if err := r.addTarget(g, rt, &m.Targets[i]); err != nil {
			return err
		}
	}
	var err error
	if rt.selector, err = loadSelector(ctx, m); err != nil {
		return err
	}
	rt.strategy = rt.selector.(caddy.Module).CaddyModule().ID.Name()
	rt.rotation = g.pooled.rotation(g.rotationKey(rt))
	r.models = append(r.models, rt)
	return nil
}

func duplicateAlias(name string, a, b *Model) error {
	return fmt.Errorf("duplicate alias %q: model %q and model %q both claim it", name, a.Alias, b.Alias)
}

func (r *Router) addTarget(g *Gateway, rt *route, mt *ModelTarget) error {
	if err := mt.check(r.providers); err != nil {
		return err
	}
	if mt.Alias != "" {
		return r.addEntry(g, rt, mt)
	}
	if err := mt.checkWeight(); err != nil {
		return err
	}
	p := r.providers[mt.Provider]
	if mt.MaxConcurrency < 0 {
		return fmt.Errorf("target %s/%s: max_concurrency: expected a number of at least 1, got %d", p.Name, mt.Model, mt.MaxConcurrency)
	}
	if mt.Disabled {
		return nil
	}
	if p.Disabled {
		g.logger.Warn("a target is on a disabled provider",
			zap.String("plexus_alias", rt.model.Alias), zap.String("plexus_provider", p.Name), zap.String("plexus_model", mt.Model))
		return nil
	}
	t, err := g.newTarget(p, mt.Model, mt.MaxConcurrency)
	if err != nil {
		return err
	}
	if mt.Weight != nil {
		t.Weight = *mt.Weight
	}
	if rt.model.Failover != nil {
		t.failover = new(rt.model.Failover.over(p.Failover, g.Failover))
	}
	if sameTarget(rt.targets, t) != nil {
		return fmt.Errorf("target %s is listed twice; give it one weight", t)
	}
	if h := rt.model.Hedge; h != nil && h.Quantile > 0 {
		t.state.keepRecent()
	}
	rt.targets, rt.weights = append(rt.targets, t), append(rt.weights, t.Weight)
	if !slices.Contains(rt.visited, p) {
		rt.visited = append(rt.visited, p)
	}
	if slices.ContainsFunc(rt.model.Targets, func(mt ModelTarget) bool { return mt.Alias != "" }) {
		rt.entries = append(rt.entries, entry{target: t})
	}
	return nil
}

func loadSelector(ctx caddy.Context, m *Model) (Selector, error) {
	if m.SelectorRaw == nil {
		return new(Random), nil
	}
	mod, err := ctx.LoadModule(m, "SelectorRaw")
	if err != nil {
		return nil, fmt.Errorf("loading selector (there are %s): %w", strings.Join(selectorNames(), ", "), err)
	}
	selector, ok := mod.(Selector)
	if !ok {
		return nil, fmt.Errorf("the module %T is not a selector", mod)
	}
	return selector, nil
}

// Resolve finds what a name stands for: an alias, an additional alias, or
// provider/model, split at the first slash. Its errors are ErrAliasNotFound and
// ErrNoEnabledTargets.
func (r *Router) Resolve(name string) (Route, error) {
	if rt := r.names[name]; rt != nil {
		if len(rt.targets) == 0 {
			return Route{Alias: rt.alias, route: rt}, fail(ErrNoEnabledTargets, "every target of the model %s is disabled", quoted(rt.model.Alias))
		}
		return Route{Alias: rt.alias, Targets: rt.targets, route: rt}, nil
	}
	provider, model, found := strings.Cut(name, "/")
	p := r.providers[provider]
	if !found || p == nil || !passable(model) || !p.serves(model) {
		return Route{}, r.notFound(name, p, model)
	}
	if p.Disabled {
		return Route{}, fail(ErrNoEnabledTargets, "the provider of %s is disabled", quoted(name))
	}
	t := p.models[model]
	if t == nil {
		// What nobody listed shares one state and one label: clients could
		// invent names without end.
		t = p.unlistedTarget(model)
		_ = t.findPrice() // nothing is declared of it that could be wrong
	}
	return Route{Alias: name, Passthrough: true, Targets: []*Target{t}}, nil
}

// unlistedTarget is a model that nobody listed.
func (p *Provider) unlistedTarget(model string) *Target {
	return &Target{Provider: p, Model: model, Weight: 1, state: p.unlisted, lanes: p.unlistedIn, label: unlistedLabel, metered: &p.unlistedMeters, failover: &p.failover}
}

// maxModelName is the longest name of a model in bytes that a request may have:
// it shows up in headers and logs.
const maxModelName = 512

func nameTooLong() error {
	return fail(ErrInvalidRequest, "the name of the model is longer than %d bytes", maxModelName)
}

// passable tells whether a client's name of a provider's model may be passed
// through. Gemini has it in the path, in which dots would lead elsewhere.
func passable(model string) bool {
	if model == "" || strings.ContainsFunc(model, unicode.IsControl) {
		return false
	}
	for segment := range strings.SplitSeq(model, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return true
}

// allNames lists what may be asked for by name, for suggestions.
func (r *Router) allNames() []string {
	names := sortedKeys(r.names)
	for _, p := range sortedKeys(r.providers) {
		for _, m := range r.providers[p].Models {
			names = append(names, p+"/"+m.Name)
		}
	}
	return names
}

func (r *Router) notFound(name string, p *Provider, model string) error {
	if p != nil && model != "" {
		return fail(ErrAliasNotFound, "the provider %q does not serve the model %s", p.Name, quoted(model))
	}
	return fail(ErrAliasNotFound, "the model %s does not exist; GET /v1/models lists those that do", quoted(name))
}

// plan orders the targets of a route for one request: those that can be asked it
// and are not cooling down, best first, then those to ask if all of these fail.
// It tells how many the former are. The slice is the caller's to keep.
func (r *Route) plan(op *operation, expected estimate, now time.Time, room []*Target) (order []*Target, free int, err error) {
	var weights []float64
	if r.calm(op) {
		order = append(room, r.Targets...)
		free, weights = len(order), r.route.weights
	} else {
		for _, t := range r.Targets {
			if t.Provider.distance(op) >= 0 {
				room = append(room, t)
			}
		}
		if len(room) == 0 {
			return nil, 0, r.notSpoken(op)
		}
		order, free = sortOut(room, now)
		if len(order) == 0 {
			var with *Credential
			if r.of != nil {
				with = r.of.credential
			}
			return nil, 0, coolingDown(room, now, with)
		}
	}
	first := order[:free]
	if free == 0 {
		first = order
	}
	if r.route == nil || len(first) < 2 {
		return order, free, nil
	}
	var s *Selection
	if r.of == nil {
		s = new(Selection)
	} else {
		s = &r.of.selection
		s.Stream, s.of = r.of.req.stream, r.of
	}
	s.Fallback = op.verb == verbCount
	s.Candidates, s.InputTokens, s.OutputTokens, s.Now, s.weights = first, expected.input, expected.output, now, weights
	r.route.order(s, op)
	return order, free, nil
}

// calm tells whether any of the route's targets can be asked, and nothing is held
// against any: then none needs to be looked at. A model of many targets may be one
// of thousands, whose states are not in the processor's cache.
func (r *Route) calm(op *operation) bool {
	rt := r.route
	if rt == nil || rt.entries != nil || len(r.Targets) != len(rt.targets) {
		return false
	}
	for _, p := range rt.visited {
		if !p.standing.good() || p.distance(op) < 0 {
			return false
		}
	}
	return true
}

// order puts the candidates in the order in which they are asked.
func (rt *route) order(s *Selection, op *operation) {
	switch {
	case len(s.Candidates) < 2:
	case rt.entries != nil:
		rt.orderEntries(s, op)
	default:
		rt.orderTargets(s, op)
	}
}

func (rt *route) orderTargets(s *Selection, op *operation) {
	if len(s.Candidates) < 2 {
		return
	}
	s.Rotation = rt.rotation
	if !rt.apiMatch {
		rt.selector.Order(s)
		return
	}
	// The equals are ordered among themselves: a turn or a trial that another
	// target has, which comes behind them, would be lost.
	all, fallback := s.Candidates, s.Fallback
	preferRelay(all, op)
	s.weights = nil
	for from, to := 0, 0; from < len(all); from, s.Fallback = to, true {
		for to < len(all) && all[to].distance(op) == all[from].distance(op) {
			to++
		}
		s.Candidates = all[from:to]
		rt.selector.Order(s)
	}
	s.Candidates, s.Fallback = all, fallback
}

// preferRelay puts the targets first that speak the client's API, then those to
// which the least gets lost; among equals the selector's order stays.
func preferRelay(targets []*Target, op *operation) {
	slices.SortStableFunc(targets, func(a, b *Target) int { return a.distance(op) - b.distance(op) })
}

func (r *Route) notSpoken(op *operation) error {
	var speak []string
	for _, t := range r.Targets {
		speak = append(speak, fmt.Sprintf("%s speaks %s", t.Provider.Name, strings.Join(t.Provider.speaks(), ", ")))
	}
	slices.Sort(speak)
	lacks := "speaks the API of this request, " + string(op.api)
	if op.verb == verbEmbed {
		lacks = "speaks an API that has embeddings"
	}
	return fail(ErrAPINotSpoken, "no target of the model %s %s: %s", quoted(r.Alias), lacks, strings.Join(slices.Compact(speak), "; "))
}

// sortOut puts the targets first, in place, from which nothing keeps requests
// away. After them come those that may be a single hiccup away from working, for
// when all others have failed; the rest is left out.
func sortOut(targets []*Target, now time.Time) (left []*Target, free int) {
	var room [8]*Target
	last := room[:0]
	for _, t := range targets {
		switch {
		case t.free(now):
			targets[free] = t
			free++
		case t.pardoned(now):
			last = append(last, t)
		}
	}
	return append(targets[:free], last...), free
}

// hedge is when a second target is asked, or nil.
func (r *Route) hedge() *Hedge {
	if r.route == nil {
		return nil
	}
	return r.route.model.Hedge
}

// roomOf is where requests for the route's targets wait.
func (r *Router) roomOf(route *Route) *waitingRoom {
	if route.route != nil {
		return route.route.room
	}
	return r.room
}

// failoverOf is how failures of the route's targets are met.
func (r *Router) failoverOf(route *Route) *Failover {
	if route.route != nil {
		return &route.route.failover
	}
	return &r.failover
}
