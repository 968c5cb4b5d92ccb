package chaos

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var tableFor = flag.Duration("chaos.table", 0, "how long one of two targets is bad, for each way to be bad; 0 leaves it out")

// The pauses of the table's gateway, a tenth of the default ones.
const (
	tablePause   = time.Second
	tableLongest = 30 * time.Second
)

// misery is a way for one of two targets to be bad.
type misery struct {
	name string
	mock string
	slow bool
	// strikes tells whether the n-th request, after a time, meets the fault.
	strikes func(n int64, since time.Duration) bool
}

func miseries() []misery {
	always := func(int64, time.Duration) bool { return true }
	return []misery{
		{name: "fails always", mock: `{"status":500}`, strikes: always},
		{name: "fails half of the time", mock: `{"status":500}`, strikes: func(n int64, _ time.Duration) bool {
			return rand.New(rand.NewPCG(1, uint64(n))).IntN(2) == 0
		}},
		{name: "fails in bursts, 1 s of 3", mock: `{"status":503}`, strikes: func(_ int64, since time.Duration) bool {
			return since%(3*time.Second) < time.Second
		}},
		{name: "hangs", mock: `{"fault":"hang"}`, slow: true, strikes: always},
		{name: "resets connections", mock: `{"fault":"reset"}`, strikes: always},
		{name: "errors inside 200", mock: `{"fault":"error_event","message":"overloaded"}`, strikes: always},
	}
}

// pair is a gateway before two targets, and one run of the table.
type pair struct {
	setup   *setup
	gateway *gateway
	asker   *asker
	ledger  *ledger
	misery  *misery
	bad     atomic.Pointer[time.Time] // since when; nil while it is good
	number  atomic.Int64
	back    atomic.Pointer[time.Time] // the first request after its recovery

	mu      sync.Mutex
	known   time.Time
	entries []entry
}

// entry is what became of a request.
type entry struct {
	started time.Time
	took    time.Duration
	served  bool
	wasted  int
	err     error
}

func newPair(t *testing.T, m *misery) *pair {
	p := &pair{misery: m, ledger: &ledger{pages: map[string][]*attempt{}}}
	healthy := &fault{name: "good", mock: `{"latency":"20ms"}`}
	failing := &fault{name: "reset", mock: m.mock, whole: fails, stream: fails, slow: m.slow}
	bad, other := &target{name: "bad"}, &target{name: "healthy", steady: true}
	bad.at = newProvider(t, bad.name, p.ledger, func(*http.Request) *fault {
		n, since := p.number.Add(1), p.bad.Load()
		if since != nil && m.strikes(n, time.Since(*since)) {
			return failing
		}
		return healthy
	})
	other.at = newProvider(t, other.name, p.ledger, func(*http.Request) *fault { return healthy })
	p.setup = &setup{name: "both", selector: "random", targets: []*target{bad, other}, guarded: true}
	var body strings.Builder
	for _, t := range p.setup.targets {
		t.pause = [2]time.Duration{tablePause, tableLongest}
		body.WriteString(t.block())
	}
	body.WriteString(p.setup.block("too"))
	p.gateway = startGateway(t, body.String())
	p.asker = newAsker(p.gateway.url, 1)
	return p
}

// ask asks once and keeps the account.
func (p *pair) ask(q *question) {
	a := p.asker.ask(q)
	attempts := p.ledger.take(q.trace)
	v, err := judge(a, attempts, p.setup)
	e := entry{started: a.started, took: a.took, served: v == served, err: err}
	for _, at := range attempts {
		if at.target == "bad" && at.fault.whole == fails {
			e.wasted++
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entries = append(p.entries, e)
	if e.wasted > 0 && p.known.IsZero() {
		p.known = a.ended
	}
	if at := attempts[len(attempts)-1]; p.bad.Load() == nil && !p.known.IsZero() && at.target == "bad" && p.back.Load() == nil {
		p.back.Store(&at.at)
	}
}

func (p *pair) take() []entry {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := p.entries
	p.entries = nil
	return out
}

func quantile(entries []entry, q float64) time.Duration {
	took := make([]time.Duration, len(entries))
	for i := range entries {
		took[i] = entries[i].took
	}
	slices.Sort(took)
	return took[int(q*float64(len(took)-1))]
}

// row runs one way to be bad and is a line of the table.
func row(t *testing.T, m *misery, length time.Duration) string {
	p := newPair(t, m)
	stop := make(chan struct{})
	var working sync.WaitGroup
	for i := range 16 {
		chance := rand.New(rand.NewPCG(1, uint64(i)))
		working.Go(func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Duration(chance.Int64N(int64(20 * time.Millisecond)))):
					p.ask(&question{api: []string{"chat", "messages"}[chance.IntN(2)], stream: chance.IntN(2) == 0, model: "both", keyed: true})
				}
			}
		})
	}
	time.Sleep(500 * time.Millisecond)
	p.take()
	time.Sleep(length / 4)
	before := p.take()
	began := time.Now()
	p.bad.Store(&began)
	time.Sleep(length)
	p.bad.Store(nil)
	recovered := time.Now()
	for p.back.Load() == nil && time.Since(recovered) < tableLongest+10*time.Second {
		time.Sleep(20 * time.Millisecond)
	}
	close(stop)
	working.Wait()
	require.NotNil(t, p.back.Load(), "%s: the target is not back", m.name)

	var during []entry
	failures, later, wasted := 0, 0, 0
	for _, e := range p.take() {
		if !e.started.Before(recovered) {
			continue
		}
		during = append(during, e)
		if !e.served {
			failures++
			t.Logf("%s: %v", m.name, e.err)
		}
		if e.started.After(p.known) {
			later++
			wasted += e.wasted
		}
	}
	require.Zero(t, failures, "%s: a client saw it", m.name)
	share := 100 * float64(wasted) / float64(later)
	require.Less(t, share, 1.0, "%s: requests wasted on a target that is known to be bad", m.name)
	extra := func(q float64) string {
		return fmt.Sprintf("%.1f ms", float64(quantile(during, q)-quantile(before, q))/float64(time.Millisecond))
	}
	back := max(0, p.back.Load().Sub(recovered))
	return fmt.Sprintf("| %s | %d | %d | %s | %s | %d (%.2f %%) | %.1f s |", m.name, len(during), failures, extra(.5), extra(.99), wasted, share, back.Seconds())
}

// TestTwoTargets prints the table of docs/resilience.md.
func TestTwoTargets(t *testing.T) {
	if *tableFor == 0 {
		t.Skip("-chaos.table 20s runs it")
	}
	table := []string{
		"| one of two targets | requests | failures that clients saw | p50 | p99 | wasted once it is known | back after |",
		"|---|---|---|---|---|---|---|",
	}
	for _, m := range miseries() {
		t.Run(m.name, func(t *testing.T) { table = append(table, row(t, &m, *tableFor)) })
	}
	t.Log("\n" + strings.Join(table, "\n"))
}
