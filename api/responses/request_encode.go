package responses

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/openai"
)

// EncodeRequest implements api.Codec. Requests of other formats ask that nothing
// be stored, as their own providers would not.
//
// This format has no `stop`: it would change where the answer ends, so that it is
// an error instead of being left out.
func (Codec) EncodeRequest(req *api.Request) (body []byte, dropped []string, err error) {
	e := &requestEncoder{req: req}
	if e.foreign() {
		e.model = openai.ModelOf(req.Model)
	}
	if err := e.refuse(); err != nil {
		return nil, nil, err
	}
	e.open('{')
	e.text("model", req.Model)
	e.conversation()
	e.tooling()
	e.sampling()
	e.format()
	e.thinking()
	e.identity()
	e.extras()
	if req.Stream {
		e.boolean("stream", true)
	}
	e.close('}')
	if e.err != nil {
		return nil, nil, e.err
	}
	slices.Sort(e.dropped)
	return e.buffer, slices.Compact(e.dropped), nil
}

type requestEncoder struct {
	buffer
	req     *api.Request
	model   openai.Model // nothing is known of it where the client speaks this format
	dropped []string
	custom  map[string]bool // the ids of calls of custom tools
	err     error
}

func (e *requestEncoder) drop(when bool, name string) {
	if when {
		e.dropped = append(e.dropped, name)
	}
}

func (e *requestEncoder) unsupported(field, why string) {
	if e.err == nil {
		e.err = &api.Unsupported{Field: field, Why: why}
	}
}

// foreign tells whether the request came in another format.
func (e *requestEncoder) foreign() bool { return e.req.Source != api.Responses }

// words are members of the formats whose loss would change the answer.
func words(source api.API, chat, messages, gemini string) string {
	switch source {
	case api.Messages:
		return messages
	case api.Gemini:
		return gemini
	}
	return chat
}

// refuse tells what this format has no way to say.
func (e *requestEncoder) refuse() error {
	req := e.req
	if req.N > 1 {
		return &api.Unsupported{
			Field: words(req.Source, "n", "n", "generationConfig.candidateCount"),
			Why:   "asks for several answers, which the target's API (responses) cannot give: ask for one",
		}
	}
	if len(req.Stop) > 0 {
		return &api.Unsupported{
			Field: words(req.Source, "stop", "stop_sequences", "generationConfig.stopSequences"),
			Why:   "is not known to the target's API (responses), which cannot end an answer at a text: leave it out",
		}
	}
	if req.Logprobs && !e.model.Sampling(e.effort()) {
		return &api.Unsupported{
			Field: words(req.Source, "logprobs", "logprobs", "generationConfig.responseLogprobs"),
			Why:   "is refused by the target's model, which does not tell probabilities: leave it out",
		}
	}
	for _, name := range []string{"modalities", "responseModalities", "generationConfig.responseModalities"} {
		var modalities []string
		_ = json.Unmarshal(req.Extra[name], &modalities)
		for _, modality := range modalities {
			if e.foreign() && !strings.EqualFold(modality, "text") {
				return &api.Unsupported{Field: name, Why: "asks for " + strings.ToLower(modality) +
					", while the target's API (responses) answers in text: leave it out"}
			}
		}
	}
	return nil
}

// conversation writes the instructions and the input.
func (e *requestEncoder) conversation() {
	messages := e.req.Messages
	if text, ok := e.instructions(); ok {
		e.text("instructions", text)
		messages = messages[1:]
	}
	if len(messages) == 0 && !e.foreign() {
		return
	}
	e.key("input")
	if !e.foreign() && len(messages) == 1 && messages[0].Role == api.RoleUser && bare(messages[0].Parts) {
		e.buffer = api.AppendQuoted(e.buffer, messages[0].Parts[0].Text)
		return
	}
	e.open('[')
	if e.req.Source.Vendor() != vendor && openai.WantsWord(e.req.Format, messages) {
		e.items(api.RoleDeveloper, []api.Part{{Kind: api.Text, Text: openai.Word}})
	}
	for i := range messages {
		e.message(&messages[i])
	}
	e.close(']')
}

