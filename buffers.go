package plexus

import (
	"errors"
	"io"
	"math/bits"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// buffers keeps the memory of large bodies for the next ones: to make a megabyte
// costs more than to pass it on, and has the garbage collector run every few
// requests. What has not been wanted for a while goes back to the system.
type buffers struct {
	mu   sync.Mutex
	free map[int][][]byte // by capacity
	// spare is how many of each have been free ever since the last look.
	spare map[int]int
	held  int // bytes
	timer *time.Timer
}

const (
	// leastKept is the smallest buffer in bytes that is worth keeping, mostKept
	// the largest, and mostHeld what all that are free may hold.
	leastKept = 64 << 10
	mostKept  = 16 << 20
	mostHeld  = 64 << 20
	// believed is how much memory a size is worth that a client only announces.
	believed = 1 << 20
	// worthFreeing is how many bytes go back to the system at once. Less waits for
	// the collector: all else that is free goes with it, and is soon wanted again.
	worthFreeing = 8 << 20
	// keptFor is how long a buffer is kept that nobody wants, at least.
	keptFor = 5 * time.Second
)

// roomy is the next of the capacities that buffers have, four to a doubling, so
// that those of similar bodies serve each other.
func roomy(n int) int {
	if n <= leastKept {
		return n
	}
	step := 1 << (bits.Len(uint(n-1)) - 3)
	return (n + step - 1) / step * step
}

// get is an empty buffer with room for n bytes if there is one, else one with as
// much room as is believed.
func (b *buffers) get(n int) []byte {
	n = roomy(n)
	if n < leastKept {
		return make([]byte, 0, n)
	}
	if buf := b.take(n); buf != nil {
		return buf
	}
	return make([]byte, 0, min(n, believed))
}

// take takes out a free buffer of a capacity, or of as much as is believed; nil
// if there is none. To make one takes too long for the lock.
func (b *buffers) take(n int) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	if buf := b.pop(n); buf != nil || n <= believed {
		return buf
	}
	return b.pop(believed)
}

// pop takes out a free buffer of a capacity; nil if there is none.
func (b *buffers) pop(n int) []byte {
	list := b.free[n]
	if len(list) == 0 {
		return nil
	}
	last := len(list) - 1
	buf := list[last]
	list[last] = nil
	b.free[n] = list[:last]
	b.spare[n] = min(b.spare[n], last)
	b.held -= n
	return buf[:0]
}

// put takes a buffer that nobody reads any more.
func (b *buffers) put(buf []byte) {
	n := cap(buf)
	if n < leastKept || n > mostKept || roomy(n) != n {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held+n > mostHeld {
		return
	}
	if b.free == nil {
		b.free, b.spare = map[int][][]byte{}, map[int]int{}
	}
	b.free[n] = append(b.free[n], buf)
	b.held += n
	if b.timer == nil {
		b.timer = time.AfterFunc(keptFor, b.tidy)
	}
}

// tidy drops the buffers that nobody has wanted since it was last called.
func (b *buffers) tidy() {
	b.mu.Lock()
	dropped := 0
	for n, list := range b.free {
		left := len(list) - b.spare[n]
		clear(list[left:])
		dropped += n * b.spare[n]
		b.free[n], b.spare[n] = list[:left], left
	}
	if b.held -= dropped; b.held == 0 {
		b.timer = nil
	} else {
		b.timer.Reset(keptFor)
	}
	b.mu.Unlock()
	if dropped >= worthFreeing {
		// Nothing else may be going on that would make the collector run.
		debug.FreeOSMemory()
	}
}

// readAll reads to the end, into one buffer if the announced size is true and as
// much is believed.
func (b *buffers) readAll(src io.Reader, announced int64) ([]byte, error) {
	const unknown = 512
	size := announced
	if size < 0 {
		size = unknown
	}
	buf := b.get(int(min(max(size, 1), mostKept)))
	for {
		n, err := src.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == nil && len(buf) == cap(buf) {
			buf, err = b.beyond(src, buf, announced)
		}
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}

// beyond makes room for what follows in a buffer that is full. If it holds all that
// was announced, room is made only once another byte has come.
func (b *buffers) beyond(src io.Reader, buf []byte, announced int64) ([]byte, error) {
	if int64(len(buf)) != announced {
		return b.grow(buf, announced), nil
	}
	var next [1]byte
	n, err := src.Read(next[:])
	if n > 0 {
		buf = append(b.grow(buf, announced), next[0])
	}
	return buf, err
}

// grow moves what has been read into a larger buffer.
func (b *buffers) grow(buf []byte, announced int64) []byte {
	size := 2 * cap(buf)
	if announced > int64(len(buf)) {
		size = int(announced)
	}
	larger := append(make([]byte, 0, roomy(size)), buf...)
	b.put(buf)
	return larger
}

// loan is a body in a buffer. The buffer goes back when the last user is done.
type loan struct {
	from  *buffers
	buf   []byte
	users atomic.Int32
	kept  atomic.Bool // for good: parts of it may be anywhere
}

// lend is a body with one user, who is the exchange.
func (b *buffers) lend(body []byte) *loan {
	if cap(body) < leastKept {
		return nil
	}
	l := &loan{from: b, buf: body}
	l.users.Store(1)
	return l
}

func (l *loan) use() {
	if l != nil {
		l.users.Add(1)
	}
}

func (l *loan) done() {
	if l == nil || l.users.Add(-1) > 0 {
		return
	}
	if !l.kept.Load() {
		l.from.put(l.buf)
	}
	l.buf = nil
}

// keep lets go of the buffer, not of what is in it.
func (l *loan) keep() {
	if l != nil {
		l.kept.Store(true)
	}
}
