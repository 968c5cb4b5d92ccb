package plexus

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// counting is a transport that knows how many exchanges are under way, and how
// many there have been at most.
type counting struct {
	next      http.RoundTripper
	now, most *atomic.Int64
}

func (c *counting) RoundTrip(r *http.Request) (*http.Response, error) {
	n := c.now.Add(1)
	for most := c.most.Load(); n > most && !c.most.CompareAndSwap(most, n); most = c.most.Load() {
	}
	res, err := c.next.RoundTrip(r)
	if err != nil {
		c.now.Add(-1)
		return nil, err
	}
	res.Body = &countedBody{ReadCloser: res.Body, closed: sync.OnceFunc(func() { c.now.Add(-1) })}
	return res, nil
}

type countedBody struct {
	io.ReadCloser
	closed func()
}

func (b *countedBody) Close() error {
	defer b.closed()
	return b.ReadCloser.Close()
}

// abruptWriter panics as reverse_proxy and others do when a client is gone.
type abruptWriter struct {
	http.ResponseWriter
	writes int
}

func (w *abruptWriter) Write(p []byte) (int, error) {
	if w.writes--; w.writes < 0 {
		panic(http.ErrAbortHandler)
	}
	return w.ResponseWriter.Write(p)
}

func (w *abruptWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// unruly is a provider that does all that one can do.
func unruly(t *testing.T, seed uint64) *httptest.Server {
	var mu sync.Mutex
	chance := rand.New(rand.NewPCG(seed, 3))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		mu.Lock()
		what, pause := chance.IntN(20), time.Duration(chance.Int64N(int64(4*time.Millisecond)))
		mu.Unlock()
		select {
		case <-time.After(pause):
		case <-r.Context().Done():
			return
		}
		switch what {
		case 0:
			breaksOff(w, r)
		case 1:
			says(429, `{}`, "Retry-After-Ms", "5")(w, r)
		case 2:
			says(503, `{}`)(w, r)
		case 3:
			says(400, `{"error":{"message":"no"}}`)(w, r)
		case 4:
			hangs(w, r)
		case 5:
			streams(chatRole, chatHello)(w, r)
			breaksOff(w, r)
		case 6:
			says(200, chatAnswer, "X-Ratelimit-Remaining-Requests", "0", "X-Ratelimit-Reset-Requests", "5ms")(w, r)
		case 7:
			says(200, `{"error":{"message":"no"}}`)(w, r)
		case 8, 9, 10, 11, 12:
			streams(chatRole, chatHello, chatWorld, chatStop, chatDone)(w, r)
		default:
			says(200, chatAnswer)(w, r)
		}
	}))
	server.Config.ErrorLog = nil
	t.Cleanup(server.Close)
	return server
}

// Whatever befalls requests (clients that leave, handlers that panic, providers
// that stall or break off, configurations that are replaced), no bound is ever
// exceeded, and in the end nothing is under way, nobody waits, and nothing runs.
func TestSoakOfLimits(t *testing.T) {
	const clients, each, generations = 40, 80, 12
	running := runtime.NumGoroutine()
	a, b := unruly(t, 1), unruly(t, 2)
	block := `provider a {
		base_url ` + a.URL + `/v1
		max_concurrency 5
		cooldown off
		models {
			m {
				max_concurrency 3
			}
			n
		}
	}
	provider b {
		base_url ` + b.URL + `/v1
		api_key one {
			rpm 100000
		}
		api_key two
		tpm 10000000
		max_concurrency 4
		cooldown 1ms 5ms
	}
	model fast {
		target a m
		target b m
	}
	model other {
		hedge 5ms
		target a n
		target b m {
			max_concurrency 2
		}
	}
	failover {
		first_content 40ms
		answer 40ms
	}
	queue 15 300ms`
	under := map[string]*counting{}
	for _, name := range []string{"a", "b"} {
		under[name] = &counting{now: new(atomic.Int64), most: new(atomic.Int64)}
	}
	var gateway atomic.Pointer[Gateway]
	var all []*Gateway
	reload := func() (cleanup func()) {
		g, err := loadGateway(t, block)
		require.NoError(t, err)
		for _, p := range g.Providers {
			p.use(&counting{p.transport, under[p.Name].now, under[p.Name].most})
		}
		gateway.Store(g)
		all = append(all, g)
		return func() { require.NoError(t, g.Cleanup()) }
	}
	cleanup := reload()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		repl := caddyhttp.NewTestReplacer(r)
		ctx := context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl)
		ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "127.0.0.1"})
		if r.Header.Get("Abrupt") != "" {
			w = &abruptWriter{w, len(r.Header.Get("Abrupt")) - 1}
		}
		_ = (&Handler{Gateway: gateway.Load()}).ServeHTTP(w, r.WithContext(ctx), nil)
	}))
	defer server.Close()

	var done atomic.Int64
	var working sync.WaitGroup
	statuses := make([]atomic.Int64, 600)
	for c := range clients {
		working.Go(func() {
			chance := rand.New(rand.NewPCG(uint64(c), 5))
			for range each {
				statuses[askUnruly(server, chance)].Add(1)
				done.Add(1)
			}
		})
	}
	for i := range int64(generations) {
		awaits(t, "the next reload", func() bool { return done.Load() > (i+1)*clients*each/(generations+1) })
		old := cleanup
		cleanup = reload()
		old() // while its requests are under way
	}
	working.Wait()
	awaitsLimits(t, gateway.Load(), 0, 0)
	for _, p := range gateway.Load().Providers {
		for model, places := range p.limiter.targets {
			require.Zero(t, places.taken, model)
		}
		require.Zero(t, under[p.Name].now.Load())
		require.EqualValues(t, p.MaxConcurrency, under[p.Name].most.Load(), "all that is allowed, and no more")
	}
	for _, g := range all {
		for name, rt := range g.router.names {
			require.Zero(t, rt.room.waiting.Load(), name)
		}
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.waiting)
	families, err := registry.Gather()
	require.NoError(t, err)
	require.Zero(t, families[0].Metric[0].Gauge.GetValue())
	seen := map[int]int64{}
	for status := range statuses {
		if n := statuses[status].Load(); n > 0 {
			seen[status] = n
		}
	}
	t.Log("answers by status, 0 for none:", seen)
	for _, status := range []int{0, 200, 400, 429} {
		require.NotZero(t, seen[status], "nothing ended with %d", status)
	}

	cleanup()
	server.Close()
	a.Close()
	b.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	awaits(t, "all goroutines to end", func() bool { return runtime.NumGoroutine() <= running+1 }) // the one that asks
}

// askUnruly asks something, and may leave before the answer. It returns the status,
// or 0 where there was none.
func askUnruly(server *httptest.Server, chance *rand.Rand) int {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	model, stream := "fast", chance.IntN(2) == 0
	if chance.IntN(3) == 0 {
		model = "other"
	}
	body := fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":"hi"}]}`, model, stream)
	req, _ := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/v1/chat/completions", strings.NewReader(body))
	switch chance.IntN(8) {
	case 0:
		defer time.AfterFunc(time.Duration(chance.Int64N(int64(20*time.Millisecond))), cancel).Stop()
	case 1:
		req.Header.Set("Abrupt", strings.Repeat("x", 1+chance.IntN(3)))
	}
	res, err := server.Client().Do(req)
	if err != nil {
		return 0
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	return res.StatusCode
}
