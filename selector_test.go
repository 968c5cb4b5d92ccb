package plexus

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/prices"
)

var t0 = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func seeded() *Random { return &Random{seed()} }

func seed() luck { return luck{rand.New(rand.NewPCG(7, 11)).Float64} }

// even is no chance at all: it explores nothing that is known, and draws the one in
// the middle.
func even() luck { return luck{func() float64 { return 0.5 }} }

// priced is a price in USD per million tokens.
func priced(t *testing.T, input, output float64) *prices.Price {
	t.Helper()
	p, err := (&Price{Input: input, Output: output}).compile()
	require.NoError(t, err)
	return p
}

// candidates makes targets "a", "b", … with the given weights.
func candidates(weights ...float64) []*Target {
	p := &Provider{Name: "p", cooldown: *policy(nil)}
	credential := &Credential{weight: 1, state: new(credentialState)}
	targets := make([]*Target, len(weights))
	for i, w := range weights {
		targets[i] = &Target{Provider: p, Model: string(rune('a' + i)), Weight: w, state: new(targetState), lanes: []*lane{{credential: credential, state: new(laneState)}}}
	}
	return targets
}

// saw has a target answer a stream with its first content after a while.
func (t *Target) saw(first time.Duration, now time.Time) {
	f := t.state.begin(true, true, now.Add(-first))
	f.answered(now)
	f.end()
}

func order(s Selector, targets []*Target, now time.Time, rotation *Rotation) string {
	ordered := append([]*Target(nil), targets...)
	s.Order(&Selection{Candidates: ordered, InputTokens: 100, OutputTokens: typicalAnswer, Stream: true, Now: now, Rotation: rotation})
	out := ""
	for _, t := range ordered {
		out += t.Model
	}
	return out
}

func allSelectors() map[string]Selector {
	return map[string]Selector{
		"random": seeded(), "in_order": InOrder{}, "round_robin": RoundRobin{}, "cost": Cost{}, "latency": &Latency{seed()}, "performance": &Performance{seed()},
		"least_busy": &LeastBusy{seed()}, "usage": LeastUsed{}, "sticky": &Sticky{luck: seed()},
	}
}

func TestNoTargetAndOneTarget(t *testing.T) {
	for name, s := range allSelectors() {
		rotation := &Rotation{credits: map[*targetState]float64{}}
		require.Empty(t, order(s, nil, t0, rotation), name)
		require.Equal(t, "a", order(s, candidates(1), t0, rotation), name)
	}
}

// The share of each target as the first choice, within four standard deviations.
func TestRandomIsInProportion(t *testing.T) {
	f := func(weights []float64, want map[string]float64) {
		t.Helper()
		const calls = 20_000
		first := map[string]int{}
		s, targets := seeded(), candidates(weights...)
		for range calls {
			first[order(s, targets, t0, nil)[:1]]++
		}
		for model, share := range want {
			require.InDelta(t, share, float64(first[model])/calls, 0.014, "model %s of weights %v", model, weights)
		}
	}
	f([]float64{1, 1, 1}, map[string]float64{"a": 1. / 3, "b": 1. / 3, "c": 1. / 3})
	f([]float64{70, 30}, map[string]float64{"a": 0.7, "b": 0.3})
	f([]float64{3, 1}, map[string]float64{"a": 0.75, "b": 0.25})
	f([]float64{0.5, 0.25, 0.25}, map[string]float64{"a": 0.5, "b": 0.25, "c": 0.25})
}

// The failover is drawn by weight too: after a has failed, b and c are left.
func TestRandomGoesOnByWeight(t *testing.T) {
	s, targets := seeded(), candidates(100, 3, 1)
	second := map[string]int{}
	calls := 0
	for range 20_000 {
		if got := order(s, targets, t0, nil); got[0] == 'a' {
			second[got[1:2]]++
			calls++
		}
	}
	require.InDelta(t, 0.75, float64(second["b"])/float64(calls), 0.014)
}

func TestInOrderStaysInOrder(t *testing.T) {
	require.Equal(t, "abc", order(InOrder{}, candidates(1, 100, 1), t0, nil))
}

func TestRoundRobin(t *testing.T) {
	f := func(want string, weights ...float64) {
		t.Helper()
		rotation := &Rotation{credits: map[*targetState]float64{}}
		targets := candidates(weights...)
		got := ""
		for range want {
			got += order(RoundRobin{}, targets, t0, rotation)[:1]
		}
		require.Equal(t, want, got)
	}
	f("abcabcabc", 1, 1, 1)
	f("abcaabca", 2, 1, 1)
	f("abaabaab", 2, 1)
	f("aaaaaaa", 1)
}

