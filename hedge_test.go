package plexus

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// slow is a provider that answers when it is let, and notes that its client left.
type slow struct {
	*provider
	asked, let, left chan struct{}
}

func newSlow(t *testing.T, answer http.HandlerFunc) *slow {
	s := &slow{asked: make(chan struct{}, 16), let: make(chan struct{}), left: make(chan struct{}, 16)}
	s.provider = newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		s.asked <- struct{}{}
		select {
		case <-s.let:
			answer(w, r)
		case <-r.Context().Done():
			s.left <- struct{}{}
		}
	})
	t.Cleanup(s.unblock)
	return s
}

func (s *slow) unblock() {
	select {
	case <-s.let:
	default:
		close(s.let)
	}
}

// hedging is a gateway with a model fast, hedged, at providers p1, p2, ….
func hedging(t *testing.T, hedge string, apis []api.API, urls ...string) (*Gateway, string) {
	t.Helper()
	block, model := "", "model fast {\n selector in_order\n hedge "+hedge+"\n"
	for i, url := range urls {
		block += fmt.Sprintf("provider p%d {\n base_url %s %s/v1\n models {\n  m price 1000 1000\n }\n}\n", i+1, apis[i%len(apis)], url)
		model += fmt.Sprintf(" target p%d m\n", i+1)
	}
	g := newGateway(t, block+model+"}")
	return g, serveGateway(t, g).URL + "/v1/chat/completions"
}

const (
	soon          = "1ms"
	askFastStream = `{"model":"fast","stream":true,"messages":[{"role":"user","content":"hi"}]}`
)

var justChat = []api.API{api.Chat}

// A second target is asked when the first is slow to begin, and the first to
// answer wins; the other is cancelled, and nothing is held against it.
func TestTheFasterOfTwoAnswers(t *testing.T) {
	for _, stream := range []bool{false, true} {
		answer, body := says(200, chatAnswer), askFast
		if stream {
			answer, body = streams(chatHello, chatStop, chatDone), askFastStream
		}
		a := newSlow(t, answer)
		b := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
			<-a.asked // or the first may be given up before it has got its request
			answer(w, r)
		})
		g, url := hedging(t, soon, justChat, a.URL, b.URL)
		before, _ := countedBy(t, metrics.hedges, "answered", "second")
		got := post(t, url, body)
		require.Equal(t, 200, got.status)
		require.Equal(t, "p2", got.header.Get("X-Plexus-Provider"))
		require.Equal(t, "2", got.header.Get("X-Plexus-Attempts"))
		<-a.left
		require.Equal(t, 1, b.count())
		first := g.router.names["fast"].targets[0]
		require.True(t, first.free(g.now()))
		require.Zero(t, first.state.pauses())
		after, _ := countedBy(t, metrics.hedges, "answered", "second")
		require.InDelta(t, before+1, after, 0.1)
	}
}

// The first target may still win after the second has been asked.
func TestTheFirstOfTwoMayWin(t *testing.T) {
	a := newSlow(t, says(200, chatAnswer))
	b := newSlow(t, says(200, chatAnswer))
	_, url := hedging(t, soon, justChat, a.URL, b.URL)
	go func() {
		<-b.asked
		a.unblock()
	}()
	got := post(t, url, askFast)
	require.Equal(t, 200, got.status)
	require.Equal(t, "p1", got.header.Get("X-Plexus-Provider"))
	<-b.left
}

// What is fast enough, or has no delay to go by, is asked alone.
func TestNoHedgeWithoutNeed(t *testing.T) {
	f := func(hedge string) {
		t.Helper()
		a, b := newProvider(t, says(200, chatAnswer)), newProvider(t, says(200, chatAnswer))
		_, url := hedging(t, hedge, justChat, a.URL, b.URL)
		require.Equal(t, 200, post(t, url, askFast).status)
		require.Zero(t, b.count())
	}
	f("1h")
	f("p95")
	// A count is no answer that somebody waits for.
	a := newSlow(t, says(200, `{"input_tokens":3}`))
	b := newProvider(t, says(200, `{"input_tokens":3}`))
	_, url := hedging(t, soon, []api.API{api.Messages}, a.URL, b.URL)
	go a.unblock()
	require.Equal(t, 200, post(t, strings.Replace(url, "chat/completions", "messages/count_tokens", 1), `{"model":"fast","messages":[]}`).status)
	require.Zero(t, b.count())
	// Nor is there anything to do where there is no other target.
	alone := newSlow(t, says(200, chatAnswer))
	_, url = hedging(t, soon, justChat, alone.URL)
	go func() {
		<-alone.asked
		alone.unblock()
	}()
	require.Equal(t, 200, post(t, url, askFast).status)
	require.Equal(t, 1, alone.count())
}

