package sse_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api/sse"
)

type event struct{ raw, name, data string }

func readAll(r io.Reader) ([]event, error) {
	reader := sse.NewReader(r)
	var events []event
	for {
		ev, err := reader.Next()
		if err != nil {
			return events, err
		}
		events = append(events, event{string(ev.Raw), string(ev.Name), string(ev.Data)})
	}
}

// readWatched reads a stream, and looks ahead all the time.
func readWatched(src *chunked) ([]event, error) {
	reader := sse.NewReader(src)
	var events []event
	for {
		ahead, left := reader.Ahead(), len(src.rest)
		ev, err := reader.Next()
		if ahead > 0 && (err != nil || len(src.rest) != left || len(ev.Raw) > ahead) {
			return nil, fmt.Errorf("%d bytes were ahead, and then came %q, %w", ahead, ev.Raw, err)
		}
		if err != nil {
			return events, err
		}
		events = append(events, event{string(ev.Raw), string(ev.Name), string(ev.Data)})
	}
}

func TestNext(t *testing.T) {
	f := func(stream string, want ...event) {
		t.Helper()
		for name, src := range map[string]io.Reader{
			"whole":       strings.NewReader(stream),
			"byte a time": iotest.OneByteReader(strings.NewReader(stream)),
			"data+EOF":    iotest.DataErrReader(strings.NewReader(stream)),
		} {
			got, err := readAll(src)
			require.ErrorIs(t, err, io.EOF, name)
			require.Equal(t, want, got, name)
		}
	}
	f("")
	f("\n\r\n\n")
	f("data: a\n\n", event{"data: a\n\n", "", "a"})
	f("data:a\r\n\r\ndata: b\r\n\r\n", event{"data:a\r\n\r\n", "", "a"}, event{"data: b\r\n\r\n", "", "b"})
	f("event: ping\ndata: {}\n\n: keep-alive\n\ndata: [DONE]\n\n",
		event{"event: ping\ndata: {}\n\n", "ping", "{}"}, event{": keep-alive\n\n", "", ""}, event{"data: [DONE]\n\n", "", "[DONE]"})
	f("data: one\ndata: two\ndata\n\n", event{"data: one\ndata: two\ndata\n\n", "", "one\ntwo\n"})
	f("data: no blank line", event{"data: no blank line", "", "no blank line"})
	f("data: a\n\n\n\ndata: b\n\n", event{"data: a\n\n", "", "a"}, event{"\n\ndata: b\n\n", "", "b"})
	f("id: 7\nretry: 10\ndata:  two spaces\n\n", event{"id: 7\nretry: 10\ndata:  two spaces\n\n", "", " two spaces"})
	f("data: caf\u00e9 \U0001f600\n\n", event{"data: caf\u00e9 \U0001f600\n\n", "", "caf\u00e9 \U0001f600"})
}

func TestByteOrderMark(t *testing.T) {
	const stream = "\xef\xbb\xbf\ndata: a\n\n"
	for _, src := range []io.Reader{strings.NewReader(stream), iotest.OneByteReader(strings.NewReader(stream))} {
		got, err := readAll(src)
		require.ErrorIs(t, err, io.EOF)
		require.Len(t, got, 1)
		require.Equal(t, "a", got[0].data)
	}
}

// A hostile provider sends nothing but line breaks; each is looked at once.
func BenchmarkBlankLines(b *testing.B) {
	blank := []byte(strings.Repeat("\n", 1<<20))
	for b.Loop() {
		_, _ = sse.NewReader(bytes.NewReader(blank)).Next()
	}
}

// An image arrives as one line of megabytes, in reads of a few kilobytes; each
// byte is looked at once.
func BenchmarkLongLine(b *testing.B) {
	for _, size := range []int{1 << 20, 8 << 20} {
		line := []byte("data: " + strings.Repeat("x", size) + "\n\n")
		b.Run(fmt.Sprintf("%dMiB", size>>20), func(b *testing.B) {
			b.SetBytes(int64(size))
			for b.Loop() {
				_, _ = sse.NewReader(&chunked{line, 1400}).Next()
			}
		})
	}
}

func TestUnfinishedEventIsDroppedOnError(t *testing.T) {
	reset := errors.New("connection reset")
	got, err := readAll(io.MultiReader(strings.NewReader("data: a\n\ndata: hal"), iotest.ErrReader(reset)))
	require.ErrorIs(t, err, reset)
	require.Equal(t, []event{{"data: a\n\n", "", "a"}}, got)
}

func TestLargeEvents(t *testing.T) {
	image := strings.Repeat("x", 3<<20)
	stream := "data: a\n\ndata: " + image + "\n\ndata: b\n\n"
	got, err := readAll(strings.NewReader(stream))
	require.ErrorIs(t, err, io.EOF)
	require.Len(t, got, 3)
	require.Equal(t, image, got[1].data)

	_, err = readAll(endless{})
	require.ErrorIs(t, err, sse.ErrTooLarge)
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}

