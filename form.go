package plexus

import (
	"bufio"
	"bytes"
	"mime"
	"net/textproto"
	"slices"
)

// inspectForm finds the model and the stream flag among the fields of a
// multipart form (RFC 7578). The standard library's reader gives the fields but
// not where they stand, which is what a relay needs to change one of them.
func (req *request) inspectForm() error {
	if req.boundary == "" {
		return fail(ErrInvalidRequest, "the Content-Type multipart/form-data has no boundary")
	}
	delimiter := []byte("\r\n--" + req.boundary)
	start, ok := afterDelimiter(req.body, delimiter)
	if !ok {
		return fail(ErrInvalidRequest, "the form does not begin with its boundary")
	}
	for {
		length := bytes.Index(req.body[start:], delimiter)
		if length < 0 {
			return fail(ErrInvalidRequest, "the form does not end with its boundary")
		}
		if err := req.field(start, start+length); err != nil {
			return err
		}
		start += length + len(delimiter)
		if bytes.HasPrefix(req.body[start:], []byte("--")) {
			break
		}
		if start, ok = lineEnd(req.body, start); !ok {
			return fail(ErrInvalidRequest, "a boundary of the form is not a line of its own")
		}
	}
	if req.model == "" {
		return fail(ErrInvalidRequest, "the form has no field \"model\"")
	}
	return nil
}

// afterDelimiter passes the first delimiter, which needs no line before it.
func afterDelimiter(body, delimiter []byte) (int, bool) {
	first := delimiter[2:]
	at := 0
	if !bytes.HasPrefix(body, first) {
		if at = bytes.Index(body, delimiter); at < 0 {
			return 0, false
		}
		at += 2
	}
	return lineEnd(body, at+len(first))
}

// lineEnd passes the white space and the line break behind a delimiter.
func lineEnd(body []byte, at int) (int, bool) {
	for at < len(body) && (body[at] == ' ' || body[at] == '\t') {
		at++
	}
	return at + 2, bytes.HasPrefix(body[at:], []byte("\r\n"))
}

// field looks at one part of the form, its headers included.
func (req *request) field(start, end int) error {
	part := req.body[start:end]
	header, _, found := bytes.Cut(part, []byte("\r\n\r\n"))
	if !found {
		return nil
	}
	fields, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(slices.Clip(header), "\r\n\r\n"...)))).ReadMIMEHeader()
	if err != nil {
		return fail(ErrInvalidRequest, "a part of the form has a broken header")
	}
	_, disposition, err := mime.ParseMediaType(fields.Get("Content-Disposition"))
	if err != nil {
		return fail(ErrInvalidRequest, "a part of the form has a broken Content-Disposition")
	}
	value := part[len(header)+4:]
	switch disposition["name"] {
	case "model":
		if req.model != "" {
			return fail(ErrInvalidRequest, "the field \"model\" stands twice")
		}
		if req.model = string(value); req.model == "" {
			return fail(ErrInvalidRequest, "the field \"model\" is empty")
		}
		req.names = append(req.names, place{start: end - len(value), end: end})
	case "stream":
		req.stream = string(value) == "true"
	}
	return nil
}
