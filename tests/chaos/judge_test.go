package chaos

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// verdict is what an answer was, given what the providers did.
type verdict string

const (
	served    verdict = "served"
	failedAll verdict = "failed"        // every target that was asked failed
	shut      verdict = "cooling down"  // no target was asked, for all are left alone
	turned    verdict = "refused"       // by the provider, for the request's sake
	unkeyed   verdict = "without a key" // by the gateway
	broken    verdict = "broken off"    // amid the stream, as scheduled
	garbled   verdict = "garbled"       // one event amid the stream, as scheduled
	gone      verdict = "left"          // the client had left
	unheard   verdict = "not received"  // the connection broke before the gateway had it
	excused   verdict = "excused"       // it fell between two turns, or the machine is too slow
	violated  verdict = "VIOLATED"
)

// errNotServed is a client-visible failure where none may be.
var errNotServed = errors.New("a client saw a failure although a target is healthy")

// judge says what an answer was, or what is wrong with it: the providers' account
// of the attempts decides what it has to be.
func judge(a *answer, attempts []*attempt, s *setup) (verdict, error) {
	switch cut := a.err != nil; {
	case cut && a.left:
		return gone, nil
	case cut && a.header == nil && len(attempts) == 0 && !a.impatient:
		return unheard, nil
	case cut && a.header == nil:
		return violated, fmt.Errorf("it was not answered: %w", a.err)
	}
	got, err := read(a.q.api, a.q.stream, a.status, a.header, a.body)
	switch {
	case err != nil:
		return violated, fmt.Errorf("not well-formed: %w", err)
	case !a.q.keyed:
		if a.status != http.StatusUnauthorized || len(attempts) > 0 {
			return violated, fmt.Errorf("status %d and %d attempts without a key", a.status, len(attempts))
		}
		return unkeyed, nil
	case len(attempts) == 0:
		if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
			return violated, fmt.Errorf("no target was asked, and the status is %d", a.status)
		}
		if s.guarded {
			return violated, errNotServed
		}
		return shut, nil
	}
	if s.hedged {
		return judgeHedged(a, got, attempts, s)
	}
	if asked := askedBy(attempts); asked > 3 {
		return violated, fmt.Errorf("%d targets were asked", asked)
	}
	if err := checkOrder(a, attempts, s); err != nil {
		return violated, err
	}
	return judgeLast(a, got, attempts, attempts[len(attempts)-1], s)
}

// checkOrder sees to it that another target, or another credential, is asked only
// after a failure that it may mend.
func checkOrder(a *answer, attempts []*attempt, s *setup) error {
	for i, earlier := range attempts[:len(attempts)-1] {
		next := attempts[i+1]
		switch {
		case earlier.effect(a.q) != fails:
			return fmt.Errorf("another target was asked although %s did not fail", earlier.target)
		case s.lanesFirst && earlier.fault.lane && next.target != earlier.target:
			return fmt.Errorf("another target was asked before all credentials of %s", earlier.target)
		case earlier.fault.lane && next.target == earlier.target && next.credential == earlier.credential && s.guarded:
			return fmt.Errorf("%s was asked twice with credential %d", next.target, next.credential)
		}
	}
	return nil
}

// judgeHedged judges an answer for which two targets may have been asked at once:
// it has to be that of one of them, and the others have to be through with it.
func judgeHedged(a *answer, got reading, attempts []*attempt, s *setup) (v verdict, err error) {
	for _, one := range attempts {
		if !one.over() {
			return violated, fmt.Errorf("%s is still at work for it", one.target)
		}
	}
	for _, one := range attempts {
		if v, err = judgeLast(a, got, attempts, one, s); err == nil {
			break
		}
	}
	return v, err
}

// askedBy is how many targets it takes at least for what the providers got: all
// credentials of one count once.
func askedBy(attempts []*attempt) int {
	var runs []*attempt
	for i, a := range attempts {
		if i > 0 && attempts[i-1].fault.lane && attempts[i-1].target == a.target && attempts[i-1].credential != a.credential {
			continue
		}
		runs = append(runs, a)
	}
	least, _ := counted(runs)
	return least
}

// lasted tells whether it took as long as one of the gateway's clocks.
func (a *attempt) lasted() bool {
	return a.over() && a.ended.Sub(a.at) >= min(firstContent, wholeAnswer, idle)
}

// effect is what became of an attempt: a good one that the gateway gave up failed
// for it.
func (a *attempt) effect(q *question) effect {
	e := a.fault.effectOn(q.stream)
	if e != fails && a.over() && a.gaveUp.Load() {
		return fails
	}
	return e
}

// counted is how many attempts of the gateway's it takes for what the providers
// got, at least and at most: a request whose connection breaks without a word may
// be sent once more in the same attempt, for the connection may have been stale.
func counted(attempts []*attempt) (least, most int) {
	run := 0
	for i, a := range attempts {
		if run++; i+1 < len(attempts) && attempts[i+1].target == a.target && a.fault.name == "reset" {
			continue
		}
		least += (run + 1) / 2
		most += run
		run = 0
	}
	return least, most
}

