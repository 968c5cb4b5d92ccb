package plexus

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/internal/freeport"
)

// checked is a gateway whose provider has health checks, with another behind it.
func checked(t *testing.T, url, options string) (*Gateway, *Provider) {
	t.Helper()
	g := newGateway(t, `
		provider lab {
			base_url `+url+`/v1
			`+options+`
		}
		provider spare openai {
			base_url http://spare.example/v1
		}
		model fast {
			selector in_order
			target lab m
			target spare m
		}
		model lone {
			target lab m
		}
	`)
	return g, g.Providers[0]
}

func TestWhatAHealthCheckFinds(t *testing.T) {
	f := func(answer http.HandlerFunc, want string) {
		t.Helper()
		p := newProvider(t, answer)
		_, lab := checked(t, p.URL, "health_check {\n timeout 200ms\n}")
		failed := lab.examine(timeout(t, lab))
		if want == "" {
			require.Nil(t, failed)
			return
		}
		require.NotNil(t, failed)
		require.Equal(t, want, failed.verdict+": "+failed.reason)
	}
	f(says(200, `{"object":"list","data":[]}`), "")
	f(says(429, ``), "")
	f(says(404, ``), "") // it has no list, but it is there
	f(says(400, ``), "")
	f(says(500, ``), "status: 500 Internal Server Error")
	f(says(503, ``), "status: 503 Service Unavailable")
	f(says(529, ``), "status: 529")
	f(says(401, ``), "credential: 401 (it refuses our credential)")
	f(says(403, ``), "credential: 403 (it refuses our credential)")
	f(breaksOff, "connection: connection broken off")
	f(hangs, "timeout: timeout")

	_, lab := checked(t, "http://"+freeport.Address(), "health_check")
	require.Equal(t, "connection refused", lab.examine(timeout(t, lab)).reason)
}

// timeout is the context of one check.
func timeout(t *testing.T, p *Provider) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Duration(p.check.Timeout))
	t.Cleanup(cancel)
	return ctx
}

func TestHealthCheckByTCP(t *testing.T) {
	p := newProvider(t, says(500, ``))
	_, lab := checked(t, p.URL, "health_check tcp")
	require.Nil(t, lab.examine(timeout(t, lab)))
	require.Zero(t, p.count())
	_, lab = checked(t, "http://"+freeport.Address(), "health_check tcp")
	require.Equal(t, &failure{reason: "connection refused", verdict: verdictConnection, unsent: true}, lab.examine(timeout(t, lab)))
}

// The list is asked for as each API has it, and with its credential.
func TestHealthCheckAsksForTheList(t *testing.T) {
	f := func(options, path, query, header, value string) {
		t.Helper()
		p := newProvider(t, says(200, `{}`))
		g := newGateway(t, strings.ReplaceAll("provider p {\n"+options+"\n api_key sk-secret\n health_check\n header_up X-Team research\n}", "{url}", p.URL))
		require.Nil(t, g.Providers[0].examine(t.Context()))
		got := p.last(t)
		require.Equal(t, path, got.path)
		require.Equal(t, query, got.query)
		require.Equal(t, value, got.header.Get(header))
		require.Equal(t, "research", got.header.Get("X-Team"))
		require.Equal(t, "Plexus", got.header.Get("User-Agent"))
		require.Empty(t, got.body)
	}
	f("base_url {url}/v1", "/v1/models", "", "Authorization", "Bearer sk-secret")
	f("base_url {url}/v1\n auth x-key", "/v1/models", "", "X-Key", "sk-secret")
	f("base_url embeddings {url}/e/v1", "/e/v1/models", "", "Authorization", "Bearer sk-secret")
	f("base_url {url}/openai/v1?api-version=preview\n auth api-key", "/openai/v1/models", "api-version=preview", "Api-Key", "sk-secret")
	f("base_url messages {url}/v1", "/v1/models", "limit=1", "X-Api-Key", "sk-secret")
	f("base_url messages {url}/v1", "/v1/models", "limit=1", "Anthropic-Version", anthropicVersion[0])
	f("base_url gemini {url}/v1beta?a=b", "/v1beta/models", "a=b&pageSize=1", "X-Goog-Api-Key", "sk-secret")
	// Of several the one whose list is sure to be there.
	f("base_url {url}/v1\n base_url messages {url}/anthropic/v1", "/v1/models", "", "Authorization", "Bearer sk-secret")
}

// One credential that is refused is no reason to do without the others.
func TestHealthCheckOfSeveralCredentials(t *testing.T) {
	var both atomic.Bool
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if both.Load() || r.Header.Get("Authorization") == "Bearer one" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	_, lab := checked(t, p.URL, "api_key one\n api_key two\n health_check")
	require.Nil(t, lab.examine(t.Context()))
	require.Equal(t, 2, p.count())
	both.Store(true)
	require.Equal(t, verdictCredential, lab.examine(t.Context()).verdict)
}

