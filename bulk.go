package plexus

import "github.com/caddyserver/caddy/v2/modules/caddyhttp"

// bulk is how much of a large answer is written in one call, in bytes.
const bulk = 512 << 10

// inBulk lets a client of HTTP/1.1 be written so much at once, where Caddy writes
// 64 KiB and sets a deadline for each: a megabyte then costs a third less. What
// takes eight times as much gets eight times as long, so that no client that is
// slow but reads is given up; one that has stopped reading is so after eight times
// write_idle, 8 minutes by default. A server whose max_write_chunk is another one
// keeps it.
func (x *exchange) inBulk() (restore func()) {
	_, w := caddyhttp.IdleTimeoutsFromContext(x.r.Context())
	if w == nil || w.MaxChunk != caddyhttp.DefaultMaxWriteChunk || x.r.ProtoMajor != 1 {
		return func() {}
	}
	const times = bulk / caddyhttp.DefaultMaxWriteChunk
	return w.Override(times*w.Deadline.Timeout, w.Deadline.MinRate, bulk)
}
