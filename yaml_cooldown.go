package plexus

import (
	"slices"

	"gopkg.in/yaml.v3"
)

// cooldown reads how long targets of a provider are left alone: `off`, or a
// mapping. The dialects have a cooldown of their own, with other members, which
// means nothing here.
func (y *yamlReader) cooldown(p *Provider) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		c := new(Cooldown)
		last := new(LastStanding)
		fields := yamlFields{
			"initial":  y.duration("initial", &c.Initial),
			"max":      y.duration("max", &c.Max),
			"failures": y.count("failures", &c.Failures),
			"last_standing": func(n *yaml.Node) error {
				c.LastStanding = last
				return y.mapping(n, "last_standing", yamlFields{"share": y.decode("share", &last.Share), "of": y.count("of", &last.Of)})
			},
		}
		if isOff(n) {
			c.Off, p.Cooldown = true, c
			return nil
		}
		ours := func(key *yaml.Node) bool { return fields[key.Value] != nil }
		if n.Kind == yaml.MappingNode && !slices.ContainsFunc(n.Content, ours) {
			ignored := yamlFields{}
			y.ignore(ignored, "a provider", "cooldown")
			return ignored["cooldown"](n)
		}
		if err := y.mapping(n, "a cooldown", fields); err != nil {
			return err
		}
		if err := c.validate(); err != nil {
			return y.fail(n, "%v", err)
		}
		p.Cooldown = c
		return nil
	}
}
