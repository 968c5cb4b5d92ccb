package plexus

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"go.uber.org/zap"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/direct"
	"github.com/caddy-plexus/plexus/prices"
)

// Gateway turns requests for a model into requests to the providers behind it.
// It stands in the app, shared by every site, or in one handler.
type Gateway struct {
	// The services that run models. Default: none.
	Providers []*Provider `json:"providers,omitempty"`

	// What clients may ask for, in the order in which lists of models show it.
	// Default: none.
	Models []*Model `json:"models,omitempty"`

	// What clients authenticate with. With no key at all, only clients on
	// loopback addresses are served. Default: none.
	Keys []*Key `json:"keys,omitempty"`

	// Serves every client although there are no keys, because something else
	// guards the site. Default: `false`.
	Open bool `json:"open,omitempty"`

	// What to do when a target fails, and by when it has to answer. Default:
	// three attempts, each with a minute to the first content of a stream.
	Failover *Failover `json:"failover,omitempty"`

	// Where requests wait while every target that could serve them is full.
	// Default: up to 100 of each model, 10 seconds each.
	Queue *Queue `json:"queue,omitempty"`

	// How long the client of a stream hears nothing before it gets a keep-alive
	// in the words of its API; 0 for never. One that comes before the first
	// content brings the status 200, and every error after it is an event of
	// the stream. Default: `0`.
	KeepAlive *caddy.Duration `json:"keep_alive,omitempty"`

	// The module that exchanges requests with the providers, any of those that
	// `reverse_proxy` has. Default: `{"protocol":"direct"}`.
	TransportRaw json.RawMessage `json:"transport,omitempty" caddy:"namespace=http.reverse_proxy.transport inline_key=protocol"`

	// The largest body of a request, in bytes. Default: 64 MiB.
	MaxBody int64 `json:"max_body,omitempty"`

	// Leaves out the headers X-Plexus-Provider, X-Plexus-Model and
	// X-Plexus-Attempts of answers. Default: `false`.
	HideTarget bool `json:"hide_target,omitempty"`

	// Leaves chat streams as the client asked for them, instead of asking the
	// providers for their usage and taking it out again where the client did
	// not ask. Default: `false`.
	NoStreamUsage bool `json:"no_stream_usage,omitempty"`

	// Knows no prices and no context windows but those that the configuration
	// gives, instead of taking the others from the catalog that the program
	// holds. Default: `false`.
	NoPriceCatalog bool `json:"no_price_catalog,omitempty"`

	// site says that this is the gateway of one handler, not the app's.
	site bool

	// stopChecks ends the checks of the providers' health; nil before they begin.
	stopChecks func()

	router  *Router
	keyring keyring
	pooled  pooled
	buffers *buffers
	logger  *zap.Logger
	now     func() time.Time
	loaded  time.Time
}

const defaultMaxBody = 64 << 20

// Provision sets the gateway up.
func (g *Gateway) Provision(ctx caddy.Context) error {
	g.logger = ctx.Logger()
	if g.now == nil {
		g.now = time.Now
	}
	g.loaded, g.buffers = g.now(), new(buffers)
	if g.MaxBody == 0 {
		g.MaxBody = defaultMaxBody
	}
	if g.MaxBody < 0 {
		return fmt.Errorf("max_body: expected a number of bytes, at least 1, got %d", g.MaxBody)
	}
	if err := g.checkEntries(); err != nil {
		return err
	}
	if err := g.Failover.validate(); err != nil {
		return err
	}
	if err := errors.Join(g.Queue.validate(), validateKeepAlive(g.KeepAlive)); err != nil {
		return err
	}
	if err := registerMetrics(ctx); err != nil {
		return err
	}
	g.pooled.reserve()
	transport, err := g.loadTransport(ctx)
	if err != nil {
		return err
	}
	var catalog *prices.Catalog
	if !g.NoPriceCatalog {
		if catalog, err = prices.Builtin(); err != nil {
			return err
		}
	}
	for _, p := range g.Providers {
		p.catalog, p.failover = catalog, p.Failover.over(g.Failover)
		if err := p.provision(ctx, transport, g.logger); err != nil {
			return fmt.Errorf("provider %q: %w", p.Name, err)
		}
	}
	if g.router, err = newRouter(ctx, g); err != nil {
		return err
	}
	g.keyring, err = newKeyring(g.Keys, g.router)
	return err
}

// checkEntries refuses the nulls that JSON allows among the entries of a list.
func (g *Gateway) checkEntries() error {
	switch {
	case slices.Contains(g.Providers, nil):
		return errors.New("providers: an entry is null")
	case slices.Contains(g.Models, nil):
		return errors.New("models: an entry is null")
	case slices.Contains(g.Keys, nil):
		return errors.New("keys: an entry is null")
	}
	return nil
}

