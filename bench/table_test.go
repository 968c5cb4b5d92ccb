package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	vegeta "github.com/tsenart/vegeta/v12/lib"
)

func TestMedian(t *testing.T) {
	require.InDelta(t, 2.0, median([]float64{9, 1, 2}), 0)
	require.InDelta(t, 1.5, median([]float64{9, 1, 2, 0}), 0)
	require.Equal(t, spread{2, 1, 9}, spreadOf([]float64{9, 1, 2}))
	require.Equal(t, spread{}, spreadOf(nil))
}

// Rounds are compared each with itself: a machine that becomes slower changes no
// ratio.
func TestRatios(t *testing.T) {
	require.Equal(t, []float64{.5, .5}, ratios([]float64{1, 4}, []float64{2, 8}))
	require.Empty(t, ratios([]float64{0}, []float64{2}), "no CPU is known of it")
	require.Empty(t, ratios([]float64{2}, []float64{0}))
}

func TestUnits(t *testing.T) {
	f := func(want, got string) {
		t.Helper()
		require.Equal(t, want, got)
	}
	f("45.1 µs", asTime(45_123))
	f("1.50 ms", asTime(1_500_000))
	f("250 ms", asTime(250e6))
	f("2.00 s", asTime(2e9))
	f("12.5 KiB", asBytes(12.5*1024))
	f("58.0 MiB", asBytes(58<<20))
	f("99.5", asCount(99.5))
	f("12345", asCount(12345))
	f("", asRatio(spread{}))
	f("0.72", asRatio(spread{.72, .72, .72}))
	f("0.72 (0.70–0.75)", asRatio(spread{.72, .7, .75}))
}

func sampleOf(cpu, latency time.Duration) *sample {
	s := &sample{units: 10, elapsed: time.Second, cpu: cpu, latency: newHistogram(), memory: memory{now: 1 << 20, peak: 2 << 20}}
	_ = s.latency.RecordValue(int64(latency)) // it is within its bounds
	return s
}

func TestRows(t *testing.T) {
	w := &work{title: "small", unit: "request", base: 1, lanes: []*lane{
		{label: plexus, subject: plexus}, {label: baseline, subject: baseline}, {label: direct, subject: direct},
	}}
	own := sampleOf(5*time.Millisecond, 2*time.Millisecond)
	own.add("first content", float64(time.Millisecond), asTime)
	got := rows(w, [][]*sample{
		{own}, {sampleOf(10*time.Millisecond, 3*time.Millisecond)}, {sampleOf(0, time.Millisecond)},
	})
	require.Equal(t, `| small | Plexus | 500 µs a request | 0.50 | 10.0 | 1.00 | 2.00 ms | 2.00 ms | 2.0 MiB | first content 1.00 ms, over the provider alone p50 +1.00 ms, p99 +1.00 ms |
| small | reverse_proxy | 1.00 ms a request | 1.00 | 10.0 | 1.00 | 3.00 ms | 3.00 ms | 2.0 MiB | over the provider alone p50 +2.00 ms, p99 +2.00 ms |
| small | provider alone | – | – | 10.0 | 1.00 | 1.00 ms | 1.00 ms | – | – |
`, got)
}

// What keeps an access log is compared with what keeps one too.
func TestRowsOfCounterparts(t *testing.T) {
	w := workOf(t, "small-1")
	require.Equal(t, []string{plexus, plexusLogged, baseline, logged, standard, direct}, labels(w))
	samples := make([][]*sample, len(w.lanes))
	for i := range samples {
		samples[i] = []*sample{sampleOf(time.Duration(i+1)*10*time.Millisecond, time.Millisecond)}
	}
	require.Equal(t, "CPU 0.50 to `reverse_proxy, log`", besides(w, samples, 1))
	require.Empty(t, besides(w, samples, 0))
	require.NotContains(t, loadRow(new(allSizes()), samples[0]), " to `", "it is compared with nothing")
}

// A request that was sent late has waited since it was due.
func TestOpenLoopCountsFromWhenARequestWasDue(t *testing.T) {
	start := time.Unix(1764000000, 0)
	out := &sample{latency: newHistogram()}
	require.NoError(t, record(out, []*vegeta.Result{
		{Seq: 0, Timestamp: start.Add(3 * time.Millisecond), Latency: time.Millisecond}, // late
		{Seq: 1, Timestamp: start.Add(10 * time.Millisecond), Latency: time.Millisecond},
		{Seq: 2, Timestamp: start.Add(50 * time.Millisecond), Latency: time.Millisecond}, // 30 ms late
	}, 100))
	require.InDelta(t, float64(time.Millisecond), float64(out.latency.Min()), 1e5)
	require.InDelta(t, float64(4*time.Millisecond), p50(out), 1e5)
	require.InDelta(t, float64(31*time.Millisecond), float64(out.latency.Max()), 1e6)
}
