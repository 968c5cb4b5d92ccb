package direct

import (
	"context"
	"fmt"
	"io"
	"net/http/httptrace"
	"time"
)

// grace is how long a server may take to answer when writing to it has failed, and
// how long an answer that has been read waits for the last of its request to have
// been written.
const grace = 50 * time.Millisecond

// send writes the request, which is in b as far as its header goes, and closes its
// body.
func (x *exchange) send(b *buffer) {
	if x.trace != nil && x.trace.WroteHeaders != nil {
		x.trace.WroteHeaders()
	}
	err := x.write(b)
	b.release()
	if closing := closeBody(x.body); closing != nil && err == nil {
		err, x.faulty = closing, true
	}
	x.body = nil // a stream may last an hour
	x.sendErr = err
	if x.trace != nil && x.trace.WroteRequest != nil {
		x.trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
}

// sendConcurrently writes the request on a goroutine of its own, while the answer is
// awaited already: a server may answer without having read all.
func (x *exchange) sendConcurrently(b *buffer) {
	x.send(b)
	x.await()
	close(x.sent)
}

// await sets the clock for the answer. Where the body was at fault there is none
// to wait for; where the writing failed, the answer may be why.
func (x *exchange) await() {
	switch {
	case x.faulty:
		x.giveUp(x.sendErr)
	case x.sendErr != nil:
		x.alarmAfter(grace, x.sendErr)
	case x.t.ResponseHeaderTimeout > 0:
		x.alarmAfter(x.t.ResponseHeaderTimeout, errHeaderLate)
	}
}

func (x *exchange) write(b *buffer) error {
	if x.length == 0 {
		return x.flush(b)
	}
	body, ok := x.body.(Buffered)
	if !ok {
		return x.copy(b)
	}
	b.pieces = append(append(b.pieces[:0], b.b), body.Buffers()...)
	pieces := b.pieces
	defer clear(pieces)
	var size int64
	for _, piece := range pieces[1:] {
		size += int64(len(piece))
	}
	if size != x.length {
		return x.misfit(size)
	}
	if x.c.vectored {
		b.unsent = pieces
		n, err := b.unsent.WriteTo(x.c.raw)
		x.c.wrote += n
		return err
	}
	for _, piece := range pieces[1:] {
		if err := x.add(b, piece); err != nil {
			return err
		}
	}
	return x.flush(b)
}

// add writes a piece of the body by way of the buffer, but for what fills more
// than one: each write is a record of TLS, or a call.
func (x *exchange) add(b *buffer, piece []byte) error {
	for len(piece) > 0 {
		if len(b.b) == 0 && len(piece) >= bufferSize {
			_, err := x.c.Write(piece)
			return err
		}
		n := min(max(bufferSize-len(b.b), 0), len(piece))
		b.b, piece = append(b.b, piece[:n]...), piece[n:]
		if len(b.b) >= bufferSize {
			if err := x.flush(b); err != nil {
				return err
			}
		}
	}
	return nil
}

// copy writes a body that has to be read.
func (x *exchange) copy(b *buffer) error {
	left, ended := x.length, false
	for left > 0 && !ended {
		if len(b.b) == cap(b.b) {
			if err := x.flush(b); err != nil {
				return err
			}
		}
		end := int(min(int64(cap(b.b)), int64(len(b.b))+left))
		n, err := x.body.Read(b.b[len(b.b):end])
		b.b = b.b[:len(b.b)+n]
		left -= int64(n)
		if ended = err == io.EOF; err != nil && !ended {
			x.faulty = true
			return err
		}
	}
	if left > 0 {
		return x.misfit(x.length - left)
	}
	if !ended {
		if err := x.ends(b); err != nil {
			return err
		}
	}
	return x.flush(b)
}

// ends makes sure that the body has nothing beyond its length.
func (x *exchange) ends(b *buffer) error {
	switch _, err := io.ReadFull(x.body, b.one[:]); err {
	case io.EOF:
		return nil
	case nil:
		return x.misfit(x.length + 1)
	default:
		x.faulty = true
		return err
	}
}

// misfit is that the body is not as long as the request says.
func (x *exchange) misfit(size int64) error {
	x.faulty = true
	if size > x.length {
		return fmt.Errorf("direct: the request's body is longer than its ContentLength of %d", x.length)
	}
	return fmt.Errorf("direct: the request's body ends after %d bytes, its ContentLength is %d", size, x.length)
}

func (x *exchange) flush(b *buffer) error {
	_, err := x.c.Write(b.b)
	b.b = b.b[:0]
	return err
}

// watch has the end of the request's context break the connection.
func (x *exchange) watch() {
	if x.ctx.Done() != nil {
		x.unwatch = context.AfterFunc(x.ctx, x.c.cut)
	}
}

// unwatched ends the watch. It is false if the connection has been broken by it,
// or is about to be. It is called once.
func (x *exchange) unwatched() bool { return x.unwatch == nil || x.unwatch() }
