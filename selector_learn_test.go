package plexus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func TestLatency(t *testing.T) {
	latency := &Latency{even()}
	targets := candidates(1, 1, 1)
	for i, d := range []time.Duration{300, 100, 200} {
		targets[i].saw(d*time.Millisecond, t0)
	}
	require.Equal(t, "bca", order(latency, targets, t0, nil))
	for range 10 {
		targets[1].saw(time.Second, t0)
	}
	require.Equal(t, "cab", order(latency, targets, t0, nil))
}

// A target of which nothing is known is tried, but not by everyone at once, and
// never taken for the fastest.
func TestLatencyExplores(t *testing.T) {
	latency := &Latency{even()}
	targets := candidates(1, 1)
	targets[0].saw(100*time.Millisecond, t0)
	require.Equal(t, "ba", order(latency, targets, t0, nil))
	for range 5 {
		require.Equal(t, "ab", order(latency, targets, t0, nil))
	}
	require.Equal(t, "ab", order(latency, targets, t0.Add(time.Second), nil), "nothing was learnt: half as often")
	require.Equal(t, "ba", order(latency, targets, t0.Add(2*time.Second), nil))

	require.Equal(t, "ab", order(latency, targets, t0.Add(staleAfter), nil), "an old time is no time: a is tried")
}

// Without any knowledge, each target gets its first request, and the rest of a burst
// goes where the fewest are.
func TestLatencyOfAColdStart(t *testing.T) {
	latency := &Latency{seed()}
	targets := candidates(1, 1, 1)
	for range 300 {
		s := &Selection{Candidates: append([]*Target(nil), targets...), Stream: true, Now: t0}
		latency.Order(s)
		s.Candidates[0].state.begin(true, true, t0)
	}
	for _, target := range targets {
		require.InDelta(t, 100, target.InFlight(), 3)
	}
}

// What is about as good as the best shares the requests with it, by weight and by
// what is in flight.
func TestLatencyChoosesAmongTheAlike(t *testing.T) {
	latency := &Latency{seed()}
	targets := candidates(3, 1, 1)
	for i, d := range []time.Duration{100, 110, 120} {
		targets[i].saw(d*time.Millisecond, t0)
	}
	first := map[byte]int{}
	for range 1000 {
		first[order(latency, targets, t0, nil)[0]]++
	}
	require.InDelta(t, 750, first['a'], 60)
	require.InDelta(t, 250, first['b'], 60)
	require.Zero(t, first['c'])

	targets[0].state.inFlight.Store(30)
	for range 100 {
		require.Equal(t, "bac", order(latency, targets, t0, nil))
	}
	targets[1].state.inFlight.Store(20)
	for range 100 {
		require.Equal(t, "abc", order(latency, targets, t0, nil), "ten for its weight against twenty")
	}
}

// A target that was slow is looked at again: the sooner the less slow it was, by few
// of the requests, and never while it promises less than the best.
func TestLatencyLooksAgain(t *testing.T) {
	targets := candidates(1, 1, 1)
	f := func(age time.Duration, want string) {
		t.Helper()
		for _, target := range targets {
			*target.state = targetState{}
		}
		targets[0].saw(time.Second, t0)
		targets[1].saw(5*time.Second, t0)
		targets[2].saw(3*time.Second, t0)
		now := t0.Add(age)
		targets[0].saw(time.Second, now)
		draws := 0.
		latency := &Latency{luck{func() float64 { return draws }}}
		require.Equal(t, want, order(latency, targets, now, nil))
		draws = trialShare
		require.Equal(t, "acb", order(latency, targets, now, nil))
	}
	f(0, "acb")
	f(halfLife, "acb")
	f(2*halfLife, "cab")

	// Not twice in a moment.
	latency := &Latency{luck{func() float64 { return 0 }}}
	now := t0.Add(3 * halfLife)
	targets[0].saw(time.Second, now)
	require.Equal(t, "acb", order(latency, targets, now.Add(-halfLife), nil))
	targets[2].state.firstTrial.succeeded()
	require.Equal(t, "cab", order(latency, targets, now, nil))
	require.Equal(t, "acb", order(latency, targets, now, nil))
	require.Equal(t, "acb", order(latency, targets[:1:1], now, nil)[:1]+"cb", "one alone is not looked at again")
}

