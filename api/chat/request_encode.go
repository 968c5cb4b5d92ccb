package chat

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/openai"
)

// EncodeRequest implements api.Codec.
func (Codec) EncodeRequest(req *api.Request) ([]byte, []string, error) {
	e := requestEncoder{req: req, native: req.Source == api.Chat, kin: req.Source.Vendor() == vendor}
	if !e.native {
		e.model = modelOf(req.Model)
	}
	e.asked = e.effort()
	e.b = make([]byte, 0, e.room())
	e.open()
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
	if e.err != nil {
		return nil, nil, e.err
	}
	slices.Sort(e.dropped)
	return e.b, slices.Compact(e.dropped), nil
}

type requestEncoder struct {
	writer
	req *api.Request
	// native says that the request came as chat, so that the target knows what
	// the client knows; kin, that it came in a format of OpenAI's.
	native, kin bool
	model       model  // nothing is known of it where the client speaks chat
	asked       string // the effort asked for, in a word that the model knows
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

// room is about how long the request will be, so that the images in it are not
// copied again and again.
func (e *requestEncoder) room() int {
	const rest, message, tool = 512, 64, 96
	n := rest + message*len(e.req.Messages)
	for i := range e.req.Messages {
		n += size(e.req.Messages[i].Parts)
	}
	for i := range e.req.Tools {
		t := &e.req.Tools[i]
		n += tool + len(t.Name) + len(t.Description) + len(t.Schema) + len(t.Raw) + len(t.Grammar)
	}
	return n
}

// size is about how long parts will be, of whose text some has to be escaped.
func size(parts []api.Part) (n int) {
	const frame = 64
	for i := range parts {
		p := &parts[i]
		n += frame + len(p.Text) + len(p.Text)/16 + len(p.Signature)
		if p.Media != nil {
			n += len(p.Media.Data) + len(p.Media.URL) + len(p.Media.Text)
		}
		if p.Call != nil {
			n += len(p.Call.Name) + len(p.Call.Arguments) + len(p.Call.Arguments)/4
		}
		if p.Result != nil {
			n += size(p.Result.Parts)
		}
	}
	return n
}

// word is what the client calls a member.
func (e *requestEncoder) word(chat, messages, gemini string) string {
	switch e.req.Source {
	case api.Messages:
		return messages
	case api.Gemini:
		return gemini
	}
	return chat
}

func (e *requestEncoder) limits() {
	r := e.req
	switch {
	case r.MaxTokens == 0:
	case r.MaxCompletionTokens || e.model.reasons():
		e.integer("max_completion_tokens", r.MaxTokens)
	default:
		// Most compatible servers know this one only, and Mistral's refuse the
		// other: https://github.com/editor-code-assistant/eca/issues/231.
		e.integer("max_tokens", r.MaxTokens)
	}
	stop, stopWord := r.Stop, e.word("stop", "stop_sequences", "generationConfig.stopSequences")
	switch {
	case len(stop) == 0:
	case len(stop) > maxStop && !e.native:
		e.refuse(stopWord, "has more than the "+strconv.Itoa(maxStop)+" texts that a chat target takes")
	case !e.model.stops():
		e.refuse(stopWord, "is refused by the target's model, which cannot end an answer at a text: leave it out")
	case len(stop) == 1:
		e.text("stop", stop[0])
	default:
		e.begin("stop", '[')
		for _, s := range stop {
			e.element(api.Quote(s))
		}
		e.close(']')
	}
}

func (e *requestEncoder) sampling() {
	r := e.req
	sampling := e.model.sampling(e.asked)
	e.setting("temperature", r.Temperature, sampling)
	e.setting("top_p", r.TopP, sampling)
	e.setting("top_k", r.TopK, e.native)
	penalties := e.model.penalties()
	e.setting("frequency_penalty", r.FrequencyPenalty, penalties)
	e.setting("presence_penalty", r.PresencePenalty, penalties)
	if e.model.family == mistral && !e.model.resold {
		e.number("random_seed", r.Seed)
	} else {
		e.number("seed", r.Seed)
	}
	if r.N != 0 {
		e.integer("n", r.N)
	}
	if r.Logprobs && !sampling {
		e.refuse(e.word("logprobs", "logprobs", "generationConfig.responseLogprobs"),
			"is refused by the target's model, which does not tell probabilities: leave it out")
	}
	if r.Logprobs {
		e.boolean("logprobs", true)
	}
	if r.TopLogprobs != 0 && (e.native || r.Logprobs) {
		e.integer("top_logprobs", r.TopLogprobs)
	}
	if penalties {
		e.raw("logit_bias", r.LogitBias)
	} else {
		e.drop("logit_bias", !api.Empty(r.LogitBias))
	}
}

// setting writes a number if the target takes it.
func (e *requestEncoder) setting(name string, value json.Number, taken bool) {
	if taken {
		e.number(name, value)
	} else {
		e.drop(name, value != "")
	}
}

// shape writes what concerns the form of the answer and the thinking before it.
func (e *requestEncoder) shape() {
	r := e.req
	if f := r.Format; f != nil {
		if !e.kin && e.model.openAI() && !openai.IsObject(f.Schema) {
			e.refuse(e.word("response_format", "output_config.format", "generationConfig.responseSchema"), "is no object, which the target's model demands")
		}
		e.begin("response_format", '{')
		if f.Schema == nil && f.Name == "" || !e.model.schemas() {
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
			e.optional("strict", e.bound(f))
			e.close('}')
		}
		e.close('}')
	}
	e.reasoning()
	// Other models of OpenAI's refuse every verbosity but medium, and other
	// servers the member.
	if e.native || e.model.family == gpt5 || e.model.family == unknown {
		e.some("verbosity", r.Verbosity)
	} else {
		e.drop("verbosity", r.Verbosity != "")
	}
}

// bound tells whether the answer's schema binds the model. With Anthropic and
// Google each does, with OpenAI only one that says so and that it can be strict
// about.
func (e *requestEncoder) bound(f *api.Format) *bool {
	if f.Strict == nil && !e.kin && e.model.openAI() && openai.Strict(f.Schema) {
		return new(true)
	}
	return f.Strict
}

// effort is the effort to ask for.
func (e *requestEncoder) effort() string {
	t := e.req.Reasoning
	asked := ""
	if t != nil {
		asked = t.Effort
	}
	if e.native {
		return asked
	}
	if asked == "" && t != nil {
		asked = api.BudgetEffort(t.Budget)
	}
	effort := e.model.effort(asked, len(e.callable()) > 0)
	e.drop("reasoning_effort", asked != "" && (effort == "" || effort == "none" && asked != "none"))
	return effort
}

func (e *requestEncoder) reasoning() {
	t := e.req.Reasoning
	if t == nil {
		t = &api.Reasoning{}
	}
	if e.native && (t.Budget != 0 || t.Visible) {
		e.begin("reasoning", '{')
		e.some("effort", t.Effort)
		if t.Budget != 0 {
			e.integer("max_tokens", t.Budget)
			if !t.Visible {
				e.boolean("exclude", true)
			}
		}
		e.close('}')
		return
	}
	e.some("reasoning_effort", e.asked)
	e.drop("reasoning.summary", t.Summary != "")
	e.drop("reasoning.encrypted_content", t.Encrypted)
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
