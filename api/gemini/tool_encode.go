package gemini

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// tools writes all functions in one element, since several are refused unless
// they are searches, and each other tool in its own.
func (e *encoder) tools(top *object) {
	var out []byte
	functions := e.functionDeclarations()
	alone := functions != nil && !e.native && !e.model.mixes()
	for i := range e.req.Tools {
		tool := &e.req.Tools[i]
		e.drop("cache_control", !absent(tool.Cache))
		var raw []byte
		if isFunction(*tool) {
			raw, functions = functions, nil
		} else {
			raw = e.served(tool, alone)
		}
		if len(raw) > 0 {
			out = append(append(out, ','), raw...)
		}
	}
	if len(out) > 0 {
		out[0] = '['
		top.add("tools", append(out, ']'))
	}
}

// served writes a tool that Google runs itself, unless functions have to stand
// alone: a client can do without a search sooner than without its own tools.
func (e *encoder) served(tool *api.Tool, alone bool) []byte {
	if alone {
		name := "web_search"
		if tool.Kind != api.WebSearchTool {
			name = "tools." + kindOfTool(tool)
		}
		e.drop(name, true)
		return nil
	}
	var raw []byte
	switch tool.Kind {
	case api.WebSearchTool:
		raw = e.search(tool)
	case api.OpaqueTool:
		raw = e.opaqueTool(tool)
	}
	e.mixed = e.mixed || raw != nil && !e.native && e.model.version != 0 && slices.ContainsFunc(e.req.Tools, isFunction)
	return raw
}

func (e *encoder) functionDeclarations() []byte {
	var out []byte
	for i := range e.req.Tools {
		tool := &e.req.Tools[i]
		if !isFunction(*tool) {
			continue
		}
		if !functionName(tool.Name) {
			field := "tools[" + strconv.Itoa(i) + "]"
			e.unsupported(e.word(field+".function.name", field+".name", field+".name"), badName(tool.Name))
		}
		out = append(out, ',')
		if tool.Source == api.Gemini && len(tool.Raw) > 0 {
			out = append(out, tool.Raw...)
			continue
		}
		if tool.Strict != nil && *tool.Strict {
			e.strict = e.model.validates()
			e.drop("strict", !e.strict)
		}
		out = append(out, declaration(tool)...)
	}
	if len(out) == 0 {
		return nil
	}
	out[0] = '['
	return append(append([]byte(`{"functionDeclarations":`), out...), `]}`...)
}

// declaration writes a function. Its schema goes to parametersJsonSchema, which
// Google documents for all models that are served: the older parameters takes
// types in capitals, no union beside anything else, and knows no maps.
func declaration(tool *api.Tool) []byte {
	var o object
	o.text("name", tool.Name)
	if tool.Kind == api.CustomTool {
		o.text("description", customDescription(tool))
		o.add("parametersJsonSchema", []byte(
			`{"type":"object","properties":{"`+customArguments+`":{"type":"string"}},"required":["`+customArguments+`"]}`))
		return o.end()
	}
	o.optional("description", tool.Description)
	if schema := reduceSchema(tool.Schema); hasArguments(schema) {
		o.add("parametersJsonSchema", arguments(schema))
	}
	return o.end()
}

// arguments is a schema of arguments, which are an object whatever else is said:
// some tools have nothing but a union at the root, where Google wants a type.
func arguments(schema json.RawMessage) json.RawMessage {
	if jsonscan.Member(schema, "type") != nil {
		return schema
	}
	var o object
	o.text("type", "object")
	o.merge(schema)
	return o.end()
}

// hasArguments tells a schema that says something from one of no arguments,
// which Google refused for long: "should be non-empty for OBJECT type".
func hasArguments(schema json.RawMessage) bool {
	it := jsonscan.Object(schema)
	for it.Next() {
		switch string(it.Key) {
		case "type", "title", "description":
		case "properties", "required":
			if !api.Empty(it.Value()) {
				return true
			}
		default:
			return true
		}
	}
	return false
}

// customDescription tells the model what OpenAI would have made it keep to.
func customDescription(tool *api.Tool) string {
	out := tool.Description
	if out != "" {
		out += "\n\n"
	}
	out += "The input is free text, not JSON."
	grammar := jsonscan.Member(tool.Grammar, "grammar") // chat's form
	if grammar == nil {
		grammar = tool.Grammar
	}
	definition, _ := jsonscan.String(jsonscan.Member(grammar, "definition"))
	if definition == "" {
		return out
	}
	syntax, _ := jsonscan.String(jsonscan.Member(grammar, "syntax"))
	return out + " It has to match this " + strings.TrimSpace(syntax+" grammar") + ":\n" + definition
}

func (e *encoder) search(tool *api.Tool) []byte {
	if tool.Source == api.Gemini && len(tool.Raw) > 0 {
		return tool.Raw
	}
	if s := tool.Search; s != nil {
		e.drop("web_search.allowed_domains", len(s.AllowedDomains) > 0)
		e.drop("web_search.blocked_domains", len(s.BlockedDomains) > 0)
		e.drop("web_search.max_uses", s.MaxUses != 0)
		e.drop("web_search.search_context_size", s.ContextSize != "")
		e.drop("web_search.user_location", s.City != "" || s.Region != "" || s.Country != "" || s.Timezone != "")
	}
	return []byte(`{"googleSearch":{}}`)
}

// opaqueTool writes a tool that a provider runs: Google's own as it came, those
// of others where Google has the like.
func (e *encoder) opaqueTool(tool *api.Tool) []byte {
	if tool.Source == api.Gemini {
		return tool.Raw
	}
	kind := kindOfTool(tool)
	switch {
	case strings.HasPrefix(kind, "code_execution"), kind == "code_interpreter":
		return []byte(`{"codeExecution":{}}`)
	case strings.HasPrefix(kind, "web_fetch"):
		return []byte(`{"urlContext":{}}`)
	}
	e.drop("tools."+kind, true)
	return nil
}

func kindOfTool(tool *api.Tool) string {
	if kind, _ := jsonscan.String(jsonscan.Member(tool.Raw, "type")); kind != "" {
		return kind
	}
	return tool.Name
}

// maxName is the length of a function's name:
// https://ai.google.dev/api/caching#FunctionDeclaration.
const maxName = 128

func functionName(name string) bool {
	for i := range len(name) {
		c := name[i]
		letter := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !letter && (i == 0 || c != '.' && c != ':' && c != '-' && (c < '0' || c > '9')) {
			return false
		}
	}
	return name != "" && len(name) <= maxName
}

func badName(name string) string {
	return strconv.Quote(name) + " is no name for a function of Gemini: up to " + strconv.Itoa(maxName) +
		" of the characters a-z, A-Z, 0-9, _ . : - and no digit or sign but _ at the start"
}
