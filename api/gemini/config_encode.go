package gemini

import (
	"encoding/json"
	"math"
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
	number("presencePenalty", e.penalty("presence_penalty", req.PresencePenalty))
	number("frequencyPenalty", e.penalty("frequency_penalty", req.FrequencyPenalty))
	e.candidates(&o)
	e.format(&o, rest)
	e.thinking(&o)
	e.responseModalities(&o)
	o.members(rest, "thinkingConfig")
	if !o.empty() {
		top.add("generationConfig", o.end())
	}
}

// members adds the members of a list, but for those inside of the objects named.
func (o *object) members(list words, objects ...string) {
	for i := range list {
		if !list[i].inside(objects...) {
			o.add(list[i].name, list[i].raw)
		}
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

// penalty is a penalty that the model takes: some refuse all but none.
func (e *encoder) penalty(name string, n json.Number) json.Number {
	if e.native || e.model.penalties() || strings.Trim(string(n), "-0.") == "" {
		return n
	}
	e.drop(name, true)
	return ""
}

// seed writes a seed of 32 bits. One of OpenAI's 64 is folded into them: what it
// is for is that the same seed gives the same answer again.
func (e *encoder) seed(o *object) {
	n, err := strconv.ParseInt(string(e.req.Seed), 10, 64)
	switch {
	case e.req.Seed == "":
	case e.native:
		o.add("seed", []byte(e.req.Seed))
	case err != nil:
		e.drop("seed", true)
	case n < math.MinInt32 || n > math.MaxInt32:
		o.whole("seed", int64(int32(n^n>>32))) //nolint:gosec // the lower half is what is wanted
	default:
		o.whole("seed", n)
	}
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
func (e *encoder) format(o *object, rest words) {
	format := e.req.Format
	if format == nil || rest.get("responseFormat") != nil {
		return
	}
	o.text("responseMimeType", "application/json")
	switch {
	case absent(format.Schema):
	case !e.native:
		o.add("responseJsonSchema", described(reduceSchema(format.Schema), format.Description))
	case rest.get("responseSchema") == nil && rest.get("_responseJsonSchema") == nil:
		o.add("responseJsonSchema", format.Schema)
	}
}

// described is a schema that says what OpenAI's format says beside it.
func described(schema json.RawMessage, description string) json.RawMessage {
	if description == "" || jsonscan.Member(schema, "description") != nil {
		return schema
	}
	var o object
	o.merge(schema)
	o.text("description", description)
	return o.end()
}

// thinking writes how much to think: levels since Gemini 3, tokens before it
// (https://ai.google.dev/gemini-api/docs/thinking), nothing to models that do
// not think and refuse to be asked.
func (e *encoder) thinking(o *object) {
	r := e.req.Reasoning
	var config object
	visible := false
	switch {
	case r == nil:
	case e.native:
		e.nativeThinking(&config, r)
		visible = r.Visible
	case e.model.mute:
		e.drop("reasoning", true)
	case e.model.levels():
		if level := thinkingLevel(r, e.model); level != "" {
			config.text("thinkingLevel", level)
		}
		visible = e.req.ShowsReasoning()
	default:
		budget, ok := thinkingBudget(r, e.model)
		if ok {
			config.whole("thinkingBudget", budget)
		}
		// "include_thoughts is only enabled when thinking is enabled"
		visible = e.req.ShowsReasoning() && (!ok || budget != 0)
	}
	if visible {
		config.add("includeThoughts", []byte("true"))
	}
	config.members(e.rest("generationConfig.thinkingConfig"))
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

// thinkingLevel is what an effort or a budget comes to:
// https://ai.google.dev/gemini-api/docs/openai#thinking. A level that a model
// lacks is the next one above it.
func thinkingLevel(r *api.Reasoning, m traits) string {
	effort := r.Effort
	if effort == "" {
		effort = api.BudgetEffort(r.Budget)
	}
	switch effort {
	case "none", "minimal":
		if m.minimal() {
			return "MINIMAL"
		}
		return "LOW"
	case "low":
		return "LOW"
	case "medium":
		if m.medium() {
			return "MEDIUM"
		}
		return "HIGH"
	case "high", "xhigh", "max":
		return "HIGH"
	}
	return ""
}

func thinkingBudget(r *api.Reasoning, m traits) (int64, bool) {
	least, lowest, highest := m.budgets()
	switch {
	case r.Effort == "none":
		return least, true
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
	keep := e.rest("toolConfig.functionCallingConfig")
	var calling object
	if e.native || slices.ContainsFunc(e.req.Tools, isFunction) {
		e.choice(&calling, keep.get("mode"))
	} else {
		e.drop("tool_choice", e.req.ToolChoice.Mode != "" && e.req.ToolChoice.Mode != api.ToolAuto)
	}
	calling.members(keep.without("mode"))
	var o object
	if !calling.empty() {
		o.add("functionCallingConfig", calling.end())
	}
	o.members(rest, "functionCallingConfig")
	if e.mixed {
		o.add("includeServerSideToolInvocations", []byte("true"))
	}
	if !o.empty() {
		top.add("toolConfig", o.end())
	}
}

func isFunction(tool api.Tool) bool {
	return tool.Kind == api.FunctionTool || tool.Kind == api.CustomTool
}

// choice writes a mode and names. AUTO takes no names and promises no schema;
// VALIDATED, which is the same for a client, does both, and is what functions
// beside Google's own tools want: https://ai.google.dev/api/caching#Mode_1.
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
	if (len(allowed) > 0 || e.mixed || e.strict) && (word == "AUTO" || word == "") {
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
