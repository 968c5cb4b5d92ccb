package plexus

import (
	"strings"
	"unicode"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// otherModels are the members of bodies by which some provider may be made to
// ask another model than the one in "model": OpenRouter's models, route and
// preset, Anthropic's and LiteLLM's fallbacks, NanoGPT's advisor.
var otherModels = map[string]bool{
	"advisor":                  true,
	"content_policy_fallbacks": true,
	"context_window_fallbacks": true,
	"fallbacks":                true,
	"models":                   true,
	"preset":                   true,
	"route":                    true,
}

// otherMember looks at a member that is not one of those that we read.
func (req *request) otherMember(it *jsonscan.Iter) error {
	key := bare(string(it.Key))
	switch {
	case key == "model":
		// Providers written in Go read "Model" as "model", and ones written in C
		// may stop at a NUL: a client could name one model to us and another
		// one to them.
		return fail(ErrInvalidRequest, "the member %s may be taken for \"model\"", quoted(string(it.Key)))
	case key == "previous_response_id":
		// In the same way another key's response could be continued.
		return fail(ErrInvalidRequest, "the member %s may be taken for \"previous_response_id\"", quoted(string(it.Key)))
	case otherModels[key]:
		req.others = append(req.others, string(it.Key))
	case key == "tools" || key == "plugins":
		req.options = append(req.options, place{start: it.Start, end: it.End})
	}
	return nil
}

// bare is what is left of a name for those who read it carelessly: lower case,
// up to the first NUL, without what is not seen.
func bare(name string) string {
	name, _, _ = strings.Cut(name, "\x00")
	return strings.Map(func(r rune) rune {
		if r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) {
			return unicode.ToLower(r)
		}
		return -1
	}, name)
}

// otherModel finds, among the members that may choose another model, one that
// does; "" if there is none. Tools that a provider runs itself may do so too:
// advisors, and generators of images.
func (req *request) otherModel() string {
	if len(req.others) > 0 {
		return req.others[0]
	}
	for _, at := range req.options {
		it := jsonscan.Array(req.body[at.start:at.end])
		for it.Next() {
			if name := namesModel(it.Value()); name != "" {
				return name
			}
			if name := namesModel(jsonscan.Member(it.Value(), "parameters")); name != "" {
				return name
			}
		}
	}
	return ""
}

// namesModel finds a member about a model. A tool's schema keeps its own names a
// level deeper, in its properties.
func namesModel(object []byte) string {
	it := jsonscan.Object(object)
	for it.Next() {
		if strings.Contains(bare(string(it.Key)), "model") {
			return string(it.Key)
		}
	}
	return ""
}
