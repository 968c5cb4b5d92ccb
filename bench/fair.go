package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Fairness: whether streams go on in their pace while others ask what takes a
// subject long. The provider has to share the machine too, and may itself be
// late: the time between two events counts as written also.

// fair are paced streams, and connections beside them that ask a large question
// again and again. Those take part of the CPU, so that none is counted.
func fair(name, title string, z *sizes, model string, conns int) (*work, error) {
	const gap = 20 * time.Millisecond
	clients := z.paced[0]
	events := int(z.pacedLength / gap)
	w := work{
		name: name, title: fmt.Sprintf("%d streams, a chunk every %s, %s", clients, gap, title), unit: "chunk",
		least: clients * events, fixed: true, shared: true, run: fairRun(clients, conns),
	}
	out, err := compared(w, fmt.Sprintf("stream-%d-%s", events, gap), plexus, baseline)
	if err != nil || model == "" {
		return out, err
	}
	q, err := newQuestion(model, &chatFormat, &chatFormat)
	for _, ln := range out.lanes {
		ln.meanwhile = q
	}
	return out, err
}

func fairRun(clients, conns int) run {
	return func(ctx context.Context, _ *lab, s *subject, ln *lane, n int) (*sample, error) {
		var asked *asking
		if ln.meanwhile != nil {
			asked = askMeanwhile(ctx, s, ln.meanwhile, conns)
			ctx = asked.ctx
		}
		out, err := streams(ctx, s, ln.q, clients, max(n/clients/ln.q.script.events, 1))
		if asked != nil {
			err = firstOf(asked.end(), err)
		}
		if err != nil {
			return out, err
		}
		// First, because it is what the work is about.
		figures := out.figures
		out.figures = nil
		out.add("between events p99", float64(out.gaps.ValueAtPercentile(99)), asTime)
		out.add("p99.9", float64(out.gaps.ValueAtPercentile(99.9)), asTime)
		out.add("as written p99.9", float64(out.written.ValueAtPercentile(99.9)), asTime)
		out.add("lag p99.9", float64(out.latency.ValueAtPercentile(99.9)), asTime)
		out.figures = append(out.figures, figures...)
		if asked != nil {
			out.add("questions a second", float64(asked.answered.Load())/out.elapsed.Seconds(), asCount)
		}
		return out, nil
	}
}

// asking is what goes on beside a work.
type asking struct {
	ctx      context.Context // of the work, which ends if one of them fails
	cancel   context.CancelCauseFunc
	over     atomic.Bool
	answered atomic.Int64
	all      sync.WaitGroup
}

// askMeanwhile asks over so many connections without pause, until end is called.
func askMeanwhile(ctx context.Context, s *subject, q *question, conns int) *asking {
	a := new(asking)
	a.ctx, a.cancel = context.WithCancelCause(ctx)
	for range conns {
		a.all.Go(func() {
			if err := a.askOn(s, q); err != nil {
				a.cancel(fmt.Errorf("meanwhile: %w", err))
			}
		})
	}
	return a
}

func (a *asking) askOn(s *subject, q *question) error {
	c, err := dial(s, q.client.path, q.body)
	if err != nil {
		return err
	}
	defer func() { _ = c.Close() }()
	for !a.over.Load() && a.ctx.Err() == nil {
		if err := c.ask(); err != nil {
			return err
		}
		got, err := c.whole()
		if err != nil {
			return fmt.Errorf("reading the answer: %w", err)
		}
		if err := q.check(got); err != nil {
			return err
		}
		a.answered.Add(1)
	}
	return nil
}

// end waits for the answers that are on their way, and says what went wrong.
func (a *asking) end() error {
	a.over.Store(true)
	a.all.Wait()
	defer a.cancel(nil)
	return context.Cause(a.ctx)
}
