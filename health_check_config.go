package plexus

import (
	"cmp"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"gopkg.in/yaml.v3"
)

// HealthCheck looks beside the requests, again and again, whether a provider can
// be reached, and leaves all of its targets alone while it cannot. It never makes
// a call that costs anything.
type HealthCheck struct {
	// What a check does: `models` asks the provider for its list of models, with
	// its credential and by its transport; `tcp` only connects to its host.
	// Default: `models`.
	Kind string `json:"kind,omitempty"`
	// The time between two checks, at least a second. Default: `30s`.
	Interval caddy.Duration `json:"interval,omitempty"`
	// How long a check may take. Default: `5s`.
	Timeout caddy.Duration `json:"timeout,omitempty"`
	// How many checks in a row have to fail before the targets are left alone.
	// Default: `2`.
	Fails int `json:"fails,omitempty"`
}

const (
	checkModels = "models"
	checkTCP    = "tcp"

	defaultCheckInterval = 30 * time.Second
	defaultCheckTimeout  = 5 * time.Second
	defaultCheckFails    = 2
)

func (c *HealthCheck) validate() error {
	switch {
	case c == nil:
		return nil
	case c.Kind != "" && c.Kind != checkModels && c.Kind != checkTCP:
		return fmt.Errorf("health_check: expected %s or %s, got %q", checkModels, checkTCP, c.Kind)
	case c.Interval != 0 && c.Interval < caddy.Duration(time.Second):
		return fmt.Errorf("health_check: interval: expected at least 1s, got %s", time.Duration(c.Interval))
	case c.Timeout < 0:
		return fmt.Errorf("health_check: timeout: expected a positive duration, got %s", time.Duration(c.Timeout))
	case c.Fails < 0:
		return fmt.Errorf("health_check: fails: expected at least 1, got %d", c.Fails)
	}
	return nil
}

// complete is c with the defaults where it leaves something open.
func (c *HealthCheck) complete() HealthCheck {
	return HealthCheck{
		Kind:     cmp.Or(c.Kind, checkModels),
		Interval: cmp.Or(c.Interval, caddy.Duration(defaultCheckInterval)),
		Timeout:  cmp.Or(c.Timeout, caddy.Duration(defaultCheckTimeout)),
		Fails:    cmp.Or(c.Fails, defaultCheckFails),
	}
}

// parseHealthCheck parses how a provider is looked after:
//
//	health_check [models|tcp] {
//	    interval <duration>
//	    timeout  <duration>
//	    fails    <number>
//	}
func (p *Provider) parseHealthCheck(d *caddyfile.Dispenser) error {
	c := new(HealthCheck)
	p.HealthCheck = c
	switch args := d.RemainingArgs(); len(args) {
	case 0:
	case 1:
		c.Kind = args[0]
	default:
		return d.ArgErr()
	}
	here := *d // for errors: d itself moves on
	if err := block(d, options{
		"interval": func(d *caddyfile.Dispenser) error { return parseDuration(d, &c.Interval) },
		"timeout":  func(d *caddyfile.Dispenser) error { return parseDuration(d, &c.Timeout) },
		"fails":    func(d *caddyfile.Dispenser) error { return parseCount(d, &c.Fails) },
	}); err != nil {
		return err
	}
	if err := c.validate(); err != nil {
		return here.WrapErr(err)
	}
	return nil
}

// healthCheck reads the kind of a check, or a mapping of all that it takes.
func (y *yamlReader) healthCheck(p *Provider) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		c := new(HealthCheck)
		p.HealthCheck = c
		if n.Kind == yaml.ScalarNode {
			c.Kind = n.Value
		} else if err := y.mapping(n, "health_check", yamlFields{
			"kind":     y.decode("kind", &c.Kind),
			"interval": y.duration("interval", &c.Interval),
			"timeout":  y.duration("timeout", &c.Timeout),
			"fails":    y.decode("fails", &c.Fails),
		}); err != nil {
			return err
		}
		if err := c.validate(); err != nil {
			return y.fail(n, "%v", err)
		}
		return nil
	}
}
