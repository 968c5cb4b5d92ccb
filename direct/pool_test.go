package direct

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const forever = 1000 * time.Hour

// start begins n exchanges at once, and returns what ends them.
func start(t *testing.T, c *Transport, url string, n int) (end func()) {
	t.Helper()
	var bodies []io.ReadCloser
	for range n {
		res, err := c.RoundTrip(newRequest(t, "GET", url, nil))
		require.NoError(t, err)
		bodies = append(bodies, res.Body)
	}
	return func() {
		for _, body := range bodies {
			_, err := io.ReadAll(body)
			require.NoError(t, err)
		}
	}
}

// direct runs a test over this package's transport alone, in a bubble.
func direct(t *testing.T, script func(p *peer), f func(t *testing.T, c *Transport, s *pipes)) {
	t.Helper()
	bubble(t, options{}, script, func(t *testing.T, c client, s *pipes) {
		if c, ok := c.(*Transport); ok {
			f(t, c, s)
		}
	})
}

func TestIdlePerHost(t *testing.T) {
	f := func(limit, kept int) {
		t.Helper()
		direct(t, answers(ok), func(t *testing.T, c *Transport, s *pipes) {
			c.MaxIdleConnsPerHost = limit
			start(t, c, "http://a.example", 5)()
			start(t, c, "http://b.example", 1)()
			made, gone := s.count()
			require.Equal(t, 6, made)
			require.Equal(t, 5-kept+1-min(kept, 1), gone)
			require.Equal(t, kept+min(kept, 1), c.pool.size)
			require.Len(t, c.pool.origins, 2*min(kept, 1))
		})
	}
	f(0, 2)
	f(3, 3)
	f(10, 5)
	f(-1, 0)
}

// The limit over all hosts takes the one that has been idle for longest.
func TestIdleOverall(t *testing.T) {
	direct(t, answers(ok), func(t *testing.T, c *Transport, s *pipes) {
		c.MaxIdleConns = 2
		for _, host := range []string{"a", "b", "c"} {
			start(t, c, "http://"+host, 1)()
		}
		made, gone := s.count()
		require.Equal(t, 3, made)
		require.Equal(t, 1, gone)
		for _, host := range []string{"c", "b"} {
			start(t, c, "http://"+host, 1)()
		}
		made, _ = s.count()
		require.Equal(t, 3, made, "the latest two are kept")
		start(t, c, "http://a", 1)()
		made, _ = s.count()
		require.Equal(t, 4, made)
	})
}

// Schemes and hosts are kept apart.
func TestOrigins(t *testing.T) {
	direct(t, answers(ok), func(t *testing.T, c *Transport, s *pipes) {
		for i := range 2 {
			for n, url := range []string{"http://a", "http://a:81", "http://b"} {
				_, _, reused := trip(t, c, newRequest(t, "GET", url, nil))
				require.Equal(t, i > 0, reused, n)
			}
		}
		require.NotContains(t, c.pool.origins, origin{true, "a"})
		require.Contains(t, c.pool.origins, origin{false, "a"})
	})
}

// The connection that was used last is used next; the others go by their own time.
func TestIdleTimeout(t *testing.T) {
	direct(t, answers(ok), func(t *testing.T, c *Transport, s *pipes) {
		c.IdleConnTimeout, c.MaxIdleConnsPerHost = time.Minute, 10
		start(t, c, "http://a.example", 3)()
		for range 5 {
			time.Sleep(30 * time.Second)
			trip(t, c, newRequest(t, "GET", "http://a.example", nil))
		}
		made, gone := s.count()
		require.Equal(t, 3, made)
		require.Equal(t, 2, gone)
		time.Sleep(time.Minute - time.Second)
		_, gone = s.count()
		require.Equal(t, 2, gone)
		time.Sleep(time.Second)
		_, gone = s.count()
		require.Equal(t, 3, gone)
		require.Zero(t, c.pool.size)
		require.False(t, c.pool.armed)

		trip(t, c, newRequest(t, "GET", "http://a.example", nil))
		time.Sleep(time.Minute)
		made, gone = s.count()
		require.Equal(t, 4, made)
		require.Equal(t, 4, gone, "the timer runs again")
	})
}

