package plexus

import (
	"bytes"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
	"github.com/caddy-plexus/plexus/api/sse"
)

// reads is a stream whose every part is had by a read of its own.
type reads []string

func (r reads) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {eventStream}},
		Body: io.NopCloser(&parts{rest: r}), ContentLength: -1,
	}, nil
}

// parts reads as its parts say, or less if there is no room.
type parts struct {
	rest []string
	at   int
}

func (p *parts) Read(buf []byte) (int, error) {
	for len(p.rest) > 0 && p.at == len(p.rest[0]) {
		p.rest, p.at = p.rest[1:], 0
	}
	if len(p.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(buf, p.rest[0][p.at:])
	p.at += n
	return n, nil
}

// onlooker is a client that sees what each flush brings.
type onlooker struct {
	header  http.Header
	unsent  bytes.Buffer
	flushes []string
}

func (o *onlooker) Header() http.Header         { return o.header }
func (o *onlooker) Write(p []byte) (int, error) { return o.unsent.Write(p) }
func (o *onlooker) WriteHeader(int)             {}
func (o *onlooker) Flush() {
	if o.unsent.Len() > 0 {
		o.flushes = append(o.flushes, o.unsent.String())
		o.unsent.Reset()
	}
}

// flushesOf is what each flush of an answer brings the client.
func flushesOf(t *testing.T, a api.API, stream ...string) []string {
	t.Helper()
	w := &onlooker{header: http.Header{}}
	serveOnce(t, benchHandler(t, a, reads(stream)), w, "/v1/chat/completions", streamFast)
	require.Zero(t, w.unsent.Len())
	return w.flushes
}

// Events that come at once are flushed one by one as long as they are few. Of more,
// which only a provider sends that does not pause, those go together that are there,
// and so do those that come at once from then on.
func TestEventsOfAProviderThatIsFarAhead(t *testing.T) {
	f := func(stream []string, want ...string) {
		t.Helper()
		require.Equal(t, want, flushesOf(t, api.Chat, stream...))
	}
	end := chatStop + chatDone
	many := strings.Repeat(chatHello, 30)

	f([]string{chatRole + chatHello + chatHello + chatHello, end},
		chatRole+chatHello, chatHello, chatHello, chatStop, chatDone)
	f([]string{chatRole + chatHello, many, chatHello, end},
		chatRole+chatHello, many, chatHello, end)
	f([]string{chatRole + many, end},
		chatRole+many, end)
	f([]string{chatRole + many, chatHello + chatHello, chatHello, chatHello + chatHello, end},
		chatRole+many, chatHello+chatHello, chatHello, chatHello+chatHello, end)
	// None of them waits for one that is not there as a whole.
	f([]string{chatRole + chatHello, many + chatHello[:40], chatHello[40:], end},
		chatRole+chatHello, many, chatHello, end)
	// What was held back until the first content is no lead.
	opening := strings.Repeat(chatRole, 20)
	f([]string{opening + chatHello + chatHello, chatHello + chatHello, end},
		opening+chatHello, chatHello, chatHello, chatHello, chatStop, chatDone)
	// What the client did not ask for is the last of what is there.
	f([]string{chatRole + chatHello, many + chatStop + chatUsage, chatDone},
		chatRole+chatHello, many+chatStop, chatDone)
	// It breaks off. What is sent after it is no part of it.
	broken := flushesOf(t, api.Chat, chatRole+chatHello, many+chatHello[:40])
	require.Equal(t, []string{chatRole + chatHello, many}, broken[:2])
	require.Contains(t, broken[2], "broke off")
}

// However the events of a stream are read, the client gets all of them that are its
// business, none twice, and each as a whole.
func TestHoweverAStreamIsRead(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 1))
		stream, want := chatRole+chatHello, chatRole+chatHello
		for range random.IntN(300) {
			ev := strings.Replace(chatHello, "Hello", strings.Repeat("x", textSize(random)), 1)
			switch random.IntN(10) {
			case 0:
				stream += chatUsage // the client did not ask for it
			case 1:
				ev = ": a comment\n\n"
			}
			stream += ev
			want += ev
		}
		stream += chatStop + chatUsage + chatDone
		want += chatStop + chatDone
		got := flushesOf(t, api.Chat, cut(random, stream)...)
		require.Equal(t, want, strings.Join(got, ""), "seed %d", seed)
		for _, flush := range got {
			require.True(t, strings.HasSuffix(flush, "\n\n"), "seed %d: %q", seed, flush)
		}
	}
}

// textSize is mostly that of a word, and now and then that of an image.
func textSize(random *rand.Rand) int {
	switch n := random.IntN(100); {
	case n < 90:
		return 1 + random.IntN(20)
	case n < 99:
		return random.IntN(10_000)
	default:
		return random.IntN(200_000)
	}
}

