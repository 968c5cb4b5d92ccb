package plexus

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// free tells whether nothing keeps requests away from the target, with one of
// the credentials at least.
func (t *Target) free(now time.Time) bool {
	return slices.ContainsFunc(t.lanes, func(l *lane) bool { return l.free(t, now) })
}

// pardoned tells whether the target may be asked all the same where there is no
// other left.
func (t *Target) pardoned(now time.Time) bool {
	return slices.ContainsFunc(t.lanes, func(l *lane) bool { return l.pardoned(t, now) })
}

// leastShare is the part of its weight that a target keeps however often it fails,
// so that it is asked now and then and can recover.
const leastShare = 0.1

// EffectiveWeight is the target's weight while nothing fails, and less while some
// of its attempts do:
//
//	weight × max(1/10, share of the latest ten attempts that did not fail)
//
// where attempts that have not been made yet count as good ones, failures of more
// than ten minutes ago do not count, and as many attempts are looked at as
// last_standing says. A target that is as good as new has all of its weight again.
// Of several credentials the best one tells, and of several targets that it
// stands for.
func (t *Target) EffectiveWeight(now time.Time) float64 {
	share := leastShare
	for member := range t.all() {
		for _, l := range member.lanes {
			share = max(share, l.share(member, now))
		}
	}
	return t.Weight * share
}

// unproven tells whether the target is back from a pause, and nobody has found out
// yet whether it works.
func (t *Target) unproven() bool {
	_, b := t.hindrance()
	return b != nil
}

// ofLane tells whether another credential may fare better at the same target.
func (f *failure) ofLane() bool {
	switch f.verdict {
	case verdictCredential:
		return true
	case verdictUnknown:
		return f.status == http.StatusForbidden
	default:
		return f.status == http.StatusTooManyRequests
	}
}

// culprit is what a failure is held against, or nil. Models that nobody listed
// share a state, and shall not suffer for each other; nor shall all for a 403
// that may be about the name that a client made up.
func (a *attempt) culprit(f *failure) *breaker {
	unlisted := a.target.label == unlistedLabel
	switch {
	case f.blameless, unlisted && f.status == http.StatusForbidden:
		return nil
	case f.verdict == verdictCredential:
		return &a.claim.lane.credential.state.breaker
	case unlisted:
		return nil
	case f.ofLane():
		return &a.claim.lane.state.breaker
	}
	return &a.target.state.breaker
}

// blame holds a failed attempt against the target, or against its credential,
// and leaves it alone for a while.
func (g *Gateway) blame(a *attempt, f *failure) {
	b, c, now := a.culprit(f), &a.target.Provider.cooldown, g.now()
	if b == nil || c.Off || !b.failed(c, f, stamp(a.began), stamp(now)) {
		return
	}
	n := g.noticeOf(a.target, a.claim.lane, b, now)
	metrics.cooldowns.WithLabelValues(n.provider, n.model, f.verdict).Inc()
	if n.fresh {
		g.tell(zapcore.InfoLevel, "target down", eventDown, n)
	} else {
		g.tell(zapcore.DebugLevel, "target stays down", "", n)
	}
}

// answered notes that a target's first content has come.
func (g *Gateway) answered(a *attempt) {
	for b := range a.claim.lane.counting(a.target) {
		g.noteUp(a.target, a.claim.lane, b, b.answered(stamp(a.began)))
	}
}

// succeeded notes that a target served an attempt.
func (g *Gateway) succeeded(a *attempt) {
	for b := range a.claim.lane.counting(a.target) {
		g.noteUp(a.target, a.claim.lane, b, b.succeeded(&a.target.Provider.cooldown, stamp(a.began)))
	}
}

func (g *Gateway) noteUp(t *Target, l *lane, b *breaker, up bool) {
	if up {
		g.tell(zapcore.InfoLevel, "target up", eventUp, g.noticeOf(t, l, b, g.now()))
	}
}

// The events that tell that a target goes down, and that it is back.
const (
	eventDown = "plexus.target_down"
	eventUp   = "plexus.target_up"
)

// allModels stands for every model of a credential.
const allModels = "_all"

// notice is what logs and events say of a target, or of a credential with all
// of its targets.
type notice struct {
	provider, model, reason string
	// credential is the number of the one that is at fault, where the provider
	// has several; else 0.
	credential int
	pauses     int64
	fresh      bool      // it was up before
	until      time.Time // zero when it is up
}

func (g *Gateway) noticeOf(t *Target, l *lane, b *breaker, now time.Time) notice {
	n := notice{provider: t.Provider.Name, model: t.label}
	checked := b == t.Provider.checked()
	if checked || b == &l.credential.state.breaker {
		n.model = allModels
	}
	if !checked && b != &t.state.breaker && len(t.lanes) > 1 {
		n.credential = l.credential.number
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n.reason, n.pauses, n.fresh = b.reason, b.failures, b.fresh
	if until := b.until.Load(); until != 0 {
		n.until = timeOf(until, now).UTC()
	}
	return n
}

// tell writes a notice to the log, and emits it as an event if it is one.
func (g *Gateway) tell(level zapcore.Level, message, event string, n notice) {
	if c := g.logger.Check(level, message); c != nil {
		fields := []zap.Field{zap.String("plexus_provider", n.provider), zap.String("plexus_model", n.model), zap.String("reason", n.reason)}
		if n.credential != 0 {
			fields = append(fields, zap.Int("credential", n.credential))
		}
		if !n.until.IsZero() {
			fields = append(fields, zap.Time("until", n.until), zap.Int64("pauses", n.pauses))
		}
		c.Write(fields...)
	}
	if event == "" {
		return
	}
	data := map[string]any{"provider": n.provider, "model": n.model, "reason": n.reason, "until": "", "credential": ""}
	if n.credential != 0 {
		data["credential"] = strconv.Itoa(n.credential)
	}
	if !n.until.IsZero() {
		data["until"] = n.until.Format(time.RFC3339)
	}
	running.emit(event, data)
}
