package direct

import (
	"net/http"
	"sync"
	"time"
)

// pool keeps idle connections, the latest of an origin on top. One mutex guards
// it all, and is never held while a connection is closed. Under it some pointers
// are turned, and every two seconds each connection is looked at, which does not
// block. That the oldest of all is known spares the limits and the timer any search.
type pool struct {
	mu             sync.Mutex
	dead           bool // closes what comes back
	origins        map[origin]stack
	oldest, newest *conn
	size           int
	timer          *time.Timer
	armed          bool
	watching       bool // for connections that their servers close
}

// watchEvery is how often idle connections are looked at. Nobody waits for what
// comes on them; one that its server has closed would keep its descriptor until it
// is wanted or has been idle for too long.
const watchEvery = 2 * time.Second

// watch closes the idle connections that could not be used any more.
func (p *pool) watch() {
	for _, c := range p.popBroken() {
		c.abort()
	}
}

func (p *pool) popBroken() (broken []*conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := p.oldest; c != nil; {
		next := c.newer
		if !c.healthy() {
			p.remove(c)
			broken = append(broken, c)
		}
		c = next
	}
	if p.watching = p.size > 0; p.watching {
		time.AfterFunc(watchEvery, p.watch)
	}
	return broken
}

type stack struct {
	top  *conn
	size int
}

// take is the connection to an origin that was used last, or nil. It has not been
// looked at.
func (p *pool) take(o origin, timeout time.Duration) *conn {
	now := time.Now()
	for {
		c := p.pop(o)
		// After a sleep of the whole machine only the clock on the wall tells.
		if c == nil || timeout <= 0 || now.Round(0).Sub(c.idleSince.Round(0)) < timeout {
			return c
		}
		c.close()
	}
}

func (p *pool) pop(o origin) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = false
	c := p.origins[o].top
	if c != nil {
		p.remove(c)
	}
	return c
}

// put keeps a connection, or tells why it does not.
func (p *pool) put(c *conn, t *Transport) error {
	host := t.MaxIdleConnsPerHost
	if host == 0 {
		host = http.DefaultMaxIdleConnsPerHost
	}
	surplus, err := p.push(c, host, t.MaxIdleConns, t.IdleConnTimeout)
	if surplus != nil {
		surplus.close()
	}
	return err
}

func (p *pool) push(c *conn, host, total int, timeout time.Duration) (surplus *conn, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.dead:
		return nil, errDead
	case p.origins[c.origin].size >= host:
		return nil, errTooMany
	}
	c.reused, c.idleSince = true, time.Now()
	p.add(c)
	if total > 0 && p.size > total {
		surplus = p.oldest
		p.remove(surplus)
	}
	if timeout > 0 && !p.armed {
		p.arm(timeout, timeout)
	}
	if !p.watching {
		p.watching = true
		time.AfterFunc(watchEvery, p.watch)
	}
	return surplus, nil
}

// arm has the timer look at the oldest connection after a while.
func (p *pool) arm(after, timeout time.Duration) {
	p.armed = true
	if p.timer == nil {
		p.timer = time.AfterFunc(after, func() { p.expire(timeout) })
	} else {
		p.timer.Reset(after)
	}
}

// expire closes what has been idle for too long. The oldest goes first, and the
// timer is set for whichever is the oldest then.
func (p *pool) expire(timeout time.Duration) {
	now := time.Now()
	for {
		c := p.popExpired(now, timeout)
		if c == nil {
			return
		}
		c.close()
	}
}

func (p *pool) popExpired(now time.Time, timeout time.Duration) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.oldest
	if c == nil {
		p.armed = false
		return nil
	}
	if left := timeout - now.Sub(c.idleSince); left > 0 {
		p.arm(left, timeout)
		return nil
	}
	p.remove(c)
	return c
}

func (p *pool) closeIdle() {
	for {
		c := p.popOldest()
		if c == nil {
			return
		}
		c.close()
	}
}

func (p *pool) popOldest() *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dead = true
	c := p.oldest
	if c != nil {
		p.remove(c)
	} else if p.armed {
		p.armed = !p.timer.Stop()
	}
	return c
}

func (p *pool) add(c *conn) {
	if p.origins == nil {
		p.origins = map[origin]stack{}
	}
	s := p.origins[c.origin]
	c.below, c.older = s.top, p.newest
	if c.below != nil {
		c.below.above = c
	}
	if c.older != nil {
		c.older.newer = c
	} else {
		p.oldest = c
	}
	p.newest = c
	p.size++
	p.origins[c.origin] = stack{c, s.size + 1}
}

func (p *pool) remove(c *conn) {
	s := p.origins[c.origin]
	if c.above != nil {
		c.above.below = c.below
	} else {
		s.top = c.below
	}
	if c.below != nil {
		c.below.above = c.above
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		p.newest = c.older
	}
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		p.oldest = c.newer
	}
	p.size--
	if s.size--; s.size == 0 {
		delete(p.origins, c.origin)
	} else {
		p.origins[c.origin] = s
	}
	c.older, c.newer, c.below, c.above = nil, nil, nil, nil
}
