package responses

import (
	"slices"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/openai"
)

// effort is how much to think, in OpenAI's words.
func effort(req *api.Request) string {
	r := req.Reasoning
	switch {
	case r == nil:
		return ""
	case r.Effort == "max" && req.Source != api.Responses:
		return "xhigh" // https://platform.openai.com/docs/guides/reasoning knows no more
	case r.Effort == "":
		return api.BudgetEffort(r.Budget)
	}
	return r.Effort
}

// effort is the one to ask the model for, the nearest to what was asked for that
// it knows.
func (e *requestEncoder) effort() string {
	asked := effort(e.req)
	if e.model.Family == openai.Foreign {
		return asked
	}
	return openai.Nearest(e.model.Efforts(), asked)
}

// thinks tells whether the request asks the model to think, and it can.
func (e *requestEncoder) thinks() bool {
	if e.model.Family == openai.Plain {
		return false
	}
	r := e.req.Reasoning
	if r == nil || r.Effort == "none" {
		return false
	}
	return r.Effort != "" || r.Budget > 0 || r.Adaptive || r.Visible
}

func (e *requestEncoder) thinking() {
	r := e.req.Reasoning
	if e.model.Family == openai.Plain {
		e.drop(r != nil && (r.Effort != "none" && effort(e.req) != "" || r.Adaptive || r.Visible), "reasoning")
		r = nil
	}
	var b buffer
	b.reasoningOptions(e.req, r, e.effort())
	if len(b) > len("{}") {
		e.raw("reasoning", b)
	}
	include := []string{}
	if raw := e.req.Extra["include"]; raw != nil && !e.foreign() {
		_ = readTexts(raw, &include)
	}
	add := func(when bool, name string) {
		if when && !slices.Contains(include, name) {
			include = append(include, name)
		}
	}
	// Without it a client of another format could not send the reasoning back.
	add(r != nil && r.Encrypted || e.foreign() && e.thinks(), includeEncrypted)
	add(e.req.Logprobs, includeLogprobs)
	e.texts("include", include)
}

func (b *buffer) reasoningOptions(req *api.Request, r *api.Reasoning, effort string) {
	b.open('{')
	if r != nil {
		b.optional("effort", effort)
		summary := r.Summary
		if summary == "" && r.Visible {
			summary = "auto"
		}
		b.optional("summary", summary)
	}
	b.within(req, "reasoning.")
	b.close('}')
}
