package api

import (
	"bytes"
	"encoding/json"
)

// Answering is a copy of what encoders of answers need of the request, without its
// memory: a stream may stay open for an hour, and must not keep the conversation
// that long. Of the messages only the system prompt stays, which Responses repeats.
func (r *Request) Answering() *Request {
	out := *r
	out.Messages = nil
	if len(r.Messages) > 0 && r.Messages[0].Role == RoleSystem {
		system := r.Messages[0]
		system.Parts = make([]Part, len(system.Parts))
		for i, p := range r.Messages[0].Parts {
			system.Parts[i] = clone(&p)
		}
		out.Messages = []Message{system}
	}
	out.Tools = make([]Tool, len(r.Tools))
	for i, tool := range r.Tools {
		tool.Schema, tool.Grammar = bytes.Clone(tool.Schema), bytes.Clone(tool.Grammar)
		tool.Cache, tool.Raw = bytes.Clone(tool.Cache), bytes.Clone(tool.Raw)
		out.Tools[i] = tool
	}
	if r.Format != nil {
		format := *r.Format
		format.Schema = bytes.Clone(format.Schema)
		out.Format = &format
	}
	out.Metadata, out.LogitBias = bytes.Clone(r.Metadata), bytes.Clone(r.LogitBias)
	if r.Extra != nil {
		out.Extra = make(map[string]json.RawMessage, len(r.Extra))
		for name, raw := range r.Extra {
			out.Extra[name] = bytes.Clone(raw)
		}
	}
	return &out
}
