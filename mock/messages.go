package mock

import (
	"encoding/json"
)

// messagesRequest is a request of Anthropic's Messages.
type messagesRequest struct {
	head
	System   content `json:"system"`
	Messages []struct {
		Role    string  `json:"role"`
		Content content `json:"content"`
	} `json:"messages"`
	MaxTokens     int      `json:"max_tokens"`
	StopSequences []string `json:"stop_sequences"`
	Tools         []struct {
		Name        string          `json:"name"`
		InputSchema json.RawMessage `json:"input_schema"`
	} `json:"tools"`
	ToolChoice struct {
		Type    string `json:"type"`
		Name    string `json:"name"`
		Disable bool   `json:"disable_parallel_tool_use"`
	} `json:"tool_choice"`
	Thinking struct {
		Type string `json:"type"`
	} `json:"thinking"`
	OutputConfig struct {
		Format outputFormat `json:"format"`
	} `json:"output_config"`
	OutputFormat outputFormat `json:"output_format"`
}

type outputFormat struct {
	Type   string          `json:"type"`
	Schema json.RawMessage `json:"schema"`
}

func readMessages(x *exchange) (head, func() error, error) {
	var req messagesRequest
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	return req.head, func() error {
		m := &messages{answer: x.compose(req.ask()), id: x.id("msg_"), model: x.model, requestID: x.id("req_")}
		if req.Stream {
			return x.stream(m, m.answer.deltas(1))
		}
		return x.sendJSON(m.whole())
	}, nil
}

func readMessagesCount(x *exchange) (head, func() error, error) {
	var req messagesRequest
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	return req.head, func() error {
		var w wire
		w.raw(`{"input_tokens":`).num(tokens(req.ask().size)).raw(`}`)
		return x.sendJSON(w.buf)
	}, nil
}

// ask reads the request as every API's are read.
func (req *messagesRequest) ask() *ask {
	q := &ask{
		size:       req.System.size,
		choice:     toolChoice{none: req.ToolChoice.Type == "none", name: req.ToolChoice.Name},
		single:     req.ToolChoice.Disable,
		think:      req.Thinking.Type == "enabled" || req.Thinking.Type == "adaptive",
		limit:      req.MaxTokens,
		stops:      req.StopSequences,
		structured: req.OutputConfig.Format.Type != "" || req.OutputFormat.Type != "",
		schema:     req.OutputConfig.Format.Schema,
	}
	if len(q.schema) == 0 {
		q.schema = req.OutputFormat.Schema
	}
	for i := range req.Messages {
		m := &req.Messages[i]
		q.size += m.Content.size
		switch m.Role {
		case "user":
			q.answered = m.Content.result
			if m.Content.text != "" {
				q.prompt = m.Content.text
			}
		case "assistant":
			q.answered = false
		}
	}
	for i := range req.Tools {
		// Tools without a schema are the provider's own.
		if t := &req.Tools[i]; len(t.InputSchema) > 0 {
			q.tools = append(q.tools, tool{t.Name, t.InputSchema})
		}
	}
	return q
}

// messages writes answers of Messages.
type messages struct {
	*answer
	id        string
	requestID string
	model     string

	// index is the block that a stream writes.
	index int
}

func (m *messages) begin(w *wire) *wire {
	return w.raw(`{"model":`).str(m.model).raw(`,"id":`).str(m.id).raw(`,"type":"message","role":"assistant","content":[`)
}

// whole writes the answer that is not a stream.
func (m *messages) whole() []byte {
	var w wire
	m.begin(&w)
	n := 0
	if len(m.thoughts) > 0 {
		w.raw(`{"type":"thinking","thinking":`).str(m.fullThoughts()).raw(`,"signature":`).str(opaque(m.id)).raw(`}`)
		n++
	}
	if len(m.text) > 0 {
		w.comma(n).raw(`{"type":"text","text":`).str(m.fullText()).raw(`}`)
		n++
	}
	for i := range m.calls {
		c := &m.calls[i]
		w.comma(n).raw(`{"type":"tool_use","id":`).str(c.id).raw(`,"name":`).str(c.name).raw(`,"input":`)
		w.raw(c.arguments()).raw(`}`)
		n++
	}
	w.raw(`],`)
	m.reason(&w)
	w.raw(`,"usage":`)
	m.count(&w, m.output(), len(m.thoughts), true)
	return w.raw(`}`).buf
}

