package direct

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// userAgent is what net/http says of itself where a request says nothing.
const userAgent = "Go-http-client/1.1"

// buffer is what a request is written from. Its memory is used again as soon as
// the request has been written: it is not held while the answer is awaited.
type buffer struct {
	b      []byte
	keys   []string
	pieces net.Buffers // of the body, after the header
	unsent net.Buffers // those still to be written
	one    [1]byte
}

// bufferSize is a TLS record, and how much of a body is copied at a time.
const bufferSize = 16 << 10

var buffers = sync.Pool{New: func() any { return &buffer{b: make([]byte, 0, bufferSize)} }}

func takeBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) release() {
	clear(b.keys)
	b.b, b.keys, b.unsent = b.b[:0], b.keys[:0], nil
	if cap(b.b) <= 2*bufferSize {
		buffers.Put(b)
	}
}

// header writes the header of a request that has been checked. Fields are in the
// order of their names, so that a request always reads the same.
func (b *buffer) header(req *http.Request, length int64, closing bool) error {
	host, err := hostOf(req)
	if err != nil {
		return err
	}
	uri := req.URL.RequestURI()
	if strings.ContainsFunc(uri, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return errors.New("direct: the request's URL holds a control character")
	}
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	b.b = append(append(append(append(b.b, method...), ' '), uri...), " HTTP/1.1\r\n"...)
	b.field("Host", host)
	agent := userAgent
	if values, ok := req.Header["User-Agent"]; ok {
		agent = ""
		if len(values) > 0 {
			agent = textproto.TrimString(values[0])
		}
	}
	if agent != "" {
		b.field("User-Agent", agent)
	}
	if closing && !httpguts.HeaderValuesContainsToken(req.Header["Connection"], "close") {
		b.field("Connection", "close")
	}
	if length > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		b.b = append(b.b, "Content-Length: "...)
		b.b = append(strconv.AppendInt(b.b, length, 10), "\r\n"...)
	}
	b.rest(req.Header)
	b.b = append(b.b, "\r\n"...)
	return nil
}

// rest writes the fields that the transport has no say in.
func (b *buffer) rest(header http.Header) {
	for name := range header {
		if !ours(name) {
			b.keys = append(b.keys, name)
		}
	}
	slices.Sort(b.keys)
	for _, name := range b.keys {
		for _, value := range header[name] {
			b.field(name, textproto.TrimString(value))
		}
	}
}

func (b *buffer) field(name, value string) {
	b.b = append(append(append(append(b.b, name...), ": "...), value...), "\r\n"...)
}

// ours tells whether a field is the transport's own matter. Those that frame the
// message are, however they are spelled: two of them would be two messages to some.
func ours(name string) bool {
	switch len(name) {
	case len("Host"):
		return strings.EqualFold(name, "Host")
	case len("Trailer"):
		return strings.EqualFold(name, "Trailer")
	case len("User-Agent"):
		return name == "User-Agent"
	case len("Content-Length"):
		return strings.EqualFold(name, "Content-Length")
	case len("Transfer-Encoding"):
		return strings.EqualFold(name, "Transfer-Encoding")
	}
	return false
}

// hostOf is the Host of a request. One that is no host at all, like the path of a
// Unix socket, is sent empty, as net/http does.
func hostOf(req *http.Request) (string, error) {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	host, err := httpguts.PunycodeHostPort(host)
	if err != nil {
		return "", fmt.Errorf("direct: the request's host: %w", err)
	}
	if !httpguts.ValidHostHeader(host) {
		return "", nil
	}
	return withoutZone(host), nil
}

// withoutZone is a host without the zone of an IPv6 address, which means nothing
// to the server (RFC 6874, section 4).
func withoutZone(host string) string {
	if !strings.HasPrefix(host, "[") {
		return host
	}
	end := strings.LastIndexByte(host, ']')
	if end < 0 {
		return host
	}
	if zone := strings.LastIndexByte(host[:end], '%'); zone >= 0 {
		return host[:zone] + host[end:]
	}
	return host
}
