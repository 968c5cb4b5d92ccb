package plexus

import (
	"net/http"
	"slices"
	"strings"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// complaint is what a provider's error says, in whichever envelope. Errors quote
// the request: what is in it by a client's will shall not be held against a
// credential that all clients share. So codes count as a whole, and messages by
// their beginning.
type complaint struct {
	codes     []string // of the error, its type and its details, in lower case
	message   string   // in lower case
	moderated bool
}

// readComplaint finds the error in a body: in an envelope, or in none; in the
// array in which Gemini puts it for some; or as a bare string beside a code.
func readComplaint(body []byte) complaint {
	if it := jsonscan.Array(body); it.Next() {
		body = it.Value()
	}
	at := jsonscan.Member(body, "error")
	var c complaint
	if message, ok := jsonscan.String(at); ok {
		c.message = strings.ToLower(message)
	}
	if len(at) == 0 || at[0] != '{' {
		at = body
	}
	for _, name := range []string{"code", "type", "status"} {
		c.addCode(jsonscan.Member(at, name))
	}
	for details := jsonscan.Array(jsonscan.Member(at, "details")); details.Next(); {
		c.addCode(jsonscan.Member(details.Value(), "reason"))
	}
	if message, ok := jsonscan.String(jsonscan.Member(at, "message")); ok {
		c.message = strings.ToLower(message)
	}
	c.moderated = jsonscan.Member(jsonscan.Member(at, "metadata"), "flagged_input") != nil
	return c
}

func (c *complaint) addCode(raw []byte) {
	if code, ok := jsonscan.String(raw); ok {
		c.codes = append(c.codes, strings.ToLower(code))
	}
}

func (c *complaint) has(codes ...string) bool {
	return slices.ContainsFunc(c.codes, func(code string) bool { return slices.Contains(codes, code) })
}

func (c *complaint) begins(texts ...string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.HasPrefix(c.message, text) })
}

// exhausted tells whether the account has nothing left: 402 of DeepSeek,
// OpenRouter and others, a 429 of OpenAI and Moonshot, a 400 of Anthropic and
// Groq, a 403 or 429 of xAI.
func (c *complaint) exhausted(status int) bool {
	switch status {
	case http.StatusPaymentRequired:
		return true
	case http.StatusBadRequest, http.StatusForbidden, http.StatusTooManyRequests:
		return c.has("insufficient_quota", "exceeded_current_quota_error", "billing_error", "insufficient_balance", "blocked_api_access") ||
			c.begins("your credit balance is too low", "you have reached your specified api usage limits", "insufficient balance") ||
			// It begins with the team's name.
			strings.HasPrefix(c.message, "your team ") && strings.Contains(c.message, "used all available credits")
	}
	return false
}

// tooDear tells whether OpenRouter finds that what is left does not do for a
// request of this size; it may for another one.
func (c *complaint) tooDear(status int) bool {
	return status == http.StatusPaymentRequired && strings.Contains(c.message, "fewer max_tokens")
}

// refusesCredential tells whether the credential is refused: a 401 or 403, or a
// 400 of Gemini and xAI.
func (c *complaint) refusesCredential(status int) bool {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return true
	case http.StatusBadRequest:
		return c.has("api_key_invalid") || c.begins("incorrect api key provided", "api key not valid")
	}
	return false
}

// flagged tells whether a 403 is about what the request says: OpenRouter sends it
// where a model is moderated, xAI for what breaks its rules of use.
func (c *complaint) flagged(status int) bool {
	return status == http.StatusForbidden && (c.moderated || c.begins("content violates"))
}
