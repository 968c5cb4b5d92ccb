package plexus

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func TestBadRequests(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	_, url := inOrder(t, "max_body 1MB", p.URL)
	f := func(want int, body, message string, header ...string) {
		t.Helper()
		got := post(t, url+"/v1/chat/completions", body, header...)
		require.Equal(t, want, got.status, got.body)
		var e struct{ Error struct{ Message string } }
		require.NoError(t, json.Unmarshal([]byte(got.body), &e))
		require.Contains(t, e.Error.Message, message)
		require.Equal(t, "application/json", got.header.Get("Content-Type"))
		got = post(t, url+"/v1/messages", body, header...)
		require.Equal(t, want, got.status)
		require.Contains(t, got.body, `{"type":"error","error":{"type":"`)
	}
	f(400, ``, "the body cannot be read: invalid JSON at byte 0: it ends too early")
	f(400, `hello`, "invalid JSON at byte 0: expected a value")
	f(400, `{"model":"fast"`, "it ends too early")
	f(400, `{"model":"fast",}`, "expected a member's name")
	f(400, `{"model":"fast"}}`, "more after the end")
	f(400, `["fast"]`, "expected a JSON object")
	f(400, `{}`, "the request names no model")
	f(400, `{"messages":[{"model":"fast"}]}`, "the request names no model")
	f(400, `{"model":7}`, `"model" must be a string`)
	f(400, `{"model":null}`, `"model" must be a string`)
	f(400, `{"model":["fast"]}`, `"model" must be a string`)
	f(400, `{"model":""}`, `"model" is empty`)
	f(400, `{"model":"fast","model":"fast"}`, `"model" stands twice`)
	f(400, `{"model":"fast","mod\u0065l":"fast"}`, `"model" stands twice`)
	f(400, `{"MODEL":"fast"}`, `the member "MODEL" may be taken for "model"`)
	f(400, `{"model":"fast","model\u0000x":"other"}`, `the member "model\x00x" may be taken for "model"`)
	f(400, `{"model":"fast","model ":"other"}`, `the member "model " may be taken for "model"`)
	f(400, `{"model":"fast","\ufeffmodel":"other"}`, `may be taken for "model"`)
	f(400, `{"model":"fast","mo\u00addel":"other"}`, `may be taken for "model"`)
	f(400, `{"model":"fast","model\ud800":"other"}`, `may be taken for "model"`)
	f(400, `{"model":"fast","stream":true,"stream":false}`, `"stream" stands twice`)
	f(400, `{"model":"fast","stream_options":{},"stream_options":{}}`, `"stream_options" stands twice`)
	f(400, "{\"model\":\"fast\",\"\xff\":1}", "invalid JSON at byte 17: a string that is not valid UTF-8")
	f(400, "{\"model\":\"fast\",\"x\":\"a\nb\"}", "invalid JSON at byte 22: a control character in a string")
	f(400, "{\"model\":\"fa\xffst\"}", `"model" holds a control character, or is not valid UTF-8`)
	f(400, `{"model":"fa\u0001st"}`, `"model" holds a control character, or is not valid UTF-8`)
	f(400, `{"model":"fa\xst"}`, `"model" must be a string`)
	f(400, `{"model":"fast","mod\el":"other"}`, "invalid JSON at byte 20: a broken escape in a string")
	f(400, "\xef\xbb\xbf{\"model\":\"fast\"}", "invalid JSON at byte 0: expected a value")
	f(400, "\xff\xfe{\x00\"\x00m\x00", "invalid JSON at byte 0: expected a value")
	f(400, "{\x00\"\x00m\x00o\x00d\x00", "invalid JSON at byte 1: expected a member's name")
	f(400, `{"model":"fast"}{"model":"other"}`, "more after the end")
	f(400, "{\"model\":\"fast\"}\x00", "more after the end")
	f(400, "{\"model\":\"fast\"}\n//{\"model\":\"other\"}", "more after the end")
	f(400, `{"model":"fast","x":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`}`, "nested deeper than 512 levels")
	f(404, `{"model":"nope"}`, `the model "nope" does not exist`)
	f(404, `{"model":"`+strings.Repeat("x", maxModelName)+`"}`, `…" does not exist`)
	f(400, `{"model":"`+strings.Repeat("x", maxModelName+1)+`"}`, "the name of the model is longer than 512 bytes")
	f(413, `{"model":"fast","x":"`+strings.Repeat("x", 1<<20)+`"}`, "larger than 1000000 bytes")
	f(415, `{"model":"fast"}`, "the body is compressed", "Content-Encoding", "gzip")
	require.Zero(t, p.count())
}

