package api

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Quote is s as a JSON string, without the escapes for HTML that encoding/json
// adds. What is not UTF-8 becomes U+FFFD.
func Quote(s string) json.RawMessage { return AppendQuoted(nil, s) }

// AppendQuoted appends s as a JSON string to dst.
func AppendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); {
		b := s[i]
		if b >= ' ' && b != '"' && b != '\\' && b < utf8.RuneSelf {
			i++
			continue
		}
		if b >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && size == 1 {
				dst = append(append(dst, s[from:i]...), `\ufffd`...)
				from = i + 1
			}
			i += size
			continue
		}
		dst = append(append(dst, s[from:i]...), escapes[b]...)
		i++
		from = i
	}
	return append(append(dst, s[from:]...), '"')
}

// escapes are those of RFC 8259, section 7, by byte.
var escapes = func() (table [utf8.RuneSelf]string) {
	const digits = "0123456789abcdef"
	for b := range byte(' ') {
		table[b] = `\u00` + string(digits[b>>4]) + string(digits[b&15])
	}
	table['\n'], table['\r'], table['\t'], table['"'], table['\\'] = `\n`, `\r`, `\t`, `\"`, `\\`
	return table
}()

// Unquote is the text of a JSON string. What is none gives its own bytes.
func Unquote(raw json.RawMessage) string {
	if s, ok := jsonscan.String(raw); ok {
		return s
	}
	return string(raw)
}

// Literal is raw as a JSON string that is safe to copy into other JSON: raw
// itself where it is one, as it nearly always is.
func Literal(raw []byte) json.RawMessage {
	if len(raw) < 2 || raw[0] != '"' {
		return Quote(string(raw))
	}
	for _, b := range raw[1 : len(raw)-1] {
		if b < ' ' || b == '\\' || b >= utf8.RuneSelf {
			if json.Valid(raw) && utf8.Valid(raw) {
				return raw
			}
			return Quote(strings.ToValidUTF8(string(raw[1:len(raw)-1]), "\ufffd"))
		}
	}
	return raw
}
