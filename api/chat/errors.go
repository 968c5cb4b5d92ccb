package chat

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// DecodeError implements api.Codec.
func (Codec) DecodeError(status int, body []byte) api.Error {
	var p problem
	p.read(body, maxNesting)
	e := api.Error{Status: status, Code: p.code, Type: p.named, Param: p.param, Message: p.message}
	if e.Message == "" {
		e.Message = clip(strings.TrimSpace(strings.ToValidUTF8(string(body), "\ufffd")))
	}
	if e.Message == "" {
		e.Message = http.StatusText(status)
	}
	if e.Status == 0 {
		e.Status = http.StatusBadGateway
	}
	return e
}

// maxMessage is how much is told of an error that nobody recognises, which may be
// a whole web page, and maxNesting how deep errors in errors are looked for.
const (
	maxMessage = 4096
	maxNesting = 6
)

func clip(s string) string {
	if len(s) > maxMessage {
		s = strings.ToValidUTF8(s[:maxMessage], "") + "…"
	}
	return s
}

// problem is what an error says. OpenAI puts it into a member of its own, with a
// message, a type, a param and a code; hardly anyone else does so quite.
type problem struct {
	message, code, kind string
	named, param        string // the type and the param of one error
	status              int    // 0 where it says none
}

// read takes in an error of whatever shape: a text, a list (Google's compatible
// endpoint; FastAPI's and Cloudflare's several errors), an error in an error.
func (p *problem) read(raw []byte, depth int) {
	if s, ok := jsonscan.String(raw); ok {
		p.message = s
		return
	}
	if depth == 0 || len(raw) == 0 {
		return
	}
	if raw[0] == '[' {
		p.list(raw, depth)
		return
	}
	where := ""
	it := jsonscan.Object(raw)
	for it.Next() {
		value := it.Value()
		switch string(it.Key) {
		case "message", "error", "errors", "detail", "msg":
			p.inner(value, depth)
		case "loc":
			where = location(value)
		case "metadata":
			p.upstream(value, depth)
		case "type", "error_type":
			p.kind += " " + textOf(value)
			if s := textOf(value); s != "error" {
				p.named = s
			}
		case "param":
			p.param = textOf(value)
		case "code", "status", "status_code":
			p.codes(string(it.Key), value)
		}
	}
	if where != "" && p.message != "" {
		p.message = where + ": " + p.message
	}
}

// inner reads a member that holds the message, or an error in which it is.
func (p *problem) inner(raw []byte, depth int) {
	before := p.message
	p.read(raw, depth-1)
	if before != "" && (p.message == "" || raw[0] == '"' && strings.Contains(before, p.message)) {
		p.message = before
	}
}

func (p *problem) list(raw []byte, depth int) {
	var all []string
	it := jsonscan.Array(raw)
	for it.Next() {
		p.message = ""
		if p.read(it.Value(), depth-1); p.message != "" {
			all = append(all, p.message)
		}
	}
	p.message = strings.Join(all, "; ")
	if len(all) > 1 {
		p.named, p.param = "", ""
	}
}

// upstream reads what the provider said to OpenRouter, whose own message says
// nothing: https://openrouter.ai/docs/api/reference/errors-and-debugging.
func (p *problem) upstream(metadata []byte, depth int) {
	raw := textOf(jsonscan.Member(metadata, "raw"))
	if raw == "" {
		return
	}
	said := problem{}
	if said.read([]byte(raw), depth-1); said.message == "" {
		said.message = clip(raw)
	}
	if p.message != "" {
		said.message = p.message + ": " + said.message
	}
	p.message = said.message
}

// codes takes a code, which is a word of OpenAI's, or a status.
func (p *problem) codes(name string, raw []byte) {
	s := textOf(raw)
	if n, err := strconv.Atoi(strings.Trim(string(raw), `"`)); err == nil {
		if clientsBusiness(n) {
			p.status = n
		}
		return
	}
	p.kind += " " + s
	if name == "code" && s != "" {
		p.code = s
	}
}

// location is where in a request FastAPI found something wrong.
func location(raw []byte) string {
	var path []string
	it := jsonscan.Array(raw)
	for it.Next() {
		s, ok := jsonscan.String(it.Value())
		if !ok {
			s = string(it.Value())
		}
		if s != "body" {
			path = append(path, s)
		}
	}
	return strings.Join(path, ".")
}

// streamError is what an error in a stream comes to. Its status has to be made
// up: the answer's own was 200.
func streamError(raw []byte) *api.Error {
	var p problem
	p.read(raw, maxNesting)
	e := &api.Error{Status: http.StatusBadGateway, Code: p.code, Type: p.named, Param: p.param, Message: p.message}
	if e.Message == "" {
		if e.Message = "The provider reports an error in its stream."; !api.Empty(raw) {
			e.Message += " It says: " + clip(strings.ToValidUTF8(string(raw), "\ufffd"))
		}
	}
	if p.status != 0 {
		e.Status = p.status
		return e
	}
	kind := strings.ToLower(p.kind)
	for _, word := range errorWords {
		if strings.Contains(kind, word.word) {
			e.Status = word.status
			return e
		}
	}
	return e
}

// failed tells whether a member called error reports one.
func failed(raw []byte) bool { return !api.Empty(raw) && string(raw) != "false" }

// clientsBusiness tells whether a status means the same for our client as for
// us. A refused key, for instance, is ours and not the client's.
func clientsBusiness(status int) bool {
	switch status {
	case http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge,
		http.StatusUnprocessableEntity, http.StatusTooManyRequests:
		return true
	}
	return status >= 500 && status < 600
}

// errorWords tell the status of an error by its type or code; the first one that
// occurs counts.
var errorWords = []struct {
	word   string
	status int
}{
	{"rate_limit", http.StatusTooManyRequests},
	{"resource_exhausted", http.StatusTooManyRequests},
	{"insufficient_quota", http.StatusTooManyRequests},
	{"overloaded", 529},
	{"unavailable", http.StatusServiceUnavailable},
	{"invalid_request", http.StatusBadRequest},
	{"invalid_argument", http.StatusBadRequest},
	{"context_length", http.StatusBadRequest},
	{"content_filter", http.StatusBadRequest},
	{"content_policy", http.StatusBadRequest},
	{"timeout", http.StatusGatewayTimeout},
}
