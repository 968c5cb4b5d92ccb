package chaos

import (
	"cmp"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// spans are the times in which a target was certainly at work on a request of the
// gateway's: of whole answers, from their request's arrival to the last write.
// What is given up is none, for a provider learns of that late.
type spans struct {
	mu    sync.Mutex
	edges []edge
	peak  int // of all that has been forgotten
}

type edge struct {
	at   time.Time
	step int // 1 where one begins, -1 where one ends
}

func (s *spans) add(from, to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.edges = append(s.edges, edge{from, 1}, edge{to, -1})
}

// most is how many there were at a time. It forgets them then, so it is to be
// asked only at rest.
func (s *spans) most() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.edges, func(a, b edge) int { return cmp.Or(a.at.Compare(b.at), a.step-b.step) })
	now := 0
	for _, e := range s.edges {
		now += e.step
		s.peak = max(s.peak, now)
	}
	s.edges = nil
	return s.peak
}

func TestSpans(t *testing.T) {
	start := time.Now()
	f := func(want int, times ...int) {
		t.Helper()
		s := new(spans)
		for i := 0; i < len(times); i += 2 {
			s.add(start.Add(time.Duration(times[i])), start.Add(time.Duration(times[i+1])))
		}
		require.Equal(t, want, s.most())
		require.Equal(t, want, s.most())
	}
	f(0)
	f(1, 0, 5, 5, 7)
	f(2, 0, 5, 4, 7, 7, 9)
	f(3, 0, 9, 1, 8, 2, 3)
}
