package plexus

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const sec = int64(time.Second)

// testLimiter is a provider whose bounds a test sets.
type testLimiter struct {
	*limiter
	bounded *bounded
}

func newTestLimiter(most int) *testLimiter {
	return &testLimiter{newLimiter(), &bounded{most: most, counts: true}}
}

// gate is that of a credential at a model.
func (l *testLimiter) gate(model, credential string, most int, rpm, tpm int64) *gate {
	return l.limiter.gate(l.bounded, model, credential, gate{most: most, rpm: rpm, tpm: tpm}, true)
}

func (l *testLimiter) inFlight() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.places.taken
}

var one = tally{requests: 1}

func tokens(n int64) tally { return tally{1, n, 0} }

// letIn tells whether a waiter has been.
func letIn(w *waiter) bool {
	select {
	case <-w.ready:
		return true
	default:
		return false
	}
}

func TestSlots(t *testing.T) {
	l := newTestLimiter(3)
	a, b := l.gate("a", "1", 2, 0, 0), l.gate("b", "1", 0, 0, 0)
	var held []slot
	f := func(g *gate, want bool) {
		t.Helper()
		s, ok := g.enter(one, sec, true)
		require.Equal(t, want, ok)
		if ok {
			held = append(held, s)
		}
	}
	f(a, true)
	f(a, true)
	f(a, false) // the target is full
	f(b, true)
	f(b, false) // the provider is full
	held[0].leave(sec)
	held[0].leave(sec) // once is enough
	f(b, true)
	f(a, false)
	held[1].leave(sec)
	f(a, true)
	for i := range held {
		held[i].leave(sec)
	}
	require.Zero(t, l.inFlight())
	require.Zero(t, a.target.taken)
}

// An alias' own bound counts all that is under way at the provider's model.
func TestTwoAliasesShareATarget(t *testing.T) {
	l := newTestLimiter(0)
	batch, interactive := l.gate("m", "1", 1, 0, 0), l.gate("m", "1", 2, 0, 0)
	_, ok := interactive.enter(one, sec, true)
	require.True(t, ok)
	_, ok = batch.enter(one, sec, true)
	require.False(t, ok)
	_, ok = interactive.enter(one, sec, true)
	require.True(t, ok)
}

// Those who wait for an alias with a smaller bound do not keep others from what
// it leaves to them.
func TestAnAliasLeavesRoom(t *testing.T) {
	l := newTestLimiter(0)
	batch, interactive := l.gate("m", "1", 1, 0, 0), l.gate("m", "1", 2, 0, 0)
	first, _ := batch.enter(one, sec, true)
	w := newWaiter(1, one, []*gate{batch})
	w.join(sec)
	second, ok := interactive.enter(one, sec, true)
	require.True(t, ok)
	waits := newWaiter(2, one, []*gate{interactive})
	waits.join(sec)
	_, ok = interactive.enter(one, sec, true)
	require.False(t, ok, "it is full")
	first.leave(sec)
	require.True(t, letIn(waits))
	require.False(t, letIn(w))
	second.leave(sec)
	require.False(t, letIn(w))
	waits.slot.leave(sec)
	require.True(t, letIn(w))
}

func TestAllowanceOfRequests(t *testing.T) {
	l := newTestLimiter(0)
	g, other := l.gate("m", "1", 0, 2, 0), l.gate("m", "2", 0, 2, 0)
	f := func(g *gate, now int64, want bool) {
		t.Helper()
		s, ok := g.enter(one, now, true)
		require.Equal(t, want, ok)
		if ok {
			s.leave(now)
		}
	}
	f(g, 10*sec, true)
	f(g, 30*sec, true)
	f(g, 31*sec, false)
	f(other, 31*sec, true)
	require.Equal(t, 71*sec, g.opens(one, 31*sec))
	f(g, 71*sec-1, false)
	f(g, 71*sec, true)
	f(g, 71*sec, false)
	// What never left gives its place back.
	s, ok := other.enter(one, 32*sec, true)
	require.True(t, ok)
	f(other, 32*sec, false)
	s.unsent = true
	s.leave(33 * sec)
	f(other, 33*sec, true)
}

