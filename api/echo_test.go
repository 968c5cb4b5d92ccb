package api_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// learned is an Echo of an event, of which raw is a part.
func learned(data, raw string) *api.Echo {
	var e api.Echo
	all := []byte(data + "\n\nand what comes after it")[:len(data)]
	at := bytes.Index(all, []byte(raw))
	e.Learn(all, all[at:at+len(raw)])
	return &e
}

func TestEcho(t *testing.T) {
	f := func(data, want string) {
		t.Helper()
		e := learned(`{"delta":{"content":"Hello"},"n":1}`, `"Hello"`)
		require.Equal(t, want, string(e.Text([]byte(data))))
	}
	f(`{"delta":{"content":"Hello"},"n":1}`, `"Hello"`)
	f(`{"delta":{"content":" "},"n":1}`, `" "`)
	f(`{"delta":{"content":"ö"},"n":1}`, `"ö"`)
	f(`{"delta":{"content":""},"n":1}`, ``) // says nothing
	f(`{"delta":{"content":"},"n":1}`, ``)
	f(`{"delta":{"content":"Hello"},"n":2}`, ``)
	f(`{"delta":{"reason":"Hello"},"n":1}`, ``)
	f(`{"delta":{"content":"a","b":"c"},"n":1}`, ``)
	f(`{"delta":{"content":"a\\"},"n":1}`, ``) // whether that ends it, only a look tells
	f("{\"delta\":{\"content\":\"\n\"},\"n\":1}", ``)
	f("", ``)
}

func TestEchoLearnsTexts(t *testing.T) {
	f := func(data, raw string) {
		t.Helper()
		require.Nil(t, learned(data, raw).Text([]byte(data)))
	}
	f(`{"delta":{"content":""}}`, `""`)
	f(`{"delta":{"content":"Hello"}}`, `{"content":"Hello"}`)
	f(`{"id":"`+strings.Repeat("x", 2000)+`","content":"Hello"}`, `"Hello"`)
	require.Nil(t, new(api.Echo).Text([]byte(`{}`)))

	var clipped api.Echo
	all := []byte(`{"content":"Hello"}`)
	clipped.Learn(all, slices.Clip(all[11:18]))
	require.Nil(t, clipped.Text(all), "where it stands cannot be told")

	e := learned(`{"content":"Hello"}`, `"Hello"`)
	e.Learn([]byte(`{}`), nil)
	require.Nil(t, e.Text([]byte(`{"content":"Hello"}`)), "another event makes forget it")
}
