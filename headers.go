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

// returned tells whether the client gets a provider's header. Cookies, the names
// of our accounts and what servers say of themselves stay here.
func returned(name string) bool {
	switch name {
	case "Content-Type", "Content-Disposition", "Content-Language",
		"Openai-Model", "Openai-Processing-Ms", "Openai-Version",
		"Request-Id", "X-Request-Id", "Retry-After", "Retry-After-Ms", "X-Should-Retry":
		return true
	default:
		return strings.HasPrefix(name, "X-Ratelimit-") || strings.HasPrefix(name, "Anthropic-Ratelimit-")
	}
}

// The values of headers that are the same in every request to a provider, which
// nobody changes: see headerUp.
var (
	jsonType = []string{"application/json"}
	noValue  = []string{}
	// userAgent is how we introduce ourselves; what the client is called would
	// be a part of its identity.
	userAgent = []string{"Plexus"}
	// anthropicVersion is what a client means that does not say which version of
	// Messages it speaks: there has been no other since 2023.
	anthropicVersion = []string{"2023-06-01"}
)

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
		header["Content-Type"] = jsonType
	}
	if p.op.api == api.Messages && header["Anthropic-Version"] == nil {
		header["Anthropic-Version"] = anthropicVersion
	}
	header["User-Agent"] = userAgent
	// Never sent, for it has no value: it allows net/http to repeat a request
	// on a new connection when an idle one turns out to be closed.
	header["Idempotency-Key"] = noValue
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
	for name, values := range from {
		if len(values) > 0 && returned(name) {
			to[name] = values
		}
	}
}

// mediaType is the type in a Content-Type, without its parameters.
func mediaType(contentType string) string {
	switch contentType {
	case "application/json", eventStream: // as nearly all are written
		return contentType
	}
	kind, _, _ := mime.ParseMediaType(contentType) // one that is broken is none
	return kind
}

// nameTarget says in the answer's header who answered.
func (x *exchange) nameTarget(header http.Header) {
	if x.gateway.HideTarget {
		return
	}
	values := [...]string{x.target.Provider.Name, x.target.Model, strconv.Itoa(x.attempts)}
	header["X-Plexus-Provider"] = values[0:1:1]
	header["X-Plexus-Model"] = values[1:2:2]
	header["X-Plexus-Attempts"] = values[2:3:3]
}

func replacerOf(r *http.Request) *caddy.Replacer {
	if repl, ok := r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok {
		return repl
	}
	return caddy.NewReplacer()
}
