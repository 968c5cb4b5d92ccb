package direct

import (
	"slices"
	"sync"
	"time"
)

// hostKey is what connections serve: hosts as they are written in URLs.
type hostKey struct {
	secure bool
	host   string
}

// pool keeps the idle connections. The latest is taken first, so that those which
// a burst has left behind grow old.
type pool struct {
	mu      sync.Mutex
	idle    map[hostKey][]*conn
	closing bool // what comes back is closed
	timer   *time.Timer
}

// trusted is for how long an idle connection is taken to be alive. A server that
// closes it sooner has gone, or wanted no more requests: then the request is
// repeated on one that has been looked at.
const trusted = time.Second

// take takes a connection out, and tells how long it has been idle. It is nil
// where there is none. If wary, those that have just come are looked at too.
func (p *pool) take(key hostKey, kept time.Duration, wary bool) (*conn, time.Duration) {
	for {
		c := p.pop(key)
		if c == nil {
			return nil, 0
		}
		idle := time.Since(c.since)
		if (kept <= 0 || idle < kept) && (idle < trusted && !wary || c.alive()) {
			c.reused = true
			return c, idle
		}
		c.abort()
	}
}

func (p *pool) pop(key hostKey) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closing = false
	list := p.idle[key]
	if len(list) == 0 {
		return nil
	}
	last := len(list) - 1
	c := list[last]
	list[last] = nil
	p.idle[key] = list[:last]
	return c
}

// put keeps a connection, unless there are enough.
func (p *pool) put(c *conn, most int, kept time.Duration) {
	c.since = time.Now()
	if !p.keep(c, most, kept) {
		c.abort()
	}
}

func (p *pool) keep(c *conn, most int, kept time.Duration) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := p.idle[c.key]
	if p.closing || most > 0 && len(list) >= most {
		return false
	}
	if p.idle == nil {
		p.idle = map[hostKey][]*conn{}
	}
	p.idle[c.key] = append(list, c)
	if kept > 0 && p.timer == nil {
		p.timer = time.AfterFunc(kept, func() { p.expire(kept) })
	}
	return true
}

// expire closes the connections that have been idle for too long, and comes back
// for the oldest of the others.
func (p *pool) expire(kept time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now, next := time.Now(), time.Duration(-1)
	for key, list := range p.idle {
		// They stand in the order in which they became idle.
		first, _ := slices.BinarySearchFunc(list, now.Add(-kept), func(c *conn, t time.Time) int {
			if c.since.After(t) {
				return 1
			}
			return -1
		})
		for _, c := range list[:first] {
			c.abort()
		}
		list = slices.Delete(list, 0, first)
		if p.idle[key] = list; len(list) == 0 {
			delete(p.idle, key)
			continue
		}
		if left := list[0].since.Add(kept).Sub(now); next < 0 || left < next {
			next = left
		}
	}
	if p.timer = nil; next >= 0 {
		p.timer = time.AfterFunc(next, func() { p.expire(kept) })
	}
}

func (p *pool) closeIdle() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, list := range p.idle {
		for _, c := range list {
			c.abort()
		}
	}
	p.idle, p.closing = nil, true
	if p.timer != nil {
		p.timer.Stop()
		p.timer = nil
	}
}
