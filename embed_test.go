package plexus

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func TestEmbeddingsOfAnotherAPI(t *testing.T) {
	f := func(target api.API, answer, path, ask, wantPath, wantSent, want string) {
		t.Helper()
		p := newProvider(t, says(200, answer))
		got := post(t, apis(t, "", target, p)+path, ask)
		require.Equal(t, 200, got.status, got.body)
		require.JSONEq(t, want, got.body)
		require.Equal(t, wantPath, p.last(t).path)
		require.JSONEq(t, wantSent, p.last(t).body)
	}
	f(api.Gemini, `{"embedding":{"values":[0.1,1e-7]}}`, "/v1/embeddings", `{"model":"fast","input":"hi","dimensions":2}`,
		"/v1beta/models/m1:embedContent", `{"content":{"parts":[{"text":"hi"}]},"outputDimensionality":2}`,
		`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1,1e-7]}],"model":"m1"}`)
	f(api.Gemini, `{"embeddings":[{"values":[1]},{"values":[2]}]}`, "/v1/embeddings", `{"model":"fast","input":["a","b"]}`,
		"/v1beta/models/m1:batchEmbedContents", `{"requests":[{"model":"models/m1","content":{"parts":[{"text":"a"}]}},{"model":"models/m1","content":{"parts":[{"text":"b"}]}}]}`,
		`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1]},{"object":"embedding","index":1,"embedding":[2]}],"model":"m1"}`)
	const openAI = `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5]}],"model":"m","usage":{"prompt_tokens":1,"total_tokens":1}}`
	f(api.Embeddings, openAI, "/v1beta/models/fast:embedContent", `{"content":{"parts":[{"text":"hi"}]}}`,
		"/v1/embeddings", `{"model":"m1","input":"hi"}`, `{"embedding":{"values":[0.5]},"usageMetadata":{"promptTokenCount":1}}`)
	f(api.Embeddings, openAI, "/v1beta/models/fast:batchEmbedContents", `{"requests":[{"model":"models/fast","content":{"parts":[{"text":"hi"}]}}]}`,
		"/v1/embeddings", `{"model":"m1","input":"hi"}`, `{"embeddings":[{"values":[0.5]}],"usageMetadata":{"promptTokenCount":1}}`)
}

func TestEmbeddingsThatFail(t *testing.T) {
	p := newProvider(t, says(400, `{"error":{"code":400,"message":"too long","status":"INVALID_ARGUMENT"}}`))
	got := post(t, apis(t, "", api.Gemini, p)+"/v1/embeddings", `{"model":"fast","input":"hi"}`)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, `"message":"too long"`)
	require.Contains(t, got.body, `"type":"invalid_request_error"`)

	got = post(t, apis(t, "", api.Gemini, p)+"/v1/embeddings", `{"model":"fast","input":[1,2,3]}`)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "input")
	require.Equal(t, 1, p.count(), "tokens of one vendor mean nothing to another")

	broken, good := newProvider(t, says(200, `{"object":"list","data":[{}]}`)), newProvider(t, says(200, `{"embedding":{"values":[1]}}`))
	got = post(t, apis(t, "", api.Embeddings, broken, api.Gemini, good)+"/v1beta/models/fast:embedContent", `{"content":{"parts":[{"text":"hi"}]}}`)
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "2", got.header.Get("X-Plexus-Attempts"))
}
