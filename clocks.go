package plexus

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// clocks are those of one attempt. A single timer looks after all of them
// whenever it wakes up; what happens in a stream meanwhile only leaves its stamp,
// for thousands of streams have many events each.
//
// Times are since the attempt began.
type clocks struct {
	limits *Failover
	first  limit // until the answer is committed
	stream bool
	began  time.Time
	cancel context.CancelCauseFunc

	content atomic.Int64 // when the latest content came
	size    atomic.Int64 // bytes of content since fluent
	fluent  atomic.Int64 // since when content is expected to flow
	sending atomic.Bool  // the provider waits for the client
	unsure  atomic.Bool  // the timer was set while it did, and may be late

	// These two are the serving goroutine's.
	arrived time.Duration // of what the client is sent
	fresh   bool          // it is content, whose time of arrival is known

	mu      sync.Mutex
	timer   *time.Timer
	armed   time.Duration // when it wakes up
	stage   stage
	why     *overdue // it is over, if time ran out
	dialing time.Duration
	speed   speedometer
}

// limit is how long something may take, and what to say when it did not come.
type limit struct {
	after time.Duration
	lacks string
}

// stage is how far an attempt has come.
type stage int

const (
	waiting stage = iota // for what is committed to
	flowing              // the client gets the answer
	over                 // or time ran out
)

// overdue is the cause of an attempt's end that a clock has ended. Its text is
// for the client too.
type overdue struct{ reason string }

func (e *overdue) Error() string { return e.reason }

func (l limit) overdue() *overdue {
	return &overdue{fmt.Sprintf("%s after %s", l.lacks, spoken(l.after))}
}

// spoken is a duration without the zeros at its end.
func spoken(d time.Duration) string {
	text := d.String()
	if short, ok := strings.CutSuffix(text, "m0s"); ok {
		text = short + "m"
	}
	if short, ok := strings.CutSuffix(text, "h0m"); ok {
		text = short + "h"
	}
	return text
}

// never is when a clock runs out that is switched off.
const never = time.Duration(1<<63 - 1)

// after is when a clock runs out that began at a time.
func after(from time.Duration, limit *caddy.Duration) time.Duration {
	if *limit == 0 {
		return never
	}
	return from + min(time.Duration(*limit), never-from)
}

// start begins the attempt. Without connect, or until the transport tells that it
// needs a connection, only the first limit holds.
func (c *clocks) start(limits *Failover, first limit, stream bool, cancel context.CancelCauseFunc) {
	c.limits, c.first, c.stream, c.cancel = limits, first, stream, cancel
	c.began, c.dialing = time.Now(), never
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armed = min(first.after, after(0, limits.Connect))
	if stream {
		c.armed = min(c.armed, after(0, limits.Total))
	}
	c.timer = time.AfterFunc(c.armed, c.wake)
}

func (c *clocks) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stage = over
	c.timer.Stop()
}

func (c *clocks) now() time.Duration { return time.Since(c.began) }

// wake ends the attempt if one of the clocks has run out, else sleeps until the
// next one does.
func (c *clocks) wake() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage == over {
		return
	}
	now := c.now()
	at, why := c.next(now)
	if at <= now {
		c.stage, c.why = over, why
		c.cancel(why)
		return
	}
	c.armed = at
	if at != never {
		c.timer.Reset(at - now)
	}
}

// rearm sees to it that the timer wakes up in time for what begins now. One that
// wakes up too early goes back to sleep.
func (c *clocks) rearm(now time.Duration) {
	if at, _ := c.next(now); at < c.armed {
		c.armed = at
		c.timer.Reset(at - now)
	}
}

