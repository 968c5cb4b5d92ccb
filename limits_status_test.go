package plexus

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/internal/freeport"
)

// The admin API, the command and the metrics tell how far limits are used up, and
// no secret.
func TestLimitsAreVisible(t *testing.T) {
	h := newHeld(t)
	says := newProvider(t, says(200, chatAnswer, "x-ratelimit-remaining-tokens", "900", "x-ratelimit-reset-tokens", "1m"))
	gateway, adminPort := freeport.Port(), freeport.Port()
	runCaddy(t, `{
		admin 127.0.0.1:`+fmt.Sprint(adminPort)+quietly+`
		plexus {
			provider slow {
				base_url `+h.URL+`/v1
				max_concurrency 1
				models {
					m {
						max_concurrency 3
					}
				}
			}
			provider says {
				base_url `+says.URL+`/v1
				api_key sk-do-not-show
				api_key sk-nor-this {
					rpm 10
					tpm 1000
				}
			}
			model slow {
				target slow m
			}
			model fast {
				target says m
			}
		}
		metrics
	}
	http://127.0.0.1:`+fmt.Sprint(gateway)+` {
		log
		plexus
	}`)
	url := fmt.Sprintf("http://127.0.0.1:%d/v1/chat/completions", gateway)
	address := fmt.Sprintf("127.0.0.1:%d", adminPort)
	get := func(path string) string {
		t.Helper()
		res, err := http.Get("http://" + address + path)
		require.NoError(t, err)
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NotContains(t, string(body), "sk-")
		return string(body)
	}
	require.Equal(t, 200, post(t, url, askFast).status)
	require.Equal(t, 200, post(t, url, askFast).status)
	var clients sync.WaitGroup
	done := make(chan int, 2)
	for range 2 {
		clients.Go(func() { done <- post(t, url, strings.Replace(askFast, "fast", "slow", 1)).status })
	}
	var list []limitStatus
	awaits(t, "one under way and one waiting", func() bool {
		require.NoError(t, json.Unmarshal([]byte(get(pathLimits)), &list))
		return *list[0].InFlight == 1 && list[0].Waiting == 1
	})
	require.Equal(t, "slow", list[0].Provider)
	require.Equal(t, []modelLimitStatus{{Model: "m", InFlight: new(1), MaxConcurrency: 3}}, list[0].Models)
	require.Equal(t, []credentialLimitStatus{{Number: 2, RPM: 10, RequestsLeft: new(int64(9)), TPM: 1000, TokensLeft: new(int64(985))}}, list[1].Credentials)
	require.Len(t, list[1].Models[0].Learned, 2, "of each credential")
	require.Equal(t, "tokens", list[1].Models[0].Learned[0].Of)

	out, err := plexusCommand("limits", "--address", address)
	require.NoError(t, err)
	require.Regexp(t, `slow +1/1 +1 +- +- +-`, out)
	require.Regexp(t, `slow/m +1/3 +- +- +- +-`, out)
	require.Regexp(t, `says, credential 2 +- +- +9/10 +985/1000 +-`, out)
	require.Regexp(t, `says/m +0 .* 900 tokens left \(credential 1\), 900 tokens left \(credential 2\)`, out)
	out, err = plexusCommand("limits", "--json", "--address", address)
	require.NoError(t, err)
	require.Contains(t, out, `"requests_left":9`)

	seen, queued := get("/metrics"), queuedTimes(t, "slow")
	for _, want := range []string{
		`caddy_plexus_slots_taken{model="_all",provider="slow"} 1`, `caddy_plexus_slots{model="_all",provider="slow"} 1`,
		`caddy_plexus_slots{model="m",provider="slow"} 3`, `caddy_plexus_requests_waiting 1`, `caddy_plexus_provider_waiting{provider="slow"} 1`,
		`caddy_plexus_allowance_left{credential="2",of="requests",provider="says"} 9`,
	} {
		require.Contains(t, seen, want)
	}
	for range 2 {
		h.release <- struct{}{}
		require.Equal(t, 200, <-done)
	}
	clients.Wait()
	require.Contains(t, get("/metrics"), "caddy_plexus_requests_waiting 0")
	awaits(t, "the time in the queue", func() bool { return queuedTimes(t, "slow") == queued+1 })
}

// queuedTimes is how many requests for an alias have waited so far.
func queuedTimes(t *testing.T, alias string) uint64 {
	t.Helper()
	registry := prometheus.NewRegistry()
	registry.MustRegister(metrics.inQueue)
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, metric := range family.Metric {
			if metric.Label[0].GetValue() == alias {
				return metric.Histogram.GetSampleCount()
			}
		}
	}
	return 0
}

// Of a provider that is the global gateway's and a site's, only what the first of
// them has was told.
func TestLimitsOfGatewaysThatShareAProvider(t *testing.T) {
	app := new(App)
	for _, block := range []string{
		"provider ollama\nmodel m {\n target ollama a\n}",
		"provider ollama {\n rpm 9\n max_concurrency 7\n models z\n}",
	} {
		app.gateways = append(app.gateways, newGateway(t, block))
	}
	raw, err := json.Marshal(app.limitStatus())
	require.NoError(t, err)
	require.JSONEq(t, `[{"provider":"ollama","in_flight":0,"max_concurrency":7,"waiting":0,"models":[{"model":"a"},{"model":"z","in_flight":0}],
		"credentials":[{"number":1,"rpm":9,"requests_left":9}]}]`, string(raw))
}

// The bound of an alias was not told where the provider lists the model without one.
func TestTheBoundOfAnAliasIsTold(t *testing.T) {
	g := newGateway(t, "provider p {\n base_url http://127.0.0.1:1/v1\n models m\n}\nmodel fast {\n target p m {\n max_concurrency 2\n }\n}")
	status := (&App{gateways: []*Gateway{g}}).limitStatus()
	require.Equal(t, 2, status[0].Models[0].MaxConcurrency)
}
