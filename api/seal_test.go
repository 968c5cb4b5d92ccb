package api_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func TestHasSeal(t *testing.T) {
	f := func(body string, want bool) {
		t.Helper()
		require.Equal(t, want, api.HasSeal([]byte(body)), body)
	}
	sealed := api.Seal(api.OpenAI, "enc")
	f(`{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"`+sealed+`"}]}]}`, true)
	f(`{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"`+api.Unsigned+`"}]}]}`, true)
	f(`{"messages":[{"content":[{"type":"redacted_thinking","data":"next:`+sealed+`"}]}]}`, true)
	f(`{"input":[{"type":"reasoning","encrypted_content": "`+sealed+`"}]}`, true)
	f(`{"contents":[{"parts":[{"thoughtSignature":"`+base64.StdEncoding.EncodeToString([]byte(sealed))+`"}]}]}`, true)
	f(`{"contents":[{"parts":[{"thoughtSignature":"`+base64.StdEncoding.EncodeToString([]byte("redacted:"+sealed))+`"}]}]}`, true)
	f(`{"contents":[{"parts":[{"thoughtSignature":"`+base64.StdEncoding.EncodeToString([]byte(api.Seal(api.Anthropic, "x")))+`"}]}]}`, true)

	f(`{"messages":[{"role":"user","content":"What is plexus: a net of nerves?"}]}`, false)
	f(`{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"EqQBCg=="}]}]}`, false)
	f(`plexus:`, false)
	f(``, false)
}

// Reasoning that nobody signed is nobody's.
func TestUnsigned(t *testing.T) {
	vendor, signature := api.Unseal(api.Unsigned, api.Anthropic)
	require.Empty(t, vendor)
	require.Empty(t, signature)
}

func BenchmarkHasSeal(b *testing.B) {
	body := make([]byte, 0, 1<<20)
	for len(body) < 1<<20 {
		body = append(body, `{"role":"user","content":"some people like a plexus, others a nexus"},`...)
	}
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		api.HasSeal(body)
	}
}
