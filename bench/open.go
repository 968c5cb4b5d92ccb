package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// open asks so often a second, whether or not answers come. A latency counts
// from when the request was due, so that a subject that keeps the generator
// waiting does not look the faster for it.
func open(ctx context.Context, s *subject, q *question, rate int, length time.Duration) (*sample, error) {
	targeter := vegeta.NewStaticTargeter(vegeta.Target{
		Method: http.MethodPost, URL: "http://" + s.addr + "/v1" + q.client.path, Body: q.body,
		Header: http.Header{"Authorization": {"Bearer " + s.key()}, "Content-Type": {"application/json"}},
	})
	attacker := vegeta.NewAttacker(vegeta.Connections(256), vegeta.HTTP2(false), vegeta.Timeout(answerTimeout))
	defer attacker.Stop()
	defer context.AfterFunc(ctx, func() { attacker.Stop() })()

	out := &sample{latency: newHistogram()}
	var results []*vegeta.Result
	begin := time.Now()
	var failure error
	for r := range attacker.Attack(targeter, vegeta.ConstantPacer{Freq: rate, Per: time.Second}, length, "") {
		if r.Error != "" && failure == nil {
			failure = fmt.Errorf("asking: %s: %.300q", r.Error, r.Body)
		}
		if failure == nil {
			failure = q.check(r.Body)
		}
		if failure != nil {
			attacker.Stop()
		}
		r.Body, r.Headers = nil, nil
		results = append(results, r)
	}
	out.elapsed = time.Since(begin)
	out.units = len(results)
	if failure != nil {
		return out, failure
	}
	return out, record(out, results, rate)
}

// record counts each result from when it was due: one after the other by the
// rate. When the first one was is seen by the one that was the least late.
func record(out *sample, results []*vegeta.Result, rate int) error {
	dueAfter := func(r *vegeta.Result) time.Duration {
		return time.Duration(r.Seq) * time.Second / time.Duration(rate) //nolint:gosec // a run has not as many
	}
	var start time.Time
	for i, r := range results {
		if first := r.Timestamp.Add(-dueAfter(r)); i == 0 || first.Before(start) {
			start = first
		}
	}
	for _, r := range results {
		if err := out.latency.RecordValue(int64(r.End().Sub(start.Add(dueAfter(r))))); err != nil {
			return err
		}
	}
	return nil
}
