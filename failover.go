package plexus

import (
	"cmp"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Failover is what to do when a target fails before anything of its answer has
// gone to the client, and by when it has to answer. What a model leaves open is
// as the provider has it, then as the gateway does.
type Failover struct {
	// How many targets one request may try; not for a provider to say. Default:
	// `3`.
	Attempts int `json:"attempts,omitempty"`
	// How long a connection may take, with its TLS handshake and the wait for a
	// free one; 0 for as long as everything else. Default: `10s`.
	Connect *caddy.Duration `json:"connect,omitempty"`
	// How long a target has until the first content of a stream: text,
	// reasoning or a tool call, not just a sign of life. Default: `60s`.
	FirstContent caddy.Duration `json:"first_content,omitempty"`
	// How long a target has for an answer that is not a stream, to its end; of
	// audio, and of answers above 4 MiB, to its beginning. It takes nothing
	// from first_content: a whole answer takes as long as all of a stream.
	// Default: `10m`.
	Answer caddy.Duration `json:"answer,omitempty"`
	// How long a stream may go without content once it has begun, and audio
	// without a byte; 0 for ever. Pings, comments and empty deltas are no
	// content; events that say that a tool works are. Default: `2m`.
	Idle *caddy.Duration `json:"idle,omitempty"`
	// How long one attempt at a stream may take from its beginning to its end;
	// 0 for ever. Default: `1h`.
	Total *caddy.Duration `json:"total,omitempty"`
	// The least tokens per second of a stream, over any half minute after its
	// first content in which no tool works; 0 for no such limit. Four bytes of
	// content count as a token. Default: `0`.
	MinOutputRate *float64 `json:"min_output_rate,omitempty"`
	// Statuses of a provider that send a request to the next target, beside
	// those that always do: all of 3xx, 401, 402, 403, 408, 409, 425, 429, all
	// of 5xx, and a 404 or 400 that says that the model is unknown. A single
	// digit stands for its class. Default: none.
	OnStatus []int `json:"on_status,omitempty"`
}

// defaultFailover holds where nobody says anything else.
var defaultFailover = &Failover{
	Attempts:      3,
	Connect:       new(caddy.Duration(10 * time.Second)),
	FirstContent:  caddy.Duration(60 * time.Second),
	Answer:        caddy.Duration(10 * time.Minute),
	Idle:          new(caddy.Duration(2 * time.Minute)),
	Total:         new(caddy.Duration(time.Hour)),
	MinOutputRate: new(0.0),
}

func (f *Failover) validate() error {
	switch {
	case f == nil:
		return nil
	case f.Attempts < 0:
		return fmt.Errorf("failover: attempts: expected at least 1, got %d", f.Attempts)
	case f.FirstContent < 0:
		return fmt.Errorf("failover: first_content: expected a positive duration, got %s", time.Duration(f.FirstContent))
	case f.Answer < 0:
		return fmt.Errorf("failover: answer: expected a positive duration, got %s", time.Duration(f.Answer))
	case f.MinOutputRate != nil && !validRate(*f.MinOutputRate):
		return fmt.Errorf("failover: min_output_rate: expected tokens per second, at most %d, or 0 for no such limit, got %v", mostRate, *f.MinOutputRate)
	}
	for name, d := range map[string]*caddy.Duration{"connect": f.Connect, "idle": f.Idle, "total": f.Total} {
		if d != nil && *d < 0 {
			return fmt.Errorf("failover: %s: expected a positive duration, or 0 to switch it off, got %s", name, time.Duration(*d))
		}
	}
	for _, status := range f.OnStatus {
		if !validOnStatus(status) {
			return fmt.Errorf("failover: on_status: expected a status from 300 to 599, or 3, 4 or 5 for its class, got %d", status)
		}
	}
	return nil
}

// validateOf checks what a provider says: how many targets are tried is none of
// its business.
func (f *Failover) validateOf(p *Provider) error {
	if f != nil && f.Attempts != 0 {
		return fmt.Errorf("failover: attempts: a provider cannot say how many targets are tried; move it to the failover of the gateway or of a model that has %s among its targets", p.Name)
	}
	return f.validate()
}

// mostRate is a speed that no model has.
const mostRate = 1_000_000

func validRate(rate float64) bool { return rate >= 0 && rate <= mostRate }

// validOnStatus tells whether on_status may name a status, or the first digit of
// a class.
func validOnStatus(status int) bool {
	return status >= 3 && status <= 5 || status >= 300 && status <= 599
}

// over is f with what it leaves open taken from the bases, the nearest first, and
// from the defaults.
func (f *Failover) over(bases ...*Failover) Failover {
	var out Failover
	out.fill(f)
	for _, base := range bases {
		out.fill(base)
	}
	out.fill(defaultFailover)
	return out
}

func (f *Failover) fill(from *Failover) {
	if from == nil {
		return
	}
	f.Attempts = cmp.Or(f.Attempts, from.Attempts)
	f.Connect = cmp.Or(f.Connect, from.Connect)
	f.FirstContent = cmp.Or(f.FirstContent, from.FirstContent)
	f.Answer = cmp.Or(f.Answer, from.Answer)
	f.Idle = cmp.Or(f.Idle, from.Idle)
	f.Total = cmp.Or(f.Total, from.Total)
	f.MinOutputRate = cmp.Or(f.MinOutputRate, from.MinOutputRate)
	if f.OnStatus == nil {
		f.OnStatus = from.OnStatus
	}
}

// sends tells whether a status is one of on_status.
func (f *Failover) sends(status int) bool {
	for _, s := range f.OnStatus {
		if s == status || s == status/100 {
			return true
		}
	}
	return false
}
