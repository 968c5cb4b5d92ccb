package plexus

import (
	"time"

	"github.com/caddy-plexus/plexus/api"
)

// windowSlots is the length of a window in seconds: providers count by the minute.
const windowSlots = 60

// window is what a target took in the last minute, in steps of a second.
type window struct {
	slots  []consumption // none before the first answer
	sum    consumption
	second int64 // of the latest slot
}

// consumption is what answers took: their tokens, how many reported them, and how
// many did not.
type consumption struct{ tokens, known, unknown int64 }

func (c *consumption) add(more consumption, times int64) {
	c.tokens += times * more.tokens
	c.known += times * more.known
	c.unknown += times * more.unknown
}

// slide forgets what is older than a minute. A clock that is set back does not
// move the window.
func (w *window) slide(now time.Time) {
	second := stamp(now) / int64(time.Second)
	for n := min(second-w.second, int64(len(w.slots))); n > 0; n-- {
		oldest := &w.slots[(second-n+1)%windowSlots]
		w.sum.add(*oldest, -1)
		*oldest = consumption{}
	}
	w.second = max(w.second, second)
}

func (w *window) add(more consumption, now time.Time) {
	if w.slots == nil {
		w.slots = make([]consumption, windowSlots)
	}
	w.slide(now)
	w.slots[w.second%windowSlots].add(more, 1)
	w.sum.add(more, 1)
}

func (s *targetState) observeUsage(u api.Usage, now time.Time) {
	more := consumption{unknown: 1}
	if u.Known {
		more = consumption{tokens: u.Prompt() + u.Generated(), known: 1}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consumed.add(more, now)
}

// consumption is what the target took in the last minute.
func (s *targetState) consumption(now time.Time) consumption {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.consumed.slide(now)
	return s.consumed.sum
}
