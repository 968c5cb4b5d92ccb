package pairs_test

import (
	"bytes"
	"testing"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/sse"
)

// BenchmarkStreams translates a stream of text, of which it tells the cost per
// event that the provider sent.
func BenchmarkStreams(b *testing.B) {
	const pieces = 1000
	for _, from := range formats {
		wire := longText(from, pieces)
		for _, to := range clients {
			b.Run(string(from.name)+"-"+to.name, func(b *testing.B) {
				b.ReportAllocs()
				b.SetBytes(int64(len(wire)))
				var out []byte
				var encoder api.StreamEncoder
				emit := func(ev *api.Event) { out = encoder.Encode(out[:0], ev) }
				for b.Loop() {
					encoder = to.codec.NewStreamEncoder(asking())
					decoder := from.codec.NewStreamDecoder()
					reader := sse.NewReader(bytes.NewReader(wire))
					for ev, err := reader.Next(); err == nil; ev, err = reader.Next() {
						_ = decoder.Decode(ev.Name, ev.Data, emit)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/pieces, "ns/event")
			})
		}
	}
}

// longText is a stream in a format with so many pieces of text.
func longText(format format, pieces int) (wire []byte) {
	encoder := format.codec.NewStreamEncoder(asking())
	tell := func(ev api.Event) { wire = encoder.Encode(wire, &ev) }
	tell(api.Event{Kind: api.Start, ID: "id", Model: "m", Created: 1})
	tell(api.Event{Kind: api.PartStart, Content: &api.Part{Kind: api.Text}})
	for range pieces {
		tell(api.Event{Kind: api.Delta, Text: []byte(`" word \u00e9"`)})
	}
	tell(api.Event{Kind: api.PartEnd})
	tell(api.Event{Kind: api.Finished, Finish: api.FinishStop})
	tell(api.Event{Kind: api.UsageEvent, Usage: api.Usage{Known: true, Input: 1, Output: int64(pieces)}})
	tell(api.Event{Kind: api.End})
	return wire
}
