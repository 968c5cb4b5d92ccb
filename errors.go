package plexus

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/caddy-plexus/plexus/api"
)

// Code is a way in which a request can fail. Its text is the `plexus_error`
// field of logs; errors.Is finds it in the errors of this package.
type Code struct { //nolint:errname // what logs and documents call it
	name   string
	status int
	// openAI is the `code` member of OpenAI's error object, which clients
	// compare with.
	openAI string
}

func (c *Code) Error() string { return c.name }

// The ways in which a request can fail.
var (
	// ErrAliasNotFound says that no alias, additional alias or passthrough
	// name matches.
	ErrAliasNotFound = &Code{"ALIAS_NOT_FOUND", http.StatusNotFound, "model_not_found"}
	// ErrNoEnabledTargets says that every target behind a name is disabled.
	ErrNoEnabledTargets = &Code{"NO_ENABLED_TARGETS", http.StatusNotFound, "model_not_found"}
	// ErrAllTargetsCoolingDown says that every enabled target is left alone
	// for a while.
	ErrAllTargetsCoolingDown = &Code{"ALL_TARGETS_COOLING_DOWN", http.StatusServiceUnavailable, "all_targets_cooling_down"}
	// ErrAllTargetsBusy says that every target that could serve a request is
	// full, and stayed so for as long as it could wait.
	ErrAllTargetsBusy = &Code{"ALL_TARGETS_BUSY", http.StatusTooManyRequests, "all_targets_busy"}
	// ErrAllTargetsFailed says that targets were tried and all failed. Its
	// status is decided by the last failure.
	ErrAllTargetsFailed = &Code{"ALL_TARGETS_FAILED", http.StatusBadGateway, "all_targets_failed"}
	// ErrAPINotSpoken says that no target behind a name speaks the client's API.
	ErrAPINotSpoken = &Code{"API_NOT_SPOKEN", http.StatusBadRequest, "api_not_spoken"}
	// ErrInvalidRequest says that a request cannot be understood.
	ErrInvalidRequest = &Code{"INVALID_REQUEST", http.StatusBadRequest, "invalid_request"}
	// ErrMethodNotAllowed says that a path is ours but the method is not.
	ErrMethodNotAllowed = &Code{"METHOD_NOT_ALLOWED", http.StatusMethodNotAllowed, "method_not_allowed"}
	// ErrRequestTimeout says that a client stopped sending its request.
	ErrRequestTimeout = &Code{"REQUEST_TIMEOUT", http.StatusRequestTimeout, "request_timeout"}
	// ErrRequestTooLarge says that a request's body exceeds max_body.
	ErrRequestTooLarge = &Code{"REQUEST_TOO_LARGE", http.StatusRequestEntityTooLarge, "request_too_large"}
	// ErrUnsupportedEncoding says that a request's body is compressed.
	ErrUnsupportedEncoding = &Code{"UNSUPPORTED_ENCODING", http.StatusUnsupportedMediaType, "unsupported_encoding"}
	// ErrUnauthorized says that no valid key was presented.
	ErrUnauthorized = &Code{"UNAUTHORIZED", http.StatusUnauthorized, "invalid_api_key"}
	// ErrNotExpressible says that a request asks for something that no API of
	// its targets can express.
	ErrNotExpressible = &Code{"NOT_EXPRESSIBLE", http.StatusBadRequest, "unsupported_parameter"}
	// ErrResponseNotFound says that a stored response is not there, or is
	// another key's.
	ErrResponseNotFound = &Code{"RESPONSE_NOT_FOUND", http.StatusNotFound, "response_not_found"}
	// ErrPreviousNotFound says that the response which a request continues is
	// not there, or is another key's.
	ErrPreviousNotFound = &Code{"PREVIOUS_RESPONSE_NOT_FOUND", http.StatusBadRequest, "previous_response_not_found"}
	// ErrForbidden says that the key, or this place, may not ask for this.
	ErrForbidden = &Code{"FORBIDDEN", http.StatusForbidden, "forbidden"}
	// ErrProviderRefused says that a provider found fault with the request. Its
	// status is the provider's.
	ErrProviderRefused = &Code{"PROVIDER_REFUSED", http.StatusBadRequest, ""}
	// ErrStreamBroken says that a provider's stream ended badly after the
	// client had got a part of it.
	ErrStreamBroken = &Code{"STREAM_BROKEN", http.StatusBadGateway, "stream_broken"}
	// ErrClientClosed says that the client went away. The status, nginx's
	// invention, is for logs only.
	ErrClientClosed = &Code{"CLIENT_CLOSED", 499, ""}
)

// Error is a failure of one request, as it is told to the client.
type Error struct {
	// Code is the way in which the request failed.
	Code *Code
	// Status is the HTTP status; 0 means the code's own.
	Status int
	// Message is a sentence for the person who reads it. It carries no
	// credential and no provider's URL.
	Message string
	// Param is the member of the request at fault; empty where none is.
	Param string
	// RetryAfter is how long the client should wait; 0 says nothing.
	RetryAfter time.Duration
}

func (e *Error) Error() string { return e.Code.name + ": " + e.Message }

// Unwrap lets errors.Is find the code.
func (e *Error) Unwrap() error { return e.Code }

func fail(code *Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) status() int {
	if e.Status != 0 {
		return e.Status
	}
	return e.Code.status
}

// forClient is the error in the words of the client's API.
func (e *Error) forClient() api.Error {
	return api.Error{Status: e.status(), Code: e.Code.openAI, Param: e.Param, Message: e.Message}
}

// asError is err as something that can be told to a client.
func asError(err error) *Error {
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	return &Error{Code: ErrInvalidRequest, Message: err.Error()}
}
