package gemini

import (
	"encoding/json"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Google's logprobsResult and chat's logprobs say the same, the one in two lists
// side by side, the other in one of lists:
// https://ai.google.dev/api/generate-content#LogprobsResult,
// https://platform.openai.com/docs/api-reference/chat/object.

// chatLogprobs makes chat's object.
func chatLogprobs(raw []byte) json.RawMessage {
	if absent(raw) {
		return nil
	}
	top := jsonscan.Array(jsonscan.Member(raw, "topCandidates"))
	out := []byte(`{"content":[`)
	chosen := jsonscan.Array(jsonscan.Member(raw, "chosenCandidates"))
	for i := 0; chosen.Next(); i++ {
		if i > 0 {
			out = append(out, ',')
		}
		out = appendLogprob(append(out, '{'), chosen.Value())
		out = append(out, `,"top_logprobs":[`...)
		if top.Next() {
			alternatives := jsonscan.Array(jsonscan.Member(top.Value(), "candidates"))
			for k := 0; alternatives.Next(); k++ {
				if k > 0 {
					out = append(out, ',')
				}
				out = append(appendLogprob(append(out, '{'), alternatives.Value()), '}')
			}
		}
		out = append(out, `]}`...)
	}
	return append(out, `],"refusal":null}`...)
}

func appendLogprob(dst, raw []byte) []byte {
	token, _ := jsonscan.String(jsonscan.Member(raw, "token"))
	dst = api.AppendQuoted(append(dst, `"token":`...), token)
	dst = append(append(dst, `,"logprob":`...), numberOr0(jsonscan.Member(raw, "logProbability"))...)
	dst = append(dst, `,"bytes":[`...)
	for i := range len(token) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(dst, int64(token[i]), 10)
	}
	return append(dst, ']')
}

func numberOr0(raw []byte) []byte {
	if isNumber(raw) {
		return raw
	}
	return []byte("0")
}

// logprobsResult makes Google's object of chat's.
func logprobsResult(raw json.RawMessage) json.RawMessage {
	content := jsonscan.Member(raw, "content")
	if absent(content) {
		return nil
	}
	var top, chosen []byte
	for it := jsonscan.Array(content); it.Next(); {
		chosen = appendCandidate(append(chosen, ','), it.Value())
		var list []byte
		for alternatives := jsonscan.Array(jsonscan.Member(it.Value(), "top_logprobs")); alternatives.Next(); {
			list = appendCandidate(append(list, ','), alternatives.Value())
		}
		top = append(append(top, `,{"candidates":`...), asList(list)...)
		top = append(top, '}')
	}
	var o object
	o.add("topCandidates", asList(top))
	o.add("chosenCandidates", asList(chosen))
	return o.end()
}

func appendCandidate(dst, raw []byte) []byte {
	token, _ := jsonscan.String(jsonscan.Member(raw, "token"))
	var o object
	o.text("token", token)
	o.add("logProbability", numberOr0(jsonscan.Member(raw, "logprob")))
	return append(dst, o.end()...)
}

// asList closes elements of which each follows a comma.
func asList(elements []byte) []byte {
	if len(elements) == 0 {
		return []byte("[]")
	}
	elements[0] = '['
	return append(elements, ']')
}
