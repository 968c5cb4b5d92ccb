package plexus

import "fmt"

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