func TestAllowanceOfTokens(t *testing.T) {
	l := newTestLimiter(0)
	g := l.gate("m", "1", 0, 0, 1000)
	f := func(n, now int64, want bool) *slot {
		t.Helper()
		s, ok := g.enter(tokens(n), now, true)
		require.Equal(t, want, ok)
		return &s
	}
	f(5000, 10*sec, true) // more than is ever allowed: alone, rather than never
	f(1, 10*sec, false)
	require.Equal(t, 71*sec, g.opens(tokens(1), 11*sec))
	cheap := f(600, 71*sec, true)
	f(401, 72*sec, false)
	cheap.spent, cheap.known = 100, true
	cheap.leave(73 * sec)
	f(900, 73*sec, true).leave(74 * sec) // of which nothing is known: as estimated
	f(1, 74*sec, false)
	f(1, 131*sec, false)
	f(100, 132*sec, true)
	f(1, 132*sec, false)
	f(5000, 133*sec, false) // not before the minute is empty
	f(5000, 193*sec, true)
	dear := f(10, 300*sec, true)
	dear.spent, dear.known = 1000, true
	dear.leave(301 * sec)
	f(1, 301*sec, false)
}

// By what requests took in the end, no sixty seconds hold more tokens than are
// allowed, and most of what is allowed is used.
func TestTokensOfAnyMinute(t *testing.T) {
	const allowed = 10_000
	chance := rand.New(rand.NewPCG(3, 4))
	l := newTestLimiter(0)
	g := l.gate("m", "1", 0, 0, allowed)
	type use struct{ at, tokens int64 }
	var uses []use
	type pending struct {
		slot *slot
		use  int
	}
	var under []pending
	total, end := int64(0), 1000*sec+1800*sec
	for now := 1000 * sec; now < end; now += chance.Int64N(sec) {
		estimated := chance.Int64N(2000)
		if s, ok := g.enter(tokens(estimated), now, true); ok {
			s.spent, s.known = chance.Int64N(estimated+1), true
			under = append(under, pending{&s, len(uses)})
			uses = append(uses, use{now, estimated})
		}
		if len(under) > 5 {
			i := chance.IntN(len(under))
			under[i].slot.leave(now)
			uses[under[i].use].tokens = under[i].slot.spent
			under = append(under[:i], under[i+1:]...)
		}
	}
	for i, last := range uses {
		total += last.tokens
		sum := int64(0)
		for j := i; j >= 0 && uses[j].at > last.at-60*sec; j-- {
			sum += uses[j].tokens
		}
		require.LessOrEqual(t, sum, int64(allowed), "in the minute before %d", last.at)
	}
	require.Greater(t, total, int64(allowed)*30*8/10)
}

func TestWaitersAreLetInAsTheyCame(t *testing.T) {
	l := newTestLimiter(1)
	g := l.gate("m", "1", 0, 0, 0)
	s, _ := g.enter(one, sec, true)
	var waiters []*waiter
	for i := range 5 {
		waiters = append(waiters, newWaiter(int64(i), one, []*gate{g}))
	}
	for _, i := range []int{3, 0, 4, 1, 2} { // locks may be had in another order
		waiters[i].join(sec)
	}
	require.EqualValues(t, 5, l.waiting.Load())
	require.False(t, waiters[2].leave(sec))
	require.EqualValues(t, 4, l.waiting.Load())
	for _, i := range []int{0, 1, 3, 4} {
		require.False(t, letIn(waiters[i]))
		s.leave(sec)
		require.True(t, letIn(waiters[i]), "waiter %d", i)
		_, ok := g.enter(one, sec, true)
		require.False(t, ok, "nobody comes between")
		s = waiters[i].slot
	}
	s.leave(sec)
	require.Zero(t, l.inFlight())
	require.Zero(t, l.waiting.Load())
}

// Who comes later does not take what somebody waits for, even where it is enough
// for the one and not for the other.
func TestNobodyOvertakes(t *testing.T) {
	l := newTestLimiter(0)
	large, small := l.gate("m", "1", 0, 0, 1000), l.gate("n", "1", 0, 0, 1000)
	elsewhere := l.gate("m", "2", 0, 0, 1000)
	s, _ := large.enter(tokens(500), sec, true)
	w := newWaiter(1, tokens(800), []*gate{large})
	w.join(sec)
	_, ok := small.enter(tokens(100), sec, true)
	require.False(t, ok)
	_, ok = elsewhere.enter(tokens(100), sec, true)
	require.True(t, ok, "nobody waits for that")
	s.spent, s.known = 100, true
	s.leave(sec)
	require.True(t, letIn(w))
	_, ok = small.enter(tokens(100), sec, true)
	require.True(t, ok)
}