// A name of megabytes would fill the logs, wherever it stands.
func TestLongNamesAreRefused(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	g, url := inOrder(t, "", p.URL)
	name := strings.Repeat("x", maxModelName+1)
	for _, path := range []string{"/v1beta/models/" + name + ":generateContent", "/v1/chat/completions"} {
		r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(`{"model":"`+name+`"}`))
		r.RemoteAddr = "127.0.0.1:5"
		op, _ := operationOf(r)
		x := newExchange(g, httptest.NewRecorder(), r, op)
		require.ErrorContains(t, x.serve(), "the name of the model is longer than 512 bytes")
		require.Empty(t, x.req.model, "logs show this")
	}
	body, contentType := form(t, "model", name)
	got := post(t, url+"/v1/audio/transcriptions", body, "Content-Type", contentType)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "the name of the model is longer than 512 bytes")
	got = ask(t, http.MethodGet, url+"/v1/models/"+name, "")
	require.Equal(t, 400, got.status)
	_, err := loadGateway(t, "provider local ollama\nmodel "+name+" {\n target local m\n}")
	require.ErrorContains(t, err, "longer than 512 bytes")
	require.Zero(t, p.count())
}

func TestWrongMethods(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	_, url := inOrder(t, "", p.URL)
	f := func(method, path, allow string) {
		t.Helper()
		got := ask(t, method, url+path, "")
		require.Equal(t, 405, got.status)
		require.Equal(t, allow, got.header.Get("Allow"))
		require.Contains(t, got.body, "is not a method of this endpoint")
	}
	f(http.MethodGet, "/v1/chat/completions", "POST, OPTIONS")
	f(http.MethodDelete, "/v1/messages", "POST, OPTIONS")
	f(http.MethodGet, "/v1beta/models/fast:generateContent", "POST, OPTIONS")
	f(http.MethodPost, "/v1/models", "GET, HEAD, OPTIONS")
	f(http.MethodDelete, "/v1/models/fast", "GET, HEAD, OPTIONS")
}

// A body that is announced as too large is refused before it is read.
func TestLargeBodyIsRefusedEarly(t *testing.T) {
	_, url := inOrder(t, "", newProvider(t, says(200, chatAnswer)).URL)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n{")
	require.NoError(t, err)
	answer := make([]byte, 512)
	n, err := conn.Read(answer)
	require.NoError(t, err)
	require.Contains(t, string(answer[:n]), "HTTP/1.1 413")
}

// A refusal that needs no body does not wait for it: net/http would read up to
// 256 KiB of it before it answers, unless the connection is to be closed.
func TestRefusalsDoNotWaitForTheBody(t *testing.T) {
	open := serveGateway(t, newGateway(t, "provider local ollama\nmodel fast {\n target local m\n}\nmax_body 10KB")).URL
	_, keyed := keyed(t, says(200, chatAnswer))
	f := func(want int, url, method string, header ...string) {
		t.Helper()
		conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		require.NoError(t, err)
		defer conn.Close()
		require.NoError(t, conn.SetDeadline(time.Now().Add(10*time.Second)))
		_, err = fmt.Fprintf(conn, "%s /v1/chat/completions HTTP/1.1\r\nHost: x\r\n%s\r\n{", method, strings.Join(append(header, ""), "\r\n"))
		require.NoError(t, err)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, want, res.StatusCode)
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.Contains(t, string(body), `{"error":{"message":"`)
		require.True(t, res.Close, "the client is told that this connection cannot be used again")
	}
	f(401, keyed, http.MethodPost, "Content-Length: 100")
	f(401, keyed, http.MethodPost, "Transfer-Encoding: chunked")
	f(403, open, http.MethodPost, "Content-Length: 100", "X-Forwarded-For: 203.0.113.9")
	f(405, open, http.MethodPut, "Content-Length: 100")
	f(413, open, http.MethodPost, "Content-Length: 20000")
	f(415, open, http.MethodPost, "Content-Length: 100", "Content-Encoding: gzip")
}

// What needs no body keeps its connection.
func TestRefusalsKeepConnections(t *testing.T) {
	_, url := inOrder(t, "", newProvider(t, says(200, chatAnswer)).URL)
	for _, request := range [][2]string{{http.MethodGet, "/v1/chat/completions"}, {http.MethodPost, "/v1/chat/completions"}, {http.MethodGet, "/v1/models/nope"}} {
		req, err := http.NewRequestWithContext(t.Context(), request[0], url+request[1], strings.NewReader(map[string]string{http.MethodPost: "{}"}[request[0]]))
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		require.GreaterOrEqual(t, res.StatusCode, 400)
		require.False(t, res.Close, request)
	}
}

func TestBodyThatEndsEarly(t *testing.T) {
	_, url := inOrder(t, "", newProvider(t, says(200, chatAnswer)).URL)
	conn, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	require.NoError(t, err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	require.NoError(t, err)
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	answer, err := io.ReadAll(conn)
	require.NoError(t, err)
	require.NotContains(t, string(answer), "HTTP/1.1 500")
}

// Gemini's body may repeat the path's model.
func TestBadModelsInGeminiBodies(t *testing.T) {
	_, url := inOrder(t, "", newProvider(t, says(200, chatAnswer)).URL)
	f := func(body, want string) {
		t.Helper()
		got := post(t, url+"/v1beta/models/fast:generateContent", body)
		require.Equal(t, 400, got.status)
		require.JSONEq(t, `{"error":{"code":400,"message":"`+want+`","status":"INVALID_ARGUMENT"}}`, got.body)
	}
	f(`{"model":7}`, `\"model\" must be a string`)
	f(`{"model":"models/fast","model":"models/other"}`, `the member \"model\" stands twice`)
}

func TestBatchesAreLimited(t *testing.T) {
	_, url := inOrder(t, "", newProvider(t, says(200, chatAnswer)).URL)
	got := post(t, url+"/v1beta/models/fast:batchEmbedContents", `{"requests":[`+strings.Repeat(`{"model":"models/fast"},`, maxBatch)+`{"model":"models/fast"}]}`)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "more than 4096 requests")
}

