package plexus

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// coolable is a gateway with one provider a URL, each with the models m and n.
func coolable(t *testing.T, urls ...string) (*Gateway, *clock, string) {
	t.Helper()
	t.Setenv("PLEXUS_TEST_COOL", "sk-")
	var block strings.Builder
	for i, url := range urls {
		fmt.Fprintf(&block, "provider p%d {\n base_url %s/v1\n base_url messages %s/v1\n api_key {env.PLEXUS_TEST_COOL}%d\n models m n\n}\n", i+1, url, url, i+1)
	}
	block.WriteString("model fast {\n selector in_order\n")
	for i := range urls {
		fmt.Fprintf(&block, " target p%d m\n", i+1)
	}
	block.WriteString("}\n")
	g := newGateway(t, block.String())
	return g, fakeClock(g), serveGateway(t, g).URL + "/v1/chat/completions"
}

// A refused credential keeps requests away from every model that needs it, and
// from no other provider; one that works again is back for all of them.
func TestARefusedCredentialCoolsAllItsTargets(t *testing.T) {
	refuse := true
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if refuse {
			says(401, `{"error":{"message":"no"}}`)(w, r)
			return
		}
		says(200, chatAnswer)(w, r)
	})
	good := newProvider(t, says(200, chatAnswer))
	_, clock, url := coolable(t, p.URL, good.URL)
	for range 9 {
		require.Equal(t, 502, post(t, url, `{"model":"p1/m"}`).status)
		clock.advance(time.Second)
	}
	count := p.count()
	got := post(t, url, `{"model":"p1/n"}`)
	require.Equal(t, 503, got.status)
	require.NotEmpty(t, got.header.Get("Retry-After"))
	require.Equal(t, 200, post(t, url, askFast).status)
	require.Equal(t, count, p.count())

	refuse = false
	clock.advance(time.Minute)
	require.Equal(t, 200, post(t, url, `{"model":"p1/n"}`).status)
	require.Equal(t, 200, post(t, url, `{"model":"p1/m"}`).status)
}

// After the pause one request finds out; the others don't wait for it. One whose
// client leaves gives its place to the next.
func TestOneRequestProbes(t *testing.T) {
	answer, left := make(chan http.HandlerFunc), make(chan struct{}, 1)
	bad := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case h := <-answer:
			h(w, r)
		case <-r.Context().Done():
			left <- struct{}{}
		}
	})
	good := newProvider(t, says(200, chatAnswer))
	g, clock, url := coolable(t, bad.URL, good.URL)
	ask := func(ctx context.Context) chan string {
		done := make(chan string, 1)
		go func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(askFast))
			if err != nil {
				done <- err.Error()
				return
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				done <- "gone"
				return
			}
			res.Body.Close()
			done <- res.Header.Get("X-Plexus-Provider")
		}()
		return done
	}
	first := ask(t.Context())
	answer <- says(500, "")
	require.Equal(t, "p2", <-first)
	clock.advance(10 * time.Second)

	ctx, leave := context.WithCancel(t.Context())
	probe := ask(ctx)
	awaits(t, "the probe is under way", func() bool { return bad.count() == 2 })
	for range 5 {
		require.Equal(t, "p2", post(t, url, askFast).header.Get("X-Plexus-Provider"))
	}
	require.Equal(t, 2, bad.count(), "the rest stays away")
	leave()
	require.Equal(t, "gone", <-probe)
	<-left // or it would take the next probe's answer
	b := &g.router.names["fast"].targets[0].state.breaker
	awaits(t, "the place is given back", func() bool { return b.state(g.now()) == stateHalfOpen })

	probe = ask(t.Context())
	answer <- says(200, chatAnswer)
	require.Equal(t, "p1", <-probe)
	awaits(t, "it is up again", func() bool { return b.state(g.now()) == stateUp })
}

