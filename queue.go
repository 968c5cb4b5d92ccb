package plexus

import (
	"cmp"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Queue is where requests wait while every target that could serve them is full.
type Queue struct {
	// Refuses requests at once while every target is full. Default: `false`.
	Off bool `json:"off,omitempty"`
	// How many requests for one model may wait. Default: `100`.
	Size int `json:"size,omitempty"`
	// How long a request may wait, in all. Default: `10s`.
	Deadline caddy.Duration `json:"deadline,omitempty"`
}

const (
	defaultQueueSize     = 100
	defaultQueueDeadline = 10 * time.Second
)

func (q *Queue) validate() error {
	switch {
	case q == nil:
		return nil
	case q.Size < 0:
		return fmt.Errorf("queue: size: expected at least 1, got %d", q.Size)
	case q.Deadline < 0:
		return fmt.Errorf("queue: deadline: expected a positive duration, got %s", time.Duration(q.Deadline))
	case q.Off && (q.Size > 0 || q.Deadline > 0):
		return fmt.Errorf("queue: it is off, and has a size or a deadline all the same")
	}
	return nil
}

// over is q with what it leaves open taken from base, and from the defaults.
func (q *Queue) over(base *Queue) Queue {
	if q == nil {
		q, base = base, nil
	}
	if q != nil && q.Off {
		return Queue{Off: true}
	}
	out := Queue{Size: defaultQueueSize, Deadline: caddy.Duration(defaultQueueDeadline)}
	for _, from := range []*Queue{base, q} {
		if from != nil {
			out.Size, out.Deadline = cmp.Or(from.Size, out.Size), cmp.Or(from.Deadline, out.Deadline)
		}
	}
	return out
}

// waitingRoom bounds how many requests for a model wait.
type waitingRoom struct {
	Queue
	waiting atomic.Int64
}

// enter tells whether another request may wait. It has to leave again.
func (r *waitingRoom) enter() bool {
	if r.Off {
		return false
	}
	if r.waiting.Add(1) > int64(r.Size) {
		r.leave()
		return false
	}
	return true
}

func (r *waitingRoom) leave() { r.waiting.Add(-1) }
