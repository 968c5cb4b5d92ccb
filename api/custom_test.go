package api_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// inPieces unwraps arguments that come in pieces of n bytes, none of which cuts a
// character or an escape.
func inPieces(arguments string, n int) string {
	var u api.CustomUnwrapper
	text := []byte{'"'}
	runes := []rune(arguments)
	for len(runes) > 0 {
		n := min(n, len(runes))
		text = u.Add(text, api.Quote(string(runes[:n])))
		runes = runes[n:]
	}
	return api.Unquote(append(u.End(text), '"'))
}

func TestCustomInput(t *testing.T) {
	f := func(arguments, want string) {
		t.Helper()
		require.Equal(t, want, api.UnwrapCustom(arguments))
		for n := 1; n < 5; n++ {
			require.Equal(t, want, inPieces(arguments, n), "in pieces of %d", n)
		}
	}
	for _, text := range []string{"", "ls", "a \"b\" \\n c\n\t", "*** Begin Patch\n+é😀\n*** End Patch", "{\"input\":\"x\"}", "\u0001/"} {
		f(api.WrapCustom(text), text)
	}
	f(" {\n\"input\" : \"a\\u0041\\/\\u00e9\" }\n", "aA/é")
	f(`{"input":"\ud83d\ude00"}`, "😀")
	// What is no JSON, or no text, or not complete.
	f(`ls -l`, `ls -l`)
	f(` "ls"`, ` "ls"`)
	f(``, ``)
	f(`{}`, `{}`)
	f(`{"input":7}`, `{"input":7}`)
	f(`{"command":"ls"}`, `ls`)
	f(`{"command":"ls","input":"x"}`, `x`)
	f(`{"a":"x","b":"y"}`, `{"a":"x","b":"y"}`)
	f(`{"input":"x","b":"y"}`, `x`)
	f(`{"input":"not over`, `not over`)
	f(`{"input":"a\d+"}`, `a\d+`)
	f("{\"input\":\"a\nb\"}", "a\nb")
	f(`{"inp`, `{"inp`)
}

func TestCustomInputKeepsHalfASurrogatePair(t *testing.T) {
	var u api.CustomUnwrapper
	out := u.Add(nil, json.RawMessage(`"{\"input\":\"\ud83d"`))
	out = u.Add(out, json.RawMessage(`"\ude00\\n\"}"`))
	require.Equal(t, `\ud83d\ude00\n`, string(u.End(out)))
}

func TestCustomDescription(t *testing.T) {
	f := func(tool api.Tool, want string) {
		t.Helper()
		require.Equal(t, want, api.CustomDescription(&tool))
	}
	grammar := json.RawMessage(`{"type":"grammar","syntax":"lark","definition":"start: x"}`)
	f(api.Tool{Description: "d"}, "d")
	f(api.Tool{Description: "d", Grammar: json.RawMessage(`{"type":"text"}`)}, "d")
	f(api.Tool{Description: "d", Grammar: grammar}, "d\n\nThe input has to follow this lark grammar:\nstart: x")
	f(api.Tool{Grammar: grammar}, "The input has to follow this lark grammar:\nstart: x")
	f(api.Tool{Grammar: json.RawMessage(`{"type":"grammar","grammar":{"definition":"x","syntax":"regex"}}`)}, "The input has to follow this regex grammar:\nx")
}

func FuzzCustomInput(f *testing.F) {
	for _, seed := range []string{`{"input":"a\n\u00e9"}`, `ls`, `{"a":"b"}`, `{"input":"\ud83d\ude00\q`} {
		f.Add(seed, uint8(3))
	}
	f.Fuzz(func(t *testing.T, arguments string, n uint8) {
		whole := api.UnwrapCustom(arguments)
		require.Equal(t, whole, inPieces(arguments, int(n%7)+1))
		wrapped := api.WrapCustom(arguments)
		require.True(t, json.Valid([]byte(wrapped)))
		require.Equal(t, api.Unquote(api.Quote(arguments)), api.UnwrapCustom(wrapped))
	})
}
