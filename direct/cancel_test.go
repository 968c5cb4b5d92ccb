package direct

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// canceled is a request whose context ends by a cause.
func canceled(t *testing.T, r *http.Request) (*http.Request, func()) {
	t.Helper()
	ctx, cancel := context.WithCancelCause(r.Context())
	return r.WithContext(ctx), func() { cancel(errSecret) }
}

func TestCanceledBefore(t *testing.T) {
	both(t, options{}, func(t *testing.T, c client) {
		body := &watched{Reader: strings.NewReader("{}")}
		r := newRequest(t, "POST", "http://127.0.0.1:1", body)
		r.ContentLength = 2
		r, cancel := canceled(t, r)
		cancel()
		_, err := c.RoundTrip(r)
		require.Equal(t, errSecret, err)
		require.Equal(t, 1, body.times())
	})
}

func TestCanceledWhileDialing(t *testing.T) {
	dialing := make(chan bool)
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		dialing <- true
		<-ctx.Done()
		return nil, ctx.Err()
	}
	both(t, options{dial: dial}, func(t *testing.T, c client) {
		body := &watched{Reader: strings.NewReader("{}")}
		r := newRequest(t, "POST", "http://a.example", body)
		r.ContentLength = 2
		r, cancel := canceled(t, r)
		go func() {
			<-dialing
			cancel()
		}()
		_, err := c.RoundTrip(r)
		require.Equal(t, errSecret, err)
		require.Equal(t, 1, body.times())
	})
}

// The cause is what the caller gets, and the connection is gone.
func TestCanceledBeforeTheHeader(t *testing.T) {
	asked := make(chan bool)
	silent := func(p *peer) {
		if p.request() != nil {
			asked <- true
			p.request()
		}
	}
	for _, size := range []int{0, 2, 1 << 20} {
		url := serve(t, silent)
		both(t, options{}, func(t *testing.T, c client) {
			for range 2 {
				body := &watched{Reader: strings.NewReader(strings.Repeat("x", size))}
				r := newRequest(t, "POST", url, body)
				if r.ContentLength = int64(size); size == 0 {
					r.Body = nil
				}
				r, cancel := canceled(t, r)
				go func() {
					<-asked
					cancel()
				}()
				_, err := c.RoundTrip(r)
				require.Equal(t, errSecret, err)
				require.Equal(t, min(size, 1), body.times())
			}
		})
	}
}

// A server that reads nothing does not hold up the cancellation.
func TestCanceledWhileWriting(t *testing.T) {
	began := make(chan bool)
	url := serve(t, func(p *peer) {
		_, _ = p.br.ReadByte()
		began <- true
		<-began
	})
	both(t, options{}, func(t *testing.T, c client) {
		body := &watched{Reader: bytes.NewReader(make([]byte, 64<<20))}
		r := newRequest(t, "POST", url, body)
		r.ContentLength = 64 << 20
		r, cancel := canceled(t, r)
		go func() {
			<-began
			cancel()
		}()
		_, err := c.RoundTrip(r)
		require.Equal(t, errSecret, err)
		require.Equal(t, 1, body.times())
		began <- true
	})
}

func TestCanceledInTheBody(t *testing.T) {
	url := serve(t, func(p *peer) {
		for p.request() != nil {
			p.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
		}
	})
	both(t, options{}, func(t *testing.T, c client) {
		for range 2 {
			r, cancel := canceled(t, newRequest(t, "GET", url, nil))
			res, err := c.RoundTrip(r)
			require.NoError(t, err)
			var got [5]byte
			_, err = io.ReadFull(res.Body, got[:])
			require.NoError(t, err)
			cancel()
			_, err = res.Body.Read(got[:])
			require.Equal(t, errSecret, err)
			require.NoError(t, res.Body.Close())
		}
	})
}

// What ends after the answer has been read does not concern the connection.
func TestCanceledAfterwards(t *testing.T) {
	url := serve(t, answers(ok))
	c := newTransport(options{})
	defer c.CloseIdleConnections()
	for i := range 3 {
		r, cancel := canceled(t, newRequest(t, "GET", url, nil))
		_, _, reused := trip(t, c, r)
		require.Equal(t, i > 0, reused)
		cancel()
	}
}

// A connection that a cancellation is about to break is not kept, even though the
// answer has been read to its end.
func TestCanceledAtTheEnd(t *testing.T) {
	url := serve(t, answers(ok))
	c := newTransport(options{})
	defer c.CloseIdleConnections()
	for range 100 {
		r, cancel := canceled(t, newRequest(t, "GET", url, nil))
		res, err := c.RoundTrip(r)
		require.NoError(t, err)
		go cancel()
		body, err := io.ReadAll(res.Body)
		if err == nil {
			require.Equal(t, "ok", string(body))
		} else {
			require.Equal(t, errSecret, err)
		}
		_, answer, _ := trip(t, c, newRequest(t, "GET", url, nil))
		require.Equal(t, "ok", answer)
	}
}

