package mock

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("plexus_mock", parseCaddyfile)
	// Like plexus itself: ahead of the handlers that answer everything.
	httpcaddyfile.RegisterDirectiveOrder("plexus_mock", httpcaddyfile.Before, "respond")
}

func parseCaddyfile(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	m := new(Mock)
	if err := m.UnmarshalCaddyfile(h.Dispenser); err != nil {
		return nil, err
	}
	return m, nil
}

// UnmarshalCaddyfile sets up the handler from Caddyfile tokens. Every option
// has the name and meaning of its JSON member; a switch without an argument is
// on. Syntax:
//
//	plexus_mock [<matcher>] {
//	    models         <names...>
//	    api_key        <key>
//	    record         on|off
//
//	    latency        <duration>
//	    first_content  <duration>
//	    rate           <tokens_per_second>
//	    pause          <duration>
//	    pause_after    <deltas>
//	    keep_alive     <duration>
//
//	    tokens         <words>
//	    text           <text>
//	    reasoning      [on|off|<words>]
//	    cached_tokens  <tokens>
//	    tool_calls     [on|off]
//	    call           <tool>
//	    arguments      <json>
//	    parallel_calls <calls>
//	    preamble       [on|off]
//	    filtered       [on|off]
//	    crlf           [on|off]
//	    no_done        [on|off]
//
//	    fault          status|reset|hang|hang_after|error_event|error_body|cut|end|malformed|empty|html|none
//	    status         <code>
//	    retry_after    <value>
//	    message        <text>
//	    code           <code>
//	    after          <deltas>
//	    fault_share    <0..1>
//	    fault_first    <requests>
//	    seed           <number>
//	}
func (m *Mock) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // consume directive name
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		if err := m.unmarshalOption(d); err != nil {
			return err
		}
	}
	if err := m.check(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

func (m *Mock) unmarshalOption(d *caddyfile.Dispenser) error {
	name, args := d.Val(), d.RemainingArgs()
	if name == "models" {
		if len(args) == 0 {
			return d.ArgErr()
		}
		m.Models = append(m.Models, args...)
		return nil
	}
	if len(args) == 0 && m.isSwitch(name) {
		args = []string{"on"}
	}
	known := name == "api_key" || name == "record" || m.field(name) != nil
	if known && len(args) != 1 {
		return d.ArgErr()
	}
	switch {
	case !known:
		return d.Errf("unrecognized option: %s (options: api_key, models, record, %s)", name, optionNames())
	case name == "api_key":
		m.APIKey = args[0]
	case name == "record":
		on, err := parseSwitch(args[0])
		if err != nil {
			return d.Errf("option \"record\": %w", err)
		}
		m.Record = &on
	default:
		if err := m.set(name, args[0]); err != nil {
			return d.WrapErr(err)
		}
	}
	return nil
}

// isSwitch tells whether an option may stand without an argument.
func (m *Mock) isSwitch(name string) bool {
	switch m.field(name).(type) {
	case *bool, **bool, *Words:
		return true
	}
	return name == "record"
}

// Interface guards
var _ caddyfile.Unmarshaler = (*Mock)(nil)
