package plexus_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/standard"
	"github.com/stretchr/testify/require"

	_ "github.com/caddy-plexus/plexus"
)

// adaptYAML puts YAML through the config adapter, as a file named plexus.yaml.
func adaptYAML(body string) (string, []caddyconfig.Warning, error) {
	raw, warnings, err := caddyconfig.GetAdapter("plexus").Adapt([]byte(body), map[string]any{"filename": "plexus.yaml"})
	return string(raw), warnings, err
}

// adaptWithConfig puts a Caddyfile into a folder, with a YAML file beside it
// that it names by a relative path.
func adaptWithConfig(t *testing.T, caddyfile, body string) (string, error) {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(folder, "conf"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(folder, "conf", "plexus.yaml"), []byte(body), 0o600))
	raw, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), map[string]any{"filename": filepath.Join(folder, "Caddyfile")})
	return string(raw), err
}

func readTestdata(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", "yaml", name))
	require.NoError(t, err)
	return string(raw)
}

// plexusApp is the part of a configuration that is the gateway.
func plexusApp(t *testing.T, config string) string {
	t.Helper()
	var parsed struct{ Apps map[string]json.RawMessage }
	require.NoError(t, json.Unmarshal([]byte(config), &parsed))
	require.Contains(t, parsed.Apps, "plexus")
	return string(parsed.Apps["plexus"])
}

func TestYAMLDialectsAdaptToTheirGoldens(t *testing.T) {
	f := func(name string) {
		t.Helper()
		got, _, err := adaptYAML(readTestdata(t, name+".yaml"))
		require.NoError(t, err, name)
		require.JSONEq(t, readTestdata(t, name+".json"), got, name)
	}
	f("list")
	f("map")
}

func TestYAMLDialectsLoad(t *testing.T) {
	for name, value := range map[string]string{
		"OPENAI_API_KEY": "one", "ANTHROPIC_API_KEY": "two", "GEMINI_API_KEY": "three", "GEMINI_API_KEY_2": "three more", "APP_KEY": "four",
		"IMAGES_URL": "https://images.example.com/v1", "REGION": "eu",
	} {
		t.Setenv(name, value)
	}
	for _, name := range []string{"list", "map"} {
		var config caddy.Config
		require.NoError(t, json.Unmarshal([]byte(readTestdata(t, name+".json")), &config))
		require.NoError(t, caddy.Validate(&config), name)
	}
}

