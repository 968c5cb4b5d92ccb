package mock

import (
	"strconv"
	"time"
)

// completionRequest is a request of OpenAI's legacy Completions.
type completionRequest struct {
	head
	Prompt        inputs        `json:"prompt"`
	StreamOptions streamOptions `json:"stream_options"`
	N             int           `json:"n"`
	Stop          stringList    `json:"stop"`
	MaxTokens     int           `json:"max_tokens"`
}

func readCompletion(x *exchange) (head, func() error, error) {
	var req completionRequest
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	return req.head, func() error {
		q := &ask{size: req.Prompt.size(), limit: req.MaxTokens, stops: req.Stop}
		if len(req.Prompt) > 0 {
			q.prompt = req.Prompt[len(req.Prompt)-1].text
		}
		// This API has no place for reasoning.
		x.opts.Reasoning = noWords
		c := &completion{
			answer: x.compose(q),
			// Every prompt is answered n times.
			n:     min(max(1, req.N)*max(1, len(req.Prompt)), maxChoices),
			usage: req.StreamOptions.IncludeUsage,
			done:  !x.opts.NoDone,
			id:    x.id("cmpl-"),
			model: x.model,
			at:    time.Now().Unix(),
		}
		if req.Stream {
			return x.stream(c, c.answer.deltas(c.n))
		}
		return x.sendJSON(c.whole())
	}, nil
}

// completion writes answers of Completions.
type completion struct {
	*answer
	n     int
	usage bool
	done  bool
	id    string
	model string
	at    int64
}

func (c *completion) begin(w *wire) *wire {
	return w.raw(`{"id":`).str(c.id).raw(`,"object":"text_completion","created":`).
		raw(strconv.FormatInt(c.at, 10)).raw(`,"model":`).str(c.model).raw(`,"choices":[`)
}

func (c *completion) choice(w *wire, index int, text, reason string) *wire {
	return w.raw(`{"text":`).str(text).raw(`,"index":`).num(index).
		raw(`,"logprobs":null,"finish_reason":`).strOrNull(reason).raw(`}`)
}

// whole writes the answer that is not a stream.
func (c *completion) whole() []byte {
	var w wire
	c.begin(&w)
	for i := range c.n {
		c.choice(w.comma(i), i, c.fullText(), c.reason())
	}
	w.raw(`],"usage":`)
	c.count(&w)
	return w.raw(`}`).buf
}

func (c *completion) count(w *wire) {
	output := c.n * c.output()
	w.raw(`{"prompt_tokens":`).num(c.input).raw(`,"completion_tokens":`).num(output)
	w.raw(`,"total_tokens":`).num(c.input + output)
	w.raw(`,"prompt_tokens_details":{"cached_tokens":`).num(c.cached)
	w.raw(`},"completion_tokens_details":{"reasoning_tokens":0}}`)
}

func (c *completion) reason() string {
	if c.end == endLength {
		return "length"
	}
	return "stop"
}

func (c *completion) mediaType() (string, framing) { return eventStream, events }

func (c *completion) chunk(w *wire, index int, text, reason string) {
	c.choice(c.begin(w.event("")), index, text, reason).raw(`]`)
	if c.usage {
		w.raw(`,"usage":null`)
	}
	w.raw(`}`).end()
}

// open does nothing: this API's streams begin with content.
func (c *completion) open(*wire) {}

func (c *completion) delta(w *wire, d delta) {
	c.chunk(w, d.choice, d.s, "")
}

func (c *completion) close(w *wire) {
	for i := range c.n {
		c.chunk(w, i, "", c.reason())
	}
	if c.usage {
		c.begin(w.event("")).raw(`],"usage":`)
		c.count(w)
		w.raw(`}`).end()
	}
	if c.done {
		w.event("").raw("[DONE]").end()
	}
}

func (c *completion) fail(w *wire, e *apiError) {
	w.event("").raw(string(e.body(openAI, ""))).end()
}

// Interface guards
var _ dialect = (*completion)(nil)
