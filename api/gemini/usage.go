package gemini

import (
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// usage is a usageMetadata.
type usage struct {
	Prompt, Cached, ToolPrompt, Candidates, Thoughts int64
	prompted, cached, generated                      kinds
}

// readUsage reads a usageMetadata without decoding it: every chunk of a stream may
// carry one, each with the totals so far. Vertex's say nothing but a trafficType
// until the last, and a count of zero is left out: where one counts nothing, what
// was known before stays.
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
		case "promptTokensDetails":
			u.prompted = readKinds(it.Value())
			continue
		case "cacheTokensDetails":
			u.cached = readKinds(it.Value())
			continue
		case "candidatesTokensDetails":
			u.generated = readKinds(it.Value())
			continue
		default:
			continue
		}
		*to, _ = strconv.ParseInt(string(it.Value()), 10, 64)
	}
	if u == (usage{}) {
		return before
	}
	return u.neutral()
}

// kinds are the tokens that are not text. Those of video are priced as text,
// as all of Gemini's models do.
type kinds struct{ audio, image int64 }

// readKinds reads a list of ModalityTokenCount:
// https://ai.google.dev/api/generate-content#UsageMetadata.
func readKinds(raw []byte) (m kinds) {
	list := jsonscan.Array(raw)
	for list.Next() {
		n, _ := strconv.ParseInt(string(jsonscan.Member(list.Value(), "tokenCount")), 10, 64)
		switch string(jsonscan.Member(list.Value(), "modality")) {
		case `"AUDIO"`:
			m.audio += n
		case `"IMAGE"`:
			m.image += n
		}
	}
	return m
}

// neutral counts in disjoint classes. What a cache held is among
// those of the prompt.
func (u *usage) neutral() api.Usage {
	out := api.Usage{
		Input:     max(0, u.Prompt-u.Cached) + u.ToolPrompt,
		CacheRead: u.Cached,
		Output:    u.Candidates,
		Reasoning: u.Thoughts,
		Known:     true,
	}
	out.Audio = parts(&out, u.prompted.audio, u.cached.audio, u.generated.audio)
	out.Image = parts(&out, u.prompted.image, u.cached.image, u.generated.image)
	return out
}

func parts(u *api.Usage, prompt, cached, answer int64) api.Modality {
	cached = within(cached, u.CacheRead)
	return api.Modality{Input: within(prompt-cached, u.Input), CacheRead: cached, Output: within(answer, u.Output)}
}

func within(n, most int64) int64 { return max(0, min(n, most)) }

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
