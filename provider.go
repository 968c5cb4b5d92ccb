package plexus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"go.uber.org/zap"
	"golang.org/x/net/http/httpguts"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/direct"
	"github.com/caddy-plexus/plexus/prices"
)

// Provider is a service that runs models.
type Provider struct {
	// The name by which targets and passthrough names (`name/model`) refer to
	// this provider. It holds no slash.
	Name string `json:"name"`

	// The service whose base URLs, APIs, way of authenticating and quirks
	// apply: openai, anthropic, gemini, azure, openrouter, groq, mistral,
	// deepseek, together, fireworks, xai, ollama, vllm, lmstudio, llamacpp, or
	// none. Default: the provider's name, if that is one of them.
	Preset string `json:"preset,omitempty"`

	// Switches off every target of this provider. Default: `false`.
	Disabled bool `json:"disabled,omitempty"`

	// The base URL, with the version segment (`https://api.openai.com/v1`).
	// With a preset it moves the preset's own APIs there; without one the
	// service is taken as OpenAI-compatible: chat, completions, embeddings,
	// moderations, images and audio. Placeholders such as `{env.LAB_URL}` are
	// replaced when the configuration loads. Default: the preset's.
	BaseURL string `json:"base_url,omitempty"`

	// A base URL for one API each, beside or instead of the above. The APIs
	// are chat, completions, responses, messages, gemini, embeddings,
	// moderations, rerank, images and audio. Default: none.
	BaseURLs map[string]string `json:"base_urls,omitempty"`

	// The credential with which this provider authenticates us. Use a
	// placeholder such as `{env.OPENAI_API_KEY}` or
	// `{file./run/secrets/openai}`, which is replaced when the configuration
	// loads, so that the configuration itself never shows it. Default: none.
	APIKey string `json:"api_key,omitempty"`

	// More credentials of the same provider. Requests take turns among them
	// all, and go on with the next where one is refused or has reached its
	// limit. Default: none.
	Credentials []*Credential `json:"credentials,omitempty"`

	// How the credential is sent: `bearer`, or the name of the header that
	// holds it, such as `x-api-key`. Default: the preset's, else as the vendor
	// of each API wants it.
	Auth string `json:"auth,omitempty"`

	// The models that this provider serves. Only these may be targeted or
	// passed through. Default: any model is taken to exist.
	Models []ProviderModel `json:"models,omitempty"`

	// Changes to the headers of the requests to this provider, made last.
	// Placeholders of the client's request may be used. Default: none.
	HeaderUp *headers.HeaderOps `json:"header_up,omitempty"`

	// A JSON object whose members are put into every JSON body sent to this
	// provider, in place of the client's members of the same name. Default:
	// none.
	ExtraBody json.RawMessage `json:"extra_body,omitempty"`

	// The module that exchanges requests with this provider, any of those that
	// `reverse_proxy` has. Default: the gateway's.
	TransportRaw json.RawMessage `json:"transport,omitempty" caddy:"namespace=http.reverse_proxy.transport inline_key=protocol"`

	// By when this provider has to answer, and on which statuses another one is
	// asked, where that differs from the gateway's. A model's own failover goes
	// before it. Default: the gateway's.
	Failover *Failover `json:"failover,omitempty"`

	// How long a target of this provider is left alone after a failure, and all
	// of them after one of the credential. Default: 10 seconds, doubled up to 5
	// minutes while it keeps failing.
	Cooldown *Cooldown `json:"cooldown,omitempty"`

	// Looks beside the requests whether this provider can be reached. Default:
	// only requests find out.
	HealthCheck *HealthCheck `json:"health_check,omitempty"`

	// How many requests may be under way at this provider at the same time, at
	// all its models and with all its credentials. Default: any number.
	MaxConcurrency int `json:"max_concurrency,omitempty"`

	// How many requests each credential may be used for in a minute, where it
	// has no number of its own. Default: any number.
	RPM int `json:"rpm,omitempty"`

	// How many tokens, of prompts and answers, each credential may be used for
	// in a minute, where it has no number of its own. Default: any number.
	TPM int `json:"tpm,omitempty"`

	// Ignores what this provider says in its answers of its rate limits, instead
	// of asking others while nothing is left of one. Default: `false`.
	NoLearnedLimits bool `json:"no_learned_limits,omitempty"`

	// Leaves chat streams as the client asked for them, instead of asking this
	// provider for their usage. Default: `false`.
	NoStreamUsage bool `json:"no_stream_usage,omitempty"`

	// How this provider answers where that is not as the client asks:
	// `always` in streams, or `never`. A client that asks for the other form
	// gets it all the same. Default: as the client asks.
	Stream string `json:"stream,omitempty"`

	endpoints map[api.API]*endpoint
	models    map[string]*Target
	unlisted  *targetState
	extra     []bodyMember
	transport http.RoundTripper
	catalog   *prices.Catalog // nil where its prices are not wanted
	surcharge string          // the member of extra_body for which they don't hold

	bounded        *bounded
	limiter        *limiter
	placed         string // see place
	standing       *standing
	failover       Failover      // the above, complete
	cooldown       Cooldown      // likewise
	credentials    []*Credential // all, and never none
	headerSecrets  []string
	unlistedIn     []*lane // the lanes of models that nobody listed
	unlistedMeters metered
	check          HealthCheck  // likewise
	health         *healthState // nil where there are no checks
}

