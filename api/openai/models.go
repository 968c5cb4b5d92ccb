package openai

import (
	"slices"
	"strconv"
	"strings"
)

// Family is a family of OpenAI's own models.
type Family int

// The families. They are told by a model's name, of which nothing is known where
// a deployment has one of its own.
const (
	Foreign Family = iota // another vendor's, or unknown
	Plain                 // gpt-4.1 and others that do not think
	OSeries               // o1, o3, o4-mini
	GPT5                  // gpt-5 and its successors
)

// Model is what a model's name tells of what OpenAI's API takes for it.
type Model struct {
	Family Family
	// Version is ten times the number: 50, 51.
	Version int
	// Name is in small letters, without what stands before it.
	Name string
}

// ModelOf reads a model's name.
func ModelOf(name string) Model {
	m := Model{Name: strings.TrimPrefix(strings.ToLower(name[strings.LastIndexByte(name, '/')+1:]), "ft:")}
	switch {
	case strings.Contains(m.Name, "gpt-oss"):
	case len(m.Name) > 1 && m.Name[0] == 'o' && '1' <= m.Name[1] && m.Name[1] <= '9':
		m.Family = OSeries
	case strings.Contains(m.Name, "chatgpt"), strings.Contains(m.Name, "gpt-3"), strings.Contains(m.Name, "gpt-4"):
		m.Family = Plain
	case strings.Contains(m.Name, "gpt-"):
		if m.Version = Version(m.Name, "gpt"); m.Version >= 50 {
			m.Family = GPT5
		}
		if strings.Contains(m.Name, "-chat") {
			m.Family = Plain
		}
	}
	return m
}

// Version is ten times the number after a word: 51 of gpt-5.1-mini, 41 of
// grok-4-1-fast, 50 of gpt-5-2025-08-07.
func Version(name, word string) (v int) {
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

// Thinks tells the models that think.
func (m Model) Thinks() bool { return m.Family == OSeries || m.Family == GPT5 }

// Sampling tells whether the model takes temperature, top_p and logprobs. Those
// that think do once they do not, which is what 5.1 and 5.2 do unless they are
// told: https://platform.openai.com/docs/guides/latest-model#gpt-5-2-parameter-compatibility.
func (m Model) Sampling(effort string) bool {
	switch m.Family {
	case OSeries:
		return false
	case GPT5:
		quiet := effort == "none" || effort == "" && m.Version <= 52
		return quiet && m.Version > 50 && m.Version < 55 && !strings.Contains(m.Name, "codex") && !m.pro()
	}
	return true
}

func (m Model) pro() bool { return strings.Contains(m.Name, "-pro") }

// AllEfforts are the names of efforts, from none to the most.
var AllEfforts = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}

// Efforts are those that the model takes, and none of them where it has no such
// member: https://platform.openai.com/docs/api-reference/chat/create#chat-create-reasoning_effort.
func (m Model) Efforts() []string {
	switch m.Family {
	case OSeries:
		return AllEfforts[2:5]
	case GPT5:
		return m.gpt5()
	}
	return nil
}

func (m Model) gpt5() []string {
	codex := strings.Contains(m.Name, "codex")
	switch {
	case m.pro() && m.Version == 50:
		return AllEfforts[4:5]
	case m.pro():
		return AllEfforts[3:6]
	case codex && m.Version < 52 && !strings.Contains(m.Name, "max"):
		return AllEfforts[2:5]
	case codex:
		return AllEfforts[2:6]
	case m.Version == 50:
		return AllEfforts[1:5]
	case m.Version == 51:
		return []string{"none", "low", "medium", "high"}
	case m.Version < 56:
		return []string{"none", "low", "medium", "high", "xhigh"}
	}
	return []string{"none", "low", "medium", "high", "xhigh", "max"}
}

// Nearest is the effort that comes nearest to the one asked for among those that
// are known; empty where nothing was asked for that has a name. Not to think at
// all is far from thinking a little.
func Nearest(known []string, asked string) string {
	wanted := slices.Index(AllEfforts, asked)
	if wanted < 0 || len(known) == 0 {
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

func distance(effort string, wanted int) int {
	i := slices.Index(AllEfforts, effort)
	if i == 0 && wanted > 0 {
		return len(AllEfforts)
	}
	return max(i-wanted, wanted-i)
}