// countedAs tells whether the gateway's own count can be true. Of those that ran
// beside each other not all need to have come to their providers.
func countedAs(a *answer, attempts []*attempt, s *setup) bool {
	count, err := strconv.Atoi(a.header.Get("X-Plexus-Attempts"))
	least, most := counted(attempts)
	if s.hedged {
		least, most = 1, most+1
	}
	return err == nil && least <= count && count <= most
}

// judgeLast compares an answer with what the last attempt has to have led to.
func judgeLast(a *answer, got reading, attempts []*attempt, last *attempt, s *setup) (verdict, error) {
	whole := strings.NewReplacer("{model}", "model-of-"+last.target, "{prompt}", a.q.trace).Replace(said)
	prefix := strings.HasPrefix(whole, got.text) && got.text != "" && got.text != whole
	relayed := last.api == a.q.api
	// After a keep-alive an error is an event, and the header names nobody.
	opened := s.kept && a.q.stream && a.header.Get("X-Plexus-Model") == ""
	refused := got.ending == endedError || opened && got.ending == endedBroken && got.text == ""
	wrong := func(format string, args ...any) (verdict, error) { return violated, fmt.Errorf(format, args...) }
	switch e := last.fault.effectOn(a.q.stream); {
	case e == serves && got.ending == endedWell:
		switch {
		case got.text != whole:
			return wrong("the text is %q", got.text)
		case got.garbled > 0 || a.err != nil:
			return wrong("%d garbled events, %w", got.garbled, a.err)
		case a.q.stream && a.q.api == "chat" && !got.marked && !(relayed && last.fault.unended):
			return wrong("no [DONE]")
		case !opened && (a.header.Get("X-Plexus-Model") != "model-of-"+last.target || !countedAs(a, attempts, s)):
			return wrong("the header tells of another target, or another number of attempts")
		}
		return served, nil
	case last.effect(a.q) == fails && refused:
		// A good one that was given up is the machine's fault, which the report
		// has an eye on.
		if s.guarded && (crossed(attempts, s) || e == serves && last.lasted()) {
			return excused, nil
		}
		if s.guarded {
			return violated, errNotServed
		}
		return failedAll, nil
	case e == refuses && refused && (opened || a.status == 400 || a.status == 413):
		return turned, nil
	case (e == breaks || e == garbles && !relayed) && got.ending == endedBroken && prefix && got.garbled == 0 && a.err == nil:
		return broken, nil
	case e == garbles && relayed && got.ending == endedWell && got.garbled == 1 && a.err == nil:
		return garbled, nil
	case e == serves && got.ending == endedBroken && prefix && last.gaveUp.Load() && last.lasted():
		return excused, nil
	}
	return wrong("it does not go with the last attempt: %s, status %d, text %q, %d garbled", got.ending, a.status, got.text, got.garbled)
}

// crossed tells whether a request met the bad turns of two targets, which lie a
// calm step apart: the machine held it up for that long.
func crossed(attempts []*attempt, s *setup) bool {
	return s.targets[0].turns > 0 && attempts[len(attempts)-1].at.Sub(attempts[0].at) >= shortest
}

