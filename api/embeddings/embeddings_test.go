package embeddings_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/embeddings"
)

// single and batch are Google's two methods; OpenAI's format has none.
const (
	single = embeddings.EmbedContent
	batch  = embeddings.BatchEmbedContents
)

func TestRequestFromOpenAIToGemini(t *testing.T) {
	f := func(body, method, want string, dropped ...string) {
		t.Helper()
		req, err := embeddings.DecodeRequest(api.Embeddings, "", []byte(body))
		require.NoError(t, err)
		req.Model = "gemini-embedding-001"
		got, gotMethod, gotDropped, err := embeddings.EncodeRequest(api.Gemini, req)
		require.NoError(t, err)
		require.Equal(t, method, gotMethod)
		require.JSONEq(t, want, string(got))
		require.Equal(t, dropped, gotDropped)
	}
	f(`{"model":"m","input":"Hi é"}`, single, `{"content":{"parts":[{"text":"Hi é"}]}}`)
	f(`{"model":"m","input":["Hi"],"dimensions":256,"encoding_format":"base64","user":"u","new":1,"none":null}`, single,
		`{"content":{"parts":[{"text":"Hi"}]},"outputDimensionality":256}`, "new", "user")
	f(`{"model":"m","input":["a","b"],"dimensions":256,"encoding_format":"float"}`, batch, `{"requests":[
		{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]},"outputDimensionality":256},
		{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"b"}]},"outputDimensionality":256}]}`)
}

func TestRequestFromGeminiToOpenAI(t *testing.T) {
	f := func(method, body, want string, dropped ...string) {
		t.Helper()
		req, err := embeddings.DecodeRequest(api.Gemini, method, []byte(body))
		require.NoError(t, err)
		req.Model = "text-embedding-3-small"
		got, gotMethod, gotDropped, err := embeddings.EncodeRequest(api.Embeddings, req)
		require.NoError(t, err)
		require.Empty(t, gotMethod)
		require.JSONEq(t, want, string(got))
		require.Equal(t, dropped, gotDropped)
	}
	f(single, `{"content":{"parts":[{"text":"Hi"}]}}`, `{"model":"text-embedding-3-small","input":"Hi"}`)
	f(single, `{"model":"models/x","content":{"role":"user","parts":{"text":"Hi"}},"task_type":"RETRIEVAL_DOCUMENT","title":"T","output_dimensionality":"256"}`,
		`{"model":"text-embedding-3-small","input":"Hi","dimensions":256}`, "taskType", "title")
	f(single, `{"content":"Hi"}`, `{"model":"text-embedding-3-small","input":"Hi"}`)
	f(single, `{"content":{"parts":[{"text":"a"},{"text":"b"}]},"embedContentConfig":{"outputDimensionality":8,"autoTruncate":true}}`,
		`{"model":"text-embedding-3-small","input":"a\nb","dimensions":8}`, "embedContentConfig")
	f(batch, `{"requests":[{"model":"models/x","content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING","outputDimensionality":8},{"content":{"parts":[{"text":"b"}]},"outputDimensionality":8}]}`,
		`{"model":"text-embedding-3-small","input":["a","b"],"dimensions":8}`, "taskType")
	f(batch, `{"requests":[{"content":{"parts":[{"text":"a"}]}}]}`, `{"model":"text-embedding-3-small","input":"a"}`)
}

