package jsonscan

import "slices"

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

func (c *cursor) space() { c.i = skip(c.data, c.i) }

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

// closes passes the closing bracket of an object or array, if it stands here.
func (c *cursor) closes(object bool) bool {
	if !closes(c.data, c.i, object) {
		return false
	}
	c.i++
	return true
}

// checks says of which strings the inside is checked too.
type checks uint8

const (
	ofNone checks = iota
	ofNames
	ofAll
)

// name passes a member's name that begins at i, its colon and the space up to the
// value. The inside of the name ends at to.
func (c *cursor) name(i int) (to, next int, err error) {
	if end := short(c.data, i); end > 0 && end < len(c.data) && c.data[end] == ':' {
		c.note(c.data[i+1 : end-1])
		return end - 1, skip(c.data, end+1), nil
	}
	c.i = i
	if err = c.key(); err != nil {
		return 0, c.i, err
	}
	to = c.i - 1
	if err = c.expect(':'); err != nil {
		return 0, c.i, err
	}
	return to, skip(c.data, c.i), nil
}

// key passes a name of any kind.
func (c *cursor) key() (err error) {
	if c.i >= len(c.data) || c.data[c.i] != '"' {
		return c.fail("expected a member's name in double quotes")
	}
	from := c.i + 1
	if c.checks == ofNone {
		err = c.str()
	} else {
		err = c.strictStr()
	}
	if err == nil {
		c.note(c.data[from : c.i-1])
	}
	return err
}

// note remembers that a wanted name stands somewhere.
func (c *cursor) note(name []byte) {
	if !c.found && c.initials&initial(name) != 0 {
		c.found = slices.Contains(c.wanted, string(name))
	}
}

// initial is a bit for the first letter of a name and its length.
func initial(name []byte) uint64 {
	if len(name) == 0 {
		return 0
	}
	return 1 << ((int(name[0]) + 7*len(name)) % 64)
}

// atEnd checks that nothing but space follows.
func (c *cursor) atEnd() error {
	if c.space(); c.i < len(c.data) {
		return c.fail("more after the end of the document")
	}
	return nil
}

// value passes one value of any kind.
func (c *cursor) value() (err error) {
	if opens(c.data, c.i) {
		return c.container()
	}
	c.i, err = c.leaf(c.i)
	return err
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
