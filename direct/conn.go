package direct

import (
	"bufio"
	"errors"
	"net"
	"sync/atomic"
	"syscall"
	"time"
)

// conn is a connection, which serves one exchange after the other.
type conn struct {
	net.Conn          // TLS, where the scheme wants it
	raw      net.Conn // what lies beneath
	key      hostKey
	abort    func() // ends whatever is under way

	r       *bufio.Reader
	allowed int64        // what may be read, while it is a header
	came    bool         // something of the latest answer
	written atomic.Int64 // of the latest request

	reused bool
	since  time.Time // when it became idle

	sys   syscall.RawConn // for a look at what has arrived; nil where there is none
	look  func(fd uintptr) bool
	quiet bool // by the last look
}

const defaultBuffer = 4 << 10

// noLimit is what may be read that is not a header.
const noLimit = 1<<63 - 1

var errHeaderTooLarge = errors.New("the header of the answer is too large")

// newConn makes a connection ready. Raw is what lies beneath TLS.
func newConn(key hostKey, wire, raw net.Conn, buffer int) *conn {
	c := &conn{Conn: wire, raw: raw, key: key, allowed: noLimit}
	if buffer <= 0 {
		buffer = defaultBuffer
	}
	c.r = bufio.NewReaderSize((*reader)(c), buffer)
	// TLS would have to take its leave first, for which the other side may
	// have no room.
	c.abort = func() { _ = raw.Close() } // it may be closed already
	if s, ok := raw.(syscall.Conn); ok {
		c.sys, _ = s.SyscallConn() // else nobody looks
		c.look = c.peek
	}
	return c
}

// begin makes the connection ready for an exchange.
func (c *conn) begin() {
	c.came, c.allowed = false, noLimit
	c.written.Store(0)
}

// reader is the connection as its buffer reads from it.
type reader conn

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.allowed <= 0 {
		return 0, errHeaderTooLarge
	}
	n, err := r.Conn.Read(p[:min(int64(len(p)), r.allowed)])
	r.came = r.came || n > 0
	if r.allowed != noLimit {
		r.allowed -= int64(n)
	}
	return n, err
}

// Write implements io.Writer, and counts.
func (c *conn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Add(int64(n))
	return n, err
}

// alive tells whether nothing has come on an idle connection, such as its end.
// Where that cannot be seen it is taken for alive.
func (c *conn) alive() bool {
	if c.sys == nil {
		return true
	}
	c.quiet = false
	err := c.sys.Read(c.look)
	return err == nil && c.quiet
}
