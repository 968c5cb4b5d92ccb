package plexus

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
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

// queues waits for a gate with a deadline in 5 minutes, and then holds its slot. It
// tells how long it has waited to be let in.
func queues(t *testing.T, g *Gateway, lane *gate, want tally, holds time.Duration) time.Duration {
	t.Helper()
	x := &exchange{gateway: g, r: httptest.NewRequest(http.MethodPost, "/", nil)}
	w := newWaiter(stamp(g.now()), want, []*gate{lane})
	began := time.Now()
	assert.True(t, x.queue(w, g.now().Add(5*time.Minute)))
	waited := time.Since(began)
	time.Sleep(holds)
	w.slot.leave(stamp(g.now()))
	return waited
}

// Who waits for a slot that another one gets, who thereby fills the minute, is
// woken by nobody when the next minute begins: it has to look by itself.
func TestAWaiterSeesTheMinuteOpenThatFilledUpMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{now: time.Now}
		lane := newTestLimiter(1).gate("m", "1", 0, 2, 0)
		taken, ok := lane.enter(one, stamp(g.now()), true)
		require.True(t, ok)
		time.AfterFunc(time.Second, func() { taken.leave(stamp(g.now())) })
		go queues(t, g, lane, one, 2*time.Second)
		time.Sleep(time.Millisecond)
		require.Less(t, queues(t, g, lane, one, 0), 63*time.Second)
	})
}

// The same, where the one before takes the tokens for which there was room.
func TestAWaiterBehindALargerOneSeesTheMinuteOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := &Gateway{now: time.Now}
		lane := newTestLimiter(0).gate("m", "1", 0, 0, 1000)
		_, ok := lane.enter(tokens(600), stamp(g.now()), true)
		require.True(t, ok)
		time.Sleep(55 * time.Second)
		_, ok = lane.enter(tokens(300), stamp(g.now()), true)
		require.True(t, ok)
		done := make(chan struct{})
		go func() {
			queues(t, g, lane, tokens(700), 4*time.Minute)
			close(done)
		}()
		time.Sleep(time.Millisecond)
		require.Less(t, queues(t, g, lane, tokens(50), 0), 63*time.Second)
		<-done
	})
}

// Time may pass between a look for room and one at when there will be some.
func TestRoomThatOpensWhileAWaiterLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lane := newTestLimiter(0).gate("m", "1", 0, 1, 0)
		_, ok := lane.enter(one, stamp(time.Now()), true)
		require.True(t, ok)
		opens := time.Duration(lane.opens(one, stamp(time.Now())) - stamp(time.Now()))
		time.Sleep(opens - 1)
		looks := 0
		g := &Gateway{now: func() time.Time { // after it has been let join the queue
			looks++
			return time.Now().Add(time.Duration(looks/4) * 2)
		}}
		require.LessOrEqual(t, queues(t, g, lane, one, 0), time.Second)
	})
}
