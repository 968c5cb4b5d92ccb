package plexus

// lead tells which events of a stream go on together. A flush costs more than all
// else of an event: those of a provider that has been far ahead of what the client
// has got had better share one. None waits for one that has not come.
type lead struct {
	wasAhead bool // the provider has been far ahead
}

// maxAhead is how much of a stream, in bytes, may have come behind an event for that
// to be flushed by itself: some five more.
const maxAhead = 1 << 10

// keptBuffer is the size in bytes of the buffer that a stream may keep for good.
const keptBuffer = 64 << 10

// joins tells whether the next event is to be sent together with what waits to be
// sent, of which there are unsent bytes. Ahead is how many bytes have come behind
// that; 0 while they are not a whole event.
func (l *lead) joins(unsent, ahead int) bool {
	if ahead == 0 {
		return false
	}
	l.wasAhead = l.wasAhead || ahead > maxAhead
	return l.wasAhead && unsent < keptBuffer
}

// batch is what of a relayed stream has come and not gone on yet.
type batch struct {
	lead
	out []byte
	own bool // out is memory of its own
}

// add puts an event behind the others. They lie so in the memory of their reader,
// and stay there until it reads on.
func (b *batch) add(raw []byte) {
	n := len(b.out)
	switch {
	case n == 0:
		b.out, b.own = raw, false
	case cap(b.out)-n >= len(raw) && &b.out[:n+1][n] == &raw[0]:
		b.out = b.out[:n+len(raw)]
	default:
		if !b.own {
			b.out, b.own = b.out[:n:n], true
		}
		b.out = append(b.out, raw...)
	}
}
