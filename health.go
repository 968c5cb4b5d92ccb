package plexus

import (
	"net/http"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// breakers are what may keep requests away from a target: what its credential
// did, to all targets of it, and what it did itself.
func (t *Target) breakers() [2]*breaker { return [2]*breaker{t.Provider.credential, &t.state.breaker} }

// free tells whether nothing keeps requests away from the target.
func (t *Target) free(now time.Time) bool {
	if t.Provider.cooldown.Off {
		return true
	}
	for _, b := range t.breakers() {
		if !b.admits(stamp(now)) {
			return false
		}
	}
	return true
}

// pardoned tells whether the target may be asked all the same where there is no
// other left.
func (t *Target) pardoned(now time.Time) bool {
	for _, b := range t.breakers() {
		if !b.admits(stamp(now)) && !b.pardons(&t.Provider.cooldown, stamp(now)) {
			return false
		}
	}
	return true
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
func (t *Target) EffectiveWeight(now time.Time) float64 {
	share := 1.0
	for _, b := range t.breakers() {
		share = min(share, b.share(&t.Provider.cooldown, stamp(now)))
	}
	return t.Weight * max(share, leastShare)
}

// unproven tells whether the target is back from a pause, and nobody has found out
// yet whether it works.
func (t *Target) unproven() bool {
	for _, b := range t.breakers() {
		if b.until.Load() != 0 {
			return !t.Provider.cooldown.Off
		}
	}
	return false
}

// claim is the leave to send a request to a target. It has to be given back.
type claim struct {
	breakers [2]*breaker
	tickets  [2]int64
}

// claim asks for the leave to send a request, as the last target standing or not.
// Being asked for only when it is the target's turn, it keeps nobody else away
// meanwhile.
func (t *Target) claim(now time.Time, last bool) (c claim, ok bool) {
	if t.Provider.cooldown.Off {
		return c, true
	}
	c.breakers = t.breakers()
	for i, b := range c.breakers {
		if c.tickets[i], ok = b.claim(stamp(now)); !ok && !(last && b.pardons(&t.Provider.cooldown, stamp(now))) {
			c.giveBack()
			return c, false
		}
	}
	return c, true
}

func (c *claim) giveBack() {
	for i, ticket := range c.tickets {
		if ticket != 0 {
			c.breakers[i].giveBack(ticket)
		}
	}
}

// culprit is what a failure is held against, or nil. Models that nobody listed
// share a state, and shall not suffer for each other; nor shall all for a 403
// that may be about the name that a client made up.
func (t *Target) culprit(f *failure) *breaker {
	unlisted := t.label == unlistedLabel
	switch {
	case f.blameless, unlisted && f.status == http.StatusForbidden:
		return nil
	case f.verdict == verdictCredential:
		return t.Provider.credential
	case unlisted:
		return nil
	}
	return &t.state.breaker
}

// blame holds a failed attempt against the target, or against its credential,
// and leaves it alone for a while.
func (g *Gateway) blame(t *Target, f *failure, began time.Time) {
	b, c, now := t.culprit(f), &t.Provider.cooldown, g.now()
	if b == nil || c.Off || !b.failed(c, f, stamp(began), stamp(now)) {
		return
	}
	n := g.noticeOf(t, b, now)
	metrics.cooldowns.WithLabelValues(n.provider, n.model, f.verdict).Inc()
	if n.pauses == 1 {
		g.tell(zapcore.InfoLevel, "target down", eventDown, n)
	} else {
		g.tell(zapcore.DebugLevel, "target stays down", "", n)
	}
}

// answered notes that a target's first content has come.
func (g *Gateway) answered(t *Target, began time.Time) {
	for _, b := range t.breakers() {
		g.noteUp(t, b, b.answered(stamp(began)))
	}
}

// succeeded notes that a target served an attempt that began at a time.
func (g *Gateway) succeeded(t *Target, began time.Time) {
	for _, b := range t.breakers() {
		g.noteUp(t, b, b.succeeded(&t.Provider.cooldown, stamp(began)))
	}
}

func (g *Gateway) noteUp(t *Target, b *breaker, up bool) {
	if up {
		g.tell(zapcore.InfoLevel, "target up", eventUp, g.noticeOf(t, b, g.now()))
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
	pauses                  int64
	until                   time.Time // zero when it is up
}

func (g *Gateway) noticeOf(t *Target, b *breaker, now time.Time) notice {
	n := notice{provider: t.Provider.Name, model: t.label}
	if b == t.Provider.credential {
		n.model = allModels
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	n.reason, n.pauses = b.reason, b.failures
	if until := b.until.Load(); until != 0 {
		n.until = timeOf(until, now).UTC()
	}
	return n
}

// tell writes a notice to the log, and emits it as an event if it is one.
func (g *Gateway) tell(level zapcore.Level, message, event string, n notice) {
	if c := g.logger.Check(level, message); c != nil {
		fields := []zap.Field{zap.String("plexus_provider", n.provider), zap.String("plexus_model", n.model), zap.String("reason", n.reason)}
		if !n.until.IsZero() {
			fields = append(fields, zap.Time("until", n.until), zap.Int64("pauses", n.pauses))
		}
		c.Write(fields...)
	}
	if event == "" {
		return
	}
	data := map[string]any{"provider": n.provider, "model": n.model, "reason": n.reason, "until": ""}
	if !n.until.IsZero() {
		data["until"] = n.until.Format(time.RFC3339)
	}
	running.emit(event, data)
}
