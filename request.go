package plexus

import (
	"errors"
	"mime"
	"net/http"
	"os"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// request is what a client sent, and where in it stands what must be changed.
type request struct {
	body []byte
	loan *loan // that the body is in; nil for a small one
	// read says that the body has been read to its end.
	read bool
	// model is the name that the client asks for.
	model string
	// names are the places of the model's name in the body, nearly always one.
	names []place
	room  [1]place
	// stream says that the client asks for a stream.
	stream bool
	// boundary is that of a multipart form; empty where the body is JSON.
	boundary string
	// streamOptions is where chat's stream_options stand, if anywhere.
	streamOptions place
	// usage says that the client asks for the usage of a chat stream.
	usage bool
	// previous is where a request of Responses names the response that it
	// continues, previousID the id, as the provider knows it once it is opened.
	// sealedID is the id as the client sent it.
	previous             place
	previousID, sealedID string
	// unstored says that the response is not to be stored, so that nobody will
	// ask for it again.
	unstored bool
	// others are members by which a provider may be made to ask another model
	// besides or instead; and options are the places of what may hold such ones.
	others  []string
	options []place
	// outputLimit is how many tokens the answer may have; 0 where the request
	// does not say.
	outputLimit int
	// marked says that the body has members that may hold what another vendor's
	// model said.
	marked bool
	// files are the strings that look like pictures or other files, fileBytes is
	// how long these are together.
	files, fileBytes int
	// surcharge names a member for which a request costs something else than the
	// catalog says; empty for none.
	surcharge string
	// seen are the members found so far that may stand only once.
	seen     []string
	seenRoom [4]string
}

// place is a range of bytes in a body, and how a model's name is written there.
type place struct {
	start, end int
	as         func(model string) string
}

// readRequest reads the body, once, and finds what it asks for.
func (x *exchange) readRequest() error {
	if err := x.readBody(); err != nil {
		return err
	}
	x.req.stream = x.op.streams()
	if x.op.form {
		kind, params, err := mime.ParseMediaType(x.r.Header.Get("Content-Type"))
		if kind == "multipart/form-data" {
			if err != nil {
				return fail(ErrInvalidRequest, "the Content-Type cannot be read: %v", err)
			}
			x.req.boundary = params["boundary"]
			return x.req.inspectForm()
		}
	}
	if err := x.req.inspect(&x.op); err != nil {
		return err
	}
	if x.req.model == "" {
		return fail(ErrInvalidRequest, "the request names no model; add \"model\", one of those that GET /v1/models lists")
	}
	return nil
}

// readBody reads to the very end: net/http watches for the client's leaving
// only once it has seen that.
func (x *exchange) readBody() error {
	limit := x.gateway.MaxBody
	if encoding := x.r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return fail(ErrUnsupportedEncoding, "the body is compressed (%s); send it as it is", quoted(encoding))
	}
	if x.r.ContentLength > limit {
		return tooLarge(limit)
	}
	src := x.r.Body
	if x.r.ContentLength < 0 { // else net/http reads no more than that
		src = http.MaxBytesReader(x.w, src, limit)
	}
	body, err := x.gateway.buffers.readAll(src, x.r.ContentLength)
	x.req.body, x.req.read, x.req.loan = body, err == nil, x.gateway.buffers.lend(body)
	tooMuch, limited := errors.AsType[*http.MaxBytesError](err)
	foreign, refused := errors.AsType[caddyhttp.HandlerError](err)
	switch {
	case err == nil:
		return nil
	case limited:
		return tooLarge(tooMuch.Limit)
	case refused && foreign.StatusCode == http.StatusRequestEntityTooLarge:
		return fail(ErrRequestTooLarge, "the body is larger than request_body of this site allows")
	case errors.Is(err, os.ErrDeadlineExceeded):
		return fail(ErrRequestTimeout, "the body stopped coming")
	case x.r.Context().Err() != nil:
		return fail(ErrClientClosed, "the client went away")
	default:
		return fail(ErrInvalidRequest, "the body ended too early")
	}
}

func tooLarge(limit int64) error {
	return fail(ErrRequestTooLarge, "the body is larger than %d bytes, the limit of this gateway", limit)
}

// markedMembers are those that make a request foreign to some target: seals, and
// calls of functions, which Gemini wants to have signed.
var markedMembers = append([]string{"functionCall", "function_call"}, api.SealedMembers...)

// inspect finds the model and the stream flag in a JSON body. Texts are for whoever
// reads them: a relay leaves them as they are.
func (req *request) inspect(op *operation) error {
	it := jsonscan.StrictNames(req.body, markedMembers...)
	for it.Next() {
		if err := req.member(op, &it); err != nil {
			return err
		}
	}
	if it.Err != nil {
		return unreadable(it.Err)
	}
	req.marked = it.Found()
	req.files, req.fileBytes = it.Files()
	if op.api == api.Gemini {
		return req.setPathModel(op.model)
	}
	return nil
}

func unreadable(err error) error {
	return fail(ErrInvalidRequest, "the body cannot be read: %v", err)
}

