package plexus

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// nested are models that stand among the targets of others, over two levels.
const nested = `
	provider a openai {
		base_url http://a.nested.example/v1
	}
	provider b openai {
		base_url http://b.nested.example/v1
	}
	provider c anthropic {
		base_url http://c.nested.example/v1
	}
	model outer {
		selector in_order
		target a first
		target alias:best
		target b last
	}
	model middle best {
		selector in_order
		target alias:inner
		target c middle
		target a first
	}
	model inner {
		selector in_order
		target b one
		target c two
	}
`

// planOf is the plan for a request in OpenAI's chat API.
func planOf(t *testing.T, g *Gateway, alias string, now time.Time) (order []string, free int) {
	t.Helper()
	route, err := g.router.Resolve(alias)
	require.NoError(t, err)
	plan, free, err := route.plan(&operation{verb: verbGenerate, api: api.Chat}, estimate{input: 1000, output: 500}, now, nil)
	require.NoError(t, err)
	return names(plan), free
}

func TestModelsAmongTargets(t *testing.T) {
	g := newGateway(t, nested)
	now := time.Now()
	f := func(alias, want string) {
		t.Helper()
		order, free := planOf(t, g, alias, now)
		require.Equal(t, want, strings.Join(order, " "))
		require.Equal(t, len(order), free)
	}
	f("inner", "b/one c/two")
	f("middle", "b/one c/two c/middle a/first")
	f("outer", "a/first b/one c/two c/middle b/last") // a/first comes once, where it comes first

	route, err := g.router.Resolve("outer")
	require.NoError(t, err)
	require.Equal(t, "outer", route.Alias)
	for _, target := range route.Targets {
		require.Empty(t, target.alias, "what is asked is always a provider's model")
	}
	require.Len(t, g.targets(), 5)
}

// Each model among the targets puts its own in order, as it likes.
func TestAPIMatchOfModelsAmongTargets(t *testing.T) {
	plan := func(block, want string) {
		t.Helper()
		g := newGateway(t, `
			provider a openai {
				base_url http://a.match.example/v1
			}
			provider c anthropic {
				base_url http://c.match.example/v1
			}
		`+block)
		order, _ := planOf(t, g, "outer", time.Now())
		require.Equal(t, want, strings.Join(order, " "))
	}
	const inner = "model inner {\n selector in_order\n target c two\n target a one\n"
	plan("model outer {\n selector in_order\n target c three\n target alias:inner\n}\n"+inner+"}", "c/three c/two a/one")
	plan("model outer {\n selector in_order\n target c three\n target alias:inner\n}\n"+inner+"api_match\n}", "c/three a/one c/two")
	plan("model outer {\n selector in_order\n api_match\n target c three\n target alias:inner\n}\n"+inner+"}", "c/two a/one c/three")
}

// A weight is that of the whole model, however many targets it has.
func TestWeightOfAModelAmongTargets(t *testing.T) {
	g := newGateway(t, `
		provider a openai {
			base_url http://a.weight.example/v1
		}
		model outer {
			target a x 70
			target alias:inner 30
		}
		model inner {
			target a y 90
			target a z 10
		}
	`)
	source := rand.New(rand.NewPCG(3, 4))
	for _, alias := range []string{"outer", "inner"} {
		g.router.names[alias].selector = &Random{luck{source.Float64}}
	}
	first := map[string]int{}
	const calls = 4000
	for range calls {
		order, _ := planOf(t, g, "outer", t0)
		require.Len(t, order, 3)
		first[order[0]]++
	}
	// Four standard deviations of a binomial distribution.
	require.InDelta(t, .70*calls, first["a/x"], 116)
	require.InDelta(t, .27*calls, first["a/y"], 113)
	require.InDelta(t, .03*calls, first["a/z"], 44)
}

// All that are free come before those that are not, wherever they are.
func TestCooldownInAModelAmongTargets(t *testing.T) {
	g := newGateway(t, nested)
	clock := fakeClock(g)
	route, err := g.router.Resolve("outer")
	require.NoError(t, err)
	blame := func(names ...string) {
		for _, target := range route.Targets {
			for _, name := range names {
				if target.String() == name {
					g.blame(attemptAt(target, g.now()), &failure{})
				}
			}
		}
	}
	f := func(want int, order string) {
		t.Helper()
		got, free := planOf(t, g, "outer", g.now())
		require.Equal(t, order, strings.Join(got, " "))
		require.Equal(t, want, free)
	}
	blame("b/one")
	f(4, "a/first c/two c/middle b/last b/one")
	blame("a/first", "c/two")
	f(2, "c/middle b/last a/first b/one c/two")
	blame("c/middle", "b/last")
	f(0, "a/first b/one c/two c/middle b/last") // as if all were well
	clock.advance(10 * time.Second)
	f(5, "a/first b/one c/two c/middle b/last")
}