// endpoint is where and how one API of a provider is reached.
type endpoint struct {
	base   *url.URL
	header string // the credential's, as net/http spells it
	bearer bool   // how it is written there
	// direct says that the transport takes bodies in pieces, and is observed
	// without a trace.
	direct bool
}

// bodyMember is one member of extra_body.
type bodyMember struct {
	key string
	raw []byte
}

func (p *Provider) provision(ctx caddy.Context, fallback http.RoundTripper, logger *zap.Logger) error {
	if err := p.checkName(); err != nil {
		return err
	}
	if err := p.locate(logger); err != nil {
		return err
	}
	if p.Stream != "" && p.Stream != streamAlways && p.Stream != streamNever {
		return fmt.Errorf("stream: expected %s or %s, got %q", streamAlways, streamNever, p.Stream)
	}
	if strings.EqualFold(p.Auth, bearer) && p.Auth != bearer || p.Auth != "" && !httpguts.ValidHeaderFieldName(p.Auth) {
		return fmt.Errorf("auth: expected %s, or the name of a header such as %s, got %q", bearer, xAPIKey, p.Auth)
	}
	if err := p.readExtraBody(); err != nil {
		return err
	}
	if err := p.Failover.validateOf(p); err != nil {
		return err
	}
	if err := p.Cooldown.validate(); err != nil {
		return err
	}
	p.cooldown = p.Cooldown.complete()
	if err := p.checkLimits(); err != nil {
		return err
	}
	if p.HeaderUp != nil {
		if err := p.HeaderUp.Provision(ctx); err != nil {
			return fmt.Errorf("header_up: %w", err)
		}
		p.findHeaderSecrets(caddy.NewReplacer())
	}
	if p.TransportRaw == nil {
		p.use(fallback)
		return nil
	}
	mod, err := ctx.LoadModule(p, "TransportRaw")
	if err != nil {
		return fmt.Errorf("loading transport: %w", err)
	}
	transport, err := roundTripper(mod)
	p.use(transport)
	return err
}

// use makes a transport the provider's.
func (p *Provider) use(transport http.RoundTripper) {
	p.transport = transport
	d, ok := transport.(*direct.HTTPTransport)
	for _, at := range p.endpoints {
		at.direct = ok && d.Direct(at.base)
	}
}

func (p *Provider) checkName() error {
	switch {
	case p.Name == "":
		return fmt.Errorf("it has no name")
	case strings.Contains(p.Name, "/"):
		return fmt.Errorf("the name holds a slash, at which passthrough names are split")
	case strings.HasPrefix(p.Name, aliasPrefix):
		return fmt.Errorf("the name begins with %s, with which targets name models", aliasPrefix)
	case p.Preset == noPreset:
		return nil
	case p.Preset == "":
		if _, ok := presets[p.Name]; ok {
			p.Preset = p.Name
		}
		return nil
	}
	if _, ok := presets[p.Preset]; !ok {
		names := sortedKeys(presets)
		return fmt.Errorf("there is no preset %q%s (presets: %s)", p.Preset, didYouMean(p.Preset, names), strings.Join(names, ", "))
	}
	return nil
}

