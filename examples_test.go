package plexus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/internal/freeport"
)

// exampleKeys are the variables that examples read their secrets from.
var exampleKeys = []string{
	"OPENAI_API_KEY", "OPENAI_API_KEY_BIG", "ANTHROPIC_API_KEY", "OPENROUTER_API_KEY", "AZURE_OPENAI_API_KEY", "GEMINI_API_KEY", "LAB_API_KEY",
	"PLEXUS_KEY_APP", "PLEXUS_KEY_TEAM",
}

// Every example runs: with its sites on a free port and its providers played by
// one server, the first of its models answers a question.
func TestExamples(t *testing.T) {
	files, err := filepath.Glob("examples/*")
	require.NoError(t, err)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		adapter := "caddyfile"
		if filepath.Ext(file) == ".yaml" {
			if !strings.Contains(string(source), "providers:") {
				continue // a part of another example
			}
			adapter = "plexus"
		}
		t.Run(filepath.Base(file), func(t *testing.T) { runExample(t, adapter, file, source) })
	}
}

// The configurations that README and docs show, in blocks marked caddyfile,
// yaml or json.
func TestDocumentedConfigurations(t *testing.T) {
	files, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	block := regexp.MustCompile("(?s)```(caddyfile|yaml|json)\n(.*?)```")
	for _, file := range append(files, "README.md") {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		for i, match := range block.FindAllStringSubmatch(string(text), -1) {
			t.Run(fmt.Sprintf("%s/%d", filepath.Base(file), i+1), func(t *testing.T) {
				adapter := map[string]string{"caddyfile": "caddyfile", "yaml": "plexus", "json": ""}[match[1]]
				runExample(t, adapter, "examples/"+match[1], []byte(match[2]))
			})
		}
	}
}

// What a user copies keeps keys out of every log, in the way that the test of
// the secrets proves.
func TestExamplesKeepKeysOutOfLogs(t *testing.T) {
	f := func(name string, config []byte) {
		t.Helper()
		var got struct {
			Logging struct {
				Logs map[string]struct{ Encoder json.RawMessage }
			}
		}
		require.NoError(t, json.Unmarshal(config, &got))
		require.Len(t, got.Logging.Logs, 1, "%s: sites log to the default log", name)
		want, err := json.Marshal(logFormat())
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(got.Logging.Logs["default"].Encoder), name)
	}
	f("tested", adapted(t, "{\n log {\n "+logFilter+"\n }\n}"))
	files, err := filepath.Glob("examples/*.Caddyfile")
	require.NoError(t, err)
	for _, file := range append(files, "examples/standalone.yaml", "README.md") {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		adapter := "caddyfile"
		switch filepath.Ext(file) {
		case ".yaml":
			adapter = "plexus"
		case ".md":
			_, text, _ := strings.Cut(string(source), "**Logs.**")
			_, text, _ = strings.Cut(text, "```caddyfile\n")
			text, _, _ = strings.Cut(text, "```")
			source = []byte(text)
		}
		config, _, err := caddyconfig.GetAdapter(adapter).Adapt(source, map[string]any{"filename": file})
		require.NoError(t, err)
		f(file, config)
	}
}

// Alerts are written by the codes that the docs list.
func TestEveryCodeIsDocumented(t *testing.T) {
	source, err := os.ReadFile("errors.go")
	require.NoError(t, err)
	docs, err := os.ReadFile("docs/observability.md")
	require.NoError(t, err)
	codes := regexp.MustCompile(`&Code\{"([A-Z_]+)"`).FindAllSubmatch(source, -1)
	require.NotEmpty(t, codes)
	for _, code := range codes {
		require.Contains(t, string(docs), "| `"+string(code[1])+"` |")
	}
}

