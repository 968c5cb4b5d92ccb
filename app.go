package plexus

import (
	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(App{})
}

// App is the gateway that every site shares: handlers without a gateway of
// their own use this one.
type App struct {
	Gateway
}

// CaddyModule returns the Caddy module information.
func (App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "plexus",
		New: func() caddy.Module { return new(App) },
	}
}

// Start implements caddy.App. There is nothing to run beside the requests.
func (*App) Start() error { return nil }

// Stop implements caddy.App. Streams of this configuration go on to their end;
// Caddy's grace_period bounds them when the process exits.
func (*App) Stop() error { return nil }

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
