package messages

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// What an answer says beyond the neutral one, such as its container and how often
// a tool of the server's was used, is Extra, by its path in a whole answer.

// usagePrefix is that of the members of usage.
const usagePrefix = "usage."

// extra adds a member, unless it says nothing, in the one line that a stream
// needs.
func extra(list map[string]json.RawMessage, path string, raw []byte) map[string]json.RawMessage {
	if isNull(raw) {
		return list
	}
	if list == nil {
		list = map[string]json.RawMessage{}
	}
	list[path] = append([]byte(nil), onOneLine(raw)...)
	return list
}

// more adds all members of an object but the known ones.
func more(list map[string]json.RawMessage, raw []byte, known ...string) map[string]json.RawMessage {
	it := jsonscan.Object(raw)
	for it.Next() {
		if key := string(it.Key); !slices.Contains(known, key) {
			list = extra(list, key, it.Value())
		}
	}
	return list
}

// moreUsage reads what a usage says beside numbers of tokens.
func moreUsage(raw []byte, list map[string]json.RawMessage) (tier string, more map[string]json.RawMessage) {
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "service_tier":
			tier, _ = jsonscan.String(it.Value())
		case "input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens", "cache_creation", "output_tokens_details":
		default:
			list = extra(list, usagePrefix+string(it.Key), it.Value())
		}
	}
	return tier, list
}

// place is where a member stands in a stream; in a whole answer, all but those
// of usage stand in the message.
type place int

const (
	inUsage   place = iota + 1
	inMessage       // all others
	inDelta         // those of the message that message_delta has in delta
	inEvent         // and beside it
)

func (p place) of(path string) (name string, ok bool) {
	name, usage := strings.CutPrefix(path, usagePrefix)
	switch p {
	case inUsage:
		return name, usage
	case inEvent:
		return name, name == "context_management"
	case inDelta:
		return name, !usage && name != "context_management"
	}
	return name, !usage
}

// appendExtra writes the members that belong to a place.
func appendExtra(dst []byte, list map[string]json.RawMessage, p place) []byte {
	if len(list) == 0 {
		return dst
	}
	for _, path := range slices.Sorted(maps.Keys(list)) {
		if name, ok := p.of(path); ok && jsonscan.Valid(list[path]) && jsonscan.Texts(list[path]) {
			dst = append(api.AppendQuoted(element(dst), name), ':')
			dst = append(dst, list[path]...)
		}
	}
	return dst
}
