package responses

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// searchName is how the neutral format calls OpenAI's web search.
const searchName = "web_search"

// maxName is how long a tool's name may be in the narrowest of the formats.
const maxName = 64

// flatName is the name of a tool in a namespace where there are no namespaces.
// Codex calls its MCP servers' tools like that for such providers:
// https://github.com/openai/codex/issues/26234.
func flatName(namespace, name string) string {
	if namespace == "" {
		return name
	}
	const between = "__"
	flat := strings.TrimSuffix(namespace, between) + between + name
	if len(flat) <= maxName {
		return flat
	}
	sum := sha256.Sum256([]byte(flat))
	return flat[:maxName-13] + "_" + hex.EncodeToString(sum[:6])
}

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

// decodeToolChoice reads whether and which tool to call:
// https://platform.openai.com/docs/api-reference/responses/create#responses-create-tool_choice.
func decodeToolChoice(raw json.RawMessage) (choice api.ToolChoice, err error) {
	if mode := ""; readText(raw, &mode) == nil {
		choice.Mode = api.ToolMode(mode)
		switch choice.Mode {
		case api.ToolAuto, api.ToolNone, api.ToolRequired:
			return choice, nil
		}
		return choice, expected("auto, none, required or an object")
	}
	var kind string
	err = members(raw, func(key string, value json.RawMessage) error {
		switch key {
		case "type":
			return readText(value, &kind)
		case "mode":
			mode := ""
			err := readText(value, &mode)
			choice.Mode = api.ToolMode(mode)
			return err
		case "tools":
			return elements(value, func(_ int, value json.RawMessage) error {
				choice.Allowed = append(choice.Allowed, chosenName(value))
				return nil
			})
		}
		return nil
	})
	if err == nil && kind == "" {
		err = in("type", expected("the kind of the choice, such as function"))
	}
	if kind != "allowed_tools" {
		return api.ToolChoice{Mode: api.ToolNamed, Name: chosenName(raw)}, err
	}
	if choice.Mode == "" {
		choice.Mode = api.ToolAuto
	}
	return choice, err
}

// chosenName is the neutral name of a tool in a choice: a function's own, that of
// the provider's tools their kind, an MCP server's its label, and, after a point,
// its tool.
func chosenName(raw json.RawMessage) string {
	var kind, name, label, namespace string
	_ = members(raw, func(key string, value json.RawMessage) error {
		s, _ := jsonscan.String(value)
		switch key {
		case "type":
			kind = s
		case "name":
			name = s
		case "server_label":
			label = s
		case "namespace":
			namespace = s
		}
		return nil
	})
	switch {
	case label != "" && name != "":
		return label + "." + name
	case label != "":
		return label
	case name != "":
		return flatName(namespace, name)
	case strings.HasPrefix(kind, "web_search"):
		return searchName
	}
	return kind
}

// tools writes the list of the tools, and names those that cannot be said.
func (b *buffer) tools(req *api.Request) (dropped []string) {
	b.open('[')
	for rest := req.Tools; len(rest) > 0; {
		n := b.toolAsItStood(rest)
		if n == 0 {
			n = 1
			dropped = append(dropped, b.tool(&rest[0], req.Source)...)
		}
		rest = rest[n:]
	}
	b.close(']')
	return dropped
}

// toolAsItStood writes a tool of this format, or a namespace of them, in its own
// words, unless somebody has changed it since; it tells how many tools that were.
func (b *buffer) toolAsItStood(tools []api.Tool) int {
	first := &tools[0]
	if first.Source != api.Responses || len(first.Raw) == 0 {
		return 0
	}
	before, err := decodeTool(first.Raw)
	if err != nil || len(before) > len(tools) {
		return 0
	}
	if first.Kind != api.OpaqueTool {
		var now, then buffer
		for i := range before {
			now.tool(&tools[i], api.Responses)
			then.tool(&before[i], api.Responses)
		}
		if !bytes.Equal(now, then) {
			return 0
		}
	}
	b.element(first.Raw)
	return len(before)
}

func (b *buffer) tool(tool *api.Tool, source api.API) (dropped []string) {
	if tool.Cache != nil {
		dropped = append(dropped, "cache_control")
	}
	switch tool.Kind {
	case api.FunctionTool:
		b.function(tool, source)
	case api.CustomTool:
		b.open('{')
		b.text("type", "custom")
		b.text("name", tool.Name)
		b.optional("description", tool.Description)
		if tool.Grammar != nil {
			b.raw("format", tool.Grammar)
		}
		b.close('}')
	case api.WebSearchTool:
		if tool.Search != nil && tool.Search.MaxUses > 0 {
			dropped = append(dropped, "max_uses")
		}
		b.search(tool.Search)
	default:
		dropped = append(dropped, "tools."+tool.Name)
	}
	return dropped
}

