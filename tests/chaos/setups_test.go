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
	idle         = 1500 * time.Millisecond // below the patience of the clients
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
	// inner: so many of the first targets stand in a model of their own, which is
	// the first target of this one.
	inner int
	// lanesFirst: another target is asked only when all credentials have failed.
	lanesFirst bool
	// hedged: two targets may be asked at once.
	hedged bool
	// kept: clients of streams get keep-alives, after which an error is an event.
	kept bool
	// share: it gets so many times as many requests.
	share int
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
	// credentials are how many the gateway has for it; one if none is said. What
	// is the fault of one of them never strikes the steadyCredential.
	credentials int
	// most is how many requests it may have at a time.
	most int
	// pause are its pauses, the first and the longest.
	pause [2]time.Duration

	at     *provider
	served spans // its whole answers, if their number is bounded
}

// steadyCredential always works.
const steadyCredential = 2

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

func slowAnswers() []*fault { return concat(slowFaults(), lateFaults(), harmless()) }

func hangingFaults() []*fault { return concat(slowFaults(), harmless(), quickFaults()) }

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
		{name: "keyed", selector: "in_order", guarded: true, lanesFirst: true, targets: []*target{
			{name: "keys", credentials: 3, set: laneFaults}, {name: "behind-keys", steady: true},
		}},
		{name: "keys-alone", selector: "random", guarded: true, lanesFirst: true, targets: []*target{
			{name: "only-keys", credentials: 3, set: laneFaults},
		}},
		// Who is not cancelled hangs for longer than any client waits.
		{name: "hedged", selector: "in_order", extra: "hedge 100ms\nfailover {\nfirst_content 40s\nanswer 40s\n}", guarded: true, hedged: true, targets: []*target{
			{name: "hedged-first", set: hangingFaults}, {name: "hedge", steady: true},
		}},
		{name: "hedged-p90", selector: "random", extra: "hedge p90", guarded: true, hedged: true, targets: []*target{
			{name: "racer"}, {name: "pacer", steady: true},
		}},
		{name: "bounded", selector: "random", extra: "queue 1000 20s", guarded: true, share: 3, targets: []*target{
			{name: "narrow", most: 2}, {name: "narrow-too", most: 2, steady: true},
		}},
		{name: "one-at-a-time", selector: "in_order", extra: "queue 1000 20s", guarded: true, share: 2, targets: []*target{
			{name: "single", most: 1, steady: true},
		}},
		{name: "nested", selector: "in_order", inner: 2, guarded: true, targets: []*target{
			{name: "within"}, {name: "within-too"}, {name: "without", steady: true},
		}},
		{name: "sticky", selector: "sticky", guarded: true, targets: []*target{
			{name: "loose"}, {name: "tight", steady: true},
		}},
		{name: "least-busy", selector: "least_busy", guarded: true, targets: []*target{
			{name: "busy"}, {name: "idler", steady: true},
		}},
		{name: "usage", selector: "usage", guarded: true, targets: []*target{
			{name: "used"}, {name: "useful", steady: true},
		}},
		{name: "kept", selector: "in_order", extra: "keep_alive 20ms", guarded: true, kept: true, targets: []*target{
			{name: "dozes", set: slowAnswers}, {name: "wakes", steady: true},
		}},
		{name: "kept-alone", selector: "random", extra: "keep_alive 10ms", kept: true, targets: []*target{{name: "only-kept"}}},
		{name: "everything", selector: "least_busy", extra: "hedge 50ms\nkeep_alive 20ms\nqueue 1000 20s", guarded: true, hedged: true, kept: true, share: 2, targets: []*target{
			{name: "much", credentials: 3, most: 3}, {name: "more", most: 3, steady: true},
		}},
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
	fmt.Fprintf(&text, "models %s\ncooldown %s %s\n", t.model(), t.pause[0], t.pause[1])
	for i := range max(1, t.credentials) {
		fmt.Fprintf(&text, "api_key %s\n", secretOf(t.name, i+1))
	}
	if t.most > 0 {
		fmt.Fprintf(&text, "max_concurrency %d\n", t.most)
	}
	text.WriteString("}\n")
	return text.String()
}

// block is the setup's model in a Caddyfile, with an additional alias.
func (s *setup) block(alias string) string {
	var text strings.Builder
	list := func(targets []*target) {
		for _, t := range targets {
			fmt.Fprintf(&text, "target %s %s\n", t.name, t.model())
		}
		text.WriteString("}\n")
	}
	if s.inner > 0 {
		fmt.Fprintf(&text, "model inner-of-%s {\n", s.name)
		list(s.targets[:s.inner])
	}
	fmt.Fprintf(&text, "model %s %s-%s {\nselector %s\n%s\n", s.name, s.name, alias, s.selector, s.extra)
	if s.inner > 0 {
		fmt.Fprintf(&text, "target alias:inner-of-%s\n", s.name)
	}
	list(s.targets[s.inner:])
	return text.String()
}

func (t *target) model() string { return "model-of-" + t.name }
