package plexus

import (
	"cmp"
	"fmt"
)

// checkLimits checks the provider's bounds.
func (p *Provider) checkLimits() error {
	for name, n := range map[string]int{"max_concurrency": p.MaxConcurrency, "rpm": p.RPM, "tpm": p.TPM} {
		if n < 0 {
			return fmt.Errorf("%s: expected a number of at least 1, got %d", name, n)
		}
	}
	for _, m := range p.Models {
		if m.MaxConcurrency < 0 {
			return fmt.Errorf("model %q: max_concurrency: expected a number of at least 1, got %d", m.Name, m.MaxConcurrency)
		}
	}
	return nil
}

// newGate is what a request has to pass to ask for a model with a credential. An
// alias may have a bound of its own for the requests under way there.
func (p *Provider) newGate(c *Credential, model string, most int) *gate {
	for _, m := range p.Models {
		if m.Name == model {
			most = least(most, m.MaxConcurrency)
		}
	}
	bounds := gate{most: most, rpm: int64(cmp.Or(c.RPM, p.RPM)), tpm: int64(cmp.Or(c.TPM, p.TPM))}
	if p.MaxConcurrency > 0 || most > 0 || bounds.rpm > 0 || bounds.tpm > 0 {
		p.bounded.counts = true
	}
	// Models that nobody listed share a state: what is said of one is not heeded,
	// or another would suffer for it.
	return p.limiter.gate(p.bounded, model, c.digest, bounds, !p.NoLearnedLimits && model != "")
}

// least is the smaller of two bounds, of which 0 is none.
func least(a, b int) int {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// describe says what keeps a request out of a lane.
func (g *gate) describe(want tally, now int64) string {
	l := g.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case g.most > 0 && g.target.taken >= g.most:
		return fmt.Sprintf("%d of %d requests under way", g.target.taken, g.most)
	case g.bounded.most > 0 && l.places.taken >= g.bounded.most:
		return fmt.Sprintf("%d of %d requests under way at the provider", l.places.taken, g.bounded.most)
	case g.requestsOpen(now) > now:
		return fmt.Sprintf("%d of %d requests in this minute", g.allowance.requests.sum, g.rpm)
	case g.tokensOpen(want, now) > now:
		return fmt.Sprintf("%d of %d tokens in this minute, and about %d wanted", g.allowance.tokens.sum, g.tpm, want.tokens())
	default:
		return "others wait for it"
	}
}
