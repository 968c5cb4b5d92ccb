package messages

import (
	"net/http"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Codec translates between messages and the neutral format.
type Codec struct{}

// vendor is whose opaque data stands in this format without a seal.
const vendor = api.Anthropic

const (
	// rawInput is the member that holds a call's input which is no object.
	rawInput = "_raw"

	// jsonTool is the name of the tool that stands for structured output on
	// models that have none of their own. Its call is the answer's text.
	jsonTool = "plexus_json_output"

	// valueTool stands for one that is no object, which an input has to be: it
	// is the member jsonValue of the input.
	valueTool, jsonValue = "plexus_json_value", "value"

	// ofNext and ofPrevious stand before the sealed signature of a text or a
	// call in a redacted_thinking block: neither kind of block has a member
	// for one, and clients send redacted_thinking back as it is. The first
	// belongs to the block after it. A stream may tell a signature only when
	// its block has begun; that one follows its block.
	ofNext     = "next:"
	ofPrevious = "previous:"

	// webSearch is the version of the search tool that every model knows, and
	// webSearchName the only name that it may have.
	webSearch       = "web_search_20250305"
	webSearchName   = "web_search"
	webSearchPrefix = "web_search_"
)

// finishes are the reasons by their names:
// https://platform.claude.com/docs/en/build-with-claude/handling-stop-reasons.
// What is not in the table counts as an end like any other.
var finishes = map[string]api.Finish{
	"end_turn":                      api.FinishStop,
	"max_tokens":                    api.FinishLength,
	"stop_sequence":                 api.FinishStopSequence,
	"tool_use":                      api.FinishToolCalls,
	"pause_turn":                    api.FinishPause,
	"compaction":                    api.FinishPause,
	"refusal":                       api.FinishRefusal,
	"model_context_window_exceeded": api.FinishContextLength,
}

// finishOf is the neutral reason. Imitators say end_turn after calls, and the
// call of jsonTool is none.
func finishOf(reason string, calls bool) api.Finish {
	finish, ok := finishes[reason]
	switch {
	case !ok, finish == api.FinishToolCalls, finish == api.FinishStop:
		if calls {
			return api.FinishToolCalls
		}
		return api.FinishStop
	}
	return finish
}

// stopReason is the reason in Anthropic's words.
func stopReason(f api.Finish, calls, refused bool) string {
	switch f {
	case api.FinishLength:
		return "max_tokens"
	case api.FinishContextLength:
		return "model_context_window_exceeded"
	case api.FinishContentFilter, api.FinishRefusal:
		return "refusal"
	case api.FinishPause:
		return "pause_turn"
	case api.FinishStopSequence:
		return "stop_sequence"
	}
	switch {
	case calls:
		return "tool_use"
	case refused:
		return "refusal"
	}
	return "end_turn"
}

// statuses are those of the types of errors:
// https://platform.claude.com/docs/en/api/errors.
var statuses = map[string]int{
	"invalid_request_error": http.StatusBadRequest,
	"authentication_error":  http.StatusUnauthorized,
	"billing_error":         http.StatusPaymentRequired,
	"permission_error":      http.StatusForbidden,
	"not_found_error":       http.StatusNotFound,
	"conflict_error":        http.StatusConflict,
	"request_too_large":     http.StatusRequestEntityTooLarge,
	"rate_limit_error":      http.StatusTooManyRequests,
	"timeout_error":         http.StatusGatewayTimeout,
	"overloaded_error":      api.StatusOverloaded,
}

// DecodeError implements api.Codec.
func (Codec) DecodeError(status int, body []byte) api.Error {
	kind, message := readError(body)
	request, _ := jsonscan.String(jsonscan.Member(body, "request_id"))
	if message == "" {
		message = strings.TrimSpace(strings.ToValidUTF8(string(body), "\ufffd"))
	}
	if status < http.StatusBadRequest {
		status = statusOf(kind)
	}
	if message == "" {
		message = http.StatusText(status)
	}
	return api.Error{Status: status, Code: codeOf(message), Message: message, RequestID: request}
}

func statusOf(kind string) int {
	if status, ok := statuses[kind]; ok {
		return status
	}
	return http.StatusBadGateway
}

// codeOf tells OpenAI's clients that the prompt was too long, which Anthropic
// says in words only, and Bedrock in others.
func codeOf(message string) string {
	message = strings.ToLower(message)
	for _, words := range []string{"prompt is too long", "input is too long", "exceed context limit", "context window"} {
		if strings.Contains(message, words) {
			return api.CodeContextLength
		}
	}
	return ""
}

// readError takes what an error says, also in the shapes of imitators. Vertex
// puts some of its errors into a list.
func readError(body []byte) (kind, message string) {
	if list := jsonscan.Array(body); list.Next() {
		body = list.Value()
	}
	if inner := jsonscan.Member(body, "error"); !api.Empty(inner) {
		body = inner
	}
	if s, ok := jsonscan.String(body); ok {
		return "", s
	}
	it := jsonscan.Object(body)
	for it.Next() {
		s, ok := jsonscan.String(it.Value())
		switch key := string(it.Key); {
		case !ok:
		case key == "type":
			kind = s
		case key == "message", key == "detail" && message == "":
			message = s
		}
	}
	return kind, message
}

// Interface guard
var _ api.Codec = Codec{}
