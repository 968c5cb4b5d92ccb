package plexus

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// What a provider compresses without being asked to was passed on as if it were plain.
func TestAnswersThatAreCompressedUnasked(t *testing.T) {
	zipped := func(kind, body string, status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Content-Encoding", "gzip")
			w.WriteHeader(status)
			z := gzip.NewWriter(w)
			_, _ = io.WriteString(z, body)
			_ = z.Close()
		}
	}
	f := func(answer http.HandlerFunc, path, body, want string, status int) {
		t.Helper()
		p := newProvider(t, answer)
		g := newGateway(t, fmt.Sprintf("provider p {\n base_url %s/v1\n}\nmodel fast {\n target p m\n}", p.URL))
		got := post(t, serveGateway(t, g).URL+path, body)
		require.Equal(t, status, got.status, got.body)
		require.Contains(t, got.body, want)
	}
	f(zipped("audio/mpeg", "SOUND", 200), "/v1/audio/speech", `{"model":"fast","input":"x","voice":"a"}`, "SOUND", 200)
	f(zipped("application/json", chatAnswer, 200), "/v1/chat/completions", askFast, "Hi", 200)
	f(zipped("text/event-stream", chatHello+chatStop+chatDone, 200), "/v1/chat/completions", strings.Replace(askFast, "{", `{"stream":true,`, 1), "Hello", 200)
	f(zipped("application/json", `{"error":{"message":"no such thing"}}`, 400), "/v1/chat/completions", askFast, "no such thing", 400)
}
