package gemini

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// grounding is what a candidate says of its sources:
// https://ai.google.dev/api/generate-content#GroundingMetadata. Its segments
// are bounded in bytes of a part, those of a Citation in characters of the
// answer's text.
type grounding struct {
	Chunks []struct {
		Web, RetrievedContext, Maps *struct{ URI, Title string }
	} `json:"groundingChunks"`
	Supports []struct {
		Segment struct {
			PartIndex  int   `json:"partIndex"`
			StartIndex int64 `json:"startIndex"`
			EndIndex   int64 `json:"endIndex"`
		} `json:"segment"`
		Chunks []int `json:"groundingChunkIndices"`
	} `json:"groundingSupports"`
}

// source is one of the places that a text repeats:
// https://ai.google.dev/api/generate-content#CitationSource. Vertex AI calls
// their list citations.
type source struct {
	StartIndex int64 `json:"startIndex"`
	EndIndex   int64 `json:"endIndex"`
	URI        string
	Title      string
}

// citations reads both. The first one that comes of each holds the whole of it,
// as a member of the candidate. The text is the answer's, partStart where each
// part of it begins.
func citations(groundingRaw, citationRaw []byte, text string, partStart func(int) int64) []api.Citation {
	out := groundingCitations(groundingRaw, text, partStart)
	if absent(citationRaw) {
		return out
	}
	var meta struct{ CitationSources, Citations []source }
	if json.Unmarshal(citationRaw, &meta) != nil {
		return out
	}
	before := len(out)
	for _, s := range append(meta.CitationSources, meta.Citations...) {
		c := api.Citation{URL: s.URI, Title: s.Title}
		c.Start, c.End = characters(text, s.StartIndex, s.EndIndex)
		out = append(out, c)
	}
	whole(out, before, "citationMetadata", citationRaw)
	return out
}

func whole(list []api.Citation, i int, name string, raw []byte) {
	if i < len(list) {
		var o object
		o.add(name, raw)
		list[i].Raw, list[i].Source = o.end(), api.Gemini
	}
}

func groundingCitations(raw []byte, text string, partStart func(int) int64) (out []api.Citation) {
	var g grounding
	if absent(raw) || json.Unmarshal(raw, &g) != nil {
		return nil
	}
	add := func(chunk int, start, end int64) {
		if chunk < 0 || chunk >= len(g.Chunks) {
			return
		}
		c := &g.Chunks[chunk]
		place := c.Web
		if place == nil {
			place = c.RetrievedContext
		}
		if place == nil {
			place = c.Maps
		}
		if place != nil {
			out = append(out, api.Citation{URL: place.URI, Title: place.Title, Start: start, End: end})
		}
	}
	for i := range g.Supports {
		segment := &g.Supports[i].Segment
		from := partStart(segment.PartIndex)
		start, end := characters(text, from+segment.StartIndex, from+segment.EndIndex)
		for _, chunk := range g.Supports[i].Chunks {
			add(chunk, start, end)
		}
	}
	if len(out) == 0 {
		for i := range g.Chunks {
			add(i, 0, 0)
		}
	}
	whole(out, 0, "groundingMetadata", raw)
	return out
}

// characters turns bounds in bytes into bounds in characters; those that lie
// outside of the text are not said.
func characters(text string, start, end int64) (int64, int64) {
	if start < 0 || end < start || end > int64(len(text)) {
		return 0, 0
	}
	from := utf8.RuneCountInString(text[:start])
	return int64(from), int64(from + utf8.RuneCountInString(text[start:end]))
}

// cited is a citation and the bytes of the answer's text that its part takes.
type cited struct {
	api.Citation
	from, to int
}

// addCitations writes the members of a candidate that tell its sources: those
// that Google gave as they were, those of others as pages of the web.
func (o *object) addCitations(list []cited, text string) {
	native := false
	for i := range list {
		if list[i].Source == api.Gemini && len(list[i].Raw) > 0 {
			o.merge(appendOneLine(nil, list[i].Raw))
			native = true
		}
	}
	if native || len(list) == 0 {
		return
	}
	var chunks, supports []byte
	index := map[string]int{}
	for i := range list {
		c := &list[i]
		at, ok := index[c.URL+"\n"+c.Title]
		if !ok {
			at = len(index)
			index[c.URL+"\n"+c.Title] = at
			var web, chunk object
			web.optional("uri", c.URL)
			web.optional("title", c.Title)
			chunk.add("web", web.end())
			chunks = append(append(chunks, ','), chunk.end()...)
		}
		supports = append(append(supports, ','), c.support(at, text)...)
	}
	chunks[0], supports[0] = '[', '['
	var meta object
	meta.add("groundingChunks", append(chunks, ']'))
	meta.add("groundingSupports", append(supports, ']'))
	o.add("groundingMetadata", meta.end())
}

// support says which text a source is of: the bounds, or else its whole part.
func (c *cited) support(chunk int, text string) []byte {
	from, to := c.from, c.to
	if c.End > c.Start {
		from, to = bytesOf(text, c.Start), bytesOf(text, c.End)
	}
	to = min(to, len(text))
	from = min(from, to)
	var segment, support object
	if from > 0 {
		segment.whole("startIndex", int64(from))
	}
	segment.whole("endIndex", int64(to))
	segment.text("text", text[from:to])
	support.add("segment", segment.end())
	support.add("groundingChunkIndices", []byte("["+strconv.Itoa(chunk)+"]"))
	return support.end()
}

// bytesOf is the offset in bytes of a character.
func bytesOf(text string, character int64) int {
	for i := range text {
		if character <= 0 {
			return i
		}
		character--
	}
	return len(text)
}

// told tells whether a source is known already, and knows it from now on.
func (c *choiceDecoder) told(cite api.Citation) bool {
	s := source{StartIndex: cite.Start, EndIndex: cite.End, URI: cite.URL, Title: cite.Title}
	known := slices.Contains(c.sources, s)
	if !known {
		c.sources = append(c.sources, s)
	}
	return known
}

// cite tells the sources of the text, which come last, and some chunks again.
func (d *streamDecoder) cite(c *choiceDecoder, groundingRaw, citationRaw []byte, emit func(*api.Event)) {
	list := slices.DeleteFunc(citations(groundingRaw, citationRaw, joined(c.text), func(int) int64 { return 0 }), c.told)
	if len(list) == 0 {
		return
	}
	if !c.open || c.kind != api.Text {
		d.end(c, emit)
		d.content = api.Part{Kind: api.Text}
		d.begin(c, emit)
	}
	for i := range list {
		d.ev = api.Event{Kind: api.CitationEvent, Choice: c.index, Part: c.started - 1, Citation: &list[i]}
		emit(&d.ev)
	}
	// No text may follow in the same part.
	c.signed = true
}

// hasSources tells without decoding whether a candidate names sources.
func hasSources(raw []byte) bool {
	return !absent(raw) && (!api.Empty(jsonscan.Member(raw, "groundingChunks")) ||
		!api.Empty(jsonscan.Member(raw, "citationSources")) || !api.Empty(jsonscan.Member(raw, "citations")))
}

// joined is the text of literals whose insides stand in raw.
func joined(raw []byte) string {
	if len(raw) == 0 {
		return ""
	}
	quoted := make([]byte, 0, len(raw)+2)
	quoted = append(append(append(quoted, '"'), raw...), '"')
	if s, ok := jsonscan.String(quoted); ok {
		return s
	}
	return strings.ToValidUTF8(string(raw), "\ufffd")
}
