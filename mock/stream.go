package mock

import (
	"iter"
	"net/http"
	"time"
)

// dialect writes one answer as a stream in the event order of one API.
type dialect interface {
	// mediaType is the content type, which decides the framing.
	mediaType() (string, framing)
	// open writes the events before the first content.
	open(w *wire)
	// delta writes a piece of content, with what opens or closes its block.
	delta(w *wire, d delta)
	// close writes the events after the last content, terminal ones included.
	close(w *wire)
	// fail writes an error event.
	fail(w *wire, e *apiError)
}

// stream is a stream that is being sent. Events leave together unless there is
// something to wait for between them.
type stream struct {
	wire
	x       *exchange
	dialect dialect
	sent    int
	due     time.Time
}

// flushSize bounds what a stream without a rate collects before it is written.
const flushSize = 16 << 10

// stream sends an answer as a stream, or the fault that was asked for.
func (x *exchange) stream(d dialect, deltas iter.Seq[delta]) error {
	s := &stream{x: x, dialect: d}
	s.crlf = x.opts.CRLF
	mediaType, framing := d.mediaType()
	s.framing = framing
	x.w.Header().Set("Cache-Control", "no-cache")
	x.header(mediaType, http.StatusOK)

	d.open(&s.wire)
	if err := s.wait(time.Duration(x.opts.FirstContent)); err != nil {
		return err
	}
	for piece := range deltas {
		if stop, err := s.send(piece); stop || err != nil {
			return err
		}
	}
	// A fault after more deltas than there are strikes before the ending.
	if s.sent <= x.opts.After {
		if stop, err := s.fail(); stop || err != nil {
			return err
		}
	}
	d.close(&s.wire)
	return s.finish()
}

// send writes one delta when it is due; stop is true after a fault that ends
// the stream.
func (s *stream) send(piece delta) (stop bool, err error) {
	if s.sent == s.x.opts.PauseAfter && s.x.opts.Pause > 0 {
		if err := s.wait(time.Duration(s.x.opts.Pause)); err != nil {
			return true, err
		}
		s.due = time.Time{}
	}
	if err := s.pace(); err != nil {
		return true, err
	}
	if s.sent == s.x.opts.After && s.x.fault != faultNone {
		if stop, err := s.fail(); stop || err != nil {
			return true, err
		}
		if s.x.fault == faultMalformed {
			s.sent++
			return false, nil
		}
	}
	s.dialect.delta(&s.wire, piece)
	s.sent++
	if len(s.buf) >= flushSize {
		return false, s.flush()
	}
	return false, nil
}

// fail plays the faults that strike within a stream.
func (s *stream) fail() (stop bool, err error) {
	switch s.x.fault {
	case faultHangAfter:
		return true, s.hang()
	case faultErrorEvent:
		s.dialect.fail(&s.wire, s.x.opts.injected())
		return true, s.finish()
	case faultEnd:
		return true, s.flush()
	case faultCut:
		if err := s.flush(); err != nil {
			return true, err
		}
		panic(http.ErrAbortHandler)
	case faultMalformed:
		s.event("").raw(`{"malformed":[}`).end()
	}
	return false, nil
}

// finish ends the stream properly.
func (s *stream) finish() error {
	s.wire.close()
	return s.flush()
}

// pace waits until the next delta is due. Deltas are due at fixed times, so
// that a late one does not slow down the rest.
func (s *stream) pace() error {
	if s.x.opts.Rate <= 0 {
		return nil
	}
	now := time.Now()
	if s.due.IsZero() {
		s.due = now
	}
	wait := s.due.Sub(now)
	s.due = s.due.Add(time.Duration(float64(time.Second) / s.x.opts.Rate))
	return s.wait(wait)
}

// wait sends what is written so far and waits for d.
func (s *stream) wait(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	return s.waitFor(timer.C, d)
}

// hang sends what is written so far and waits for the client to leave.
func (s *stream) hang() error {
	return s.waitFor(nil, 0)
}

// waitFor keeps the client company with comments; limit is how long the wait
// lasts, or 0 if it has no end.
func (s *stream) waitFor(done <-chan time.Time, limit time.Duration) error {
	if err := s.flush(); err != nil {
		return err
	}
	var tick <-chan time.Time
	if every := time.Duration(s.x.opts.KeepAlive); every > 0 && (limit == 0 || every < limit) {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		tick = ticker.C
	}
	for {
		select {
		case <-s.x.r.Context().Done():
			return present(s.x.r.Context())
		case <-done:
			return nil
		case <-tick:
			s.comment("keep-alive")
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
}

// flush sends what is written so far.
func (s *stream) flush() error {
	if err := present(s.x.r.Context()); err != nil {
		return err
	}
	if _, err := s.x.w.Write(s.buf); err != nil {
		return &departure{err}
	}
	s.buf = s.buf[:0]
	if err := s.x.out.Flush(); err != nil {
		return &departure{err}
	}
	return nil
}
