package plexus

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/certmagic"
	"github.com/quic-go/quic-go/http3"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/internal/freeport"
)

// runCaddy runs Caddy in this process with a Caddyfile, in which each {name} of
// the given ones is replaced, until the test ends. There is one Caddy a process,
// so tests that use it are not parallel.
func runCaddy(t *testing.T, caddyfile string, replace ...string) {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	usual := caddy.DefaultStorage
	caddy.DefaultStorage = &certmagic.FileStorage{Path: t.TempDir()}
	t.Cleanup(func() { caddy.DefaultStorage = usual })
	config := adapted(t, caddyfile, replace...)
	require.NoError(t, caddy.Load(config, true))
	t.Cleanup(func() { require.NoError(t, caddy.Stop()) })
}

// reload loads a configuration in place of another one. The connections that the
// old one closes shall not be used again.
func reload(t *testing.T, config []byte) {
	t.Helper()
	require.NoError(t, caddy.Load(config, true))
	http.DefaultClient.CloseIdleConnections()
}

// adminSays is what Caddy's admin API answers. While its address goes from one
// listener to the next, the kernel resets the connections that wait for the old
// one.
func adminSays(t *testing.T, url string) string {
	t.Helper()
	var body []byte
	awaits(t, "the admin API answers", func() bool {
		res, err := http.Get(url)
		if err != nil {
			return false
		}
		defer res.Body.Close()
		body, err = io.ReadAll(res.Body)
		return err == nil
	})
	return string(body)
}

func adapted(t *testing.T, caddyfile string, replace ...string) []byte {
	t.Helper()
	config, _, err := adaptCaddyfile(strings.NewReplacer(replace...).Replace(caddyfile))
	require.NoError(t, err)
	return []byte(config)
}

const quietly = `
	persist_config off
	log {
		output discard
	}
`

// Fifty reloads under load: no request fails, no stream is cut, each new alias
// works at once, and a bad configuration in between changes nothing.
func TestReloadUnderLoad(t *testing.T) {
	// Outside of the Caddy that reloads, as providers are: in it they would
	// restart with every reload.
	color := func(name string) *provider {
		return newProvider(t, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Accept") != "text/event-stream" {
				says(200, `{"choices":[{"message":{"content":"`+name+`"},"finish_reason":"stop"}]}`)(w, r)
				return
			}
			for range 60 {
				streams(`data: {"choices":[{"delta":{"content":"x"}}]}`+"\n\n")(w, r)
				select {
				case <-time.After(40 * time.Millisecond):
				case <-r.Context().Done():
				}
			}
			streams(chatStop, chatDone)(w, r)
		})
	}
	admin, gateway, red, blue := freeport.Port(), freeport.Port(), color("red"), color("blue")
	source := `{
		admin 127.0.0.1:` + fmt.Sprint(admin) + quietly + `
		plexus {
			provider red {
				base_url ` + red.URL + `/v1
			}
			provider blue {
				base_url ` + blue.URL + `/v1
			}
			model fast {alias} {
				target {provider} m
			}
			model long {
				target red m
			}
		}
	}
	http://127.0.0.1:` + fmt.Sprint(gateway) + ` {
		plexus
	}`
	runCaddy(t, source, "{alias}", "alias-0", "{provider}", "red")
	url := fmt.Sprintf("http://127.0.0.1:%d/v1/chat/completions", gateway)

	const streamsOpen, words = 8, 60
	var working, opening sync.WaitGroup
	opening.Add(streamsOpen)
	broken := make(chan error, 1000)
	for range streamsOpen {
		working.Go(func() {
			broken <- readStream(url, `{"model":"long","stream":true}`, words, opening.Done)
		})
	}
	opening.Wait()
	ctx, stop := context.WithCancel(t.Context())
	var asked atomic.Int64
	for range 4 {
		working.Go(func() {
			for ctx.Err() == nil {
				if err := askOnce(url, `{"model":"fast"}`, "red", "blue"); err != nil {
					broken <- err
				}
				asked.Add(1)
			}
		})
	}
	for i := 1; i <= 50; i++ {
		color := []string{"red", "blue"}[i%2]
		status, answer := load(t, admin, adapted(t, source, "{alias}", fmt.Sprintf("alias-%d", i), "{provider}", color))
		require.Equal(t, 200, status, answer)
		require.NoError(t, askOnce(url, fmt.Sprintf(`{"model":"alias-%d"}`, i), color))
		if i%10 == 0 {
			bad := bytes.ReplaceAll(adapted(t, source, "{alias}", "bad", "{provider}", "red"), []byte(`"provider": "red"`), []byte(`"provider": "rad"`))
			status, answer = load(t, admin, bad)
			require.Equal(t, 400, status)
			require.Contains(t, answer, `provider \"rad\" is not defined; did you mean \"red\"?`)
			require.NoError(t, askOnce(url, fmt.Sprintf(`{"model":"alias-%d"}`, i), color))
		}
	}
	stop()
	working.Wait()
	close(broken)
	for err := range broken {
		require.NoError(t, err)
	}
	require.Greater(t, asked.Load(), int64(50))
}

