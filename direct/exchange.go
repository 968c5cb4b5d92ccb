package direct

import (
	"context"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"sync"
	"time"
)

// exchange is one request on one connection, and the body of its answer.
type exchange struct {
	t     *Transport
	c     *conn
	req   *http.Request
	ctx   context.Context
	trace *httptrace.ClientTrace

	observer Observer
	unwatch  func() bool

	// The request:
	body    io.ReadCloser
	length  int64
	sent    chan struct{} // closed when it has been written; nil if that is not concurrent
	sendErr error
	faulty  bool // sendErr is the body's, not the connection's

	// The answer:
	began      bool // a byte of it has come
	keep       bool // neither side wants the connection to close
	repeatable bool // the request may be made again: the connection was dead

	mu       sync.Mutex
	answered bool // no clock runs any longer
	alarm    *time.Timer
	late     error // why the connection was given up
	res      io.ReadCloser
	closed   bool  // or ended
	over     error // what reads return
}

// idle is a healthy connection of the pool's, or nil.
func (x *exchange) idle(info *httptrace.GotConnInfo) *conn {
	if x.t.DisableKeepAlives {
		return nil
	}
	for {
		c := x.t.pool.take(originOf(x.req.URL), x.t.IdleConnTimeout)
		if c == nil {
			return nil
		}
		if c.healthy() {
			info.Reused, info.WasIdle, info.IdleTime = true, true, time.Since(c.idleSince)
			return c
		}
		c.abort()
	}
}

// run writes the request, which is in b as far as its header goes, and reads the
// header of its answer.
func (x *exchange) run(b *buffer) (*http.Response, error) {
	x.watch()
	x.c.begin()
	if x.length > writtenFirst {
		x.sent = make(chan struct{})
		go x.sendConcurrently(b)
	} else {
		x.send(b)
		if x.faulty || x.sendErr != nil && x.c.reused && x.c.untouched() {
			return nil, x.failed(x.sendErr)
		}
		x.await()
	}
	res, err := x.receive()
	if err == nil {
		err = x.accept(res)
	}
	if err != nil {
		return nil, x.failed(err)
	}
	return res, nil
}

// receive reads the header of the answer, and of informational ones before it.
func (x *exchange) receive() (*http.Response, error) {
	c := x.c
	c.limit = x.t.maxHeaderBytes()
	if _, err := c.br.Peek(1); err != nil {
		return nil, err
	}
	x.began = true
	if x.trace != nil && x.trace.GotFirstResponseByte != nil {
		x.trace.GotFirstResponseByte()
	}
	for {
		res, err := http.ReadResponse(c.br, x.req)
		switch {
		case err != nil && c.limit <= 0:
			return nil, errHeaderLimit
		case err != nil && c.eof:
			return nil, io.ErrUnexpectedEOF // whatever the last line looks like
		case err != nil:
			return nil, err
		case res.StatusCode == http.StatusSwitchingProtocols:
			return nil, errSwitched
		case res.StatusCode < 100 || res.StatusCode > 199:
			c.limit = math.MaxInt64
			return res, nil
		}
		if x.trace != nil && x.trace.Got1xxResponse != nil {
			if err := x.trace.Got1xxResponse(res.StatusCode, textproto.MIMEHeader(res.Header)); err != nil {
				return nil, err
			}
			// Who is told of them limits their number, by net/http's rules.
			c.limit = x.t.maxHeaderBytes()
		}
	}
}

// accept makes the answer ready for the caller. One without a body gives the
// connection back before the caller has it.
func (x *exchange) accept(res *http.Response) error {
	if err := x.settle(); err != nil {
		return err
	}
	res.TLS = x.c.state
	x.keep = !res.Close && res.StatusCode >= 200 && !wantsClose(x.req) && !x.t.DisableKeepAlives
	if res.Body == http.NoBody {
		x.closed = true
		x.release()
		return nil
	}
	x.res, res.Body = res.Body, x
	return nil
}

// Read reads the answer's body. When it reads the end, the connection is back in
// the pool before it returns.
func (x *exchange) Read(p []byte) (int, error) {
	x.mu.Lock()
	over := x.over
	x.mu.Unlock()
	if over != nil {
		return 0, over
	}
	n, err := x.res.Read(p)
	if err != nil {
		err = x.end(err)
	}
	return n, err
}

