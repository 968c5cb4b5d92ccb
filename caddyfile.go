package plexus

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/dustin/go-humanize"
)

func init() {
	httpcaddyfile.RegisterGlobalOption("plexus", parseGlobalOption)
	httpcaddyfile.RegisterHandlerDirective("plexus", parseDirective)
	// Before respond and reverse_proxy, so that these can answer what is not
	// ours; after everything that guards, limits or encodes.
	httpcaddyfile.RegisterDirectiveOrder("plexus", httpcaddyfile.Before, "respond")
}

// parseGlobalOption parses the gateway that every site shares. Blocks that are
// repeated, or imported from several files, merge into one.
func parseGlobalOption(d *caddyfile.Dispenser, existing any) (any, error) {
	app := new(App)
	if earlier, ok := existing.(httpcaddyfile.App); ok {
		if err := json.Unmarshal(earlier.Value, app); err != nil {
			return nil, d.WrapErr(err)
		}
	}
	if err := app.Gateway.UnmarshalCaddyfile(d); err != nil {
		return nil, err
	}
	if err := app.Gateway.checkTargets(false); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(app)
	if err != nil {
		return nil, d.WrapErr(err)
	}
	return httpcaddyfile.App{Name: "plexus", Value: raw}, nil
}

// parseDirective parses the site's directive, which may have a gateway of its
// own in its block.
func parseDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	handler := new(Handler)
	own := new(Gateway)
	if err := own.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	if err := own.checkTargets(true); err != nil {
		return nil, err
	}
	raw, err := json.Marshal(own)
	if err != nil {
		return nil, h.WrapErr(err)
	}
	if string(raw) != "{}" {
		handler.Gateway = own
	}
	return handler, nil
}

// UnmarshalCaddyfile sets up the gateway from Caddyfile tokens. Syntax:
//
//	plexus [<matcher>] {
//	    provider <name> [<preset>] {
//	        …
//	    }
//	    model <alias> <additional_aliases...> {
//	        …
//	    }
//	    key <name> <secret> {
//	        models   <names...>
//	        expires  <date>
//	        disabled
//	    }
//	    failover {
//	        …
//	    }
//	    queue           off|<size> [<deadline>]
//	    keep_alive      <interval>|off
//	    transport <name> {
//	        …
//	    }
//	    config          <file>
//	    max_body        <size>
//	    no_stream_usage
//	    no_price_catalog
//	    hide_target
//	    open
//	}
//
// What the blocks of providers, models and failover hold is described where they
// are parsed. A config file is one in YAML; its path is relative to the
// Caddyfile.
func (g *Gateway) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume the option's or directive's name
	if d.NextArg() {
		return d.ArgErr()
	}
	return block(d, options{
		"provider":         g.parseProvider,
		"model":            g.parseModel,
		"key":              g.parseKey,
		"failover":         func(d *caddyfile.Dispenser) error { return parseFailover(d, &g.Failover) },
		"queue":            func(d *caddyfile.Dispenser) error { return parseQueue(d, &g.Queue) },
		"keep_alive":       func(d *caddyfile.Dispenser) error { return parseSwitched(d, &g.KeepAlive) },
		"transport":        func(d *caddyfile.Dispenser) error { return parseTransport(d, &g.TransportRaw) },
		"config":           g.parseConfig,
		"max_body":         func(d *caddyfile.Dispenser) error { return parseSize(d, &g.MaxBody) },
		"no_stream_usage":  func(d *caddyfile.Dispenser) error { return parseFlag(d, &g.NoStreamUsage) },
		"no_price_catalog": func(d *caddyfile.Dispenser) error { return parseFlag(d, &g.NoPriceCatalog) },
		"hide_target":      func(d *caddyfile.Dispenser) error { return parseFlag(d, &g.HideTarget) },
		"open":             func(d *caddyfile.Dispenser) error { return parseFlag(d, &g.Open) },
	})
}

// options are what a block may hold. The parser of each finds its own name as
// the current token.
type options map[string]func(*caddyfile.Dispenser) error

// block parses the block at the current nesting.
func block(d *caddyfile.Dispenser, allowed options) error {
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		parse, ok := allowed[d.Val()]
		if !ok {
			names := sortedKeys(allowed)
			return d.Errf("unrecognized option %q%s (allowed here: %s)", d.Val(), didYouMean(d.Val(), names), strings.Join(names, ", "))
		}
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

func (g *Gateway) parseKey(d *caddyfile.Dispenser) error {
	k := new(Key)
	if !d.AllArgs(&k.Name, &k.Secret) {
		return d.ArgErr()
	}
	k.Secret = hideSecret(k.Secret)
	g.Keys = append(g.Keys, k)
	return block(d, options{
		"models":   func(d *caddyfile.Dispenser) error { return parseList(d, &k.Models) },
		"expires":  func(d *caddyfile.Dispenser) error { return parseString(d, &k.Expires) },
		"disabled": func(d *caddyfile.Dispenser) error { return parseFlag(d, &k.Disabled) },
	})
}

// parseFailover parses what to do when a target fails, and by when it has to
// answer:
//
//	failover {
//	    attempts        <number>
//	    connect         <duration>|off
//	    first_content   <duration>       # of streams
//	    answer          <duration>       # of what is no stream
//	    idle            <duration>|off
//	    total           <duration>|off
//	    min_output_rate <tokens>|off     # a second
//	    on_status       <codes...>       # 418, or 4xx for a class
//	}
func parseFailover(d *caddyfile.Dispenser, to **Failover) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	if *to == nil {
		*to = new(Failover)
	}
	f := *to
	return block(d, options{
		"attempts":        func(d *caddyfile.Dispenser) error { return parseCount(d, &f.Attempts) },
		"connect":         func(d *caddyfile.Dispenser) error { return parseSwitched(d, &f.Connect) },
		"first_content":   func(d *caddyfile.Dispenser) error { return parseDuration(d, &f.FirstContent) },
		"answer":          func(d *caddyfile.Dispenser) error { return parseDuration(d, &f.Answer) },
		"idle":            func(d *caddyfile.Dispenser) error { return parseSwitched(d, &f.Idle) },
		"total":           func(d *caddyfile.Dispenser) error { return parseSwitched(d, &f.Total) },
		"min_output_rate": f.parseMinOutputRate,
		"on_status":       f.parseOnStatus,
	})
}

