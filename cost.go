package plexus

import (
	"bytes"
	"slices"

	"go.uber.org/zap"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/prices"
)

// cost is what the request takes by the usage that the provider reported, and
// whether that is known.
func (x *exchange) cost() (prices.NanoUSD, bool) {
	if x.target == nil || !x.usage.Known || x.partial {
		return 0, false
	}
	return x.tariff(x.target, &x.usage).Cost(billed(&x.usage))
}

// tariff is the prices that hold for the request at a target, which took so much
// there; nil where none is known to.
func (x *exchange) tariff(t *Target, u *api.Usage) *prices.Tariff {
	if x.surcharge(t, u) != "" {
		return nil
	}
	return t.Price.At(x.start)
}

// surcharge names what makes a request cost something else than the catalog says;
// empty for nothing. A price from the configuration holds for all requests.
func (x *exchange) surcharge(t *Target, u *api.Usage) string {
	// told says that the usage tells which tokens are no text.
	told := u.Audio.Output > 0 || u.Image.Output > 0 || x.op.api == api.Audio && u.Audio.Input > 0
	switch {
	case t.declared:
		return ""
	case !told && (x.op.api == api.Images || x.op.api == api.Audio):
		return string(x.op.api)
	}
	for _, member := range []string{x.req.surcharge, t.Provider.surcharge} {
		if member != "" && !(told && isModalities(member)) {
			return member
		}
	}
	return ""
}

// surcharged tells whether a member of a body makes the request cost something
// else: OpenAI's flex and priority tiers, Anthropic's fast mode and regions, and
// answers that are sound or images, where usage does not tell which tokens are.
func surcharged(key string, value []byte) bool {
	switch key {
	case "service_tier", "serviceTier":
		return !oneOf(value, "null", `"auto"`, `"default"`, `"standard"`, `"standard_only"`, `"on_demand"`)
	case "speed":
		return !oneOf(value, "null", `"standard"`)
	case "inference_geo":
		return !oneOf(value, "null", `"global"`)
	default:
		if !isModalities(key) {
			return false
		}
		it := jsonscan.Array(value)
		for it.Next() {
			if !bytes.EqualFold(it.Value(), []byte(`"text"`)) {
				return true
			}
		}
	}
	return false
}

// isModalities tells whether a member says in what forms the answer may come.
func isModalities(key string) bool {
	return key == "modalities" || key == "responseModalities" || key == "response_modalities"
}

func oneOf(value []byte, allowed ...string) bool {
	return slices.Contains(allowed, string(value))
}

// billed are the classes of tokens as price lists have them.
func billed(u *api.Usage) prices.Usage {
	return prices.Usage{
		prices.Input:          u.Input - u.Audio.Input - u.Image.Input,
		prices.CacheRead:      u.CacheRead - u.Audio.CacheRead - u.Image.CacheRead,
		prices.CacheWrite:     u.CacheWrite - u.CacheWriteHour,
		prices.CacheWriteHour: u.CacheWriteHour,
		prices.InputAudio:     u.Audio.Input,
		prices.CacheReadAudio: u.Audio.CacheRead,
		prices.InputImage:     u.Image.Input,
		prices.CacheReadImage: u.Image.CacheRead,
		prices.Output:         u.Output - u.Audio.Output - u.Image.Output,
		prices.Reasoning:      u.Reasoning,
		prices.OutputAudio:    u.Audio.Output,
		prices.OutputImage:    u.Image.Output,
	}
}

// noteUnpriced says once of each target that what it costs is not known, and why.
func (x *exchange) noteUnpriced() {
	if !x.target.state.unpriced.CompareAndSwap(false, true) {
		return
	}
	fields := []zap.Field{zap.String("plexus_provider", x.target.Provider.Name), zap.String("plexus_model", x.target.Model)}
	switch member := x.surcharge(x.target, &x.usage); {
	case x.target.Price == nil:
		fields = append(fields, zap.String("reason", "its model has no price"))
	case member != "":
		fields = append(fields, zap.String("reason", "the catalog's price does not hold for "+member))
	default:
		fields = append(fields, zap.String("reason", "there is no price for some of its tokens"), zap.Stringers("classes", x.tariff(x.target, &x.usage).Unpriced(billed(&x.usage))))
	}
	x.gateway.logger.Info("the cost of a request is not known", fields...)
}

// estimate is how many tokens a request is expected to take.
type estimate struct{ input, output int }

// typicalAnswer is the length in tokens for which answers are compared, since
// nobody knows the length of one before it is there.
const typicalAnswer = 500

// attachment is about how many tokens a picture is, however many bytes it has.
const attachment = 1000

// estimate takes a fourth of the body's bytes for tokens, what English text comes
// to, roughly, each file for one picture, and the answer for as long as it may be.
func (req *request) estimate(op *operation) estimate {
	e := estimate{input: req.files*attachment + (len(req.body)-req.fileBytes)/bytesPerToken}
	if op.verb == verbGenerate {
		e.output = typicalAnswer
		if req.outputLimit > 0 {
			e.output = min(e.output, req.outputLimit)
		}
	}
	return e
}
