package plexus

import (
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"gopkg.in/yaml.v3"
)

// failover reads what to do when a target fails, and by when it has to answer. The
// dialects have other keys of their own there, and only say whether a request
// moves on at all.
func (y *yamlReader) failover(what string, to **Failover) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		f := new(Failover)
		fields := yamlFields{
			"attempts":        y.count("attempts", &f.Attempts),
			"connect":         y.switched("connect", &f.Connect),
			"first_content":   y.duration("first_content", &f.FirstContent),
			"answer":          y.duration("answer", &f.Answer),
			"idle":            y.switched("idle", &f.Idle),
			"total":           y.switched("total", &f.Total),
			"min_output_rate": y.minOutputRate(f),
			"on_status":       y.onStatus(f),
		}
		y.ignore(fields, "failover", "enabled", "retryableErrors", "retryableStatusCodes")
		if err := y.mapping(n, "the failover of "+what, fields); err != nil {
			return err
		}
		if err := f.validate(); err != nil {
			return y.fail(n, "%s: %v", what, err)
		}
		if f.says() {
			f.fill(*to) // what a Caddyfile has said before it
			*to = f
		}
		return nil
	}
}

// says tells whether anything is set.
func (f *Failover) says() bool {
	return f.Attempts != 0 || f.Connect != nil || f.FirstContent != 0 || f.Answer != 0 || f.Idle != nil || f.Total != nil ||
		f.MinOutputRate != nil || f.OnStatus != nil
}

// duration reads a duration in Caddy's words.
func (y *yamlReader) duration(what string, to *caddy.Duration) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		d, err := caddy.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || d <= 0 {
			return y.fail(n, "%s: expected a duration such as 20s, got %q", what, n.Value)
		}
		*to = caddy.Duration(d)
		return nil
	}
}

// switched reads a duration, or off.
func (y *yamlReader) switched(what string, to **caddy.Duration) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		*to = new(caddy.Duration)
		if isOff(n) {
			return nil
		}
		d, err := caddy.ParseDuration(n.Value)
		if n.Kind != yaml.ScalarNode || err != nil || d <= 0 {
			return y.fail(n, "%s: expected a duration such as 20s, or off, got %q", what, n.Value)
		}
		**to = caddy.Duration(d)
		return nil
	}
}

func (y *yamlReader) minOutputRate(f *Failover) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		f.MinOutputRate = new(float64)
		if isOff(n) {
			return nil
		}
		if err := y.decode("min_output_rate", f.MinOutputRate)(n); err != nil || !validRate(*f.MinOutputRate) {
			return y.fail(n, "min_output_rate: expected tokens per second such as 5, or off")
		}
		return nil
	}
}

// isOff tells whether a scalar switches something off: off is a text in YAML 1.2
// and false in 1.1.
func isOff(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && (n.Value == off || n.Value == "0" || n.Value == "false")
}

// onStatus reads a list of statuses such as 418, and of classes such as 4xx.
func (y *yamlReader) onStatus(f *Failover) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		var texts []string
		if err := y.decode("on_status", &texts)(n); err != nil {
			return err
		}
		for _, text := range texts {
			status, ok := parseStatus(text)
			if !ok {
				return y.fail(n, "on_status: expected a status from 300 to 599 such as 418, or a class such as 4xx, got %q", text)
			}
			f.OnStatus = append(f.OnStatus, status)
		}
		return nil
	}
}

// parseStatus reads a status, or the first digit of a class.
func parseStatus(text string) (status int, ok bool) {
	digits, class := strings.CutSuffix(text, "xx")
	status, err := strconv.Atoi(digits)
	return status, err == nil && len(digits) == map[bool]int{true: 1, false: 3}[class] && validOnStatus(status)
}
