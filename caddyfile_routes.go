package plexus

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/prices"
)

// parseProvider parses a service that runs models:
//
//	provider <name> [<preset>] {
//	    api_key      <credential> {          # may repeat
//	        weight <number>
//	        rpm    <number>
//	        tpm    <number>
//	    }
//	    auth         bearer|<header>
//	    base_url     [<api>] <url>          # may repeat
//	    models       <names...> {
//	        # tokens, and USD per million tokens
//	        <name> [context <tokens>] [price <input> <output> [cache_read <price>] [cache_write <price>] [cache_write_1h <price>]] {
//	            max_concurrency <number>
//	        }
//	    }
//	    max_concurrency <number>
//	    rpm          <number>               # of each credential
//	    tpm          <number>
//	    no_learned_limits
//	    header_up    [+|-]<field> [<value|regexp> [<replacement>]]
//	    extra_body   <json_object>
//	    transport    <name> {
//	        …
//	    }
//	    failover {
//	        …                               # but attempts
//	    }
//	    cooldown     off
//	    cooldown     [<initial> [<max>]] {
//	        failures      <number>
//	        last_standing <share> [<attempts>] # 90% 10
//	    }
//	    health_check [models|tcp] {
//	        interval <duration>
//	        timeout  <duration>
//	        fails    <number>
//	    }
//	    stream       always|never
//	    no_stream_usage
//	    disabled
//	}
func (g *Gateway) parseProvider(d *caddyfile.Dispenser) error {
	p := new(Provider)
	args := d.RemainingArgs()
	switch len(args) {
	case 2:
		p.Preset = args[1]
		fallthrough
	case 1:
		p.Name = args[0]
	default:
		return d.ArgErr()
	}
	for _, other := range g.Providers {
		if other.Name == p.Name {
			return d.Errf("duplicate provider %q", p.Name)
		}
	}
	g.Providers = append(g.Providers, p)
	return block(d, options{
		"api_key":           p.parseAPIKey,
		"auth":              func(d *caddyfile.Dispenser) error { return parseString(d, &p.Auth) },
		"base_url":          p.parseBaseURL,
		"models":            p.parseModels,
		"header_up":         p.parseHeaderUp,
		"extra_body":        p.parseExtraBody,
		"transport":         func(d *caddyfile.Dispenser) error { return parseTransport(d, &p.TransportRaw) },
		"failover":          p.parseFailover,
		"cooldown":          p.parseCooldown,
		"health_check":      p.parseHealthCheck,
		"stream":            func(d *caddyfile.Dispenser) error { return parseString(d, &p.Stream) },
		"max_concurrency":   func(d *caddyfile.Dispenser) error { return parseCount(d, &p.MaxConcurrency) },
		"rpm":               func(d *caddyfile.Dispenser) error { return parseCount(d, &p.RPM) },
		"tpm":               func(d *caddyfile.Dispenser) error { return parseCount(d, &p.TPM) },
		"no_learned_limits": func(d *caddyfile.Dispenser) error { return parseFlag(d, &p.NoLearnedLimits) },
		"no_stream_usage":   func(d *caddyfile.Dispenser) error { return parseFlag(d, &p.NoStreamUsage) },
		"disabled":          func(d *caddyfile.Dispenser) error { return parseFlag(d, &p.Disabled) },
	})
}

// parseAPIKey parses one of the provider's credentials.
func (p *Provider) parseAPIKey(d *caddyfile.Dispenser) error {
	c := new(Credential)
	if err := parseString(d, &c.APIKey); err != nil {
		return err
	}
	err := block(d, options{
		"weight": func(d *caddyfile.Dispenser) error {
			var value string
			if err := parseString(d, &value); err != nil {
				return err
			}
			return weight(d, value, &c.Weight)
		},
		"rpm": func(d *caddyfile.Dispenser) error { return parseCount(d, &c.RPM) },
		"tpm": func(d *caddyfile.Dispenser) error { return parseCount(d, &c.TPM) },
	})
	if plain := c.Weight == nil && c.RPM == 0 && c.TPM == 0; plain && p.APIKey == "" && len(p.Credentials) == 0 {
		p.APIKey = c.APIKey
		return err
	}
	p.Credentials = append(p.Credentials, c)
	return err
}

func (p *Provider) parseBaseURL(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	switch len(args) {
	case 1:
		if p.BaseURL != "" {
			return d.Errf("there is a base_url for the OpenAI-compatible APIs already; name the API that this one is for")
		}
		p.BaseURL = args[0]
	case 2:
		if !api.API(args[0]).Known() {
			return d.Errf("there is no API %q%s", args[0], didYouMean(args[0], apiNames()))
		}
		if p.BaseURLs[args[0]] != "" {
			return d.Errf("duplicate base_url for the API %s", args[0])
		}
		if p.BaseURLs == nil {
			p.BaseURLs = map[string]string{}
		}
		p.BaseURLs[args[0]] = args[1]
	default:
		return d.ArgErr()
	}
	return nil
}

