package plexus

import "time"

// claim is the leave to send a request to a target, with a credential. It has to
// be given back.
type claim struct {
	lane     *lane
	index    int // of the lane
	breakers [4]*breaker
	tickets  [4]int64
	slot     slot
}

// claim asks for the leave to send a request in one of some lanes; last allows for
// those that are pardoned. It is asked for only when it is the target's turn, so that
// nobody is kept from a probe meanwhile. In the lanes that are full only room lacks.
func (t *Target) claim(now time.Time, last bool, among lanes, conversation uint64, want tally) (c claim, full lanes, ok bool) {
	var free, pardoned lanes
	for i, l := range t.lanes {
		switch {
		case !among.has(i):
		case l.free(t, now):
			free.add(i)
		case last && l.pardoned(t, now):
			pardoned.add(i)
		}
	}
	for _, open := range [2]lanes{free, pardoned} {
		for open != 0 {
			i := t.turn(open, conversation)
			if c, ok = t.take(i, now, last); ok {
				if c.slot, ok = c.lane.gate.enter(want, stamp(now), true); ok {
					return c, 0, true
				}
				c.giveBack(now)
				full.add(i)
			}
			open.remove(i)
		}
	}
	return claim{}, full, false
}

// turn is the lane whose turn it is, or that a conversation has.
func (t *Target) turn(among lanes, conversation uint64) int {
	if only, one := among.only(); one {
		return only
	}
	if conversation == 0 {
		return pick(t.lanes, among, t.state.turns.point())
	}
	// Its own if that is open, or other conversations would move as well.
	const every = ^lanes(0)
	if i := pick(t.lanes, every, pointOf(conversation)); among.has(i) {
		return i
	}
	return pick(t.lanes, among, pointOf(mixed(conversation)))
}

// pointOf is a conversation's, from 0 up to 1.
func pointOf(conversation uint64) float64 {
	return float64(conversation>>11) / (1 << 53)
}

// take takes a lane, unless another request was faster. It does not ask whether
// there is room in it.
func (t *Target) take(i int, now time.Time, last bool) (c claim, ok bool) {
	c.lane, c.index = t.lanes[i], i
	c.breakers = c.lane.breakers(t)
	for i, b := range c.breakers {
		if b == nil {
			continue
		}
		if c.tickets[i], ok = b.claim(stamp(now)); !ok && !(last && b.pardons(&t.Provider.cooldown, stamp(now))) {
			c.giveBack(now)
			return c, false
		}
	}
	return c, true
}

func (c *claim) giveBack(now time.Time) {
	c.slot.leave(stamp(now))
	for i, ticket := range c.tickets {
		if ticket != 0 {
			c.breakers[i].giveBack(ticket)
		}
	}
	c.tickets = [4]int64{} // once is enough: the next one's may be the same
}
