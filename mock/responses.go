package mock

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"
)

// responsesRequest is a request of OpenAI's Responses. The raw members are
// only there to be echoed.
type responsesRequest struct {
	head
	Input        responsesInput `json:"input"`
	Instructions content        `json:"instructions"`
	Tools        []struct {
		Type       string          `json:"type"`
		Name       string          `json:"name"`
		Parameters json.RawMessage `json:"parameters"`
	} `json:"tools"`
	ToolChoice        toolChoice `json:"tool_choice"`
	ParallelToolCalls *bool      `json:"parallel_tool_calls"`
	MaxOutputTokens   int        `json:"max_output_tokens"`
	Include           []string   `json:"include"`
	Reasoning         struct {
		Effort string `json:"effort"`
	} `json:"reasoning"`
	Text struct {
		Format struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	} `json:"text"`

	echo responsesEcho
}

// responsesEcho are the members that a response repeats from its request.
type responsesEcho struct {
	Instructions       json.RawMessage `json:"instructions"`
	MaxOutputTokens    json.RawMessage `json:"max_output_tokens"`
	Metadata           json.RawMessage `json:"metadata"`
	ParallelToolCalls  json.RawMessage `json:"parallel_tool_calls"`
	PreviousResponseID json.RawMessage `json:"previous_response_id"`
	Reasoning          json.RawMessage `json:"reasoning"`
	Store              json.RawMessage `json:"store"`
	Temperature        json.RawMessage `json:"temperature"`
	Text               json.RawMessage `json:"text"`
	ToolChoice         json.RawMessage `json:"tool_choice"`
	Tools              json.RawMessage `json:"tools"`
	TopP               json.RawMessage `json:"top_p"`
	Truncation         json.RawMessage `json:"truncation"`
	User               json.RawMessage `json:"user"`
}

// responsesInput is a text or a list of items.
type responsesInput []responsesItem

type responsesItem struct {
	Type    string  `json:"type"`
	Role    string  `json:"role"`
	Content content `json:"content"`
	Output  content `json:"output"`
}

// UnmarshalJSON reads a string as the user's only message.
func (l *responsesInput) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		*l = responsesInput{{Role: "user"}}
		return json.Unmarshal(raw, &(*l)[0].Content)
	}
	return json.Unmarshal(raw, (*[]responsesItem)(l))
}

func readResponses(x *exchange) (head, func() error, error) {
	var req responsesRequest
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	if err := x.decode(&req.echo); err != nil {
		return head{}, nil, err
	}
	return req.head, func() error {
		p := &responses{
			answer: x.compose(req.ask()),
			echo:   &req.echo,
			sealed: slices.Contains(req.Include, "reasoning.encrypted_content"),
			model:  x.model,
			at:     time.Now().Unix(),
			id:     x.id("resp_"),
		}
		p.reasoningID, p.messageID, p.callID = x.id("rs_"), x.id("msg_"), x.id("fc_")
		if req.Stream {
			return x.stream(p, p.answer.deltas(1))
		}
		var w wire
		p.object(&w, p.status())
		return x.sendJSON(w.buf)
	}, nil
}

// ask reads the request as every API's are read.
func (req *responsesRequest) ask() *ask {
	q := &ask{
		size:       req.Instructions.size,
		choice:     req.ToolChoice,
		single:     req.ParallelToolCalls != nil && !*req.ParallelToolCalls,
		think:      thinks(req.Reasoning.Effort),
		limit:      req.MaxOutputTokens,
		structured: strings.HasPrefix(req.Text.Format.Type, "json_"),
		schema:     req.Text.Format.Schema,
	}
	for i := range req.Input {
		item := &req.Input[i]
		q.size += item.Content.size + item.Output.size
		switch {
		case strings.HasSuffix(item.Type, "_output"):
			q.answered = true
		case item.Role == "user":
			q.prompt, q.answered = item.Content.text, false
		case item.Role == "assistant":
			q.answered = false
		}
	}
	for i := range req.Tools {
		// Only functions: the provider runs its own tools itself.
		if t := &req.Tools[i]; t.Type == "function" {
			q.tools = append(q.tools, tool{t.Name, t.Parameters})
		}
	}
	return q
}

// responses writes answers of Responses.
type responses struct {
	*answer
	echo   *responsesEcho
	sealed bool
	model  string
	at     int64

	id, reasoningID, messageID, callID string

	// The state of a stream.
	sequence int
	index    int
}

const (
	statusRunning    = "in_progress"
	statusCompleted  = "completed"
	statusIncomplete = "incomplete"
)

// status is the status of the finished response.
func (p *responses) status() string {
	if p.end == endLength || p.end == endFilter {
		return statusIncomplete
	}
	return statusCompleted
}

