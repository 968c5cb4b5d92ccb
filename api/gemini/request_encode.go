package gemini

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// encoder writes one request.
type encoder struct {
	req     *api.Request
	native  bool // the request came in this format
	model   traits
	mixed   bool // functions stand beside tools of Google's
	strict  bool // some function's calls have to keep to its schema
	dropped map[string]bool
	err     error

	calls map[string]callInfo // by id
}

// callInfo is what a result has to know of its call.
type callInfo struct {
	name   string
	order  int
	sendID bool
}

// EncodeRequest implements api.Codec.
//
// System and developer messages at the start become the systemInstruction; later
// ones, for which Google has no place, are texts of the user where they stand.
// Ids of calls are sent where the client sent them and to models that give ids
// themselves; to others only where one turn calls a function several times, since
// names and order tell the rest. What a request of this format says that the neutral form does not know
// is sent as it came.
func (Codec) EncodeRequest(req *api.Request) ([]byte, []string, error) {
	e := &encoder{
		req: req, native: req.Source == api.Gemini, model: traitsOf(req.Model),
		dropped: map[string]bool{}, calls: map[string]callInfo{},
	}
	var o object
	rest := e.system(&o)
	o.key("contents")
	o.out = e.contents(o.out, rest)
	e.tools(&o)
	e.toolConfig(&o)
	e.generationConfig(&o)
	e.advisory()
	e.extra(&o)
	if e.err != nil {
		return nil, nil, e.err
	}
	return o.end(), slices.Sorted(maps.Keys(e.dropped)), nil
}

func (e *encoder) drop(name string, present bool) {
	if present {
		e.dropped[name] = true
	}
}

func (e *encoder) unsupported(field, why string) {
	if e.err == nil {
		e.err = &api.Unsupported{Field: field, Why: why}
	}
}

// word is a member's name in the client's format.
func (e *encoder) word(chat, messages, responses string) string {
	switch e.req.Source {
	case api.Messages:
		return messages
	case api.Responses:
		return responses
	}
	return chat
}

// advisory lists what Google's format lacks and an answer can do without.
func (e *encoder) advisory() {
	req := e.req
	e.drop("parallel_tool_calls", req.ParallelToolCalls != nil && !*req.ParallelToolCalls)
	e.drop("logit_bias", !api.Empty(req.LogitBias))
	e.drop("verbosity", req.Verbosity != "")
	e.drop("user", req.User != "")
	e.drop("metadata", !api.Empty(req.Metadata))
	e.drop("service_tier", req.ServiceTier != "")
}

// merge adds the members of raw.
func (o *object) merge(raw json.RawMessage, except ...string) {
	if absent(raw) {
		return
	}
	it := jsonscan.Object(raw)
	for it.Next() {
		if !slices.Contains(except, string(it.Key)) {
			o.add(string(it.Key), it.Value())
		}
	}
}

// system writes what precedes the conversation, and gives the conversation.
func (e *encoder) system(o *object) []api.Message {
	messages := e.req.Messages
	if e.model.plain {
		return messages
	}
	var parts []byte
	for len(messages) > 0 && (messages[0].Role == api.RoleSystem || messages[0].Role == api.RoleDeveloper) {
		for i := range messages[0].Parts {
			if part := &messages[0].Parts[i]; e.sends(part) {
				parts = e.part(append(parts, ','), part, "")
			}
		}
		e.drop("name", messages[0].Name != "")
		messages = messages[1:]
	}
	if len(parts) > 0 {
		parts[0] = '['
		o.key("systemInstruction")
		o.out = append(append(append(o.out, `{"parts":`...), parts...), `]}`...)
	}
	return messages
}

// turn is what one side says before the other does.
type turn struct {
	model bool
	parts []*api.Part
}

// turns brings the conversation into the order that Google demands: the sides
// alternate, the user begins, and results follow their calls at once.
func (e *encoder) turns(messages []api.Message) []turn {
	var out []turn
	for m := range messages {
		model := messages[m].Role == api.RoleAssistant
		e.drop("name", messages[m].Name != "")
		for i := range messages[m].Parts {
			part := &messages[m].Parts[i]
			if !e.sends(part) {
				continue
			}
			if n := len(out); n == 0 || out[n-1].model != model {
				out = append(out, turn{model: model})
			}
			last := &out[len(out)-1]
			last.parts = append(last.parts, part)
		}
	}
	if !e.native {
		answerAll(out)
	}
	return out
}

// answerAll gives an empty result to each call that has none where the conversation
// goes on: Google demands as many results as there were calls.
func answerAll(turns []turn) {
	for i := range turns {
		if i+1 == len(turns) || !turns[i].model {
			continue
		}
		next := &turns[i+1]
		for _, call := range turns[i].parts {
			if call.Kind == api.ToolCall && !slices.ContainsFunc(next.parts, func(p *api.Part) bool {
				return p.Kind == api.ToolResult && p.Result.ID == call.Call.ID
			}) {
				next.parts = slices.Insert(next.parts, 0, &api.Part{Kind: api.ToolResult, Result: &api.Result{ID: call.Call.ID, Name: call.Call.Name}})
			}
		}
	}
}

// sends tells whether a part goes to Google. Reasoning and signatures do only
// where they are Google's own, items of providers where they came from there;
// an empty text says nothing, and Vertex AI refuses it.
func (e *encoder) sends(part *api.Part) bool {
	switch part.Kind {
	case api.Text:
		return e.native || part.Text != "" || ownSignature(part) != ""
	case api.Refusal:
		return part.Text != ""
	case api.Thinking:
		e.drop("messages.thinking", part.Vendor != api.Google)
		return part.Vendor == api.Google
	case api.Opaque:
		return part.Source == api.Gemini && len(part.Raw) > 0
	case api.ToolCall:
		return part.Call != nil
	case api.ToolResult:
		return part.Result != nil
	default:
		return part.Media != nil
	}
}

