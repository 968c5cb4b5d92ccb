package pairs_test

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func formatOf(to client) api.API { return api.API(to.name) }

func finishOf(s said) api.Finish {
	if len(s.choices) == 0 {
		return ""
	}
	return s.choices[0].finish
}

// recordings are streams that other projects have published, if they are there.
func recordings(from api.API) [][]byte {
	providers := map[api.API]string{api.Chat: "openai", api.Responses: "openai", api.Messages: "anthropic", api.Gemini: "gemini"}
	paths, _ := filepath.Glob(filepath.Join("..", "..", "..", "shared", "fixtures", "gomodel", providers[from], "*.txt"))
	var out [][]byte
	for _, path := range paths {
		if wire, err := os.ReadFile(path); err == nil && len(wire) < 32<<10 {
			out = append(out, wire)
		}
	}
	return out
}

// FuzzStreams reads any bytes as a stream of one format and tells it to a client
// of another.
func FuzzStreams(f *testing.F) {
	for a, from := range formats {
		wires := recordings(from.name)
		for _, wire := range fixtures(f, "stream", from.name, ".sse") {
			wires = append(wires, wire)
		}
		for i, wire := range wires {
			f.Add(byte(a), byte(i%len(clients)), wire)
		}
	}
	f.Fuzz(func(t *testing.T, a, b byte, wire []byte) {
		from, to := formats[int(a)%len(formats)], clients[int(b)%len(clients)]
		order := newOrder(t)
		out := translate(from.codec, to.codec, asking(), bytes.NewReader(wire), order.see)
		order.close(out.whole)
		checkEnds(t, to, out)
		if countable(out.said.usage) && !(order.crossed && to.name == "chat") {
			checkSaid(t, to, out)
		}
	})
}

// countable tells whether the sums of a usage fit their numbers.
func countable(u api.Usage) bool {
	for _, n := range []int64{u.Input, u.CacheRead, u.CacheWrite, u.CacheWriteHour, u.Output, u.Reasoning} {
		if n < 0 || n > math.MaxInt64/8 {
			return false
		}
	}
	return true
}

// FuzzRequests reads any bytes as a request of one format and asks a target of
// another: it gets what it can read, or the client hears which member is at fault.
func FuzzRequests(f *testing.F) {
	for a, from := range formats {
		for _, body := range fixtures(f, "request", from.name, ".json") {
			f.Add(byte(a), body)
		}
	}
	f.Fuzz(func(t *testing.T, a byte, body []byte) {
		from := formats[int(a)%len(formats)]
		req, err := from.codec.DecodeRequest(body)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		for _, to := range formats {
			checkRequest(t, to, req, body)
		}
	})
}