// What a format says comes back as it was.
func TestRequestIdentity(t *testing.T) {
	f := func(client api.API, method, body string) {
		t.Helper()
		req, err := embeddings.DecodeRequest(client, method, []byte(body))
		require.NoError(t, err)
		if client == api.Gemini {
			req.Model = "models/x"
		}
		got, gotMethod, dropped, err := embeddings.EncodeRequest(client, req)
		require.NoError(t, err)
		require.Equal(t, method, gotMethod)
		require.Empty(t, dropped)
		require.JSONEq(t, body, string(got))
	}
	f(api.Embeddings, "", `{"model":"m","input":["a","b"],"dimensions":8,"encoding_format":"base64","user":"u","input_type":"query"}`)
	f(api.Embeddings, "", `{"model":"m","input":[1,2,12345678901234567890]}`)
	f(api.Embeddings, "", `{"model":"m","input":[[1,2],[3]]}`)
	f(api.Embeddings, "", `{"model":"m","input":""}`)
	f(api.Gemini, single, `{"content":{"role":"user","parts":[{"text":"a"},{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},"taskType":"CLUSTERING","title":"T","outputDimensionality":8,"embedContentConfig":{"autoTruncate":true}}`)
	f(api.Gemini, batch, `{"requests":[{"model":"models/x","content":{"parts":[{"text":"a"}]},"taskType":"CLUSTERING"}],"new":1}`)
}

func TestRequestRefuses(t *testing.T) {
	f := func(client api.API, method, body, want string) {
		t.Helper()
		_, err := embeddings.DecodeRequest(client, method, []byte(body))
		require.ErrorContains(t, err, want, body)
	}
	for _, body := range []string{`{}`, `{"input":[]}`, `{"input":null}`, `{"input":{}}`, `{"input":[null]}`, `{"input":["a",1]}`, `{"input":[[]]}`, `{"input":[["a"]]}`, `{"input":true}`} {
		f(api.Embeddings, "", body, "input")
	}
	f(api.Embeddings, "", ``, "too early")
	f(api.Embeddings, "", `{"input":"\x"}`, "invalid JSON")
	f(api.Embeddings, "", `{"input":"a","dimensions":0}`, "dimensions: expected a whole number of at least 1")
	f(api.Embeddings, "", `{"input":"a","dimensions":1.5}`, "dimensions: expected")
	f(api.Embeddings, "", `{"input":"a","encoding_format":"hex"}`, `encoding_format: expected "float" or "base64"`)
	f(api.Embeddings, "", `{"input":"a","model":1}`, "model: expected a string")
	f(api.Gemini, single, `{}`, "content: expected a content")
	f(api.Gemini, single, `{"content":1}`, "content: expected a content")
	f(api.Gemini, single, `{"content":{"parts":1}}`, "content.parts: expected a list of parts")
	f(api.Gemini, single, `{"content":{"parts":[1]}}`, "content.parts[0]: expected a part")
	f(api.Gemini, single, `{"content":{"parts":[{"text":1}]}}`, "content.parts[0].text: expected a string")
	f(api.Gemini, batch, `{"content":{}}`, "requests: expected a list of requests")
	f(api.Gemini, batch, `{"requests":{}}`, "requests: expected a list of requests")
	f(api.Gemini, batch, `{"requests":[{"content":{}},1]}`, "requests[1]: expected an object")
	f(api.Gemini, batch, `{"requests":[{"content":{},"outputDimensionality":1},{"content":{}}]}`, "requests[1].outputDimensionality differs")
	f(api.Chat, "", `{}`, `no embeddings in the API "chat"`)
}

func TestRequestThatTheOtherCannotExpress(t *testing.T) {
	f := func(client api.API, method, body string, target api.API, field, why string) {
		t.Helper()
		req, err := embeddings.DecodeRequest(client, method, []byte(body))
		require.NoError(t, err)
		_, _, _, err = embeddings.EncodeRequest(target, req)
		var unsupported *api.Unsupported
		require.ErrorAs(t, err, &unsupported)
		require.Equal(t, field, unsupported.Field)
		require.Contains(t, unsupported.Why, why)
	}
	f(api.Embeddings, "", `{"input":[1,2]}`, api.Gemini, "input", "is a list of tokens, which Gemini cannot embed")
	f(api.Embeddings, "", `{"input":["a",[1,2]]}`, api.Gemini, "input", "is a list of tokens")
	f(api.Embeddings, "", `{"input":["a"`+strings.Repeat(`,"a"`, 100)+`]}`, api.Gemini, "input", "more than the 100 texts")
	f(api.Gemini, single, `{"content":{"parts":[{"text":"a"},{"inline_data":{"mimeType":"image/png","data":"AAAA"}}]}}`, api.Embeddings, "content.parts[1].inlineData", "is no text, which OpenAI's API cannot embed")
	f(api.Gemini, batch, `{"requests":[{"content":{"parts":[{"fileData":{"fileUri":"u"}}]}}]}`, api.Embeddings, "requests[0].content.parts[0].fileData", "is no text")
}

