package messages

import (
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// tokens reads a usage object into the one known before: each number is a total,
// and one that is absent or null says nothing. Anthropic's output includes what
// was thought, which later models tell apart:
// https://platform.claude.com/docs/en/api/messages/create.
func tokens(raw []byte, before api.Usage) api.Usage {
	u, output := before, before.Output+before.Reasoning
	short, hour := int64(-1), int64(-1)
	it := jsonscan.Object(raw)
	for it.Next() {
		var to *int64
		switch string(it.Key) {
		case "input_tokens":
			to = &u.Input
		case "cache_read_input_tokens":
			to = &u.CacheRead
		case "cache_creation_input_tokens":
			to = &u.CacheWrite
		case "cache_creation":
			short, hour = kept(it.Value())
		case "output_tokens":
			to = &output
		case "output_tokens_details":
			if n, ok := count(jsonscan.Member(it.Value(), "thinking_tokens")); ok {
				u.Reasoning = n
			}
		}
		if to == nil {
			continue
		}
		if n, ok := count(it.Value()); ok {
			*to, u.Known = n, true
		}
	}
	if hour >= 0 {
		u.CacheWriteHour, u.Known = hour, true
		u.CacheWrite = max(u.CacheWrite, short+hour) // imitators leave out the sum
	}
	u.CacheWriteHour = min(u.CacheWriteHour, u.CacheWrite)
	u.Reasoning = min(u.Reasoning, output)
	u.Output = output - u.Reasoning
	return u
}

// kept is the numbers of tokens that a cache keeps for five minutes and for an
// hour: https://platform.claude.com/docs/en/build-with-claude/prompt-caching#1-hour-cache-duration.
// They are negative where nobody says.
func kept(raw []byte) (short, hour int64) {
	short, _ = count(jsonscan.Member(raw, "ephemeral_5m_input_tokens"))
	hour, ok := count(jsonscan.Member(raw, "ephemeral_1h_input_tokens"))
	if !ok {
		return -1, -1
	}
	return short, hour
}

func count(raw []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil && n >= 0
}

// appendUsage writes a usage as clients expect it, who need numbers even where
// the provider gave none.
func appendUsage(dst []byte, u api.Usage) []byte {
	dst = memberInt(append(dst, '{'), "input_tokens", u.Input)
	dst = memberInt(dst, "cache_creation_input_tokens", u.CacheWrite)
	dst = memberInt(dst, "cache_read_input_tokens", u.CacheRead)
	if u.CacheWriteHour > 0 {
		dst = memberInt(append(member(dst, "cache_creation"), '{'), "ephemeral_5m_input_tokens", u.CacheWrite-u.CacheWriteHour)
		dst = append(memberInt(dst, "ephemeral_1h_input_tokens", u.CacheWriteHour), '}')
	}
	dst = memberInt(dst, "output_tokens", u.Generated())
	if u.Reasoning > 0 {
		dst = append(memberInt(append(member(dst, "output_tokens_details"), '{'), "thinking_tokens", u.Reasoning), '}')
	}
	return append(dst, '}')
}
