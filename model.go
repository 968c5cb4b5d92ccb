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
	// cost, latency, performance, or any other module of this namespace.
	// Default: `{"strategy":"random"}`.
	SelectorRaw json.RawMessage `json:"selector,omitempty" caddy:"namespace=plexus.selectors inline_key=strategy"`

	// Prefers the targets that speak the client's own API to those for which
	// a request has to be translated. Targets that can do neither are always
	// skipped. Default: `false`.
	APIMatch bool `json:"api_match,omitempty"`

	// The targets, at least one.
	Targets []ModelTarget `json:"targets"`

	// What to do when a target fails, and by when it has to answer, where that
	// differs from the providers' and the gateway's.
	Failover *Failover `json:"failover,omitempty"`

	// How long the client of a stream hears nothing before it gets a keep-alive;
	// 0 for never. Default: the gateway's.
	KeepAlive *caddy.Duration `json:"keep_alive,omitempty"`
}

// ModelTarget is one provider's model behind an alias.
type ModelTarget struct {
	// The name of the provider.
	Provider string `json:"provider"`
	// The provider's own name of the model.
	Model string `json:"model"`
	// The share of requests, relative to the other targets' weights. Default:
	// `1`.
	Weight *float64 `json:"weight,omitempty"`
	// Switches this target off. Default: `false`.
	Disabled bool `json:"disabled,omitempty"`

	// at adds to an error where the target is written, while that is known.
	at func(error) error
}

// errUndefined says that a target's provider is not defined.
var errUndefined = errors.New("is not defined")

// check tells what is wrong with a target, if its provider is not defined or
// does not list its model.
func (mt *ModelTarget) check(providers map[string]*Provider) error {
	p := providers[mt.Provider]
	switch {
	case p == nil:
		hint := didYouMean(mt.Provider, sortedKeys(providers))
		if _, known := presets[mt.Provider]; known && hint == "" {
			hint = fmt.Sprintf("; there is a preset of that name: add `provider %s`", mt.Provider)
		}
		return fmt.Errorf("target %s/%s: provider %q %w%s", mt.Provider, mt.Model, mt.Provider, errUndefined, hint)
	case mt.Model == "":
		return fmt.Errorf("a target of provider %q names no model", mt.Provider)
	case !p.serves(mt.Model):
		names := p.modelNames()
		return fmt.Errorf("target %s/%s: provider %q does not list the model %q%s (it lists %s)",
			p.Name, mt.Model, p.Name, mt.Model, didYouMean(mt.Model, names), listed(names))
	}
	return nil
}

// checkTargets checks, while adapting, the targets of which it is known where
// they are written. More providers may follow unless the gateway is complete.
func (g *Gateway) checkTargets(complete bool) error {
	providers := make(map[string]*Provider, len(g.Providers))
	for _, p := range g.Providers {
		providers[p.Name] = p
	}
	for _, m := range g.Models {
		for i := range m.Targets {
			t := &m.Targets[i]
			err := t.check(providers)
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
