package plexus

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// clock is a clock that only the test advances.
type clock struct{ now atomic.Int64 }

func (c *clock) advance(d time.Duration) { c.now.Add(int64(d)) }

// fakeClock makes a gateway go by a clock of the test's, and takes chance out of
// its pauses.
func fakeClock(g *Gateway) *clock {
	c := new(clock)
	start := time.Now()
	g.now = func() time.Time { return start.Add(time.Duration(c.now.Load())) }
	for _, p := range g.Providers {
		p.cooldown.chance = func() float64 { return 0 }
	}
	return c
}

// attemptAt is an attempt that began at a time, with the first credential.
func attemptAt(t *Target, began time.Time) *attempt {
	return &attempt{target: t, claim: claim{lane: t.lanes[0]}, began: began}
}

func (b *breaker) pauses() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failures
}

// policy is a complete Cooldown without chance.
func policy(c *Cooldown) *Cooldown {
	out := c.complete()
	out.chance = func() float64 { return 0 }
	return &out
}

func TestPause(t *testing.T) {
	f := func(c *Cooldown, pauses int64, floor, want time.Duration) {
		t.Helper()
		require.Equal(t, want, policy(c).pause(pauses, floor))
	}
	own := &Cooldown{Initial: 1e9, Max: 5e9}
	f(nil, 1, 0, 10*time.Second)
	f(nil, 2, 0, 20*time.Second)
	f(nil, 60, 0, 5*time.Minute)
	f(nil, 1, 30*time.Second, 30*time.Second)
	f(nil, 1, time.Hour, 5*time.Minute)
	f(own, 1, 0, time.Second)
	f(own, 3, 0, 4*time.Second)
	f(own, 4, 0, 5*time.Second)
	f(&Cooldown{Initial: 600e9}, 1, 0, 10*time.Minute)
	f(&Cooldown{Max: 2e9}, 1, 0, 2*time.Second)
}

// Chance takes up to a fifth off a pause, and nothing off what the provider asks
// for.
func TestJitter(t *testing.T) {
	c := policy(nil)
	c.chance = rand.New(rand.NewPCG(1, 2)).Float64
	shortest, longest := time.Hour, time.Duration(0)
	for range 1000 {
		d := c.pause(2, 0)
		shortest, longest = min(shortest, d), max(longest, d)
		require.GreaterOrEqual(t, c.pause(1, 20*time.Second), 20*time.Second)
	}
	require.InDelta(t, 16, shortest.Seconds(), .1)
	require.InDelta(t, 20, longest.Seconds(), .1)
}

const second = int64(time.Second)

func TestFailuresTogetherCountOnce(t *testing.T) {
	var b breaker
	c := policy(nil)
	require.True(t, b.failed(c, &failure{}, 1, second))
	for began := range second / 1e8 {
		require.False(t, b.failed(c, &failure{}, began, 2*second))
	}
	require.EqualValues(t, 1, b.pauses())
	require.Equal(t, 1, c.failed(b.fails.Load()))
	require.False(t, b.admits(11*second-1))
	require.True(t, b.admits(11*second))
	// One that began before, and fails when the pause is over, tells nothing new.
	require.False(t, b.failed(c, &failure{}, 1, 60*second))
	require.True(t, b.admits(60*second))
	// Neither does one that began before, and succeeds.
	require.False(t, b.succeeded(c, second-1))
	require.True(t, b.succeeded(c, second))
}

// The provider's own word counts, also where another failure came first.
func TestRetryAfterProlongsAPause(t *testing.T) {
	var b breaker
	c := policy(nil)
	b.failed(c, &failure{}, 0, 0)
	require.True(t, b.pardons(c, second))
	b.failed(c, &failure{retryAfter: time.Minute}, 0, second)
	require.False(t, b.admits(61*second-1))
	require.True(t, b.admits(61*second))
	require.False(t, b.pardons(c, second), "it said so itself")
	b.failed(c, &failure{retryAfter: time.Second}, 0, 2*second)
	require.False(t, b.admits(61*second-1), "a shorter one changes nothing")
}

func TestHalfOpen(t *testing.T) {
	var b breaker
	c := policy(nil)
	ticket, ok := b.claim(0)
	require.True(t, ok)
	require.Zero(t, ticket, "nothing is held against it")
	b.failed(c, &failure{}, 0, 0)
	_, ok = b.claim(10*second - 1)
	require.False(t, ok)

	first, ok := b.claim(10 * second)
	require.True(t, ok)
	require.False(t, b.admits(20*second))
	_, ok = b.claim(20 * second)
	require.False(t, ok, "one at a time")
	b.giveBack(first) // its client left

	again, ok := b.claim(20 * second)
	require.True(t, ok)
	require.True(t, b.failed(c, &failure{}, 20*second, 21*second))
	require.False(t, b.admits(41*second-1), "the pause is longer")
	third, ok := b.claim(41 * second)
	require.True(t, ok)
	b.giveBack(again) // which is over: another's place is not its to give
	_, ok = b.claim(42 * second)
	require.False(t, ok)
	require.True(t, b.succeeded(c, 41*second))
	b.giveBack(third)
	require.True(t, b.admits(42*second))
}

