package plexus

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

// parseModel parses an alias:
//
//	model <alias> <additional_aliases...> {
//	    description <text>
//	    selector    <strategy> {
//	        …
//	    }
//	    api_match
//	    context_overflow ask|skip
//	    target      <provider> <model> [<weight>] {
//	        max_concurrency <number>
//	        disabled
//	    }
//	    target      alias:<model> [<weight>] { # another model
//	        disabled
//	    }
//	    failover {
//	        …
//	    }
//	    hedge       <delay>|p<percent> # 2s or p95
//	    queue       off|<size> [<deadline>]
//	    keep_alive  <interval>|off
//	}
func (g *Gateway) parseModel(d *caddyfile.Dispenser) error {
	names := d.RemainingArgs()
	if len(names) == 0 {
		return d.ArgErr()
	}
	m := &Model{Alias: names[0], AdditionalAliases: names[1:]}
	if len(m.AdditionalAliases) == 0 {
		m.AdditionalAliases = nil
	}
	for i, name := range names {
		for _, other := range g.Models {
			if slices.Contains(other.names(), name) {
				return d.WrapErr(duplicateAlias(name, other, m))
			}
		}
		if slices.Contains(names[:i], name) {
			return d.WrapErr(duplicateAlias(name, m, m))
		}
	}
	g.Models = append(g.Models, m)
	return block(d, options{
		"description": func(d *caddyfile.Dispenser) error { return parseString(d, &m.Description) },
		"selector":    m.parseSelector,
		"api_match":   func(d *caddyfile.Dispenser) error { return parseFlag(d, &m.APIMatch) },
		"context_overflow": func(d *caddyfile.Dispenser) error {
			if err := parseString(d, &m.ContextOverflow); err != nil {
				return err
			}
			if err := m.checkContextOverflow(); err != nil {
				return d.WrapErr(err)
			}
			return nil
		},
		"target":     m.parseTarget,
		"failover":   func(d *caddyfile.Dispenser) error { return parseFailover(d, &m.Failover) },
		"hedge":      m.parseHedge,
		"queue":      func(d *caddyfile.Dispenser) error { return parseQueue(d, &m.Queue) },
		"keep_alive": func(d *caddyfile.Dispenser) error { return parseSwitched(d, &m.KeepAlive) },
	})
}

func weight(d *caddyfile.Dispenser, value string, to **float64) error {
	parsed, err := strconv.ParseFloat(value, 64)
	if err != nil || !(parsed > 0) || math.IsInf(parsed, 1) {
		return d.Errf("expected a positive weight, got %q", value)
	}
	*to = &parsed
	return nil
}

func (m *Model) parseHedge(d *caddyfile.Dispenser) error {
	var value string
	if err := parseString(d, &value); err != nil {
		return err
	}
	h, err := newHedge(value)
	if err != nil {
		return d.WrapErr(err)
	}
	m.Hedge = h
	return nil
}

// parseSelector parses a strategy in the syntax of its module, if it has one.
func (m *Model) parseSelector(d *caddyfile.Dispenser) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	if m.SelectorRaw != nil {
		return d.Errf("the model %q has a selector already", m.Alias)
	}
	name := d.Val()
	id := "plexus.selectors." + name
	info, err := caddy.GetModule(id)
	if err != nil {
		return d.Errf("there is no selector %q%s (there are %s)", name, didYouMean(name, selectorNames()), listed(selectorNames()))
	}
	module := info.New()
	if configurable, ok := module.(caddyfile.Unmarshaler); ok {
		if err := configurable.UnmarshalCaddyfile(d.NewFromNextSegment()); err != nil {
			return err
		}
	} else if d.NextArg() {
		return d.ArgErr()
	}
	m.SelectorRaw = caddyconfig.JSONModuleObject(module, "strategy", name, nil)
	return nil
}

func (m *Model) parseTarget(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	here := *d // for errors: d itself moves on
	t := ModelTarget{at: here.WrapErr}
	switch {
	case len(args) > 0 && strings.HasPrefix(args[0], aliasPrefix):
		if t.Alias, args = args[0][len(aliasPrefix):], args[1:]; t.Alias == "" {
			return d.Errf("expected the name of a model behind %s", aliasPrefix)
		}
	case len(args) > 1:
		t.Provider, t.Model, args = args[0], args[1], args[2:]
	default:
		return d.ArgErr()
	}
	switch len(args) {
	case 0:
	case 1:
		if err := weight(d, args[0], &t.Weight); err != nil {
			return err
		}
	default:
		return d.ArgErr()
	}
	if err := block(d, options{
		"max_concurrency": func(d *caddyfile.Dispenser) error { return parseCount(d, &t.MaxConcurrency) },
		"disabled":        func(d *caddyfile.Dispenser) error { return parseFlag(d, &t.Disabled) },
	}); err != nil {
		return err
	}
	m.Targets = append(m.Targets, t)
	return nil
}