// A target that is back from a pause is tried, and not rushed at for what was known
// of it before.
// One of which nothing is known, wherever it stands, does not keep the slow one from
// being looked at again.
func TestLatencyLooksAgainBesideTheUnknown(t *testing.T) {
	for unknown := range 3 {
		targets := candidates(1, 1, 1)
		quick, slow := (unknown+1)%3, (unknown+2)%3
		now := t0.Add(3 * halfLife)
		targets[slow].saw(3*time.Second, t0)
		targets[quick].saw(time.Second, now)
		require.True(t, targets[unknown].state.firstTrial.leave(now)) // it has just been tried
		latency := &Latency{luck{func() float64 { return 0 }}}
		require.Equal(t, "abc"[slow], order(latency, targets, now, nil)[0])
	}
}

func TestLatencyTriesTheRecovered(t *testing.T) {
	latency := &Latency{even()}
	targets := candidates(1, 1)
	targets[0].saw(100*time.Millisecond, t0)
	targets[1].saw(time.Second, t0)
	c := &targets[0].Provider.cooldown
	require.True(t, targets[0].state.failed(c, &failure{}, stamp(t0), stamp(t0)))
	now := t0.Add(defaultCooldown)
	require.True(t, targets[0].free(now))
	require.Equal(t, "ab", order(latency, targets, now, nil))
	require.Equal(t, "ba", order(latency, targets, now, nil))
	require.True(t, targets[0].state.answered(stamp(now)))
	require.Equal(t, "ab", order(latency, targets, now, nil))

	performance := &Performance{even()}
	require.True(t, targets[0].state.failed(c, &failure{}, stamp(now), stamp(now)))
	for _, target := range targets {
		target.state.observeOutputRate(1000, now)
	}
	require.Equal(t, "ab", order(performance, targets, now, nil))
	require.Equal(t, "ba", order(performance, targets, now, nil))
	targets[0].Provider.cooldown.Off = true
	require.Equal(t, "ab", order(performance, targets, now, nil), "no pauses, no way back from them")
}

// A burst does not land on the best one.
func TestLatencySpreadsABurst(t *testing.T) {
	latency := &Latency{seed()}
	targets := candidates(1, 1, 1)
	for i, d := range []time.Duration{1, 2, 4} {
		targets[i].saw(d*time.Second, t0)
	}
	for range 700 {
		s := &Selection{Candidates: append([]*Target(nil), targets...), Stream: true, Now: t0}
		latency.Order(s)
		s.Candidates[0].state.begin(true, true, t0)
	}
	// In proportion to how fast they are.
	require.InDelta(t, 400, targets[0].InFlight(), 30)
	require.InDelta(t, 200, targets[1].InFlight(), 30)
	require.InDelta(t, 100, targets[2].InFlight(), 30)
}

func TestPerformance(t *testing.T) {
	performance := &Performance{even()}
	targets := candidates(1, 1, 1)
	for i, rate := range []float64{50, 200, 100} {
		targets[i].saw(100*time.Millisecond, t0)
		targets[i].state.observeOutputRate(rate, t0)
	}
	require.Equal(t, "bca", order(performance, targets, t0, nil))

	// b takes 2.6 s and costs nine times as much as a, which takes 10.1 s:
	// four times as fast is worth sixteen times the price.
	for i, price := range []float64{1, 9, 100} {
		targets[i].Price = priced(t, price, price)
	}
	require.Equal(t, "bac", order(performance, targets, t0, nil))
	targets[1].Price = priced(t, 20, 20)
	require.Equal(t, "abc", order(performance, targets, t0, nil))
	targets[2].Price = nil
	require.Equal(t, "bca", order(performance, targets, t0, nil), "one unknown price, and time alone decides")
}

