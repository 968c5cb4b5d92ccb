package direct

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// A connection that was kept and breaks before anything of the answer has come is
// made up for where net/http does, and nowhere else.
func TestRepeated(t *testing.T) {
	f := func(name string, again bool, change func(r *http.Request)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			for _, end := range []func(p *peer){func(p *peer) { _ = p.Close() }, (*peer).reset} {
				var mu sync.Mutex
				asked := 0
				url := serve(t, func(p *peer) {
					for i := 0; p.request() != nil; i++ {
						mu.Lock()
						asked++
						mu.Unlock()
						if i > 0 {
							end(p)
							return
						}
						p.say("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
					}
				})
				both(t, options{}, func(t *testing.T, c client) {
					asked = 0
					trip(t, c, newRequest(t, "GET", url, nil))
					r := newRequest(t, "POST", url, nil)
					change(r)
					res, err := c.RoundTrip(r)
					mu.Lock()
					defer mu.Unlock()
					if again {
						require.NoError(t, err)
						require.NoError(t, res.Body.Close())
						require.Equal(t, 3, asked)
					} else {
						require.Error(t, err)
						require.Equal(t, 2, asked)
					}
				})
			}
		})
	}
	body := func(r *http.Request) {
		r.Body, r.ContentLength = newMemory("{}"), 2
	}
	replayable := func(r *http.Request) {
		body(r)
		r.GetBody = func() (io.ReadCloser, error) { return newMemory("{}"), nil }
	}
	f("GET", true, func(r *http.Request) { r.Method = "GET" })
	f("no method", true, func(r *http.Request) { r.Method = "" })
	f("HEAD", true, func(r *http.Request) { r.Method = "HEAD" })
	f("OPTIONS", true, func(r *http.Request) { r.Method = "OPTIONS" })
	f("GET with a body", true, func(r *http.Request) { replayable(r); r.Method = "GET" })
	f("GET with a body that is gone", false, func(r *http.Request) { body(r); r.Method = "GET" })
	f("DELETE", false, func(r *http.Request) { r.Method = "DELETE" })
	f("POST", false, replayable)
	f("POST without a body", false, func(*http.Request) {})
	f("POST with a key", true, func(r *http.Request) { replayable(r); r.Header.Set("Idempotency-Key", "x") })
	f("POST with a key that is not sent", true, func(r *http.Request) { replayable(r); r.Header["Idempotency-Key"] = nil })
	f("POST with the other key", true, func(r *http.Request) { replayable(r); r.Header["X-Idempotency-Key"] = nil })
	f("POST with a key but no GetBody", false, func(r *http.Request) { body(r); r.Header["Idempotency-Key"] = nil })
	f("POST with a key and no body", true, func(r *http.Request) { r.Header["Idempotency-Key"] = nil })
	f("large", true, func(r *http.Request) {
		large := strings.Repeat("x", 1<<20)
		r.Body, r.ContentLength = newMemory(large), 1<<20
		r.GetBody = func() (io.ReadCloser, error) { return newMemory(large), nil }
		r.Header["Idempotency-Key"] = nil
	})
	f("no second body", false, func(r *http.Request) {
		body(r)
		r.GetBody = func() (io.ReadCloser, error) { return nil, errSecret }
		r.Header["Idempotency-Key"] = nil
	})
}

// Once anything of an answer has come, the request has been heeded.
func TestNotRepeatedAfterAByte(t *testing.T) {
	url := serve(t, func(p *peer) {
		for i := 0; p.request() != nil; i++ {
			if i > 0 {
				p.say("HTTP/1.1 200 OK\r\n")
				return
			}
			p.say(ok)
		}
	})
	both(t, options{}, func(t *testing.T, c client) {
		trip(t, c, newRequest(t, "GET", url, nil))
		_, err := c.RoundTrip(newRequest(t, "GET", url, nil))
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	})
}

// failing is a connection whose writes fail from some time on.
type failing struct {
	net.Conn
	mu  sync.Mutex
	now bool
}

var errWrite = errors.New("cannot write")

func (f *failing) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now {
		return 0, errWrite
	}
	return f.Conn.Write(p)
}

// What has not been written at all is written anew whatever it is, as long as
// there is a body to do it with.
func TestNothingWritten(t *testing.T) {
	url := serve(t, answers(ok))
	f := func(again bool, body io.ReadCloser, get func() (io.ReadCloser, error)) {
		t.Helper()
		var conns []*failing
		dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := (&net.Dialer{}).DialContext(ctx, network, addr)
			conns = append(conns, &failing{Conn: conn})
			return conns[len(conns)-1], err
		}
		both(t, options{dial: dial}, func(t *testing.T, c client) {
			conns = nil
			trip(t, c, newRequest(t, "GET", url, nil))
			conns[0].mu.Lock()
			conns[0].now = true
			conns[0].mu.Unlock()
			r := newRequest(t, "POST", url, nil)
			if body != nil {
				r.Body, r.ContentLength, r.GetBody = body, 2, get
			}
			res, err := c.RoundTrip(r)
			if again {
				require.NoError(t, err)
				require.NoError(t, res.Body.Close())
				require.Len(t, conns, 2)
			} else {
				require.ErrorIs(t, err, errWrite)
				require.Len(t, conns, 1)
			}
		})
	}
	f(true, nil, nil)
	f(true, newMemory("{}"), func() (io.ReadCloser, error) { return newMemory("{}"), nil })
	f(false, newMemory("{}"), nil)
}

// A connection that the server has closed while it was idle is found out without
// the request: even what may not be repeated gets its answer.
func TestStale(t *testing.T) {
	end := make(chan bool)
	for _, how := range []func(p *peer){func(p *peer) { _ = p.Close() }, (*peer).reset} {
		url := serve(t, func(p *peer) {
			if p.request() != nil {
				p.say(ok)
				<-end
				how(p)
				end <- true
			}
		})
		c := newTransport(options{})
		for range 3 {
			r := newRequest(t, "POST", url, newMemory("{}"))
			r.ContentLength = 2
			_, _, reused := trip(t, c, r)
			require.False(t, reused)
			require.Equal(t, 1, c.pool.size)
			end <- true
			<-end
		}
		c.CloseIdleConnections()
	}
}
