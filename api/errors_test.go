package api_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func TestErrorBody(t *testing.T) {
	f := func(a api.API, e api.Error, want string) {
		t.Helper()
		require.JSONEq(t, want, string(a.ErrorBody(e)))
	}
	notFound := api.Error{Status: http.StatusNotFound, Code: "model_not_found", Message: `no model "x"`}
	f(api.Chat, notFound, `{"error":{"message":"no model \"x\"","type":"invalid_request_error","param":null,"code":"model_not_found"}}`)
	f(api.Embeddings, notFound, `{"error":{"message":"no model \"x\"","type":"invalid_request_error","param":null,"code":"model_not_found"}}`)
	f(api.Messages, notFound, `{"type":"error","error":{"type":"not_found_error","message":"no model \"x\""}}`)
	f(api.Gemini, notFound, `{"error":{"code":404,"message":"no model \"x\"","status":"NOT_FOUND"}}`)
	f(api.Chat, api.Error{Status: 400, Message: "no"}, `{"error":{"message":"no","type":"invalid_request_error","param":null,"code":null}}`)
}

// The SDKs choose their error classes by these.
func TestErrorTypes(t *testing.T) {
	f := func(status int, openai, messages, gemini string) {
		t.Helper()
		var o struct{ Error struct{ Type string } }
		require.NoError(t, json.Unmarshal(api.Chat.ErrorBody(api.Error{Status: status}), &o))
		require.Equal(t, openai, o.Error.Type)
		require.NoError(t, json.Unmarshal(api.Messages.ErrorBody(api.Error{Status: status}), &o))
		require.Equal(t, messages, o.Error.Type)
		var g struct{ Error struct{ Status string } }
		require.NoError(t, json.Unmarshal(api.Gemini.ErrorBody(api.Error{Status: status}), &g))
		require.Equal(t, gemini, g.Error.Status)
	}
	f(400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT")
	f(401, "authentication_error", "authentication_error", "UNAUTHENTICATED")
	f(403, "permission_error", "permission_error", "PERMISSION_DENIED")
	f(404, "invalid_request_error", "not_found_error", "NOT_FOUND")
	f(405, "invalid_request_error", "invalid_request_error", "UNIMPLEMENTED")
	f(408, "invalid_request_error", "invalid_request_error", "DEADLINE_EXCEEDED")
	f(409, "invalid_request_error", "conflict_error", "ABORTED")
	f(413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT")
	f(429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED")
	f(500, "server_error", "api_error", "INTERNAL")
	f(502, "server_error", "api_error", "UNAVAILABLE")
	f(503, "server_error", "overloaded_error", "UNAVAILABLE")
	f(504, "server_error", "timeout_error", "DEADLINE_EXCEEDED")
	f(402, "invalid_request_error", "billing_error", "FAILED_PRECONDITION")
	f(422, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT")
	f(529, "server_error", "overloaded_error", "UNAVAILABLE")
	f(499, "invalid_request_error", "invalid_request_error", "CANCELLED")
}

// A client of OpenAI's formats hears what a provider of them said, and not only
// what its status tells.
func TestErrorInTheProvidersWords(t *testing.T) {
	f := func(a api.API, e api.Error, want string) {
		t.Helper()
		require.JSONEq(t, want, string(a.ErrorBody(e)))
	}
	quota := api.Error{Status: 429, Type: "insufficient_quota", Code: "insufficient_quota", Message: "Pay"}
	f(api.Chat, quota, `{"error":{"message":"Pay","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`)
	f(api.Messages, quota, `{"type":"error","error":{"type":"rate_limit_error","message":"Pay"}}`)
	param := api.Error{Status: 400, Type: "invalid_request_error", Param: "messages[1].content", Code: "invalid_type", Message: "No"}
	f(api.Responses, param, `{"error":{"message":"No","type":"invalid_request_error","param":"messages[1].content","code":"invalid_type"}}`)
	require.Contains(t, string(api.Responses.ErrorEvent(param, 7)), `"message":"No","param":"messages[1].content","sequence_number":7`)
	// A status that the gateway gave is the gateway's, whatever the provider
	// called its error: our credential is not the client's.
	f(api.Chat, api.Error{Status: 502, Type: "authentication_error", Message: "No"}, `{"error":{"message":"No","type":"server_error","param":null,"code":null}}`)
	// Anthropic's clients quote the id of a request.
	f(api.Messages, api.Error{Status: 500, Message: "Oh", RequestID: "req_1"}, `{"type":"error","error":{"type":"api_error","message":"Oh"},"request_id":"req_1"}`)
	f(api.Chat, api.Error{Status: 500, Message: "Oh", RequestID: "req_1"}, `{"error":{"message":"Oh","type":"server_error","param":null,"code":null}}`)
}

// Each API has its own words for a prompt that is too long, by which coding
// agents know that they have to shorten it.
func TestErrorContextLength(t *testing.T) {
	f := func(a api.API, message, want string) {
		t.Helper()
		e := api.Error{Status: 400, Code: api.CodeContextLength, Message: message}
		require.JSONEq(t, want, string(a.ErrorBody(e)))
	}
	const openai = "Your input exceeds the context window of this model."
	const anthropic = "prompt is too long: 210000 tokens > 200000 maximum"
	f(api.Messages, openai, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: `+openai+`"}}`)
	f(api.Messages, anthropic, `{"type":"error","error":{"type":"invalid_request_error","message":"`+anthropic+`"}}`)
	f(api.Messages, "Prompt is too long", `{"type":"error","error":{"type":"invalid_request_error","message":"Prompt is too long"}}`)
	f(api.Chat, anthropic, `{"error":{"message":"`+anthropic+`","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}`)
	f(api.Gemini, anthropic, `{"error":{"code":400,"message":"`+anthropic+`","status":"INVALID_ARGUMENT"}}`)
	require.Contains(t, string(api.Messages.ErrorEvent(api.Error{Status: 502, Code: api.CodeContextLength, Message: openai}, 0)), `"prompt is too long: `)
}

func TestErrorEvent(t *testing.T) {
	e := api.Error{Status: http.StatusBadGateway, Message: "the provider's stream broke off"}
	f := func(a api.API, want string) {
		t.Helper()
		require.Equal(t, want, string(a.ErrorEvent(e, 7)))
	}
	f(api.Chat, `data: {"error":{"message":"the provider's stream broke off","type":"server_error","param":null,"code":null}}`+"\n\n")
	f(api.Messages, "event: error\n"+`data: {"type":"error","error":{"type":"api_error","message":"the provider's stream broke off"}}`+"\n\n")
	f(api.Responses, "event: error\n"+`data: {"type":"error","code":"server_error","message":"the provider's stream broke off","param":null,"sequence_number":7,`+
		`"error":{"message":"the provider's stream broke off","type":"server_error","param":null,"code":null}}`+"\n\n")
	gemini := `{"error":{"code":502,"message":"the provider's stream broke off","status":"UNAVAILABLE"}}`
	f(api.Gemini, "data: "+gemini+"\n\n"+gemini)
}
