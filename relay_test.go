package plexus

import (
	"bufio"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func TestRelayKeepsTheBytes(t *testing.T) {
	const odd = "{ \"choices\":[ {\"x\":1e-7} ],\n\t\"n\":12345678901234567890 , \"model\":\"theirs\"}"
	p := newProvider(t, says(200, odd, "X-Request-Id", "r1", "Server", "theirs", "Openai-Organization", "org"))
	_, url := inOrder(t, "", p.URL)
	got := post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, odd, got.body)
	require.Equal(t, "r1", got.header.Get("X-Request-Id"))
	require.Empty(t, got.header.Get("Server"))
	require.Empty(t, got.header.Get("Openai-Organization"))
	require.Equal(t, fmt.Sprint(len(odd)), got.header.Get("Content-Length"))
}

func TestTargetsCanBeHidden(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	_, url := inOrder(t, "hide_target", p.URL)
	got := post(t, url+"/v1/chat/completions", askFast)
	for name := range got.header {
		require.NotContains(t, name, "Plexus")
	}
}

// gated writes a provider's events one at a time, each when the test says so.
func gated(t *testing.T) (*provider, chan<- string) {
	t.Helper()
	events := make(chan string)
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		for {
			select {
			case ev, more := <-events:
				if !more {
					return
				}
				_, _ = io.WriteString(w, ev)
				_ = http.NewResponseController(w).Flush()
			case <-r.Context().Done():
				return
			}
		}
	})
	return p, events
}

// Each event reaches the client before the provider sends the next one.
func TestEventsArriveAsTheyCome(t *testing.T) {
	p, events := gated(t)
	_, url := inOrder(t, "", p.URL)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/v1/chat/completions", strings.NewReader(`{"model":"fast","stream":true}`))
	require.NoError(t, err)
	header := make(chan *http.Response)
	go func() {
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			close(header)
			return
		}
		header <- res
	}()
	events <- chatRole
	events <- ": keep-alive\n\n"
	select {
	case <-header:
		t.Fatal("the header was sent before the first content")
	case <-time.After(50 * time.Millisecond):
	}
	events <- chatHello
	res := <-header
	require.NotNil(t, res)
	defer res.Body.Close()
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	require.Equal(t, "no", res.Header.Get("X-Accel-Buffering"))
	body := bufio.NewReader(res.Body)
	read := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		_, err := io.ReadFull(body, got)
		require.NoError(t, err)
		require.Equal(t, want, string(got))
	}
	read(chatRole + ": keep-alive\n\n" + chatHello)
	for _, ev := range []string{chatWorld, ": still here\n\n", chatStop, chatDone} {
		events <- ev
		read(ev)
	}
	close(events)
	_, err = body.ReadByte()
	require.ErrorIs(t, err, io.EOF)
}

func TestNoSecondAttemptAfterTheFirstContent(t *testing.T) {
	bad := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		streams(chatRole, chatHello)(w, r)
		panic(http.ErrAbortHandler)
	})
	next := newProvider(t, streams(chatRole, chatHello, chatStop, chatDone))
	_, url := inOrder(t, "", bad.URL, next.URL)
	got := post(t, url+"/v1/chat/completions", `{"model":"fast","stream":true}`)
	require.NoError(t, got.err)
	require.Equal(t, chatRole+chatHello+
		`data: {"error":{"message":"the answer of p1/m1 broke off before its end","type":"server_error","param":null,"code":"stream_broken"}}`+"\n\n", got.body)
	require.Zero(t, next.count())
}

// A stream that ends without its end is told as an error in each API.
func TestUnfinishedStreams(t *testing.T) {
	f := func(path, body, sent, want string) {
		t.Helper()
		p := newProvider(t, streams(sent))
		_, url := inOrder(t, "", p.URL)
		got := post(t, url+path, body)
		require.NoError(t, got.err)
		require.Equal(t, sent, got.body[:len(sent)])
		require.Contains(t, got.body[len(sent):], want)
	}
	f("/v1/chat/completions", `{"model":"fast","stream":true}`, chatHello, `data: {"error":`)
	f("/v1/messages", `{"model":"fast","stream":true}`,
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\n",
		"event: error\ndata: {\"type\":\"error\"")
	f("/v1/responses", `{"model":"fast","stream":true}`,
		"event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\",\"sequence_number\":1}\n\n",
		`"sequence_number":2,`)
	f("/v1beta/models/fast:streamGenerateContent?alt=sse", `{}`,
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]}}]}\r\n\r\n",
		`data: {"error":{"code":502`)
}

// A missing [DONE], two finish chunks and a missing last blank line occur in
// the wild and break nothing.
func TestOddEndsAreEnds(t *testing.T) {
	f := func(events ...string) {
		t.Helper()
		p := newProvider(t, streams(events...))
		_, url := inOrder(t, "no_stream_usage", p.URL)
		got := post(t, url+"/v1/chat/completions", `{"model":"fast","stream":true}`)
		require.NoError(t, got.err)
		require.Equal(t, strings.Join(events, ""), got.body)
	}
	f(chatHello, chatStop)
	f(chatHello, chatStop, chatStop, chatDone)
	f(chatHello, chatStop, "data: [DONE]")
	f(chatHello, chatDone)
	f(chatHello, "event: surprise\ndata: {\"new\":1}\n\n", chatStop, chatDone)
}

// Of two answers asked for with n one has not ended.
func TestOneOfTwoAnswersBreaksOff(t *testing.T) {
	p := newProvider(t, streams(
		`data: {"choices":[{"index":0,"delta":{"content":"A"}}]}`+"\n\n",
		`data: {"choices":[{"index":1,"delta":{"content":"B"}}]}`+"\n\n",
		`data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`+"\n\n",
	))
	_, url := inOrder(t, "", p.URL)
	require.Contains(t, post(t, url+"/v1/chat/completions", `{"model":"fast","stream":true,"n":2}`).body, `"code":"stream_broken"`)
}

