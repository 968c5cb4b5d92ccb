package mock

import (
	"net/http"
	"strings"
)

// family is the provider in whose shape errors and lists are written.
type family int

const (
	openAI family = iota
	anthropic
	gemini
)

// operation reads an exchange's request and returns the members that steer the
// mock, and how the answer is made once those are in force.
type operation func(x *exchange) (head, func() error, error)

// endpoint is one path of one API.
type endpoint struct {
	family family
	method string
	read   operation
	// model is the part of the path that names the model, where it does.
	model string
	// modelOptional: the provider picks a model when the request names none.
	modelOptional bool
}

// findEndpoint matches the request's path after any prefix, as providers and
// reverse proxies mount these APIs at different depths. The leftmost version
// segment that fits wins, since a model's name may itself contain slashes.
func findEndpoint(r *http.Request) (endpoint, bool) {
	path := r.URL.Path
	for from := 0; ; {
		i := strings.Index(path[from:], "/v1")
		if i < 0 {
			return endpoint{}, false
		}
		from += i + len("/v1")
		if rest, ok := strings.CutPrefix(path[from:], "/"); ok {
			if ep, ok := openEndpoint(rest); ok {
				return ep, true
			}
			if ep, ok := modelEndpoint(rest, caller(r)); ok {
				return ep, true
			}
		} else if rest, ok := strings.CutPrefix(path[from:], "beta/"); ok {
			if ep, ok := modelEndpoint(rest, gemini); ok {
				return ep, true
			}
		}
	}
}

// openEndpoint finds the endpoints of OpenAI and Anthropic with a fixed path.
func openEndpoint(path string) (endpoint, bool) {
	post := func(f family, read operation) (endpoint, bool) {
		return endpoint{family: f, method: http.MethodPost, read: read}, true
	}
	switch path {
	case "chat/completions":
		return post(openAI, readChat)
	case "completions":
		return post(openAI, readCompletion)
	case "responses":
		return post(openAI, readResponses)
	case "embeddings":
		return post(openAI, readEmbeddings)
	case "rerank":
		return post(openAI, readRerank)
	case "images/edits":
		return post(openAI, readImages)
	case "audio/speech":
		return post(openAI, readSpeech)
	case "audio/transcriptions":
		return post(openAI, readTranscription)
	case "audio/translations":
		return post(openAI, readTranslation)
	case "messages":
		return post(anthropic, readMessages)
	case "messages/count_tokens":
		return post(anthropic, readMessagesCount)
	case "moderations":
		return endpoint{family: openAI, method: http.MethodPost, read: readModerations, modelOptional: true}, true
	case "images/generations":
		return endpoint{family: openAI, method: http.MethodPost, read: readImages, modelOptional: true}, true
	}
	return endpoint{}, false
}

// modelEndpoint finds the model lists and Gemini's methods on models.
func modelEndpoint(path string, lister family) (endpoint, bool) {
	if path == "models" {
		return endpoint{family: lister, method: http.MethodGet, read: readModelList, modelOptional: true}, true
	}
	model, ok := strings.CutPrefix(path, "models/")
	if !ok || model == "" {
		return endpoint{}, false
	}
	if i := strings.LastIndexByte(model, ':'); i > 0 {
		if read := geminiMethod(model[i+1:]); read != nil {
			return endpoint{family: gemini, method: http.MethodPost, read: read, model: model[:i]}, true
		}
	}
	return endpoint{family: lister, method: http.MethodGet, read: readModel, model: model}, true
}

// geminiMethod is nil for a name that is not a method, as a model's name may
// contain a colon.
func geminiMethod(name string) operation {
	switch name {
	case "generateContent":
		return readGemini
	case "streamGenerateContent":
		return readGeminiStream
	case "countTokens":
		return readGeminiCount
	case "embedContent":
		return readGeminiEmbed
	case "batchEmbedContents":
		return readGeminiBatch
	}
	return nil
}

// caller tells whose client asks for a path that all three providers have.
func caller(r *http.Request) family {
	switch {
	case r.Header.Get("X-Goog-Api-Key") != "" || r.URL.Query().Has("key"):
		return gemini
	case r.Header.Get("Anthropic-Version") != "":
		return anthropic
	default:
		return openAI
	}
}
