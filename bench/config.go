package main

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The Caddyfiles of the subjects. Each gives the provider the same credential.

const globalOptions = `{
	admin %s
	persist_config off
	auto_https off
	default_bind 127.0.0.1
%s}
`

// noAdmin is the address of an admin endpoint that there is not.
const noAdmin = "off"

// caddy is what a subject that is Caddy has on.
type caddy struct {
	gateway, log bool
	version      string // of HTTP, over TLS; if there is none, without
}

// caddies are those subjects, by the names that they have in tables.
var caddies = map[string]caddy{
	plexus:       {gateway: true},
	plexusLogged: {gateway: true, log: true},
	baseline:     {},
	logged:       {log: true},

	plexusHTTP1: {gateway: true, version: http1},
	plexusHTTP2: {gateway: true, version: http2},
	baseHTTP1:   {version: http1},
	baseHTTP2:   {version: http2},
}

// site is what a Caddyfile is made of.
type site struct {
	caddy
	port            int
	admin, upstream string   // the one without, the other with its scheme
	certificate     string   // of the upstream, if it has one
	models          []string // that a gateway has
}

func (s *site) caddyfile() string {
	options, handler := "", s.plain()
	if s.gateway {
		options, handler = s.plexus(), "\tplexus\n"
	}
	log := ""
	if s.log {
		log = "\tlog\n"
	}
	return fmt.Sprintf(globalOptions, s.admin, options) + fmt.Sprintf("http://:%d {\n%s%s}\n", s.port, log, handler)
}

// plain is reverse_proxy, and nothing on that it needs not.
func (s *site) plain() string {
	return fmt.Sprintf("\treverse_proxy %s {\n\t\theader_up Authorization \"Bearer %s\"\n%s\t}\n", s.upstream, credential, s.transport())
}

func (s *site) transport() string {
	if s.version == "" {
		return ""
	}
	return fmt.Sprintf("\t\ttransport http {\n\t\t\tversions %s\n\t\t\ttls_trust_pool file %s\n\t\t}\n", s.version, s.certificate)
}

// plexus are the options of a gateway with all that costs something in use: a
// key, aliases of two targets, their usage, and metrics.
func (s *site) plexus() string {
	var b strings.Builder
	b.WriteString("\tplexus {\n" + s.transport())
	for _, p := range []struct{ name, api string }{{"chat", "chat"}, {"messages", "messages"}} {
		for _, n := range []string{"one", "two"} {
			_, _ = fmt.Fprintf(&b, "\t\tprovider %s-%s {\n\t\t\tbase_url %s %s%s/v1\n\t\t\tapi_key %s\n\t\t}\n",
				p.name, n, p.api, s.upstream, gatewayPrefix, credential)
		}
		for _, m := range s.models {
			_, _ = fmt.Fprintf(&b, "\t\tmodel %s {\n", aliasOf(p.api, m))
			for _, n := range []string{"one", "two"} {
				_, _ = fmt.Fprintf(&b, "\t\t\ttarget %s-%s %s%s%s\n", p.name, n, m, targetMark, n)
			}
			b.WriteString("\t\t}\n")
		}
	}
	_, _ = fmt.Fprintf(&b, "\t\tkey bench %s\n\t}\n", clientKey)
	return b.String()
}

// aliasOf is what a gateway's client asks for: the model's own name, or, where
// the target speaks Messages, that with a prefix.
func aliasOf(api, model string) string {
	if api == "messages" {
		return "messages." + model
	}
	return model
}

// largeConfig is one of many models and keys, in JSON, with the admin API for
// the reload.
func largeConfig(port int, admin, upstream string, models, keys, mark int) ([]byte, error) {
	type object = map[string]any
	gateway := object{
		"providers": []object{{"name": "one", "base_urls": object{"chat": "http://" + upstream + gatewayPrefix + "/v1"}, "api_key": credential}},
	}
	list := make([]object, models)
	for i := range list {
		list[i] = object{"alias": fmt.Sprintf("alias-%d", i), "targets": []object{
			{"provider": "one", "model": fmt.Sprintf("whole-200@%d", i), "weight": 1},
			{"provider": "one", "model": fmt.Sprintf("whole-200@%d-b", i), "weight": 1},
		}}
	}
	secrets := make([]object, keys)
	for i := range secrets {
		secrets[i] = object{"name": fmt.Sprintf("key-%d", i), "secret": fmt.Sprintf("%s-%d-%d", clientKey, mark, i)}
	}
	gateway["models"], gateway["keys"] = list, secrets
	return json.Marshal(object{
		"admin": object{"listen": admin, "config": object{"persist": false}},
		"apps": object{
			"http": object{"servers": object{"srv0": object{
				"listen": []string{fmt.Sprintf("127.0.0.1:%d", port)}, "automatic_https": object{"disable": true},
				"routes": []object{{"handle": []object{{"handler": "plexus"}}}},
			}}},
			"plexus": gateway,
		},
	})
}
