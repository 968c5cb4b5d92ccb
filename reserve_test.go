package plexus

import (
	"math"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"
)

// Whoever has set GOGC has the say, and where memory is scarce there is none.
func TestReserve(t *testing.T) {
	f := func(percent int, limit int64, want int) {
		t.Helper()
		defer debug.SetGCPercent(debug.SetGCPercent(percent))
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(limit))
		require.Len(t, newReserve().unused, want)
	}
	f(100, math.MaxInt64, reserved)
	f(200, math.MaxInt64, 0)
	f(50, math.MaxInt64, 0)
	f(-1, math.MaxInt64, 0)
	f(100, 1<<30, reserved)
	f(100, 256<<20, 0)
}

// Two gateways have one, and the last one that goes takes it along.
func TestReserveIsShared(t *testing.T) {
	var one, two pooled
	one.reserve()
	two.reserve()
	count, exists := states.References(reserveKey)
	require.True(t, exists)
	require.GreaterOrEqual(t, count, 2)
	one.release()
	two.release()
	after, _ := states.References(reserveKey)
	require.Equal(t, count-2, after)
}
