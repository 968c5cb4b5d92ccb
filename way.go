package plexus

import (
	"errors"
	"net/http"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
	"github.com/caddy-plexus/plexus/api/completions"
	"github.com/caddy-plexus/plexus/api/gemini"
	"github.com/caddy-plexus/plexus/api/messages"
	"github.com/caddy-plexus/plexus/api/responses"
)

// codecs are the formats into and out of which requests and answers are
// translated. Adding one touches this table and the next two.
var codecs = map[api.API]api.Codec{
	api.Chat:      chat.Codec{},
	api.Responses: responses.Codec{},
	api.Messages:  messages.Codec{},
	api.Gemini:    gemini.Codec{},
}

// generating are the APIs in which a target can be asked for what a client asks
// in another one: its own, then the one in which the least gets lost. Responses
// carries reasoning between turns, and images in the results of tools; Messages
// and Gemini keep signed reasoning; chat has a place for neither.
var generating = map[api.API][]api.API{
	api.Chat:        {api.Chat, api.Responses, api.Messages, api.Gemini},
	api.Completions: {api.Completions, api.Chat, api.Responses, api.Messages, api.Gemini},
	api.Responses:   {api.Responses, api.Messages, api.Gemini, api.Chat},
	api.Messages:    {api.Messages, api.Responses, api.Gemini, api.Chat},
	api.Gemini:      {api.Gemini, api.Responses, api.Messages, api.Chat},
}

// embedding is the same for embeddings.
var embedding = map[api.API][]api.API{
	api.Embeddings: {api.Embeddings, api.Gemini},
	api.Gemini:     {api.Gemini, api.Embeddings},
}

// alone is for all that can only be relayed.
var alone = func() map[api.API][]api.API {
	ways := map[api.API][]api.API{}
	for _, a := range api.All {
		ways[a] = []api.API{a}
	}
	return ways
}()

// ways are the APIs in which a target can be asked what op asks, best first.
func (op *operation) ways() []api.API {
	switch op.verb {
	case verbGenerate:
		return generating[op.api]
	case verbEmbed:
		return embedding[op.api]
	default:
		return alone[op.api]
	}
}

// distance is how far a target's APIs are from the client's: 0 for a relay, more
// for a translation that loses more, -1 where there is no way at all.
func (p *Provider) distance(op *operation) int {
	return slices.IndexFunc(op.ways(), func(a api.API) bool { return p.endpoints[a] != nil })
}

// clientCodec is the codec of what a client speaks.
func clientCodec(a api.API) api.ClientCodec {
	if a == api.Completions {
		return completions.Codec{}
	}
	if codec, ok := codecs[a]; ok {
		return codec
	}
	return nil
}

// passage is a request as one target gets it, and what its answer has to go
// through on its way back.
type passage struct {
	// op is the target's operation, whose api is the target's.
	op     operation
	method string
	query  string
	body   pieces
	// stream says that the target is asked for a stream.
	stream bool
	// names are those of the client's tools that the target does not take.
	names api.ToolNames
	// strips says that the answer's event about usage is not for the client.
	strips bool
}

