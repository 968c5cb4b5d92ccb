package pairs_test

import (
	"bytes"
	"regexp"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// made are what an encoder makes up where the source has none, such as the time of
// an answer that came from Anthropic.
var made = []struct {
	by   *regexp.Regexp
	with string
}{
	{regexp.MustCompile(`"(created|created_at)":( ?)\d+`), `"$1":${2}0`},
	{regexp.MustCompile(`"(chatcmpl-|resp_|msg_|cmpl-)[A-Z2-7]{26}"`), `"${1}made-up"`},
}

func steady(wire []byte) []byte {
	for _, m := range made {
		wire = m.by.ReplaceAll(wire, []byte(m.with))
	}
	return wire
}

// TestStreams gives each client the streams of each provider: what it gets is in
// testdata/stream, to be read, and what it hears is what the provider said.
func TestStreams(t *testing.T) {
	for _, from := range formats {
		for theme, wire := range fixtures(t, "stream", from.name, ".sse") {
			for _, to := range clients {
				t.Run(theme+"/"+string(from.name)+"-"+to.name, func(t *testing.T) {
					order := newOrder(t)
					out := translate(from.codec, to.codec, asking(), bytes.NewReader(wire), order.see)
					order.close(out.whole)
					golden(t, "stream/"+theme+"."+string(from.name)+"-"+to.name+".golden", steady(out.wire))
					checkEnds(t, to, out)
					checkSaid(t, to, out)
				})
			}
		}
	}
}

// checkEnds checks that a client's stream ends once, as it has to, and with
// nothing after.
func checkEnds(t testing.TB, to client, out translated) {
	t.Helper()
	got := inspect(t, to.name, out.wire)
	want := ends{failure: 1}
	if out.whole {
		want = ends{success: 1}
	}
	require.Equal(t, want, got, "%s", out.wire)
}

// checkSaid checks that a client that reads its stream hears what the provider
// said.
func checkSaid(t testing.TB, to client, out translated) {
	t.Helper()
	if to.back == nil || !out.whole {
		return
	}
	format := formatOf(to)
	got, whole, err := read(to.back, out.wire)
	if len(out.said.choices) > 0 && format == "responses" && finishOf(out.said) == "malformed" {
		return // it has failed, and says so
	}
	require.NoError(t, err)
	require.True(t, whole, "%s", out.wire)
	if !out.said.usage.Known {
		got.usage = api.Usage{} // some formats have to have numbers
	}
	require.Equal(t, out.said.as(format), got.as(format), "%s", out.wire)
}

// TestStreamsByteByByte gives the same streams a byte a read.
func TestStreamsByteByByte(t *testing.T) {
	for _, from := range formats {
		for theme, wire := range fixtures(t, "stream", from.name, ".sse") {
			for _, to := range clients {
				want := translate(from.codec, to.codec, asking(), bytes.NewReader(wire), nil)
				got := translate(from.codec, to.codec, asking(), iotest.OneByteReader(bytes.NewReader(wire)), nil)
				require.Equal(t, string(steady(want.wire)), string(steady(got.wire)), theme)
				require.Equal(t, want.whole, got.whole)
			}
		}
	}
}
