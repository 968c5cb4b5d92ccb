// Package mock is a Caddy HTTP handler that plays an LLM provider: it answers
// in the APIs of OpenAI, Anthropic and Google without a model, a key or a
// network, and it misbehaves on demand. It serves the quick start, tests of
// clients and gateways, load tests and fault drills.
package mock

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(Mock{})
}

// Mock is an HTTP handler that plays an LLM provider. It answers these paths,
// under any prefix, and passes every other request to the next handler:
//
//   - OpenAI: `/v1/chat/completions`, `/v1/completions`, `/v1/responses`,
//     `/v1/embeddings`, `/v1/moderations`, `/v1/rerank`,
//     `/v1/images/generations`, `/v1/images/edits`, `/v1/audio/speech`,
//     `/v1/audio/transcriptions`, `/v1/audio/translations`, `/v1/models`
//   - Anthropic: `/v1/messages`, `/v1/messages/count_tokens`, `/v1/models`
//   - Gemini, under `/v1beta` or `/v1`: `/models`, `/models/{model}` and its
//     methods `generateContent`, `streamGenerateContent`, `countTokens`,
//     `embedContent`, `batchEmbedContents`
//
// How it answers is set here for all requests, and by a request for itself:
// in the model name after a `#` (`gpt-4o#status=429,retry_after=2`; in a URL,
// as Gemini's, the `#` is written `%23`), in a JSON object in the header
// `X-Plexus-Mock`, or in a JSON object in the top-level member `mock` of the
// body (a form field in multipart requests). A later one of these wins over an
// earlier one, member by member.
//
// What it received can be read back: `GET /plexus_mock/last` is the last
// request and the count of all, `GET /plexus_mock/requests` the last 100
// requests, and `DELETE /plexus_mock/last` forgets them. These listings hold
// the request headers with their credentials on purpose, because that is how a
// test sees what a provider would receive: do not send real secrets to a mock
// that others can reach.
type Mock struct {
	Behaviour

	// The model names that the model lists contain. Requests may name any
	// other model too. Default: `mock-small` and `mock-large`.
	Models []string `json:"models,omitempty"`

	// The credential that a client must present, as a bearer token, in
	// `x-api-key`, `x-goog-api-key` or `api-key`, or as `?key=`; without it the
	// answer is 401. Placeholders are replaced when the configuration loads.
	// Default: none, which lets everyone in.
	APIKey string `json:"api_key,omitempty"`

	// Whether requests are kept for `/plexus_mock/last` and
	// `/plexus_mock/requests`. Requests are counted in either case.
	// Default: `true`.
	Record *bool `json:"record,omitempty"`

	key    string
	log    *recorder
	tally  *tally
	logger *zap.Logger
}

// CaddyModule returns the Caddy module information.
func (Mock) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.plexus_mock",
		New: func() caddy.Module { return new(Mock) },
	}
}

// Provision sets the defaults and resolves the credential.
func (m *Mock) Provision(ctx caddy.Context) error {
	m.logger = ctx.Logger()
	m.normalise()
	if len(m.Models) == 0 {
		m.Models = []string{"mock-small", "mock-large"}
	}
	key, err := caddy.NewReplacer().ReplaceOrErr(m.APIKey, true, true)
	if err != nil {
		return fmt.Errorf("resolving api_key: %w", err)
	}
	m.key = key
	m.log = newRecorder(m.Record == nil || *m.Record)
	m.tally = newTally()
	return nil
}

// Validate refuses options that have no meaning.
func (m *Mock) Validate() error {
	return m.check()
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (m *Mock) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	if name, ok := recordPath(r.URL.Path); ok {
		return m.serveRecord(w, r, name)
	}
	ep, ok := findEndpoint(r)
	if !ok {
		return next.ServeHTTP(w, r)
	}
	x := &exchange{w: w, r: r, out: http.NewResponseController(w), mock: m, endpoint: ep}
	return m.play(x)
}

// play records the request and answers it. What a client sees of an error is
// written here in its API's shape, so only foreign errors reach Caddy.
func (m *Mock) play(x *exchange) (err error) {
	readErr := x.readBody()
	entry := m.log.begin(x.r, x.body)
	defer func() {
		left := new(departure)
		gone := errors.As(err, &left)
		m.log.end(entry, gone)
		if gone {
			if c := m.logger.Check(zapcore.DebugLevel, "client left before the answer was finished"); c != nil {
				c.Write(zap.String("model", x.model), zap.Error(err))
			}
			err = nil
		}
	}()

	if readErr != nil {
		err = readErr
	} else {
		err = x.serve()
	}
	if problem := new(apiError); errors.As(err, &problem) {
		err = x.refuse(problem)
	}
	return err
}

// authorised tells whether the request carries the configured credential in
// any of the places where the APIs' clients put it.
func (m *Mock) authorised(r *http.Request) bool {
	if m.key == "" {
		return true
	}
	bearer, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	for _, got := range []string{
		bearer,
		r.Header.Get("X-Api-Key"),
		r.Header.Get("X-Goog-Api-Key"),
		r.Header.Get("Api-Key"),
		r.URL.Query().Get("key"),
	} {
		if subtle.ConstantTimeCompare([]byte(got), []byte(m.key)) == 1 {
			return true
		}
	}
	return false
}

// departure says that the client left; it ends an exchange without an answer.
type departure struct{ cause error }

func (d *departure) Error() string { return "client left: " + d.cause.Error() }

func (d *departure) Unwrap() error { return d.cause }

// present is nil while the client is there.
func present(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return &departure{err}
	}
	return nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Mock)(nil)
	_ caddy.Validator             = (*Mock)(nil)
	_ caddyhttp.MiddlewareHandler = (*Mock)(nil)
)
