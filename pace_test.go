package plexus

import (
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAverage(t *testing.T) {
	var a average
	_, known := a.get(t0)
	require.False(t, known)
	a.add(10, t0)
	a.add(20, t0)
	value, known := a.get(t0)
	require.True(t, known)
	require.InDelta(t, 12, value, 1e-9)
	_, known = a.get(t0.Add(staleAfter))
	require.False(t, known)
	a.add(50, t0.Add(staleAfter))
	value, _ = a.get(t0.Add(staleAfter))
	require.InDelta(t, 50, value, 1e-9, "what is old does not weigh on what is new")
}

// What has not been seen for a while is not held on to.
func TestAverageOfLongAgoWeighsLess(t *testing.T) {
	f := func(age time.Duration, want float64) {
		t.Helper()
		a := average{value: 10, at: t0}
		a.add(0, t0.Add(age))
		require.InDelta(t, want, a.value, 1e-9)
	}
	f(0, 8)
	f(halfLife, 4)
	f(2*halfLife, 2)
	f(-time.Hour, 8)
}

func (s *targetState) expected(now time.Time) float64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	seconds, _ := s.streams.expected(now)
	return seconds
}

// A target that stalls is known to before anything of it is complete, and as long
// as others get their first content one that waits is no sign.
func TestWaitingIsAnEarlySign(t *testing.T) {
	at := func(s float64) time.Time { return t0.Add(time.Duration(s * float64(time.Second))) }
	s := new(targetState)
	hung := s.begin(true, true, t0)
	require.Zero(t, s.expected(at(100)), "nothing is known")

	answers := func(from, to float64) {
		f := s.begin(true, true, at(from))
		f.answered(at(to))
		f.end()
	}
	answers(99, 100)
	require.InDelta(t, 1, s.expected(at(100)), 1e-9, "one that hangs while another is answered")
	require.InDelta(t, 1.5, s.expected(at(100.5)), 1e-9)
	hung.end()
	require.InDelta(t, 1, s.expected(at(105)), 1e-9)

	var waiting []flight
	for i := range 9 {
		waiting = append(waiting, s.begin(true, true, at(105+float64(i)*.5)))
	}
	require.InDelta(t, 1, s.expected(at(105)), 1e-9)
	require.InDelta(t, 2*9*2/10., s.expected(at(109)), 1e-9, "nine have waited for two seconds on average")
	for i := range waiting {
		waiting[i].end()
	}
	require.InDelta(t, 1, s.expected(at(109)), 1e-9)
	require.Zero(t, s.inFlight.Load())
}

// Streams are compared with streams, whole answers with whole answers.
func TestPacesAreOfTheirKind(t *testing.T) {
	targets := candidates(1)
	s := targets[0].state
	whole := s.begin(false, true, t0)
	whole.answered(t0.Add(20 * time.Second))
	whole.end()
	now := t0.Add(20 * time.Second)
	require.Zero(t, s.expected(now))
	d, known := targets[0].FirstContent(now)
	require.True(t, known)
	require.Equal(t, 20*time.Second, d)
	targets[0].saw(time.Second, now)
	d, known = targets[0].FirstContent(now)
	require.True(t, known)
	require.Equal(t, time.Second, d)
}

// Attempts that say nothing of how fast a target answers are in flight all the same.
func TestFlightThatTellsNothing(t *testing.T) {
	targets := candidates(1)
	f := targets[0].state.begin(true, false, t0)
	require.EqualValues(t, 1, targets[0].InFlight())
	f.answered(t0)
	f.end()
	require.Zero(t, targets[0].InFlight())
	_, known := targets[0].FirstContent(t0)
	require.False(t, known)
}

func TestCrowding(t *testing.T) {
	s := new(targetState)
	for range 2 * trusted {
		s.begin(true, true, t0)
	}
	require.InDelta(t, 9./4, s.streams.crowding(t0), 1e-9)

	s = new(targetState)
	var flights []flight
	for range 10 {
		flights = append(flights, s.begin(true, true, t0))
	}
	for i := range flights {
		flights[i].answered(t0)
	}
	crowd := s.streams.crowd.value
	require.Greater(t, crowd, 5.)
	require.InDelta(t, math.Sqrt(1/crowd), s.streams.crowding(t0), 1e-9, "nobody waits")
	for range int(crowd) + trusted - 1 {
		s.begin(true, true, t0)
	}
	require.InDelta(t, 1., s.streams.crowding(t0), 0, "as many as usual, and a few")
	s.begin(true, true, t0)
	require.Greater(t, s.streams.crowding(t0), 1.)
}

