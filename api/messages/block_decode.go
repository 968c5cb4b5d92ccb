package messages

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// blockDecoder reads the content of messages, of a request or of an answer.
type blockDecoder struct {
	// request says that the blocks are a client's.
	request bool
	// names are those of the tools called, by the ids of the calls.
	names map[string]string
	calls int
}

// absorbed is the Raw of a part that stands inside the part before it where
// that one is sent whole.
var absorbed = json.RawMessage("null")

// content reads a string or a list of blocks.
func (d *blockDecoder) content(raw []byte) ([]api.Part, error) {
	if isNull(raw) {
		return nil, nil
	}
	if raw[0] == '"' {
		var s string
		if err := text(raw, &s); err != nil || s == "" {
			return nil, err
		}
		return []api.Part{{Kind: api.Text, Text: s}}, nil
	}
	if raw[0] != '[' {
		return nil, expected("a string or a list of blocks")
	}
	var parts []api.Part
	var next *api.Part // the signature that waits for its part
	err := elements(raw, func(_ int, value []byte) error {
		part, err := d.block(value)
		if err != nil {
			return err
		}
		if part.Kind == api.Thinking && part.Redacted && attached(&part) {
			next = attach(&part, parts, next)
			return nil
		}
		if next != nil && (part.Kind == api.Text || part.Kind == api.ToolCall) {
			part.Vendor, part.Signature = next.Vendor, next.Signature
		}
		next = nil
		parts = append(parts, part)
		parts = append(parts, d.inside(&part)...)
		return nil
	})
	return parts, err
}

// attached tells whether a redacted_thinking block is the signature of another.
func attached(p *api.Part) bool {
	return strings.HasPrefix(p.Signature, ofNext) || strings.HasPrefix(p.Signature, ofPrevious)
}

func attach(p *api.Part, before []api.Part, next *api.Part) *api.Part {
	if sealed, ok := strings.CutPrefix(p.Signature, ofNext); ok {
		p.Vendor, p.Signature = api.Unseal(sealed, vendor)
		return p
	}
	if n := len(before); n > 0 && before[n-1].Signature == "" && (before[n-1].Kind == api.Text || before[n-1].Kind == api.ToolCall) {
		before[n-1].Vendor, before[n-1].Signature = api.Unseal(strings.TrimPrefix(p.Signature, ofPrevious), vendor)
	}
	return next
}

// block reads one block. What only Anthropic understands is Opaque.
func (d *blockDecoder) block(raw []byte) (part api.Part, err error) {
	kind := ""
	if err := members(raw, func(key string, value []byte) error {
		if key == "type" {
			return text(value, &kind)
		}
		return nil
	}); err != nil {
		return part, err
	}
	more := false
	switch kind {
	case "":
		return part, in("type", expected("a string"))
	case "text":
		more, err = d.text(raw, &part)
	case "image":
		part.Kind = api.Image
		more, err = d.media(raw, &part)
	case "document":
		part.Kind = api.File
		more, err = d.media(raw, &part)
	case "search_result":
		more, err = true, d.searchResult(raw, &part)
	case "thinking", "redacted_thinking":
		err = d.thinking(raw, &part)
	case "tool_use":
		more, err = d.toolUse(raw, &part)
	case "tool_result":
		more, err = d.toolResult(raw, &part)
	default:
		part.Kind, part.Vendor, part.Raw, part.Source = api.Opaque, vendor, raw, api.Messages
		if d.request {
			said(kind, &part)
		}
		return part, nil
	}
	if more {
		part.Raw, part.Source = raw, api.Messages
	}
	return part, err
}

// said makes text of the blocks in which a client tells something that other
// models can read: the name of a tool that a search of the client's has found,
// and the summary of what was cut from the conversation.
func said(kind string, part *api.Part) {
	name := map[string]string{"tool_reference": "tool_name", "compaction": "content"}[kind]
	if name == "" {
		return
	}
	if s, _ := jsonscan.String(jsonscan.Member(part.Raw, name)); s != "" {
		part.Kind, part.Vendor, part.Text = api.Text, "", s
	}
}

