package plexus

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestRetryAfter(t *testing.T) {
	f := func(name, value string, want time.Duration) {
		t.Helper()
		header := http.Header{}
		header.Set(name, value)
		require.Equal(t, want, retryAfter(header, t0))
	}
	f("Retry-After", "", 0)
	f("Retry-After", "7", 7*time.Second)
	f("Retry-After", "0.5", 500*time.Millisecond)
	f("Retry-After", "-1", 0)
	f("Retry-After", "NaN", 0)
	f("Retry-After", "1e300", 0)
	f("Retry-After", "soon", 0)
	f("Retry-After", "Mon, 23 Nov 2026 12:00:30 GMT", 30*time.Second)
	f("Retry-After", "Mon, 23 Nov 2026 11:00:30 GMT", 0)
	f("Retry-After-Ms", "1500", 1500*time.Millisecond)
	f("Retry-After-Ms", "-5", 0)
}

func TestUnknownModel(t *testing.T) {
	f := func(status int, body string, want bool) {
		t.Helper()
		require.Equal(t, want, unknownModel(status, []byte(body)))
	}
	f(404, `{"error":{"message":"The model x does not exist","code":"model_not_found"}}`, true)
	f(404, `{"type":"error","error":{"type":"not_found_error","message":"model: x"}}`, true)
	f(404, `{"error":{"message":"Response with id 'r' not found."},"model":"x"}`, false)
	f(404, `page not found`, false)
	f(400, `{"error":{"message":"this model does not support images"}}`, false)
	f(400, `{"object":"error","type":"invalid_model"}`, true)
}

func TestFailoverOver(t *testing.T) {
	f := func(own, base *Failover, want Failover) {
		t.Helper()
		got := own.over(base)
		want.Connect, want.Idle, want.Total, want.MinOutputRate = got.Connect, got.Idle, got.Total, got.MinOutputRate
		require.Equal(t, want, got)
	}
	f(nil, nil, Failover{Attempts: 3, FirstContent: 60e9, Answer: 600e9})
	f(&Failover{FirstContent: 5e9}, nil, Failover{Attempts: 3, FirstContent: 5e9, Answer: 600e9})
	f(nil, &Failover{FirstContent: 5e9, Answer: 9e9}, Failover{Attempts: 3, FirstContent: 5e9, Answer: 9e9})
	f(&Failover{Attempts: 1}, &Failover{Attempts: 5, FirstContent: 5e9}, Failover{Attempts: 1, FirstContent: 5e9, Answer: 600e9})
	f(&Failover{FirstContent: 5e9}, &Failover{FirstContent: 6e9, Answer: 9e9}, Failover{Attempts: 3, FirstContent: 5e9, Answer: 9e9})
	f(&Failover{Answer: 7e9}, &Failover{OnStatus: []int{4}}, Failover{Attempts: 3, FirstContent: 60e9, Answer: 7e9, OnStatus: []int{4}})
}

// A provider's refusal that goes to the client was in no log.
func TestRefusalsAreLogged(t *testing.T) {
	p := newProvider(t, says(400, `{"error":{"message":"temperature must be 1"}}`))
	g := newGateway(t, fmt.Sprintf("provider p {\n base_url %s/v1\n}\nmodel fast {\n target p m\n}", p.URL))
	core, logs := observer.New(zapcore.DebugLevel)
	g.logger = zap.New(core)
	require.Equal(t, 400, post(t, serveGateway(t, g).URL+"/v1/chat/completions", askFast).status)
	var all bytes.Buffer
	for _, e := range logs.All() {
		line, _ := json.Marshal(e.ContextMap())
		fmt.Fprintln(&all, e.Message, string(line))
	}
	require.Contains(t, all.String(), "temperature must be 1", "what the provider said:\n%s", all.String())
}
