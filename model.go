package plexus

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddyserver/caddy/v2"
)

// Model is what clients ask for: an alias for one or more targets.
type Model struct {
	// The name that clients ask for. It is case-sensitive.
	Alias string `json:"alias"`

	// More names for the same model. Logs and metrics carry the alias.
	// Default: none.
	AdditionalAliases []string `json:"additional_aliases,omitempty"`

	// What lists of models say of this one. Default: empty.
	Description string `json:"description,omitempty"`

	// The strategy that orders the targets: random, in_order, round_robin,
	// cost, latency, performance, least_busy, usage, sticky, or any other
	// module of this namespace.
	// Default: `{"strategy":"random"}`.
	SelectorRaw json.RawMessage `json:"selector,omitempty" caddy:"namespace=plexus.selectors inline_key=strategy"`

	// Prefers the targets that speak the client's own API to those for which
	// a request has to be translated. Targets that can do neither are always
	// skipped. Default: `false`.
	APIMatch bool `json:"api_match,omitempty"`

	// What to do about targets whose context is too short for a request, by
	// its estimated length: `skip` leaves them out, and goes on from one that
	// says so to a larger one; `ask` asks them all the same. Default: `ask`.
	ContextOverflow string `json:"context_overflow,omitempty"`

	// The targets, at least one.
	Targets []ModelTarget `json:"targets"`

	// What to do when a target fails, and by when it has to answer. Default: as
	// the target's provider has it, else as the gateway does.
	Failover *Failover `json:"failover,omitempty"`

	// When to ask a second target beside the first. Default: never.
	Hedge *Hedge `json:"hedge,omitempty"`

	// Where requests wait while every target is full. Default: the gateway's.
	Queue *Queue `json:"queue,omitempty"`

	// How long the client of a stream hears nothing before it gets a keep-alive;
	// 0 for never. Default: the gateway's.
	KeepAlive *caddy.Duration `json:"keep_alive,omitempty"`
}

// ModelTarget is what stands behind an alias: one provider's model, or another
// alias.
type ModelTarget struct {
	// The name of the provider. Default: none, where `alias` is given.
	Provider string `json:"provider,omitempty"`
	// The provider's own name of the model. Default: none, where `alias` is
	// given.
	Model string `json:"model,omitempty"`
	// Any name of another model of this configuration, instead of a provider
	// and its model: that one's targets stand in this place, in that one's
	// order. Default: none.
	Alias string `json:"alias,omitempty"`
	// The share of requests, relative to the other targets' weights. Default:
	// `1`.
	Weight *float64 `json:"weight,omitempty"`
	// This alias sends the provider's model no request while so many are under
	// way there, those of other aliases included. The bound in the provider's
	// list of models holds as well. Default: any number.
	MaxConcurrency int `json:"max_concurrency,omitempty"`
	// Switches this target off. Default: `false`.
	Disabled bool `json:"disabled,omitempty"`

	// at adds to an error where the target is written, while that is known.
	at func(error) error
}

func (mt *ModelTarget) String() string {
	if mt.Alias != "" {
		return aliasPrefix + mt.Alias
	}
	return mt.Provider + "/" + mt.Model
}

func (mt *ModelTarget) checkWeight() error {
	if mt.Weight != nil && !(*mt.Weight > 0) {
		return fmt.Errorf("target %s: the weight %v is not positive", mt, *mt.Weight)
	}
	return nil
}

// errUndefined says that a target's provider, or the model that it is, is not
// defined.
var errUndefined = errors.New("is not defined")

// check tells what is wrong with a target, if its provider is not defined or
// does not list its model.
func (mt *ModelTarget) check(providers map[string]*Provider) error {
	p := providers[mt.Provider]
	switch {
	case mt.Alias != "" && (mt.Provider != "" || mt.Model != ""):
		return fmt.Errorf("target %s: it is another model already, so it has no provider and no model of its own", mt)
	case mt.Alias != "" && mt.MaxConcurrency != 0:
		return fmt.Errorf("target %s: max_concurrency: it is another model; give it to the targets of that", mt)
	case mt.Alias != "":
		return nil
	case p == nil:
		hint := didYouMean(mt.Provider, sortedKeys(providers))
		if _, known := presets[mt.Provider]; known && hint == "" {
			hint = fmt.Sprintf("; there is a preset of that name: add `provider %s`", mt.Provider)
		}
		return fmt.Errorf("target %s: provider %q %w%s", mt, mt.Provider, errUndefined, hint)
	case mt.Model == "":
		return fmt.Errorf("a target of provider %q names no model", mt.Provider)
	case !p.serves(mt.Model):
		names := p.modelNames()
		return fmt.Errorf("target %s/%s: provider %q does not list the model %q%s (it lists %s)",
			p.Name, mt.Model, p.Name, mt.Model, didYouMean(mt.Model, names), listed(names))
	}
	return nil
}

// checkTargets checks targets while adapting, so that errors can tell their file
// and line. Unless the gateway is complete, the providers and models that a target
// refers to may follow later.
func (g *Gateway) checkTargets(complete bool) error {
	providers := make(map[string]*Provider, len(g.Providers))
	for _, p := range g.Providers {
		providers[p.Name] = p
	}
	names := map[string]bool{}
	for _, m := range g.Models {
		for _, name := range m.names() {
			names[name] = true
		}
	}
	for _, m := range g.Models {
		for i := range m.Targets {
			t := &m.Targets[i]
			err := t.check(providers)
			if err == nil && t.Alias != "" && !names[t.Alias] {
				err = m.undefined(t, sortedKeys(names))
			}
			if err != nil && t.at != nil && (complete || !errors.Is(err, errUndefined)) {
				return t.at(fmt.Errorf("model %q: %w", m.Alias, err))
			}
		}
	}
	return nil
}

// names lists the alias and the additional aliases.
func (m *Model) names() []string {
	return append([]string{m.Alias}, m.AdditionalAliases...)
}
