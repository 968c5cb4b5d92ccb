package plexus

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/prices"
)

// exchange is one request and its answer, with all that is known of them. It
// belongs to the goroutine that serves the request.
type exchange struct {
	gateway *Gateway
	w       http.ResponseWriter
	r       *http.Request
	rc      http.ResponseController
	op      operation
	start   time.Time

	key   *Key
	req   request
	route Route
	// credential is the one that the request needs, or nil for any.
	credential *Credential

	decoding   sync.Mutex   // of the next two
	neutral    *api.Request // what the client asks, once something had to be translated
	neutralErr error

	target       *Target // the one that answered, or was tried last
	targetAPI    api.API // in which it was asked
	plan         plan
	failover     *Failover
	asked        int // targets
	attempts     int
	repeated     bool // the last target has been asked twice
	failures     []failure
	want         tally         // what the request takes, by all that is known before
	full         []contender   // the targets at which there was no room
	granted      granted       // the slot for which it has waited
	waitsSince   time.Time     // zero until it has waited
	queued       time.Duration // for which it has
	firstContent time.Duration // since start; 0 while there is none
	usage        api.Usage
	partial      bool           // the usage is that of the prompt alone
	promptTokens int            // by the size of the request
	hedgeCost    prices.NanoUSD // of attempts that another was faster than
	race         *race          // while attempts run beside each other
	committed    bool
	err          *Error
	keeper       *keeper

	conversation uint64 // by what a selector told it from others; 0 for nothing

	targets   [12]*Target // room for the plan
	selection Selection   // for its making
}

func newExchange(g *Gateway, w http.ResponseWriter, r *http.Request, op operation) *exchange {
	x := &exchange{gateway: g, w: w, r: r, rc: *http.NewResponseController(w), op: op, start: g.now()}
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Map(x.placeholder)
	}
	metrics.inFlight.Inc()
	return x
}

// identify tells the rest of Caddy who asks.
func (x *exchange) identify() {
	if x.key == nil {
		return
	}
	if repl, ok := x.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		repl.Set("http.auth.user.id", x.key.Name)
	}
}

// letGo forgets the request: nobody else will be asked it, and the answer may go
// on for an hour.
func (x *exchange) letGo() {
	x.req.loan.done()
	x.req.body, x.req.loan, x.neutral = nil, nil, nil
}

// refuse tells the client what went wrong, in its API's shape, unless it has
// got a part of an answer already or is gone.
func (x *exchange) refuse(err error) {
	opened, _ := x.keeper.take(inEvents)
	x.err = asError(err)
	if c := x.gateway.logger.Check(zapcore.DebugLevel, "refused"); c != nil {
		c.Write(append(x.fields(), zap.Error(err))...)
	}
	if opened {
		// The status is told already.
		if !errors.Is(err, ErrClientClosed) {
			_ = x.sendLast(x.errorEvent(x.err.forClient())) // a client that is gone needs no answer
		}
		return
	}
	header := x.w.Header()
	switch {
	case errors.Is(err, ErrClientClosed):
		x.w.WriteHeader(ErrClientClosed.status)
		return
	case errors.Is(err, ErrMethodNotAllowed):
		header.Set("Allow", x.op.allow())
	case errors.Is(err, ErrUnauthorized):
		header.Set("WWW-Authenticate", `Bearer realm="plexus"`)
	}
	if x.r.ProtoMajor == 1 && x.r.ContentLength != 0 && !x.req.read {
		// Else net/http reads up to 256 KiB of the body before it answers.
		header.Set("Connection", "close")
	}
	if x.err.RetryAfter > 0 {
		seconds := wholeSeconds(x.err.RetryAfter) / time.Second
		header.Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
	}
	if x.attempts > 0 && !x.gateway.HideTarget {
		header.Set("X-Plexus-Attempts", strconv.Itoa(x.attempts))
	}
	body := x.op.api.ErrorBody(x.err.forClient())
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(x.err.status())
	if x.r.Method != http.MethodHead {
		_, _ = x.w.Write(body) // a client that is gone needs no answer
	}
}

// finish records the exchange once it is over.
func (x *exchange) finish() {
	x.keeper.stop()
	x.letGo()
	metrics.inFlight.Dec()
	x.measure()
	if extra, ok := x.r.Context().Value(caddyhttp.ExtraLogFieldsCtxKey).(*caddyhttp.ExtraLogFields); ok {
		extra.Add(zap.Inline(x))
	}
	if c := x.gateway.logger.Check(zapcore.DebugLevel, "finished"); c != nil {
		c.Write(x.fields()...)
	}
}

