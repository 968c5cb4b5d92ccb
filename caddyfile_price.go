package plexus

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/caddy-plexus/plexus/prices"
)

// parsePrice parses two prices, and those of caches by their names.
func parsePrice(d *caddyfile.Dispenser) (*Price, error) {
	args := d.RemainingArgs()
	if len(args) < 2 {
		return nil, d.Errf("expected two prices in USD per million tokens, for input and for output")
	}
	p := new(Price)
	for i, to := range []*float64{&p.Input, &p.Output} {
		if err := parseUSD(d, args[i], to); err != nil {
			return nil, err
		}
	}
	for rest := args[2:]; len(rest) > 0; rest = rest[2:] {
		to := p.ofCache(rest[0])
		switch {
		case to == nil:
			return nil, d.Errf("unrecognized price %q (allowed here: cache_read, cache_write, cache_write_1h)", rest[0])
		case *to != nil:
			return nil, d.Errf("the price %q stands twice", rest[0])
		case len(rest) == 1:
			return nil, d.Errf("expected a price in USD per million tokens behind %q", rest[0])
		}
		*to = new(float64)
		if err := parseUSD(d, rest[1], *to); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func parseUSD(d *caddyfile.Dispenser, text string, to *float64) error {
	price, err := strconv.ParseFloat(text, 64)
	if err == nil {
		_, err = prices.RateOf(price)
	}
	if err != nil {
		return d.Errf("expected a price in USD per million tokens, got %q", text)
	}
	*to = price
	return nil
}