func (d *blockDecoder) text(raw []byte, part *api.Part) (more bool, err error) {
	part.Kind = api.Text
	err = members(raw, func(key string, value []byte) error {
		switch key {
		case "type":
		case "text":
			return text(value, &part.Text)
		case "cache_control":
			part.Cache = present(value)
		case "citations":
			return citations(value, part)
		default:
			more = true
		}
		return nil
	})
	for i := range part.Citations {
		more = more && part.Citations[i].Source == api.Messages
	}
	return more, err
}

func present(raw []byte) json.RawMessage {
	if isNull(raw) {
		return nil
	}
	return raw
}

func citations(raw []byte, part *api.Part) error {
	if isNull(raw) {
		return nil
	}
	return elements(raw, func(_ int, value []byte) error {
		citation, err := citation(value)
		part.Citations = append(part.Citations, citation)
		return err
	})
}

// citation reads where a text comes from. The positions that Anthropic tells are
// those in the source, not in the text. Only Anthropic can make the index of a
// web search's result: one that is marked belongs to another provider's.
func citation(raw []byte) (c api.Citation, err error) {
	c.Raw, c.Source = raw, api.Messages
	err = members(raw, func(key string, value []byte) error {
		switch key {
		case "encrypted_index":
			if s, _ := jsonscan.String(value); s == api.Unsigned {
				c.Raw, c.Source = nil, ""
			}
		case "url":
			return text(value, &c.URL)
		case "source":
			if c.URL == "" {
				return text(value, &c.URL)
			}
		case "title", "document_title":
			return text(value, &c.Title)
		case "cited_text":
			return text(value, &c.CitedText)
		}
		return nil
	})
	return c, err
}

func (d *blockDecoder) thinking(raw []byte, part *api.Part) error {
	part.Kind = api.Thinking
	return members(raw, func(key string, value []byte) (err error) {
		switch key {
		case "thinking":
			err = text(value, &part.Text)
		case "signature":
			if err = text(value, &part.Signature); part.Signature != "" {
				part.Vendor, part.Signature = api.Unseal(part.Signature, vendor)
			}
		case "data":
			err = text(value, &part.Signature)
			part.Vendor, part.Signature = api.Unseal(part.Signature, vendor)
			part.Redacted = part.Vendor == vendor
		}
		return err
	})
}

func (d *blockDecoder) toolUse(raw []byte, part *api.Part) (more bool, err error) {
	part.Kind, part.Call = api.ToolCall, &api.Call{}
	err = members(raw, func(key string, value []byte) error {
		switch key {
		case "type":
		case "id":
			return text(value, &part.Call.ID)
		case "name":
			return text(value, &part.Call.Name)
		case "input":
			if !isNull(value) {
				part.Call.Arguments = string(value)
			}
		case "cache_control":
			part.Cache = present(value)
		default:
			more = true
		}
		return nil
	})
	if err == nil && part.Call.Name == "" {
		err = in("name", expected("a string"))
	}
	if part.Call.ID == "" {
		part.Call.ID = callID(d.calls)
	}
	d.calls++
	if d.names != nil {
		d.names[part.Call.ID] = part.Call.Name
	}
	return more, err
}

// callID is the id of a call that has none.
func callID(n int) string { return "toolu_plexus_" + strconv.Itoa(n) }

func (d *blockDecoder) toolResult(raw []byte, part *api.Part) (more bool, err error) {
	result := &api.Result{}
	part.Kind, part.Result = api.ToolResult, result
	err = members(raw, func(key string, value []byte) (err error) {
		switch key {
		case "type":
		case "tool_use_id":
			err = text(value, &result.ID)
		case "is_error":
			err = boolean(value, &result.IsError)
		case "content":
			result.Parts, err = d.content(value)
		case "cache_control":
			part.Cache = present(value)
		default:
			more = true
		}
		return err
	})
	if err == nil && result.ID == "" {
		err = in("tool_use_id", expected("a string"))
	}
	result.Name = d.names[result.ID]
	return more, err
}
