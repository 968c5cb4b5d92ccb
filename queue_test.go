package plexus

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// The time that an attempt takes which then fails is no part of the deadline: that
// is for the waiting.
func TestAttemptsDoNotUseUpTheDeadlineOfTheQueue(t *testing.T) {
	d := &dialects[0]
	f := func(free time.Duration, status int, took time.Duration) {
		t.Helper()
		first, second := d.plays(), d.plays(d.opening, d.content, d.end)
		first.status, first.dial = 503, 8*time.Second
		g := play(t, d.api, "", " queue 10 10s\n", first, second)
		targets := g.router.names["fast"].targets
		for _, target := range targets {
			target.Provider.bounded.most, target.Provider.bounded.counts = 1, true
		}
		synctest.Test(t, func(t *testing.T) {
			for i, until := range []time.Duration{5 * time.Second, free} {
				taken, ok := targets[i].lanes[0].gate.enter(tally{}, stamp(g.now()), true)
				require.True(t, ok)
				time.AfterFunc(until, func() { taken.leave(stamp(g.now())) })
			}
			got := g.ask(t, d.path, d.body, nil)
			require.Equal(t, status, got.status, got.heard.String())
			require.Equal(t, took, got.took)
		})
	}
	f(15*time.Second, 200, 15*time.Second)
	f(time.Hour, 429, 18*time.Second)
}
