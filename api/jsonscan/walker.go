package jsonscan

// Walker goes through a document once, however deep it goes in: where an Iter
// passes over a value before it is looked into, a Walker enters it.
//
//	w := jsonscan.Walk(data)
//	for w.Object(); w.Next(); {
//		if string(w.Key) == "choices" && w.Array() {
//			for w.Next() {
//				… w.Value(), or w.Object() and another loop …
//			}
//		}
//	}
//	if w.Err != nil { … }
//
// Each loop goes on to the end of what it has entered, where Next is false. What
// is neither entered nor asked for is passed over. The grammar of all that is
// passed is checked, and of all of data once the outermost loop has ended.
type Walker struct {
	// Key is the name of the current member, unescaped; nil in an array.
	Key []byte
	// Err is the first violation of the grammar, at which Next stops for good.
	Err error

	c       cursor
	open    [maxEntered]bool // whether what has been entered is an object
	depth   int
	started bool // the innermost has had a member
	waiting bool // a value stands here that has not been passed
}

// maxEntered is how deep a Walker enters.
const maxEntered = 16

// Walk begins before the value that is the whole of data.
func Walk(data []byte) Walker { return Walker{c: cursor{data: data}, waiting: true} }

// Object enters the current value if it is an object.
func (w *Walker) Object() bool { return w.enter('{') }

// Array enters the current value if it is an array.
func (w *Walker) Array() bool { return w.enter('[') }

func (w *Walker) enter(bracket byte) bool {
	if w.Err != nil || !w.waiting || w.depth == maxEntered {
		return false
	}
	if w.c.space(); !w.c.take(bracket) {
		return false
	}
	w.open[w.depth] = bracket == '{'
	w.depth++
	w.started, w.waiting = false, false
	return true
}

// Value passes the current value and gives its raw text; nil if it has been passed
// or entered already.
func (w *Walker) Value() []byte {
	if w.Err != nil || !w.waiting {
		return nil
	}
	w.c.space()
	start := w.c.i
	w.waiting = false
	if w.Err = w.c.value(); w.Err != nil {
		return nil
	}
	return w.c.data[start:w.c.i]
}

// Next moves to the next member or element of what has been entered last. At its
// end it leaves that, and is false.
func (w *Walker) Next() bool {
	if w.Value(); w.Err != nil {
		return false
	}
	if w.depth == 0 {
		w.Err = w.c.atEnd()
		return false
	}
	object := w.open[w.depth-1]
	if w.c.space(); w.c.closes(object) {
		w.leave()
		return false
	}
	if w.started {
		if w.Err = w.c.expect(','); w.Err != nil {
			return false
		}
		w.c.space()
	}
	w.started, w.waiting, w.Key = true, true, nil
	if object {
		var to int
		from := w.c.i + 1
		if to, w.c.i, w.Err = w.c.name(w.c.i); w.Err != nil {
			return false
		}
		w.Key = unescape(w.c.data[from:to])
	}
	return true
}

// leave goes back to what stands around the innermost.
func (w *Walker) leave() {
	w.depth--
	w.started = true
	if w.depth == 0 {
		w.Err = w.c.atEnd()
	}
}
