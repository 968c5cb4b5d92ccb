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

// tooLong tells whether the context is too long for the model, with what the
// answer may take or without.
func (c *complaint) tooLong(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
	default:
		return false
	}
	// OpenAI, Groq and others; llama.cpp; Z.ai.
	if c.has("context_length_exceeded", "exceed_context_size_error", "model_context_window_exceeded") {
		return true
	}
	return slices.ContainsFunc(tooLongSigns, func(sign [2]string) bool {
		return strings.HasPrefix(c.message, sign[0]) && strings.Contains(c.message, sign[1])
	})
}

// tooLongSigns are how messages begin that say so without a code, and what else
// is in those whose beginning may mean something else.
var tooLongSigns = [][2]string{
	{"this model's maximum context length is"},                                                  // OpenAI's first words for it, DeepSeek, vLLM
	{"this endpoint's maximum context length is"},                                               // OpenRouter
	{"this model's maximum prompt length is"},                                                   // xAI
	{"your input exceeds the context window"},                                                   // OpenAI's responses
	{"prompt is too long"},                                                                      // Anthropic
	{"input length and `max_tokens` exceed context limit"},                                      // Anthropic
	{"input is too long for requested model"},                                                   // Anthropic on Bedrock
	{"the input token count", "exceeds the maximum number of tokens"},                           // Gemini
	{"prompt contains", "maximum context length"},                                               // Mistral
	{"the prompt is too long"},                                                                  // Fireworks
	{"input validation error: `inputs`", "max_new_tokens"},                                      // Together, TGI
	{"invalid request: your request exceeded model token limit"},                                // Moonshot
	{"your request exceeded model token limit"},                                                 // Moonshot
	{"the decoder prompt", "longer than the maximum model length"},                              // vLLM
	{"'max_tokens' or 'max_completion_tokens' is too large", "maximum context length"},          // vLLM
	{"max_tokens", "maximum context length"},                                                    // vLLM
	{"the input (", "longer than the model's context length"},                                   // SGLang
	{"requested token count exceeds the model's maximum context length"},                        // SGLang
	{"the request exceeds the available context size"},                                          // llama.cpp before it had a type for it
	{"request (", "exceeds the available context size"},                                         // llama.cpp
	{"trying to keep the first", "context"},                                                     // LM Studio
	{"the number of tokens to keep from the initial prompt is greater than the context length"}, // LM Studio
	{"the input length exceeds the context length"},                                             // Ollama
	{"prompt too long; exceeded"},                                                               // Ollama
}
