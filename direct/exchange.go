package direct

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// exchange is one request on one connection, and then the body of its answer.
type exchange struct {
	t     *Transport
	conn  *conn
	ctx   context.Context
	req   *http.Request
	body  io.ReadCloser // the request's
	trace *httptrace.ClientTrace

	stop  func() bool // the breaking of the connection when the context ends
	sent  chan error  // of a body that is sent beside the reading; else nil
	fault error       // of the request's body

	timing sync.Mutex // of the next
	headed bool       // the header of the answer has come

	res    *http.Response
	src    io.ReadCloser // the answer's body, as net/http reads it
	over   error         // what reading gives from now on
	ended  atomic.Bool
	closed atomic.Bool
}

// beside is the size in bytes above which a body is sent beside the reading: an
// answer may come before all of it has gone, such as 413, and a server that has
// answered need not read the rest.
const beside = 64 << 10

// run sends the request and reads the header of its answer. If it fails the body
// is closed, or will be when whoever reads it is done.
func (x *exchange) run(l *letter) (*http.Response, error) {
	x.conn.begin()
	x.stop = context.AfterFunc(x.ctx, x.conn.abort)
	var unsent error
	if x.req.ContentLength > beside {
		x.sent = make(chan error, 1)
		go x.sendBeside(l)
	} else {
		unsent = x.send(l)
		l.free()
		closeBody(x.body)
		x.await()
	}
	if x.fault != nil {
		return nil, x.failed(x.fault)
	}
	// If it could not be sent there may be an answer all the same, which tells
	// why. There is nothing to wait for then.
	res, err := x.readHeader()
	switch {
	case err != nil && unsent != nil:
		return nil, x.failed(unsent)
	case err != nil:
		return nil, x.failed(x.whyUnsent(err))
	}
	x.res, x.src = res, res.Body
	if res.Body == http.NoBody {
		x.end(true)
		return res, nil
	}
	res.Body = x
	return res, nil
}

// whyUnsent is the fault of the request's body, if it is why reading failed.
func (x *exchange) whyUnsent(err error) error {
	if x.sent == nil {
		return err
	}
	select {
	case sent := <-x.sent:
		x.sent <- sent
		if x.fault != nil {
			return x.fault
		}
	default:
	}
	return err
}

// failed ends an exchange that has no answer.
func (x *exchange) failed(err error) error {
	x.end(false)
	if x.ctx.Err() != nil {
		return context.Cause(x.ctx)
	}
	return err
}

// mayRepeat tells whether a request that failed is to be repeated on another
// connection: this one had served before, and broke as a server breaks those that
// it has kept for long enough.
func (x *exchange) mayRepeat(err error) bool {
	late, isNet := errors.AsType[net.Error](err)
	switch {
	case !x.conn.reused, x.conn.came, x.fault != nil, isNet && late.Timeout(), x.ctx.Err() != nil:
		return false
	case x.body != nil && x.body != http.NoBody && x.req.GetBody == nil:
		return false
	}
	return x.conn.written.Load() == 0 || repeatable(x.req)
}

// sendBeside sends a large body while the answer is awaited.
func (x *exchange) sendBeside(l *letter) {
	err := x.send(l)
	l.free()
	closeBody(x.body)
	x.sent <- err
	if x.fault != nil {
		x.conn.abort() // nobody will get the rest
		return
	}
	x.await()
}

// await sets the time by which the header of the answer has to come.
func (x *exchange) await() {
	if x.t.ResponseHeaderTimeout <= 0 {
		return
	}
	x.timing.Lock()
	defer x.timing.Unlock()
	if !x.headed {
		_ = x.conn.SetReadDeadline(time.Now().Add(x.t.ResponseHeaderTimeout)) // one that is closed says so when it is read
	}
}

// hasHeader takes that time back.
func (x *exchange) hasHeader() {
	if x.t.ResponseHeaderTimeout <= 0 {
		return
	}
	x.timing.Lock()
	defer x.timing.Unlock()
	x.headed = true
	_ = x.conn.SetReadDeadline(time.Time{}) // one that is closed says so when it is read
}

// readHeader reads the header of the answer, past those of interim ones.
func (x *exchange) readHeader() (*http.Response, error) {
	c := x.conn
	if c.allowed = x.t.MaxResponseHeaderBytes; c.allowed <= 0 {
		c.allowed = 10 << 20
	}
	if _, err := c.r.Peek(1); err != nil {
		return nil, x.noHeader(err)
	}
	if x.trace != nil && x.trace.GotFirstResponseByte != nil {
		x.trace.GotFirstResponseByte()
	}
	for {
		res, err := http.ReadResponse(c.r, x.req)
		if err != nil {
			return nil, x.noHeader(err)
		}
		if res.StatusCode >= 200 {
			c.allowed = noLimit
			x.hasHeader()
			x.secure(res)
			return res, nil
		}
		if res.StatusCode == http.StatusSwitchingProtocols {
			return nil, errors.New("the server switches to another protocol, which it was not asked for")
		}
	}
}

// secure says of what kind of TLS the answer came through.
func (x *exchange) secure(res *http.Response) {
	if s, ok := x.conn.Conn.(stater); ok {
		state := s.ConnectionState()
		res.TLS = &state
	}
}

// noHeader is the error of an answer that has none.
func (x *exchange) noHeader(err error) error {
	switch {
	case x.conn.allowed <= 0:
		return errHeaderTooLarge
	case errors.Is(err, os.ErrDeadlineExceeded) && x.t.ResponseHeaderTimeout > 0:
		return errHeaderTimeout
	case errors.Is(err, io.EOF):
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("reading the header of the answer: %w", err)
}

// Read implements io.Reader for the answer's body.
func (x *exchange) Read(p []byte) (int, error) {
	if x.closed.Load() {
		return 0, http.ErrBodyReadAfterClose
	}
	if x.over != nil {
		return 0, x.over
	}
	n, err := x.src.Read(p)
	if err == nil {
		return n, nil
	}
	complete := errors.Is(err, io.EOF)
	x.end(complete)
	if !complete && x.ctx.Err() != nil {
		err = context.Cause(x.ctx)
	}
	x.over = err
	return n, err
}

// Close implements io.Closer for the answer's body. It may be called while that is
// being read.
func (x *exchange) Close() error {
	x.closed.Store(true)
	x.end(false)
	return nil
}

// end ends the exchange, once. The connection is kept if the answer was read to
// its end, and nothing is left on it of either side.
func (x *exchange) end(complete bool) {
	if !x.ended.CompareAndSwap(false, true) {
		return
	}
	undisturbed := x.stop()
	if complete && undisturbed && !x.res.Close && x.allSent() && x.conn.r.Buffered() == 0 {
		x.t.pool.put(x.conn, x.t.MaxIdleConnsPerHost, x.t.IdleConnTimeout)
		return
	}
	x.conn.abort()
}

// allSent tells whether all of the request has gone.
func (x *exchange) allSent() bool {
	if x.sent == nil {
		return x.conn.written.Load() > 0
	}
	select {
	case err := <-x.sent:
		return err == nil
	default:
		return false
	}
}