// locate finds the base URL and the credential's header of each API.
func (p *Provider) locate(logger *zap.Logger) error {
	repl := caddy.NewReplacer()
	err := p.provisionCredentials(repl, logger)
	if err != nil {
		return err
	}
	for name := range p.BaseURLs {
		if !api.API(name).Known() {
			return fmt.Errorf("base_urls: there is no API %q%s", name, didYouMean(name, apiNames()))
		}
	}
	p.endpoints = map[api.API]*endpoint{}
	for a, base := range p.bases() {
		if p.endpoints[a], err = p.newEndpoint(repl, base); err != nil {
			return err
		}
	}
	if len(p.endpoints) == 0 {
		return fmt.Errorf("no preset says where it is; add a base_url, or name a preset: %s", strings.Join(sortedKeys(presets), ", "))
	}
	if env := presets[p.Preset].env; p.credentials[0].secret == "" && env != "" && p.BaseURL == "" && len(p.BaseURLs) == 0 && !p.Disabled {
		logger.Warn("a provider has no api_key", zap.String("plexus_provider", p.Name), zap.String("usual", "{env."+env+"}"))
	}
	return nil
}

func (p *Provider) newEndpoint(repl *caddy.Replacer, base presetBase) (*endpoint, error) {
	text, err := repl.ReplaceOrErr(base.url, true, true)
	if err != nil && p.Disabled { // whose variables may be gone already
		return &endpoint{base: new(url.URL)}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("base_url: %w", err)
	}
	if text == "" {
		return nil, fmt.Errorf("the preset %s needs a base_url with your own host", p.Preset)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("base_url: expected an absolute http or https URL with the version segment, such as https://api.openai.com/v1")
	case u.User != nil:
		return nil, fmt.Errorf("base_url: put the credential into api_key, not into the URL")
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath, u.Fragment = "", ""
	at := &endpoint{base: u}
	at.header, at.bearer = authHeader(base.auth)
	return at, nil
}

func (p *Provider) readExtraBody() error {
	p.extra, p.surcharge = nil, ""
	if len(p.ExtraBody) == 0 {
		return nil
	}
	it := jsonscan.StrictObject(p.ExtraBody)
	for it.Next() {
		key := string(it.Key)
		switch {
		case bare(key) == "model" || key == "stream":
			return fmt.Errorf("extra_body: %q is decided by the request", key)
		case slices.ContainsFunc(p.extra, func(m bodyMember) bool { return m.key == key }):
			return fmt.Errorf("extra_body: %q stands twice", key)
		}
		p.extra = append(p.extra, bodyMember{key, it.Value()})
		if surcharged(key, it.Value()) {
			p.surcharge = key
		}
	}
	if it.Err != nil {
		return fmt.Errorf("extra_body: %w", it.Err)
	}
	return nil
}

// serves tells whether a model may be asked of this provider.
func (p *Provider) serves(model string) bool {
	return len(p.Models) == 0 || slices.ContainsFunc(p.Models, func(m ProviderModel) bool { return m.Name == model })
}

func (p *Provider) modelNames() []string {
	names := make([]string, len(p.Models))
	for i, m := range p.Models {
		names[i] = m.Name
	}
	return names
}

// ProviderModel is a model that a provider serves. In JSON it is an object, or
// just the model's name.
type ProviderModel struct {
	// The model's name, as the provider knows it.
	Name string `json:"name"`
	// What the provider takes for its tokens. Default: as the catalog of prices
	// has it, else unknown, which is not free.
	Price *Price `json:"price,omitempty"`
	// The length of its context in tokens, that of the answer included.
	// Default: as the catalog of prices has it, else unknown, which is not
	// short.
	Context int64 `json:"context,omitempty"`
	// How many requests to this model may be under way at the same time. Default:
	// any number.
	MaxConcurrency int `json:"max_concurrency,omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler.
func (m *ProviderModel) UnmarshalJSON(data []byte) error {
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &m.Name)
	}
	type plain ProviderModel
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	return decoder.Decode((*plain)(m))
}

// MarshalJSON implements json.Marshaler.
func (m ProviderModel) MarshalJSON() ([]byte, error) {
	if m.Price == nil && m.Context == 0 && m.MaxConcurrency == 0 {
		return json.Marshal(m.Name)
	}
	type plain ProviderModel
	return json.Marshal(plain(m))
}

func apiNames() []string {
	names := make([]string, len(api.All))
	for i, a := range api.All {
		names[i] = string(a)
	}
	return names
}

// Interface guards
var (
	_ json.Unmarshaler = (*ProviderModel)(nil)
	_ json.Marshaler   = ProviderModel{}
)
