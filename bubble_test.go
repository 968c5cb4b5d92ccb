package plexus

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// script is a provider that plays its steps within a bubble of synctest, whose
// clock moves on when nobody has anything to do: texts are sent, durations waited
// for. It takes as many requests as it gets.
type script struct {
	kind   string // the Content-Type; empty for a stream of events
	dial   time.Duration
	status int    // 0 for 200
	wants  string // in the request's body, if anything
	steps  []any
	asked  int
	left   bool // whoever asked went away before the end
}

func plays(steps ...any) *script { return &script{steps: steps} }

// forever is longer than anybody waits.
const forever = 1000 * time.Hour

func (s *script) RoundTrip(r *http.Request) (*http.Response, error) {
	s.asked++
	if sent, err := io.ReadAll(r.Body); s.wants != "" && (err != nil || !strings.Contains(string(sent), s.wants)) {
		return nil, fmt.Errorf("the request lacks %s: %q, %w", s.wants, sent, err)
	}
	trace := httptrace.ContextClientTrace(r.Context())
	trace.GetConn("provider.example:443")
	if !pause(r.Context(), s.dial) {
		return nil, r.Context().Err()
	}
	trace.GotConn(httptrace.GotConnInfo{})
	if s.kind == "" {
		s.kind = eventStream
	}
	body, w := io.Pipe()
	go func() {
		for _, step := range s.steps {
			switch step := step.(type) {
			case string:
				if _, err := io.WriteString(w, step); err != nil {
					s.left = true
					return
				}
			case time.Duration:
				if !pause(r.Context(), step) {
					s.left = true
					w.CloseWithError(r.Context().Err())
					return
				}
			}
		}
		_ = w.Close()
	}()
	return &http.Response{StatusCode: max(s.status, http.StatusOK), ContentLength: -1, Header: http.Header{"Content-Type": {s.kind}}, Body: body}, nil
}

func pause(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return true
	}
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// listener is a client that writes down what it hears and when, and insists that
// nothing is written to it at once with something else or too late.
type listener struct {
	mu     sync.Mutex
	t      *testing.T
	header http.Header
	status int
	heard  strings.Builder
	first  time.Duration // when it got the header
	took   time.Duration // until the end
	broken bool          // the handler panicked, as it does to abort a connection
	over   bool

	began time.Time
	write func(text string) error // what it does with a text, if anything
}

func (l *listener) Header() http.Header { return l.header }

func (l *listener) WriteHeader(status int) {
	require.Zero(l.t, l.status, "the header is written twice")
	l.status, l.first = status, time.Since(l.began)
	l.header = l.header.Clone()
}

func (l *listener) Write(b []byte) (int, error) {
	require.True(l.t, l.mu.TryLock(), "two write at once")
	defer l.mu.Unlock()
	require.False(l.t, l.over, "written after the end: %q", b)
	if l.write != nil {
		if err := l.write(string(b)); err != nil {
			return 0, err
		}
	}
	return l.heard.Write(b)
}

func (l *listener) Flush() {}

// played is a gateway whose providers are scripts: p1, p2, …, each speaking one
// API.
type played struct {
	*Gateway
	scripts []*script
}

var bubbles atomic.Int64

// play makes a gateway whose model "fast" asks the scripts one after the other,
// in one API.
func play(t *testing.T, a api.API, extra, model string, scripts ...*script) *played {
	t.Helper()
	var block, targets strings.Builder
	for i := range scripts {
		// Each has a state of its own, for each bubble has its own time.
		fmt.Fprintf(&block, "provider p%d none {\n base_url %s http://provider%d.example/v1\n}\n", i+1, a, bubbles.Add(1))
		fmt.Fprintf(&targets, " target p%d m%d\n", i+1, i+1)
	}
	g := newGateway(t, block.String()+"open\n"+extra+"\nmodel fast {\n selector in_order\n"+targets.String()+model+"\n}\n")
	for i, s := range scripts {
		g.Providers[i].use(s)
	}
	return &played{g, scripts}
}

// ask lets a client ask a question within the bubble, and returns when it is
// answered.
func (p *played) ask(t *testing.T, path, body string, write func(string) error) *listener {
	t.Helper()
	return p.send(t, http.MethodPost, path, body, write)
}