func TestYAMLIsTheSameThroughACaddyfile(t *testing.T) {
	for _, name := range []string{"list", "map"} {
		body := readTestdata(t, name+".yaml")
		adapted, _, err := adaptYAML(body)
		require.NoError(t, err)
		want := plexusApp(t, adapted)

		got, err := adaptWithConfig(t, "{\n\tplexus {\n\t\tconfig conf/plexus.yaml\n\t}\n}\n", body)
		require.NoError(t, err)
		require.JSONEq(t, want, plexusApp(t, got), name)

		got, err = adaptWithConfig(t, ":8080 {\n\tplexus {\n\t\tconfig conf/plexus.yaml\n\t}\n}\n", body)
		require.NoError(t, err)
		var site struct {
			Apps struct {
				HTTP struct {
					Servers map[string]struct {
						Routes []struct{ Handle []map[string]any }
					}
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(got), &site))
		handler := site.Apps.HTTP.Servers["srv0"].Routes[0].Handle[0]
		require.Equal(t, "plexus", handler["handler"])
		delete(handler, "handler")
		own, err := json.Marshal(handler)
		require.NoError(t, err)
		require.JSONEq(t, want, string(own), name)
	}
}

func TestSeedExamplesLoadAsTheyStand(t *testing.T) {
	t.Setenv("PLEXUS_TEST_YAML_KEY", "credential")
	f := func(name, wantModels string) {
		t.Helper()
		seed := readTestdata(t, name+".yaml")
		check := func(config string) {
			t.Helper()
			var app struct{ Models json.RawMessage }
			require.NoError(t, json.Unmarshal([]byte(plexusApp(t, config)), &app))
			require.JSONEq(t, wantModels, string(app.Models), name)
			var parsed caddy.Config
			require.NoError(t, json.Unmarshal([]byte(config), &parsed))
			require.NoError(t, caddy.Validate(&parsed), name)
		}
		adapted, warnings, err := adaptYAML(readTestdata(t, "seed_providers.yaml") + seed)
		require.NoError(t, err, name)
		require.Empty(t, warnings, name)
		check(adapted)

		adapted, err = adaptWithConfig(t, `{
	plexus {
		config conf/plexus.yaml
		provider openai {
			api_key {env.PLEXUS_TEST_YAML_KEY}
		}
		provider azure-openai azure {
			base_url https://example.openai.azure.com/openai/v1
			api_key {env.PLEXUS_TEST_YAML_KEY}
		}
		provider primary {
			base_url https://primary.example.com/v1
		}
		provider backup {
			base_url https://backup.example.com/v1
		}
	}
}
`, seed)
		require.NoError(t, err, name)
		check(adapted)
	}
	f("seed_simple", `[{"alias":"fast","description":"Fast model","selector":{"strategy":"random"},"targets":[{"provider":"openai","model":"gpt-4o-mini"}]}]`)
	f("seed_weights", `[{"alias":"smart","additional_aliases":["best","flagship"],"selector":{"strategy":"random"},
		"targets":[{"provider":"openai","model":"gpt-4o","weight":70},{"provider":"azure-openai","model":"gpt-4o","weight":30}]}]`)
	f("seed_failover", `[{"alias":"balanced","selector":{"strategy":"in_order"},
		"targets":[{"provider":"primary","model":"gpt-4-turbo"},{"provider":"backup","model":"gpt-4o"}]}]`)
}

// A selector is a name, or a mapping where it has options.
func TestYAMLSelectors(t *testing.T) {
	f := func(selector, want string) {
		t.Helper()
		got, _, err := adaptYAML("models:\n  fast:\n    selector: " + selector + "\n")
		require.NoError(t, err)
		require.JSONEq(t, `{"models":[{"alias":"fast","targets":null`+want+`}]}`, plexusApp(t, got))
	}
	f(`""`, ``)
	f(`least_busy`, `,"selector":{"strategy":"least_busy"}`)
	f(`sticky`, `,"selector":{"strategy":"sticky"}`)
	f(`{strategy: usage}`, `,"selector":{"strategy":"usage"}`)
	f(`{strategy: sticky, by: header, header: X-Session}`, `,"selector":{"strategy":"sticky","by":"header","header":"X-Session"}`)
}

func TestYAMLErrorsSayFileAndLine(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		_, _, err := adaptYAML(body)
		require.ErrorContains(t, err, want, body)
		require.True(t, strings.HasPrefix(err.Error(), want), "%q does not begin with %q", err, want)
	}
	provider := func(lines string) string { return "providers:\n  - name: lab\n" + lines }
	model := func(lines string) string { return "models:\n  fast:\n" + lines }

	// Unknown keys, at every level.
	f("providers:\n  local: {api_base_url: http://localhost:1/v1, models: [a]}\nmodels:\n  fast:\n    targets:\n      - {provider: lokal, model: a}\n",
		`plexus.yaml:6: model "fast": target lokal/a: provider "lokal" is not defined; did you mean "local"?`)
	f("providers:\n  local: {api_base_url: http://localhost:1/v1, models: [a]}\nmodels:\n  fast:\n    targets:\n      - {provider: local, model: b}\n",
		`plexus.yaml:6: model "fast": target local/b: provider "local" does not list the model "b"`)
	f("providers: []\nmodel: []\n", `plexus.yaml:2: unknown key "model" of the file; did you mean "models"?`)
	f("server:\n  port: 1\n  hots: x\n", `plexus.yaml:3: unknown key "hots" of server; did you mean "host"?`)
	f(provider("    baseUrl: x\n"), `plexus.yaml:3: unknown key "baseUrl" of the provider "lab"; did you mean "baseUrls"?`)
	f("providers:\n  lab:\n    api_base_ulr: x\n", `plexus.yaml:3: unknown key "api_base_ulr" of the provider "lab"; did you mean "api_base_url"?`)
	f(provider("    auth:\n      apiKeyENV: X\n"), `plexus.yaml:4: unknown key "apiKeyENV" of auth; did you mean "apiKeyEnv"?`)
	f(provider("    models:\n      gpt-4o:\n        prices: 1\n"), `plexus.yaml:5: unknown key "prices" of the model "gpt-4o"; did you mean "pricing"?`)
	f(provider("    models:\n      gpt-4o:\n        pricing:\n          inptu: 1\n"), `plexus.yaml:6: unknown key "inptu" of pricing; did you mean "input"?`)
	f("pricing:\n  modles: {}\n", `plexus.yaml:2: unknown key "modles" of pricing; did you mean "models"?`)
	f("pricing:\n  models:\n    gpt-4o:\n      inputPer1k: 1\n", `plexus.yaml:4: unknown key "inputPer1k" of a price; did you mean "inputPer1M"?`)
	f(model("    target: []\n"), `plexus.yaml:3: unknown key "target" of the model "fast"; did you mean "targets"?`)
	f("models:\n  - alias: fast\n    zzzzzzzzzz: 1\n", `plexus.yaml:3: unknown key "zzzzzzzzzz" of the model "fast"`)
	f(model("    targets:\n      - provider: a\n        modle: b\n"), `plexus.yaml:5: unknown key "modle" of a target of the model "fast"; did you mean "model"?`)
	f("keys:\n  ci:\n    secrets: x\n", `plexus.yaml:3: unknown key "secrets" of the key "ci"; did you mean "secret"?`)
	f("? [a]\n: 1\n", `plexus.yaml:1: unknown key "" of the file`)

	// Wrong types, at every level.
	f("- a\n", `plexus.yaml:1: expected the file to be a mapping`)
	f("# nothing\n--- text\n", `plexus.yaml:2: expected the file to be a mapping`)
	f("models: fast\n", `plexus.yaml:1: expected a list, or a mapping by name`)
	f("providers: 7\n", `plexus.yaml:1: expected a list, or a mapping by name`)
	f("keys: true\n", `plexus.yaml:1: expected a list, or a mapping by name`)
	f("providers:\n  - openai\n", `plexus.yaml:2: expected an item with the key "name"`)
	f("providers:\n  - enabled: true\n", `plexus.yaml:2: expected an item with the key "name"`)
	f("models:\n  - description: x\n", `plexus.yaml:2: expected an item with the key "alias"`)
	f("models:\n  - alias: [fast]\n", `plexus.yaml:2: expected an item with the key "alias"`)
	f("models:\n  - alias:\n", `plexus.yaml:2: expected an item with the key "alias"`)
	f("models:\n  fast: 7\n", `plexus.yaml:2: expected the model "fast" to be a mapping`)
	f("models:\n  fast:\n", `plexus.yaml:2: expected the model "fast" to be a mapping`)
	f("providers:\n  lab: []\n", `plexus.yaml:2: expected the provider "lab" to be a mapping`)
	f("keys:\n  ci: sk-secret\n", `plexus.yaml:2: expected the key "ci" to be a mapping`)
	f("server: 4000\n", `plexus.yaml:1: expected server to be a mapping`)
	f("server:\n  port: [1]\n", `plexus.yaml:2: port: expected a number`)
	f("server:\n  host: {}\n", `plexus.yaml:2: host: expected a text`)
	f(provider("    enabled: maybe\n"), `plexus.yaml:3: enabled: expected true or false`)
	f(provider("    apiTypes: {chat: 1}\n"), `plexus.yaml:3: apiTypes: expected a list of texts`)
	f(provider("    type: [[chat]]\n"), `plexus.yaml:3: type: expected a list of texts`)
	f(provider("    baseUrls: [https://example.com]\n"), `plexus.yaml:3: the base URLs: expected a mapping`)
	f(provider("    auth: sk-secret\n"), `plexus.yaml:3: expected auth to be a mapping`)
	f(provider("    cooldown: soon\n"), `plexus.yaml:3: expected a cooldown to be a mapping of keys to values`)
	f(provider("    cooldown: {initial: 5m, max: 2m}\n"), `plexus.yaml:3: cooldown: the initial pause 5m0s is longer than the longest, 2m0s`)
	f(provider("    cooldown: {max: 2m, last_standing: {share: 2}}\n"), `plexus.yaml:3: cooldown: last_standing: expected a share up to 100%`)
	f(provider("    api_key: {}\n"), `plexus.yaml:3: api_key: expected a text`)
	f(provider("    api_key: [x, [y]]\n"), `plexus.yaml:3: api_key: expected a text`)
	f(provider("    api_key: [{api_key: x, weight: 0}]\n"), `plexus.yaml:3: api_key: the weight 0 is not a positive number`)
	f(provider("    api_key: [{api_key: x, wheight: 0}]\n"), `plexus.yaml:3: unknown key "wheight" of an api_key; did you mean "weight"?`)
	f(provider("    models: gpt-4o\n"), `plexus.yaml:3: models: expected a list of texts`)
	f(provider("    models:\n      - a\n      - b: 1\n"), `plexus.yaml:4: models: expected a list of texts`)
	f(provider("    models:\n      gpt-4o: 7\n"), `plexus.yaml:4: expected the model "gpt-4o" to be a mapping`)
	f(provider("    models:\n      gpt-4o:\n        pricing: 7\n"), `plexus.yaml:5: expected pricing to be a mapping`)
	f(provider("    models:\n      gpt-4o:\n        pricing: {input: much}\n"), `plexus.yaml:5: input: expected a number`)
	f(provider("    customHeaders: [X-Team]\n"), `plexus.yaml:3: customHeaders: expected a mapping`)
	f(provider("    headers:\n      X-Team: [a]\n"), `plexus.yaml:4: headers: expected a mapping`)
	f(provider("    extraBody: 7\n"), `plexus.yaml:3: extraBody: expected a mapping`)
	f(provider("    extraBody:\n      a: {[b]: 1}\n"), `plexus.yaml:4: extraBody:`)
	f(provider("    disable_cooldown: 7\n"), `plexus.yaml:3: disable_cooldown: expected true or false`)
	f("pricing: 7\n", `plexus.yaml:1: expected pricing to be a mapping`)
	f("pricing:\n  models: [a]\n", `plexus.yaml:2: expected a mapping by name`)
	f("pricing:\n  models: {a: 7}\n", `plexus.yaml:2: expected a price to be a mapping`)
	f(model("    additional_aliases: quick\n"), `plexus.yaml:3: additional_aliases: expected a list of texts`)
	f(model("    description: []\n"), `plexus.yaml:3: description: expected a text`)
	f(model("    selector: [random]\n"), `plexus.yaml:3: selector: expected a text`)
	f(model("    apiMatch: sometimes\n"), `plexus.yaml:3: apiMatch: expected true or false`)
	f(model("    targets: {provider: a, model: b}\n"), `plexus.yaml:3: targets: expected a list`)
	f(model("    targets:\n      - openai/gpt-4o\n"), `plexus.yaml:4: expected a target of the model "fast" to be a mapping`)
	f(model("    targets:\n      - provider: a\n        model: b\n        weight: heavy\n"), `plexus.yaml:6: weight: expected a number`)
	f("keys:\n  ci:\n    secret: x\n    models: fast\n", `plexus.yaml:4: models: expected a list of texts`)

	// Duplicate keys, at every level.
	f("models: {}\nkeys: {}\nmodels: {}\n", `plexus.yaml:3: duplicate key "models"`)
	f("models:\n  fast: {}\n  fast: {}\n", `plexus.yaml:3: duplicate key "fast"`)
	f(provider("    enabled: true\n    enabled: false\n"), `plexus.yaml:4: duplicate key "enabled"`)
	f(provider("    baseUrls:\n      chat: https://a.example.com\n      chat: https://b.example.com\n"), `plexus.yaml:5: duplicate key "chat"`)
	f(provider("    headers: {X-A: 1, X-A: 2}\n"), `plexus.yaml:3: duplicate key "X-A"`)
	f(provider("    extraBody:\n      a:\n        - b: 1\n          b: 2\n"), `plexus.yaml:6: duplicate key "b"`)
	f(model("    targets:\n      - provider: a\n        provider: b\n"), `plexus.yaml:5: duplicate key "provider"`)
	f("providers:\n  - name: openai\n  - name: openai\n", `plexus.yaml:3: duplicate provider "openai"`)

	// Broken syntax.
	f("models:\n  fast: [\n", "plexus.yaml:")
	f("models: {}\n\tkeys: {}\n", "plexus.yaml:2: ")
	f("a: b: c\n", "plexus.yaml: mapping values are not allowed")
	f("models: *fast\n", "plexus.yaml: unknown anchor")
	f("models: {}\n---\nmodels: {}\n", "plexus.yaml:2: there is a second document")
	f("models: {}\n---\n[\n", "plexus.yaml:")
	f("models: {}\x01\n", "plexus.yaml: control characters are not allowed")

	// Providers.
	f("providers:\n  - name: opnai\n", `plexus.yaml:2: the provider "opnai" has no base URL, and there is no preset of its name; did you mean "openai"?`)
	f(provider("    apiTypes: [chta]\n    baseUrls: {chat: https://example.com/v1}\n"), `plexus.yaml:3: apiTypes: there is no API "chta"; did you mean "chat"?`)
	f("providers:\n  - name: openai\n    apiTypes: [chta]\n", `plexus.yaml:3: apiTypes: there is no API "chta"; did you mean "chat"?`)
	f(provider("    type: bedrock\n    api_base_url: https://example.com/v1\n"), `plexus.yaml:3: type: there is no API "bedrock"`)
	f(provider("    baseUrls: {mesages: https://example.com/v1}\n"), `plexus.yaml:2: the provider "lab": there is no API "mesages"; did you mean "messages"?`)
	f(provider("    apiTypes: [messages]\n    baseUrls: {chat: https://example.com/v1}\n"), `plexus.yaml:2: the provider "lab": there is no base URL for its API "messages"`)
	f(provider("    baseUrls: {chat: example.com/v1}\n"), `plexus.yaml:2: the provider "lab": expected an absolute URL for the API chat`)
	f(provider("    api_base_url: oauth://\n"), `plexus.yaml:2: the provider "lab": expected an absolute URL for the API chat`)
	f(provider("    auth: {type: digest}\n"), `plexus.yaml:3: auth: there is no type "digest" (there are bearer, x-api-key, x-goog-api-key and api-key)`)
	f(provider("    extraBody: {model: x}\n"), `plexus.yaml:3: extra_body: "model" is decided by the request`)
	f(provider("    extraBody: {x: .nan}\n"), `plexus.yaml:3: extraBody: `)
	f(provider("    models: {a: {pricing: {input: -1}}}\n"), `plexus.yaml:3: input: expected a price`)
	f(provider("    models: {a: {pricing: {output: .nan}}}\n"), `plexus.yaml:3: output: expected a price`)
	f(provider("    models: {a: {pricing: {cached: -1}}}\n"), `plexus.yaml:3: cached: expected a price`)
	f(provider("    health_check: ping\n"), `plexus.yaml:3: health_check: expected models or tcp, got "ping"`)
	f(provider("    health_check: {interval: 30}\n"), `plexus.yaml:3: interval: expected a duration such as 20s`)
	f(provider("    health_check: {fails: -1}\n"), `plexus.yaml:3: health_check: fails: expected at least 1, got -1`)
	f(provider("    health_check: {every: 1s}\n"), `plexus.yaml:3: unknown key "every" of health_check`)
	f(provider("    models: {a: {context: 0}}\n"), `plexus.yaml:3: context: expected a number of tokens such as 200000`)
	f(provider("    models: {a: {context: long}}\n"), `plexus.yaml:3: context: expected a number`)
	f("pricing: {models: {a: {inputPer1M: .inf}}}\n", `plexus.yaml:1: inputPer1M: expected a price`)

	// Models.
	f(model("    targets:\n      - model: b\n"), `plexus.yaml:4: a target of the model "fast" needs a provider and a model`)
	f(model("    targets:\n      - provider: a\n"), `plexus.yaml:4: a target of the model "fast" needs a provider and a model`)
	f(model("    context_overflow: drop\n"), `plexus.yaml:3: the model "fast": context_overflow: expected ask or skip, got "drop"`)
	f("providers: {ollama: {}}\n"+model("    targets:\n      - {alias: slow}\n"), `plexus.yaml:5: model "fast": target alias:slow: model "slow" is not defined`)
	f("providers: {ollama: {}}\n"+model("    targets:\n      - {alias: slow, provider: a}\n"), `plexus.yaml:5: model "fast": target alias:slow: it is another model already`)
	f(model("    targets:\n      - {provider: a, model: b, weight: 0}\n"), `plexus.yaml:4: the model "fast": the weight 0 is not a positive number`)
	f(model("    targets:\n      - provider: a\n        model: b\n        weight: -0.5\n"), `plexus.yaml:6: the model "fast": the weight -0.5 is not a positive number`)
	f(model("    targets:\n      - {provider: a, model: b, weight: .inf}\n"), `plexus.yaml:4: the model "fast": the weight +Inf is not a positive number`)
	f(model("    targets:\n      - {provider: a, model: b, weight: .nan}\n"), `plexus.yaml:4: the model "fast": the weight NaN is not a positive number`)
	f(model("    selector: in-order\n"), `plexus.yaml:3: the model "fast": there is no selector "in-order"; did you mean "in_order"? (there are `)
	f(model("    selector: {by: user}\n"), `plexus.yaml:3: the model "fast": there is no selector "" (there are `)
	f(model("    selector: {strategy: random, by: user}\n"), `plexus.yaml:3: the model "fast": selector: random: json: unknown field "by"`)
	f(model("    selector: {strategy: sticky, by: .nan}\n"), `plexus.yaml:3: the model "fast": selector: sticky: `)
	f(model("    selector:\n      strategy: sticky\n      by: [user]\n"), `plexus.yaml:4: the model "fast": selector: sticky: `)
	f(model("    selector:\n      strategy: sticky\n      [a]: b\n"), `plexus.yaml:4: the model "fast": selector: expected names of options`)
	f(model("    priority: speed\n"), `plexus.yaml:3: the model "fast": priority: expected selector or api_match, got "speed"`)

	// Keys and the server.
	f("keys:\n  ci:\n    comment: x\n", `plexus.yaml:3: the key "ci" has no secret`)
	f("keys:\n  ci:\n    secret:\n", `plexus.yaml:3: the key "ci" has no secret`)
	f("apiKeys:\n  - name: ci\n    secret: \"\"\n", `plexus.yaml:2: the key "ci" has no secret`)
	f("server:\n  port: 0\n", `plexus.yaml:2: port: expected a number from 1 to 65535`)
	f("server:\n  port: 65536\n", `plexus.yaml:2: port: expected a number from 1 to 65535`)
	f("server:\n  port: -1\n", `plexus.yaml:2: port: expected a number from 1 to 65535`)
	f("server:\n  port: \"4000x\"\n", `plexus.yaml:2: port: expected a number`)
}

