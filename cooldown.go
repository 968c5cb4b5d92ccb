package plexus

import (
	"cmp"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Cooldown is how long a target is left alone after failures that are its own
// fault, and after how many of them. It holds for each model of a provider, and
// for its credential.
type Cooldown struct {
	// Never leaves a target alone. Default: `false`.
	Off bool `json:"off,omitempty"`
	// The pause after a first failure. It doubles with each attempt after a
	// pause that fails again, less up to a fifth by chance, and is never
	// shorter than the provider asks for. Default: `10s`.
	Initial caddy.Duration `json:"initial,omitempty"`
	// The longest pause, whatever the provider asks for. Default: `5m`.
	Max caddy.Duration `json:"max,omitempty"`
	// How many failures among the latest attempts it takes to leave a target
	// alone while there is another. Default: `1`.
	Failures int `json:"failures,omitempty"`
	// When to leave a target alone although there is no other. Default: when 9
	// of its latest 10 attempts failed.
	LastStanding *LastStanding `json:"last_standing,omitempty"`

	chance func() float64
}

// LastStanding is when a target is left alone although every other one is, too,
// or there is none: a hiccup is better passed on than turned into an outage.
type LastStanding struct {
	// The share of the latest attempts that failed, above 0 and up to 1.
	// Default: `0.9`.
	Share float64 `json:"share,omitempty"`
	// How many attempts these are, at most 64. Those that have not been made
	// yet count as good ones. Default: `10`.
	Of int `json:"of,omitempty"`
}

const (
	defaultCooldown    = 10 * time.Second
	defaultMaxCooldown = 5 * time.Minute
	defaultShare       = 0.9
	defaultOf          = 10
	// mostOf is how many attempts a breaker remembers, a bit each.
	mostOf = 64
	// jitter is the share of a pause that chance may take off it, so that many
	// gateways do not come back in the same moment.
	jitter = 0.2
)

func (c *Cooldown) validate() error {
	if c == nil {
		return nil
	}
	of := defaultOf
	if l := c.LastStanding; l != nil {
		if !(l.Share >= 0 && l.Share <= 1) {
			return fmt.Errorf("cooldown: last_standing: expected a share up to 100%%, got %v", l.Share)
		}
		if l.Of < 0 || l.Of > mostOf {
			return fmt.Errorf("cooldown: last_standing: expected 1 to %d attempts, got %d", mostOf, l.Of)
		}
		if l.Of > 0 {
			of = l.Of
		}
	}
	switch {
	case c.Initial < 0:
		return fmt.Errorf("cooldown: initial: expected a positive duration, got %s", time.Duration(c.Initial))
	case c.Max < 0:
		return fmt.Errorf("cooldown: max: expected a positive duration, got %s", time.Duration(c.Max))
	case c.Max > 0 && c.Initial > c.Max:
		return fmt.Errorf("cooldown: the initial pause %s is longer than the longest, %s", time.Duration(c.Initial), time.Duration(c.Max))
	case c.Failures < 0 || c.Failures > of:
		return fmt.Errorf("cooldown: failures: expected 1 to %d, the attempts that are looked at, got %d", of, c.Failures)
	}
	return nil
}

// complete is c with the defaults where it leaves something open.
func (c *Cooldown) complete() Cooldown {
	var out Cooldown
	if c != nil {
		out = *c
	}
	if out.Initial == 0 {
		out.Initial = caddy.Duration(defaultCooldown)
		if out.Max > 0 {
			out.Initial = min(out.Initial, out.Max)
		}
	}
	if out.Max == 0 {
		out.Max = max(out.Initial, caddy.Duration(defaultMaxCooldown))
	}
	out.Failures = cmp.Or(out.Failures, 1)
	var last LastStanding
	if out.LastStanding != nil {
		last = *out.LastStanding
	}
	out.LastStanding = &LastStanding{Share: cmp.Or(last.Share, defaultShare), Of: cmp.Or(last.Of, defaultOf)}
	if out.chance == nil {
		out.chance = rand.Float64
	}
	return out
}

// pause is how long to stay away after so many pauses that were not enough, this
// one included:
//
//	initial × 2^(pauses−1) × (1 − chance/5)
//
// at least the floor that the provider asks for, at most the longest.
func (c *Cooldown) pause(pauses int64, floor time.Duration) time.Duration {
	pause, longest := time.Duration(c.Initial), time.Duration(c.Max)
	for i := int64(1); i < pauses && pause < longest; i++ {
		pause *= 2
	}
	pause = min(pause, longest)
	pause -= time.Duration(float64(pause) * jitter * c.chance())
	return min(max(pause, floor), longest)
}

// failed counts the failures among the latest attempts.
func (c *Cooldown) failed(recent uint64) int {
	return bits.OnesCount64(recent & (^uint64(0) >> (mostOf - c.LastStanding.Of)))
}

// broken tells whether so many of the latest attempts failed that even the last
// one standing is left alone.
func (c *Cooldown) broken(recent uint64) bool {
	return float64(c.failed(recent)) >= c.LastStanding.Share*float64(c.LastStanding.Of)-1e-9
}
