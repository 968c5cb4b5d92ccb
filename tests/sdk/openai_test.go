package sdk_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"image/png"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/shared"
	"github.com/stretchr/testify/require"
)

func newOpenAI(options ...option.RequestOption) openai.Client {
	return openai.NewClient(append([]option.RequestOption{
		option.WithBaseURL(gatewayURL + "/v1"),
		option.WithAPIKey(clientKey),
		option.WithMaxRetries(0),
	}, options...)...)
}

func chatParams(model, prompt string) openai.ChatCompletionNewParams {
	return openai.ChatCompletionNewParams{
		Model:    model,
		Messages: []openai.ChatCompletionMessageParamUnion{openai.UserMessage(prompt)},
	}
}

// chatStream reads a stream to its end.
func chatStream(stream *ssestream.Stream[openai.ChatCompletionChunk]) (acc openai.ChatCompletionAccumulator, err error) {
	defer stream.Close()
	for stream.Next() {
		acc.AddChunk(stream.Current())
	}
	return acc, stream.Err()
}

func chatText(acc *openai.ChatCompletionAccumulator) string {
	if len(acc.Choices) == 0 {
		return ""
	}
	return acc.Choices[0].Message.Content
}

func requireOpenAIError(t *testing.T, err error, status int, kind, code string) *openai.Error {
	t.Helper()
	var problem *openai.Error
	require.ErrorAs(t, err, &problem)
	require.Equal(t, status, problem.StatusCode)
	require.Equal(t, kind, problem.Type)
	require.Equal(t, code, problem.Code)
	return problem
}

func TestOpenAIModels(t *testing.T) {
	client := newOpenAI()
	var names []string
	models := client.Models.ListAutoPaging(t.Context())
	for models.Next() {
		names = append(names, models.Current().ID)
	}
	require.NoError(t, models.Err())
	require.Subset(t, names, []string{"hello", "hi", "rescued"})

	m, err := client.Models.Get(t.Context(), "hello")
	require.NoError(t, err)
	require.Equal(t, "hello", m.ID)
	m, err = client.Models.Get(t.Context(), "red/mock-small") // the slash travels as %2F
	require.NoError(t, err)
	require.Equal(t, "red/mock-small", m.ID)
	_, err = client.Models.Get(t.Context(), "nothing")
	requireOpenAIError(t, err, http.StatusNotFound, "invalid_request_error", "model_not_found")
}

func TestChat(t *testing.T) {
	client := newOpenAI()
	f := func(model, want string) {
		t.Helper()
		prompt := "chat " + model
		res, err := client.Chat.Completions.New(t.Context(), chatParams(model, prompt))
		require.NoError(t, err)
		require.Equal(t, want, res.Choices[0].Message.Content)
		require.Equal(t, "stop", res.Choices[0].FinishReason)
		require.Positive(t, res.Usage.CompletionTokens)
		requireNoTrace(t, prompt)
	}
	f("hello", helloText)
	f("hi", helloText)
	f("red/mock-small", helloText)
	f("rescued", rescuedText)
	f("rescued-reset", rescuedText)
	f("rescued-error", rescuedText)
	// A unary answer that breaks off could be asked again, but nobody is left.
	_, err := client.Chat.Completions.New(t.Context(), chatParams("cut", "x"))
	requireOpenAIError(t, err, http.StatusBadGateway, "server_error", "all_targets_failed")
}

func TestChatStream(t *testing.T) {
	client := newOpenAI()
	f := func(model, want string) {
		t.Helper()
		acc, err := chatStream(client.Chat.Completions.NewStreaming(t.Context(), chatParams(model, "x")))
		require.NoError(t, err)
		require.Equal(t, want, chatText(&acc))
		require.Equal(t, "stop", acc.Choices[0].FinishReason)
		// The gateway asks for the usage itself, but that is its own affair.
		require.Zero(t, acc.Usage.TotalTokens)

		params := chatParams(model, "x")
		params.StreamOptions.IncludeUsage = openai.Bool(true)
		acc, err = chatStream(client.Chat.Completions.NewStreaming(t.Context(), params))
		require.NoError(t, err)
		require.Equal(t, want, chatText(&acc))
		require.Positive(t, acc.Usage.PromptTokens)
		require.Positive(t, acc.Usage.CompletionTokens)
	}
	f("hello", helloText)
	f("blue/mock-small", rescuedText)
	f("rescued", rescuedText)
	f("rescued-reset", rescuedText)
	f("rescued-error", rescuedText)
}

