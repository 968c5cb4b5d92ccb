package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// measure runs the rounds of a work. Every round asks each lane as many units,
// and begins with another one, so that what else the machine does falls on all
// of them.
func measure(ctx context.Context, l *lab, w *work, z *sizes, progress io.Writer) ([][]*sample, error) {
	subjects, stop, err := launchAll(ctx, l, w)
	defer stop()
	if err != nil {
		return nil, err
	}
	n, err := warm(ctx, l, w, subjects, z.length)
	if err != nil {
		return nil, err
	}
	samples := make([][]*sample, len(w.lanes))
	for round := range z.rounds {
		_, _ = fmt.Fprintf(progress, "%s: round %d of %d, %d %ss each\n", w.name, round+1, z.rounds, n, w.unit)
		for i := range w.lanes {
			at := (i + round) % len(w.lanes)
			if w.fresh {
				if err := relaunch(ctx, l, w, subjects, w.lanes[at].subject); err != nil {
					return nil, err
				}
			}
			s, err := once(ctx, l, w, subjects[w.lanes[at].subject], w.lanes[at], n)
			if err != nil {
				return nil, err
			}
			samples[at] = append(samples[at], s)
		}
	}
	return samples, profileAll(ctx, l, w, subjects, n, z.length, progress)
}

// launchAll starts what the work's lanes ask. What it returns stops them again.
func launchAll(ctx context.Context, l *lab, w *work) (subjects map[string]*subject, stop func(), err error) {
	subjects = map[string]*subject{}
	stop = func() {
		for name, s := range subjects {
			if name != direct {
				s.stop()
			}
		}
	}
	for _, ln := range w.lanes {
		if subjects[ln.subject] != nil {
			continue
		}
		s, err := l.launch(ctx, ln.subject, w.models())
		if err != nil {
			return subjects, stop, err
		}
		subjects[ln.subject] = s
	}
	return subjects, stop, nil
}

func relaunch(ctx context.Context, l *lab, w *work, subjects map[string]*subject, name string) error {
	if name == direct {
		return nil
	}
	subjects[name].stop()
	delete(subjects, name)
	s, err := l.launch(ctx, name, w.models())
	if err == nil {
		subjects[name] = s
	}
	return err
}

// warm lets every lane run for a while, and finds how many units of the base's
// take as long as a round should.
func warm(ctx context.Context, l *lab, w *work, subjects map[string]*subject, length time.Duration) (int, error) {
	if w.fixed {
		return w.least, warmShared(ctx, l, w, subjects)
	}
	base := w.lanes[w.base]
	n := w.least
	for {
		s, err := once(ctx, l, w, subjects[base.subject], base, n)
		if err != nil {
			return 0, err
		}
		base.expected = 0 // what takes longer tells more
		if s.elapsed > length/4 {
			n = max(int(float64(n)*float64(length)/float64(s.elapsed)), w.least)
			break
		}
		n *= 2
	}
	for _, ln := range w.lanes {
		if _, err := once(ctx, l, w, subjects[ln.subject], ln, max(n/4, w.least)); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// warmShared runs each lane of a shared work once: what is large is made when it
// is asked for first, and would make the streams beside it late.
func warmShared(ctx context.Context, l *lab, w *work, subjects map[string]*subject) error {
	if !w.shared {
		return nil
	}
	for _, ln := range w.lanes {
		if _, err := once(ctx, l, w, subjects[ln.subject], ln, w.least); err != nil {
			return err
		}
	}
	return nil
}

// once runs one lane, and reads the accounts of its process around it.
func once(ctx context.Context, l *lab, w *work, s *subject, ln *lane, n int) (*sample, error) {
	pid := s.pid()
	var before time.Duration
	var err error
	if pid != 0 {
		forgetPeak(pid)
		if before, err = cpuOf(pid); err != nil {
			return nil, err
		}
	}
	out, err := w.run(ctx, l, s, ln, n)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w\n%s", w.name, ln.label, err, s.lastWords())
	}
	if pid == 0 {
		return out, nil
	}
	after, err := cpuOf(pid)
	if err != nil {
		return nil, err
	}
	out.cpu = after - before
	if out.memory.now == 0 {
		out.memory, err = memoryOf(pid)
	}
	if w.rest > 0 && err == nil {
		pause(ctx, w.rest)
		var rested memory
		rested, err = memoryOf(pid)
		out.add("RSS "+w.rest.String()+" later", float64(rested.now), asBytes)
	}
	return out, err
}

// spread is a median, and what it is the median of.
type spread struct{ median, low, high float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	return spread{median(values), slices.Min(values), slices.Max(values)}
}

// median is the mean of the middle two where their number is even.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// each is the value of every round.
func each(samples []*sample, value func(*sample) float64) []float64 {
	out := make([]float64, len(samples))
	for i, s := range samples {
		out[i] = value(s)
	}
	return out
}

// ratios compares round by round, in which both met the same machine.
func ratios(of, base []float64) []float64 {
	var out []float64
	for i := range of {
		if base[i] > 0 && of[i] > 0 {
			out = append(out, of[i]/base[i])
		}
	}
	return out
}

func cpuPerUnit(s *sample) float64  { return float64(s.cpu) / float64(s.units) }
func cpuPerFlush(s *sample) float64 { return float64(s.cpu) / float64(s.flushes) }
func perSecond(s *sample) float64   { return float64(s.units) / s.elapsed.Seconds() }
func p50(s *sample) float64         { return float64(s.latency.ValueAtPercentile(50)) }
func p99(s *sample) float64         { return float64(s.latency.ValueAtPercentile(99)) }
func resident(s *sample) float64    { return float64(cmp.Or(s.memory.peak, s.memory.now)) }
