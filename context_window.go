package plexus

import (
	"fmt"
	"slices"
)

// What a model may do about requests that are too long for some of its targets.
const (
	overflowAsk  = "ask"
	overflowSkip = "skip"
)

func (m *Model) checkContextOverflow() error {
	switch m.ContextOverflow {
	case "", overflowAsk, overflowSkip:
		return nil
	}
	return fmt.Errorf("context_overflow: expected %s or %s, got %q", overflowAsk, overflowSkip, m.ContextOverflow)
}

func checkContext(tokens int64) error {
	if tokens < 0 {
		return fmt.Errorf("context: expected a number of tokens, got %d", tokens)
	}
	return nil
}

// findWindow finds how long a context the target takes: what the configuration
// says, else what the catalog does. It is 0 where neither knows.
func (t *Target) findWindow() error {
	for _, m := range t.Provider.Models {
		if m.Name == t.Model && m.Context != 0 {
			t.window = m.Context
			return checkContext(m.Context)
		}
	}
	if found := t.Provider.catalog.Lookup(t.Provider.Preset, t.Model); found != nil {
		t.window = found.ContextWindow
	}
	return nil
}

// skipsOverflow tells whether the model that was asked for leaves out the
// targets for which a request is too long.
func (r *Route) skipsOverflow() bool {
	return r.route != nil && r.route.skipsOverflow
}

// fit leaves out the targets that are too small for the request, by its estimated
// length and the answer that it allows: most windows hold both. One whose window
// is not known may do. Where none is large enough the largest are left, for the
// estimate may be wrong, and the client shall hear it from a provider.
func (r *Route) fit(req *request, op *operation, expected estimate) {
	if !r.skipsOverflow() || op.verb != verbGenerate && op.verb != verbCount {
		return // of embeddings each input has the window for itself
	}
	need := int64(expected.input)
	if op.verb == verbGenerate {
		need += int64(min(max(req.outputLimit, 0), mostOutput))
	}
	largest := int64(0)
	for _, t := range r.Targets {
		if t.Provider.distance(op) >= 0 {
			largest = max(largest, t.window)
		}
	}
	room := make([]*Target, 0, len(r.Targets))
	fits := func(least int64) {
		for _, t := range r.Targets {
			if t.window == 0 || t.window >= least {
				room = append(room, t)
			}
		}
	}
	if fits(need); !slices.ContainsFunc(room, func(t *Target) bool { return t.Provider.distance(op) >= 0 }) {
		room = room[:0]
		fits(largest)
	}
	r.Targets = room
}

// mostOutput bounds what a client may say of the length of an answer, lest the
// sum overflow.
const mostOutput = 1 << 40

// outgrown tells whether a target of at least this size has said that the
// context is too long for it.
func (x *exchange) outgrown(t *Target) bool {
	return x.route.skipsOverflow() && t.window != 0 && t.window <= tooSmall(x.failures)
}

// tooSmall is the largest window of the targets that said so; 0 where none did
// whose window is known.
func tooSmall(failures []failure) (window int64) {
	for i := range failures {
		if failures[i].tooLong {
			window = max(window, failures[i].target.window)
		}
	}
	return window
}

// movesOn tells whether a request whose context is too long for the target may be
// taken by another one that can be asked now. It goes by what was known when the
// attempt began, for another may be under way beside it.
func (a *attempt) movesOn() bool {
	x, t := a.x, a.target
	if !x.route.skipsOverflow() || a.asked >= x.failover.Attempts { // of the model that was asked for
		return false
	}
	now, outgrown := x.gateway.now(), max(t.window, tooSmall(a.tried))
	return slices.ContainsFunc(x.route.Targets, func(other *Target) bool {
		switch {
		case other == t, other.window != 0 && other.window <= outgrown, other.Provider.distance(&x.op) < 0,
			!other.free(now) && !other.pardoned(now),
			slices.ContainsFunc(a.tried, func(f failure) bool { return f.target.state == other.state }):
			return false
		}
		_, err := x.prepare(other)
		return err == nil
	})
}
