package api_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// learned is an Echo of an event, whose text is where the quotes of raw say.
func learned(data, raw string, signs api.Signs) *api.Echo {
	var e api.Echo
	all := []byte(data)
	at := bytes.Index(all, []byte(raw))
	e.Learn(all, all[at:at+len(raw)], signs)
	return &e
}

func TestEcho(t *testing.T) {
	const event = `{"delta":{"content":"Hello"},"n":1}`
	f := func(data string, size int) {
		t.Helper()
		e := learned(event, `"Hello"`, api.Signs{Content: true, Size: 5})
		signs, ok := e.Repeats([]byte(data))
		require.Equal(t, size > 0, ok)
		if ok {
			require.Equal(t, api.Signs{Content: true, Size: size}, signs)
		}
	}
	f(event, 5)
	f(`{"delta":{"content":" "},"n":1}`, 1)
	f(`{"delta":{"content":"ö"},"n":1}`, 2)
	f(`{"delta":{"content":""},"n":1}`, 0) // says nothing
	f(`{"delta":{"content":"},"n":1}`, 0)
	f(`{"delta":{"content":"Hello"},"n":2}`, 0)
	f(`{"delta":{"reason":"Hello"},"n":1}`, 0)
	f(`{"delta":{"content":"a","b":"c"},"n":1}`, 0)
	f(`{"delta":{"content":"a\\"},"n":1}`, 0) // whether that ends it, only a look tells
	f("{\"delta\":{\"content\":\"\n\"},\"n\":1}", 0)
	f("", 0)
}

func TestEchoLearnsOfOneTextOnly(t *testing.T) {
	f := func(data, raw string, signs api.Signs) {
		t.Helper()
		_, ok := learned(data, raw, signs).Repeats([]byte(data))
		require.False(t, ok)
	}
	const event = `{"delta":{"content":"Hello"}}`
	f(event, `"Hello"`, api.Signs{Content: true, Size: 5, Finished: true})
	f(event, `"Hello"`, api.Signs{Content: true, Size: 5, Reopened: true})
	f(event, `"Hello"`, api.Signs{Content: true, Size: 9})
	f(event, `{"content":"Hello"}`, api.Signs{Content: true, Size: 17})
	long := `{"id":"` + strings.Repeat("x", 2000) + `","content":"Hello"}`
	f(long, `"Hello"`, api.Signs{Content: true, Size: 5})

	var e api.Echo
	_, ok := e.Repeats([]byte(event))
	require.False(t, ok)
	e = *learned(event, `"Hello"`, api.Signs{Content: true, Size: 5})
	e.Learn([]byte(`{}`), nil, api.Signs{})
	_, ok = e.Repeats([]byte(event))
	require.False(t, ok, "an event of another kind makes forget it")
}
