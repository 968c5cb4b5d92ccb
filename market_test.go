package plexus

import (
	queue "container/heap"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/prices"
)

// market is ten targets whose prices and speeds change, and the requests that come
// to them, by a clock of its own. Requests go the dispatcher's way, with attempts
// that are only drawn, through the real router, selectors and states.
type market struct {
	t       *testing.T
	g       *Gateway
	clock   *clock
	chance  *rand.Rand
	route   Route
	sellers []*seller
	queue   timeline

	// rate is how many requests come a second, without a pattern.
	rate float64
	// slower is how many times longer a target takes for so many that wait.
	slower func(waiting int64) float64

	requests, failed int
	total, hindsight float64 // seconds to first content
	first            map[*Target]int
}

// seller is a target as it really is.
type seller struct {
	*Target
	waiting int64
	// takes is how many seconds it takes to the first content.
	takes func(at time.Duration) float64
	fails func(at time.Duration) bool
}

const marketSize = 10

func newMarket(t *testing.T, seed uint64, strategy string) *market {
	config, n := "model m {\n selector "+strategy+"\n", simulations.Add(1)
	for i := range marketSize {
		// Each market has targets of its own, whose clock begins anew.
		config = fmt.Sprintf("provider p%d openai {\n base_url http://%d.p%d.example/v1\n}\n", i, n, i) + config + fmt.Sprintf(" target p%d m\n", i)
	}
	m := &market{
		t: t, g: newGateway(t, config+"}"), chance: rand.New(rand.NewPCG(seed, 1)), rate: 20, first: map[*Target]int{},
		slower: func(int64) float64 { return 1 },
	}
	m.clock = fakeClock(m.g)
	for _, p := range m.g.Providers {
		p.cooldown.chance = m.chance.Float64
	}
	l := luck{m.chance.Float64}
	switch s := m.g.router.names["m"].selector.(type) {
	case *Random:
		s.luck = l
	case *Latency:
		s.luck = l
	case *Performance:
		s.luck = l
	case *LeastBusy:
		s.luck = l
	}
	var err error
	m.route, err = m.g.router.Resolve("m")
	require.NoError(t, err)
	m.route.of = &exchange{req: request{stream: true}}
	weather := rand.New(rand.NewPCG(seed, 2)) // the same for all strategies
	for _, target := range m.route.Targets {
		s := &seller{Target: target}
		s.takes, s.fails = changing(weather)
		m.sellers = append(m.sellers, s)
	}
	return m
}

// changing is a target whose speed makes a step every few minutes, drifts in between
// and has bursts of slowness, and that fails for a minute now and then.
func changing(chance *rand.Rand) (takes func(time.Duration) float64, fails func(time.Duration) bool) {
	type phase struct {
		until time.Duration
		times float64
	}
	phases := func(good, bad time.Duration, times func() (float64, float64)) func(time.Duration) float64 {
		var all []phase
		for at := time.Duration(0); at < 3*time.Hour; {
			normal, other := times()
			at += time.Duration((0.3 + chance.ExpFloat64()) * float64(good))
			all = append(all, phase{at, normal})
			at += time.Duration((0.3 + chance.ExpFloat64()) * float64(bad))
			all = append(all, phase{at, other})
		}
		i := 0
		return func(at time.Duration) float64 {
			for all[i].until < at {
				i++
			}
			for i > 0 && all[i-1].until >= at {
				i--
			}
			return all[i].times
		}
	}
	step := func() float64 { return 0.3 * math.Exp(1.2*chance.Float64()*2) }
	steps := phases(4*time.Minute, 4*time.Minute, func() (float64, float64) { return step(), step() })
	bursts := phases(5*time.Minute, 20*time.Second, func() (float64, float64) { return 1, 3 + 7*chance.Float64() })
	outages := phases(20*time.Minute, time.Minute, func() (float64, float64) { return 0, 1 })
	period, begins := 8+8*chance.Float64(), chance.Float64()
	takes = func(at time.Duration) float64 {
		drift := 1 + 0.25*math.Sin(2*math.Pi*(at.Minutes()/period+begins))
		return steps(at) * bursts(at) * drift
	}
	return takes, func(at time.Duration) bool { return outages(at) == 1 }
}

// timeline is what is to happen.
type timeline []pending

func (q timeline) Len() int           { return len(q) }
func (q timeline) Less(i, k int) bool { return q[i].at < q[k].at }
func (q timeline) Swap(i, k int)      { q[i], q[k] = q[k], q[i] }
func (q *timeline) Push(x any)        { *q = append(*q, x.(pending)) }
func (q *timeline) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}

func (m *market) now() time.Duration { return time.Duration(m.clock.now.Load()) }

func (m *market) after(seconds float64, do func()) {
	queue.Push(&m.queue, pending{m.now() + time.Duration(seconds*float64(time.Second)), do})
}

