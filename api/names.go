package api

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// nameLimits are what vendors allow in the name of a tool, beside letters, digits
// and underscores: how long it may be, and which other characters it may hold.
// OpenAI and Anthropic answer 400 to anything else, and so does Google:
// https://platform.openai.com/docs/api-reference/chat/create#chat-create-tools,
// https://platform.claude.com/docs/en/agents-and-tools/tool-use/define-tools,
// https://ai.google.dev/api/caching#FunctionDeclaration.
var nameLimits = map[API]struct {
	length int
	others string
}{
	Chat:      {64, "-"},
	Responses: {64, "-"},
	Messages:  {128, "-"},
	Gemini:    {128, "-.:"},
}

// ToolName is a name of a tool in the letters and in the length that a target of
// the format takes. One that fits stays as it is; of any other as much as fits is
// kept, before a mark that makes it unique.
func (a API) ToolName(name string) string {
	limit, ok := nameLimits[a]
	if !ok || name == "" {
		return name
	}
	begins := a != Gemini || beginsName(name[0])
	if begins && fits(name, limit.length, limit.others) {
		return name
	}
	out := []byte(name)
	if !begins {
		out = append([]byte{'_'}, out...)
	}
	for i, c := range out {
		if !nameByte(c, limit.others) {
			out[i] = '_'
		}
	}
	sum := sha256.Sum256([]byte(name))
	mark := "_" + hex.EncodeToString(sum[:4])
	return string(out[:min(len(out), limit.length-len(mark))]) + mark
}

// maxCallID is OpenAI's limit for the id of a call, the narrowest there is.
const maxCallID = 64

// CallID is an id of a call in the letters that every vendor takes (Anthropic's
// ^[a-zA-Z0-9_-]+$) and in OpenAI's length. The same id always gives the same
// one, so that a call and its result still find each other; one that fits stays
// as it is.
func CallID(id string) string {
	if fits(id, maxCallID, "-") {
		return id
	}
	sum := sha256.Sum256([]byte(id))
	return "call_" + hex.EncodeToString(sum[:12])
}

// fits tells whether a name is not empty, not too long, and holds only letters,
// digits, underscores and some other characters.
func fits(name string, length int, others string) bool {
	for i := range len(name) {
		if !nameByte(name[i], others) {
			return false
		}
	}
	return name != "" && len(name) <= length
}

// beginsName tells whether a name may begin so in Gemini: with a letter or _.
func beginsName(c byte) bool { return nameByte(c, "") && (c < '0' || c > '9') }

func nameByte(c byte, others string) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '_' || strings.IndexByte(others, c) >= 0
}

// ToolNames are the names of a request's tools that a target does not take, by
// what it was given instead.
type ToolNames map[string]string

// Rename gives the request with names that a target of the format takes, and what
// they stand for: coding agents put a server's name before each of its tools',
// which easily comes to more than 64 letters. Where all of them fit it is the
// request itself, and no names. Nothing of req is changed.
func Rename(req *Request, a API) (*Request, ToolNames) {
	names := ToolNames{}
	note := func(name string) {
		if short := a.ToolName(name); short != name {
			names[short] = name
		}
	}
	for i := range req.Tools {
		if req.Tools[i].Kind == FunctionTool || req.Tools[i].Kind == CustomTool {
			note(req.Tools[i].Name)
		}
	}
	for m := range req.Messages {
		for p := range req.Messages[m].Parts {
			if call := req.Messages[m].Parts[p].Call; call != nil {
				note(call.Name)
			}
		}
	}
	if len(names) == 0 {
		return req, nil
	}
	return renamed(req, a), names
}

// renamed copies what holds a name.
func renamed(req *Request, a API) *Request {
	out := *req
	out.Tools = slices.Clone(req.Tools)
	for i := range out.Tools {
		if out.Tools[i].Kind == FunctionTool || out.Tools[i].Kind == CustomTool {
			out.Tools[i].Name = a.ToolName(out.Tools[i].Name)
			out.Tools[i].Raw = nil // it repeats the name
		}
	}
	out.ToolChoice.Name = a.ToolName(req.ToolChoice.Name)
	out.ToolChoice.Allowed = slices.Clone(req.ToolChoice.Allowed)
	for i, name := range out.ToolChoice.Allowed {
		out.ToolChoice.Allowed[i] = a.ToolName(name)
	}
	out.Messages = slices.Clone(req.Messages)
	for m := range out.Messages {
		out.Messages[m].Parts = slices.Clone(out.Messages[m].Parts)
		for p := range out.Messages[m].Parts {
			renamePart(&out.Messages[m].Parts[p], a)
		}
	}
	return &out
}

func renamePart(p *Part, a API) {
	if p.Call != nil {
		call := *p.Call
		call.Name = a.ToolName(call.Name)
		p.Call = &call
	}
	if p.Result != nil {
		result := *p.Result
		result.Name = a.ToolName(result.Name)
		p.Result = &result
	}
}

// Restore gives the answer the names that the client knows.
func (n ToolNames) Restore(resp *Response) {
	for c := range resp.Choices {
		for p := range resp.Choices[c].Parts {
			n.restore(resp.Choices[c].Parts[p].Call)
		}
	}
}

// RestoreEvent gives an event the names that the client knows.
func (n ToolNames) RestoreEvent(ev *Event) {
	if ev.Kind == PartStart && ev.Content != nil {
		n.restore(ev.Content.Call)
	}
}

func (n ToolNames) restore(call *Call) {
	if call == nil {
		return
	}
	if name, ok := n[call.Name]; ok {
		call.Name = name
	}
}
