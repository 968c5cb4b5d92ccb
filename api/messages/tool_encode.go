package messages

import (
	"slices"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// tools writes tools and tool_choice, the latter only beside the former:
// Anthropic refuses it alone.
//
// A conversation with calls and without tools declares the tools that were called
// and forbids them: Anthropic has refused it otherwise,
// https://github.com/BerriAI/litellm/pull/27620.
func (e *requestEncoder) tools(dst []byte, called []string) ([]byte, error) {
	list := []byte{'['}
	for i := range e.req.Tools {
		tool := &e.req.Tools[i]
		if allowed := e.req.ToolChoice.Allowed; len(allowed) > 0 && !slices.Contains(allowed, tool.Name) {
			continue
		}
		if raw := e.tool(tool, "tools["+strconv.Itoa(i)+"]"); raw != nil {
			list = append(element(list), raw...)
			e.offered = append(e.offered, tool.Name)
		}
	}
	if e.forcesFormat() {
		list = append(element(list), e.formatTool()...)
	}
	choice, err := e.toolChoice(len(list) > 1)
	if err != nil {
		return dst, err
	}
	if len(list) == 1 && !e.native && len(called) > 0 {
		for _, name := range called {
			list = append(memberText(append(element(list), '{'), "name", name), `,"input_schema":`+emptySchema+`}`...)
		}
		choice = []byte(`{"type":"none"}`)
	}
	if len(list) == 1 {
		return dst, nil
	}
	dst = append(memberRaw(dst, "tools", list), ']')
	return optionalRaw(dst, "tool_choice", choice), nil
}

func (e *requestEncoder) tool(tool *api.Tool, path string) []byte {
	if tool.Source == api.Messages && len(tool.Raw) > 0 {
		return tool.Raw
	}
	dst := []byte{'{'}
	switch tool.Kind {
	case api.FunctionTool:
		dst = optionalText(memberText(dst, "name", tool.Name), "description", tool.Description)
		dst = e.schema(dst, tool)
	case api.CustomTool:
		dst = optionalText(memberText(dst, "name", tool.Name), "description", api.CustomDescription(tool))
		dst = memberRaw(dst, "input_schema", api.CustomSchema)
	case api.WebSearchTool:
		dst = e.search(dst, tool.Search, path)
	default:
		e.drop(path)
		return nil
	}
	return append(optionalRaw(dst, "cache_control", tool.Cache), '}')
}

func (e *requestEncoder) schema(dst []byte, tool *api.Tool) []byte {
	if e.native {
		schema := tool.Schema
		if len(schema) == 0 {
			schema = []byte(emptySchema)
		}
		dst = memberRaw(dst, "input_schema", schema)
		if tool.Strict != nil {
			dst = memberRaw(dst, "strict", strconv.FormatBool(*tool.Strict))
		}
		return dst
	}
	schema := inputSchema(tool.Schema)
	if tool.Strict == nil || !*tool.Strict {
		return memberRaw(dst, "input_schema", schema)
	}
	// Models without structured outputs refuse the member.
	if !e.traits.formats() || !bindable(schema) {
		e.drop("strict")
		return memberRaw(dst, "input_schema", schema)
	}
	return memberRaw(memberRaw(dst, "input_schema", reduce(schema)), "strict", "true")
}

func (e *requestEncoder) search(dst []byte, s *api.WebSearch, path string) []byte {
	dst = memberText(memberText(dst, "type", webSearch), "name", webSearchName)
	if s == nil {
		return dst
	}
	if s.MaxUses > 0 {
		dst = memberInt(dst, "max_uses", s.MaxUses)
	}
	switch { // Anthropic refuses both lists together.
	case len(s.AllowedDomains) > 0:
		dst = memberTexts(dst, "allowed_domains", s.AllowedDomains)
		if len(s.BlockedDomains) > 0 {
			e.drop(path + ".blocked_domains")
		}
	case len(s.BlockedDomains) > 0:
		dst = memberTexts(dst, "blocked_domains", s.BlockedDomains)
	}
	if s.ContextSize != "" {
		e.drop(path + ".search_context_size")
	}
	if s.City+s.Region+s.Country+s.Timezone != "" {
		dst = append(member(dst, "user_location"), `{"type":"approximate"`...)
		dst = optionalText(optionalText(dst, "city", s.City), "region", s.Region)
		dst = append(optionalText(optionalText(dst, "country", s.Country), "timezone", s.Timezone), '}')
	}
	return dst
}

func (e *requestEncoder) toolChoice(offers bool) ([]byte, error) {
	choice, parallel := &e.req.ToolChoice, e.req.ParallelToolCalls
	kind := ""
	switch choice.Mode {
	case api.ToolAuto:
		kind = "auto"
	case api.ToolNone:
		kind = "none"
	case api.ToolRequired:
		kind = "any"
		if !offers && len(e.req.Tools) > 0 && !e.native {
			return nil, &api.Unsupported{Field: word(e.req.Source, "tool_choice", "tool_choice", "toolConfig.functionCallingConfig"), Why: "demands a call, and Messages cannot offer any of the tools"}
		}
	case api.ToolNamed:
		kind = "tool"
		if !slices.Contains(e.offered, choice.Name) && !e.native {
			return nil, &api.Unsupported{Field: word(e.req.Source, "tool_choice", "tool_choice", "toolConfig.functionCallingConfig"), Why: "names a tool that Messages cannot offer: " + choice.Name}
		}
	}
	if e.forcesFormat() {
		kind = "any"
		if len(e.offered) == 0 || choice.Mode == api.ToolNone {
			return []byte(`{"type":"tool","name":"` + e.formatName() + `"}`), nil
		}
	}
	if !offers {
		return nil, nil
	}
	single := parallel != nil && !*parallel && kind != "none"
	if kind == "" {
		if !single {
			return nil, nil
		}
		kind = "auto"
	}
	dst := memberText([]byte{'{'}, "type", kind)
	if kind == "tool" {
		dst = memberText(dst, "name", choice.Name)
	}
	switch {
	case single:
		dst = memberRaw(dst, "disable_parallel_tool_use", "true")
	case parallel != nil && e.native && kind != "none":
		dst = memberRaw(dst, "disable_parallel_tool_use", "false")
	}
	return append(dst, '}'), nil
}

// forces tells whether the model has to call a tool, which excludes thinking.
func (e *requestEncoder) forces() bool {
	mode := e.req.ToolChoice.Mode
	return e.forcesFormat() || len(e.req.Tools) > 0 && (mode == api.ToolRequired || mode == api.ToolNamed)
}

// forcesFormat tells whether a forced tool stands for the form of the answer: on
// models without output_config.format, and for what that one cannot say.
func (e *requestEncoder) forcesFormat() bool {
	f := e.req.Format
	return f != nil && !e.native && (len(f.Schema) == 0 || !e.traits.formats() || !bindable(f.Schema))
}

// formatName is the name of that tool.
func (e *requestEncoder) formatName() string {
	if kind := jsonscan.Member(e.req.Format.Schema, "type"); len(kind) > 0 && string(kind) != `"object"` && !jsonHas(kind, `"object"`) {
		return valueTool
	}
	return jsonTool
}

// inValue is the schema of an object with a value of this schema, whose references
// are to the root's definitions.
func inValue(schema []byte) []byte {
	dst := memberRaw([]byte(`{"type":"object"`), "properties", append(memberRaw([]byte{'{'}, jsonValue, schema), '}'))
	dst = memberRaw(dst, "required", `["`+jsonValue+`"]`)
	for _, name := range []string{"$defs", "definitions"} {
		dst = optionalRaw(dst, name, jsonscan.Member(schema, name))
	}
	return append(dst, '}')
}

func (e *requestEncoder) formatTool() []byte {
	f := e.req.Format
	description := f.Description
	if description == "" {
		description = "The answer, as a JSON object."
	}
	dst := memberText(memberText([]byte{'{'}, "name", e.formatName()), "description", description)
	if len(f.Schema) == 0 {
		return append(memberRaw(dst, "input_schema", `{"type":"object","additionalProperties":true}`), '}')
	}
	if e.formatName() == valueTool {
		return append(memberRaw(dst, "input_schema", inValue(f.Schema)), '}')
	}
	return append(memberRaw(dst, "input_schema", inputSchema(f.Schema)), '}')
}