func TestErrorsOfAConfigNameTheCaddyfilesLineToo(t *testing.T) {
	caddyfile := "{\n\tplexus {\n\t\tconfig conf/plexus.yaml\n\t}\n}\n"
	_, err := adaptWithConfig(t, caddyfile, "models:\n  fast:\n    target: []\n")
	require.ErrorContains(t, err, filepath.Join("conf", "plexus.yaml")+`:3: unknown key "target" of the model "fast"; did you mean "targets"?`)
	require.ErrorContains(t, err, "Caddyfile:3")

	_, err = adaptWithConfig(t, strings.Replace(caddyfile, "conf/plexus.yaml", "missing.yaml", 1), "")
	require.ErrorContains(t, err, "reading the gateway's configuration: ")
	require.ErrorContains(t, err, "missing.yaml")
	require.ErrorContains(t, err, "Caddyfile:3")

	for _, wrong := range []string{"config", "config a.yaml b.yaml"} {
		_, err = adaptWithConfig(t, "{\n\tplexus {\n\t\t"+wrong+"\n\t}\n}\n", "")
		require.ErrorContains(t, err, "Caddyfile:3")
	}
}

func TestConfigPathMayBeAbsolute(t *testing.T) {
	file := filepath.Join(t.TempDir(), "elsewhere.yaml")
	require.NoError(t, os.WriteFile(file, []byte("providers: [{name: openai}]\n"), 0o600))
	adapted, err := adaptWithConfig(t, "{\n\tplexus {\n\t\tconfig "+file+"\n\t}\n}\n", "")
	require.NoError(t, err)
	require.JSONEq(t, `{"providers":[{"name":"openai"}]}`, plexusApp(t, adapted))
}