// bare tells whether a message stood in a member of its own and not in an item.
func bare(parts []api.Part) bool {
	return len(parts) == 1 && parts[0].Kind == api.Text && len(parts[0].Raw) > 0 && parts[0].Raw[0] == '"'
}

// instructions are the first system message, unless nothing else is there: an
// input has to be.
func (e *requestEncoder) instructions() (text string, ok bool) {
	messages := e.req.Messages
	if len(messages) == 0 || messages[0].Role != api.RoleSystem {
		return "", false
	}
	parts := messages[0].Parts
	if !e.foreign() {
		return parts[0].Text, bare(parts)
	}
	if len(messages) == 1 || len(parts) == 0 {
		return "", false
	}
	texts := make([]string, len(parts))
	for i := range parts {
		if parts[i].Kind != api.Text {
			return "", false
		}
		e.drop(parts[i].Cache != nil, "cache_control")
		texts[i] = parts[i].Text
	}
	return strings.Join(texts, "\n\n"), true
}

func (e *requestEncoder) tooling() {
	req := e.req
	var tools buffer
	e.dropped = append(e.dropped, tools.tools(req)...)
	none := len(tools) == len("[]")
	if !none {
		e.raw("tools", tools)
	}
	if mode := req.ToolChoice.Mode; mode != "" || len(req.ToolChoice.Allowed) > 0 {
		// OpenAI refuses a choice where there is nothing to choose.
		if !none || !e.foreign() || mode == api.ToolRequired || mode == api.ToolNamed {
			e.key("tool_choice")
			e.toolChoice(req)
		}
	}
	if req.ParallelToolCalls != nil {
		e.boolean("parallel_tool_calls", *req.ParallelToolCalls)
	}
}

// minTokens is the smallest limit that OpenAI takes, while other vendors' clients
// send 1 to see whether a key works:
// https://platform.openai.com/docs/api-reference/responses/create#responses-create-max_output_tokens.
const minTokens = 16

func (e *requestEncoder) sampling() {
	req := e.req
	if n := req.MaxTokens; n > 0 {
		if e.foreign() {
			n = max(n, minTokens)
		}
		e.whole("max_output_tokens", n)
	}
	// Where other vendors' models think at a temperature, OpenAI's refuse it.
	refused := !e.model.Sampling(e.effort()) || req.Source.Vendor() != vendor && e.thinks()
	for _, setting := range []struct {
		name  string
		value json.Number
	}{{"temperature", req.Temperature}, {"top_p", req.TopP}} {
		if refused {
			e.drop(setting.value != "", setting.name)
		} else if setting.value != "" {
			e.raw(setting.name, []byte(setting.value))
		}
	}
	if req.TopLogprobs > 0 {
		e.whole("top_logprobs", req.TopLogprobs)
	}
	e.drop(req.TopK != "", "top_k")
	e.drop(req.Seed != "", "seed")
	e.drop(req.FrequencyPenalty != "", "frequency_penalty")
	e.drop(req.PresencePenalty != "", "presence_penalty")
	e.drop(!api.Empty(req.LogitBias), "logit_bias")
}

// format writes `text`: the form of the answer, and how long-winded it is.
func (e *requestEncoder) format() {
	req := e.req
	if f := req.Format; f != nil && req.Source.Vendor() != vendor && e.model.Family != openai.Foreign && !openai.IsObject(f.Schema) {
		e.unsupported(words(req.Source, "response_format", "output_config.format", "generationConfig.responseSchema"), "is no object, which the target's model demands")
	}
	// The others know no verbosity but medium.
	if e.model.Family == openai.Plain || e.model.Family == openai.OSeries {
		without := *e.req
		e.drop(req.Verbosity != "", "verbosity")
		without.Verbosity, req = "", &without
	}
	var b buffer
	b.textOptions(req)
	if len(b) > len("{}") {
		e.raw("text", b)
	}
}

