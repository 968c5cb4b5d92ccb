package gemini

import (
	"bytes"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Foreign tells whether a request of this format holds what another vendor's
// model said, in a way that Google's model of that name refuses: signatures that
// are not Google's, or a step's first call without one. Such a request has to be
// decoded and encoded for its target even where that speaks the same format;
// its bytes alone would be answered by 400.
func Foreign(model string, body []byte) bool {
	if bytes.Contains(body, []byte(`"`+sealed)) || bytes.Contains(body, []byte(`"`+redactedMark64)) {
		return true
	}
	if !traitsOf(model).signs() || !bytes.Contains(body, []byte(`"functionCall"`)) && !bytes.Contains(body, []byte(`"function_call"`)) {
		return false
	}
	contents := jsonscan.Array(jsonscan.Member(body, "contents"))
	for contents.Next() {
		if content := contents.Value(); content[0] == '{' && unsigned(jsonscan.Member(content, "parts")) {
			return true
		}
	}
	return false
}

// unsigned tells whether the first call among the parts of a content has no
// signature.
func unsigned(parts []byte) bool {
	list := jsonscan.Array(parts)
	for list.Next() {
		call, signed := false, false
		members := jsonscan.Object(list.Value())
		for members.Next() {
			switch string(members.Key) {
			case "functionCall", "function_call":
				call = !absent(members.Value())
			case "thoughtSignature", "thought_signature":
				signed = len(members.Value()) > len(`""`) && !absent(members.Value())
			}
		}
		if call {
			return !signed
		}
	}
	return false
}