func TestConfigMergesWithTheCaddyfile(t *testing.T) {
	f := func(options, want string) {
		t.Helper()
		adapted, err := adaptWithConfig(t, "{\n\tplexus {\n"+options+"\n\t}\n}\n", "providers: [{name: openai}]\nserver: {port: 5000}\n")
		if err != nil {
			require.ErrorContains(t, err, want)
			return
		}
		require.JSONEq(t, want, plexusApp(t, adapted))
	}
	f("config conf/plexus.yaml\nprovider groq", `{"providers":[{"name":"openai"},{"name":"groq"}]}`)
	f("provider groq\nconfig conf/plexus.yaml", `{"providers":[{"name":"groq"},{"name":"openai"}]}`)
	f("provider openai\nconfig conf/plexus.yaml", `duplicate provider "openai"`)
	f("config conf/plexus.yaml\nprovider openai", `duplicate provider "openai"`)
	f("config conf/plexus.yaml\nconfig conf/plexus.yaml", `duplicate provider "openai"`)
}

// What a file said of failover took the place of what stood before it, and its prices
// that of a Caddyfile's.
func TestConfigAddsInEitherOrder(t *testing.T) {
	const file = "failover: {first_content: 20s}\npricing: {models: {m: {inputPer1M: 1, outputPer1M: 2}}}\n"
	const config, rest = "config conf/plexus.yaml\n", "failover {\nattempts 2\n}\nprovider ollama {\nmodels {\nm price 5 6\n}\n}\n"
	for _, block := range []string{config + rest, rest + config} {
		adapted, err := adaptWithConfig(t, "{\nplexus {\n"+block+"}\n}\n", file)
		require.NoError(t, err)
		require.JSONEq(t, `{"failover":{"attempts":2,"first_content":20000000000},"providers":[{"name":"ollama","models":[{"name":"m","price":{"input":5,"output":6}}]}]}`, plexusApp(t, adapted))
	}
}

