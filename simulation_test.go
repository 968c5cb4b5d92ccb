package plexus

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// simulation plays requests against two targets by a clock of its own: ten a
// second, each attempt taking 50 to 2000 ms, so that many are under way at once.
// It goes the dispatcher's way with an attempt that is only drawn.
type simulation struct {
	t      *testing.T
	g      *Gateway
	clock  *clock
	chance *rand.Rand
	route  Route
	// fails tells whether an attempt at a target that begins now fails.
	fails func(t *Target) bool

	queue    []pending
	requests int
	failed   int // as clients see it
	refused  int // of these, with a 503 at once
	attempts map[*Target]int
	wasted   map[*Target]int
	halfOpen map[*Target]int // attempts under way that began while it was half open
}

var simulations atomic.Int64

type pending struct {
	at time.Duration
	do func()
}

func newSimulation(t *testing.T, seed uint64, fails func(*simulation, *Target) bool) *simulation {
	// Each has targets of its own, whose clock begins anew.
	g := newGateway(t, strings.ReplaceAll(`
		provider a openai {
			base_url http://{n}.a.example/v1
		}
		provider b openai {
			base_url http://{n}.b.example/v1
		}
		model m {
			target a one
			target b two
		}
	`, "{n}", strconv.FormatInt(simulations.Add(1), 10)))
	s := &simulation{
		t: t, g: g, clock: fakeClock(g), chance: rand.New(rand.NewPCG(seed, 1)),
		attempts: map[*Target]int{}, wasted: map[*Target]int{}, halfOpen: map[*Target]int{},
	}
	s.fails = func(t *Target) bool { return fails(s, t) }
	for _, p := range g.Providers {
		p.cooldown.chance = s.chance.Float64
	}
	g.router.names["m"].selector.(*Random).chance = s.chance.Float64
	var err error
	s.route, err = g.router.Resolve("m")
	require.NoError(t, err)
	return s
}

func (s *simulation) now() time.Duration { return time.Duration(s.clock.now.Load()) }

func (s *simulation) after(d time.Duration, do func()) {
	s.queue = append(s.queue, pending{s.now() + d, do})
}

// run plays for so long.
func (s *simulation) run(length time.Duration) {
	end := s.now() + length
	var arrive func()
	arrive = func() {
		s.request()
		if s.now() < end {
			s.after(100*time.Millisecond, arrive)
		}
	}
	s.after(0, arrive)
	for len(s.queue) > 0 {
		next := 0
		for i := range s.queue {
			if s.queue[i].at < s.queue[next].at {
				next = i
			}
		}
		event := s.queue[next]
		s.queue[next] = s.queue[len(s.queue)-1]
		s.queue = s.queue[:len(s.queue)-1]
		s.clock.now.Store(int64(event.at))
		event.do()
	}
}

func (s *simulation) request() {
	s.requests++
	plan, free, err := s.route.plan(&operation{verb: verbGenerate, api: api.Chat}, estimate{}, s.g.now(), nil)
	if err != nil {
		require.ErrorIs(s.t, err, ErrAllTargetsCoolingDown)
		s.failed++
		s.refused++
		return
	}
	s.next(plan, free, 0, 0)
}

