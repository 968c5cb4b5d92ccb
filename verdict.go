package plexus

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// failure is an attempt that came to nothing, or broke off.
type failure struct {
	target *Target
	// credential is the number of the one that was used; 0 where there is one.
	credential int
	// status is the provider's; 0 where it did not get as far.
	status int
	// reason says what happened in words that carry no URL and no credential.
	reason string
	// verdict is the label of metrics.
	verdict string
	// retryAfter is how long the provider wants to be left alone; 0 where it
	// says nothing.
	retryAfter time.Duration
	// timeout says that time ran out.
	timeout bool
	// late says that the first content had reached the client before.
	late bool
	// unsent says that nothing of the request reached the provider.
	unsent bool
	// dropped says that the connection ended before any answer came.
	dropped bool
	// recorded says that it has been held against the target.
	recorded bool
	// blameless says that the target will serve other requests well.
	blameless bool
	// tooLong says that the context is too long for the target.
	tooLong bool
	// said are the provider's words, for the debug log.
	said []byte
}

// errorInside is the verdict on an error that comes as an answer.
func errorInside(said []byte) failure {
	return failure{reason: "an error inside a 200", verdict: verdictInvalid, said: said}
}

func (f *failure) String() string {
	if f.credential != 0 {
		return fmt.Sprintf("%s with credential %d: %s", f.target, f.credential, f.reason)
	}
	return f.target.String() + ": " + f.reason
}

// The verdicts on an attempt, the labels of its metrics.
const (
	verdictServed      = "served"
	verdictClientError = "client_error" // the provider found fault with the request
	verdictCanceled    = "canceled"
	verdictOutrun      = "outrun"     // by another target, which was asked beside it
	verdictConnection  = "connection" // dial, TLS, reset
	verdictTimeout     = "timeout"
	verdictStatus      = "status"
	verdictCredential  = "credential"
	verdictUnknown     = "unknown_model"
	verdictTooLong     = "too_long"       // for the target's context, and another one's may be larger
	verdictInvalid     = "invalid_answer" // an error inside a 200, an empty stream, no JSON
)

const reasonBrokenOff = "connection broken off"

// judgeError is the verdict on an exchange that failed below HTTP.
func judgeError(ctx context.Context, err error) failure {
	if errors.Is(err, errOutrun) || errors.Is(context.Cause(ctx), errOutrun) {
		return failure{reason: "another target was faster", verdict: verdictOutrun, blameless: true}
	}
	if late, ok := errors.AsType[*overdue](context.Cause(ctx)); ok {
		return failure{reason: late.reason, verdict: verdictTimeout, timeout: true}
	}
	var network net.Error
	var dial reverseproxy.DialError
	var record tls.RecordHeaderError
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &dial):
		return judgeDial(dial)
	case errors.As(err, &record), errors.As(err, &certificate):
		return failure{reason: "TLS handshake failed", verdict: verdictConnection, unsent: true}
	case errors.As(err, &network) && network.Timeout():
		return failure{reason: "timeout", verdict: verdictTimeout, timeout: true}
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return failure{reason: reasonBrokenOff, verdict: verdictConnection}
	}
	return failure{reason: "connection failed", verdict: verdictConnection}
}

// judgeDial is the verdict on a connection that did not come about. Caddy's
// error hides its cause from errors.As, so its text has to tell.
func judgeDial(err error) failure {
	text := err.Error()
	for sign, reason := range map[string]string{
		"connection refused": "connection refused",
		"reset by peer":      reasonBrokenOff,
		"no such host":       "host name not found",
		"unreachable":        "host unreachable",
	} {
		if strings.Contains(text, sign) {
			return failure{reason: reason, verdict: verdictConnection, unsent: true}
		}
	}
	if strings.Contains(text, "timeout") {
		return failure{reason: "timeout while connecting", verdict: verdictTimeout, timeout: true, unsent: true}
	}
	return failure{reason: "cannot connect", verdict: verdictConnection, unsent: true}
}

// maxErrorBody is how much of a provider's error is read, in bytes.
const maxErrorBody = 64 << 10

