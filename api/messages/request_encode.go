package messages

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// EncodeRequest implements api.Codec. A request that came in this format goes
// out as it came; one of another format is mended where Anthropic would refuse
// it, by what is known of the model from its name.
func (Codec) EncodeRequest(req *api.Request) ([]byte, []string, error) {
	e := requestEncoder{req: req, native: req.Source == api.Messages, traits: traitsOf(req.Model)}
	if err := e.supported(); err != nil {
		return nil, nil, err
	}
	c := conversation{source: req.Source, native: e.native, prefills: e.traits.prefills(), drop: e.drop}
	if err := c.build(req.Messages); err != nil {
		return nil, nil, err
	}
	body, err := e.body(&c)
	if err != nil {
		return nil, nil, err
	}
	slices.Sort(e.dropped)
	return body, slices.Compact(e.dropped), nil
}

type requestEncoder struct {
	req        *api.Request
	native     bool
	traits     traits
	offered    []string // the names of the tools that are sent
	unthinking bool     // thinking had to be left out
	dropped    []string
}

func (e *requestEncoder) drop(name string) { e.dropped = append(e.dropped, name) }

func (e *requestEncoder) body(c *conversation) ([]byte, error) {
	req := e.req
	limit := e.limit()
	thinking, effort, limit := e.thinking(limit, c)

	dst := make([]byte, 0, c.size()+1024)
	dst = memberText(append(dst, '{'), "model", req.Model)
	if req.MaxTokens > 0 || !e.native { // count_tokens has none
		dst = memberInt(dst, "max_tokens", limit)
	}
	dst = c.appendTo(dst)
	dst, err := e.tools(dst, c.called)
	if err != nil {
		return nil, err
	}
	dst = optionalRaw(dst, "thinking", thinking)
	dst = e.outputConfig(dst, effort)
	dst = e.sampling(dst, len(thinking) > 0 && !strings.Contains(string(thinking), `"disabled"`))
	dst = e.stop(dst)
	dst = e.metadata(dst)
	if req.Stream {
		dst = memberRaw(dst, "stream", "true")
	}
	dst = e.extra(dst)
	return append(dst, '}'), nil
}

// supported refuses what would change the meaning of the answer if it were left
// out.
func (e *requestEncoder) supported() error {
	switch {
	case e.req.N > 1:
		return &api.Unsupported{Field: word(e.req.Source, "n", "n", "generationConfig.candidateCount"), Why: "cannot be above 1 with Messages, which gives one answer"}
	case e.req.Logprobs || e.req.TopLogprobs > 0:
		return &api.Unsupported{Field: word(e.req.Source, "logprobs", "top_logprobs", "generationConfig.responseLogprobs"), Why: "cannot be had from Messages"}
	}
	if e.native {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(e.req.Extra)) {
		if why := e.req.Missed(name); why != "" {
			return &api.Unsupported{Field: name, Why: why}
		}
		if err := unsupported(name, e.req.Extra[name]); err != nil {
			return err
		}
	}
	return nil
}

// word is what the client calls a member.
func word(source api.API, chat, responses, gemini string) string {
	switch source {
	case api.Responses:
		return responses
	case api.Gemini:
		return gemini
	}
	return chat
}

// unsupported refuses what would be missed of the members that only the client's
// format has.
func unsupported(name string, raw []byte) error {
	switch name {
	case "previous_response_id", "conversation", "prompt", "cachedContent":
		if !api.Empty(raw) {
			return &api.Unsupported{Field: name, Why: "refers to what the provider of the client's API keeps, which Messages has not"}
		}
	case "background":
		if string(raw) == "true" {
			return &api.Unsupported{Field: name, Why: "cannot be had from Messages"}
		}
	case "generationConfig":
		return unsupported(name+".responseModalities", jsonscan.Member(raw, "responseModalities"))
	case "modalities", "generationConfig.responseModalities":
		if s := strings.ToLower(string(raw)); strings.Contains(s, "audio") || strings.Contains(s, "image") && !strings.Contains(s, "text") {
			return &api.Unsupported{Field: name, Why: "asks for an answer in other than text, which Messages cannot give"}
		}
	}
	return nil
}

// limit is max_tokens, which the format demands.
func (e *requestEncoder) limit() int64 {
	limit, most := e.req.MaxTokens, e.traits.limit()
	if limit == 0 {
		return e.traits.defaultTokens()
	}
	if most > 0 && limit > most && !e.native {
		e.drop("max_tokens")
		return most
	}
	return limit
}

