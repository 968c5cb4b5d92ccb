package plexus

import (
	"bytes"
	"io"
	"net/http"
	"slices"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// refused passes judgement on an answer that is no success, and gives the
// client the ones that are its own business.
func (a *attempt) refused(res *http.Response) *failure {
	x, t, passage := a.x, a.target, a.passage
	a.claim.slot.used(api.Usage{}) // it took nothing
	body, err := io.ReadAll(io.LimitReader(res.Body, maxErrorBody))
	if err != nil && a.ctx.Err() != nil {
		return a.failed(judgeError(&a.ctx, err), err)
	}
	f, next := judgeStatus(res.StatusCode, res.Header, body, a.failover, x.gateway.now())
	f.said = body
	if f.tooLong && a.movesOn() {
		f.verdict, f.blameless, next = verdictTooLong, true, true
		f.reason = strconv.Itoa(res.StatusCode) + " (the context is too long for it)"
	}
	if next || x.op.verb == verbCount {
		return a.failed(f, nil)
	}
	if a.second {
		// The first target may well take what this one does not.
		f.blameless = true
		return a.failed(f, nil)
	}
	opened, err := a.win(inEvents)
	if err != nil {
		f.blameless = true
		return a.failed(f, nil)
	}
	metrics.attempt(t, f.verdict)
	_ = a.failed(f, nil) // tells the log
	x.gateway.succeeded(a)
	switch {
	case opened:
		body = x.errorEvent(x.decodedError(t, passage.op.api, res.StatusCode, body))
	case passage.op.api == x.op.api:
		body = x.errorBody(t, res, body)
	default:
		body = x.op.api.ErrorBody(x.decodedError(t, passage.op.api, res.StatusCode, body))
	}
	if x.req.sealedID != "" { // the provider quotes its own
		body = bytes.ReplaceAll(body, []byte(x.req.previousID), []byte(x.req.sealedID))
	}
	x.committed = true
	x.err = &Error{Code: ErrProviderRefused, Status: res.StatusCode, Message: f.reason}
	if opened {
		_ = x.sendLast(body) // a client that is gone needs no answer
		return nil
	}
	header := x.w.Header()
	copyAnswerHeader(header, res.Header)
	x.nameTarget(header)
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(res.StatusCode)
	_, _ = x.w.Write(body) //nolint:gosec // JSON; and a client that is gone needs no answer
	return nil
}

// decodedError is what the provider said in an API.
func (x *exchange) decodedError(t *Target, a api.API, status int, body []byte) api.Error {
	said := t.Provider.redact(body)
	codec, ok := codecs[a]
	if !ok {
		codec = codecs[api.Chat] // all of OpenAI's APIs fail in the same words
	}
	e := codec.DecodeError(status, said)
	e.Status = status
	return e
}

// errorEvent is an error as the only event of a stream.
func (x *exchange) errorEvent(e api.Error) []byte {
	if x.wantsArray() {
		return slices.Concat([]byte("["), x.op.api.ErrorBody(e), []byte("]\n"))
	}
	return x.op.api.ErrorEvent(e, 0)
}

// errorBody is what the provider said, without our credential; in an error of
// the client's API where it said it in words that no SDK could read.
func (x *exchange) errorBody(t *Target, res *http.Response, body []byte) []byte {
	said := bytes.TrimSpace(t.Provider.redact(body))
	switch {
	case len(said) > 0 && said[0] == '{' && jsonscan.Valid(said):
		return said
	case len(said) > 0 && said[0] == '[' && jsonscan.Valid(said):
		// Gemini puts the error of a stream without alt=sse into an array.
		if first := jsonscan.Array(said); first.Next() && jsonscan.Member(first.Value(), "error") != nil {
			return first.Value()
		}
	}
	message := "the provider " + t.Provider.Name + " refused the request with status " + strconv.Itoa(res.StatusCode)
	if text := excerpt(said); text != "" && text[0] != '<' {
		message += ": " + text
	}
	return x.op.api.ErrorBody(api.Error{Status: res.StatusCode, Message: message})
}
