package plexus

import (
	"net/http"
	"net/http/httptest"
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
