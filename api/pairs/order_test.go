package pairs_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// order checks that events come as api.EventKind says.
type order struct {
	t     testing.TB
	began bool
	over  api.EventKind // End or ErrorEvent, once it came
	open  map[[2]int]*openPart
	next  map[int]int // the number of the next part, by choice
	ended map[int]bool
	usage bool
	// crossed says that two texts came interleaved, which chat cannot tell apart.
	crossed bool
}

type openPart struct {
	kind api.Kind
	tail api.EventKind // what of its end has come
}

func newOrder(t testing.TB) *order {
	return &order{t: t, open: map[[2]int]*openPart{}, next: map[int]int{}, ended: map[int]bool{}}
}

func (o *order) see(ev *api.Event) {
	t := o.t
	require.Zero(t, o.over, "nothing follows the end, but %v did", ev.Kind)
	require.GreaterOrEqual(t, ev.Choice, 0)
	switch ev.Kind {
	case api.Start:
		require.False(t, o.began, "Start comes once")
		o.began = true
	case api.ErrorEvent:
		require.NotNil(t, ev.Err)
		require.NotEmpty(t, ev.Err.Message)
		require.GreaterOrEqual(t, ev.Err.Status, 400)
		o.over = ev.Kind
	default:
		require.True(t, o.began, "%v before Start", ev.Kind)
		o.later(ev)
	}
}

func (o *order) later(ev *api.Event) {
	t := o.t
	switch ev.Kind {
	case api.PartStart, api.Delta, api.Signature, api.CitationEvent, api.PartEnd:
		require.Empty(t, o.ended, "a part after Finished")
		o.inPart(ev)
	case api.Ping:
		require.Empty(t, o.ended, "a ping after Finished")
	case api.Finished:
		require.Empty(t, o.open, "Finished while a part is open")
		require.False(t, o.ended[ev.Choice], "Finished comes once for a choice")
		require.False(t, o.usage, "Finished after the usage")
		require.NotEmpty(t, ev.Finish)
		o.ended[ev.Choice] = true
	case api.UsageEvent:
		require.NotEmpty(t, o.ended, "a usage before Finished")
		require.True(t, ev.Usage.Known)
		o.usage = true
	case api.End:
		require.NotEmpty(t, o.ended, "End without Finished")
		o.over = ev.Kind
	default:
		require.Fail(t, "an event of no kind", "%v", ev.Kind)
	}
}

func (o *order) inPart(ev *api.Event) {
	t, at := o.t, [2]int{ev.Choice, ev.Part}
	if ev.Kind == api.PartStart {
		require.Equal(t, o.next[ev.Choice], ev.Part, "parts are numbered in their order")
		require.NotNil(t, ev.Content)
		require.NotZero(t, ev.Content.Kind)
		require.Equal(t, ev.Content.Kind == api.ToolCall, ev.Content.Call != nil)
		if ev.Content.Call != nil {
			require.NotEmpty(t, ev.Content.Call.ID, "a call has an id")
			require.Empty(t, ev.Content.Call.Arguments, "arguments come in deltas")
		}
		o.next[ev.Choice]++
		o.open[at] = &openPart{kind: ev.Content.Kind}
		return
	}
	part := o.open[at]
	require.NotNil(t, part, "%v of a part that is not open", ev.Kind)
	switch ev.Kind {
	case api.Delta:
		for other, open := range o.open {
			o.crossed = o.crossed || other != at && other[0] == at[0] && open.kind == part.kind && part.kind != api.ToolCall
		}
		require.Zero(t, part.tail, "a delta after a signature or a citation")
		require.Contains(t, []api.Kind{api.Text, api.Thinking, api.Refusal, api.ToolCall}, part.kind)
		require.True(t, json.Valid(ev.Text), "%s", ev.Text)
		require.Greater(t, len(ev.Text), 2, "a delta says something")
		require.Equal(t, byte('"'), ev.Text[0])
	case api.Signature:
		require.Zero(t, part.tail, "a signature comes once, and before citations")
		require.NotNil(t, ev.Content)
		require.NotEmpty(t, ev.Content.Signature)
		part.tail = api.Signature
	case api.CitationEvent:
		require.NotNil(t, ev.Citation)
		part.tail = api.CitationEvent
	case api.PartEnd:
		delete(o.open, at)
	}
}

// close checks what Close told.
func (o *order) close(whole bool) {
	require.Equal(o.t, whole, o.over == api.End, "Close tells whether there was an End")
}
