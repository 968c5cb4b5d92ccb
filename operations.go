package plexus

import (
	"net/http"
	"net/url"
	"slices"
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
	verb verb
	api  api.API
	// path follows the provider's base URL. Gemini's is the method behind the
	// model, such as ":generateContent".
	path string
	// model is the model's name where the path has it.
	model string
	// response is the id of a stored response, where the path has one.
	response string
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
	operationStored                      // /v1/responses/{id}
)

// verb is what a question asks for, as far as it can be asked in several APIs.
type verb int

const (
	verbOther verb = iota
	verbGenerate
	verbCount
	verbEmbed
)

// operations are the endpoints whose path says everything.
var operations = map[string]operation{
	"/v1/chat/completions":       {verb: verbGenerate, api: api.Chat, path: "/chat/completions"},
	"/v1/completions":            {verb: verbGenerate, api: api.Completions, path: "/completions"},
	"/v1/responses":              {verb: verbGenerate, api: api.Responses, path: "/responses"},
	"/v1/responses/compact":      {api: api.Responses, path: "/responses/compact"},
	"/v1/responses/input_tokens": {verb: verbCount, api: api.Responses, path: "/responses/input_tokens"},
	"/v1/embeddings":             {verb: verbEmbed, api: api.Embeddings, path: "/embeddings"},
	"/v1/moderations":            {api: api.Moderations, path: "/moderations"},
	"/v1/rerank":                 {api: api.Rerank, path: "/rerank"},
	"/v1/images/generations":     {api: api.Images, path: "/images/generations"},
	"/v1/images/edits":           {api: api.Images, path: "/images/edits", form: true},
	"/v1/audio/speech":           {api: api.Audio, path: "/audio/speech"},
	"/v1/audio/transcriptions":   {api: api.Audio, path: "/audio/transcriptions", form: true},
	"/v1/audio/translations":     {api: api.Audio, path: "/audio/translations", form: true},
	"/v1/messages":               {verb: verbGenerate, api: api.Messages, path: "/messages"},
	"/v1/messages/count_tokens":  {verb: verbCount, api: api.Messages, path: "/messages/count_tokens"},
	"/v1/models":                 {kind: operationList},
	"/v1beta/models":             {kind: operationList, api: api.Gemini},
}

// geminiMethods are the methods of Gemini's models.
var geminiMethods = map[string]verb{
	"generateContent":     verbGenerate,
	streamGenerateContent: verbGenerate,
	"countTokens":         verbCount,
	"embedContent":        verbEmbed,
	"batchEmbedContents":  verbEmbed,
}

// streamGenerateContent is the method that streams.
const streamGenerateContent = "streamGenerateContent"

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
		op, ok = storedOperation(r)
	}
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
		if verb, ok := geminiMethods[rest[colon+1:]]; ok {
			return operation{verb: verb, api: api.Gemini, path: rest[colon:], model: rest[:colon]}, true
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
	if methods := op.methods(); !slices.Contains(methods, r.Method) {
		return fail(ErrMethodNotAllowed, "%s is not a method of this endpoint; use %s", r.Method, methods[0])
	}
	return nil
}

// methods are those of the endpoint, the usual one first.
func (op *operation) methods() []string {
	switch op.kind {
	case operationAsk:
		return []string{http.MethodPost}
	case operationStored:
		return storedMethods[op.path]
	default:
		return []string{http.MethodGet, http.MethodHead}
	}
}

// allow is the Allow header of an answer to a wrong method.
func (op *operation) allow() string {
	return strings.Join(append(op.methods(), http.MethodOptions), ", ")
}

// streams tells whether the path itself asks for a stream.
func (op *operation) streams() bool {
	return op.api == api.Gemini && op.path == ":"+streamGenerateContent
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