// The judge has to be able to find fault.
func TestJudge(t *testing.T) {
	over := make(chan struct{})
	close(over)
	guarded, wild := &setup{guarded: true, targets: []*target{{}}}, &setup{targets: []*target{{}}}
	tried := func(faults ...*fault) (list []*attempt) {
		for _, f := range faults {
			list = append(list, &attempt{target: "x", api: "chat", fault: f, done: over})
		}
		return list
	}
	ask := func(stream bool, status int, body string) *answer {
		kind := "application/json"
		if stream && status == 200 {
			kind = "text/event-stream"
		}
		return &answer{
			q: &question{api: "chat", stream: stream, keyed: true, trace: "7"}, status: status, body: []byte(body),
			header: http.Header{"Content-Type": {kind}, "X-Plexus-Model": {"model-of-x"}, "X-Plexus-Attempts": {"1"}, "Retry-After": {"1"}},
		}
	}
	f := func(a *answer, attempts []*attempt, s *setup, want verdict) {
		t.Helper()
		got, err := judge(a, attempts, s)
		require.Equal(t, want, got, "%v", err)
		require.Equal(t, want == violated, err != nil)
	}
	const text, begun = "I am model-of-x and you said 7 and that is all that there is to say today.", "I am model-of-x"
	whole := func(text string) string {
		return fmt.Sprintf(`{"id":"1","object":"chat.completion","choices":[{"message":{"content":%q},"finish_reason":"stop"}]}`, text)
	}
	chunk := func(text, reason string) string {
		return fmt.Sprintf(`data: {"object":"chat.completion.chunk","choices":[{"delta":{"content":%q},"finish_reason":%s}]}`+"\n\n", text, reason)
	}
	const no = `{"error":{"message":"no","type":"server_error","code":null}}`
	const done, brokenOff, junk = "data: [DONE]\n\n", "data: " + no + "\n\n", "data: {\"malformed\":[}\n\n"
	stop := chunk("", `"stop"`)
	bad, late, junky := quickFaults()[0], lateFaults()[0], lateFaults()[3]

	f(ask(false, 200, whole(text)), tried(good()), guarded, served)
	f(ask(false, 200, whole("I am another")), tried(good()), guarded, violated)
	f(ask(false, 200, whole(text)), tried(bad, good()), guarded, violated) // the header says one attempt
	f(ask(false, 200, whole(text)), tried(good(), good()), guarded, violated)
	f(ask(false, 200, whole(text)+"{}"), tried(good()), guarded, violated)
	f(ask(false, 200, whole(text)), tried(bad), guarded, violated)
	f(ask(false, 502, no), tried(bad), guarded, violated)
	f(ask(false, 502, no), tried(bad), wild, failedAll)
	f(ask(false, 502, "oh"), tried(bad), wild, violated)
	f(ask(false, 502, no), tried(good()), wild, violated)
	f(ask(false, 503, no), nil, wild, shut)
	f(ask(false, 503, no), nil, guarded, violated)
	f(ask(true, 200, chunk(text, "null")+stop+done), tried(good()), guarded, served)
	f(ask(true, 200, chunk(text, "null")+stop), tried(good()), guarded, violated)
	f(ask(true, 200, chunk(text, "null")+stop+done+done), tried(good()), guarded, violated)
	f(ask(true, 200, chunk(text, "null")+stop+stop+done), tried(good()), guarded, violated)
	f(ask(true, 200, chunk(text, "null")), tried(good()), guarded, violated)
	f(ask(true, 200, chunk(text, "null")+stop+done+"data: {"), tried(good()), guarded, violated)
	f(ask(true, 200, chunk(begun, "null")+brokenOff), tried(late), guarded, broken)
	f(ask(true, 200, chunk(begun, "null")+brokenOff+done), tried(late), guarded, violated)
	f(ask(true, 200, chunk(begun, "null")), tried(late), guarded, violated)
	f(ask(true, 200, chunk("I am another", "null")+brokenOff), tried(late), guarded, violated)
	f(ask(true, 200, chunk(begun, "null")+junk+stop+done), tried(junky), guarded, garbled)
	f(ask(true, 200, chunk(text, "null")+junk+stop+done), tried(good()), guarded, violated)
	f(&answer{q: &question{}, err: http.ErrServerClosed}, nil, guarded, unheard)
	f(&answer{q: &question{}, err: http.ErrServerClosed}, tried(good()), guarded, violated)

	// Several credentials: the next one comes before the next target, and none twice.
	keyed := &setup{guarded: true, lanesFirst: true, targets: []*target{{}}}
	lane := func(target string, credential int, f *fault) *attempt {
		return &attempt{target: target, api: "chat", fault: f, credential: credential, done: over}
	}
	counts := func(a *answer, n string) *answer {
		a.header.Set("X-Plexus-Attempts", n)
		return a
	}
	refused := laneFaults()[0]
	whole200 := func(n string) *answer { return counts(ask(false, 200, whole(text)), n) }
	f(whole200("2"), []*attempt{lane("x", 1, refused), lane("x", 2, good())}, keyed, served)
	f(whole200("2"), []*attempt{lane("x", 1, refused), lane("x", 1, good())}, keyed, violated)
	f(whole200("2"), []*attempt{lane("y", 1, refused), lane("x", 1, good())}, keyed, violated)
	f(whole200("2"), []*attempt{lane("y", 1, refused), lane("x", 1, good())}, guarded, served)
	f(whole200("4"), []*attempt{lane("y", 1, bad), lane("x", 1, refused), lane("x", 3, refused), lane("x", 2, good())}, guarded, served)

	// A hedge: the answer is of one of them.
	hedged := &setup{guarded: true, hedged: true, targets: []*target{{}}}
	f(whole200("2"), []*attempt{lane("x", 1, good()), lane("y", 1, good())}, hedged, served)
	f(whole200("2"), []*attempt{lane("y", 1, good()), lane("x", 1, good())}, hedged, served)
	f(whole200("2"), []*attempt{lane("y", 1, good()), lane("z", 1, good())}, hedged, violated)
	f(ask(false, 502, no), []*attempt{lane("y", 1, bad), lane("x", 1, good())}, hedged, violated)

	// After a keep-alive an error is an event, and so it may be only then.
	kept := &setup{kept: true, targets: []*target{{}}}
	early := func() *answer { return ask(true, 200, ": keep-alive\n\n"+brokenOff) }
	named := early()
	require.NotEmpty(t, named.header.Get("X-Plexus-Model"))
	f(named, tried(bad), kept, violated)
	unnamed := early()
	unnamed.header.Del("X-Plexus-Model")
	f(unnamed, tried(bad), kept, failedAll)
	f(unnamed, tried(bad), wild, violated)
	f(unnamed, tried(good()), kept, violated)
}
