package plexus

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// held is a provider that answers each request when it is told to.
type held struct {
	*provider
	release chan struct{}
	now     atomic.Int64
	most    atomic.Int64
}

func newHeld(t *testing.T) *held {
	h := &held{release: make(chan struct{})}
	h.provider = newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		n := h.now.Add(1)
		defer h.now.Add(-1)
		for most := h.most.Load(); n > most && !h.most.CompareAndSwap(most, n); most = h.most.Load() {
		}
		select {
		case <-h.release:
			says(200, chatAnswer)(w, r)
		case <-r.Context().Done():
		}
	})
	return h
}

// limitsOf is what the gateway counts at its providers.
func limitsOf(g *Gateway) (inFlight, waiting int) {
	for _, p := range g.Providers {
		p.limiter.mu.Lock()
		inFlight += p.limiter.places.taken
		for _, w := range p.limiter.waiters {
			if w.waits() {
				waiting++
			}
		}
		p.limiter.mu.Unlock()
	}
	return inFlight, waiting
}

func awaitsLimits(t *testing.T, g *Gateway, inFlight, waiting int) {
	t.Helper()
	awaits(t, fmt.Sprintf("%d in flight and %d waiting", inFlight, waiting), func() bool {
		a, b := limitsOf(g)
		return a == inFlight && b == waiting
	})
}

func TestNoMoreThanMaxConcurrencyAndTheRestWaits(t *testing.T) {
	h := newHeld(t)
	g := newGateway(t, `provider p {
		base_url `+h.URL+`/v1
		max_concurrency 2
	}
	model fast {
		target p m
	}`)
	url := serveGateway(t, g).URL
	var clients sync.WaitGroup
	for range 6 {
		clients.Go(func() {
			got := post(t, url+"/v1/chat/completions", askFast)
			require.Equal(t, 200, got.status, got.body)
			require.Equal(t, "1", got.header.Get("X-Plexus-Attempts"))
		})
	}
	awaitsLimits(t, g, 2, 4)
	awaits(t, "two at the provider", func() bool { return h.now.Load() == 2 })
	for range 6 {
		h.release <- struct{}{}
	}
	clients.Wait()
	awaitsLimits(t, g, 0, 0)
	require.EqualValues(t, 2, h.most.Load())
}

func TestAFullTargetIsPassedOver(t *testing.T) {
	h, free := newHeld(t), newProvider(t, says(200, chatAnswer))
	g := newGateway(t, `provider a {
		base_url `+h.URL+`/v1
		models {
			m {
				max_concurrency 1
			}
			n
		}
	}
	provider b {
		base_url `+free.URL+`/v1
	}
	model fast {
		selector in_order
		target a m
		target b m
	}`)
	url := serveGateway(t, g).URL
	var first sync.WaitGroup
	first.Go(func() { post(t, url+"/v1/chat/completions", askFast) })
	awaits(t, "a request under way", func() bool { return h.now.Load() == 1 })
	got := post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, "b", got.header.Get("X-Plexus-Provider"))
	require.Equal(t, "1", got.header.Get("X-Plexus-Attempts"), "nobody was asked in vain")
	h.release <- struct{}{}
	first.Wait()
	awaitsLimits(t, g, 0, 0)
}

// Each API's clients get a 429 in their own shape, with the time to come back.
func TestBusy(t *testing.T) {
	h := newHeld(t)
	g := newGateway(t, `provider p {
		base_url `+h.URL+`/v1
		base_url messages `+h.URL+`/v1
		max_concurrency 1
	}
	model fast {
		target p m
		queue off
	}
	model one {
		target p n
		queue 1 1h
	}
	model soon {
		target p o
		queue 5 20ms
	}`)
	url := serveGateway(t, g).URL
	var clients sync.WaitGroup
	clients.Go(func() { post(t, url+"/v1/chat/completions", askFast) })
	awaits(t, "a request under way", func() bool { return h.now.Load() == 1 })
	f := func(path, body, want string) {
		t.Helper()
		got := post(t, url+path, body)
		require.Equal(t, 429, got.status, got.body)
		require.Equal(t, "1", got.header.Get("Retry-After"))
		require.Contains(t, got.body, want)
		require.Contains(t, got.body, "1 of 1 requests under way at the provider")
	}
	const message = `"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}`
	f("/v1/chat/completions", askFast, `"code":"all_targets_busy"`)
	f("/v1/chat/completions", askFast, "p/m (1 of 1")
	f("/v1/messages", `{"model":"fast",`+message, `"type":"rate_limit_error"`)
	f("/v1beta/models/fast:generateContent", `{"contents":[{"parts":[{"text":"hi"}]}]}`, `"status":"RESOURCE_EXHAUSTED"`)
	f("/v1/chat/completions", `{"model":"soon",`+message, "p/o")
	clients.Go(func() { post(t, url+"/v1/chat/completions", `{"model":"one",`+message) })
	awaitsLimits(t, g, 1, 1)
	f("/v1/chat/completions", `{"model":"one",`+message, "p/n") // one waits already
	h.release <- struct{}{}
	h.release <- struct{}{}
	clients.Wait()
	awaitsLimits(t, g, 0, 0)
}