func TestChatTools(t *testing.T) {
	client := newOpenAI()
	params := chatParams("hello", "What is the weather?")
	params.Tools = []openai.ChatCompletionToolUnionParam{openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{
		Name:       "get_weather",
		Parameters: weatherSchema,
	})}
	check := func(c openai.ChatCompletionChoice) {
		t.Helper()
		require.Equal(t, "tool_calls", c.FinishReason)
		require.Len(t, c.Message.ToolCalls, 1)
		require.NotEmpty(t, c.Message.ToolCalls[0].ID)
		require.Equal(t, "get_weather", c.Message.ToolCalls[0].Function.Name)
		require.JSONEq(t, weatherArguments, c.Message.ToolCalls[0].Function.Arguments)
	}

	res, err := client.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	check(res.Choices[0])
	acc, err := chatStream(client.Chat.Completions.NewStreaming(t.Context(), params))
	require.NoError(t, err)
	check(acc.Choices[0])

	message := res.Choices[0].Message
	params.Messages = append(params.Messages, message.ToParam(), openai.ToolMessage("Sunny.", message.ToolCalls[0].ID))
	res, err = client.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	require.Equal(t, helloText, res.Choices[0].Message.Content)
}

// Reasoning is no part of OpenAI's own format, but it must reach those who know
// its member.
func TestChatReasoning(t *testing.T) {
	client := newOpenAI()
	params := chatParams("hello", "x")
	params.ReasoningEffort = shared.ReasoningEffortHigh
	res, err := client.Chat.Completions.New(t.Context(), params)
	require.NoError(t, err)
	require.Contains(t, res.Choices[0].Message.RawJSON(), `"reasoning_content":`)
	require.Positive(t, res.Usage.CompletionTokensDetails.ReasoningTokens)

	stream := client.Chat.Completions.NewStreaming(t.Context(), params)
	defer stream.Close()
	thoughts := 0
	for stream.Next() {
		for _, c := range stream.Current().Choices {
			if strings.Contains(c.Delta.RawJSON(), `"reasoning_content":`) {
				thoughts++
			}
		}
	}
	require.NoError(t, stream.Err())
	require.Greater(t, thoughts, 1)
}

func TestOpenAIErrors(t *testing.T) {
	f := func(client openai.Client, model string, status int, kind, code, message string) *openai.Error {
		t.Helper()
		_, err := client.Chat.Completions.New(t.Context(), chatParams(model, "x"))
		problem := requireOpenAIError(t, err, status, kind, code)
		require.Contains(t, problem.Message, message)
		_, err = chatStream(client.Chat.Completions.NewStreaming(t.Context(), chatParams(model, "x")))
		requireOpenAIError(t, err, status, kind, code)
		return problem
	}
	f(newOpenAI(), "nothing", http.StatusNotFound, "invalid_request_error", "model_not_found", `"nothing"`)
	f(newOpenAI(), "nobody/mock-small", http.StatusNotFound, "invalid_request_error", "model_not_found", `"nobody/mock-small"`)
	f(newOpenAI(option.WithAPIKey("wrong")), "hello", http.StatusUnauthorized, "authentication_error", "invalid_api_key", "not valid")
	f(newOpenAI(), "refused", http.StatusBadRequest, "invalid_request_error", "", "The prompt is odd.")
	limited := f(newOpenAI(), "limited", http.StatusTooManyRequests, "rate_limit_error", "all_targets_failed", "2 targets tried")
	require.Equal(t, "7", limited.Response.Header.Get("Retry-After"))
}

func TestChatBrokenStream(t *testing.T) {
	client := newOpenAI()
	f := func(model string) {
		t.Helper()
		acc, err := chatStream(client.Chat.Completions.NewStreaming(t.Context(), chatParams(model, "x")))
		require.NotEmpty(t, chatText(&acc), "nothing came before the error")
		require.NotContains(t, chatText(&acc), "provider.")
		var problem *ssestream.StreamError
		require.ErrorAs(t, err, &problem)
	}
	f("broken")
	f("cut")
	f("ended")
}

func TestChatCancel(t *testing.T) {
	client := newOpenAI()
	stream := func(model string) {
		t.Helper()
		prompt := "cancel chat stream " + model
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stream := client.Chat.Completions.NewStreaming(ctx, chatParams(model, prompt))
		defer stream.Close()
		require.True(t, stream.Next())
		cancel()
		requireCanceled(t, prompt)
		for stream.Next() {
		}
		require.ErrorIs(t, stream.Err(), context.Canceled)
	}
	stream("silent")
	stream("endless")

	// Closing the stream is the other way to leave.
	closed := client.Chat.Completions.NewStreaming(t.Context(), chatParams("endless", "close chat stream"))
	require.True(t, closed.Next())
	require.NoError(t, closed.Close())
	requireCanceled(t, "close chat stream")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() {
		_, err := client.Chat.Completions.New(ctx, chatParams("hanging", "cancel chat unary"))
		done <- err
	}()
	waitForArrival(t, "cancel chat unary")
	cancel()
	requireCanceled(t, "cancel chat unary")
	require.ErrorIs(t, <-done, context.Canceled)
}

