package mock

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// generator is one API's way to ask for an answer.
type generator struct {
	name, path, body, streamPath, streamBody string
	// terminal is in the last event of a whole stream.
	terminal string
}

func generators() []generator {
	return []generator{
		{"chat", "/v1/chat/completions", `{"model":"m"}`, "/v1/chat/completions", `{"model":"m","stream":true}`, "[DONE]"},
		{"completions", "/v1/completions", `{"model":"m","prompt":"p"}`, "/v1/completions", `{"model":"m","prompt":"p","stream":true}`, "[DONE]"},
		{"responses", "/v1/responses", `{"model":"m"}`, "/v1/responses", `{"model":"m","stream":true}`, "response.completed"},
		{"messages", "/v1/messages", `{"model":"m"}`, "/v1/messages", `{"model":"m","stream":true}`, "message_stop"},
		{"gemini", "/v1beta/models/m:generateContent", `{}`, "/v1beta/models/m:streamGenerateContent?alt=sse", `{}`, "finishReason"},
	}
}

// words counts the answer's words in a stream.
func words(body string) int {
	n := 0
	for _, word := range []string{`"This"`, `" is"`, `" a"`, `" mock"`, `" answer"`} {
		n += strings.Count(body, word)
	}
	return n
}

func TestEarlyFaults(t *testing.T) {
	for _, g := range generators() {
		for _, request := range []struct{ kind, path, body string }{{"unary", g.path, g.body}, {"stream", g.streamPath, g.streamBody}} {
			t.Run(g.name+" "+request.kind, func(t *testing.T) {
				url := serve(t, `{}`).URL + request.path
				got := post(t, url, request.body, optionsHeader, `{"status":503}`)
				require.Equal(t, http.StatusServiceUnavailable, got.StatusCode)
				require.Contains(t, object(t, got.body), "error")

				got = post(t, url, request.body, optionsHeader, `{"fault":"error_body","message":"oops"}`)
				require.Equal(t, http.StatusOK, got.StatusCode)
				require.Equal(t, "oops", at(t, object(t, got.body), "error", "message"))

				got = post(t, url, request.body, optionsHeader, `{"fault":"empty"}`)
				require.Equal(t, http.StatusOK, got.StatusCode)
				require.Empty(t, got.body)
				require.Equal(t, request.kind == "stream", strings.HasPrefix(got.Header.Get("Content-Type"), "text/event-stream"))

				got = post(t, url, request.body, optionsHeader, `{"fault":"html","retry_after":"9"}`)
				require.Equal(t, http.StatusBadGateway, got.StatusCode)
				require.Equal(t, "text/html", got.Header.Get("Content-Type"))
				require.Equal(t, "9", got.Header.Get("Retry-After"))
				require.Equal(t, http.StatusServiceUnavailable,
					post(t, url, request.body, optionsHeader, `{"fault":"html","status":503}`).StatusCode)

				require.Error(t, post(t, url, request.body, optionsHeader, `{"fault":"reset"}`).err)
			})
		}
	}
}

func TestUnaryFaults(t *testing.T) {
	for _, g := range generators() {
		t.Run(g.name, func(t *testing.T) {
			url := serve(t, `{}`).URL + g.path
			got := post(t, url, g.body, optionsHeader, `{"fault":"malformed"}`)
			require.Equal(t, http.StatusOK, got.StatusCode)
			require.NotEmpty(t, got.body)
			require.False(t, json.Valid([]byte(got.body)))

			got = post(t, url, g.body, optionsHeader, `{"fault":"cut"}`)
			require.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
			require.NotEmpty(t, got.body)

			got = post(t, url, g.body, optionsHeader, `{"fault":"end"}`)
			require.NoError(t, got.err)
			require.False(t, json.Valid([]byte(got.body)))

			got = post(t, url, g.body, optionsHeader, `{"fault":"error_event"}`)
			require.Equal(t, http.StatusOK, got.StatusCode)
			require.Contains(t, object(t, got.body), "error")
		})
	}
}

