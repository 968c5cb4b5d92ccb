package plexus

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A provider's standing is good exactly while none of its breakers holds anything.
func TestStanding(t *testing.T) {
	c := policy(&Cooldown{Initial: 1e9})
	s := new(standing)
	one, two := &breaker{standing: s}, &breaker{standing: s}
	second := int64(time.Second)
	require.True(t, s.good())
	require.True(t, one.failed(c, &failure{}, 0, 1))
	require.False(t, s.good())
	one.failed(c, &failure{}, 2, 2)
	two.failed(c, &failure{}, 2, 2)
	require.Equal(t, int64(2), s.blemishes.Load(), "each counts once")
	require.True(t, two.clear())
	require.Equal(t, int64(1), s.blemishes.Load())

	require.True(t, one.answered(2*second))
	require.False(t, s.good(), "the failure is not forgotten")
	for range 64 {
		one.succeeded(c, 3*second)
	}
	require.True(t, s.good())

	two.restore(&savedBreaker{Failures: 1, Fails: 1, Until: time.Now().Add(time.Minute)}, time.Hour, time.Now())
	require.False(t, s.good())
	require.NoError(t, two.Destruct())
	require.True(t, s.good(), "what nobody uses any more does not count")
	two.failed(c, &failure{}, stamp(time.Now()), stamp(time.Now()))
	require.True(t, s.good())

	h := &healthState{breaker: breaker{standing: s}}
	require.True(t, h.missed("", 1, 1, second))
	require.False(t, s.good())
	require.True(t, h.passed())
	require.True(t, s.good())
}

// Where nothing is held against a provider the targets of a model are not looked
// at, and where anything is they are: the order is what it would be anyway.
func TestCalm(t *testing.T) {
	g := newGateway(t, `
		provider p none {
			base_url chat http://127.0.0.1:1/v1
		}
		provider q none {
			base_url messages http://127.0.0.1:1/v1
		}
		model fast {
			target p one 3
			target q two
			target p three
		}
	`)
	at := func(path string) *operation {
		op := operations[path]
		return &op
	}
	route, err := g.router.Resolve("fast")
	require.NoError(t, err)
	require.True(t, route.calm(at("/v1/chat/completions")))
	require.False(t, route.calm(at("/v1/embeddings")), "not all of them can be asked that")
	require.Equal(t, []float64{3, 1, 1}, route.route.weights)

	some := route
	some.Targets = route.Targets[:2]
	require.False(t, some.calm(at("/v1/chat/completions")), "some have been left out")
	some = Route{Passthrough: true, Targets: route.Targets[:1]}
	require.False(t, some.calm(at("/v1/chat/completions")), "it is no model's")

	now := g.now()
	route.Targets[1].state.failed(&g.Providers[1].cooldown, &failure{}, 0, stamp(now))
	require.False(t, route.calm(at("/v1/chat/completions")))
	order, free, err := route.plan(at("/v1/chat/completions"), estimate{}, now, nil)
	require.NoError(t, err)
	require.Equal(t, 2, free)
	require.NotContains(t, order[:free], route.Targets[1])
	route.Targets[1].state.clear()
	require.True(t, route.calm(at("/v1/chat/completions")))
	_, free, err = route.plan(at("/v1/chat/completions"), estimate{}, now, nil)
	require.NoError(t, err)
	require.Equal(t, 3, free)
}

// By chance the order is that of the weights, also where no target is looked at.
func TestCalmChance(t *testing.T) {
	g := largeGateway(1, 3, 0)
	g.Models[0].Targets[0].Weight = new(7.0)
	provisionLarge(t, g)
	first := map[*Target]int{}
	op := operations["/v1/chat/completions"]
	route, err := g.router.Resolve("alias-0")
	require.NoError(t, err)
	require.True(t, route.calm(&op))
	for range 9000 {
		order, _, err := route.plan(&op, estimate{}, g.now(), nil)
		require.NoError(t, err)
		first[order[0]]++
	}
	require.InDelta(t, 7000, first[route.Targets[0]], 250)
	require.InDelta(t, 1000, first[route.Targets[1]], 200)
	require.InDelta(t, 1000, first[route.Targets[2]], 200)
}
