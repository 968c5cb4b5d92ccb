package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func TestQuote(t *testing.T) {
	f := func(text, want string) {
		t.Helper()
		require.Equal(t, want, string(api.Quote(text)))
		require.True(t, json.Valid(api.Quote(text)))
	}
	f("", `""`)
	f("plain <b> & ☃ 😀", `"plain <b> & ☃ 😀"`)
	f("a\"b\\c\nd\te\r\x01", `"a\"b\\c\nd\te\r\u0001"`)
	f("bad\xffbyte", `"bad\ufffdbyte"`)
}

func TestLiteral(t *testing.T) {
	f := func(raw, want string) {
		t.Helper()
		require.Equal(t, want, string(api.Literal([]byte(raw))))
	}
	f(`"plain"`, `"plain"`)
	f(`"half a pair \ud83d"`, `"half a pair \ud83d"`)
	f(`"caf\u00e9 ☃"`, `"caf\u00e9 ☃"`)
	f("\"a\nb\"", `"a\nb"`)
	f(`"bad \x"`, `"bad \\x"`)
	f(`7`, `"7"`)
}

func TestUnquote(t *testing.T) {
	require.Equal(t, "a\nb", api.Unquote([]byte(`"a\nb"`)))
	require.Equal(t, "7", api.Unquote([]byte(`7`)))
}

func TestSeal(t *testing.T) {
	sealed := api.Seal(api.Google, "a:b")
	vendor, signature := api.Unseal(sealed, api.Anthropic)
	require.Equal(t, api.Google, vendor)
	require.Equal(t, "a:b", signature)
	vendor, signature = api.Unseal("EqQBCg", api.Anthropic)
	require.Equal(t, api.Anthropic, vendor)
	require.Equal(t, "EqQBCg", signature)
	require.Empty(t, api.Seal(api.Google, ""))
}

func TestCallID(t *testing.T) {
	require.Equal(t, "toolu_01-A", api.CallID("toolu_01-A"))
	for _, odd := range []string{"", "call.1", "ruf☃", strings.Repeat("x", 65)} {
		id := api.CallID(odd)
		require.Regexp(t, `^call_[0-9a-f]{24}$`, id)
		require.Equal(t, id, api.CallID(odd), "a call and its result must find each other")
	}
	require.NotEqual(t, api.CallID("a.b"), api.CallID("a:b"))
}

func TestEfforts(t *testing.T) {
	for effort, budget := range map[string]int64{"low": 1024, "medium": 8192, "high": 24576} {
		require.Equal(t, budget, api.EffortBudget(effort))
		require.Equal(t, effort, api.BudgetEffort(budget))
	}
	require.Zero(t, api.EffortBudget("none"))
	require.Empty(t, api.BudgetEffort(0))
}

func answer() *api.Response {
	return &api.Response{ID: "r", Model: "m", Created: 7, Usage: api.Usage{Known: true, Input: 1, Output: 2}, Choices: []api.Choice{{
		Finish:   api.FinishToolCalls,
		Logprobs: json.RawMessage(`{"content":[1],"refusal":null}`),
		Parts: []api.Part{
			{Kind: api.Thinking, Text: "hm", Signature: "s", Vendor: api.Anthropic},
			{Kind: api.Text, Text: "Hi", Citations: []api.Citation{{URL: "https://example.com"}}},
			{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: "f", Arguments: `{"a":1}`}},
		},
	}}}
}

// A whole answer told as a stream, and put together again, is the same.
func TestEmitAndAccumulate(t *testing.T) {
	var a api.Accumulator
	answer().Emit(a.Add)
	got, complete := a.Response()
	require.True(t, complete)
	require.Equal(t, answer(), got)

	var broken api.Accumulator
	broken.Add(&api.Event{Kind: api.Start})
	broken.Add(&api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: 502}})
	_, complete = broken.Response()
	require.False(t, complete)
	require.Equal(t, 502, broken.Err().Status)
}

// A provider may cut its text between the halves of a surrogate pair.
func TestAccumulateHalfASurrogatePair(t *testing.T) {
	var a api.Accumulator
	a.Add(&api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.Text}})
	for _, piece := range []string{`"a\ud83d"`, `"\ude00b"`} {
		a.Add(&api.Event{Kind: api.Delta, Text: json.RawMessage(piece)})
	}
	got, _ := a.Response()
	require.Equal(t, "a😀b", got.Choices[0].Parts[0].Text)
}

func TestJoinLogprobs(t *testing.T) {
	f := func(want string, pieces ...string) {
		t.Helper()
		var joined json.RawMessage
		for _, piece := range pieces {
			joined = api.JoinLogprobs(joined, json.RawMessage(piece))
		}
		require.JSONEq(t, want, string(joined))
	}
	f(`{"content":[1,2,3],"refusal":null}`, `{"content":[1],"refusal":null}`, `null`, `{"content":[2]}`, `{"content":[3],"refusal":null}`)
	f(`{"content":[1,2],"refusal":[3,4]}`, `{ "content": [1] }`, `{"content":[2],"refusal":[3]}`, `{"content":null,"refusal":[4]}`)
	f(`{"content":[],"refusal":null}`, `{"content":[],"refusal":null}`, `{"content":[],"refusal":null}`)
	f(`{"content":[1],"refusal":null}`, `{"content":[],"refusal":null}`, `{"content":[1]}`)
}

// Parts that interleave come one after the other, and nothing of them is lost.
func TestSerializer(t *testing.T) {
	var got []string
	s := api.NewSerializer(func(ev *api.Event) {
		got = append(got, map[api.EventKind]string{
			api.Start: "start", api.PartStart: "open", api.Delta: "delta", api.PartEnd: "close", api.Finished: "finish", api.End: "end",
		}[ev.Kind]+string(ev.Text))
	})
	for _, ev := range []api.Event{
		{Kind: api.Start},
		{Kind: api.PartStart, Part: 0, Content: &api.Part{}},
		{Kind: api.PartStart, Part: 1, Content: &api.Part{}},
		{Kind: api.Delta, Part: 1, Text: []byte("b1")},
		{Kind: api.Delta, Part: 0, Text: []byte("a1")},
		{Kind: api.Delta, Choice: 1, Part: 0, Text: []byte("other choice")},
		{Kind: api.Delta, Part: 0, Text: []byte("a2")},
		{Kind: api.PartEnd, Part: 0},
		{Kind: api.Delta, Part: 1, Text: []byte("b2")},
		{Kind: api.Finished},
		{Kind: api.Finished, Choice: 1},
		{Kind: api.End},
	} {
		s.Add(&ev)
	}
	require.Equal(t, []string{"start", "open", "deltaa1", "deltaa2", "close", "open", "deltab1", "deltab2", "close", "finish", "end"}, got)
}