// sampling writes temperature, top_p and top_k as far as Anthropic takes them:
// the first from 0 to 1, of which the latter stands for all that OpenAI's has
// above it, hardly any of them beside thinking, and none on later models. https://platform.claude.com/docs/en/build-with-claude/extended-thinking#feature-compatibility
func (e *requestEncoder) sampling(dst []byte, thinks bool) []byte {
	temperature, topP, topK := e.req.Temperature, e.req.TopP, e.req.TopK
	if !e.native {
		if above(temperature, 1) {
			temperature = "1"
			e.drop("temperature")
		}
		e.leaveOut(&temperature, "temperature", !e.traits.sampling() || thinks && temperature != "1" && value(temperature) != 1)
		e.leaveOut(&topP, "top_p", !e.traits.sampling() || temperature != "" && !e.traits.both() ||
			thinks && (value(topP) < 0.95 || above(topP, 1)))
		e.leaveOut(&topK, "top_k", !e.traits.sampling() || thinks)
	}
	for _, m := range []struct {
		name  string
		value json.Number
	}{{"temperature", temperature}, {"top_p", topP}, {"top_k", topK}} {
		if m.value != "" {
			dst = memberRaw(dst, m.name, m.value)
		}
	}
	for _, m := range []struct {
		name  string
		given bool
	}{
		{"frequency_penalty", e.req.FrequencyPenalty != ""},
		{"presence_penalty", e.req.PresencePenalty != ""},
		{"seed", e.req.Seed != ""},
		{"logit_bias", !api.Empty(e.req.LogitBias)},
		{"verbosity", e.req.Verbosity != ""},
		{"metadata", !api.Empty(e.req.Metadata)},
	} {
		if m.given {
			e.drop(m.name)
		}
	}
	return dst
}

func (e *requestEncoder) leaveOut(n *json.Number, name string, refused bool) {
	if refused && *n != "" {
		*n = ""
		e.drop(name)
	}
}

// value is for comparing only: what is sent are the client's own digits.
func value(n json.Number) float64 {
	f, _ := strconv.ParseFloat(string(n), 64)
	return f
}

func above(n json.Number, most float64) bool { return n != "" && value(n) > most }

// stop writes the stop sequences; ones of nothing but space are refused.
func (e *requestEncoder) stop(dst []byte) []byte {
	list := e.req.Stop
	if !e.native {
		list = slices.DeleteFunc(slices.Clone(list), func(s string) bool { return strings.TrimSpace(s) == "" })
		if len(list) < len(e.req.Stop) {
			e.drop("stop")
		}
	}
	if len(list) == 0 {
		return dst
	}
	return memberTexts(dst, "stop_sequences", list)
}

// tiers are Anthropic's words for OpenAI's: the first may use what capacity is
// paid for, the second never does.
var tiers = map[string]string{"auto": "auto", "default": "standard_only"}

func (e *requestEncoder) metadata(dst []byte) []byte {
	nested := e.nested("metadata.")
	user := e.req.User
	if !e.native {
		user = userID(user)
	}
	if user != "" || len(nested) > 0 {
		dst = optionalText(append(member(dst, "metadata"), '{'), "user_id", user)
		dst = append(appendNested(dst, nested), '}')
	}
	tier := e.req.ServiceTier
	if !e.native && tier != "" {
		if tier = tiers[tier]; tier == "" {
			e.drop("service_tier")
		}
	}
	return optionalText(dst, "service_tier", tier)
}

// maxUser is how long metadata.user_id may be.
const maxUser = 256

// userID is the name of a user as Anthropic takes it: an opaque one. What looks
// like an address or a telephone number, or is too long, gives its hash:
// https://github.com/BerriAI/litellm/issues/10106.
func userID(s string) string {
	name, domain, address := strings.Cut(s, "@")
	address = address && name != "" && strings.Contains(strings.Trim(domain, "."), ".")
	digits, phone := strings.CutPrefix(s, "+")
	phone = phone && len(digits) > 6 && strings.Trim(digits, "0123456789 -./()") == ""
	if !address && !phone && len(s) <= maxUser {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// nested are the members of an object that only Extra holds, by their own names.
func (e *requestEncoder) nested(prefix string) (list []field) {
	if !e.native {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(e.req.Extra)) {
		if key, ok := strings.CutPrefix(name, prefix); ok && !strings.Contains(key, ".") {
			list = append(list, field{key, e.req.Extra[name]})
		}
	}
	return list
}

func appendNested(dst []byte, list []field) []byte {
	for _, f := range list {
		dst = append(api.AppendQuoted(element(dst), f.key), ':')
		dst = append(dst, f.raw...)
	}
	return dst
}

// inside are the paths of Extra that nested writes.
var insides = []string{"metadata.", "thinking.", "output_config."}

func (e *requestEncoder) extra(dst []byte) []byte {
	for _, name := range slices.Sorted(maps.Keys(e.req.Extra)) {
		if !e.native {
			if !e.req.Repeats(name) {
				e.drop(name)
			}
			continue
		}
		if name == "max_tokens" && e.req.MaxTokens > 0 || name == "context_management" && e.unthinking && e.clearsThinking() ||
			slices.ContainsFunc(insides, func(prefix string) bool { return strings.HasPrefix(name, prefix) }) {
			continue
		}
		dst = append(api.AppendQuoted(element(dst), name), ':')
		dst = append(dst, e.req.Extra[name]...)
	}
	return dst
}
