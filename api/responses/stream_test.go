package responses_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/responses"
	"github.com/caddy-plexus/plexus/api/sse"
)

var codec = responses.Codec{}

// keep copies an event, whose contents are only lent.
func keep(ev *api.Event) api.Event {
	out := *ev
	out.Text = bytes.Clone(ev.Text)
	if ev.Content != nil {
		part := *ev.Content
		part.Raw = bytes.Clone(part.Raw)
		if part.Call != nil {
			c := *part.Call
			part.Call = &c
		}
		out.Content = &part
	}
	if ev.Citation != nil {
		citation := *ev.Citation
		citation.Raw = bytes.Clone(citation.Raw)
		out.Citation = &citation
	}
	return out
}

// readStream decodes the data of a stream's events.
func readStream(t testing.TB, datas ...string) (events []api.Event, whole bool) {
	t.Helper()
	d := codec.NewStreamDecoder()
	emit := func(ev *api.Event) { events = append(events, keep(ev)) }
	for _, data := range datas {
		lent := []byte(data)
		require.NoError(t, d.Decode(nil, lent, emit), data)
		for i := range lent {
			lent[i] = '!' // the reader's buffer is used again
		}
	}
	return events, d.Close(emit)
}

// writeStream encodes events, and gives the data of the stream's.
func writeStream(t testing.TB, req *api.Request, events ...api.Event) (datas []string) {
	t.Helper()
	e := codec.NewStreamEncoder(req)
	var stream []byte
	for i := range events {
		ev := keep(&events[i])
		stream = e.Encode(stream, &ev)
	}
	r := sse.NewReader(bytes.NewReader(stream))
	for {
		ev, err := r.Next()
		if errors.Is(err, io.EOF) {
			return datas
		}
		require.NoError(t, err)
		if len(ev.Data) == 0 { // a comment
			continue
		}
		require.True(t, json.Valid(ev.Data), "%s", ev.Data)
		var head struct{ Type string }
		require.NoError(t, json.Unmarshal(ev.Data, &head), "%s", ev.Data)
		require.Equal(t, head.Type, string(ev.Name))
		datas = append(datas, string(ev.Data))
	}
}

// legal checks the order of neutral events.
func legal(t testing.TB, events []api.Event, whole bool) {
	t.Helper()
	// What of a part has been told, in the order in which it may be.
	const text, signature, citation = 1, 2, 3
	open := map[int]int{}
	next, finished, over := 0, false, false
	step := func(part, to int) {
		require.NotZero(t, open[part], "a part that is not open")
		require.LessOrEqual(t, open[part], to)
		open[part] = to
	}
	for i, ev := range events {
		require.False(t, over, "an event after the end")
		if i == 0 {
			require.Contains(t, []api.EventKind{api.Start, api.ErrorEvent}, ev.Kind)
		} else {
			require.NotEqual(t, api.Start, ev.Kind)
		}
		switch ev.Kind {
		case api.PartStart:
			require.False(t, finished)
			require.Equal(t, next, ev.Part)
			require.NotNil(t, ev.Content)
			open[ev.Part] = text
			next++
		case api.Delta:
			step(ev.Part, text)
			require.True(t, json.Valid(ev.Text), "%s", ev.Text)
			require.Greater(t, len(ev.Text), 2)
		case api.Signature:
			step(ev.Part, signature)
		case api.CitationEvent:
			step(ev.Part, citation)
		case api.PartEnd:
			step(ev.Part, citation)
			delete(open, ev.Part)
		case api.Finished:
			require.False(t, finished)
			require.Empty(t, open)
			finished = true
		case api.UsageEvent:
			require.True(t, finished)
		case api.End, api.ErrorEvent:
			over = true
			require.True(t, ev.Kind == api.ErrorEvent || finished)
		}
	}
	require.Equal(t, whole, over && events[len(events)-1].Kind == api.End)
}

func accumulate(events []api.Event) *api.Response {
	var a api.Accumulator
	for i := range events {
		a.Add(&events[i])
	}
	resp, _ := a.Response()
	return resp
}
