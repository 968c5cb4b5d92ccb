package api

import (
	"encoding/json"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// A custom tool takes free text, which only OpenAI's formats know. Everywhere
// else it passes for a function whose one argument is the text, and a client that
// knows it as a custom tool gets the text without what is around it.

// CustomInput is the argument that holds a custom tool's text.
const CustomInput = "input"

// CustomSchema are the arguments of a function that stands for a custom tool.
const CustomSchema = `{"type":"object","properties":{"` + CustomInput + `":{"type":"string"}},"required":["` + CustomInput + `"],"additionalProperties":false}`

// CustomDescription is the description of a function that stands for a custom
// tool. It tells of the grammar, to which a function cannot be bound.
func CustomDescription(t *Tool) string {
	grammar := []byte(t.Grammar)
	if inner := jsonscan.Member(grammar, "grammar"); inner != nil { // chat's form
		grammar = inner
	}
	definition, _ := jsonscan.String(jsonscan.Member(grammar, "definition"))
	if definition == "" {
		return t.Description
	}
	syntax, _ := jsonscan.String(jsonscan.Member(grammar, "syntax"))
	rule := "The " + CustomInput + " has to follow this " + strings.TrimSpace(syntax+" grammar") + ":\n" + definition
	if t.Description == "" {
		return rule
	}
	return t.Description + "\n\n" + rule
}

// WrapCustom makes arguments of a custom tool's text.
func WrapCustom(text string) string {
	return string(append(AppendQuoted([]byte(`{"`+CustomInput+`":`), text), '}'))
}

// UnwrapCustom is the text in arguments that may have been made by WrapCustom.
// What the model made of them instead stays as it is, unless a text is all there
// is in it.
func UnwrapCustom(arguments string) string {
	var u CustomUnwrapper
	inside := u.Add(nil, Quote(arguments))
	inside = u.End(inside)
	return Unquote(append(append([]byte{'"'}, inside...), '"'))
}

// CustomUnwrapper is UnwrapCustom for arguments that come in pieces. The text
// leaves in pieces as well, as soon as it is known to be one.
type CustomUnwrapper struct {
	state  unwrapState
	held   []byte // what came before the text: the inside of a JSON string
	key    []byte
	escape []byte // one that is not complete, without JSON's own escapes
}

type unwrapState int

const (
	unwrapStart  unwrapState = iota // before the brace
	unwrapOpened                    // before the name
	unwrapName
	unwrapNamed // before the colon
	unwrapColon // before the text
	unwrapText
	unwrapDone // after it
	unwrapHeld // something else: the whole of it decides, at the end
	unwrapBare // no object: the text itself
)

// Add takes the next piece of the arguments, a JSON string, and appends what it
// holds of the text: the inside of a JSON string.
func (u *CustomUnwrapper) Add(dst []byte, piece json.RawMessage) []byte {
	literal := Literal(piece)
	inside := literal[1 : len(literal)-1]
	for i := 0; i < len(inside); {
		n, b := unit(inside[i:])
		dst = u.take(dst, inside[i:i+n], b)
		i += n
	}
	return dst
}

// unit is the length of the first character of a JSON string's inside, or of a
// byte of it, and the character where it is ASCII; others count as letters.
func unit(inside []byte) (n int, b byte) {
	const letter = 'x'
	switch b = inside[0]; {
	case b >= 0x80:
		return 1, letter
	case b != '\\':
		return 1, b
	}
	switch b = inside[1]; b {
	case 'n', 'r', 't', 'b', 'f':
		return 2, "\n\r\t\b\f"[strings.IndexByte("nrtbf", b)]
	case 'u':
		if r, _ := strconv.ParseUint(string(inside[2:6]), 16, 16); r < 0x80 {
			return 6, byte(r)
		}
		return 6, letter
	}
	return 2, b
}

// take takes a character, raw as it stands and b as it is.
func (u *CustomUnwrapper) take(dst, raw []byte, b byte) []byte {
	switch u.state {
	case unwrapText:
		return u.text(dst, raw, b)
	case unwrapBare:
		return append(dst, raw...)
	case unwrapDone:
		return dst
	}
	u.held = append(u.held, raw...)
	u.before(b)
	if u.state == unwrapBare {
		dst, u.held = append(dst, u.held...), nil
	}
	return dst
}

// before follows the arguments up to the text.
func (u *CustomUnwrapper) before(b byte) {
	if u.state == unwrapName {
		switch {
		case b != '"':
			u.key = append(u.key, b)
		case string(u.key) == CustomInput:
			u.state = unwrapNamed
		default:
			u.state = unwrapHeld
		}
		return
	}
	if u.state == unwrapHeld || b == ' ' || b == '\n' || b == '\r' || b == '\t' {
		return
	}
	switch {
	case u.state == unwrapStart && b == '{':
		u.state = unwrapOpened
	case u.state == unwrapStart:
		u.state = unwrapBare
	case u.state == unwrapOpened && b == '"':
		u.state = unwrapName
	case u.state == unwrapNamed && b == ':':
		u.state = unwrapColon
	case u.state == unwrapColon && b == '"':
		u.state, u.held = unwrapText, nil
	default:
		u.state = unwrapHeld
	}
}

// text takes a character of the text, which stands in a JSON string that stands
// in a JSON string: what is left of its escapes is right for one.
func (u *CustomUnwrapper) text(dst, raw []byte, b byte) []byte {
	const unicode = len(`\u0000`)
	switch n := len(u.escape); {
	case n == 0 && b == '"':
		u.state = unwrapDone
	case n == 0 && b == '\\':
		u.escape = append(u.escape, b)
	case n == 0:
		return append(dst, raw...)
	case n == 1 && strings.IndexByte(`"\/bfnrt`, b) >= 0:
		dst = append(append(dst, '\\'), b)
		u.escape = u.escape[:0]
	case n == 1 && b == 'u', n > 1 && hexadecimal(b):
		if u.escape = append(u.escape, b); len(u.escape) == unicode {
			dst = append(dst, u.escape...)
			u.escape = u.escape[:0]
		}
	default: // no escape: the model means what it wrote
		dst = append(append(append(dst, '\\'), u.escape...), raw...)
		u.escape = u.escape[:0]
	}
	return dst
}

func hexadecimal(b byte) bool {
	return '0' <= b && b <= '9' || 'a' <= b|0x20 && b|0x20 <= 'f'
}

// End appends what is left of the text once the arguments are complete.
func (u *CustomUnwrapper) End(dst []byte) []byte {
	if u.state == unwrapText || u.state == unwrapDone || u.state == unwrapBare || len(u.held) == 0 {
		return dst
	}
	whole := append(append([]byte{'"'}, u.held...), '"')
	u.held, u.state = nil, unwrapDone
	if text, ok := onlyText([]byte(Unquote(whole))); ok {
		whole = Quote(text)
	}
	return append(dst, whole[1:len(whole)-1]...)
}

// onlyText is the argument called input, or else the one argument there is, if it
// is a text.
func onlyText(arguments []byte) (text string, ok bool) {
	if s, is := jsonscan.String(jsonscan.Member(arguments, CustomInput)); is {
		return s, jsonscan.Valid(arguments)
	}
	it := jsonscan.Object(arguments)
	for n := 0; it.Next(); n++ {
		if text, ok = jsonscan.String(it.Value()); n > 0 {
			return "", false
		}
	}
	return text, ok && it.Err == nil
}