// load posts a configuration. The port of the admin API changes hands as the
// gateway's does, so a connection that breaks is no failure: see askOnce. What
// was loaded already is not loaded again.
func load(t *testing.T, admin int, config []byte) (int, string) {
	t.Helper()
	var res *http.Response
	var err error
	for range 50 {
		res, err = http.Post(fmt.Sprintf("http://127.0.0.1:%d/load", admin), "application/json", bytes.NewReader(config))
		if err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(body)
}

// askOnce asks and checks the answer. While Caddy hands a port from one listener
// to the next, the kernel resets the connections that wait for the old one, and
// connections that idle are closed: what breaks before any answer has come is
// asked again.
func askOnce(url, body string, want ...string) error {
	var res *http.Response
	var err error
	for range 50 {
		if res, err = http.Post(url, "application/json", strings.NewReader(body)); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond) // a busy machine takes its time over the port
	}
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	for _, w := range want {
		if res.StatusCode == http.StatusOK && strings.Contains(string(text), `"content":"`+w+`"`) {
			return nil
		}
	}
	return fmt.Errorf("status %d: %s", res.StatusCode, text)
}

func readStream(url, body string, words int, opened func()) error {
	req, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "text/event-stream")
	res, err := http.DefaultClient.Do(req)
	opened()
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("after %d bytes: %w", len(text), err)
	}
	if !strings.HasSuffix(string(text), "data: [DONE]\n\n") {
		return fmt.Errorf("a stream without its end: %s", text)
	}
	if got := strings.Count(string(text), `"delta":{"content":"`); got < 1 || got > words {
		return fmt.Errorf("%d deltas", got)
	}
	return nil
}

// The events of a stream arrive one by one through encode, over each version of
// HTTP.
func TestStreamsInEveryHTTP(t *testing.T) {
	gateway, lab := freeport.Port(), freeport.Port()
	runCaddy(t, `{
		admin off`+quietly+`
		skip_install_trust
		plexus {
			provider lab {
				base_url http://127.0.0.1:{lab}/v1
			}
			model fast {
				target lab m
			}
		}
	}
	https://127.0.0.1:{gateway} {
		tls internal
		encode gzip zstd
		plexus
	}
	http://127.0.0.1:{lab} {
		plexus_mock
	}`, "{gateway}", fmt.Sprint(gateway), "{lab}", fmt.Sprint(lab))

	insecure := &tls.Config{InsecureSkipVerify: true}
	h3 := &http3.Transport{TLSClientConfig: insecure.Clone()}
	t.Cleanup(func() { _ = h3.Close() })
	for proto, transport := range map[string]http.RoundTripper{
		"HTTP/1.1": &http.Transport{TLSClientConfig: insecure.Clone()},
		"HTTP/2.0": &http.Transport{TLSClientConfig: insecure.Clone(), ForceAttemptHTTP2: true},
		"HTTP/3.0": h3,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("https://127.0.0.1:%d/v1/chat/completions", gateway),
			strings.NewReader(`{"model":"fast","stream":true,"mock":{"tokens":5,"pause":"1s","pause_after":2}}`))
		require.NoError(t, err)
		req.Header.Set("Accept-Encoding", "gzip")
		var res *http.Response
		awaits(t, "the certificate is there", func() bool {
			if req.Body, err = req.GetBody(); err == nil {
				res, err = transport.RoundTrip(req)
			}
			return err == nil
		})
		require.Equal(t, proto, res.Proto)
		require.Empty(t, res.Header.Get("Content-Encoding"), "events are not compressed")
		require.True(t, arrivesBeforeThePause(res.Body), "%s: the events before a pause arrive before it ends", proto)
		require.NoError(t, res.Body.Close())
	}
}

