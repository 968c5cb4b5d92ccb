package direct

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync"
)

// stater is a connection with TLS.
type stater interface{ ConnectionState() tls.ConnectionState }

// send sends the request. A fault of its body is noted besides.
func (x *exchange) send(l *letter) error {
	err := x.sendAll(l)
	if x.trace != nil && x.trace.WroteRequest != nil {
		x.trace.WroteRequest(httptrace.WroteRequestInfo{Err: err})
	}
	return err
}

func (x *exchange) sendAll(l *letter) error {
	if x.body == nil || x.body == http.NoBody {
		_, err := x.conn.Write(l.head)
		return err
	}
	if b, ok := x.body.(Buffered); ok {
		return x.sendBuffers(l, b.Buffers())
	}
	return x.copyBody(l)
}

// sendBuffers sends a body from where it is, in one go with the head if the
// connection can: a network's own can, TLS makes a record of each write.
func (x *exchange) sendBuffers(l *letter, body net.Buffers) error {
	var size int64
	for _, piece := range body {
		size += int64(len(piece))
	}
	if size != x.req.ContentLength {
		return x.wrongLength(size)
	}
	_, vectored := x.conn.Conn.(*net.TCPConn)
	if len(l.head)+int(size) <= together || !vectored {
		body = l.fill(body)
	}
	if len(body) == 0 || !vectored {
		if _, err := x.conn.Write(l.head); err != nil {
			return err
		}
		for _, piece := range body {
			if _, err := x.conn.Write(piece); err != nil {
				return err
			}
		}
		return nil
	}
	l.parts = append(append(l.room[:0], l.head), body...)
	n, err := l.parts.WriteTo(x.conn.Conn)
	x.conn.written.Add(n)
	return err
}

// fill puts the beginning of a body into the head, and gives what is left of it.
func (l *letter) fill(body net.Buffers) net.Buffers {
	for len(body) > 0 && len(l.head)+len(body[0]) <= cap(l.head) {
		l.head = append(l.head, body[0]...)
		body = body[1:]
	}
	return body
}

// copies are the buffers through which bodies go that are not in memory.
var copies = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// copyBody sends a body as it is read. A small one goes with the head; of a larger
// one the server gets the head before there is anything of it.
func (x *exchange) copyBody(l *letter) error {
	left := x.req.ContentLength
	if int64(len(l.head))+left <= int64(cap(l.head)) {
		at := len(l.head)
		l.head = l.head[:at+int(left)]
		if n, err := io.ReadFull(x.body, l.head[at:]); err != nil {
			return x.faulty(n, err)
		}
		_, err := x.conn.Write(l.head)
		return err
	}
	if _, err := x.conn.Write(l.head); err != nil {
		return err
	}
	buf := copies.Get().(*[32 << 10]byte)
	defer copies.Put(buf)
	for left > 0 {
		n, err := x.body.Read(buf[:min(int64(len(buf)), left)])
		if _, err := x.conn.Write(buf[:n]); err != nil {
			return err
		}
		if left -= int64(n); err != nil && left > 0 {
			return x.faulty(int(x.req.ContentLength-left), err)
		}
	}
	return nil
}

// faulty notes that the request's body is at fault.
func (x *exchange) faulty(read int, err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF { //nolint:errorlint // as io.ReadFull gives them
		return x.wrongLength(int64(read))
	}
	x.fault = fmt.Errorf("reading the body of the request: %w", err)
	return x.fault
}

func (x *exchange) wrongLength(size int64) error {
	x.fault = fmt.Errorf("the body of the request has %d bytes, not the %d that were announced", size, x.req.ContentLength)
	return x.fault
}
