package plexus

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLimitReset(t *testing.T) {
	f := func(want time.Duration, pairs ...string) {
		t.Helper()
		header := http.Header{}
		for i := 0; i < len(pairs); i += 2 {
			header.Set(pairs[i], pairs[i+1])
		}
		require.Equal(t, want, retryFloor(429, header, nil, t0))
	}
	f(0)
	f(0, "x-ratelimit-remaining-requests", "1", "x-ratelimit-reset-requests", "6m0s")
	f(6*time.Minute, "x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "6m0s", "x-ratelimit-remaining-tokens", "100", "x-ratelimit-reset-tokens", "9m")
	f(120*time.Millisecond, "x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "120ms")
	f(9*time.Second, "x-ratelimit-remaining-tokens", "0", "x-ratelimit-reset-tokens", "9", "x-ratelimit-remaining-requests", "0", "x-ratelimit-reset-requests", "1s")
	f(30*time.Second, "anthropic-ratelimit-requests-remaining", "0", "anthropic-ratelimit-requests-reset", "2026-11-23T12:00:30Z")
	f(45*time.Second, "anthropic-ratelimit-input-tokens-remaining", "0", "anthropic-ratelimit-input-tokens-reset", "2026-11-23T12:00:45Z")
	f(0, "anthropic-ratelimit-tokens-remaining", "0", "anthropic-ratelimit-tokens-reset", "2026-11-23T11:00:00Z")
	f(10*time.Second, "x-ratelimit-remaining", "0", "x-ratelimit-reset", "1795435210000")
	f(10*time.Second, "x-ratelimit-remaining", "0", "x-ratelimit-reset", "1795435210")
	f(0, "x-ratelimit-remaining", "0", "x-ratelimit-reset", "NaN")
	f(0, "x-ratelimit-remaining", "0")
	f(7*time.Second, "retry-after", "7", "x-ratelimit-remaining", "0", "x-ratelimit-reset", "60")
	require.Zero(t, retryFloor(500, http.Header{"X-Ratelimit-Remaining": {"0"}, "X-Ratelimit-Reset": {"60"}}, nil, t0), "a failure of another kind")
}

func TestRetryText(t *testing.T) {
	f := func(message string, want time.Duration) {
		t.Helper()
		require.Equal(t, want, retryFloor(429, http.Header{}, []byte(`{"error":{"message":"`+message+`"}}`), t0))
	}
	f("Rate limit reached for gpt-4o in organization org-x on tokens per min (TPM): Limit 30000, Used 29000. Please try again in 20s. Visit x.", 20*time.Second)
	f("Please try again in 6m0s.", 6*time.Minute)
	f("Please try again in 500ms", 500*time.Millisecond)
	f("Rate limit reached for model. Please try again in 7m12.5s. Need more tokens?", 7*time.Minute+12500*time.Millisecond)
	f("Please retry after 6 seconds.", 6*time.Second)
	f("Please retry in 2 minutes", 2*time.Minute)
	f("Please retry in 12.5s.", 12500*time.Millisecond)
	f("try again in a moment", 0)
	f("try again in -5s", 0)
	f("try again in 1e99 seconds", 0)
	f("try again in 5 apples", 0)
	f("try again in", 0)
	require.Zero(t, retryFloor(400, http.Header{}, []byte(`try again in 20s`), t0))
	require.Equal(t, 34*time.Second, retryFloor(429, http.Header{}, []byte(`{"error":{"details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}`), t0))
}

// Clients are told no time in the past, however far ahead a provider's date is.
func TestADateInCenturies(t *testing.T) {
	p := newProvider(t, says(429, `{}`, "Retry-After", "Fri, 31 Dec 9999 23:59:59 GMT"))
	g := newGateway(t, "provider p {\n base_url "+p.URL+"/v1\n}\nmodel fast {\n target p m\n}")
	url := serveGateway(t, g).URL + "/v1/chat/completions"
	seconds, err := strconv.Atoi(post(t, url, askFast).header.Get("Retry-After"))
	require.NoError(t, err)
	require.Greater(t, seconds, 3600)

	b, now := new(breaker), stamp(t0)
	b.failed(policy(&Cooldown{Max: 1<<63 - 1}), &failure{retryAfter: 1<<63 - 1}, now, now)
	require.False(t, b.admits(now+1))
	b = new(breaker)
	b.restore(&savedBreaker{Failures: 1, FailedAt: t0, Until: t0.AddDate(7000, 0, 0)}, time.Minute, t0)
	require.False(t, b.admits(now+1))
}