// run plays for so long, and then until all is over.
func (m *market) run(length time.Duration) {
	end := m.now() + length
	var arrive func()
	arrive = func() {
		if m.now() >= end {
			return
		}
		m.request()
		m.after(m.chance.ExpFloat64()/m.rate, arrive)
	}
	m.after(0, arrive)
	for m.queue.Len() > 0 {
		event := queue.Pop(&m.queue).(pending)
		m.clock.now.Store(int64(event.at))
		event.do()
	}
}

func (m *market) request() {
	m.requests++
	// The same request takes longer than another one wherever it goes.
	size := math.Exp(0.3 * m.chance.NormFloat64())
	best := math.Inf(1)
	for _, s := range m.sellers {
		if !s.fails(m.now()) {
			best = min(best, s.takes(m.now())*m.slower(s.waiting+1)*size)
		}
	}
	if math.IsInf(best, 1) {
		return // all fail
	}
	m.hindsight += best
	plan, free, err := m.route.plan(&operation{verb: verbGenerate, api: api.Chat}, estimate{}, m.g.now(), nil)
	if err != nil {
		m.failed++
		return
	}
	m.first[plan[0]]++
	m.next(plan, free, 0, 0, size, m.now())
}

func (m *market) seller(t *Target) *seller {
	for _, s := range m.sellers {
		if s.Target == t {
			return s
		}
	}
	return nil
}

// next is a turn of the dispatcher's loop.
func (m *market) next(plan []*Target, free, i, tried int, size float64, arrived time.Duration) {
	for ; i < len(plan) && tried < 3; i++ {
		s, began := m.seller(plan[i]), m.g.now()
		claim, _, ok := s.claim(began, i >= free, 1, 0, tally{})
		a := &attempt{target: s.Target, claim: claim, began: began}
		if !ok {
			continue
		}
		flight := s.state.begin(true, true, began)
		s.waiting++
		if s.fails(m.now()) {
			m.after(0.2, func() {
				s.waiting--
				m.g.blame(a, &failure{status: 503, verdict: verdictStatus, reason: "503"})
				flight.end()
				claim.giveBack(m.g.now())
				m.next(plan, free, i+1, tried+1, size, arrived)
			})
			return
		}
		m.after(s.takes(m.now())*m.slower(s.waiting)*size, func() {
			s.waiting--
			m.total += (m.now() - arrived).Seconds()
			flight.answered(m.g.now())
			m.g.answered(a)
			m.after(1+4*m.chance.Float64(), func() {
				m.g.succeeded(a)
				s.state.observeUsage(api.Usage{Known: true, Input: int64(1000 * size)}, m.g.now())
				flight.end()
				claim.giveBack(m.g.now())
			})
		})
		return
	}
	m.failed++
}

// ratio is what clients waited for the first content, by what they would have waited
// if each request had gone where it was answered the soonest, in hindsight.
func (m *market) ratio() float64 { return m.total / m.hindsight }

// The fastest target changes every minute or so, each is ten times as slow at times,
// and fails at others; it takes little more time than if all had been known.
func TestMarketLatency(t *testing.T) {
	f := func(strategy string, rate float64) float64 {
		sum := 0.
		const seeds = 3
		for seed := range uint64(seeds) {
			m := newMarket(t, seed, strategy)
			m.rate = rate
			m.run(30 * time.Minute)
			require.Zero(t, m.failed, "a client never sees a failure")
			sum += m.ratio()
		}
		t.Logf("%s, %v requests a second: %.3f times the best in hindsight", strategy, rate, sum/seeds)
		return sum / seeds
	}
	require.Less(t, f("latency", 20), 1.18)
	require.Less(t, f("latency", 5), 1.3)
	require.Less(t, f("latency", 1), 1.6, "with so few requests there is little to learn from")
	require.Greater(t, f("random", 20), 3.5)
}

// burst has so many requests come at once every minute. It gives the largest share
// of a burst that any target had, on average over all bursts.
func (m *market) burst(size int, length time.Duration) (largest *float64) {
	largest = new(float64)
	bursts := float64(length/time.Minute - 1)
	for at := time.Minute; at < length; at += time.Minute {
		queue.Push(&m.queue, pending{at, func() {
			before := maps.Clone(m.first)
			for range size {
				m.request()
			}
			most := 0
			for target, n := range m.first {
				most = max(most, n-before[target])
			}
			*largest += float64(most) / float64(size) / bursts
		}})
	}
	return largest
}

