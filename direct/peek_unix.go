//go:build unix

package direct

import (
	"errors"
	"syscall"
)

// peek looks, without waiting, for something to read.
func (c *conn) peek(fd uintptr) bool {
	var one [1]byte
	_, _, err := syscall.Recvfrom(int(fd), one[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT) //nolint:gosec // a descriptor fits
	c.quiet = errors.Is(err, syscall.EAGAIN)
	return true
}
