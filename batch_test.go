package plexus

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What lies behind each other in the reader's memory is not copied, and what does
// not leaves that memory as it is.
func TestBatchAdd(t *testing.T) {
	memory := []byte("one two three four")
	var b batch
	b.add(memory[:4])
	b.add(memory[4:8])
	require.Equal(t, "one two ", string(b.out))
	require.Same(t, &memory[0], &b.out[0])

	b.add([]byte("2.5 "))
	b.add(memory[8:14])
	require.Equal(t, "one two 2.5 three ", string(b.out))
	require.Equal(t, "one two three four", string(memory))

	// A part of what has been sent is no part of what follows.
	b.out = nil
	b.add(memory[14:])
	require.Equal(t, "four", string(b.out))
	require.Same(t, &memory[14], &b.out[0])
}

func TestBatchAddAllocatesNothing(t *testing.T) {
	memory := make([]byte, 4<<10)
	var b batch
	require.Zero(t, testing.AllocsPerRun(10, func() {
		b.out = nil
		for i := 0; i < len(memory); i += 128 {
			b.add(memory[i : i+128])
		}
	}))
	require.Len(t, b.out, len(memory))
}

func TestLeadJoins(t *testing.T) {
	type step struct {
		unsent, ahead int
		joins         bool
	}
	f := func(steps ...step) {
		t.Helper()
		var l lead
		for i, s := range steps {
			require.Equal(t, s.joins, l.joins(s.unsent, s.ahead), "step %d", i)
		}
	}
	f(step{200, 0, false}, step{200, 400, false}, step{200, 200, false}, step{200, 0, false})
	f(step{200, maxAhead, false}, step{200, 0, false}, step{200, 100, false})
	f(step{200, maxAhead + 1, true}, step{400, 10, true}, step{800, 0, false})
	// It has been far ahead, and may be so again.
	f(step{200, maxAhead + 1, true}, step{400, 0, false}, step{200, 0, false}, step{200, 100, true}, step{400, 0, false})
	// A large event is no lead.
	f(step{4 * maxAhead, 100, false}, step{200, 100, false})
	// There is an end to what is held.
	f(step{keptBuffer - 1, 2 * maxAhead, true}, step{keptBuffer, 200, false}, step{200, 200, true})
}
