package mock

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// joinGemini joins the text parts of a stream's chunks.
func joinGemini(t *testing.T, chunks []any) (text, thoughts, finish string) {
	t.Helper()
	for _, chunk := range chunks {
		for _, part := range at(t, chunk, "candidates", 0, "content", "parts").([]any) {
			s, _ := at(t, part, "text").(string)
			if at(t, part, "thought") == true {
				thoughts += s
			} else {
				text += s
			}
		}
		finish, _ = at(t, chunk, "candidates", 0, "finishReason").(string)
	}
	return text, thoughts, finish
}

func sseChunks(t *testing.T, body string) []any {
	t.Helper()
	var chunks []any
	for _, e := range eventsOf(t, body) {
		chunks = append(chunks, object(t, e.data))
	}
	return chunks
}

func TestGemini(t *testing.T) {
	url := serve(t, `{"tokens": 4}`).URL
	for _, path := range []string{"/v1beta/models/pro:generateContent", "/v1/models/pro:generateContent"} {
		got := object(t, post(t, url+path, `{"contents":[{"role":"user","parts":[{"text":"12345678"}]}]}`).body)
		require.Equal(t, "pro", got["modelVersion"])
		require.Equal(t, "This is a mock", at(t, got, "candidates", 0, "content", "parts", 0, "text"))
		require.Equal(t, "STOP", at(t, got, "candidates", 0, "finishReason"))
		require.InDelta(t, 2, at(t, got, "usageMetadata", "promptTokenCount"), 0)
		require.InDelta(t, 4, at(t, got, "usageMetadata", "candidatesTokenCount"), 0)
		require.InDelta(t, 6, at(t, got, "usageMetadata", "totalTokenCount"), 0)
	}
}

func TestGeminiStream(t *testing.T) {
	url := serve(t, `{"tokens": 4}`).URL + "/v1beta/models/pro:streamGenerateContent"
	const body = `{"contents":[{"parts":[{"text":"hi"}]}],"generationConfig":{"thinkingConfig":{"includeThoughts":true}}}`
	streamed := sseChunks(t, post(t, url+"?alt=sse", body).body)
	text, thoughts, finish := joinGemini(t, streamed)
	require.Equal(t, "This is a mock", text)
	require.Equal(t, "The user asks, so a mock must answer.", thoughts)
	require.Equal(t, "STOP", finish)
	require.NotEmpty(t, at(t, streamed[7], "candidates", 0, "content", "parts", 0, "thoughtSignature"))
	usage := at(t, streamed[len(streamed)-1], "usageMetadata")
	require.InDelta(t, 8, at(t, usage, "thoughtsTokenCount"), 0)
	require.InDelta(t, 4, at(t, usage, "candidatesTokenCount"), 0)

	list := post(t, url, body)
	require.Equal(t, "application/json; charset=UTF-8", list.Header.Get("Content-Type"))
	var chunks []any
	require.NoError(t, json.Unmarshal([]byte(list.body), &chunks), list.body)
	require.Len(t, chunks, len(streamed))
	text, _, _ = joinGemini(t, chunks)
	require.Equal(t, "This is a mock", text)
}

func TestGeminiToolsAndConfig(t *testing.T) {
	url := serve(t, `{}`).URL + "/v1beta/models/pro:"
	const tools = `"tools":[{"functionDeclarations":[{"name":"f","parameters":{"type":"OBJECT","properties":{"a":{"type":"STRING"}}}},
		{"name":"g","parametersJsonSchema":{"type":"object","properties":{"b":{"type":"integer"}}}}]}]`
	part := []any{"candidates", 0, "content", "parts", 0}
	for _, test := range []struct {
		name, rest, finish string
		path               []any
		want               any
	}{
		{"first", tools, "STOP", []any{"functionCall", "args"}, map[string]any{"a": "mock"}},
		{"allowed", tools + `,"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["g"]}}`, "STOP", []any{"functionCall", "args"}, map[string]any{"b": 1.0}},
		{"none", tools + `,"toolConfig":{"functionCallingConfig":{"mode":"NONE"}},"mock":{"tokens":1}`, "STOP", []any{"text"}, "This"},
		{"answered", tools + `,"contents":[{"role":"user","parts":[{"functionResponse":{"name":"f","response":{}}}]}],"mock":{"tokens":1}`, "STOP", []any{"text"}, "This"},
		{"limit", `"generationConfig":{"maxOutputTokens":2}`, "MAX_TOKENS", []any{"text"}, "This is"},
		{"stop", `"generationConfig":{"stopSequences":[" a"]}`, "STOP", []any{"text"}, "This is"},
		{"json", `"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"OBJECT","properties":{"a":{"type":"NUMBER"}}}}`, "STOP", []any{"text"}, `{"a":1}`},
		{"json schema", `"generationConfig":{"responseMimeType":"application/json","responseJsonSchema":{"type":"object","properties":{"b":{"type":"number"}}}}`, "STOP", []any{"text"}, `{"b":1}`},
		{"thoughts", tools + `,"generationConfig":{"thinkingConfig":{"includeThoughts":true}}`, "STOP", []any{"thought"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := object(t, post(t, url+"generateContent", `{`+test.rest+`}`).body)
			require.Equal(t, test.finish, at(t, got, "candidates", 0, "finishReason"))
			require.Equal(t, test.want, at(t, got, append(part, test.path...)...))
			chunks := sseChunks(t, post(t, url+"streamGenerateContent?alt=sse", `{`+test.rest+`}`).body)
			_, _, finish := joinGemini(t, chunks)
			require.Equal(t, test.finish, finish)
			if test.path[0] == "functionCall" {
				require.Equal(t, test.want, at(t, chunks[0], append(part, test.path...)...))
			}
		})
	}
	got := object(t, post(t, url+"generateContent", `{"generationConfig":{"candidateCount":2}}`).body)
	require.Len(t, got["candidates"], 2)
}

func TestGeminiEmbeddings(t *testing.T) {
	url := serve(t, `{}`).URL + "/v1beta/models/pro:"
	one := object(t, post(t, url+"embedContent", `{"content":{"parts":[{"text":"a"}]},"outputDimensionality":3}`).body)
	require.Len(t, at(t, one, "embedding", "values"), 3)
	many := object(t, post(t, url+"batchEmbedContents", `{"requests":[
		{"model":"models/pro","content":{"parts":[{"text":"a"}]},"outputDimensionality":3},{"content":{"parts":[{"text":"b"}]}}]}`).body)
	require.Equal(t, at(t, one, "embedding", "values"), at(t, many, "embeddings", 0, "values"))
	require.Len(t, at(t, many, "embeddings", 1, "values"), 8)
}