func TestThePriceOfNobodysModelIsWarnedOf(t *testing.T) {
	_, warnings, err := adaptYAML("providers: {ollama: {models: [m]}}\npricing:\n  models:\n    mm: {inputPer1M: 1, outputPer1M: 2}\n    m: {inputPer1M: 1, outputPer1M: 2}\n")
	require.NoError(t, err)
	require.Len(t, warnings, 1)
	require.Equal(t, 4, warnings[0].Line)
	require.Contains(t, warnings[0].Message, `the price of "mm" has no effect: no provider lists this model`)
}

func TestDisabledInYAML(t *testing.T) {
	f := func(says, want string) {
		t.Helper()
		got, _, err := adaptYAML("providers: {ollama: {" + says + "}}")
		require.NoError(t, err)
		require.JSONEq(t, `{"providers":[{"name":"ollama"`+want+`}]}`, plexusApp(t, got))
	}
	f("disabled: true", `,"disabled":true`)
	f("enabled: false", `,"disabled":true`)
	f("disabled: false, enabled: true", "")
}

func TestNoSecretIsShown(t *testing.T) {
	f := func(secret, want string) {
		t.Helper()
		got, _, err := adaptYAML("keys:\n  ci:\n    secret: " + secret + "\n")
		require.NoError(t, err)
		require.JSONEq(t, `{"keys":[{"name":"ci","secret":"`+want+`"}]}`, plexusApp(t, got))
	}
	const hashed = "sha256:fcf730b6d95236ecd3c9fc2d92d7b6b2bb061514961aec041d6c7a7192f592e4"
	f("secret123", hashed)
	f(`"secret123"`, hashed)
	f(hashed, hashed)
	f("${CI_KEY}", "{env.CI_KEY}")
	f(`"{env:CI_KEY}"`, "{env.CI_KEY}")
	f(`"{env.CI_KEY}"`, "{env.CI_KEY}")
	f("sk-${CI_KEY}-x", "sk-{env.CI_KEY}-x")
	f(`"{file./run/secrets/ci}"`, "{file./run/secrets/ci}")
	f("12345678", "sha256:ef797c8118f02dfb649607dd5d3f8c7623048c9c063d532cc95c5ed7a898a64f")
}

