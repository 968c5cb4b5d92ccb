package direct

import (
	"bufio"
	"context"
	"net"
	"sync"
	"testing"
	"testing/synctest"
)

// pipes is a server without a network, whose connections are played by a script.
// Within a bubble of synctest its clock is the bubble's.
type pipes struct {
	script func(p *peer)
	mu     sync.Mutex
	n      int
	gone   int // connections that have ended
}

func (s *pipes) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.n
	s.n++
	go func() {
		defer func() {
			_ = far.Close()
			s.mu.Lock()
			defer s.mu.Unlock()
			s.gone++
		}()
		s.script(&peer{far, bufio.NewReader(far), n})
	}()
	return near, nil
}

// count is how many connections have been made, and how many of those have ended.
func (s *pipes) count() (made, gone int) {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n, s.gone
}

// bubble runs a test over both transports in a bubble each.
func bubble(t *testing.T, o options, script func(p *peer), f func(t *testing.T, c client, s *pipes)) {
	t.Helper()
	s := &pipes{script: script}
	own := o.dial
	if own == nil {
		o.dial = s.dial
	}
	t.Run("net", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := netTransport(o)
			defer c.CloseIdleConnections()
			f(t, c, s)
		})
	})
	s = &pipes{script: script}
	if own == nil {
		o.dial = s.dial
	}
	t.Run("direct", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			c := newTransport(o)
			defer c.CloseIdleConnections()
			f(t, c, s)
		})
	})
}

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