// end ends the reading of the body, at its end or by an error.
func (x *exchange) end(err error) error {
	if !x.claim() {
		return errBodyClosed // meanwhile, which is why it broke
	}
	if err == io.EOF { //nolint:errorlint // One that is wrapped is no end of a body.
		x.release()
	} else {
		x.c.abort()
		err = x.cause(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.over == nil {
		x.over = err
	}
	return err
}

// Close gives the body up. Before its end that breaks the connection, which ends
// a Read, too.
func (x *exchange) Close() error {
	x.mu.Lock()
	x.over = errBodyClosed
	x.mu.Unlock()
	if x.claim() {
		x.c.abort()
		x.unwatched()
	}
	return nil
}

// claim is true for the first that ends the exchange, whose the connection is.
func (x *exchange) claim() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	first := !x.closed
	x.closed = true
	return first
}

// release gives the connection back, if it is fit for another exchange.
func (x *exchange) release() {
	c := x.c
	fit := x.keep && !c.eof && c.br.Buffered() == 0 && x.written()
	err := errNotKept
	if x.unwatched() && fit {
		err = x.t.pool.put(c, x.t)
	}
	if err != nil {
		c.close()
	}
	if x.trace != nil && x.trace.PutIdleConn != nil && !x.t.DisableKeepAlives {
		x.trace.PutIdleConn(err)
	}
}

// hasSent tells whether the writing has come to an end, good or bad.
func (x *exchange) hasSent() bool {
	if x.sent == nil {
		return true
	}
	select {
	case <-x.sent:
		return true
	default:
		return false
	}
}

// written tells whether the whole request has been written. A server has often
// read it before the goroutine that wrote it gets to say so.
func (x *exchange) written() bool {
	if x.hasSent() {
		return x.sendErr == nil
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-x.sent:
		return x.sendErr == nil
	case <-timer.C:
		return false
	}
}

// alarmAfter gives the connection up if the header of the answer has not come by
// then.
func (x *exchange) alarmAfter(after time.Duration, why error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.answered {
		x.alarm = time.AfterFunc(after, func() { x.overdue(why) })
	}
}

func (x *exchange) overdue(why error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.answered {
		x.late = why
		x.c.abort()
	}
}

// giveUp breaks the connection while an answer is awaited, or read.
func (x *exchange) giveUp(why error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.late = why
	x.c.abort()
}

// settle stops the clock. It is an error if it was too late for that.
func (x *exchange) settle() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.answered = true
	if x.alarm != nil {
		x.alarm.Stop()
	}
	return x.late
}

// failed ends an exchange that got no answer, and says why.
func (x *exchange) failed(err error) error {
	sent := x.hasSent() // else it is the abort that its writing fails by
	x.c.abort()
	if x.sent != nil {
		<-x.sent // from here on nobody reads the request
	}
	late := x.settle()
	if !x.unwatched() {
		return context.Cause(x.ctx)
	}
	switch {
	case x.faulty:
		return x.sendErr
	case errors.Is(late, errHeaderLate):
		return late
	}
	x.repeatable = x.repeats()
	switch {
	case late != nil, sent && x.sendErr != nil && !x.began:
		return &exchangeError{"writing the request", x.sendErr}
	case !x.began && errors.Is(err, io.EOF):
		return &exchangeError{"the server closed the connection without an answer", err}
	case errors.Is(err, errSwitched):
		return err
	}
	return &exchangeError{"reading the answer", err}
}

// repeats tells whether the request may go out again on another connection, by
// net/http's rules. On a new one it must not: it was not stale.
func (x *exchange) repeats() bool {
	switch {
	case !x.c.reused || x.began:
		return false
	case x.sendErr != nil && x.c.untouched():
		return x.length == 0 || x.req.GetBody != nil
	}
	return replayable(x.req)
}

// cause is why the body of the answer broke off. It ends the watch.
func (x *exchange) cause(err error) error {
	if !x.unwatched() {
		return context.Cause(x.ctx)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.late != nil {
		return x.late
	}
	return err
}