// Of two targets one is cooling down at times: the other's turns are not lost.
func TestRoundRobinWithChangingCandidates(t *testing.T) {
	rotation := &Rotation{credits: map[*targetState]float64{}}
	targets := candidates(1, 1)
	require.Equal(t, "ab", order(RoundRobin{}, targets, t0, rotation))
	require.Equal(t, "b", order(RoundRobin{}, targets[1:], t0, rotation))
	first := map[string]int{}
	for range 100 {
		first[order(RoundRobin{}, targets, t0, rotation)[:1]]++
	}
	require.Equal(t, map[string]int{"a": 50, "b": 50}, first)
}

// An agent that counts before it asks took every other turn with its counts, so that
// one of two targets had all the questions; and the leave to try what is unknown.
func TestCountsTakeNoTurn(t *testing.T) {
	f := func(selector string) {
		t.Helper()
		a, b := newProvider(t, countsAnd(says(200, messagesAnswer))), newProvider(t, countsAnd(says(200, messagesAnswer)))
		g := newGateway(t, fmt.Sprintf("provider a {\n base_url messages %s/v1\n}\nprovider b {\n base_url messages %s/v1\n}\nmodel fast {\n selector %s\n target a m\n target b m\n}", a.URL, b.URL, selector))
		clock := fakeClock(g)
		url := serveGateway(t, g).URL + "/v1/messages"
		asked := map[string]int{}
		for range 60 {
			post(t, url+"/count_tokens", askMessages)
			asked[post(t, url, askMessages).header.Get("X-Plexus-Provider")]++
			clock.advance(time.Second / 2)
		}
		if selector == "round_robin" {
			require.Equal(t, map[string]int{"a": 30, "b": 30}, asked)
		}
		require.Len(t, asked, 2, selector)
	}
	f("round_robin")
	f("latency")
}

// With api_match the turns of a target that comes behind the others fell to the first
// of these, which had twice its share.
func TestAPIMatchKeepsTheShares(t *testing.T) {
	for _, selector := range []string{"random", "round_robin", "least_busy", "usage"} {
		a, b, c := newProvider(t, says(200, chatAnswer)), newProvider(t, says(200, chatAnswer)), newProvider(t, says(200, messagesAnswer))
		g := newGateway(t, fmt.Sprintf("provider a {\n base_url chat %s/v1\n}\nprovider b {\n base_url chat %s/v1\n}\nprovider c {\n base_url messages %s/v1\n}\nmodel fast {\n selector %s\n api_match\n target a m\n target b m\n target c m\n}", a.URL, b.URL, c.URL, selector))
		url := serveGateway(t, g).URL + "/v1/chat/completions"
		for range 300 {
			require.Equal(t, 200, post(t, url, askFast).status)
		}
		require.Zero(t, c.count(), selector)
		require.InDelta(t, 150, a.count(), 45, selector) // 5 standard deviations of chance
	}
}

func TestCost(t *testing.T) {
	targets := candidates(1, 1, 1, 1)
	targets[1].Price = priced(t, 10, 10)
	targets[2].Price = priced(t, 1, 5)
	targets[3].Price = priced(t, 0, 0)
	require.Equal(t, "dcba", order(Cost{}, targets, t0, nil), "free, cheap, dear, unknown")

	// With a long prompt the price of the input decides.
	targets = candidates(1, 1)
	targets[0].Price, targets[1].Price = priced(t, 10, 1), priced(t, 1, 11)
	require.Equal(t, "ab", order(Cost{}, targets, t0, nil), "100 tokens in: 1.5 against 5.6 of a thousandth dollar")
	s := &Selection{Candidates: targets, InputTokens: 100_000, OutputTokens: typicalAnswer}
	Cost{}.Order(s)
	require.Equal(t, "b", s.Candidates[0].Model)
}

func TestManyTargetsSort(t *testing.T) {
	weights := make([]float64, 40)
	for i := range weights {
		weights[i] = 1
	}
	targets := candidates(weights...)
	for i, target := range targets {
		target.Price = priced(t, 0, float64((i*7)%40))
	}
	s := &Selection{Candidates: targets, OutputTokens: 1e6}
	Cost{}.Order(s)
	for i, target := range targets {
		cost, known := s.Cost(target)
		require.True(t, known)
		require.Equal(t, strconv.Itoa(i), cost.String())
	}
}

func BenchmarkOrder(b *testing.B) {
	for name, s := range allSelectors() {
		for _, n := range []int{2, 10} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				weights := make([]float64, n)
				for i := range weights {
					weights[i] = float64(i + 1)
				}
				targets := candidates(weights...)
				selection := &Selection{Candidates: targets, Now: t0, Rotation: &Rotation{credits: map[*targetState]float64{}}}
				b.ReportAllocs()
				for b.Loop() {
					s.Order(selection)
				}
			})
		}
	}
}
