package api_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// accumulate lends each event and spoils it afterwards, as a decoder may.
func accumulate(events ...api.Event) *api.Response {
	var a api.Accumulator
	for i := range events {
		ev := events[i]
		ev.Text = append([]byte(nil), ev.Text...)
		if ev.Citation != nil {
			citation := *ev.Citation
			citation.Raw = append([]byte(nil), citation.Raw...)
			ev.Citation = &citation
		}
		a.Add(&ev)
		spoil(ev.Text)
		if ev.Citation != nil {
			spoil(ev.Citation.Raw)
		}
	}
	resp, _ := a.Response()
	return resp
}

func spoil(b []byte) {
	for i := range b {
		b[i] = '!'
	}
}

func begin(content api.Part) api.Event {
	return api.Event{Kind: api.PartStart, Content: &content}
}

func delta(part int, literal string) api.Event {
	return api.Event{Kind: api.Delta, Part: part, Text: []byte(literal)}
}

// Half a character in one delta and half in the next is one character.
func TestAccumulateSurrogatesAcrossDeltas(t *testing.T) {
	f := func(want string, deltas ...string) {
		t.Helper()
		events := []api.Event{begin(api.Part{Kind: api.Text})}
		for _, d := range deltas {
			events = append(events, delta(0, d))
		}
		require.Equal(t, want, accumulate(events...).Choices[0].Parts[0].Text)
	}
	f("😀", `"\ud83d"`, `"\ude00"`)
	f("a😀b", `"a\uD83D"`, `""`, `"\uDE00b"`)
	f("😀 plain", `"😀"`, `" plain"`)
	f("\ufffdx", `"\ud83d"`, `"x"`)
	f(`ab\`, `"a"`, `"b\\"`)
}

// A text in many pieces is put together once, and not copied with each of them.
func TestAccumulateManyDeltas(t *testing.T) {
	const pieces = 10_000
	var got string
	allocations := testing.AllocsPerRun(1, func() {
		var a api.Accumulator
		first, piece := begin(api.Part{Kind: api.ToolCall, Call: &api.Call{ID: "a"}}), delta(0, `"abcdefgh"`)
		a.Add(&first)
		for range pieces {
			a.Add(&piece)
		}
		resp, _ := a.Response()
		got = resp.Choices[0].Parts[0].Call.Arguments
	})
	require.Equal(t, strings.Repeat("abcdefgh", pieces), got)
	require.Less(t, allocations, float64(pieces/10))
}

// A citation's raw data is only lent.
func TestAccumulateKeepsCitations(t *testing.T) {
	raw := `{"url":"https://example.com"}`
	resp := accumulate(begin(api.Part{Kind: api.Text}), delta(0, `"x"`), api.Event{Kind: api.CitationEvent, Citation: &api.Citation{Raw: []byte(raw), Source: api.Chat}})
	require.Equal(t, raw, string(resp.Choices[0].Parts[0].Citations[0].Raw))
}

// What no decoder should send does no harm.
func TestAccumulateOdds(t *testing.T) {
	resp := accumulate(
		api.Event{Kind: api.PartStart},
		delta(0, `"x"`), delta(7, `"nowhere"`),
		api.Event{Kind: api.PartStart, Choice: -1, Content: &api.Part{Kind: api.Text}},
		api.Event{Kind: api.Finished, Choice: 1 << 40},
		api.Event{Kind: api.Signature}, api.Event{Kind: api.CitationEvent},
	)
	require.Len(t, resp.Choices, 1)
	require.Equal(t, "x", resp.Choices[0].Parts[0].Text)

	var a api.Accumulator
	failure := &api.Error{Status: 503, Message: "Later"}
	a.Add(&api.Event{Kind: api.ErrorEvent, Err: failure})
	failure.Message = "spoiled"
	a.Add(&api.Event{Kind: api.End})
	_, complete := a.Response()
	require.False(t, complete)
	require.Equal(t, "Later", a.Err().Message)
}

// The probabilities of tokens come in pieces, and are one object in the end.
func TestAccumulateLogprobs(t *testing.T) {
	piece := func(kind api.EventKind, logprobs string) api.Event {
		return api.Event{Kind: kind, Text: []byte(`"x"`), Logprobs: json.RawMessage(logprobs)}
	}
	resp := accumulate(begin(api.Part{Kind: api.Text}),
		piece(api.Delta, `{"content":[{"token":"a","logprob":-0.10000000000000001}],"refusal":null}`),
		piece(api.Delta, `null`),
		piece(api.Delta, `{"content":[{"token":"b","logprob":-2}],"refusal":[]}`),
		piece(api.Finished, `{"content":[],"refusal":[{"token":"c"}]}`))
	require.JSONEq(t, `{"content":[{"token":"a","logprob":-0.10000000000000001},{"token":"b","logprob":-2}],"refusal":[{"token":"c"}]}`, string(resp.Choices[0].Logprobs))
	require.Nil(t, accumulate(begin(api.Part{Kind: api.Text}), piece(api.Delta, ``)).Choices[0].Logprobs)
}

func whole() *api.Response {
	return &api.Response{
		Source: api.Chat, ID: "r", Model: "m", Created: 7, ServiceTier: "flex",
		Extra: map[string]json.RawMessage{"container": json.RawMessage(`{"id":"c"}`)},
		Usage: api.Usage{Known: true, Input: 1, CacheWrite: 5, CacheWriteHour: 3, Output: 2, Reasoning: 1},
		Choices: []api.Choice{{
			Finish: api.FinishToolCalls, Logprobs: json.RawMessage(`{"content":[{"token":"Hi"}],"refusal":null}`),
			Parts: []api.Part{
				{Kind: api.Thinking, Text: "hm", Signature: "s", Vendor: api.Anthropic, ID: "rs_1"},
				{Kind: api.Thinking, Signature: "hidden", Vendor: api.OpenAI},
				{Kind: api.Thinking, Redacted: true, Signature: "d", Vendor: api.Anthropic},
				{Kind: api.Text, Text: "Hi \U0001F600", ID: "msg_1", Citations: []api.Citation{{URL: "https://example.com", Raw: json.RawMessage(`{}`), Source: api.Chat}}},
				{Kind: api.Text},
				{Kind: api.Refusal, Text: "No"},
				{Kind: api.Image, Media: &api.Media{MIME: "image/png", Data: "AA=="}},
				{Kind: api.Opaque, Raw: json.RawMessage(`{"type":"x"}`), Source: api.Responses, Vendor: api.OpenAI, ID: "x_1"},
				{Kind: api.ToolCall, Call: &api.Call{ID: "c", Name: "f", Arguments: `{"a":1}`}, Signature: "t", Vendor: api.Google},
				{Kind: api.ToolCall, Call: &api.Call{ID: "d", Name: "g", Arguments: "free\ntext", Custom: true}, Raw: json.RawMessage(`{"caller":1}`), Source: api.Messages},
			},
		}, {Finish: api.FinishStopSequence, StopSequence: "x", Parts: []api.Part{{Kind: api.Text, Text: "two"}}}},
	}
}

// Nothing of a whole answer is lost where it is told as a stream and put
// together again.
func TestEmitLosesNothing(t *testing.T) {
	var a api.Accumulator
	whole().Emit(a.Add)
	got, complete := a.Response()
	require.True(t, complete)
	require.Equal(t, whole(), got)

	// So it goes where the parts are brought into order on the way.
	var b api.Accumulator
	one := whole()
	one.Choices = one.Choices[:1]
	one.Emit(api.NewSerializer(b.Add).Add)
	got, complete = b.Response()
	require.True(t, complete)
	require.Equal(t, one, got)
}

// A stream's first event may tell the usage of the prompt.
func TestAccumulateUsageAtStart(t *testing.T) {
	known := api.Usage{Known: true, Input: 3}
	require.Equal(t, known, accumulate(api.Event{Kind: api.Start, Usage: known}).Usage)
	require.False(t, accumulate(api.Event{Kind: api.Start}).Usage.Known)
}

// What waits is a copy: the reader's buffer is used again.
func TestSerializerKeepsWhatIsLent(t *testing.T) {
	var got []string
	s := api.NewSerializer(func(ev *api.Event) {
		if ev.Part == 1 {
			got = append(got, string(ev.Text))
			if ev.Citation != nil {
				got = append(got, string(ev.Citation.Raw))
			}
			if ev.Content != nil {
				got = append(got, string(ev.Content.Raw)+string(ev.Content.Cache))
			}
		}
	})
	content := &api.Part{Kind: api.Opaque, Raw: []byte("raw"), Cache: []byte("cache")}
	citation := &api.Citation{Raw: []byte("cited")}
	text := []byte(`"x"`)
	for _, ev := range []api.Event{
		begin(api.Part{Kind: api.Text}),
		{Kind: api.PartStart, Part: 1, Content: content},
		{Kind: api.Delta, Part: 1, Text: text},
		{Kind: api.CitationEvent, Part: 1, Citation: citation},
	} {
		s.Add(&ev)
	}
	spoil(content.Raw)
	spoil(content.Cache)
	spoil(citation.Raw)
	spoil(text)
	s.Add(&api.Event{Kind: api.End})
	require.Equal(t, []string{"", "rawcache", `"x"`, "", "cited", ""}, got)
}
