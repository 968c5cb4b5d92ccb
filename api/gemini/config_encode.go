package gemini

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

const (
	// https://ai.google.dev/api/generate-content#GenerationConfig
	maxStop       = 5
	maxCandidates = 8
)

func (e *encoder) generationConfig(top *object) {
	req, rest := e.req, e.rest("generationConfig")
	var o object
	number := func(name string, n json.Number) {
		if n != "" {
			o.add(name, []byte(n))
		}
	}
	if req.MaxTokens != 0 {
		o.whole("maxOutputTokens", req.MaxTokens)
	}
	if len(req.Stop) > maxStop && !e.native {
		e.unsupported(e.word("stop", "stop_sequences", "stop"), "has more than the "+strconv.Itoa(maxStop)+" texts that Gemini takes")
	}
	o.texts("stopSequences", req.Stop)
	number("temperature", req.Temperature)
	number("topP", req.TopP)
	number("topK", req.TopK)
	e.seed(&o)
	number("presencePenalty", req.PresencePenalty)
	number("frequencyPenalty", req.FrequencyPenalty)
	e.candidates(&o)
	e.format(&o, rest)
	e.thinking(&o, jsonscan.Member(rest, "thinkingConfig"))
	o.merge(rest, "thinkingConfig")
	if !o.empty() {
		top.add("generationConfig", o.end())
	}
}

func (o *object) texts(name string, list []string) {
	if len(list) == 0 {
		return
	}
	o.key(name)
	for i, s := range list {
		if i == 0 {
			o.out = append(o.out, '[')
		} else {
			o.out = append(o.out, ',')
		}
		o.out = api.AppendQuoted(o.out, s)
	}
	o.out = append(o.out, ']')
}

// seed writes a seed of 32 bits; OpenAI's have 64.
func (e *encoder) seed(o *object) {
	if e.req.Seed == "" {
		return
	}
	if _, err := strconv.ParseInt(string(e.req.Seed), 10, 32); err != nil && !e.native {
		e.drop("seed", true)
		return
	}
	o.add("seed", []byte(e.req.Seed))
}

func (e *encoder) candidates(o *object) {
	req := e.req
	if req.N > maxCandidates && !e.native {
		e.unsupported("n", "is more than the "+strconv.Itoa(maxCandidates)+" answers that Gemini gives at once")
	}
	if req.N > 1 || req.N != 0 && e.native {
		o.whole("candidateCount", req.N)
	}
	if !req.Logprobs {
		return
	}
	if req.Stream && !e.native {
		e.unsupported("logprobs", "cannot be had from Gemini in a stream")
	}
	o.add("responseLogprobs", []byte("true"))
	if req.TopLogprobs != 0 {
		o.whole("logprobs", req.TopLogprobs)
	}
}

// format asks for JSON. A request of this format that asked in another way than
// by responseJsonSchema has that among the rest.
func (e *encoder) format(o *object, rest json.RawMessage) {
	format := e.req.Format
	if format == nil || jsonscan.Member(rest, "responseFormat") != nil {
		return
	}
	o.text("responseMimeType", "application/json")
	switch {
	case absent(format.Schema):
	case !e.native:
		o.add("responseJsonSchema", reduceSchema(format.Schema))
	case jsonscan.Member(rest, "responseSchema") == nil && jsonscan.Member(rest, "_responseJsonSchema") == nil:
		o.add("responseJsonSchema", format.Schema)
	}
}

// thinking writes how much to think: levels since Gemini 3, tokens before it
// (https://ai.google.dev/gemini-api/docs/thinking), nothing to models that do
// not think and refuse to be asked.
func (e *encoder) thinking(o *object, rest json.RawMessage) {
	r := e.req.Reasoning
	var config object
	switch {
	case r == nil:
	case e.native:
		e.nativeThinking(&config, r)
	case e.gen == 1 || strings.Contains(e.req.Model, "gemini-2.0"):
		e.drop("reasoning", true)
	case e.gen >= 3:
		if level := thinkingLevel(r, e.req.Model); level != "" {
			config.text("thinkingLevel", level)
		}
	default:
		if budget, ok := thinkingBudget(r, e.req.Model); ok {
			config.whole("thinkingBudget", budget)
		}
	}
	if r != nil && r.Visible && !e.dropped["reasoning"] {
		config.add("includeThoughts", []byte("true"))
	}
	config.merge(rest)
	if !config.empty() {
		o.add("thinkingConfig", config.end())
	}
}

