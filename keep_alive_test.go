package plexus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// sign is the keep-alive of an API whose client has heard an event.
func (d *dialect) sign(target *dialect) string {
	switch {
	case d.array:
		return "\n"
	case d.api == api.Messages:
		return "event: ping\ndata: {\"type\":\"ping\"}\n\n"
	case d.api == api.Gemini && target == d:
		return "\r\n\r\n"
	case d.api == api.Gemini:
		return "\n\n"
	default:
		return ": keep-alive\n\n"
	}
}

// A client that waits hears a keep-alive for every interval of silence, through
// all attempts, and otherwise what it would hear anyway.
func TestKeepAlives(t *testing.T) {
	each(t, func(t *testing.T, client, target *dialect) {
		f := func(extra, model string, first time.Duration, want ...int) {
			t.Helper()
			hung := target.plays(target.opening, forever)
			second := target.plays(target.opening, 45*time.Second, target.content, 5*time.Second, target.content, 45*time.Second, target.end)
			g := play(t, target.api, "failover {\n first_content 60s\n}\n"+extra, model, hung, second)
			synctest.Test(t, func(t *testing.T) {
				var signs []int // when, in seconds
				began := time.Now()
				rest := ""
				got := g.ask(t, client.path, client.body, func(text string) error {
					before := client.sign(client)
					if client.api == api.Gemini && !client.array {
						before = "\n\n" // nobody knows yet how lines will end
					}
					if text == client.sign(target) || rest == "" && text == before {
						signs = append(signs, int(time.Since(began).Seconds()))
					} else {
						rest += text
					}
					return nil
				})
				require.Equal(t, 200, got.status)
				require.Equal(t, want, signs)
				require.Equal(t, first, got.first)
				require.Equal(t, 155*time.Second, got.took)
				require.Contains(t, got.header.Get("Content-Type"), map[bool]string{true: "application/json", false: "text/event-stream"}[client.array])
				require.Equal(t, "no", got.header.Get("X-Accel-Buffering"))
				named := map[bool]string{true: "", false: "p2"}[first < 105*time.Second]
				require.Equal(t, named, got.header.Get("X-Plexus-Provider"))
				if client == target {
					require.Equal(t, target.opening+target.content+target.content+target.end, rest)
				}
				if client.array {
					require.True(t, json.Valid([]byte(got.heard.String())), got.heard.String())
				}
			})
		}
		f("", "", 105*time.Second)
		f("keep_alive off", "", 105*time.Second)
		f("keep_alive 20s", "", 20*time.Second, 20, 40, 60, 80, 100, 130, 150)
		f("keep_alive 20s", "keep_alive 40s", 40*time.Second, 40, 80, 150)
		f("keep_alive 20s", "keep_alive off", 105*time.Second)
		f("keep_alive 2m", "", 105*time.Second)
	})
}

// A stream that has ended and stays open gets no keep-alive behind its end.
func TestNoKeepAliveAfterTheEnd(t *testing.T) {
	each(t, func(t *testing.T, client, target *dialect) {
		if target.api == api.Gemini && client.api != target.api {
			return // whose end is the connection's
		}
		lingers := target.plays(target.opening, target.content, target.end, 90*time.Second)
		g := play(t, target.api, "keep_alive 20s", "", lingers)
		synctest.Test(t, func(t *testing.T) {
			got := g.ask(t, client.path, client.body, func(text string) error {
				require.NotContains(t, []string{client.sign(client), client.sign(target)}, text)
				return nil
			})
			require.Equal(t, 200, got.status)
		})
	})
}

// Once a keep-alive has brought the header, every error is an event.
func TestErrorsAfterKeepAlives(t *testing.T) {
	each(t, func(t *testing.T, client, target *dialect) {
		f := func(message string, first *script) {
			t.Helper()
			g := play(t, target.api, "keep_alive 7s\nfailover {\n first_content 20s\n}", "", first)
			synctest.Test(t, func(t *testing.T) {
				got := g.ask(t, client.path, client.body, nil)
				require.Equal(t, 200, got.status)
				require.Equal(t, 7*time.Second, got.first)
				require.Empty(t, got.header.Get("X-Plexus-Attempts"))
				client.endsWithAny(t, got.heard.String(), message)
			})
		}
		f(`1 target tried, none succeeded: p1/m1: no content after 20s`, target.plays(target.opening, forever))
		f("the prompt is odd", refuses(target.api, 400, "the prompt is odd", 9*time.Second)) // less than connect
	})
}

