package gemini

import (
	"strings"

	"github.com/caddy-plexus/plexus/api"
)

// joinPieces puts together what a client got in a stream and sends back in the
// pieces that it got, as Google's SDKs do: for another format each would be a
// block of its own, and one of nothing but space would be left out.
func joinPieces(parts []api.Part) []api.Part {
	out := parts[:0]
	for len(parts) > 0 {
		n := 1
		switch {
		case isPiece(&parts[0], api.Text):
			n = run(parts, api.Text)
			if n > 1 {
				parts[n-1] = joinedText(parts[:n])
				parts, n = parts[n-1:], 1
			}
		case isPiece(&parts[0], api.Thinking):
			n = run(parts, api.Thinking)
			if n < len(parts) && signsPieces(&parts[n]) {
				parts[n].Text = textOf(parts[:n])
				parts, n = parts[n:], 1
			}
		}
		out = append(out, parts[:n]...)
		parts = parts[n:]
	}
	return out
}

// run is how many pieces of a kind the parts begin with.
func run(parts []api.Part, kind api.Kind) (n int) {
	for n < len(parts) && isPiece(&parts[n], kind) {
		n++
	}
	return n
}

// isPiece tells a part that is nothing but text.
func isPiece(part *api.Part, kind api.Kind) bool {
	return part.Kind == kind && part.Signature == "" && part.Raw == nil
}

func textOf(parts []api.Part) string {
	var text strings.Builder
	for i := range parts {
		text.WriteString(parts[i].Text)
	}
	return text.String()
}

// joinedText is one text, whose Raw are the parts that it is made of: Google gets
// them back as they were.
func joinedText(parts []api.Part) api.Part {
	var raw []byte
	for i := range parts {
		if i > 0 {
			raw = append(raw, ',')
		}
		raw = appendText(raw, api.Quote(parts[i].Text), false, "")
	}
	return api.Part{Kind: api.Text, Text: textOf(parts), Raw: raw, Source: api.Gemini}
}

// signsPieces tells the signature that our stream has behind the reasoning of
// another vendor, who refuses it without the text. Google takes its own back in
// pieces.
func signsPieces(part *api.Part) bool {
	return part.Kind == api.Thinking && part.Text == "" && part.Signature != "" && part.Vendor != api.Google && !part.Redacted
}
