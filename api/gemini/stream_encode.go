package gemini

import (
	"bytes"
	"net/http"
	"strconv"
	"time"

	"github.com/caddy-plexus/plexus/api"
)

// streamEncoder writes the chunks of streamGenerateContent. Every piece of text
// is a chunk of its own; a call is one once all of its arguments are there. The
// last chunk says why the answer ended and what it cost, and nothing follows it:
// there is no [DONE]. Pings have no form here, since Google's SDK for JavaScript
// reads nothing but data.
type streamEncoder struct {
	dst     []byte
	model   string
	tail    []byte // of each chunk, after the candidates
	choices []*choiceEncoder
	usage   api.Usage
	done    bool
	ev      api.Event

	array bool // the stream is a list
	begun bool // it has its first element
}

// choiceEncoder writes one candidate, a part after the other.
type choiceEncoder struct {
	stream *streamEncoder
	serial *api.Serializer
	index  int

	kind      api.Kind
	call      api.Call
	args      []byte // the inside of a JSON string
	signature string
	vendor    api.Vendor
	redacted  bool

	text    []byte // of all texts, as the inside of a JSON string
	from    int    // where the open part's begins
	sources []cited
	finish  api.Finish
}

// unknown is the end of a text that goes on.
const unknown = -1

// NewStreamEncoder implements api.Codec.
func (Codec) NewStreamEncoder(req *api.Request) api.StreamEncoder {
	return newStreamEncoder(req, false)
}

// NewArrayEncoder writes a stream as one JSON list of chunks, which is what
// streamGenerateContent gives to a client that does not ask for alt=sse, with
// the content type application/json.
func (Codec) NewArrayEncoder(req *api.Request) api.StreamEncoder { return newStreamEncoder(req, true) }

func newStreamEncoder(req *api.Request, array bool) *streamEncoder {
	e := &streamEncoder{array: array}
	if req != nil {
		e.model = req.Model
	}
	e.head("", "", 0)
	return e
}

// head makes what all chunks share.
func (e *streamEncoder) head(id, model string, made int64) {
	if model == "" {
		model = e.model
	}
	var o object
	o.optional("modelVersion", model)
	if made != 0 {
		o.text("createTime", time.Unix(made, 0).UTC().Format(time.RFC3339Nano))
	}
	o.optional("responseId", id)
	if !o.empty() {
		o.out[0] = ','
	}
	e.tail = append(o.out, '}', '\n')
	if !e.array {
		e.tail = append(e.tail, '\n')
	}
}

// lead begins a chunk.
func (e *streamEncoder) lead(dst []byte) []byte {
	switch {
	case !e.array:
		return append(dst, "data: "...)
	case e.begun:
		return append(dst, ',')
	}
	e.begun = true
	return append(dst, '[')
}

// Encode implements api.StreamEncoder.
func (e *streamEncoder) Encode(dst []byte, ev *api.Event) []byte {
	if e.done {
		return dst
	}
	e.dst = dst
	switch ev.Kind {
	case api.Start:
		e.head(ev.ID, ev.Model, ev.Created)
	case api.PartStart, api.Delta, api.Signature, api.CitationEvent, api.PartEnd, api.Finished:
		e.add(ev)
	case api.UsageEvent:
		e.usage = ev.Usage
	case api.ErrorEvent:
		e.done = true
		problem := api.Error{Status: http.StatusBadGateway, Message: "The provider's stream failed. Try again."}
		if ev.Err != nil {
			problem = *ev.Err
		}
		if e.array {
			e.dst = append(append(e.lead(e.dst), api.Gemini.ErrorBody(problem)...), "]\n"...)
		} else {
			e.dst = append(e.dst, api.Gemini.ErrorEvent(problem, 0)...)
		}
	case api.End:
		e.done = true
		e.last()
		if e.array {
			e.dst = append(e.dst, "]\n"...)
		}
	}
	out := e.dst
	e.dst = nil
	return out
}

// add gives an event to its candidate, whose serializer knows but one.
func (e *streamEncoder) add(ev *api.Event) {
	if ev.Choice < 0 || ev.Choice >= maxIndex {
		return
	}
	for len(e.choices) <= ev.Choice {
		c := &choiceEncoder{stream: e, index: len(e.choices)}
		c.serial = api.NewSerializer(c.write)
		e.choices = append(e.choices, c)
	}
	c := e.choices[ev.Choice]
	if ev.Choice != 0 {
		e.ev = *ev
		e.ev.Choice = 0
		ev = &e.ev
	}
	c.serial.Add(ev)
}