// What one who waits gives up, those behind get.
func TestLeavingServesThoseBehind(t *testing.T) {
	l := newTestLimiter(0)
	g := l.gate("m", "1", 0, 0, 1000)
	_, _ = g.enter(tokens(500), sec, true)
	large, small := newWaiter(1, tokens(800), []*gate{g}), newWaiter(2, tokens(100), []*gate{g})
	large.join(sec)
	small.join(sec)
	require.False(t, letIn(small))
	require.False(t, large.leave(sec))
	require.True(t, letIn(small))
}

func TestWaitingAtSeveralProviders(t *testing.T) {
	a, b := newTestLimiter(1), newTestLimiter(1)
	ga, gb := a.gate("m", "1", 0, 0, 0), b.gate("m", "1", 0, 0, 0)
	sa, _ := ga.enter(one, sec, true)
	sb, _ := gb.enter(one, sec, true)
	first, second := newWaiter(1, one, []*gate{ga, gb}), newWaiter(2, one, []*gate{ga, gb})
	first.join(sec)
	second.join(sec)
	sb.leave(sec)
	require.True(t, letIn(first))
	require.Equal(t, 1, first.lane)
	sa.leave(sec)
	require.True(t, letIn(second), "the first no longer waits there")
	require.Equal(t, 0, second.lane)
	first.slot.leave(sec)
	require.True(t, second.leave(sec), "it has been let in: the slot is its own")
	second.slot.leave(sec)
	require.Zero(t, a.inFlight()+b.inFlight())
	require.Zero(t, a.waiting.Load()+b.waiting.Load())
}

// Nothing is lost and nothing is let in twice, whatever the order in which
// requests come, leave and give up.
func TestLimiterUnderChance(t *testing.T) {
	for seed := range uint64(20) {
		chance := rand.New(rand.NewPCG(seed, 7))
		limiters := []*testLimiter{newTestLimiter(4), newTestLimiter(0)}
		var gates []*gate
		for i, l := range limiters {
			gates = append(gates, l.gate("a", "1", 2, 40, 0), l.gate("b", "1", 0, 0, 9000), l.gate("b", "2", 3*i, 0, 0))
		}
		now := sec
		var under []*slot
		var waiting []*waiter
		for range 5000 {
			now += chance.Int64N(sec / 2)
			switch n := chance.IntN(10); {
			case n < 4:
				g := gates[chance.IntN(len(gates))]
				if s, ok := g.enter(tokens(chance.Int64N(3000)), now, true); ok {
					under = append(under, &s)
				} else {
					w := newWaiter(now, tokens(chance.Int64N(3000)), []*gate{g, gates[chance.IntN(len(gates))]})
					w.join(now)
					waiting = append(waiting, w)
				}
			case n < 8 && len(under) > 0:
				i := chance.IntN(len(under))
				s := under[i]
				s.spent, s.known, s.unsent = chance.Int64N(4000), n < 6, n == 7
				s.leave(now)
				under = append(under[:i], under[i+1:]...)
			case n == 8 && len(waiting) > 0:
				i := chance.IntN(len(waiting))
				if waiting[i].leave(now) {
					under = append(under, &waiting[i].slot)
				}
				waiting = append(waiting[:i], waiting[i+1:]...)
			}
			for i := 0; i < len(waiting); i++ {
				if w := waiting[i]; letIn(w) {
					w.refresh(now)
					under = append(under, &w.slot)
					waiting = append(waiting[:i], waiting[i+1:]...)
					i = -1 // others may have been let in thereby
				}
			}
			require.LessOrEqual(t, limiters[0].inFlight(), 4)
			require.Equal(t, len(under), limiters[0].inFlight()+limiters[1].inFlight())
			require.LessOrEqual(t, gates[0].target.taken, 2)
		}
		for _, s := range under {
			s.leave(now)
		}
		for _, w := range waiting {
			if w.leave(now) {
				w.slot.leave(now)
			}
		}
		for _, l := range limiters {
			require.Zero(t, l.inFlight())
			require.Zero(t, l.waiting.Load())
			require.Empty(t, l.waiters)
		}
	}
}

func BenchmarkEnter(b *testing.B) {
	f := func(name string, g *gate) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s, ok := g.enter(tokens(1), sec, true)
				if !ok {
					b.Fatal("full")
				}
				s.leave(sec)
			}
		})
	}
	free := newTestLimiter(0)
	free.bounded.counts = false
	f("unbounded", free.gate("m", "1", 0, 0, 0))
	f("bounded", newTestLimiter(10).gate("m", "1", 5, 1e12, 1e12))
}