// next is the clock that runs out first.
func (c *clocks) next(now time.Duration) (at time.Duration, why *overdue) {
	at = never
	soonest := func(when time.Duration, say func() *overdue) {
		if when < at {
			at = when
			if why = nil; when <= now {
				why = say()
			}
		}
	}
	if c.stream {
		soonest(after(0, c.limits.Total), func() *overdue {
			return limit{time.Duration(*c.limits.Total), "no end"}.overdue()
		})
	}
	if c.stage == waiting {
		soonest(c.first.after, c.first.overdue)
		if c.dialing != never {
			soonest(after(c.dialing, c.limits.Connect), func() *overdue {
				return limit{time.Duration(*c.limits.Connect), "no connection"}.overdue()
			})
		}
		return at, why
	}
	// The order counts: released clears sending before it looks at unsure. If
	// sending is still seen here, released will see unsure, and set the timer
	// right. What released changes is read only once sending is seen to be over.
	c.unsure.Store(true)
	sending := c.sending.Load()
	content := now // the client is what takes so long
	if !sending {
		c.unsure.Store(false)
		content = time.Duration(c.content.Load())
	}
	soonest(after(content, c.limits.Idle), func() *overdue {
		return &overdue{"no content for " + spoken(time.Duration(*c.limits.Idle))}
	})
	if floor := *c.limits.MinOutputRate; c.stream && floor > 0 {
		check, slow := c.speed.check(c, now, floor)
		if slow && !sending {
			check = now
		}
		soonest(check, func() *overdue {
			return &overdue{fmt.Sprintf("less than %v tokens per second", floor)}
		})
	}
	return at, why
}

// dials notes that a connection is looked for. When net/http finds out that an
// idle one was closed, it looks for another.
func (c *clocks) dials() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage == waiting {
		c.dialing = c.now()
		c.rearm(c.dialing)
	}
}

// connected notes that there is a connection.
func (c *clocks) connected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dialing = never
}

// commit notes that the first content has come, unless time ran out in that very
// moment. Of a whole answer there is nothing left to wait for.
func (c *clocks) commit(whole bool) *overdue {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.stage == over:
		return c.why
	case whole:
		c.stage = over
		c.timer.Stop()
		return nil
	}
	now := c.now()
	c.stage = flowing
	c.content.Store(int64(now))
	c.fluent.Store(int64(now))
	c.rearm(now)
	return nil
}

// heard notes content of a size in bytes.
func (c *clocks) heard(size int) {
	c.arrived, c.fresh = c.now(), true
	c.content.Store(int64(c.arrived))
	c.size.Add(int64(size))
}

// works notes that a tool of the provider's works, which takes its time.
func (c *clocks) works() {
	c.heard(0)
	c.restart(c.arrived)
}

// restart measures the output rate anew. The order is what the speedometer
// relies on.
func (c *clocks) restart(now time.Duration) {
	c.fluent.Store(int64(now))
	c.size.Store(0)
}

// holds notes that the client is being sent something. Until it has taken that,
// nothing is held against the provider.
func (c *clocks) holds() {
	if !c.fresh {
		c.arrived = c.now()
	}
	c.sending.Store(true)
}

// released notes that the client has taken what it was sent.
func (c *clocks) released() {
	now := c.now()
	held := now - c.arrived
	c.content.Add(int64(held))
	if held > slowClient {
		c.restart(now)
	}
	c.fresh = false
	c.sending.Store(false)
	if c.unsure.Load() {
		c.setRight(now)
	}
}

// setRight sets the timer anew that was set while nobody knew how long the client
// would take.
func (c *clocks) setRight(now time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stage == flowing {
		c.rearm(now)
	}
}

// slowClient is how long a client may take for a flush before what the provider
// can do can no longer be told from what the client can.
const slowClient = 100 * time.Millisecond

// speedometer measures the output rate over a sliding window, by how much there
// was at each of its steps.
type speedometer struct {
	fluent time.Duration
	steps  [rateSteps]int64
	taken  int
	next   time.Duration
}

const (
	rateWindow = 30 * time.Second
	rateSteps  = 6
	rateStep   = rateWindow / rateSteps
)

// check tells when to look next, and whether less came over the last window than
// is asked for.
func (s *speedometer) check(c *clocks, now time.Duration, floor float64) (next time.Duration, slow bool) {
	fluent := time.Duration(c.fluent.Load())
	size := c.size.Load()
	if fluent != s.fluent || s.taken == 0 || time.Duration(c.fluent.Load()) != fluent {
		// Content flows only since then: a tool has worked, or the client
		// was slow.
		*s = speedometer{fluent: fluent, taken: 1, next: max(fluent, now-rateStep) + rateStep}
	}
	if now < s.next {
		return s.next, false
	}
	before := s.steps[s.taken%rateSteps]
	s.steps[s.taken%rateSteps] = size
	s.taken++
	slow = s.taken > rateSteps && float64(size-before)/bytesPerToken < floor*rateWindow.Seconds()
	s.next = now + rateStep
	return s.next, slow
}