// A client that leaves the queue leaves it at once, and one that leaves its slot
// makes room for the next.
func TestClientsThatLeave(t *testing.T) {
	h := newHeld(t)
	g := newGateway(t, `provider p {
		base_url `+h.URL+`/v1
		max_concurrency 1
	}
	model fast {
		target p m
	}`)
	url := serveGateway(t, g).URL
	start := func() (leave func()) {
		ctx, cancel := context.WithCancel(t.Context())
		var client sync.WaitGroup
		client.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(askFast))
			require.NoError(t, err)
			res, err := http.DefaultClient.Do(req)
			if err == nil {
				res.Body.Close()
			}
		})
		return func() {
			cancel()
			client.Wait()
		}
	}
	first := start()
	awaits(t, "the first to be asked", func() bool { return h.count() == 1 })
	second := start()
	awaitsLimits(t, g, 1, 1)
	third := start()
	awaitsLimits(t, g, 1, 2)
	second()
	awaitsLimits(t, g, 1, 1)
	first()
	awaitsLimits(t, g, 1, 0)
	awaits(t, "the third to be asked", func() bool { return h.count() == 2 })
	third()
	awaitsLimits(t, g, 0, 0)
}

func TestRequestsPerMinute(t *testing.T) {
	a, b := newProvider(t, says(200, chatAnswer)), newProvider(t, says(200, chatAnswer))
	g := newGateway(t, `provider a {
		base_url `+a.URL+`/v1
		api_key one {
			rpm 2
		}
		api_key two
		rpm 1
	}
	provider b {
		base_url `+b.URL+`/v1
		tpm 34
	}
	model fast {
		selector in_order
		target a m
		target b m
	}`)
	clock := fakeClock(g)
	url := serveGateway(t, g).URL
	f := func(want string) {
		t.Helper()
		got := post(t, url+"/v1/chat/completions", `{"model":"fast","max_tokens":1,"messages":[{"role":"user","content":"hi"}]}`)
		require.Equal(t, want, got.header.Get("X-Plexus-Provider"), got.body)
		if want == "" {
			require.Equal(t, 429, got.status)
			require.Contains(t, got.body, "a/m (2 of 2 requests in this minute); a/m (1 of 1 requests in this minute); b/m (30 of 34 tokens in this minute, and about ")
			require.NotEqual(t, "1", got.header.Get("Retry-After"))
		}
	}
	f("a")
	f("a")
	f("a")
	f("b") // the estimate of 19 tokens becomes the 15 that the provider counted
	f("b")
	f("") // nobody waits for what cannot be in time
	require.Equal(t, 5, a.count()+b.count())
	clock.advance(span * time.Second)
	f("a")
}

func TestReservedTokensOfARefusalAreGivenBack(t *testing.T) {
	for _, bad := range []http.HandlerFunc{says(400, `{"error":{"message":"no"}}`), says(429, `{}`), says(503, `{}`)} {
		p := newProvider(t, bad)
		g := newGateway(t, `provider p {
			base_url `+p.URL+`/v1
			tpm 1000
			rpm 10
			cooldown off
		}
		model fast {
			target p m
		}`)
		url := serveGateway(t, g).URL
		post(t, url+"/v1/chat/completions", askFast)
		a := g.Providers[0].unlistedIn[0].gate.allowance
		awaitsLimits(t, g, 0, 0)
		require.Zero(t, a.tokens.sum)
		require.EqualValues(t, 1, a.requests.sum)
	}
}

