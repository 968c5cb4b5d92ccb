package api

import (
	"net/http"
	"strconv"
	"strings"
)

// Error is a failure to be told to a client in its own API's shape.
type Error struct {
	// Status is the HTTP status, from which every shape derives its own type.
	Status int
	// Code is OpenAI's machine-readable code, such as "model_not_found". The
	// other formats have no place for it.
	Code string
	// Type is the type that a provider of OpenAI's formats gave, where it says
	// more than the status does, such as "insufficient_quota". Only clients of
	// these formats see it, and not with a status of 500 or more, which may be
	// the gateway's own.
	Type string
	// Param is the member at fault, in OpenAI's formats.
	Param string
	// RequestID is the provider's name of the request, which Messages tells.
	RequestID string
	// Message is for the person who reads it. It is a sentence that says what
	// to do, and holds no secret.
	Message string
}

// CodeContextLength is OpenAI's code for a prompt that does not fit the model.
const CodeContextLength = "context_length_exceeded"

// ErrorBody is the body of an error answer in the format a.
func (a API) ErrorBody(e Error) []byte {
	switch a {
	case Messages:
		return messagesError(e)
	case Gemini:
		return geminiError(e)
	default:
		return openAIError(e)
	}
}

// ErrorEvent is the event that ends a stream of the format a after it has
// begun. The sequence number is that of the event in its stream, which only
// Responses carries.
func (a API) ErrorEvent(e Error, sequence int64) []byte {
	switch a {
	case Messages:
		return event("error", messagesError(e))
	case Responses:
		return event("error", responsesError(e, sequence))
	case Gemini:
		// Google's own SDK ignores an error in an event and throws at a bare
		// JSON text that follows it; every other reader of event streams does
		// the reverse.
		body := geminiError(e)
		return append(event("", body), body...)
	default:
		return event("", a.ErrorBody(e))
	}
}

func event(name string, data []byte) []byte {
	var out []byte
	if name != "" {
		out = append(out, "event: "+name+"\n"...)
	}
	out = append(out, "data: "...)
	out = append(out, data...)
	return append(out, "\n\n"...)
}

func openAIError(e Error) []byte {
	return append(append([]byte(`{"error":`), openAIErrorObject(e)...), '}')
}

func openAIErrorObject(e Error) []byte {
	out := append([]byte(`{"message":`), Quote(e.Message)...)
	kind := openAIType(e.Status)
	if e.Type != "" && e.Status < http.StatusInternalServerError {
		kind = e.Type
	}
	out = append(append(out, `,"type":`...), Quote(kind)...)
	out = append(append(out, `,"param":`...), quoteOrNull(e.Param)...)
	out = append(append(out, `,"code":`...), quoteOrNull(e.Code)...)
	return append(out, '}')
}

func quoteOrNull(s string) []byte {
	if s == "" {
		return []byte("null")
	}
	return Quote(s)
}

// ResponsesCode is the code of the error in Responses, which always has one.
func (e *Error) ResponsesCode() string {
	if e.Code != "" {
		return e.Code
	}
	return openAIType(e.Status)
}

// responsesError is the `error` event of a Responses stream. The reference has
// it flat, https://platform.openai.com/docs/api-reference/responses-streaming/error,
// but OpenAI's SDKs throw only where an `error` member stands, so it has both.
func responsesError(e Error, sequence int64) []byte {
	out := append([]byte(`{"type":"error","code":`), Quote(e.ResponsesCode())...)
	out = append(append(out, `,"message":`...), Quote(e.Message)...)
	out = append(append(out, `,"param":`...), quoteOrNull(e.Param)...)
	out = append(out, `,"sequence_number":`...)
	out = strconv.AppendInt(out, sequence, 10)
	return append(append(append(out, `,"error":`...), openAIErrorObject(e)...), '}')
}

// tooLong is how Anthropic words what CodeContextLength says. Claude Code looks
// for it, and then shortens the conversation instead of sending it again.
const tooLong = "prompt is too long"

func messagesError(e Error) []byte {
	message := e.Message
	if e.Code == CodeContextLength && !strings.Contains(strings.ToLower(message), tooLong) {
		message = tooLong + ": " + message
	}
	out := append([]byte(`{"type":"error","error":{"type":`), Quote(messagesType(e.Status))...)
	out = append(append(out, `,"message":`...), Quote(message)...)
	out = append(out, '}')
	if e.RequestID != "" {
		out = append(append(out, `,"request_id":`...), Quote(e.RequestID)...)
	}
	return append(out, '}')
}

func geminiError(e Error) []byte {
	out := strconv.AppendInt([]byte(`{"error":{"code":`), int64(e.Status), 10)
	out = append(append(out, `,"message":`...), Quote(e.Message)...)
	out = append(append(out, `,"status":`...), Quote(geminiStatus(e.Status))...)
	return append(out, `}}`...)
}

// openAIType follows https://platform.openai.com/docs/guides/error-codes.
func openAIType(status int) string {
	switch {
	case status == http.StatusUnauthorized:
		return "authentication_error"
	case status == http.StatusForbidden:
		return "permission_error"
	case status == http.StatusTooManyRequests:
		return "rate_limit_error"
	case status >= 500:
		return "server_error"
	default:
		return "invalid_request_error"
	}
}

// StatusOverloaded is Anthropic's own status.
const StatusOverloaded = 529

// messagesType follows https://docs.anthropic.com/en/api/errors.
func messagesType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusPaymentRequired:
		return "billing_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusConflict:
		return "conflict_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusServiceUnavailable, StatusOverloaded:
		return "overloaded_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	}
	if status >= 500 {
		return "api_error"
	}
	return "invalid_request_error"
}

// geminiStatus follows the canonical codes of
// https://cloud.google.com/apis/design/errors.
func geminiStatus(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "UNAUTHENTICATED"
	case http.StatusForbidden:
		return "PERMISSION_DENIED"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusConflict:
		return "ABORTED"
	case http.StatusTooManyRequests:
		return "RESOURCE_EXHAUSTED"
	case http.StatusPaymentRequired:
		return "FAILED_PRECONDITION"
	case 499: // as nginx has it, and Google with it
		return "CANCELLED"
	case http.StatusBadGateway, http.StatusServiceUnavailable, StatusOverloaded:
		return "UNAVAILABLE"
	case http.StatusRequestTimeout, http.StatusGatewayTimeout:
		return "DEADLINE_EXCEEDED"
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return "UNIMPLEMENTED"
	}
	if status >= 500 {
		return "INTERNAL"
	}
	return "INVALID_ARGUMENT"
}