// answered is what a client gets for what a target answered.
func answered(t *testing.T, target api.API, body string, client api.API, req *embeddings.Request) string {
	t.Helper()
	resp, err := embeddings.DecodeResponse(target, []byte(body))
	require.NoError(t, err)
	got, err := embeddings.EncodeResponse(client, resp, req)
	require.NoError(t, err)
	return string(got)
}

func TestResponseFromGeminiToOpenAI(t *testing.T) {
	one, two := make([]embeddings.Input, 1), make([]embeddings.Input, 2)
	f := func(body, want string, req embeddings.Request) {
		t.Helper()
		require.Equal(t, want, answered(t, api.Gemini, body, api.Embeddings, &req))
	}
	// No number changes, and no usage is made up.
	f(`{"embedding":{"values":[0.017608326,-1e-7,12345678901234567890]}}`,
		`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.017608326,-1e-7,12345678901234567890]}],"model":"mine"}`,
		embeddings.Request{Inputs: one, Model: "mine"})
	f(`{"embeddings":[{"values":[1]},{"values":[2]}],"usageMetadata":{"promptTokenCount":7}}`,
		`{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPw=="},{"object":"embedding","index":1,"embedding":"AAAAQA=="}],"model":"mine","usage":{"prompt_tokens":7,"total_tokens":7}}`,
		embeddings.Request{Inputs: two, Model: "mine", Base64: true})
	f(`{"embedding":{"values":[]},"usageMetadata":{}}`, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[]}],"model":"mine"}`, embeddings.Request{Inputs: one, Model: "mine"})
}

func TestResponseFromOpenAIToGemini(t *testing.T) {
	f := func(body, want string, req embeddings.Request) {
		t.Helper()
		require.Equal(t, want, answered(t, api.Embeddings, body, api.Gemini, &req))
	}
	one, two := make([]embeddings.Input, 1), make([]embeddings.Input, 2)
	f(`{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1e-7]}],"model":"m","usage":{"prompt_tokens":7,"total_tokens":7}}`,
		`{"embedding":{"values":[0.5,-1e-7]},"usageMetadata":{"promptTokenCount":7}}`, embeddings.Request{Inputs: one})
	f(`{"data":[{"index":0,"embedding":[1]}]}`, `{"embeddings":[{"values":[1]}]}`, embeddings.Request{Inputs: one, Batch: true})
	// Out of order, and base64 though nobody asked.
	f(`{"data":[{"index":1,"embedding":[2]},{"index":0,"embedding":"AACAPwAAAMAzMzM/"}]}`, `{"embeddings":[{"values":[1,-2,0.7]},{"values":[2]}]}`, embeddings.Request{Inputs: two, Batch: true})
	// Some servers number nothing.
	f(`{"data":[{"embedding":[1]},{"embedding":[2]}]}`, `{"embeddings":[{"values":[1]},{"values":[2]}]}`, embeddings.Request{Inputs: two, Batch: true})
}

func TestResponseRefuses(t *testing.T) {
	f := func(target api.API, body, want string) {
		t.Helper()
		_, err := embeddings.DecodeResponse(target, []byte(body))
		require.ErrorContains(t, err, want, body)
	}
	f(api.Embeddings, `<html>`, "expected a value")
	f(api.Embeddings, `{}`, "an answer without embeddings")
	f(api.Embeddings, `{"data":{}}`, "data: expected a list")
	f(api.Embeddings, `{"data":[{}]}`, "data[0].embedding: expected a list of numbers")
	f(api.Embeddings, `{"data":[{"embedding":["a"]}]}`, "data[0].embedding: expected a list of numbers")
	f(api.Embeddings, `{"data":[{"index":1000000000,"embedding":[1]}]}`, "data[0].index: expected each number below 1 once")
	f(api.Embeddings, `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`, "data[1].index")
	f(api.Gemini, `{"embeddings":[]}`, "an answer without embeddings")
	f(api.Gemini, `{"embeddings":[{"values":[1]},{}]}`, "embeddings[1].values: expected")
	f(api.Gemini, `{"embedding":{"values":"AACAPw=="}}`, "embedding.values: expected")
	f(api.Gemini, `{"embeddings":{}}`, "embeddings: expected")
	f(api.Messages, `{}`, `no embeddings in the API "messages"`)

	write := func(client api.API, vector, want string, inputs int) {
		t.Helper()
		resp := &embeddings.Response{Vectors: []embeddings.Vector{embeddings.Vector(vector)}}
		_, err := embeddings.EncodeResponse(client, resp, &embeddings.Request{Inputs: make([]embeddings.Input, inputs), Base64: true})
		require.ErrorContains(t, err, want)
	}
	// gemini-embedding-2 makes one of all the parts of a content.
	write(api.Gemini, `[1]`, "1 embeddings for 3 inputs", 3)
	write(api.Gemini, `"AAA="`, "base64 of 32-bit floats", 1)
	write(api.Gemini, `"???"`, "base64 of 32-bit floats", 1)
	write(api.Gemini, `"AADAfw=="`, "base64 of 32-bit floats", 1) // not a number
	write(api.Embeddings, `[1e99]`, "writing an embedding in base64", 1)
	write(api.Chat, `[1]`, `no embeddings in the API "chat"`, 1)
}

func fixtures(t testing.TB) string {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "fixtures")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the recorded answers are not beside the project")
	}
	return root
}

// Recorded exchanges reach Google's format and come back as they were.
func TestRecordings(t *testing.T) {
	root := fixtures(t)
	seen := 0
	files, err := filepath.Glob(filepath.Join(root, "envoy-openai-cassettes", "embeddings-*.yaml"))
	require.NoError(t, err)
	for _, file := range files {
		raw, err := os.ReadFile(file)
		require.NoError(t, err)
		var bodies []string
		for line := range strings.Lines(string(raw)) {
			if quoted, ok := strings.CutPrefix(strings.TrimSpace(line), "body: "); ok {
				if body, err := strconv.Unquote(quoted); err == nil {
					bodies = append(bodies, body)
				}
			}
		}
		if len(bodies) != 2 || !strings.Contains(bodies[1], `"embedding"`) {
			continue // an error
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			req, err := embeddings.DecodeRequest(api.Embeddings, "", []byte(bodies[0]))
			require.NoError(t, err)
			resp, err := embeddings.DecodeResponse(api.Embeddings, []byte(bodies[1]))
			require.NoError(t, err)
			require.True(t, resp.Usage.Known)
			require.Len(t, resp.Vectors, len(req.Inputs))
			same, err := embeddings.EncodeResponse(api.Embeddings, resp, req)
			require.NoError(t, err)
			require.JSONEq(t, bodies[1], string(same))

			google, err := embeddings.EncodeResponse(api.Gemini, resp, &embeddings.Request{Inputs: req.Inputs, Batch: true})
			require.NoError(t, err)
			back := answered(t, api.Gemini, string(google), api.Embeddings, req)
			require.Equal(t, vectors(t, bodies[1]), vectors(t, back))
			require.Contains(t, back, `"usage":{"prompt_tokens":`)
		})
		seen++
	}
	require.Positive(t, seen)
}

func vectors(t *testing.T, body string) (out []json.RawMessage) {
	t.Helper()
	var answer struct {
		Data []struct{ Embedding json.RawMessage }
	}
	require.NoError(t, json.Unmarshal([]byte(body), &answer))
	for _, d := range answer.Data {
		out = append(out, json.RawMessage(strings.Join(strings.Fields(string(d.Embedding)), "")))
	}
	return out
}
