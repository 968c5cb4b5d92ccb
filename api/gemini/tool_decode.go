package gemini

import (
	"encoding/json"

	"github.com/caddy-plexus/plexus/api"
)

// tool reads one element of tools, which may hold several tools at once:
// https://ai.google.dev/api/caching#Tool. Each keeps its own text in Raw.
func (d *decoder) tool(req *api.Request, raw json.RawMessage, path string) {
	f := d.object(raw, path)
	f.each("functionDeclarations", func(raw json.RawMessage, path string) {
		req.Tools = append(req.Tools, d.function(raw, path))
	})
	f.take("functionDeclarations")
	for _, m := range f.list {
		if absent(m.raw) {
			continue
		}
		var o object
		o.add(m.name, m.raw)
		tool := api.Tool{Kind: api.OpaqueTool, Name: m.name, Raw: o.end(), Source: api.Gemini}
		switch m.name {
		case "googleSearch", "googleSearchRetrieval", "enterpriseWebSearch":
			search := d.object(m.raw, f.in(m.name))
			tool.Kind, tool.Name = api.WebSearchTool, "web_search"
			tool.Search = &api.WebSearch{BlockedDomains: search.texts("excludeDomains")}
		}
		req.Tools = append(req.Tools, tool)
	}
}

// function reads https://ai.google.dev/api/caching#FunctionDeclaration.
func (d *decoder) function(raw json.RawMessage, path string) api.Tool {
	f := d.object(raw, path)
	tool := api.Tool{
		Kind: api.FunctionTool, Name: f.text("name"), Description: f.text("description"),
		Raw: raw, Source: api.Gemini,
	}
	if tool.Name == "" {
		d.fail(f.in("name"), "the name of a function")
	}
	if schema := f.take("parametersJsonSchema"); schema != nil {
		tool.Schema = schema
	} else if schema := f.take("parameters"); schema != nil {
		tool.Schema = fromOpenAPI(schema)
	}
	return tool
}
