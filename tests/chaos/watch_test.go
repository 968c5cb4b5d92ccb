package chaos

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// watch sees to it that a target that is known to be bad is left alone. It works
// by what happened before what, and by no other clock: who asks after a client
// has had the answer to a request that failed at a target must not come to that
// target before the shortest pause since that request began is over.
type watch struct {
	mu      sync.Mutex
	since   time.Time // the request began
	known   time.Time // its client had the answer
	until   time.Time // the pause lasts at least
	last    time.Time // arrival of an attempt that may have ended the pause
	suspect []intrusion
}

type intrusion struct {
	at   time.Time
	text string
}

// arrived notes an attempt that may end a pause.
func (w *watch) arrived(at time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = at
}

// failed notes a failure for which the target is left alone.
func (w *watch) failed(a *answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if until := a.started.Add(leastPause); until.After(w.until) {
		w.since, w.known, w.until = a.started, a.ended, until
	}
}

// asked notes a request that came to the target.
func (w *watch) asked(a *answer, t *attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if a.started.After(w.known) && t.at.Before(w.until) && w.last.Before(w.since) {
		w.suspect = append(w.suspect, intrusion{t.at, fmt.Sprintf("%s came to %s, which was to be left alone for %s more", a.q, t.target, w.until.Sub(t.at))})
	}
}

// settled are the intrusions that nothing excuses: while a steady target has
// been given up, for the machine was slow, the bad ones may be asked.
func (w *watch) settled(excuses []time.Time) (out []string) {
	for _, in := range w.suspect {
		excused := false
		for _, at := range excuses {
			excused = excused || in.at.Sub(at).Abs() < 10*time.Second
		}
		if !excused {
			out = append(out, in.text)
		}
	}
	return out
}

// The watch finds who comes to a target that is known to be bad.
func TestWatch(t *testing.T) {
	start := time.Now()
	at := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	f := func(good, began, arrived int, want int) {
		t.Helper()
		w := new(watch)
		w.failed(&answer{started: at(0), ended: at(20)})
		w.arrived(at(good))
		w.asked(&answer{started: at(began), q: new(question)}, &attempt{at: at(arrived)})
		require.Len(t, w.settled(nil), want)
		require.Empty(t, w.settled([]time.Time{at(0)}))
	}
	f(-10, 30, 31, 1)
	f(-10, 10, 31, 0)   // under way already
	f(-10, 30, 450, 0)  // the pause is over
	f(10, 30, 31, 0)    // a success may have ended it
	f(-10, 450, 451, 0) // a probe
}
