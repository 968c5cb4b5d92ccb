package chat

import (
	"slices"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// callState is a call whose arguments are arriving.
type callState struct {
	index           int // the server's, or none
	id, name        string
	custom          bool
	started, ended  bool
	part            int
	early           [][]byte // what came before the name
	json            progress
	signature       string // kept for the end, where its place is
	signatureVendor api.Vendor
}

// piece is what a chunk adds to a call.
type piece struct {
	index           int
	id, name        string
	custom          bool
	arguments       []byte
	signature       string
	signatureVendor api.Vendor
}

func (c *choiceState) toolCalls(raw []byte) {
	it := jsonscan.Array(raw)
	for it.Next() {
		p := readPiece(it.Value())
		c.add(c.find(&p), &p)
	}
}

// legacyCall reads the call of a server that still has no tools.
func (c *choiceState) legacyCall(raw []byte) {
	p := piece{index: 0}
	p.function(raw)
	c.add(c.find(&p), &p)
}

func readPiece(raw []byte) piece {
	p := piece{index: none}
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "index":
			if n, err := strconv.Atoi(string(it.Value())); err == nil && n >= 0 {
				p.index = n
			}
		case "id":
			p.id = textOf(it.Value())
		case "function":
			p.function(it.Value())
		case "custom":
			if !null(it.Value()) {
				p.custom = true
				p.function(it.Value())
			}
		case "extra_content":
			if s := googleSignature(it.Value()); s != "" {
				p.signatureVendor, p.signature = api.Unseal(s, api.Google)
			}
		}
	}
	return p
}

func (p *piece) function(raw []byte) {
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "name":
			p.name = textOf(it.Value())
		case "arguments", "input":
			p.arguments = it.Value()
			// Some servers send the arguments themselves, whole.
			if !null(p.arguments) && p.arguments[0] != '"' {
				p.arguments = api.Quote(string(p.arguments))
			}
		}
	}
}

// find is the call to which a piece belongs: the one of its index, else that of
// its id, else the last one. Google's compatible endpoint gives every call the
// index 0, so that an id and a name of their own begin a call all the same.
func (c *choiceState) find(p *piece) *callState {
	for _, call := range slices.Backward(c.calls) {
		switch {
		case p.index != none && call.index != p.index:
		case p.index == none && p.id != "" && call.id != p.id:
		case p.id != "" && call.id != "" && p.id != call.id && p.begins(call):
		case p.id == "" && call.name != "" && p.begins(call) && (p.index == none || p.follows(call)):
			return c.begun(p)
		default:
			return call
		}
	}
	return c.begun(p)
}

// begins tells whether a piece that names a tool may begin another call than
// this one. Some servers repeat the name, a few even with a new id, in each
// chunk, which shows in the middle of the arguments.
func (p *piece) begins(call *callState) bool {
	return p.name != "" && !(p.name == call.name && call.json.depth > 0)
}

// follows tells whether a piece with the index of a call brings arguments that
// cannot be that call's any more.
func (p *piece) follows(call *callState) bool {
	return !api.Empty(p.arguments) && (call.json.complete || p.name != call.name && call.json.depth == 0)
}

// begun is a new call. Those before it that are complete end now.
func (c *choiceState) begun(p *piece) *callState {
	c.end()
	c.endComplete()
	call := &callState{index: p.index}
	c.calls = append(c.calls, call)
	c.called = true
	return call
}

func (c *choiceState) endComplete() {
	for _, call := range c.calls {
		if call.json.complete {
			c.endCall(call)
		}
	}
}

// add takes a piece in. A call that ended takes no more: its arguments were
// complete, and some servers repeat them at the end.
func (c *choiceState) add(call *callState, p *piece) {
	if call.id == "" {
		call.id = p.id
	}
	if call.ended {
		return
	}
	call.custom = call.custom || p.custom
	if call.name == "" {
		call.name = p.name
	}
	if !call.started && call.name != "" {
		c.startCall(call)
	}
	if p.signature != "" {
		call.signature, call.signatureVendor = p.signature, p.signatureVendor
	}
	if api.Empty(p.arguments) {
		return
	}
	call.json.read(p.arguments)
	if call.started {
		c.piece(call.part, p.arguments)
	} else {
		call.early = append(call.early, kept(p.arguments))
	}
}

// startCall begins a call whose name is known now, or never will be.
func (c *choiceState) startCall(call *callState) {
	call.started = true
	if call.id == "" {
		call.id = callID(c.d.id, c.index, c.parts)
	}
	c.d.call = api.Call{ID: call.id, Name: call.name, Custom: call.custom}
	c.d.content = api.Part{Kind: api.ToolCall, Call: &c.d.call}
	call.part = c.next()
	for _, arguments := range call.early {
		c.piece(call.part, arguments)
	}
	call.early = nil
}

func (c *choiceState) endCall(call *callState) {
	if call.ended {
		return
	}
	if !call.started {
		c.startCall(call)
	}
	call.ended = true
	if call.signature != "" {
		c.sign(call.part, api.ToolCall, call.signatureVendor, call.signature)
	}
	c.event(api.PartEnd, call.part)
}

// progress follows the JSON of a call's arguments through its pieces, just as
// far as to know when its outermost object is closed.
type progress struct {
	depth    int
	inText   bool
	escaped  bool
	complete bool
}

// read takes the next piece, a JSON string of JSON.
func (p *progress) read(literal []byte) {
	for i := 1; i < len(literal)-1; i++ {
		b := literal[i]
		if b == '\\' && i+1 < len(literal)-1 {
			i++
			switch b = literal[i]; b {
			case 'n', 'r', 't', 'b', 'f':
				b = ' '
			case 'u':
				if i+4 >= len(literal) {
					return
				}
				n, _ := strconv.ParseUint(string(literal[i+1:i+5]), 16, 16)
				i += 4
				if b = 'u'; n < 0x80 {
					b = byte(n)
				}
			}
		}
		p.take(b)
	}
}

func (p *progress) take(b byte) {
	switch {
	case p.inText:
		switch {
		case p.escaped:
			p.escaped = false
		case b == '\\':
			p.escaped = true
		case b == '"':
			p.inText = false
		}
	case b == '"':
		p.inText, p.complete = true, false
	case b == '{' || b == '[':
		p.depth++
		p.complete = false
	case b == '}' || b == ']':
		p.depth--
		p.complete = p.depth == 0
	case b > ' ':
		// Where it follows the end, nobody knows what else will.
		p.complete = false
	}
}
