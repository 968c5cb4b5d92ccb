package plexus

import (
	"math"
	"slices"
	"sync"
	"time"
)

// recent are the latest times to first content of a target, of which quantiles
// are taken. It is kept only where a model hedges by one.
type recent struct {
	mu      sync.Mutex
	count   int
	samples [maxRecent]sample // the latest overwrites the oldest
}

type sample struct {
	took time.Duration
	at   time.Time
}

const (
	maxRecent = 128
	// minRecent is how many samples it takes to speak of a quantile.
	minRecent = 20
)

func (r *recent) add(took time.Duration, now time.Time) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples[r.count%maxRecent] = sample{took, now}
	r.count++
}

// quantile is the smallest sample that at least a share of them do not exceed, of
// those that are not stale, if these are enough.
func (r *recent) quantile(share float64, now time.Time) (time.Duration, bool) {
	if r == nil {
		return 0, false
	}
	var room [maxRecent]time.Duration
	fresh := room[:0]
	r.mu.Lock()
	for _, s := range r.samples[:min(r.count, maxRecent)] {
		if now.Sub(s.at) < staleAfter {
			fresh = append(fresh, s.took)
		}
	}
	r.mu.Unlock()
	if len(fresh) < minRecent {
		return 0, false
	}
	slices.Sort(fresh)
	return fresh[max(int(math.Ceil(share*float64(len(fresh))))-1, 0)], true
}