func (c *choiceEncoder) write(ev *api.Event) {
	switch ev.Kind {
	case api.PartStart:
		c.begin(ev.Content)
	case api.Delta:
		c.delta(ev.Text)
	case api.Signature:
		if ev.Content != nil {
			c.signature += ev.Content.Signature
			c.vendor = ev.Content.Vendor
		}
	case api.CitationEvent:
		if ev.Citation != nil {
			// What an event points to is gone once this returns.
			citation := *ev.Citation
			citation.Raw = bytes.Clone(citation.Raw)
			c.sources = append(c.sources, cited{citation, c.from, unknown})
		}
	case api.PartEnd:
		c.end()
	case api.Finished:
		c.finish = ev.Finish
	}
}

func (c *choiceEncoder) begin(content *api.Part) {
	if content == nil {
		content = &api.Part{Kind: api.Text}
	}
	c.kind = content.Kind
	c.signature, c.vendor, c.redacted = content.Signature, content.Vendor, content.Redacted
	c.args, c.from = c.args[:0], len(c.text)
	switch {
	case content.Call != nil:
		c.call = *content.Call
	case content.Kind == api.Opaque:
		c.signature = ""
		if content.Source == api.Gemini && len(content.Raw) > 0 {
			c.stream.dst = c.close(appendOneLine(c.open(c.stream.dst), content.Raw))
		}
	case content.Media != nil:
		c.stream.dst = c.close(appendMedia(c.open(c.stream.dst), content.Kind, content.Media, true, ""))
	}
}

func (c *choiceEncoder) delta(raw []byte) {
	literal := api.Literal(raw)
	inner := literal[1 : len(literal)-1]
	if len(inner) == 0 {
		return
	}
	switch c.kind {
	case api.Text, api.Refusal, api.Thinking:
		if c.kind == api.Text {
			c.text = append(c.text, inner...)
		}
		c.stream.dst = c.close(appendText(c.open(c.stream.dst), literal, c.kind == api.Thinking, ""))
	case api.ToolCall:
		c.args = append(c.args, inner...)
	}
}

func (c *choiceEncoder) end() {
	signature := clientSignature(c.vendor, c.signature, c.redacted)
	switch c.kind {
	case api.ToolCall:
		c.call.Arguments = joined(c.args)
		c.stream.dst = c.close(appendCall(c.open(c.stream.dst), clientID(c.call.ID), &c.call, signature))
	case api.Opaque:
	default:
		// Google's own way to sign what has been said.
		if signature != "" {
			c.stream.dst = c.close(appendText(c.open(c.stream.dst), []byte(`""`), c.kind == api.Thinking, signature))
		}
	}
	for i := range c.sources {
		if c.sources[i].to == unknown {
			c.sources[i].to = len(c.text)
		}
	}
}

func (c *choiceEncoder) open(dst []byte) []byte {
	return append(c.stream.lead(dst), `{"candidates":[{"content":{"parts":[`...)
}

func (c *choiceEncoder) close(dst []byte) []byte {
	dst = append(dst, `],"role":"model"},"index":`...)
	dst = append(strconv.AppendInt(dst, int64(c.index), 10), `}]`...)
	return append(dst, c.stream.tail...)
}

// last is the chunk that ends the stream.
func (e *streamEncoder) last() {
	var candidates []byte
	for _, c := range e.choices {
		var o object
		o.add("content", []byte(`{"parts":[{"text":""}],"role":"model"}`))
		o.text("finishReason", finishReason(c.finish))
		o.addCitations(c.inText())
		o.whole("index", int64(c.index))
		candidates = append(append(candidates, ','), o.end()...)
	}
	var o object
	if len(candidates) == 0 {
		candidates = []byte(`,{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"STOP","index":0}`)
	}
	o.add("candidates", asList(candidates))
	o.addUsage(e.usage)
	e.dst = append(append(e.lead(e.dst), o.out...), e.tail...)
}

// inText is the sources and the text of which they are, where there are any.
func (c *choiceEncoder) inText() ([]cited, string) {
	if len(c.sources) == 0 {
		return nil, ""
	}
	for i := range c.sources {
		s := &c.sources[i]
		if s.to == unknown {
			s.to = len(c.text)
		}
		s.from, s.to = len(joined(c.text[:s.from])), len(joined(c.text[:s.to]))
	}
	return c.sources, joined(c.text)
}

// Interface guard
var _ api.StreamEncoder = (*streamEncoder)(nil)
