package responses

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// DecodeRequest implements api.Codec. Every part keeps the item that it stood in
// as its Raw, which EncodeRequest sends as long as the part still says the same.
func (Codec) DecodeRequest(body []byte) (*api.Request, error) {
	if !json.Valid(body) {
		var any json.RawMessage
		return nil, fmt.Errorf("the body is not JSON: %w", json.Unmarshal(body, &any))
	}
	d := &requestDecoder{req: &api.Request{Source: api.Responses}}
	// The request outlives the body's buffer, whose bytes it points to.
	if err := members(bytes.Clone(body), d.member); err != nil {
		return nil, err
	}
	if d.instructions != nil {
		d.req.Messages = append([]api.Message{*d.instructions}, d.req.Messages...)
	}
	return d.req, nil
}

type requestDecoder struct {
	req          *api.Request
	instructions *api.Message
	calls        map[string]string // a call's id → its tool's name
}

func (d *requestDecoder) member(key string, value json.RawMessage) (err error) {
	req := d.req
	switch key {
	case "model":
		return readText(value, &req.Model)
	case "stream":
		return readBool(value, &req.Stream)
	case "instructions":
		return d.instruct(value)
	case "input":
		return d.input(value)
	case "tools":
		return elements(value, func(_ int, value json.RawMessage) error {
			tools, err := decodeTool(value)
			req.Tools = append(req.Tools, tools...)
			return err
		})
	case "tool_choice":
		req.ToolChoice, err = decodeToolChoice(value)
		return err
	case "text":
		return members(value, d.textMember)
	case "reasoning":
		d.reasoning()
		return members(value, d.reasoningMember)
	case "include":
		return d.include(value)
	default:
		return d.setting(key, value)
	}
}

// setting reads a member that is one value.
func (d *requestDecoder) setting(key string, value json.RawMessage) error {
	req := d.req
	switch key {
	case "parallel_tool_calls":
		req.ParallelToolCalls = new(bool)
		return readBool(value, req.ParallelToolCalls)
	case "max_output_tokens":
		return readWhole(value, &req.MaxTokens)
	case "temperature":
		return readNumber(value, &req.Temperature)
	case "top_p":
		return readNumber(value, &req.TopP)
	case "top_logprobs":
		return readWhole(value, &req.TopLogprobs)
	case "user":
		return readText(value, &req.User)
	case "service_tier":
		return readText(value, &req.ServiceTier)
	case "metadata":
		req.Metadata = value
	default:
		d.extra(key, value)
	}
	return nil
}

func (d *requestDecoder) extra(key string, value json.RawMessage) {
	if d.req.Extra == nil {
		d.req.Extra = map[string]json.RawMessage{}
	}
	d.req.Extra[key] = value
}

func (d *requestDecoder) reasoning() *api.Reasoning {
	if d.req.Reasoning == nil {
		d.req.Reasoning = &api.Reasoning{}
	}
	return d.req.Reasoning
}

// instruct reads the instructions. Their Raw is no item, which tells them from a
// system message that stands in the input.
func (d *requestDecoder) instruct(value json.RawMessage) error {
	var text string
	if err := readText(value, &text); err != nil {
		return err
	}
	if text != "" {
		part := api.Part{Kind: api.Text, Text: text, Raw: value, Source: api.Responses}
		d.instructions = &api.Message{Role: api.RoleSystem, Parts: []api.Part{part}}
	}
	return nil
}

func (d *requestDecoder) textMember(key string, value json.RawMessage) error {
	switch key {
	case "verbosity":
		return readText(value, &d.req.Verbosity)
	case "format":
		return d.format(value)
	}
	d.extra("text."+key, value)
	return nil
}