// Where the only target is half open, those that come while its probe is under
// way are told when to come again.
func TestNoneBesideTheProbe(t *testing.T) {
	release := make(chan struct{})
	var p *provider
	p = newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if p.count() > 1 {
			<-release
		}
		says(429, "", "Retry-After", "30")(w, r)
	})
	_, clock, url := coolable(t, p.URL)
	require.Equal(t, 429, post(t, url, askFast).status)
	clock.advance(30 * time.Second)
	done := make(chan struct{})
	go func() {
		defer close(done)
		res, err := http.Post(url, "application/json", strings.NewReader(askFast))
		if err == nil {
			res.Body.Close()
		}
	}()
	awaits(t, "the probe is under way", func() bool { return p.count() == 2 })
	got := post(t, url, askFast)
	require.Equal(t, 503, got.status)
	require.Equal(t, "1", got.header.Get("Retry-After"))
	close(release)
	<-done
	require.Equal(t, 2, p.count())
}

// A second hiccup, while the first target is still left alone, is no failure: it
// may be back before its pause is over.
func TestACoolingTargetIsTheLastResort(t *testing.T) {
	var hiccup [2]bool
	targets := [2]*provider{}
	for i := range targets {
		targets[i] = newProvider(t, func(w http.ResponseWriter, r *http.Request) {
			if hiccup[i] {
				says(503, "")(w, r)
				return
			}
			says(200, chatAnswer)(w, r)
		})
	}
	_, _, url := coolable(t, targets[0].URL, targets[1].URL)
	hiccup = [2]bool{true, false}
	require.Equal(t, "p2", post(t, url, askFast).header.Get("X-Plexus-Provider"))
	hiccup = [2]bool{false, true}
	got := post(t, url, askFast)
	require.Equal(t, 200, got.status)
	require.Equal(t, "p1", got.header.Get("X-Plexus-Provider"))
	require.Equal(t, "2", got.header.Get("X-Plexus-Attempts"))
}

// A provider without a way to count tokens was left alone for all requests, once
// a coding agent had asked it to.
func TestAFailedCountBlamesNobody(t *testing.T) {
	p := newProvider(t, says(404, "page not found"))
	g, _, url := coolable(t, p.URL)
	got := post(t, strings.TrimSuffix(url, "chat/completions")+"messages/count_tokens", `{"model":"fast","messages":[{"role":"user","content":"hi"}]}`)
	require.Equal(t, 200, got.status)
	require.Equal(t, 1, p.count())
	require.Zero(t, g.router.names["fast"].targets[0].state.pauses())
}

// countsAnd answers what is counted, and all else by the handler.
func countsAnd(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/count_tokens") {
			says(200, `{"input_tokens":7}`)(w, r)
			return
		}
		h(w, r)
	}
}

// A target that counted tokens, but answered nothing, was up again by each count: a
// coding agent, which counts first, paid every turn with a failed attempt.
func TestACountForgivesNothing(t *testing.T) {
	counts, answers := newProvider(t, countsAnd(says(500, "{}"))), newProvider(t, says(200, chatAnswer))
	g := newGateway(t, fmt.Sprintf("provider a {\n base_url messages %s/v1\n}\nprovider b {\n base_url chat %s/v1\n}\nmodel fast {\n selector in_order\n target a m\n target b m\n}", counts.URL, answers.URL))
	url := serveGateway(t, g).URL + "/v1/messages"
	attempts := func() string {
		require.Equal(t, 200, post(t, url+"/count_tokens", askMessages).status)
		return post(t, url, askMessages).header.Get("X-Plexus-Attempts")
	}
	require.Equal(t, "2", attempts())
	require.Equal(t, "1", attempts())
	require.Equal(t, "1", attempts())
}

// Counts of tokens were among the times to first content, and made models look fast.
func TestCountsAreNoFirstContent(t *testing.T) {
	p := newProvider(t, countsAnd(says(200, messagesAnswer)))
	_, port, _ := strings.Cut(strings.TrimPrefix(p.URL, "http://"), ":")
	name := "counts-" + port // the metrics are those of all tests
	url := serveGateway(t, newGateway(t, fmt.Sprintf("provider %s none {\n base_url messages %s/v1\n}\nmodel fast {\n target %s m\n}", name, p.URL, name))).URL + "/v1/messages"
	require.Equal(t, 200, post(t, url+"/count_tokens", askMessages).status)
	_, series := countedOf(t, metrics.firstContent, name)
	require.Zero(t, series)
	require.Equal(t, 200, post(t, url, askMessages).status)
	_, series = countedOf(t, metrics.firstContent, name)
	require.Equal(t, 1, series)
}

