package plexus

import (
	"bytes"
	"errors"
	"io"
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
	opened int
	reader *bytes.Reader // the latest, where the body is in one piece
}

var errDropped = errors.New("the body has been given up")

func (p pieces) source() *source {
	if p.size() <= copied {
		p = pieces{slices.Concat(p...)}
	}
	return &source{pieces: p}
}

// open begins the body anew. What reads several pieces lets go of each that it
// has read.
func (s *source) open() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened++
	switch len(s.pieces) {
	case 0:
		return nil, errDropped
	case 1:
		s.reader = bytes.NewReader(s.pieces[0])
		return io.NopCloser(s.reader), nil
	}
	readers := make([]io.Reader, len(s.pieces))
	for i, piece := range s.pieces {
		readers[i] = bytes.NewReader(piece)
	}
	return io.NopCloser(io.MultiReader(readers...)), nil
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
