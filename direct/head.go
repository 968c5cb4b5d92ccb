package direct

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http/httpguts"
)

// letter is what is sent of a request: its head, and what can be sent with it.
type letter struct {
	head  []byte
	parts net.Buffers
	room  [8][]byte
}

// letters are used again.
var letters = sync.Pool{New: func() any { return &letter{head: make([]byte, 0, together)} }}

// together is up to how many bytes head and body are put together, to be sent in
// one go where the pieces cannot be.
const together = 4 << 10

// mostKept is the largest letter in bytes that is used again.
const mostKept = 64 << 10

func (l *letter) free() {
	if cap(l.head) > mostKept {
		return
	}
	l.head, l.parts, l.room = l.head[:0], nil, [8][]byte{}
	letters.Put(l)
}

// write writes the head of a request, RFC 9112, section 3, as net/http does. An
// error names a header, not its value, which may be a secret.
func (l *letter) write(req *http.Request) error {
	target := req.URL.RequestURI()
	method := req.Method
	if method == "" {
		method = http.MethodGet
	}
	host, err := hostOf(req)
	switch {
	case err != nil:
		return err
	case !httpguts.ValidHeaderFieldName(method): // both are tokens
		return fmt.Errorf("invalid method %q", method)
	case strings.ContainsFunc(target, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return errors.New("a control character or a space in the URL")
	}
	l.head = append(l.head, method...)
	l.head = append(append(append(l.head, ' '), target...), " HTTP/1.1\r\n"...)
	l.field("Host", host)
	agent := "Go-http-client/1.1"
	if values, given := req.Header["User-Agent"]; given {
		if agent = ""; len(values) > 0 {
			agent = values[0]
		}
	}
	if agent != "" {
		if !httpguts.ValidHeaderFieldValue(agent) {
			return errors.New("invalid value of the header User-Agent")
		}
		l.field("User-Agent", agent)
	}
	if req.ContentLength > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		l.head = append(l.head, "Content-Length: "...)
		l.head = append(strconv.AppendInt(l.head, req.ContentLength, 10), "\r\n"...)
	}
	if err := l.fields(req.Header); err != nil {
		return err
	}
	l.head = append(l.head, "\r\n"...)
	return nil
}

func (l *letter) fields(header http.Header) error {
	for name, values := range header {
		switch name {
		case "Host", "User-Agent", "Content-Length":
			continue
		}
		if !httpguts.ValidHeaderFieldName(name) {
			return fmt.Errorf("invalid name of a header: %q", name)
		}
		for _, value := range values {
			if !httpguts.ValidHeaderFieldValue(value) {
				return fmt.Errorf("invalid value of the header %s", name)
			}
			l.field(name, value)
		}
	}
	return nil
}

func (l *letter) field(name, value string) {
	l.head = append(append(l.head, name...), ": "...)
	l.head = append(append(l.head, strings.Trim(value, " \t")...), "\r\n"...)
}

// hostOf is the Host of a request.
func hostOf(req *http.Request) (string, error) {
	host := req.Host
	if host == "" {
		host = req.URL.Host
	}
	ascii, err := httpguts.PunycodeHostPort(host)
	if err != nil || !httpguts.ValidHostHeader(ascii) {
		return "", fmt.Errorf("invalid Host %q", host)
	}
	// An IPv6 zone means nothing elsewhere: RFC 6874, section 1.
	if open := strings.IndexByte(ascii, '['); open == 0 {
		if zone, end := strings.IndexByte(ascii, '%'), strings.IndexByte(ascii, ']'); zone > 0 && zone < end {
			ascii = ascii[:zone] + ascii[end:]
		}
	}
	return ascii, nil
}

// addressOf is where a URL's server is, with the port.
func addressOf(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = "80"
		if u.Scheme == "https" {
			port = "443"
		}
	}
	host := u.Hostname()
	if ascii, err := httpguts.PunycodeHostPort(host); err == nil && !strings.Contains(host, ":") {
		host = ascii
	}
	return net.JoinHostPort(host, port)
}
