package chat_test

import "github.com/caddy-plexus/plexus/api"

// heardParts is what parts say, in whatever pieces.
type heardParts struct {
	text, thinking, refusal, arguments string
	calls                              []string
}

func (h *heardParts) of(parts []api.Part) {
	for i := range parts {
		switch p := &parts[i]; p.Kind {
		case api.Text:
			h.text += p.Text
		case api.Thinking:
			h.thinking += p.Text
		case api.Refusal:
			h.refusal += p.Text
		case api.ToolCall:
			h.calls = append(h.calls, p.Call.ID+" "+p.Call.Name)
			h.arguments += p.Call.Arguments
		}
	}
}
