package responses

import (
	"bytes"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/openai"
)

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
		if !b.function(tool, source) {
			dropped = append(dropped, "tools."+tool.Name+".strict")
		}
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
// https://platform.openai.com/docs/guides/migrate-to-responses. It tells whether
// the function is as strict as it was: another vendor's schema may be one that
// OpenAI refuses to be strict about.
func (b *buffer) function(tool *api.Tool, source api.API) (asStrict bool) {
	b.open('{')
	b.text("type", "function")
	b.text("name", tool.Name)
	b.optional("description", tool.Description)
	switch {
	case tool.Schema != nil:
		schema := []byte(tool.Schema)
		if source != api.Responses {
			schema = openai.WithProperties(schema)
		}
		b.raw("parameters", schema)
	case source != api.Responses:
		b.raw("parameters", []byte(`{"type":"object","properties":{}}`))
	}
	asStrict = true
	switch {
	case tool.Strict != nil && *tool.Strict && source.Vendor() != vendor && !openai.Strict(tool.Schema):
		asStrict = false
		b.boolean("strict", false)
	case tool.Strict != nil:
		b.boolean("strict", *tool.Strict)
	case source != api.Responses:
		b.boolean("strict", false)
	}
	b.close('}')
	return asStrict
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