// An inner model takes a step of its rotation only when it is the first choice:
// else the turns of two rotations would fall into step.
func TestRotationOfAModelAmongTargets(t *testing.T) {
	g := newGateway(t, `
		provider a openai {
			base_url http://a.rotation.example/v1
		}
		model outer {
			selector round_robin
			target a x
			target alias:inner
		}
		model inner {
			selector round_robin
			target a y
			target a z
		}
	`)
	var first []string
	for range 8 {
		order, _ := planOf(t, g, "outer", t0)
		require.Len(t, order, 3)
		first = append(first, order[0])
	}
	require.Equal(t, "a/x a/y a/x a/z a/x a/y a/x a/z", strings.Join(first, " "))
}

// A model counts for as much as the best of its targets.
func TestFiguresOfAModelAmongTargets(t *testing.T) {
	f := func(selector, want string) {
		t.Helper()
		g := newGateway(t, strings.ReplaceAll(`
			provider a openai {
				base_url http://a.{selector}.example/v1
				models {
					x price 2 2
					y price 3 3
					z price 1 1
				}
			}
			model outer {
				selector {selector}
				target a x
				target alias:inner
			}
			model inner {
				selector in_order
				target a y
				target a z
			}
		`, "{selector}", selector))
		now := time.Now()
		for _, target := range g.router.names["outer"].targets {
			seconds := map[string]time.Duration{"x": 2, "y": 4, "z": 1}[target.Model]
			f := target.state.begin(false, true, now.Add(-seconds*time.Second))
			f.answered(now)
			f.end()
			target.state.observeOutputRate(100, now)
		}
		order, _ := planOf(t, g, "outer", now)
		require.Equal(t, want, strings.Join(order, " "))
	}
	f("cost", "a/y a/z a/x")
	f("latency", "a/y a/z a/x")
	f("performance", "a/y a/z a/x")
}

func TestFiguresThatNobodyKnows(t *testing.T) {
	targets := candidates(1, 1)
	outer := &Target{Provider: targets[0].Provider, alias: "m", members: targets, state: new(targetState)}
	_, known := outer.FirstContent(t0)
	require.False(t, known)
	_, known = outer.OutputRate(t0)
	require.False(t, known)
	_, known = (&Selection{Now: t0}).Cost(outer)
	require.False(t, known)

	targets[1].saw(time.Second, t0)
	targets[0].state.observeOutputRate(10, t0)
	targets[1].state.observeOutputRate(20, t0)
	targets[0].Price = priced(t, 1, 1)
	first, known := outer.FirstContent(t0)
	require.True(t, known)
	require.Equal(t, time.Second, first)
	rate, known := outer.OutputRate(t0)
	require.True(t, known)
	require.InDelta(t, 20, rate, 0)
	cost, known := (&Selection{InputTokens: 1000, Now: t0}).Cost(outer)
	require.True(t, known)
	require.Equal(t, "0.001", cost.String())
	require.Equal(t, "alias:m", outer.String())
}

func TestDisabledModelsAmongTargets(t *testing.T) {
	g := newGateway(t, `
		provider a openai
		provider off openai {
			disabled
		}
		model outer {
			target alias:inner
			target alias:nothing
			target a y {
				disabled
			}
			target alias:other {
				disabled
			}
		}
		model inner {
			target a x
			target off x
		}
		model other {
			target a z
		}
		model nothing {
			target off x
		}
		model all-off {
			target alias:nothing
		}
	`)
	order, free := planOf(t, g, "outer", t0)
	require.Equal(t, []string{"a/x"}, order)
	require.Equal(t, 1, free)
	_, err := g.router.Resolve("all-off")
	require.ErrorIs(t, err, ErrNoEnabledTargets)
}

func TestModelsAmongTargetsAreChecked(t *testing.T) {
	f := func(block, want string) {
		t.Helper()
		_, err := loadGateway(t, "provider a openai\nmodel fast quick {\n target a x\n}\n"+block)
		require.ErrorContains(t, err, want)
	}
	f("model m {\n target alias:fats\n}", `model "m": target alias:fats: model "fats" is not defined; did you mean "fast"?`)
	f("model fasts {\n target alias:fasts2\n}", `model "fasts": target alias:fasts2: model "fasts2" is not defined; did you mean "fast"?`)
	f("model m {\n target alias:a/x\n}", `model "a/x" is not defined`)
	f("model m {\n target alias:fast\n target alias:quick\n}", `model "m": target alias:quick is listed twice`)
	f("model m n {\n target alias:n\n}", `model "m": targets lead in a circle: m → m`)
	f("model m {\n target alias:n\n}\nmodel n {\n target a x\n target alias:m\n}", `model "m": targets lead in a circle: m → n → m`)
	f("model o {\n target alias:m\n}\nmodel m {\n target alias:n\n}\nmodel n {\n target alias:m {\n disabled\n}\n}", `targets lead in a circle: m → n → m`)
	f("provider alias:b openai", `provider "alias:b": the name begins with alias:, with which targets name models`)
}