func (b *buffer) textOptions(req *api.Request) {
	b.open('{')
	if f := req.Format; f != nil {
		b.key("format")
		b.open('{')
		if f.Schema == nil {
			b.text("type", "json_object")
		} else {
			b.text("type", "json_schema")
			name := f.Name
			if name == "" {
				name = "answer" // it has to have one
			}
			b.text("name", name)
			b.optional("description", f.Description)
			b.raw("schema", f.Schema)
			switch {
			case f.Strict != nil:
				b.boolean("strict", *f.Strict)
			case req.Source.Vendor() != vendor && openai.Strict(f.Schema):
				// With other vendors each schema binds the model.
				b.boolean("strict", true)
			}
		}
		b.close('}')
	}
	b.optional("verbosity", req.Verbosity)
	b.within(req, "text.")
	b.close('}')
}

// within writes the members of Extra that stood inside of an object.
func (b *buffer) within(req *api.Request, prefix string) {
	if req.Source != api.Responses {
		return
	}
	for _, name := range extraNames(req) {
		if inner, ok := strings.CutPrefix(name, prefix); ok {
			b.raw(inner, req.Extra[name])
		}
	}
}

func extraNames(req *api.Request) []string {
	names := make([]string, 0, len(req.Extra))
	for name := range req.Extra {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// maxUser is how long OpenAI lets `user` be, while Claude Code's metadata.user_id
// is twice that: https://github.com/maximhq/bifrost/pull/1000.
const maxUser = 64

// identity writes who asks, and under which terms.
func (e *requestEncoder) identity() {
	req := e.req
	if !api.Empty(req.Metadata) {
		e.raw("metadata", req.Metadata)
	}
	user := req.User
	if e.foreign() && len(user) > maxUser {
		sum := sha256.Sum256([]byte(user))
		user = hex.EncodeToString(sum[:])
	}
	e.optional("user", user)
	if req.Source.Vendor() == vendor {
		e.optional("service_tier", req.ServiceTier)
	} else {
		e.drop(req.ServiceTier != "", "service_tier")
	}
	if e.foreign() && req.Extra["store"] == nil {
		e.boolean("store", false)
	}
}

// chatKnowsToo are members that chat and Responses share:
// https://platform.openai.com/docs/api-reference/chat/create.
var chatKnowsToo = []string{
	"prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier", "store",
}

func (e *requestEncoder) extras() {
	for _, name := range extraNames(e.req) {
		switch {
		case !e.foreign():
			if name != "include" && !strings.HasPrefix(name, "text.") && !strings.HasPrefix(name, "reasoning.") {
				e.raw(name, e.req.Extra[name])
			}
		case e.req.Source == api.Chat && slices.Contains(chatKnowsToo, name):
			e.raw(name, e.req.Extra[name])
		default:
			if why := e.req.Missed(name); why != "" {
				e.unsupported(name, why)
			}
			e.drop(!e.req.Repeats(name), name)
		}
	}
}

// asItStood writes an item of this format in its own words, unless somebody has
// changed a part of it since; it tells how many parts that were.
func (e *requestEncoder) asItStood(role api.Role, parts []api.Part) int {
	raw := parts[0].Raw
	if parts[0].Source != api.Responses || len(raw) == 0 || raw[0] != '{' || parts[0].Vendor != vendor && parts[0].Kind == api.Thinking {
		return 0
	}
	if parts[0].Kind == api.Opaque {
		if role != api.RoleAssistant {
			return 0 // a piece of a message's content
		}
		e.element(raw)
		return 1
	}
	n := 1
	for n < len(parts) && len(parts[n].Raw) > 0 && &parts[n].Raw[0] == &raw[0] {
		n++
	}
	before, err := decodeItem(raw, false)
	if err != nil || before.role != role {
		return 0
	}
	now, then := &requestEncoder{req: e.req}, &requestEncoder{req: e.req}
	now.items(role, parts[:n])
	then.items(role, before.parts)
	if now.err != nil || !bytes.Equal(now.buffer, then.buffer) {
		return 0
	}
	e.element(raw)
	return n
}