// Among those that cost nothing the time decides. Beside one that costs something
// they may take a hundred times as long.
func TestPerformanceOfTheFree(t *testing.T) {
	performance := &Performance{even()}
	targets := candidates(1, 1, 1)
	for i, took := range []time.Duration{10 * time.Second, time.Second, 3 * time.Second} {
		targets[i].Price = priced(t, 0, 0)
		targets[i].saw(took, t0)
		targets[i].state.observeOutputRate(1e6, t0)
	}
	require.Equal(t, "bca", order(performance, targets, t0, nil))
	targets[1].Price = priced(t, 1, 1)
	require.Equal(t, "cab", order(performance, targets, t0, nil))
	targets[1].saw(time.Millisecond, t0.Add(time.Hour))
	targets[1].state.observeOutputRate(1e6, t0.Add(time.Hour))
	require.Equal(t, byte('b'), order(performance, targets[:2], t0, nil)[0])
}

func TestPerformanceExploresWhatHasNotStreamed(t *testing.T) {
	performance := &Performance{even()}
	targets := candidates(1, 1)
	targets[0].saw(time.Second, t0)
	targets[1].saw(20*time.Second, t0)
	targets[1].state.observeOutputRate(10, t0)
	require.Equal(t, "ab", order(performance, targets, t0, nil))
	require.Equal(t, "ba", order(performance, targets, t0, nil))
	targets[0].saw(time.Millisecond, t0)
	require.Equal(t, "ba", order(performance, targets, t0.Add(time.Second), nil), "its rate has not been learnt: half as often")
	targets[0].state.observeOutputRate(10, t0)
	require.Equal(t, "ab", order(performance, targets, t0, nil))
}

// An answer in one piece takes what it takes; there is no rate to wait for.
func TestPerformanceOfWholeAnswers(t *testing.T) {
	performance := &Performance{even()}
	targets := candidates(1, 1)
	for i, took := range []time.Duration{20 * time.Second, 10 * time.Second} {
		f := targets[i].state.begin(false, true, t0.Add(-took))
		f.answered(t0)
		f.end()
	}
	s := &Selection{Candidates: targets, Now: t0}
	performance.Order(s)
	require.Equal(t, "b", s.Candidates[0].Model)
	s.Candidates[1].state.whole = pace{}
	performance.Order(s)
	require.Equal(t, "a", s.Candidates[0].Model, "explored")
	performance.Order(s)
	require.Equal(t, "b", s.Candidates[0].Model)
}

func TestLeastBusy(t *testing.T) {
	f := func(inFlight [3]int64, weights [3]float64, want string) {
		t.Helper()
		targets := candidates(weights[:]...)
		for i, n := range inFlight {
			targets[i].state.inFlight.Store(n)
		}
		require.Equal(t, want, order(&LeastBusy{even()}, targets, t0, nil))
	}
	// An even chance draws the second of three, then the second of the two left.
	f([3]int64{0, 0, 0}, [3]float64{1, 1, 1}, "bac")
	f([3]int64{3, 2, 1}, [3]float64{1, 1, 1}, "bca")
	f([3]int64{3, 2, 1}, [3]float64{1, 1, 9}, "cba")
	f([3]int64{3, 2, 1}, [3]float64{9, 1, .1}, "abc")
}

// The most that a target has above its share is small, even if all requests come at
// once; and without any in flight the weights decide.
func TestLeastBusyIsEven(t *testing.T) {
	s, targets := &LeastBusy{seed()}, candidates(4, 3, 2, 1)
	first := map[byte]int{}
	for range 10_000 {
		first[order(s, targets, t0, nil)[0]]++
	}
	require.InDelta(t, 4000, first['a'], 200)
	require.InDelta(t, 1000, first['d'], 130)
	for range 1000 {
		selection := &Selection{Candidates: append([]*Target(nil), targets...), Now: t0}
		s.Order(selection)
		selection.Candidates[0].state.begin(true, true, t0)
	}
	for i, want := range []float64{400, 300, 200, 100} {
		require.InDelta(t, want, targets[i].InFlight(), 12)
	}
}

func TestUsage(t *testing.T) {
	s, targets := LeastUsed{}, candidates(1, 1, 2)
	require.Equal(t, "abc", order(s, targets, t0, nil))
	use := func(i int, tokens int64) {
		targets[i].state.observeUsage(api.Usage{Known: tokens > 0, Output: tokens}, t0)
	}
	use(0, 1000)
	use(1, 500)
	require.Equal(t, "cba", order(s, targets, t0, nil))
	use(2, 1500)
	require.Equal(t, "bca", order(s, targets, t0, nil), "750 for its weight")
	targets[1].state.inFlight.Store(1)
	require.Equal(t, "cab", order(s, targets, t0, nil), "the one in flight is expected to take 1000")
	use(2, 0)
	use(2, 0)
	require.Equal(t, "abc", order(s, targets, t0, nil), "so are those that did not say")
	require.Equal(t, "acb", order(s, targets, t0.Add(time.Minute), nil), "a minute later nothing is left but what is in flight")
}

