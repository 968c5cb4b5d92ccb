package plexus

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// contract is the fixture of the routing contract.
const contract = `
	provider openai {
		models gpt-4o gpt-4o-mini gpt-4-turbo
	}
	provider azure-openai azure {
		base_url https://example.openai.azure.com/openai/v1
		models gpt-4o
	}
	provider disabled-provider openai {
		models disabled-model
		disabled
	}
	model fast quick cheap {
		description "Fast model"
		selector random
		target openai gpt-4o-mini
	}
	model smart best flagship {
		selector random
		target openai gpt-4o 70
		target azure-openai gpt-4o 30
	}
	model balanced {
		selector in_order
		target openai gpt-4-turbo
		target openai gpt-4o
	}
	model disabled-alias {
		target disabled-provider disabled-model
	}
`

func names(targets []*Target) []string {
	out := make([]string, len(targets))
	for i, t := range targets {
		out[i] = t.String()
	}
	return out
}

func TestResolve(t *testing.T) {
	r := newGateway(t, contract).router
	f := func(name, alias string, targets ...string) {
		t.Helper()
		route, err := r.Resolve(name)
		require.NoError(t, err)
		require.Equal(t, alias, route.Alias)
		require.Equal(t, targets, names(route.Targets))
	}
	f("fast", "fast", "openai/gpt-4o-mini")
	f("smart", "smart", "openai/gpt-4o", "azure-openai/gpt-4o")
	f("quick", "fast", "openai/gpt-4o-mini")
	f("cheap", "fast", "openai/gpt-4o-mini")
	f("best", "smart", "openai/gpt-4o", "azure-openai/gpt-4o")
	f("flagship", "smart", "openai/gpt-4o", "azure-openai/gpt-4o")
	f("openai/gpt-4o", "openai/gpt-4o", "openai/gpt-4o")
}

func TestResolveFails(t *testing.T) {
	r := newGateway(t, contract).router
	f := func(name string, code *Code, message string) {
		t.Helper()
		_, err := r.Resolve(name)
		require.ErrorIs(t, err, code)
		require.ErrorContains(t, err, message)
		require.Equal(t, 404, asError(err).status())
		require.Equal(t, "model_not_found", asError(err).forClient().Code)
	}
	f("unknown", ErrAliasNotFound, `the model "unknown" does not exist`)
	f("", ErrAliasNotFound, `the model "" does not exist`)
	f("Fast", ErrAliasNotFound, `"Fast"`)
	f("FAST", ErrAliasNotFound, `"FAST"`)
	f("OpenAI/gpt-4o", ErrAliasNotFound, "does not exist")
	f("nobody/gpt-4o", ErrAliasNotFound, "does not exist")
	f("openai/", ErrAliasNotFound, "does not exist")
	f("openai/gpt-5", ErrAliasNotFound, `the provider "openai" does not serve the model "gpt-5"`)
	f("disabled-alias", ErrNoEnabledTargets, `every target of the model "disabled-alias" is disabled`)
	f("disabled-provider/disabled-model", ErrNoEnabledTargets, "is disabled")
}

func TestResolveWithoutModels(t *testing.T) {
	_, err := newGateway(t, "").router.Resolve("fast")
	require.ErrorIs(t, err, ErrAliasNotFound)
}

func TestStrategyIsTheModels(t *testing.T) {
	r := newGateway(t, contract).router
	require.IsType(t, new(Random), r.names["smart"].selector)
	require.IsType(t, new(InOrder), r.names["balanced"].selector)
	require.IsType(t, new(Random), r.names["disabled-alias"].selector, "random is the default")
}

// Model names hold slashes, so only the first one splits.
func TestPassthroughSplitsAtTheFirstSlash(t *testing.T) {
	r := newGateway(t, `
		provider synthetic openai
		provider lab openai {
			models a/b
		}
		model synthetic/shadowed {
			target lab a/b
		}
	`).router
	route, err := r.Resolve("synthetic/hf:MiniMaxAI/MiniMax-M2.1")
	require.NoError(t, err)
	require.Equal(t, "hf:MiniMaxAI/MiniMax-M2.1", route.Targets[0].Model)
	require.True(t, route.Passthrough)

	route, err = r.Resolve("lab/a/b")
	require.NoError(t, err)
	require.Equal(t, "a/b", route.Targets[0].Model)

	route, err = r.Resolve("synthetic/shadowed")
	require.NoError(t, err)
	require.Equal(t, []string{"lab/a/b"}, names(route.Targets), "an alias with a slash wins over passthrough")
	require.False(t, route.Passthrough)
}

