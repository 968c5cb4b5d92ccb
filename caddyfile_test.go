package plexus

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write what is seen into the goldens of testdata/adapt")

const divider = "----------\n"

// Each golden is a Caddyfile, a line of dashes, and the JSON that it adapts to
// or a part of the error.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".caddyfiletest"), func(t *testing.T) {
			golden, err := os.ReadFile(file)
			require.NoError(t, err)
			source, want, found := strings.Cut(string(golden), divider)
			require.True(t, found, "a golden has a line of dashes")
			adapted, warnings, err := adaptCaddyfile(source)
			if !strings.HasPrefix(filepath.Base(file), "fail_") {
				require.NoError(t, err)
				require.Empty(t, warnings, "the Caddyfile is formatted as caddy fmt does")
			}
			if *update && err == nil {
				require.NoError(t, os.WriteFile(file, []byte(source+divider+adapted+"\n"), 0o600))
				return
			}
			if err != nil {
				require.NotEmpty(t, strings.TrimSpace(want))
				require.ErrorContains(t, err, strings.TrimSpace(want))
				return
			}
			require.Equal(t, strings.TrimSpace(want), adapted)
		})
	}
}

func adaptCaddyfile(source string) (string, []caddyconfig.Warning, error) {
	raw, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(source), map[string]any{"filename": "Caddyfile"})
	if err != nil {
		return "", nil, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, raw, "", "\t")
	return out.String(), warnings, err
}

// JSON says everything that a Caddyfile can, so what is read back is the same.
func TestCaddyfileAndJSONAreEquivalent(t *testing.T) {
	golden, err := os.ReadFile("testdata/adapt/full.caddyfiletest")
	require.NoError(t, err)
	source, _, _ := strings.Cut(string(golden), divider)
	adapted, _, err := adaptCaddyfile(source)
	require.NoError(t, err)
	var config struct {
		Apps struct{ Plexus json.RawMessage }
	}
	require.NoError(t, json.Unmarshal([]byte(adapted), &config))
	app := new(App)
	require.NoError(t, caddy.StrictUnmarshalJSON(config.Apps.Plexus, app))
	again, err := json.Marshal(app)
	require.NoError(t, err)
	require.JSONEq(t, string(config.Apps.Plexus), string(again))
}

func TestModulesAreRegistered(t *testing.T) {
	for _, id := range []string{
		"plexus", "http.handlers.plexus", "http.handlers.plexus_mock",
		"plexus.selectors.random", "plexus.selectors.in_order", "plexus.selectors.round_robin",
		"plexus.selectors.cost", "plexus.selectors.latency", "plexus.selectors.performance",
		"plexus.selectors.least_busy", "plexus.selectors.usage", "plexus.selectors.sticky",
	} {
		info, err := caddy.GetModule(id)
		require.NoError(t, err)
		require.NotNil(t, info.New())
	}
	require.NotNil(t, caddyconfig.GetAdapter("plexus"))
}

// Caddy expands its shorthands in sites alone: in the global option a provider was
// sent them as they stand.
func TestShorthandsInTheGlobalOption(t *testing.T) {
	adapted, _, err := adaptCaddyfile("{\n\tplexus {\n\t\tprovider ollama {\n\t\t\theader_up X-Team {header.X-Team}\n\t\t\theader_up X-Host {host}\n\t\t}\n\t}\n}\n")
	require.NoError(t, err)
	require.Contains(t, adapted, `"{http.request.header.X-Team}"`)
	require.Contains(t, adapted, `"{http.request.host}"`)
}

// The options of a site that has no providers were those of a gateway without any
// model, beside the one that was meant.
func TestASiteWithoutProviders(t *testing.T) {
	adapted, _, err := adaptCaddyfile("{\n\tadmin off\n\tplexus {\n\t\tprovider ollama\n\t}\n}\n:9911 {\n\tplexus {\n\t\topen\n\t}\n}\n")
	require.NoError(t, err)
	config := new(caddy.Config)
	require.NoError(t, json.Unmarshal([]byte(adapted), config))
	require.ErrorContains(t, caddy.Validate(config), "a gateway of its own, which has no providers")
}

// A provider's models may be written as names or as objects.
func TestProviderModelsInJSON(t *testing.T) {
	var p Provider
	require.NoError(t, caddy.StrictUnmarshalJSON([]byte(`{"name":"p","models":["a",{"name":"b","price":{"input":1,"output":2}}]}`), &p))
	require.Equal(t, []ProviderModel{{Name: "a"}, {Name: "b", Price: &Price{Input: 1, Output: 2}}}, p.Models)
	require.Error(t, caddy.StrictUnmarshalJSON([]byte(`{"name":"p","models":[{"nam":"b"}]}`), &p))
	for _, price := range []string{`{}`, `{"input":1}`, `{"cache_read":1}`} {
		require.ErrorContains(t, caddy.StrictUnmarshalJSON([]byte(`{"models":[{"name":"b","price":`+price+`}]}`), &p), "expected input and output")
	}
	require.Error(t, caddy.StrictUnmarshalJSON([]byte(`{"models":[{"name":"b","price":{"input":1,"output":2,"inputs":3}}]}`), &p))
}

func FuzzCaddyfile(f *testing.F) {
	files, err := filepath.Glob("testdata/adapt/*.caddyfiletest")
	require.NoError(f, err)
	for _, file := range files {
		golden, err := os.ReadFile(file)
		require.NoError(f, err)
		source, _, _ := strings.Cut(string(golden), divider)
		if _, block, found := strings.Cut(source, "plexus {"); found {
			f.Add("plexus {" + block)
		}
	}
	f.Add("plexus {\n\tmodel <<END\n}") // a heredoc without its end
	f.Fuzz(func(t *testing.T, source string) {
		if strings.Contains(source, "config") || strings.Contains(source, "import") {
			t.Skip("these read files")
		}
		// NewTestDispenser would end the process here.
		tokens, err := caddyfile.Tokenize([]byte(source), "Testfile")
		if err != nil {
			t.Skip(err)
		}
		g := new(Gateway)
		if g.UnmarshalCaddyfile(caddyfile.NewDispenser(tokens)) == nil {
			raw, err := json.Marshal(g)
			require.NoError(t, err)
			require.NoError(t, caddy.StrictUnmarshalJSON(raw, new(Gateway)), "what was parsed can be loaded")
		}
	})
}
