package chat

import (
	"strings"

	"github.com/caddy-plexus/plexus/api/openai"
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
			m.version = openai.Version(m.name, f.word)
			return m
		}
	}
	switch own := openai.ModelOf(name); own.Family {
	case openai.Plain:
		m.family, m.version = plainGPT, own.Version
	case openai.OSeries:
		m.family = oSeries
	case openai.GPT5:
		m.family, m.version = gpt5, own.Version
	case openai.Foreign:
	}
	return m
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
	case oSeries, gpt5:
		return openai.ModelOf(m.name).Sampling(effort)
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

// knownEfforts are the efforts that the model takes, none at all where it has no
// such member: https://platform.openai.com/docs/api-reference/chat/create#chat-create-reasoning_effort,
// https://learn.microsoft.com/azure/ai-foundry/openai/how-to/reasoning,
// https://console.groq.com/docs/reasoning, https://docs.x.ai/docs/guides/reasoning.
func (m model) knownEfforts() []string {
	efforts := openai.AllEfforts
	switch m.family {
	case plainGPT, mistral, llama:
		return nil
	case oSeries, gpt5:
		return openai.ModelOf(m.name).Efforts()
	case gptOSS:
		return efforts[2:5]
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

// effort is the effort to ask the model for, the nearest to the one asked for
// that it knows. From 5.4 on OpenAI's chat has functions only without thinking,
// and some of these models have to be told so:
// https://github.com/BerriAI/litellm/pull/34569.
func (m model) effort(asked string, functions bool) string {
	if functions && m.family == gpt5 && m.version >= 54 && !m.resold {
		return "none"
	}
	known := m.knownEfforts()
	if len(known) == 1 && known[0] == "none" && asked != "none" {
		return ""
	}
	return openai.Nearest(known, asked)
}