func TestEmbeddings(t *testing.T) {
	client := newOpenAI()
	params := openai.EmbeddingNewParams{
		Model: "hello",
		Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: []string{"one", "two"}},
	}
	res, err := client.Embeddings.New(t.Context(), params)
	require.NoError(t, err)
	require.Len(t, res.Data, 2)
	require.Len(t, res.Data[0].Embedding, 8)
	require.NotEqual(t, res.Data[0].Embedding, res.Data[1].Embedding)
	require.Positive(t, res.Usage.PromptTokens)

	params.Model = "rescued"
	again, err := client.Embeddings.New(t.Context(), params)
	require.NoError(t, err)
	require.Equal(t, res.Data[0].Embedding, again.Data[0].Embedding)
}

func TestModeration(t *testing.T) {
	client := newOpenAI()
	res, err := client.Moderations.New(t.Context(), openai.ModerationNewParams{
		Model: "hello",
		Input: openai.ModerationNewParamsInputUnion{OfString: openai.String("this is a mock-flag")},
	})
	require.NoError(t, err)
	require.True(t, res.Results[0].Flagged)
}

func TestCompletions(t *testing.T) {
	client := newOpenAI()
	params := openai.CompletionNewParams{
		Model:  "hello",
		Prompt: openai.CompletionNewParamsPromptUnion{OfString: openai.String("x")},
	}
	res, err := client.Completions.New(t.Context(), params)
	require.NoError(t, err)
	require.Equal(t, helloText, res.Choices[0].Text)

	stream := client.Completions.NewStreaming(t.Context(), params)
	defer stream.Close()
	var text strings.Builder
	for stream.Next() {
		text.WriteString(stream.Current().Choices[0].Text)
	}
	require.NoError(t, stream.Err())
	require.Equal(t, helloText, text.String())
}

func TestTranscription(t *testing.T) {
	client := newOpenAI()
	params := func(model string) openai.AudioTranscriptionNewParams {
		return openai.AudioTranscriptionNewParams{
			Model: model,
			// Bytes that look like a form's must come through as they are.
			File: openai.File(bytes.NewReader([]byte("\xff\xfb\r\n--model\r\n\r\nnot the model\r\n")), "speech.mp3", "audio/mpeg"),
		}
	}
	f := func(model, want string) {
		t.Helper()
		res, err := client.Audio.Transcriptions.New(t.Context(), params(model))
		require.NoError(t, err)
		require.Equal(t, want, res.Text)
	}
	f("hello", helloText)
	f("red/mock-small", helloText)
	f("rescued", rescuedText)

	_, err := client.Audio.Transcriptions.New(t.Context(), params("nothing"))
	requireOpenAIError(t, err, http.StatusNotFound, "invalid_request_error", "model_not_found")

	stream := client.Audio.Transcriptions.NewStreaming(t.Context(), params("hello"))
	defer stream.Close()
	var text string
	for stream.Next() {
		if ev := stream.Current(); ev.Type == "transcript.text.delta" {
			text += ev.Delta
		}
	}
	require.NoError(t, stream.Err())
	require.Equal(t, helloText, text)
}

func TestSpeech(t *testing.T) {
	client := newOpenAI()
	res, err := client.Audio.Speech.New(t.Context(), openai.AudioSpeechNewParams{
		Model: "hello",
		Input: "x",
		Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")},
	})
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, "audio/mpeg", res.Header.Get("Content-Type"))
	audio, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	// The mock says 16 words, each a frame of 417 bytes.
	require.Len(t, audio, 16*417)
	require.Equal(t, []byte{0xff, 0xfb, 0x90, 0x64}, audio[:4])

	// Half of the audio must not look like all of it.
	res, err = client.Audio.Speech.New(t.Context(), openai.AudioSpeechNewParams{
		Model: "cut",
		Input: "x",
		Voice: openai.AudioSpeechNewParamsVoiceUnion{OfString: openai.String("alloy")},
	})
	require.NoError(t, err)
	defer res.Body.Close()
	audio, err = io.ReadAll(res.Body)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.Len(t, audio, 3*417)
}

func TestImages(t *testing.T) {
	client := newOpenAI()
	picture := func(b64 string) []byte {
		t.Helper()
		raw, err := base64.StdEncoding.DecodeString(b64)
		require.NoError(t, err)
		_, err = png.Decode(bytes.NewReader(raw))
		require.NoError(t, err)
		return raw
	}
	made, err := client.Images.Generate(t.Context(), openai.ImageGenerateParams{Model: "hello", Prompt: "a dot"})
	require.NoError(t, err)
	original := picture(made.Data[0].B64JSON)

	f := func(model string) {
		t.Helper()
		edited, err := client.Images.Edit(t.Context(), openai.ImageEditParams{
			Model:  model,
			Prompt: "another dot",
			Image:  openai.ImageEditParamsImageUnion{OfFile: openai.File(bytes.NewReader(original), "dot.png", "image/png")},
		})
		require.NoError(t, err)
		require.NotEqual(t, original, picture(edited.Data[0].B64JSON))
	}
	f("hello")
	f("blue/mock-small")
	f("rescued")
}
