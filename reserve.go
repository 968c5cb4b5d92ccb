package plexus

import (
	runtimemetrics "runtime/metrics"

	"github.com/caddyserver/caddy/v2"
)

// reserve makes the garbage collector run less often. By default it runs whenever
// as much garbage has come together as is in use, and of a gateway that is some ten
// megabytes: a few thousand requests a second would have it run most of the time.
// A block that is never written to takes no memory of the machine, but counts as in
// use, so that as much more garbage may come together first.
//
// It is pooled: there is one in the process, and reloads keep it.
type reserve struct{ unused []byte }

// reserved is its size in bytes, which is also how much more memory the process
// comes to take.
const reserved = 16 << 20

const reserveKey = "reserve"

// newReserve makes none where GOGC says how much garbage there may be, or where
// there is little memory.
func newReserve() *reserve {
	if frugal() {
		return new(reserve)
	}
	return &reserve{make([]byte, reserved)}
}

// frugal goes by GOGC, and by the limit of the memory, which is GOMEMLIMIT or what
// Caddy has made of the machine's or the container's memory.
func frugal() bool {
	const usual, plenty = 100, 512 << 20
	settings := []runtimemetrics.Sample{{Name: "/gc/gogc:percent"}, {Name: "/gc/gomemlimit:bytes"}}
	runtimemetrics.Read(settings)
	return settings[0].Value.Uint64() != usual || settings[1].Value.Uint64() < plenty
}

// Destruct implements caddy.Destructor.
func (r *reserve) Destruct() error {
	r.unused = nil
	return nil
}

// reserve makes sure that there is one.
func (p *pooled) reserve() { pooledState(p, reserveKey, newReserve) }

// Interface guard
var _ caddy.Destructor = (*reserve)(nil)
