package direct

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// erratic answers with what it was asked, in one form or another, and at times
// not at all.
func erratic(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	id := r.Header.Get("Id")
	w.Header().Set("Id", id)
	switch r.Header.Get("How") {
	case "close":
		w.Header().Set("Connection", "close")
	case "hang up":
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
		return
	case "flush":
		_, _ = io.WriteString(w, id)
		w.(http.Flusher).Flush()
		_, _ = w.Write(body)
		return
	}
	_, _ = io.WriteString(w, id+string(body))
}

// Many clients at once, who cancel at random: everybody gets the answer to the
// own request or an error that it brought about, and nothing stays behind.
func TestManyAtOnce(t *testing.T) {
	before := runtime.NumGoroutine()
	server := httptest.NewServer(http.HandlerFunc(erratic))
	c := &Transport{MaxIdleConnsPerHost: 20, IdleConnTimeout: time.Minute}
	var clients sync.WaitGroup
	for n := range 100 {
		clients.Go(func() {
			random := rand.New(rand.NewPCG(7, uint64(n)))
			for i := range 20 {
				if err := erratically(t, c, server.URL, fmt.Sprintf("%d-%d;", n, i), random); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	clients.Wait()
	require.LessOrEqual(t, c.pool.size, 20)
	c.CloseIdleConnections()
	require.Zero(t, c.pool.size)
	server.Close()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections() // the server's own client
	for end := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before && time.Now().Before(end); {
		runtime.Gosched()
	}
	require.LessOrEqual(t, runtime.NumGoroutine(), before)
}

// erratically makes one request. What it returns must not have happened.
func erratically(t *testing.T, c *Transport, url, id string, random *rand.Rand) error {
	sizes := []int{0, 10, 1000, 30 << 10, writtenFirst, writtenFirst + 1, 200 << 10}
	body := strings.Repeat("x", sizes[random.IntN(len(sizes))])
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return err
	}
	if body != "" {
		r.Body, r.ContentLength = newMemory(body[:len(body)/2], body[len(body)/2:]), int64(len(body))
		if random.IntN(2) == 0 {
			r.Body = io.NopCloser(strings.NewReader(body))
		}
	}
	how := []string{"", "", "flush", "flush", "close", "hang up"}[random.IntN(6)]
	r.Header["How"], r.Header["Id"] = []string{how}, []string{id}
	canceled := random.IntN(3) == 0
	if canceled {
		turns := random.IntN(200)
		go func() {
			for range turns {
				runtime.Gosched()
			}
			cancel(errSecret)
		}()
	}
	res, err := c.RoundTrip(r)
	if err != nil {
		return allowed(err, canceled, how)
	}
	defer res.Body.Close()
	if random.IntN(10) == 0 {
		return nil // closed early
	}
	got, err := io.ReadAll(res.Body)
	switch {
	case err != nil:
		return allowed(err, canceled, how)
	case res.Header.Get("Id") != id:
		return fmt.Errorf("%s got the answer of %s", id, res.Header.Get("Id"))
	case string(got) != id+body:
		return fmt.Errorf("%s got %d bytes that are not its own", id, len(got))
	}
	return nil
}

func allowed(err error, canceled bool, how string) error {
	if canceled && errors.Is(err, errSecret) || how == "hang up" {
		return nil
	}
	return fmt.Errorf("canceled %v, %q: %w", canceled, how, err)
}
