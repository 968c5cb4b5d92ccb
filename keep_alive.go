package plexus

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/caddy-plexus/plexus/api"
)

// keeper tells the client of a stream, while there is nothing else to tell, that
// it is being served. It writes from its timer, beside the goroutine that serves
// the request, and so everything that is written to the client of such a stream
// is written under its lock. It is nil where no keep-alives are wanted.
type keeper struct {
	w        http.ResponseWriter
	rc       *http.ResponseController
	api      api.API
	array    bool
	interval time.Duration
	hangUp   context.CancelFunc

	mu     sync.Mutex
	timer  *time.Timer
	last   time.Time // when the client heard something
	opened bool      // by a keep-alive: the client has a header that names no target
	taken  bool      // there is an answer
	apart  bool      // what was sent of it ends where an event does
	crlf   bool
	over   bool
}

// keepAlive begins to send keep-alives to the client of a stream. Before the
// first content they bring the header, and the status is 200 whatever follows;
// other targets can still be asked.
func (x *exchange) keepAlive() {
	if !x.req.stream || x.op.verb != verbGenerate {
		return
	}
	interval := x.gateway.KeepAlive
	if x.route.route != nil && x.route.route.model.KeepAlive != nil {
		interval = x.route.route.model.KeepAlive
	}
	x.startKeeper(interval)
}

func (x *exchange) startKeeper(interval *caddy.Duration) {
	if interval == nil || *interval <= 0 {
		return
	}
	ctx, hangUp := context.WithCancel(x.r.Context())
	x.r = x.r.WithContext(ctx)
	k := &keeper{
		w: x.w, rc: &x.rc, api: x.op.api, array: x.wantsArray(), interval: time.Duration(*interval), hangUp: hangUp,
		last: time.Now(),
	}
	x.keeper = k
	k.mu.Lock()
	defer k.mu.Unlock()
	k.timer = time.AfterFunc(k.interval, k.wake)
}

// holdOff keeps keep-alives back while the client is written to, or the exchange
// changes: what stands between us and the client may read placeholders when the
// header is written.
func (k *keeper) holdOff() (goOn func()) {
	if k == nil {
		return func() {}
	}
	k.mu.Lock()
	return k.mu.Unlock
}

// stop ends the keep-alives. When it returns, nothing more is written.
func (k *keeper) stop() {
	if k == nil {
		return
	}
	k.hangUp()
	k.silence()
}

// silence ends the keep-alives before the last is sent that the client may hear:
// readers take what follows the end of a stream for a part of it. Some providers
// leave the connection open behind theirs.
func (k *keeper) silence() {
	if k == nil {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.over = true
	k.timer.Stop()
}

// wake sends a keep-alive if the client has not heard anything for so long.
func (k *keeper) wake() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.over {
		return
	}
	wait := k.interval
	if silent := time.Since(k.last); silent < k.interval {
		wait -= silent
	} else if !k.taken || k.apart {
		if err := k.speak(); err != nil {
			// The client is gone, which net/http does not always notice
			// by itself.
			k.over = true
			k.hangUp()
			return
		}
	}
	k.timer.Reset(wait)
}

func (k *keeper) speak() error {
	if !k.taken && !k.opened {
		k.opened = true
		header := k.w.Header()
		streamHeader(header)
		header["Content-Type"] = []string{streamType(k.array)}
		k.w.WriteHeader(http.StatusOK)
	}
	k.last = time.Now()
	if _, err := k.w.Write(k.words()); err != nil {
		return err
	}
	return flushed(k.rc)
}

// words are a keep-alive in the words of the client's API. Google's SDKs know no
// comments: that for Go reports one as an error, and that for Python parses it.
// All of them skip an empty event, which has to end as its neighbours do: the one
// for Go splits at the first pair of line ends of a kind.
func (k *keeper) words() []byte {
	switch {
	case k.array:
		return []byte("\n") // between elements, where JSON allows for space
	case k.api == api.Gemini && k.crlf:
		return []byte("\r\n\r\n")
	case k.api == api.Gemini:
		return []byte("\n\n")
	case k.api == api.Messages:
		return []byte("event: ping\ndata: {\"type\":\"ping\"}\n\n")
	default:
		return []byte(": keep-alive\n\n")
	}
}

// take makes way for an answer, and tells whether a keep-alive has sent its
// header. There is no way for an answer in another form than the one that the
// client was told; fits is false then.
func (k *keeper) take(as shape) (opened, fits bool) {
	if k == nil {
		return false, true
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.opened && !k.array && as != inEvents {
		return true, false
	}
	k.taken = true
	k.over = k.over || as != inEvents
	return k.opened, true
}

// shape is in what form the client gets an answer.
type shape int

const (
	inEvents shape = iota // or in elements of an array
	inOnePiece
	inBytes // of which nothing is known
)

// send writes bytes and sees to it that they leave.
func (x *exchange) send(b []byte) error {
	if k := x.keeper; k != nil {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.crlf = bytes.HasSuffix(b, []byte("\n\r\n"))
		k.apart = k.array || k.crlf || bytes.HasSuffix(b, []byte("\n\n"))
		defer func() { k.last = time.Now() }()
	}
	if _, err := x.w.Write(b); err != nil { //nolint:gosec // no page, but what the client asked for
		return err
	}
	return flushed(&x.rc)
}

// sendLast sends the end of a stream.
func (x *exchange) sendLast(b []byte) error {
	x.keeper.silence()
	return x.send(b)
}

// flush renews the deadline for the end of the body: net/http writes that past
// one that a long pause has let expire, unless a flush renews it.
func (x *exchange) flush() {
	defer x.keeper.holdOff()()
	_ = flushed(&x.rc)
}

func validateKeepAlive(d *caddy.Duration) error {
	if d != nil && *d < 0 {
		return errors.New("keep_alive: expected a positive duration, or 0 to switch it off")
	}
	return nil
}
