package chat

import (
	"maps"
	"slices"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// EncodeRequest implements api.Codec.
func (Codec) EncodeRequest(req *api.Request) ([]byte, []string, error) {
	e := requestEncoder{req: req, native: req.Source == api.Chat, kin: req.Source.Vendor() == vendor}
	e.open('{')
	e.text("model", req.Model)
	e.messages()
	if e.err != nil {
		return nil, nil, e.err
	}
	e.tools()
	e.limits()
	e.sampling()
	e.shape()
	e.sender()
	e.stream()
	e.extra()
	e.close('}')
	slices.Sort(e.dropped)
	return e.b, slices.Compact(e.dropped), nil
}

type requestEncoder struct {
	writer
	req *api.Request
	// native says that the request came as chat, so that the target knows what
	// the client knows; kin, that it came in a format of OpenAI's.
	native, kin bool
	dropped     []string
	err         error
}

func (e *requestEncoder) drop(name string, there bool) {
	if there {
		e.dropped = append(e.dropped, name)
	}
}

// refuse remembers the first thing that cannot be expressed.
func (e *requestEncoder) refuse(field, why string) {
	if e.err == nil {
		e.err = &api.Unsupported{Field: field, Why: why}
	}
}

// reasoner tells whether the model is one of OpenAI's that refuse temperature
// and max_tokens: https://platform.openai.com/docs/guides/reasoning.
func reasoner(model string) bool {
	model = strings.ToLower(model[strings.LastIndexByte(model, '/')+1:])
	if strings.HasPrefix(model, "gpt-5") {
		return !strings.Contains(model, "-chat")
	}
	return len(model) > 1 && model[0] == 'o' && model[1] >= '1' && model[1] <= '9'
}

func (e *requestEncoder) limits() {
	r := e.req
	if r.MaxTokens != 0 {
		// Most compatible servers know max_tokens only.
		newer := r.MaxCompletionTokens || !e.native && (r.Reasoning != nil || reasoner(r.Model))
		if newer {
			e.integer("max_completion_tokens", r.MaxTokens)
		} else {
			e.integer("max_tokens", r.MaxTokens)
		}
	}
	stop := r.Stop
	if len(stop) > maxStop && !e.native {
		e.drop("stop", true)
		stop = stop[:maxStop]
	}
	if len(stop) == 1 {
		e.text("stop", stop[0])
	} else if len(stop) > 1 {
		e.begin("stop", '[')
		for _, s := range stop {
			e.element(api.Quote(s))
		}
		e.close(']')
	}
}

func (e *requestEncoder) sampling() {
	r := e.req
	if !e.native && reasoner(r.Model) {
		e.drop("temperature", r.Temperature != "")
		e.drop("top_p", r.TopP != "")
	} else {
		e.number("temperature", r.Temperature)
		e.number("top_p", r.TopP)
	}
	if e.native {
		e.number("top_k", r.TopK)
	} else {
		e.drop("top_k", r.TopK != "")
	}
	e.number("frequency_penalty", r.FrequencyPenalty)
	e.number("presence_penalty", r.PresencePenalty)
	e.number("seed", r.Seed)
	if r.N != 0 {
		e.integer("n", r.N)
	}
	if r.Logprobs {
		e.boolean("logprobs", true)
	}
	if r.TopLogprobs != 0 {
		e.integer("top_logprobs", r.TopLogprobs)
	}
	e.raw("logit_bias", r.LogitBias)
}

// shape writes what concerns the form of the answer and the thinking before it.
func (e *requestEncoder) shape() {
	r := e.req
	if f := r.Format; f != nil {
		e.begin("response_format", '{')
		if f.Schema == nil && f.Name == "" {
			e.text("type", "json_object")
		} else {
			e.text("type", "json_schema")
			e.begin("json_schema", '{')
			name := f.Name
			if name == "" {
				name = "answer" // required
			}
			e.text("name", name)
			e.some("description", f.Description)
			e.raw("schema", f.Schema)
			e.optional("strict", f.Strict)
			e.close('}')
		}
		e.close('}')
	}
	e.reasoning()
	e.some("verbosity", r.Verbosity)
}

func (e *requestEncoder) reasoning() {
	t := e.req.Reasoning
	if t == nil {
		return
	}
	effort := t.Effort
	switch {
	case e.native && t.Budget != 0 || e.native && t.Visible:
		e.begin("reasoning", '{')
		e.some("effort", effort)
		if t.Budget != 0 {
			e.integer("max_tokens", t.Budget)
			if !t.Visible {
				e.boolean("exclude", true)
			}
		}
		e.close('}')
		return
	case effort == "":
		effort = api.BudgetEffort(t.Budget)
	case effort == "max" && !e.kin:
		effort = "xhigh" // OpenAI's highest
	}
	e.some("reasoning_effort", effort)
	e.drop("reasoning.summary", t.Summary != "")
	e.drop("reasoning.encrypted_content", t.Encrypted)
}

func (e *requestEncoder) sender() {
	r := e.req
	if !(e.kin && textOf(r.Extra["safety_identifier"]) == r.User) {
		e.some("user", r.User)
	}
	if e.kin {
		e.raw("metadata", r.Metadata)
		e.some("service_tier", r.ServiceTier)
		return
	}
	e.drop("metadata", r.Metadata != nil)
	// The tiers of other vendors have other names, and other prices.
	e.drop("service_tier", r.ServiceTier != "")
}

func (e *requestEncoder) stream() {
	r := e.req
	var others []byte
	if e.native {
		others = r.Extra["stream_options"]
	}
	if r.Stream {
		e.boolean("stream", true)
	}
	// Other formats always tell the usage of a stream.
	usage := r.StreamUsage || r.Stream && !e.native
	if !usage && others == nil {
		return
	}
	e.begin("stream_options", '{')
	if usage {
		e.boolean("include_usage", true)
	}
	it := jsonscan.Object(others)
	for others != nil && it.Next() {
		e.raw(string(it.Key), it.Value())
	}
	e.close('}')
}

// shared are the members that chat and responses have in common beyond those of
// the neutral format.
var shared = []string{"safety_identifier", "prompt_cache_key", "prompt_cache_retention"}

func (e *requestEncoder) extra() {
	for _, name := range slices.Sorted(maps.Keys(e.req.Extra)) {
		switch {
		case e.native && name == "stream_options":
		case e.native, e.kin && slices.Contains(shared, name):
			e.raw(name, e.req.Extra[name])
		default:
			e.drop(name, true)
		}
	}
}
