package chat

import (
	"slices"
	"strconv"
	"strings"
)

// The families of models whose servers refuse some of what the format has. They
// are told by their names, of which nothing is known where a deployment has one
// of its own; such a model is taken to know the whole format.
type family int

const (
	unknown  family = iota
	plainGPT        // OpenAI's models that do not think
	oSeries         // o1, o3, o4-mini
	gpt5            // gpt-5 and its successors
	gptOSS
	mistral
	llama
	qwen
	grok
	deepSeek
	glm
	kimi
)

// model is what a model's name tells.
type model struct {
	family family
	// version is ten times the number: 50, 51.
	version int
	// name is the name without the vendor before it; resold says that there was
	// one, as OpenRouter and its likes have it. They drop what a model refuses.
	name   string
	resold bool
}

// families by a word in their names; the first one that occurs counts, as in
// deepseek-r1-distill-llama-70b.
var families = []struct {
	word   string
	family family
}{
	{"gpt-oss", gptOSS},
	{"llama", llama},
	{"qwen", qwen},
	{"qwq", qwen},
	{"mistral", mistral},
	{"mixtral", mistral},
	{"ministral", mistral},
	{"magistral", mistral},
	{"codestral", mistral},
	{"devstral", mistral},
	{"pixtral", mistral},
	{"voxtral", mistral},
	{"grok", grok},
	{"deepseek", deepSeek},
	{"kimi", kimi},
	{"glm-", glm},
	{"chatgpt", plainGPT},
	{"gpt-3", plainGPT},
	{"gpt-4", plainGPT},
}

func modelOf(name string) model {
	slash := strings.LastIndexByte(name, '/')
	m := model{name: strings.TrimPrefix(strings.ToLower(name[slash+1:]), "ft:"), resold: slash >= 0}
	for _, f := range families {
		if strings.Contains(m.name, f.word) {
			m.family = f.family
			m.version = version(m.name, f.word)
			return m
		}
	}
	switch {
	case len(m.name) > 1 && m.name[0] == 'o' && '1' <= m.name[1] && m.name[1] <= '9':
		m.family = oSeries
	case strings.Contains(m.name, "gpt-"):
		if m.version = version(m.name, "gpt"); m.version >= 50 {
			m.family = gpt5
		}
		if strings.Contains(m.name, "-chat") {
			m.family = plainGPT
		}
	}
	return m
}

// version is ten times the number after a word: 51 of gpt-5.1-mini, 41 of
// grok-4-1-fast, 50 of gpt-5-2025-08-07.
func version(name, word string) (v int) {
	_, rest, _ := strings.Cut(name, word)
	numbers := strings.FieldsFunc(rest, func(r rune) bool { return r == '-' || r == '.' || r == ':' })
	for i, scale := range []int{10, 1} {
		if i == len(numbers) || len(numbers[i]) > 1 {
			break
		}
		n, err := strconv.Atoi(numbers[i])
		if err != nil {
			break
		}
		v += n * scale
	}
	return v
}

// openAI tells OpenAI's own models, which know the role developer and `store`.
func (m model) openAI() bool {
	return m.family == plainGPT || m.reasons()
}

// reasons tells OpenAI's models that think, which demand max_completion_tokens:
// https://platform.openai.com/docs/guides/reasoning.
func (m model) reasons() bool { return m.family == oSeries || m.family == gpt5 }

// thinkingGrok tells xAI's models that refuse penalties and stop:
// https://docs.x.ai/docs/guides/reasoning.
func (m model) thinkingGrok() bool {
	return m.family == grok && (m.version >= 40 || strings.Contains(m.name, "mini") || strings.Contains(m.name, "code")) &&
		!strings.Contains(m.name, "non-reasoning")
}

// searches tells OpenAI's models that search by themselves, the only ones of
// theirs that take web_search_options, and the only ones that do without sampling
// although they do not think: https://platform.openai.com/docs/guides/tools-web-search.
func (m model) searches() bool { return strings.Contains(m.name, "search") }

// webSearch tells whether web_search_options may be sent.
func (m model) webSearch() bool { return m.family == unknown || m.resold || m.searches() }

// sampling tells whether the model takes temperature, top_p and logprobs. OpenAI's
// do once they do not think, which is what 5.1 and 5.2 do unless they are told:
// https://platform.openai.com/docs/guides/latest-model#gpt-5-2-parameter-compatibility.
func (m model) sampling(effort string) bool {
	switch m.family {
	case oSeries:
		return false
	case gpt5:
		quiet := effort == "none" || effort == "" && m.version <= 52
		return quiet && m.version > 50 && m.version < 55 && !strings.Contains(m.name, "codex") && !m.pro()
	case plainGPT:
		return !m.searches()
	}
	return true
}

// penalties tells whether the model takes frequency_penalty, presence_penalty
// and logit_bias.
func (m model) penalties() bool {
	return !m.reasons() && !m.thinkingGrok() && !(m.family == plainGPT && m.searches())
}

