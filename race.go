package plexus

import (
	"errors"
	"net/http"
	"sync"
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

// win asks for the client, which the first to ask gets. What the exchange says of
// its target is true from then on.
func (r *race) win(a *attempt) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.winner != nil {
		return false
	}
	r.winner = a
	a.x.target, a.x.targetAPI = a.target, a.passage.op.api
	close(r.won)
	return true
}

// wins tells whether the client is the attempt's.
func (a *attempt) wins() bool { return a.x.race == nil || a.x.race.win(a) }

// runner is an attempt that is made beside the handler's goroutine.
type runner struct {
	*attempt
	ended    chan struct{}
	failed   *failure
	panicked any
}

// start makes an attempt run. Its request is made before, on the handler's
// goroutine: placeholders in header_up read the exchange.
func (r *race) start(a *attempt) *runner {
	run := &runner{attempt: a, ended: make(chan struct{})}
	end := a.start(a.limit())
	req := a.newRequest()
	go run.do(req, end)
	return run
}

func (r *runner) do(req *http.Request, end func()) {
	defer func() {
		r.panicked = recover()
		end()
		close(r.ended)
	}()
	r.failed = r.attempt.ask(req)
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
