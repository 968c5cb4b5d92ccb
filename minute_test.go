package plexus

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// However requests come, no sixty seconds hold more than are allowed, and after
// a pause as many may come again.
func TestMinuteNeverHoldsMore(t *testing.T) {
	const allowed, sixty = 50, int64(60_000)
	chance := rand.New(rand.NewPCG(1, 2))
	m, admitted := new(minute), []int64(nil) // milliseconds
	for now := int64(1e9); now < 1e9+30*sixty; now += chance.Int64N(2000) {
		for range chance.IntN(12) {
			if m.used(now/1000)+1 <= allowed {
				m.add(now/1000, 1)
				admitted = append(admitted, now)
			}
		}
	}
	for i, at := range admitted {
		first, _ := slices.BinarySearch(admitted, at-sixty+1)
		require.LessOrEqual(t, i-first+1, allowed, "in the minute before %d", at)
	}
	require.Greater(t, len(admitted), 30*allowed*60/span*95/100, "what is allowed is used")
}

func TestMinute(t *testing.T) {
	m := new(minute)
	f := func(second, want int64) {
		t.Helper()
		require.Equal(t, want, m.used(second))
	}
	m.add(100, 3)
	m.add(101, 4)
	m.add(130, 5)
	f(130, 12)
	require.EqualValues(t, 130, m.opens(130, 12), "it is open")
	require.EqualValues(t, 161, m.opens(130, 11))
	require.EqualValues(t, 161, m.opens(130, 9))
	require.EqualValues(t, 162, m.opens(130, 8))
	require.EqualValues(t, 191, m.opens(130, 0))
	f(160, 12)
	f(161, 9)
	m.add(100, 7)
	f(161, 9) // of a second that is forgotten
	m.add(130, -2)
	f(161, 7) // given back
	f(159, 7) // a clock that is set back changes nothing
	f(162, 3)
	f(191, 0)
	m.add(1000, 1)
	f(1000, 1)
	f(5000, 0)
}