func TestEnvironmentVariablesBecomePlaceholders(t *testing.T) {
	f := func(provider, want string) {
		t.Helper()
		got, _, err := adaptYAML("providers:\n  openai: " + provider + "\n")
		require.NoError(t, err, provider)
		require.JSONEq(t, `{"providers":[{"name":"openai",`+want+`}]}`, plexusApp(t, got))
	}
	f(`{api_key: "${KEY}"}`, `"api_key":"{env.KEY}"`)
	f(`{api_key: "{env:KEY}"}`, `"api_key":"{env.KEY}"`)
	f(`{api_key: "{env.KEY}"}`, `"api_key":"{env.KEY}"`)
	f(`{api_key: "${KEY"}`, `"api_key":"${KEY"`)
	f(`{auth: {apiKey: "${KEY}"}}`, `"api_key":"{env.KEY}"`)
	f(`{auth: {apiKeyEnv: KEY, type: bearer}}`, `"api_key":"{env.KEY}","auth":"bearer"`)
	f(`{headers: {X-Team: "a-${TEAM}-{env:UNIT}"}}`, `"header_up":{"set":{"X-Team":["a-{env.TEAM}-{env.UNIT}"]}}`)
	f(`{api_base_url: "${URL}"}`, `"preset":"none","base_url":"{env.URL}"`)
	f(`{baseUrls: {messages: "https://{env:HOST}/v1"}}`, `"preset":"none","base_urls":{"messages":"https://{env.HOST}/v1"}`)
}

func TestProvidersAreLocated(t *testing.T) {
	f := func(name, urls, want string) {
		t.Helper()
		got, _, err := adaptYAML("providers:\n  " + name + ": {" + urls + "}\n")
		require.NoError(t, err, urls)
		require.JSONEq(t, `{"providers":[{"name":"`+name+`"`+want+`}]}`, plexusApp(t, got), urls)
	}
	// At the preset's place the preset stays, with all that it knows.
	f("openai", "", "")
	f("openai", "api_base_url: https://api.openai.com/v1", "")
	f("openai", "api_base_url: https://api.openai.com/v1/", "")
	f("openai", "baseUrls: {chat: https://api.openai.com/v1/chat/completions}", "")
	f("anthropic", "api_base_url: https://api.anthropic.com/v1", "")
	f("anthropic", "baseUrls: {messages: https://api.anthropic.com/v1/messages}", "")
	f("openai", "baseUrls: {chat: https://api.openai.com/v1/chat/completions, responses: https://api.openai.com/v1/responses}", "")
	f("gemini", "api_base_url: https://generativelanguage.googleapis.com", "")
	f("gemini", "baseUrls: {gemini: https://generativelanguage.googleapis.com/v1beta/models}", "")
	// Elsewhere the name is chance.
	f("openai", "api_base_url: https://proxy.example.com/v1", `,"preset":"none","base_url":"https://proxy.example.com/v1"`)
	f("lab", "api_base_url: https://api.anthropic.com/v1", `,"preset":"none","base_urls":{"messages":"https://api.anthropic.com/v1"}`)
	f("lab", "type: Anthropic, api_base_url: https://lab.example.com/v1", `,"preset":"none","base_urls":{"messages":"https://lab.example.com/v1"}`)
	f("lab", "api_base_url: https://lab.example.com/v1, type: Gemini", `,"preset":"none","base_urls":{"gemini":"https://lab.example.com/v1"}`)
	f("lab", "type: [chat, responses], api_base_url: https://lab.example.com/v1",
		`,"preset":"none","base_url":"https://lab.example.com/v1","base_urls":{"responses":"https://lab.example.com/v1"}`)
	// Endpoints become bases.
	for _, path := range []string{"", "/", "/chat/completions", "/completions", "/embeddings", "/models"} {
		f("lab", "baseUrls: {chat: https://lab.example.com/openai/v1"+path+"}", `,"preset":"none","base_url":"https://lab.example.com/openai/v1"`)
	}
	f("lab", "baseUrls: {images: https://lab.example.com/v1/images/generations, audio: https://lab.example.com/v1/audio/speech}",
		`,"preset":"none","base_urls":{"images":"https://lab.example.com/v1","audio":"https://lab.example.com/v1"}`)
	f("lab", "baseUrls: {chat: '${HOST}/v1/chat/completions', gemini: 'https://{env:HOST}/v1beta/models'}",
		`,"preset":"none","base_url":"{env.HOST}/v1","base_urls":{"gemini":"https://{env.HOST}/v1beta"}`)
	f("lab", "baseUrls: {chat: https://lab.example.com/messages-app/v1}", `,"preset":"none","base_url":"https://lab.example.com/messages-app/v1"`)
}