// The only target was left alone for the whole pause, 10 seconds, though it had asked
// for one: to say nothing would have been better for it.
func TestTheOnlyTargetIsLeftAloneForAsLongAsItSays(t *testing.T) {
	f := func(refuses http.HandlerFunc) {
		t.Helper()
		var p *provider
		p = newProvider(t, func(w http.ResponseWriter, r *http.Request) {
			if p.count() == 1 {
				refuses(w, r)
				return
			}
			says(200, chatAnswer)(w, r)
		})
		_, clock, url := coolable(t, p.URL)
		require.NotEqual(t, 200, post(t, url, askFast).status)
		got := post(t, url, askFast)
		require.Equal(t, 503, got.status)
		require.Equal(t, "1", got.header.Get("Retry-After"))
		clock.advance(time.Second)
		require.Equal(t, 200, post(t, url, askFast).status)
	}
	f(says(429, "{}", "Retry-After", "1"))
	f(says(503, "{}", "Retry-After", "1"))
	f(says(429, `{"error":{"message":"Rate limit reached. Please try again in 120ms."}}`))
}

// `cooldown off` holds for what was held against a target before, too.
func TestCooldownOffForgivesAtOnce(t *testing.T) {
	const block = "provider lab {\n base_url http://127.0.0.1:1/v1\n api_key sk\n %s\n}\nmodel m {\n target lab off\n}"
	first := newGateway(t, fmt.Sprintf(block, ""))
	target := first.router.names["m"].targets[0]
	first.blame(attemptAt(target, first.now()), &failure{retryAfter: time.Minute})
	require.False(t, target.free(first.now()))
	second := newGateway(t, fmt.Sprintf(block, "cooldown off"))
	require.True(t, second.router.names["m"].targets[0].free(second.now()))
}

// The error of a request that finds all targets cooling down says which, and why.
func TestTheErrorOfCoolingTargetsSaysWhy(t *testing.T) {
	p := newProvider(t, says(429, "", "Retry-After", "20"))
	_, _, url := coolable(t, p.URL, p.URL)
	require.Equal(t, 429, post(t, url, askFast).status)
	got := post(t, url, askFast)
	require.Equal(t, 503, got.status)
	require.Contains(t, got.body, "try again in 20s: p1/m: 429 Too Many Requests; p2/m: 429 Too Many Requests")
	require.Equal(t, 2, p.count())
}

// A target that failed soon after it was back was down in silence: the last word was
// that it is up.
func TestATargetThatIsDownAgainIsTold(t *testing.T) {
	bad := true
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if bad {
			says(500, "")(w, r)
			return
		}
		says(200, chatAnswer)(w, r)
	})
	good := newProvider(t, says(200, chatAnswer))
	g, clock, url := coolable(t, p.URL, good.URL)
	core, logs := observer.New(zapcore.InfoLevel)
	g.logger = zap.New(core)
	told := func() (all []string) {
		for _, e := range logs.All() {
			if strings.HasPrefix(e.Message, "target ") {
				all = append(all, e.Message)
			}
		}
		return all
	}
	require.Equal(t, 200, post(t, url, askFast).status) // p1 fails
	bad = false
	clock.advance(time.Minute)
	require.Equal(t, 200, post(t, url, askFast).status) // p1 is back
	require.Equal(t, []string{"target down", "target up"}, told())
	bad = true
	clock.advance(time.Second)
	require.Equal(t, 200, post(t, url, askFast).status) // p1 fails again
	require.Equal(t, stateCooling, g.router.names["fast"].targets[0].status(g.now()).State)
	require.Equal(t, []string{"target down", "target up", "target down"}, told(), "the last word is that it is up, though it is down")
}