// arrivesBeforeThePause reads two deltas and sees that nothing else is there
// yet, which shows that they were not held back for the rest.
func arrivesBeforeThePause(body io.Reader) bool {
	lines := make(chan string)
	go func() {
		defer close(lines)
		scanner := bufio.NewScanner(body)
		for scanner.Scan() {
			if strings.Contains(scanner.Text(), `"delta":{"content":"`) {
				lines <- scanner.Text()
			}
		}
	}()
	<-lines
	<-lines
	defer func() {
		for range lines {
		}
	}()
	select {
	case <-lines:
		return false
	case <-time.After(300 * time.Millisecond):
		return true
	}
}

// A pause longer than the server's write_idle leaves an expired deadline behind,
// past which net/http would write the end of the body.
func TestEndAfterALongPause(t *testing.T) {
	gateway, lab := freeport.Port(), freeport.Port()
	runCaddy(t, `{
		admin off`+quietly+`
		servers :{gateway} {
			timeouts {
				write_idle 200ms
			}
		}
		plexus {
			provider lab {
				base_url http://127.0.0.1:{lab}/v1
			}
			model fast {
				target lab m
			}
		}
	}
	http://127.0.0.1:{gateway} {
		plexus
	}
	http://127.0.0.1:{lab} {
		plexus_mock
	}`, "{gateway}", fmt.Sprint(gateway), "{lab}", fmt.Sprint(lab))
	url := fmt.Sprintf("http://127.0.0.1:%d/v1/chat/completions", gateway)
	require.NoError(t, readStream(url, `{"model":"fast","stream":true,"mock":{"tokens":4,"pause":"700ms","pause_after":2}}`, 4, func() {}))
	require.NoError(t, readStream(url, `{"model":"fast","stream":true,"mock":{"tokens":4,"pause":"700ms","pause_after":4}}`, 4, func() {}))
}

// logFilter keeps keys out of logs. README and the examples show the same.
const logFilter = `format filter {
			request>headers>X-Api-Key delete
			request>headers>X-Goog-Api-Key delete
			request>headers>Api-Key delete
			request>headers>X-Forwarded-Uri delete
			request>uri query {
				replace key REDACTED
			}
		}`

