package chaos

import (
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// resources are what a process may leak.
type resources struct {
	heap        uint64 // bytes in use after a collection
	goroutines  int
	descriptors int
}

func (r resources) String() string {
	return fmt.Sprintf("heap %.1f MiB, %d goroutines, %d descriptors", float64(r.heap)/(1<<20), r.goroutines, r.descriptors)
}

// The slack of a process at rest: Caddy's own goroutines come and go a little.
const (
	slackHeap        = 8 << 20
	slackGoroutines  = 8
	slackDescriptors = 6
)

func (r resources) within(base resources) bool {
	return r.goroutines <= base.goroutines+slackGoroutines && r.descriptors <= base.descriptors+slackDescriptors &&
		r.heap <= base.heap+slackHeap
}

func measure() resources {
	runtime.GC()
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	open, _ := os.ReadDir("/proc/self/fd") // counts none where there is no /proc
	return resources{memory.HeapAlloc, runtime.NumGoroutine(), len(open)}
}

// atRest closes the connections that idle, and measures once what is under way has
// ended, or has not within a while: when it is as it was at the beginning, which
// is when nothing has changed for a second.
func atRest(a *asker, targets []*target, base *resources) resources {
	var now resources
	quiet := 0
	for range 100 {
		a.client.CloseIdleConnections()
		for _, t := range targets {
			t.at.hangUp()
		}
		time.Sleep(100 * time.Millisecond)
		before := now
		now = measure()
		if quiet++; now.goroutines != before.goroutines || now.descriptors != before.descriptors {
			quiet = 0
		}
		if base != nil && now.within(*base) || base == nil && quiet == 10 {
			break
		}
	}
	return now
}

// requireNoLeak compares with what there was at the beginning, and shows what the
// goroutines are that should not be there.
func requireNoLeak(t *testing.T, base, now resources) {
	t.Helper()
	t.Logf("at the beginning: %s; at the end: %s", base, now)
	if now.within(base) {
		return
	}
	var stacks strings.Builder
	_ = pprof.Lookup("goroutine").WriteTo(&stacks, 1)
	require.Fail(t, "something leaks", "%s\n%s", now, stacks.String())
}
