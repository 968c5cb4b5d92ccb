package plexus

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
)

// roundTrip asks the provider. An answer that is compressed though nobody asked for
// that, as one may be where a request says nothing of it, is made plain.
func (p *Provider) roundTrip(req *http.Request) (*http.Response, error) {
	res, err := p.transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if encoding := res.Header.Get("Content-Encoding"); strings.EqualFold(encoding, "gzip") || strings.EqualFold(encoding, "x-gzip") {
		res.Body = &unzipped{ReadCloser: res.Body}
		res.ContentLength, res.Uncompressed = unknownLength, true
		res.Header.Del("Content-Encoding")
		res.Header.Del("Content-Length")
	}
	return res, nil
}

// unzipped is a gzipped body, whose beginning is not waited for before it is read.
type unzipped struct {
	io.ReadCloser
	plain *gzip.Reader
}

// Read implements io.Reader.
func (u *unzipped) Read(b []byte) (n int, err error) {
	if u.plain == nil {
		if u.plain, err = gzip.NewReader(u.ReadCloser); err != nil {
			return 0, err
		}
	}
	return u.plain.Read(b)
}