// prepare makes the request for a target, in the best of its APIs that can
// express it. Its errors say what none can.
func (x *exchange) prepare(t *Target) (*passage, error) {
	var first error
	for _, a := range x.op.ways() {
		if t.Provider.endpoints[a] == nil {
			continue
		}
		p, err := x.passageTo(t, a)
		if err == nil {
			return p, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}

func (x *exchange) passageTo(t *Target, a api.API) (*passage, error) {
	stream := x.req.stream
	if x.op.verb == verbGenerate && codecs[a] != nil {
		stream = t.Provider.streams(stream)
	}
	switch {
	case x.op.verb == verbEmbed && a != x.op.api:
		return x.embeddingPassage(t, a)
	case a != x.op.api, stream != x.req.stream, x.foreign(t, a):
		return x.translatedPassage(t, a, stream)
	}
	asks := x.asksUsage(t.Provider)
	return &passage{
		op: x.op, method: http.MethodPost, query: forwardedQuery(x.r.URL), body: x.req.rewrite(t, asks), stream: x.req.stream, strips: asks,
	}, nil
}

// asksUsage tells whether a chat stream's usage has to be asked for on the
// gateway's own account.
func (x *exchange) asksUsage(p *Provider) bool {
	return x.req.stream && x.op.api == api.Chat && !x.req.usage && x.mayAskUsage(p)
}

// mayAskUsage tells whether a provider may be asked for the usage of a stream.
func (x *exchange) mayAskUsage(p *Provider) bool {
	return !x.gateway.NoStreamUsage && !p.NoStreamUsage && !presets[p.Preset].noStreamUsage &&
		!slices.ContainsFunc(p.extra, func(m bodyMember) bool { return m.key == "stream_options" })
}

// foreign tells whether a request that could be relayed holds what another
// vendor's model said, with signatures that this one refuses. It is written anew
// without them, as long as it can be understood.
func (x *exchange) foreign(t *Target, a api.API) bool {
	found := false
	switch {
	case !x.req.marked:
	case a == api.Gemini && x.op.verb == verbGenerate:
		found = gemini.Foreign(t.Model, x.req.body)
	case a == api.Messages, a == api.Responses && x.op.verb == verbGenerate, a == api.Chat:
		found = api.HasSeal(x.req.body)
	}
	if !found {
		return false
	}
	_, err := x.neutralRequest()
	return err == nil
}

// translatedPassage writes the request anew, from what the client sent: an
// earlier attempt in another API has left no trace in it.
func (x *exchange) translatedPassage(t *Target, a api.API, stream bool) (*passage, error) {
	neutral, err := x.neutralRequest()
	if err != nil {
		return nil, err
	}
	if field := responses.Stateful(neutral); field != "" && a != api.Responses {
		return nil, inexpressible(&api.Unsupported{Field: field, Why: "needs a provider that speaks Responses, which keeps the state that it refers to"})
	}
	req := *neutral
	req.Model, req.Stream = t.Model, stream
	req.StreamUsage = stream && x.mayAskUsage(t.Provider)
	renamed, names := api.Rename(&req, a)
	body, dropped, err := codecs[a].EncodeRequest(renamed)
	if err != nil {
		return nil, inexpressible(err)
	}
	x.logTranslated(t, a, dropped)
	op, query := generateOperation(a, stream)
	if x.op.verb == verbCount {
		op = x.op
	}
	if a == x.op.api && query == "" {
		query = forwardedQuery(x.r.URL)
	}
	return &passage{op: op, method: http.MethodPost, query: query, body: extended(body, t.Provider.extra), stream: stream, names: names}, nil
}

// logTranslated says what the target's API cannot, and can do without.
func (x *exchange) logTranslated(t *Target, a api.API, dropped []string) {
	if c := x.gateway.logger.Check(zapcore.DebugLevel, "translated"); c != nil {
		c.Write(zap.String("plexus_alias", x.route.Alias), zap.String("plexus_provider", t.Provider.Name), zap.String("plexus_model", t.Model),
			zap.String("plexus_api", string(x.op.api)), zap.String("plexus_target_api", string(a)), zap.Strings("dropped", dropped))
	}
}

// neutralRequest is what the client asks, decoded once. Nobody changes it.
func (x *exchange) neutralRequest() (*api.Request, error) {
	x.decoding.Lock()
	defer x.decoding.Unlock()
	if x.neutral != nil || x.neutralErr != nil {
		return x.neutral, x.neutralErr
	}
	if x.neutralErr = x.req.toDecode(); x.neutralErr != nil {
		return nil, x.neutralErr
	}
	req, err := clientCodec(x.op.api).DecodeRequest(x.req.body)
	if err != nil {
		x.neutralErr = inexpressible(err)
		return nil, x.neutralErr
	}
	if x.op.api == api.Gemini { // its path says both
		req.Model, req.Stream = x.req.model, x.req.stream
	}
	if x.req.previousID != "" {
		req.Extra["previous_response_id"] = api.Quote(x.req.previousID)
	}
	x.neutral = req
	return req, nil
}

// inexpressible is a codec's error as the client is told it.
func inexpressible(err error) error {
	if unsupported, ok := errors.AsType[*api.Unsupported](err); ok {
		e := fail(ErrNotExpressible, "%v", unsupported)
		e.Param = unsupported.Field
		return e
	}
	return fail(ErrInvalidRequest, "the request cannot be translated: %v", err)
}

// generateOperation is the operation that generates in an API.
func generateOperation(a api.API, stream bool) (op operation, query string) {
	op = operation{api: a, verb: verbGenerate}
	switch a {
	case api.Chat:
		op.path = "/chat/completions"
	case api.Responses:
		op.path = "/responses"
	case api.Messages:
		op.path = "/messages"
	case api.Gemini:
		if op.path = ":generateContent"; stream {
			op.path, query = ":streamGenerateContent", "alt=sse"
		}
	}
	return op, query
}

// extended is a body that we wrote with the provider's extra members.
func extended(body []byte, extra []bodyMember) pieces {
	if len(extra) == 0 {
		return pieces{body}
	}
	req := request{body: body}
	splices, added := req.addExtra(nil, nil, extra)
	if len(added) > 0 {
		splices = append(splices, insert(body, added))
	}
	return apply(body, splices)
}

// streams tells whether the provider is asked for a stream, by what the client
// wants and the provider can.
func (p *Provider) streams(wanted bool) bool {
	switch p.Stream {
	case streamAlways:
		return true
	case streamNever:
		return false
	default:
		return wanted
	}
}

// What `stream` says of a provider.
const (
	streamAlways = "always"
	streamNever  = "never"
)
