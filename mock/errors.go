package mock

import "net/http"

// apiError is an error that the client is told of in its API's shape.
type apiError struct {
	status     int
	message    string
	code       string
	param      string
	retryAfter string
}

func (e *apiError) Error() string { return e.message }

// body writes the error as the given provider does.
func (e *apiError) body(f family, requestID string) []byte {
	var w wire
	switch f {
	case anthropic:
		w.raw(`{"type":"error","error":{"type":`).str(e.anthropicType())
		w.raw(`,"message":`).str(e.message).raw(`},"request_id":`).str(requestID).raw(`}`)
	case gemini:
		w.raw(`{"error":{"code":`).num(e.status).raw(`,"message":`).str(e.message)
		w.raw(`,"status":`).str(e.geminiStatus()).raw(`}}`)
	default:
		kind, code := e.openAIType()
		w.raw(`{"error":{"message":`).str(e.message).raw(`,"type":`).str(kind)
		w.raw(`,"param":`).strOrNull(e.param).raw(`,"code":`).strOrNull(code).raw(`}}`)
	}
	return w.buf
}

// openAIType returns the type and code that OpenAI gives for the status.
func (e *apiError) openAIType() (kind, code string) {
	switch {
	case e.status == http.StatusUnauthorized:
		kind, code = "invalid_request_error", "invalid_api_key"
	case e.status == http.StatusNotFound:
		kind, code = "invalid_request_error", "model_not_found"
	case e.status == http.StatusTooManyRequests:
		kind, code = "requests", "rate_limit_exceeded"
	case e.status >= http.StatusInternalServerError:
		kind, code = "server_error", "server_error"
	default:
		kind = "invalid_request_error"
	}
	if e.code != "" {
		code = e.code
	}
	return kind, code
}

// statusOverloaded is Anthropic's own, for a lack of capacity.
const statusOverloaded = 529

func (e *apiError) anthropicType() string {
	if e.code != "" {
		return e.code
	}
	switch e.status {
	case http.StatusUnauthorized:
		return "authentication_error"
	case http.StatusPaymentRequired:
		return "billing_error"
	case http.StatusForbidden:
		return "permission_error"
	case http.StatusNotFound:
		return "not_found_error"
	case http.StatusRequestEntityTooLarge:
		return "request_too_large"
	case http.StatusTooManyRequests:
		return "rate_limit_error"
	case http.StatusGatewayTimeout:
		return "timeout_error"
	case statusOverloaded:
		return "overloaded_error"
	}
	if e.status >= http.StatusInternalServerError {
		return "api_error"
	}
	return "invalid_request_error"
}

func (e *apiError) geminiStatus() string {
	if e.code != "" {
		return e.code
	}
	switch e.status {
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
	case http.StatusNotImplemented:
		return "UNIMPLEMENTED"
	case http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	case http.StatusGatewayTimeout:
		return "DEADLINE_EXCEEDED"
	}
	if e.status >= http.StatusInternalServerError {
		return "INTERNAL"
	}
	return "INVALID_ARGUMENT"
}

// Interface guards
var _ error = (*apiError)(nil)
