package plexus

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// states holds what is learnt of each target. It is a pool of the process and
// not a part of any configuration because on a reload the new configuration is
// provisioned while old streams still run: forgetting would forgive every
// target at once, and send a crowd to whichever was slow a second ago.
var states = caddy.NewUsagePool()

// rotations holds the position of each model's rotation, for the same reason.
var rotations = caddy.NewUsagePool()

// targetState is what is learnt of one target: a provider's model.
type targetState struct {
	coolUntil atomic.Int64 // Unix time in nanoseconds; 0 when it is not cooling down
	failures  atomic.Int64 // in a row
	failedAt  atomic.Int64 // Unix time in nanoseconds of the latest of them
	told      atomic.Bool  // whether the provider itself said how long to stay away
	explored  atomic.Int64 // Unix time in nanoseconds of the latest exploration
	unpriced  atomic.Bool  // whether it has been said that a cost is not known

	mu           sync.Mutex
	firstContent average // seconds
	outputRate   average // tokens per second
}

// Destruct implements caddy.Destructor. There is nothing to close: streams of
// an old configuration may still report to a state that nobody else uses.
func (*targetState) Destruct() error { return nil }

// average is a decayed average: with each sample, avg += (sample - avg) / 5, so
// that the latest five samples weigh two thirds. What was last sampled longer
// than staleAfter ago counts as not known.
type average struct {
	value float64
	at    time.Time
}

const (
	decay      = 1.0 / 5
	staleAfter = 10 * time.Minute
)

func (a *average) add(sample float64, now time.Time) {
	if _, known := a.get(now); known {
		a.value += decay * (sample - a.value)
	} else {
		a.value = sample
	}
	a.at = now
}

func (a *average) get(now time.Time) (float64, bool) {
	return a.value, !a.at.IsZero() && now.Sub(a.at) < staleAfter
}

func (s *targetState) observeFirstContent(d time.Duration, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.firstContent.add(d.Seconds(), now)
}

func (s *targetState) observeOutputRate(tokensPerSecond float64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outputRate.add(tokensPerSecond, now)
}

// Cooldown is how long a target is left alone after a failure that is its own
// fault.
type Cooldown struct {
	// Never leaves a target alone. Default: `false`.
	Off bool `json:"off,omitempty"`
	// The pause after a first failure. It doubles with each failure that
	// follows, and is never shorter than the provider asks for in Retry-After.
	// Default: `10s`.
	Initial caddy.Duration `json:"initial,omitempty"`
	// The longest pause. Default: `5m`.
	Max caddy.Duration `json:"max,omitempty"`
}

const (
	defaultCooldown    = 10 * time.Second
	defaultMaxCooldown = 5 * time.Minute
	// lastStanding is how many failures in a row a target may have while there
	// is no other: a single provider's hiccup is better passed on than turned
	// into an outage.
	lastStanding = 5
)

func (c *Cooldown) validate() error {
	if c != nil && c.Max > 0 && c.Initial > c.Max {
		return fmt.Errorf("cooldown: the initial pause %s is longer than the longest, %s", time.Duration(c.Initial), time.Duration(c.Max))
	}
	return nil
}

// pause is how long to stay away after so many failures in a row.
func (c *Cooldown) pause(failures int64, retryAfter time.Duration) time.Duration {
	initial, longest := defaultCooldown, defaultMaxCooldown
	if c != nil && c.Initial > 0 {
		initial = time.Duration(c.Initial)
	}
	if c != nil && c.Max > 0 {
		longest = time.Duration(c.Max)
	}
	pause := initial
	for i := int64(1); i < failures && pause < longest; i++ {
		pause *= 2
	}
	return min(max(pause, retryAfter), longest)
}

// failed notes a failure that is the target's fault. Requests that were under
// way together fail together; they count as one.
func (s *targetState) failed(c *Cooldown, retryAfter time.Duration, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c != nil && c.Off || s.cooling(now) {
		return
	}
	s.failedAt.Store(now.UnixNano())
	s.told.Store(retryAfter > 0)
	s.coolUntil.Store(now.Add(c.pause(s.failures.Add(1), retryAfter)).UnixNano())
}

// blame notes a failure that is the target's fault. Models that nobody listed
// share a state, and shall not suffer for each other.
func (t *Target) blame(retryAfter time.Duration, now time.Time) {
	if t.label != unlistedLabel {
		t.state.failed(t.Provider.Cooldown, retryAfter, now)
	}
}

// succeeded forgives what was before the attempt that succeeded began: a long
// stream that ends well says nothing of failures since.
func (s *targetState) succeeded(began time.Time) {
	if s.failures.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if began.UnixNano() >= s.failedAt.Load() {
		s.failures.Store(0)
		s.coolUntil.Store(0)
	}
}

func (s *targetState) cooling(now time.Time) bool { return now.UnixNano() < s.coolUntil.Load() }

// avoidable tells whether a cooling target is to be left alone even where there
// is no other.
func (s *targetState) avoidable() bool { return s.told.Load() || s.failures.Load() >= lastStanding }

// explore asks for the leave to send a request to a target of which nothing is
// known. One a second gets it: enough to learn, too few to hurt.
func (s *targetState) explore(now time.Time) bool {
	last := s.explored.Load()
	return now.UnixNano()-last >= int64(time.Second) && s.explored.CompareAndSwap(last, now.UnixNano())
}

// Rotation is where a model's round robin stands.
type Rotation struct {
	mu      sync.Mutex
	credits map[*targetState]float64
}

// Destruct implements caddy.Destructor.
func (*Rotation) Destruct() error { return nil }

// pooled keeps count of what a configuration holds in the pools, so that it
// gives back exactly that, also after a load that failed half-way.
type pooled struct {
	states    []string
	rotations []string
}

func (p *pooled) state(key string) (*targetState, error) {
	s, _, err := states.LoadOrNew(key, func() (caddy.Destructor, error) { return new(targetState), nil })
	if err != nil {
		return nil, err
	}
	p.states = append(p.states, key)
	return s.(*targetState), nil
}

func (p *pooled) rotation(key string) (*Rotation, error) {
	r, _, err := rotations.LoadOrNew(key, func() (caddy.Destructor, error) {
		return &Rotation{credits: map[*targetState]float64{}}, nil
	})
	if err != nil {
		return nil, err
	}
	p.rotations = append(p.rotations, key)
	return r.(*Rotation), nil
}

func (p *pooled) release() error {
	for _, key := range p.states {
		if _, err := states.Delete(key); err != nil {
			return err
		}
	}
	for _, key := range p.rotations {
		if _, err := rotations.Delete(key); err != nil {
			return err
		}
	}
	p.states, p.rotations = nil, nil
	return nil
}

// Interface guards
var (
	_ caddy.Destructor = (*targetState)(nil)
	_ caddy.Destructor = (*Rotation)(nil)
)
