//go:build unix

package direct

import (
	"net"
	"syscall"
)

// probes tells whether sockets can be looked at.
const probes = true

// probe looks whether a socket has something to read.
type probe struct {
	conn syscall.RawConn
	look func(fd uintptr)
	some bool
	one  [1]byte
}

// newProbe is nil for what is no socket, as in tests.
func newProbe(c net.Conn) *probe {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := socket.SyscallConn()
	if err != nil {
		return nil
	}
	p := &probe{conn: raw}
	p.look = func(fd uintptr) { p.some = p.peek(int(fd)) }
	return p
}

// pending tells whether bytes, an end or an error have come. It goes by Control:
// RawConn.Read would heed a deadline that the last exchange has left.
func (p *probe) pending() bool {
	if p == nil {
		return false
	}
	p.some = true // unless proved otherwise, as on a closed socket
	_ = p.conn.Control(p.look)
	return p.some
}

// peek does not block, because Go's sockets never do.
func (p *probe) peek(fd int) bool {
	for {
		_, _, err := syscall.Recvfrom(fd, p.one[:], syscall.MSG_PEEK)
		if err != syscall.EINTR {
			return err != syscall.EAGAIN && err != syscall.EWOULDBLOCK
		}
	}
}
