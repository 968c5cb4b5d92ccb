package plexus

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/caddy-plexus/plexus/internal/freeport"
)

// events are what eventKeeper has been told.
var events = make(chan caddy.Event, 100)

// eventKeeper is an event handler that keeps what it gets.
type eventKeeper struct{}

func (eventKeeper) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.plexus_test", New: func() caddy.Module { return new(eventKeeper) }}
}

func (eventKeeper) Handle(_ context.Context, e caddy.Event) error {
	events <- e
	return nil
}

func init() { caddy.RegisterModule(eventKeeper{}) }

// nextEvent waits for an event.
func nextEvent(t *testing.T) caddy.Event {
	t.Helper()
	select {
	case e := <-events:
		return e
	case <-time.After(5 * time.Second):
		t.Fatal("no event")
	}
	return caddy.Event{}
}

// plexusCommand runs `caddy plexus` with arguments.
func plexusCommand(args ...string) (string, error) {
	root := &cobra.Command{Use: "plexus", SilenceUsage: true, SilenceErrors: true}
	addCommands(root)
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(io.Discard)
	root.SetArgs(args)
	err := root.Execute()
	return out.String(), err
}

// The whole of it: a target goes down, which events, metrics, the admin API and
// the command tell; it stays down over a reload and a restart, and is cleared.
func TestCooldownsAreVisibleClearableAndKept(t *testing.T) {
	bad := newProvider(t, says(429, "", "Retry-After", "120"))
	good := newProvider(t, says(200, chatAnswer))
	gateway, site, adminPort := freeport.Port(), freeport.Port(), freeport.Port()
	source := `{
		admin 127.0.0.1:` + fmt.Sprint(adminPort) + quietly + `
		plexus {
			provider bad {
				base_url ` + bad.URL + `/v1
				api_key sk-do-not-show
				models m n
			}
			provider good {
				base_url ` + good.URL + `/v1
			}
			model fast {additional} {
				selector in_order
				target bad m
				target good m
			}
		}
	}
	http://127.0.0.1:` + fmt.Sprint(gateway) + ` {
		plexus
	}
	http://127.0.0.1:` + fmt.Sprint(site) + ` {
		plexus {
			provider own {
				base_url ` + good.URL + `/own
			}
			model mine {
				target own m
			}
		}
	}`
	keep := func(config []byte) []byte {
		return bytes.Replace(config, []byte(`"apps": {`), []byte(`"apps": {"events":{"subscriptions":[{"events":["plexus.target_down","plexus.target_up"],"handlers":[{"handler":"plexus_test"}]}]},`), 1)
	}
	runCaddy(t, source, "{additional}", "a")
	config := keep(adapted(t, source, "{additional}", "b"))
	reload(t, config)
	url := fmt.Sprintf("http://127.0.0.1:%d/v1/chat/completions", gateway)
	address := fmt.Sprintf("127.0.0.1:%d", adminPort)
	ask := func(path string) string { return adminSays(t, "http://"+address+path) }
	states := func() map[string]string {
		t.Helper()
		var list []targetStatus
		require.NoError(t, json.Unmarshal([]byte(ask(pathTargets)), &list))
		out := map[string]string{}
		for _, target := range list {
			out[target.Provider+"/"+target.Model] = target.State
		}
		return out
	}
	up := map[string]string{"bad/m": "up", "bad/n": "up", "good/m": "up", "own/m": "up"}
	down := map[string]string{"bad/m": "cooling", "bad/n": "up", "good/m": "up", "own/m": "up"}
	require.Equal(t, up, states())

	require.Equal(t, 200, post(t, url, askFast).status)
	require.Equal(t, down, states())
	e := nextEvent(t)
	require.Equal(t, eventDown, e.Name())
	require.Equal(t, "bad", e.Data["provider"])
	require.Equal(t, "m", e.Data["model"])
	require.Equal(t, "429 Too Many Requests", e.Data["reason"])
	_, err := time.Parse(time.RFC3339, e.Data["until"].(string))
	require.NoError(t, err)
	require.NotContains(t, ask(pathTargets), "sk-do-not-show")
	require.NotContains(t, ask(pathTargets), "http")
	require.Contains(t, ask("/metrics"), `caddy_plexus_target_cooling{model="m",provider="bad"} 1`)
	require.Contains(t, ask("/metrics"), `caddy_plexus_target_cooling{model="m",provider="own"} 0`)
	require.Contains(t, ask("/metrics"), `caddy_plexus_cooldowns_total{model="m",provider="bad",reason="status"} `, "counters of the process count on")

	// A reload keeps it, a failed one changes nothing, a restart loads it.
	reload(t, keep(adapted(t, source, "{additional}", "c")))
	require.Equal(t, down, states())
	require.Error(t, caddy.Load([]byte(`{"admin":{"listen":"`+address+`"},"apps":{"plexus":{"providers":[{"name":"bad/"}]}}}`), true))
	require.Equal(t, down, states())
	require.NoError(t, caddy.Stop())
	raw, err := caddy.DefaultStorage.Load(t.Context(), memoryKey)
	require.NoError(t, err)
	require.NotContains(t, string(raw), "sk-do-not-show")
	require.NotContains(t, string(raw), "http")
	reload(t, config)
	require.Equal(t, down, states())
	require.Equal(t, 1, bad.count())

	out, err := plexusCommand("targets", "--address", address)
	require.NoError(t, err)
	require.Regexp(t, `(?m)^bad/m +cooling +\dm\d+s +1 +- +- +429 Too Many Requests$`, out)
	require.Regexp(t, `(?m)^own/m +up +- +0 `, out)
	out, err = plexusCommand("targets", "--json", "--address", address)
	require.NoError(t, err)
	require.JSONEq(t, ask(pathTargets), out)
	_, err = plexusCommand("clear", "nobody", "--address", address)
	require.EqualError(t, err, "there is no target nobody/*")
	out, err = plexusCommand("clear", "bad/m", "--address", address)
	require.NoError(t, err)
	require.Equal(t, "cleared: 1\n", out)
	require.Equal(t, up, states())
	require.Equal(t, eventUp, nextEvent(t).Name())
	require.NoError(t, caddy.Stop())
	require.False(t, caddy.DefaultStorage.Exists(t.Context(), memoryKey), "there is nothing to remember")
}

