package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// stream is what a client saw of its streams.
type stream struct {
	lag, first    *hdrhistogram.Histogram
	gaps, written *hdrhistogram.Histogram
	events        int
	chunks        int
}

// streams runs so many clients, each of which reads so many streams, one after
// the other. A lag is the time from the provider's writing an event to the
// client's having it.
func streams(ctx context.Context, s *subject, q *question, clients, each int) (*sample, error) {
	out := &sample{latency: newHistogram(), gaps: newHistogram(), written: newHistogram()}
	start := time.Now()
	var number atomic.Int64
	seen, err := gather(ctx, clients, func(ctx context.Context) (*stream, error) {
		st := &stream{lag: newHistogram(), first: newHistogram(), gaps: newHistogram(), written: newHistogram()}
		// Not all in the same moment: nothing in the world is.
		pause(ctx, q.script.pause*time.Duration(number.Add(1))/time.Duration(clients))
		return st, readStreams(ctx, s, q, each, st)
	})
	out.elapsed = time.Since(start)
	if err != nil {
		return out, err
	}
	first := newHistogram()
	for _, st := range seen {
		out.latency.Merge(st.lag)
		first.Merge(st.first)
		out.gaps.Merge(st.gaps)
		out.written.Merge(st.written)
		out.units += st.events
		out.flushes += st.chunks
	}
	out.add("flushes per event", float64(out.flushes)/float64(out.units), asNumber)
	out.add("first content p50", float64(first.ValueAtPercentile(50)), asTime)
	out.add("p99", float64(first.ValueAtPercentile(99)), asTime)
	return out, nil
}

func readStreams(ctx context.Context, s *subject, q *question, n int, st *stream) error {
	c, err := dial(s, q.client.path, q.body)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for range n {
		if err := readStream(ctx, c, q, st); err != nil {
			return err
		}
	}
	return nil
}

func readStream(ctx context.Context, c *conn, q *question, st *stream) error {
	r := reader{q: q}
	begin := time.Now()
	if err := c.ask(); err != nil {
		return err
	}
	seen := sight{st: st, begin: begin, paced: q.script.pause > 0}
	for ctx.Err() == nil {
		chunk, err := c.chunk()
		if err != nil {
			return err
		}
		if chunk == nil {
			break
		}
		seen.now = time.Now()
		if seen.paced {
			_ = c.SetDeadline(seen.now.Add(answerTimeout)) // a closed connection says so above
		}
		if err = firstOf(r.take(chunk, seen.event), seen.err); err != nil {
			return err
		}
	}
	st.events += r.events
	st.chunks += r.chunks
	return firstOf(ctx.Err(), r.end())
}

// sight is how a client sees the events of one stream come.
type sight struct {
	st          *stream
	paced       bool
	begin, now  time.Time
	last        time.Time // when the event before came
	lastWritten time.Time
	err         error
}

func (v *sight) event(written time.Time) {
	if v.last.IsZero() {
		v.record(v.st.first, v.now.Sub(v.begin))
	} else if v.paced {
		v.record(v.st.gaps, v.now.Sub(v.last))
		v.record(v.st.written, written.Sub(v.lastWritten))
	}
	v.record(v.st.lag, v.now.Sub(written))
	v.last, v.lastWritten = v.now, written
}

func (v *sight) record(h *hdrhistogram.Histogram, d time.Duration) {
	if v.err == nil {
		v.err = h.RecordValue(int64(max(d, 0)))
	}
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// idle opens so many streams that say one thing and then nothing, weighs them,
// leaves, and waits for the provider to notice.
func (l *lab) idle(ctx context.Context, s *subject, q *question, n int, rest time.Duration) (*sample, error) {
	before, err := memoryOf(s.pid())
	if err != nil {
		return nil, err
	}
	conns, err := openIdle(ctx, s, q, n)
	leave := func() {
		for _, c := range conns {
			if c != nil {
				_ = c.Close()
			}
		}
	}
	defer leave()
	if err != nil {
		return nil, err
	}
	// Rest, in which what served the opening is given back.
	pause(ctx, rest)
	if open, err := l.openStreams(ctx); err != nil || open != n {
		return nil, fmt.Errorf("%d of %d streams are open: %w", open, n, err)
	}
	out := &sample{units: n}
	if out.memory, err = memoryOf(s.pid()); err != nil {
		return nil, err
	}
	out.add("a stream", float64(out.memory.now-before.now)/float64(n), asBytes)
	left := time.Now()
	leave()
	gone, err := l.allCanceled(ctx, left)
	out.add("all canceled after", float64(gone), asTime)
	return out, err
}

// cancelTimeout is how long a provider may work for nobody.
const cancelTimeout = 3 * time.Second

func (l *lab) allCanceled(ctx context.Context, left time.Time) (time.Duration, error) {
	for {
		open, err := l.openStreams(ctx)
		gone := time.Since(left)
		switch {
		case err != nil || open == 0:
			return gone, err
		case gone > cancelTimeout:
			return gone, fmt.Errorf("%d of the provider's streams are open %s after their clients left", open, cancelTimeout)
		}
		pause(ctx, 10*time.Millisecond)
	}
}

// openIdle opens them over a few goroutines, so that the subject is not met by
// more connections at once than it can accept.
func openIdle(ctx context.Context, s *subject, q *question, n int) ([]*conn, error) {
	const openers = 16
	var todo atomic.Int64
	todo.Store(int64(n))
	parts, err := gather(ctx, openers, func(ctx context.Context) ([]*conn, error) {
		var conns []*conn
		for todo.Add(-1) >= 0 {
			c, err := dial(s, q.client.path, q.body)
			if err != nil {
				return conns, err
			}
			conns = append(conns, c)
			r := reader{q: q}
			for err = c.ask(); err == nil && r.events == 0; {
				var chunk []byte
				if chunk, err = c.chunk(); err == nil {
					err = r.take(chunk, func(time.Time) {})
				}
			}
			if err = firstOf(err, ctx.Err()); err != nil {
				return conns, err
			}
			c.r, c.buf = nil, nil
		}
		return conns, nil
	})
	var all []*conn
	for _, part := range parts {
		all = append(all, part...)
	}
	return all, err
}

// openStreams asks the provider how many it serves.
func (l *lab) openStreams(ctx context.Context) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.provider.addr+"/open", nil)
	if err != nil {
		return 0, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(string(text))
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
