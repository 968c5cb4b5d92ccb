package plexus

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestModelsInOpenAIsShape(t *testing.T) {
	g, url := keyed(t, says(200, chatAnswer))
	g.loaded = time.Unix(1700000000, 0)
	got := ask(t, http.MethodGet, url+"/v1/models", "", "Authorization", "Bearer sk-all")
	require.Equal(t, `{"object":"list","data":[`+
		`{"id":"fast","object":"model","created":1700000000,"owned_by":"plexus"},`+
		`{"id":"quick","object":"model","created":1700000000,"owned_by":"plexus","description":"Alias for: fast"},`+
		`{"id":"smart","object":"model","created":1700000000,"owned_by":"plexus"}]}`, got.body)

	got = ask(t, http.MethodGet, url+"/v1/models", "", "Authorization", "Bearer sk-app")
	require.NotContains(t, got.body, "smart", "a key sees what it may use")
	require.Contains(t, got.body, `"id":"quick"`)

	require.Equal(t, 401, ask(t, http.MethodGet, url+"/v1/models", "").status)
	head := ask(t, http.MethodHead, url+"/v1/models", "", "Authorization", "Bearer sk-all")
	require.Equal(t, 200, head.status)
	require.Empty(t, head.body)
}

func TestOneModel(t *testing.T) {
	_, url := keyed(t, says(200, chatAnswer))
	f := func(want int, key, path, contains string) {
		t.Helper()
		got := ask(t, http.MethodGet, url+path, "", "Authorization", "Bearer "+key)
		require.Equal(t, want, got.status)
		require.Contains(t, got.body, contains)
	}
	f(200, "sk-all", "/v1/models/fast", `"id":"fast"`)
	f(200, "sk-all", "/v1/models/quick", `"description":"Alias for: fast"`)
	f(200, "sk-all", "/v1/models/lab/m", `"id":"lab/m"`)
	f(200, "sk-all", "/v1/models/lab/o/p", `"id":"lab/o/p"`)
	f(200, "sk-all", "/v1/models/lab%2Fm", `"id":"lab/m"`)
	f(404, "sk-all", "/v1/models/nope", `"code":"model_not_found"`)
	f(404, "sk-all", "/v1/models/lab/nope", `"code":"model_not_found"`)
	f(403, "sk-app", "/v1/models/smart", "may not use")
	f(403, "sk-app", "/v1/models/lab/m", "may not use")
}

// All SDKs ask the same path and each expects its own shape.
func TestModelsInTheShapeOfTheAsker(t *testing.T) {
	g, url := keyed(t, says(200, chatAnswer))
	g.loaded = time.Unix(1700000000, 0)
	f := func(path, want string, header ...string) {
		t.Helper()
		require.JSONEq(t, want, ask(t, http.MethodGet, url+path, "", append(header, "X-Api-Key", "sk-app")...).body)
	}
	const methods = `["batchEmbedContents","countTokens","embedContent","generateContent","streamGenerateContent"]`
	gemini := fmt.Sprintf(`{"models":[{"name":"models/fast","version":"1","displayName":"fast","supportedGenerationMethods":%[1]s},`+
		`{"name":"models/quick","version":"1","displayName":"quick","description":"Alias for: fast","supportedGenerationMethods":%[1]s}]}`, methods)
	f("/v1beta/models", gemini)
	f("/v1/models", gemini, "X-Goog-Api-Key", "sk-app")
	f("/v1/models?key=sk-app", gemini)
	f("/v1beta/models/fast", `{"name":"models/fast","version":"1","displayName":"fast","supportedGenerationMethods":`+methods+`}`)
	f("/v1/models", `{"data":[{"type":"model","id":"fast","display_name":"fast","created_at":"2023-11-14T22:13:20Z"},`+
		`{"type":"model","id":"quick","display_name":"quick","created_at":"2023-11-14T22:13:20Z"}],"has_more":false,"first_id":"fast","last_id":"quick"}`,
		"Anthropic-Version", "2023-06-01")
}
