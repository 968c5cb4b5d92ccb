package chat

import (
	"net/http"
	"strings"

	"github.com/caddy-plexus/plexus/api"
)

// Codec translates between chat and the neutral format.
type Codec struct{}

// vendor is whose opaque data stands in this format without a seal.
const vendor = api.OpenAI

// maxStop is how many texts `stop` may list:
// https://platform.openai.com/docs/api-reference/chat/create#chat-create-stop.
const maxStop = 4

// finishes are the reasons for which answers end. The first four are OpenAI's;
// the others come from servers that pass on what their engines say.
var finishes = map[string]api.Finish{
	"stop":               api.FinishStop,
	"length":             api.FinishLength,
	"tool_calls":         api.FinishToolCalls,
	"content_filter":     api.FinishContentFilter,
	"function_call":      api.FinishToolCalls,
	"tool_call":          api.FinishToolCalls,
	"tool_use":           api.FinishToolCalls,
	"eos":                api.FinishStop,
	"end_turn":           api.FinishStop,
	"stop_sequence":      api.FinishStopSequence,
	"max_tokens":         api.FinishLength,
	"model_length":       api.FinishContextLength, // Mistral
	"context_length":     api.FinishContextLength,
	"safety":             api.FinishContentFilter,
	"recitation":         api.FinishContentFilter,
	"sensitive":          api.FinishContentFilter, // Z.ai
	"refusal":            api.FinishRefusal,
	"malformed_call":     api.FinishMalformed,
	"malformed_function": api.FinishMalformed,
	// Google's endpoint adds what exactly: "content_filter: PROHIBITED_CONTENT".
	"malformed_function_call": api.FinishMalformed,
	"function_call_filter":    api.FinishMalformed,
	"invalid_tool_call":       api.FinishMalformed,
	"unexpected_tool_call":    api.FinishMalformed,
	"pause_turn":              api.FinishPause,
	"repetition_truncation":   api.FinishLength,
}

// broken tells whether a finish_reason is no end but a failure: Mistral's and
// OpenRouter's error, DeepSeek's lack of resources
// (https://api-docs.deepseek.com/api/create-chat-completion).
func broken(reason string) (status int, yes bool) {
	switch reason {
	case "error", "network_error":
		return http.StatusBadGateway, true
	case "insufficient_system_resource":
		return http.StatusServiceUnavailable, true
	}
	return 0, false
}

// finish is the neutral reason. An answer with calls ends for them, whatever
// it says: many servers say stop for both.
func finish(reason string, called, refused bool) api.Finish {
	f, ok := finishes[reason]
	if !ok {
		word, _, _ := strings.Cut(strings.ToLower(reason), ":")
		if f, ok = finishes[word]; !ok {
			f = api.FinishStop
		}
	}
	switch {
	case f == api.FinishStop && called:
		return api.FinishToolCalls
	case f == api.FinishToolCalls && !called:
		return api.FinishStop
	case f == api.FinishStop && refused:
		return api.FinishRefusal
	}
	return f
}

// finishReason is OpenAI's word for a reason. A refusal that the answer words
// itself ends as any text does; one without a word must not pass for an answer.
func finishReason(f api.Finish, refusalText, legacy bool) string {
	switch f {
	case api.FinishLength, api.FinishContextLength:
		return "length"
	case api.FinishToolCalls:
		if legacy {
			return "function_call"
		}
		return "tool_calls"
	case api.FinishContentFilter:
		return "content_filter"
	case api.FinishRefusal:
		if refusalText {
			return "stop"
		}
		return "content_filter"
	}
	return "stop"
}

// Interface guard
var _ api.Codec = Codec{}
