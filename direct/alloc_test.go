package direct

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// instant answers as soon as a request has ended, by its last bytes, without
// allocating anything.
type instant struct {
	played
	asked chan bool
}

var finale = []byte("the end")

func (i *instant) Write(p []byte) (int, error) {
	if bytes.HasSuffix(p, finale) {
		i.asked <- true
	}
	return len(p), nil
}

func (i *instant) Read(p []byte) (int, error) {
	if !<-i.asked {
		return 0, io.EOF
	}
	return copy(p, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"), nil
}

func (i *instant) Close() error {
	close(i.asked)
	return nil
}

// rereadable is a body in memory that can be sent again and again.
type rereadable struct {
	bytes.Reader
	pieces net.Buffers
}

func (*rereadable) Close() error { return nil }

func (r *rereadable) Buffers() net.Buffers { return r.pieces }

// An exchange over a connection that has been kept allocates little more than
// net/http's parser does, and less than http.Transport.
func TestAllocations(t *testing.T) {
	count := func(c client) float64 {
		sent := append([]byte(`{"model":"one"}`), finale...)
		body := &rereadable{pieces: net.Buffers{sent[:5], sent[5:]}}
		r := newRequest(t, "POST", "http://a.example/v1/chat/completions", body)
		r.ContentLength = int64(len(sent))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer x")
		var buf [512]byte
		return testing.AllocsPerRun(500, func() {
			body.Reset(sent)
			res, err := c.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := res.Body.Read(buf[:]); n != 2 || err != io.EOF {
				t.Fatal(n, err)
			}
			_ = res.Body.Close()
		})
	}
	dial := func(context.Context, string, string) (net.Conn, error) {
		return &instant{asked: make(chan bool, 1)}, nil
	}
	ours := count(&Transport{DialContext: dial})
	theirs := count(&http.Transport{DialContext: dial, DisableCompression: true})
	t.Logf("%v allocations, http.Transport %v", ours, theirs)
	require.Less(t, ours, theirs)
	require.LessOrEqual(t, ours, 25.)
}

func BenchmarkExchange(b *testing.B) {
	f := func(name string, size int, c client) {
		b.Run(name, func(b *testing.B) {
			sent := append(bytes.Repeat([]byte("x"), size), finale...)
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				defer conn.Close()
				buf := make([]byte, 64<<10)
				for {
					n, err := conn.Read(buf)
					if err != nil {
						return
					}
					if bytes.HasSuffix(buf[:n], finale) {
						_, _ = io.WriteString(conn, ok)
					}
				}
			}()
			body := &rereadable{pieces: net.Buffers{sent[:5], sent[5:]}}
			r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+l.Addr().String(), body)
			if err != nil {
				b.Fatal(err)
			}
			r.ContentLength = int64(len(sent))
			b.ReportAllocs()
			for b.Loop() {
				body.Reset(sent)
				res, err := c.RoundTrip(r)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
			c.CloseIdleConnections()
		})
	}
	for _, size := range []int{100, 20 << 10, 60 << 10, 1 << 20} {
		f("direct/"+sizeName(size), size, &Transport{})
		f("net/"+sizeName(size), size, &http.Transport{DisableCompression: true})
	}
}

func sizeName(size int) string {
	return map[int]string{100: "100B", 20 << 10: "20KiB", 60 << 10: "60KiB", 1 << 20: "1MiB"}[size]
}
