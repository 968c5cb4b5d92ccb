package messages

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// DecodeRequest implements api.Codec. What an object of the format says beyond
// the neutral one goes to Extra under its path: `thinking.display`.
func (Codec) DecodeRequest(body []byte) (*api.Request, error) {
	d := requestDecoder{
		req:    &api.Request{Source: api.Messages},
		blocks: blockDecoder{request: true, names: map[string]string{}},
	}
	if err := members(body, d.member); err != nil {
		return nil, err
	}
	// The scanner leaves the inside of texts unchecked, but some of what is
	// passed on as it stands has to be JSON.
	if !jsonscan.Texts(body) {
		return nil, errors.New("invalid JSON: a text holds a broken escape or a control character")
	}
	if !d.asked {
		return nil, in("messages", expected("a list"))
	}
	if len(d.system) > 0 {
		system := api.Message{Role: api.RoleSystem, Parts: d.system}
		d.req.Messages = append([]api.Message{system}, d.req.Messages...)
	}
	return d.req, nil
}

type requestDecoder struct {
	req    *api.Request
	blocks blockDecoder
	system []api.Part // which may stand after the messages
	asked  bool
}

func (d *requestDecoder) member(key string, raw []byte) error {
	req := d.req
	switch key {
	case "model":
		return text(raw, &req.Model)
	case "messages":
		d.asked = true
		return elements(raw, d.message)
	case "system":
		parts, err := d.blocks.content(raw)
		d.system = parts
		return err
	case "max_tokens":
		return d.maxTokens(raw)
	case "stop_sequences":
		return texts(raw, &req.Stop)
	case "stream":
		return boolean(raw, &req.Stream)
	case "temperature":
		return number(raw, &req.Temperature)
	case "top_p":
		return number(raw, &req.TopP)
	case "top_k":
		return number(raw, &req.TopK)
	case "tools":
		return d.tools(raw)
	case "tool_choice":
		return d.toolChoice(raw)
	case "thinking":
		return d.thinking(raw)
	case "output_config":
		return d.outputConfig(raw)
	case "output_format": // output_config.format before it was there
		return d.format(raw)
	case "metadata":
		return d.metadata(raw)
	case "service_tier":
		return text(raw, &req.ServiceTier)
	}
	d.extra(key, raw)
	return nil
}

func (d *requestDecoder) extra(path string, raw []byte) {
	if d.req.Extra == nil {
		d.req.Extra = map[string]json.RawMessage{}
	}
	d.req.Extra[path] = json.RawMessage(raw)
}

// maxTokens keeps a 0, which fills the cache and generates nothing, apart from
// no limit at all.
func (d *requestDecoder) maxTokens(raw []byte) error {
	if err := integer(raw, &d.req.MaxTokens); err != nil {
		return err
	}
	if d.req.MaxTokens < 0 {
		return expected("a positive number")
	}
	if d.req.MaxTokens == 0 && !isNull(raw) {
		d.extra("max_tokens", raw)
	}
	return nil
}

func (d *requestDecoder) metadata(raw []byte) error {
	if isNull(raw) {
		return nil
	}
	return members(raw, func(key string, value []byte) error {
		if key == "user_id" {
			return text(value, &d.req.User)
		}
		d.extra("metadata."+key, value)
		return nil
	})
}

func (d *requestDecoder) reasoning() *api.Reasoning {
	if d.req.Reasoning == nil {
		d.req.Reasoning = &api.Reasoning{}
	}
	return d.req.Reasoning
}

