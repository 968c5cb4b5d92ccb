package api

import (
	"bytes"
	"strings"
)

// sealPrefix marks data that travels through a client of another vendor.
const sealPrefix = "plexus:"

// Seal wraps a vendor's signature for a trip through a client whose format is
// another vendor's: the client sends it back as it is, and Unseal then tells
// whose it is. Nothing is secret about it.
func Seal(v Vendor, signature string) string {
	if signature == "" {
		return ""
	}
	return sealPrefix + string(v) + ":" + signature
}

// Unseal tells whose a signature is that a client sent: the vendor that Seal was
// given, else native, whose format the client speaks.
func Unseal(s string, native Vendor) (Vendor, string) {
	if rest, ok := strings.CutPrefix(s, sealPrefix); ok {
		if vendor, signature, ok := strings.Cut(rest, ":"); ok {
			return Vendor(vendor), signature
		}
	}
	return native, s
}

// Unsigned stands for the signature of reasoning that nobody signed, where a
// format demands one: sent back to the format's own vendor, it would be refused,
// and the seal tells that it is not for him. Unseal gives neither a vendor nor a
// signature for it.
const Unsigned = sealPrefix + ":"

// sealPrefix64 is how sealPrefix begins in base64, as which Gemini's signatures
// travel: https://ai.google.dev/api/caching#Part.
const sealPrefix64 = "cGxleHVzO"

// SealedMembers are the members in which the codecs of all formats put what is
// sealed, wherever these stand. A body without any of them needs no HasSeal.
var SealedMembers = []string{"data", "encrypted_content", "signature", "thoughtSignature", "thought_signature"}

// HasSeal tells whether a body, of whatever format, may hold data that Seal or
// Unsigned has marked: text of a JSON document that begins with the mark, or
// where the mark follows a word and a colon. One that has must not be relayed to
// the vendor of the format as it is: decode it and encode it, which leaves out
// what is of other vendors. A user who quotes a seal causes no more than that.
//
// Every body that is relayed is searched, so this looks for a byte of each mark
// that is rare, and passes over the rest at the speed of memory.
func HasSeal(body []byte) bool { return hasSeal(body) || hasSeal64(body) }

func hasSeal(body []byte) bool {
	word := []byte(sealPrefix[:len(sealPrefix)-1])
	for from := 0; ; {
		i := bytes.IndexByte(body[from:], ':')
		if i < 0 {
			return false
		}
		colon := from + i
		from = colon + 1
		before, found := bytes.CutSuffix(body[:colon], word)
		if found && len(before) > 0 && (before[len(before)-1] == '"' || before[len(before)-1] == ':') && namesVendor(body[from:]) {
			return true
		}
	}
}

// hasSeal64 leaves out what is far behind a quote, where nothing but the middle of
// a picture can be, which has every letter of the mark in every line.
func hasSeal64(body []byte) bool {
	const rare, window, longest = 'V', 4 << 10, 32
	at := strings.IndexByte(sealPrefix64, rare)
	for start := 0; start < len(body); start += window {
		end := min(start+window, len(body))
		if bytes.IndexByte(body[start:end], '"') < 0 {
			continue
		}
		end = min(end+longest, len(body))
		for i := start; i < end; i++ {
			n := bytes.IndexByte(body[i:end], rare)
			if n < 0 {
				break
			}
			if i += n; i >= at && bytes.HasPrefix(body[i-at:], []byte(sealPrefix64)) {
				return true
			}
		}
	}
	return false
}

// namesVendor tells whether a text goes on as a seal does: with a vendor, or with
// none, and a colon.
func namesVendor(rest []byte) bool {
	for _, v := range []Vendor{"", OpenAI, Anthropic, Google} {
		if name, ok := bytes.CutPrefix(rest, []byte(v)); ok && len(name) > 0 && name[0] == ':' {
			return true
		}
	}
	return false
}
