package plexus

import (
	"net/http"
	"net/url"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
	"github.com/caddy-plexus/plexus/api/gemini"
	"github.com/caddy-plexus/plexus/api/messages"
	"github.com/caddy-plexus/plexus/api/openai"
	"github.com/caddy-plexus/plexus/api/responses"
)

// operation is what a path asks for: an API, and which of its endpoints.
type operation struct {
	kind operationKind
	api  api.API
	// path follows the provider's base URL. Gemini's is the method behind the
	// model, such as ":generateContent".
	path string
	// model is the model's name where the path has it.
	model string
	// form says that the endpoint takes multipart forms. Elsewhere a form is
	// read as the JSON that it is not, lest a provider that ignores the
	// Content-Type find another model in it than we do.
	form bool
}

type operationKind int

const (
	operationAsk    operationKind = iota // a question to a model
	operationList                        // GET /v1/models
	operationLookup                      // GET /v1/models/{model}
)

// operations are the endpoints whose path says everything.
var operations = map[string]operation{
	"/v1/chat/completions":      {api: api.Chat, path: "/chat/completions"},
	"/v1/completions":           {api: api.Completions, path: "/completions"},
	"/v1/responses":             {api: api.Responses, path: "/responses"},
	"/v1/embeddings":            {api: api.Embeddings, path: "/embeddings"},
	"/v1/moderations":           {api: api.Moderations, path: "/moderations"},
	"/v1/rerank":                {api: api.Rerank, path: "/rerank"},
	"/v1/images/generations":    {api: api.Images, path: "/images/generations"},
	"/v1/images/edits":          {api: api.Images, path: "/images/edits", form: true},
	"/v1/audio/speech":          {api: api.Audio, path: "/audio/speech"},
	"/v1/audio/transcriptions":  {api: api.Audio, path: "/audio/transcriptions", form: true},
	"/v1/audio/translations":    {api: api.Audio, path: "/audio/translations", form: true},
	"/v1/messages":              {api: api.Messages, path: "/messages"},
	"/v1/messages/count_tokens": {api: api.Messages, path: "/messages/count_tokens"},
	"/v1/models":                {kind: operationList},
	"/v1beta/models":            {kind: operationList, api: api.Gemini},
}

// geminiMethods are the methods of Gemini's models, and whether each streams.
var geminiMethods = map[string]bool{
	"generateContent":       false,
	"streamGenerateContent": true,
	"countTokens":           false,
	"embedContent":          false,
	"batchEmbedContents":    false,
}

// watchers makes the watcher of each API's answers.
var watchers = map[api.API]func() api.Watcher{
	api.Chat:        func() api.Watcher { return new(chat.Watcher) },
	api.Responses:   func() api.Watcher { return new(responses.Watcher) },
	api.Messages:    func() api.Watcher { return new(messages.Watcher) },
	api.Gemini:      func() api.Watcher { return new(gemini.Watcher) },
	api.Completions: newOpenAIWatcher,
	api.Embeddings:  newOpenAIWatcher,
	api.Moderations: newOpenAIWatcher,
	api.Rerank:      newOpenAIWatcher,
	api.Images:      newOpenAIWatcher,
	api.Audio:       newOpenAIWatcher,
}

func newOpenAIWatcher() api.Watcher { return new(openai.Watcher) }

// operationOf finds what a request asks for, and whether it is ours to answer.
// OPTIONS is not: what web pages of other sites may do is the site's decision.
func operationOf(r *http.Request) (operation, bool) {
	if r.Method == http.MethodOptions {
		return operation{}, false
	}
	op, ok := operations[r.URL.Path]
	if !ok {
		op, ok = modelOperation(r)
	}
	if ok && op.api == "" {
		op.api = askingAPI(r)
	}
	return op, ok
}

// modelOperation reads a path that names a model: Gemini's methods, under v1beta
// or, as its SDK has it, under v1, and the look-up of one model. A model's name
// may hold slashes and colons, so the method is what follows the last colon; one
// with a slash in it the AI SDK takes for a path and leaves out "models/".
func modelOperation(r *http.Request) (operation, bool) {
	rest, beta := strings.CutPrefix(r.URL.Path, "/v1beta/")
	if !beta && !strings.HasPrefix(rest, "/v1/models/") {
		return operation{}, false
	}
	rest, named := strings.CutPrefix(strings.TrimPrefix(rest, "/v1/"), "models/")
	if rest == "" {
		return operation{}, false
	}
	if colon := strings.LastIndexByte(rest, ':'); colon > 0 {
		if _, ok := geminiMethods[rest[colon+1:]]; ok {
			return operation{api: api.Gemini, path: rest[colon:], model: rest[:colon]}, true
		}
	}
	get := r.Method == http.MethodGet || r.Method == http.MethodHead
	if !named || !get && strings.Contains(rest, ":") {
		return operation{}, false // a method of Gemini's that we don't have
	}
	op := operation{kind: operationLookup, model: rest}
	if beta {
		op.api = api.Gemini
	}
	return op, true
}

// askingAPI guesses whose SDK asks for a list of models, for all of them use the
// same path and each expects its own shape.
func askingAPI(r *http.Request) api.API {
	switch {
	case r.Header.Get("X-Goog-Api-Key") != "" || r.URL.RawQuery != "" && r.URL.Query().Has("key"):
		return api.Gemini
	case r.Header.Get("Anthropic-Version") != "":
		return api.Messages
	default:
		return api.Chat
	}
}

func (op *operation) checkMethod(r *http.Request) error {
	if op.kind == operationAsk {
		if r.Method != http.MethodPost {
			return fail(ErrMethodNotAllowed, "%s is not a method of this endpoint; use POST", r.Method)
		}
		return nil
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return fail(ErrMethodNotAllowed, "%s is not a method of this endpoint; use GET", r.Method)
	}
	return nil
}

// allow is the Allow header of an answer to a wrong method.
func (op *operation) allow() string {
	if op.kind == operationAsk {
		return "POST, OPTIONS"
	}
	return "GET, HEAD, OPTIONS"
}

// streams tells whether the path itself asks for a stream.
func (op *operation) streams() bool {
	return op.api == api.Gemini && op.path != "" && geminiMethods[op.path[1:]]
}

// url is where the operation is at a provider.
func (op *operation) url(at *endpoint, model, query string) *url.URL {
	u := *at.base
	if op.api == api.Gemini {
		u.Path += "/" + geminiResource(model) + op.path
	} else {
		u.Path += op.path
	}
	if query != "" && u.RawQuery != "" {
		query = u.RawQuery + "&" + query
	}
	if query != "" {
		u.RawQuery = query
	}
	return &u
}

// geminiResource is a model's name as Gemini has it in paths and bodies. A tuned
// model's name brings its own collection.
func geminiResource(model string) string {
	if strings.HasPrefix(model, "tunedModels/") || strings.HasPrefix(model, "models/") {
		return model
	}
	return "models/" + model
}

// forwardedQuery is the part of a query that reaches the provider: how Gemini's
// streams are framed, and Anthropic's switch to beta features. The rest, ?key=
// above all, is between the client and us.
func forwardedQuery(u *url.URL) string {
	if u.RawQuery == "" {
		return ""
	}
	query, forward := u.Query(), url.Values{}
	for _, name := range []string{"alt", "beta"} {
		if query.Has(name) {
			forward.Set(name, query.Get(name))
		}
	}
	return forward.Encode()
}
