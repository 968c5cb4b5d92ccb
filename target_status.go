package plexus

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// targets lists what the gateway may ask, each once, in the order of the
// providers and their models' names.
func (g *Gateway) targets() []*Target {
	var all []*Target
	seen, reached := map[*targetState]int{}, map[*Provider]bool{}
	add := func(t *Target) {
		reached[t.Provider] = true
		i, known := seen[t.state]
		switch {
		case t.Provider.Disabled:
		case !known:
			seen[t.state] = len(all)
			all = append(all, t)
		case all[i].lanes[0].gate.most == 0:
			all[i] = t // which may be bounded by its alias
		}
	}
	for _, p := range g.Providers {
		for _, name := range sortedKeys(p.models) {
			add(p.models[name])
		}
	}
	for _, rt := range g.router.models {
		for _, t := range rt.targets {
			add(t)
		}
	}
	for _, p := range g.Providers {
		if !reached[p] && !p.Disabled {
			add(p.unlistedTarget(unlistedLabel)) // all that is passed through to it
		}
	}
	slices.SortStableFunc(all, func(a, b *Target) int {
		return cmp.Or(slices.Index(g.Providers, a.Provider)-slices.Index(g.Providers, b.Provider), cmp.Compare(a.Model, b.Model))
	})
	return all
}

// eachBreaker calls for every credential, every target, and every credential at
// every target of the gateway.
func (g *Gateway) eachBreaker(do func(*Provider, *breaker)) {
	for _, p := range g.Providers {
		if !p.Disabled {
			for _, c := range p.credentials {
				do(p, &c.state.breaker)
			}
		}
	}
	for _, t := range g.targets() {
		do(t.Provider, &t.state.breaker)
		for _, l := range t.lanes {
			do(t.Provider, &l.state.breaker)
		}
	}
}

// The states of a target, as the admin API tells them.
const (
	stateUp       = "up"
	stateCooling  = "cooling"
	stateHalfOpen = "half_open" // the pause is over, the next request finds out
	stateProbing  = "probing"   // a request is finding out
	stateDown     = "down"      // by the provider's health check
)

// targetStatus is what the admin API tells of a target.
type targetStatus struct {
	Provider string `json:"provider"`
	Model    string `json:"model"`
	State    string `json:"state"`
	// Until is the end of the pause.
	Until *time.Time `json:"until,omitempty"`
	// Failures are the pauses so far that were not enough.
	Failures int64  `json:"failures"`
	Reason   string `json:"reason,omitempty"`
	// Credential says that the provider's credential is at fault.
	Credential bool `json:"credential,omitempty"`
	// Credentials tells of each, where the provider has several. The target is
	// as the best of them is.
	Credentials  []credentialStatus `json:"credentials,omitempty"`
	FirstContent *float64           `json:"first_content_seconds,omitempty"`
	OutputRate   *float64           `json:"output_tokens_per_second,omitempty"`
}

// credentialStatus is what the admin API tells of a credential at a target.
type credentialStatus struct {
	// Number is its place in the configuration, from 1.
	Number int        `json:"number"`
	State  string     `json:"state"`
	Until  *time.Time `json:"until,omitempty"`
	Reason string     `json:"reason,omitempty"`
}

// targetStatus tells of all targets of all gateways.
func (a *App) targetStatus() []targetStatus {
	list := []targetStatus{}
	seen := map[*targetState]bool{}
	for _, g := range a.gateways {
		for _, t := range g.targets() {
			if !seen[t.state] {
				seen[t.state] = true
				list = append(list, t.status(g.now()))
			}
		}
	}
	return list
}

func (t *Target) status(now time.Time) targetStatus {
	out := targetStatus{Provider: t.Provider.Name, Model: t.Model, State: stateUp}
	if l, b := t.hindrance(); b != nil {
		b.mu.Lock()
		if out.State = t.stateOf(b, now); out.State != stateUp { // since a moment ago
			out.Until, out.Failures, out.Reason = b.end(now), b.failures, b.reason
			out.Credential = b == &l.credential.state.breaker
		}
		b.mu.Unlock()
	}
	if len(t.lanes) > 1 {
		for _, l := range t.lanes {
			out.Credentials = append(out.Credentials, l.status(t, now))
		}
	}
	if d, known := t.FirstContent(now); known {
		out.FirstContent = new(d.Seconds())
	}
	if rate, known := t.OutputRate(now); known {
		out.OutputRate = &rate
	}
	return out
}

func (l *lane) status(t *Target, now time.Time) credentialStatus {
	out := credentialStatus{Number: l.credential.number, State: stateUp}
	if b := l.hindrance(t); b != nil {
		b.mu.Lock()
		defer b.mu.Unlock()
		if out.State = t.stateOf(b, now); out.State != stateUp {
			out.Until, out.Reason = b.end(now), b.reason
		}
	}
	return out
}

// hindrance is what keeps requests away from the target, in the lane that is
// open the soonest; nil where one is open.
func (t *Target) hindrance() (at *lane, b *breaker) {
	for _, l := range t.lanes {
		worst := l.hindrance(t)
		if worst == nil {
			return nil, nil
		}
		if b == nil || worst.until.Load() < b.until.Load() {
			at, b = l, worst
		}
	}
	return at, b
}

// hindrance is what keeps requests out of the lane the longest, or nil.
func (l *lane) hindrance(t *Target) *breaker {
	var worst *breaker
	for b := range l.counting(t) {
		if until := b.until.Load(); until != 0 && (worst == nil || until > worst.until.Load()) {
			worst = b
		}
	}
	return worst
}

// stateOf is the state that a breaker puts the target into.
func (t *Target) stateOf(b *breaker, now time.Time) string {
	state := b.state(now)
	if state == stateCooling && b == t.Provider.checked() {
		return stateDown
	}
	return state
}

func (b *breaker) state(now time.Time) string {
	switch until := b.until.Load(); {
	case until == 0:
		return stateUp
	case stamp(now) < until:
		return stateCooling
	case b.probe.Load() == until:
		return stateProbing
	}
	return stateHalfOpen
}

// end is when the pause ends, nil when it is up.
func (b *breaker) end(now time.Time) *time.Time {
	until := b.until.Load()
	if until == 0 {
		return nil
	}
	return new(timeOf(until, now).UTC().Round(time.Millisecond))
}

// clear forgets what is held against targets, and against their credentials. It
// tells against how many something was.
func (a *App) clear(what clearing) (int, error) {
	n, known := 0, false
	for _, g := range a.gateways {
		var matching []*Target
		for _, t := range g.targets() {
			if (what.Provider == "" || t.Provider.Name == what.Provider) && (what.Model == "" || t.Model == what.Model) {
				matching = append(matching, t)
			}
		}
		known = known || len(matching) > 0
		n += g.clear(matching)
	}
	if !known && what != (clearing{}) {
		return 0, fmt.Errorf("there is no target %s/%s", what.Provider, cmp.Or(what.Model, "*"))
	}
	return n, nil
}

func (g *Gateway) clear(targets []*Target) (n int) {
	for _, t := range targets {
		if slices.ContainsFunc(t.lanes, func(l *lane) bool { return l.hindrance(t) != nil }) {
			n++
		}
	}
	for _, t := range targets {
		for _, l := range t.lanes {
			l.gate.forget(stamp(g.now()))
			for b := range l.counting(t) {
				g.noteUp(t, l, b, b.clear())
			}
		}
	}
	return n
}
