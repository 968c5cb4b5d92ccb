package plexus

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

func init() {
	caddy.RegisterModule(App{})
}

// App is the gateway that every site shares: handlers without a gateway of
// their own use this one.
//
// It emits the events `plexus.target_down` and `plexus.target_up` when a target
// is left alone after failures, and when it is back. Their data are `provider`;
// `model`, which is `_all` where the provider's credential is at fault or its
// health checks fail; `credential`, the number of the one that is left alone,
// where the provider has several; `reason`; and `until`, the end of the first
// pause, or when the next check has been made.
type App struct {
	Gateway

	// implied says that no configuration asks for an app: a site's own gateway
	// needs one, for what is done beside the requests.
	implied  bool
	gateways []*Gateway // this one, and those of the sites
	ctx      caddy.Context
	events   *caddyevents.App
	memory   memory
	stop     chan struct{}
	stopped  chan struct{}
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "plexus",
		New: func() caddy.Module { return new(App) },
	}
}

// Provision implements caddy.Provisioner.
func (a *App) Provision(ctx caddy.Context) error {
	events, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("loading the events app: %w", err)
	}
	a.ctx, a.events = ctx, events.(*caddyevents.App)
	a.gateways = append(a.gateways, &a.Gateway)
	if err := a.Gateway.Provision(ctx); err != nil {
		return err
	}
	a.memory = memory{storage: ctx.Storage(), logger: a.logger}
	return nil
}

// Start implements caddy.App. Beside the requests it checks the health of
// providers, and remembers which targets are cooling down, for when the process
// starts again.
func (a *App) Start() error {
	a.memory.load(a.gateways, a.now())
	running.add(a)
	for _, g := range a.gateways {
		g.startChecks()
	}
	a.stop, a.stopped = make(chan struct{}), make(chan struct{})
	go a.remember()
	return nil
}

// remember saves every now and then what is worth it.
func (a *App) remember() {
	defer close(a.stopped)
	ticker := time.NewTicker(saveInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			a.memory.save(a.gateways, a.now())
		case <-a.stop:
			return
		}
	}
}

// Stop implements caddy.App. Streams of this configuration go on to their end;
// Caddy's grace_period bounds them when the process exits.
func (a *App) Stop() error {
	for _, g := range a.gateways {
		g.endChecks()
	}
	close(a.stop)
	<-a.stopped
	if running.remove(a) {
		// Else another configuration has taken over, and remembers.
		a.memory.save(a.gateways, a.now())
	}
	return nil
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