func TestWhatNeverReachedTheProviderCountsForNothing(t *testing.T) {
	gone := newProvider(t, says(200, chatAnswer))
	gone.Close()
	g := newGateway(t, `provider p {
		base_url `+gone.URL+`/v1
		rpm 10
		tpm 1000
	}
	model fast {
		target p m
	}`)
	got := post(t, serveGateway(t, g).URL+"/v1/chat/completions", askFast)
	require.Equal(t, 502, got.status)
	a := g.Providers[0].unlistedIn[0].gate.allowance
	require.Zero(t, a.tokens.sum)
	require.Zero(t, a.requests.sum)
}

// A target of whose limit nothing is left is not asked before the limit begins
// anew, though it has not refused anything yet.
func TestSteersAwayBeforeThe429(t *testing.T) {
	var left atomic.Int64
	a := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		says(200, chatAnswer, "x-ratelimit-remaining-requests", fmt.Sprint(left.Add(-1)), "x-ratelimit-reset-requests", "30s")(w, r)
	})
	b := newProvider(t, says(200, chatAnswer))
	for _, off := range []string{"", "no_learned_limits"} {
		left.Store(2)
		g := newGateway(t, `provider a {
			base_url `+a.URL+`/v1
			`+off+`
		}
		provider b {
			base_url `+b.URL+`/v1
		}
		model fast {
			selector in_order
			target a m
			target b m
		}`)
		clock := fakeClock(g)
		url := serveGateway(t, g).URL
		f := func(want string) {
			t.Helper()
			if off != "" {
				want = "a"
			}
			require.Equal(t, want, post(t, url+"/v1/chat/completions", askFast).header.Get("X-Plexus-Provider"))
		}
		f("a")
		f("a")
		f("b")
		clock.advance(29 * time.Second)
		f("b")
		clock.advance(time.Second)
		f("a")
	}
}

// With one credential's limit used up, the other is taken.
func TestLimitsAreLearnedOfEachCredential(t *testing.T) {
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		left := map[string]string{"Bearer one": "0", "Bearer two": "9"}[r.Header.Get("Authorization")]
		says(200, chatAnswer, "x-ratelimit-remaining-requests", left, "x-ratelimit-reset-requests", "30s")(w, r)
	})
	g := newGateway(t, `provider p {
		base_url `+p.URL+`/v1
		api_key one
		api_key two
	}
	model fast {
		target p m
	}`)
	fakeClock(g)
	url := serveGateway(t, g).URL
	used := map[string]int{}
	for range 8 {
		require.Equal(t, 200, post(t, url+"/v1/chat/completions", askFast).status)
		used[p.last(t).header.Get("Authorization")]++
	}
	require.Equal(t, map[string]int{"Bearer one": 1, "Bearer two": 7}, used)
}

// Models that nobody listed share a state, and shall not suffer for each other.
func TestNothingIsLearnedOfUnlistedModels(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer, "x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "1h"))
	g := newGateway(t, `provider p {
		base_url `+p.URL+`/v1
	}
	model fast {
		target p listed
	}
	queue 5 1h`)
	url := serveGateway(t, g).URL
	for _, model := range []string{"p/a", "p/b", "fast"} {
		require.Equal(t, 200, post(t, url+"/v1/chat/completions", strings.Replace(askFast, "fast", model, 1)).status)
	}
	require.Nil(t, g.Providers[0].unlistedIn[0].gate.learned)
}

// What a provider says of its limits is a hint. Where there is nobody else to
// ask, and the limit does not begin anew in time, the provider has its say.
func TestLearnedLimitsRefuseNothing(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer, "x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "30s"))
	g := newGateway(t, `provider p {
		base_url `+p.URL+`/v1
	}
	model fast {
		target p m
	}`)
	fakeClock(g)
	url := serveGateway(t, g).URL
	for range 3 {
		require.Equal(t, 200, post(t, url+"/v1/chat/completions", askFast).status)
	}
}

// A request waits until a limit begins anew, if that is in time.
func TestWaitsForALearnedReset(t *testing.T) {
	var asked atomic.Int64
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.Header().Set("X-Ratelimit-Remaining-Requests", "0")
			w.Header().Set("X-Ratelimit-Reset-Requests", "50ms")
		}
		says(200, chatAnswer)(w, r)
	})
	g := newGateway(t, `provider p {
		base_url `+p.URL+`/v1
	}
	model fast {
		target p m
		queue 10 1h
	}`)
	url := serveGateway(t, g).URL
	for range 3 {
		require.Equal(t, 200, post(t, url+"/v1/chat/completions", askFast).status)
	}
	awaitsLimits(t, g, 0, 0)
}

