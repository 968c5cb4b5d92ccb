package jsonscan_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// walk enters all that can be entered, and writes down what it meets.
func walk(w *jsonscan.Walker, out *strings.Builder) {
	object := w.Object()
	if !object && !w.Array() {
		fmt.Fprintf(out, "%s ", w.Value())
		return
	}
	out.WriteString("( ")
	for w.Next() {
		if object {
			fmt.Fprintf(out, "%s:", w.Key)
		}
		walk(w, out)
	}
	out.WriteString(") ")
}

func TestWalker(t *testing.T) {
	f := func(doc, want string) {
		t.Helper()
		var out strings.Builder
		w := jsonscan.Walk([]byte(doc))
		walk(&w, &out)
		require.False(t, w.Next())
		require.NoError(t, w.Err)
		require.Equal(t, want, strings.TrimSpace(out.String()))
	}
	f(`{}`, "( )")
	f(` [ ] `, "( )")
	f(`7`, "7")
	f(`{"a":1,"b":[true,{"c":"x","d":[]},null],"e":{}}`, `( a:1 b:( true ( c:"x" d:( ) ) null ) e:( ) )`)
	f(" { \"a\" :\n[ 1 , [ 2 ] ] , \"b\" : 3 } ", `( a:( 1 ( 2 ) ) b:3 )`)
	f(`{"\u0061":"\u0061"}`, `( a:"\u0061" )`)
	f(strings.Repeat("[", 20)+strings.Repeat("]", 20), strings.Repeat("( ", 16)+"[[[[]]]] "+strings.TrimSpace(strings.Repeat(") ", 16)))
}

// What is not entered is passed over, and what is neither is not entered either.
func TestWalkerPassesOver(t *testing.T) {
	w := jsonscan.Walk([]byte(`{"a":{"x":[1,2]},"b":"s","c":[3,{"y":4}],"d":5}`))
	require.False(t, w.Array())
	require.True(t, w.Object())
	require.True(t, w.Next())
	require.Equal(t, "a", string(w.Key))
	require.True(t, w.Next())
	require.False(t, w.Object())
	require.Equal(t, `"s"`, string(w.Value()))
	require.Nil(t, w.Value(), "it has been passed")
	require.False(t, w.Array())
	require.True(t, w.Next())
	require.True(t, w.Array())
	require.True(t, w.Next())
	require.True(t, w.Next())
	require.False(t, w.Next())
	require.True(t, w.Next())
	require.Equal(t, "d", string(w.Key))
	require.False(t, w.Next())
	require.NoError(t, w.Err)
}

func TestWalkerFindsWhatIsBroken(t *testing.T) {
	f := func(doc, want string) {
		t.Helper()
		var out strings.Builder
		w := jsonscan.Walk([]byte(doc))
		walk(&w, &out)
		require.False(t, w.Next())
		require.ErrorContains(t, w.Err, want)
		require.False(t, w.Object())
		require.Nil(t, w.Value())
	}
	f(``, "it ends too early")
	f(`{"a":1`, "it ends too early")
	f(`{"a":[1,]}`, "expected a value")
	f(`{"a":[1}`, "expected ','")
	f(`{"a" 1}`, "expected ':'")
	f(`{"a":1}}`, "more after the end")
	f(`[1] 2`, "more after the end")
	f(`[tru]`, "expected a value")
	f(`[[[[[[[[[[[[[[[[[[`, "it ends too early")
}

// A Walker takes for JSON what an Iter does.
func FuzzWalker(f *testing.F) {
	for _, seed := range []string{`{"a":[1,{"b":null}],"c":"\""}`, `[[],{}]`, `{"a":}`, ` 1`, `{"a":1}x`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		var out strings.Builder
		w := jsonscan.Walk(doc)
		walk(&w, &out)
		require.False(t, w.Next())
		require.Equal(t, jsonscan.Valid(doc), w.Err == nil, "%v", w.Err)
		if json.Valid(doc) && strings.Count(string(doc), "[")+strings.Count(string(doc), "{") < jsonscan.MaxDepth {
			require.NoError(t, w.Err)
		}
	})
}