func TestListOfNames(t *testing.T) {
	r := newGateway(t, contract).router
	var aliases, additional []string
	canonical := map[string]string{}
	for _, m := range r.list(nil) {
		if r.names[m.name].model.Alias == m.name {
			aliases = append(aliases, m.name)
			continue
		}
		additional = append(additional, m.name)
		canonical[m.name] = m.description
	}
	require.Equal(t, []string{"fast", "smart", "balanced", "disabled-alias"}, aliases)
	require.Equal(t, []string{"quick", "cheap", "best", "flagship"}, additional)
	require.Equal(t, map[string]string{
		"quick": "Alias for: fast", "cheap": "Alias for: fast", "best": "Alias for: smart", "flagship": "Alias for: smart",
	}, canonical)
}

func TestDisabledTargetsAreNeverChosen(t *testing.T) {
	g := newGateway(t, `
		provider on openai
		provider off openai {
			disabled
		}
		model m {
			target off a
			target on b
			target on c {
				disabled
			}
		}
	`)
	for range 1000 {
		route, err := g.router.Resolve("m")
		require.NoError(t, err)
		plan, _, err := route.plan(&operation{verb: verbGenerate, api: api.Chat}, estimate{}, time.Now(), nil)
		require.NoError(t, err)
		require.Equal(t, []string{"on/b"}, names(plan))
	}
}

func TestWeightedTargetsAreReachedInProportion(t *testing.T) {
	g := newGateway(t, contract)
	source := rand.New(rand.NewPCG(1, 2))
	g.router.names["smart"].selector = &Random{luck{source.Float64}}
	first := map[string]int{}
	const calls = 2000
	for range calls {
		route, err := g.router.Resolve("smart")
		require.NoError(t, err)
		plan, _, err := route.plan(&operation{verb: verbGenerate, api: api.Chat}, estimate{}, time.Now(), nil)
		require.NoError(t, err)
		require.Len(t, plan, 2, "the other target is the failover")
		first[plan[0].String()]++
	}
	// Four standard deviations of a binomial distribution.
	require.InDelta(t, 0.7*calls, first["openai/gpt-4o"], 82)
	require.Equal(t, calls, first["openai/gpt-4o"]+first["azure-openai/gpt-4o"])
}

func TestPlanSkipsTargetsOfOtherAPIs(t *testing.T) {
	g := newGateway(t, `
		provider claude anthropic
		provider gpt openai
		model both {
			selector in_order
			target claude opus
			target gpt gpt-4o
		}
		model one {
			target claude opus
		}
	`)
	plan := func(name string, a api.API) ([]string, error) {
		route, err := g.router.Resolve(name)
		require.NoError(t, err)
		targets, _, err := route.plan(&operation{api: a}, estimate{}, time.Now(), nil)
		return names(targets), err
	}
	got, err := plan("both", api.Chat)
	require.NoError(t, err)
	require.Equal(t, []string{"gpt/gpt-4o"}, got)
	got, err = plan("both", api.Messages)
	require.NoError(t, err)
	require.Equal(t, []string{"claude/opus"}, got)
	_, err = plan("one", api.Chat)
	require.ErrorIs(t, err, ErrAPINotSpoken)
	require.ErrorContains(t, err, `no target of the model "one" speaks the API of this request, chat: claude speaks messages`)
}

func TestCoolingTargets(t *testing.T) {
	g := newGateway(t, `
		provider a openai {
			base_url http://a.example/v1
			cooldown 10s 40s
		}
		provider b openai {
			base_url http://b.example/v1
		}
		model m {
			selector in_order
			target a one
			target b two
		}
	`)
	clock := fakeClock(g)
	began := g.now()
	route, err := g.router.Resolve("m")
	require.NoError(t, err)
	plan := func(want int, order ...string) {
		t.Helper()
		targets, free, err := route.plan(&operation{verb: verbGenerate, api: api.Chat}, estimate{}, g.now(), nil)
		require.NoError(t, err)
		require.Equal(t, order, names(targets))
		require.Equal(t, want, free)
	}
	a, b := route.Targets[0], route.Targets[1]

	g.blame(attemptAt(a, g.now()), &failure{})
	plan(1, "b/two", "a/one") // one failure is enough while there is another
	clock.advance(10 * time.Second)
	plan(2, "a/one", "b/two")

	probe, _, ok := a.claim(g.now(), false, 1, 0, tally{})
	require.True(t, ok)
	plan(1, "b/two", "a/one") // the probe is under way
	probe.giveBack(g.now())
	plan(2, "a/one", "b/two")

	g.blame(attemptAt(a, g.now()), &failure{})
	g.blame(attemptAt(b, g.now()), &failure{})
	plan(0, "a/one", "b/two") // a hiccup of all is no reason to refuse

	clock.advance(time.Second)
	g.blame(attemptAt(b, began), &failure{retryAfter: 25 * time.Second}) // of the same failure
	g.blame(attemptAt(a, began), &failure{retryAfter: 30 * time.Second})
	_, _, err = route.plan(&operation{verb: verbGenerate, api: api.Chat}, estimate{}, g.now(), nil)
	require.ErrorIs(t, err, ErrAllTargetsCoolingDown)
	require.Equal(t, 503, asError(err).status())
	require.Equal(t, 25*time.Second, asError(err).RetryAfter, "the soonest end")
}