// After a failure a request waits for the target that it had passed over.
func TestWaitsAfterAFailure(t *testing.T) {
	h, bad := newHeld(t), newProvider(t, says(503, `{}`))
	g := newGateway(t, `provider a {
		base_url `+h.URL+`/v1
		max_concurrency 1
	}
	provider b {
		base_url `+bad.URL+`/v1
		cooldown off
	}
	model fast {
		selector in_order
		target a m
		target b m
	}`)
	url := serveGateway(t, g).URL
	var clients sync.WaitGroup
	clients.Go(func() { post(t, url+"/v1/chat/completions", askFast) })
	awaits(t, "a request under way", func() bool { return h.now.Load() == 1 })
	clients.Go(func() {
		got := post(t, url+"/v1/chat/completions", askFast)
		require.Equal(t, 200, got.status, got.body)
		require.Equal(t, "a", got.header.Get("X-Plexus-Provider"))
		require.Equal(t, "2", got.header.Get("X-Plexus-Attempts"))
	})
	awaitsLimits(t, g, 1, 1)
	require.Equal(t, 1, bad.count())
	h.release <- struct{}{}
	h.release <- struct{}{}
	clients.Wait()
	awaitsLimits(t, g, 0, 0)
}

// A request that is too long for the last target waits for the large one that is
// full.
func TestWaitsWhereTheLastTargetIsTooSmall(t *testing.T) {
	h := newHeld(t)
	small := newProvider(t, says(400, `{"error":{"message":"This model's maximum context length is 8000 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}`))
	g := newGateway(t, `provider a {
		base_url `+h.URL+`/v1
		max_concurrency 1
		models {
			m context 200000
		}
	}
	provider b {
		base_url `+small.URL+`/v1
		models {
			m context 8000
			n context 8000
		}
	}
	model fast {
		selector in_order
		context_overflow skip
		target a m
		target b m
		target b n
	}`)
	url := serveGateway(t, g).URL
	var clients sync.WaitGroup
	for i := range 2 {
		clients.Go(func() {
			got := post(t, url+"/v1/chat/completions", askFast)
			require.Equal(t, 200, got.status, got.body)
			require.Equal(t, "a", got.header.Get("X-Plexus-Provider"))
		})
		awaitsLimits(t, g, 1, i)
	}
	require.Equal(t, 1, small.count())
	h.release <- struct{}{}
	h.release <- struct{}{}
	clients.Wait()
	awaitsLimits(t, g, 0, 0)
}

// Who waited for a target that has begun to cool down meanwhile does not ask it,
// nor does it wait any longer.
func TestATargetThatCoolsDownFreesItsQueue(t *testing.T) {
	h := newHeld(t)
	fails := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		h.now.Add(1)
		<-h.release
		says(429, `{}`, "Retry-After", "30")(w, r)
	})
	g := newGateway(t, `provider p {
		base_url `+fails.URL+`/v1
		max_concurrency 1
	}
	model fast {
		target p m
		queue 10 1h
	}`)
	url := serveGateway(t, g).URL
	var clients sync.WaitGroup
	clients.Go(func() { require.Equal(t, 429, post(t, url+"/v1/chat/completions", askFast).status) })
	awaits(t, "a request under way", func() bool { return h.now.Load() == 1 })
	for range 3 {
		clients.Go(func() {
			got := post(t, url+"/v1/chat/completions", askFast)
			require.Equal(t, 503, got.status, got.body)
			require.Equal(t, "30", got.header.Get("Retry-After"))
		})
	}
	awaitsLimits(t, g, 1, 3)
	h.release <- struct{}{}
	clients.Wait()
	awaitsLimits(t, g, 0, 0)
	require.Equal(t, 1, fails.count())
}

// A reload forgets nothing of what is under way, and those who wait go on.
func TestReloadKeepsSlotsAndQueue(t *testing.T) {
	h := newHeld(t)
	block := `provider p {
		base_url ` + h.URL + `/v1
		max_concurrency 1
	}
	model fast {
		target p m
	}`
	old := newGateway(t, block)
	oldURL := serveGateway(t, old).URL
	var clients sync.WaitGroup
	ask := func(url string) {
		clients.Go(func() { require.Equal(t, 200, post(t, url+"/v1/chat/completions", askFast).status) })
	}
	ask(oldURL)
	awaitsLimits(t, old, 1, 0)
	ask(oldURL)
	awaitsLimits(t, old, 1, 1)
	fresh := newGateway(t, block)
	ask(serveGateway(t, fresh).URL)
	awaitsLimits(t, fresh, 1, 2)
	for range 3 {
		h.release <- struct{}{}
	}
	clients.Wait()
	awaitsLimits(t, fresh, 0, 0)
	require.EqualValues(t, 1, h.most.Load())
}