func TestPricesThatAreNotGivenAreUnknown(t *testing.T) {
	f := func(pricing, want string) {
		t.Helper()
		got, _, err := adaptYAML("providers:\n  openai:\n    models:\n      m: {pricing: " + pricing + "}\n")
		require.NoError(t, err, pricing)
		require.JSONEq(t, `{"providers":[{"name":"openai","models":[`+want+`]}]}`, plexusApp(t, got), pricing)
	}
	f("{input: 2.5, output: 10}", `{"name":"m","price":{"input":2.5,"output":10}}`)
	f("{source: simple, input: 0.02}", `{"name":"m","price":{"input":0.02,"output":0}}`)
	f("{source: simple, input: 0, output: 0}", `{"name":"m","price":{"input":0,"output":0}}`)
	f("{input: 3, output: 15, cached: 0.3, cache_write: 3.75}", `{"name":"m","price":{"input":3,"output":15,"cache_read":0.3,"cache_write":3.75}}`)
	f("{input: 3, cached: 0}", `{"name":"m","price":{"input":3,"output":0,"cache_read":0}}`)
	f("{input: 3, cached: ~}", `{"name":"m","price":{"input":3,"output":0}}`)
	f("{cached: 0.3}", `"m"`)
	f("{source: simple}", `"m"`)
	f("{}", `"m"`)
	f("", `"m"`)
	f("{source: openrouter, slug: openai/m}", `"m"`)
	f("{source: per_request, amount: 0.04}", `"m"`)
}

func TestYAMLOfLimits(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		got, _, err := adaptYAML(body)
		if err != nil {
			require.ErrorContains(t, err, want)
			return
		}
		require.JSONEq(t, want, plexusApp(t, got), body)
	}
	provider := func(fields, want string) {
		t.Helper()
		f("providers:\n  openai: {"+fields+"}\n", `{"providers":[{"name":"openai",`+want+`}]}`)
	}
	provider("max_concurrency: 5, rpm: 10, tpm: 1000, no_learned_limits: true", `"max_concurrency":5,"rpm":10,"tpm":1000,"no_learned_limits":true`)
	provider("maxConcurrency: 5", `"max_concurrency":5`)
	provider("models: {m: {maxConcurrency: 2}, n: {max_concurrency: 3}}", `"models":[{"name":"m","max_concurrency":2},{"name":"n","max_concurrency":3}]`)
	provider(`api_key: ["{env.A}", {api_key: "{env.B}", rpm: 5, tpm: 6}]`, `"credentials":[{"api_key":"{env.A}"},{"api_key":"{env.B}","rpm":5,"tpm":6}]`)
	f("queue: off", `{"queue":{"off":true}}`)
	f("queue: {size: 5, deadline: 2s}", `{"queue":{"size":5,"deadline":2000000000}}`)
	model := "providers: [{name: openai}]\nmodels:\n  fast:\n    queue: {size: 5}\n    targets: [{provider: openai, model: m, max_concurrency: 4}]\n"
	f(model, `{"providers":[{"name":"openai"}],"models":[{"alias":"fast","queue":{"size":5},"targets":[{"provider":"openai","model":"m","max_concurrency":4}]}]}`)
	f("queue: 5", "plexus.yaml:1: queue: expected off, or a mapping of size and deadline")
	f("queue: {size: 0}", "plexus.yaml:1: size: expected a number of at least 1, got 0")
	f("queue: {deadline: soon}", `plexus.yaml:1: deadline: expected a duration such as 20s, got "soon"`)
	f("queue: {length: 1}", `plexus.yaml:1: unknown key "length" of queue`)
	f("providers:\n  openai: {rpm: -1}", "plexus.yaml:2: rpm: expected a number of at least 1, got -1")
	f("providers:\n  openai: {rpm: 1.5}", "plexus.yaml:2: rpm: expected a whole number, got 1.5")
	f("failover: {attempts: 0}", "plexus.yaml:1: attempts: expected a number of at least 1, got 0")
	f("failover: {attempts: 2.5}", "plexus.yaml:1: attempts: expected a whole number, got 2.5")
	f("providers:\n  openai: {tpm: many}", "plexus.yaml:2: tpm: expected a number")
}

func TestWhereTheAdapterListens(t *testing.T) {
	f := func(server, want string) {
		t.Helper()
		got, _, err := adaptYAML("server: " + server + "\n")
		require.NoError(t, err)
		var parsed struct {
			Apps struct {
				HTTP struct {
					Servers map[string]struct{ Listen []string }
				}
			}
		}
		require.NoError(t, json.Unmarshal([]byte(got), &parsed))
		require.Equal(t, []string{want}, parsed.Apps.HTTP.Servers["plexus"].Listen)
	}
	f("", ":4000")
	f("{}", ":4000")
	f("{port: 8080}", ":8080")
	f("{port: 65535, host: 127.0.0.1}", "127.0.0.1:65535")
	f("{host: \"::1\"}", "[::1]:4000")
	f("{host: localhost, port: 1}", "localhost:1")
}

func TestAnEmptyFileIsAnEmptyGateway(t *testing.T) {
	for _, body := range []string{"", "# nothing yet\n", "{}", "models:\nproviders:\nkeys:\n", "providers: []\nmodels: {}\n"} {
		got, warnings, err := adaptYAML(body)
		require.NoError(t, err, body)
		require.Empty(t, warnings, body)
		require.JSONEq(t, `{}`, plexusApp(t, got), body)
	}
}

