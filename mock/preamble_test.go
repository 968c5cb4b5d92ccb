package mock

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// asks offer a tool, in each API.
var asks = []struct{ path, stream, body string }{
	{"/v1/chat/completions", "", `{"model":"m",%s"messages":[{"role":"user","content":"hi"}],"tools":[{"type":"function","function":{"name":"f"}}]}`},
	{"/v1/responses", "", `{"model":"m",%s"input":"hi","tools":[{"type":"function","name":"f"}]}`},
	{"/v1/messages", "", `{"model":"m",%s"messages":[{"role":"user","content":"hi"}],"tools":[{"name":"f","input_schema":{}}]}`},
	{"/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent?alt=sse", `{%s"contents":[{"parts":[{"text":"hi"}]}],"tools":[{"functionDeclarations":[{"name":"f"}]}]}`},
}

func TestPreamble(t *testing.T) {
	url := serve(t, `{"preamble":true,"text":"So."}`).URL
	for _, ask := range asks {
		whole := post(t, url+ask.path, fmt.Sprintf(ask.body, "")).body
		require.Contains(t, whole, `"So."`, ask.path)
		require.Contains(t, whole, `"name":"f"`, ask.path)
		path, member := ask.path, `"stream":true,`
		if ask.stream != "" {
			path, member = ask.stream, ""
		}
		stream := post(t, url+path, fmt.Sprintf(ask.body, member)).body
		require.Less(t, strings.Index(stream, `"So."`), strings.LastIndex(stream, `"name":"f"`), ask.path)
	}
}

func TestFiltered(t *testing.T) {
	url := serve(t, `{"filtered":true,"tool_calls":false,"text":"So."}`).URL
	for i, want := range []string{`"finish_reason":"content_filter"`, `"incomplete_details":{"reason":"content_filter"}`, `"stop_reason":"refusal"`, `"finishReason":"SAFETY"`} {
		ask := asks[i]
		require.Contains(t, post(t, url+ask.path, fmt.Sprintf(ask.body, "")).body, want)
		path, member := ask.path, `"stream":true,`
		if ask.stream != "" {
			path, member = ask.stream, ""
		}
		require.Contains(t, post(t, url+path, fmt.Sprintf(ask.body, member)).body, want)
	}
}
