package responses

import (
	"slices"

	"github.com/caddy-plexus/plexus/api"
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

// thinks tells whether the request asks the model to think.
func (e *requestEncoder) thinks() bool {
	r := e.req.Reasoning
	if r == nil || r.Effort == "none" {
		return false
	}
	return r.Effort != "" || r.Budget > 0 || r.Adaptive || r.Visible
}

func (e *requestEncoder) thinking() {
	var b buffer
	b.reasoningOptions(e.req)
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
	r := e.req.Reasoning
	// Without it a client of another format could not send the reasoning back.
	add(r != nil && r.Encrypted || e.foreign() && e.thinks(), includeEncrypted)
	add(e.req.Logprobs, includeLogprobs)
	e.texts("include", include)
}

func (b *buffer) reasoningOptions(req *api.Request) {
	b.open('{')
	b.optional("effort", effort(req))
	if r := req.Reasoning; r != nil {
		summary := r.Summary
		if summary == "" && r.Visible {
			summary = "auto"
		}
		b.optional("summary", summary)
	}
	b.within(req, "reasoning.")
	b.close('}')
}
