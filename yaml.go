package plexus

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"

	"github.com/caddy-plexus/plexus/prices"
)

// yamlReader reads a gateway from YAML, in either of two dialects: lists of
// `- name:` and `- alias:` with camelCase keys, and maps with snake_case keys.
// Keys of both are understood everywhere. It walks the nodes itself, so that
// every error says the line, and an unknown key is an error.
type yamlReader struct {
	file     string
	gateway  *Gateway
	host     string
	port     int
	prices   map[string]*Price
	priced   map[string]int // the lines of the above
	others   int            // the providers of the Caddyfile
	warnings []yamlWarning
	// listens is the line of what says where the config adapter listens.
	listens int
}

type yamlWarning struct {
	line int
	text string
}

// yamlFields are the keys that a mapping may hold.
type yamlFields map[string]func(*yaml.Node) error

// readYAML adds what a YAML file says to a gateway.
func readYAML(file string, body io.Reader, g *Gateway) (*yamlReader, error) {
	y := &yamlReader{file: file, gateway: g, prices: map[string]*Price{}, priced: map[string]int{}, others: len(g.Providers)}
	var doc, more yaml.Node
	decoder := yaml.NewDecoder(body)
	err := decoder.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return y, nil
	}
	if err == nil {
		if err = decoder.Decode(&more); err == nil {
			return nil, y.fail(&more, "there is a second document; put everything into one")
		}
	}
	if !errors.Is(err, io.EOF) {
		// yaml.v3 says "yaml: line 3: …".
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		if rest, ok := strings.CutPrefix(text, "line "); ok {
			return nil, fmt.Errorf("%s:%s", file, rest)
		}
		return nil, fmt.Errorf("%s: %s", file, text)
	}
	if err := y.unique(&doc); err != nil {
		return nil, err
	}
	fields := yamlFields{
		"providers":  y.eachOf("name", y.provider),
		"models":     y.eachOf("alias", y.model),
		"keys":       y.eachOf("name", y.key),
		"apiKeys":    y.eachOf("name", y.key),
		"server":     y.server,
		"pricing":    y.pricing,
		"failover":   y.failover("the gateway", &y.gateway.Failover),
		"keep_alive": y.switched("keep_alive", &y.gateway.KeepAlive),
		"queue":      y.queue(&g.Queue),
	}
	y.ignore(fields, "the gateway", "adminKey", "admin", "backgroundExploration", "compaction", "cooldown", "database",
		"default_quotas", "e2ePerformanceExplorationRate", "events", "latencyExplorationRate", "logging",
		"mcpOAuth", "mcp_servers", "performanceExplorationRate", "resilience", "stall", "timeout", "user_quotas", "vision_fallthrough")
	if err := y.mapping(doc.Content[0], "the file", fields); err != nil {
		return nil, err
	}
	y.putPrices()
	return y, nil
}

func (y *yamlReader) fail(n *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", y.file, n.Line, fmt.Sprintf(format, args...))
}

// ignore accepts keys that the dialects have and that mean nothing here, with a
// warning, since who wrote them expected something of them.
func (y *yamlReader) ignore(fields yamlFields, what string, keys ...string) {
	for _, key := range keys {
		fields[key] = func(n *yaml.Node) error {
			y.warnings = append(y.warnings, yamlWarning{n.Line, fmt.Sprintf("%q of %s has no effect in Plexus", key, what)})
			return nil
		}
	}
}

// unique checks that no mapping has a key twice.
func (y *yamlReader) unique(n *yaml.Node) error {
	seen := map[string]bool{}
	for i, child := range n.Content {
		if n.Kind == yaml.MappingNode && i%2 == 0 && child.Kind == yaml.ScalarNode {
			if seen[child.Value] {
				return y.fail(child, "duplicate key %q", child.Value)
			}
			seen[child.Value] = true
		}
		if err := y.unique(child); err != nil {
			return err
		}
	}
	return nil
}

// mapping goes through a mapping's keys.
func (y *yamlReader) mapping(n *yaml.Node, what string, fields yamlFields) error {
	n = resolve(n)
	if n.Kind != yaml.MappingNode {
		return y.fail(n, "expected %s to be a mapping of keys to values", what)
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), resolve(n.Content[i+1])
		parse := fields[key.Value]
		if parse == nil {
			return y.fail(n.Content[i], "unknown key %q of %s%s", key.Value, what, didYouMean(key.Value, sortedKeys(fields)))
		}
		if value.Tag == "!!null" {
			continue
		}
		if err := parse(value); err != nil {
			return err
		}
	}
	return nil
}

func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

