package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Closed loop: each of so many connections asks again when it has its answer.

// newHistogram reaches from a microsecond to ten minutes.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(time.Microsecond), int64(10*time.Minute), 3)
}

// sample is what one subject did in one round.
type sample struct {
	units   int // requests, or chunks
	elapsed time.Duration
	cpu     time.Duration
	latency *hdrhistogram.Histogram
	gaps    *hdrhistogram.Histogram // between a paced stream's events
	written *hdrhistogram.Histogram // the same, as the provider wrote them
	flushes int                     // in which a stream's events came
	memory  memory
	figures []figure
}

// figure is what only some works find out.
type figure struct {
	name  string
	value float64
	as    func(float64) string
}

func (s *sample) add(name string, value float64, as func(float64) string) {
	s.figures = append(s.figures, figure{name, value, as})
}

// closed asks n times over the connections. It stands for coordinated omission:
// an answer that took longer than expected is counted for those too that would
// have been asked meanwhile.
func closed(ctx context.Context, s *subject, q *question, conns, n int, expected time.Duration) (*sample, error) {
	out := &sample{units: n, latency: newHistogram()}
	var todo atomic.Int64
	todo.Store(int64(n))
	start := time.Now()
	latencies, err := gather(ctx, conns, func(ctx context.Context) (*hdrhistogram.Histogram, error) {
		h := newHistogram()
		return h, askRepeatedly(ctx, s, q, &todo, h, expected)
	})
	out.elapsed = time.Since(start)
	for _, h := range latencies {
		out.latency.Merge(h)
	}
	return out, err
}

func askRepeatedly(ctx context.Context, s *subject, q *question, todo *atomic.Int64, h *hdrhistogram.Histogram, expected time.Duration) error {
	c, err := dial(s, q.client.path, q.body)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for todo.Add(-1) >= 0 && ctx.Err() == nil {
		begin := time.Now()
		if err := c.ask(); err != nil {
			return err
		}
		got, err := c.whole()
		took := time.Since(begin)
		if err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		if err := q.check(got); err != nil {
			return err
		}
		if err := h.RecordCorrectedValue(int64(took), int64(expected)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// gather runs n clients beside each other and ends them all at the first error.
func gather[T any](ctx context.Context, n int, client func(context.Context) (T, error)) ([]T, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	results := make([]T, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			var err error
			if results[i], err = client(ctx); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return results, context.Cause(ctx)
}
