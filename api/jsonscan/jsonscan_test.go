package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

func members(t *testing.T, doc string) map[string]string {
	t.Helper()
	found := map[string]string{}
	it := jsonscan.Object([]byte(doc))
	for it.Next() {
		found[string(it.Key)] = string(it.Value())
		require.Equal(t, doc[it.Start:it.End], string(it.Value()))
	}
	require.NoError(t, it.Err)
	return found
}

// check goes through a document and reports what is wrong with it.
func check(doc []byte) error {
	it := jsonscan.Object(doc)
	for it.Next() {
	}
	return it.Err
}

func TestObject(t *testing.T) {
	f := func(doc string, want map[string]string) {
		t.Helper()
		require.Equal(t, want, members(t, doc))
	}
	f(`{}`, map[string]string{})
	f(" \n{ \t} \r\n", map[string]string{})
	f(`{"model":"fast"}`, map[string]string{"model": `"fast"`})
	f(` { "a" : [ 1 , {"b":[]} , "]" ] , "c" : -1.5e+7 } `, map[string]string{"a": `[ 1 , {"b":[]} , "]" ]`, "c": "-1.5e+7"})
	f(`{"m\u006fdel":"x"}`, map[string]string{"model": `"x"`})
	f(`{"a":"\\","b":"\\\"","c":"\"}"}`, map[string]string{"a": `"\\"`, "b": `"\\\""`, "c": `"\"}"`})
	f(`{"a":{"model":"inner"},"model":"outer"}`, map[string]string{"a": `{"model":"inner"}`, "model": `"outer"`})
	f(`{"a":true,"b":false,"c":null,"d":0,"e":12345678901234567890}`,
		map[string]string{"a": "true", "b": "false", "c": "null", "d": "0", "e": "12345678901234567890"})
}

func TestObjectRefuses(t *testing.T) {
	f := func(doc, want string) {
		t.Helper()
		err := check([]byte(doc))
		require.ErrorContains(t, err, want, "document %q", doc)
	}
	f(``, "ends too early")
	f(`{`, "ends too early")
	f(`{"a"`, "ends too early")
	f(`{"a":`, "ends too early")
	f(`{"a":"x`, "ends too early")
	f(`{"a":"x\"`, "ends too early")
	f(`{"a":tru`, "ends too early")
	f(`{"a":1,`, "ends too early")
	f(`{"a":[1,2}`, "byte 9: expected ','")
	f(`{"a":1,}`, "byte 7: expected a member's name")
	f(`{a:1}`, "byte 1: expected a member's name")
	f(`{"a" 1}`, "byte 5: expected ':'")
	f(`{"a":hello}`, "byte 5: expected a value")
	f(`{"a":[1,]}`, "expected a value")
	f(`{"a":{"b" 1}}`, "expected ':'")
	f(`{"a":01}`, "expected a value")
	f(`{"a":1.}`, "expected a value")
	f(`{"a":1e}`, "expected a value")
	f(`{"a":-}`, "expected a value")
	f(`{"a":1} x`, "byte 8: more after the end")
	f(`{"a":1}{}`, "more after the end")
	f(`[1]`, "expected a JSON object")
	f(`"x"`, "expected a JSON object")
	f("\xef\xbb\xbf{}", "expected a value")
}

func TestDepthIsLimited(t *testing.T) {
	nest := func(n int) []byte {
		return []byte(`{"a":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`)
	}
	require.NoError(t, check(nest(jsonscan.MaxDepth)))
	require.ErrorIs(t, check(nest(jsonscan.MaxDepth+1)), jsonscan.ErrTooDeep)
	require.ErrorIs(t, check(nest(1_000_000)), jsonscan.ErrTooDeep)
	mixed := `{"a":` + strings.Repeat(`[{"b":`, 200) + "1" + strings.Repeat("}]", 200) + `}`
	require.NoError(t, check([]byte(mixed)))
}

func TestArray(t *testing.T) {
	elements := func(doc string) (got []string, err error) {
		it := jsonscan.Array([]byte(doc))
		for it.Next() {
			got = append(got, string(it.Value()))
		}
		return got, it.Err
	}
	got, err := elements(` [1, "two", {"three":[4]} ] `)
	require.NoError(t, err)
	require.Equal(t, []string{"1", `"two"`, `{"three":[4]}`}, got)

	got, err = elements(`[]`)
	require.NoError(t, err)
	require.Empty(t, got)

	_, err = elements(`{}`)
	require.ErrorIs(t, err, jsonscan.ErrNotArray)
	_, err = elements(`[1 2]`)
	require.ErrorContains(t, err, "byte 3: expected ','")
}

func TestMember(t *testing.T) {
	f := func(doc, key, want string) {
		t.Helper()
		require.Equal(t, want, string(jsonscan.Member([]byte(doc), key)))
	}
	f(`{"a":1,"b":{"c":2}}`, "b", `{"c":2}`)
	f(`{"a":1}`, "b", "")
	f(`{"a":1,"a":2}`, "a", "1")
	f(`{"a":1`, "a", "1")
	f(`[1]`, "a", "")
	f(`{"a" 1}`, "a", "")
	f(``, "a", "")
}

func TestString(t *testing.T) {
	f := func(raw, want string, ok bool) {
		t.Helper()
		got, isString := jsonscan.String([]byte(raw))
		require.Equal(t, ok, isString)
		require.Equal(t, want, got)
	}
	f(`"plain"`, "plain", true)
	f(`"caf\u00e9 \"\\"`, `café "\`, true)
	f(`""`, "", true)
	f(`12`, "", false)
	f(`null`, "", false)
	f(`"bad \x"`, "", false)
}

// encoding/json is the judge: whatever it accepts must be accepted, with the
// same members; what it refuses may only be accepted for the inside of strings.
func FuzzObject(f *testing.F) {
	for _, seed := range []string{
		`{"model":"fast","messages":[{"role":"user","content":"hi \"there\""}],"stream":true}`,
		`{"a":[[],{},[{"b":null}]],"c":-0.5e-3}`, `{"m\u006fdel":"\ud83d\ude00"}`, `{"a":1}}`, `[`, `{"a":"\\\\\""}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		keys := 0
		it := jsonscan.Object(doc)
		for it.Next() {
			keys++
			require.NotEmpty(t, it.Value())
			require.Equal(t, bytes.TrimSpace(it.Value()), it.Value())
		}
		err := it.Err
		var want map[string]json.RawMessage
		if judge := json.Unmarshal(doc, &want); judge == nil && want != nil {
			if err == nil {
				require.GreaterOrEqual(t, keys, len(want))
			} else {
				require.ErrorIs(t, err, jsonscan.ErrTooDeep)
			}
		}
	})
}

func BenchmarkObject(b *testing.B) {
	small := []byte(`{"model":"fast","messages":[{"role":"user","content":"Say hello."}],"stream":true}`)
	big := []byte(`{"messages":[{"role":"user","content":"` + strings.Repeat(`word `, 200_000) + `"}],"model":"fast"}`)
	for name, doc := range map[string][]byte{"small": small, "1MB": big} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(doc)))
			for b.Loop() {
				if err := check(doc); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestValid(t *testing.T) {
	f := func(doc string, want bool) {
		t.Helper()
		require.Equal(t, want, jsonscan.Valid([]byte(doc)))
	}
	f(` {"a":[1]} `, true)
	f(`"x"`, true)
	f(`null`, true)
	f(``, false)
	f(`{"a":`, false)
	f(`{} {}`, false)
	f(`<html>`, false)
}
