// Package sdk_test asks the gateway what the vendors' own SDKs ask, and checks
// that they understand what comes back. It is a module of its own so that the
// project does not depend on the SDKs.
package sdk_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/stretchr/testify/require"

	_ "github.com/caddy-plexus/plexus"
	"github.com/caddy-plexus/plexus/internal/freeport"
)

const (
	clientKey   = "client-secret"
	providerKey = "provider-secret"

	// What the mocks say, by gateway.Caddyfile.
	helloText   = "Hello from mock-small of the red provider."
	rescuedText = "Hello from mock-small of the blue provider."
)

// The base URLs of the gateway and of the providers, without a version.
var (
	gatewayURL   string
	providerURLs []string
	// mockURL is the provider of the matrix.
	mockURL string
)

func TestMain(m *testing.M) {
	code, err := withGateway(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// withGateway runs Caddy in this process for as long as run takes.
func withGateway(run func() int) (int, error) {
	var ports []string
	for range 4 {
		ports = append(ports, strconv.Itoa(freeport.Port()))
	}
	home, err := os.MkdirTemp("", "plexus-sdk")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(home)
	for name, value := range map[string]string{
		"GATEWAY_PORT": ports[0],
		"RED_PORT":     ports[1],
		"BLUE_PORT":    ports[2],
		"GREEN_PORT":   ports[3],
		"CLIENT_KEY":   clientKey,
		"PROVIDER_KEY": providerKey,
		"STORAGE":      home,
	} {
		if err := os.Setenv(name, value); err != nil {
			return 0, err
		}
	}
	gatewayURL = "http://127.0.0.1:" + ports[0]
	providerURLs = []string{"http://127.0.0.1:" + ports[1], "http://127.0.0.1:" + ports[2]}
	mockURL = "http://127.0.0.1:" + ports[3]

	caddyfile, err := os.ReadFile("gateway.Caddyfile")
	if err != nil {
		return 0, err
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(caddyfile, map[string]any{"filename": "gateway.Caddyfile"})
	if err != nil {
		return 0, err
	}
	if err := caddy.Load(config, true); err != nil {
		return 0, err
	}
	defer caddy.Stop() //nolint:errcheck // the process ends anyway
	return run(), nil
}

// received is a request as the mock has recorded it.
type received struct {
	Path     string      `json:"path"`
	Query    string      `json:"query"`
	Headers  http.Header `json:"headers"`
	Body     string      `json:"body"`
	Canceled bool        `json:"canceled"`
}

// atProvider finds the last request whose body holds the prompt, which every
// test chooses for itself.
func atProvider(t *testing.T, prompt string) (found received, ok bool) {
	t.Helper()
	for _, url := range providerURLs {
		for _, r := range receivedBy(t, url) {
			if strings.Contains(r.Body, prompt) {
				found, ok = r, true
			}
		}
	}
	return found, ok
}

// receivedBy lists the last requests that a mock has got.
func receivedBy(t *testing.T, url string) (list []received) {
	t.Helper()
	res, err := http.Get(url + "/plexus_mock/requests")
	require.NoError(t, err)
	defer res.Body.Close()
	require.NoError(t, json.NewDecoder(res.Body).Decode(&list))
	return list
}

// poll asks again and again: a mock has no way to call.
func poll(t *testing.T, limit time.Duration, done func() bool, what string) {
	t.Helper()
	for deadline := time.Now().Add(limit); !done(); time.Sleep(time.Millisecond) {
		require.True(t, time.Now().Before(deadline), what)
	}
}

// waitForArrival waits until the provider has got the request.
func waitForArrival(t *testing.T, prompt string) {
	t.Helper()
	poll(t, 10*time.Second, func() bool {
		_, ok := atProvider(t, prompt)
		return ok
	}, "the provider has got no request")
}

// requireCanceled checks that the provider learns soon that its client left.
func requireCanceled(t *testing.T, prompt string) {
	t.Helper()
	poll(t, 100*time.Millisecond, func() bool {
		r, ok := atProvider(t, prompt)
		return ok && r.Canceled
	}, "the provider has not seen the client leave")
}

// An SDK's own headers, its key above all, are between it and the gateway.
func requireNoTrace(t *testing.T, prompt string) {
	t.Helper()
	r, ok := atProvider(t, prompt)
	require.True(t, ok)
	for name, values := range r.Headers {
		require.NotContains(t, strings.Join(values, " "), clientKey, name)
		require.False(t, strings.HasPrefix(name, "X-Stainless-"), name)
		require.False(t, strings.HasPrefix(name, "X-Goog-Api-Client"), name)
	}
	require.Equal(t, []string{"Plexus"}, r.Headers["User-Agent"])
}

// weatherSchema is that of the arguments of the tool get_weather, and
// weatherArguments what the mock makes of it.
var weatherSchema = map[string]any{
	"type": "object",
	"properties": map[string]any{
		"city": map[string]any{"type": "string"},
		"unit": map[string]any{"type": "string", "enum": []string{"celsius", "fahrenheit"}},
	},
	"required": []string{"city", "unit"},
}

const weatherArguments = `{"city":"mock","unit":"celsius"}`
