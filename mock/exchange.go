package mock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime/multipart"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

const (
	// maxBody bounds the memory that one request takes.
	maxBody = 128 << 20

	optionsHeader = "X-Plexus-Mock"
	eventStream   = "text/event-stream; charset=utf-8"
)

// head holds the members of a request that every endpoint reads.
type head struct {
	Model  string          `json:"model"`
	Mock   json.RawMessage `json:"mock"`
	Stream bool            `json:"stream"`
}

// exchange is one request that is being answered.
type exchange struct {
	w        http.ResponseWriter
	r        *http.Request
	out      *http.ResponseController
	mock     *Mock
	endpoint endpoint
	body     []byte

	// Set by configure.
	model string
	opts  Behaviour
	fault string
}

// readBody takes the whole body, without which net/http does not notice that
// the client leaves.
func (x *exchange) readBody() error {
	var buf bytes.Buffer
	if n := x.r.ContentLength; n > 0 && n < 1<<20 {
		buf.Grow(int(n) + bytes.MinRead)
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(x.w, x.r.Body, maxBody))
	x.body = buf.Bytes()
	if tooLarge := new(http.MaxBytesError); errors.As(err, &tooLarge) {
		return &apiError{
			status:  http.StatusRequestEntityTooLarge,
			message: "The request body is larger than " + strconv.FormatInt(tooLarge.Limit, 10) + " bytes.",
		}
	}
	if err != nil && x.r.Context().Err() != nil {
		return &departure{err}
	}
	if err != nil {
		return fmt.Errorf("reading the request body: %w", err)
	}
	return nil
}

// serve checks the request, lets its options take effect and answers it.
func (x *exchange) serve() error {
	method := x.r.Method
	if method != x.endpoint.method && (method != http.MethodHead || x.endpoint.method != http.MethodGet) {
		x.w.Header().Set("Allow", x.endpoint.method)
		return &apiError{status: http.StatusMethodNotAllowed, message: "Not allowed to " + method + " on " + x.r.URL.Path + "."}
	}
	if !x.mock.authorised(x.r) {
		return &apiError{status: http.StatusUnauthorized, message: "Incorrect API key provided."}
	}
	h, answer, err := x.endpoint.read(x)
	if err != nil {
		return err
	}
	if x.endpoint.model != "" {
		h.Model = x.endpoint.model
	}
	if h.Model == "" && !x.endpoint.modelOptional {
		return &apiError{status: http.StatusBadRequest, message: "You must provide a model parameter.", param: "model"}
	}
	if err := x.configure(h); err != nil {
		return &apiError{status: http.StatusBadRequest, message: "Bad mock options: " + err.Error()}
	}
	if err := x.sleep(time.Duration(x.opts.Latency)); err != nil {
		return err
	}
	if done, err := x.failEarly(h.Stream); done {
		return err
	}
	return answer()
}

// configure lays the request's options over the handler's.
func (x *exchange) configure(h head) error {
	x.model = h.Model
	x.opts = x.mock.Behaviour
	if _, list, ok := strings.Cut(h.Model, "#"); ok {
		if err := x.opts.overlay(func(b *Behaviour) error { return b.decodeList(list) }); err != nil {
			return fmt.Errorf("in the model name: %w", err)
		}
	}
	for _, object := range x.r.Header.Values(optionsHeader) {
		if err := x.opts.overlay(func(b *Behaviour) error { return b.decode([]byte(object)) }); err != nil {
			return fmt.Errorf("in the header %s: %w", optionsHeader, err)
		}
	}
	if len(h.Mock) > 0 {
		if err := x.opts.overlay(func(b *Behaviour) error { return b.decode(h.Mock) }); err != nil {
			return fmt.Errorf("in the member \"mock\": %w", err)
		}
	}
	if err := x.opts.check(); err != nil {
		return err
	}
	x.fault = faultNone
	if x.mock.tally.hit(h.Model, &x.opts) {
		x.fault = x.opts.Fault
	}
	return nil
}

