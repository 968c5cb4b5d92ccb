package plexus

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/sse"
)

// storedOperation reads the path of a response that a provider stores, or of
// what can be done with it:
// https://platform.openai.com/docs/api-reference/responses/get.
func storedOperation(r *http.Request) (operation, bool) {
	rest, ok := strings.CutPrefix(r.URL.Path, "/v1/responses/")
	if !ok {
		return operation{}, false
	}
	id, action, _ := strings.Cut(rest, "/")
	if id == "" || action != "" && action != "cancel" && action != "input_items" {
		return operation{}, false
	}
	op := operation{kind: operationStored, api: api.Responses, response: id}
	if action != "" {
		op.path = "/" + action
	}
	return op, true
}

// storedMethods are the methods of a stored response's paths, by what follows
// its id.
var storedMethods = map[string][]string{
	"":             {http.MethodGet, http.MethodDelete},
	"/input_items": {http.MethodGet},
	"/cancel":      {http.MethodPost},
}

// serveStored asks the provider that made a response for it.
func (x *exchange) serveStored() error {
	p, credential, id, ok := x.gateway.router.openResponseID(x.key, x.op.response)
	if !ok || p.Disabled || p.endpoints[api.Responses] == nil {
		return fail(ErrResponseNotFound, "there is no response %s of this key; only responses that were stored through this gateway can be asked for", quoted(x.op.response))
	}
	x.target = &Target{Provider: p, state: p.unlisted, label: unlistedLabel, metered: &p.unlistedMeters}
	x.route = Route{Alias: p.Name + "/" + unlistedLabel, Passthrough: true, Targets: []*Target{x.target}}
	x.target.failover = &p.failover
	x.startKeeper(x.gateway.KeepAlive)
	x.keeper.take(inEvents)
	a := x.newAttempt(x.target, x.storedPassage(id), claim{lane: &lane{credential: credential}})
	a.start(limit{time.Duration(p.failover.Answer), "no answer"})
	defer a.end()
	res, err := p.roundTrip(a.newRequest())
	if err != nil {
		return a.storedFailed(judgeError(&a.ctx, err), err)
	}
	defer res.Body.Close()
	ids := &responseIDs{provider: p, credential: credential, key: x.key}
	if mediaType(res.Header.Get("Content-Type")) == eventStream && res.StatusCode == http.StatusOK {
		return a.relayStoredStream(res, ids)
	}
	body, err := x.gateway.buffers.readAll(io.LimitReader(res.Body, maxTranslated), res.ContentLength)
	if err != nil {
		return a.storedFailed(judgeError(&a.ctx, err), err)
	}
	if len(body) == maxTranslated {
		return a.storedFailed(failure{status: res.StatusCode, reason: "an answer that is too large", verdict: verdictInvalid}, nil)
	}
	return a.relayStored(res, body, ids, id)
}

// relayStored gives the client what the provider said, with its own ids.
func (a *attempt) relayStored(res *http.Response, body []byte, ids *responseIDs, id string) error {
	x, status := a.x, res.StatusCode
	switch {
	case status >= 200 && status <= 299:
		body = ids.document(body)
	case status < 400, status >= 500, status == http.StatusTooManyRequests, status == http.StatusUnauthorized, status == http.StatusForbidden:
		reason := strconv.Itoa(status) + " " + http.StatusText(status)
		return a.storedFailed(failure{status: status, reason: reason, verdict: verdictStatus, retryAfter: retryAfter(res.Header, x.gateway.now())}, nil)
	default:
		// It quotes its own id of the response.
		body = bytes.ReplaceAll(x.errorBody(x.target, res, body), []byte(id), []byte(x.op.response))
		x.err = &Error{Code: ErrProviderRefused, Status: status}
	}
	header := x.w.Header()
	copyAnswerHeader(header, res.Header)
	x.nameTarget(header)
	header["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.w.WriteHeader(status)
	_, _ = x.w.Write(body) // a client that is gone needs no answer
	return nil
}

func (x *exchange) storedPassage(id string) *passage {
	asked, query := x.r.URL.Query(), url.Values{}
	for _, name := range storedQuery {
		if asked.Has(name) {
			query[name] = asked[name]
		}
	}
	op := x.op
	op.path = "/responses/" + url.PathEscape(id) + op.path
	return &passage{op: op, method: x.r.Method, query: query.Encode()}
}

// storedQuery are the parameters that reach the provider:
// https://platform.openai.com/docs/api-reference/responses/get.
var storedQuery = []string{"after", "before", "include", "include[]", "include_obfuscation", "limit", "order", "starting_after", "stream"}

// storedFailed is the answer where the provider gave none: no other has the
// response.
func (a *attempt) storedFailed(f failure, cause error) error {
	x := a.x
	if x.r.Context().Err() != nil {
		return fail(ErrClientClosed, "the client went away")
	}
	x.failures = append(x.failures, *a.failed(f, cause))
	err := fail(ErrAllTargetsFailed, "the provider %s, which has the response, failed: %s", x.target.Provider.Name, f.reason)
	if f.timeout {
		err.Status = http.StatusGatewayTimeout
	}
	if f.status == http.StatusTooManyRequests {
		err.Status = f.status
	}
	err.RetryAfter = f.retryAfter
	return err
}

// relayStoredStream passes on the events of a response that is being made in the
// background. One that is queued may have its first content as late as an answer
// that is no stream.
func (a *attempt) relayStoredStream(res *http.Response, ids *responseIDs) error {
	x := a.x
	header := x.w.Header()
	copyAnswerHeader(header, res.Header)
	x.nameTarget(header)
	streamHeader(header)
	x.w.WriteHeader(res.StatusCode)
	x.committed = true
	defer x.flush()
	answer := &answer{attempt: a, res: res, watcher: watchers[api.Responses]()}
	reader := sse.NewReader(res.Body)
	for begun := false; ; {
		ev, err := reader.Next()
		if err != nil {
			answer.storedEnded(err)
			return nil
		}
		if ev.Data != nil {
			answer.events = int64(number(jsonscan.Member(ev.Data, "sequence_number"))) + 1
		}
		signs := answer.look(ev)
		if signs.Content && !begun {
			begun = a.clocks.commit(false) == nil
		}
		answer.mark(signs, false)
		if err := answer.send(ids.event(ev)); err != nil {
			x.err = fail(ErrClientClosed, "the client went away")
			return nil
		}
	}
}

// storedEnded ends the stream of a stored response.
func (a *answer) storedEnded(err error) {
	if a.finished || errors.Is(err, io.EOF) || a.x.r.Context().Err() != nil {
		return
	}
	_, a.x.err = a.brokenOff()
	_ = a.send(a.errorEvent(a.x.err.forClient())) // nothing is left to try
}