func (p *Provider) parseModels(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	for _, name := range args {
		p.Models = append(p.Models, ProviderModel{Name: name})
	}
	listed := len(args)
	for nesting := d.Nesting(); d.NextBlock(nesting); listed++ {
		m := ProviderModel{Name: d.Val()}
		if err := m.parse(d); err != nil {
			return err
		}
		if err := block(d, options{
			"max_concurrency": func(d *caddyfile.Dispenser) error { return parseCount(d, &m.MaxConcurrency) },
		}); err != nil {
			return err
		}
		p.Models = append(p.Models, m)
	}
	if listed == 0 {
		return d.ArgErr()
	}
	return nil
}

// parse parses what stands behind a model's name.
func (m *ProviderModel) parse(d *caddyfile.Dispenser) (err error) {
	for d.NextArg() {
		switch d.Val() {
		case "context":
			if !d.NextArg() {
				return d.ArgErr()
			}
			if m.Context, err = strconv.ParseInt(d.Val(), 10, 64); err != nil || m.Context < 1 {
				return d.Errf("expected a number of tokens such as 200000, got %q", d.Val())
			}
		case "price": // to the end of the line
			if m.Price, err = parsePrice(d); err != nil {
				return err
			}
		default:
			return d.Errf("unrecognized option %q of a model (allowed here: context, price)", d.Val())
		}
	}
	return nil
}

// parsePrice parses two prices, and those of caches by their names.
func parsePrice(d *caddyfile.Dispenser) (*Price, error) {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return nil, d.Errf("expected two prices in USD per million tokens, for input and for output")
	}
	p := new(Price)
	for i, to := range []*float64{&p.Input, &p.Output} {
		if err := parseUSD(d, args[i], to); err != nil {
			return nil, err
		}
	}
	for rest := args[2:]; len(rest) > 0; rest = rest[2:] {
		to := p.ofCache(rest[0])
		switch {
		case to == nil:
			return nil, d.Errf("unrecognized price %q (allowed here: cache_read, cache_write, cache_write_1h)", rest[0])
		case *to != nil:
			return nil, d.Errf("the price %q stands twice", rest[0])
		case len(rest) == 1:
			return nil, d.Errf("expected a price in USD per million tokens behind %q", rest[0])
		}
		*to = new(float64)
		if err := parseUSD(d, rest[1], *to); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func parseUSD(d *caddyfile.Dispenser, text string, to *float64) error {
	price, err := strconv.ParseFloat(text, 64)
	if err == nil {
		_, err = prices.RateOf(price)
	}
	if err != nil {
		return d.Errf("expected a price in USD per million tokens, got %q", text)
	}
	*to = price
	return nil
}

func (p *Provider) parseHeaderUp(d *caddyfile.Dispenser) error {
	if p.HeaderUp == nil {
		p.HeaderUp = new(headers.HeaderOps)
	}
	args := d.RemainingArgs()
	var err error
	switch len(args) {
	case 1:
		err = headers.CaddyfileHeaderOp(p.HeaderUp, args[0], "", nil)
	case 2:
		err = headers.CaddyfileHeaderOp(p.HeaderUp, args[0], args[1], nil)
	case 3:
		err = headers.CaddyfileHeaderOp(p.HeaderUp, args[0], args[1], &args[2])
	default:
		return d.ArgErr()
	}
	if err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (p *Provider) parseExtraBody(d *caddyfile.Dispenser) error {
	var text string
	if !d.AllArgs(&text) {
		return d.ArgErr()
	}
	p.ExtraBody = []byte(text)
	if err := p.readExtraBody(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (p *Provider) parseFailover(d *caddyfile.Dispenser) error {
	here := *d // which moves on
	if err := parseFailover(d, &p.Failover); err != nil {
		return err
	}
	if err := p.Failover.validateOf(p); err != nil {
		return here.WrapErr(err)
	}
	return nil
}

func (p *Provider) parseCooldown(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	c := new(Cooldown)
	p.Cooldown = c
	switch {
	case len(args) == 1 && args[0] == "off":
		c.Off = true
		return nil
	case len(args) > 2:
		return d.ArgErr()
	}
	for i, to := range []*caddy.Duration{&c.Initial, &c.Max}[:len(args)] {
		if err := duration(d, args[i], to); err != nil {
			return err
		}
	}
	here := *d // which moves on
	if err := block(d, options{
		"failures":      func(d *caddyfile.Dispenser) error { return parseCount(d, &c.Failures) },
		"last_standing": c.parseLastStanding,
	}); err != nil {
		return err
	}
	if len(args) == 0 && c.Failures == 0 && c.LastStanding == nil {
		return here.ArgErr()
	}
	if err := c.validate(); err != nil {
		return here.WrapErr(err)
	}
	return nil
}

func (c *Cooldown) parseLastStanding(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) != 1 && len(args) != 2 {
		return d.ArgErr()
	}
	percent, err := strconv.ParseFloat(strings.TrimSuffix(args[0], "%"), 64)
	if err != nil || !strings.HasSuffix(args[0], "%") || !(percent > 0 && percent <= 100) {
		return d.Errf("expected a share such as 90%%, got %q", args[0])
	}
	c.LastStanding = &LastStanding{Share: percent / 100}
	if len(args) == 2 {
		of, err := strconv.Atoi(args[1])
		if err != nil || of < 1 || of > mostOf {
			return d.Errf("expected how many attempts to look at, 1 to %d, got %q", mostOf, args[1])
		}
		c.LastStanding.Of = of
	}
	return nil
}

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
	here := *d // which moves on
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