// What a stream holds does not depend on what flowed through it.
func TestBufferIsGivenBack(t *testing.T) {
	large := "data: " + strings.Repeat("x", 1<<20) + "\n\n"
	small := strings.Repeat("data: y\n\n", 1000)
	reader := sse.NewReader(strings.NewReader(large + small))
	for range 1001 {
		_, err := reader.Next()
		require.NoError(t, err)
	}
	require.LessOrEqual(t, reader.Held(), 64<<10)
}

// What has been read already needs no other read, and to ask for it changes nothing.
func TestAhead(t *testing.T) {
	f := func(first, second string, want ...int) {
		t.Helper()
		reader := sse.NewReader(io.MultiReader(strings.NewReader(first), strings.NewReader(second)))
		for _, ahead := range want {
			_, err := reader.Next()
			require.NoError(t, err)
			require.Equal(t, ahead, reader.Ahead())
			require.Equal(t, ahead, reader.Ahead())
		}
		_, err := reader.Next()
		require.ErrorIs(t, err, io.EOF)
		require.Zero(t, reader.Ahead())
	}
	f("data: 1\n\n", "data: 2\n\n", 0, 0)
	f("data: 1\n\ndata: 2\n\n", "", 9, 0)
	f("data: 1\n\ndata: 2\n", "\n", 0, 0) // the second is not whole yet
	f("data: 1\n\ndata: 2\n\nda", "ta: 3\n\n", 11, 0, 0)
	f("data: 1\r\n\r\n: 2\r\n\r\n", "data: 3", 7, 0, 0)
	f("data: "+strings.Repeat("x", 1<<20)+"\n\ndata: 2\n\ndata: 3\n\n", "", 18, 9, 0)
}

func FuzzReader(f *testing.F) {
	f.Add([]byte("event: a\r\ndata: b\r\n\r\n: c\n\ndata\n\ndata: x"), uint8(3))
	f.Fuzz(func(t *testing.T, stream []byte, chunk uint8) {
		whole, err := readAll(bytes.NewReader(stream))
		require.ErrorIs(t, err, io.EOF)
		cut, err := readAll(&chunked{stream, int(chunk)%7 + 1})
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, whole, cut, "how a stream is cut into reads must not matter")
		watched, err := readWatched(&chunked{stream, int(chunk) + 1})
		require.ErrorIs(t, err, io.EOF)
		require.Equal(t, whole, watched, "nor how far ahead it is")

		var raw strings.Builder
		for _, ev := range whole {
			raw.WriteString(ev.raw)
			require.Equal(t, dataOf(ev.raw), ev.data)
		}
		if !bytes.HasPrefix(stream, []byte("\xef\xbb\xbf")) {
			require.Equal(t, strings.TrimSpace(string(stream)), strings.TrimSpace(raw.String()), "no byte is lost")
		}
	})
}

// dataOf is the data of an event, by the letter of the format.
func dataOf(raw string) string {
	var data []string
	for line := range strings.SplitSeq(strings.TrimSuffix(raw, "\n"), "\n") {
		name, value, _ := strings.Cut(strings.TrimSuffix(line, "\r"), ":")
		if name == "data" {
			data = append(data, strings.TrimPrefix(value, " "))
		}
	}
	return strings.Join(data, "\n")
}

// Events that have been read together lie behind each other, and one that has not
// come as a whole leaves room for what a read may bring.
func TestEventsLieBehindEachOther(t *testing.T) {
	const one = "data: some event of a stream\n\n"
	stream := strings.Repeat(one, 3000)
	reader := sse.NewReader(strings.NewReader(stream))
	var together []byte
	var batches []int
	for rest := stream; rest != ""; {
		ev, err := reader.Next()
		require.NoError(t, err)
		if together == nil {
			together = ev.Raw
		} else {
			together = together[:len(together)+len(ev.Raw)]
		}
		if reader.Ahead() == 0 {
			require.Equal(t, rest[:len(together)], string(together))
			rest, batches = rest[len(together):], append(batches, len(together))
			together = nil
		}
	}
	// A stream that fills its buffer gets a larger one.
	for i, want := range []int{4, 32, 32} {
		require.InDelta(t, want<<10, batches[i], float64(len(one)))
	}
	require.Len(t, batches, 4)
	require.LessOrEqual(t, reader.Held(), 32<<10)
}

type chunked struct {
	rest []byte
	size int
}

func (c *chunked) Read(p []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.rest[:min(c.size, len(c.rest))])
	c.rest = c.rest[n:]
	return n, nil
}

func BenchmarkNext(b *testing.B) {
	stream := []byte(strings.Repeat(`data: {"id":"chatcmpl-1","object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" word"},"finish_reason":null}]}`+"\n\n", 1000))
	b.ReportAllocs()
	b.SetBytes(int64(len(stream)))
	for b.Loop() {
		reader := sse.NewReader(bytes.NewReader(stream))
		for {
			if _, err := reader.Next(); err != nil {
				break
			}
		}
	}
}
