package plexus

import (
	"net/http"
	"slices"

	"github.com/caddy-plexus/plexus/api"
)

// preset is what is known of a service: where it is, what it speaks, how it
// wants its credential. The first base is the one that a bare `base_url` moves.
type preset struct {
	// env is the environment variable in which its users keep the key; empty
	// where none is needed.
	env   string
	bases []presetBase
	// noStreamUsage is the quirk of refusing stream_options.include_usage.
	noStreamUsage bool
}

type presetBase struct {
	url  string
	auth string
	apis []api.API
}

const (
	bearer      = "bearer"
	xAPIKey     = "x-api-key"
	xGoogAPIKey = "x-goog-api-key" //nolint:gosec // the name of a header
	azureAPIKey = "api-key"
)

// presets is the table of the services that need no base URL written down.
// Facts as of November 2026, from each service's own reference; where it offers
// an API only as deprecated or as a test, it is left out.
var presets = map[string]preset{
	"openai": {env: "OPENAI_API_KEY", bases: []presetBase{
		{"https://api.openai.com/v1", bearer, []api.API{api.Chat, api.Completions, api.Responses, api.Embeddings, api.Moderations, api.Images, api.Audio}},
	}},
	"anthropic": {env: "ANTHROPIC_API_KEY", bases: []presetBase{
		{"https://api.anthropic.com/v1", xAPIKey, []api.API{api.Messages}},
	}},
	"gemini": {env: "GEMINI_API_KEY", bases: []presetBase{
		{"https://generativelanguage.googleapis.com/v1beta", xGoogAPIKey, []api.API{api.Gemini}},
		{"https://generativelanguage.googleapis.com/v1beta/openai", bearer, []api.API{api.Chat, api.Embeddings, api.Images}},
	}},
	// A resource has a host of its own: base_url https://RESOURCE.openai.azure.com/openai/v1.
	"azure": {env: "AZURE_OPENAI_API_KEY", bases: []presetBase{
		{"", azureAPIKey, []api.API{api.Chat, api.Completions, api.Responses, api.Embeddings, api.Images, api.Audio}},
	}},
	"openrouter": {env: "OPENROUTER_API_KEY", bases: []presetBase{
		{"https://openrouter.ai/api/v1", bearer, []api.API{api.Chat, api.Completions, api.Responses, api.Messages, api.Embeddings, api.Rerank, api.Audio}},
	}},
	"groq": {env: "GROQ_API_KEY", bases: []presetBase{
		{"https://api.groq.com/openai/v1", bearer, []api.API{api.Chat, api.Responses, api.Audio}},
	}},
	"mistral": {env: "MISTRAL_API_KEY", noStreamUsage: true, bases: []presetBase{
		{"https://api.mistral.ai/v1", bearer, []api.API{api.Chat, api.Embeddings, api.Moderations, api.Audio}},
	}},
	"deepseek": {env: "DEEPSEEK_API_KEY", bases: []presetBase{
		{"https://api.deepseek.com", bearer, []api.API{api.Chat, api.Responses}},
		{"https://api.deepseek.com/anthropic/v1", xAPIKey, []api.API{api.Messages}},
	}},
	"together": {env: "TOGETHER_API_KEY", bases: []presetBase{
		{"https://api.together.ai/v1", bearer, []api.API{api.Chat, api.Completions, api.Embeddings, api.Images, api.Audio, api.Rerank}},
	}},
	"fireworks": {env: "FIREWORKS_API_KEY", bases: []presetBase{
		{"https://api.fireworks.ai/inference/v1", bearer, []api.API{api.Chat, api.Completions, api.Responses, api.Messages, api.Embeddings, api.Rerank}},
	}},
	"xai": {env: "XAI_API_KEY", bases: []presetBase{
		{"https://api.x.ai/v1", bearer, []api.API{api.Chat, api.Responses, api.Images}},
	}},
	"ollama": {bases: []presetBase{
		{"http://localhost:11434/v1", bearer, []api.API{api.Chat, api.Completions, api.Responses, api.Messages, api.Embeddings}},
	}},
	"vllm": {bases: []presetBase{
		{"http://localhost:8000/v1", bearer, []api.API{api.Chat, api.Completions, api.Responses, api.Messages, api.Embeddings, api.Audio, api.Rerank}},
	}},
	"lmstudio": {bases: []presetBase{
		{"http://localhost:1234/v1", bearer, []api.API{api.Chat, api.Completions, api.Responses, api.Messages, api.Embeddings}},
	}},
	"llamacpp": {bases: []presetBase{
		{"http://localhost:8080/v1", bearer, []api.API{api.Chat, api.Completions, api.Responses, api.Messages, api.Embeddings, api.Audio, api.Rerank}},
	}},
}

// noPreset is the preset of a provider that bears a preset's name by chance.
const noPreset = "none"

// defaultAuth is how a service that no preset describes most likely wants its
// credential: as the vendor of the API does.
func defaultAuth(a api.API) string {
	switch a {
	case api.Messages:
		return xAPIKey
	case api.Gemini:
		return xGoogAPIKey
	default:
		return bearer
	}
}

// authHeader is the header, as net/http spells it, and whether the credential is
// a bearer's there.
func authHeader(auth string) (name string, isBearer bool) {
	if auth == bearer {
		return "Authorization", true
	}
	return http.CanonicalHeaderKey(auth), false
}

// bearerPrefix is RFC 6750's.
const bearerPrefix = "Bearer "

// bases is where each API of a provider is, by what the preset knows and the
// configuration says.
func (p *Provider) bases() map[api.API]presetBase {
	at := map[api.API]presetBase{}
	known := presets[p.Preset].bases
	if p.BaseURL != "" {
		moved := presetBase{url: p.BaseURL, apis: api.OpenAICompatible}
		if len(known) > 0 {
			moved.auth, moved.apis = known[0].auth, known[0].apis
		}
		known = []presetBase{moved}
	}
	for _, base := range known {
		for _, a := range base.apis {
			at[a] = base
		}
	}
	for name, url := range p.BaseURLs {
		a := api.API(name)
		at[a] = presetBase{url: url, auth: at[a].auth}
	}
	for a, base := range at {
		switch {
		case p.Auth != "":
			base.auth = p.Auth
		case base.auth == "":
			base.auth = defaultAuth(a)
		}
		at[a] = base
	}
	return at
}

// speaks lists the APIs of a provider in the order of api.All.
func (p *Provider) speaks() []string {
	var names []string
	for _, a := range api.All {
		if _, ok := p.endpoints[a]; ok {
			names = append(names, string(a))
		}
	}
	return slices.Clip(names)
}

// has tells whether the URLs are where the service has these APIs anyway.
func (s preset) has(urls map[string]string) bool {
	for name, url := range urls {
		if !slices.ContainsFunc(s.bases, func(b presetBase) bool { return b.url == url && slices.Contains(b.apis, api.API(name)) }) {
			return false
		}
	}
	return true
}
