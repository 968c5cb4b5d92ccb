package pairs_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
	"github.com/caddy-plexus/plexus/api/completions"
	"github.com/caddy-plexus/plexus/api/gemini"
	"github.com/caddy-plexus/plexus/api/messages"
	"github.com/caddy-plexus/plexus/api/responses"
	"github.com/caddy-plexus/plexus/api/sse"
)

var update = flag.Bool("update", false, "write the golden files anew")

// format is a wire format that both clients and targets speak.
type format struct {
	name  api.API
	codec api.Codec
}

var formats = []format{
	{api.Chat, chat.Codec{}},
	{api.Responses, responses.Codec{}},
	{api.Messages, messages.Codec{}},
	{api.Gemini, gemini.Codec{}},
}

// client is a wire format in which an answer is told.
type client struct {
	name  string
	codec api.ClientCodec
	// back reads what was told; nil where no decoder can.
	back api.TargetCodec
}

var clients = []client{
	{"chat", chat.Codec{}, chat.Codec{}},
	{"responses", responses.Codec{}, responses.Codec{}},
	{"messages", messages.Codec{}, messages.Codec{}},
	{"gemini", gemini.Codec{}, gemini.Codec{}},
	{"completions", completions.Codec{}, nil},
}

// asking is what the clients of the streams have asked for.
func asking() *api.Request {
	return &api.Request{Model: "asked-for", Stream: true, StreamUsage: true}
}

// golden compares what was got with the file of that name, or writes it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err, "run the test with -update and read what it writes")
	require.Equal(t, string(want), string(got), "%s", path)
}

// fixture is a file of testdata that a person wrote.
func fixture(t testing.TB, name string) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return raw
}

// fixtures are the files of a folder that persons wrote in a format, by their
// themes.
func fixtures(t testing.TB, folder string, from api.API, ending string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", folder, "*."+string(from)+ending))
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	out := map[string][]byte{}
	for _, path := range paths {
		base := filepath.Base(path)
		out[base[:len(base)-len("."+string(from)+ending)]] = fixture(t, filepath.Join(folder, base))
	}
	return out
}

// follow reads a stream as a gateway does, and tells whether it came to its own
// end. A stream that cannot be understood gives an error.
func follow(from api.TargetCodec, wire io.Reader, emit func(*api.Event)) (whole bool, err error) {
	reader := sse.NewReader(wire)
	decoder := from.NewStreamDecoder()
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return decoder.Close(emit), nil
		}
		if err != nil {
			return false, err
		}
		if err := decoder.Decode(ev.Name, ev.Data, emit); err != nil {
			return false, err
		}
	}
}

// translated is a stream in the client's format, and what was told on the way.
// What does not come to an end gets an error, as from a gateway.
type translated struct {
	wire    []byte
	said    said
	whole   bool
	errored bool // by the provider
}

func translate(from api.TargetCodec, to api.ClientCodec, req *api.Request, wire io.Reader, see func(*api.Event)) translated {
	var out translated
	var told api.Accumulator
	encoder := to.NewStreamEncoder(req)
	whole, err := follow(from, wire, func(ev *api.Event) {
		if see != nil {
			see(ev)
		}
		out.errored = out.errored || ev.Kind == api.ErrorEvent
		told.Add(ev)
		out.wire = encoder.Encode(out.wire, ev)
	})
	out.whole = whole && err == nil
	if !out.whole && !out.errored {
		out.wire = encoder.Encode(out.wire, &api.Event{Kind: api.ErrorEvent, Err: &api.Error{Status: 502, Message: brokeOff}})
	}
	resp, _ := told.Response()
	out.said = hear(resp)
	return out
}

// brokeOff is what a client is told of a stream that does not end.
const brokeOff = "the stream broke off"

func read(from api.TargetCodec, wire []byte) (said, bool, error) {
	var told api.Accumulator
	whole, err := follow(from, bytes.NewReader(wire), told.Add)
	resp, _ := told.Response()
	return hear(resp), whole, err
}