func TestStreamFaults(t *testing.T) {
	for _, g := range generators() {
		t.Run(g.name, func(t *testing.T) {
			url := serve(t, `{"tokens": 5}`).URL + g.streamPath
			for _, after := range []struct {
				option string
				words  int
			}{{``, 0}, {`,"after":3`, 3}, {`,"after":9`, 5}} {
				got := post(t, url, g.streamBody, optionsHeader, `{"fault":"error_event"`+after.option+`}`)
				require.NoError(t, got.err)
				require.Equal(t, after.words, words(got.body))
				require.Contains(t, got.body, "The mock was told to fail")
				require.NotContains(t, got.body, g.terminal)
				eventsOf(t, got.body)

				got = post(t, url, g.streamBody, optionsHeader, `{"fault":"cut"`+after.option+`}`)
				require.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
				require.Equal(t, after.words, words(got.body))

				got = post(t, url, g.streamBody, optionsHeader, `{"fault":"end"`+after.option+`}`)
				require.NoError(t, got.err)
				require.Equal(t, after.words, words(got.body))
				require.NotContains(t, got.body, g.terminal)

				got = post(t, url, g.streamBody, optionsHeader, `{"fault":"malformed"`+after.option+`}`)
				require.NoError(t, got.err)
				require.Contains(t, got.body, `{"malformed":[}`)
				require.Contains(t, got.body, g.terminal)
			}
		})
	}
}

func TestGeminiArrayFaults(t *testing.T) {
	url := serve(t, `{"tokens": 5}`).URL + "/v1beta/models/m:streamGenerateContent"
	var list []any
	got := post(t, url, `{}`, optionsHeader, `{"fault":"error_event","after":2}`)
	require.NoError(t, json.Unmarshal([]byte(got.body), &list), got.body)
	require.Len(t, list, 3)
	require.Contains(t, list[2], "error")
	got = post(t, url, `{}`, optionsHeader, `{"fault":"cut","after":2}`)
	require.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
}

func TestSpeechFaults(t *testing.T) {
	url := serve(t, `{}`).URL + "/v1/audio/speech"
	got := post(t, url, `{"model":"m"}`, optionsHeader, `{"fault":"cut","after":2}`)
	require.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
	require.Len(t, got.body, 2*frameSize)
	require.Len(t, post(t, url, `{"model":"m"}`, optionsHeader, `{"fault":"end","after":2}`).body, 2*frameSize)
	require.Equal(t, 503, post(t, url, `{"model":"m"}`, optionsHeader, `{"status":503}`).StatusCode)
}

// recordedRequests reads the listing until one request is marked as ended,
// since the handler learns of a departure a little after the client left.
func recordedRequests(t *testing.T, server *httptest.Server) []record {
	t.Helper()
	for {
		var list []record
		require.NoError(t, json.Unmarshal([]byte(do(t, "GET", server.URL+"/plexus_mock/requests", "").body), &list))
		require.NoError(t, t.Context().Err())
		if n := len(list); n > 0 && (list[n-1].Finished || list[n-1].Canceled) {
			return list
		}
	}
}

// leave sends a request, reads until the body has the text, and leaves.
func leave(t *testing.T, url, body, options, until string) (header http.Header, got string) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set(optionsHeader, options)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	reader := bufio.NewReader(resp.Body)
	for !strings.Contains(got, until) {
		line, err := reader.ReadString('\n')
		require.NoError(t, err)
		got += line
	}
	return resp.Header, got
}

func TestHangs(t *testing.T) {
	for _, g := range generators() {
		t.Run(g.name, func(t *testing.T) {
			server := serve(t, `{}`)
			_, got := leave(t, server.URL+g.streamPath, g.streamBody, `{"fault":"hang_after","after":3,"keep_alive":"1ms"}`, ": keep-alive\n")
			require.Equal(t, 3, words(got))
			list := recordedRequests(t, server)
			require.True(t, list[0].Canceled)
			require.Positive(t, list[0].CanceledAfter)
			require.False(t, list[0].Finished)

			header, got := leave(t, server.URL+g.path, g.body, `{"fault":"hang_after"}`, "")
			require.Empty(t, got)
			require.Equal(t, "application/json", header.Get("Content-Type"))
			require.True(t, recordedRequests(t, server)[1].Canceled)

			ctx, cancel := context.WithCancel(t.Context())
			req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+g.path, strings.NewReader(g.body))
			require.NoError(t, err)
			req.Header.Set(optionsHeader, `{"fault":"hang"}`)
			go func() {
				// Leave once the request has arrived.
				for m := (lastRecord{}); m.Count < 3; {
					resp, err := http.Get(server.URL + "/plexus_mock/last")
					if err != nil {
						break
					}
					_ = json.NewDecoder(resp.Body).Decode(&m)
					resp.Body.Close()
				}
				cancel()
			}()
			_, err = http.DefaultClient.Do(req)
			require.ErrorIs(t, err, context.Canceled)
			require.True(t, recordedRequests(t, server)[2].Canceled)
		})
	}
}

