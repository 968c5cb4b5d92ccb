package plexus

import (
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// breaker keeps requests away from what failed by its own fault: from a target,
// or from a credential with all of its targets.
//
//	up         every request may come
//	cooling    a failure has begun a pause: none may
//	half open  the pause is over: one may, to find out; while it is under way
//	           it is probing, and none may
//
// The probe's success leads up again, its failure to a longer pause; one that
// tells nothing, for its client left, gives its place back. Requests that find
// nothing held against a target read one number, and take no lock.
type breaker struct {
	key      string    // its name in the pool
	standing *standing // of its provider; nil for none

	until atomic.Int64  // when the pause ends, as a stamp; 0 when up
	probe atomic.Int64  // the end of the pause after which a probe is under way; it is over when until is another
	fails atomic.Uint64 // the latest attempts, a bit each, the latest lowest: 1 failed

	mu       sync.Mutex
	failures int64 // pauses that were not enough, the present one included
	failedAt int64 // the stamp of the latest failure
	told     int64 // the stamp until which the provider itself wants to be left alone
	late     bool  // it failed after its first content
	reason   string
	fresh    bool // the present pause began while it was up
	restored bool // or has been offered what was saved
	blemish  bool // it counts in the standing
}

// standing counts the breakers of a provider that hold anything, so that where none
// does not every target has to be looked at.
type standing struct{ blemishes atomic.Int64 }

// Destruct implements caddy.Destructor. There is nothing to close.
func (*standing) Destruct() error { return nil }

// good tells whether nothing is held against anything of the provider.
func (s *standing) good() bool { return s.blemishes.Load() == 0 }

// noteBlemish keeps the standing right. The breaker is locked, and has changed.
func (b *breaker) noteBlemish() {
	blemish := b.until.Load() != 0 || b.fails.Load() != 0
	if b.standing == nil || blemish == b.blemish {
		return
	}
	if b.blemish = blemish; blemish {
		b.standing.blemishes.Add(1)
	} else {
		b.standing.blemishes.Add(-1)
	}
}

// Destruct implements caddy.Destructor. Streams of an old configuration may still
// report to a state that nobody else uses: it counts no more.
func (b *breaker) Destruct() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.blemish {
		b.standing.blemishes.Add(-1)
	}
	b.standing, b.blemish = nil, false
	return nil
}

// epoch is when the process began. Times are taken from it by the monotonic
// clock, so that a clock that is set back does not prolong a pause by hours.
var epoch = time.Now()

// stamp is a time in nanoseconds, Unix time unless the clock has been set.
func stamp(t time.Time) int64 { return epoch.UnixNano() + int64(t.Sub(epoch)) }

// later is the stamp of a time after another one, which may be centuries away.
func later(now int64, after time.Duration) int64 {
	return now + min(int64(after), math.MaxInt64-now)
}

// timeOf is the time of a stamp, by the clock of now.
func timeOf(s int64, now time.Time) time.Time { return now.Add(time.Duration(s - stamp(now))) }

// admits tells whether a request may come, if it is the first to.
func (b *breaker) admits(now int64) bool {
	until := b.until.Load()
	return until == 0 || now >= until && b.probe.Load() != until
}

// claim asks for the leave to send a request. After a pause one request gets it,
// with a ticket that it has to give back.
func (b *breaker) claim(now int64) (ticket int64, ok bool) {
	until := b.until.Load()
	if until == 0 {
		return 0, true
	}
	probe := b.probe.Load()
	if now < until || probe == until || !b.probe.CompareAndSwap(probe, until) {
		return 0, false
	}
	return until, true
}

// giveBack ends a probe. After one that succeeded or failed there is nothing left
// to give back: another probe, of another pause, may be under way already.
func (b *breaker) giveBack(ticket int64) {
	if ticket != 0 {
		b.probe.CompareAndSwap(ticket, 0)
	}
}

// pardons tells whether a request may come all the same where there is nowhere
// else to go: too few attempts failed to speak of an outage, or it is so long ago
// that it says nothing.
func (b *breaker) pardons(c *Cooldown, now int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	until := b.until.Load()
	met := b.told == 0 || b.told <= now && now < until // as long as the provider wished
	return met && !c.broken(b.fails.Load()) || now-until > int64(staleAfter)
}

// opens is when a request may come that has nowhere else to go.
func (b *breaker) opens(c *Cooldown) int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	until := b.until.Load()
	if b.told != 0 && !c.broken(b.fails.Load()) {
		return min(b.told, until)
	}
	return until
}

// failed notes a failure of an attempt that began at a time. It tells whether a
// pause begins with it. Requests that were under way together fail together:
// they count as one.
func (b *breaker) failed(c *Cooldown, f *failure, began, now int64) (paused bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	defer b.noteBlemish()
	until := b.until.Load()
	cooling := now < until
	var wish int64
	if f.retryAfter > 0 {
		wish = later(now, min(f.retryAfter, time.Duration(c.Max)))
	}
	if cooling && wish > 0 {
		b.told = max(b.told, wish)
		b.until.Store(max(until, later(now, c.pause(1, f.retryAfter))))
	}
	if began < b.failedAt {
		return false
	}
	if until == 0 && now-b.failedAt > int64(staleAfter) {
		b.forget()
	}
	b.failedAt = now
	b.fails.Store(b.fails.Load()<<1 | 1)
	if cooling || until == 0 && c.failed(b.fails.Load()) < c.Failures && f.retryAfter == 0 {
		return false
	}
	b.failures++
	b.fresh = until == 0
	b.told, b.late, b.reason = wish, f.late, f.reason
	b.until.Store(later(now, c.pause(b.failures, f.retryAfter)))
	return true
}

// answered notes that the first content of an attempt has come. This ends a
// pause, unless what began it came later in an answer. It tells whether it did.
func (b *breaker) answered(began int64) (up bool) {
	if b.until.Load() == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.late || began < b.failedAt || b.until.Load() == 0 {
		return false
	}
	b.until.Store(0)
	b.noteBlemish()
	return true
}

// succeeded notes a success, which ends a pause. It forgives what was before the
// attempt began: a long stream that ends well says nothing of failures since.
// How long the pauses have become is forgotten once none of the latest attempts
// failed: what works every other time shall not be back at once every time.
func (b *breaker) succeeded(c *Cooldown, began int64) (up bool) {
	if b.until.Load() == 0 && b.fails.Load() == 0 {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if began < b.failedAt {
		return false
	}
	up = b.until.Load() != 0
	b.until.Store(0)
	b.fails.Store(b.fails.Load() << 1)
	if c.failed(b.fails.Load()) == 0 {
		b.forget()
	}
	b.noteBlemish()
	return up
}

// share is the share of the latest attempts that did not fail. Those that have not
// been made yet count as good ones, and failures of long ago not at all.
func (b *breaker) share(c *Cooldown, now int64) float64 {
	if b.fails.Load() == 0 {
		return 1
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if now-b.failedAt > int64(staleAfter) {
		return 1
	}
	return 1 - float64(c.failed(b.fails.Load()))/float64(c.LastStanding.Of)
}

// clear forgets everything. It tells whether a pause ends with it.
func (b *breaker) clear() (up bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	up = b.until.Swap(0) != 0
	b.forget()
	b.noteBlemish()
	return up
}

func (b *breaker) forget() {
	b.fails.Store(0)
	b.failures, b.told, b.late, b.reason = 0, 0, false, ""
}