// object writes the response; output and usage only come with its end.
func (p *responses) object(w *wire, status string) *wire {
	at := strconv.FormatInt(p.at, 10)
	ended := status == statusCompleted || status == statusIncomplete
	w.raw(`{"id":`).str(p.id).raw(`,"object":"response","created_at":`).raw(at).raw(`,"status":`).str(status)
	w.raw(`,"background":false,"error":null,"incomplete_details":`)
	switch {
	case status != statusIncomplete:
		w.raw(`null`)
	case p.end == endFilter:
		w.raw(`{"reason":"content_filter"}`)
	default:
		w.raw(`{"reason":"max_output_tokens"}`)
	}
	p.request(w)
	w.raw(`,"model":`).str(p.model).raw(`,"output":[`)
	if ended {
		p.output(w)
	}
	w.raw(`],"usage":`)
	if ended {
		p.count(w)
	} else {
		w.raw(`null`)
	}
	return w.raw(`}`)
}

// request echoes the request's members.
func (p *responses) request(w *wire) {
	e := p.echo
	w.raw(`,"instructions":`).json(e.Instructions, `null`)
	w.raw(`,"max_output_tokens":`).json(e.MaxOutputTokens, `null`)
	w.raw(`,"metadata":`).json(e.Metadata, `{}`)
	w.raw(`,"parallel_tool_calls":`).json(e.ParallelToolCalls, `true`)
	w.raw(`,"previous_response_id":`).json(e.PreviousResponseID, `null`)
	w.raw(`,"reasoning":`).json(e.Reasoning, `{"effort":null,"summary":null}`)
	w.raw(`,"service_tier":"default","store":`).json(e.Store, `true`)
	w.raw(`,"temperature":`).json(e.Temperature, `1`)
	w.raw(`,"text":`).json(e.Text, `{"format":{"type":"text"},"verbosity":"medium"}`)
	w.raw(`,"tool_choice":`).json(e.ToolChoice, `"auto"`)
	w.raw(`,"tools":`).json(e.Tools, `[]`)
	w.raw(`,"top_p":`).json(e.TopP, `1`)
	w.raw(`,"truncation":`).json(e.Truncation, `"disabled"`)
	w.raw(`,"user":`).json(e.User, `null`)
}

// output writes the finished items.
func (p *responses) output(w *wire) {
	n := 0
	if len(p.thoughts) > 0 {
		p.reasoningItem(w, true)
		n++
	}
	if len(p.text) > 0 {
		p.messageItem(w.comma(n), p.status())
		n++
	}
	for i := range p.calls {
		p.callItem(w.comma(n), i, statusCompleted)
		n++
	}
}

func (p *responses) reasoningItem(w *wire, done bool) *wire {
	w.raw(`{"id":`).str(p.reasoningID).raw(`,"type":"reasoning","summary":[`)
	if done {
		p.summaryPart(w, p.fullThoughts())
	}
	w.raw(`]`)
	if p.sealed {
		w.raw(`,"encrypted_content":`).str(opaque(p.reasoningID))
	}
	return w.raw(`}`)
}

func (p *responses) summaryPart(w *wire, text string) *wire {
	return w.raw(`{"type":"summary_text","text":`).str(text).raw(`}`)
}

func (p *responses) messageItem(w *wire, status string) *wire {
	w.raw(`{"id":`).str(p.messageID).raw(`,"type":"message","status":`).str(status).raw(`,"role":"assistant","content":[`)
	if status != statusRunning {
		p.textPart(w, p.fullText())
	}
	return w.raw(`]}`)
}

func (p *responses) textPart(w *wire, text string) *wire {
	return w.raw(`{"type":"output_text","annotations":[],"logprobs":[],"text":`).str(text).raw(`}`)
}

func (p *responses) callItem(w *wire, i int, status string) *wire {
	c := &p.calls[i]
	w.raw(`{"id":`).str(p.itemID(i)).raw(`,"type":"function_call","status":`).str(status)
	w.raw(`,"call_id":`).str(c.id).raw(`,"name":`).str(c.name).raw(`,"arguments":`)
	if status == statusRunning {
		return w.raw(`""}`)
	}
	return w.str(c.arguments()).raw(`}`)
}

func (p *responses) itemID(call int) string {
	return p.callID + strconv.Itoa(call)
}

// count writes the usage, whose totals include cached and reasoning tokens.
func (p *responses) count(w *wire) {
	w.raw(`{"input_tokens":`).num(p.input).raw(`,"input_tokens_details":{"cached_tokens":`).num(p.cached)
	w.raw(`},"output_tokens":`).num(p.answer.output()).raw(`,"output_tokens_details":{"reasoning_tokens":`).num(len(p.thoughts))
	w.raw(`},"total_tokens":`).num(p.input + p.answer.output()).raw(`}`)
}

// Interface guards
var _ json.Unmarshaler = (*responsesInput)(nil)
