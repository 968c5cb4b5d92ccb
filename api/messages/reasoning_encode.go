package messages

import (
	"encoding/json"
	"strings"

	"github.com/caddy-plexus/plexus/api"
)

// minBudget is the smallest budget of thinking that Anthropic takes:
// https://platform.claude.com/docs/en/build-with-claude/extended-thinking#max-tokens-and-context-window-size.
const minBudget = 1024

// thinking is the member of that name, the effort for output_config, and
// max_tokens, which includes the budget and has to be above it.
func (e *requestEncoder) thinking(limit int64, c *conversation) (json.RawMessage, string, int64) {
	r := e.req.Reasoning
	switch {
	case r == nil:
		return nil, "", limit
	case e.native && r.Budget > 0 && c.foreign && c.repliesUnthinking():
		e.unthinking = true
		e.drop("thinking")
		if e.clearsThinking() {
			e.drop("context_management")
		}
		return nil, "", limit
	case e.native:
		thinking, effort := e.asItCame(r)
		return thinking, effort, limit
	case r.Effort == "none":
		if e.traits.disables() {
			return json.RawMessage(`{"type":"disabled"}`), "", limit
		}
		return nil, "", limit
	case r.Effort == "" && r.Budget == 0 && !r.Visible && !r.Adaptive:
		return nil, "", limit
	case !e.traits.thinks(), e.forces():
		// https://platform.claude.com/docs/en/build-with-claude/extended-thinking#extended-thinking-with-tool-use
		e.drop("reasoning")
		return nil, "", limit
	}
	effort := r.Effort
	if effort == "" {
		if effort = api.BudgetEffort(r.Budget); effort == "" {
			effort = "medium" // as OpenAI and Google have it where nobody says
		}
	}
	if e.traits.adaptiveOnly() || e.traits.adaptive() && r.Budget == 0 {
		dst := json.RawMessage(`{"type":"adaptive"`)
		if e.req.ShowsReasoning() { // later models leave it out unless they are asked
			dst = append(dst, `,"display":"summarized"`...)
		}
		return append(dst, '}'), e.traits.effort(effort), limit
	}
	if c.repliesUnthinking() {
		e.drop("reasoning")
		return nil, "", limit
	}
	return e.budget(r, effort, limit)
}

// clearsThinking tells whether an edit of the context is of thinking, which
// Anthropic refuses where there is none.
func (e *requestEncoder) clearsThinking() bool {
	return strings.Contains(string(e.req.Extra["context_management"]), `"clear_thinking`)
}

// budget is thinking with a number of tokens, which leaves room for the answer.
func (e *requestEncoder) budget(r *api.Reasoning, effort string, limit int64) (json.RawMessage, string, int64) {
	budget := r.Budget
	if budget == 0 {
		budget = api.EffortBudget(effort)
	}
	budget = max(budget, minBudget)
	if e.req.MaxTokens == 0 {
		limit = max(limit, budget+defaultTokens)
		if most := e.traits.limit(); most > 0 {
			limit = min(limit, most)
		}
	}
	if budget >= limit {
		if budget = limit / 2; budget < minBudget {
			e.drop("reasoning")
			return nil, "", limit
		}
		if r.Budget > 0 {
			e.drop("reasoning.budget")
		}
	}
	return append(memberInt(json.RawMessage(`{"type":"enabled"`), "budget_tokens", budget), '}'), "", limit
}

// asItCame is what DecodeRequest has read.
func (e *requestEncoder) asItCame(r *api.Reasoning) (json.RawMessage, string) {
	effort := r.Effort
	dst := json.RawMessage(`{"type":`)
	switch {
	case effort == "none":
		dst, effort = append(dst, `"disabled"`...), ""
	case r.Adaptive:
		dst = append(dst, `"adaptive"`...)
	case r.Budget > 0:
		dst = memberInt(append(dst, `"enabled"`...), "budget_tokens", r.Budget)
	case r.Visible:
		dst = append(dst, `"enabled"`...)
	default:
		return nil, effort
	}
	return append(appendNested(dst, e.nested("thinking.")), '}'), effort
}

func (e *requestEncoder) outputConfig(dst []byte, effort string) []byte {
	nested := e.nested("output_config.")
	format := e.req.Format
	if format != nil && (e.forcesFormat() || len(format.Schema) == 0) {
		format = nil
	}
	if effort == "" && format == nil && len(nested) == 0 {
		return dst
	}
	dst = optionalText(append(member(dst, "output_config"), '{'), "effort", effort)
	if format != nil {
		schema := format.Schema
		dst = append(member(dst, "format"), `{"type":"json_schema"`...)
		if e.native {
			dst = optionalText(dst, "name", format.Name)
		} else {
			schema = reduce(schema)
		}
		dst = memberRaw(dst, "schema", schema)
		dst = append(appendNested(dst, e.nested("output_config.format.")), '}')
	}
	return append(appendNested(dst, nested), '}')
}