// Without a timeout nothing is closed.
func TestNoIdleTimeout(t *testing.T) {
	direct(t, answers(ok), func(t *testing.T, c *Transport, s *pipes) {
		trip(t, c, newRequest(t, "GET", "http://a.example", nil))
		time.Sleep(forever)
		_, _, reused := trip(t, c, newRequest(t, "GET", "http://a.example", nil))
		require.True(t, reused)
	})
}

// Both close what is idle, and what comes back until something is asked for.
func TestCloseIdleConnections(t *testing.T) {
	bubble(t, options{}, answers(ok), func(t *testing.T, c client, s *pipes) {
		trip(t, c, newRequest(t, "GET", "http://a.example", nil))
		res, err := c.RoundTrip(newRequest(t, "GET", "http://a.example", nil))
		require.NoError(t, err)
		other, err := c.RoundTrip(newRequest(t, "GET", "http://a.example", nil))
		require.NoError(t, err)
		_, err = io.ReadAll(other.Body)
		require.NoError(t, err)
		made, gone := s.count()
		require.Equal(t, [2]int{2, 0}, [2]int{made, gone})
		c.CloseIdleConnections()
		_, gone = s.count()
		require.Equal(t, 1, gone)
		_, err = io.ReadAll(res.Body)
		require.NoError(t, err)
		_, gone = s.count()
		require.Equal(t, 2, gone)

		trip(t, c, newRequest(t, "GET", "http://a.example", nil))
		_, _, reused := trip(t, c, newRequest(t, "GET", "http://a.example", nil))
		require.True(t, reused)
	})
}

// The pool's lists hold together whatever is put, taken and expires.
func TestPoolLists(t *testing.T) {
	p := &pool{}
	check := func(want int) {
		t.Helper()
		n := 0
		for c, before := p.oldest, (*conn)(nil); c != nil; before, c = c, c.newer {
			require.Same(t, before, c.older)
			require.False(t, c.newer == nil && p.newest != c)
			n++
		}
		require.Equal(t, want, n)
		require.Equal(t, want, p.size)
		for o, s := range p.origins {
			n := 0
			for c, above := s.top, (*conn)(nil); c != nil; above, c = c, c.below {
				require.Equal(t, o, c.origin)
				require.Same(t, above, c.above)
				n++
			}
			require.Equal(t, s.size, n)
			want -= n
		}
		require.Zero(t, want)
	}
	check(0)
	var in []*conn
	for i := range 2000 {
		if i*7919%5 < 3 && i < 1500 || len(in) == 0 {
			c := &conn{origin: origin{host: fmt.Sprint(i * 31 % 7)}}
			p.add(c)
			in = append(in, c)
		} else {
			n := i * 104729 % len(in)
			p.remove(in[n])
			in = append(in[:n], in[n+1:]...)
		}
		check(len(in))
	}
}

// After a sleep of the machine, which timers do not see, the clock on the wall
// tells that a connection has been idle for too long.
func TestIdleByTheWall(t *testing.T) {
	p := &pool{}
	conns := []*conn{newConn(origin{}, &played{}, 0), newConn(origin{}, &played{}, 0)}
	for _, c := range conns {
		p.add(c)
	}
	conns[0].idleSince = time.Now()
	conns[1].idleSince = time.Now().Add(-time.Hour)
	require.Same(t, conns[0], p.take(origin{}, time.Minute))
	require.True(t, conns[1].raw.(*played).closed)
	require.Nil(t, p.take(origin{}, time.Minute))
}

// A connection that its server closes while it is idle does not keep its
// descriptor until somebody wants it.
func TestClosedConnectionsLeaveThePool(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "x")
	}))
	defer server.Close()
	transport := new(Transport)
	defer transport.CloseIdleConnections()
	r, err := http.NewRequest(http.MethodGet, server.URL, nil)
	require.NoError(t, err)
	res, err := transport.RoundTrip(r)
	require.NoError(t, err)
	_, err = io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.Empty(t, transport.pool.popBroken())
	require.Equal(t, 1, transport.pool.size)
	server.CloseClientConnections()
	require.Eventually(t, func() bool {
		transport.pool.watch()
		transport.pool.mu.Lock()
		defer transport.pool.mu.Unlock()
		return transport.pool.size == 0
	}, 10*time.Second, time.Millisecond)
}