// MarshalLogObject implements zapcore.ObjectMarshaler: what the access log says of
// the exchange is worked out if and when there is one.
func (x *exchange) MarshalLogObject(enc zapcore.ObjectEncoder) error {
	for _, field := range x.fields() {
		field.AddTo(enc)
	}
	return nil
}

// fields are what logs say of the exchange.
func (x *exchange) fields() []zap.Field {
	fields := make([]zap.Field, 0, 16)
	fields = append(fields, zap.String("plexus_api", string(x.op.api)))
	if x.req.model != "" {
		fields = append(fields, zap.String("plexus_requested_model", x.req.model))
	}
	if x.route.Alias != "" {
		fields = append(fields, zap.String("plexus_alias", x.route.Alias))
	}
	if x.target != nil {
		fields = append(fields, zap.String("plexus_provider", x.target.Provider.Name), zap.String("plexus_model", x.target.Model))
	}
	if x.targetAPI != "" {
		fields = append(fields, zap.String("plexus_target_api", string(x.targetAPI)))
	}
	if x.attempts > 0 {
		fields = append(fields, zap.Int("plexus_attempts", x.attempts))
	}
	if x.err != nil {
		fields = append(fields, zap.String("plexus_error", x.err.Code.name))
	}
	if x.firstContent > 0 {
		fields = append(fields, zap.Float64("plexus_time_to_first_content", x.firstContent.Seconds()))
	}
	if x.queued > 0 {
		fields = append(fields, zap.Float64("plexus_time_in_queue", x.queued.Seconds()))
	}
	if x.usage.Known {
		for _, c := range tokenClasses {
			if c.answers && x.partial {
				continue
			}
			fields = append(fields, zap.Int64("plexus_"+c.name+"_tokens", c.of(&x.usage)))
		}
	}
	if cost, known := x.cost(); known {
		fields = append(fields, zap.Float64("plexus_cost", cost.USD()))
	}
	if x.hedgeCost > 0 {
		fields = append(fields, zap.Float64("plexus_hedge_cost", x.hedgeCost.USD()))
	}
	return fields
}

const classesOfTokens = 5

// tokenClasses names the classes of tokens in logs, placeholders and metrics.
var tokenClasses = [classesOfTokens]struct {
	name    string
	answers bool // they are the answer's, not the prompt's
	of      func(*api.Usage) int64
}{
	{"input", false, func(u *api.Usage) int64 { return u.Input }},
	{"cache_read", false, func(u *api.Usage) int64 { return u.CacheRead }},
	{"cache_write", false, func(u *api.Usage) int64 { return u.CacheWrite }},
	{"output", true, func(u *api.Usage) int64 { return u.Output }},
	{"reasoning", true, func(u *api.Usage) int64 { return u.Reasoning }},
}

// placeholder gives the values of {http.plexus.*}, as far as they are known when
// they are asked for.
func (x *exchange) placeholder(key string) (any, bool) {
	const prefix = "http.plexus."
	if len(key) <= len(prefix) || key[:len(prefix)] != prefix {
		return nil, false
	}
	switch name := key[len(prefix):]; name {
	case "requested_model":
		return x.req.model, true
	case "alias":
		return x.route.Alias, true
	case "api":
		return string(x.op.api), true
	case "provider":
		if x.target == nil {
			return "", true
		}
		return x.target.Provider.Name, true
	case "model":
		if x.target == nil {
			return "", true
		}
		return x.target.Model, true
	case "target_api":
		return string(x.targetAPI), true
	case "attempts":
		return x.attempts, true
	case "error":
		if x.err == nil {
			return "", true
		}
		return x.err.Code.name, true
	case "time_to_first_content":
		if x.firstContent == 0 {
			return "", true
		}
		return x.firstContent.Seconds(), true
	case "time_in_queue":
		return x.queued.Seconds(), true
	case "cost":
		cost, known := x.cost()
		if !known {
			return "", true
		}
		return cost.String(), true
	case "hedge_cost":
		if x.hedgeCost == 0 {
			return "", true
		}
		return x.hedgeCost.String(), true
	default:
		return x.tokenPlaceholder(name)
	}
}

func (x *exchange) tokenPlaceholder(name string) (any, bool) {
	for _, c := range tokenClasses {
		if name != c.name+"_tokens" {
			continue
		}
		if !x.usage.Known || c.answers && x.partial {
			return "", true
		}
		return c.of(&x.usage), true
	}
	return nil, false
}

// Interface guard
var _ zapcore.ObjectMarshaler = (*exchange)(nil)
