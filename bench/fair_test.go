package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// fairWork is one of few streams before a provider, and what is asked beside.
func fairWork(t *testing.T, model string) *work {
	t.Helper()
	z := smallSizes()
	w, err := fair("fair", "x", &z, model, 2)
	require.NoError(t, err)
	return w
}

func TestFairWorks(t *testing.T) {
	w := workOf(t, "fair-huge")
	require.Equal(t, []string{plexus, baseline}, labels(w))
	require.Equal(t, []string{"ask-8388608-picture", "stream-150-20ms"}, w.models())
	require.Equal(t, []string{"stream-150-20ms"}, workOf(t, "fair-alone").models())
	require.Equal(t, []string{"ask-409600", "stream-150-20ms"}, workOf(t, "fair-text").models())
}

func TestStreamsGoOnBesideQuestions(t *testing.T) {
	s := served(t, new(provider))
	f := func(model string, want ...string) {
		t.Helper()
		w := fairWork(t, model)
		out, err := w.run(t.Context(), nil, s, w.lanes[1], w.least)
		require.NoError(t, err)
		require.Equal(t, w.least, out.units)
		var names []string
		for _, f := range out.figures {
			names = append(names, f.name)
		}
		require.Equal(t, append([]string{"between events p99", "p99.9", "as written p99.9", "lag p99.9", "flushes per event", "first content p50", "p99"}, want...), names)
		require.EqualValues(t, w.least-8, out.gaps.TotalCount(), "each stream has a gap less than events")
		require.NotContains(t, rows(w, [][]*sample{{out}, {out}}), "a chunk |", "the CPU is not the streams' alone")
	}
	f("")
	f("ask-20000", "questions a second")
}

// A question that fails meanwhile ends the run, with what went wrong.
func TestAFailureMeanwhileIsAnError(t *testing.T) {
	w := fairWork(t, "ask-20000")
	p := new(provider)
	var asked atomic.Int64
	s := served(t, http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 10_000 && asked.Add(1) == 5 {
			http.Error(rw, "broken", http.StatusBadGateway)
			return
		}
		p.ServeHTTP(rw, r)
	}))
	_, err := w.run(t.Context(), nil, s, w.lanes[0], w.least)
	require.ErrorContains(t, err, "meanwhile: status 502: broken")
}

// The time between two events is the client's, and beside it the provider's.
func TestGapsBetweenEvents(t *testing.T) {
	q := questionOf(t, "stream-3-1ms")
	at := time.Now()
	stream := streamOf(&chatFormat, at, at.Add(-50*time.Millisecond), at.Add(-10*time.Millisecond))
	s := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for event := range strings.SplitAfterSeq(stream, "\n\n") {
			_, _ = w.Write([]byte(event))
			_ = http.NewResponseController(w).Flush()
		}
	}))
	out, err := streams(t.Context(), s, q, 1, 2)
	require.NoError(t, err)
	require.EqualValues(t, 4, out.gaps.TotalCount())
	require.EqualValues(t, 4, out.written.TotalCount())
	require.InDelta(t, float64(40*time.Millisecond), float64(out.written.Max()), 1e5)
}
