package plexus

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"gopkg.in/yaml.v3"
)

func (y *yamlReader) model(n *yaml.Node, alias string) error {
	m := &Model{Alias: alias}
	priority := ""
	fields := yamlFields{
		"alias":              y.decode("alias", &m.Alias),
		"description":        y.decode("description", &m.Description),
		"additionalAliases":  y.decode("additionalAliases", &m.AdditionalAliases),
		"additional_aliases": y.decode("additional_aliases", &m.AdditionalAliases),
		"selector":           func(n *yaml.Node) error { return y.selector(n, m) },
		"apiMatch":           y.decode("apiMatch", &m.APIMatch),
		"api_match":          y.decode("api_match", &m.APIMatch),
		"priority":           y.decode("priority", &priority),
		"hedge": func(n *yaml.Node) error {
			text := ""
			if err := y.decode("hedge", &text)(n); err != nil {
				return err
			}
			h, err := newHedge(text)
			if err != nil {
				return y.fail(n, "%v", err)
			}
			m.Hedge = h
			return nil
		},
		"context_overflow": y.contextOverflow(m),
		"contextOverflow":  y.contextOverflow(m),
		"queue":            y.queue(&m.Queue),
		"failover":         y.failover(fmt.Sprintf("the model %q", alias), &m.Failover),
		"keep_alive":       y.switched("keep_alive", &m.KeepAlive),
		"targets": func(n *yaml.Node) error {
			if n.Kind != yaml.SequenceNode {
				return y.fail(n, "targets: expected a list")
			}
			for _, item := range n.Content {
				if err := y.target(item, m); err != nil {
					return err
				}
			}
			return nil
		},
	}
	y.ignore(fields, "a model", "advanced", "compaction", "enforce_limits", "extraBody", "metadata", "pi_model", "preferred_api",
		"sticky_session", "synthetic_safeguard_approval", "type", "use_image_fallthrough")
	if err := y.mapping(n, fmt.Sprintf("the model %q", alias), fields); err != nil {
		return err
	}
	switch priority {
	case "", "selector":
	case "api_match":
		m.APIMatch = true
	default:
		return y.fail(n, "the model %q: priority: expected selector or api_match, got %q", alias, priority)
	}
	y.gateway.Models = append(y.gateway.Models, m)
	return nil
}

// selector reads a strategy: its name, or a mapping of that and its options.
func (y *yamlReader) selector(n *yaml.Node, m *Model) error {
	name, configured := "", map[string]any{}
	if n.Kind == yaml.MappingNode {
		if err := n.Decode(&configured); err != nil {
			return y.fail(n, "the model %q: selector: expected names of options", m.Alias)
		}
		name, _ = configured["strategy"].(string)
		delete(configured, "strategy")
	} else if err := y.decode("selector", &name)(n); err != nil || name == "" {
		return err
	}
	info, err := caddy.GetModule("plexus.selectors." + name)
	if err != nil {
		return y.fail(n, "the model %q: there is no selector %q%s (there are %s)", m.Alias, name,
			didYouMean(name, selectorNames()), strings.Join(selectorNames(), ", "))
	}
	module := info.New()
	if err := caddy.StrictUnmarshalJSON(caddyconfig.JSON(configured, nil), module); err != nil {
		return y.fail(n, "the model %q: selector: %s: %v", m.Alias, name, err)
	}
	m.SelectorRaw = caddyconfig.JSONModuleObject(module, "strategy", name, nil)
	return nil
}

func (y *yamlReader) contextOverflow(m *Model) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := y.decode("context_overflow", &m.ContextOverflow)(n); err != nil {
			return err
		}
		if err := m.checkContextOverflow(); err != nil {
			return y.fail(n, "the model %q: %v", m.Alias, err)
		}
		return nil
	}
}

func (y *yamlReader) target(n *yaml.Node, m *Model) error {
	t := ModelTarget{at: func(err error) error { return y.fail(n, "%v", err) }}
	enabled := true
	err := y.mapping(n, fmt.Sprintf("a target of the model %q", m.Alias), yamlFields{
		"provider":        y.decode("provider", &t.Provider),
		"model":           y.decode("model", &t.Model),
		"alias":           y.decode("alias", &t.Alias),
		"enabled":         y.decode("enabled", &enabled),
		"max_concurrency": y.count("max_concurrency", &t.MaxConcurrency),
		"weight":          y.weight(fmt.Sprintf("the model %q", m.Alias), &t.Weight),
	})
	if err != nil {
		return err
	}
	if t.Alias == "" && (t.Provider == "" || t.Model == "") {
		return y.fail(n, "a target of the model %q needs a provider and a model, or an alias", m.Alias)
	}
	t.Disabled = !enabled
	m.Targets = append(m.Targets, t)
	return nil
}