// cut divides a text into parts of some magnitude.
func cut(random *rand.Rand, s string) (parts []string) {
	for most := 1 << (1 + random.IntN(16)); s != ""; {
		n := min(1+random.IntN(most), len(s))
		parts = append(parts, s[:n])
		s = s[n:]
	}
	return parts
}

// What is not told apart counts as it would else: for the output rate, and for the
// number of events.
func TestARunCountsAsItsEvents(t *testing.T) {
	stream := strings.Repeat(chatHello, 10)
	reader := sse.NewReader(strings.NewReader(stream + chatStop))
	a := &answer{attempt: new(attempt), watcher: new(chat.Watcher)}
	first, err := reader.Next()
	require.NoError(t, err)
	require.True(t, a.look(first).Content)
	batch := batch{out: first.Raw}
	a.followRun(reader, first, &batch)
	require.Equal(t, stream, string(batch.out))
	require.EqualValues(t, 9, a.events)
	require.EqualValues(t, 9*len("Hello"), a.clocks.size.Load())
	next, err := reader.Next()
	require.NoError(t, err)
	require.Equal(t, chatStop, string(next.Raw))
}

// leaver is a client that is gone before its last flush.
type leaver struct {
	onlooker
	takes int
}

func (l *leaver) Write(p []byte) (int, error) {
	if l.takes--; l.takes < 0 {
		return 0, io.ErrClosedPipe
	}
	return l.onlooker.Write(p)
}

// A client has not been served by what was never sent, though it was read.
func TestAClientThatLeavesBeforeTheRestIsNotServed(t *testing.T) {
	f := func(takes int, want string, stream ...string) {
		t.Helper()
		h := benchHandler(t, api.Chat, reads(stream))
		core, logs := observer.New(zap.DebugLevel)
		h.logger = zap.New(core)
		serveOnce(t, h, &leaver{onlooker{header: http.Header{}}, takes}, "/v1/chat/completions", streamFast)
		require.Equal(t, want, logs.FilterMessage("answered").All()[0].ContextMap()["verdict"])
	}
	rest := strings.Repeat(chatHello, 20) + chatStop + chatDone
	f(1, verdictCanceled, chatRole+chatHello, rest)
	f(2, verdictServed, chatRole+chatHello, rest)
	// SDKs hang up on the last event.
	f(2, verdictServed, chatRole+chatHello, chatStop, chatDone)
	f(1, verdictCanceled, chatRole+chatHello, chatStop, chatDone)
}

// A large event is sent from where it is, alone.
func TestALargeEventIsNotCopied(t *testing.T) {
	allocated := func(size int) int64 {
		large := strings.Replace(chatHello, "Hello", strings.Repeat("x", size), 1)
		h := benchHandler(t, api.Chat, reads{chatRole + chatHello, large, chatStop + chatDone})
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		serveOnce(t, h, &sink{header: http.Header{}}, "/v1/chat/completions", streamFast)
		runtime.ReadMemStats(&after)
		return int64(after.TotalAlloc - before.TotalAlloc)
	}
	// The reader's buffer has doubled up to twice the event.
	const size = 8<<20 - 1024
	require.Less(t, allocated(size)-allocated(10), int64(2*8<<20+size/2))
}

// No more of it is held than a stream may keep for good.
func TestAProviderThatIsFarAheadIsHeldInParts(t *testing.T) {
	large := strings.Replace(chatHello, "Hello", strings.Repeat("Hello", 8_000), 1)
	all := strings.Repeat(large, 10) + strings.Repeat(chatHello, 20_000)
	got := flushesOf(t, api.Chat, chatRole+chatHello, all, chatStop+chatDone)
	require.Equal(t, chatRole+chatHello+all+chatStop+chatDone, strings.Join(got, ""))
	for _, flush := range got {
		require.Less(t, len(flush), keptBuffer+len(large))
	}
}

func TestTranslatedEventsOfAProviderThatIsFarAhead(t *testing.T) {
	begin, end := messagesStart+messagesOpen+messagesHello, messagesClose+messagesDelta+messagesStop
	var events []string
	for i := range 30 {
		events = append(events, strings.Replace(messagesHello, "Hello", fmt.Sprintf("Hello %d", i), 1))
	}
	byEvent := flushesOf(t, api.Messages, slices.Concat([]string{begin}, events, []string{end})...)
	atOnce := flushesOf(t, api.Messages, begin, strings.Join(events, ""), end)
	require.Len(t, byEvent, 1+30+2)
	require.Len(t, atOnce, 3)
	created := regexp.MustCompile(`"created":\d+`)
	all := func(flushes []string) string { return created.ReplaceAllString(strings.Join(flushes, ""), "") }
	require.Equal(t, all(byEvent), all(atOnce))
	require.Equal(t, 30, strings.Count(atOnce[1], "Hello "))
}