// The first content ends a pause that began before one; else only a whole answer
// does.
func TestWhatEndsAPause(t *testing.T) {
	var early, late breaker
	c := policy(nil)
	early.failed(c, &failure{}, 0, 0)
	late.failed(c, &failure{late: true}, 0, 0)
	require.True(t, early.answered(10*second))
	require.True(t, early.admits(10*second))
	require.False(t, late.answered(10*second))
	require.True(t, late.succeeded(c, 10*second))
	require.False(t, early.answered(10*second), "it is up already")
	require.False(t, early.failed(c, &failure{}, -1, 11*second), "of before the failure")
	require.True(t, early.failed(c, &failure{late: true}, 10*second, 12*second))
	require.EqualValues(t, 2, early.pauses(), "the first content alone forgives nothing")
}

// What fails every other time is not forgiven every other time.
func TestForgivenessTakesAWhile(t *testing.T) {
	var b breaker
	c := policy(nil)
	now := int64(0)
	for range 4 {
		b.failed(c, &failure{}, now, now)
		now += int64(5 * time.Minute)
		b.succeeded(c, now)
	}
	require.EqualValues(t, 4, b.pauses())
	for range 9 {
		b.succeeded(c, now)
	}
	require.Zero(t, b.pauses())
	require.Zero(t, b.fails.Load())

	b.failed(c, &failure{}, now, now)
	b.succeeded(c, now)
	now += int64(staleAfter) + 1
	b.failed(c, &failure{}, now, now)
	require.EqualValues(t, 1, b.pauses(), "what is long ago says nothing")
}

func TestLastStanding(t *testing.T) {
	f := func(c *Cooldown, attempts string, want bool) {
		t.Helper()
		var b breaker
		c = policy(c)
		for i, outcome := range attempts {
			now := int64(i) * second
			if outcome == 'f' {
				b.failed(c, &failure{}, now, now)
			} else {
				b.succeeded(c, now)
			}
		}
		require.Equal(t, want, b.pardons(c, int64(len(attempts))*second))
	}
	f(nil, "f", true)
	f(nil, "ffffffff", true)
	f(nil, "fffffffff", false)
	f(nil, "fffffsffff", false)
	f(nil, "fsfsfsfsfsfsfsfsfsfs", true)
	own := &Cooldown{LastStanding: &LastStanding{Share: .5, Of: 4}}
	f(own, "f", true)
	f(own, "ff", false)
	f(own, "fsf", false)
	f(own, "fssf", false)
	f(own, "fsssf", true)
	f(&Cooldown{LastStanding: &LastStanding{Share: 1, Of: 64}}, "fffffffffffffff", true)
	f(&Cooldown{LastStanding: &LastStanding{Share: .1}}, "f", false)
}

// A number of failures may be asked for before there is a pause at all.
func TestFailuresThreshold(t *testing.T) {
	var b breaker
	c := policy(&Cooldown{Failures: 3})
	require.False(t, b.failed(c, &failure{}, 0, 0))
	b.succeeded(c, 0)
	require.False(t, b.failed(c, &failure{}, 1, 1))
	require.True(t, b.failed(c, &failure{}, 2, 2))
	var told breaker
	require.True(t, told.failed(c, &failure{retryAfter: time.Second}, 0, 0), "the provider's word is enough")
}

func TestCooldownValidate(t *testing.T) {
	f := func(c *Cooldown, want string) {
		t.Helper()
		if want == "" {
			require.NoError(t, c.validate())
			return
		}
		require.ErrorContains(t, c.validate(), want)
	}
	f(nil, "")
	f(&Cooldown{Initial: 2, Max: 2, Failures: 10}, "")
	f(&Cooldown{Initial: 2, Max: 1}, "longer than the longest")
	f(&Cooldown{Initial: -1}, "initial: expected a positive duration, got -1ns")
	f(&Cooldown{Failures: 11}, "expected 1 to 10")
	f(&Cooldown{Failures: 3, LastStanding: &LastStanding{Of: 2}}, "expected 1 to 2")
	f(&Cooldown{LastStanding: &LastStanding{Share: 1.1}}, "share up to 100%")
	f(&Cooldown{LastStanding: &LastStanding{Of: 65}}, "expected 1 to 64 attempts")
}
