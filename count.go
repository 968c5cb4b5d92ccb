package plexus

import (
	"errors"
	"net/http"
	"strconv"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/gemini"
)

// estimateHeader marks a count that no provider made.
const estimateHeader = "X-Plexus-Estimate"

// count tells how many tokens a request has: as a target of the client's API
// counts them, else by an estimate. Coding agents ask this before they ask
// anything else, and give up on an error; whatever goes wrong on the way to a
// provider is no reason to send them one.
func (x *exchange) count() error {
	err := x.dispatch()
	switch {
	case err == nil, errors.Is(err, ErrClientClosed):
		return err
	}
	tokens, problem := x.estimate()
	if problem != nil {
		return problem
	}
	if c := x.gateway.logger.Check(zapcore.DebugLevel, "estimated"); c != nil {
		c.Write(zap.String("plexus_alias", x.route.Alias), zap.Int64("tokens", tokens), zap.Error(err))
	}
	body := []byte(`{"input_tokens":` + strconv.FormatInt(tokens, 10) + `}`)
	if x.op.api == api.Gemini {
		body = gemini.EncodeCountTokens(tokens)
	}
	header := x.w.Header()
	header.Set(estimateHeader, "true")
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(http.StatusOK)
	_, _ = x.w.Write(body) // a client that is gone needs no answer
	return nil
}

// estimate is about how many tokens the request has.
func (x *exchange) estimate() (int64, error) {
	if x.op.api == api.Gemini {
		req, err := gemini.DecodeCountTokens(x.req.body)
		if err != nil {
			return 0, inexpressible(err)
		}
		return api.EstimateTokens(req), nil
	}
	req, err := x.neutralRequest()
	if err != nil {
		return 0, err
	}
	return api.EstimateTokens(req), nil
}
