package direct

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

// Answers of all kinds are read alike, and leave the connection alike.
func TestAnswers(t *testing.T) {
	f := func(name, method, answer, want string, kept bool, checks ...func(t *testing.T, res *http.Response)) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(p *peer) {
				for p.request() != nil {
					p.say(answer)
					if !kept {
						return
					}
				}
			})
			both(t, options{}, func(t *testing.T, c client) {
				for i := range 3 {
					r := newRequest(t, method, url, nil)
					res, body, reused := trip(t, c, r)
					require.Equal(t, want, body)
					require.Equal(t, kept && i > 0, reused)
					require.Equal(t, method, res.Request.Method)
					require.Nil(t, res.TLS)
					for _, check := range checks {
						check(t, res)
					}
				}
			})
		})
	}
	status := func(want int) func(t *testing.T, res *http.Response) {
		return func(t *testing.T, res *http.Response) { require.Equal(t, want, res.StatusCode) }
	}
	length := func(want int64) func(t *testing.T, res *http.Response) {
		return func(t *testing.T, res *http.Response) { require.Equal(t, want, res.ContentLength) }
	}
	trailer := func(name, value string) func(t *testing.T, res *http.Response) {
		return func(t *testing.T, res *http.Response) { require.Equal(t, value, res.Trailer.Get(name)) }
	}
	f("length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello", true, status(200), length(5))
	f("long", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"+strings.Repeat("0123456789", 10000), strings.Repeat("0123456789", 10000), true)
	f("empty", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "", true, length(0))
	f("chunked", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n", "hello world", true, length(-1))
	f("trailer", "GET", "HTTP/1.1 200 OK\r\nTrailer: Sum\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nSum: 42\r\n\r\n", "hello", true, trailer("Sum", "42"))
	f("HEAD", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "", true, length(5))
	f("HEAD chunked", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "", true)
	f("204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", "", true, status(204))
	f("304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", "", true, status(304))
	f("100 and 103 before", "GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", true, status(200))
	f("until close", "GET", "HTTP/1.1 200 OK\r\n\r\nall of it", "all of it", false, length(-1))
	f("Connection: close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", "ok", false)
	f("HTTP/1.0", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", "ok", false)
	f("HTTP/1.0 keep-alive", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", "ok", true)
}

// A connection on which more has come than the answer is not used again, neither
// if it has come with the answer nor afterwards.
func TestBytesAfterTheAnswer(t *testing.T) {
	url := serve(t, func(p *peer) {
		if p.request() != nil {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
			p.request()
		}
	})
	c := newTransport(options{})
	for range 3 {
		res, body, reused := trip(t, c, newRequest(t, "GET", url, nil))
		require.Equal(t, 200, res.StatusCode)
		require.Equal(t, "ok", body)
		require.False(t, reused)
	}
	require.Zero(t, c.pool.size)

	later := make(chan bool)
	url = serve(t, func(p *peer) {
		if p.request() != nil {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
			if p.n > 0 {
				return
			}
			<-later
			p.say("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
			later <- true
			p.request()
		}
	})
	defer c.CloseIdleConnections()
	_, _, reused := trip(t, c, newRequest(t, "GET", url, nil))
	require.False(t, reused)
	later <- true
	<-later
	res, _, reused := trip(t, c, newRequest(t, "GET", url, nil))
	require.Equal(t, 200, res.StatusCode)
	require.False(t, reused)
}

// Hooks see informational answers, and may refuse one.
func TestInformational(t *testing.T) {
	url := serve(t, answers("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	both(t, options{}, func(t *testing.T, c client) {
		var got []string
		r := newRequest(t, "GET", url, nil)
		refuse := error(nil)
		r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
				got = append(got, fmt.Sprint(code, " ", header.Get("Link")))
				return refuse
			},
		}))
		_, body, _ := trip(t, c, r)
		require.Equal(t, "ok", body)
		require.Equal(t, []string{"103 x"}, got)
		refuse = errSecret
		_, err := c.RoundTrip(r)
		require.ErrorIs(t, err, errSecret)
	})
}