func TestAdminRefuses(t *testing.T) {
	adminPort := freeport.Port()
	runCaddy(t, "{\n admin 127.0.0.1:"+fmt.Sprint(adminPort)+quietly+" plexus {\n provider lab {\n base_url http://127.0.0.1:1/v1\n models m\n}\n}\n}")
	f := func(method, path, body string, status int, want string) {
		t.Helper()
		req, err := http.NewRequest(method, fmt.Sprintf("http://127.0.0.1:%d%s", adminPort, path), strings.NewReader(body))
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, status, res.StatusCode)
		require.Contains(t, string(text), want)
	}
	f("POST", pathTargets, "", 405, "only GET")
	f("GET", pathClear, "", 405, "only POST")
	f("POST", pathClear, "", 200, `{"cleared":0}`)
	f("POST", pathClear, "{}", 200, `{"cleared":0}`)
	f("POST", pathClear, `{"provider":"lab"}`, 200, `{"cleared":0}`)
	f("POST", pathClear, `{"provider":"lab","model":"x"}`, 404, "there is no target lab/x")
	f("POST", pathClear, `{"model":"m"}`, 400, "of which provider?")
	f("POST", pathClear, `{"providr":"lab"}`, 400, "expected an object")
	f("POST", pathClear, `[`, 400, "expected an object")
	reload(t, []byte(`{"admin":{"listen":"127.0.0.1:`+fmt.Sprint(adminPort)+`"}}`))
	require.Contains(t, adminSays(t, fmt.Sprintf("http://127.0.0.1:%d%s", adminPort, pathTargets)), "no plexus")
}

// Without a gateway for all, a handler without one of its own has none, although
// a site's own gateway brings an app with it.
func TestAnImpliedAppIsNoGateway(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	const own = "http://127.0.0.1:0 {\n plexus /own/* {\n provider lab {\n base_url http://127.0.0.1:1/v1\n}\n model m {\n target lab m\n}\n}\n plexus\n}"
	err := caddy.Load(adapted(t, "{\n admin off"+quietly+"}\n"+own), true)
	require.ErrorContains(t, err, "there is no gateway")
}

// What a gateway saves that is being replaced, after its successor has read, the
// successor makes good.
func TestTheReplacedSavesAfterItsSuccessorHasRead(t *testing.T) {
	g := newGateway(t, "provider lab {\n base_url http://127.0.0.1:1/v1\n models replaced\n}")
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	older, newer := memory{storage: storage, logger: zap.NewNop()}, memory{storage: storage, logger: zap.NewNop()}
	gateways, target := []*Gateway{g}, g.targets()[0]
	older.load(gateways, g.now())
	newer.load(gateways, g.now())
	g.blame(attemptAt(target, g.now()), &failure{retryAfter: 5 * time.Minute})
	older.save(gateways, g.now())
	g.clear([]*Target{target})
	newer.save(gateways, g.now())
	require.False(t, storage.Exists(t.Context(), memoryKey))
}