func (f *Failover) parseMinOutputRate(d *caddyfile.Dispenser) error {
	var value string
	if !d.AllArgs(&value) {
		return d.ArgErr()
	}
	f.MinOutputRate = new(float64)
	if value == off {
		return nil
	}
	rate, err := strconv.ParseFloat(value, 64)
	if err != nil || !validRate(rate) {
		return d.Errf("expected tokens per second such as 5, or off, got %q", value)
	}
	*f.MinOutputRate = rate
	return nil
}

func (f *Failover) parseOnStatus(d *caddyfile.Dispenser) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	for _, arg := range args {
		status, ok := parseStatus(arg)
		if !ok {
			return d.Errf("expected a status from 300 to 599 such as 418, or a class such as 4xx, got %q", arg)
		}
		f.OnStatus = append(f.OnStatus, status)
	}
	return nil
}

// parseQueue parses where requests wait, a number of them and how long:
//
//	queue off
//	queue <size> [<deadline>]
func parseQueue(d *caddyfile.Dispenser, to **Queue) error {
	args := d.RemainingArgs()
	if len(args) != 1 && len(args) != 2 {
		return d.ArgErr()
	}
	*to = new(Queue)
	if args[0] == off {
		if (*to).Off = true; len(args) == 2 {
			return d.ArgErr()
		}
		return nil
	}
	size, err := strconv.Atoi(args[0])
	if err != nil || size < 1 {
		return d.Errf("expected off, or how many requests may wait such as 100, got %q", args[0])
	}
	(*to).Size = size
	if len(args) == 2 {
		return duration(d, args[1], &(*to).Deadline)
	}
	return nil
}

// parseTransport parses a transport in the syntax of its own module.
func parseTransport(d *caddyfile.Dispenser, to *json.RawMessage) error {
	if !d.NextArg() {
		return d.ArgErr()
	}
	name := d.Val()
	unmarshaled, err := caddyfile.UnmarshalModule(d, "http.reverse_proxy.transport."+name)
	if err != nil {
		return err
	}
	*to = caddyconfig.JSONModuleObject(unmarshaled, "protocol", name, nil)
	return nil
}

func parseString(d *caddyfile.Dispenser, to *string) error {
	if !d.AllArgs(to) {
		return d.ArgErr()
	}
	return nil
}

func parseList(d *caddyfile.Dispenser, to *[]string) error {
	args := d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	*to = append(*to, args...)
	return nil
}

func parseFlag(d *caddyfile.Dispenser, to *bool) error {
	if d.NextArg() {
		return d.ArgErr()
	}
	*to = true
	return nil
}

func parseCount(d *caddyfile.Dispenser, to *int) error {
	var value string
	if !d.AllArgs(&value) {
		return d.ArgErr()
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 1 {
		return d.Errf("expected a number of at least 1, got %q", value)
	}
	*to = n
	return nil
}

func parseSize(d *caddyfile.Dispenser, to *int64) error {
	var value string
	if !d.AllArgs(&value) {
		return d.ArgErr()
	}
	size, err := humanize.ParseBytes(value)
	if err != nil || size == 0 || size > 1<<40 {
		return d.Errf("expected a size such as 64MiB, got %q", value)
	}
	*to = int64(size)
	return nil
}

func parseDuration(d *caddyfile.Dispenser, to *caddy.Duration) error {
	var value string
	if !d.AllArgs(&value) {
		return d.ArgErr()
	}
	return duration(d, value, to)
}

// off is how a Caddyfile says 0 of what may be switched off.
const off = "off"

// parseSwitched parses a duration, or off.
func parseSwitched(d *caddyfile.Dispenser, to **caddy.Duration) error {
	var value string
	if !d.AllArgs(&value) {
		return d.ArgErr()
	}
	*to = new(caddy.Duration)
	parsed, err := caddy.ParseDuration(value)
	switch {
	case value == off:
	case err != nil || parsed < 0:
		return d.Errf("expected a duration such as 20s, or off, got %q", value)
	default:
		**to = caddy.Duration(parsed)
	}
	return nil
}

func duration(d *caddyfile.Dispenser, value string, to *caddy.Duration) error {
	parsed, err := caddy.ParseDuration(value)
	if err != nil || parsed <= 0 {
		return d.Errf("expected a duration such as 20s, got %q", value)
	}
	*to = caddy.Duration(parsed)
	return nil
}

// Interface guard
var _ caddyfile.Unmarshaler = (*Gateway)(nil)
