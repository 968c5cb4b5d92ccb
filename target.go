package plexus

import (
	"time"

	"github.com/caddy-plexus/plexus/prices"
)

// Target is one provider's model behind an alias, or stands for another alias:
// then its figures are the best among that one's targets, the first of which it
// names, and its load is that of all of them.
type Target struct {
	Provider *Provider
	// Model is the provider's name of the model.
	Model string
	// Weight is relative to those of the other targets; 1 where none is given.
	Weight float64
	// Price is nil where it is not known.
	Price *prices.Price

	declared bool  // the price is the configuration's
	window   int64 // of its context, in tokens; 0 where it is not known
	state    *targetState
	lanes    []*lane
	label    string
	metered  *metered
	failover *Failover // complete: of the model, the provider, the gateway

	alias   string    // of the model that it stands for; empty for a provider's model
	members []*Target // that model's
	inner   *route
}

// FirstContent is the target's recent time to first content, and whether any is
// known: that of streams, else that of whole answers, which is the time that all
// of one took.
func (t *Target) FirstContent(now time.Time) (time.Duration, bool) {
	if t.members != nil {
		least, known := t.best(func(t *Target) (float64, bool) {
			d, known := t.FirstContent(now)
			return float64(d), known
		})
		return time.Duration(least), known
	}
	t.state.mu.Lock()
	defer t.state.mu.Unlock()
	seconds, known := t.state.streams.took.get(now)
	if !known {
		seconds, known = t.state.whole.took.get(now)
	}
	return time.Duration(seconds * float64(time.Second)), known
}

// OutputRate is the target's recent speed in tokens per second, and whether any
// is known.
func (t *Target) OutputRate(now time.Time) (float64, bool) {
	if t.members != nil {
		slowness, known := t.best(func(t *Target) (float64, bool) {
			rate, known := t.OutputRate(now)
			return -rate, known
		})
		return -slowness, known
	}
	t.state.mu.Lock()
	defer t.state.mu.Unlock()
	return t.state.outputRate.get(now)
}

// InFlight is how many attempts at the target are under way.
func (t *Target) InFlight() (n int64) {
	for member := range t.all() {
		n += member.state.inFlight.Load()
	}
	return n
}

// Explore asks for the leave to send a request to a target only to learn of it. It
// is given once a second, and less often while nothing is learnt.
func (t *Target) Explore(now time.Time) bool { return t.state.firstTrial.leave(now) }

func (t *Target) String() string {
	if t.alias != "" {
		return aliasPrefix + t.alias
	}
	if t.Model == "" { // of a stored response, whose model nobody here knows
		return t.Provider.Name
	}
	return t.Provider.Name + "/" + t.Model
}
