package sdk_test

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genai"
)

func newGemini(t *testing.T, key string) *genai.Client {
	t.Helper()
	client, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		Backend:     genai.BackendGeminiAPI,
		APIKey:      key,
		HTTPOptions: genai.HTTPOptions{BaseURL: gatewayURL},
	})
	require.NoError(t, err)
	return client
}

// geminiEvents is what a stream of Gemini has brought.
type geminiEvents struct {
	text, thoughts string
	calls          []*genai.FunctionCall
	last           *genai.GenerateContentResponse
}

// geminiStream reads a stream up to its end or its first error.
func geminiStream(stream iter.Seq2[*genai.GenerateContentResponse, error]) (got geminiEvents, err error) {
	for res, err := range stream {
		if err != nil {
			return got, err
		}
		got.last = res
		got.calls = append(got.calls, res.FunctionCalls()...)
		for _, part := range res.Candidates[0].Content.Parts {
			if part.Thought {
				got.thoughts += part.Text
			} else {
				got.text += part.Text
			}
		}
	}
	return got, nil
}

func requireGeminiError(t *testing.T, err error, code int, status string) genai.APIError {
	t.Helper()
	var problem genai.APIError
	require.ErrorAs(t, err, &problem)
	require.Equal(t, code, problem.Code)
	require.Equal(t, status, problem.Status)
	return problem
}

func TestGeminiModels(t *testing.T) {
	client := newGemini(t, clientKey)
	var names []string
	for m, err := range client.Models.All(t.Context()) {
		require.NoError(t, err)
		names = append(names, m.Name)
	}
	require.Subset(t, names, []string{"models/hello", "models/hi", "models/rescued"})

	m, err := client.Models.Get(t.Context(), "hello", nil)
	require.NoError(t, err)
	require.Equal(t, "models/hello", m.Name)
	require.Equal(t, "Says hello", m.Description)
	require.Contains(t, m.SupportedActions, "generateContent")
	m, err = client.Models.Get(t.Context(), "red/mock-small", nil)
	require.NoError(t, err)
	require.Equal(t, "models/red/mock-small", m.Name)
	_, err = client.Models.Get(t.Context(), "nothing", nil)
	requireGeminiError(t, err, http.StatusNotFound, "NOT_FOUND")
}

func TestGemini(t *testing.T) {
	client := newGemini(t, clientKey)
	check := func(res *genai.GenerateContentResponse) {
		t.Helper()
		require.Equal(t, genai.FinishReasonStop, res.Candidates[0].FinishReason)
		require.Positive(t, res.UsageMetadata.PromptTokenCount)
		require.Positive(t, res.UsageMetadata.CandidatesTokenCount)
	}
	f := func(model, want string) {
		t.Helper()
		prompt := "gemini " + model
		res, err := client.Models.GenerateContent(t.Context(), model, genai.Text(prompt), nil)
		require.NoError(t, err)
		require.Equal(t, want, res.Text())
		check(res)
		requireNoTrace(t, prompt)

		got, err := geminiStream(client.Models.GenerateContentStream(t.Context(), model, genai.Text("x"), nil))
		require.NoError(t, err)
		require.Equal(t, want, got.text)
		check(got.last)
	}
	f("hello", helloText)
	f("models/hello", helloText)
	f("hi", helloText)
	f("red/mock-small", helloText)
	f("models/blue/mock-small", rescuedText)
	f("rescued", rescuedText)
	f("rescued-reset", rescuedText)
	f("rescued-error", rescuedText)
}

func TestGeminiCountTokens(t *testing.T) {
	client := newGemini(t, clientKey)
	f := func(model string) {
		t.Helper()
		n, err := client.Models.CountTokens(t.Context(), model, genai.Text(strings.Repeat("four", 10)), nil)
		require.NoError(t, err)
		require.EqualValues(t, 10, n.TotalTokens)
	}
	f("hello")
	f("red/mock-small")
	f("rescued")
}

func TestGeminiEmbeddings(t *testing.T) {
	client := newGemini(t, clientKey)
	f := func(model string) {
		t.Helper()
		contents := append(genai.Text("one"), genai.Text("two")...)
		res, err := client.Models.EmbedContent(t.Context(), model, contents, nil)
		require.NoError(t, err)
		require.Len(t, res.Embeddings, 2)
		require.Len(t, res.Embeddings[0].Values, 8)
		require.NotEqual(t, res.Embeddings[0].Values, res.Embeddings[1].Values)

		size := int32(3)
		res, err = client.Models.EmbedContent(t.Context(), model, genai.Text("one"), &genai.EmbedContentConfig{OutputDimensionality: &size})
		require.NoError(t, err)
		require.Len(t, res.Embeddings, 1)
		require.Len(t, res.Embeddings[0].Values, 3)
	}
	f("hello")
	f("red/mock-small")
	f("rescued")
}

