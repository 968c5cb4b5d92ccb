package plexus

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// states holds what is learnt of each target and credential, and where each
// model's rotation stands. It is a pool of the process and not a part of any
// configuration because on a reload the new configuration is provisioned while
// old streams still run: forgetting would forgive every target at once, and send
// a crowd to whichever was slow a second ago.
var states = caddy.NewUsagePool()

// targetState is what is learnt of one target: a provider's model.
type targetState struct {
	breaker
	turns      turns
	inFlight   atomic.Int64 // attempts under way, to the end of their answers
	firstTrial trial        // for the sake of the time to first content
	rateTrial  trial        // for the sake of the output rate
	unpriced   atomic.Bool  // whether it has been said that a cost is not known
	// latest are the times of whole answers, and of streams; nil where nobody
	// asks for them.
	latest [2]atomic.Pointer[recent]

	mu         sync.Mutex
	streams    pace    // of streams
	whole      pace    // of answers in one piece, to their end
	outputRate average // tokens per second
	consumed   window
}

// keepRecent makes the state keep the latest times, of which quantiles are taken.
func (s *targetState) keepRecent() {
	for i := range s.latest {
		s.latest[i].CompareAndSwap(nil, new(recent))
	}
}

// pace is that of streams or of whole answers. The state is locked.
func (s *targetState) pace(stream bool) *pace {
	if stream {
		return &s.streams
	}
	return &s.whole
}

func (s *targetState) observeOutputRate(tokensPerSecond float64, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.outputRate.add(tokensPerSecond, now)
	s.rateTrial.succeeded()
}

// trial keeps apart the requests that are sent to a target only to learn of it.
// Of requests that come in the same moment one gets the leave, and each trial from
// which nothing is learnt doubles the time to the next: 1 s, 2 s, 4 s, up to 64 s.
type trial struct {
	latest atomic.Int64 // stamp
	futile atomic.Int64 // how many in a row
}

// leave asks for the leave to try.
func (t *trial) leave(now time.Time) bool {
	const doublings = 6
	latest := t.latest.Load()
	pause := int64(time.Second) << min(t.futile.Load(), doublings)
	if stamp(now)-latest < pause || !t.latest.CompareAndSwap(latest, stamp(now)) {
		return false
	}
	t.futile.Add(1)
	return true
}

func (t *trial) succeeded() { t.futile.Store(0) }

// Rotation is where a model's round robin stands.
type Rotation struct {
	mu      sync.Mutex
	credits map[*targetState]float64
}

// Destruct implements caddy.Destructor.
func (*Rotation) Destruct() error { return nil }

// pooled lists the keys of what a configuration holds in the pool, so that it
// gives back exactly that, also after a load that failed half-way.
type pooled []string

func (p *pooled) state(key string, of *standing) *targetState {
	return pooledState(p, key, func() *targetState { return &targetState{breaker: breaker{key: key, standing: of}} })
}

func (p *pooled) credential(key string, of *standing) *credentialState {
	return pooledState(p, key, func() *credentialState { return &credentialState{breaker{key: key, standing: of}} })
}

func (p *pooled) lane(key string, of *standing) *laneState {
	return pooledState(p, key, func() *laneState { return &laneState{breaker{key: key, standing: of}} })
}

func (p *pooled) standing(key string) *standing {
	return pooledState(p, key, func() *standing { return new(standing) })
}

func (p *pooled) limiter(key string) *limiter { return pooledState(p, key, newLimiter) }

func (p *pooled) rotation(key string) *Rotation {
	return pooledState(p, key, func() *Rotation { return &Rotation{credits: map[*targetState]float64{}} })
}

// pooledState is the state of a name, whose kind the name says.
func pooledState[S caddy.Destructor](p *pooled, key string, fresh func() S) S {
	// LoadOrNew fails only where the constructor does.
	state, _, _ := states.LoadOrNew(key, func() (caddy.Destructor, error) { return fresh(), nil })
	*p = append(*p, key)
	return state.(S)
}

func (p *pooled) release() {
	for _, key := range *p {
		_, _ = states.Delete(key) // none of the states fails to be destructed
	}
	*p = nil
}

// Interface guards
var (
	_ caddy.Destructor = (*targetState)(nil)
	_ caddy.Destructor = (*Rotation)(nil)
)
