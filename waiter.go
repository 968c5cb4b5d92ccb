package plexus

import (
	"cmp"
	"slices"
	"sync/atomic"
)

// waiter is a request that waits for a slot, at all the providers that could
// serve it. Whichever has one first lets it in.
type waiter struct {
	came  int64 // the stamp of its arrival
	want  tally
	gates []*gate // of the lanes that it may go, best first

	state atomic.Int32
	ready chan struct{} // closed when it has been let in

	// Of a waiter that has been let in.
	slot slot
	lane int // the index of its gate
}

// The states of a waiter.
const (
	waiterWaits int32 = iota
	waiterLetIn
	waiterLeft
)

func newWaiter(came int64, want tally, gates []*gate) *waiter {
	return &waiter{came: came, want: want, gates: gates, ready: make(chan struct{})}
}

func (w *waiter) waits() bool { return w.state.Load() == waiterWaits }

// limiters are those of the providers at which it waits.
func (w *waiter) limiters() (all []*limiter) {
	for _, g := range w.gates {
		if !slices.Contains(all, g.limiter) {
			all = append(all, g.limiter)
		}
	}
	return all
}

// join puts it behind all who came before it. Where there is room already it is
// let in at once.
func (w *waiter) join(now int64) {
	for _, l := range w.limiters() {
		l.mu.Lock()
		at, _ := slices.BinarySearchFunc(l.waiters, w, func(a, b *waiter) int { return cmp.Or(cmp.Compare(a.came, b.came), -1) })
		l.waiters = slices.Insert(l.waiters, at, w)
		// Before the look: a lesson that comes behind it has to see the waiter.
		l.waiting.Store(int64(len(l.waiters)))
		l.handOver(now)
		l.mu.Unlock()
	}
}

// refresh looks whether time has made room.
func (w *waiter) refresh(now int64) {
	for _, l := range w.limiters() {
		l.serve(now)
	}
}

// serve lets in those who wait, as far as there is room.
func (l *limiter) serve(now int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handOver(now)
}

// leave ends the waiting. It tells whether the waiter has been let in before it
// could leave; the slot is its own then.
func (w *waiter) leave(now int64) (letIn bool) {
	if letIn = !w.state.CompareAndSwap(waiterWaits, waiterLeft); letIn {
		<-w.ready
	}
	w.refresh(now) // which drops it, and serves those whom it stood before
	return letIn
}

// opens is the soonest time at which one of its lanes may have room: now, where
// others have to leave first. Beside it, the soonest at which the passing of time
// makes any; 0 for none.
func (w *waiter) opens(now int64) (soonest, next int64) {
	soonest = 1<<63 - 1
	for _, g := range w.gates {
		g.limiter.mu.Lock()
		at := g.opens(w.want, now)
		g.limiter.mu.Unlock()
		soonest = min(soonest, at)
		if at > now && (next == 0 || at < next) {
			next = at
		}
	}
	return soonest, next
}
