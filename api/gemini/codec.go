package gemini

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Codec translates generateContent and streamGenerateContent. The model's name
// and whether the answer streams stand in the path, so that DecodeRequest leaves
// Model and Stream empty and EncodeRequest writes neither.
type Codec struct{}

// The reasons why an answer ends, by Google's names:
// https://ai.google.dev/api/generate-content#FinishReason. What is not in the
// table, OTHER among it, counts as an end like any other.
var finishes = map[string]api.Finish{
	"STOP":                     api.FinishStop,
	"MAX_TOKENS":               api.FinishLength,
	"SAFETY":                   api.FinishContentFilter,
	"RECITATION":               api.FinishContentFilter,
	"LANGUAGE":                 api.FinishContentFilter,
	"BLOCKLIST":                api.FinishContentFilter,
	"PROHIBITED_CONTENT":       api.FinishContentFilter,
	"SPII":                     api.FinishContentFilter,
	"MODEL_ARMOR":              api.FinishContentFilter,
	"IMAGE_SAFETY":             api.FinishContentFilter,
	"IMAGE_PROHIBITED_CONTENT": api.FinishContentFilter,
	"IMAGE_RECITATION":         api.FinishContentFilter,
	"MALFORMED_FUNCTION_CALL":  api.FinishMalformed,
	"UNEXPECTED_TOOL_CALL":     api.FinishMalformed,
	"TOO_MANY_TOOL_CALLS":      api.FinishMalformed,
	"MALFORMED_RESPONSE":       api.FinishMalformed,
}

// finishOf is the neutral reason; Google says STOP after calls, too.
func finishOf(reason string, calls bool) api.Finish {
	finish, ok := finishes[reason]
	if !ok {
		finish = api.FinishStop
	}
	if finish == api.FinishStop && calls {
		return api.FinishToolCalls
	}
	return finish
}

// finishReason is the reason in Google's words.
func finishReason(f api.Finish) string {
	switch f {
	case api.FinishLength, api.FinishContextLength:
		return "MAX_TOKENS"
	case api.FinishContentFilter, api.FinishRefusal:
		return "SAFETY"
	case api.FinishMalformed:
		return "MALFORMED_FUNCTION_CALL"
	default:
		return "STOP"
	}
}

// problem is the body of an error answer.
type problem struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []struct {
		Reason string `json:"reason"`
	} `json:"details"`
}

// DecodeError implements api.Codec.
func (Codec) DecodeError(status int, body []byte) api.Error {
	out := api.Error{Status: status}
	raw := bytes.TrimSpace(body)
	// A stream that is not asked for as events is a list of answers, and its
	// error is one of them.
	if it := jsonscan.Array(raw); it.Next() {
		raw = it.Value()
	}
	var p problem
	if json.Unmarshal(jsonscan.Member(raw, "error"), &p) != nil || p.Message == "" {
		out.Message = strings.ToValidUTF8(string(body[:min(len(body), maxMessage)]), "\ufffd")
		if strings.TrimSpace(out.Message) == "" {
			out.Message = http.StatusText(status)
		}
		return out
	}
	out.Message = p.Message
	out.Code = p.code(status)
	for _, detail := range p.Details {
		// Google answers 400 where everyone else answers 401.
		if detail.Reason == "API_KEY_INVALID" {
			out.Status, out.Code = http.StatusUnauthorized, "invalid_api_key"
		}
	}
	return out
}

// maxMessage is how much of an answer that is no error's body becomes one.
const maxMessage = 2000

// code is OpenAI's code for the problem, where it has one.
func (p *problem) code(status int) string {
	switch {
	case status == http.StatusNotFound:
		return "model_not_found"
	case status == http.StatusTooManyRequests:
		return "rate_limit_exceeded"
	case strings.Contains(p.Message, "exceeds the maximum number of tokens"):
		return "context_length_exceeded"
	}
	return ""
}

// streamStatus is the HTTP status of an error that came within a stream.
func (p *problem) streamStatus() int {
	switch p.Code {
	case http.StatusBadRequest, http.StatusTooManyRequests, http.StatusServiceUnavailable, 529:
		return p.Code
	}
	switch p.Status {
	case "INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE":
		return http.StatusBadRequest
	case "RESOURCE_EXHAUSTED":
		return http.StatusTooManyRequests
	case "UNAVAILABLE":
		return http.StatusServiceUnavailable
	}
	return http.StatusBadGateway
}

// Interface guard
var _ api.Codec = Codec{}
