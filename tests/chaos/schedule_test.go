package chaos

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// schedule decides what every provider does at every time. It is a function of
// its seed alone, so that a run can be had again.
type schedule struct {
	seed uint64
	// calm makes everybody behave, before and after the chaos.
	calm bool
}

// phase is a stretch of time in which each target has one fault, or none.
type phase struct {
	step   int
	length time.Duration
	// reload: another configuration is loaded as it begins.
	reload bool
}

// spell is what a target does in a phase.
type spell struct {
	fault *fault
	// share of the requests that meet the fault.
	share float64
	// flap: the fault comes and goes at this interval.
	flap time.Duration
}

func (s spell) String() string {
	text := s.fault.name
	if s.share < 1 {
		text += fmt.Sprintf(" for %.0f %%", 100*s.share)
	}
	if s.flap > 0 {
		text += fmt.Sprintf(", on and off every %s", s.flap)
	}
	return text
}

func (s schedule) chance(purpose, step int) *rand.Rand {
	return rand.New(rand.NewPCG(s.seed, uint64(purpose)<<40|uint64(step)))
}

const (
	shortest = 300 * time.Millisecond
	longest  = 2 * time.Second
	// forPhases is the purpose of the chance that makes phases; a target's is
	// its number.
	forPhases = 1 << 20
)

func (s schedule) phase(step int) phase {
	chance := s.chance(forPhases, step)
	return phase{
		step:   step,
		length: shortest + time.Duration(chance.Int64N(int64(longest-shortest))),
		reload: chance.IntN(4) == 0,
	}
}

// spell is what a target does in the step.
func (s schedule) spell(t *target, step int) spell {
	chance := s.chance(t.number, step)
	if s.calm || !t.badIn(step) {
		return spell{fault: good(), share: 1}
	}
	faults := t.faults()
	out := spell{fault: faults[chance.IntN(len(faults))], share: 1}
	switch chance.IntN(4) {
	case 0:
		out.share = []float64{.2, .5, .9}[chance.IntN(3)]
	case 1:
		out.flap = 100 * time.Millisecond
	case 2:
		if t.turns == 0 {
			out = spell{fault: good(), share: 1}
		}
	}
	return out
}

// strikes tells whether the n-th request of a step meets the fault.
func (s schedule) strikes(sp spell, t *target, step int, since time.Duration, n int64) bool {
	switch {
	case sp.flap > 0 && since/sp.flap%2 == 1:
		return false
	case sp.share < 1:
		return s.chance(t.number, step<<20|int(n&0xfffff)|1<<39).Float64() < sp.share
	}
	return true
}

// describe tells of the steps around one, for a run that failed.
func (s schedule) describe(targets []*target, step int) string {
	var text strings.Builder
	for i := max(0, step-2); i <= step; i++ {
		p := s.phase(i)
		fmt.Fprintf(&text, "  step %d, %s", i, p.length.Round(time.Millisecond))
		if p.reload {
			text.WriteString(", after a reload")
		}
		text.WriteString(":")
		for _, t := range targets {
			fmt.Fprintf(&text, " %s: %s;", t.name, s.spell(t, i))
		}
		text.WriteString("\n")
	}
	return text.String()
}

func TestScheduleIsAFunctionOfItsSeed(t *testing.T) {
	_, targets := newSetups()
	first, second, other := schedule{seed: 7}, schedule{seed: 7}, schedule{seed: 8}
	require.Equal(t, first.describe(targets, 2), second.describe(targets, 2))
	require.NotEqual(t, first.describe(targets, 2), other.describe(targets, 2))
	seen := map[string]bool{}
	for step := range 2000 {
		p := first.phase(step)
		require.GreaterOrEqual(t, p.length, shortest)
		require.Less(t, p.length, longest)
		for _, target := range targets {
			sp := first.spell(target, step)
			seen[sp.fault.name] = true
			if target.steady {
				require.Equal(t, serves, sp.fault.stream, "a steady target serves")
				require.Equal(t, serves, sp.fault.whole, "a steady target serves")
			}
		}
	}
	for _, f := range concat(quickFaults(), slowFaults(), lateFaults(), harmless(), refusals()) {
		require.True(t, seen[f.name], "the schedule has no %s", f.name)
	}
	half, struck := spell{fault: good(), share: .5}, 0
	for n := range int64(1000) {
		if first.strikes(half, targets[0], 1, 0, n) {
			struck++
		}
	}
	require.InDelta(t, 500, struck, 80)
}
