package plexus

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/cespare/xxhash/v2"
)

func init() {
	caddy.RegisterModule(Sticky{})
}

// Sticky keeps a conversation on its target, so that the provider finds the prompt
// in its cache. Conversations are spread by weight. The order is the same in every
// process and after every reload, since nothing is remembered: each target is
// ranked by
//
//	-ln(u) / weight     u = hash of the conversation and the target, from 0 to 1
//
// the smallest first (weighted rendezvous hashing). When a target fails or is left
// alone, its conversations go to the next of their own rankings, which spreads them
// over all the others; no other conversation moves. They return when it is back.
//
// What has no conversation, such as embeddings, is spread by chance and weight.
type Sticky struct {
	// What tells conversations apart. `prefix`: what stays the same through all
	// of one, the system prompt and the texts up to the first of the user's
	// messages. `user`: the client's own key, in `prompt_cache_key`, `user`,
	// `safety_identifier` or, in messages, `metadata.user_id`. `header`: a
	// header of the request. Without a user or a header the prefix counts.
	// Default: `prefix`.
	By string `json:"by,omitempty"`
	// The header that tells conversations apart, with `header`. Default: none.
	Header string `json:"header,omitempty"`

	luck
}

// CaddyModule returns the Caddy module information.
func (Sticky) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "plexus.selectors.sticky", New: func() caddy.Module { return new(Sticky) }}
}

// UnmarshalCaddyfile parses what tells conversations apart:
//
//	sticky [prefix|user|header <name>]
func (y *Sticky) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the strategy's name
	if d.Args(&y.By) && y.By == ByHeader && !d.Args(&y.Header) {
		return d.Err("header: expected the name of a header")
	}
	if d.NextArg() || d.NextBlock(0) {
		return d.ArgErr()
	}
	if err := y.Validate(); err != nil {
		return d.WrapErr(err)
	}
	return nil
}

// Validate implements caddy.Validator.
func (y *Sticky) Validate() error {
	switch y.By {
	case "", ByPrefix, ByUser:
		if y.Header != "" {
			return fmt.Errorf("sticky: the header %q has no effect unless by is header", y.Header)
		}
	case ByHeader:
		if y.Header == "" {
			return fmt.Errorf("sticky: by header: expected the name of a header")
		}
	default:
		return fmt.Errorf("sticky: expected prefix, user or header, got %q", y.By)
	}
	return nil
}

// Order implements Selector.
func (y *Sticky) Order(s *Selection) {
	key, known := s.Affinity(y.By, y.Header)
	if !known {
		y.shuffle(s)
		return
	}
	var room [16]float64
	ranks := room[:0]
	for _, t := range s.Candidates {
		ranks = append(ranks, -math.Log(t.fate(key))/t.Weight)
	}
	sortBy(s.Candidates, ranks)
}

// keepCredential has a conversation keep its credential where there was no target to
// choose, so that the selector was not asked.
func (x *exchange) keepCredential(order []*Target) {
	if x.route.route == nil || x.conversation != 0 {
		return
	}
	y, sticky := x.route.route.selector.(*Sticky)
	if sticky && slices.ContainsFunc(order, func(t *Target) bool { return len(t.lanes) > 1 }) {
		x.affinity(y.By, y.Header)
	}
}

// fate is a number between 0 and 1 that looks like chance, but is always the same
// for the same key and target.
func (t *Target) fate(key uint64) float64 {
	target := xxhash.Sum64String(t.Provider.Name) ^ bits.RotateLeft64(xxhash.Sum64String(t.Model), 1)
	if t.alias != "" {
		target = xxhash.Sum64String(t.String())
	}
	const precision = 53 // of a float64
	return (float64(mixed(key^mixed(target))>>(64-precision)) + 0.5) / (1 << precision)
}

// mixed spreads every bit over all of them (the finalizer of SplitMix64).
func mixed(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Interface guards
var (
	_ Selector              = (*Sticky)(nil)
	_ caddy.Validator       = (*Sticky)(nil)
	_ caddyfile.Unmarshaler = (*Sticky)(nil)
)