// Where nobody reports usage, requests are counted.
func TestUsageUnknown(t *testing.T) {
	targets := candidates(1, 1)
	targets[0].state.observeUsage(api.Usage{}, t0)
	require.Equal(t, "ba", order(LeastUsed{}, targets, t0, nil))
	targets[1].state.inFlight.Store(2)
	require.Equal(t, "ab", order(LeastUsed{}, targets, t0, nil))
}

func TestEffectiveWeight(t *testing.T) {
	target := candidates(70)[0]
	c := &target.Provider.cooldown
	now := t0
	f := func(b *breaker, outcomes string, want float64) {
		t.Helper()
		for _, outcome := range outcomes {
			now = now.Add(time.Second)
			if outcome == 'x' {
				b.failed(c, &failure{}, stamp(now), stamp(now))
			} else {
				b.succeeded(c, stamp(now))
			}
		}
		require.InDelta(t, want, target.EffectiveWeight(now), 1e-9)
	}
	own := &target.state.breaker
	require.InDelta(t, 70., target.EffectiveWeight(now), 0, "exactly")
	f(own, "x", 63)
	f(own, ".", 63)
	f(own, "x.x.", 49)
	credential := &target.lanes[0].credential.state.breaker
	f(credential, "xxxxx", 35)
	credential.clear()
	f(own, "xxxxxxxxxxxx", 7)
	f(own, ".....", 35)
	f(own, ".....", 70)
	require.InDelta(t, 70., target.EffectiveWeight(now), 0, "exactly")
	f(own, "xxxxxxxxxx", 7)
	now = now.Add(staleAfter + time.Second)
	require.InDelta(t, 70., target.EffectiveWeight(now), 0, "so long ago says nothing")
}

// Of two targets alike, the one of which half the attempts fail gets a third.
func TestSelectorsYieldWhileATargetFails(t *testing.T) {
	f := func(name string, s Selector, want float64) {
		t.Helper()
		targets := candidates(1, 1)
		targets[0].state.fails.Store(0b0101010101)
		targets[0].state.failedAt = stamp(t0)
		rotation := &Rotation{credits: map[*targetState]float64{}}
		first := 0
		const calls = 3000
		for range calls {
			selection := &Selection{Candidates: append([]*Target(nil), targets...), Now: t0, Rotation: rotation}
			s.Order(selection)
			selection.Candidates[0].state.begin(true, true, t0)
			if selection.Candidates[0] == targets[0] {
				first++
			}
		}
		require.InDelta(t, want, float64(first)/calls, .03, name)
	}
	f("random", seeded(), 1./3)
	f("round_robin", RoundRobin{}, 1./3)
	f("least_busy", &LeastBusy{seed()}, 1./3)
	f("usage", LeastUsed{}, 1./3)
	f("in_order", InOrder{}, 1)
}

// Without a source of its own, chance is that of the process.
func TestLuck(t *testing.T) {
	var l luck
	seen := map[float64]bool{}
	for range 100 {
		drawn := l.draw()
		require.True(t, drawn >= 0 && drawn < 1)
		seen[drawn] = true
	}
	require.Greater(t, len(seen), 90)
}

// A draw at the very end of the range is that of the last one.
func TestDrawByWeight(t *testing.T) {
	f := func(chance float64, not, want int) {
		t.Helper()
		l := luck{func() float64 { return chance }}
		require.Equal(t, want, l.drawByWeight(&Selection{Candidates: candidates(1, 2, 1)}, 3, not))
	}
	f(0, -1, 0)
	f(.25, -1, 1)
	f(.74, -1, 1)
	f(.75, -1, 2)
	f(1, -1, 2)
	f(1, 2, 1)
	f(0, 0, 1)
}
