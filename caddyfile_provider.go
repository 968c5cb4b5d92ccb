package plexus

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"

	"github.com/caddy-plexus/plexus/api"
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

func (p *Provider) parseHeaderUp(d *caddyfile.Dispenser) error {
	if p.HeaderUp == nil {
		p.HeaderUp = new(headers.HeaderOps)
	}
	args := d.RemainingArgs()
	shorthands := httpcaddyfile.NewShorthandReplacer() // which Caddy applies to sites, but not to global options
	for i := range args {
		token := caddyfile.Segment{{Text: args[i]}}
		shorthands.ApplyToSegment(&token)
		args[i] = token[0].Text
	}
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
	here := *d // for errors: d itself moves on
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
	case len(args) == 1 && args[0] == off:
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
	here := *d // for errors: d itself moves on
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
