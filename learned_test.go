package plexus

import (
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func headerOf(pairs ...string) http.Header {
	header := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		header.Set(pairs[i], pairs[i+1])
	}
	return header
}

func TestReadLimits(t *testing.T) {
	f := func(header http.Header, want ...saidLimit) {
		t.Helper()
		for i := range want {
			want[i].until += stamp(t0)
		}
		require.ElementsMatch(t, want, readLimits(header, t0))
	}
	f(headerOf("content-type", "application/json"))
	// https://platform.openai.com/docs/guides/rate-limits
	f(headerOf("x-ratelimit-limit-requests", "60", "x-ratelimit-limit-tokens", "150000", "x-ratelimit-remaining-requests", "59",
		"x-ratelimit-remaining-tokens", "149984", "x-ratelimit-reset-requests", "1s", "x-ratelimit-reset-tokens", "6m0s"),
		saidLimit{limitedRequests, false, 59, 1, sec}, saidLimit{limitedTokens, false, 149984, 16.0 / 360, 360 * sec})
	// https://platform.claude.com/docs/en/api/rate-limits
	f(headerOf("anthropic-ratelimit-requests-limit", "50", "anthropic-ratelimit-requests-remaining", "20", "anthropic-ratelimit-requests-reset", "2026-11-23T12:00:30Z",
		"anthropic-ratelimit-input-tokens-limit", "30000", "anthropic-ratelimit-input-tokens-remaining", "0", "anthropic-ratelimit-input-tokens-reset", "2026-11-23T12:01:00Z",
		"anthropic-ratelimit-output-tokens-remaining", "8000", "anthropic-ratelimit-output-tokens-reset", "2026-11-23T11:59:59Z"),
		saidLimit{limitedRequests, false, 20, 1, 30 * sec}, saidLimit{limitedInput, true, 0, 500, 60 * sec})
	// Mistral says no reset, and means a minute.
	f(headerOf("x-ratelimit-limit-req-minute", "60", "x-ratelimit-remaining-req-minute", "0"), saidLimit{limitedRequests, false, 0, 1, 60 * sec})
	f(headerOf("x-ratelimit-remaining-requests", "0")) // when is not said, nor how much it would be
	// OpenRouter begins anew all at once.
	f(headerOf("x-ratelimit-limit", "20", "x-ratelimit-remaining", "0", "x-ratelimit-reset", "1795435210000"), saidLimit{limitedRequests, false, 0, 0, 10 * sec})
	f(headerOf("x-ratelimit-remaining-requests", "5", "x-ratelimit-reset-requests", "1000h"), saidLimit{limitedRequests, false, 5, 0, 86400 * sec})
	f(headerOf("x-ratelimit-remaining-requests", "-1", "x-ratelimit-reset-requests", "1s"), saidLimit{limitedRequests, false, 0, 0, sec})
	f(headerOf("x-ratelimit-remaining-requests", "9", "x-ratelimit-limit-requests", "5", "x-ratelimit-reset-requests", "1s"), saidLimit{limitedRequests, false, 9, 0, sec})
	f(headerOf("x-ratelimit-remaining-requests", "many", "x-ratelimit-reset-requests", "1s"))
	f(headerOf("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "soon"))
	f(headerOf("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "-5s"))
}

func FuzzReadLimits(f *testing.F) {
	f.Add("59", "1s", "60")
	f.Add("0", "2026-11-23T12:00:30Z", "")
	f.Add("1e300", "1795435210000", "NaN")
	f.Add("-0", "9223372036854775807ns", "0x1p-2")
	f.Fuzz(func(t *testing.T, left, reset, limit string) {
		header := http.Header{}
		for _, h := range limitHeaders {
			header[h.left], header[h.reset], header[h.limit] = []string{left}, []string{reset}, []string{limit}
		}
		l, now := new(learned), stamp(t0)
		l.learn(header, l.note(tally{1, 10, 10}), t0)
		for _, s := range readLimits(header, t0) {
			require.False(t, math.IsNaN(s.left) || math.IsNaN(s.perSecond) || s.left < 0 || s.perSecond < 0 || math.IsInf(s.perSecond, 0))
			require.Greater(t, s.until, now)
			require.LessOrEqual(t, s.until, now+int64(longestReset))
		}
		opens := l.opens(tally{1, 1e6, 1e6}, now)
		require.GreaterOrEqual(t, opens, now)
		require.LessOrEqual(t, opens, now+int64(longestReset))
		if opens > now {
			require.LessOrEqual(t, l.opens(tally{1, 1e6, 1e6}, now+int64(longestReset)), now+int64(longestReset))
		}
		limitReset(header, t0)
	})
}

func TestLearned(t *testing.T) {
	l, start := new(learned), stamp(t0)
	opens := func(want tally, after, opens time.Duration) {
		t.Helper()
		require.Equal(t, opens, time.Duration(l.opens(want, start+int64(after))-start))
	}
	opens(one, 0, 0)
	first, second := l.note(one), l.note(one)
	require.True(t, l.learn(headerOf("x-ratelimit-remaining-requests", "2", "x-ratelimit-reset-requests", "30s"), first, t0))
	opens(one, 0, 0)
	l.note(one) // the third, of which the first's answer knew nothing either
	opens(one, 0, 30*time.Second)
	opens(one, 10*time.Second, 30*time.Second)
	opens(one, 30*time.Second, 30*time.Second)
	opens(one, 40*time.Second, 40*time.Second)
	require.True(t, l.learn(headerOf("x-ratelimit-remaining-requests", "2", "x-ratelimit-reset-requests", "30s"), second, t0))
	opens(one, 0, 0)
	require.False(t, l.learn(headerOf("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "30s"), first, t0), "an older answer that came late")
	require.False(t, l.learn(headerOf("x-powered-by", "x"), second, t0))
	opens(one, 0, 0)
}

func TestLearnedTokens(t *testing.T) {
	l, start := new(learned), stamp(t0)
	opens := func(input int64, after, opens time.Duration) {
		t.Helper()
		require.Equal(t, opens, time.Duration(l.opens(tokens(input), start+int64(after))-start).Round(time.Millisecond))
	}
	// It fills up evenly: by 1000 tokens in 10 seconds.
	l.learn(headerOf("x-ratelimit-limit-tokens", "6000", "x-ratelimit-remaining-tokens", "1000", "x-ratelimit-reset-tokens", "50s"), l.note(tokens(10)), t0)
	opens(1000, 0, 0)
	opens(1500, 0, 5*time.Second)
	opens(1500, 5*time.Second, 5*time.Second)
	opens(9000, 0, 50*time.Second) // more than there ever is: when all of it is there
	l.note(tokens(900))
	opens(100, 0, 0)
	opens(1000, 0, 9*time.Second)
}

// Who waits because of what a provider said hears of it when it says otherwise.
func TestBetterNewsLetsWaitersIn(t *testing.T) {
	l := newTestLimiter(0)
	l.bounded.counts = false
	g, now := l.gate("m", "1", 0, 0, 0), stamp(t0)
	first, _ := g.enter(one, now, true)
	second, _ := g.enter(one, now, true)
	first.learn(headerOf("x-ratelimit-remaining-requests", "1", "x-ratelimit-reset-requests", "1h"), t0)
	_, ok := g.enter(one, now, true)
	require.False(t, ok)
	w := newWaiter(now, one, []*gate{g})
	w.join(now)
	require.False(t, letIn(w))
	second.learn(headerOf("x-ratelimit-remaining-requests", "1", "x-ratelimit-reset-requests", "1h"), t0)
	require.True(t, letIn(w))
}

// Anthropic does not count what a cache serves, which is most of what agents send.
func TestWhatACacheServesIsFree(t *testing.T) {
	l, start := new(learned), stamp(t0)
	header := headerOf("anthropic-ratelimit-input-tokens-limit", "40000", "anthropic-ratelimit-input-tokens-remaining", "30000", "anthropic-ratelimit-input-tokens-reset", "2026-11-23T12:00:30Z")
	l.learn(header, l.note(tokens(0)), t0)
	require.Greater(t, l.opens(tokens(100_000), start), start)
	for range 20 {
		l.observe(100_000, 95_000)
	}
	require.Equal(t, start, l.opens(tokens(100_000), start))
	require.Greater(t, l.opens(tokens(1_000_000), start), start)
	l.observe(0, 5)
	l.observe(5, -5)
	l.observe(5, 10)
	require.Equal(t, start, l.opens(tokens(100_000), start))

	other := new(learned)
	other.learn(headerOf("x-ratelimit-remaining-tokens", "30000", "x-ratelimit-reset-tokens", "30s"), other.note(tokens(0)), t0)
	other.observe(100_000, 100_000)
	require.Greater(t, other.opens(tokens(100_000), start), start, "OpenAI counts all")
}

func BenchmarkReadLimits(b *testing.B) {
	b.Run("none", func(b *testing.B) {
		header := headerOf("content-type", "application/json", "x-request-id", "1", "date", "now", "server", strings.Repeat("x", 20))
		b.ReportAllocs()
		for b.Loop() {
			readLimits(header, t0)
		}
	})
	b.Run("OpenAI", func(b *testing.B) {
		header := headerOf("x-ratelimit-limit-requests", "60", "x-ratelimit-limit-tokens", "150000", "x-ratelimit-remaining-requests", "59",
			"x-ratelimit-remaining-tokens", "149984", "x-ratelimit-reset-requests", "1s", "x-ratelimit-reset-tokens", "6m0s")
		l := new(learned)
		b.ReportAllocs()
		for b.Loop() {
			l.learn(header, l.note(one), t0)
		}
	})
}

// A lesson that comes while somebody joins the queue is seen by one of the two.
func TestALessonBesideAJoin(t *testing.T) {
	full := headerOf("x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "30s")
	room := headerOf("x-ratelimit-remaining-requests", "100", "x-ratelimit-reset-requests", "30s")
	now := stamp(t0)
	for range 30_000 {
		l := newTestLimiter(0)
		l.bounded.counts = false
		lane := l.gate("m", "1", 0, 0, 0)
		s, _ := lane.enter(one, now, true)
		s.learn(full, t0)
		w := newWaiter(now, one, []*gate{lane})
		start := make(chan struct{})
		var both sync.WaitGroup
		both.Go(func() { <-start; s.learn(room, t0) })
		both.Go(func() { <-start; w.join(now) })
		close(start)
		both.Wait()
		require.True(t, letIn(w))
	}
}
