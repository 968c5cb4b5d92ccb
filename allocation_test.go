package plexus

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// Times depend on the machine, and are measured in bench/. What is allocated does
// not: these bounds hold what was reached, with a little room for other versions
// of Go.

// drain takes a request's body as a transport does, and answers.
type drain struct{ http.RoundTripper }

func (d drain) RoundTrip(r *http.Request) (*http.Response, error) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		return nil, err
	}
	if err := r.Body.Close(); err != nil {
		return nil, err
	}
	return d.RoundTripper.RoundTrip(r)
}

// sink is a client that takes everything.
type sink struct {
	header  http.Header
	flushes int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) Write(p []byte) (int, error) { return len(p), nil }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Flush()                      { s.flushes++ }

// passing is what one request costs on its way through the gateway.
type passing struct {
	allocs, bytes float64
	flushes       int
}

func passingOf(t *testing.T, path, body string, answer http.RoundTripper) passing {
	t.Helper()
	g := largeGateway(1, 2, 1)
	provisionLarge(t, g)
	g.Providers[0].use(drain{answer})
	h := &Handler{Gateway: g}
	const runs = 50
	var w *sink
	once := func() {
		w = &sink{header: http.Header{}}
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer secret-of-key-0")
		ctx := context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{})
		if err := h.ServeHTTP(w, r.WithContext(ctx), nil); err != nil {
			t.Fatal(err)
		}
	}
	// What only the test does is taken off.
	bare := testing.AllocsPerRun(runs, func() {
		w = &sink{header: http.Header{}}
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer secret-of-key-0")
		_ = r.WithContext(context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{}))
		_, _ = answer.RoundTrip(nil)
	})
	var out passing
	out.allocs = testing.AllocsPerRun(runs, once) - bare
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		once()
	}
	runtime.ReadMemStats(&after)
	out.bytes, out.flushes = float64(after.TotalAlloc-before.TotalAlloc)/runs, w.flushes
	return out
}

func TestAllocationsOfAnAnswer(t *testing.T) {
	f := func(path, ask string, answer canned, most float64) {
		t.Helper()
		got := passingOf(t, path, ask, answer)
		require.LessOrEqual(t, got.allocs, most)
		t.Logf("%s: %.0f allocations", path, got.allocs)
	}
	const json = "application/json"
	ask := strings.Replace(askFast, "fast", "alias-0", 1)
	f("/v1/chat/completions", ask, canned{json, chatAnswer}, 48)
}

// A question is held in one buffer, which the next one uses again.
func TestAllocationsOfALargeQuestion(t *testing.T) {
	text := strings.Repeat("word ", 200_000)
	got := passingOf(t, "/v1/chat/completions", fmt.Sprintf(`{"messages":[{"role":"user","content":%q}],"model":"alias-0"}`, text), canned{"application/json", chatAnswer})
	require.Less(t, got.bytes, 100_000.0, "of a body of %d bytes", len(text))
}

// An event of a stream costs a flush, and no memory. Of a provider that does not
// pause it costs the part of one.
func TestAllocationsOfAnEvent(t *testing.T) {
	ask := strings.Replace(streamFast, "fast", "alias-0", 1)
	stream := func(events int, at func(string) http.RoundTripper) passing {
		return passingOf(t, "/v1/chat/completions", ask, at(chatRole+strings.Repeat(chatHello, events)+chatStop+chatUsage+chatDone))
	}
	byEvent := func(all string) http.RoundTripper { return reads(strings.SplitAfter(all, "\n\n")) }
	short, long := stream(10, byEvent), stream(1010, byEvent)
	require.InDelta(t, short.allocs, long.allocs, 5)
	require.Equal(t, short.flushes+1000, long.flushes)

	atOnce := func(all string) http.RoundTripper { return canned{eventStream, all} }
	short, long = stream(1000, atOnce), stream(2000, atOnce)
	require.InDelta(t, short.allocs, long.allocs, 5)
	require.Less(t, long.flushes-short.flushes, 100)
}

func TestAllocationsOfATranslatedEvent(t *testing.T) {
	f := func(a api.API, path, ask, head, event, tail string) {
		t.Helper()
		allocs := func(events int) float64 {
			h := benchHandler(t, a, reads(strings.SplitAfter(head+strings.Repeat(event, events)+tail, "\n\n")))
			return testing.AllocsPerRun(20, func() { serveOnce(t, h, &sink{header: http.Header{}}, path, ask) })
		}
		require.InDelta(t, allocs(10), allocs(1010), 10)
	}
	f(api.Messages, "/v1/chat/completions", streamFast, messagesStart+messagesOpen, messagesHello, messagesClose+messagesDelta+messagesStop)
	f(api.Chat, "/v1/messages", streamMessages, chatRole, chatHello, chatStop+chatDone)
}

// What is between a body in memory and the target that is asked first needs no
// memory but for the model's name.
func TestAllocationsOfRouting(t *testing.T) {
	g := largeGateway(100, 10, 0)
	provisionLarge(t, g)
	op := operations["/v1/chat/completions"]
	x := newExchange(g, httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v1/chat/completions", nil), op)
	body := []byte(`{"model":"alias-7","messages":[{"role":"user","content":"Who are you?"}]}`)
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		if err := x.choose(body); err != nil {
			t.Fatal(err)
		}
	}), 1.0)
	require.Equal(t, api.Chat, op.api)
	require.True(t, bytes.Contains(body, []byte(x.req.model)))
}

// What a configuration holds is in proportion to it, and not much.
func TestAllocationsOfAConfiguration(t *testing.T) {
	provisionLarge(t, largeGateway(1, 1, 1)) // what all share stays in use
	bytesOf := func(models, keys int) float64 {
		g := largeGateway(models, 2, keys)
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		defer cancel()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		require.NoError(t, g.Provision(ctx))
		runtime.ReadMemStats(&after)
		require.NoError(t, g.Cleanup())
		return float64(after.TotalAlloc - before.TotalAlloc)
	}
	bytesOf(3000, 3000) // the maps of the pools do not shrink
	base := bytesOf(1000, 1000)
	perModel := (bytesOf(3000, 1000) - base) / 2000
	perKey := (bytesOf(1000, 3000) - base) / 2000
	t.Logf("%.0f bytes a model of two targets, %.0f a key", perModel, perKey)
	require.Less(t, perModel, 5_000.0)
	require.Less(t, perKey, 200.0)
}
