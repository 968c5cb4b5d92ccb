package mock

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"
)

const (
	// recorded is how many requests are kept.
	recorded = 100
	// recordedBody bounds what is kept of a body, so that a load test with
	// images does not fill the memory.
	recordedBody = 1 << 20
)

// recorder keeps the last requests of a handler in a ring.
type recorder struct {
	mu    sync.Mutex
	on    bool
	count int
	ring  [recorded]*record
	next  int
}

// record is one request, as the listings show it.
type record struct {
	Method        string      `json:"method"`
	Path          string      `json:"path"`
	Query         string      `json:"query"`
	Headers       http.Header `json:"headers"`
	Body          string      `json:"body"`
	BodySize      int         `json:"body_size"`
	ReceivedAt    time.Time   `json:"received_at"`
	Finished      bool        `json:"finished"`
	Canceled      bool        `json:"canceled"`
	CanceledAfter int64       `json:"canceled_after_ms,omitempty"`
}

// lastRecord is the answer of /plexus_mock/last.
type lastRecord struct {
	record
	Count int `json:"count"`
}

func newRecorder(on bool) *recorder {
	return &recorder{on: on}
}

// begin counts a request and keeps it; end completes the returned record,
// which is nil if requests are not kept.
func (rec *recorder) begin(r *http.Request, body []byte) *record {
	var entry *record
	if rec.on {
		entry = &record{
			Method:     r.Method,
			Path:       r.URL.Path,
			Query:      r.URL.RawQuery,
			Headers:    r.Header.Clone(),
			Body:       string(body[:min(len(body), recordedBody)]),
			BodySize:   len(body),
			ReceivedAt: time.Now(),
		}
		// net/http moves this header away, but a provider does see it.
		entry.Headers["Host"] = []string{r.Host}
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.count++
	if entry != nil {
		rec.ring[rec.next%recorded] = entry
		rec.next++
	}
	return entry
}

// end notes whether the client waited for the whole answer.
func (rec *recorder) end(entry *record, canceled bool) {
	if entry == nil {
		return
	}
	rec.mu.Lock()
	defer rec.mu.Unlock()
	entry.Finished = !canceled
	entry.Canceled = canceled
	if canceled {
		// A client that left at once still shows a time.
		entry.CanceledAfter = max(1, time.Since(entry.ReceivedAt).Milliseconds())
	}
}

// last returns the last request, empty if there is none, and the count.
func (rec *recorder) last() lastRecord {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	last := lastRecord{Count: rec.count}
	if rec.next > 0 {
		last.record = *rec.ring[(rec.next-1)%recorded]
	}
	return last
}

// list returns copies of the kept requests, oldest first.
func (rec *recorder) list() []record {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	list := make([]record, 0, min(rec.next, recorded))
	for i := max(0, rec.next-recorded); i < rec.next; i++ {
		list = append(list, *rec.ring[i%recorded])
	}
	return list
}

// reset forgets all requests.
func (rec *recorder) reset() {
	rec.mu.Lock()
	defer rec.mu.Unlock()
	rec.count, rec.next = 0, 0
	clear(rec.ring[:])
}

// recordPath tells which listing a path asks for, under any prefix.
func recordPath(path string) (name string, ok bool) {
	for _, name := range []string{"last", "requests"} {
		if strings.HasSuffix(path, "/plexus_mock/"+name) {
			return name, true
		}
	}
	return "", false
}

// serveRecord answers for what the handler received.
func (m *Mock) serveRecord(w http.ResponseWriter, r *http.Request, name string) error {
	switch {
	case r.Method == http.MethodDelete && name == "last":
		m.log.reset()
		m.tally.reset()
		w.WriteHeader(http.StatusNoContent)
		return nil
	case r.Method != http.MethodGet:
		w.WriteHeader(http.StatusMethodNotAllowed)
		return nil
	}
	var answer any = m.log.last()
	if name == "requests" {
		answer = m.log.list()
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		return fmt.Errorf("writing the recorded requests: %w", err)
	}
	return nil
}
