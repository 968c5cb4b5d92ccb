package plexus

import (
	"errors"
	"net/http"
	"sync"

	"github.com/caddy-plexus/plexus/prices"
)

// race is up to two attempts of one request at the same time. Only one of them
// may have the client, and only the handler's goroutine changes the exchange
// until one has it.
type race struct {
	mu     sync.Mutex
	winner *attempt
	won    chan struct{} // closed once there is one
}

// errOutrun ends an attempt that another one was faster than.
var errOutrun = errors.New("another target was faster")

func newRace() *race { return &race{won: make(chan struct{})} }

// errUnfit says that the client has been promised a stream, and the answer is none.
var errUnfit = errors.New("the answer is not in the form that was promised")

// win makes the client the attempt's, unless another one has it or the answer does
// not fit what the client was told. What the exchange says of its target is true
// from then on. It tells whether a keep-alive has sent the header.
//
// The race's lock comes before the keeper's.
func (a *attempt) win(as shape) (opened bool, err error) {
	x, r := a.x, a.x.race
	if r != nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.winner != nil {
			return false, errOutrun
		}
	}
	opened, fits := x.keeper.take(as)
	if !fits {
		return true, errUnfit
	}
	if r != nil {
		r.winner = a
		x.target, x.targetAPI = a.target, a.passage.op.api
		close(r.won)
	}
	return opened, nil
}

// runner is an attempt that is made beside the handler's goroutine.
type runner struct {
	*attempt
	req      *http.Request
	ended    chan struct{}
	failed   *failure
	panicked any
	wasted   prices.NanoUSD // if another was faster
}

// newRunner makes the attempt's request, before anything runs beside the handler's
// goroutine or while nothing can win: placeholders in header_up read the exchange
// and the header of the answer.
func newRunner(a *attempt) *runner {
	r := &runner{attempt: a, ended: make(chan struct{})}
	a.start(a.limit())
	r.req = a.newRequest()
	return r
}

func (r *runner) run() {
	defer func() {
		r.panicked = recover()
		r.end()
		close(r.ended)
	}()
	r.failed = r.attempt.ask(r.req)
}

// stop ends the attempt, if it has not ended by itself.
func (r *runner) stop() {
	r.cancel(errOutrun)
	<-r.ended
}

// result is how the attempt ended. A panic, with which an answer is broken off,
// goes on where it ends the request.
func (r *runner) result() *failure {
	<-r.ended
	if r.panicked != nil {
		panic(r.panicked)
	}
	return r.failed
}
