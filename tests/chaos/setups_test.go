package chaos

import (
	"fmt"
	"strings"
	"time"
)

// The times of the gateway under test. They are short, so that a run of seconds
// sees many pauses, and long beside what a busy machine takes.
const (
	firstContent = 1500 * time.Millisecond
	wholeAnswer  = 1500 * time.Millisecond
	firstPause   = 500 * time.Millisecond
	longestPause = 2 * time.Second
	// leastPause is what chance leaves of the first pause.
	leastPause = firstPause * 8 / 10
)

// setup is a model of the gateway with the targets behind it, and what is
// promised of it. All of them run at once; a new one is an entry of the table
// below.
type setup struct {
	name     string
	selector string
	targets  []*target
	// guarded: a target that is asked in time always serves, so no client may
	// see a failure from before the first content.
	guarded bool
	// extra are more lines of the model.
	extra string
}

// target is a provider with one model.
type target struct {
	number int
	name   string
	// speaks are its APIs; all four if none is named.
	speaks []string
	// steady: it never fails.
	steady bool
	// turns: it is bad only in every such step, when the others of its setup
	// are not, and everybody is good in between.
	turns, turn int
	set         func() []*fault
	// pause are its pauses, the first and the longest.
	pause [2]time.Duration

	at *provider
}

func (t *target) badIn(step int) bool {
	return t.turns == 0 || step%t.turns == t.turn
}

func (t *target) faults() []*fault {
	if t.steady {
		return concat(harmless(), []*fault{good()})
	}
	return t.set()
}

func anyFault() []*fault {
	return concat(quickFaults(), slowFaults(), lateFaults(), harmless(), refusals())
}

// newSetups is the table.
func newSetups() ([]*setup, []*target) {
	setups := []*setup{
		{name: "relayed", selector: "random", guarded: true, targets: []*target{
			{name: "flaky"}, {name: "shaky"}, {name: "steady", steady: true},
		}},
		{name: "in-order", selector: "in_order", guarded: true, targets: []*target{
			{name: "first"}, {name: "last", steady: true},
		}},
		{name: "openai-first", selector: "round_robin", guarded: true, targets: []*target{
			{name: "chats", speaks: []string{"chat"}},
			{name: "responds", speaks: []string{"responses"}},
			{name: "steady-gemini", speaks: []string{"gemini"}, steady: true},
		}},
		{name: "others-first", selector: "latency", guarded: true, targets: []*target{
			{name: "says-messages", speaks: []string{"messages"}},
			{name: "says-gemini", speaks: []string{"gemini"}},
			{name: "steady-chat", speaks: []string{"chat"}, steady: true},
		}},
		{name: "matched", selector: "performance", extra: "api_match", guarded: true, targets: []*target{
			{name: "half", speaks: []string{"chat", "messages"}},
			{name: "other-half", speaks: []string{"responses", "gemini"}},
			{name: "steady-too", steady: true},
		}},
		// One is healthy at each moment, but never the same for long.
		{name: "in-turns", selector: "random", guarded: true, targets: []*target{
			{name: "odd", turns: 4, turn: 1, set: quickFaults}, {name: "even", turns: 4, turn: 3, set: quickFaults},
		}},
		// Both may be down at once: then clients are told, in order.
		{name: "wild", selector: "random", targets: []*target{
			{name: "one"}, {name: "two"},
		}},
		{name: "alone", selector: "random", targets: []*target{{name: "only"}}},
	}
	var all []*target
	for _, s := range setups {
		for _, t := range s.targets {
			t.number = len(all)
			t.pause = [2]time.Duration{firstPause, longestPause}
			if t.turns > 0 { // it has to be over when it is the other's turn
				t.pause = [2]time.Duration{shortest / 2, shortest / 2}
			}
			if t.set == nil {
				t.set = anyFault
			}
			all = append(all, t)
		}
	}
	return setups, all
}

// block is the target's provider in a Caddyfile.
func (t *target) block() string {
	speaks := t.speaks
	if len(speaks) == 0 {
		speaks = []string{"chat", "responses", "messages", "gemini"}
	}
	var text strings.Builder
	fmt.Fprintf(&text, "provider %s {\n", t.name)
	for _, a := range speaks {
		version := "v1"
		if a == "gemini" {
			version = "v1beta"
		}
		fmt.Fprintf(&text, "base_url %s %s/%s\n", a, t.at.url, version)
	}
	fmt.Fprintf(&text, "models %s\napi_key secret-of-%s\ncooldown %s %s\n}\n", t.model(), t.name, t.pause[0], t.pause[1])
	return text.String()
}

// block is the setup's model in a Caddyfile, with an additional alias.
func (s *setup) block(alias string) string {
	var text strings.Builder
	fmt.Fprintf(&text, "model %s %s-%s {\nselector %s\n%s\n", s.name, s.name, alias, s.selector, s.extra)
	for _, t := range s.targets {
		fmt.Fprintf(&text, "target %s %s\n", t.name, t.model())
	}
	text.WriteString("}\n")
	return text.String()
}

func (t *target) model() string { return "model-of-" + t.name }
