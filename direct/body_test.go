package direct

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Bodies of any make and size arrive whole, and are closed once.
func TestBodies(t *testing.T) {
	url := serve(t, func(p *peer) {
		for {
			r := p.request()
			if r == nil {
				return
			}
			body, _ := io.ReadAll(r.Body)
			fmt.Fprintf(p, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}
	})
	f := func(name string, pieces ...string) {
		t.Helper()
		whole := strings.Join(pieces, "")
		t.Run(name, func(t *testing.T) {
			both(t, options{}, func(t *testing.T, c client) {
				for i := range 3 {
					body := newMemory(pieces...)
					r := newRequest(t, "POST", url, body)
					r.ContentLength = int64(len(whole))
					_, got, reused := trip(t, c, r)
					require.Equal(t, whole, got)
					require.Equal(t, 1, body.closed)
					_, direct := c.(*Transport)
					require.Equal(t, direct, body.given)
					// Who writes concurrently may not get to say in time that it is done.
					sure := direct && len(whole) <= writtenFirst
					require.True(t, !sure || reused == (i > 0))

					read := &watched{Reader: bytes.NewReader([]byte(whole))}
					r = newRequest(t, "POST", url, read)
					r.ContentLength = int64(len(whole))
					_, got, reused = trip(t, c, r)
					require.Equal(t, whole, got)
					require.True(t, !sure || reused)
					require.Equal(t, 1, read.times())
				}
			})
		})
	}
	long := strings.Repeat("0123456789abcdef", 1<<10)
	f("small", "{}")
	f("pieces", `{"model":`, `"one"`, `,"stream":true}`)
	f("empty pieces", "", "a", "", "", "b", "")
	f("a buffer", long[:bufferSize])
	f("64 KiB", long, long, long, long)
	f("64 KiB and one", long, long, long, long, "a")
	f("megabytes", strings.Repeat(long, 70), "x", strings.Repeat(long, 3))
	f("many pieces", strings.Split(strings.Repeat(long, 4), "a")...)
}

// An answer is given out though the server does not read what is sent.
func TestEarlyAnswer(t *testing.T) {
	for _, header := range []string{"Connection: close\r\n", ""} {
		done := make(chan bool)
		url := serve(t, func(p *peer) {
			if _, err := http.ReadRequest(p.br); err == nil {
				p.say("HTTP/1.1 413 Content Too Large\r\n" + header + "Content-Length: 3\r\n\r\nno\n")
				<-done
			}
		})
		both(t, options{}, func(t *testing.T, c client) {
			for range 2 {
				body := &watched{Reader: bytes.NewReader(make([]byte, 16<<20))}
				r := newRequest(t, "POST", url, body)
				r.ContentLength = 16 << 20
				res, got, reused := trip(t, c, r)
				require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
				require.Equal(t, "no\n", got)
				require.False(t, reused)
			}
		})
		close(done)
	}
}

// An answer is read though the server has reset the connection after it: the
// writing that fails by that must not hide it.
func TestAnswerBeforeReset(t *testing.T) {
	url := serve(t, func(p *peer) {
		if _, err := http.ReadRequest(p.br); err == nil {
			p.say("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 3\r\n\r\nno\n")
		} // unread bytes make a reset of the close
	})
	c := newTransport(options{})
	for range 20 {
		r := newRequest(t, "POST", url, newMemory(strings.Repeat("x", 1<<20)))
		r.ContentLength = 1 << 20
		res, err := c.RoundTrip(r)
		if err != nil { // the reset may come before anything has been read
			require.True(t, strings.Contains(err.Error(), "reset") || strings.Contains(err.Error(), "broken pipe"), "%v", err)
			continue
		}
		require.Equal(t, http.StatusRequestEntityTooLarge, res.StatusCode)
		_, _ = io.ReadAll(res.Body)
		require.NoError(t, res.Body.Close())
	}
	require.Zero(t, c.pool.size)
}

// Bodies that fail, or are not as long as they are said to be, are errors of the
// request, and are closed.
func TestFaultyBodies(t *testing.T) {
	url := serve(t, answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	// What is wrong after the last byte http.Transport notices only at times.
	f := func(name string, size int64, body func() *watched, want string, late ...bool) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			both(t, options{}, func(t *testing.T, c client) {
				if _, direct := c.(*Transport); !direct && late != nil {
					return
				}
				b := body()
				r := newRequest(t, "POST", url, b)
				r.ContentLength = size
				_, err := c.RoundTrip(r)
				require.ErrorContains(t, err, want)
				require.Equal(t, 1, b.times())
			})
		})
	}
	failing := func(size int) func() *watched {
		return func() *watched {
			return &watched{Reader: io.MultiReader(strings.NewReader(strings.Repeat("x", size)), failure{})}
		}
	}
	text := func(size int) func() *watched {
		return func() *watched { return &watched{Reader: strings.NewReader(strings.Repeat("x", size))} }
	}
	f("fails", 100, failing(10), errSecret.Error())
	f("fails late", 1<<20, failing(1<<19), errSecret.Error())
	f("fails at its end", 10, failing(10), errSecret.Error(), true)
	f("short", 100, text(10), "ContentLength")
	f("short and large", 1<<20, text(1<<19), "ContentLength")
	f("long", 10, text(100), "ContentLength", true)
	f("long and large", 1<<19, text(1<<20), "ContentLength", true)
	f("fails to close", 10, func() *watched { return &watched{Reader: strings.NewReader("0123456789"), fails: errSecret} }, errSecret.Error(), true)

	c := newTransport(options{})
	for _, pieces := range [][]string{{"short"}, {"longer than ", "ten bytes"}} {
		body := newMemory(pieces...)
		r := newRequest(t, "POST", url, body)
		r.ContentLength = 10
		_, err := c.RoundTrip(r)
		require.ErrorContains(t, err, "ContentLength")
		require.Equal(t, 1, body.closed)
	}
	require.Zero(t, c.pool.size)
}

type failure struct{}

func (failure) Read([]byte) (int, error) { return 0, errSecret }
