package plexus

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/caddy-plexus/plexus/api"
)

// largeGateway has so many models, each of so many targets, and so many keys.
func largeGateway(models, targets, keys int) *Gateway {
	g := &Gateway{Providers: []*Provider{{Name: "p", BaseURLs: map[string]string{string(api.Chat): "http://127.0.0.1:1/v1"}}}}
	for m := range models {
		model := &Model{Alias: fmt.Sprintf("alias-%d", m)}
		for t := range targets {
			model.Targets = append(model.Targets, ModelTarget{Provider: "p", Model: fmt.Sprintf("m-%d-%d", m, t)})
		}
		g.Models = append(g.Models, model)
	}
	for k := range keys {
		g.Keys = append(g.Keys, &Key{Name: fmt.Sprintf("key-%d", k), Secret: fmt.Sprintf("secret-of-key-%d", k)})
	}
	return g
}

func provisionLarge(b testing.TB, g *Gateway) {
	b.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	b.Cleanup(cancel)
	require.NoError(b, g.Provision(ctx))
	b.Cleanup(func() { require.NoError(b, g.Cleanup()) })
	g.logger = zap.NewNop()
}

// BenchmarkRoute is all between a body and the first target that is asked, with
// a request for another model each time.
func BenchmarkRoute(b *testing.B) {
	f := func(models, targets int) {
		b.Run(fmt.Sprintf("models=%d/targets=%d", models, targets), func(b *testing.B) {
			g := largeGateway(models, targets, 0)
			provisionLarge(b, g)
			bodies := make([][]byte, models)
			for i := range bodies {
				bodies[i] = fmt.Appendf(nil, `{"model":"alias-%d","messages":[{"role":"user","content":"Who are you?"}]}`, i)
			}
			op, _ := operationOf(httptest.NewRequest(http.MethodPost, "/v1/chat/completions", nil))
			x := newExchange(g, httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/v1/chat/completions", nil), op)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				if err := x.choose(bodies[i*7919%models]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	f(1, 1)
	f(1, 10)
	f(10_000, 10)
}

// choose does what serve and dispatch do before the first attempt.
func (x *exchange) choose(body []byte) (err error) {
	x.req = request{body: body, read: true}
	if err = x.req.inspect(&x.op); err != nil {
		return err
	}
	if x.route, err = x.gateway.router.Resolve(x.req.model); err != nil {
		return err
	}
	if err = x.key.permit(&x.req, &x.route); err != nil {
		return err
	}
	expected := x.req.estimate(&x.op)
	x.want = x.wants(expected)
	if len(x.route.Targets) > 1 {
		x.route.of = x
		x.route.fit(&x.req, &x.op, expected)
	}
	order, free, err := x.route.plan(&x.op, expected, x.start, x.targets[:0])
	if err != nil {
		return err
	}
	x.plan = plan{targets: order, free: free}
	if _, _, ok := x.plan.next(); !ok {
		return ErrNoEnabledTargets
	}
	return nil
}

// BenchmarkProvision loads a configuration of many models and keys.
func BenchmarkProvision(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		g := largeGateway(10_000, 2, 100_000)
		ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
		b.StartTimer()
		if err := g.Provision(ctx); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		require.NoError(b, g.Cleanup())
		cancel()
		b.StartTimer()
	}
}