func TestGeminiTools(t *testing.T) {
	client := newGemini(t, clientKey)
	config := &genai.GenerateContentConfig{Tools: []*genai.Tool{{
		FunctionDeclarations: []*genai.FunctionDeclaration{{Name: "get_weather", ParametersJsonSchema: weatherSchema}},
	}}}
	check := func(calls []*genai.FunctionCall) {
		t.Helper()
		require.Len(t, calls, 1)
		require.Equal(t, "get_weather", calls[0].Name)
		arguments, err := json.Marshal(calls[0].Args)
		require.NoError(t, err)
		require.JSONEq(t, weatherArguments, string(arguments))
	}

	contents := genai.Text("What is the weather?")
	got, err := geminiStream(client.Models.GenerateContentStream(t.Context(), "hello", contents, config))
	require.NoError(t, err)
	check(got.calls)
	res, err := client.Models.GenerateContent(t.Context(), "hello", contents, config)
	require.NoError(t, err)
	check(res.FunctionCalls())

	contents = append(contents, res.Candidates[0].Content,
		genai.NewContentFromFunctionResponse("get_weather", map[string]any{"output": "Sunny."}, genai.RoleUser))
	res, err = client.Models.GenerateContent(t.Context(), "hello", contents, config)
	require.NoError(t, err)
	require.Equal(t, helloText, res.Text())
}

func TestGeminiThinking(t *testing.T) {
	client := newGemini(t, clientKey)
	config := &genai.GenerateContentConfig{ThinkingConfig: &genai.ThinkingConfig{IncludeThoughts: true}}
	res, err := client.Models.GenerateContent(t.Context(), "hello", genai.Text("x"), config)
	require.NoError(t, err)
	thought := res.Candidates[0].Content.Parts[0]
	require.True(t, thought.Thought)
	require.NotEmpty(t, thought.Text)
	require.Positive(t, res.UsageMetadata.ThoughtsTokenCount)

	got, err := geminiStream(client.Models.GenerateContentStream(t.Context(), "hello", genai.Text("x"), config))
	require.NoError(t, err)
	require.Equal(t, thought.Text, got.thoughts)
	require.Equal(t, helloText, got.text)
}

func TestGeminiErrors(t *testing.T) {
	f := func(key, model string, code int, status, message string) {
		t.Helper()
		client := newGemini(t, key)
		_, err := client.Models.GenerateContent(t.Context(), model, genai.Text("x"), nil)
		require.Contains(t, requireGeminiError(t, err, code, status).Message, message)
		_, err = geminiStream(client.Models.GenerateContentStream(t.Context(), model, genai.Text("x"), nil))
		requireGeminiError(t, err, code, status)
	}
	f(clientKey, "nothing", http.StatusNotFound, "NOT_FOUND", "nothing")
	f(clientKey, "nobody/mock-small", http.StatusNotFound, "NOT_FOUND", "nobody/mock-small")
	f("wrong", "hello", http.StatusUnauthorized, "UNAUTHENTICATED", "not valid")
	f(clientKey, "refused", http.StatusBadRequest, "INVALID_ARGUMENT", "The prompt is odd.")
	f(clientKey, "limited", http.StatusTooManyRequests, "RESOURCE_EXHAUSTED", "2 targets tried")
}

func TestGeminiBrokenStream(t *testing.T) {
	client := newGemini(t, clientKey)
	f := func(model string) {
		t.Helper()
		got, err := geminiStream(client.Models.GenerateContentStream(t.Context(), model, genai.Text("x"), nil))
		require.NotEmpty(t, got.text, "nothing came before the error")
		require.Empty(t, got.last.Candidates[0].FinishReason)
		var problem genai.APIError
		require.ErrorAs(t, err, &problem)
		require.GreaterOrEqual(t, problem.Code, 500)
	}
	f("broken")
	f("cut")
	f("ended")
}

func TestGeminiCancel(t *testing.T) {
	client := newGemini(t, clientKey)
	f := func(model string) {
		t.Helper()
		prompt := "cancel gemini " + model
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var last error
		for _, err := range client.Models.GenerateContentStream(ctx, model, genai.Text(prompt), nil) {
			if last = err; err != nil {
				break
			}
			if ctx.Err() == nil {
				cancel()
				requireCanceled(t, prompt)
			}
		}
		require.ErrorIs(t, last, context.Canceled)
	}
	f("silent")
	f("endless")

	// To leave the loop is to leave the provider.
	for range client.Models.GenerateContentStream(t.Context(), "endless", genai.Text("leave gemini"), nil) {
		break
	}
	requireCanceled(t, "leave gemini")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() {
		_, err := client.Models.GenerateContent(ctx, "hanging", genai.Text("cancel gemini unary"), nil)
		done <- err
	}()
	waitForArrival(t, "cancel gemini unary")
	cancel()
	requireCanceled(t, "cancel gemini unary")
	require.ErrorIs(t, <-done, context.Canceled)
}