// stops tells whether the model takes `stop`. OpenAI's o3, o4-mini and gpt-5 do
// not: https://platform.openai.com/docs/api-reference/chat/create#chat-create-stop,
// https://github.com/huggingface/smolagents/pull/1662.
func (m model) stops() bool {
	return m.family != oSeries && !(m.family == gpt5 && m.version == 50) && !m.thinkingGrok()
}

// parallel tells whether the model takes parallel_tool_calls, which the o-series
// does not: https://github.com/run-llama/llama_index/issues/20865.
func (m model) parallel() bool { return m.family != oSeries }

// schemas tells whether the model's own server takes a JSON Schema for the answer.
// DeepSeek's and Z.ai's know json_object alone:
// https://api-docs.deepseek.com/api/create-chat-completion,
// https://docs.z.ai/guides/capabilities/struct-output.
func (m model) schemas() bool { return m.resold || m.family != deepSeek && m.family != glm }

// reasoning tells whether the model's servers take back what it thought. Groq's
// refuse the member (https://github.com/janhq/jan/issues/8136), Mistral's refuse
// all that they do not know (https://github.com/BerriAI/litellm/issues/30835), and
// OpenAI's have no use for it.
func (m model) reasoning() bool {
	switch m.family {
	case plainGPT, oSeries, gpt5, gptOSS, mistral, llama, qwen:
		return m.resold && m.openAI()
	}
	return true
}

// details tells whether reasoning_details may be sent back, which are resellers'.
func (m model) details() bool { return m.resold || m.family == unknown }

// demandsReasoning tells the models that refuse a call without the reasoning
// before it, be it empty:
// https://api-docs.deepseek.com/guides/thinking_mode#tool-calls,
// https://github.com/continuedev/continue/issues/11527.
func (m model) demandsReasoning() bool {
	return m.family == deepSeek || m.family == kimi && !strings.Contains(m.name, "instruct")
}

func (m model) pro() bool { return strings.Contains(m.name, "-pro") }

// efforts are the names of efforts, from none to the most.
var efforts = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}

// knownEfforts are the efforts that the model takes, none at all where it has no
// such member: https://platform.openai.com/docs/api-reference/chat/create#chat-create-reasoning_effort,
// https://learn.microsoft.com/azure/ai-foundry/openai/how-to/reasoning,
// https://console.groq.com/docs/reasoning, https://docs.x.ai/docs/guides/reasoning.
func (m model) knownEfforts() []string {
	switch m.family {
	case plainGPT, mistral, llama:
		return nil
	case oSeries, gptOSS:
		return efforts[2:5]
	case gpt5:
		return m.gpt5Efforts()
	case qwen:
		return efforts[:1]
	case grok:
		switch {
		case strings.Contains(m.name, "grok-3-mini"):
			return []string{"low", "high"}
		case m.version == 43:
			return []string{"none", "low", "medium", "high"}
		case m.version > 43:
			return efforts[2:5]
		}
		return nil
	case deepSeek:
		return []string{"none", "minimal", "low", "medium", "high", "max"}
	}
	if m.resold {
		return efforts[:6]
	}
	return efforts[:5]
}

func (m model) gpt5Efforts() []string {
	codex := strings.Contains(m.name, "codex")
	switch {
	case m.pro() && m.version == 50:
		return efforts[4:5]
	case m.pro():
		return efforts[3:6]
	case codex && m.version < 52 && !strings.Contains(m.name, "max"):
		return efforts[2:5]
	case codex:
		return efforts[2:6]
	case m.version == 50:
		return efforts[1:5]
	case m.version == 51:
		return []string{"none", "low", "medium", "high"}
	case m.version < 56:
		return []string{"none", "low", "medium", "high", "xhigh"}
	}
	return []string{"none", "low", "medium", "high", "xhigh", "max"}
}

// effort is the effort to ask the model for, the nearest to the one asked for
// that it knows. From 5.4 on OpenAI's chat has functions only without thinking,
// and some of these models have to be told so:
// https://github.com/BerriAI/litellm/pull/34569.
func (m model) effort(asked string, functions bool) string {
	if functions && m.family == gpt5 && m.version >= 54 && !m.resold {
		return "none"
	}
	known := m.knownEfforts()
	wanted := slices.Index(efforts, asked)
	if wanted < 0 || len(known) == 0 {
		return ""
	}
	if len(known) == 1 && known[0] == "none" && asked != "none" {
		return ""
	}
	best := known[0]
	for _, e := range known {
		if distance(e, wanted) <= distance(best, wanted) {
			best = e
		}
	}
	return best
}

// distance is how far an effort is from a wanted one. Not to think at all is far
// from thinking a little.
func distance(effort string, wanted int) int {
	i := slices.Index(efforts, effort)
	if i == 0 && wanted > 0 {
		return len(efforts)
	}
	return max(i-wanted, wanted-i)
}