// Checks that fail in a row take the provider out, one that does not brings it
// back at once.
func TestHealthCheckTakesAProviderOut(t *testing.T) {
	for _, cooldown := range []string{"", "cooldown off"} {
		var status atomic.Int64
		status.Store(503)
		p := newProvider(t, func(w http.ResponseWriter, r *http.Request) { says(int(status.Load()), chatAnswer)(w, r) })
		g, lab := checked(t, p.URL, cooldown+"\n health_check models {\n interval 20s\n timeout 4s\n fails 3\n}")
		clock := fakeClock(g)
		target := g.router.names["lone"].targets[0]
		plan := func(want string) {
			t.Helper()
			order, free := planOf(t, g, "fast", g.now())
			require.Equal(t, want, strings.Join(order, " "))
			require.Equal(t, len(order), free)
		}
		check := func(failing int) {
			for range failing {
				clock.advance(20 * time.Second)
				g.checkHealth(t.Context(), lab)
			}
		}
		check(2)
		plan("lab/m spare/m")
		status.Store(200)
		check(1)
		status.Store(503)
		check(2)
		plan("lab/m spare/m") // they were not three in a row
		check(1)
		plan("spare/m") // nor is it asked as the last one standing

		got := post(t, serveGateway(t, g).URL+"/v1/chat/completions", `{"model":"lone"}`)
		require.Equal(t, 503, got.status)
		require.Equal(t, "25", got.header.Get("Retry-After"), "when the next check has been made")
		state := target.status(g.now())
		require.Equal(t, stateDown, state.State)
		require.Equal(t, "health check: 503 Service Unavailable", state.Reason)
		require.EqualValues(t, 3, state.Failures)
		check(5)
		plan("spare/m")

		status.Store(200)
		check(1)
		plan("lab/m spare/m")
		require.Equal(t, stateUp, target.status(g.now()).State)
		require.Equal(t, 200, post(t, serveGateway(t, g).URL+"/v1/chat/completions", `{"model":"lone"}`).status)
	}
}

// Where checks come no more, a request finds out.
func TestAHealthCheckThatComesNoMore(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	g, lab := checked(t, p.URL, "health_check")
	clock := fakeClock(g)
	lab.health.missed("x", 1, stamp(g.now()), stamp(g.now().Add(time.Minute)))
	url := serveGateway(t, g).URL + "/v1/chat/completions"
	require.Equal(t, 503, post(t, url, `{"model":"lone"}`).status)
	clock.advance(time.Minute)
	require.Equal(t, stateHalfOpen, g.router.names["lone"].targets[0].status(g.now()).State)
	require.Equal(t, 200, post(t, url, `{"model":"lone"}`).status)
	require.Zero(t, lab.checked().until.Load())
}

// A reload does not forget, unless the provider is no longer checked.
func TestHealthOutlivesAReload(t *testing.T) {
	url := "http://" + freeport.Address()
	g, lab := checked(t, url, "health_check {\n fails 1\n}")
	g.checkHealth(t.Context(), lab)
	order, _ := planOf(t, g, "fast", g.now())
	require.Equal(t, []string{"spare/m"}, order)
	g, _ = checked(t, url, "health_check {\n fails 5\n}")
	order, _ = planOf(t, g, "fast", g.now())
	require.Equal(t, []string{"spare/m"}, order)
	g, _ = checked(t, url, "")
	order, _ = planOf(t, g, "fast", g.now())
	require.Equal(t, []string{"lab/m", "spare/m"}, order)
}

func TestHealthCanBeCleared(t *testing.T) {
	g, lab := checked(t, "http://"+freeport.Address(), "api_key one\n api_key two\n health_check {\n fails 1\n}")
	g.checkHealth(t.Context(), lab)
	target := g.router.names["lone"].targets[0]
	for _, c := range target.status(g.now()).Credentials {
		require.Equal(t, stateDown, c.State)
	}
	n := g.noticeOf(target, target.lanes[0], lab.checked(), g.now())
	require.Equal(t, allModels, n.model)
	require.Zero(t, n.credential, "it is no credential's fault")
	require.Equal(t, 1, g.clear(g.targets()))
	require.True(t, target.free(g.now()))
}

// A check that is cut short, because its configuration goes, tells nothing.
func TestAHealthCheckThatIsCutShort(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := newProvider(t, func(_ http.ResponseWriter, r *http.Request) {
		cancel()
		<-r.Context().Done()
	})
	g, lab := checked(t, p.URL, "health_check {\n fails 1\n}")
	g.checkHealth(ctx, lab)
	require.Zero(t, lab.checked().until.Load())
}

func TestHealthChecksComeAgainAndAgain(t *testing.T) {
	p := newProvider(t, says(200, ``))
	g, lab := checked(t, p.URL, "health_check {\n interval 7s\n}")
	ctx, cancel := context.WithCancel(t.Context())
	waits, ticks := make(chan time.Duration), make(chan time.Time)
	done := make(chan struct{})
	go func() {
		defer close(done)
		g.lookAfter(ctx, lab, time.Second, func(d time.Duration) <-chan time.Time {
			waits <- d
			return ticks
		})
	}()
	require.Equal(t, time.Second, <-waits)
	for range 3 {
		ticks <- time.Now()
		require.Equal(t, 7*time.Second, <-waits)
	}
	require.Equal(t, 3, p.count())
	cancel()
	<-done
}

