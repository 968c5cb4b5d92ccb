package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFileName(t *testing.T) {
	f := func(want, label string) {
		t.Helper()
		require.Equal(t, want, fileName(label))
	}
	f("plexus", plexus)
	f("reverse_proxy-log", logged)
	f("plexus-http-1.1", "Plexus, HTTP/1.1")
}

func TestProfilesTakeWholeSeconds(t *testing.T) {
	require.Equal(t, 1, wholeSeconds(300*time.Millisecond))
	require.Equal(t, 2, wholeSeconds(2*time.Second))
	require.Equal(t, 3, wholeSeconds(2*time.Second+1))
}

// The lane runs until its profile is there, and those that are not Caddy's have
// none.
func TestProfilesAreTakenWhileTheLaneRuns(t *testing.T) {
	ran := make(chan struct{})
	runs := 0
	admin := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/profile") {
			<-ran
		}
		_, _ = io.WriteString(w, r.URL.String())
	}))
	l := &lab{profiles: t.TempDir()}
	w := &work{name: "small", lanes: []*lane{{label: plexus, subject: plexus}, {label: direct, subject: direct}}}
	w.run = func(context.Context, *lab, *subject, *lane, int) (*sample, error) {
		if runs++; runs == 3 {
			close(ran)
		}
		return &sample{}, nil
	}
	subjects := map[string]*subject{plexus: {name: plexus, admin: admin.addr}, direct: {name: direct}}
	self, err := os.FindProcess(os.Getpid())
	require.NoError(t, err)
	subjects[plexus].cmd = &exec.Cmd{Process: self}
	require.NoError(t, profileAll(t.Context(), l, w, subjects, 1, 1500*time.Millisecond, io.Discard))
	require.GreaterOrEqual(t, runs, 3)

	files, err := filepath.Glob(filepath.Join(l.profiles, "*"))
	require.NoError(t, err)
	require.Len(t, files, 2)
	f := func(name, want string) {
		t.Helper()
		got, err := os.ReadFile(filepath.Join(l.profiles, name))
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	f("small-plexus.cpu.pprof", "/debug/pprof/profile?seconds=2")
	f("small-plexus.allocs.pprof", "/debug/pprof/allocs")
}

func TestAProfileThatIsRefusedIsAnError(t *testing.T) {
	admin := served(t, http.NotFoundHandler())
	dir := t.TempDir()
	require.ErrorContains(t, fetch(t.Context(), "http://"+admin.addr+"/x", dir, "x"), "answers 404")
	require.NoFileExists(t, filepath.Join(dir, "x"))
}

// Without profiles there is no admin endpoint either.
func TestAdminOnlyForProfiles(t *testing.T) {
	admin, err := new(lab).adminAddress()
	require.NoError(t, err)
	require.Contains(t, (&site{admin: admin}).caddyfile(), "admin off")
	admin, err = (&lab{profiles: "x"}).adminAddress()
	require.NoError(t, err)
	require.Contains(t, (&site{admin: admin}).caddyfile(), "admin 127.0.0.1:")

	var progress bytes.Buffer
	require.NoError(t, profileAll(t.Context(), new(lab), &work{}, nil, 1, time.Second, &progress))
	require.Empty(t, progress.String())
}

func TestAReloadHasProfiles(t *testing.T) {
	admin := served(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.String()) }))
	l := &lab{profiles: t.TempDir()}
	s := &subject{name: plexus, admin: admin.addr}
	require.NoError(t, l.profileReload(t.Context(), s, time.Minute, false)())
	require.NoFileExists(t, filepath.Join(l.profiles, "load-plexus.cpu.pprof"))
	require.NoError(t, l.profileReload(t.Context(), s, time.Minute, true)())
	got, err := os.ReadFile(filepath.Join(l.profiles, "load-plexus.cpu.pprof"))
	require.NoError(t, err)
	require.Equal(t, "/debug/pprof/profile?seconds=9", string(got), "an endpoint that is replaced lives no longer")
	require.FileExists(t, filepath.Join(l.profiles, "load-plexus.allocs.pprof"))
}