func TestDeadline(t *testing.T) {
	bubble(t, options{}, func(p *peer) {
		for p.request() != nil {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
			p.request()
		}
	}, func(t *testing.T, c client, _ *pipes) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		began := time.Now()
		res, err := c.RoundTrip(newRequest(t, "GET", "http://a.example", nil).WithContext(ctx))
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.Equal(t, context.DeadlineExceeded, err)
		require.True(t, isTimeout(err))
		require.Equal(t, "hello", string(body))
		require.Equal(t, time.Minute, time.Since(began))
	})
	bubble(t, options{}, func(p *peer) {
		p.request()
		p.request()
	}, func(t *testing.T, c client, s *pipes) {
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errSecret)
		defer cancel()
		_, err := c.RoundTrip(newRequest(t, "GET", "http://a.example", nil).WithContext(ctx))
		require.Equal(t, errSecret, err)
		made, gone := s.count()
		require.Equal(t, 1, made)
		require.Equal(t, 1, gone)
	})
}

// The header has its time once the request has been written, and the body is not
// bound by that.
func TestHeaderTimeout(t *testing.T) {
	o := options{headerTimeout: time.Minute}
	for _, before := range []string{"", "HTTP/1.1 103 Early Hints\r\n\r\n", "HTTP/1.1 200 OK\r\nA: "} {
		for _, size := range []int{2, 1 << 20} {
			bubble(t, o, func(p *peer) {
				time.Sleep(time.Hour) // before it reads
				p.request()
				p.say(before)
				p.request()
			}, func(t *testing.T, c client, _ *pipes) {
				body := &watched{Reader: strings.NewReader(strings.Repeat("x", size))}
				r := newRequest(t, "POST", "http://a.example", body)
				r.ContentLength = int64(size)
				began := time.Now()
				_, err := c.RoundTrip(r)
				require.True(t, isTimeout(err), "%v", err)
				require.ErrorIs(t, err, context.DeadlineExceeded)
				require.Equal(t, time.Hour+time.Minute, time.Since(began))
				require.Equal(t, 1, body.times())
			})
		}
	}
	bubble(t, o, func(p *peer) {
		for p.request() != nil {
			time.Sleep(59 * time.Second)
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello")
			time.Sleep(time.Hour)
			p.say("world")
		}
	}, func(t *testing.T, c client, _ *pipes) {
		for i := range 2 {
			_, body, reused := trip(t, c, newRequest(t, "GET", "http://a.example", nil))
			require.Equal(t, "helloworld", body)
			require.Equal(t, i > 0, reused)
		}
	})
}

// A body that is read slowly, and an answer that comes meanwhile: whoever gets
// the answer does not wait for the rest of the request.
func TestAnswerDuringTheBody(t *testing.T) {
	bubble(t, options{}, func(p *peer) {
		if _, err := http.ReadRequest(p.br); err != nil {
			return
		}
		p.say(ok)
		time.Sleep(time.Hour)
	}, func(t *testing.T, c client, s *pipes) {
		read, write := io.Pipe()
		r := newRequest(t, "POST", "http://a.example", read)
		r.ContentLength = 1 << 20
		go func() { _, _ = write.Write(make([]byte, 100<<10)) }()
		res, err := c.RoundTrip(r)
		require.NoError(t, err)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Equal(t, "ok", string(body))
		_ = write.Close()
		time.Sleep(2 * time.Hour)
		_, gone := s.count()
		require.Equal(t, 1, gone, "the connection is not used again")
		synctest.Wait()
	})
}

// A connection with time limits of its own, as Caddy makes them, is a timeout too.
func TestReadTimeout(t *testing.T) {
	for _, before := range []string{"", "HTTP/1.1 200 OK\r\nA: ", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello"} {
		s := &pipes{script: func(p *peer) {
			p.request()
			p.say(before)
			p.request()
		}}
		bubble(t, options{dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := s.dial(ctx, network, addr)
			_ = conn.SetReadDeadline(time.Now().Add(time.Minute))
			return conn, err
		}}, nil, func(t *testing.T, c client, _ *pipes) {
			res, err := c.RoundTrip(newRequest(t, "POST", "http://a.example", strings.NewReader("{}")))
			if err == nil {
				_, err = io.ReadAll(res.Body)
			}
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			var timeout net.Error
			require.ErrorAs(t, err, &timeout)
			require.True(t, timeout.Timeout())
			if _, direct := c.(*Transport); direct {
				require.True(t, isTimeout(err), "for url.Error")
			}
		})
	}
}