// decode reads the body as JSON into v.
func (x *exchange) decode(v any) error {
	if err := json.Unmarshal(x.body, v); err != nil {
		return &apiError{status: http.StatusBadRequest, message: "We could not parse the JSON body of your request: " + err.Error()}
	}
	return nil
}

// decodeForm reads a multipart body; the form's model and mock become a head.
func (x *exchange) decodeForm() (head, *multipart.Form, error) {
	fail := func(err error) (head, *multipart.Form, error) {
		return head{}, nil, &apiError{status: http.StatusBadRequest, message: "Could not parse multipart form: " + err.Error()}
	}
	r := http.Request{Method: x.r.Method, Header: x.r.Header, Body: io.NopCloser(bytes.NewReader(x.body))}
	parts, err := r.MultipartReader()
	if err != nil {
		return fail(err)
	}
	// All of the body is in memory already, so no part needs a file on disk.
	form, err := parts.ReadForm(maxBody)
	if err != nil {
		return fail(err)
	}
	h := head{Model: formValue(form, "model"), Stream: formValue(form, "stream") == "true"}
	if options := formValue(form, "mock"); options != "" {
		h.Mock = json.RawMessage(options)
	}
	return h, form, nil
}

func formValue(form *multipart.Form, name string) string {
	if values := form.Value[name]; len(values) > 0 {
		return values[0]
	}
	return ""
}

// text is the configured text for this request. Only the configuration's own
// text may reach for Caddy's placeholders: a client's text could otherwise read
// the server's environment and files.
func (x *exchange) text(prompt string) string {
	text := x.opts.Text
	if !strings.Contains(text, "{") {
		return text
	}
	if repl, ok := x.r.Context().Value(caddy.ReplacerCtxKey).(*caddy.Replacer); ok && text == x.mock.Text {
		text = repl.ReplaceKnown(text, "")
	}
	return strings.NewReplacer("{model}", x.model, "{prompt}", prompt).Replace(text)
}

// id makes an identifier in the form that APIs use.
func (x *exchange) id(prefix string) string {
	const width = 16
	digits := strconv.FormatUint(rand.Uint64(), 16) //nolint:gosec // unique, not secret
	return prefix + "mock" + strings.Repeat("0", width-len(digits)) + digits
}

// sleep waits for d, or less if the client leaves.
func (x *exchange) sleep(d time.Duration) error {
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-x.r.Context().Done():
		return present(x.r.Context())
	}
}

// header sends the status and the header.
func (x *exchange) header(mediaType string, status int) {
	h := x.w.Header()
	h.Set("Content-Type", mediaType)
	if x.endpoint.family == anthropic {
		h.Set("Request-Id", x.id("req_"))
	} else {
		h.Set("X-Request-Id", x.id("req_"))
	}
	x.w.WriteHeader(status)
}

// send writes a whole answer. The last flush lets Caddy's write timeout begin
// anew for what net/http itself writes after the handler.
func (x *exchange) send(mediaType string, status int, body []byte) error {
	if err := present(x.r.Context()); err != nil {
		return err
	}
	if x.w.Header().Get("Content-Length") == "" {
		x.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	x.header(mediaType, status)
	if x.r.Method != http.MethodHead {
		if _, err := x.w.Write(body); err != nil {
			return &departure{err}
		}
	}
	if err := x.out.Flush(); err != nil {
		return &departure{err}
	}
	return nil
}

// sendJSON sends an answer that is not a stream, or the fault in its place.
func (x *exchange) sendJSON(body []byte) error {
	return x.failBody("application/json", body)
}

// refuse answers with an error in the API's shape.
func (x *exchange) refuse(e *apiError) error {
	if e.retryAfter != "" {
		x.w.Header().Set("Retry-After", e.retryAfter)
	}
	return x.send("application/json", e.status, e.body(x.endpoint.family, x.id("req_")))
}
