package plexus

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// What each vendor says, and what it is held against.
func TestWhoIsToBlame(t *testing.T) {
	way := &lane{credential: &Credential{state: new(credentialState)}, state: new(laneState)}
	a := &attempt{target: &Target{Model: "m", label: "m", state: new(targetState)}, claim: claim{lane: way}}
	const nobody, model, credential, client = "nobody", "model", "credential", "client"
	const ofLane = "the credential at the model"
	f := func(status int, body, want string) {
		t.Helper()
		verdict, next := judgeStatus(status, http.Header{}, []byte(body), &Failover{}, t0)
		got := map[*breaker]string{
			nil: nobody, &a.target.state.breaker: model, &way.credential.state.breaker: credential, &way.state.breaker: ofLane,
		}[a.culprit(&verdict)]
		if !next {
			got = client
		}
		require.Equal(t, want, got, "%d %s", status, body)
	}
	f(401, "", credential)
	f(402, "", credential)
	f(403, "", credential)
	// OpenAI, Moonshot
	f(429, `{"error":{"message":"You exceeded your current quota, please check your plan and billing details.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`, credential)
	f(429, `{"error":{"message":"Your account is suspended","type":"exceeded_current_quota_error"}}`, credential)
	f(429, `{"error":{"message":"Rate limit reached for gpt-4o","type":"requests","param":null,"code":"rate_limit_exceeded"}}`, ofLane)
	f(403, "{\"error\":{\"message\":\"Project `p` does not have access to model `gpt-4o`\",\"type\":\"invalid_request_error\",\"param\":null,\"code\":\"model_not_found\"}}", ofLane)
	// Anthropic
	f(400, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing to upgrade or purchase credits."}}`, credential)
	f(400, `{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits."}}`, credential)
	f(529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, model)
	// DeepSeek, OpenRouter
	f(402, `{"error":{"message":"Insufficient Balance","type":"unknown_error","param":null,"code":"invalid_request_error"}}`, credential)
	f(402, `{"error":{"message":"Insufficient credits","code":402}}`, credential)
	f(402, `{"error":{"message":"This request requires more credits, or fewer max_tokens. You requested up to 65536 tokens, but can only afford 100.","code":402}}`, nobody)
	f(403, `{"error":{"code":403,"message":"Your chosen model requires moderation","metadata":{"reasons":["x"],"flagged_input":"hi"}}}`, nobody)
	// Gemini
	f(400, `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}`, credential)
	f(400, `[{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]`, credential)
	f(429, `{"error":{"code":429,"message":"You exceeded your current quota, please check your plan and billing details.","status":"RESOURCE_EXHAUSTED"}}`, ofLane)
	// xAI
	f(400, `{"code":"Client specified an invalid argument","error":"Incorrect API key provided: ab***. You can obtain an API key from https://console.x.ai."}`, credential)
	f(429, `{"code":"x","error":"Your team t has either used all available credits or reached its monthly spending limit."}`, credential)
	f(403, `{"code":"x","error":"Content violates usage guidelines."}`, nobody)
	// The request's own fault
	f(400, `{"error":{"message":"max_tokens is too large","code":null}}`, client)
	f(400, `{"object":"error","message":"Invalid model: x","type":"invalid_model"}`, nobody)
	f(404, `{"error":{"message":"The model x does not exist","code":"model_not_found"}}`, nobody)
	f(429, "", ofLane)
	for _, status := range []int{408, 409, 425, 500, 502, 503, 504} {
		f(status, "", model)
	}
}

// Errors quote requests. A client that writes a provider's code for an empty
// account into one shall not take the credential away from all.
func TestAQuotedCodeBlamesNobody(t *testing.T) {
	f := func(body string) {
		t.Helper()
		verdict, next := judgeStatus(400, http.Header{}, []byte(body), &Failover{}, t0)
		require.False(t, next)
		require.Equal(t, verdictClientError, verdict.verdict)
	}
	f(`{"error":{"message":"Invalid value: 'insufficient_quota'. Supported values are: 'auto'.","type":"invalid_request_error","param":"tool_choice","code":"invalid_value"}}`)
	f(`{"error":{"code":400,"message":"Invalid value at 'x' (TYPE_ENUM), \"API_KEY_INVALID\"","status":"INVALID_ARGUMENT"}}`)
	f(`{"type":"error","error":{"type":"invalid_request_error","message":"tools.0.name: 'your credit balance is too low' should match pattern"}}`)
}

// Names that clients make up cannot be held against each other, nor against the
// credential where a 403 may be about the name.
func TestUnlistedModelsBlameNoOther(t *testing.T) {
	way := &lane{credential: &Credential{state: new(credentialState)}, state: new(laneState)}
	a := &attempt{target: &Target{state: new(targetState), label: unlistedLabel}, claim: claim{lane: way}}
	require.Nil(t, a.culprit(&failure{status: 500, verdict: verdictStatus}))
	require.Nil(t, a.culprit(&failure{status: 403, verdict: verdictCredential}))
	require.Same(t, &way.credential.state.breaker, a.culprit(&failure{status: 401, verdict: verdictCredential}))
}

// What each vendor says where the context is too long, and what is not that.
func TestTooLongContexts(t *testing.T) {
	f := func(status int, body string, want bool) {
		t.Helper()
		verdict, next := judgeStatus(status, http.Header{}, []byte(body), &Failover{}, t0)
		require.Equal(t, want, verdict.tooLong, body)
		require.Equal(t, !want && status == 429, next)
	}
	said := func(message string, want bool) {
		t.Helper()
		f(400, `{"error":{"message":`+strconv.Quote(message)+`,"type":"invalid_request_error","code":null}}`, want)
	}
	f(400, tooLong, true)
	f(400, `{"error":{"message":"x","type":"invalid_request_error","code":"context_length_exceeded"}}`, true)
	f(400, `{"error":{"code":400,"message":"the request exceeds the available context size, try increasing it","type":"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":8192}}`, true)
	f(400, `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}`, true)
	f(400, `[{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}]`, true)
	f(400, `{"object":"error","message":"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_error"}`, true)
	f(400, `{"code":"invalid-argument","error":"This model's maximum prompt length is 131072 but the request contains 537812 tokens."}`, true)
	f(422, `{"error":{"message":"Input validation error: `+"`inputs` tokens + `max_new_tokens`"+` must be <= 8193. Given: 9000 inputs tokens"}}`, true)
	said("input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length or `max_tokens` and try again", true)
	said("Your input exceeds the context window of this model. Please adjust your input and try again.", true)
	said("This endpoint's maximum context length is 32768 tokens. However, you requested about 40000 tokens", true)
	said("Requested token count exceeds the model's maximum context length of 8192 tokens.", true)
	said("The input (9000 tokens) is longer than the model's context length (8192 tokens).", true)
	said("Invalid request: Your request exceeded model token limit: 262144 (requested: 291351)", true)

	f(429, `{"error":{"message":"Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000.","code":"rate_limit_exceeded"}}`, false)
	f(413, `{"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}`, false)
	said("max_tokens is too large: 100000. This model supports at most 16384 completion tokens", false)
	said("Invalid value: 'prompt is too long'", false)
	said("messages.0: 'context_length_exceeded' is not one of", false)
}

func FuzzJudgeStatus(f *testing.F) {
	for _, seed := range []string{`[{"error":{"details":[{"reason":"x"}],"metadata":{"flagged_input":1}}}]`, `{"error":"Please try again in 20s"}`, `{"message":"retry after 6 seconds"}`, "[", `{"error":{"code":`} {
		f.Add(429, seed)
	}
	f.Fuzz(func(t *testing.T, status int, body string) {
		verdict, _ := judgeStatus(status, http.Header{}, []byte(body), &Failover{}, t0)
		require.NotEmpty(t, verdict.verdict)
		require.GreaterOrEqual(t, verdict.retryAfter.Nanoseconds(), int64(0))
	})
}
