package plexus

import (
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp/headers"

	"github.com/caddy-plexus/plexus/api"
)

// forwardedHeaders are the client's headers that a provider gets. What is not
// listed may say who the client is, or means something between it and us only.
var forwardedHeaders = []string{
	"Accept",
	"Anthropic-Beta",
	"Anthropic-Version",
	"Openai-Beta",
	"Traceparent",
	"Tracestate",
}

// returnedHeaders are a provider's headers that the client gets, besides its
// rate limits. Cookies, the names of our accounts and what servers say of
// themselves stay here.
var returnedHeaders = []string{
	"Content-Type",
	"Content-Disposition",
	"Content-Language",
	"Openai-Model",
	"Openai-Processing-Ms",
	"Openai-Version",
	"Request-Id",
	"Retry-After",
	"Retry-After-Ms",
	"X-Request-Id",
	"X-Should-Retry",
}

// returnedPrefixes are those of the headers about rate limits.
var returnedPrefixes = []string{"X-Ratelimit-", "Anthropic-Ratelimit-"}

// userAgent is how we introduce ourselves; what the client is called would be a
// part of its identity.
const userAgent = "Plexus"

// anthropicVersion is what a client means that does not say which version of
// Messages it speaks: there has been no other since 2023.
const anthropicVersion = "2023-06-01"

// tracingHeaders are those that go along even where the request is written anew
// in another API, whose vendor knows nothing of the client's other headers.
var tracingHeaders = []string{"Traceparent", "Tracestate"}

func (x *exchange) upstreamHeader(at *endpoint, p *passage, c *Credential) http.Header {
	forwarded := forwardedHeaders
	if p.op.api != x.op.api {
		forwarded = tracingHeaders
	}
	header := make(http.Header, len(forwardedHeaders)+2)
	for _, name := range forwarded {
		if values := x.r.Header[name]; len(values) > 0 {
			header[name] = slices.Clip(values)
		}
	}
	switch {
	case x.req.boundary != "":
		// A form has the boundary by which it was read.
		header["Content-Type"] = []string{mime.FormatMediaType("multipart/form-data", map[string]string{"boundary": x.req.boundary})}
	case p.method == http.MethodPost:
		// What has been read as JSON is JSON, whatever curl calls it.
		header["Content-Type"] = []string{"application/json"}
	}
	if p.op.api == api.Messages && header["Anthropic-Version"] == nil {
		header["Anthropic-Version"] = []string{anthropicVersion}
	}
	header["User-Agent"] = []string{userAgent}
	// Never sent, for it has no value: it allows net/http to repeat a request
	// on a new connection when an idle one turns out to be closed.
	header["Idempotency-Key"] = []string{}
	c.authenticate(header, at)
	return header
}

// headerUp applies the provider's header_up. The Host, which net/http keeps
// beside the headers, is one of them, as in reverse_proxy.
func headerUp(ops *headers.HeaderOps, req *http.Request, repl *caddy.Replacer) {
	header := req.Header.Clone() // its values are shared, and are replaced in place
	header["Host"] = []string{req.Host}
	ops.ApplyTo(header, repl)
	req.Host = ""
	if hosts := header["Host"]; len(hosts) > 0 {
		req.Host = hosts[len(hosts)-1]
	}
	delete(header, "Host")
	req.Header = header
}

// copyAnswerHeader gives the client what it may see of a provider's header.
func copyAnswerHeader(to, from http.Header) {
	for _, name := range returnedHeaders {
		if values := from[name]; len(values) > 0 {
			to[name] = values
		}
	}
	for name, values := range from {
		for _, prefix := range returnedPrefixes {
			if strings.HasPrefix(name, prefix) {
				to[name] = values
			}
		}
	}
}

// nameTarget says in the answer's header who answered.
func (x *exchange) nameTarget(header http.Header) {
	if x.gateway.HideTarget {
		return
	}
	header["X-Plexus-Provider"] = []string{x.target.Provider.Name}
	header["X-Plexus-Model"] = []string{x.target.Model}
	header["X-Plexus-Attempts"] = []string{strconv.Itoa(x.attempts)}
}

func replacerOf(r *http.Request) *caddy.Replacer {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		return repl
	}
	return caddy.NewReplacer()
}
