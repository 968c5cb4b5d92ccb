package plexus

import (
	"encoding/json"
	"errors"
	"strconv"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/gemini"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// estimateHeader marks a count that no provider made.
const estimateHeader = "X-Plexus-Estimate"

// count tells how many tokens a request has: as a target of the client's API
// counts them, else by an estimate. Coding agents ask this before they ask
// anything else, and give up on an error; whatever a provider says or fails to
// say is no reason to send them one.
func (x *exchange) count() error {
	err := x.dispatch()
	switch {
	case err == nil, errors.Is(err, ErrClientClosed):
		return err
	}
	tokens := x.estimate()
	if c := x.gateway.logger.Check(zapcore.DebugLevel, "estimated"); c != nil {
		c.Write(zap.String("plexus_alias", x.route.Alias), zap.Int64("tokens", tokens), zap.Error(err))
	}
	body := []byte(`{"input_tokens":` + strconv.FormatInt(tokens, 10) + `}`)
	switch x.op.api {
	case api.Gemini:
		body = gemini.EncodeCountTokens(tokens)
	case api.Responses:
		body = append([]byte(`{"object":"response.input_tokens",`), body[1:]...)
	}
	x.w.Header().Set(estimateHeader, "true")
	return x.writeJSON(json.RawMessage(body))
}

// estimate is about how many tokens the request has. Of one that holds something
// new, which nobody here understands yet, the size has to tell.
func (x *exchange) estimate() int64 {
	decode := x.neutralRequest
	if x.op.api == api.Gemini {
		decode = func() (*api.Request, error) { return gemini.DecodeCountTokens(x.req.body) }
	}
	req, err := decode()
	if err != nil {
		return int64(len(x.req.body)/bytesPerToken) + 1
	}
	return api.EstimateTokens(req)
}

// bytesPerToken is what English text and JSON come to, roughly.
const bytesPerToken = 4

// counts tells whether an answer is a count of tokens, and not that of some
// server which takes the path for something else.
func counts(body []byte) bool {
	for _, name := range []string{"input_tokens", "totalTokens"} {
		if _, err := strconv.ParseInt(string(jsonscan.Member(body, name)), 10, 64); err == nil {
			return true
		}
	}
	return false
}