// function writes a function. It says that it isn't strict where the source's
// functions are not by default, as here they are:
// https://platform.openai.com/docs/guides/migrate-to-responses.
func (b *buffer) function(tool *api.Tool, source api.API) {
	b.open('{')
	b.text("type", "function")
	b.text("name", tool.Name)
	b.optional("description", tool.Description)
	switch {
	case tool.Schema != nil:
		b.raw("parameters", tool.Schema)
	case source != api.Responses:
		b.raw("parameters", []byte(`{"type":"object","properties":{}}`))
	}
	switch {
	case tool.Strict != nil:
		b.boolean("strict", *tool.Strict)
	case source != api.Responses:
		b.boolean("strict", false)
	}
	b.close('}')
}

func (b *buffer) search(s *api.WebSearch) {
	b.open('{')
	b.text("type", searchName)
	if s != nil {
		if len(s.AllowedDomains)+len(s.BlockedDomains) > 0 {
			b.key("filters")
			b.open('{')
			b.texts("allowed_domains", s.AllowedDomains)
			b.texts("blocked_domains", s.BlockedDomains)
			b.close('}')
		}
		b.optional("search_context_size", s.ContextSize)
		if s.City+s.Region+s.Country+s.Timezone != "" {
			b.key("user_location")
			b.open('{')
			b.text("type", "approximate")
			b.optional("city", s.City)
			b.optional("region", s.Region)
			b.optional("country", s.Country)
			b.optional("timezone", s.Timezone)
			b.close('}')
		}
	}
	b.close('}')
}

// texts writes a list that is not empty.
func (b *buffer) texts(name string, texts []string) {
	if len(texts) == 0 {
		return
	}
	b.key(name)
	b.open('[')
	for _, s := range texts {
		b.comma()
		*b = api.AppendQuoted(*b, s)
	}
	b.close(']')
}

// toolChoice writes the choice, which is not left open.
func (b *buffer) toolChoice(req *api.Request) {
	choice := &req.ToolChoice
	switch {
	case len(choice.Allowed) > 0:
		b.open('{')
		b.text("type", "allowed_tools")
		mode := choice.Mode
		if mode != api.ToolRequired {
			mode = api.ToolAuto
		}
		b.text("mode", string(mode))
		b.key("tools")
		b.open('[')
		for _, name := range choice.Allowed {
			b.chosen(req, name)
		}
		b.close(']')
		b.close('}')
	case choice.Mode == api.ToolNamed:
		b.chosen(req, choice.Name)
	default:
		b.comma()
		*b = api.AppendQuoted(*b, string(choice.Mode))
	}
}

// chosen is the reverse of chosenName.
func (b *buffer) chosen(req *api.Request, name string) {
	server, tool, _ := strings.Cut(name, ".")
	b.open('{')
	defer b.close('}')
	names := toolNames(req)
	for i := range req.Tools {
		switch t := &req.Tools[i]; {
		case t.Kind == api.OpaqueTool && t.Source == api.Responses && (t.Name == name || t.Name == server):
			kind, _ := jsonscan.String(jsonscan.Member(t.Raw, "type"))
			b.text("type", kind)
			if kind == "mcp" {
				b.text("server_label", t.Name)
				if t.Name != name {
					b.text("name", tool)
				}
			}
			return
		case t.Name != name:
		case t.Kind == api.WebSearchTool:
			if kind, ok := jsonscan.String(jsonscan.Member(t.Raw, "type")); ok && t.Source == api.Responses {
				b.text("type", kind)
			} else {
				b.text("type", searchName)
			}
			return
		}
	}
	own := names[name]
	if own.custom {
		b.text("type", "custom")
	} else {
		b.text("type", "function")
	}
	if own.namespace != "" {
		b.text("namespace", own.namespace)
		name = own.name
	}
	b.text("name", name)
}

// toolName is a tool's name as the client knows it.
type toolName struct {
	name, namespace string
	custom          bool
}

// toolNames are the client's names of its tools, where they say more than the
// neutral ones, which are the keys.
func toolNames(req *api.Request) (names map[string]toolName) {
	for i := range req.Tools {
		tool := &req.Tools[i]
		own := toolName{name: tool.Name, custom: tool.Kind == api.CustomTool}
		if tool.Source == api.Responses && string(jsonscan.Member(tool.Raw, "type")) == `"namespace"` {
			own.namespace, own.name = unflatten(tool)
		}
		if own.custom || own.namespace != "" {
			if names == nil {
				names = map[string]toolName{}
			}
			names[tool.Name] = own
		}
	}
	return names
}

// unflatten finds the tool in the namespace that it came from.
func unflatten(tool *api.Tool) (namespace, name string) {
	namespace, _ = jsonscan.String(jsonscan.Member(tool.Raw, "name"))
	inside := jsonscan.Array(jsonscan.Member(tool.Raw, "tools"))
	for inside.Next() {
		name, _ = jsonscan.String(jsonscan.Member(inside.Value(), "name"))
		if flatName(namespace, name) == tool.Name {
			return namespace, name
		}
	}
	return "", tool.Name
}
