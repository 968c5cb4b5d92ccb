package plexus

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

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

// The error event of a Responses stream has the number behind that of the last
// event, however many comments came between.
func TestCommentsHaveNoSequenceNumber(t *testing.T) {
	const comment = ": keep-alive\n\n"
	sent := comment + "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0}\n\n" + comment +
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\",\"sequence_number\":1}\n\n" + comment
	_, url := inOrder(t, "", newProvider(t, streams(sent)).URL)
	got := post(t, url+"/v1/responses", `{"model":"fast","stream":true}`)
	require.NoError(t, got.err)
	rest, found := strings.CutPrefix(got.body, sent)
	require.True(t, found, got.body)
	require.Contains(t, rest, `"sequence_number":2,`)
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

// An answer of several choices is complete when all that began have ended, in
// whichever order they come.
func TestOneOfTwoChoicesBreaksOff(t *testing.T) {
	f := func(path, body string, whole bool, events ...string) {
		t.Helper()
		for i := range events {
			events[i] = "data: " + events[i] + "\n\n"
		}
		sent := strings.Join(events, "")
		p := newProvider(t, streams(events...))
		_, url := inOrder(t, "", p.URL)
		got := post(t, url+path, body)
		require.NoError(t, got.err)
		require.Equal(t, sent, got.body[:len(sent)])
		require.Equal(t, whole, got.body == sent, got.body)
	}
	const chat, twoChats = "/v1/chat/completions", `{"model":"fast","stream":true,"n":2,"stream_options":{"include_usage":true}}`
	const (
		chatA, chatB = `{"choices":[{"index":0,"delta":{"content":"A"}}]}`, `{"choices":[{"index":1,"delta":{"content":"B"}}]}`
		endA, endB   = `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, `{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}`
		usage        = `{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2}}`
	)
	f(chat, twoChats, false, chatA, chatB, endA)
	f(chat, twoChats, false, chatA, endA, chatB)
	f(chat, twoChats, false, chatA, endA, `{"choices":[{"index":1,"delta":{"role":"assistant"}}]}`)
	f(chat, twoChats, true, chatA, endA, chatB, endB)
	f(chat, twoChats, true, chatA, chatB, endB, endA, usage)
	f(chat, twoChats, false, `{"choices":[{"index":10,"delta":{"content":"A"}}]}`, chatA, endA)

	const text, twoTexts = "/v1/completions", `{"model":"fast","stream":true,"n":2,"prompt":"x"}`
	const (
		textA, textB = `{"choices":[{"index":0,"text":"A"}]}`, `{"choices":[{"index":1,"text":"B"}]}`
		stopA, stopB = `{"choices":[{"index":0,"text":"","finish_reason":"stop"}]}`, `{"choices":[{"index":1,"text":"","finish_reason":"stop"}]}`
	)
	f(text, twoTexts, false, textA, textB, stopA)
	f(text, twoTexts, false, textA, stopA, textB)
	f(text, twoTexts, true, textA, textB, stopA, stopB)

	const gemini, twoCandidates = "/v1beta/models/fast:streamGenerateContent?alt=sse", `{"contents":[],"generationConfig":{"candidateCount":2}}`
	const (
		partA, partB = `{"candidates":[{"content":{"parts":[{"text":"A"}]}}]}`, `{"candidates":[{"index":1,"content":{"parts":[{"text":"B"}]}}]}`
		lastA, lastB = `{"candidates":[{"finishReason":"STOP"}]}`, `{"candidates":[{"index":1,"finishReason":"STOP"}]}`
	)
	f(gemini, twoCandidates, false, partA, partB, lastA)
	f(gemini, twoCandidates, false, partA, lastA, partB)
	f(gemini, twoCandidates, true, partA, partB, lastB, lastA)
}

// A connection that breaks is the end of a stream only after the API's own mark
// of the end: until then more may have been on its way.
func TestResetsAroundTheEnd(t *testing.T) {
	f := func(path, body string, whole bool, sent string) {
		t.Helper()
		p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
			streams(sent)(w, r)
			panic(http.ErrAbortHandler)
		})
		_, url := inOrder(t, "no_stream_usage", p.URL)
		got := post(t, url+path, body)
		require.NoError(t, got.err)
		require.Equal(t, sent, got.body[:len(sent)])
		require.Equal(t, whole, got.body == sent, got.body)
	}
	const ask = `{"model":"fast","stream":true}`
	f("/v1/chat/completions", ask, false, chatHello+chatStop)
	f("/v1/chat/completions", ask, false, chatHello+chatStop+chatUsage)
	f("/v1/chat/completions", ask, true, chatHello+chatStop+chatUsage+chatDone)
	f("/v1/completions", ask, false, `data: {"choices":[{"index":0,"text":"A","finish_reason":"stop"}]}`+"\n\n")
	f("/v1/completions", ask, true, `data: {"choices":[{"index":0,"text":"A","finish_reason":"stop"}]}`+"\n\n"+chatDone)
	const stopReason = `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}` + "\n\n"
	f("/v1/messages", ask, false, stopReason)
	f("/v1/messages", ask, true, stopReason+`data: {"type":"message_stop"}`+"\n\n")
	f("/v1/responses", ask, false, `data: {"type":"response.output_text.delta","delta":"Hi"}`+"\n\n")
	f("/v1/responses", ask, true, `data: {"type":"response.completed","response":{}}`+"\n\n")
	// Gemini has no such mark: all candidates that were asked for must have ended.
	const geminiPath, geminiLast = "/v1beta/models/fast:streamGenerateContent?alt=sse", `data: {"candidates":[{"content":{"parts":[{"text":"A"}]},"finishReason":"STOP"}]}` + "\n\n"
	f(geminiPath, `{"contents":[]}`, true, geminiLast)
	f(geminiPath, `{"contents":[],"generationConfig":{"candidateCount":2}}`, false, geminiLast)
	f(geminiPath, `{"contents":[],"generation_config":{"candidate_count":2}}`, false, geminiLast)
	f("/v1/images/generations", ask, true, `data: {"type":"image_generation.completed","b64_json":"AA=="}`+"\n\n")
	f("/v1/images/generations", `{"model":"fast","stream":true,"n":2}`, false, `data: {"type":"image_generation.completed","b64_json":"AA=="}`+"\n\n")
}

// Half an event at the end is not passed on: the error after it would become a
// part of it.
func TestHalfAnEvent(t *testing.T) {
	p := newProvider(t, streams(chatHello, `data: {"choices":[{"index":0,"delta":{"content":"wor`))
	_, url := inOrder(t, "", p.URL)
	got := post(t, url+"/v1/chat/completions", `{"model":"fast","stream":true}`)
	rest, found := strings.CutPrefix(got.body, chatHello)
	require.True(t, found)
	require.True(t, strings.HasPrefix(rest, `data: {"error":`), rest)
}

// Keep-alives are no content, however many there are.
func TestKeepAlivesDoNotCommit(t *testing.T) {
	good := newProvider(t, streams(chatHello, chatStop, chatDone))
	f := func(filler, after, want string) {
		t.Helper()
		bad := newProvider(t, streams(chatRole, strings.Repeat(filler, maxHeld/len(filler)+100), after))
		_, url := inOrder(t, "", bad.URL, good.URL)
		got := post(t, url+"/v1/chat/completions", `{"model":"fast","stream":true}`)
		require.Equal(t, want, got.header.Get("X-Plexus-Attempts"), filler)
		require.True(t, strings.HasSuffix(got.body, chatHello+chatStop+chatDone))
	}
	const comment, ping, empty = ": keep-alive\n\n", "event: ping\ndata: {\"type\":\"ping\"}\n\n", "data: {\"choices\":[]}\n\n"
	f(comment, chatFailed, "2")
	f(ping, chatFailed, "2")
	f(empty, chatFailed, "2")
	f(comment, chatHello+chatStop+chatDone, "1")
	f(ping, chatHello+chatStop+chatDone, "1")
	f(empty, chatHello+chatStop+chatDone, "2")
}

// A credential that a provider quotes in an error after the first content goes
// nowhere.
func TestErrorsInsideAStreamAreRedacted(t *testing.T) {
	p := newProvider(t, streams(chatHello, `data: {"error":{"message":"bad key sk-upstream-secret"}}`+"\n\n"))
	g := newGateway(t, fmt.Sprintf("provider lab {\n base_url %s/v1\n api_key sk-upstream-secret\n}", p.URL))
	got := post(t, serveGateway(t, g).URL+"/v1/chat/completions", `{"model":"lab/m","stream":true}`)
	require.Equal(t, chatHello+`data: {"error":{"message":"bad key REDACTED"}}`+"\n\n", got.body)
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

	long := strings.Repeat(sound, 20)
	announced := newProvider(t, says(200, long, "Content-Type", "audio/mpeg", "Content-Length", strconv.Itoa(len(long))))
	_, url = inOrder(t, "", announced.URL)
	require.Equal(t, long, post(t, url+"/v1/audio/speech", `{"model":"fast"}`).body, "what is read into a larger buffer is passed on too")

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

	f := func(answer http.HandlerFunc, want string) {
		t.Helper()
		first := newProvider(t, answer)
		_, url := inOrder(t, "", first.URL, good.URL)
		got := post(t, url+"/v1beta/models/fast:streamGenerateContent", `{"contents":[]}`)
		require.NoError(t, got.err)
		require.Equal(t, want, got.header.Get("X-Plexus-Attempts"))
		require.True(t, strings.HasSuffix(got.body, array[1:]), got.body)
	}
	pieces := func(parts ...string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			streams(parts...)(typed{w}, r)
		}
	}
	f(pieces("[", `{"error":{"code":503}}]`), "2")
	f(pieces("[", "{\n", ` "err`, `or": {"code":503}}`, "]"), "2")
	f(pieces(`[{"usageMetadata":{"promptTokenCount":1}}`, ",\r\n", `{"error":{"code":503}}]`), "2")
	f(pieces(`[{"note":"}",`, `"error":{"code":503}}]`), "2")
	f(pieces(`[`), "2")
	f(pieces(`{`, `"error":{"code":503}}`), "2")
	f(pieces("[", array[1:9], array[9:]), "1")
	f(pieces(`[{"usageMetadata":{"promptTokenCount":1}}`, ",", array[1:]), "1")
}

// typed keeps the Content-Type that was set before.
type typed struct{ http.ResponseWriter }

func (w typed) Header() http.Header         { return http.Header{} }
func (w typed) Unwrap() http.ResponseWriter { return w.ResponseWriter }

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
	require.Zero(t, route.Targets[0].state.pauses())
}

func TestLearning(t *testing.T) {
	p := newProvider(t, streams(chatRole, chatHello, chatStop, chatUsage, chatDone))
	g, url := inOrder(t, "", p.URL)
	var looks atomic.Int64
	t0 := time.Now()
	g.now = func() time.Time { return t0.Add(time.Duration(looks.Add(1)) * 100 * time.Millisecond) }
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

// A stream that comes all at once, as from a cache, tells no speed.
func TestOutputRate(t *testing.T) {
	f := func(tokens int64, took, first time.Duration, stream bool, want float64) {
		t.Helper()
		rate, known := outputRate(tokens, took, first, stream)
		require.Equal(t, want > 0, known)
		require.InDelta(t, want, rate, 1e-9)
	}
	f(100, 2*time.Second, time.Second, true, 100)
	f(100, 2*time.Second, time.Second, false, 50)
	f(100, time.Second+time.Microsecond, time.Second, true, 0)
	f(100, time.Second, time.Second, true, 0)
	f(100, time.Microsecond, 0, false, 0)
	f(1, 2*time.Second, time.Second, true, 0)
	f(0, 2*time.Second, time.Second, true, 0)
}

// A stream that began before its target failed says nothing of what came after.
func TestAnOldStreamForgivesNothingNew(t *testing.T) {
	last := make(chan struct{})
	var p *provider
	p = newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		if p.count() > 1 {
			says(503, "")(w, r)
			return
		}
		streams(chatHello)(w, r)
		<-last
		streams(chatStop, chatDone)(w, r)
	})
	g := newGateway(t, fmt.Sprintf("provider lab {\n base_url %s/v1\n}\nmodel fast {\n target lab m\n}", p.URL))
	url := serveGateway(t, g).URL
	old := make(chan string)
	go func() {
		res, err := http.Post(url+"/v1/chat/completions", "application/json", strings.NewReader(`{"model":"fast","stream":true}`))
		if err != nil {
			close(old)
			return
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		old <- string(body)
	}()
	awaits(t, "the stream begins", func() bool { return p.count() == 1 })
	require.Equal(t, 502, post(t, url+"/v1/chat/completions", askFast).status)
	state := g.router.names["fast"].targets[0].state
	require.Equal(t, stateCooling, state.breaker.state(time.Now()))
	close(last)
	require.Equal(t, chatHello+chatStop+chatDone, <-old)
	awaits(t, "the stream is over", func() bool { return state.inFlight.Load() == 0 })
	require.Equal(t, stateCooling, state.breaker.state(time.Now()))
	require.EqualValues(t, 1, state.pauses())
}

func TestEventsAreWatchedInEveryAPI(t *testing.T) {
	for _, a := range api.All {
		require.NotNil(t, watchers[a], a)
	}
}

// A client that breaks off in the middle of a whole answer has not been served.
func TestAClientThatLeavesAWholeAnswerIsNotServed(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	g := newGateway(t, oneAPI(api.Chat, p.URL)+"model fast {\n target chat m1\n}\n")
	core, logs := observer.New(zap.DebugLevel)
	g.logger = zap.New(core)
	serveOnce(t, &Handler{Gateway: g}, &leaver{onlooker{header: http.Header{}}, 0}, "/v1/chat/completions", askFast)
	require.Equal(t, verdictCanceled, logs.FilterMessage("answered").All()[0].ContextMap()["verdict"])
}

// A client of Gemini's array gets one, however the provider's ends behind its last
// element.
func TestAnArrayEndsAsOne(t *testing.T) {
	d := &dialects[4]
	end := strings.TrimSuffix(d.end, "\n]")
	for _, steps := range [][]any{{end, forever}, {end}, {end, ",\r\n{\"usageMeta"}, {end, "\r\n"}, {d.end, "\n"}} {
		g := play(t, d.api, "", "", d.plays(append([]any{d.opening, d.content}, steps...)...))
		synctest.Test(t, func(t *testing.T) {
			got := g.ask(t, d.path, d.body, nil)
			var elements []json.RawMessage
			require.NoError(t, json.Unmarshal([]byte(got.heard.String()), &elements), got.heard.String())
			require.GreaterOrEqual(t, len(elements), 3)
		})
	}
}