// runExample runs a configuration after it has been moved to this machine.
func runExample(t *testing.T, adapter, file string, source []byte) {
	t.Setenv("XDG_DATA_HOME", t.TempDir())
	for _, name := range exampleKeys {
		t.Setenv(name, "example-"+name)
	}
	raw := source
	if adapter != "" {
		var err error
		var warnings []caddyconfig.Warning
		raw, warnings, err = caddyconfig.GetAdapter(adapter).Adapt(source, map[string]any{"filename": file})
		require.NoError(t, err)
		require.Empty(t, warnings, "an example is formatted as caddy fmt does")
	}
	var config map[string]any
	require.NoError(t, json.Unmarshal(raw, &config))
	provider := newProvider(t, playEverything)
	auth := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(auth.Close)

	gateways := move(t, config, provider.URL, strings.TrimPrefix(auth.URL, "http://"))
	moved, err := json.Marshal(config)
	require.NoError(t, err)
	require.NoError(t, caddy.Load(moved, true))
	t.Cleanup(func() { require.NoError(t, caddy.Stop()) })
	require.NotEmpty(t, gateways, "an example has a gateway")
	for _, url := range gateways {
		list := ask(t, http.MethodGet, url+"/v1/models", "", "Authorization", "Bearer example-PLEXUS_KEY_APP")
		require.Equal(t, 200, list.status, list.body)
		var models struct{ Data []struct{ ID string } }
		require.NoError(t, json.Unmarshal([]byte(list.body), &models))
		require.NotEmpty(t, models.Data)
		got := post(t, url+"/v1/chat/completions", fmt.Sprintf(`{"model":%q}`, models.Data[0].ID), "Authorization", "Bearer example-PLEXUS_KEY_APP")
		if got.status == 400 {
			got = post(t, url+"/v1/messages", fmt.Sprintf(`{"model":%q}`, models.Data[0].ID), "Authorization", "Bearer example-PLEXUS_KEY_APP")
		}
		require.Equal(t, 200, got.status, got.body)
		require.NotEmpty(t, provider.last(t).body)
	}
}

func playEverything(w http.ResponseWriter, r *http.Request) {
	says(200, strings.TrimSuffix(chatAnswer, "}")+`,"content":[{"type":"text","text":"Hi"}]}`)(w, r)
}

// move puts a configuration's servers on free ports of loopback without TLS and
// points its providers to the given server. It returns where the gateways are.
func move(t *testing.T, config map[string]any, providerURL, authAddress string) []string {
	t.Helper()
	config["admin"] = map[string]any{"disabled": true}
	config["logging"] = map[string]any{"logs": map[string]any{"default": map[string]any{"writer": map[string]any{"output": "discard"}}}}
	var gateways []string
	apps, _ := config["apps"].(map[string]any)
	delete(apps, "tls")
	servers := apps["http"].(map[string]any)["servers"].(map[string]any)
	for _, server := range servers {
		s := server.(map[string]any)
		address := freeport.Address()
		s["listen"] = []string{address}
		s["automatic_https"] = map[string]any{"disable": true}
		delete(s, "tls_connection_policies")
		isGateway := false
		walk(s, func(o map[string]any) {
			delete(o, "host")
			if o["handler"] == "plexus" {
				isGateway = true
			}
			if upstreams, ok := o["upstreams"].([]any); ok {
				upstreams[0].(map[string]any)["dial"] = authAddress
			}
		})
		if isGateway {
			gateways = append(gateways, "http://"+address)
		}
	}
	walk(apps, func(o map[string]any) {
		if providers, ok := o["providers"].([]any); ok {
			for _, p := range providers {
				p := p.(map[string]any)
				p["base_url"] = providerURL + "/v1"
				if urls, ok := p["base_urls"].(map[string]any); ok {
					for name := range urls {
						urls[name] = providerURL + "/v1"
					}
				}
			}
		}
	})
	return gateways
}

func walk(v any, visit func(map[string]any)) {
	switch v := v.(type) {
	case map[string]any:
		visit(v)
		for _, child := range v {
			walk(child, visit)
		}
	case []any:
		for _, child := range v {
			walk(child, visit)
		}
	}
}

// The table of presets in the documentation is the one in the code.
func TestPresetsAreDocumented(t *testing.T) {
	var rows strings.Builder
	for _, name := range sortedKeys(presets) {
		for i, base := range presets[name].bases {
			first, env := "`"+name+"`", "`"+presets[name].env+"`"
			if i > 0 {
				first, env = "", ""
			}
			if env == "``" {
				env = "none needed"
			}
			url := base.url
			if url == "" {
				url = "yours"
			}
			apis := make([]string, len(base.apis))
			for i, a := range base.apis {
				apis[i] = string(a)
			}
			fmt.Fprintf(&rows, "| %s | %s | %s | `%s` | %s |\n", first, url, strings.Join(apis, ", "), base.auth, env)
		}
	}
	const file = "docs/providers.md"
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	head, rest, found := strings.Cut(string(text), "|---|---|---|---|---|\n")
	require.True(t, found)
	_, tail, found := strings.Cut(rest, "\n\n")
	require.True(t, found)
	want := head + "|---|---|---|---|---|\n" + rows.String() + "\n" + tail
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(want), 0o600))
		return
	}
	require.Equal(t, want, string(text))
}