func TestHeaderLimit(t *testing.T) {
	f := func(name, answer string) {
		t.Helper()
		t.Run(name, func(t *testing.T) {
			url := serve(t, func(p *peer) {
				if p.request() != nil {
					p.say(answer)
					p.request()
				}
			})
			both(t, options{headerBytes: 16 << 10}, func(t *testing.T, c client) {
				_, err := c.RoundTrip(newRequest(t, "GET", url, nil))
				require.ErrorContains(t, err, "header")
			})
		})
	}
	f("one field", "HTTP/1.1 200 OK\r\nA: "+strings.Repeat("a", 20<<10)+"\r\nContent-Length: 0\r\n\r\n")
	f("without an end", "HTTP/1.1 200 OK\r\n"+strings.Repeat("A: b\r\n", 10<<10))
	f("informational", strings.Repeat("HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", 1<<10))

	// The limit is the header's alone.
	long := strings.Repeat("0123456789", 10000)
	url := serve(t, answers("HTTP/1.1 200 OK\r\nA: "+strings.Repeat("a", 8<<10)+"\r\nContent-Length: 100000\r\n\r\n"+long))
	both(t, options{headerBytes: 16 << 10}, func(t *testing.T, c client) {
		for range 2 {
			_, body, _ := trip(t, c, newRequest(t, "GET", url, nil))
			require.Equal(t, long, body)
		}
	})
}

// What is no answer is an error, and no panic.
func TestMalformed(t *testing.T) {
	f := func(answer string, is error) {
		t.Helper()
		url := serve(t, func(p *peer) {
			if p.request() != nil {
				p.say(answer)
			}
		})
		both(t, options{}, func(t *testing.T, c client) {
			_, err := c.RoundTrip(newRequest(t, "POST", url, strings.NewReader("{}")))
			require.Error(t, err)
			if is != nil {
				require.ErrorIs(t, err, is)
			}
		})
	}
	f("", io.EOF)
	f("HTTP/1.1 200 OK\r\nContent-Le", nil)
	f("HTTP/1.1 200 OK\r\n", io.ErrUnexpectedEOF)
	f("gibberish\r\n\r\n", nil)
	f("HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", nil)
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", nil)

	// A line of the header that breaks off is not the server's idea of a header.
	url := serve(t, func(p *peer) {
		if p.request() != nil {
			p.say("HTTP/1.1 200 OK\r\nContent-Le")
		}
	})
	_, err := newTransport(options{}).RoundTrip(newRequest(t, "GET", url, nil))
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// An answer that breaks off is an error of its body.
func TestBrokenOff(t *testing.T) {
	f := func(answer, want string) {
		t.Helper()
		url := serve(t, func(p *peer) {
			if p.request() != nil {
				p.say(answer)
			}
		})
		both(t, options{}, func(t *testing.T, c client) {
			res, err := c.RoundTrip(newRequest(t, "GET", url, nil))
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.Equal(t, want, string(body))
			_, err = res.Body.Read(make([]byte, 1))
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			require.NoError(t, res.Body.Close())
			_, err = res.Body.Read(make([]byte, 1))
			require.Error(t, err)
		})
	}
	f("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "hel")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel", "hel")
	f("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", "hel")
}

// A server that resets a new connection is not asked a second time.
func TestReset(t *testing.T) {
	asked := make(chan bool, 10)
	url := serve(t, func(p *peer) {
		if p.request() != nil {
			asked <- true
			p.reset()
		}
	})
	both(t, options{}, func(t *testing.T, c client) {
		for _, method := range []string{"GET", "POST"} {
			body := &watched{Reader: strings.NewReader("{}")}
			r := newRequest(t, method, url, body)
			r.ContentLength = 2
			r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader("{}")), nil }
			_, err := c.RoundTrip(r)
			require.ErrorIs(t, err, syscall.ECONNRESET)
			require.Len(t, asked, 1)
			<-asked
			require.Equal(t, 1, body.times())
		}
	})
}

