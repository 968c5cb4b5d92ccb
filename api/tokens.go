package api

// What EstimateTokens counts for what is not text.
const (
	bytesPerToken    = 4
	tokensPerMessage = 4
	tokensPerTool    = 16
	tokensForTools   = 300
	tokensPerImage   = 1600
	// A page of a PDF is some 50 kB and some 2,000 tokens, an MP3 has some
	// 16 kB and 32 tokens a second.
	fileBytesPerToken  = 25
	soundBytesPerToken = 500
	maxFileTokens      = 200_000
)

// EstimateTokens is about how many tokens the input of a request has, for targets
// that cannot count them. It is
//
//	(bytes of text, of names, of arguments and of schemas) / 4
//	+ 4 a message, + 16 a tool, + 300 if there are tools at all
//	+ 1,600 an image: https://platform.claude.com/docs/en/build-with-claude/vision
//	+ a token for 25 bytes of a file, at least 1,600 and at most 200,000
//	+ a token for 500 bytes of sound
//
// rounded up. Reasoning counts as its text; signatures and hidden reasoning count
// nothing, as providers leave most of it out of a prompt.
func EstimateTokens(req *Request) int64 {
	var e estimate
	for i := range req.Messages {
		e.tokens += tokensPerMessage
		e.bytes += int64(len(req.Messages[i].Name))
		e.parts(req.Messages[i].Parts)
	}
	for i := range req.Tools {
		tool := &req.Tools[i]
		e.tokens += tokensPerTool
		e.bytes += int64(len(tool.Name) + len(tool.Description) + len(tool.Schema) + len(tool.Grammar))
		if tool.Kind == OpaqueTool {
			e.bytes += int64(len(tool.Raw))
		}
	}
	if len(req.Tools) > 0 {
		e.tokens += tokensForTools
	}
	if req.Format != nil {
		e.bytes += int64(len(req.Format.Schema) + len(req.Format.Description))
	}
	return e.tokens + (e.bytes+bytesPerToken-1)/bytesPerToken
}

type estimate struct{ bytes, tokens int64 }

func (e *estimate) parts(parts []Part) {
	for i := range parts {
		p := &parts[i]
		switch p.Kind {
		case ToolCall:
			if p.Call != nil {
				e.bytes += int64(len(p.Call.Name) + len(p.Call.Arguments))
			}
		case ToolResult:
			if p.Result != nil {
				e.parts(p.Result.Parts)
			}
		case Opaque:
			e.bytes += int64(len(p.Raw))
		case Image, Sound, File:
			if p.Media != nil {
				e.media(p.Kind, p.Media)
			}
		default:
			e.bytes += int64(len(p.Text))
		}
	}
}

func (e *estimate) media(kind Kind, m *Media) {
	e.bytes += int64(len(m.Text))
	size := int64(len(m.Data)) / 4 * 3
	switch {
	case kind == Image:
		e.tokens += tokensPerImage
	case kind == Sound:
		e.tokens += size / soundBytesPerToken
	case m.Text == "":
		e.tokens += min(max(size/fileBytesPerToken, tokensPerImage), maxFileTokens)
	}
}