// judgeStatus is the verdict on an answer that is no success. It tells whether
// the next target shall be tried; if not, the answer is the client's.
func judgeStatus(status int, header http.Header, body []byte, f *Failover, now time.Time) (failure, bool) {
	out := failure{status: status, verdict: verdictStatus, retryAfter: retryFloor(status, header, body, now)}
	what := readComplaint(body)
	switch {
	case what.flagged(status):
		out.reason, out.blameless = fmt.Sprintf("%d (it objects to the content)", status), true
		return out, true
	case what.tooDear(status):
		out.reason, out.blameless = fmt.Sprintf("%d (our account there cannot pay for this request)", status), true
		return out, true
	case what.exhausted(status):
		out.verdict, out.reason = verdictCredential, fmt.Sprintf("%d (our account there is exhausted)", status)
		return out, true
	case status == http.StatusForbidden && unknownModel(status, body):
		out.verdict, out.reason = verdictUnknown, "403 (our account there has no access to the model)"
		return out, true
	case what.refusesCredential(status):
		out.verdict, out.reason = verdictCredential, fmt.Sprintf("%d (it refuses our credential)", status)
		return out, true
	case (status == http.StatusNotFound || status == http.StatusBadRequest) && unknownModel(status, body):
		out.verdict, out.reason, out.blameless = verdictUnknown, fmt.Sprintf("%d (it does not know the model)", status), true
		return out, true
	}
	out.tooLong = what.tooLong(status)
	out.reason = strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))
	switch {
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooEarly,
		status == http.StatusTooManyRequests, status >= 500, status < 400:
		return out, true
	case f.sends(status):
		out.blameless = true
		return out, true
	}
	out.verdict = verdictClientError
	return out, false
}

// unknownModel tells whether an error says that the provider does not have the
// model. A 404 does so in many words (OpenAI "model_not_found", Anthropic
// "model: x", Gemini "models/x is not found", Ollama "model 'x' not found"); a
// 400 has to be explicit, as Mistral's "invalid_model", Together's
// "model_not_available" and OpenRouter's "not a valid model ID" are.
func unknownModel(status int, body []byte) bool {
	at := jsonscan.Member(body, "error")
	if at == nil || at[0] != '{' {
		at = body // Mistral and old vLLM have no envelope, Ollama a bare string
	}
	text := strings.ToLower(string(at))
	for _, sign := range []string{"model_not_found", "invalid_model", "model_not_available", "not a valid model id"} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return status == http.StatusNotFound && strings.Contains(text, "model")
}

// judgeAnswer is the verdict on a whole answer that came with a 2xx.
func judgeAnswer(signs api.Signs, body []byte) (failure, bool) {
	switch {
	case len(bytes.TrimSpace(body)) == 0:
		return failure{reason: "empty answer", verdict: verdictInvalid}, true
	case signs.Broken:
		return failure{reason: "a broken answer", verdict: verdictInvalid}, true
	case signs.Failed:
		return errorInside(body), true
	case !signs.Content:
		return failure{reason: "an answer without content", verdict: verdictInvalid}, true
	}
	return failure{}, false
}

// allFailed is the one answer to a request whose every attempt came to nothing.
// Its status is the last provider's where that is the client's business.
func (x *exchange) allFailed(unable error) error {
	said := make([]string, len(x.failures))
	tried := map[*Target]bool{} // one may have failed with each of its credentials
	for i := range x.failures {
		said[i] = x.failures[i].String()
		tried[x.failures[i].target] = true
	}
	noun := "target"
	if len(tried) > 1 {
		noun = "targets"
	}
	if unable != nil {
		said = append(said, "others cannot be asked: "+asError(unable).Message)
	}
	err := fail(ErrAllTargetsFailed, "model %s: %d %s tried, none succeeded: %s", quoted(x.route.Alias), len(tried), noun, strings.Join(said, "; "))
	last := x.failures[len(x.failures)-1]
	switch last.status {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity, http.StatusTooManyRequests:
		if last.verdict == verdictStatus || last.tooLong {
			err.Status = last.status
		}
	case http.StatusGatewayTimeout, http.StatusRequestTimeout:
		err.Status = http.StatusGatewayTimeout
	case api.StatusOverloaded:
		// Anthropic's clients know it, and all others know it as 503.
		if err.Status = http.StatusServiceUnavailable; x.op.api == api.Messages {
			err.Status = api.StatusOverloaded
		}
	}
	switch {
	case last.timeout:
		err.Status = http.StatusGatewayTimeout
	case last.verdict == verdictClientError: // of a second target, whose first failed
		err.Status = last.status
	}
	err.RetryAfter = last.retryAfter
	return err
}

// coolingDown is the error where every target is to be left alone, of a request that
// needs a certain credential or, with nil, any.
func coolingDown(targets []*Target, now time.Time, with *Credential) error {
	soonest := time.Duration(1<<63 - 1)
	var held []string
	for i, t := range targets {
		if slices.Contains(targets[:i], t) {
			continue
		}
		held = append(held, t.String()+t.heldBy())
		for _, l := range t.lanes {
			if with != nil && l.credential != with {
				continue
			}
			soonest = min(soonest, time.Duration(l.opens(t)-stamp(now)))
		}
	}
	soonest = max(soonest, time.Second) // a probe may be under way
	err := fail(ErrAllTargetsCoolingDown, "every target is cooling down after failures; try again in %s: %s", wholeSeconds(soonest), strings.Join(held, "; "))
	err.RetryAfter = soonest
	return err
}

// heldBy says why the target is left alone.
func (t *Target) heldBy() string {
	_, b := t.hindrance()
	if b == nil {
		return ""
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.reason == "" {
		return ""
	}
	return ": " + b.reason
}
