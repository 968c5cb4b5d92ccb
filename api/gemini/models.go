package gemini

import (
	"strconv"
	"strings"
)

// traits are what differs between Google's models and makes a request fail on
// some of them. The zero value is a model of which nothing is known.
type traits struct {
	// version is ten times the number that the name tells: 15, 25, 38; latest
	// where a name tells none, as gemini-flash-latest.
	version int
	// pro and lite are sizes, pro with a version of its own among the latest.
	pro, lite bool
	// mute models answer in pictures or speech, or have been trained before
	// there was thinking.
	mute bool
	// plain models know no system instruction: "Developer instruction is not
	// enabled for models/gemma-3-27b-it".
	plain bool
}

const latest = 99

// traitsOf reads a model's name: gemini-2.5-flash-lite, models/gemini-3-pro-preview,
// publishers/google/models/gemini-2.0-flash-001, google/gemini-3.8-flash.
func traitsOf(model string) (t traits) {
	model = strings.ToLower(model)
	t.pro, t.lite = strings.Contains(model, "-pro"), strings.Contains(model, "-lite")
	_, rest, ok := strings.Cut(model, "gemini-")
	if !ok {
		t.plain = strings.Contains(model, "gemma-2") || strings.Contains(model, "gemma-3")
		t.mute = t.plain
		return t
	}
	t.version = versionOf(rest)
	t.mute = t.version < 25 || t.version < 30 && (strings.Contains(rest, "-image") || strings.Contains(rest, "-tts"))
	return t
}

// versionOf is the number at the front of what follows gemini-; one digit stands
// behind the point.
func versionOf(rest string) int {
	word, _, _ := strings.Cut(rest, "-")
	whole, part, _ := strings.Cut(word, ".")
	n, err := strconv.ParseUint(whole, 10, 8)
	if err != nil || n > 9 {
		return latest
	}
	// What is behind the point of no number is none of the version.
	m, err := strconv.ParseUint(part, 10, 8)
	if err != nil {
		m = 0
	}
	return 10*int(n) + min(int(m), 9)
}

// levels tells whether a model takes levels of thinking instead of budgets:
// https://ai.google.dev/gemini-api/docs/generate-content/thinking#thinking-levels.
func (t traits) levels() bool { return t.version >= 30 }

// minimal tells whether the lowest level exists: not for the large models, and
// not since 3.7 but for the small ones.
func (t traits) minimal() bool { return t.lite || !t.pro && t.version <= 36 }

// medium is missing from Gemini 3 Pro alone.
func (t traits) medium() bool { return !t.pro || t.version != 30 }

// signs tells whether the first call of a step has to be signed:
// https://ai.google.dev/gemini-api/docs/thought-signatures.
func (t traits) signs() bool { return t.version >= 30 }

// ids tells whether results have to name their calls by id, as they have since
// 3.5; Gemini 3 gives ids to all calls:
// https://ai.google.dev/gemini-api/docs/generate-content/whats-new-gemini-3.5.
func (t traits) ids() bool { return t.version >= 30 }

// mixes tells whether Google's own tools may stand beside functions. Before
// Gemini 3 such a request is refused:
// https://ai.google.dev/gemini-api/docs/tool-combination.
func (t traits) mixes() bool { return t.version == 0 || t.version >= 30 }

// validates tells whether there is the mode VALIDATED, in which calls keep to
// their schemas: https://ai.google.dev/gemini-api/docs/function-calling#function_calling_modes.
func (t traits) validates() bool { return t.version >= 25 }

// penalties tells whether a penalty other than 0 is taken. Up to 2.0 it is;
// later models answer "Penalty is not enabled for this model".
func (t traits) penalties() bool { return t.version < 25 }

// continues tells whether a conversation may end with the model's own turn, for
// it to go on from there, which ended with 3.5 Flash-Lite and 3.6:
// https://ai.google.dev/gemini-api/docs/generate-content/whats-new-gemini-3.6.
func (t traits) continues() bool {
	switch {
	case t.version == latest:
		return t.pro
	case t.version == 35:
		return !t.lite
	}
	return t.version < 35
}

// The bounds of budgets, which Gemini 2.5 refuses to have crossed:
// https://ai.google.dev/gemini-api/docs/generate-content/thinking#set-budget.
const (
	minBudgetPro  = 128
	minBudgetLite = 512
	maxBudgetPro  = 32768
	maxBudget     = 24576
)

// budgets are the bounds of a budget that is not 0; least is the least there is,
// which is 0 where thinking can be turned off.
func (t traits) budgets() (least, lowest, highest int64) {
	switch {
	case t.pro:
		return minBudgetPro, minBudgetPro, maxBudgetPro
	case t.lite:
		return 0, minBudgetLite, maxBudget
	}
	return 0, 0, maxBudget
}
