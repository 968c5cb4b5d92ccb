package plexus

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
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
	h := benchHandler(t, a, reads(stream))
	w := &onlooker{header: http.Header{}}
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", strings.NewReader(streamFast))
	ctx := context.WithValue(r.Context(), caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "127.0.0.1"})
	require.NoError(t, h.ServeHTTP(w, r.WithContext(ctx), nil))
	require.Zero(t, w.unsent.Len())
	return w.flushes
}

// Events that come at once are flushed one by one as long as they are few. Of more,
// which only a provider sends that does not pause, those go together that are there.
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
		chatRole+chatHello, many, chatHello, chatStop, chatDone)
	f([]string{chatRole + many, end},
		chatRole+many, chatStop, chatDone)
	// None of them waits for one that is not there as a whole.
	f([]string{chatRole + chatHello, many + chatHello[:40], chatHello[40:], end},
		chatRole+chatHello, many, chatHello, chatStop, chatDone)
	// What the client did not ask for is the last of what is there.
	f([]string{chatRole + chatHello, many + chatStop + chatUsage, chatDone},
		chatRole+chatHello, many+chatStop, chatDone)
	// It breaks off. What is sent after it is no part of it.
	broken := flushesOf(t, api.Chat, chatRole+chatHello, many+chatHello[:40])
	require.Equal(t, []string{chatRole + chatHello, many}, broken[:2])
	require.Contains(t, broken[2], "broke off")
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
	byEvent := flushesOf(t, api.Messages, slices.Concat([]string{begin}, slices.Repeat([]string{messagesHello}, 30), []string{end})...)
	atOnce := flushesOf(t, api.Messages, begin, strings.Repeat(messagesHello, 30), end)
	require.Len(t, byEvent, len(atOnce)+29)
	stamped := func(flushes []string) int { return len(strings.Join(flushes, "")) }
	require.Equal(t, stamped(byEvent), stamped(atOnce))
	require.Equal(t, 30, strings.Count(atOnce[1], "Hello"))
}
