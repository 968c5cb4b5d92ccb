package gemini

import (
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// readUsage is what Watcher reads, without decoding: a stream brings a
// usageMetadata with every chunk. Where it counts nothing, what was known before
// stays.
func readUsage(raw []byte, before api.Usage) api.Usage {
	if absent(raw) {
		return before
	}
	var u usage
	it := jsonscan.Object(raw)
	for it.Next() {
		var to *int64
		switch string(it.Key) {
		case "promptTokenCount":
			to = &u.Prompt
		case "cachedContentTokenCount":
			to = &u.Cached
		case "toolUsePromptTokenCount":
			to = &u.ToolPrompt
		case "candidatesTokenCount":
			to = &u.Candidates
		case "thoughtsTokenCount":
			to = &u.Thoughts
		default:
			continue
		}
		*to, _ = strconv.ParseInt(string(it.Value()), 10, 64)
	}
	if u == (usage{}) {
		return before
	}
	return api.Usage{
		Input:     max(0, u.Prompt-u.Cached) + u.ToolPrompt,
		CacheRead: u.Cached,
		Output:    u.Candidates,
		Reasoning: u.Thoughts,
		Known:     true,
	}
}

// addUsage writes a usageMetadata: the prompt with what a cache held of it, the
// answer without the thoughts.
func (o *object) addUsage(u api.Usage) {
	if !u.Known {
		return
	}
	prompt := u.Input + u.CacheRead + u.CacheWrite
	var usage object
	usage.whole("promptTokenCount", prompt)
	if u.CacheRead != 0 {
		usage.whole("cachedContentTokenCount", u.CacheRead)
	}
	usage.whole("candidatesTokenCount", u.Output)
	if u.Reasoning != 0 {
		usage.whole("thoughtsTokenCount", u.Reasoning)
	}
	usage.whole("totalTokenCount", prompt+u.Generated())
	o.add("usageMetadata", usage.end())
}