func (p *played) send(t *testing.T, method, path, body string, write func(string) error) *listener {
	t.Helper()
	l := &listener{t: t, header: http.Header{}, began: time.Now(), write: write}
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r = r.WithContext(context.WithValue(t.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "127.0.0.1"}))
	func() {
		defer func() { l.broken = recover() != nil }()
		require.NoError(t, (&Handler{Gateway: p.Gateway}).ServeHTTP(l, r, nil))
	}()
	l.took = time.Since(l.began)
	l.mu.Lock()
	l.over = true
	l.mu.Unlock()
	// Whatever is still under way, a keep-alive for one, shows itself now.
	time.Sleep(forever)
	synctest.Wait()
	return l
}

// dialect is what the tests know of an API's streams.
type dialect struct {
	api     api.API
	array   bool
	path    string
	body    string
	opening string
	content string
	empty   string // an event with no content
	ping    string
	end     string
}

var dialects = []dialect{
	{
		api: api.Chat, path: "/v1/chat/completions", body: `{"model":"fast","stream":true,"messages":[{"role":"user","content":"hi"}]}`,
		opening: chatRole, content: chatHello, empty: chatRole, ping: ": still here\n\n", end: chatStop + chatDone,
	},
	{
		api: api.Messages, path: "/v1/messages", body: `{"model":"fast","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}`,
		opening: "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m1\",\"role\":\"assistant\",\"content\":[]}}\n\n" +
			"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
		content: "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hello\"}}\n\n",
		empty:   "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"\"}}\n\n",
		ping:    "event: ping\ndata: {\"type\":\"ping\"}\n\n",
		end: "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n" +
			"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":3}}\n\n" +
			"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
	},
	{
		api: api.Responses, path: "/v1/responses", body: `{"model":"fast","stream":true,"store":false,"input":"hi"}`,
		opening: "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r1\",\"status\":\"in_progress\",\"output\":[]},\"sequence_number\":0}\n\n",
		content: "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"i1\",\"output_index\":0,\"content_index\":0,\"delta\":\"Hello\"}\n\n",
		empty:   "event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"item_id\":\"i1\",\"output_index\":0,\"content_index\":0,\"delta\":\"\"}\n\n",
		ping:    "event: keepalive\ndata: {\"type\":\"keepalive\",\"sequence_number\":3}\n\n",
		end:     "event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r1\",\"status\":\"completed\",\"output\":[]}}\n\n",
	},
	{
		api: api.Gemini, path: "/v1beta/models/fast:streamGenerateContent?alt=sse", body: `{"contents":[{"parts":[{"text":"hi"}]}]}`,
		opening: "data: {\"usageMetadata\":{\"promptTokenCount\":1}}\r\n\r\n",
		content: "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hello\"}]}}]}\r\n\r\n",
		empty:   "data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\"}]}}]}\r\n\r\n",
		ping:    ": still here\r\n\r\n",
		end:     "data: {\"candidates\":[{\"finishReason\":\"STOP\"}]}\r\n\r\n",
	},
	{
		api: api.Gemini, array: true, path: "/v1beta/models/fast:streamGenerateContent", body: `{"contents":[{"parts":[{"text":"hi"}]}]}`,
		opening: `[{"usageMetadata":{"promptTokenCount":1}}`,
		content: ",\r\n" + `{"candidates":[{"content":{"parts":[{"text":"Hello"}]}}]}`,
		empty:   ",\r\n" + `{"candidates":[{"content":{"parts":[{"text":""}]}}]}`,
		ping:    "\n",
		end:     ",\r\n" + `{"candidates":[{"finishReason":"STOP"}]}` + "\n]",
	},
}

func (d *dialect) String() string {
	if d.array {
		return string(d.api) + " array"
	}
	return string(d.api)
}

// plays is a provider that speaks the API.
func (d *dialect) plays(steps ...any) *script {
	s := plays(steps...)
	if d.array {
		s.kind = "application/json"
	}
	return s
}

// each plays a test for every pair of APIs of a client and a target, by relay and
// by translation. A target streams arrays to none but its own clients.
func each(t *testing.T, f func(t *testing.T, client, target *dialect)) {
	t.Helper()
	for i := range dialects {
		for k := range dialects {
			client, target := &dialects[i], &dialects[k]
			if client.api == target.api && client.array != target.array || target.array && client != target {
				continue
			}
			t.Run(fmt.Sprintf("%s from %s", client, target), func(t *testing.T) { f(t, client, target) })
		}
	}
}