// What is remembered of a former life is taken as far as it can be true.
func TestMemory(t *testing.T) {
	g := newGateway(t, "provider lab {\n base_url http://127.0.0.1:1/v1\n models memory\n}")
	clock := fakeClock(g)
	clock.advance(time.Hour)
	storage := &certmagic.FileStorage{Path: t.TempDir()}
	m := memory{storage: storage, logger: zap.NewNop()}
	target := g.targets()[0]
	b := &target.state.breaker
	f := func(file string, want time.Duration) {
		t.Helper()
		require.NoError(t, storage.Store(t.Context(), memoryKey, []byte(file)))
		b.clear()
		b.restored = false
		m.load([]*Gateway{g}, g.now())
		wait := time.Duration(0)
		if until := b.until.Load(); until != 0 {
			wait = time.Duration(until - stamp(g.now())).Round(time.Second)
		}
		require.Equal(t, want, wait, file)
	}
	entry := func(until, failedAt time.Duration, failures int) string {
		raw, err := json.Marshal(savedBreakers{Version: 1, Breakers: []savedBreaker{{
			Key: digest(b.key), Until: g.now().Add(until), FailedAt: g.now().Add(failedAt), Failures: int64(failures),
		}}})
		require.NoError(t, err)
		return string(raw)
	}
	f(entry(time.Minute, -time.Minute, 1), time.Minute)
	require.EqualValues(t, 1, b.pauses())
	f(entry(-time.Minute, -2*time.Minute, 3), -time.Minute)
	require.Equal(t, stateHalfOpen, b.state(g.now()), "the next request finds out")
	f(entry(100*time.Hour, -time.Minute, 1), 5*time.Minute) // no longer than it could be
	f(entry(time.Minute, time.Minute, 1), 0)                // from the future
	f(entry(-time.Hour, -2*time.Hour, 1), 0)                // long ago
	f(entry(time.Minute, -time.Minute, -5), 0)
	f(`{"version":1,"cooldowns":[{"key":"another","until":"2026-11-23T12:00:00Z","failures":1}]}`, 0)
	for _, broken := range []string{"", "{", "[]", "null", `{"version":2}`, `{"version":1,"cooldowns":[{"until":"soon"}]}`, `{"version":1,"cooldowns":[{"recent":-1}]}`} {
		f(broken, 0)
	}

	g.blame(attemptAt(target, g.now()), &failure{})
	m.save([]*Gateway{g}, g.now())
	first, err := storage.Load(t.Context(), memoryKey)
	require.NoError(t, err)
	clock.advance(3*time.Second + time.Millisecond)
	m.save([]*Gateway{g}, g.now())
	second, err := storage.Load(t.Context(), memoryKey)
	require.NoError(t, err)
	require.Equal(t, first, second, "time alone changes nothing")

	b.clear()
	m.load([]*Gateway{g}, g.now())
	require.Equal(t, stateUp, b.state(g.now()), "a reload does not bring back what was cleared since")
}

// A clock that is set back by a day does not prolong a pause: stamps go by the
// monotonic clock.
func TestStampsGoByTheMonotonicClock(t *testing.T) {
	now := time.Now()
	require.Equal(t, now.UnixNano(), timeOf(stamp(now), now).UnixNano())
	require.EqualValues(t, time.Minute, stamp(now.Add(time.Minute))-stamp(now))
	require.WithinDuration(t, now, time.Unix(0, stamp(now)), time.Minute)
}

// What was held against a provider without listed models and targets was neither
// shown nor to be cleared.
func TestWhatIsPassedThroughCanBeCleared(t *testing.T) {
	p := newProvider(t, says(401, `{"error":{"message":"no"}}`))
	g := newGateway(t, fmt.Sprintf("provider p {\n base_url %s/v1\n api_key sk-abcdef\n}", p.URL))
	clock := fakeClock(g)
	url := serveGateway(t, g).URL + "/v1/chat/completions"
	for range 9 {
		post(t, url, `{"model":"p/m"}`)
		clock.advance(time.Second)
	}
	require.Equal(t, 503, post(t, url, `{"model":"p/m"}`).status)
	require.Equal(t, "_other", g.targets()[0].Model)
	cleared, err := (&App{gateways: []*Gateway{g}}).clear(clearing{Provider: "p"})
	require.NoError(t, err)
	require.Equal(t, 1, cleared)
	require.NotEqual(t, 503, post(t, url, `{"model":"p/m"}`).status)
}
