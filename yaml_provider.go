package plexus

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"gopkg.in/yaml.v3"

	"github.com/caddy-plexus/plexus/api"
)

// yamlProvider is a provider while it is read: its parts depend on each other.
type yamlProvider struct {
	*Provider
	apis []string
	urls map[string]string
	url  string // that does not say for which API it is
	off  bool
}

// vendors are the names that the map dialect once had for APIs.
var vendors = map[string]api.API{"openai": api.Chat, "openrouter": api.Chat, "anthropic": api.Messages, "gemini": api.Gemini}

func (y *yamlReader) provider(n *yaml.Node, name string) error {
	p := &yamlProvider{Provider: &Provider{Name: name}, urls: map[string]string{}}
	enabled, header := true, map[string]string{}
	fields := yamlFields{
		"name":              y.decode("name", &p.Name),
		"enabled":           y.decode("enabled", &enabled),
		"disabled":          y.decode("disabled", &p.Disabled),
		"apiTypes":          y.apiTypes("apiTypes", &p.apis),
		"type":              y.apiTypes("type", &p.apis),
		"baseUrls":          y.baseURLs(p),
		"api_base_url":      y.baseURLs(p),
		"auth":              y.auth(p),
		"api_key":           y.apiKeys(p),
		"models":            y.providerModels(p),
		"customHeaders":     y.decode("customHeaders", &header),
		"headers":           y.decode("headers", &header),
		"extraBody":         y.extraBody(p),
		"disable_cooldown":  y.decode("disable_cooldown", &p.off),
		"health_check":      y.healthCheck(p.Provider),
		"healthCheck":       y.healthCheck(p.Provider),
		"maxConcurrency":    y.count("maxConcurrency", &p.MaxConcurrency),
		"max_concurrency":   y.count("max_concurrency", &p.MaxConcurrency),
		"rpm":               y.count("rpm", &p.RPM),
		"tpm":               y.count("tpm", &p.TPM),
		"no_learned_limits": y.decode("no_learned_limits", &p.NoLearnedLimits),
		"cooldown":          y.cooldown(p.Provider),
		"failover":          y.failover(fmt.Sprintf("the provider %q", name), &p.Failover),
	}
	y.ignore(fields, "a provider", "adapter", "allow_100_percent_utilization", "auto_compat", "cache_key_injection", "compaction",
		"discount", "display_name", "estimateTokens", "geminiThinkingEnabled", "model_autosync",
		"quota_checker", "raw_passthrough", "responses_extensions", "stallGracePeriodMs", "stallMinBps", "stallTtfbBytes",
		"stallTtfbMs", "stallWindowMs", "stall_cooldown", "timeoutMs", "useClaudeMasking")
	if err := y.mapping(n, fmt.Sprintf("the provider %q", name), fields); err != nil {
		return err
	}
	if err := p.Failover.validateOf(p.Provider); err != nil {
		return y.fail(n, "the provider %q: %v", p.Name, err)
	}
	p.Disabled = p.Disabled || !enabled
	if p.off {
		p.Cooldown = &Cooldown{Off: true}
	}
	for _, field := range sortedKeys(header) {
		if p.HeaderUp == nil {
			p.HeaderUp = &headers.HeaderOps{Set: http.Header{}}
		}
		p.HeaderUp.Set.Set(field, placeholders(header[field]))
	}
	if err := y.locate(n, p); err != nil {
		return err
	}
	for _, other := range y.gateway.Providers {
		if other.Name == p.Name {
			return y.fail(n, "duplicate provider %q", p.Name)
		}
	}
	y.gateway.Providers = append(y.gateway.Providers, p.Provider)
	return nil
}

// apiTypes reads one API or a list of them.
func (y *yamlReader) apiTypes(what string, to *[]string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		names := []string{n.Value}
		if n.Kind != yaml.ScalarNode {
			if err := y.decode(what, &names)(n); err != nil {
				return err
			}
		}
		for _, name := range names {
			name = strings.ToLower(name)
			if a, ok := vendors[name]; ok {
				name = string(a)
			}
			if !api.API(name).Known() {
				return y.fail(n, "%s: there is no API %q%s", what, name, didYouMean(name, apiNames()))
			}
			*to = append(*to, name)
		}
		return nil
	}
}

// baseURLs reads one URL, or a mapping by API.
func (y *yamlReader) baseURLs(p *yamlProvider) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode {
			return y.decode("the base URLs", &p.urls)(n)
		}
		p.url = n.Value
		return nil
	}
}

// spread gives a URL that stands alone to the provider's APIs, or where there
// are none to the one that its host tells.
func (p *yamlProvider) spread() {
	apis := p.apis
	switch {
	case p.url == "":
		return
	case len(apis) > 0:
	case strings.Contains(p.url, "anthropic.com"):
		apis = []string{string(api.Messages)}
	case strings.Contains(p.url, "generativelanguage.googleapis.com"):
		apis = []string{string(api.Gemini)}
	default:
		apis = []string{string(api.Chat)}
	}
	for _, name := range apis {
		p.urls[name] = p.url
	}
}

func (y *yamlReader) auth(p *yamlProvider) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		var env string
		err := y.mapping(n, "auth", yamlFields{
			"type":      y.decode("type", &p.Auth),
			"apiKey":    y.secret("apiKey", &p.APIKey),
			"apiKeyEnv": y.decode("apiKeyEnv", &env),
		})
		if env != "" {
			p.APIKey = "{env." + env + "}"
		}
		if err == nil && p.Auth != "" && !slices.Contains([]string{bearer, xAPIKey, xGoogAPIKey, azureAPIKey}, p.Auth) {
			return y.fail(n, "auth: there is no type %q (there are bearer, x-api-key, x-goog-api-key and api-key)", p.Auth)
		}
		return err
	}
}