// A leaving client ends every kind of wait.
func TestDepartures(t *testing.T) {
	server := serve(t, `{}`)
	const body = `{"model":"m","stream":true}`
	for i, options := range []string{`{"first_content":"1h"}`, `{"pause":"1h","pause_after":0}`, `{"rate":0.001}`} {
		leave(t, server.URL+"/v1/chat/completions", body, options, "assistant")
		require.True(t, recordedRequests(t, server)[i].Canceled, options)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/v1/chat/completions", strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set(optionsHeader, `{"latency":"1h"}`)
	_, err = http.DefaultClient.Do(req)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.True(t, recordedRequests(t, server)[3].Canceled)
}

func TestDelaysAreServed(t *testing.T) {
	url := serve(t, `{"latency":"1ms","first_content":"1ms","rate":2000,"pause":"3ms","pause_after":2,"keep_alive":"1ms","crlf":true}`).URL
	got := post(t, url+"/v1/chat/completions", `{"model":"m","stream":true}`)
	require.Equal(t, "[DONE]", joinChat(t, got.body, 0).last)
	require.Contains(t, got.body, ": keep-alive\r\n\r\n")
	require.NotContains(t, strings.ReplaceAll(got.body, "\r\n", ""), "\n")
}

func TestLongStream(t *testing.T) {
	url := serve(t, `{"tokens": 5000}`).URL + "/v1/chat/completions"
	got := post(t, url, `{"model":"m","stream":true}`)
	require.Len(t, strings.Fields(joinChat(t, got.body, 0).text), 5000)
}

func TestFaultFirst(t *testing.T) {
	server := serve(t, `{"status": 503, "fault_first": 2}`)
	statuses := func(model string, n int) (list []int) {
		for range n {
			list = append(list, post(t, server.URL+"/v1/chat/completions", `{"model":"`+model+`"}`).StatusCode)
		}
		return list
	}
	require.Equal(t, []int{503, 503, 200, 200}, statuses("a", 4))
	require.Equal(t, []int{503, 503, 200}, statuses("b", 3))
	do(t, http.MethodDelete, server.URL+"/plexus_mock/last", "")
	require.Equal(t, []int{503, 503, 200}, statuses("a", 3))
}

func TestFaultShare(t *testing.T) {
	run := func(config string) (failed int, pattern string) {
		url := serve(t, config).URL + "/v1/chat/completions"
		for range 200 {
			if post(t, url, `{"model":"m"}`).StatusCode == http.StatusOK {
				pattern += "."
			} else {
				pattern += "x"
				failed++
			}
		}
		return failed, pattern
	}
	failed, pattern := run(`{"status":500,"fault_share":0.3,"seed":7}`)
	require.InDelta(t, 60, failed, 25)
	_, again := run(`{"status":500,"fault_share":0.3,"seed":7}`)
	require.Equal(t, pattern, again)
	_, other := run(`{"status":500,"fault_share":0.3,"seed":8}`)
	require.NotEqual(t, pattern, other)
	failed, _ = run(`{"status":500,"fault_share":0}`)
	require.Zero(t, failed)
	failed, _ = run(`{"status":500,"fault_share":1,"fault_first":10}`)
	require.Equal(t, 10, failed)
}

// A slow loris is slow, not broken: all of the answer comes, a byte at a time.
func TestDrip(t *testing.T) {
	for _, g := range generators() {
		url := serve(t, `{"tokens": 5}`).URL
		got := post(t, url+g.path, g.body, optionsHeader, `{"fault":"drip","drip":"1us"}`)
		require.NoError(t, got.err)
		require.True(t, json.Valid([]byte(got.body)))
		got = post(t, url+g.streamPath, g.streamBody, optionsHeader, `{"fault":"drip","drip":"1us"}`)
		require.NoError(t, got.err)
		require.Equal(t, 5, words(got.body))
		require.Contains(t, got.body, g.terminal)

		ctx, leave := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+g.path, strings.NewReader(g.body))
		require.NoError(t, err)
		req.Header.Set(optionsHeader, `{"fault":"drip","drip":"1h"}`)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		first := make([]byte, 100)
		n, err := res.Body.Read(first)
		require.NoError(t, err)
		require.Equal(t, "{", string(first[:n]))
		leave()
		require.NoError(t, res.Body.Close())
	}
}