// A second target that is asked beside the first takes a slot of its own, and
// whichever is outrun gives its slot back at once, though the answer of the other
// goes on.
func TestTheOutrunGiveTheirSlotsBack(t *testing.T) {
	slow, end := newProvider(t, hangs), make(chan struct{})
	fast := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		streams(chatRole, chatHello)(w, r)
		<-end
		streams(chatStop, chatDone)(w, r)
	})
	g := newGateway(t, `provider slow {
		base_url `+slow.URL+`/v1
		max_concurrency 1
	}
	provider fast {
		base_url `+fast.URL+`/v1
		max_concurrency 1
	}
	model fast {
		selector in_order
		target slow m
		target fast m
		hedge 10ms
	}`)
	url := serveGateway(t, g).URL
	var clients sync.WaitGroup
	clients.Go(func() {
		got := post(t, url+"/v1/chat/completions", `{"model":"fast","stream":true}`)
		require.Equal(t, 200, got.status, got.body)
		require.Equal(t, "fast", got.header.Get("X-Plexus-Provider"))
	})
	awaits(t, "the second to be asked", func() bool { return fast.count() == 1 })
	awaitsLimits(t, g, 1, 0)
	require.Equal(t, 1, g.Providers[1].limiter.places.taken)
	close(end)
	clients.Wait()
	awaitsLimits(t, g, 0, 0)
}

// Agents that count tokens do not wait: an estimate is there at once.
func TestCountsDoNotWait(t *testing.T) {
	h := newHeld(t)
	g := newGateway(t, `provider p {
		base_url messages `+h.URL+`/v1
		base_url `+h.URL+`/v1
		max_concurrency 1
	}
	model fast {
		target p m
		queue 10 1h
	}`)
	url := serveGateway(t, g).URL
	var clients sync.WaitGroup
	clients.Go(func() { post(t, url+"/v1/chat/completions", askFast) })
	awaitsLimits(t, g, 1, 0)
	got := post(t, url+"/v1/messages/count_tokens", `{"model":"fast","messages":[{"role":"user","content":"hi"}]}`)
	require.Equal(t, 200, got.status)
	require.Equal(t, "true", got.header.Get(estimateHeader))
	h.release <- struct{}{}
	clients.Wait()
}

// A target that had a hiccup, and is asked because it is the last one standing,
// is waited for like any other.
func TestWaitsForTheLastOneStanding(t *testing.T) {
	h := newHeld(t)
	g := newGateway(t, `provider p {
		base_url `+h.URL+`/v1
		max_concurrency 1
	}
	model fast {
		target p m
	}`)
	fakeClock(g)
	url := serveGateway(t, g).URL
	target := g.router.names["fast"].targets[0]
	g.blame(attemptAt(target, g.now()), &failure{})
	require.False(t, target.free(g.now()))
	var clients sync.WaitGroup
	for range 3 {
		clients.Go(func() { require.Equal(t, 200, post(t, url+"/v1/chat/completions", askFast).status) })
	}
	awaitsLimits(t, g, 1, 2)
	for range 3 {
		h.release <- struct{}{}
	}
	clients.Wait()
	awaitsLimits(t, g, 0, 0)
}

// Where nothing is bounded, a request takes no lock and no memory to be let in.
func TestUnboundedIsFree(t *testing.T) {
	g := newGateway(t, `provider p {
		base_url http://p.example/v1
		models m
	}`)
	target, now := g.Providers[0].models["m"], g.now()
	g.Providers[0].limiter.mu.Lock()
	defer g.Providers[0].limiter.mu.Unlock()
	require.Zero(t, testing.AllocsPerRun(100, func() {
		c, _, ok := target.claim(now, false, 1, 0, tally{1, 100, 100})
		require.True(t, ok)
		c.giveBack(now)
	}))
}

