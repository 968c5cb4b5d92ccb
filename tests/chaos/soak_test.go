package chaos

import (
	"cmp"
	"flag"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var soak = flag.Int("chaos.soak", 0, "how many requests a soak has; 0 leaves it out")

// TestSoak is a storm of so many requests in ten rounds. After each the process
// has to be at rest as it was after the first.
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("-chaos.soak 1000000 runs it")
	}
	c := newChaos(t, cmp.Or(*seed, uint64(time.Now().UnixNano())))
	t.Logf("seed %d", c.schedule.seed)
	var asked atomic.Int64
	c.counted = func() { asked.Add(1) }
	const rounds = 10
	var first, last resources
	step := 1
	for round := range rounds {
		stop := make(chan struct{})
		working := c.load(*clients, stop)
		enough := int64(*soak / rounds * (round + 1))
		step = c.storm(step, func() bool { return asked.Load() >= enough })
		c.enter(0, true)
		close(stop)
		working.Wait()
		c.requireIdle()
		if round == 0 {
			first = atRest(c.asker, c.targets, nil)
			last = first
		} else {
			last = atRest(c.asker, c.targets, &first)
		}
		c.requireFree()
		t.Logf("after %d requests: %s", asked.Load(), last)
		require.True(t, last.within(first), "something grows")
	}
	c.recover(time.Now())
	requireNoLeak(t, first, last)
	c.report()
}
