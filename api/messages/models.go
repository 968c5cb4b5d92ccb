package messages

import (
	"strconv"
	"strings"
)

// traits are what differs between Anthropic's models and makes a request fail on
// some of them. The zero value is a model of somebody else who speaks the
// format, of which nothing is known.
type traits struct {
	// version is ten times the number that the name tells: 37, 45, 50.
	version int
	opus    bool
	// always says that the model thinks and cannot be told not to.
	always bool
}

// traitsOf reads a model's name, which stands in many forms: claude-3-5-haiku-…,
// claude-sonnet-4-20250514, claude-opus-4-6@…, anthropic.claude-opus-4-6-v1:0,
// anthropic/claude-4.7-opus.
func traitsOf(model string) (t traits) {
	_, rest, ok := strings.Cut(strings.ToLower(model), "claude")
	if !ok {
		return t
	}
	t.opus = strings.Contains(rest, "opus")
	t.always = strings.Contains(rest, "fable") || strings.Contains(rest, "mythos")
	digits := 0
	for _, word := range strings.FieldsFunc(rest, func(r rune) bool { return strings.ContainsRune("-._@:/", r) }) {
		n, err := strconv.ParseUint(word, 10, 8)
		number := err == nil && len(word) <= 2
		switch {
		case number && digits == 0:
			t.version = 10 * int(n)
			digits++
		case number && digits == 1:
			t.version += min(int(n), 9)
			digits++
		case digits > 0:
			digits = 2 // the version is over: what follows is a date or a build
		}
	}
	if t.always && t.version == 0 {
		t.version = 50 // claude-mythos-preview
	}
	return t
}

func (t traits) known() bool { return t.version > 0 }

// thinks: https://platform.claude.com/docs/en/build-with-claude/extended-thinking.
func (t traits) thinks() bool { return !t.known() || t.version >= 37 }

// adaptive models think as they see fit, and those with adaptiveOnly refuse a
// budget: https://platform.claude.com/docs/en/build-with-claude/adaptive-thinking.
func (t traits) adaptive() bool     { return t.version >= 46 }
func (t traits) adaptiveOnly() bool { return t.version >= 47 }

// disables tells whether not to think is said. Up to 4.8 leaving it out does the
// same; of later models, those that refuse it are left alone, and the others are
// told, which is an assumption: nothing published says what each does by itself.
func (t traits) disables() bool { return !t.known() || t.version >= 50 && !t.always }

// effort is the level that the model knows nearest to the one asked for, or none:
// https://platform.claude.com/docs/en/build-with-claude/effort.
func (t traits) effort(effort string) string {
	switch {
	case t.version < 46 && !(t.opus && t.version == 45):
		return ""
	case effort == "minimal":
		return "low"
	case effort == "xhigh" && t.version < 47, effort == "max" && t.version < 46:
		return "high"
	}
	return effort
}

// sampling tells whether the model takes temperature, top_p and top_k at all:
// Opus 4.7 answers 400, https://docs.agentsflare.com/en/api-examples/claude-opus-4-7,
// and what came after is taken to do the same. both tells whether it takes
// temperature and top_p together.
func (t traits) sampling() bool { return t.version < 47 }
func (t traits) both() bool     { return t.version < 41 }

// prefills tells whether the model goes on with a turn of the assistant's at the
// end: https://platform.claude.com/docs/en/about-claude/models/whats-new-claude-4-6#prefill-removal.
func (t traits) prefills() bool { return t.version < 46 }

// formats tells whether the model has output_config.format:
// https://platform.claude.com/docs/en/build-with-claude/structured-outputs.
func (t traits) formats() bool {
	return !t.known() || t.version >= 45 || t.opus && t.version >= 41
}

// The default of max_tokens, which the format demands, where the client left its
// limit open: enough for a long answer, within what every model of the version
// allows: https://platform.claude.com/docs/en/about-claude/models/overview.
const (
	defaultTokens = 8192
	roomyTokens   = 32000
)

// limit is the largest max_tokens that the model takes; 0 where it is not known.
func (t traits) limit() int64 {
	switch {
	case !t.known() || t.version >= 46:
		return 0
	case t.version < 35:
		return 4096
	case t.version < 37:
		return 8192
	case t.opus && t.version < 45:
		return 32000
	}
	return 64000
}

func (t traits) defaultTokens() int64 {
	switch {
	case !t.known():
		return defaultTokens
	case t.version < 37:
		return t.limit()
	}
	return roomyTokens
}
