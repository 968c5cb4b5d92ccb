package plexus

import (
	"fmt"
	"math"

	"gopkg.in/yaml.v3"
)

// modelPricing reads a price per million tokens. Prices that are looked up or
// tiered are left to the catalog, and unknown where it has none, which is not the
// same as free.
func (y *yamlReader) modelPricing(m *ProviderModel) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		source, price := "simple", notGiven()
		fields := yamlFields{
			"source":      y.decode("source", &source),
			"input":       y.price("input", &price.Input),
			"output":      y.price("output", &price.Output),
			"cached":      y.cachePrice("cached", &price.CacheRead),
			"cache_write": y.cachePrice("cache_write", &price.CacheWrite),
		}
		y.ignore(fields, "a price", "amount", "discount", "range", "slug")
		if err := y.mapping(n, "pricing", fields); err != nil {
			return err
		}
		if source == "simple" {
			m.Price = y.given(n, price)
		}
		return nil
	}
}

// notGiven is a price of which nothing is given yet: one that is left out is not
// one of zero.
func notGiven() *Price { return &Price{Input: math.NaN(), Output: math.NaN()} }

// given is the price, or nil where neither of its main parts is given. Where only
// one is, the other is free: embeddings have no output.
func (y *yamlReader) given(n *yaml.Node, p *Price) *Price {
	if math.IsNaN(p.Input) && math.IsNaN(p.Output) {
		if p.CacheRead != nil || p.CacheWrite != nil {
			y.warnings = append(y.warnings, yamlWarning{n.Line, "a price of caches alone has no effect in Plexus"})
		}
		return nil
	}
	for _, part := range []*float64{&p.Input, &p.Output} {
		if math.IsNaN(*part) {
			*part = 0
		}
	}
	return p
}

// pricing reads the list dialect's prices, which stand by model beside the
// providers. They are put in place when everything is read.
func (y *yamlReader) pricing(n *yaml.Node) error {
	fields := yamlFields{
		"models": y.eachOf("", func(n *yaml.Node, name string) error {
			price := notGiven()
			fields := yamlFields{
				"inputPer1M":  y.price("inputPer1M", &price.Input),
				"outputPer1M": y.price("outputPer1M", &price.Output),
				"cachedPer1M": y.cachePrice("cachedPer1M", &price.CacheRead),
			}
			y.ignore(fields, "a price", "reasoningPer1M")
			if err := y.mapping(n, "a price", fields); err != nil {
				return err
			}
			if y.prices[name] = y.given(n, price); y.prices[name] != nil {
				y.priced[name] = n.Line
			}
			return nil
		}),
	}
	y.ignore(fields, "pricing", "discounts", "openrouter", "tiered")
	return y.mapping(n, "pricing", fields)
}

func (y *yamlReader) putPrices() {
	for _, p := range y.gateway.Providers[y.others:] {
		for i := range p.Models {
			name := p.Models[i].Name
			if price := y.prices[name]; price != nil {
				p.Models[i].Price = price
			}
			delete(y.priced, name)
		}
	}
	for _, name := range sortedKeys(y.priced) {
		y.warnings = append(y.warnings, yamlWarning{y.priced[name], fmt.Sprintf("the price of %q has no effect: no provider lists this model", name)})
	}
}
