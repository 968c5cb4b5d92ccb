package chat

import (
	"encoding/json"
	"errors"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// DecodeRequest implements api.Codec.
func (Codec) DecodeRequest(body []byte) (*api.Request, error) {
	req := &api.Request{Source: api.Chat}
	it := jsonscan.Object(body)
	for it.Next() {
		read, known := members[string(it.Key)]
		switch {
		case !known:
			if req.Extra == nil {
				req.Extra = map[string]json.RawMessage{}
			}
			req.Extra[string(it.Key)] = kept(it.Value())
		case !null(it.Value()):
			if err := read(req, it.Value()); err != nil {
				return nil, at(string(it.Key), err)
			}
		}
	}
	if it.Err != nil {
		return nil, it.Err
	}
	// The scanner leaves the inside of texts unchecked, but some of what is
	// passed on as it stands has to be JSON.
	if !jsonscan.Texts(body) {
		return nil, errors.New("invalid JSON: a text holds a broken escape or a control character")
	}
	if len(req.Messages) == 0 {
		return nil, at("messages", expected("a list of messages that is not empty"))
	}
	if id := req.Extra["safety_identifier"]; req.User == "" {
		req.User = textOf(id)
	}
	return req, nil
}

// members read the members that the neutral format has a place for.
var members = map[string]func(*api.Request, []byte) error{
	"model":    func(r *api.Request, raw []byte) error { return text(raw, &r.Model) },
	"stream":   func(r *api.Request, raw []byte) error { return boolean(raw, &r.Stream) },
	"messages": messages,

	"stream_options": streamOptions,

	"tools":               tools,
	"functions":           functions,
	"web_search_options":  webSearch,
	"tool_choice":         toolChoice,
	"function_call":       functionChoice,
	"parallel_tool_calls": func(r *api.Request, raw []byte) error { return optional(raw, &r.ParallelToolCalls) },

	"max_tokens": func(r *api.Request, raw []byte) error {
		if r.MaxCompletionTokens {
			return nil
		}
		return limit(r, raw)
	},
	"max_completion_tokens": func(r *api.Request, raw []byte) error {
		r.MaxCompletionTokens = true
		return limit(r, raw)
	},
	"stop":              stop,
	"temperature":       func(r *api.Request, raw []byte) error { return number(raw, &r.Temperature) },
	"top_p":             func(r *api.Request, raw []byte) error { return number(raw, &r.TopP) },
	"top_k":             func(r *api.Request, raw []byte) error { return number(raw, &r.TopK) }, // OpenRouter, vLLM
	"frequency_penalty": func(r *api.Request, raw []byte) error { return number(raw, &r.FrequencyPenalty) },
	"presence_penalty":  func(r *api.Request, raw []byte) error { return number(raw, &r.PresencePenalty) },
	"seed":              func(r *api.Request, raw []byte) error { return number(raw, &r.Seed) },
	"n":                 func(r *api.Request, raw []byte) error { return integer(raw, &r.N) },
	"logprobs":          func(r *api.Request, raw []byte) error { return boolean(raw, &r.Logprobs) },
	"top_logprobs":      func(r *api.Request, raw []byte) error { return integer(raw, &r.TopLogprobs) },
	"logit_bias":        func(r *api.Request, raw []byte) error { r.LogitBias = kept(raw); return nil },

	"response_format":  responseFormat,
	"reasoning_effort": func(r *api.Request, raw []byte) error { return text(raw, &thinking(r).Effort) },
	"reasoning":        reasoningObject,
	"verbosity":        func(r *api.Request, raw []byte) error { return text(raw, &r.Verbosity) },

	"user":         func(r *api.Request, raw []byte) error { return text(raw, &r.User) },
	"metadata":     func(r *api.Request, raw []byte) error { r.Metadata = kept(raw); return nil },
	"service_tier": func(r *api.Request, raw []byte) error { return text(raw, &r.ServiceTier) },
}

// messages reads the conversation. A tool's result has the id of its call only;
// its name and nature are looked up among the calls before it.
func messages(r *api.Request, raw []byte) error {
	r.Messages = nil
	calls := map[string]*api.Call{}
	legacy := ""
	return array(raw, func(i int, raw []byte) error {
		m, err := readMessage(raw)
		if err != nil {
			return err
		}
		out := api.Message{Role: api.Role(m.role), Name: m.name}
		switch m.role {
		case "system", "developer", "user":
			if m.content == nil {
				return at("content", expected("a text or a list of parts"))
			}
			out.Parts, err = contents(m.content, out.Role)
			err = at("content", err)
		case "assistant":
			out.Parts, err = m.assistant(func(c int) string { return "call_" + strconv.Itoa(i) + "_" + strconv.Itoa(c) })
			n := 0
			for p := range out.Parts {
				if c := out.Parts[p].Call; c != nil {
					calls[c.ID], legacy = c, c.ID
					if err == nil && c.Name == "" {
						err = m.nameless(n, c)
					}
					n++
				}
			}
		case "tool", "function":
			if out.Role, out.Name = api.RoleTool, ""; m.role == "function" {
				if m.callID = legacy; legacy == "" {
					m.callID = m.name
				}
			}
			out.Parts, err = m.result(calls[m.callID])
		default:
			return at("role", expected("system, developer, user, assistant or tool"))
		}
		r.Messages = append(r.Messages, out)
		return err
	})
}

// nameless is the error of the nth call, which does not say what it calls. Answers
// are forgiven for that.
func (m *message) nameless(n int, c *api.Call) error {
	err := at("name", expected("the tool's name"))
	switch {
	case null(m.toolCalls):
		return at("function_call", err)
	case c.Custom:
		err = at("custom", err)
	default:
		err = at("function", err)
	}
	return at("tool_calls", at("["+strconv.Itoa(n)+"]", err))
}

// result reads what a tool answered.
func (m *message) result(c *api.Call) ([]api.Part, error) {
	if m.callID == "" {
		return nil, at("tool_call_id", expected("the id of a call"))
	}
	parts, err := contents(m.content, api.RoleTool)
	result := &api.Result{ID: m.callID, Name: m.name, Parts: parts}
	if c != nil {
		result.Name, result.Custom = c.Name, c.Custom
	}
	return []api.Part{{Kind: api.ToolResult, Result: result}}, at("content", err)
}

// limit reads the limit of the answer. Clients of llama.cpp and its like say -1
// where they want none.
func limit(r *api.Request, raw []byte) error {
	if string(raw) == "-1" {
		r.MaxTokens = 0
		return nil
	}
	if err := integer(raw, &r.MaxTokens); err != nil || r.MaxTokens < 1 {
		return expected("a whole number of at least 1")
	}
	return nil
}

func streamOptions(r *api.Request, raw []byte) error {
	r.StreamUsage = false
	others := writer{b: []byte{'{'}}
	err := object(raw, func(key string, value []byte) error {
		if key == "include_usage" {
			return boolean(value, &r.StreamUsage)
		}
		others.raw(key, value)
		return nil
	})
	// The others, such as include_obfuscation, are for a target that knows them.
	if len(others.b) > 1 {
		if r.Extra == nil {
			r.Extra = map[string]json.RawMessage{}
		}
		r.Extra["stream_options"] = append(others.b, '}')
	}
	return err
}

func stop(r *api.Request, raw []byte) error {
	r.Stop = nil
	if raw[0] == '"' {
		r.Stop = []string{textOf(raw)}
		return nil
	}
	return array(raw, func(_ int, raw []byte) error {
		r.Stop = append(r.Stop, "")
		return text(raw, &r.Stop[len(r.Stop)-1])
	})
}

func responseFormat(r *api.Request, raw []byte) error {
	r.Format = nil
	switch textOf(jsonscan.Member(raw, "type")) {
	case "text":
		return nil
	case "json_object":
		r.Format = &api.Format{}
		return nil
	case "json_schema":
		r.Format = &api.Format{}
		schema := jsonscan.Member(raw, "json_schema")
		err := object(schema, func(key string, value []byte) error {
			switch key {
			case "name":
				return text(value, &r.Format.Name)
			case "description":
				return text(value, &r.Format.Description)
			case "schema":
				r.Format.Schema = kept(value)
			case "strict":
				return optional(value, &r.Format.Strict)
			}
			return nil
		})
		// Without a schema it asks for any JSON object.
		return at("json_schema", err)
	}
	return at("type", expected("text, json_object or json_schema"))
}

func thinking(r *api.Request) *api.Reasoning {
	if r.Reasoning == nil {
		r.Reasoning = &api.Reasoning{}
	}
	return r.Reasoning
}

// reasoningObject reads OpenRouter's own member:
// https://openrouter.ai/docs/use-cases/reasoning-tokens.
func reasoningObject(r *api.Request, raw []byte) error {
	t := thinking(r)
	enabled, exclude := true, false
	err := object(raw, func(key string, value []byte) error {
		switch key {
		case "effort":
			return text(value, &t.Effort)
		case "max_tokens":
			return integer(value, &t.Budget)
		case "exclude":
			return boolean(value, &exclude)
		case "enabled":
			return boolean(value, &enabled)
		}
		return nil
	})
	switch {
	case !enabled:
		t.Effort, t.Budget = "none", 0
	case t.Effort == "" && t.Budget == 0:
		t.Effort = "medium"
	}
	t.Visible = !exclude && t.Effort != "none"
	return err
}
