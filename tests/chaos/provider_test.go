package chaos

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/mock"
)

// said is the answer of every provider: which model it is, and what it was asked.
const said = "I am {model} and you said {prompt} and that is all that there is to say today."

// provider is a plexus_mock outside of the Caddy that reloads, where providers
// are. It plays what script says, request by request, and keeps an account.
type provider struct {
	url     string
	server  *http.Server
	handler *mock.Mock
	script  func(*http.Request) *fault
	ledger  *ledger
	target  string
	active  atomic.Int64
}

// attempt is a request that a provider got.
type attempt struct {
	target string
	api    string
	fault  *fault
	at     time.Time
	ended  time.Time // known when it is done
	spoke  time.Time // when the last write began, likewise
	// credential is the number of the one that it came with.
	credential int
	done       chan struct{} // closed when the provider is through with it
	gaveUp     atomic.Bool   // the gateway did not wait for the end
}

// over tells whether the provider is through with it within a while, so that
// what happened is known.
func (a *attempt) over() bool {
	select {
	case <-a.done:
		return true
	case <-time.After(10 * time.Second):
		return false
	}
}

// ledger holds the attempts of the requests under way, by the trace that the
// gateway passes on.
type ledger struct {
	mu    sync.Mutex
	pages map[string][]*attempt
}

func (l *ledger) enter(trace string, a *attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.pages[trace] = append(l.pages[trace], a)
}

// take is what became of a request; it is forgotten then.
func (l *ledger) take(trace string) []*attempt {
	l.mu.Lock()
	defer l.mu.Unlock()
	page := l.pages[trace]
	delete(l.pages, trace)
	return page
}

// close drops what came for clients that had left, once the providers are through
// with it, and returns what they are not.
func (l *ledger) close() (busy []*attempt) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for trace, page := range l.pages {
		for _, a := range page {
			if !a.over() {
				busy = append(busy, a)
			}
		}
		delete(l.pages, trace)
	}
	return busy
}

func newProvider(t *testing.T, name string, l *ledger, script func(*http.Request) *fault) *provider {
	t.Helper()
	ctx, cancel := caddy.NewContext(caddy.Context{Context: context.Background()})
	p := &provider{handler: &mock.Mock{Record: new(false)}, script: script, ledger: l, target: name}
	p.handler.Text = said
	require.NoError(t, silently(func() error { return p.handler.Provision(ctx) }))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p.url = "http://" + listener.Addr().String()
	p.server = &http.Server{Handler: p}
	go func() { _ = p.server.Serve(listener) }()
	t.Cleanup(func() {
		_ = p.server.Close()
		cancel()
	})
	return p
}

// silently provisions a module outside of a Caddy, whose logger would fill the
// test's output: Caddy gives it one that writes to stderr.
func silently(provision func() error) error {
	nowhere, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	usual := os.Stderr
	os.Stderr = nowhere
	defer func() { os.Stderr = usual }()
	return provision()
}

// ServeHTTP implements http.Handler.
func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a := &attempt{target: p.target, api: apiOf(r.URL.Path), at: time.Now(), credential: credentialOf(r.Header, p.target), done: make(chan struct{})}
	if a.fault = foreign; a.credential > 0 {
		a.fault = p.script(r)
	}
	p.active.Add(1)
	defer func() {
		a.gaveUp.Store(r.Context().Err() != nil)
		a.ended = time.Now()
		p.active.Add(-1)
		close(a.done)
	}()
	p.ledger.enter(traceOf(r.Header), a)
	r.Header.Set("X-Plexus-Mock", a.fault.mock)
	next := caddyhttp.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) error {
		w.WriteHeader(http.StatusNotFound)
		return nil
	})
	if err := p.handler.ServeHTTP(&timed{w, a}, r, next); err != nil {
		panic(http.ErrAbortHandler)
	}
}

// timed notes when the last write begins, before which no gateway can have the
// end of the answer.
type timed struct {
	http.ResponseWriter
	a *attempt
}

func (w *timed) Write(b []byte) (int, error) {
	w.a.spoke = time.Now()
	return w.ResponseWriter.Write(b)
}

func (w *timed) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// foreign is what a request meets whose credential is not the provider's. Nobody
// expects it to fail.
var foreign = &fault{name: "a credential of somebody else", mock: `{"status":401}`}

func secretOf(name string, number int) string { return fmt.Sprintf("secret-%d-of-%s", number, name) }

// credentialOf is the number of the credential that a request comes with; 0 if it
// is not the target's.
func credentialOf(h http.Header, target string) int {
	secret := cmp.Or(strings.TrimPrefix(h.Get("Authorization"), "Bearer "), h.Get("X-Api-Key"), h.Get("X-Goog-Api-Key"))
	for number := 1; number < 10; number++ {
		if secret == secretOf(target, number) {
			return number
		}
	}
	return 0
}

// hangUp closes the connections that nobody uses.
func (p *provider) hangUp() {
	p.server.SetKeepAlivesEnabled(false)
	p.server.SetKeepAlivesEnabled(true)
}

func traceOf(h http.Header) string {
	_, rest, _ := strings.Cut(h.Get("Traceparent"), "-")
	trace, _, _ := strings.Cut(rest, "-")
	return trace
}

func apiOf(path string) string {
	switch {
	case strings.HasSuffix(path, "/chat/completions"):
		return "chat"
	case strings.HasSuffix(path, "/responses"):
		return "responses"
	case strings.HasSuffix(path, "/messages"):
		return "messages"
	}
	return "gemini"
}