func TestTrials(t *testing.T) {
	target := candidates(1)[0]
	require.True(t, target.Explore(t0))
	require.False(t, target.Explore(t0))

	var tr trial
	now, trials := t0, 0
	for range 3600 {
		if tr.leave(now) {
			require.False(t, tr.leave(now), "one at a time")
			trials++
		}
		now = now.Add(time.Second)
	}
	require.Equal(t, 7+(3600-127)/64, trials, "after 1, 2, 4, … 64 seconds, then one every 64")
	tr.succeeded()
	require.True(t, tr.leave(now.Add(time.Minute)))
	tr.succeeded()
	require.True(t, tr.leave(now.Add(time.Minute+time.Second)))
}

// An attempt is in flight to the end of its answer, and waits until the first
// content, whatever becomes of it.
func TestFlightsEnd(t *testing.T) {
	f := func(known bool, handler http.HandlerFunc) {
		t.Helper()
		p := newProvider(t, handler)
		g := newGateway(t, fmt.Sprintf("provider lab {\n base_url %s/v1\n cooldown off\n}\nmodel fast {\n target lab m\n failover {\n first_content 50ms\n }\n}", p.URL))
		url := serveGateway(t, g).URL
		state := g.router.names["fast"].targets[0].state
		post(t, url+"/v1/chat/completions", `{"model":"fast","stream":true}`)
		awaits(t, "nothing is in flight", func() bool { return state.inFlight.Load() == 0 })
		state.mu.Lock()
		defer state.mu.Unlock()
		require.Zero(t, state.streams.waiting)
		require.Zero(t, state.streams.began)
		_, learnt := state.streams.took.get(time.Now())
		require.Equal(t, known, learnt)
	}
	f(true, streams(chatRole, chatHello, chatStop, chatDone))
	f(true, streams(chatRole, chatHello)) // and breaks off
	f(false, says(400, `{"error":{"message":"no"}}`))
	f(false, says(503, ``))
	f(false, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	f(false, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
}

// A transport is a module of anybody's, and may panic.
func TestFlightEndsInAPanic(t *testing.T) {
	g := newGateway(t, "provider lab {\n base_url http://127.0.0.1:1/v1\n}\nmodel fast {\n target lab m\n}")
	target := g.router.names["fast"].targets[0]
	target.Provider.use(roundTripperFunc(func(*http.Request) (*http.Response, error) {
		require.EqualValues(t, 1, target.InFlight())
		panic("at the disco")
	}))
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(askFast))
	r.Header.Set("Content-Type", "application/json")
	op, _ := operationOf(r)
	x := newExchange(g, httptest.NewRecorder(), r, op)
	defer x.finish()
	require.NoError(t, x.readRequest())
	var err error
	x.route, err = g.router.Resolve("fast")
	require.NoError(t, err)
	require.PanicsWithValue(t, "at the disco", func() { _ = x.dispatch() })
	require.Zero(t, target.InFlight())
	require.Zero(t, target.state.whole.waiting)
}

type roundTripperFunc func(*http.Request) (*http.Response, error)

func (f roundTripperFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// What is learnt is there after a reload, and with it what is in flight.
func TestPacesOutliveReloads(t *testing.T) {
	config := fmt.Sprintf("provider lab {\n base_url http://%d.lab.example/v1\n}\nmodel fast {\n target lab m\n}", simulations.Add(1))
	old := newGateway(t, config).router.names["fast"].targets[0]
	old.saw(time.Second, time.Now())
	f := old.state.begin(true, true, time.Now())
	reloaded := newGateway(t, config).router.names["fast"].targets[0]
	d, known := reloaded.FirstContent(time.Now())
	require.True(t, known)
	require.Equal(t, time.Second, d)
	require.EqualValues(t, 1, reloaded.InFlight())
	f.end()
	require.Zero(t, reloaded.InFlight())
}
