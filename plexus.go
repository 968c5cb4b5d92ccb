// Package plexus makes Caddy an LLM gateway: clients ask for a model name of
// the operator's, in their API, and the answer comes from whichever provider
// and model stands behind the name.
//
// A request goes one way through the files of this package:
//
//	plexus.go       which endpoint, who asks, what it asks for
//	router.go       the name's targets, and by selector.go their order
//	dispatcher.go   the attempts, one target after the other
//	attempt.go      what one target is sent, and by when it has to answer
//	claim.go        the leave to ask it
//	health.go       what failures are held against, and by breaker.go for how long
//	limiter.go      room for it, and by wait.go the waiting for some
//	way.go          the API in which a target is asked, and the request in it
//	provider.go     where and how the provider is reached, by lane.go with which credential
//	answer.go       what becomes of its answer, up to its end
//	relay.go        the answer's bytes, as they come
//	translate.go    or the answer in the client's API, where that is another
package plexus

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	caddy.RegisterModule(Handler{})
}

// Handler answers requests for models. It serves OpenAI's, Anthropic's and
// Gemini's paths (`/v1/chat/completions`, `/v1/messages`,
// `/v1beta/models/{model}:generateContent` and their siblings, and
// `GET /v1/models`) and passes all others on.
//
// Its configuration is that of a gateway of its own. If it has none, it uses
// the gateway of the `plexus` app.
//
// It sets these placeholders, and fields of the same meaning in access logs:
//
// Placeholder | Log field | Description
// ------------|-----------|------------
// `{http.auth.user.id}` | `user_id` | The name of the client's key
// `{http.plexus.requested_model}` | `plexus_requested_model` | The model name that the client sent
// `{http.plexus.alias}` | `plexus_alias` | The canonical alias, or provider/model
// `{http.plexus.api}` | `plexus_api` | The client's API
// `{http.plexus.provider}` | `plexus_provider` | The provider that answered, or was tried last
// `{http.plexus.model}` | `plexus_model` | That provider's name of the model
// `{http.plexus.target_api}` | `plexus_target_api` | The API in which it was asked, another than the client's where the request was translated
// `{http.plexus.attempts}` | `plexus_attempts` | How often a target was asked
// `{http.plexus.error}` | `plexus_error` | The code of the failure, if any
// `{http.plexus.time_to_first_content}` | `plexus_time_to_first_content` | Seconds from the request to the first content
// `{http.plexus.time_in_queue}` | `plexus_time_in_queue` | Seconds for which the request waited, because every target was full
// `{http.plexus.input_tokens}` | `plexus_input_tokens` | Tokens of the prompt that no cache served or stored, if known
// `{http.plexus.cache_read_tokens}` | `plexus_cache_read_tokens` | Tokens of the prompt read from a cache, if known
// `{http.plexus.cache_write_tokens}` | `plexus_cache_write_tokens` | Tokens of the prompt written to a cache, if known
// `{http.plexus.output_tokens}` | `plexus_output_tokens` | Tokens of the answer without reasoning, if known
// `{http.plexus.reasoning_tokens}` | `plexus_reasoning_tokens` | Tokens of the reasoning, if known
// `{http.plexus.cost}` | `plexus_cost` | What the answer cost in US dollars, if known
// `{http.plexus.hedge_cost}` | `plexus_hedge_cost` | What a second attempt cost in US dollars that was given up, if known
type Handler struct {
	// The gateway of this handler alone. Default: that of the plexus app.
	*Gateway

	own bool
}

// CaddyModule returns the Caddy module information.
func (Handler) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID:  "http.handlers.plexus",
		New: func() caddy.Module { return new(Handler) },
	}
}

// Provision implements caddy.Provisioner.
func (h *Handler) Provision(ctx caddy.Context) error {
	if h.own = h.Gateway != nil; h.own {
		return h.provisionOwn(ctx)
	}
	app, err := ctx.AppIfConfigured("plexus")
	switch {
	case errors.Is(err, caddy.ErrNotConfigured), err == nil && app.(*App).implied:
		return errors.New("there is no gateway: add providers and models here, or to the global option plexus")
	case err != nil:
		return fmt.Errorf("loading the plexus app: %w", err)
	}
	h.Gateway = &app.(*App).Gateway
	return nil
}

// provisionOwn sets up the gateway of this site, which leaves to the app what is
// done beside the requests.
func (h *Handler) provisionOwn(ctx caddy.Context) error {
	if len(h.Gateway.Providers) == 0 {
		return errors.New("the options of this site make a gateway of its own, which has no providers: add some, or move the options to the global option plexus")
	}
	app, err := ctx.AppIfConfigured("plexus")
	if errors.Is(err, caddy.ErrNotConfigured) {
		if app, err = ctx.App("plexus"); err == nil {
			app.(*App).implied = true
		}
	}
	if err != nil {
		return fmt.Errorf("loading the plexus app: %w", err)
	}
	h.Gateway.site = true
	app.(*App).gateways = append(app.(*App).gateways, h.Gateway)
	return h.Gateway.Provision(ctx)
}

// Cleanup implements caddy.CleanerUpper. The app cleans up its own gateway.
func (h *Handler) Cleanup() error {
	if !h.own {
		return nil
	}
	return h.Gateway.Cleanup()
}

// ServeHTTP implements caddyhttp.MiddlewareHandler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request, next caddyhttp.Handler) error {
	op, ours := operationOf(r)
	if !ours {
		return next.ServeHTTP(w, r)
	}
	x := newExchange(h.Gateway, w, r, op)
	defer x.finish()
	if err := x.serve(); err != nil {
		x.refuse(err)
	}
	return nil
}

// serve takes a request through the gateway. An error it returns has not been
// told to the client yet.
func (x *exchange) serve() (err error) {
	if err = x.op.checkMethod(x.r); err != nil {
		return err
	}
	if x.key, err = x.gateway.admit(x.r); err != nil {
		return err
	}
	x.identify()
	switch x.op.kind {
	case operationList, operationLookup:
		return x.serveModels()
	case operationStored:
		return x.serveStored()
	}
	if err = x.readRequest(); err != nil {
		return err
	}
	if x.route, err = x.gateway.router.Resolve(x.req.model); err != nil {
		return err
	}
	if err = x.key.permit(&x.req, &x.route); err != nil {
		return err
	}
	if err = x.pin(); err != nil {
		return err
	}
	if x.op.verb == verbCount {
		return x.count()
	}
	x.keepAlive()
	return x.dispatch()
}

// Interface guards
var (
	_ caddy.Provisioner           = (*Handler)(nil)
	_ caddy.CleanerUpper          = (*Handler)(nil)
	_ caddyhttp.MiddlewareHandler = (*Handler)(nil)
)
