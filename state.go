package plexus

import (
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
	breaker
	explored atomic.Int64 // the stamp of the latest exploration
	unpriced atomic.Bool  // whether it has been said that a cost is not known

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

// explore asks for the leave to send a request to a target of which nothing is
// known. One a second gets it: enough to learn, too few to hurt.
func (s *targetState) explore(now time.Time) bool {
	last, at := s.explored.Load(), stamp(now)
	return at-last >= int64(time.Second) && s.explored.CompareAndSwap(last, at)
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
	s, _, err := states.LoadOrNew(key, func() (caddy.Destructor, error) {
		return &targetState{breaker: breaker{key: key}}, nil
	})
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
