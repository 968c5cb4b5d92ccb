package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/metrics"
	"github.com/caddyserver/certmagic"
	"github.com/stretchr/testify/require"

	_ "github.com/caddy-plexus/plexus"
	"github.com/caddy-plexus/plexus/internal/freeport"
)

// gateway is a Caddy in this process, of which there is one.
type gateway struct {
	url, admin string
	client     *http.Client
}

// startGateway runs a gateway with the body of a Caddyfile's option plexus, until
// the test ends.
func startGateway(t *testing.T, body string) *gateway {
	t.Helper()
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	usual := caddy.DefaultStorage
	caddy.DefaultStorage = &certmagic.FileStorage{Path: t.TempDir()}
	t.Cleanup(func() { caddy.DefaultStorage = usual })
	g := &gateway{
		url: "http://" + freeport.Address(), admin: freeport.Address(),
		// The admin API moves with every reload, and its connections with it.
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
	require.NoError(t, g.load(body))
	t.Cleanup(func() { require.NoError(t, caddy.Stop()) })
	return g
}

// load replaces the configuration.
func (g *gateway) load(body string) error {
	source := fmt.Sprintf(`{
	admin %s
	persist_config off
	log {
		output discard
	}
	plexus {
%s
		key chaos %s
		failover {
			attempts 3
			first_content %s
			answer %s
			idle %s
		}
	}
}
%s {
	plexus
}
`, g.admin, body, clientKey, firstContent, wholeAnswer, idle, g.url)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(source), nil)
	if err != nil {
		return fmt.Errorf("adapting: %w", err)
	}
	return caddy.Load(config, true)
}

func (g *gateway) get(path string) (string, error) {
	res, err := g.client.Get("http://" + g.admin + path)
	if err != nil {
		return "", err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %d: %s", res.StatusCode, body)
	}
	return string(body), err
}

// states tells how the targets are, by provider, and with all credentials.
func (g *gateway) states(t *testing.T) map[string]string {
	t.Helper()
	text, err := g.get("/plexus/targets")
	require.NoError(t, err)
	type status struct{ State string }
	var list []struct {
		Provider string
		status
		Credentials []status
	}
	require.NoError(t, json.Unmarshal([]byte(text), &list))
	out := map[string]string{}
	for _, one := range list {
		out[one.Provider] = one.State
		for _, c := range one.Credentials {
			if c.State != "up" {
				out[one.Provider] = c.State
			}
		}
	}
	return out
}

// limits tells what is under way and waits where anything is bounded.
func (g *gateway) limits() (underWay, waiting int, err error) {
	text, err := g.get("/plexus/limits")
	if err != nil {
		return 0, 0, err
	}
	var list []struct {
		InFlight int `json:"in_flight"`
		Waiting  int `json:"waiting"`
		Models   []struct {
			InFlight int `json:"in_flight"`
		} `json:"models"`
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return 0, 0, err
	}
	for _, p := range list {
		underWay, waiting = underWay+p.InFlight, waiting+p.Waiting
		for _, m := range p.Models {
			underWay += m.InFlight
		}
	}
	return underWay, waiting, nil
}

// inFlight is how many requests the gateway believes to be under way.
func (g *gateway) inFlight() (int, error) {
	text, err := g.get("/metrics")
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), "caddy_plexus_requests_in_flight "); found {
			return strconv.Atoi(value)
		}
	}
	return 0, fmt.Errorf("no metric of the requests in flight")
}
