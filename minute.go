package plexus

// minute counts what was let through in the last sixty seconds, by the second.
// The second under way counts beside the sixty before it: so no sixty seconds,
// wherever they begin, hold more than is allowed.
type minute struct {
	seconds [span]int64
	latest  int64 // the second under way
	sum     int64
}

const span = 61

func (m *minute) at(second int64) *int64 { return &m.seconds[(second%span+span)%span] }

// advance forgets what is longer ago.
func (m *minute) advance(second int64) {
	if second-m.latest >= span {
		*m = minute{latest: second}
		return
	}
	for m.latest < second {
		m.latest++
		bucket := m.at(m.latest)
		m.sum -= *bucket
		*bucket = 0
	}
}

// used is how much was let through until a second.
func (m *minute) used(second int64) int64 {
	m.advance(second)
	return m.sum
}

// add counts n in a second, or takes it back if it is negative. What has been
// forgotten already stays so.
func (m *minute) add(second, n int64) {
	m.advance(second)
	if m.latest-second < span {
		*m.at(second) += n
		m.sum += n
	}
}

// opens is the second from which on no more than so much counts.
func (m *minute) opens(second, most int64) int64 {
	m.advance(second)
	rest := m.sum
	for s := m.latest - span + 1; s <= m.latest && rest > most; s++ {
		rest -= *m.at(s)
		second = s + span
	}
	return max(second, m.latest)
}
