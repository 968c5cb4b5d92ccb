package jsonscan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// checkStrictly goes through a document and reports what is wrong with it, the
// inside of its strings included.
func checkStrictly(doc []byte) error {
	it := jsonscan.StrictObject(doc)
	for it.Next() {
	}
	return it.Err
}

func TestStrictObject(t *testing.T) {
	f := func(doc, want string) {
		t.Helper()
		err := checkStrictly([]byte(doc))
		if want == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, want)
	}
	f(`{}`, "")
	f(`{"a":"\"\\\/\b\f\n\r\t\u00e9\uD83D\ude00"}`, "")
	f("{\n\t\"a\":\r\"é模😀\x7f\"}", "")
	f(`{"a":"\ud800"}`, "") // grammar knows nothing of surrogates

	f("{\"a\":\"x\ny\"}", "byte 7: a control character in a string")
	f("{\"a\":\"\x00\"}", "byte 6: a control character in a string")
	f("{\"a\":\"é\x1f\"}", "byte 8: a control character in a string")
	f("{\"a\x01\":1}", "byte 3: a control character in a string")
	f(`{"a":"\x"}`, "byte 6: a broken escape in a string")
	f(`{"a":"\'"}`, "a broken escape in a string")
	f(`{"a":"\u00g0"}`, "a broken escape in a string")
	f(`{"a":"\u00"}`, "a broken escape in a string")
	f(`{"mod\el":1}`, "byte 5: a broken escape in a string")
	f(`{"a":[{"b":"\U0000"}]}`, "a broken escape in a string")
	f("{\"a\":\"\xff\"}", "byte 6: a string that is not valid UTF-8")
	f("{\"a\":\"é\xc3\"}", "byte 8: a string that is not valid UTF-8")
	f("{\"a\":\"\xed\xa0\x80\"}", "a string that is not valid UTF-8")
	f("{\"a\":\"\xc0\xaf\"}", "a string that is not valid UTF-8")
	f("{\xc3\xa9:1}", "expected a member's name")

	f(`{"a":"x`, "it ends too early")
	f(`{"a":"x\`, "it ends too early")
	f(`{"a":"x\u00`, "it ends too early")
	f(`{"a":"x\"`, "it ends too early")
	f(`[1]`, "expected a JSON object")
	f(`{"a":1}{}`, "more after the end")
}

// Of values only control characters count.
func TestStrictNames(t *testing.T) {
	f := func(doc, want string) {
		t.Helper()
		it := jsonscan.StrictNames([]byte(doc))
		for it.Next() {
		}
		if want == "" {
			require.NoError(t, it.Err)
			return
		}
		require.ErrorContains(t, it.Err, want)
	}
	f(`{"a":"\x"}`, "")
	f(`{"a":"\u00"}`, "")
	f("{\"a\":\"\xff\"}", "")
	f("{\n\"a\":\"\xff\"}", "")
	f("{\"a\":\"x\ny\"}", "byte 7: a control character in a string")
	f(`{"mod\el":1}`, "byte 5: a broken escape in a string")
	f(`{"a":[{"mod\el":1}]}`, "a broken escape in a string")
	f("{\"\xff\":1}", "a string that is not valid UTF-8")
	f(`{"a":"x`, "it ends too early")
	f(`{"a":"x\`, "it ends too early")
	f(`{"a":1}{}`, "more after the end")
	for n := range 70 {
		f(`{"a":"`+strings.Repeat("x", n)+"\x1f"+strings.Repeat("é", 20)+`"}`, fmt.Sprintf("byte %d: a control character in a string", n+6))
	}
	long := strings.Repeat("x", 20_000)
	f(`{"a":"`+long+`\"`+long+`"}`, "")
	f(`{"a":"`+long+"\n"+long+`"}`, "byte 20006: a control character in a string")
	f(`{"a":"`+long, "it ends too early")
}

func TestFound(t *testing.T) {
	f := func(doc string, want bool) {
		t.Helper()
		it := jsonscan.StrictNames([]byte(doc), "sig", "data")
		for it.Next() {
		}
		require.NoError(t, it.Err)
		require.Equal(t, want, it.Found())
	}
	f(`{"sig":1}`, true)
	f(`{"a":[{"b":{"data":1}}],"c":2}`, true)
	f(`{"signs":"sig","b":["data",{"dat":"data"}]}`, false)
}

// What is looked for is found wherever it stands among the bytes that are
// looked at together.
func TestStrictObjectAtEveryOffset(t *testing.T) {
	f := func(inside, want string) {
		t.Helper()
		for _, unit := range []string{"x", `\n`, "é"} {
			for n := range 140 {
				doc := []byte(`{"a":"` + strings.Repeat(unit, n) + inside + strings.Repeat("y", 70) + `"}`)
				if err := checkStrictly(doc); want == "" {
					require.NoError(t, err, "%s", doc)
				} else {
					require.ErrorContains(t, err, want, "%s", doc)
				}
			}
		}
	}
	f(`\"\\\u0022`, "")
	f(`\\\\\\\"\\`, "")
	f(`\\"`, "expected ','")
	f("\x1f", "a control character in a string")
	f("\xff", "a string that is not valid UTF-8")
	f(`\q`, "a broken escape in a string")
	f(`\u12`, "a broken escape in a string")
}

// encoding/json is the judge, except of UTF-8, which it mends, and of depth.
func FuzzStrictObject(f *testing.F) {
	for _, seed := range []string{
		`{"model":"fast","messages":[{"role":"user","content":"hi \"there\"\n"}]}`, `{"m\u006fdel":"\ud83d\ude00"}`, `{"a":"\\\\\""}`, "{\"a\":\"\x1f\"}",
		`{"a":"` + strings.Repeat(`\n\"`, 40) + `"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var object map[string]json.RawMessage
		want := json.Unmarshal(doc, &object) == nil && object != nil && utf8.Valid(doc)
		if strings.Count(string(doc), "[")+strings.Count(string(doc), "{") > jsonscan.MaxDepth {
			t.Skip("perhaps too deep")
		}
		err := checkStrictly(doc)
		require.Equal(t, want, err == nil, "%v", err)
		if err == nil {
			require.NoError(t, check(doc), "what is strictly JSON is JSON")
		}
	})
}
