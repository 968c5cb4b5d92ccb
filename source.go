package plexus

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httptrace"
	"slices"
	"sync"
)

// source is a body on its way to a target, opened as often as the transport
// wants it. A stream may stay open for an hour, and net/http keeps its request
// for as long: what was sent must not stay with it.
type source struct {
	mu     sync.Mutex
	pieces pieces
	loan   *loan // that the pieces are in
	opened int
	reader *bytes.Reader // the latest, of a body that net/http is to know
	first  pieceReader
}

var errDropped = errors.New("the body has been given up")

// sendings is how often a body is sent in one attempt: net/http repeats a request
// on the next idle connection when one breaks without an answer. Once makes up for
// a connection that was closed while it idled; a provider that resets whatever it
// gets would be sent the request on every connection that there is.
const sendings = 2

var errSentTwice = fmt.Errorf("the connection broke for a second time: %w", io.ErrUnexpectedEOF)

// copied is the size in bytes up to which a body is put together for net/http, which
// sends what it knows to be in memory in one go with the header.
const copied = 64 << 10

// source is the body for a transport that takes it in pieces, or for net/http's.
// Where there are no pieces there is no body to open.
func (p pieces) source(l *loan, inPieces bool) *source {
	if !inPieces && len(p) > 0 && p.size() <= copied {
		return &source{pieces: pieces{slices.Concat(p...)}, reader: new(bytes.Reader)}
	}
	return &source{pieces: p, loan: l}
}

// open begins the body anew.
func (s *source) open() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opened++; s.opened > sendings {
		return nil, errSentTwice
	}
	if len(s.pieces) == 0 {
		return nil, errDropped
	}
	if s.reader != nil {
		s.reader = bytes.NewReader(s.pieces[0])
		return io.NopCloser(s.reader), nil
	}
	reader := &s.first
	if s.opened > 1 {
		reader = new(pieceReader)
	}
	s.loan.use()
	reader.loan, reader.left = s.loan, slices.Clone(net.Buffers(s.pieces))
	return reader, nil
}

// drop lets go of the body, which nobody will want again. One that is still
// being sent stays until it is.
func (s *source) drop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pieces = nil
}

// wrote empties the reader once it has been sent. Of several, as when net/http
// repeats a request on a new connection, nobody knows which was meant.
func (s *source) wrote(info httptrace.WroteRequestInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if info.Err == nil && s.opened == 1 && s.reader != nil {
		s.reader.Reset(nil)
	}
}

// pieceReader reads a body of several pieces. It may be closed beside the reading,
// as net/http does with a request that is canceled; nothing is read from then on,
// since the memory may be another request's.
type pieceReader struct {
	mu   sync.Mutex
	loan *loan
	left net.Buffers
}

// Read implements io.Reader.
func (r *pieceReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.left.Read(p)
}

// Buffers gives away the pieces that have not been read. They are good until the
// body is closed.
func (r *pieceReader) Buffers() net.Buffers {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.left
	r.left = nil
	return left
}

// Close implements io.Closer.
func (r *pieceReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.left = nil
	r.loan.done()
	r.loan = nil
	return nil
}