func TestUsageOfStreams(t *testing.T) {
	answer := streams(chatRole, chatHello, chatStop, chatUsage, chatDone)
	f := func(extra, body, wantAsked, wantGot string) {
		t.Helper()
		p := newProvider(t, answer)
		_, url := inOrder(t, extra, p.URL)
		got := post(t, url+"/v1/chat/completions", body)
		require.Equal(t, wantAsked, p.last(t).body)
		require.Equal(t, wantGot, got.body)
	}
	all, stripped := chatRole+chatHello+chatStop+chatUsage+chatDone, chatRole+chatHello+chatStop+chatDone
	f("", `{"model":"fast","stream":true}`, `{"stream_options":{"include_usage":true},"model":"m1","stream":true}`, stripped)
	f("", `{"model":"fast","stream":true,"stream_options":{"include_usage":true}}`, `{"model":"m1","stream":true,"stream_options":{"include_usage":true}}`, all)
	f("", `{"model":"fast","stream":true,"stream_options":{"include_usage":false}}`, `{"model":"m1","stream":true,"stream_options":{"include_usage":true}}`, stripped)
	f("", `{"model":"fast","stream":true,"stream_options":{"x":1}}`, `{"model":"m1","stream":true,"stream_options":{"include_usage":true,"x":1}}`, stripped)
	f("", `{"model":"fast","stream":true,"stream_options":null}`, `{"model":"m1","stream":true,"stream_options":{"include_usage":true}}`, stripped)
	f("no_stream_usage", `{"model":"fast","stream":true}`, `{"model":"m1","stream":true}`, all)
	f("", `{"model":"fast"}`, `{"model":"m1"}`, stripped[:0]+all)
}

func TestAudioIsRelayedAsItComes(t *testing.T) {
	sound := strings.Repeat("\x00\xff\x01", 50_000)
	p := newProvider(t, says(200, sound, "Content-Type", "audio/mpeg"))
	_, url := inOrder(t, "", p.URL)
	got := post(t, url+"/v1/audio/speech", `{"model":"fast","input":"hi","voice":"alloy"}`)
	require.Equal(t, "audio/mpeg", got.header.Get("Content-Type"))
	require.Equal(t, sound, got.body)

	broken := newProvider(t, says(200, sound, "Content-Type", "audio/mpeg", "Content-Length", "999999"))
	_, url = inOrder(t, "", broken.URL)
	require.Error(t, post(t, url+"/v1/audio/speech", `{"model":"fast"}`).err, "half a sound is no sound")

	empty := newProvider(t, says(200, "", "Content-Type", "audio/mpeg"))
	_, url = inOrder(t, "", empty.URL, p.URL)
	require.Equal(t, sound, post(t, url+"/v1/audio/speech", `{"model":"fast"}`).body)
}

// Gemini frames a stream as a JSON array where alt=sse is missing.
func TestGeminiArrays(t *testing.T) {
	const array = "[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"Hi\"}]}}]}\n,\r\n{\"candidates\":[{\"finishReason\":\"STOP\"}]}]"
	good := newProvider(t, says(200, array))
	bad := newProvider(t, says(200, `[{"error":{"code":503}}]`))
	_, url := inOrder(t, "", bad.URL, good.URL)
	got := post(t, url+"/v1beta/models/fast:streamGenerateContent", `{"contents":[]}`)
	require.Equal(t, array, got.body)
	require.Equal(t, "2", got.header.Get("X-Plexus-Attempts"))
}

func TestLargeAnswers(t *testing.T) {
	large := `{"object":"list","data":[{"embedding":[` + strings.Repeat("0.12345678,", 600_000) + `0]}],"usage":{"prompt_tokens":3,"total_tokens":3}}`
	require.Greater(t, len(large), maxWhole)
	p := newProvider(t, says(200, large))
	_, url := inOrder(t, "", p.URL)
	got := post(t, url+"/v1/embeddings", `{"model":"fast","input":"x"}`)
	require.Len(t, got.body, len(large))
	require.Equal(t, sha256.Sum256([]byte(large)), sha256.Sum256([]byte(got.body)))
}

func TestAbortReachesTheProvider(t *testing.T) {
	left := make(chan struct{})
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		streams(chatRole, chatHello)(w, r)
		<-r.Context().Done()
		close(left)
	})
	g, url := inOrder(t, "", p.URL)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/v1/chat/completions", strings.NewReader(`{"model":"fast","stream":true}`))
	require.NoError(t, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	cancel()
	select {
	case <-left:
	case <-time.After(5 * time.Second):
		t.Fatal("the provider still works for a client that is gone")
	}
	route, err := g.router.Resolve("fast")
	require.NoError(t, err)
	require.Zero(t, route.Targets[0].state.failures.Load())
}

func TestLearning(t *testing.T) {
	p := newProvider(t, streams(chatRole, chatHello, chatStop, chatUsage, chatDone))
	g, url := inOrder(t, "", p.URL)
	post(t, url+"/v1/chat/completions", `{"model":"fast","stream":true}`)
	route, err := g.router.Resolve("fast")
	require.NoError(t, err)
	var known bool
	awaits(t, "the first content is noted", func() bool {
		_, known = route.Targets[0].FirstContent(time.Now())
		return known
	})
	rate, known := route.Targets[0].OutputRate(time.Now())
	require.True(t, known)
	require.Positive(t, rate)
}

func TestEventsAreWatchedInEveryAPI(t *testing.T) {
	for _, a := range api.All {
		require.NotNil(t, watchers[a], a)
	}
}