func TestOnlyJSONCanSayTwoThingsOfATarget(t *testing.T) {
	zero := 0.0
	f := func(mt ModelTarget, want string) {
		t.Helper()
		g := &Gateway{
			Providers: []*Provider{{Name: "openai"}},
			Models:    []*Model{{Alias: "m", Targets: []ModelTarget{{Provider: "openai", Model: "a"}}}, {Alias: "n", Targets: []ModelTarget{mt}}},
		}
		require.ErrorContains(t, provision(t, g), want)
	}
	f(ModelTarget{Alias: "m", Provider: "openai"}, `model "n": target alias:m: it is another model already`)
	f(ModelTarget{Alias: "m", Model: "a"}, `model "n": target alias:m: it is another model already`)
	f(ModelTarget{Alias: "m", Weight: &zero}, `model "n": target alias:m: the weight 0 is not positive`)
}

// The alias that the client asked for is what its key has to allow, and what the
// answer goes by.
func TestKeysAndModelsAmongTargets(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	g := newGateway(t, `
		provider p {
			base_url `+p.URL+`/v1
		}
		model outer {
			target alias:inner
		}
		model inner {
			target p m
		}
		key k secret {
			models outer
		}
	`)
	url := serveGateway(t, g).URL
	got := post(t, url+"/v1/chat/completions", `{"model":"outer","messages":[]}`, "Authorization", "Bearer secret")
	require.Equal(t, 200, got.status)
	require.Equal(t, "m", got.header.Get("X-Plexus-Model"))
	got = post(t, url+"/v1/chat/completions", `{"model":"inner","messages":[]}`, "Authorization", "Bearer secret")
	require.Equal(t, 403, got.status)
}

// A reload knows a rotation again, although nothing of it is a provider's model.
func TestRotationOfAModelAmongTargetsOutlivesAReload(t *testing.T) {
	block := `
		provider a openai {
			base_url http://a.reload.example/v1
		}
		model outer {
			selector round_robin
			target a x
			target alias:inner
		}
		model inner {
			target a y
		}
	`
	g := newGateway(t, block)
	order, _ := planOf(t, g, "outer", t0)
	require.Equal(t, []string{"a/x", "a/y"}, order)
	order, _ = planOf(t, newGateway(t, block), "outer", t0)
	require.Equal(t, []string{"a/y", "a/x"}, order)
}

func BenchmarkPlan(b *testing.B) {
	f := func(name, alias string) {
		b.Run(name, func(b *testing.B) {
			g := newGateway(b, nested)
			route, err := g.router.Resolve(alias)
			require.NoError(b, err)
			op, now := operation{verb: verbGenerate, api: api.Chat}, time.Now()
			var room [8]*Target
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := route.plan(&op, estimate{}, now, room[:0]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	f("targets", "inner")
	f("models", "outer")
}

// A model of providers' models alone plans with one allocation, the selector's
// view of the request, and windows cost nothing that nobody asked for.
func TestPlainModelsPayNothingForOthers(t *testing.T) {
	g := newGateway(t, nested)
	route, err := g.router.Resolve("inner")
	require.NoError(t, err)
	op, req, now := operation{verb: verbGenerate, api: api.Chat}, request{}, time.Now()
	var room [8]*Target
	require.LessOrEqual(t, testing.AllocsPerRun(100, func() {
		route.fit(&req, &op, estimate{})
		_, _, _ = route.plan(&op, estimate{}, now, room[:0])
	}), 1.0)
}

// A model is as busy as all of its targets, keeps conversations by its own name,
// and has the weight of the best of them.
func TestLoadOfAModelAmongTargets(t *testing.T) {
	targets := candidates(1, 1, 1)
	outer := func(members ...*Target) *Target {
		return &Target{Provider: members[0].Provider, Model: members[0].Model, Weight: 2, alias: "m", members: members, state: new(targetState)}
	}
	flight := targets[0].state.begin(true, true, t0)
	targets[1].state.begin(true, true, t0)
	require.EqualValues(t, 2, outer(targets...).InFlight())
	flight.end()
	require.EqualValues(t, 1, outer(targets...).InFlight())
	require.InDelta(t, outer(targets...).fate(7), outer(targets[1]).fate(7), 0, "whichever of them may be asked")
	require.NotEqual(t, targets[0].fate(7), outer(targets...).fate(7))

	g := newGateway(t, nested)
	route, err := g.router.Resolve("inner")
	require.NoError(t, err)
	all := outer(route.Targets...)
	require.InDelta(t, 2, all.EffectiveWeight(g.now()), 0)
	g.blame(attemptAt(route.Targets[0], g.now()), &failure{})
	require.InDelta(t, 2, all.EffectiveWeight(g.now()), 0)
	g.blame(attemptAt(route.Targets[1], g.now()), &failure{})
	require.InDelta(t, 1.8, all.EffectiveWeight(g.now()), 1e-9)
}
