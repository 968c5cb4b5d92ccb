package main

import (
	"io"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestOptions(t *testing.T) {
	o, err := parseOptions([]string{"-rounds", "3", "-for", "5s", "-works", "small-1,load"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, 3, o.rounds)
	require.Equal(t, 5*time.Second, o.length)
	chosen, load, err := o.choose()
	require.NoError(t, err)
	require.True(t, load)
	require.Equal(t, []string{"small-1"}, names(chosen))

	f := func(patterns string, want ...string) {
		t.Helper()
		o.works = patterns
		chosen, _, err := o.choose()
		require.NoError(t, err)
		require.Equal(t, want, names(chosen))
	}
	f("small-*", "small-16", "small-1", "small-1000", "small-open")
	f("medium,small-1*,small-1", "small-16", "small-1", "small-1000", "medium")

	bad := func(reason string, args ...string) {
		t.Helper()
		_, err := parseOptions(args, io.Discard)
		require.ErrorContains(t, err, reason)
	}
	bad("at least one round", "-rounds", "0")
	bad("above 0", "-rate", "0")
	bad("flags only", "small")

	o.works = "smal"
	_, _, err = o.choose()
	require.ErrorContains(t, err, `no work "smal"; there are small-16, small-1`)
	o.works = "small-1,tls[*"
	_, _, err = o.choose()
	require.ErrorContains(t, err, `no work "tls[*"`)
}

// workOf finds a work by its name.
func workOf(t *testing.T, name string) *work {
	t.Helper()
	all, err := works(new(allSizes()))
	require.NoError(t, err)
	i := slices.IndexFunc(all, func(w *work) bool { return w.name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return all[i]
}

func labels(w *work) []string {
	var all []string
	for _, ln := range w.lanes {
		all = append(all, ln.label)
	}
	return all
}

// What a subject has to know is what its works ask for.
func TestWorks(t *testing.T) {
	all, err := works(new(allSizes()))
	require.NoError(t, err)
	seen := map[string]bool{}
	for _, w := range all {
		require.NotNil(t, w, "a work could not be made")
		require.False(t, seen[w.name], w.name)
		seen[w.name] = true
		require.NotEmpty(t, w.models(), w.name)
		require.Less(t, w.base, len(w.lanes), w.name)
	}
}

// Over TLS each subject asks by both versions, and is compared with the same of
// reverse_proxy, and with what that does of itself.
func TestWorksOverTLS(t *testing.T) {
	for _, name := range []string{"tls-small", "tls-stream", "tls-paced-64", "tls-paced-1000"} {
		w := workOf(t, name)
		require.Equal(t, []string{plexusHTTP1, plexusHTTP2, baseHTTP1, baseHTTP2}, labels(w), name)
		require.Equal(t, baseHTTP2, w.lanes[w.base].label, name)
		require.Equal(t, baseHTTP1, w.lanes[0].beside, name)
	}
}
