package api_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
	"github.com/caddy-plexus/plexus/api/messages"
	"github.com/caddy-plexus/plexus/api/sse"
)

var repeaters = map[string]func() api.Repeater{
	"chat":     func() api.Repeater { return new(chat.Watcher) },
	"messages": func() api.Repeater { return new(messages.Watcher) },
}

// requireRepeats reads a stream twice, once with every event told apart and looked
// at, and once with as many left out as are said to repeat the one before.
func requireRepeats(t *testing.T, slow, fast api.Repeater, stream []byte, most int) (left int) {
	t.Helper()
	each, some := sse.NewReader(bytes.NewReader(stream)), sse.NewReader(bytes.NewReader(stream))
	for {
		ev, err := some.Next()
		same, end := each.Next()
		require.Equal(t, end, err)
		if err != nil {
			break
		}
		require.Equal(t, same, ev)
		require.Equal(t, slow.Event(same.Name, same.Data), fast.Event(ev.Name, ev.Data))
		before, after := ev.Around()
		if len(after) == 0 {
			continue
		}
		require.Equal(t, string(ev.Raw), string(slices.Concat(before, ev.Data, after)))
		run := fast.Repeats(some.Peek(), before, after, most)
		var got api.Run
		for range run.Events {
			require.Less(t, got.Length, most)
			same, err := each.Next()
			require.NoError(t, err)
			signs := slow.Event(same.Name, same.Data)
			require.Equal(t, api.Signs{Content: true, Size: signs.Size}, signs, "%s", same.Raw)
			got.Length += len(same.Raw)
			got.Events++
			got.Size += signs.Size
		}
		require.Equal(t, got, run)
		some.Skip(run.Length)
		left += run.Events
	}
	require.Equal(t, slow.Usage(), fast.Usage())
	return left
}

var (
	chatText     = `data: {"id":"c","choices":[{"index":0,"delta":{"content":"T"},"finish_reason":null}]}` + "\n\n"
	messagesText = "event: content_block_delta\r\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"T"}}` + "\r\n\r\n"
)

func TestRepeats(t *testing.T) {
	const all = 1 << 20
	f := func(api, stream string, most, want int) {
		t.Helper()
		got := requireRepeats(t, repeaters[api](), repeaters[api](), []byte(stream), most)
		require.Equal(t, want, got)
	}
	f("chat", strings.Repeat(chatText, 10), all, 9)
	f("messages", strings.Repeat(messagesText, 10), all, 9)
	f("chat", strings.Repeat(chatText, 3), 1, 1) // the first of each two is looked at
	f("chat", strings.Repeat(chatText, 10), 0, 0)
	f("chat", strings.Repeat(chatText, 3)+chatText[:len(chatText)-1], all, 2)
	f("chat", chatText+strings.Replace(chatText, "T", "", 1)+chatText, all, 0)
	f("chat", chatText+strings.Replace(chatText, "T", `\"`, 1)+chatText, all, 1)
	f("chat", chatText+strings.Replace(chatText, "null", `"stop"`, 1)+chatText, all, 0)
	f("chat", chatText+strings.Replace(chatText, "\n\n", "\r\n\r\n", 1)+chatText, all, 0)
	f("chat", chatText+": a comment\n\n"+chatText+chatText, all, 1)
	f("chat", chatText+"event: error\n"+chatText+chatText, all, 0)
	f("chat", strings.Repeat("data: {\ndata: }\n\n", 3), all, 0) // in two lines
	f("chat", strings.Repeat("data: [DONE]\n\n", 3), all, 0)
}

// Whatever stands in a stream, and between what.
func TestRepeatsOfAnyMixture(t *testing.T) {
	frames := map[string][]string{
		"chat":     {chatText, chatText, chatText, strings.Replace(chatText, "content", "reasoning", 1), strings.Replace(chatText, "}]", `}],"usage":{"prompt_tokens":1}`, 1), "data: [DONE]\n\n"},
		"messages": {messagesText, messagesText, messagesText, strings.ReplaceAll(messagesText, "\r", ""), strings.ReplaceAll(messagesText, "text", "thinking"), "event: ping\ndata: {\"type\":\"ping\"}\n\n"},
	}
	texts := []string{"word", " ", "ö", `\n`, `\"`, `"`, "", strings.Repeat("long ", 2000)}
	r := rand.New(rand.NewPCG(1, 2))
	for name, frames := range frames {
		left := 0
		for range 500 {
			var stream strings.Builder
			for range r.IntN(20) {
				frame := frames[r.IntN(len(frames))]
				for range 1 + r.IntN(6) {
					stream.WriteString(strings.Replace(frame, `"T"`, `"`+texts[min(r.IntN(30), len(texts)-1)]+`"`, 1))
				}
			}
			left += requireRepeats(t, repeaters[name](), repeaters[name](), []byte(stream.String()), r.IntN(5000))
		}
		require.NotZero(t, left)
	}
}

// FuzzRepeats holds what is left out of a stream against what would have been seen.
func FuzzRepeats(f *testing.F) {
	f.Add(strings.Repeat(chatText, 3), 1000)
	f.Add(strings.Repeat(messagesText, 3), 1)
	f.Add(chatText+strings.Replace(chatText, "T", `\"`, 1)+chatText+"data: [DONE]\n\n", 1000)
	f.Fuzz(func(t *testing.T, stream string, most int) {
		for _, repeater := range repeaters {
			requireRepeats(t, repeater(), repeater(), []byte(stream), most)
		}
	})
}
