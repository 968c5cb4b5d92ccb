package plexus

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func TestWindow(t *testing.T) {
	var s targetState
	f := func(at time.Duration, want consumption) {
		t.Helper()
		require.Equal(t, want, s.consumption(t0.Add(at)))
	}
	f(0, consumption{})
	s.observeUsage(api.Usage{Known: true, Input: 1, CacheRead: 2, CacheWrite: 4, Output: 8, Reasoning: 16}, t0)
	f(0, consumption{31, 1, 0})
	s.observeUsage(api.Usage{}, t0.Add(10*time.Second))
	f(10*time.Second, consumption{31, 1, 1})
	f(59*time.Second, consumption{31, 1, 1})
	f(60*time.Second, consumption{0, 0, 1})
	f(0, consumption{0, 0, 1})
	f(70*time.Second, consumption{})
	f(time.Hour, consumption{})
}

// The sum is that of the last minute, however the time goes on.
func TestWindowSumsTheLastMinute(t *testing.T) {
	type event struct {
		second int64
		tokens int64
	}
	for seed := range uint64(4) {
		var w window
		chance := rand.New(rand.NewPCG(3, seed))
		var events []event
		second := int64(0)
		for range 2000 {
			second += int64(chance.IntN(4)) * int64(chance.IntN(20)) / 10
			tokens := chance.Int64N(1000)
			events = append(events, event{second, tokens})
			w.add(consumption{tokens: tokens, known: 1}, t0.Add(time.Duration(second)*time.Second))
			var want consumption
			for _, e := range events {
				if e.second > second-windowSlots {
					want.add(consumption{tokens: e.tokens, known: 1}, 1)
				}
			}
			require.Equal(t, want, w.sum)
		}
	}
}