// apiKeys reads the provider's credential, or a list of several, each of which may
// be a mapping with a weight and limits.
func (y *yamlReader) apiKeys(p *yamlProvider) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.SequenceNode {
			return y.secret("api_key", &p.APIKey)(n)
		}
		for _, entry := range n.Content {
			c := new(Credential)
			read := y.secret("api_key", &c.APIKey)
			if entry.Kind == yaml.MappingNode {
				fields := yamlFields{
					"api_key": read, "weight": y.weight("api_key", &c.Weight), "rpm": y.count("rpm", &c.RPM), "tpm": y.count("tpm", &c.TPM),
				}
				read = func(n *yaml.Node) error { return y.mapping(n, "an api_key", fields) }
			}
			if err := read(entry); err != nil {
				return err
			}
			p.Credentials = append(p.Credentials, c)
		}
		return nil
	}
}

func (y *yamlReader) weight(what string, to **float64) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		weight := 0.0
		if err := y.decode("weight", &weight)(n); err != nil {
			return err
		}
		if !(weight > 0) || math.IsInf(weight, 1) {
			return y.fail(n, "%s: the weight %v is not a positive number", what, weight)
		}
		*to = &weight
		return nil
	}
}

func (y *yamlReader) extraBody(p *yamlProvider) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		var body map[string]any
		if err := y.decode("extraBody", &body)(n); err != nil {
			return err
		}
		raw, err := json.Marshal(body)
		if err != nil {
			return y.fail(n, "extraBody: %v", err)
		}
		p.ExtraBody = raw
		if err := p.readExtraBody(); err != nil {
			return y.fail(n, "%v", err)
		}
		return nil
	}
}

// providerModels reads a list of names, or a mapping of names to their prices.
func (y *yamlReader) providerModels(p *yamlProvider) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.MappingNode {
			var names []string
			if err := y.decode("models", &names)(n); err != nil {
				return err
			}
			for _, name := range names {
				p.Models = append(p.Models, ProviderModel{Name: name})
			}
			return nil
		}
		return y.eachOf("", func(n *yaml.Node, name string) error {
			m := ProviderModel{Name: name}
			if n.Tag != "!!null" {
				fields := yamlFields{
					"pricing":         y.modelPricing(&m),
					"context":         y.context(&m),
					"maxConcurrency":  y.count("maxConcurrency", &m.MaxConcurrency),
					"max_concurrency": y.count("max_concurrency", &m.MaxConcurrency),
				}
				y.ignore(fields, "a provider's model", "access_via", "adapter", "auto_compat", "extraBody", "pi_ai_model_id", "type")
				if err := y.mapping(n, fmt.Sprintf("the model %q", name), fields); err != nil {
					return err
				}
			}
			p.Models = append(p.Models, m)
			return nil
		})(n)
	}
}

// context reads the length of a model's context in tokens.
func (y *yamlReader) context(m *ProviderModel) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := y.decode("context", &m.Context)(n); err != nil {
			return err
		}
		if m.Context < 1 {
			return y.fail(n, "context: expected a number of tokens such as 200000")
		}
		return nil
	}
}

// endpointPaths end the URLs of the list dialect, which names endpoints where
// Plexus and the map dialect name the base of the version.
var endpointPaths = regexp.MustCompile(`/(chat/completions|completions|responses|messages|embeddings|moderations|rerank|images/(generations|edits)|audio/(speech|transcriptions|translations)|models(/.*)?)/?$`)

// locate settles where the provider is. One that is where its preset says keeps
// the preset, and with it all that the preset knows.
func (y *yamlReader) locate(n *yaml.Node, p *yamlProvider) error {
	p.spread()
	if len(p.urls) == 0 {
		if _, ok := presets[p.Name]; !ok {
			return y.fail(n, "the provider %q has no base URL, and there is no preset of its name%s", p.Name, didYouMean(p.Name, sortedKeys(presets)))
		}
		return nil
	}
	for _, name := range sortedKeys(p.urls) {
		if !api.API(name).Known() {
			return y.fail(n, "the provider %q: there is no API %q%s", p.Name, name, didYouMean(name, apiNames()))
		}
		p.urls[name] = placeholders(p.urls[name])
		if strings.Contains(p.urls[name], "{") {
			p.urls[name] = endpointPaths.ReplaceAllString(p.urls[name], "")
			continue // what the placeholder stands for is checked when it is known
		}
		u, err := url.Parse(p.urls[name])
		if err != nil || u.Host == "" {
			return y.fail(n, "the provider %q: expected an absolute URL for the API %s", p.Name, name)
		}
		u.Path = endpointPaths.ReplaceAllString(u.Path, "")
		if name == string(api.Gemini) && strings.Trim(u.Path, "/") == "" {
			u.Path = "/v1beta"
		}
		p.urls[name] = strings.TrimRight(u.String(), "/")
	}
	for _, name := range p.apis {
		if p.urls[name] == "" {
			return y.fail(n, "the provider %q: there is no base URL for its API %q", p.Name, name)
		}
	}
	if known, ok := presets[p.Name]; ok && known.has(p.urls) && p.urls[string(known.bases[0].apis[0])] != "" {
		return nil
	}
	p.Preset = noPreset
	p.BaseURL = p.urls[string(api.Chat)]
	delete(p.urls, string(api.Chat))
	if len(p.urls) > 0 {
		p.BaseURLs = p.urls
	}
	return nil
}