func (d *requestDecoder) thinking(raw []byte) error {
	if isNull(raw) {
		return nil
	}
	var kind, display string
	var budget int64
	err := members(raw, func(key string, value []byte) error {
		switch key {
		case "type":
			return text(value, &kind)
		case "budget_tokens":
			return integer(value, &budget)
		case "display":
			d.extra("thinking.display", value)
			return text(value, &display)
		}
		d.extra("thinking."+key, value)
		return nil
	})
	if err != nil {
		return err
	}
	r := d.reasoning()
	switch kind {
	case "enabled":
		r.Budget, r.Visible = budget, display != "omitted"
	case "adaptive":
		r.Adaptive, r.Visible = true, display != "omitted"
	case "disabled":
		if r.Effort != "" {
			d.extra("output_config.effort", api.Quote(r.Effort))
		}
		r.Effort = "none"
	default:
		return in("type", expected(`"enabled", "adaptive" or "disabled"`))
	}
	return nil
}

func (d *requestDecoder) outputConfig(raw []byte) error {
	if isNull(raw) {
		return nil
	}
	return members(raw, func(key string, value []byte) error {
		switch key {
		case "effort":
			return d.effort(value)
		case "format":
			return d.format(value)
		}
		d.extra("output_config."+key, value)
		return nil
	})
}

// effort also governs answers without thinking, which only Anthropic knows.
func (d *requestDecoder) effort(raw []byte) error {
	var effort string
	if err := text(raw, &effort); err != nil || effort == "" {
		return err
	}
	if r := d.reasoning(); r.Effort == "none" {
		d.extra("output_config.effort", raw)
	} else {
		r.Effort = effort
	}
	return nil
}

func (d *requestDecoder) format(raw []byte) error {
	if isNull(raw) {
		return nil
	}
	format := &api.Format{}
	var kind string
	err := members(raw, func(key string, value []byte) error {
		switch key {
		case "type":
			return text(value, &kind)
		case "schema":
			format.Schema = json.RawMessage(value)
		case "name":
			return text(value, &format.Name)
		default:
			d.extra("output_config.format."+key, value)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case kind != "json_schema":
		return in("type", expected(`"json_schema"`))
	case isNull(format.Schema):
		return in("schema", expected("an object"))
	}
	d.req.Format = format
	return nil
}

// message reads one turn. A user's turn that holds tools' results comes to two
// messages: the results, and what the user says beside them.
func (d *requestDecoder) message(_ int, raw []byte) error {
	var role string
	var parts []api.Part
	given := false
	err := members(raw, func(key string, value []byte) (err error) {
		switch key {
		case "role":
			return text(value, &role)
		case "content":
			given = true
			parts, err = d.blocks.content(value)
		}
		return err
	})
	if err != nil {
		return err
	}
	if !given {
		return in("content", expected("a string or a list of blocks"))
	}
	switch role {
	case "assistant":
		d.add(api.RoleAssistant, parts)
	case "system":
		d.add(api.RoleSystem, parts)
	case "user":
		d.user(parts)
	default:
		return in("role", expected(`"user" or "assistant"`))
	}
	return nil
}

func (d *requestDecoder) add(role api.Role, parts []api.Part) {
	d.req.Messages = append(d.req.Messages, api.Message{Role: role, Parts: parts})
}

func (d *requestDecoder) user(parts []api.Part) {
	results := 0
	for i := range parts {
		if parts[i].Kind == api.ToolResult {
			results++
		}
	}
	if results == 0 {
		d.add(api.RoleUser, parts)
		return
	}
	tool, rest := make([]api.Part, 0, results), make([]api.Part, 0, len(parts)-results)
	for i := range parts {
		if parts[i].Kind == api.ToolResult {
			tool = append(tool, parts[i])
		} else {
			rest = append(rest, parts[i])
		}
	}
	d.add(api.RoleTool, tool)
	if len(rest) > 0 {
		d.add(api.RoleUser, rest)
	}
}

// dataURL splits a data: URL with base64 content.
func dataURL(url string) (mime, data string, ok bool) {
	rest, ok := strings.CutPrefix(url, "data:")
	if !ok {
		return "", "", false
	}
	head, data, ok := strings.Cut(rest, ",")
	mime, ok2 := strings.CutSuffix(head, ";base64")
	mime, _, _ = strings.Cut(mime, ";")
	return mime, data, ok && ok2
}
