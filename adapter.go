package plexus

import (
	"bytes"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"
)

func init() {
	caddyconfig.RegisterAdapter("plexus", Adapter{})
}

// defaultPort is where the config adapter listens.
const defaultPort = 4000

// Adapter turns a gateway's YAML into a whole Caddy configuration: one server
// on port 4000, or where the file's `server` says, that is the gateway.
type Adapter struct{}

// Adapt implements caddyconfig.Adapter.
func (Adapter) Adapt(body []byte, options map[string]any) ([]byte, []caddyconfig.Warning, error) {
	file, _ := options["filename"].(string)
	if file == "" {
		file = "plexus.yaml"
	}
	app := new(App)
	y, err := readYAML(file, bytes.NewReader(body), &app.Gateway)
	if err != nil {
		return nil, nil, err
	}
	if len(app.Providers) > 0 { // else it is a part of a configuration
		if err := app.checkTargets(true); err != nil {
			return nil, nil, err
		}
	}
	var warnings []caddyconfig.Warning
	for _, w := range y.warnings {
		warnings = append(warnings, caddyconfig.Warning{File: file, Line: w.line, Message: w.text})
	}
	if y.port == 0 {
		y.port = defaultPort
	}
	config := map[string]any{
		"logging": map[string]any{"logs": map[string]any{"default": map[string]any{"encoder": logFormat()}}},
		"apps": map[string]any{
			"http": map[string]any{"servers": map[string]any{"plexus": map[string]any{
				"listen": []string{net.JoinHostPort(y.host, strconv.Itoa(y.port))},
				"routes": []any{map[string]any{"handle": []any{
					map[string]any{"handler": "plexus"},
					// Without it Caddy answers 200, with nothing, where no path matches.
					map[string]any{"handler": "static_response", "status_code": http.StatusNotFound, "body": "Not found"},
				}}},
			}}},
			"plexus": app,
		},
	}
	return caddyconfig.JSON(config, &warnings), warnings, nil
}

// logFormat is what README shows, in JSON: Caddy logs requests with all of their
// headers but a few, and keys come in others too.
func logFormat() map[string]any {
	fields := map[string]any{
		"request>uri": map[string]any{"filter": "query", "actions": []any{
			map[string]any{"type": "replace", "parameter": "key", "value": "REDACTED"},
		}},
	}
	// The last is what forward_auth tells of the URI.
	for _, header := range []string{"X-Api-Key", "X-Goog-Api-Key", "Api-Key", "X-Forwarded-Uri"} {
		fields["request>headers>"+header] = map[string]any{"filter": "delete"}
	}
	return map[string]any{"format": "filter", "fields": fields}
}

// parseConfig parses `config <file>`, which adds what a YAML file says. It is
// read here, while adapting, so that the configuration is complete in itself.
func (g *Gateway) parseConfig(d *caddyfile.Dispenser) error {
	var file string
	if !d.AllArgs(&file) {
		return d.ArgErr()
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(filepath.Dir(d.File()), file)
	}
	body, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return d.Errf("reading the gateway's configuration: %v", err)
	}
	y, err := readYAML(file, bytes.NewReader(body), g)
	if err != nil {
		return d.WrapErr(err)
	}
	if y.listens > 0 {
		y.warnings = append(y.warnings, yamlWarning{y.listens, "\"server\" has no effect here; the Caddyfile's sites say where to listen"})
	}
	for _, w := range y.warnings {
		caddy.Log().Named("plexus").Warn(w.text, zap.String("file", file), zap.Int("line", w.line))
	}
	return nil
}

// Interface guard
var _ caddyconfig.Adapter = Adapter{}