// refuses is a provider that finds fault with the request after a while.
func refuses(a api.API, status int, message string, d time.Duration) *script {
	return &script{dial: d, status: status, kind: "application/json", steps: []any{string(a.ErrorBody(api.Error{Status: status, Message: message}))}}
}

// endsWithAny is endsWith for an error of any status, before which there may be
// nothing but keep-alives.
func (d *dialect) endsWithAny(t *testing.T, heard, message string) {
	t.Helper()
	require.Contains(t, heard, message)
	if d.array {
		var all []struct{ Error *struct{ Message string } }
		require.NoError(t, json.Unmarshal([]byte(heard), &all), heard)
		require.Len(t, all, 1)
		require.Contains(t, all[0].Error.Message, message)
		return
	}
	want := map[api.API]string{
		api.Chat: `^(: keep-alive\n\n)+data: (.*)\n\n$`, api.Messages: `^(event: ping\ndata: .*\n\n)+event: error\ndata: (.*)\n\n$`,
		api.Responses: `^(: keep-alive\n\n)+event: error\ndata: (.*)\n\n$`, api.Gemini: `^(\n\n)+data: (.*)\n\n.*$`,
	}[d.api]
	found := regexp.MustCompile(want).FindStringSubmatch(heard)
	require.NotNil(t, found, heard)
	require.True(t, json.Valid([]byte(found[2])), heard)
}

// An answer in one piece does not fit into a stream that has begun: the next
// target is asked. Gemini's array is JSON as well.
func TestWholeAnswerAfterKeepAlives(t *testing.T) {
	chat, array := &dialects[0], &dialects[4]
	f := func(client *dialect, body, answer, want string) {
		t.Helper()
		whole := plays(answer)
		whole.kind, whole.dial = "application/json", 9*time.Second
		g := play(t, client.api, "keep_alive 5s", "", whole, client.plays(client.opening, client.content, client.end))
		synctest.Test(t, func(t *testing.T) {
			got := g.ask(t, client.path, body, nil)
			require.Equal(t, want, got.heard.String())
		})
	}
	// Nobody here understands the request, so that nothing can be translated.
	f(chat, `{"model":"fast","stream":true,"messages":7}`, chatAnswer, ": keep-alive\n\n"+chatRole+chatHello+chatStop+chatDone)
	one := `{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}`
	f(array, array.body, one, "\n"+one)
}

// A client that cannot be written to is gone, and the provider's work with it.
func TestKeepAliveToAClientThatIsGone(t *testing.T) {
	for i := range dialects {
		d := &dialects[i]
		first := d.plays(d.opening, forever)
		g := play(t, d.api, "keep_alive 5s\nfailover {\n first_content 1h\n}", "", first)
		synctest.Test(t, func(t *testing.T) {
			got := g.ask(t, d.path, d.body, func(string) error { return errors.New("broken pipe") })
			require.Equal(t, 5*time.Second, got.took, d)
			require.True(t, first.left, d)
			require.False(t, g.blamed(), d)
		})
	}
}

// Only streams of answers have keep-alives.
func TestNoKeepAlivesElsewhere(t *testing.T) {
	f := func(a api.API, path, body, answer string) {
		t.Helper()
		first := plays(8*time.Second, answer)
		first.kind = "application/json"
		g := play(t, a, "keep_alive 5s", "", first)
		synctest.Test(t, func(t *testing.T) {
			require.Equal(t, answer, g.ask(t, path, body, nil).heard.String())
		})
	}
	f(api.Chat, "/v1/chat/completions", askFast, chatAnswer)
	f(api.Embeddings, "/v1/embeddings", `{"model":"fast","stream":true,"input":"x"}`, `{"object":"list","data":[{"embedding":[1]}]}`)
	f(api.Messages, "/v1/messages/count_tokens", `{"model":"fast","stream":true,"messages":[]}`, `{"input_tokens":3}`)
}

