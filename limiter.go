package plexus

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-plexus/plexus/api"
)

// limiter counts what is under way at a provider, and lets requests in where
// there is room, the first come first. It is pooled: a reload does not forget
// what is under way. How much there is room for is the configuration's.
//
// One lock covers all of a provider, so that a request is let in past all of its
// bounds at once, or past none.
type limiter struct {
	mu          sync.Mutex
	places      places
	targets     map[string]*places    // by model
	credentials map[string]*allowance // by credential
	lanes       map[string]*learned   // by credential and model

	waiters []*waiter // the first come first
	waiting atomic.Int64
	round   uint64
}

// Destruct implements caddy.Destructor. There is nothing to close: requests of
// an old configuration may still give back their slots.
func (*limiter) Destruct() error { return nil }

// turnstile is what requests wait for. Whoever waits for it closes it, for the
// present round, to all who came later, unless their bound is higher: what an alias
// must leave to others, because its own bound is low, those may have meanwhile.
type turnstile struct {
	closed uint64 // the round
	most   int    // the bound of whoever waits
}

// pass tells whether a request may pass, for which there is room or not.
func (t *turnstile) pass(round uint64, most int, room bool) bool {
	open := t.closed != round || most > t.most
	if !room {
		if t.closed != round {
			t.most = most
		}
		t.closed, t.most = round, max(t.most, most)
	}
	return open && room
}

// places are requests under way at the same time.
type places struct {
	turnstile
	taken int
}

// allowance is what a credential was used for in the last minute.
type allowance struct {
	turnstile
	requests, tokens minute
}

// gate is what a request has to pass on its way into a lane.
type gate struct {
	limiter *limiter
	bounded *bounded
	// most is how many requests may be under way at the target; 0 for any.
	most      int
	rpm, tpm  int64
	target    *places
	allowance *allowance
	learned   *learned // nil where what the provider says is not heeded
}

// bounded is what holds for all of a provider.
type bounded struct {
	// most is how many requests may be under way at it; 0 for any.
	most int
	// counts says that there is a bound anywhere at it. Else nothing is counted,
	// and nothing locked.
	counts bool
}

// slot is the place that a request holds in a lane until it gives it back.
type slot struct {
	gate    *gate
	counted bool
	second  int64 // in which it was let in
	took    tally // of the allowances
	mark    tally // what the lane had been asked by then, itself included

	spent  int64 // the tokens that the provider reports
	known  bool  // whether it does
	unsent bool  // nothing of the request reached the provider
}

func newLimiter() *limiter {
	return &limiter{targets: map[string]*places{}, credentials: map[string]*allowance{}, lanes: map[string]*learned{}}
}

// gate completes the bounds of a lane with the counts to which they apply. Models
// that nobody listed share them.
func (l *limiter) gate(all *bounded, model, credential string, g gate, learns bool) *gate {
	l.mu.Lock()
	defer l.mu.Unlock()
	g.limiter, g.bounded = l, all
	g.target = ensure(l.targets, model)
	g.allowance = ensure(l.credentials, credential)
	if learns {
		g.learned = ensure(l.lanes, credential+"\n"+model)
	}
	return &g
}

func ensure[T any](all map[string]*T, name string) *T {
	if all[name] == nil {
		all[name] = new(T)
	}
	return all[name]
}

// enter lets a request in, unless there is no room or others wait for it. Where
// hints are not heeded, what the provider said of its limits keeps nobody out.
func (g *gate) enter(want tally, now int64, heeds bool) (slot, bool) {
	if !g.bounded.counts && g.limiter.waiting.Load() == 0 {
		if heeds && g.learned != nil && g.learned.opens(want, now) > now {
			return slot{}, false
		}
		return g.occupy(want, now), true
	}
	l := g.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handOver(now)
	if !g.passes(want, now, heeds) {
		return slot{}, false
	}
	return g.occupy(want, now), true
}

// occupy takes a slot. It needs the lock where anything is counted.
func (g *gate) occupy(want tally, now int64) slot {
	s := slot{gate: g, counted: g.bounded.counts, second: secondOf(now), took: want}
	if s.counted {
		g.limiter.places.taken++
		g.target.taken++
		g.count(s.second, want.requests, want.tokens())
	}
	if g.learned != nil {
		s.mark = g.learned.note(want)
	}
	return s
}

func secondOf(now int64) int64 { return now / int64(time.Second) }

func (g *gate) count(second, requests, tokens int64) {
	if g.rpm > 0 {
		g.allowance.requests.add(second, requests)
	}
	if g.tpm > 0 {
		g.allowance.tokens.add(second, tokens)
	}
}

