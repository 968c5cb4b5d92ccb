package responses

import (
	"crypto/rand"
	"encoding/json"
	"strconv"
	"time"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// EncodeResponse implements api.Codec. It writes what the last event of a stream
// would hold.
func (Codec) EncodeResponse(resp *api.Response, req *api.Request) ([]byte, error) {
	e := newStreamEncoder(req)
	e.whole = true
	if resp.Source.Vendor() == vendor {
		e.tier = resp.ServiceTier
	}
	if len(resp.Choices) > 0 {
		e.logprobs = answerLogprobs(resp.Choices[0].Logprobs)
	}
	resp.Emit(func(ev *api.Event) {
		if ev.Kind != api.End {
			e.order.Add(ev)
		}
	})
	e.closeItem()
	e.dst = nil
	e.response(statusFor(e.finish, e.refused))
	return e.dst, nil
}

// identity completes what every response has to have.
func identity(id string, created int64, model string, req *api.Request) (string, int64, string) {
	if id == "" {
		id = "resp_" + rand.Text()
	}
	if created == 0 {
		created = time.Now().Unix()
	}
	if model == "" {
		model = req.Model
	}
	return id, created, model
}

// response writes the response as far as it is known, with all members that the
// SDKs take for granted:
// https://platform.openai.com/docs/api-reference/responses/object. What the client
// asked for is repeated in its own words.
func (e *streamEncoder) response(status, reason string) {
	b, req := &e.dst, e.req
	b.open('{')
	b.text("id", e.id)
	b.text("object", "response")
	b.whole("created_at", e.created)
	b.text("status", status)
	b.boolean("background", false)
	e.ending(status, reason)
	b.textOrNull("instructions", instructionsOf(req))
	b.key("max_output_tokens")
	if req.MaxTokens > 0 {
		*b = strconv.AppendInt(*b, req.MaxTokens, 10)
	} else {
		*b = append(*b, null...)
	}
	b.extra(req, "max_tool_calls", null)
	b.rawOr("metadata", req.Metadata, "{}")
	b.text("model", e.model)
	b.key("output")
	b.open('[')
	*b = append(*b, e.output...)
	b.close(']')
	b.boolean("parallel_tool_calls", req.ParallelToolCalls == nil || *req.ParallelToolCalls)
	b.extra(req, "previous_response_id", null)
	b.extra(req, "prompt_cache_key", null)
	e.reasoning()
	b.extra(req, "safety_identifier", null)
	b.textOrNull("service_tier", e.tier)
	// Nothing can be fetched again here, whatever the client asked for.
	b.boolean("store", false)
	b.rawOr("temperature", []byte(req.Temperature), null)
	e.form()
	e.choice()
	b.whole("top_logprobs", req.TopLogprobs)
	b.rawOr("top_p", []byte(req.TopP), null)
	b.extra(req, "truncation", `"disabled"`)
	if status == "in_progress" {
		b.raw("usage", []byte(null))
	} else {
		b.usage(e.usage)
	}
	b.textOrNull("user", req.User)
	b.close('}')
}

const null = "null"

// ending writes why the answer is not what it was to be.
func (e *streamEncoder) ending(status, reason string) {
	b := &e.dst
	b.key("error")
	switch {
	case e.failure != nil:
		b.open('{')
		b.text("code", e.failure.ResponsesCode())
		b.text("message", e.failure.Message)
		b.close('}')
	case status == "failed":
		b.open('{')
		b.text("code", "server_error")
		b.text("message", "The model called a tool in a way that could not be understood.")
		b.close('}')
	default:
		*b = append(*b, null...)
	}
	b.key("incomplete_details")
	if reason != "" {
		b.open('{')
		b.text("reason", reason)
		b.close('}')
	} else {
		*b = append(*b, null...)
	}
}

func (e *streamEncoder) reasoning() {
	r := e.req.Reasoning
	if r == nil {
		r = &api.Reasoning{}
	}
	b := &e.dst
	b.key("reasoning")
	b.open('{')
	b.textOrNull("effort", r.Effort)
	b.textOrNull("summary", r.Summary)
	b.close('}')
}

func (e *streamEncoder) form() {
	b := &e.dst
	b.key("text")
	if e.req.Format != nil {
		b.textOptions(e.req)
		return
	}
	b.open('{')
	b.raw("format", []byte(`{"type":"text"}`))
	b.optional("verbosity", e.req.Verbosity)
	b.close('}')
}

func (e *streamEncoder) choice() {
	b, req := &e.dst, e.req
	b.key("tool_choice")
	if req.ToolChoice.Mode == "" && len(req.ToolChoice.Allowed) == 0 {
		*b = append(*b, `"auto"`...)
	} else {
		b.toolChoice(req)
	}
	b.key("tools")
	b.tools(req)
}

// instructionsOf is what the client sent as its instructions.
func instructionsOf(req *api.Request) string {
	if len(req.Messages) > 0 && req.Messages[0].Role == api.RoleSystem && bare(req.Messages[0].Parts) {
		return req.Messages[0].Parts[0].Text
	}
	return ""
}

func (b *buffer) textOrNull(name, value string) {
	if value == "" {
		b.raw(name, []byte(null))
		return
	}
	b.text(name, value)
}

func (b *buffer) rawOr(name string, value []byte, otherwise string) {
	if len(value) == 0 {
		value = []byte(otherwise)
	}
	b.raw(name, value)
}

// extra writes a member of the client's request that only this format has.
func (b *buffer) extra(req *api.Request, name, otherwise string) {
	var value json.RawMessage
	if req.Source == api.Responses {
		value = req.Extra[name]
	}
	b.rawOr(name, value, otherwise)
}

// usage writes OpenAI's usage, in which the input includes what caches served and
// the output what was thought. An unknown one is all zeros: Vercel's AI SDK takes
// a response without numbers for no response.
func (b *buffer) usage(u api.Usage) {
	input := u.Input + u.CacheRead + u.CacheWrite
	b.key("usage")
	b.open('{')
	b.whole("input_tokens", input)
	b.key("input_tokens_details")
	b.open('{')
	b.whole("cached_tokens", u.CacheRead)
	if u.CacheWrite > 0 {
		b.whole("cache_write_tokens", u.CacheWrite)
	}
	b.close('}')
	b.whole("output_tokens", u.Generated())
	b.key("output_tokens_details")
	b.open('{')
	b.whole("reasoning_tokens", u.Reasoning)
	b.close('}')
	b.whole("total_tokens", input+u.Generated())
	b.close('}')
}

// answerLogprobs takes the list out of chat's object, which is how the neutral
// format has it.
func answerLogprobs(raw json.RawMessage) []byte {
	list := jsonscan.Member(raw, "content")
	if !isArray(list) || !json.Valid(list) {
		return nil
	}
	return list
}
