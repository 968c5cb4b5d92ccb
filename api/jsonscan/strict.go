package jsonscan

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// StrictObject goes through the members of the object that is the whole of data
// as Object does, and checks the inside of every string that it passes too: no
// control characters, no escapes that JSON does not have (RFC 8259, section 7),
// and UTF-8. Parsers differ in what they make of the rest; what all of them
// read alike hides nothing.
func StrictObject(data []byte) Iter { return openStrictly(data, ofAll) }

// StrictNames does so with the names of members, at every level, and looks in all
// other strings for control characters only. A broken escape or broken UTF-8 there
// moves no member, and whoever reads the value finds it: this takes a third of the
// time.
//
// Found will tell whether any member, at any level, has one of the wanted names.
func StrictNames(data []byte, wanted ...string) Iter {
	it := openStrictly(data, ofNames)
	it.c.wanted = wanted
	for _, name := range wanted {
		it.c.initials |= initial([]byte(name))
	}
	return it
}

// Found tells whether one of the members passed so far has a wanted name.
func (it *Iter) Found() bool { return it.c.found }

// leastFile is the size in bytes from which on a string may be a file.
const leastFile = 4000

// Files are the strings passed so far that look like files, in base64 or as a data
// URL of it, of 4,000 bytes and more; and how many bytes these have. StrictObject
// does not look for them.
func (it *Iter) Files() (count, bytes int) { return it.c.files, it.c.fileBytes }

// isFile looks at the first bytes of a text, in which prose has a space.
func isFile(text []byte) bool {
	for i, c := range text[:256] {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '+' <= c && c <= ';', c == '_':
		case c == '\\' && text[i+1] == '/': // as PHP writes a slash
		default:
			return false
		}
	}
	return true
}

func openStrictly(data []byte, which checks) Iter {
	it := Iter{c: cursor{data: data, checks: which}, object: true}
	it.open('{', ErrNotObject)
	return it
}

// What is wrong inside a string.
const (
	badControl = "a control character in a string"
	badEscape  = "a broken escape in a string"
	badUTF8    = "a string that is not valid UTF-8"
)

// strictStr passes a string and checks its inside.
func (c *cursor) strictStr() error {
	start := c.i + 1
	end, ok := c.closing(start)
	if !ok {
		c.i = end
		return c.fail(badEscape)
	}
	if at, what := checkText(c.data[start:end]); what != "" {
		c.i = start + at
		return c.fail(what)
	}
	if c.i = end; !c.take('"') {
		return c.fail("")
	}
	return nil
}

// closing is where the quote stands that closes the string whose inside begins
// at i, or else the escape that is none. Escapes that are far apart, as in
// prose, are looked for one by one; in code it is faster to find all of a block
// at once.
func (c *cursor) closing(i int) (end int, ok bool) {
	const far = 32
	quote, dense := -1, false
	for i < len(c.data) {
		if dense {
			if i, dense, ok = c.escapes(i); i < 0 {
				return ^i, ok
			}
			continue
		}
		if quote < i {
			quote = i + index(c.data[i:], '"')
		}
		n := index(c.data[i:quote], '\\')
		if i += n; i == quote {
			return i, true
		}
		if dense = n < far; !dense {
			if !escape(c.data[i:]) {
				return i, false
			}
			i += 2
		}
	}
	return len(c.data), true
}

// index is where b stands in text, or the end of text.
func index(text []byte, b byte) int {
	if i := bytes.IndexByte(text, b); i >= 0 {
		return i
	}
	return len(text)
}

// escapes passes a block. It returns where to go on, and whether the block has
// so many escapes that another one may follow; or, as its complement, where the
// closing quote stands, or else the escape that is none.
func (c *cursor) escapes(i int) (next int, dense, ok bool) {
	text := c.data[i:min(i+block, len(c.data))]
	next = i + len(text)
	count := 0
	for found := specials(text); found != 0; count++ {
		at := bits.TrailingZeros64(found) & (block - 1)
		if text[at] == '"' {
			return ^(i + at), false, true
		}
		if !escape(c.data[i+at:]) {
			return ^(i + at), false, false
		}
		// What it escapes may be a quote or a backslash.
		found &^= 3 << at
		next = max(next, i+at+2)
	}
	return next, count > 2, true
}

