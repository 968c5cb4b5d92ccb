package jsonscan

import (
	"encoding/binary"
	"math/bits"
)

// What agents send is mostly schemas and calls of tools: a few bytes between one
// bracket or quote and the next. The steps from one to the next are therefore
// functions of a place: were it kept in memory, each would wait for the one before
// to have been written there.

// container passes an object or an array. It keeps a bit for each open level
// instead of recursing, so that a hostile document costs no stack.
func (c *cursor) container() (err error) {
	var in nesting
	data, i := c.data, c.i
	for {
		// Here a member or an element begins.
		if in.object {
			if _, i, err = c.name(i); err != nil {
				return err
			}
		}
		if opens(data, i) {
			if in.depth == MaxDepth {
				return ErrTooDeep
			}
			in.enter(data[i] == '{')
			if i = skip(data, i+1); !closes(data, i, in.object) {
				continue
			}
		} else if i, err = c.leaf(i); err != nil {
			return err
		}
		// Here a value has ended: close what closes, else go to the next one.
		for in.depth > 0 {
			if i = skip(data, i); !closes(data, i, in.object) {
				break
			}
			in.leave()
			i++
		}
		if c.i = i; in.depth == 0 {
			return nil
		}
		if !c.take(',') {
			return c.fail("expected ','")
		}
		i = skip(data, i+1)
	}
}

// nesting is which levels are open.
type nesting struct {
	objects [MaxDepth/64 + 1]uint64 // a bit for each level that is one
	depth   int
	object  bool // the innermost is one
}

func (n *nesting) enter(object bool) {
	n.depth++
	bit := uint64(1) << (n.depth % 64)
	n.objects[n.depth/64] &^= bit
	if n.object = object; object {
		n.objects[n.depth/64] |= bit
	}
}

func (n *nesting) leave() {
	n.depth--
	n.object = n.objects[n.depth/64]>>(n.depth%64)&1 != 0
}

// leaf passes a value that has no others in it.
func (c *cursor) leaf(i int) (int, error) {
	if end := short(c.data, i); end > 0 {
		return end, nil
	}
	c.i = i
	var err error
	if i < len(c.data) && c.data[i] == '"' {
		err = c.str()
	} else {
		err = c.scalar()
	}
	return c.i, err
}

// opens tells whether an object or an array begins here.
func opens(data []byte, i int) bool {
	return i < len(data) && (data[i] == '{' || data[i] == '[')
}

// closes tells whether an object or an array ends here.
func closes(data []byte, i int, object bool) bool {
	if object {
		return i < len(data) && data[i] == '}'
	}
	return i < len(data) && data[i] == ']'
}

// skip is where space ends.
func skip(data []byte, i int) int {
	const spaces = 1<<' ' | 1<<'\t' | 1<<'\n' | 1<<'\r'
	for i < len(data) && data[i] <= ' ' && spaces>>data[i]&1 != 0 {
		i++
	}
	return i
}

// short is the end of a string of a few plain characters that begins here, as
// nearly all names and many values are; else 0.
func short(data []byte, i int) int {
	const few = 24
	if i >= len(data) || data[i] != '"' {
		return 0
	}
	i++
	for last := i + few; i < last && i+8 <= len(data); i += 8 {
		if odd := notPlain(binary.LittleEndian.Uint64(data[i:])); odd != 0 {
			if i += bits.TrailingZeros64(odd) / 8; data[i] != '"' {
				return 0
			}
			return i + 1
		}
	}
	return 0
}

// notPlain has its lowest bit in the first byte that is a quote, a backslash, a
// control character or not ASCII. Bits above may be wrong: a byte that is less than
// what is taken from it borrows from the next.
func notPlain(x uint64) uint64 {
	quote, backslash := x^(ones*'"'), x^(ones*'\\')
	return ((quote-ones)&^quote | (backslash-ones)&^backslash | (x - ones*' ') | x) & highs
}
