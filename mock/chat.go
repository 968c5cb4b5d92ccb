package mock

import (
	"encoding/json"
	"strconv"
	"time"
)

// chatRequest is a request of OpenAI's Chat Completions.
type chatRequest struct {
	head
	Messages []struct {
		Role    string  `json:"role"`
		Content content `json:"content"`
	} `json:"messages"`
	StreamOptions       streamOptions `json:"stream_options"`
	N                   int           `json:"n"`
	Stop                stringList    `json:"stop"`
	MaxTokens           int           `json:"max_tokens"`
	MaxCompletionTokens int           `json:"max_completion_tokens"`
	Tools               []struct {
		Type     string `json:"type"`
		Function struct {
			Name       string          `json:"name"`
			Parameters json.RawMessage `json:"parameters"`
		} `json:"function"`
	} `json:"tools"`
	ToolChoice        toolChoice `json:"tool_choice"`
	ParallelToolCalls *bool      `json:"parallel_tool_calls"`
	ReasoningEffort   string     `json:"reasoning_effort"`
	ResponseFormat    struct {
		Type       string `json:"type"`
		JSONSchema struct {
			Schema json.RawMessage `json:"schema"`
		} `json:"json_schema"`
	} `json:"response_format"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// maxChoices bounds what one request can make the mock write.
const maxChoices = 128

func readChat(x *exchange) (head, func() error, error) {
	var req chatRequest
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	return req.head, func() error {
		c := &chat{
			answer: x.compose(req.ask()),
			n:      min(max(1, req.N), maxChoices),
			usage:  req.StreamOptions.IncludeUsage,
			done:   !x.opts.NoDone,
			id:     x.id("chatcmpl-"),
			model:  x.model,
			at:     time.Now().Unix(),
		}
		if req.Stream {
			return x.stream(c, c.answer.deltas(c.n))
		}
		return x.sendJSON(c.whole())
	}, nil
}

// ask reads the request as every API's are read.
func (req *chatRequest) ask() *ask {
	q := &ask{
		choice:     req.ToolChoice,
		single:     req.ParallelToolCalls != nil && !*req.ParallelToolCalls,
		think:      thinks(req.ReasoningEffort),
		limit:      max(req.MaxTokens, req.MaxCompletionTokens),
		stops:      req.Stop,
		structured: req.ResponseFormat.Type == "json_object" || req.ResponseFormat.Type == "json_schema",
		schema:     req.ResponseFormat.JSONSchema.Schema,
	}
	for i := range req.Messages {
		m := &req.Messages[i]
		q.size += m.Content.size
		switch m.Role {
		case "user":
			q.prompt, q.answered = m.Content.text, false
		case "assistant":
			q.answered = false
		case "tool":
			q.answered = true
		}
	}
	for i := range req.Tools {
		if f := &req.Tools[i].Function; f.Name != "" {
			q.tools = append(q.tools, tool{f.Name, f.Parameters})
		}
	}
	return q
}

// thinks tells whether an effort asks for reasoning that would be shown.
func thinks(effort string) bool {
	return effort != "" && effort != "none" && effort != "minimal"
}

// chat writes answers of Chat Completions.
type chat struct {
	*answer
	n     int
	usage bool
	done  bool
	id    string
	model string
	at    int64
}

// begin writes the members with which every object begins.
func (c *chat) begin(w *wire, object string) *wire {
	return w.raw(`{"id":`).str(c.id).raw(`,"object":"`).raw(object).raw(`","created":`).raw(strconv.FormatInt(c.at, 10)).
		raw(`,"model":`).str(c.model).raw(`,"service_tier":"default","system_fingerprint":"fp_mock"`)
}

// whole writes the answer that is not a stream.
func (c *chat) whole() []byte {
	var w wire
	c.begin(&w, "chat.completion").raw(`,"choices":[`)
	for i := range c.n {
		w.comma(i).raw(`{"index":`).num(i).raw(`,"message":`)
		c.message(&w)
		w.raw(`,"logprobs":null,"finish_reason":"`).raw(c.reason()).raw(`"}`)
	}
	w.raw(`],"usage":`)
	c.count(&w)
	return w.raw(`}`).buf
}

func (c *chat) message(w *wire) {
	w.raw(`{"role":"assistant","content":`)
	if len(c.calls) > 0 && len(c.text) == 0 {
		w.raw(`null`)
	} else {
		w.str(c.fullText())
	}
	if len(c.thoughts) > 0 {
		w.raw(`,"reasoning_content":`).str(c.fullThoughts())
	}
	w.raw(`,"refusal":null,"annotations":[]`)
	if len(c.calls) > 0 {
		w.raw(`,"tool_calls":[`)
		for i := range c.calls {
			call := &c.calls[i]
			w.comma(i).raw(`{"id":`).str(call.id).raw(`,"type":"function","function":{"name":`).str(call.name)
			w.raw(`,"arguments":`).str(call.arguments()).raw(`}}`)
		}
		w.raw(`]`)
	}
	w.raw(`}`)
}

// count writes the usage: OpenAI's totals include the cached and the
// reasoning tokens.
func (c *chat) count(w *wire) {
	output := c.n * c.output()
	w.raw(`{"prompt_tokens":`).num(c.input).raw(`,"completion_tokens":`).num(output)
	w.raw(`,"total_tokens":`).num(c.input + output)
	w.raw(`,"prompt_tokens_details":{"cached_tokens":`).num(c.cached).raw(`,"audio_tokens":0}`)
	w.raw(`,"completion_tokens_details":{"reasoning_tokens":`).num(c.n * len(c.thoughts))
	w.raw(`,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}}`)
}

// reason is the finish_reason.
func (c *chat) reason() string {
	switch c.end {
	case endLength:
		return "length"
	case endTools:
		return "tool_calls"
	case endFilter:
		return "content_filter"
	case endStop, endSequence:
	}
	return "stop"
}

func (c *chat) mediaType() (string, framing) { return eventStream, events }

// chunk begins a chunk up to the content of its delta.
func (c *chat) chunk(w *wire, choice int) *wire {
	return c.begin(w.event(""), "chat.completion.chunk").raw(`,"choices":[{"index":`).num(choice).raw(`,"delta":{`)
}

// endChunk ends a chunk after the content of its delta.
func (c *chat) endChunk(w *wire, reason string) {
	w.raw(`},"logprobs":null,"finish_reason":`).strOrNull(reason).raw(`}]`)
	if c.usage {
		w.raw(`,"usage":null`)
	}
	w.raw(`}`).end()
}

func (c *chat) open(w *wire) {
	for i := range c.n {
		c.chunk(w, i).raw(`"role":"assistant","content":`)
		if len(c.calls) > 0 {
			w.raw(`null`)
		} else {
			w.raw(`""`)
		}
		w.raw(`,"refusal":null`)
		c.endChunk(w, "")
	}
}

func (c *chat) delta(w *wire, d delta) {
	if d.kind == toolCall && d.first {
		call := &c.calls[d.call]
		c.chunk(w, d.choice).raw(`"tool_calls":[{"index":`).num(d.call).raw(`,"id":`).str(call.id)
		w.raw(`,"type":"function","function":{"name":`).str(call.name).raw(`,"arguments":""}}]`)
		c.endChunk(w, "")
	}
	c.chunk(w, d.choice)
	switch d.kind {
	case thought:
		w.raw(`"reasoning_content":`).str(d.s)
	case text:
		w.raw(`"content":`).str(d.s)
	case toolCall:
		w.raw(`"tool_calls":[{"index":`).num(d.call).raw(`,"function":{"arguments":`).str(d.s).raw(`}}]`)
	}
	c.endChunk(w, "")
}

func (c *chat) close(w *wire) {
	for i := range c.n {
		c.chunk(w, i)
		c.endChunk(w, c.reason())
	}
	if c.usage {
		c.begin(w.event(""), "chat.completion.chunk").raw(`,"choices":[],"usage":`)
		c.count(w)
		w.raw(`}`).end()
	}
	if c.done {
		w.event("").raw("[DONE]").end()
	}
}

func (c *chat) fail(w *wire, e *apiError) {
	w.event("").raw(string(e.body(openAI, ""))).end()
}

// Interface guards
var _ dialect = (*chat)(nil)
