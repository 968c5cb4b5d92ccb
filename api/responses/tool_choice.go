package responses

import (
	"encoding/json"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

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

// toolChoice writes the choice, which is not left open.
func (b *buffer) toolChoice(req *api.Request) {
	choice, names := &req.ToolChoice, toolNames(req)
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
			b.chosen(req, names, name)
		}
		b.close(']')
		b.close('}')
	case choice.Mode == api.ToolNamed:
		b.chosen(req, names, choice.Name)
	default:
		b.comma()
		*b = api.AppendQuoted(*b, string(choice.Mode))
	}
}

// chosen is the reverse of chosenName.
func (b *buffer) chosen(req *api.Request, names map[string]toolName, name string) {
	server, tool, _ := strings.Cut(name, ".")
	b.open('{')
	defer b.close('}')
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
