package mock

import (
	"errors"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.uber.org/zap"
)

// The faults, by the names that configurations and requests use.
const (
	faultNone       = "none"
	faultStatus     = "status"
	faultReset      = "reset"
	faultHang       = "hang"
	faultHangAfter  = "hang_after"
	faultErrorEvent = "error_event"
	faultErrorBody  = "error_body"
	faultCut        = "cut"
	faultEnd        = "end"
	faultMalformed  = "malformed"
	faultEmpty      = "empty"
	faultHTML       = "html"
	faultDrip       = "drip"
)

func faultNames() []string {
	return []string{
		faultStatus, faultReset, faultHang, faultHangAfter, faultErrorEvent, faultErrorBody,
		faultCut, faultEnd, faultMalformed, faultEmpty, faultHTML, faultDrip, faultNone,
	}
}

// tally counts the requests for each model name that a fault could hit, for
// the options that spare some of them.
type tally struct {
	mu   sync.Mutex
	seen map[string]int
}

func newTally() *tally {
	return &tally{seen: make(map[string]int)}
}

// hit counts a request and decides whether b's fault hits it.
func (t *tally) hit(model string, b *Behaviour) bool {
	if b.Fault == "" || b.Fault == faultNone {
		return false
	}
	if b.FaultShare == nil && b.FaultFirst == 0 {
		return true
	}
	t.mu.Lock()
	t.seen[model]++
	n := t.seen[model]
	t.mu.Unlock()
	if b.FaultFirst > 0 && n > b.FaultFirst {
		return false
	}
	if b.FaultShare == nil {
		return true
	}
	draw := rand.New(rand.NewPCG(uint64(b.Seed), uint64(n))).Float64() //nolint:gosec // a drill, not a secret
	return draw < *b.FaultShare
}

func (t *tally) reset() {
	t.mu.Lock()
	clear(t.seen)
	t.mu.Unlock()
}

// injected is the error that b's fault reports.
func (b *Behaviour) injected() *apiError {
	e := &apiError{
		status:     b.Status,
		code:       b.Code,
		message:    b.Message,
		retryAfter: string(b.RetryAfter),
	}
	if e.status == 0 {
		e.status = http.StatusInternalServerError
	}
	if e.message == "" {
		e.message = "The mock was told to fail with status " + strconv.Itoa(e.status) + "."
	}
	return e
}

// failEarly plays the faults that replace the whole answer; done is false for
// the others, which come within a body or a stream.
func (x *exchange) failEarly(streaming bool) (done bool, err error) {
	switch x.fault {
	case faultStatus:
		return true, x.opts.injected()
	case faultReset:
		x.reset()
		return true, nil
	case faultHang:
		<-x.r.Context().Done()
		return true, present(x.r.Context())
	case faultErrorBody:
		return true, x.send("application/json", http.StatusOK, x.opts.injected().body(x.endpoint.family, x.id("req_")))
	case faultEmpty:
		mediaType := "application/json"
		if streaming {
			mediaType = eventStream
		}
		return true, x.send(mediaType, http.StatusOK, nil)
	case faultHTML:
		return true, x.failHTML()
	case faultDrip:
		x.w = &dripper{ResponseWriter: x.w, x: x}
	}
	return false, nil
}

// dripper lets a body leave byte by byte, as a slow loris or a dying line does.
type dripper struct {
	http.ResponseWriter
	x *exchange
}

// Write implements http.ResponseWriter.
func (d *dripper) Write(body []byte) (int, error) {
	for i := range body {
		if _, err := d.ResponseWriter.Write(body[i : i+1]); err != nil {
			return i, err
		}
		if err := d.x.out.Flush(); err != nil {
			return i, err
		}
		if err := d.x.sleep(time.Duration(d.x.opts.Drip)); err != nil {
			return i, err
		}
	}
	return len(body), nil
}

// failHTML answers as a proxy or load balancer in front of a provider does.
func (x *exchange) failHTML() error {
	status := x.opts.Status
	if status == 0 {
		status = http.StatusBadGateway
	}
	if x.opts.RetryAfter != "" {
		x.w.Header().Set("Retry-After", string(x.opts.RetryAfter))
	}
	title := strconv.Itoa(status) + " " + http.StatusText(status)
	page := "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n<hr><center>plexus_mock</center>\r\n</body>\r\n</html>\r\n"
	return x.send("text/html", status, []byte(page))
}

// failBody plays the faults within an answer that is not a stream.
func (x *exchange) failBody(mediaType string, body []byte) error {
	switch x.fault {
	case faultHangAfter:
		x.header(mediaType, http.StatusOK)
		if err := x.out.Flush(); err != nil {
			return &departure{err}
		}
		<-x.r.Context().Done()
		return present(x.r.Context())
	case faultErrorEvent:
		return x.send("application/json", http.StatusOK, x.opts.injected().body(x.endpoint.family, x.id("req_")))
	case faultMalformed:
		return x.send(mediaType, http.StatusOK, append(body[:len(body)/2:len(body)/2], "}]<"...))
	case faultEnd:
		return x.send(mediaType, http.StatusOK, body[:len(body)/2])
	case faultCut:
		x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		if err := x.send(mediaType, http.StatusOK, body[:len(body)/2]); err != nil {
			return err
		}
		panic(http.ErrAbortHandler)
	}
	return x.send(mediaType, http.StatusOK, body)
}

// reset ends the connection before any header. A lingerless close of the
// socket makes TCP send RST; where the connection is not ours to take, as in
// HTTP/2, net/http's abort is the nearest thing to it.
func (x *exchange) reset() {
	conn, _, err := x.out.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	raw := conn
	if tls, ok := conn.(interface{ NetConn() net.Conn }); ok {
		raw = tls.NetConn()
	}
	if tcp, ok := raw.(interface{ SetLinger(sec int) error }); ok {
		err = tcp.SetLinger(0)
	}
	// TLS would say goodbye with an alert, so the socket below it is closed.
	if err = errors.Join(err, raw.Close()); err != nil {
		x.mock.logger.Debug("could not reset a connection", zap.Error(err))
	}
}

// Interface guards
var _ http.ResponseWriter = (*dripper)(nil)