// next is a turn of the dispatcher's loop.
func (s *simulation) next(plan []*Target, free, i, tried int) {
	for ; i < len(plan) && tried < 3; i++ {
		t := plan[i]
		began := s.g.now()
		state := t.state.breaker.state(began)
		claim, _, ok := t.claim(began, i >= free, ^lanes(0), 0, tally{})
		if !ok {
			if i < free {
				plan = append(plan, t)
			}
			continue
		}
		probe := claim.tickets != [4]int64{}
		if probe {
			s.halfOpen[t]++
			require.Equal(s.t, 1, s.halfOpen[t], "one request at a time finds out")
		}
		require.True(s.t, state == stateUp || probe || i >= free, "a target is asked that is %s", state)
		s.attempts[t]++
		fails := s.fails(t)
		s.after(50*time.Millisecond+time.Duration(s.chance.Float64()*float64(1950*time.Millisecond)), func() {
			defer func() { claim.giveBack(s.g.now()) }()
			if probe {
				s.halfOpen[t]--
			}
			if probe && s.chance.IntN(10) == 0 {
				return // the client leaves
			}
			if fails {
				s.wasted[t]++
				s.g.blame(&attempt{target: t, claim: claim, began: began}, &failure{status: 503, verdict: verdictStatus, reason: "503"})
				s.next(plan, free, i+1, tried+1)
				return
			}
			s.g.succeeded(&attempt{target: t, claim: claim, began: began})
		})
		return
	}
	s.failed++
	if tried == 0 {
		s.refused++
	}
}

// While one target is healthy no client sees a failure of the other, whichever
// way that fails, and hardly any request is wasted on it once it is known.
func TestSimulationOneHealthyTarget(t *testing.T) {
	f := func(name string, most float64, fails func(s *simulation) bool) {
		t.Helper()
		for seed := range uint64(2) {
			s := newSimulation(t, seed, func(s *simulation, t *Target) bool { return t.Model == "one" && fails(s) })
			s.run(time.Minute) // until it is known
			known := s.wasted[s.route.Targets[0]]
			require.Zero(t, s.failed, name)
			s.run(2 * time.Hour)
			require.Zero(t, s.failed, name)
			share := float64(s.wasted[s.route.Targets[0]]-known) / float64(s.requests)
			t.Logf("%s, seed %d: %d requests, %d attempts at the bad target, %.3f %% wasted", name, seed, s.requests, s.attempts[s.route.Targets[0]], 100*share)
			require.Less(t, share, most, name)
			require.Positive(t, s.attempts[s.route.Targets[0]])
		}
	}
	f("always", .01, func(*simulation) bool { return true })
	f("every other time", .01, func(s *simulation) bool { return s.chance.IntN(2) == 0 })
	f("bursts", .01, func(s *simulation) bool { return s.now()%(2*time.Minute) < 30*time.Second })
	f("one in ten", .01, func(s *simulation) bool { return s.chance.IntN(10) == 0 })
}

// After an outage a target is back within its longest pause, and gets its share.
func TestSimulationRecovery(t *testing.T) {
	s := newSimulation(t, 1, func(s *simulation, t *Target) bool {
		return t.Model == "one" && s.now() < 20*time.Minute
	})
	one := s.route.Targets[0]
	var back time.Duration
	s.fails = func(fails func(*Target) bool) func(*Target) bool {
		return func(t *Target) bool {
			if t == one && back == 0 && s.now() > 20*time.Minute {
				back = s.now()
			}
			return fails(t)
		}
	}(s.fails)
	s.run(time.Hour)
	require.Zero(t, s.failed)
	require.Positive(t, back)
	require.LessOrEqual(t, back, 25*time.Minute+2*time.Second)
	require.Greater(t, s.attempts[one]-s.wasted[one], s.requests/4, "it has its share again")
}

// Where both fail, clients are refused at once, after a while; a hiccup of both
// is no outage.
func TestSimulationNoHealthyTarget(t *testing.T) {
	s := newSimulation(t, 1, func(s *simulation, _ *Target) bool { return s.now() < 10*time.Minute })
	s.run(10 * time.Minute)
	require.Greater(t, float64(s.refused), .9*float64(s.requests), "without a wait")
	tried := s.wasted[s.route.Targets[0]] + s.wasted[s.route.Targets[1]]
	require.Less(t, tried, s.requests/20)

	hiccup := newSimulation(t, 2, func(s *simulation, _ *Target) bool { return s.now()%time.Minute < time.Second })
	hiccup.run(10 * time.Minute)
	require.Less(t, float64(hiccup.failed), .04*float64(hiccup.requests), "those that begin within it, and no more")
	require.Zero(t, hiccup.refused)
}