func TestClearingForgetsLearnedLimits(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer, "x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "30s"))
	g := newGateway(t, `provider p {
		base_url `+p.URL+`/v1
	}
	model fast {
		target p m
	}`)
	clock := fakeClock(g)
	require.Equal(t, 200, post(t, serveGateway(t, g).URL+"/v1/chat/completions", askFast).status)
	target := g.router.names["fast"].targets[0]
	full := func() bool {
		c, full, _ := target.claim(g.now(), false, 1, 0, one)
		c.giveBack(g.now())
		return full != 0
	}
	require.True(t, full())
	clock.advance(time.Second)
	g.clear([]*Target{target})
	require.False(t, full())
}

func TestLimitsAreChecked(t *testing.T) {
	f := func(change func(*Gateway), want string) {
		t.Helper()
		g := &Gateway{
			Providers: []*Provider{{Name: "openai", Models: []ProviderModel{{Name: "m"}}}},
			Models:    []*Model{{Alias: "a", Targets: []ModelTarget{{Provider: "openai", Model: "m"}}}},
		}
		change(g)
		require.ErrorContains(t, provision(t, g), want)
	}
	f(func(g *Gateway) { g.Providers[0].MaxConcurrency = -1 }, `provider "openai": max_concurrency: expected a number of at least 1, got -1`)
	f(func(g *Gateway) { g.Providers[0].RPM = -1 }, "rpm: expected")
	f(func(g *Gateway) { g.Providers[0].TPM = -1 }, "tpm: expected")
	f(func(g *Gateway) { g.Providers[0].Models[0].MaxConcurrency = -1 }, `model "m": max_concurrency: expected`)
	f(func(g *Gateway) { g.Providers[0].Credentials = []*Credential{{APIKey: "x", RPM: -1}} }, "api_key: rpm, tpm: expected")
	f(func(g *Gateway) { g.Models[0].Targets[0].MaxConcurrency = -1 }, `model "a": target openai/m: max_concurrency: expected`)
	f(func(g *Gateway) { g.Models[0].Targets[0] = ModelTarget{Alias: "b", MaxConcurrency: 1} }, `target alias:b: max_concurrency: it is another model; give it to the targets of that`)
	f(func(g *Gateway) { g.Queue = &Queue{Size: -1} }, "queue: size: expected at least 1, got -1")
	f(func(g *Gateway) { g.Models[0].Queue = &Queue{Deadline: -1} }, `model "a": queue: deadline: expected`)
	f(func(g *Gateway) { g.Queue = &Queue{Off: true, Size: 3} }, "queue: it is off")
}

func TestQueueOver(t *testing.T) {
	f := func(own, base *Queue, want Queue) {
		t.Helper()
		require.Equal(t, want, own.over(base))
	}
	f(nil, nil, Queue{Size: 100, Deadline: 10e9})
	f(nil, &Queue{Off: true}, Queue{Off: true})
	f(&Queue{Off: true}, &Queue{Size: 5}, Queue{Off: true})
	f(&Queue{Size: 5}, &Queue{Off: true}, Queue{Size: 5, Deadline: 10e9})
	f(&Queue{Size: 5}, &Queue{Size: 7, Deadline: 3e9}, Queue{Size: 5, Deadline: 3e9})
}

// Those who are let in while the target is found to be cooling down have asked it
// nothing: their requests are there for when it is back.
func TestWaitersBehindA429KeepTheirAllowance(t *testing.T) {
	answers := make(chan struct{})
	var asked atomic.Int64
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			<-answers
			says(429, `{}`, "Retry-After", "5")(w, r)
			return
		}
		says(200, chatAnswer)(w, r)
	})
	g := newGateway(t, "provider p {\n base_url "+p.URL+"/v1\n max_concurrency 1\n rpm 10\n tpm 100000\n models m\n}\nmodel fast {\n target p m\n}")
	clock := fakeClock(g)
	url := serveGateway(t, g).URL + "/v1/chat/completions"
	var clients sync.WaitGroup
	for range 10 {
		clients.Go(func() { assert.NotEqual(t, 200, post(t, url, askFast).status) })
	}
	awaitsLimits(t, g, 1, 9)
	close(answers)
	clients.Wait()
	awaitsLimits(t, g, 0, 0)
	require.EqualValues(t, 1, asked.Load())
	allowance := g.Providers[0].models["m"].lanes[0].gate.allowance
	require.EqualValues(t, 1, allowance.requests.sum)
	require.Zero(t, allowance.tokens.sum)
	clock.advance(11 * time.Second)
	require.Equal(t, 200, post(t, url, askFast).status)
}
