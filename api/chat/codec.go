package chat

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Codec translates between chat and the neutral format.
type Codec struct{}

// vendor is whose opaque data stands in this format without a seal.
const vendor = api.OpenAI

// maxStop is how many texts `stop` may list:
// https://platform.openai.com/docs/api-reference/chat/create#chat-create-stop.
const maxStop = 4

// DecodeError implements api.Codec.
func (Codec) DecodeError(status int, body []byte) api.Error {
	e := api.Error{Status: status}
	raw := body
	// Google's compatible endpoint wraps the error in an array.
	if list := jsonscan.Array(body); list.Next() {
		raw = list.Value()
	}
	if inner := jsonscan.Member(raw, "error"); !api.Empty(inner) {
		raw = inner
	}
	readError(raw, &e)
	if e.Message == "" {
		e.Message = strings.TrimSpace(strings.ToValidUTF8(string(body), "\ufffd"))
	}
	if e.Message == "" {
		e.Message = http.StatusText(status)
	}
	if e.Status == 0 {
		e.Status = http.StatusBadGateway
	}
	return e
}

// readError takes what an error says, in whatever shape, and gives the words
// that tell its kind.
func readError(raw []byte, e *api.Error) (kind string) {
	if s, ok := jsonscan.String(raw); ok {
		e.Message = s
		return ""
	}
	it := jsonscan.Object(raw)
	for it.Next() {
		s, isText := jsonscan.String(it.Value())
		switch string(it.Key) {
		case "message":
			e.Message = s
		case "detail", "msg": // FastAPI's servers
			if e.Message == "" {
				if e.Message = s; !isText {
					e.Message = string(it.Value())
				}
			}
		case "type", "status", "error_type":
			kind += " " + s
		case "code":
			e.Code = s
		}
	}
	return strings.ToLower(kind + " " + e.Code)
}

// streamError is what an error in a stream comes to. Its status has to be made
// up: the answer's own was 200.
func streamError(raw []byte) *api.Error {
	e := &api.Error{Status: http.StatusBadGateway}
	kind := readError(raw, e)
	if e.Message == "" {
		if e.Message = "The provider reports an error in its stream."; !api.Empty(raw) {
			e.Message += " It says: " + strings.ToValidUTF8(string(raw), "\ufffd")
		}
	}
	for _, name := range []string{"code", "status", "status_code"} {
		var code int
		if json.Unmarshal(jsonscan.Member(raw, name), &code) == nil && clientsBusiness(code) {
			e.Status = code
			return e
		}
	}
	for _, word := range errorWords {
		if strings.Contains(kind, word.word) {
			e.Status = word.status
			return e
		}
	}
	return e
}

// clientsBusiness tells whether a status means the same for our client as for
// us. A refused key, for instance, is ours and not the client's.
func clientsBusiness(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
		http.StatusUnprocessableEntity, http.StatusTooManyRequests:
		return true
	}
	return status >= 500 && status < 600
}

// errorWords tell the status of an error by its type or code; the first one that
// occurs counts.
var errorWords = []struct {
	word   string
	status int
}{
	{"rate_limit", http.StatusTooManyRequests},
	{"resource_exhausted", http.StatusTooManyRequests},
	{"insufficient_quota", http.StatusTooManyRequests},
	{"overloaded", 529},
	{"unavailable", http.StatusServiceUnavailable},
	{"invalid_request", http.StatusBadRequest},
	{"invalid_argument", http.StatusBadRequest},
	{"context_length", http.StatusBadRequest},
	{"content_filter", http.StatusBadRequest},
	{"content_policy", http.StatusBadRequest},
	{"timeout", http.StatusGatewayTimeout},
}

// finishes are the reasons for which answers end. The first four are OpenAI's;
// the others come from servers that pass on what their engines say.
var finishes = map[string]api.Finish{
	"stop":                  api.FinishStop,
	"length":                api.FinishLength,
	"tool_calls":            api.FinishToolCalls,
	"content_filter":        api.FinishContentFilter,
	"function_call":         api.FinishToolCalls,
	"tool_call":             api.FinishToolCalls,
	"tool_use":              api.FinishToolCalls,
	"eos":                   api.FinishStop,
	"end_turn":              api.FinishStop,
	"stop_sequence":         api.FinishStopSequence,
	"max_tokens":            api.FinishLength,
	"model_length":          api.FinishContextLength, // Mistral
	"context_length":        api.FinishContextLength,
	"safety":                api.FinishContentFilter,
	"recitation":            api.FinishContentFilter,
	"sensitive":             api.FinishContentFilter, // Z.ai
	"refusal":               api.FinishRefusal,
	"malformed_call":        api.FinishMalformed,
	"malformed_function":    api.FinishMalformed,
	"invalid_tool_call":     api.FinishMalformed,
	"unexpected_tool_call":  api.FinishMalformed,
	"pause_turn":            api.FinishPause,
	"repetition_truncation": api.FinishLength,
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

// finish is the neutral reason. An answer with calls that just stopped stopped
// for the calls: many servers say stop for both.
func finish(reason string, called, refused bool) api.Finish {
	f, ok := finishes[reason]
	if !ok {
		if f, ok = finishes[strings.ToLower(reason)]; !ok {
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
