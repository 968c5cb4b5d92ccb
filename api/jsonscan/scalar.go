package jsonscan

import (
	"slices"
	"strings"
)

// scalar passes a literal or a number.
func (c *cursor) scalar() error {
	rest := c.data[c.i:]
	n := number(rest)
	if n == 0 {
		n = literal(rest)
	}
	if n > 0 && (n == len(rest) || delimits[rest[n]]) {
		c.i += n
		return nil
	}
	if cutShort(rest) {
		c.i = len(c.data)
	}
	return c.fail("expected a value")
}

// delimits is what may follow a literal or a number, or makes another fault there.
var delimits = [256]bool{
	' ': true, '\t': true, '\n': true, '\r': true, ',': true, ':': true, '"': true,
	'{': true, '}': true, '[': true, ']': true,
}

// cutShort tells whether more of the document might have made a value of the
// word that ends it.
func cutShort(word []byte) bool {
	for _, literal := range []string{"true", "false", "null"} {
		if strings.HasPrefix(literal, string(word)) {
			return true
		}
	}
	longer := append(slices.Clip(word), '0')
	return number(longer) == len(longer)
}

// literal is the length of the literal that text begins with, else 0.
func literal(text []byte) int {
	switch {
	case len(text) >= 4 && (string(text[:4]) == "true" || string(text[:4]) == "null"):
		return 4
	case len(text) >= 5 && string(text[:5]) == "false":
		return 5
	}
	return 0
}

// number is the length of the number that text begins with (RFC 8259, section 6),
// else 0.
func number(text []byte) int {
	i := 0
	if len(text) > 0 && text[0] == '-' {
		i = 1
	}
	switch whole := digits(text, i); {
	case whole == 0:
		return 0
	case text[i] == '0':
		i++
	default:
		i += whole
	}
	if i < len(text) && text[i] == '.' {
		n := digits(text, i+1)
		if n == 0 {
			return i
		}
		i += 1 + n
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		from := i + 1
		if from < len(text) && (text[from] == '+' || text[from] == '-') {
			from++
		}
		if n := digits(text, from); n > 0 {
			i = from + n
		}
	}
	return i
}

// digits is how many stand from i on.
func digits(text []byte, i int) int {
	from := i
	for i < len(text) && text[i]-'0' <= 9 {
		i++
	}
	return i - from
}