// A body that is closed before its end takes the connection with it.
func TestCloseEarly(t *testing.T) {
	url := serve(t, func(p *peer) {
		for p.request() != nil {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
		}
	})
	both(t, options{}, func(t *testing.T, c client) {
		for range 2 {
			reused := false
			r := newRequest(t, "GET", url, nil)
			res, err := c.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
				GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused },
			})))
			require.NoError(t, err)
			require.False(t, reused)
			var got [5]byte
			_, err = io.ReadFull(res.Body, got[:])
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.NoError(t, res.Body.Close())
			_, err = res.Body.Read(got[:])
			require.Error(t, err)
			require.NotErrorIs(t, err, io.EOF)
		}
	})
}

// Close ends a Read that waits.
func TestCloseWhileReading(t *testing.T) {
	url := serve(t, func(p *peer) {
		for p.request() != nil {
			p.say("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello")
		}
	})
	both(t, options{}, func(t *testing.T, c client) {
		res, err := c.RoundTrip(newRequest(t, "GET", url, nil))
		require.NoError(t, err)
		var got [5]byte
		_, err = io.ReadFull(res.Body, got[:])
		require.NoError(t, err)
		broken := make(chan error)
		go func() {
			_, err := res.Body.Read(make([]byte, 10))
			broken <- err
		}()
		require.NoError(t, res.Body.Close())
		require.Error(t, <-broken)
	})
}

func TestHooks(t *testing.T) {
	url := serve(t, answers("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	both(t, options{}, func(t *testing.T, c client) {
		for i := range 2 {
			var got []string
			note := func(s string) { got = append(got, s) }
			r := newRequest(t, "POST", url, strings.NewReader("{}"))
			_, _, _ = trip(t, c, r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
				GetConn:      func(at string) { note("GetConn " + strings.TrimPrefix(url, "http://"+at)) },
				ConnectStart: func(string, string) { note("ConnectStart") },
				ConnectDone:  func(string, string, error) { note("ConnectDone") },
				GotConn: func(info httptrace.GotConnInfo) {
					note(fmt.Sprint("GotConn ", info.Reused, info.WasIdle, info.Conn != nil))
				},
				WroteHeaders:         func() { note("WroteHeaders") },
				WroteRequest:         func(info httptrace.WroteRequestInfo) { note(fmt.Sprint("WroteRequest ", info.Err)) },
				GotFirstResponseByte: func() { note("GotFirstResponseByte") },
				PutIdleConn:          func(err error) { note(fmt.Sprint("PutIdleConn ", err)) },
			})))
			want := []string{"GetConn ", "ConnectStart", "ConnectDone", "GotConn false false true", "WroteHeaders", "WroteRequest <nil>", "GotFirstResponseByte", "PutIdleConn <nil>"}
			if i > 0 {
				want = []string{"GetConn ", "GotConn true true true", "WroteHeaders", "WroteRequest <nil>", "GotFirstResponseByte", "PutIdleConn <nil>"}
			}
			require.Equal(t, want, got)
		}
	})
}

// Connections end with their exchange where the request wants that.
func TestRequestCloses(t *testing.T) {
	url := serve(t, func(p *peer) {
		for {
			r := p.request()
			if r == nil {
				return
			}
			fmt.Fprintf(p, "HTTP/1.1 200 OK\r\nClose: %v\r\nContent-Length: 2\r\n\r\nok", r.Close)
		}
	})
	both(t, options{}, func(t *testing.T, c client) {
		for range 2 {
			r := newRequest(t, "GET", url, nil)
			r.Close = true
			res, _, reused := trip(t, c, r)
			require.False(t, reused)
			require.Equal(t, "true", res.Header.Get("Close"))
		}
	})
	both(t, options{noKeepAlive: true}, func(t *testing.T, c client) {
		for range 2 {
			res, _, reused := trip(t, c, newRequest(t, "GET", url, nil))
			require.False(t, reused)
			require.Equal(t, "true", res.Header.Get("Close"))
		}
	})
	c := newTransport(options{})
	for range 2 {
		r := newRequest(t, "GET", url, nil)
		r.Header.Set("Connection", "Close")
		_, _, reused := trip(t, c, r)
		require.False(t, reused)
	}
}
