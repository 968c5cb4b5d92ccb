package plexus

import (
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// setClock is a time as it is read after the clock on the wall has been set, which
// leaves the monotonic one as it is. Nothing but a clock that is set makes such
// times, so the seconds are changed where package time has them: in the bits from
// 30 on of the first word.
func setClock(t time.Time, by time.Duration) time.Time {
	*(*uint64)(unsafe.Pointer(&t)) += uint64(int64(by/time.Second)) << 30
	return t
}

func TestSetClock(t *testing.T) {
	before := time.Now()
	for _, by := range []time.Duration{5 * time.Hour, -5 * time.Hour, 0} {
		after := setClock(before.Add(time.Minute), by)
		require.Equal(t, time.Minute, after.Sub(before), "by the monotonic clock")
		require.Equal(t, by+time.Minute, after.Round(0).Sub(before.Round(0)), "by the wall's")
	}
}

// Clocks that jump by hours, to and fro, change nothing of what targets go through.
func TestSimulationClockJumps(t *testing.T) {
	f := func(name string, jump func(now time.Duration) time.Duration) {
		t.Helper()
		s := newSimulation(t, 3, func(s *simulation, t *Target) bool { return t.Model == "one" && s.now() < time.Hour })
		steady := s.g.now
		s.g.now = func() time.Time { return setClock(steady(), jump(s.now())) }
		s.run(time.Minute)
		known := s.wasted[s.route.Targets[0]]
		s.run(time.Hour)
		require.Zero(t, s.failed, name)
		require.Less(t, float64(s.wasted[s.route.Targets[0]]-known), .01*float64(s.requests), name)
		wasted := s.attempts[s.route.Targets[0]]
		s.run(10 * time.Minute)
		require.Greater(t, s.attempts[s.route.Targets[0]]-wasted, 5*60*10/4, "%s: it is back within its longest pause", name)
	}
	f("once back", func(now time.Duration) time.Duration {
		if now > 30*time.Second {
			return -5 * time.Hour
		}
		return 0
	})
	f("once forth", func(now time.Duration) time.Duration {
		if now > 30*time.Second {
			return 5 * time.Hour
		}
		return 0
	})
	f("to and fro", func(now time.Duration) time.Duration {
		return 5 * time.Hour * (now / (7 * time.Second) % 3)
	})
}

// After a clock was set back, targets of which nothing is known were not explored
// until it had caught up.
func TestExplorationAfterTheClockWasSetBack(t *testing.T) {
	s, now := new(trial), time.Now()
	require.True(t, s.leave(now))
	require.False(t, s.leave(setClock(now.Add(time.Millisecond), 5*time.Hour)))
	require.True(t, s.leave(setClock(now.Add(time.Minute), -5*time.Hour)))
}

// What was saved by a clock that has been set since the process began was taken
// for a pause of hours, or for one long over.
func TestRestoreAfterTheClockWasSet(t *testing.T) {
	for _, by := range []time.Duration{5 * time.Hour, -5 * time.Hour} {
		now := setClock(time.Now(), by)
		wall := now.Round(0) // as a file has it
		b := new(breaker)
		b.restore(&savedBreaker{Until: wall.Add(20 * time.Second), FailedAt: wall.Add(-time.Second), Failures: 1}, time.Hour, now)
		require.InDelta(t, float64(20*time.Second), float64(b.until.Load()-stamp(now)), float64(time.Millisecond))
		require.InDelta(t, -float64(time.Second), float64(b.failedAt-stamp(now)), float64(time.Millisecond))
	}
}

// A stream goes on, and its times are no nonsense, whatever the clock does.
func TestStreamThroughClockJumps(t *testing.T) {
	lab := newProvider(t, streams(chatRole, chatHello, chatWorld, chatStop, chatDone))
	g, url := inOrder(t, "", lab.URL)
	reads := new(clock)
	g.now = func() time.Time {
		reads.advance(1)
		return setClock(time.Now(), time.Duration(reads.now.Load()%3-1)*5*time.Hour)
	}
	for range 3 {
		got := post(t, url+"/v1/chat/completions", `{"model":"fast","stream":true}`)
		require.NoError(t, got.err)
		require.Equal(t, 200, got.status)
		require.True(t, strings.HasSuffix(got.body, chatDone))
	}
	require.Greater(t, reads.now.Load(), int64(9))
	first, known := g.router.names["fast"].targets[0].FirstContent(g.now())
	require.True(t, known)
	require.Positive(t, first)
	require.Less(t, first, time.Minute)
}
