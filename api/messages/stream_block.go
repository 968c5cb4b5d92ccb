package messages

import (
	"encoding/json"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// block is one that is open.
type block struct {
	index int
	part  int
	kind  api.Kind
	start []byte // an opaque block, or a call's input that came with its start
	input []byte // the deltas of an opaque block, unquoted
	more  string // the member of an opaque block to which they belong
}

// keep collects the deltas of an opaque block: the input of a server's tool in
// pieces, or a member such as a compaction's content.
func (b *block) keep(key string, value []byte) {
	if key == "partial_json" {
		s, _ := jsonscan.String(value)
		b.more, b.input = "input", append(b.input, s...)
		return
	}
	if s, ok := jsonscan.String(value); ok {
		b.more, b.input = key, append(b.input, s...)
	}
}

// whole is an opaque block with what its deltas have told.
func (b *block) whole() json.RawMessage {
	if len(b.input) == 0 {
		return b.start
	}
	value := b.input
	if b.more != "input" {
		value = api.Quote(string(b.input))
	} else if !json.Valid(value) {
		return b.start
	}
	return appendFields(nil, set(fieldsOf(b.start), b.more, string(value)))
}
