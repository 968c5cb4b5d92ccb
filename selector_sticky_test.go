package plexus

import (
	"fmt"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func ranking(y *Sticky, targets []*Target, session string) string {
	s := &Selection{Candidates: append([]*Target(nil), targets...), Now: t0, of: askedFor(api.Chat, `{}`, session)}
	y.Order(s)
	out := ""
	for _, t := range s.Candidates {
		out += t.Model
	}
	return out
}

// Which target a conversation has is the same in every process: a change would cost
// everybody's caches.
func TestStickyIsTheSameEverywhere(t *testing.T) {
	y := &Sticky{By: ByHeader, Header: "X-Session"}
	f := func(session, want string) {
		t.Helper()
		require.Equal(t, want, ranking(y, candidates(1, 1, 1, 1), session))
	}
	f("1", "abdc")
	f("2", "bcda")
	f("3", "acdb")
}

// Conversations are spread by weight; when a target fails only its own move, and not
// all to the same one.
func TestStickySpreads(t *testing.T) {
	y := &Sticky{By: ByHeader, Header: "X-Session"}
	targets := candidates(4, 3, 2, 1)
	const conversations = 10_000
	first, second := map[byte]int{}, map[byte]int{}
	for i := range conversations {
		before := ranking(y, targets, fmt.Sprint(i))
		require.Equal(t, before, ranking(y, targets, fmt.Sprint(i)))
		first[before[0]]++
		after := ranking(y, targets[1:], fmt.Sprint(i))
		if before[0] == 'a' {
			require.Equal(t, before[1:], after)
			second[after[0]]++
		} else {
			require.Equal(t, before[0], after[0], "it stays where it is")
		}
	}
	for i, target := range targets {
		require.InDelta(t, target.Weight*conversations/10, first[byte('a'+i)], 200)
	}
	require.InDelta(t, 2000, second['b'], 180)
	require.InDelta(t, 1333, second['c'], 160)
	require.InDelta(t, 667, second['d'], 120)
}

// A target that some attempts fail at keeps its conversations: they yield when it is
// left alone, and move no sooner.
func TestStickyStaysThroughAHiccup(t *testing.T) {
	y := &Sticky{By: ByHeader, Header: "X-Session"}
	targets := candidates(1, 1)
	before := ranking(y, targets, "1")
	targets[before[0]-'a'].state.fails.Store(1<<10 - 1)
	targets[before[0]-'a'].state.failedAt = stamp(t0)
	require.Equal(t, before, ranking(y, targets, "1"))
}

func TestStickyWithoutAConversation(t *testing.T) {
	y, targets := &Sticky{luck: seed()}, candidates(3, 1)
	first := map[byte]int{}
	for range 4000 {
		first[order(y, targets, t0, nil)[0]]++
	}
	require.InDelta(t, 3000, first['a'], 120)
}

func TestStickyValidates(t *testing.T) {
	f := func(y Sticky, want string) {
		t.Helper()
		if want == "" {
			require.NoError(t, y.Validate())
			return
		}
		require.EqualError(t, y.Validate(), want)
	}
	f(Sticky{}, "")
	f(Sticky{By: ByPrefix}, "")
	f(Sticky{By: ByUser}, "")
	f(Sticky{By: ByHeader, Header: "X"}, "")
	f(Sticky{By: ByHeader}, "sticky: by header: expected the name of a header")
	f(Sticky{Header: "X"}, `sticky: the header "X" has no effect unless by is header`)
	f(Sticky{By: "key"}, `sticky: expected prefix, user or header, got "key"`)
}

func TestStickyInACaddyfile(t *testing.T) {
	f := func(text string, want Sticky) {
		t.Helper()
		var y Sticky
		require.NoError(t, y.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text)))
		require.Equal(t, want, y)
	}
	f("sticky", Sticky{})
	f("sticky prefix", Sticky{By: ByPrefix})
	f("sticky user", Sticky{By: ByUser})
	f("sticky header X-Session", Sticky{By: ByHeader, Header: "X-Session"})
}

// The turns of a conversation go to one target, through the gateway, and on with
// another one when that is left alone.
func TestStickyThroughTheGateway(t *testing.T) {
	var providers [3]*provider
	config := "model fast {\n selector sticky\n"
	for i := range providers {
		providers[i] = newProvider(t, says(200, chatAnswer))
		config = fmt.Sprintf("provider p%d {\n base_url %s/v1\n}\n", i, providers[i].URL) + config + fmt.Sprintf(" target p%d m\n", i)
	}
	g := newGateway(t, config+"}")
	url := serveGateway(t, g).URL + "/v1/chat/completions"
	turns := func(i int) (target string) {
		t.Helper()
		for _, rest := range []string{"", `,{"role":"assistant","content":"a"},{"role":"user","content":"b"}`} {
			got := post(t, url, fmt.Sprintf(`{"model":"fast","messages":[{"role":"user","content":"%d"}%s]}`, i, rest))
			require.Equal(t, 200, got.status)
			provider := got.header.Get("X-Plexus-Provider")
			require.True(t, target == "" || target == provider, "conversation %d moved", i)
			target = provider
		}
		return target
	}
	before := map[int]string{}
	for i := range 20 {
		before[i] = turns(i)
	}
	down := g.router.names["fast"].targets[1]
	g.blame(attemptAt(down, g.now().Add(-time.Second)), &failure{status: 503, verdict: verdictStatus, reason: "503"})
	moved := 0
	for i := range 20 {
		if before[i] == "p1" {
			moved++
			require.NotEqual(t, "p1", turns(i))
		} else {
			require.Equal(t, before[i], turns(i))
		}
	}
	require.Positive(t, moved)
	g.clear([]*Target{down})
	for i := range 20 {
		require.Equal(t, before[i], turns(i))
	}
}

// The turns of a conversation were spread over the credentials of a target that was
// the only one, or the only one left: every other one missed the provider's cache.
func TestStickyKeepsTheCredential(t *testing.T) {
	f := func(more string) {
		t.Helper()
		a := newAccount(t, says(200, chatAnswer))
		g := newGateway(t, fmt.Sprintf("provider a {\n base_url chat %s/v1\n api_key sk-one\n api_key sk-two\n}\nprovider b {\n base_url chat http://127.0.0.1:1/v1\n}\nmodel fast {\n selector sticky\n target a m\n %s\n}", a.URL, more))
		url := serveGateway(t, g).URL + "/v1/chat/completions"
		for range 12 {
			require.Equal(t, 200, post(t, url, askFast).status)
		}
		require.Len(t, a.asked, 1, "%v", a.asked)
	}
	f("")
	f("target b m")
}

// The conversations of a credential that is left alone are spread over the others,
// whose own ones stay.
func TestStickyMovesNoOtherCredentials(t *testing.T) {
	g := newGateway(t, "provider a {\n base_url chat http://127.0.0.1:1/v1\n api_key sk-1\n api_key sk-2\n api_key sk-3\n}\nmodel fast {\n target a m\n}")
	target := g.router.names["fast"].targets[0]
	const all, paused = 0b111, 0
	var moved [3]int
	for i := range uint64(3000) {
		conversation := mixed(i + 1)
		before, now := target.turn(all, conversation), target.turn(all&^(1<<paused), conversation)
		if before != paused {
			require.Equal(t, before, now)
			continue
		}
		moved[now]++
	}
	require.Zero(t, moved[paused])
	require.InDelta(t, moved[1], moved[2], 120)
}