func TestLargeBodiesArriveWhole(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	_, url := inOrder(t, "", p.URL)
	body := `{"messages":[{"role":"user","content":"` + strings.Repeat("word ", 1_000_000) + `"}],"model":"fast","n":1}`
	require.Equal(t, 200, post(t, url+"/v1/chat/completions", body).status)
	require.Equal(t, strings.Replace(body, `"model":"fast"`, `"model":"m1"`, 1), p.last(t).body)
}

func TestReadAll(t *testing.T) {
	f := func(size int, announced int64) {
		t.Helper()
		want := bytes.Repeat([]byte("x"), size)
		got, err := new(buffers).readAll(bytes.NewReader(want), announced)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f(0, -1)
	f(0, 0)
	f(10, 10)
	f(511, 511)
	f(512, 512)
	f(100_000, -1)
	f(3<<20, 3<<20)
	f(3<<20, -1)
	f(10, 1<<40)
	f(11, 10)
	f(1<<20, 1<<20)
	f(1<<20+1, 1<<20)
}

func target(model string, extra ...bodyMember) *Target {
	return &Target{Provider: &Provider{Name: "p", extra: extra}, Model: model}
}

func TestRewrite(t *testing.T) {
	chat := &operation{api: api.Chat}
	f := func(op *operation, body, model, want string, extra ...bodyMember) {
		t.Helper()
		req := request{body: []byte(body)}
		require.NoError(t, req.inspect(op))
		require.Equal(t, want, string(slices.Concat(req.rewrite(target(model, extra...), false)...)))
		require.Equal(t, body, string(req.body), "the client's bytes stay for the next attempt")
	}
	f(chat, `{"model":"fast"}`, "gpt-4o", `{"model":"gpt-4o"}`)
	f(chat, "\t{ \"a\" : 1, \"model\"\n:\n\"fast\" , \"b\":[ ]}\n", `x"y`, "\t{ \"a\" : 1, \"model\"\n:\n\"x\\\"y\" , \"b\":[ ]}\n")
	f(chat, `{"m\u006fdel":"f\u0061st"}`, "m", `{"m\u006fdel":"m"}`)
	zdr := bodyMember{"provider", []byte(`{"zdr":true}`)}
	n := bodyMember{"n", []byte("2")}
	f(chat, `{"model":"a"}`, "m", `{"provider":{"zdr":true},"n":2,"model":"m"}`, zdr, n)
	f(chat, `{"provider":{"zdr":false},"model":"a","n":1}`, "m", `{"provider":{"zdr":true},"model":"m","n":2}`, zdr, n)

	path := &operation{api: api.Gemini, path: ":batchEmbedContents", model: "fast"}
	f(path, `{}`, "m", `{"provider":{"zdr":true},"n":2}`, zdr, n)
	f(path, `{"model":"models/fast","content":{}}`, "m", `{"model":"models/m","content":{}}`)
	f(path, `{"requests":[{"model":"models/fast"},{"content":{"model":1},"model":"models/x"}]}`, "m", `{"requests":[{"model":"models/m"},{"content":{"model":1},"model":"models/m"}]}`)
	f(path, `{"generateContentRequest":{"model":"models/fast","contents":[]}}`, "m", `{"generateContentRequest":{"model":"models/m","contents":[]}}`)
	f(path, `{"model":"fast"}`, "models/m", `{"model":"models/m"}`)
	f(path, `{"model":"models/fast"}`, "tunedModels/m", `{"model":"tunedModels/m"}`)
	f(path, `{"generate_content_request":{"contents":[],"model":"models/fast"}}`, "m", `{"generate_content_request":{"contents":[],"model":"models/m"}}`)
}

func FuzzRequest(f *testing.F) {
	f.Add([]byte(`{"model":"fast","stream":true,"stream_options":{"include_usage":false}}`))
	f.Add([]byte(` { "a":{"model":1}, "model" : "f\u0061st" , "stream_options":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		op := &operation{api: api.Chat}
		req := request{body: body}
		if req.inspect(op) != nil || req.model == "" {
			return
		}
		out := slices.Concat(req.rewrite(target("m/1", bodyMember{"zdr", []byte("true")}), true)...)
		again := request{body: out}
		require.NoError(t, again.inspect(op))
		require.Equal(t, "m/1", again.model)
		require.Equal(t, req.stream, again.stream)
	})
}