func TestLoadRefuses(t *testing.T) {
	f := func(block, want string) {
		t.Helper()
		_, err := loadGateway(t, block)
		require.ErrorContains(t, err, want)
	}
	const p = "provider openai {\n models gpt-4o gpt-4o-mini\n}\n"
	f(p+"model smart {\n target opnai gpt-4o\n}", `model "smart": target opnai/gpt-4o: provider "opnai" is not defined; did you mean "openai"?`)
	f(p+"model smart {\n target anthropic opus\n}", "provider \"anthropic\" is not defined; there is a preset of that name: add `provider anthropic`")
	f(p+"model smart {\n target openai gpt-4\n}", `model "smart": target openai/gpt-4: provider "openai" does not list the model "gpt-4"; did you mean "gpt-4o"? (it lists gpt-4o, gpt-4o-mini)`)
	f(p+"model smart", `model "smart": it has no targets`)
	f(p+"model smart {\n target openai gpt-4o\n target openai gpt-4o\n}", `target openai/gpt-4o is listed twice`)
	f("provider lab", `provider "lab": no preset says where it is`)
	f("provider lab opnai", `there is no preset "opnai"; did you mean "openai"?`)
	f("provider azure", "needs a base_url with your own host")
	f("provider a/b openai", "the name holds a slash")
	f("provider lab {\n base_url llm.example.com\n}", "expected an absolute http or https URL")
	f("provider lab {\n base_url https://me:pw@llm.example.com/v1\n}", "put the credential into api_key")
	f("provider openai {\n api_key {env.PLEXUS_TEST_UNSET}\n}", `provider "openai": api_key: evaluated placeholder {env.PLEXUS_TEST_UNSET} is empty`)
	f("provider openai {\n models a a\n}", `duplicate model "a"`)
	f("provider openai {\n api_key \"sk-a\nb\"\n}", "it holds a line break")
	for _, auth := range []string{"Bearer", "X Key", "x-api-key:", "ключ"} {
		f("provider openai {\n auth \""+auth+"\"\n}", `provider "openai": auth: expected bearer, or the name of a header such as x-api-key, got "`+auth+`"`)
	}
}

// A provider that is switched off may have lost its variables.
func TestADisabledProviderNeedsNoVariables(t *testing.T) {
	_, err := loadGateway(t, "provider lab {\n disabled\n base_url {env.PLEXUS_TEST_UNSET}\n api_key {env.PLEXUS_TEST_UNSET}\n}")
	require.NoError(t, err)
}

// noTransport is a module where a transport should be.
type noTransport struct{}

func (noTransport) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.reverse_proxy.transport.plexus_no_transport", New: func() caddy.Module { return noTransport{} }}
}

func init() { caddy.RegisterModule(noTransport{}) }

