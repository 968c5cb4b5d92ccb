package chat

import (
	"encoding/json"
	"net/http"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// none is the number of a part that there is not.
const none = -1

// choiceState is where one of the answers stands.
type choiceState struct {
	d        *streamDecoder
	index    int
	parts    int // begun so far
	open     int // the part that is no call and still open, or none
	kind     api.Kind
	tail     int  // what of the open part's end was told: see below
	summary  bool // the open part came from a reasoning.summary
	plain    bool // reasoning comes outside of the details
	calls    []*callState
	spoken   *speech
	odds     json.RawMessage // of tokens that came without a text
	called   bool
	refused  bool
	cited    bool
	seen     bool
	finished bool
	reason   string
	stop     string
}

// A part's signature comes after its text, and its citations after that. What
// comes too late for its place goes into a part of its own.
const (
	tailNone = iota
	tailSigned
	tailCited
)

func (c *choiceState) read(raw []byte) {
	c.seen = true
	var delta, message, failure, odds []byte
	reason := ""
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "delta":
			delta = it.Value()
		case "message":
			message = it.Value()
		case "error":
			failure = it.Value()
		case "finish_reason":
			reason = textOf(it.Value())
		case "stop_reason":
			c.stop = textOf(it.Value())
		case "logprobs":
			odds = it.Value()
		case "usage": // Moonshot
			c.d.used(it.Value())
		}
	}
	// Perplexity repeats the whole message beside each delta; others send a
	// message alone where a delta is due.
	if delta == nil {
		delta = message
	}
	c.said(delta, odds)
	if status, yes := broken(reason); yes || failed(failure) {
		if !yes {
			status = http.StatusBadGateway
		}
		c.d.broke(reason, status, failure)
		return
	}
	if reason != "" {
		c.d.others = true
		if c.reason == "" {
			c.reason = reason
		}
		c.finished = true
		// A call that is not complete may go on, whatever the reason.
		c.endText()
		c.endComplete()
	}
}

// said reads a delta, and the probabilities of what it says: they go with its
// first text.
func (c *choiceState) said(delta, odds []byte) {
	if !api.Empty(odds) && odds[0] == '{' && jsonscan.Valid(odds) && jsonscan.Texts(odds) {
		c.odds = api.JoinLogprobs(c.odds, odds)
		c.d.others = true
	}
	c.delta(delta)
}

// event sends an event of one of the choice's parts.
func (c *choiceState) event(kind api.EventKind, part int) {
	c.d.ev.Choice, c.d.ev.Part = c.index, part
	c.d.send(kind)
}

// piece sends a piece of a text, unless it is empty.
func (c *choiceState) piece(part int, raw []byte) {
	c.d.ev.Text = api.Literal(raw)
	if part == c.open && c.kind != api.Thinking {
		c.d.ev.Logprobs, c.odds = c.odds, nil
	}
	c.event(api.Delta, part)
	c.d.ev.Text, c.d.ev.Logprobs = nil, nil
}

// begin is the part that is open, if it is of the kind and its tail not too
// long; else what is open ends, and another part starts.
func (c *choiceState) begin(kind api.Kind, tail int) int {
	if c.open != none && c.kind == kind && c.tail <= tail {
		return c.open
	}
	c.end()
	c.d.content = api.Part{Kind: kind}
	c.open, c.kind, c.tail, c.summary = c.next(), kind, tailNone, false
	return c.open
}

// next announces the decoder's content as a part of its own.
func (c *choiceState) next() int {
	part := c.parts
	c.parts++
	c.d.ev.Content = &c.d.content
	c.event(api.PartStart, part)
	c.d.ev.Content = nil
	return part
}

// end ends the part that is open and no call.
func (c *choiceState) end() {
	if c.open != none {
		c.event(api.PartEnd, c.open)
		c.open = none
	}
}

// endText ends what is no call.
func (c *choiceState) endText() {
	if !c.cited && !c.called && c.d.sources.any() {
		c.d.sources.list(c.cite)
	}
	c.end()
	c.endSpeech()
}

func (c *choiceState) endAll() {
	c.endText()
	for _, call := range c.calls {
		c.endCall(call)
	}
}

// sign gives a signature to a part.
func (c *choiceState) sign(part int, kind api.Kind, v api.Vendor, signature string) {
	c.d.content = api.Part{Kind: kind, Vendor: v, Signature: signature}
	c.d.ev.Content = &c.d.content
	c.event(api.Signature, part)
	c.d.ev.Content = nil
}