func (d *requestDecoder) format(value json.RawMessage) error {
	f := &api.Format{}
	var kind string
	err := members(value, func(key string, value json.RawMessage) error {
		switch key {
		case "type":
			return readText(value, &kind)
		case "schema":
			f.Schema = value
		case "name":
			return readText(value, &f.Name)
		case "description":
			return readText(value, &f.Description)
		case "strict":
			f.Strict = new(bool)
			return readBool(value, f.Strict)
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch kind {
	case "text":
	case "json_object":
		d.req.Format = &api.Format{}
	case "json_schema":
		if f.Schema == nil {
			return in("schema", expected("a JSON Schema"))
		}
		d.req.Format = f
	default:
		d.extra("text.format", value)
	}
	return nil
}

func (d *requestDecoder) reasoningMember(key string, value json.RawMessage) error {
	r := d.reasoning()
	switch key {
	case "effort":
		return readText(value, &r.Effort)
	case "summary":
		err := readText(value, &r.Summary)
		r.Visible = r.Summary != "" && r.Summary != "none"
		return err
	}
	d.extra("reasoning."+key, value)
	return nil
}

// What a request includes in its answer, as far as the neutral format knows it:
// https://platform.openai.com/docs/api-reference/responses/create#responses-create-include.
const (
	includeEncrypted = "reasoning.encrypted_content"
	includeLogprobs  = "message.output_text.logprobs"
)

func (d *requestDecoder) include(value json.RawMessage) error {
	var include []string
	if err := readTexts(value, &include); err != nil {
		return err
	}
	for _, name := range include {
		switch name {
		case includeEncrypted:
			d.reasoning().Encrypted = true
		case includeLogprobs:
			d.req.Logprobs = true
		default:
			d.extra("include", value)
		}
	}
	return nil
}

func (d *requestDecoder) input(value json.RawMessage) error {
	if isArray(value) {
		return elements(value, func(_ int, value json.RawMessage) error {
			it, err := decodeItem(value, false)
			if err == nil {
				d.add(value, it)
			}
			return err
		})
	}
	var text string
	if readText(value, &text) != nil {
		return expected("a text or a list of items")
	}
	if text != "" {
		part := api.Part{Kind: api.Text, Text: text, Raw: value, Source: api.Responses}
		d.req.Messages = append(d.req.Messages, api.Message{Role: api.RoleUser, Parts: []api.Part{part}})
	}
	return nil
}

// add takes an item into the conversation. The assistant's items make one turn
// until somebody else speaks, and so do the outputs of tools.
func (d *requestDecoder) add(raw json.RawMessage, it item) {
	if it.mark != "" && it.mark != markRedacted {
		it.parts = d.attach(&it)
	}
	if len(it.parts) == 0 {
		return
	}
	for i := range it.parts {
		if part := &it.parts[i]; part.Kind != api.Opaque && it.mark != markText {
			part.Raw, part.Source = raw, api.Responses
			d.connect(part)
		}
	}
	if n := len(d.req.Messages); n > 0 && (it.role == api.RoleAssistant || it.role == api.RoleTool) {
		if last := &d.req.Messages[n-1]; last.Role == it.role {
			last.Parts = append(last.Parts, it.parts...)
			return
		}
	}
	d.req.Messages = append(d.req.Messages, api.Message{Role: it.role, Parts: it.parts})
}

// connect gives a result the name of its tool.
func (d *requestDecoder) connect(part *api.Part) {
	switch part.Kind {
	case api.ToolResult:
		part.Result.Name = d.calls[part.Result.ID]
	case api.ToolCall:
		if d.calls == nil {
			d.calls = map[string]string{}
		}
		d.calls[part.Call.ID] = part.Call.Name
	}
}

// attach gives a signature to the call or the text before it, of which it is. It
// gives the part that is left to add: the empty text that has one of its own.
func (d *requestDecoder) attach(it *item) []api.Part {
	if it.mark == markText {
		return []api.Part{{Kind: api.Text, Signature: it.signature, Vendor: it.vendor}}
	}
	n := len(d.req.Messages)
	if n == 0 || d.req.Messages[n-1].Role != api.RoleAssistant {
		return nil
	}
	parts := d.req.Messages[n-1].Parts
	for i := len(parts) - 1; i >= 0; i-- {
		part := &parts[i]
		if it.mark == markCall && part.Kind == api.ToolCall && part.Call.ID == it.call ||
			it.mark == markPrevious && part.Kind == api.Text {
			part.Signature, part.Vendor = it.signature, it.vendor
			break
		}
	}
	return nil
}

// Stateful names the member of a decoded request that only a provider can honour
// that has stored something: a former response, a conversation, an item, a
// template, or work in the background. It is empty where there is none. That a
// response shall be stored does no harm by itself.
func Stateful(req *api.Request) (field string) {
	if req.Source != api.Responses {
		return ""
	}
	for _, name := range []string{"previous_response_id", "conversation", "prompt"} {
		if !api.Empty(req.Extra[name]) {
			return name
		}
	}
	if string(req.Extra["background"]) == "true" {
		return "background"
	}
	for m := range req.Messages {
		for p := range req.Messages[m].Parts {
			if part := &req.Messages[m].Parts[p]; part.Kind == api.Opaque && isReference(part.Raw) {
				return "input.item_reference"
			}
		}
	}
	return ""
}

// isReference tells whether an item is a reference, which may leave out its type.
func isReference(raw json.RawMessage) bool {
	kind := string(jsonscan.Member(raw, "type"))
	return kind == `"item_reference"` || api.Empty([]byte(kind))
}