// Only providers that have checks are looked after, and nothing is left behind.
func TestHealthChecksEnd(t *testing.T) {
	g, _ := checked(t, "http://"+freeport.Address(), "health_check")
	require.Nil(t, g.Providers[1].checked())
	g.endChecks()
	g.startChecks()
	g.endChecks()
	g.endChecks()
}

// A running Caddy tells of it by events, metrics and the admin API, of a site's
// own gateway too, and a reload keeps it.
func TestHealthChecksAreTold(t *testing.T) {
	var status atomic.Int64
	status.Store(503)
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) { says(int(status.Load()), ``)(w, r) })
	adminPort := freeport.Port()
	source := `{
		admin 127.0.0.1:` + strconv.Itoa(adminPort) + quietly + `
	}
	http://127.0.0.1:` + strconv.Itoa(freeport.Port()) + ` {
		plexus {
			provider site-lab {
				base_url ` + p.URL + `/v1
				health_check {
					# Checks are made by hand here.
					interval 1000d
					fails 1
				}
			}
			model {alias} {
				target site-lab m
			}
		}
	}`
	runCaddy(t, source, "{alias}", "a")
	config := bytes.Replace(adapted(t, source, "{alias}", "b"), []byte(`"apps": {`),
		[]byte(`"apps": {"events":{"subscriptions":[{"events":["plexus.target_down","plexus.target_up"],"handlers":[{"handler":"plexus_test"}]}]},`), 1)
	reload(t, config)
	ask := func(path string) string { return adminSays(t, "http://127.0.0.1:"+strconv.Itoa(adminPort)+path) }
	check := func() {
		for _, g := range running.latest().gateways {
			for _, lab := range g.Providers {
				g.checkHealth(t.Context(), lab)
			}
		}
	}
	require.Contains(t, ask("/metrics"), `caddy_plexus_provider_down{provider="site-lab"} 0`)
	check()
	e := nextEvent(t)
	require.Equal(t, eventDown, e.Name())
	require.Equal(t, "site-lab", e.Data["provider"])
	require.Equal(t, allModels, e.Data["model"])
	require.Equal(t, "health check: 503 Service Unavailable", e.Data["reason"])
	require.Contains(t, ask("/metrics"), `caddy_plexus_provider_down{provider="site-lab"} 1`)
	require.Contains(t, ask("/metrics"), `caddy_plexus_target_cooling{model="m",provider="site-lab"} 1`)
	require.Contains(t, ask("/metrics"), `caddy_plexus_health_checks_total{provider="site-lab",verdict="status"} `)
	require.Contains(t, ask(pathTargets), `"state":"down"`)
	reload(t, bytes.Replace(config, []byte(`"alias": "b"`), []byte(`"alias": "c"`), 1))
	require.Contains(t, ask(pathTargets), `"state":"down"`)
	status.Store(200)
	check()
	require.Equal(t, eventUp, nextEvent(t).Name())
	require.Contains(t, ask(pathTargets), `"state":"up"`)
	require.Contains(t, ask("/metrics"), `caddy_plexus_health_checks_total{provider="site-lab",verdict="served"} `)
}

func TestHealthCheckIsValidated(t *testing.T) {
	f := func(options, want string) {
		t.Helper()
		_, err := loadGateway(t, "provider lab {\n"+options+"\n}")
		require.ErrorContains(t, err, want)
	}
	f("base_url rerank http://x.example/v1\n health_check", `provider "lab": health_check: none of its APIs has a list of models; check tcp`)
	_, err := loadGateway(t, "provider lab {\n base_url rerank http://x.example/v1\n health_check tcp\n}")
	require.NoError(t, err)
	_, err = loadGateway(t, "provider lab {\n base_url rerank http://x.example/v1\n health_check\n disabled\n}")
	require.NoError(t, err, "nobody looks after it")

	j := func(c HealthCheck, want string) {
		t.Helper()
		require.ErrorContains(t, provision(t, &Gateway{Providers: []*Provider{{Name: "openai", HealthCheck: &c}}}), `provider "openai": health_check: `+want)
	}
	j(HealthCheck{Kind: "ping"}, `expected models or tcp, got "ping"`)
	j(HealthCheck{Interval: 1e8}, "interval: expected at least 1s, got 100ms")
	j(HealthCheck{Timeout: -1}, "timeout: expected a positive duration")
	j(HealthCheck{Fails: -1}, "fails: expected at least 1, got -1")
}

func TestHealthCheckDefaults(t *testing.T) {
	p := new(Provider)
	d := caddyfile.NewTestDispenser("health_check")
	d.Next()
	require.NoError(t, p.parseHealthCheck(d))
	require.Equal(t, HealthCheck{
		Kind: "models", Interval: caddy.Duration(30 * time.Second), Timeout: caddy.Duration(5 * time.Second), Fails: 2,
	}, p.HealthCheck.complete())
	raw, err := json.Marshal(p)
	require.NoError(t, err)
	require.Contains(t, string(raw), `"health_check":{}`)
}
