package chat

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/openai"
)

// noArguments is the schema of a function without any, for servers that demand
// one.
const noArguments = `{"type":"object","properties":{}}`

// tools writes the tools, the choice among them, and the search, which in chat
// is no tool: https://platform.openai.com/docs/guides/tools-web-search.
func (e *requestEncoder) tools() {
	list := e.callable()
	if len(list) > 0 {
		e.begin("tools", '[')
		for i := range list {
			e.tool(&list[i])
		}
		e.close(']')
	}
	// OpenAI refuses both where there are no tools.
	if len(list) > 0 || e.native {
		e.choice()
		if !e.model.parallel() {
			e.drop("parallel_tool_calls", e.req.ParallelToolCalls != nil)
		} else if !e.native || !e.req.Functions {
			e.optional("parallel_tool_calls", e.req.ParallelToolCalls)
		}
	}
	for i := range e.req.Tools {
		if t := &e.req.Tools[i]; t.Kind == api.WebSearchTool {
			e.search(t)
			return // there is one of it
		}
	}
}

// callable are the tools that go into the list. Where another format's client
// allows only some, the others are left out: allowed_tools is OpenAI's alone, and
// a client of Responses that comes here has another server behind it.
func (e *requestEncoder) callable() (list []api.Tool) {
	allowed := e.req.ToolChoice.Allowed
	for _, t := range e.req.Tools {
		switch {
		case t.Kind == api.WebSearchTool:
		case t.Kind == api.OpaqueTool && t.Source != api.Chat:
			name := textOf(jsonscan.Member(t.Raw, "type"))
			if name == "" {
				name = t.Name
			}
			e.drop("tools."+name, true)
		case e.native || len(allowed) == 0 || slices.Contains(allowed, t.Name):
			list = append(list, t)
		}
	}
	return list
}

func (e *requestEncoder) tool(t *api.Tool) {
	if t.Kind == api.OpaqueTool {
		e.element(t.Raw)
		return
	}
	e.open()
	switch {
	case t.Kind == api.CustomTool && e.native:
		e.text("type", "custom")
		e.begin("custom", '{')
		e.text("name", t.Name)
		e.some("description", t.Description)
		e.raw("format", nestedGrammar(t.Grammar))
	case t.Kind == api.CustomTool:
		// Of the servers behind a chat target only OpenAI knows custom tools,
		// and OpenAI has Responses for whoever comes with them from there.
		e.text("type", "function")
		e.begin("function", '{')
		e.text("name", t.Name)
		e.some("description", api.CustomDescription(t))
		e.raw("parameters", []byte(api.CustomSchema))
	default:
		e.text("type", "function")
		e.begin("function", '{')
		e.text("name", t.Name)
		e.some("description", t.Description)
		schema := t.Schema
		if schema == nil && !e.native {
			schema = json.RawMessage(noArguments)
		}
		if !e.native {
			schema = openai.WithProperties(schema)
		}
		e.raw("parameters", schema)
		e.strict(t)
	}
	e.close('}')
	e.cache(t.Cache)
	e.close('}')
}

// strict writes whether the schema binds the model. Another vendor's may be one
// that OpenAI refuses to be strict about.
func (e *requestEncoder) strict(t *api.Tool) {
	if t.Strict != nil && *t.Strict && !e.kin && !openai.Strict(t.Schema) {
		e.drop("tools."+t.Name+".strict", true)
		return
	}
	e.optional("strict", t.Strict)
}

// cache writes a cache marker where the client itself believes that the target
// knows it, as OpenRouter does.
func (e *requestEncoder) cache(marker json.RawMessage) {
	if e.native {
		e.raw("cache_control", marker)
		return
	}
	e.drop("cache_control", marker != nil)
}

func (e *requestEncoder) choice() {
	c := e.req.ToolChoice
	switch {
	case c.Mode == "":
	case c.Mode == api.ToolNamed && e.namesSearch():
	case c.Mode == api.ToolNamed:
		e.begin("tool_choice", '{')
		e.named(c.Name)
		e.close('}')
	case len(c.Allowed) > 0 && e.native && c.Mode != api.ToolNone:
		e.begin("tool_choice", '{')
		e.text("type", "allowed_tools")
		e.begin("allowed_tools", '{')
		e.text("mode", string(c.Mode))
		e.begin("tools", '[')
		for _, name := range c.Allowed {
			e.open()
			e.named(name)
			e.close('}')
		}
		e.b = append(e.b, `]}}`...)
	default:
		e.text("tool_choice", string(c.Mode))
	}
}

// named writes the members that name a tool.
func (e *requestEncoder) named(name string) {
	kind := "function"
	if e.native && isCustom(e.req, name) {
		kind = "custom"
	}
	e.text("type", kind)
	e.begin(kind, '{')
	e.text("name", name)
	e.close('}')
}

// isCustom tells whether the client's tool of that name takes free text.
func isCustom(req *api.Request, name string) bool {
	for i := range req.Tools {
		if req.Tools[i].Kind == api.CustomTool && req.Tools[i].Name == name {
			return true
		}
	}
	return false
}

// namesSearch tells whether the tool to call is the search, which here is none.
func (e *requestEncoder) namesSearch() bool {
	return slices.ContainsFunc(e.req.Tools, func(t api.Tool) bool {
		return t.Kind == api.WebSearchTool && t.Name == e.req.ToolChoice.Name
	})
}

// search writes the search, if the model has one. To do without it is no harm
// unless it is all that the model was asked for.
func (e *requestEncoder) search(t *api.Tool) {
	if !e.model.webSearch() {
		e.drop("tools."+cmp.Or(t.Name, "web_search"), true)
		if e.req.ToolChoice.Mode == api.ToolNamed && e.namesSearch() {
			e.refuse("tool_choice", "names the web search, which the target's model does not have: choose a model that searches")
		}
		return
	}
	s := t.Search
	e.begin("web_search_options", '{')
	if s != nil {
		e.some("search_context_size", s.ContextSize)
		if s.City+s.Region+s.Country+s.Timezone != "" {
			e.begin("user_location", '{')
			e.text("type", "approximate")
			e.begin("approximate", '{')
			e.some("city", s.City)
			e.some("region", s.Region)
			e.some("country", s.Country)
			e.some("timezone", s.Timezone)
			e.b = append(e.b, `}}`...)
		}
		e.drop("web_search.allowed_domains", len(s.AllowedDomains) > 0)
		e.drop("web_search.blocked_domains", len(s.BlockedDomains) > 0)
		e.drop("web_search.max_uses", s.MaxUses != 0)
	}
	e.close('}')
}