// eachOf reads a collection that is a list whose items name themselves by a key,
// if there is such a key, or a mapping by name.
func (y *yamlReader) eachOf(nameKey string, read func(n *yaml.Node, name string) error) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		switch {
		case n.Kind == yaml.SequenceNode && nameKey != "":
			for _, item := range n.Content {
				item = resolve(item)
				name := ""
				if item.Kind == yaml.MappingNode {
					for i := 0; i+1 < len(item.Content); i += 2 {
						if item.Content[i].Value == nameKey {
							name = resolve(item.Content[i+1]).Value
						}
					}
				}
				if name == "" {
					return y.fail(item, "expected an item with the key %q", nameKey)
				}
				if err := read(item, name); err != nil {
					return err
				}
			}
			return nil
		case n.Kind == yaml.MappingNode:
			for i := 0; i+1 < len(n.Content); i += 2 {
				if err := read(resolve(n.Content[i+1]), resolve(n.Content[i]).Value); err != nil {
					return err
				}
			}
			return nil
		case nameKey == "":
			return y.fail(n, "expected a mapping by name")
		default:
			return y.fail(n, "expected a list, or a mapping by name")
		}
	}
}

// decode reads a scalar, or whatever else fits the type of its destination.
func (y *yamlReader) decode(what string, to any) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := n.Decode(to); err != nil {
			return y.fail(n, "%s: expected %s", what, kindOf(to))
		}
		return nil
	}
}

// count reads a number of at least 1.
func (y *yamlReader) count(what string, to *int) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Tag == "!!float" { // yaml.v3 would cut it
			return y.fail(n, "%s: expected a whole number, got %s", what, n.Value)
		}
		if err := y.decode(what, to)(n); err != nil {
			return err
		}
		if *to < 1 {
			return y.fail(n, "%s: expected a number of at least 1, got %d", what, *to)
		}
		return nil
	}
}

// queue reads where requests wait: `off`, or a mapping.
func (y *yamlReader) queue(to **Queue) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		*to = new(Queue)
		if n.Kind == yaml.ScalarNode {
			if (*to).Off = isOff(n); !(*to).Off {
				return y.fail(n, "queue: expected off, or a mapping of size and deadline")
			}
			return nil
		}
		return y.mapping(n, "queue", yamlFields{
			"size":     y.count("size", &(*to).Size),
			"deadline": y.duration("deadline", &(*to).Deadline),
		})
	}
}

func kindOf(to any) string {
	switch to.(type) {
	case *string:
		return "a text"
	case *bool:
		return "true or false"
	case *int, *int64, *float64:
		return "a number"
	case *[]string:
		return "a list of texts"
	default:
		return "a mapping"
	}
}

// price reads USD per million tokens. YAML has numbers that are none in JSON.
func (y *yamlReader) price(what string, to *float64) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := y.decode(what, to)(n); err != nil {
			return err
		}
		if _, err := prices.RateOf(*to); err != nil {
			return y.fail(n, "%s: expected a price in USD per million tokens, got %s", what, n.Value)
		}
		return nil
	}
}

// cachePrice reads the price of tokens that are read from a cache or written to
// one.
func (y *yamlReader) cachePrice(what string, to **float64) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		price := new(float64)
		*to = price
		return y.price(what, price)(n)
	}
}

// secret reads a credential.
func (y *yamlReader) secret(what string, to *string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := y.decode(what, to)(n); err != nil {
			return err
		}
		*to = placeholders(*to)
		return nil
	}
}

// envVariable is an environment variable as the dialects write it.
var envVariable = regexp.MustCompile(`\$\{(\w+)\}|\{env:(\w+)\}`)

// placeholders puts Caddy's placeholders in place of environment variables.
func placeholders(text string) string {
	return envVariable.ReplaceAllString(text, "{env.$1$2}")
}

// server says where the config adapter listens.
func (y *yamlReader) server(n *yaml.Node) error {
	y.listens = n.Line
	return y.mapping(n, "server", yamlFields{
		"port": func(n *yaml.Node) error {
			if err := y.decode("port", &y.port)(n); err != nil {
				return err
			}
			if y.port < 1 || y.port > 65535 {
				return y.fail(n, "port: expected a number from 1 to 65535, got %d", y.port)
			}
			return nil
		},
		"host": y.decode("host", &y.host),
	})
}

// key reads what a client authenticates with.
func (y *yamlReader) key(n *yaml.Node, name string) error {
	k := &Key{Name: name}
	enabled := true
	fields := yamlFields{
		"name":           y.decode("name", &k.Name),
		"secret":         y.secret("secret", &k.Secret),
		"enabled":        y.decode("enabled", &enabled),
		"models":         y.decode("models", &k.Models),
		"allowed_models": y.decode("allowed_models", &k.Models),
		"allowedModels":  y.decode("allowedModels", &k.Models),
		"expiresAt":      y.decode("expiresAt", &k.Expires),
		"expires":        y.decode("expires", &k.Expires),
	}
	y.ignore(fields, "a key", "comment", "quota", "quotas")
	if err := y.mapping(n, fmt.Sprintf("the key %q", name), fields); err != nil {
		return err
	}
	if k.Secret == "" {
		return y.fail(n, "the key %q has no secret", name)
	}
	k.Disabled = !enabled
	k.Secret = hideSecret(k.Secret)
	y.gateway.Keys = append(y.gateway.Keys, k)
	return nil
}
