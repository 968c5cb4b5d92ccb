package chat

import (
	"slices"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// tools reads the list of tools. It keeps the search of web_search_options,
// which may have come before.
func tools(r *api.Request, raw []byte) error {
	r.Tools = slices.DeleteFunc(r.Tools, func(t api.Tool) bool { return t.Kind != api.WebSearchTool })
	return array(raw, func(_ int, raw []byte) error {
		t, err := tool(raw)
		r.Tools = append(r.Tools, t)
		return err
	})
}

func tool(raw []byte) (t api.Tool, err error) {
	kind := textOf(jsonscan.Member(raw, "type"))
	value := jsonscan.Member(raw, kind)
	switch kind {
	case "function":
		t, err = functionTool(value)
	case "custom":
		t, err = customTool(value)
	case "":
		return t, at("type", expected("function or custom"))
	default:
		// Servers run tools of their own, such as Moonshot's builtin_function.
		t = api.Tool{Kind: api.OpaqueTool, Raw: kept(raw), Source: api.Chat}
		return t, nil
	}
	if cache := jsonscan.Member(raw, "cache_control"); !null(cache) {
		t.Cache = kept(cache)
	}
	return t, at(kind, err)
}

func functionTool(raw []byte) (api.Tool, error) {
	t := api.Tool{Kind: api.FunctionTool}
	err := object(raw, func(key string, value []byte) error {
		switch key {
		case "name":
			return text(value, &t.Name)
		case "description":
			return text(value, &t.Description)
		case "parameters":
			if value[0] != '{' && value[0] != 't' && value[0] != 'f' {
				return expected("a JSON Schema")
			}
			t.Schema = kept(value)
		case "strict":
			return optional(value, &t.Strict)
		}
		return nil
	})
	if err == nil && t.Name == "" {
		err = at("name", expected("a name"))
	}
	return t, err
}

// customTool reads a tool that takes free text. Its grammar stands in the
// neutral format as Responses has it, without the object that chat puts around
// its members.
func customTool(raw []byte) (api.Tool, error) {
	t := api.Tool{Kind: api.CustomTool}
	err := object(raw, func(key string, value []byte) error {
		switch key {
		case "name":
			return text(value, &t.Name)
		case "description":
			return text(value, &t.Description)
		case "format":
			t.Grammar = flatGrammar(value)
		}
		return nil
	})
	if err == nil && t.Name == "" {
		err = at("name", expected("a name"))
	}
	return t, err
}

func flatGrammar(raw []byte) []byte {
	inner := jsonscan.Member(raw, "grammar")
	if null(inner) {
		return kept(raw)
	}
	w := writer{b: []byte(`{"type":"grammar"`)}
	for _, name := range []string{"syntax", "definition"} {
		w.raw(name, jsonscan.Member(inner, name))
	}
	return append(w.b, '}')
}

// nestedGrammar puts a grammar as it stands in the neutral format into chat's
// form; it leaves alone what is in it already.
func nestedGrammar(raw []byte) []byte {
	if textOf(jsonscan.Member(raw, "type")) != "grammar" || !null(jsonscan.Member(raw, "grammar")) {
		return raw
	}
	w := writer{b: []byte(`{"type":"grammar","grammar":{`)}
	for _, name := range []string{"definition", "syntax"} {
		w.raw(name, jsonscan.Member(raw, name))
	}
	return append(w.b, `}}`...)
}

// functions reads what tools were called before they had other kinds. A client
// that speaks so has room for one call in an answer.
func functions(r *api.Request, raw []byte) error {
	r.Functions = true
	if r.ParallelToolCalls == nil {
		r.ParallelToolCalls = new(bool)
	}
	return array(raw, func(_ int, raw []byte) error {
		t, err := functionTool(raw)
		r.Tools = append(r.Tools, t)
		return err
	})
}

func webSearch(r *api.Request, raw []byte) error {
	s := &api.WebSearch{}
	err := object(raw, func(key string, value []byte) error {
		switch key {
		case "search_context_size":
			return text(value, &s.ContextSize)
		case "user_location":
			if inner := jsonscan.Member(value, "approximate"); !null(inner) {
				value = inner
			}
			return object(value, func(key string, value []byte) error {
				switch key {
				case "city":
					return text(value, &s.City)
				case "region":
					return text(value, &s.Region)
				case "country":
					return text(value, &s.Country)
				case "timezone":
					return text(value, &s.Timezone)
				}
				return nil
			})
		}
		return nil
	})
	r.Tools = append(r.Tools, api.Tool{Kind: api.WebSearchTool, Search: s})
	return err
}

// modes are the texts that tool_choice may be; any is Mistral's.
var modes = map[string]api.ToolMode{
	"auto": api.ToolAuto, "none": api.ToolNone, "required": api.ToolRequired, "any": api.ToolRequired,
}

func toolChoice(r *api.Request, raw []byte) error {
	if raw[0] == '"' {
		mode, ok := modes[textOf(raw)]
		if !ok {
			return expected("auto, none, required or an object")
		}
		r.ToolChoice = api.ToolChoice{Mode: mode}
		return nil
	}
	kind := textOf(jsonscan.Member(raw, "type"))
	value := jsonscan.Member(raw, kind)
	switch kind {
	case "function", "custom":
		r.ToolChoice = api.ToolChoice{Mode: api.ToolNamed, Name: textOf(jsonscan.Member(value, "name"))}
		if r.ToolChoice.Name == "" {
			return at(kind, at("name", expected("a name")))
		}
		return nil
	case "allowed_tools":
		return at(kind, allowedTools(r, value))
	}
	return at("type", expected("function, custom or allowed_tools"))
}

func allowedTools(r *api.Request, raw []byte) error {
	choice := api.ToolChoice{Mode: api.ToolAuto}
	err := object(raw, func(key string, value []byte) error {
		switch key {
		case "mode":
			choice.Mode = modes[textOf(value)]
		case "tools":
			return array(value, func(_ int, raw []byte) error {
				kind := textOf(jsonscan.Member(raw, "type"))
				name := textOf(inside(raw, kind, "name"))
				if name == "" {
					return expected("a function or custom tool with a name")
				}
				choice.Allowed = append(choice.Allowed, name)
				return nil
			})
		}
		return nil
	})
	if err == nil && choice.Mode == "" {
		err = at("mode", expected("auto or required"))
	}
	r.ToolChoice = choice
	return err
}

// functionChoice reads what tool_choice was called before.
func functionChoice(r *api.Request, raw []byte) error {
	r.Functions = true
	if raw[0] == '"' {
		return toolChoice(r, raw)
	}
	name := textOf(jsonscan.Member(raw, "name"))
	if name == "" {
		return at("name", expected("a name"))
	}
	r.ToolChoice = api.ToolChoice{Mode: api.ToolNamed, Name: name}
	return nil
}