func ownSignature(part *api.Part) string {
	if part.Vendor == api.Google {
		return part.Signature
	}
	return ""
}

const (
	// blank is the user's part of a conversation that has none.
	blank = `{"role":"user","parts":[{"text":" "}]}`
	// goOn follows an answer that a client began itself, as Claude Code does,
	// where the model refuses to be the last to have spoken.
	goOn = `{"role":"user","parts":[{"text":"Continue."}]}`
)

func (e *encoder) contents(dst []byte, messages []api.Message) []byte {
	dst = append(dst, '[')
	turns := e.turns(messages)
	if len(turns) == 0 || turns[0].model && !e.native {
		dst = append(dst, blank...)
	}
	for i := range turns {
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		if turns[i].model {
			dst = e.modelTurn(append(dst, `{"role":"model","parts":[`...), turns[i].parts)
		} else {
			dst = e.userTurn(append(dst, `{"role":"user","parts":[`...), turns[i].parts)
		}
		dst = append(dst, `]}`...)
	}
	if n := len(turns); n > 0 && turns[n-1].model && !e.native && !e.model.continues() {
		dst = append(append(dst, ','), goOn...)
	}
	return append(dst, ']')
}

func (e *encoder) modelTurn(dst []byte, parts []*api.Part) []byte {
	called := map[string]int{}
	for _, part := range parts {
		if part.Kind == api.ToolCall {
			called[part.Call.Name]++
		}
	}
	first := true
	for i, part := range parts {
		if i > 0 {
			dst = append(dst, ',')
		}
		signature := ownSignature(part)
		if part.Kind == api.ToolCall {
			e.call(part.Call, called[part.Call.Name] > 1)
			if first && signature == "" {
				signature = e.missingSignature()
			}
			first = false
		}
		dst = e.part(dst, part, signature)
	}
	return dst
}

// call remembers a call for its result.
func (e *encoder) call(call *api.Call, several bool) {
	if !functionName(call.Name) {
		e.unsupported(e.word("messages.tool_calls.function.name", "messages.content.name", "input.name"), badName(call.Name))
	}
	own := strings.HasPrefix(call.ID, madeUp)
	e.calls[call.ID] = callInfo{
		name: call.Name, order: len(e.calls),
		sendID: e.native && !own || !e.native && (several || e.model.ids()),
	}
}

// missingSignature stands in for the signature of a step that Gemini did not
// take itself, without which Gemini 3 refuses the conversation:
// https://ai.google.dev/gemini-api/docs/thought-signatures.
func (e *encoder) missingSignature() string {
	if e.model.signs() {
		return skipValidator
	}
	return ""
}

// userTurn writes results before anything else, in the order of their calls, by
// which they are matched. Where the client speaks this format, the order is its
// own affair.
func (e *encoder) userTurn(dst []byte, parts []*api.Part) []byte {
	if !e.native {
		parts = slices.Clone(parts)
		slices.SortStableFunc(parts, func(a, b *api.Part) int { return e.rank(a) - e.rank(b) })
	}
	var media []byte // of results, where these cannot hold it
	start := len(dst)
	for _, part := range parts {
		if part.Kind != api.ToolResult && len(media) > 0 {
			dst, media = append(dst, media...), nil
		}
		if len(dst) > start {
			dst = append(dst, ',')
		}
		dst = e.part(dst, part, ownSignature(part))
		if part.Kind == api.ToolResult && !e.raw(part) {
			media = e.resultMedia(media, part.Result, false)
		}
	}
	return append(dst, media...)
}

func (e *encoder) rank(part *api.Part) int {
	if part.Kind != api.ToolResult {
		return len(e.calls)
	}
	if info, ok := e.calls[part.Result.ID]; ok {
		return info.order
	}
	return len(e.calls) - 1
}

// raw tells whether a part goes back as it came.
func (e *encoder) raw(part *api.Part) bool {
	return part.Source == api.Gemini && len(part.Raw) > 0 && (part.Signature == "" || part.Vendor == api.Google)
}

func (e *encoder) part(dst []byte, part *api.Part, signature string) []byte {
	e.drop("cache_control", !absent(part.Cache))
	if e.raw(part) {
		return append(dst, part.Raw...)
	}
	switch part.Kind {
	case api.Text, api.Thinking, api.Refusal:
		return appendText(dst, api.Quote(part.Text), part.Kind == api.Thinking, signature)
	case api.ToolCall:
		id := ""
		if e.calls[part.Call.ID].sendID {
			id = part.Call.ID
			if !e.native {
				id = api.CallID(id)
			}
		}
		return appendCall(dst, id, part.Call, signature)
	case api.ToolResult:
		return e.result(dst, part)
	default:
		return e.media(dst, part.Kind, part.Media, signature)
	}
}

func (e *encoder) media(dst []byte, kind api.Kind, m *api.Media, signature string) []byte {
	e.drop("detail", m.Detail != "" && m.Detail != "auto")
	if m.FileID != "" && m.Data == "" && m.URL == "" && !e.native && !strings.HasPrefix(m.FileID, ownFiles) {
		e.unsupported(e.word("file_id", "source.file_id", "file_id"),
			strconv.Quote(m.FileID)+" is a file at another provider, which Gemini cannot read")
	}
	return appendMedia(dst, kind, m, !e.native, signature)
}
