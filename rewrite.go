package plexus

import (
	"bytes"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// splice puts text in place of a range of a body.
type splice struct {
	start, end int
	text       string
}

// rewrite is the body as a target gets it: the client's bytes, with the target's
// name of the model, the provider's extra members, and the wish for a stream's
// usage where that is set.
func (req *request) rewrite(t *Target, askUsage bool) pieces {
	splices := make([]splice, 0, 4)
	for _, at := range req.names {
		splices = append(splices, splice{at.start, at.end, at.as(t.Model)})
	}
	if req.previousID != "" {
		splices = append(splices, splice{req.previous.start, req.previous.end, inQuotes(req.previousID)})
	}
	if req.boundary == "" {
		var added []string
		if askUsage {
			splices, added = req.addUsage(splices, added)
		}
		splices, added = req.addExtra(splices, added, t.Provider.extra)
		if len(added) > 0 {
			splices = append(splices, insert(req.body, added))
		}
	}
	return apply(req.body, splices)
}

// asItIs is one of the ways in which a model's name is written in a body.
func asItIs(model string) string { return model }

func inQuotes(model string) string {
	for i := range len(model) {
		if c := model[i]; c < ' ' || c == '"' || c == '\\' || c >= 0x7f {
			text, _ := json.Marshal(model) // a string cannot fail to marshal
			return string(text)
		}
	}
	return `"` + model + `"`
}

// asResource is Gemini's way.
func asResource(model string) string { return inQuotes(geminiResource(model)) }

// lengthOf stands for the Content-Length of a form's field.
func lengthOf(model string) string { return strconv.Itoa(len(model)) }

// addUsage asks a chat stream for its usage, keeping the client's other stream
// options.
func (req *request) addUsage(splices []splice, added []string) ([]splice, []string) {
	const include = `"include_usage":true`
	if req.streamOptions.end == 0 {
		return splices, append(added, `"stream_options":{`+include+`}`)
	}
	start, end := req.streamOptions.start, req.streamOptions.end
	it := jsonscan.Object(req.body[start:end])
	members := 0
	for it.Next() {
		members++
		if string(it.Key) == "include_usage" {
			return append(splices, splice{start + it.Start, start + it.End, "true"}), added
		}
	}
	if members == 0 {
		return append(splices, splice{start, end, "{" + include + "}"}), added
	}
	return append(splices, splice{start + 1, start + 1, include + ","}), added
}

// addExtra puts each member of extra_body in place of the client's.
func (req *request) addExtra(splices []splice, added []string, extra []bodyMember) ([]splice, []string) {
	for _, member := range extra {
		found := false
		it := jsonscan.Object(req.body)
		for it.Next() {
			if string(it.Key) == member.key {
				splices = append(splices, splice{it.Start, it.End, string(member.raw)})
				found = true
			}
		}
		if !found {
			added = append(added, inQuotes(member.key)+":"+string(member.raw))
		}
	}
	return splices, added
}

// insert puts members in front of all others of the body's object.
func insert(body []byte, members []string) splice {
	at := bytes.IndexByte(body, '{') + 1
	text := strings.Join(members, ",")
	if rest := bytes.TrimLeft(body[at:], " \t\r\n"); rest[0] != '}' {
		text += ","
	}
	return splice{at, at, text}
}

// apply is a body with its splices, in pieces: what does not change is not
// copied, and stays the client's.
func apply(body []byte, splices []splice) pieces {
	if len(splices) > 1 {
		slices.SortStableFunc(splices, func(a, b splice) int { return a.start - b.start })
	}
	out := make(pieces, 0, 2*len(splices)+1)
	from := 0
	for _, s := range splices {
		if s.start < from {
			continue // inside what an earlier splice replaced
		}
		out = append(out, body[from:s.start], []byte(s.text))
		from = s.end
	}
	return append(out, body[from:])
}

// pieces are the parts of a body, in order.
type pieces [][]byte

func (p pieces) size() (n int64) {
	for _, piece := range p {
		n += int64(len(piece))
	}
	return n
}
