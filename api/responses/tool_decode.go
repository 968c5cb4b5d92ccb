package responses

import (
	"encoding/json"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// decodeTool reads a tool; a namespace is as many as it holds, and all of them
// keep the whole of it as their Raw.
func decodeTool(raw json.RawMessage) ([]api.Tool, error) {
	var kind, name string
	var inside json.RawMessage
	err := members(raw, func(key string, value json.RawMessage) error {
		switch key {
		case "type":
			return readText(value, &kind)
		case "name", "server_label":
			return readText(value, &name)
		case "tools":
			inside = value
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	switch {
	case kind == "":
		return nil, in("type", expected("the kind of the tool, such as function"))
	case kind == "function" || kind == "custom":
		tool, err := decodeFunction(raw, kind == "custom")
		return []api.Tool{tool}, err
	case strings.HasPrefix(kind, "web_search"):
		tool, err := decodeSearch(raw)
		return []api.Tool{tool}, err
	case kind == "namespace" && isArray(inside):
		if tools, err := decodeNamespace(raw, name, inside); err != nil || len(tools) > 0 {
			return tools, err
		}
	}
	if name == "" {
		name = kind
	}
	return []api.Tool{{Kind: api.OpaqueTool, Name: name, Raw: raw, Source: api.Responses}}, nil
}

func decodeNamespace(raw json.RawMessage, name string, inside json.RawMessage) (tools []api.Tool, err error) {
	err = elements(inside, func(_ int, value json.RawMessage) error {
		kind := string(jsonscan.Member(value, "type"))
		if kind != `"function"` && kind != `"custom"` {
			return nil
		}
		tool, err := decodeFunction(value, kind == `"custom"`)
		tool.Name, tool.Raw = flatName(name, tool.Name), raw
		tools = append(tools, tool)
		return err
	})
	return tools, in("tools", err)
}

func decodeFunction(raw json.RawMessage, custom bool) (api.Tool, error) {
	tool := api.Tool{Kind: api.FunctionTool, Raw: raw, Source: api.Responses}
	if custom {
		tool.Kind = api.CustomTool
	}
	err := members(raw, func(key string, value json.RawMessage) error {
		switch key {
		case "name":
			return readText(value, &tool.Name)
		case "description":
			return readText(value, &tool.Description)
		case "parameters":
			tool.Schema = value
		case "strict":
			tool.Strict = new(bool)
			return readBool(value, tool.Strict)
		case "format":
			tool.Grammar = value
		}
		return nil
	})
	if err == nil && tool.Name == "" {
		err = in("name", expected("the tool's name"))
	}
	return tool, err
}

// decodeSearch reads a web search:
// https://platform.openai.com/docs/guides/tools-web-search.
func decodeSearch(raw json.RawMessage) (api.Tool, error) {
	search := &api.WebSearch{}
	tool := api.Tool{Kind: api.WebSearchTool, Name: searchName, Search: search, Raw: raw, Source: api.Responses}
	err := members(raw, func(key string, value json.RawMessage) error {
		switch key {
		case "search_context_size":
			return readText(value, &search.ContextSize)
		case "filters":
			return members(value, func(key string, value json.RawMessage) error {
				switch key {
				case "allowed_domains":
					return readTexts(value, &search.AllowedDomains)
				case "blocked_domains":
					return readTexts(value, &search.BlockedDomains)
				}
				return nil
			})
		case "user_location":
			return members(value, func(key string, value json.RawMessage) error {
				switch key {
				case "city":
					return readText(value, &search.City)
				case "region":
					return readText(value, &search.Region)
				case "country":
					return readText(value, &search.Country)
				case "timezone":
					return readText(value, &search.Timezone)
				}
				return nil
			})
		}
		return nil
	})
	return tool, err
}
