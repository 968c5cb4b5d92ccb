package gemini

import (
	"encoding/json"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// DecodeRequest implements api.Codec. What it does not know goes to Extra by its
// name in camelCase, and by its path where it stands in generationConfig or
// toolConfig: generationConfig.speechConfig.
func (Codec) DecodeRequest(body []byte) (*api.Request, error) {
	if err := valid(body); err != nil {
		return nil, err
	}
	d := new(decoder)
	req := d.request(d.object(body, ""))
	if d.err != nil {
		return nil, d.err
	}
	return req, nil
}

func (d *decoder) request(f *fields) *api.Request {
	req := &api.Request{Source: api.Gemini}
	// The path decides; a body may repeat it.
	f.take("model")
	d.system(req, f.take("systemInstruction"), f.in("systemInstruction"))
	if !f.has("contents") {
		d.fail(f.in("contents"), "a list of contents")
	}
	f.each("contents", func(raw json.RawMessage, path string) { d.content(req, raw, path) })
	f.each("tools", func(raw json.RawMessage, path string) { d.tool(req, raw, path) })
	d.toolConfig(req, f)
	d.generationConfig(req, f)
	req.Extra = f.rest()
	return req
}

// system reads the instruction, whose role says nothing.
func (d *decoder) system(req *api.Request, raw json.RawMessage, path string) {
	message := api.Message{Role: api.RoleSystem}
	d.parts(raw, path, func(part api.Part) { message.Parts = append(message.Parts, part) })
	if len(message.Parts) > 0 {
		req.Messages = append(req.Messages, message)
	}
}

// parts reads the parts of a content. Some clients send a text in its place, or
// its parts alone, as Google's SDKs let their callers do.
func (d *decoder) parts(raw json.RawMessage, path string, visit func(api.Part)) {
	one := func(raw json.RawMessage, path string) { visit(d.part(raw, path)) }
	switch {
	case absent(raw):
	case raw[0] == '"', raw[0] == '[':
		d.each(raw, path, one)
	default:
		d.object(raw, path).each("parts", one)
	}
}

func (d *decoder) content(req *api.Request, raw json.RawMessage, path string) {
	role := api.RoleUser
	if raw[0] != '"' {
		role = d.role(d.object(raw, path))
	}
	if role == api.RoleAssistant && !d.model {
		d.turn = len(d.calls)
	}
	d.model = role == api.RoleAssistant
	first := true
	d.parts(raw, path, func(part api.Part) {
		r := role
		if part.Kind == api.ToolResult {
			r = api.RoleTool
		}
		if n := len(req.Messages); first || req.Messages[n-1].Role != r {
			req.Messages = append(req.Messages, api.Message{Role: r})
		}
		first = false
		last := &req.Messages[len(req.Messages)-1]
		last.Parts = append(last.Parts, part)
	})
	if !first && d.model {
		last := &req.Messages[len(req.Messages)-1]
		last.Parts = joinPieces(last.Parts)
	}
}

func (d *decoder) role(f *fields) api.Role {
	switch f.text("role") {
	case "", "user", "function", "tool":
	case "model":
		return api.RoleAssistant
	default:
		d.fail(f.in("role"), `"user" or "model"`)
	}
	return api.RoleUser
}

// toolConfig reads which functions may be called:
// https://ai.google.dev/api/caching#ToolConfig.
func (d *decoder) toolConfig(req *api.Request, top *fields) {
	config := top.object("toolConfig")
	calling := config.object("functionCallingConfig")
	mode := calling.text("mode")
	allowed := calling.texts("allowedFunctionNames")
	choice := api.ToolChoice{Allowed: allowed}
	switch mode {
	case "", "MODE_UNSPECIFIED":
		choice = api.ToolChoice{}
	case "AUTO":
		choice.Mode = api.ToolAuto
	case "VALIDATED":
		choice.Mode = api.ToolAuto
	case "NONE":
		choice.Mode = api.ToolNone
	case "ANY":
		choice.Mode = api.ToolRequired
		if len(allowed) == 1 {
			choice = api.ToolChoice{Mode: api.ToolNamed, Name: allowed[0]}
		}
	default:
		d.fail(calling.in("mode"), "AUTO, ANY, NONE or VALIDATED")
	}
	req.ToolChoice = choice
	// VALIDATED is what a choice among some tools becomes on the way back.
	if validated := mode == "VALIDATED"; choice.Mode == api.ToolAuto && validated != (len(allowed) > 0) {
		calling.keep("mode", api.Quote(mode))
	}
	config.keepAll(calling)
	top.keepAll(config)
}

// generationConfig reads https://ai.google.dev/api/generate-content#GenerationConfig.
func (d *decoder) generationConfig(req *api.Request, top *fields) {
	f := top.object("generationConfig")
	req.MaxTokens, _ = f.whole("maxOutputTokens")
	req.Stop = f.texts("stopSequences")
	req.Temperature = f.number("temperature")
	req.TopP = f.number("topP")
	req.TopK = f.number("topK")
	req.Seed = f.number("seed")
	req.PresencePenalty = f.number("presencePenalty")
	req.FrequencyPenalty = f.number("frequencyPenalty")
	req.N, _ = f.whole("candidateCount")
	req.Logprobs = f.boolean("responseLogprobs")
	req.TopLogprobs, _ = f.whole("logprobs")
	d.format(req, f)
	d.thinking(req, f)
	top.keepAll(f)
}

// format reads the three ways in which Google has asked for JSON over time. What
// is not the JSON Schema beside a media type stays in Extra as well, and goes
// back as it came.
func (d *decoder) format(req *api.Request, f *fields) {
	mime := f.take("responseMimeType")
	if s, _ := jsonscan.String(mime); s != "application/json" {
		f.keep("responseMimeType", mime)
		d.responseFormat(req, f)
		return
	}
	req.Format = &api.Format{}
	if schema := f.take("responseJsonSchema"); schema != nil {
		req.Format.Schema = schema
		return
	}
	for _, name := range []string{"_responseJsonSchema", "responseSchema"} {
		schema := f.take(name)
		if schema == nil {
			continue
		}
		f.keep(name, schema)
		req.Format.Schema = schema
		if name == "responseSchema" {
			req.Format.Schema = fromOpenAPI(schema)
		}
		return
	}
}

// responseFormat reads the latest form, of which text is one of several kinds.
func (d *decoder) responseFormat(req *api.Request, f *fields) {
	whole := f.take("responseFormat")
	text := d.object(whole, f.in("responseFormat")).object("text")
	switch text.text("mimeType") {
	case "application/json", "APPLICATION_JSON":
		req.Format = &api.Format{Schema: text.take("schema")}
	}
	f.keep("responseFormat", whole)
}

// thinking reads https://ai.google.dev/api/generate-content#ThinkingConfig.
func (d *decoder) thinking(req *api.Request, f *fields) {
	if !f.has("thinkingConfig") {
		return
	}
	config := f.object("thinkingConfig")
	r := &api.Reasoning{Visible: config.boolean("includeThoughts")}
	if budget, ok := config.whole("thinkingBudget"); ok {
		switch {
		case budget < 0:
			r.Adaptive = true
		case budget == 0:
			r.Effort = "none"
		default:
			r.Budget = budget
		}
	}
	if level := strings.ToLower(config.text("thinkingLevel")); level != "" && level != "thinking_level_unspecified" {
		r.Effort = level
	}
	if *r != (api.Reasoning{}) {
		req.Reasoning = r
	}
	f.keepAll(config)
}