func TestLoadRefusesWhatOnlyJSONCanSay(t *testing.T) {
	zero := 0.0
	f := func(change func(*Gateway), want string) {
		t.Helper()
		g := &Gateway{
			Providers: []*Provider{{Name: "openai"}},
			Models:    []*Model{{Alias: "m", Targets: []ModelTarget{{Provider: "openai", Model: "a"}}}},
			Keys:      []*Key{{Name: "k", Secret: "s"}},
		}
		change(g)
		require.ErrorContains(t, provision(t, g), want)
	}
	f(func(g *Gateway) { g.Providers = append(g.Providers, nil) }, "providers: an entry is null")
	f(func(g *Gateway) { g.Models = append(g.Models, nil) }, "models: an entry is null")
	f(func(g *Gateway) { g.Keys = append(g.Keys, nil) }, "keys: an entry is null")
	f(func(g *Gateway) { g.TransportRaw = []byte(`{"protocol":"plexus_no_transport"}`) }, "transport: the module *plexus.noTransport cannot be one; expected an http.RoundTripper")
	f(func(g *Gateway) { g.Providers[0].TransportRaw = []byte(`{"protocol":"plexus_no_transport"}`) }, `provider "openai": transport: the module *plexus.noTransport cannot be one`)
	f(func(g *Gateway) { g.Models[0].Targets[0].Weight = &zero }, "the weight 0 is not positive")
	f(func(g *Gateway) { g.Models[0].SelectorRaw = []byte(`{"strategy":"fastest"}`) }, "plexus.selectors.fastest")
	f(func(g *Gateway) {
		g.Models = append(g.Models, &Model{Alias: "n", AdditionalAliases: []string{"m"}, Targets: g.Models[0].Targets})
	}, `duplicate alias "m": model "m" and model "n" both claim it`)
	f(func(g *Gateway) { g.Models[0].AdditionalAliases = []string{"a", "a"} }, `duplicate alias "a": model "m" and model "m" both claim it`)
	f(func(g *Gateway) { g.Models[0].Alias = "" }, "it has no alias")
	f(func(g *Gateway) { g.Models[0].AdditionalAliases = []string{""} }, `model "m": an additional alias is empty`)
	f(func(g *Gateway) { g.MaxBody = -1 }, "max_body: expected a number of bytes, at least 1, got -1")
	f(func(g *Gateway) { g.Providers[0].Credentials = []*Credential{{}, {APIKey: "b"}} }, `provider "openai": api_key number 1: it is empty`)
	f(func(g *Gateway) { g.Providers[0].Disabled, g.Providers[0].Credentials = true, []*Credential{nil} }, `provider "openai": credentials: an entry is null`)
	f(func(g *Gateway) { g.Models[0].Targets[0].Model = "" }, "names no model")
	f(func(g *Gateway) { g.Providers[0].Name = "" }, "it has no name")
	f(func(g *Gateway) { g.Providers = append(g.Providers, &Provider{Name: "openai"}) }, `duplicate provider "openai"`)
	f(func(g *Gateway) { g.Providers[0].BaseURLs = map[string]string{"chatt": "http://x"} }, `there is no API "chatt"; did you mean "chat"?`)
	f(func(g *Gateway) { g.Providers[0].ExtraBody = []byte(`[1]`) }, "extra_body: expected a JSON object")
	f(func(g *Gateway) { g.Providers[0].ExtraBody = []byte(`{"model":"x"}`) }, `extra_body: "model" is decided by the request`)
	f(func(g *Gateway) { g.Providers[0].ExtraBody = []byte(`{"Model":"x"}`) }, `extra_body: "Model" is decided by the request`)
	f(func(g *Gateway) { g.Providers[0].ExtraBody = []byte(`{"a":1,"\u0061":2}`) }, `extra_body: "a" stands twice`)
	f(func(g *Gateway) { g.Providers[0].Models = []ProviderModel{{}} }, "a model has no name")
	f(func(g *Gateway) { g.Providers[0].Models = []ProviderModel{{Name: "a", Price: &Price{Input: -1}}} }, "a price is negative")
	f(func(g *Gateway) { g.Failover = &Failover{Attempts: -1} }, "attempts: expected at least 1")
	f(func(g *Gateway) { g.Models[0].Failover = &Failover{OnStatus: []int{99}} }, `model "m": failover: on_status`)
	f(func(g *Gateway) { g.Keys = append(g.Keys, &Key{Name: "k", Secret: "t"}) }, `duplicate key "k"`)
	f(func(g *Gateway) { g.Keys = append(g.Keys, &Key{Name: "l", Secret: "s"}) }, `key "k" and key "l" have the same secret`)
	f(func(g *Gateway) { g.Keys[0].Secret = "" }, `key "k": it has no secret`)
	f(func(g *Gateway) { g.Keys[0].Secret = "sha256:12" }, "expected 64 hexadecimal digits")
	f(func(g *Gateway) { g.Keys[0].Expires = "tomorrow" }, "expected a date such as 2027-01-31")
	f(func(g *Gateway) { g.Keys[0].Models = []string{"n"} }, `key "k": models: there is no model "n"; did you mean "m"?`)
}

// The error said 2s beside a Retry-After of 3.
func TestCoolingDownSaysTheSameAsRetryAfter(t *testing.T) {
	bad := newProvider(t, says(429, "", "Retry-After-Ms", "2300"))
	g := newGateway(t, fmt.Sprintf("provider bad {\n base_url %s/v1\n cooldown 1s 1m\n}\nmodel fast {\n target bad m\n}", bad.URL))
	fakeClock(g)
	url := serveGateway(t, g).URL
	post(t, url+"/v1/chat/completions", askFast)
	got := post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, 503, got.status)
	require.Equal(t, "3", got.header.Get("Retry-After"))
	require.Contains(t, got.body, "try again in 3s")
}

// A model whose targets are all disabled was counted among the names that clients
// make up.
func TestAnAliasOfDisabledTargetsIsCountedByName(t *testing.T) {
	g := newGateway(t, "provider p {\n base_url http://127.0.0.1:1/v1\n disabled\n}\nmodel off-as-a-whole {\n target p m\n}")
	before, _ := countedBy(t, metrics.requests, "alias", "off-as-a-whole")
	require.Equal(t, 404, post(t, serveGateway(t, g).URL+"/v1/chat/completions", `{"model":"off-as-a-whole"}`).status)
	after, _ := countedBy(t, metrics.requests, "alias", "off-as-a-whole")
	require.InDelta(t, 1, after-before, 0)
}
