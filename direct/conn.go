package direct

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"
)

// origin is what a connection leads to. Hosts are told apart as they are spelled.
type origin struct {
	tls  bool
	host string
}

// conn is a connection. It belongs to one exchange at a time or to the pool, and
// nobody else touches it, but that its watch may break it.
type conn struct {
	origin origin
	raw    net.Conn // as it was dialed
	stream net.Conn // TLS over wire, or raw
	state  *tls.ConnectionState
	wire   *wire // beneath TLS; nil without
	probe  *probe
	br     *bufio.Reader
	cut    func() // raw.Close, for context.AfterFunc

	vectored bool  // it takes several pieces in one call
	reused   bool  // it has carried an exchange already
	eof      bool  // the server has ended its side
	limit    int64 // of what may still be read
	wrote    int64 // since the exchange began, without TLS

	// The pool's:
	idleSince    time.Time
	older, newer *conn // in the whole pool
	below, above *conn // among those of the origin
}

func newConn(o origin, raw net.Conn, size int) *conn {
	if size <= 0 {
		size = defaultReadBuffer
	}
	c := &conn{origin: o, raw: raw, stream: raw, probe: newProbe(raw)}
	c.br = bufio.NewReaderSize(c, size)
	c.cut = func() { _ = raw.Close() }
	// A connection that is wrapped may have limits of its own for each write, which
	// a writev beneath it would evade: it has the method by embedding.
	switch raw.(type) {
	case *net.TCPConn, *net.UnixConn:
		c.vectored = !o.tls
	}
	return c
}

// Read is what br reads from. It stops at the limit.
func (c *conn) Read(p []byte) (int, error) {
	if c.limit <= 0 {
		return 0, errHeaderLimit
	}
	if int64(len(p)) > c.limit {
		p = p[:c.limit]
	}
	n, err := c.stream.Read(p)
	c.limit -= int64(n)
	if errors.Is(err, io.EOF) {
		c.eof = true
	}
	return n, err
}

func (c *conn) Write(p []byte) (int, error) {
	n, err := c.stream.Write(p)
	c.wrote += int64(n)
	return n, err
}

// begin makes ready to write a request.
func (c *conn) begin() {
	c.wrote = 0
	if c.wire != nil {
		c.wire.wrote = 0
	}
}

// untouched tells whether the server cannot have got anything of the request.
func (c *conn) untouched() bool {
	if c.wire != nil {
		return c.wire.wrote == 0
	}
	return c.wrote == 0
}

// close ends the connection in good order. With TLS that is a message.
func (c *conn) close() { _ = c.stream.Close() }

// abort breaks the connection, without a word that might block.
func (c *conn) abort() { c.cut() }

// healthy tells whether an idle connection seems usable: nothing may have come on
// it, neither bytes nor an end. It does not block.
func (c *conn) healthy() bool {
	if c.wire == nil {
		return !c.probe.pending()
	}
	// TLS may have read more than the answer, such as a second one, and servers send
	// session tickets at any time, so TLS has to say what has come: it reads what is
	// there, and finds nothing for the reader.
	c.wire.probing = true
	defer func() { c.wire.probing = false }()
	n, err := c.stream.Read(c.wire.one[:])
	return n == 0 && err == errNothing && !c.wire.spoke //nolint:errorlint // It is passed on as it is.
}

// wire is the connection beneath TLS.
type wire struct {
	net.Conn
	probe   *probe
	probing bool
	spoke   bool // TLS wanted to write while it was looked at
	wrote   int64
	one     [1]byte
}

// errNothing is that nothing has come. TLS gets over errors that are temporary.
var errNothing error = &timeoutError{"direct: nothing to read"}

func (w *wire) Read(p []byte) (int, error) {
	if w.probing && !w.probe.pending() {
		return 0, errNothing
	}
	return w.Conn.Read(p)
}

func (w *wire) Write(p []byte) (int, error) {
	if w.probing {
		// An alert, for one. It might block for good, with the pool waiting.
		w.spoke = true
		return 0, errNothing
	}
	n, err := w.Conn.Write(p)
	w.wrote += int64(n)
	return n, err
}

// SetWriteDeadline is called by TLS alone, before its last message, for which it
// would wait 5 seconds. Whoever closes a connection may have a deadline of its own.
func (w *wire) SetWriteDeadline(at time.Time) error {
	if soon := time.Now().Add(grace); at.After(soon) {
		at = soon
	}
	return w.Conn.SetWriteDeadline(at)
}
