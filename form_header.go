package plexus

import (
	"bytes"
	"mime"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// partHeader is the header of one part of a form.
type partHeader struct {
	fields map[string]string // by their names in lower case
	name   string
	file   bool
	// length is where the value of Content-Length stands, if anywhere.
	length place
}

// maxPartHeader is the size in bytes of a part's header, a long file name
// included.
const maxPartHeader = 8 << 10

// readPartHeader reads the header of a part, or tells what is wrong with it.
func readPartHeader(raw []byte) (h partHeader, what string) {
	switch {
	case len(raw) > maxPartHeader:
		return h, "its header is longer than " + strconv.Itoa(maxPartHeader) + " bytes"
	case !utf8.Valid(raw):
		return h, "its header is not valid UTF-8"
	}
	h.fields = map[string]string{}
	at := 0
	for line := range bytes.SplitSeq(raw, []byte("\r\n")) {
		if bytes.ContainsFunc(line, breaksLines) {
			return h, "its header has a bare line break or another control character"
		}
		name, value, found := strings.Cut(string(line), ":")
		if !found || !isToken(name) {
			return h, "a broken line in its header"
		}
		name = strings.ToLower(name)
		if _, twice := h.fields[name]; twice {
			return h, "its header has " + name + " twice"
		}
		h.fields[name] = strings.Trim(value, " \t")
		if at += len(line) + len("\r\n"); name == "content-length" {
			h.length = place{start: at - len("\r\n") - len(strings.TrimLeft(value, " \t")), as: lengthOf}
			h.length.end = h.length.start + len(h.fields[name])
		}
	}
	disposition, found := h.fields["content-disposition"]
	if !found {
		return h, "it has no Content-Disposition"
	}
	return h, h.readDisposition(disposition)
}

// breaksLines tells whether some parser may take a rune for a line break, or
// for the end of a text.
func breaksLines(r rune) bool {
	return unicode.IsControl(r) && r != '\t' || r == '\u2028' || r == '\u2029'
}

// isToken tells whether s is a token of RFC 9110, section 5.6.2.
func isToken(s string) bool { return s != "" && s == tokenOf(s) }

// tokenOf is the token at the start of s.
func tokenOf(s string) string {
	for i := range len(s) {
		if !isAlphanumeric(s[i]) && !strings.Contains("!#$%&'*+-.^_`|~", s[i:i+1]) {
			return s[:i]
		}
	}
	return s
}

// readDisposition reads `form-data; name="x"; filename="y"`. The name comes
// first, as all clients have it: some parsers search the text for `name=` and
// would find that of `filename=`.
func (h *partHeader) readDisposition(s string) (what string) {
	kind := tokenOf(s)
	if !strings.EqualFold(kind, "form-data") {
		return "its Content-Disposition is not form-data"
	}
	seen := ""
	for rest := s[len(kind):]; rest != "" || seen == ""; {
		key, value, tail, ok := parameter(rest)
		if rest = tail; !ok {
			return "its Content-Disposition is broken"
		}
		key = strings.ToLower(key)
		switch {
		case seen == "" && key == "name":
			h.name = value
		case seen == "":
			return "its Content-Disposition does not begin with the parameter name"
		case key != "filename" && key != "filename*" || seen == key:
			return "its Content-Disposition has more than a name and a file name"
		case nameInside.MatchString(value):
			return "its file name looks like a parameter of its Content-Disposition"
		default:
			h.file = true
		}
		seen = key
	}
	return checkFieldName(h.name)
}

// nameInside finds what a parser that knows no quotes would take for a name.
var nameInside = regexp.MustCompile(`(?i)name\s*\*?\s*=`)

// parameter reads `; key=value` or `; key="value"`. Whether a backslash escapes
// a quote is what browsers and RFCs disagree about, so there may be none before
// a quote.
func parameter(s string) (key, value, rest string, ok bool) {
	s, ok = strings.CutPrefix(strings.TrimLeft(s, " \t"), ";")
	s = strings.TrimLeft(s, " \t")
	key = tokenOf(s)
	s, found := strings.CutPrefix(s[len(key):], "=")
	if !ok || !found || key == "" {
		return "", "", "", false
	}
	if inner, isQuoted := strings.CutPrefix(s, `"`); isQuoted {
		value, rest, ok = strings.Cut(inner, `"`)
		return key, value, rest, ok && !strings.HasSuffix(value, `\`)
	}
	value = tokenOf(s)
	return key, value, s[len(value):], value != ""
}

// checkFieldName refuses names that some parser may read as another one.
func checkFieldName(name string) (what string) {
	for i := range len(name) {
		if !isAlphanumeric(name[i]) && !strings.Contains("-_.[]%", name[i:i+1]) {
			return "its name has characters other than letters, digits and -_.[]%"
		}
	}
	if name != "model" && structureOf(name) == "model" {
		return "its name " + quoted(name) + " may be taken for \"model\""
	}
	return ""
}

// structureOf is what a field is a part of for those who make structures of
// brackets and dots, as PHP, Rails and qs do; without regard to case and to
// percent-encoding, which aiohttp puts into names.
func structureOf(name string) string {
	for {
		decoded, err := url.PathUnescape(name)
		if err != nil || decoded == name {
			break
		}
		name = decoded
	}
	keys := strings.FieldsFunc(name, func(r rune) bool { return r == '[' || r == ']' || r == '.' })
	if len(keys) == 0 {
		return ""
	}
	return bare(keys[0])
}

// check looks at the rest of the header: what may make a parser read the value
// in another way than as it stands.
func (h *partHeader) check(size int) (what string) {
	kind, params, err := mime.ParseMediaType(h.fields["content-type"])
	if length := h.fields["content-length"]; length != "" && length != strconv.Itoa(size) {
		return "its Content-Length is not its length"
	}
	if strings.HasPrefix(strings.ToLower(h.fields["content-type"]), "multipart/") {
		return "it is a form in a form"
	}
	if h.name != "model" {
		return ""
	}
	charset := strings.ToLower(params["charset"])
	switch {
	case h.file:
		return "the model has a file name"
	case h.fields["content-transfer-encoding"] != "":
		return "the model has a Content-Transfer-Encoding"
	case h.fields["content-type"] == "":
		return ""
	case err != nil || kind != "text/plain" || !slices.Contains([]string{"", "utf-8", "us-ascii", "iso-8859-1"}, charset):
		return "the model is not of the type text/plain in UTF-8"
	}
	return ""
}