func TestTheFileNeedsNoName(t *testing.T) {
	_, _, err := caddyconfig.GetAdapter("plexus").Adapt([]byte("model: {}"), nil)
	require.ErrorContains(t, err, "plexus.yaml:1: ")
}

func TestIgnoredKeysAreWarnedOf(t *testing.T) {
	f := func(body string, line int, message string) {
		t.Helper()
		_, warnings, err := adaptYAML(body)
		require.NoError(t, err, body)
		require.Equal(t, []caddyconfig.Warning{{File: "plexus.yaml", Line: line, Message: message}}, warnings, body)
	}
	f("models: {}\nfailover: {enabled: true}\n", 2, `"enabled" of failover has no effect in Plexus`)
	f("adminKey: x\n", 1, `"adminKey" of the gateway has no effect in Plexus`)
	f("providers:\n  openai:\n    cooldown: {enabled: true}\n", 3, `"cooldown" of a provider has no effect in Plexus`)
	f("providers:\n  openai:\n    discount: 0.1\n", 3, `"discount" of a provider has no effect in Plexus`)
	f("providers:\n  openai:\n    models:\n      m:\n        type: embeddings\n", 5, `"type" of a provider's model has no effect in Plexus`)
	f("providers:\n  openai:\n    models:\n      m:\n        pricing:\n          cached: 1\n", 6, `a price of caches alone has no effect in Plexus`)
	f("providers:\n  openai:\n    models:\n      m:\n        pricing:\n          source: simple\n          slug: x\n", 7, `"slug" of a price has no effect in Plexus`)
	f("pricing:\n  models:\n    m:\n      cachedPer1M: 1\n", 4, `a price of caches alone has no effect in Plexus`)
	f("pricing:\n  models:\n    m:\n      reasoningPer1M: 1\n", 4, `"reasoningPer1M" of a price has no effect in Plexus`)
	f("pricing:\n  discounts: {}\n", 2, `"discounts" of pricing has no effect in Plexus`)
	f("models:\n  fast:\n    sticky_session: true\n", 3, `"sticky_session" of a model has no effect in Plexus`)
	f("keys:\n  ci:\n    secret: x\n    quota: basic\n", 4, `"quota" of a key has no effect in Plexus`)
}

func TestAnchors(t *testing.T) {
	f := func(body, want string) {
		t.Helper()
		got, _, err := adaptYAML(body)
		require.NoError(t, err, body)
		require.JSONEq(t, want, plexusApp(t, got), body)
	}
	f("providers:\n  openai: &one\n    models: &names [a, b]\n  groq: *one\n  mistral: {models: *names}\n",
		`{"providers":[{"name":"openai","models":["a","b"]},{"name":"groq","models":["a","b"]},{"name":"mistral","models":["a","b"]}]}`)
	f("models:\n  - alias: &name fast\n    targets: [&t {provider: a, model: b}]\n  - alias: smart\n    description: *name\n    targets: [*t]\n",
		`{"models":[{"alias":"fast","targets":[{"provider":"a","model":"b"}]},{"alias":"smart","description":"fast","targets":[{"provider":"a","model":"b"}]}]}`)
	f("models:\n  &n fast: {description: *n}\n  x: {targets: [{provider: *n, model: *n}]}\n",
		`{"models":[{"alias":"fast","description":"fast","targets":null},{"alias":"x","targets":[{"provider":"fast","model":"fast"}]}]}`)
	f("keys:\n  a: {secret: &s '${K}'}\nproviders:\n  *s : {api_base_url: https://a.example.com/v1}\n",
		`{"keys":[{"name":"a","secret":"{env.K}"}],"providers":[{"name":"${K}","preset":"none","base_url":"https://a.example.com/v1"}]}`)

	refused := func(body, want string) {
		t.Helper()
		_, _, err := adaptYAML(body)
		require.ErrorContains(t, err, want, body)
	}
	refused("models: &m\n  fast: *m\n", `plexus.yaml:2: unknown key "fast" of the model "fast"`)
	refused("models: &m\n  - *m\n", `plexus.yaml:1: expected an item with the key "alias"`)
	refused("providers:\n  openai: {extraBody: &b {x: *b}}\n", "plexus.yaml:2: extraBody: ")
	refused("providers:\n  openai: &o {enabled: true}\n  groq:\n    <<: *o\n", `plexus.yaml:4: unknown key "<<" of the provider "groq"`)
}

func FuzzYAML(f *testing.F) {
	for _, name := range []string{"list.yaml", "map.yaml", "seed_weights.yaml", "seed_providers.yaml"} {
		raw, err := os.ReadFile(filepath.Join("testdata", "yaml", name))
		require.NoError(f, err)
		f.Add(string(raw))
	}
	for _, seed := range []string{
		"a: &a [*a]\n", "models: &m\n  fast: *m\n", "providers: [{name: x, extraBody: {a: .nan}}]", "models: {}\n---\n", "? {a: b}\n: c\n", "\"\": !!binary x\n",
		"models: {f: {targets: [{provider: a, model: b, weight: .inf}]}}", "pricing: {models: {m: {inputPer1M: 1e309}}}", "<<: {}\n", "%YAML 9.9\n---\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, _, err := adaptYAML(body)
		if err != nil {
			require.True(t, strings.HasPrefix(err.Error(), "plexus.yaml:"), "%q", err)
			return
		}
		require.True(t, json.Valid([]byte(got)))
	})
}
