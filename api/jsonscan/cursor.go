package jsonscan

import (
	"bytes"
	"slices"
	"strings"
)

// cursor is a place in a document. Its methods move it past one thing, or say
// why they can't.
type cursor struct {
	data   []byte
	i      int
	checks checks
	// wanted are names of members, initials has a bit for each, and found tells
	// that one of them stands somewhere.
	wanted   []string
	initials uint64
	found    bool
	// files are the strings so far that look like files, fileBytes their bytes.
	files, fileBytes int
}

func (c *cursor) fail(what string) error {
	if c.i >= len(c.data) {
		what = "it ends too early"
	}
	return &SyntaxError{Offset: c.i, What: what}
}

func (c *cursor) space() {
	for c.i < len(c.data) {
		switch c.data[c.i] {
		case ' ', '\t', '\n', '\r':
			c.i++
		default:
			return
		}
	}
}

func (c *cursor) take(b byte) bool {
	if c.i < len(c.data) && c.data[c.i] == b {
		c.i++
		return true
	}
	return false
}

func (c *cursor) expect(b byte) error {
	if c.space(); !c.take(b) {
		return c.fail("expected '" + string(b) + "'")
	}
	return nil
}

// checks says of which strings the inside is checked too.
type checks uint8

const (
	ofNone checks = iota
	ofNames
	ofAll
)

// key passes a string and gives the bounds of its inside.
func (c *cursor) key() (from, to int, err error) {
	if c.i >= len(c.data) || c.data[c.i] != '"' {
		return 0, 0, c.fail("expected a member's name in double quotes")
	}
	from = c.i + 1
	if !c.shortName() {
		if c.checks == ofNone {
			err = c.str()
		} else {
			err = c.strictStr()
		}
	}
	if err != nil {
		return 0, 0, err
	}
	if to = c.i - 1; !c.found && c.initials&initial(c.data[from:to]) != 0 {
		c.found = slices.Contains(c.wanted, string(c.data[from:to]))
	}
	return from, to, nil
}

// initial is a bit for the first letter of a name and its length.
func initial(name []byte) uint64 {
	if len(name) == 0 {
		return 0
	}
	return 1 << ((int(name[0]) + 7*len(name)) % 64)
}

// shortName passes a string of a few plain characters, as nearly all names are.
func (c *cursor) shortName() bool {
	const short = 24
	text := c.data[c.i+1:]
	for i, b := range text[:min(short, len(text))] {
		switch {
		case b == '"':
			c.i += i + 2
			return true
		case b < ' ' || b == '\\' || b >= 0x80:
			return false
		}
	}
	return false
}

// name passes a member's name, its colon and the space up to the value.
func (c *cursor) name() (from, to int, err error) {
	if from, to, err = c.key(); err != nil {
		return 0, 0, err
	}
	if err = c.expect(':'); err != nil {
		return 0, 0, err
	}
	c.space()
	return from, to, nil
}

// atEnd checks that nothing but space follows.
func (c *cursor) atEnd() error {
	if c.space(); c.i < len(c.data) {
		return c.fail("more after the end of the document")
	}
	return nil
}

// value passes one value of any kind.
func (c *cursor) value() error {
	if c.i >= len(c.data) {
		return c.fail("")
	}
	switch b := c.data[c.i]; {
	case b == '"':
		return c.str()
	case b == '{' || b == '[':
		return c.container()
	default:
		return c.scalar()
	}
}

// str passes a string, checks as much of its inside as is to be checked, and notes
// whether it is a file.
func (c *cursor) str() error {
	if c.checks == ofAll {
		return c.strictStr()
	}
	start := c.i + 1
	c.i = closingQuote(c.data, start, c.checks == ofNames)
	if c.i < len(c.data) && c.data[c.i] != '"' {
		return c.fail(badControl)
	}
	if text := c.data[start:c.i]; len(text) >= leastFile && isFile(text) {
		c.files++
		c.fileBytes += len(text)
	}
	if !c.take('"') {
		return c.fail("")
	}
	return nil
}

// container passes an object or an array. It keeps a bit for each open level
// instead of recursing, so that a hostile document costs no stack.
func (c *cursor) container() error {
	var isObject [MaxDepth/64 + 1]uint64
	depth := 0
	for {
		// Here a value begins.
		if c.i < len(c.data) && (c.data[c.i] == '{' || c.data[c.i] == '[') {
			if depth++; depth > MaxDepth {
				return ErrTooDeep
			}
			bit := uint64(1) << (depth % 64)
			isObject[depth/64] &^= bit
			if c.data[c.i] == '{' {
				isObject[depth/64] |= bit
			}
			c.i++
			if c.space(); !c.closes(isObject[depth/64]&bit != 0) {
				if err := c.memberName(isObject[depth/64]&bit != 0); err != nil {
					return err
				}
				continue
			}
			depth--
		} else if err := c.value(); err != nil {
			return err
		}
		// Here a value has ended: close what closes, else go to the next one.
		for {
			if depth == 0 {
				return nil
			}
			object := isObject[depth/64]&(uint64(1)<<(depth%64)) != 0
			if c.space(); c.closes(object) {
				depth--
				continue
			}
			if err := c.expect(','); err != nil {
				return err
			}
			c.space()
			if err := c.memberName(object); err != nil {
				return err
			}
			break
		}
	}
}

// closes passes the closing bracket of an object or array, if it stands here.
func (c *cursor) closes(object bool) bool {
	if object {
		return c.take('}')
	}
	return c.take(']')
}

// memberName passes a name and its colon, where the container has them.
func (c *cursor) memberName(object bool) error {
	if !object {
		return nil
	}
	_, _, err := c.name()
	return err
}

// scalar passes a literal or a number.
func (c *cursor) scalar() error {
	start := c.i
	for c.i < len(c.data) && !delimits(c.data[c.i]) {
		c.i++
	}
	switch word := c.data[start:c.i]; {
	case string(word) == "true", string(word) == "false", string(word) == "null", number(word):
		return nil
	}
	if !cutShort(c.data[start:]) {
		c.i = start
	}
	return c.fail("expected a value")
}

// cutShort tells whether more of the document might have made a value of the
// word that ends it.
func cutShort(word []byte) bool {
	for _, literal := range []string{"true", "false", "null"} {
		if strings.HasPrefix(literal, string(word)) {
			return true
		}
	}
	return number(append(slices.Clip(word), '0'))
}

func delimits(b byte) bool {
	switch b {
	case ' ', '\t', '\n', '\r', ',', ':', '"', '{', '}', '[', ']':
		return true
	}
	return false
}

// number checks the grammar of RFC 8259, section 6.
func number(w []byte) bool {
	w = bytes.TrimPrefix(w, []byte("-"))
	whole := digits(w)
	if whole == 0 || whole > 1 && w[0] == '0' {
		return false
	}
	w = w[whole:]
	if len(w) > 0 && w[0] == '.' {
		n := digits(w[1:])
		if n == 0 {
			return false
		}
		w = w[1+n:]
	}
	if len(w) > 0 && (w[0] == 'e' || w[0] == 'E') {
		w = w[1:]
		if len(w) > 0 && (w[0] == '+' || w[0] == '-') {
			w = w[1:]
		}
		n := digits(w)
		return n > 0 && n == len(w)
	}
	return len(w) == 0
}

func digits(w []byte) int {
	n := 0
	for n < len(w) && w[n] >= '0' && w[n] <= '9' {
		n++
	}
	return n
}
