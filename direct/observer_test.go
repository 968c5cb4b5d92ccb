package direct

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"testing"

	"github.com/stretchr/testify/require"
)

// seen observes how often a connection was looked for and found.
type seen struct{ connects, connected int }

func (s *seen) Connects()  { s.connects++ }
func (s *seen) Connected() { s.connected++ }

// An observer takes the place of a trace, and is told of every connection.
func TestObserver(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "x")
	}))
	defer server.Close()
	transport := new(Transport)
	defer transport.CloseIdleConnections()
	ask := func(ctx context.Context) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		require.NoError(t, err)
		res, err := transport.RoundTrip(r)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		return res.Body.Close()
	}
	traced := 0
	trace := &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { traced++ }}
	s := new(seen)
	ctx := context.WithValue(httptrace.WithClientTrace(t.Context(), trace), ObserverKey, s)
	require.NoError(t, ask(ctx))
	require.NoError(t, ask(ctx))
	require.Equal(t, seen{2, 2}, *s)
	require.Zero(t, traced)
	server.Close()
	require.Error(t, ask(ctx))
	require.Equal(t, 3, s.connects)
}