// leave gives the slot back, once, and with it what the request did not take. The
// first who waits for it has it before anyone else can come.
func (s *slot) leave(now int64) {
	g := s.gate
	if g == nil {
		return
	}
	s.gate = nil
	if !s.counted && g.limiter.waiting.Load() == 0 {
		return
	}
	l := g.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	if s.counted {
		l.places.taken--
		g.target.taken--
		switch {
		case s.unsent:
			g.count(s.second, -s.took.requests, -s.took.tokens())
		case s.known:
			g.count(s.second, 0, s.spent-s.took.tokens())
		}
	}
	l.handOver(now)
}

// used notes what the provider counted for the request.
func (s *slot) used(u api.Usage) {
	s.spent, s.known = u.Prompt()+u.Generated(), true
	if g := s.gate; g != nil && g.learned != nil {
		g.learned.observe(u.Prompt(), u.CacheRead)
	}
}

// learn takes in what an answer's header says of the provider's limits.
func (s *slot) learn(header http.Header, now time.Time) {
	g := s.gate
	if g == nil || g.learned == nil || !g.learned.learn(header, s.mark, now) {
		return
	}
	if g.limiter.waiting.Load() > 0 {
		g.limiter.serve(stamp(now)) // it may be more than was thought
	}
}

// forget forgets what the provider said of its limits.
func (g *gate) forget(now int64) {
	if g.learned != nil && g.learned.latest.Swap(nil) != nil {
		g.limiter.serve(now)
	}
}

// requestsOpen is when another request is allowed in this minute.
func (g *gate) requestsOpen(now int64) int64 {
	if g.rpm == 0 || g.allowance.requests.used(secondOf(now)) < g.rpm {
		return now
	}
	return g.allowance.requests.opens(secondOf(now), g.rpm-1) * int64(time.Second)
}

// tokensOpen is when a request's tokens are allowed. One of more than is ever
// allowed has to have a minute for itself.
func (g *gate) tokensOpen(want tally, now int64) int64 {
	most := max(0, g.tpm-want.tokens())
	if g.tpm == 0 || g.allowance.tokens.used(secondOf(now)) <= most {
		return now
	}
	return g.allowance.tokens.opens(secondOf(now), most) * int64(time.Second)
}

// opens is when there will be room for a request by the passing of time alone.
func (g *gate) opens(want tally, now int64) int64 {
	at := max(now, g.requestsOpen(now), g.tokensOpen(want, now))
	if g.learned != nil {
		at = max(at, g.learned.opens(want, now))
	}
	return at
}

// passes tells whether there is room for a request, and nobody before it waits
// for that. Where there is none it closes, for all who come later, what the
// request waits for.
func (g *gate) passes(want tally, now int64, heeds bool) bool {
	l, open := g.limiter, true
	if most := g.bounded.most; most > 0 {
		open = l.places.pass(l.round, most, l.places.taken < most) && open
	}
	if g.most > 0 {
		open = g.target.pass(l.round, g.most, g.target.taken < g.most) && open
	}
	if g.rpm > 0 || g.tpm > 0 {
		open = g.allowance.pass(l.round, 0, g.requestsOpen(now) <= now && g.tokensOpen(want, now) <= now) && open
	}
	if g.learned != nil && heeds {
		open = g.learned.pass(l.round, 0, g.learned.opens(want, now) <= now) && open
	}
	return open
}

// handOver begins a round: it lets in those who wait, the first come first, as
// far as there is room.
func (l *limiter) handOver(now int64) {
	l.round++
	if len(l.waiters) == 0 {
		return
	}
	left := l.waiters[:0]
	for _, w := range l.waiters {
		if w.waits() && !l.letIn(w, now) {
			left = append(left, w)
		}
	}
	clear(l.waiters[len(left):])
	l.waiters = left
	l.waiting.Store(int64(len(left)))
}

// letIn lets a waiter into the first of its lanes that has room. It is done with
// it, too, where another provider was faster.
func (l *limiter) letIn(w *waiter, now int64) (done bool) {
	for i, g := range w.gates {
		if g.limiter == l && g.passes(w.want, now, true) {
			if w.state.CompareAndSwap(waiterWaits, waiterLetIn) {
				w.slot, w.lane = g.occupy(w.want, now), i
				close(w.ready)
			}
			return true
		}
	}
	return false
}

// Interface guard
var _ caddy.Destructor = (*limiter)(nil)