// loadTransport loads the transport that providers share. It goes through
// LoadModule even for the default, because Caddy cleans up only what it loaded.
func (g *Gateway) loadTransport(ctx caddy.Context) (http.RoundTripper, error) {
	if g.TransportRaw == nil {
		g.TransportRaw = caddyconfig.JSONModuleObject(new(direct.HTTPTransport), "protocol", "direct", nil)
	}
	mod, err := ctx.LoadModule(g, "TransportRaw")
	if err != nil {
		return nil, fmt.Errorf("loading transport: %w", err)
	}
	return roundTripper(mod)
}

// roundTripper is a transport module as what a transport has to be.
func roundTripper(mod any) (http.RoundTripper, error) {
	transport, ok := mod.(http.RoundTripper)
	if !ok {
		return nil, fmt.Errorf("transport: the module %T cannot be one; expected an http.RoundTripper", mod)
	}
	return transport, nil
}

// Cleanup gives back what the gateway holds in the pools of the process. Its
// streams may still be running, and go on.
func (g *Gateway) Cleanup() error {
	g.endChecks()
	g.pooled.release()
	return nil
}

// newTarget is a provider's model with what is known of it. An alias may have a
// bound of its own for the requests under way there.
func (g *Gateway) newTarget(p *Provider, model string, most int) (*Target, error) {
	t := &Target{
		Provider: p, Model: model, Weight: 1, label: model, metered: new(metered), failover: &p.failover,
		state: g.pooled.state(p.stateKey(model), p.standing), lanes: g.newLanes(p, model, most),
	}
	if err := errors.Join(t.findPrice(), t.findWindow()); err != nil {
		return nil, fmt.Errorf("provider %q: model %q: %w", p.Name, model, err)
	}
	return t, nil
}

// rotationKey identifies a model's rotation across configurations. Gateways of
// several sites may each have a model of that name, for other targets. Those
// that are alike in all of it share a rotation: nothing that outlives a reload
// tells one site from another.
func (g *Gateway) rotationKey(rt *route) string {
	key := []string{"rotation", g.home(), rt.model.Alias}
	for _, t := range rt.targets {
		key = append(key, t.state.key)
	}
	for i := range rt.entries {
		key = append(key, rt.entries[i].target.state.key)
	}
	return strings.Join(key, "\n")
}

// home tells the app's gateway from those of sites, in the names of states.
func (g *Gateway) home() string {
	if g.site {
		return "site"
	}
	return "app"
}

// newCredentials finds what is known of a provider's credentials, and of what
// they are used for.
func (g *Gateway) newCredentials(p *Provider) {
	p.bounded = &bounded{most: p.MaxConcurrency}
	p.limiter = g.pooled.limiter("limiter\n" + p.place())
	p.standing = g.pooled.standing("standing\n" + p.place())
	for _, c := range p.credentials {
		c.state = g.pooled.credential(c.stateKey(p), p.standing)
	}
}

// newLanes are the ways to a provider's model, one for each credential.
func (g *Gateway) newLanes(p *Provider, model string, most int) []*lane {
	all := make([]*lane, len(p.credentials))
	for i, c := range p.credentials {
		state := g.pooled.lane(c.stateKey(p)+"\n"+model, p.standing)
		all[i] = &lane{credential: c, state: state, gate: p.newGate(c, model, most)}
	}
	return all
}

// stateKey identifies a target across configurations. A provider that has moved
// to another URL is another one: what was held against the old one may just have
// been mended. Weights, prices and the like don't matter, nor do credentials:
// what was held against one has a state of its own.
func (p *Provider) stateKey(model string) string { return "target\n" + p.place() + "\n" + model }

// stateKey identifies a credential across configurations. One that is replaced
// is another one, which starts clean.
func (c *Credential) stateKey(p *Provider) string {
	return "credential\n" + p.place() + "\n" + c.digest
}

// place tells one provider from others across configurations.
func (p *Provider) place() string {
	if p.placed == "" {
		p.placed = p.Name
		if i := slices.IndexFunc(api.All, func(a api.API) bool { return p.endpoints[a] != nil }); i >= 0 {
			p.placed += "\n" + p.endpoints[api.All[i]].base.String()
		}
	}
	return p.placed
}

// Interface guards
var (
	_ caddy.Provisioner  = (*Gateway)(nil)
	_ caddy.CleanerUpper = (*Gateway)(nil)
)