// Keep-alives and events come from two goroutines. Over real connections, in both
// versions of HTTP, each event stays whole and nothing is lost, also when clients
// leave in the middle.
func TestKeepAlivesBesideEvents(t *testing.T) {
	provider := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 200 {
			_, _ = io.WriteString(w, strings.Replace(chatHello, "Hello", fmt.Sprint(i), 1))
			if i%3 == 0 {
				_ = http.NewResponseController(w).Flush()
			}
		}
		_, _ = io.WriteString(w, chatStop+chatDone)
	})
	g := newGateway(t, "keep_alive 1us\nprovider p none {\n base_url "+provider.URL+"/v1\n}\nmodel fast {\n target p m\n}")
	f := func(server *httptest.Server, client *http.Client) {
		t.Helper()
		var all sync.WaitGroup
		for n := range 30 {
			all.Go(func() {
				res, err := client.Post(server.URL+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"fast","stream":true,"messages":[]}`))
				if err != nil {
					t.Error(err)
					return
				}
				defer res.Body.Close()
				if n%5 == 0 {
					_, _ = io.CopyN(io.Discard, res.Body, 1000)
					return
				}
				body, err := io.ReadAll(res.Body)
				if err != nil {
					t.Error(err)
				}
				next := 0
				for event := range strings.SplitSeq(strings.TrimSpace(string(body)), "\n\n") {
					if event != ": keep-alive" {
						if want := strings.TrimSpace(strings.Replace(chatHello, "Hello", fmt.Sprint(next), 1)); next < 200 && event != want {
							t.Errorf("expected %s, got %s", want, event)
						}
						next++
					}
				}
				if next != 202 {
					t.Errorf("got %d events", next)
				}
			})
		}
		all.Wait()
	}
	first := serveGateway(t, g)
	f(first, first.Client())
	second := httptest.NewUnstartedServer(first.Config.Handler)
	second.EnableHTTP2 = true
	second.StartTLS()
	t.Cleanup(second.Close)
	f(second, second.Client())
}

// slowly asks in real time, as a client that takes its time for the first text: a
// mutex that somebody waits for makes the clock of a bubble stand still.
func (p *played) slowly(t *testing.T, d *dialect, first time.Duration) *listener {
	t.Helper()
	texts := 0
	l := &listener{t: t, header: http.Header{}, began: time.Now(), write: func(string) error {
		if texts++; texts == 1 {
			time.Sleep(first)
		}
		return nil
	}}
	r := httptest.NewRequest(http.MethodPost, d.path, strings.NewReader(d.body))
	ctx := context.WithValue(t.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "127.0.0.1"})
	require.NoError(t, (&Handler{Gateway: p.Gateway}).ServeHTTP(l, r.WithContext(ctx), nil))
	return l
}

// The time that a client takes for a keep-alive, while the first content waits
// behind it, is not the provider's.
func TestContentBehindASlowKeepAliveIsNoStall(t *testing.T) {
	d := &dialects[0]
	const step = 50 * time.Millisecond
	g := play(t, d.api, "keep_alive 50ms\nfailover {\n idle 300ms\n}", "", d.plays(d.opening, 2*step, d.content, step, d.content, step, d.end))
	got := g.slowly(t, d, time.Second)
	require.NotContains(t, got.heard.String(), "given up")
	require.False(t, g.blamed(), g.reason())
}

// Nor is it the next target's, which has not been asked meanwhile.
func TestATargetBehindASlowKeepAliveIsAsked(t *testing.T) {
	d := &dialects[0]
	second := d.plays(d.opening, d.content, d.end)
	g := play(t, d.api, "keep_alive 50ms\nfailover {\n first_content 300ms\n}", "", d.plays(forever), second)
	g.Providers[1].HeaderUp = &headers.HeaderOps{Set: http.Header{"X-A": {"b"}}}
	got := g.slowly(t, d, 1200*time.Millisecond)
	require.Equal(t, 1, second.asked)
	require.Contains(t, got.heard.String(), "Hello")
}

// onHeader is a client between which and the gateway something reads placeholders
// when the header is written, as Caddy's header directive does.
type onHeader struct {
	*httptest.ResponseRecorder
	do func()
}

func (h *onHeader) WriteHeader(status int) {
	h.do()
	h.ResponseRecorder.WriteHeader(status)
}

// The header may be a keep-alive's, which is sent beside the attempts.
func TestPlaceholdersInTheHeaderOfAKeepAlive(t *testing.T) {
	g := newGateway(t, "keep_alive 1us\nprovider p none {\n base_url http://127.0.0.1:1/v1\n}\nprovider q none {\n base_url http://127.0.0.1:1/v1\n}\nmodel fast {\n target p m\n target q m\n}")
	for range 200 {
		repl, read := caddy.NewReplacer(), ""
		w := &onHeader{httptest.NewRecorder(), func() {
			read = repl.ReplaceAll("{http.plexus.alias} {http.plexus.provider} {http.plexus.model} {http.plexus.target_api} {http.plexus.attempts}", "")
		}}
		r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(streamFast))
		ctx := context.WithValue(t.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "127.0.0.1"})
		ctx = context.WithValue(ctx, caddy.ReplacerCtxKey, repl)
		require.NoError(t, (&Handler{Gateway: g}).ServeHTTP(w, r.WithContext(ctx), nil))
		require.Contains(t, read, "fast")
	}
}
