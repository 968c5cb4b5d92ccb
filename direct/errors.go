package direct

import (
	"context"
	"errors"
	"fmt"
)

var (
	errBodyClosed    = errors.New("direct: read on a closed body of an answer")
	errSwitched      = errors.New("direct: the server switched protocols, which nobody asked for")
	errHeaderLate    = &timeoutError{"direct: timeout awaiting the header of the answer"}
	errHandshakeLate = &timeoutError{"direct: timeout of the TLS handshake"}
	errHeaderLimit   = errors.New("the header of the answer is too long")

	// Why a connection is not kept; only httptrace sees them.
	errNotKept = errors.New("direct: the connection cannot be used again")
	errDead    = errors.New("direct: CloseIdleConnections was called")
	errTooMany = errors.New("direct: too many idle connections")
)

// timeoutError is a limit of the transport's own that has been exceeded.
type timeoutError struct{ text string }

func (e *timeoutError) Error() string        { return e.text }
func (e *timeoutError) Timeout() bool        { return true }
func (e *timeoutError) Temporary() bool      { return true }
func (e *timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// exchangeError says at what an exchange broke. It is a net.Error, because
// url.Error asks the error itself whether it is a timeout, and none beneath it.
type exchangeError struct {
	doing string
	err   error
}

func (e *exchangeError) Error() string   { return fmt.Sprintf("direct: %s: %v", e.doing, e.err) }
func (e *exchangeError) Unwrap() error   { return e.err }
func (e *exchangeError) Temporary() bool { return e.Timeout() }

func (e *exchangeError) Timeout() bool {
	late, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](e.err)
	return ok && late.Timeout()
}
