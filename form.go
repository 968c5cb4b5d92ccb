package plexus

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// maxParts is how many fields a form may have. OpenAI's largest has about a
// dozen, and sixteen images.
const maxParts = 256

// inspectForm finds the model and the stream flag among the fields of a
// multipart form (RFC 7578). The standard library's reader gives the fields but
// not where they stand, which is what a relay needs to change one of them.
//
// Parsers forgive different things: text before the first boundary, bare line
// feeds, names written in unusual ways. A form that can be read in two ways
// could name one model to us and another one to the provider. So whatever is
// not written as every client writes it is refused.
func (req *request) inspectForm() error {
	if !validBoundary(req.boundary) {
		return fail(ErrInvalidRequest, "the Content-Type multipart/form-data has no boundary, or one that RFC 2046 does not allow")
	}
	delimiter := []byte("--" + req.boundary)
	if !bytes.HasPrefix(req.body, delimiter) {
		return fail(ErrInvalidRequest, "the form does not begin with its boundary")
	}
	at := len(delimiter)
	for n := 1; !bytes.HasPrefix(req.body[at:], []byte("--")); n++ {
		switch {
		case !bytes.HasPrefix(req.body[at:], []byte("\r\n")):
			return fail(ErrInvalidRequest, "a boundary of the form is not a line of its own that ends in CRLF")
		case n > maxParts:
			return fail(ErrInvalidRequest, "the form has more than %d fields", maxParts)
		}
		start := at + 2
		length := bytes.Index(req.body[start:], delimiter)
		if length < 0 {
			return fail(ErrInvalidRequest, "the form does not end with its boundary")
		}
		part, closed := bytes.CutSuffix(req.body[start:start+length], []byte("\r\n"))
		if !closed {
			return fail(ErrInvalidRequest, "field %d of the form holds the text of its boundary, or does not end in CRLF", n)
		}
		if err := req.field(n, start, part); err != nil {
			return err
		}
		at = start + length + len(delimiter)
	}
	// A lone CR or LF makes some parsers miss the end.
	rest, found := req.body[at+2:], true
	for found {
		rest, found = bytes.CutPrefix(rest, []byte("\r\n"))
	}
	if len(rest) > 0 {
		return fail(ErrInvalidRequest, "more after the end of the form")
	}
	if req.model == "" {
		return fail(ErrInvalidRequest, "the form has no field \"model\"")
	}
	return nil
}

// validBoundary tells whether a boundary is one by RFC 2046, section 5.1.1.
func validBoundary(b string) bool {
	if b == "" || len(b) > 70 || strings.HasSuffix(b, " ") {
		return false
	}
	for i := range len(b) {
		if !isAlphanumeric(b[i]) && !strings.Contains(`'()+_,-./:=? `, b[i:i+1]) {
			return false
		}
	}
	return true
}

func isAlphanumeric(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'z'
}

// field looks at the n-th part of the form, which begins at start with its
// header.
func (req *request) field(n, start int, part []byte) error {
	broken := func(what string) error { return fail(ErrInvalidRequest, "field %d of the form: %s", n, what) }
	raw, value, found := bytes.Cut(part, []byte("\r\n\r\n"))
	if !found {
		return broken("its header does not end in an empty line")
	}
	header, what := readPartHeader(raw)
	if what == "" {
		what = header.check(len(value))
	}
	if what != "" {
		return broken(what)
	}
	switch header.name {
	case "model":
		if req.model != "" {
			return fail(ErrInvalidRequest, "the field \"model\" stands twice")
		}
		switch {
		case !utf8.Valid(value):
			return broken("the model is not valid UTF-8")
		case len(value) > maxModelName:
			return nameTooLong()
		}
		if req.model = string(value); req.model == "" {
			return fail(ErrInvalidRequest, "the field \"model\" is empty")
		}
		if length := header.length; length.end > 0 {
			req.names = append(req.names, place{start + length.start, start + length.end, length.as})
		}
		end := start + len(part)
		req.names = append(req.names, place{end - len(value), end, asItIs})
	case "stream":
		req.stream = string(value) == "true"
	default:
		if otherModels[structureOf(header.name)] {
			req.others = append(req.others, header.name)
		}
	}
	return nil
}
