package plexus

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

// An answer that does not fit into the stream that keep-alives have begun does not
// end the attempt beside it, nor does it take the request from whoever comes next.
func TestAnUnfitAnswerDoesNotWinTheRace(t *testing.T) {
	d := &dialects[0]
	// Nobody here understands the request, so that nothing can be translated.
	const body = `{"model":"fast","stream":true,"messages":7}`
	whole := func() *script {
		s := plays(chatAnswer)
		s.kind, s.dial = "application/json", 8*time.Second
		return s
	}
	f := func(asked [3]int, scripts ...*script) {
		t.Helper()
		g := play(t, d.api, "keep_alive 5s", " hedge 1s\n", scripts...)
		synctest.Test(t, func(t *testing.T) {
			got := g.ask(t, d.path, body, nil)
			require.Equal(t, strings.Repeat(": keep-alive\n\n", strings.Count(got.heard.String(), ": keep-alive\n\n"))+chatRole+chatHello+chatStop+chatDone, got.heard.String())
			for i, s := range scripts {
				require.Equal(t, asked[i], s.asked, "p%d", i+1)
			}
		})
	}
	f([3]int{1, 1}, d.plays(20*time.Second, d.opening, d.content, d.end), whole())
	f([3]int{1, 1, 1}, whole(), whole(), &script{steps: []any{d.opening, d.content, d.end}, wants: body[len(`{"model":"fast"`):]})
}

// The second target's refusal is the client's business once the first has failed.
func TestARefusalOfTheSecondAfterTheFirstFailed(t *testing.T) {
	d := &dialects[0]
	first, second := plays(), plays(`{"error":{"message":"no such parameter"}}`)
	first.status, first.dial = 503, 5*time.Second
	second.kind, second.status, second.dial = "application/json", 400, 8*time.Second
	g := play(t, d.api, "", " hedge 1s\n", first, second)
	synctest.Test(t, func(t *testing.T) {
		got := g.ask(t, d.path, d.body, nil)
		require.Equal(t, 400, got.status, got.heard.String())
	})
}

// Each of two attempts has one verdict, whenever the client leaves.
func TestHedgedAttemptsOfAClientThatLeavesAreCountedOnce(t *testing.T) {
	f := func(hung bool, want map[string]float64) {
		t.Helper()
		a, b := newSlow(t, says(503, "")), newSlow(t, says(200, chatAnswer))
		g, url := hedging(t, soon, justChat, a.URL, b.URL)
		verdicts := map[string]float64{}
		for name := range want {
			verdicts[name] = verdictsOf(t, name)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			<-a.asked
			<-b.asked
			if !hung {
				a.unblock()
				for g.router.names["fast"].targets[0].free(g.now()) {
					time.Sleep(time.Millisecond)
				}
			}
			cancel()
		}()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(askFast))
		require.NoError(t, err)
		_, err = http.DefaultClient.Do(req)
		require.Error(t, err)
		<-b.left
		for name, more := range want {
			awaits(t, name, func() bool { return verdictsOf(t, name) == verdicts[name]+more })
		}
		awaits(t, "nothing is under way", func() bool { return g.router.names["fast"].targets[0].state.inFlight.Load() == 0 })
		for name, more := range want {
			require.InDelta(t, verdicts[name]+more, verdictsOf(t, name), 0.1, name)
		}
	}
	f(true, map[string]float64{"p1 canceled": 1, "p2 canceled": 1})
	f(false, map[string]float64{"p1 status": 1, "p1 canceled": 0, "p2 canceled": 1})
}

// verdictsOf is how many attempts at a provider had a verdict.
func verdictsOf(t *testing.T, name string) (sum float64) {
	t.Helper()
	provider, verdict, _ := strings.Cut(name, " ")
	registry := prometheus.NewRegistry()
	require.NoError(t, registry.Register(metrics.attempts))
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			of := map[string]string{}
			for _, label := range m.GetLabel() {
				of[label.GetName()] = label.GetValue()
			}
			if of["provider"] == provider && of["verdict"] == verdict {
				sum += m.GetCounter().GetValue()
			}
		}
	}
	return sum
}