// The target's own times tell when it is slow, by the form of the answer.
func TestHedgeByQuantile(t *testing.T) {
	a := newSlow(t, says(200, chatAnswer))
	b := newProvider(t, says(200, chatAnswer))
	g, url := hedging(t, "p50", justChat, a.URL, b.URL)
	target := g.router.names["fast"].targets[0]
	for range minRecent {
		target.state.latest[1].Load().add(time.Nanosecond, g.now())
	}
	go func() {
		<-a.asked
		a.unblock()
	}()
	require.Equal(t, "p1", post(t, url, askFast).header.Get("X-Plexus-Provider"), "streams say nothing of whole answers")
	a = newSlow(t, says(200, chatAnswer))
	g, url = hedging(t, "p50", justChat, a.URL, b.URL)
	for range minRecent {
		g.router.names["fast"].targets[0].state.latest[0].Load().add(time.Nanosecond, g.now())
	}
	require.Equal(t, "p2", post(t, url, askFast).header.Get("X-Plexus-Provider"))
}

func TestQuantiles(t *testing.T) {
	r := new(recent)
	f := func(share float64, want time.Duration, known bool) {
		t.Helper()
		got, ok := r.quantile(share, t0)
		require.Equal(t, known, ok)
		require.Equal(t, want, got)
	}
	for i := range minRecent - 1 {
		r.add(time.Duration(i+1), t0)
	}
	f(0.95, 0, false)
	r.add(20, t0)
	f(0.95, 19, true)
	f(0.951, 20, true)
	f(0.001, 1, true)
	for range maxRecent {
		r.add(7, t0)
	}
	f(0.5, 7, true)
	_, ok := r.quantile(0.5, t0.Add(staleAfter))
	require.False(t, ok, "what is long ago says nothing")
	_, ok = (*recent)(nil).quantile(0.5, t0)
	require.False(t, ok)
}

// A failure of either leaves the client to the other; of both, to the next.
func TestFailuresOfHedgedAttempts(t *testing.T) {
	bad := says(503, "")
	// The second fails.
	a := newSlow(t, says(200, chatAnswer))
	var b *slow
	b = newSlow(t, func(w http.ResponseWriter, r *http.Request) { bad(w, r) })
	g, url := hedging(t, soon, justChat, a.URL, b.URL)
	go func() {
		<-b.asked
		b.unblock()
		// The failure is held against it while the first goes on.
		for second := g.router.names["fast"].targets[1]; second.free(g.now()) && t.Context().Err() == nil; {
			time.Sleep(time.Millisecond)
		}
		a.unblock()
	}()
	got := post(t, url, askFast)
	require.Equal(t, "p1", got.header.Get("X-Plexus-Provider"))
	require.False(t, g.router.names["fast"].targets[1].free(g.now()))
	// The first fails.
	a, b = newSlow(t, bad), newSlow(t, says(200, chatAnswer))
	g, url = hedging(t, soon, justChat, a.URL, b.URL)
	go func() {
		<-b.asked
		a.unblock()
		b.unblock()
	}()
	got = post(t, url, askFast)
	require.Equal(t, "p2", got.header.Get("X-Plexus-Provider"))
	// Both fail, and a third one answers.
	a, b = newSlow(t, bad), newSlow(t, bad)
	c := newProvider(t, says(200, chatAnswer))
	g, url = hedging(t, soon, justChat, a.URL, b.URL, c.URL)
	go func() {
		<-b.asked
		a.unblock()
		b.unblock()
	}()
	got = post(t, url, askFast)
	require.Equal(t, "p3", got.header.Get("X-Plexus-Provider"))
	require.Equal(t, "3", got.header.Get("X-Plexus-Attempts"))
	require.False(t, g.router.names["fast"].targets[0].free(g.now()))
	require.False(t, g.router.names["fast"].targets[1].free(g.now()))
	// All fail, and each is told of once.
	a, b = newSlow(t, bad), newSlow(t, bad)
	_, url = hedging(t, soon, justChat, a.URL, b.URL)
	go func() {
		<-b.asked
		a.unblock()
		b.unblock()
	}()
	got = post(t, url, askFast)
	require.Equal(t, 502, got.status)
	require.Equal(t, 1, strings.Count(got.body, "p1/m: 503"))
	require.Equal(t, 1, strings.Count(got.body, "p2/m: 503"))
}

