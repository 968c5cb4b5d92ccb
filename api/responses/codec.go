package responses

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Codec translates between Responses and the neutral format.
type Codec struct{}

// vendor is whose opaque data stands in this format without a seal.
const vendor = api.OpenAI

// What stands before a signature inside its seal, where it is more than the
// signature of the reasoning that the item shows. Responses has a place for such
// data in reasoning items only, while Gemini signs calls and texts
// (https://ai.google.dev/gemini-api/docs/thought-signatures): the item follows what
// it is of, as a stream tells a signature last.
const (
	markRedacted = "redacted:" // the reasoning is encrypted altogether
	markCall     = "call:"     // then the call's id and a colon: it is that call's
	markPrevious = "prev:"     // it is that of the text in the item before
	markText     = "text:"     // it is that of an empty text
)

// DecodeError implements api.Codec.
func (Codec) DecodeError(status int, body []byte) api.Error {
	e := api.Error{Status: status}
	raw := body
	if inner := jsonscan.Member(body, "error"); !api.Empty(inner) {
		raw = inner
	}
	kind := readError(raw, &e)
	if status < http.StatusBadRequest {
		e.Status = statusOf(raw, kind)
	}
	if e.Message == "" {
		e.Message = strings.TrimSpace(strings.ToValidUTF8(string(body), "\ufffd"))
	}
	if e.Message == "" {
		e.Message = http.StatusText(e.Status)
	}
	return e
}

// readError takes what an error object says, and gives the words that tell its
// kind. Servers that imitate OpenAI send a bare text too.
func readError(raw []byte, e *api.Error) (kind string) {
	if s, ok := jsonscan.String(raw); ok {
		e.Message = s
		return ""
	}
	it := jsonscan.Object(raw)
	for it.Next() {
		s, _ := jsonscan.String(it.Value())
		switch string(it.Key) {
		case "message":
			e.Message = s
		case "detail": // the backend of ChatGPT, and FastAPI's servers
			if e.Message == "" {
				e.Message = s
			}
		case "type":
			if s != "error" {
				kind, e.Type = s, s
			}
		case "param":
			e.Param = s
		case "code":
			e.Code = s
		}
	}
	return strings.ToLower(e.Code + " " + kind)
}

// streamError is what an error inside a stream comes to: the answer's own status
// was 200, so that it has to be made up.
func streamError(raw []byte) *api.Error {
	e := &api.Error{}
	kind := readError(raw, e)
	if e.Message == "" {
		if e.Message = "The provider reports an error in its stream."; !api.Empty(raw) {
			e.Message += " It says: " + strings.ToValidUTF8(string(raw), "\ufffd")
		}
	}
	e.Status = statusOf(raw, kind)
	return e
}

func statusOf(raw []byte, kind string) int {
	for _, name := range []string{"status", "status_code", "code"} {
		var status int
		if json.Unmarshal(jsonscan.Member(raw, name), &status) == nil && passesOn(status) {
			return status
		}
	}
	for _, known := range errorKinds {
		if strings.Contains(kind, known.word) {
			return known.status
		}
	}
	return http.StatusBadGateway
}

// passesOn tells whether a status means the same to our client as to us: a key
// that the provider refuses is none of the client's.
func passesOn(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity,
		http.StatusTooManyRequests:
		return true
	}
	return status >= 500 && status < 600
}

// errorKinds give an error its status, by the first word that its code or type
// contains. The codes are those of
// https://platform.openai.com/docs/api-reference/responses/object#responses/object-error.
var errorKinds = []struct {
	word   string
	status int
}{
	{"rate_limit", http.StatusTooManyRequests},
	{"insufficient_quota", http.StatusTooManyRequests},
	{"usage_limit", http.StatusTooManyRequests},
	{"too_many_requests", http.StatusTooManyRequests},
	{"overloaded", http.StatusServiceUnavailable},
	{"slow_down", http.StatusServiceUnavailable},
	{"unavailable", http.StatusServiceUnavailable},
	{"vector_store_timeout", http.StatusBadGateway},
	{"timeout", http.StatusGatewayTimeout},
	{"invalid_request", http.StatusBadRequest},
	{"invalid_prompt", http.StatusBadRequest},
	{"context_length", http.StatusBadRequest},
	{"content_policy", http.StatusBadRequest},
	{"content_filter", http.StatusBadRequest},
	{"image", http.StatusBadRequest},
}

// finishOf is why an answer ended, in neutral words. A failed one has no reason,
// but an error.
func finishOf(status, reason string, called, refused bool) api.Finish {
	switch {
	case status == "incomplete" && reason == "content_filter":
		return api.FinishContentFilter
	case status == "incomplete":
		return api.FinishLength
	case called:
		return api.FinishToolCalls
	case refused:
		return api.FinishRefusal
	}
	return api.FinishStop
}

// statusFor is the status of an answer, and the reason why it is incomplete. A
// refusal that the answer words itself is an answer; one without a word is the
// work of a filter, and must not pass for success.
func statusFor(finish api.Finish, refused bool) (status, reason string) {
	switch finish {
	case api.FinishLength, api.FinishContextLength:
		return "incomplete", "max_output_tokens"
	case api.FinishContentFilter:
		return "incomplete", "content_filter"
	case api.FinishRefusal:
		if !refused {
			return "incomplete", "content_filter"
		}
	case api.FinishMalformed:
		return "failed", ""
	}
	return "completed", ""
}

// Interface guard
var _ api.Codec = Codec{}