// Every secret is looked for in logs, errors, the configuration and the metrics.
func TestSecretsStaySecret(t *testing.T) {
	admin, gateway, guarded, lab := freeport.Port(), freeport.Port(), freeport.Port(), freeport.Port()
	logs := filepath.Join(t.TempDir(), "log")
	t.Setenv("PLEXUS_TEST_UPSTREAM", "UPSTREAM-SECRET")
	t.Setenv("PLEXUS_TEST_CLIENT", "CLIENT-SECRET")
	runCaddy(t, `{
		admin 127.0.0.1:{admin}
		persist_config off
		log {
			output file {logs}
			level DEBUG
			`+logFilter+`
		}
		metrics
		plexus {
			provider lab {
				base_url http://127.0.0.1:{lab}/v1
				base_url gemini http://127.0.0.1:{lab}/v1beta
				api_key {env.PLEXUS_TEST_UPSTREAM}
				models {
					m price 2 10
				}
				cooldown off
			}
			model fast {
				target lab m
			}
			key app {env.PLEXUS_TEST_CLIENT}
			key written WRITTEN-SECRET
		}
	}
	http://127.0.0.1:{gateway} {
		log {
			output file {logs}
			`+logFilter+`
		}
		plexus
	}
	http://127.0.0.1:{guarded} {
		log {
			output file {logs}
			`+logFilter+`
		}
		forward_auth 127.0.0.1:{nobody} {
			uri /
		}
		plexus
	}
	http://127.0.0.1:{lab} {
		plexus_mock {
			api_key {env.PLEXUS_TEST_UPSTREAM}
		}
	}`, "{guarded}", fmt.Sprint(guarded), "{nobody}", fmt.Sprint(freeport.Port()), "{admin}", fmt.Sprint(admin), "{gateway}", fmt.Sprint(gateway), "{lab}", fmt.Sprint(lab), "{logs}", logs)
	url := fmt.Sprintf("http://127.0.0.1:%d", gateway)
	var seen strings.Builder
	for _, mock := range []string{`{}`, `{"fault":"reset"}`, `{"fault":"status","status":401}`, `{"fault":"status","status":400,"message":"bad"}`, `{"fault":"error_event"}`} {
		for _, stream := range []string{"true", "false"} {
			body := fmt.Sprintf(`{"model":"fast","stream":%s,"mock":%s}`, stream, mock)
			seen.WriteString(post(t, url+"/v1/chat/completions", body, "X-Api-Key", "CLIENT-SECRET").body)
		}
	}
	require.Equal(t, 200, post(t, url+"/v1beta/models/fast:generateContent?key=CLIENT-SECRET", `{}`).status)
	require.Equal(t, 200, post(t, url+"/v1/chat/completions", askFast, "X-Goog-Api-Key", "WRITTEN-SECRET").status)
	require.Equal(t, 401, post(t, url+"/v1/chat/completions", askFast, "Authorization", "Bearer WRONG-SECRET").status)
	// What fails before plexus is logged by Caddy itself, request and all.
	for _, header := range []string{"X-Api-Key", "X-Goog-Api-Key", "Api-Key", "Authorization"} {
		got := post(t, fmt.Sprintf("http://127.0.0.1:%d/v1/chat/completions?key=CLIENT-SECRET", guarded), askFast, header, "CLIENT-SECRET")
		require.Equal(t, 502, got.status)
	}
	for _, path := range []string{"/config/", "/metrics", "/reverse_proxy/upstreams"} {
		seen.WriteString(ask(t, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d%s", admin, path), "").body)
	}
	require.Contains(t, seen.String(), `caddy_plexus_requests_total{alias="fast",api="chat",model="m",outcome="served",provider="lab"}`)
	require.Contains(t, seen.String(), `caddy_plexus_attempts_total{model="m",provider="lab",verdict="credential"}`)
	require.Contains(t, seen.String(), `caddy_plexus_tokens_total{alias="fast",class="output",model="m",provider="lab"}`)
	require.Contains(t, seen.String(), `caddy_plexus_cost_usd_total{alias="fast",model="m",provider="lab"}`)
	require.Contains(t, seen.String(), "{env.PLEXUS_TEST_UPSTREAM}")

	awaits(t, "the logs are written", func() bool {
		text, _ := os.ReadFile(logs)
		return strings.Count(string(text), `"plexus_alias":"fast"`) > 20
	})
	written, err := os.ReadFile(logs)
	require.NoError(t, err)
	require.Contains(t, string(written), `"logger":"http.log.error`)
	require.Contains(t, string(written), `/v1/chat/completions?key=REDACTED`)
	seen.Write(written)
	for _, secret := range []string{"UPSTREAM-SECRET", "CLIENT-SECRET", "WRITTEN-SECRET", "WRONG-SECRET"} {
		if at := strings.Index(seen.String(), secret); at >= 0 {
			t.Errorf("%s is shown: %s", secret, seen.String()[max(0, at-300):at+30])
		}
	}
	checkAccessLog(t, written)
}

// checkAccessLog looks for one entry with all that the access log shall say.
func checkAccessLog(t *testing.T, logs []byte) {
	t.Helper()
	for line := range bytes.Lines(logs) {
		var entry map[string]any
		require.NoError(t, json.Unmarshal(line, &entry))
		if entry["msg"] != "handled request" || entry["status"] != 200.0 || entry["plexus_input_tokens"] == nil {
			continue
		}
		require.Equal(t, "app", entry["user_id"])
		require.Equal(t, "fast", entry["plexus_requested_model"])
		require.Equal(t, "fast", entry["plexus_alias"])
		require.Equal(t, "lab", entry["plexus_provider"])
		require.Equal(t, "m", entry["plexus_model"])
		require.Equal(t, "chat", entry["plexus_api"])
		require.InDelta(t, 1, entry["plexus_attempts"], 0)
		require.Positive(t, entry["plexus_time_to_first_content"])
		input, output := entry["plexus_input_tokens"].(float64), entry["plexus_output_tokens"].(float64)
		require.Zero(t, entry["plexus_reasoning_tokens"])
		require.InDelta(t, (2*input+10*output)/1e6, entry["plexus_cost"], 1e-12)
		return
	}
	t.Fatal("no access log entry of a served request")
}

func TestPlaceholders(t *testing.T) {
	gateway, lab := freeport.Port(), freeport.Port()
	runCaddy(t, `{
		admin off`+quietly+`
		plexus {
			provider lab {
				base_url http://127.0.0.1:{lab}/v1
			}
			model fast quick {
				target lab m
			}
			key app secret
		}
	}
	http://127.0.0.1:{gateway} {
		header >X-Seen "{http.auth.user.id} {http.plexus.requested_model} {http.plexus.alias} {http.plexus.api} {http.plexus.provider} {http.plexus.model} {http.plexus.attempts} {http.plexus.error}"
		handle_path /llm/* {
			plexus
		}
	}
	http://127.0.0.1:{lab} {
		plexus_mock
	}`, "{gateway}", fmt.Sprint(gateway), "{lab}", fmt.Sprint(lab))
	url := fmt.Sprintf("http://127.0.0.1:%d/llm/v1/chat/completions", gateway)
	got := post(t, url, `{"model":"quick"}`, "Authorization", "Bearer secret")
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "app quick fast chat lab m 1", got.header.Get("X-Seen"))
	got = post(t, url, `{"model":"nope"}`, "Authorization", "Bearer secret")
	require.Equal(t, "app nope  chat   0 ALIAS_NOT_FOUND", got.header.Get("X-Seen"))
}

// What Caddy's own limits do to a request is told in the client's shape too.
func TestLimitsOfTheSite(t *testing.T) {
	gateway := freeport.Port()
	runCaddy(t, `{
		admin off`+quietly+`
		servers :{gateway} {
			timeouts {
				read_body 300ms
			}
		}
		plexus {
			provider local ollama
			model fast {
				target local m
			}
		}
	}
	http://127.0.0.1:{gateway} {
		request_body {
			max_size 1KB
		}
		plexus
	}`, "{gateway}", fmt.Sprint(gateway))
	// Of a body without a length only reading tells that it is too large.
	body := io.MultiReader(strings.NewReader(`{"model":"fast","x":"` + strings.Repeat("x", 2000) + `"}`))
	res, err := http.Post(fmt.Sprintf("http://127.0.0.1:%d/v1/messages", gateway), "application/json", body)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, 413, res.StatusCode)
	require.Contains(t, string(text), `"type":"request_too_large"`)

	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", gateway))
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprint(conn, "POST /v1/messages HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	answer := make([]byte, 1024)
	n, err := conn.Read(answer)
	require.NoError(t, err)
	require.Contains(t, string(answer[:n]), "HTTP/1.1 408")
	require.Contains(t, string(answer[:n]), "the body stopped coming")
}

// A handler without a gateway of its own needs the app's.
func TestThereMustBeAGateway(t *testing.T) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	err := caddy.Load(adapted(t, "{\n admin off"+quietly+"}\nhttp://127.0.0.1:0 {\n plexus\n}"), true)
	require.ErrorContains(t, err, "there is no gateway: add providers and models here, or to the global option plexus")
}

