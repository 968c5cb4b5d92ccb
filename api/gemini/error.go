package gemini

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// problem is the body of an error answer.
type problem struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
	Status  string `json:"status"`
	Details []struct {
		Reason     string `json:"reason"`
		RetryDelay string `json:"retryDelay"`
	} `json:"details"`
}

// errorOf is the error in an answer. A stream that is not asked for as events is
// a list of answers, and its error is one of them.
func errorOf(body []byte) []byte {
	raw := bytes.TrimSpace(body)
	if it := jsonscan.Array(raw); it.Next() {
		raw = it.Value()
	}
	return jsonscan.Member(raw, "error")
}

// DecodeError implements api.Codec.
func (Codec) DecodeError(status int, body []byte) api.Error {
	out := api.Error{Status: status}
	var p problem
	if json.Unmarshal(errorOf(body), &p) != nil || p.Message == "" {
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

// RetryDelay is how long to wait before trying again, which Google says in the
// body of an error and in no header: https://google.aip.dev/194. It is 0 where
// nothing is said.
func RetryDelay(body []byte) time.Duration {
	var p problem
	_ = json.Unmarshal(errorOf(body), &p)
	for _, detail := range p.Details {
		if delay, err := time.ParseDuration(detail.RetryDelay); err == nil && delay > 0 {
			return delay
		}
	}
	return 0
}
