package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// Profiles are those that Caddy's admin endpoint has of itself, taken in rounds
// that are not measured.

// profileAll takes the profiles of each of a work's lanes that is Caddy's. The
// one of allocations has all since the process began.
func profileAll(ctx context.Context, l *lab, w *work, subjects map[string]*subject, n int, length time.Duration, progress io.Writer) error {
	if l.profiles == "" {
		return nil
	}
	for _, ln := range w.lanes {
		if subjects[ln.subject].admin == "" {
			continue
		}
		_, _ = fmt.Fprintf(progress, "%s: profile of %s\n", w.name, ln.label)
		if w.fresh {
			if err := relaunch(ctx, l, w, subjects, ln.subject); err != nil {
				return err
			}
		}
		s := subjects[ln.subject]
		if err := profileOne(ctx, l, w, s, ln, n, length); err != nil {
			return err
		}
		if err := fetch(ctx, s.profileURL("allocs"), l.profiles, profileFile(w, ln, "allocs")); err != nil {
			return err
		}
	}
	return nil
}

// profileOne lets a lane run for as long as its profile is taken, which is whole
// seconds: short rounds are repeated.
func profileOne(ctx context.Context, l *lab, w *work, s *subject, ln *lane, n int, length time.Duration) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	fetched := make(chan error, 1)
	url := fmt.Sprintf("%s?seconds=%d", s.profileURL("profile"), wholeSeconds(length))
	go func() { fetched <- fetch(ctx, url, l.profiles, profileFile(w, ln, "cpu")) }()
	for {
		if _, err := once(ctx, l, w, s, ln, n); err != nil {
			return err
		}
		select {
		case err := <-fetched:
			return err
		default:
		}
	}
}

// profileReload takes the profiles of what follows until the function that it
// returns has been called. A start cannot be seen so; a reload does the same.
func (l *lab) profileReload(ctx context.Context, s *subject, length time.Duration, wanted bool) func() error {
	if !wanted {
		return func() error { return nil }
	}
	w, ln := &work{name: loadWork}, &lane{label: plexus}
	fetched := make(chan error, 1)
	// The endpoint that a reload replaces lives on for ten seconds at most.
	url := fmt.Sprintf("%s?seconds=%d", s.profileURL("profile"), min(wholeSeconds(length), 9))
	go func() { fetched <- fetch(ctx, url, l.profiles, profileFile(w, ln, "cpu")) }()
	pause(ctx, 100*time.Millisecond) // else the reload may be first
	return func() error {
		return firstOf(<-fetched, fetch(ctx, s.profileURL("allocs"), l.profiles, profileFile(w, ln, "allocs")))
	}
}

// wholeSeconds rounds up.
func wholeSeconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

func (s *subject) profileURL(name string) string { return "http://" + s.admin + "/debug/pprof/" + name }

func profileFile(w *work, ln *lane, kind string) string {
	return w.name + "-" + fileName(ln.label) + "." + kind + ".pprof"
}

// fileName is a label without what a file's name should not have.
func fileName(label string) string {
	words := strings.FieldsFunc(strings.ToLower(label), func(r rune) bool { return strings.ContainsRune(" ,/", r) })
	return strings.Join(words, "-")
}

// fetch saves what an address has, as a file of a folder.
func fetch(ctx context.Context, url, dir, name string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return fmt.Errorf("reading %s: %w", url, err)
	case res.StatusCode != http.StatusOK:
		return fmt.Errorf("%s answers %d: %.500s", url, res.StatusCode, data)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return root.WriteFile(name, data, 0o600)
}
