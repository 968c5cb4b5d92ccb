package plexus

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"
)

func TestInBulk(t *testing.T) {
	const byDefault = caddyhttp.DefaultMaxWriteChunk
	for name, test := range map[string]struct{ major, chunk, want, times int }{
		"HTTP/1.1":                      {1, byDefault, bulk, 8},
		"HTTP/2, which has its frames":  {2, byDefault, byDefault, 1},
		"a max_write_chunk that is set": {1, 1 << 20, 1 << 20, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := &caddyhttp.IdleTimeoutWriter{
				ResponseWriterWrapper: &caddyhttp.ResponseWriterWrapper{ResponseWriter: httptest.NewRecorder()},
				Deadline:              caddyhttp.IdleDeadline{Timeout: time.Second, MinRate: 7},
				MaxChunk:              test.chunk,
			}
			r := httptest.NewRequest(http.MethodPost, "/", nil)
			r.ProtoMajor = test.major
			x := exchange{r: r.WithContext(caddyhttp.ContextWithIdleTimeouts(r.Context(), nil, w))}
			restore := x.inBulk()
			require.Equal(t, test.want, w.MaxChunk)
			require.Equal(t, time.Duration(test.times)*time.Second, w.Deadline.Timeout)
			require.EqualValues(t, 7, w.Deadline.MinRate)
			restore()
			require.Equal(t, test.chunk, w.MaxChunk)
			require.Equal(t, time.Second, w.Deadline.Timeout)
		})
	}
	x := exchange{r: httptest.NewRequest(http.MethodPost, "/", nil)}
	x.inBulk()() // write_idle is off
}

// What is read of a chunk comes when the buffer is full: a large one held it back.
func TestALargeChunkIsPassedOnAsItComes(t *testing.T) {
	const size, begun = 1 << 20, 64 << 10
	heard := make(chan struct{})
	p := newProvider(t, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		sound := make([]byte, size)
		_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: audio/mpeg\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", size)
		_, _ = conn.Write(sound[:begun])
		<-heard
		_, _ = conn.Write(sound[begun:])
		_, _ = io.WriteString(conn, "\r\n0\r\n\r\n")
	})
	_, url := inOrder(t, "", p.URL)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/audio/speech", strings.NewReader(`{"model":"fast","input":"hi"}`))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	n, err := io.ReadFull(res.Body, make([]byte, begun))
	close(heard)
	require.NoError(t, err, "%d bytes came", n)
	rest, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Len(t, rest, size-begun)
}
