package messages

import (
	"strings"

	"github.com/caddy-plexus/plexus/api"
)

func (d *requestDecoder) tools(raw []byte) error {
	if isNull(raw) {
		return nil
	}
	return elements(raw, func(_ int, value []byte) error {
		var kind string
		if err := members(value, func(key string, value []byte) error {
			if key == "type" {
				return text(value, &kind)
			}
			return nil
		}); err != nil {
			return err
		}
		var tool api.Tool
		var err error
		switch {
		case kind == "" || kind == "custom":
			tool, err = functionTool(value)
		case strings.HasPrefix(kind, webSearchPrefix):
			tool, err = searchTool(value, kind)
		default:
			tool = api.Tool{Kind: api.OpaqueTool, Raw: value, Source: api.Messages}
			if err = toolName(value, &tool); err == nil && tool.Name != "" {
				asFunction(value, kind, &tool)
			}
		}
		d.req.Tools = append(d.req.Tools, tool)
		return err
	})
}

// toolName reads a name where the tool has one: an mcp_toolset has none.
func toolName(raw []byte, tool *api.Tool) error {
	return members(raw, func(key string, value []byte) error {
		if key == "name" {
			return text(value, &tool.Name)
		}
		return nil
	})
}

// functionTool reads a tool of the client's. One that says more than the neutral
// one does, such as defer_loading, is kept whole for its own format.
func functionTool(raw []byte) (tool api.Tool, err error) {
	tool.Kind = api.FunctionTool
	more := false
	err = members(raw, func(key string, value []byte) error {
		switch key {
		case "name":
			return text(value, &tool.Name)
		case "description":
			return text(value, &tool.Description)
		case "input_schema":
			if isNull(value) || value[0] != '{' {
				return expected("an object")
			}
			tool.Schema = value
		case "strict":
			tool.Strict = new(bool)
			return boolean(value, tool.Strict)
		case "cache_control":
			tool.Cache = present(value)
		default: // type among them, which says nothing
			more = true
		}
		return nil
	})
	if err == nil && tool.Name == "" {
		err = in("name", expected("a string"))
	}
	if more {
		tool.Raw, tool.Source = raw, api.Messages
	}
	return tool, err
}

func searchTool(raw []byte, kind string) (tool api.Tool, err error) {
	search := &api.WebSearch{}
	tool.Kind, tool.Search = api.WebSearchTool, search
	more := kind != webSearch
	err = members(raw, func(key string, value []byte) error {
		switch key {
		case "type":
		case "name":
			return text(value, &tool.Name)
		case "max_uses":
			return integer(value, &search.MaxUses)
		case "allowed_domains":
			return texts(value, &search.AllowedDomains)
		case "blocked_domains":
			return texts(value, &search.BlockedDomains)
		case "user_location":
			return location(value, search)
		case "cache_control":
			tool.Cache = present(value)
		default:
			more = true
		}
		return nil
	})
	if more {
		tool.Raw, tool.Source = raw, api.Messages
	}
	return tool, err
}

func location(raw []byte, search *api.WebSearch) error {
	if isNull(raw) {
		return nil
	}
	return members(raw, func(key string, value []byte) error {
		switch key {
		case "city":
			return text(value, &search.City)
		case "region":
			return text(value, &search.Region)
		case "country":
			return text(value, &search.Country)
		case "timezone":
			return text(value, &search.Timezone)
		}
		return nil
	})
}

// choices are the manners of tool_choice:
// https://platform.claude.com/docs/en/agents-and-tools/tool-use/implement-tool-use#forcing-tool-use.
var choices = map[string]api.ToolMode{
	"auto": api.ToolAuto,
	"any":  api.ToolRequired,
	"none": api.ToolNone,
	"tool": api.ToolNamed,
}

func (d *requestDecoder) toolChoice(raw []byte) error {
	if isNull(raw) {
		return nil
	}
	var kind string
	choice := &d.req.ToolChoice
	err := members(raw, func(key string, value []byte) error {
		switch key {
		case "type":
			return text(value, &kind)
		case "name":
			return text(value, &choice.Name)
		case "disable_parallel_tool_use":
			if isNull(value) {
				return nil
			}
			var disabled bool
			if err := boolean(value, &disabled); err != nil {
				return err
			}
			parallel := !disabled
			d.req.ParallelToolCalls = &parallel
		}
		return nil
	})
	if err != nil {
		return err
	}
	mode, ok := choices[kind]
	switch {
	case !ok:
		return in("type", expected(`"auto", "any", "none" or "tool"`))
	case mode == api.ToolNamed && choice.Name == "":
		return in("name", expected("a string"))
	}
	choice.Mode = mode
	return nil
}