// escape tells whether text begins with an escape. One that the end of the
// document cuts short may have become one.
func escape(text []byte) bool {
	if len(text) < 2 {
		return true
	}
	kind := escapeKinds[text[1]]
	return kind == simple || kind == unicode && allHex(text[2:min(6, len(text))])
}

var escapeKinds = [256]uint8{
	'"': simple, '\\': simple, '/': simple, 'b': simple, 'f': simple, 'n': simple, 'r': simple, 't': simple, 'u': unicode,
}

const (
	simple  = 1
	unicode = 2
)

func allHex(text []byte) bool {
	for _, b := range text {
		if !isHex(b) {
			return false
		}
	}
	return true
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'f'
}

// For looking at eight bytes at once.
const (
	ones  = 0x0101010101010101
	lows  = 0x7f7f7f7f7f7f7f7f
	highs = 0x8080808080808080
)

// block is how many bytes a word has bits for.
const block = 64

// specials has a bit for each byte of a block that is a quote or a backslash.
func specials(text []byte) (found uint64) {
	if len(text) < block {
		for i, b := range text {
			if b == '"' || b == '\\' {
				found |= 1 << i
			}
		}
		return found
	}
	p := (*[block]byte)(text)
	for i := 0; i < block; i += 8 {
		x := binary.LittleEndian.Uint64(p[i : i+8 : i+8])
		quote, backslash := x^(ones*'"'), x^(ones*'\\')
		// The high bit of each byte that is not zero; no byte carries over.
		other := (quote&lows + lows | quote) & (backslash&lows + lows | backslash)
		// The product has the eight high bits side by side in its top byte.
		found = found>>8 | (^other&highs>>7)*0x0102040810204080&(0xff<<56)
	}
	return found
}

// checkText looks for control characters and broken UTF-8, and tells where the
// first of them stands.
func checkText(text []byte) (at int, what string) {
	if plain(text) || !hasControl(text) && utf8.Valid(text) {
		return 0, ""
	}
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case text[i] < ' ':
			return i, badControl
		case r == utf8.RuneError && size == 1:
			return i, badUTF8
		}
		i += size
	}
	return 0, ""
}

// plain tells whether all of text is ASCII without control characters. Taking a
// space from each byte sets the high bit of one that is less, and in that case
// alone borrows from its neighbour.
func plain(text []byte) bool {
	var odd, more uint64
	i := 0
	for ; i <= len(text)-32; i += 32 {
		p := (*[32]byte)(text[i:])
		a, b := binary.LittleEndian.Uint64(p[:]), binary.LittleEndian.Uint64(p[8:])
		c, d := binary.LittleEndian.Uint64(p[16:]), binary.LittleEndian.Uint64(p[24:])
		odd |= (a - ones*' ') | a | ((b - ones*' ') | b)
		more |= (c - ones*' ') | c | ((d - ones*' ') | d)
	}
	odd |= more
	for ; i <= len(text)-8; i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		odd |= (x - ones*' ') | x
	}
	for _, x := range text[i:] {
		odd |= uint64((x - ' ') | x)
	}
	return odd&highs == 0
}

// hasControl tells whether text, which may be more than ASCII, has a control
// character.
func hasControl(text []byte) bool {
	var less uint64
	i := 0
	for ; i <= len(text)-32; i += 32 {
		p := (*[32]byte)(text[i:])
		a, b := binary.LittleEndian.Uint64(p[:]), binary.LittleEndian.Uint64(p[8:])
		c, d := binary.LittleEndian.Uint64(p[16:]), binary.LittleEndian.Uint64(p[24:])
		less |= (a-ones*' ')&^a | (b-ones*' ')&^b | (c-ones*' ')&^c | (d-ones*' ')&^d
	}
	for ; i <= len(text)-8; i += 8 {
		x := binary.LittleEndian.Uint64(text[i:])
		less |= (x - ones*' ') &^ x
	}
	for _, x := range text[i:] {
		less |= uint64((x - ' ') &^ x)
	}
	return less&highs != 0
}
