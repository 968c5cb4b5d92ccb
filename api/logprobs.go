package api

import (
	"bytes"
	"encoding/json"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// noRefusal is how an object of probabilities ends that has none of a refusal.
const noRefusal = `],"refusal":null}`

// JoinLogprobs is chat's object of probabilities for two pieces, of which the
// second one follows the first. It uses the first one up, as append does.
func JoinLogprobs(a, b json.RawMessage) json.RawMessage {
	switch {
	case Empty(a):
		return bytes.Clone(b)
	case Empty(b):
		return a
	}
	content, refusal := jsonscan.Member(b, "content"), jsonscan.Member(b, "refusal")
	if Empty(refusal) && bytes.HasSuffix(a, []byte(noRefusal)) {
		// The usual case: nothing of what is there has to move.
		return append(appendElements(a[:len(a)-len(noRefusal)], content), noRefusal...)
	}
	out := appendElements([]byte(`{"content":[`), jsonscan.Member(a, "content"))
	out = appendElements(out, content)
	if Empty(refusal) && Empty(jsonscan.Member(a, "refusal")) {
		return append(out, noRefusal...)
	}
	out = appendElements(append(out, `],"refusal":[`...), jsonscan.Member(a, "refusal"))
	return append(appendElements(out, refusal), "]}"...)
}

// appendElements appends the elements of a list to those of another, which is
// still open.
func appendElements(dst, list []byte) []byte {
	it := jsonscan.Array(list)
	for it.Next() {
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = append(dst, it.Value()...)
	}
	return dst
}