// toDecode makes ready for decoding the body. What a decoder makes of broken strings
// is not what the client sent; and what is decoded refers to the body's memory.
func (req *request) toDecode() error {
	it := jsonscan.StrictObject(req.body)
	for it.Next() {
	}
	if it.Err != nil {
		return unreadable(it.Err)
	}
	req.loan.keep()
	return nil
}

func (req *request) setPathModel(name string) error {
	if len(name) > maxModelName {
		return nameTooLong()
	}
	req.model = name
	return nil
}

func (req *request) member(op *operation, it *jsonscan.Iter) error {
	if op.api == api.Gemini {
		return req.geminiMember(it)
	}
	switch string(it.Key) {
	case "model":
		return req.setModel(it)
	case "stream":
		req.stream = string(it.Value()) == "true"
		return req.once("stream")
	case "stream_options":
		if op.api == api.Chat {
			req.streamOptions = place{start: it.Start, end: it.End}
			req.usage = string(jsonscan.Member(it.Value(), "include_usage")) == "true"
		}
		return req.once("stream_options")
	case "store", "previous_response_id":
		if op.api == api.Responses {
			return req.state(it)
		}
		return nil
	case "max_tokens", "max_completion_tokens", "max_output_tokens":
		req.outputLimit = number(it.Value())
		return nil
	default:
		req.noteSurcharge(it)
		return req.otherMember(it)
	}
}

// noteSurcharge remembers a member for which the request costs something else.
func (req *request) noteSurcharge(it *jsonscan.Iter) {
	if surcharged(string(it.Key), it.Value()) && (req.surcharge == "" || isModalities(req.surcharge)) {
		req.surcharge = string(it.Key)
	}
}

// state finds what a request of Responses says of what the provider stores.
func (req *request) state(it *jsonscan.Iter) error {
	if string(it.Key) == "store" {
		req.unstored = string(it.Value()) == "false"
		return req.once("store")
	}
	if !api.Empty(it.Value()) {
		id, ok := jsonscan.String(it.Value())
		if !ok {
			return fail(ErrInvalidRequest, "\"previous_response_id\" must be a string")
		}
		req.previous, req.previousID = place{start: it.Start, end: it.End}, id
	}
	return req.once("previous_response_id")
}

// once refuses a member that stands twice: some parsers take the first, others
// the last.
func (req *request) once(key string) error {
	if slices.Contains(req.seen, key) {
		return fail(ErrInvalidRequest, "the member %q stands twice", key)
	}
	if req.seen == nil {
		req.seen = req.seenRoom[:0]
	}
	req.seen = append(req.seen, key)
	return nil
}

func (req *request) setModel(it *jsonscan.Iter) error {
	if err := req.once("model"); err != nil {
		return err
	}
	name, ok := jsonscan.String(it.Value())
	switch {
	case !ok:
		return fail(ErrInvalidRequest, "\"model\" must be a string")
	case name == "":
		return fail(ErrInvalidRequest, "\"model\" is empty")
	case len(name) > maxModelName:
		return nameTooLong()
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fail(ErrInvalidRequest, "\"model\" holds a control character, or is not valid UTF-8")
	}
	req.model = name
	req.names = append(req.room[:0], place{it.Start, it.End, inQuotes})
	return nil
}

// maxBatch is how many requests a batch of Gemini's may hold; its own limit is
// lower.
const maxBatch = 4096

// geminiMember finds the places where a Gemini body repeats the path's model:
// embedContent's model, each of batchEmbedContents' requests, and countTokens'
// generateContentRequest.
func (req *request) geminiMember(it *jsonscan.Iter) error {
	switch string(it.Key) {
	case "model":
		if _, isString := jsonscan.String(it.Value()); !isString {
			return fail(ErrInvalidRequest, "\"model\" must be a string")
		}
		req.addGeminiName(it.Value(), it.Start)
		return req.once("model")
	case "generationConfig", "generation_config":
		config := jsonscan.Object(it.Value())
		for config.Next() {
			switch string(config.Key) {
			case "maxOutputTokens", "max_output_tokens":
				req.outputLimit = number(config.Value())
			default:
				req.noteSurcharge(&config)
			}
		}
	case "generateContentRequest", "generate_content_request": // protobuf's JSON takes either
		req.geminiObject(it.Value(), it.Start)
	case "requests":
		requests := jsonscan.Array(it.Value())
		for requests.Next() {
			if req.geminiObject(requests.Value(), it.Start+requests.Start); len(req.names) > maxBatch {
				return fail(ErrInvalidRequest, "the batch has more than %d requests", maxBatch)
			}
		}
	default:
		req.noteSurcharge(it)
	}
	return nil
}

func (req *request) geminiObject(raw []byte, offset int) {
	it := jsonscan.Object(raw)
	for it.Next() {
		if string(it.Key) == "model" {
			req.addGeminiName(it.Value(), offset+it.Start)
		}
	}
}

func (req *request) addGeminiName(raw []byte, start int) {
	if _, isString := jsonscan.String(raw); isString {
		req.names = append(req.names, place{start, start + len(raw), asResource})
	}
}