// reason writes why the answer ends.
func (m *messages) reason(w *wire) {
	reason := "end_turn"
	switch m.end {
	case endLength:
		reason = "max_tokens"
	case endTools:
		reason = "tool_use"
	case endSequence:
		reason = "stop_sequence"
	case endFilter:
		reason = "refusal"
	case endStop:
	}
	w.raw(`"stop_reason":"`).raw(reason).raw(`","stop_sequence":`).strOrNull(m.stop)
}

// count writes the usage: Anthropic's input tokens leave out the cached ones.
func (m *messages) count(w *wire, output, thinking int, full bool) {
	w.raw(`{"input_tokens":`).num(m.input - m.cached).raw(`,"cache_creation_input_tokens":0,"cache_read_input_tokens":`)
	w.num(m.cached)
	if full {
		w.raw(`,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0}`)
	}
	w.raw(`,"output_tokens":`).num(output)
	if thinking > 0 {
		w.raw(`,"output_tokens_details":{"thinking_tokens":`).num(thinking).raw(`}`)
	}
	if full {
		w.raw(`,"service_tier":"standard"`)
	}
	w.raw(`}`)
}

func (m *messages) mediaType() (string, framing) { return eventStream, events }

func (m *messages) event(w *wire, name string) *wire {
	return w.event(name).raw(`{"type":"`).raw(name).raw(`"`)
}

func (m *messages) open(w *wire) {
	m.event(w, "message_start").raw(`,"message":`)
	m.begin(w).raw(`],"stop_reason":null,"stop_sequence":null,"usage":`)
	m.count(w, 1, 0, true)
	w.raw(`}}`).end()
	m.event(w, "ping").raw(`}`).end()
}

// delta opens and closes the content blocks around the pieces.
func (m *messages) delta(w *wire, d delta) {
	if d.first {
		m.event(w, "content_block_start").raw(`,"index":`).num(m.index).raw(`,"content_block":`)
		switch d.kind {
		case thought:
			w.raw(`{"type":"thinking","thinking":"","signature":""}`)
		case text:
			w.raw(`{"type":"text","text":""}`)
		case toolCall:
			c := &m.calls[d.call]
			w.raw(`{"type":"tool_use","id":`).str(c.id).raw(`,"name":`).str(c.name).raw(`,"input":{}}`)
		}
		w.raw(`}`).end()
	}
	switch d.kind {
	case thought:
		m.piece(w, "thinking_delta", "thinking", d.s)
	case text:
		m.piece(w, "text_delta", "text", d.s)
	case toolCall:
		m.piece(w, "input_json_delta", "partial_json", d.s)
	}
	if d.last {
		if d.kind == thought {
			m.piece(w, "signature_delta", "signature", opaque(m.id))
		}
		m.event(w, "content_block_stop").raw(`,"index":`).num(m.index).raw(`}`).end()
		m.index++
	}
}

func (m *messages) piece(w *wire, kind, member, s string) {
	m.event(w, "content_block_delta").raw(`,"index":`).num(m.index).raw(`,"delta":{"type":"`).raw(kind)
	w.raw(`","`).raw(member).raw(`":`).str(s).raw(`}}`).end()
}

func (m *messages) close(w *wire) {
	m.event(w, "message_delta").raw(`,"delta":{`)
	m.reason(w)
	w.raw(`},"usage":`)
	m.count(w, m.output(), len(m.thoughts), false)
	w.raw(`}`).end()
	m.event(w, "message_stop").raw(`}`).end()
}

func (m *messages) fail(w *wire, e *apiError) {
	w.event("error").raw(string(e.body(anthropic, m.requestID))).end()
}

// Interface guards
var _ dialect = (*messages)(nil)