// What is learnt of a target outlives the configuration that learnt it.
func TestStateOutlivesReloads(t *testing.T) {
	const block = "provider lab {\n base_url http://127.0.0.1:1/v1\n}\nmodel m {\n target lab a\n}"
	first := newGateway(t, block)
	second := newGateway(t, block)
	require.Same(t, first.router.names["m"].targets[0].state, second.router.names["m"].targets[0].state)
	require.Same(t, first.router.names["m"].rotation, second.router.names["m"].rotation)
	moved := newGateway(t, strings.Replace(block, ":1/", ":2/", 1))
	require.NotSame(t, first.router.names["m"].targets[0].state, moved.router.names["m"].targets[0].state)
}

// Two gateways with a model of the same name do not turn each other's rotation.
func TestRotationsAreOfOneGateway(t *testing.T) {
	const block = "provider lab {\n base_url http://127.0.0.1:1/v1\n}\nmodel m {\n target lab a\n target lab b\n}"
	app, other := newGateway(t, block), newGateway(t, strings.Replace(block, "target lab b", "target lab c", 1))
	require.NotSame(t, app.router.names["m"].rotation, other.router.names["m"].rotation)
	site := &Gateway{Providers: []*Provider{{Name: "lab", BaseURL: "http://127.0.0.1:1/v1"}}, Models: []*Model{{Alias: "m", Targets: app.Models[0].Targets}}, site: true}
	require.NoError(t, provision(t, site))
	require.NotSame(t, app.router.names["m"].rotation, site.router.names["m"].rotation)
	require.Same(t, app.router.names["m"].targets[0].state, site.router.names["m"].targets[0].state, "what is learnt of a target is for all")
}

// A load that fails half-way gives back what it had taken, and no more.
func TestFailedLoadReleasesWhatItTook(t *testing.T) {
	const block = "provider lab {\n base_url http://127.0.0.1:1/v1\n models half-way\n}\nmodel m {\n target lab half-way\n}\nmodel n {\n target nobody a\n}"
	var key string
	t.Cleanup(func() { // runs last, after what loadGateway cleans up
		_, taken := states.References(key)
		require.False(t, taken)
	})
	g, err := loadGateway(t, block)
	require.ErrorContains(t, err, "is not defined")
	key = g.Providers[0].stateKey("half-way")
	_, taken := states.References(key)
	require.True(t, taken)
}