// The second target may not take what the first one would have: its refusal does
// not reach the client, that of the first does.
func TestARefusalOfTheSecondIsNoAnswer(t *testing.T) {
	no := says(400, `{"error":{"message":"no such parameter"}}`)
	a, b := newSlow(t, says(200, chatAnswer)), newProvider(t, no)
	_, url := hedging(t, soon, justChat, a.URL, b.URL)
	go func() {
		for b.count() == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		a.unblock()
	}()
	require.Equal(t, "p1", post(t, url, askFast).header.Get("X-Plexus-Provider"))

	c, d := newSlow(t, no), newSlow(t, says(200, chatAnswer))
	_, url = hedging(t, soon, justChat, c.URL, d.URL)
	go func() {
		<-d.asked
		c.unblock()
	}()
	got := post(t, url, askFast)
	require.Equal(t, 400, got.status)
	require.Equal(t, "p1", got.header.Get("X-Plexus-Provider"))
	<-d.left
}

// Two APIs may be asked at once, each in its own words, from one request that is
// decoded once.
func TestHedgesBetweenAPIs(t *testing.T) {
	a := newSlow(t, streams(chatHello, chatStop, chatDone))
	b := newProvider(t, streams(
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"m\",\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n",
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}}\n\n",
		"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
		"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\n",
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"))
	_, url := hedging(t, soon, []api.API{api.Chat, api.Messages}, a.URL, b.URL)
	for range 10 {
		got := post(t, url, askFastStream)
		require.Equal(t, "p2", got.header.Get("X-Plexus-Provider"))
		require.Equal(t, "hello", collected(t, api.Chat, got.body).Choices[0].Parts[0].Text)
	}
}

// What the loser cost is counted: by its own usage where it had told it, else by
// the size of the prompt.
func TestTheCostOfTheLoser(t *testing.T) {
	let := make(chan struct{})
	t.Cleanup(func() { close(let) })
	telling := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		streams("event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[],\"model\":\"m\",\"usage\":{\"input_tokens\":3000,\"output_tokens\":1}}}\n\n")(w, r)
		select {
		case <-let:
		case <-r.Context().Done():
		}
	})
	b := newProvider(t, streams(chatHello, chatStop, chatDone))
	f := func(first *provider, apis []api.API, least, most float64) {
		t.Helper()
		_, url := hedging(t, "50ms", apis, first.URL, b.URL)
		before, _ := countedOf(t, metrics.hedgeCost, "p1")
		require.Equal(t, "p2", post(t, url, askFastStream).header.Get("X-Plexus-Provider"))
		after, _ := countedOf(t, metrics.hedgeCost, "p1")
		cost := after - before
		require.GreaterOrEqual(t, cost, least)
		require.LessOrEqual(t, cost, most)
	}
	f(telling, []api.API{api.Messages, api.Chat}, 3, 3.01)
	prompt := float64(len(askFastStream)/4) / 1000
	f(newSlow(t, says(200, "")).provider, justChat, prompt-0.001, prompt+0.001)
}

// An answer that breaks off ends the connection also where it won a race.
func TestABrokenHedgedAnswerBreaksTheConnection(t *testing.T) {
	a := newSlow(t, says(200, chatAnswer))
	b := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		<-a.asked
		w.Header().Set("Content-Type", "audio/mpeg")
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "ID3")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	_, url := hedging(t, soon, justChat, a.URL, b.URL)
	res, err := http.Post(url, "application/json", strings.NewReader(askFast))
	require.NoError(t, err)
	defer res.Body.Close()
	_, err = io.ReadAll(res.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	<-a.left
}

// A client that leaves ends both attempts.
func TestAClientThatLeavesEndsBothAttempts(t *testing.T) {
	a, b := newSlow(t, says(200, chatAnswer)), newSlow(t, says(200, chatAnswer))
	g, url := hedging(t, soon, justChat, a.URL, b.URL)
	req := httptest.NewRequest(http.MethodPost, url, strings.NewReader(askFast))
	req.RequestURI = ""
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		<-a.asked
		<-b.asked
		cancel()
	}()
	_, err := http.DefaultClient.Do(req.WithContext(ctx))
	require.Error(t, err)
	<-a.left
	<-b.left
	for _, target := range g.router.names["fast"].targets {
		require.True(t, target.free(g.now()))
	}
}

func TestHedgesThatAreRefused(t *testing.T) {
	f := func(hedge, want string) {
		t.Helper()
		_, err := newHedge(hedge)
		require.ErrorContains(t, err, want)
	}
	for _, hedge := range []string{"", "p", "p0", "p100", "p-1", "pNaN", "soon", "-1s", "0s", "95"} {
		f(hedge, "hedge: expected a delay such as 2s or a quantile such as p95, got")
	}
	g := func(h Hedge, want string) {
		t.Helper()
		require.ErrorContains(t, h.validate(), want)
	}
	g(Hedge{}, "either a delay")
	g(Hedge{Delay: 1, Quantile: 0.5}, "either a delay")
	g(Hedge{Delay: -1}, "positive delay")
	g(Hedge{Quantile: 1}, "above 0 and below 1")
	g(Hedge{Quantile: -1}, "above 0 and below 1")
}