// Targets take as many times longer as there are more than fifteen waiting. The best
// in hindsight knows at each request how fast each target would be.
func TestMarketUnderLoad(t *testing.T) {
	const length = 30 * time.Minute
	f := func(strategy string, rate float64, size int) (ratio, largest float64) {
		const seeds = 3
		for seed := range uint64(seeds) {
			m := newMarket(t, seed, strategy)
			m.rate = rate
			m.slower = func(waiting int64) float64 { return max(1, float64(waiting)/15) }
			share := new(float64)
			if size > 0 {
				share = m.burst(size, length)
			}
			m.run(length)
			require.Zero(t, m.failed)
			ratio += m.ratio() / seeds
			largest += *share / seeds
		}
		t.Logf("%s, %v requests a second and %d every minute: %.3f times the best in hindsight, %.2f of a burst to one target",
			strategy, rate, size, ratio, largest)
		return ratio, largest
	}
	ratio, _ := f("latency", 40, 0)
	require.Less(t, ratio, 1.4)
	ratio, largest := f("latency", 40, 200)
	require.Less(t, ratio, 1.6)
	require.Less(t, largest, .5)
	ratio, largest = f("least_busy", 40, 200)
	require.Less(t, ratio, 4.5)
	require.Less(t, largest, .25)
}

// Of ten targets of which the slowest takes twice as long as the fastest none gets
// much more of a burst than its share, though one is the fastest and all know it.
func TestMarketStampede(t *testing.T) {
	const size, length = 300, 20 * time.Minute
	m := newMarket(t, 1, "latency")
	m.slower = func(waiting int64) float64 { return max(1, float64(waiting)/15) }
	for i, s := range m.sellers {
		s.takes = func(time.Duration) float64 { return 1 + float64(i)/(marketSize-1) }
		s.fails = func(time.Duration) bool { return false }
	}
	largest := m.burst(size, length)
	m.run(length)
	t.Logf("%.3f of a burst to one target, %.3f times the best in hindsight", *largest, m.ratio())
	require.Less(t, *largest, .3)
	require.Less(t, m.ratio(), 1.45)
}

// Prices change every minute, and every request goes where it costs the least.
func TestMarketCost(t *testing.T) {
	f := func(strategy string) (ratio, estimated float64) {
		m := newMarket(t, 1, strategy)
		var spent, least prices.NanoUSD
		var really, hindsight float64
		for second := range 3600 {
			if second%60 == 0 {
				for _, s := range m.sellers {
					s.Price = priced(t, math.Round(100*m.chance.Float64())/10, math.Round(500*m.chance.Float64())/10)
				}
			}
			m.clock.advance(time.Second)
			expected := estimate{input: m.chance.IntN(20_000), output: 1 + m.chance.IntN(typicalAnswer)}
			plan, _, err := m.route.plan(&operation{verb: verbGenerate, api: api.Chat}, expected, m.g.now(), nil)
			require.NoError(t, err)
			cost := func(target *Target, output int) prices.NanoUSD {
				cost, known := target.Price.At(m.g.now()).Cost(prices.Usage{prices.Input: int64(expected.input), prices.Output: int64(output)})
				require.True(t, known)
				return cost
			}
			cheapest := func(output int) prices.NanoUSD {
				best := cost(m.sellers[0].Target, output)
				for _, s := range m.sellers {
					best = min(best, cost(s.Target, output))
				}
				return best
			}
			spent += cost(plan[0], expected.output)
			least += cheapest(expected.output)
			// Answers are as long as they are.
			output := int(float64(expected.output) * math.Exp(m.chance.NormFloat64()))
			really += cost(plan[0], output).USD()
			hindsight += cheapest(output).USD()
		}
		t.Logf("%s: %.3f times the least in hindsight, %.3f with answers of another length than expected",
			strategy, spent.USD()/least.USD(), really/hindsight)
		if strategy == "cost" {
			require.Equal(t, least, spent, "exactly")
		}
		return spent.USD() / least.USD(), really / hindsight
	}
	_, estimated := f("cost")
	require.Less(t, estimated, 1.05)
	ratio, _ := f("random")
	require.Greater(t, ratio, 2.)
}

// What providers allow a minute is used up evenly, whatever they are in speed.
func TestMarketUsage(t *testing.T) {
	f := func(strategy string) (uneven float64) {
		m := newMarket(t, 1, strategy)
		for i, s := range m.sellers {
			s.Weight = float64(1 + i%3)
			s.fails = func(time.Duration) bool { return false }
		}
		looks := 0.
		for at := 2 * time.Minute; at < 20*time.Minute; at += 10 * time.Second {
			queue.Push(&m.queue, pending{at, func() {
				least, most := math.Inf(1), 0.
				for _, s := range m.sellers {
					used := float64(s.state.consumption(m.g.now()).tokens) / s.Weight
					least, most = min(least, used), max(most, used)
				}
				uneven += most / least
				looks++
			}})
		}
		m.run(20 * time.Minute)
		t.Logf("%s: the most used target has %.2f times as much as the least used", strategy, uneven/looks)
		return uneven / looks
	}
	require.Less(t, f("usage"), 1.25)
	require.Greater(t, f("random"), 1.4)
}