func (e *encoder) nativeThinking(o *object, r *api.Reasoning) {
	switch {
	case r.Adaptive:
		o.whole("thinkingBudget", -1)
	case r.Budget != 0:
		o.whole("thinkingBudget", r.Budget)
	}
	switch r.Effort {
	case "":
	case "none":
		o.whole("thinkingBudget", 0)
	default:
		o.text("thinkingLevel", strings.ToUpper(r.Effort))
	}
}

// thinkingLevel is what an effort or a budget comes to. The large models cannot
// do without thinking, and Gemini 3 Pro itself knows low and high alone:
// https://ai.google.dev/gemini-api/docs/openai#thinking.
func thinkingLevel(r *api.Reasoning, model string) string {
	effort := r.Effort
	if effort == "" {
		effort = api.BudgetEffort(r.Budget)
	}
	pro := strings.Contains(model, "-pro")
	switch effort {
	case "none", "minimal":
		if pro {
			return "LOW"
		}
		return "MINIMAL"
	case "low":
		return "LOW"
	case "medium":
		if strings.Contains(model, "gemini-3-pro") {
			return "HIGH"
		}
		return "MEDIUM"
	case "high", "xhigh", "max":
		return "HIGH"
	}
	return ""
}

// The bounds of budgets, which Gemini 2.5 refuses to have crossed.
const (
	minBudgetPro = 128
	maxBudgetPro = 32768
	maxBudget    = 24576
)

func thinkingBudget(r *api.Reasoning, model string) (int64, bool) {
	lowest, highest := int64(0), int64(maxBudget)
	if strings.Contains(model, "-pro") {
		lowest, highest = minBudgetPro, maxBudgetPro
	}
	switch {
	case r.Effort == "none":
		return lowest, true
	case r.Effort != "":
		budget := api.EffortBudget(r.Effort)
		return budget, budget != 0
	case r.Budget > 0:
		return min(max(r.Budget, lowest), highest), true
	case r.Adaptive:
		return -1, true
	}
	return 0, false
}

// toolConfig writes which functions may be called.
func (e *encoder) toolConfig(top *object) {
	rest := e.rest("toolConfig")
	keep := jsonscan.Member(rest, "functionCallingConfig")
	var calling object
	if e.native || slices.ContainsFunc(e.req.Tools, isFunction) {
		e.choice(&calling, jsonscan.Member(keep, "mode"))
	} else {
		e.drop("tool_choice", e.req.ToolChoice.Mode != "" && e.req.ToolChoice.Mode != api.ToolAuto)
	}
	calling.merge(keep, "mode")
	var o object
	if !calling.empty() {
		o.add("functionCallingConfig", calling.end())
	}
	o.merge(rest, "functionCallingConfig")
	if !o.empty() {
		top.add("toolConfig", o.end())
	}
}

func isFunction(tool api.Tool) bool {
	return tool.Kind == api.FunctionTool || tool.Kind == api.CustomTool
}

// choice writes a mode and names. AUTO takes no names; VALIDATED, which is the
// same for a client, does: https://ai.google.dev/api/caching#Mode_1.
func (e *encoder) choice(o *object, mode json.RawMessage) {
	choice := e.req.ToolChoice
	allowed := choice.Allowed
	word := ""
	switch choice.Mode {
	case api.ToolAuto:
		word = "AUTO"
	case api.ToolNone:
		word = "NONE"
	case api.ToolRequired:
		word = "ANY"
	case api.ToolNamed:
		word, allowed = "ANY", []string{choice.Name}
	}
	if !e.native {
		known := e.functions(allowed)
		if word == "ANY" && len(allowed) > 0 && len(known) == 0 {
			// The tool to call is one of the provider's, which nothing forces.
			e.drop("tool_choice", true)
			return
		}
		allowed = known
	}
	if len(allowed) > 0 && (word == "AUTO" || word == "") {
		word = "VALIDATED"
	}
	switch {
	case mode != nil:
		o.add("mode", mode)
	case word != "":
		o.text("mode", word)
	}
	if word != "NONE" || e.native {
		o.texts("allowedFunctionNames", allowed)
	}
}

// functions are those of the names that are functions.
func (e *encoder) functions(names []string) (out []string) {
	for _, name := range names {
		if slices.ContainsFunc(e.req.Tools, func(t api.Tool) bool { return isFunction(t) && t.Name == name }) {
			out = append(out, name)
		}
	}
	return out
}
