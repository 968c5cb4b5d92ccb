package sdk_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/ssestream"
	"github.com/stretchr/testify/require"
)

func newAnthropic(options ...option.RequestOption) anthropic.Client {
	return anthropic.NewClient(append([]option.RequestOption{
		option.WithBaseURL(gatewayURL),
		option.WithAPIKey(clientKey),
		option.WithMaxRetries(0),
	}, options...)...)
}

func messageParams(model, prompt string) anthropic.MessageNewParams {
	return anthropic.MessageNewParams{
		Model:     anthropic.Model(model),
		MaxTokens: 1000,
		Messages:  []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))},
	}
}

func messageStream(stream *ssestream.Stream[anthropic.MessageStreamEventUnion]) (m anthropic.Message, err error) {
	defer stream.Close()
	for stream.Next() {
		if err := m.Accumulate(stream.Current()); err != nil {
			return m, err
		}
	}
	return m, stream.Err()
}

func messageText(m *anthropic.Message) string {
	var text strings.Builder
	for _, block := range m.Content {
		if block.Type == "text" {
			text.WriteString(block.Text) // AsText is empty in a block without an end
		}
	}
	return text.String()
}

func requireAnthropicError(t *testing.T, err error, status int, kind anthropic.ErrorType) *anthropic.Error {
	t.Helper()
	var problem *anthropic.Error
	require.ErrorAs(t, err, &problem)
	require.Equal(t, status, problem.StatusCode)
	require.Equal(t, kind, problem.Type())
	return problem
}

func TestAnthropicModels(t *testing.T) {
	client := newAnthropic()
	var names []string
	models := client.Models.ListAutoPaging(t.Context(), anthropic.ModelListParams{})
	for models.Next() {
		names = append(names, models.Current().ID)
	}
	require.NoError(t, models.Err())
	require.Subset(t, names, []string{"hello", "hi", "rescued"})

	m, err := client.Models.Get(t.Context(), "hi", anthropic.ModelGetParams{})
	require.NoError(t, err)
	require.Equal(t, "hi", m.ID)
	require.False(t, m.CreatedAt.IsZero())
	m, err = client.Models.Get(t.Context(), "red/mock-small", anthropic.ModelGetParams{}) // the slash travels as %2F
	require.NoError(t, err)
	require.Equal(t, "red/mock-small", m.ID)
	_, err = client.Models.Get(t.Context(), "nothing", anthropic.ModelGetParams{})
	requireAnthropicError(t, err, http.StatusNotFound, anthropic.ErrorTypeNotFoundError)
}

func TestMessages(t *testing.T) {
	client := newAnthropic()
	check := func(m *anthropic.Message, want string) {
		t.Helper()
		require.Equal(t, want, messageText(m))
		require.Equal(t, anthropic.StopReasonEndTurn, m.StopReason)
		require.Positive(t, m.Usage.InputTokens)
		require.Positive(t, m.Usage.OutputTokens)
	}
	f := func(model, want string) {
		t.Helper()
		prompt := "messages " + model
		m, err := client.Messages.New(t.Context(), messageParams(model, prompt))
		require.NoError(t, err)
		check(m, want)
		requireNoTrace(t, prompt)

		streamed, err := messageStream(client.Messages.NewStreaming(t.Context(), messageParams(model, "x")))
		require.NoError(t, err)
		check(&streamed, want)
	}
	f("hello", helloText)
	f("hi", helloText)
	f("red/mock-small", helloText)
	f("rescued", rescuedText)
	f("rescued-reset", rescuedText)
	f("rescued-error", rescuedText)
}

func TestMessagesBeta(t *testing.T) {
	client := newAnthropic()
	const beta = "token-efficient-tools-2025-02-19"
	m, err := client.Beta.Messages.New(t.Context(), anthropic.BetaMessageNewParams{
		Model:     "hello",
		MaxTokens: 1000,
		Messages:  []anthropic.BetaMessageParam{anthropic.NewBetaUserMessage(anthropic.NewBetaTextBlock("beta messages"))},
		Betas:     []anthropic.AnthropicBeta{beta},
	})
	require.NoError(t, err)
	require.Equal(t, helloText, m.Content[0].AsText().Text)
	r, ok := atProvider(t, "beta messages")
	require.True(t, ok)
	require.Equal(t, "beta=true", r.Query)
	require.Equal(t, []string{beta}, r.Headers["Anthropic-Beta"])
}

func TestMessagesCountTokens(t *testing.T) {
	client := newAnthropic()
	params := anthropic.MessageCountTokensParams{
		Model:    "hello",
		Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(strings.Repeat("four", 10)))},
	}
	n, err := client.Messages.CountTokens(t.Context(), params)
	require.NoError(t, err)
	require.EqualValues(t, 10, n.InputTokens)
	params.Model = "rescued"
	n, err = client.Messages.CountTokens(t.Context(), params)
	require.NoError(t, err)
	require.EqualValues(t, 10, n.InputTokens)
}

func TestMessagesTools(t *testing.T) {
	client := newAnthropic()
	params := messageParams("hello", "What is the weather?")
	params.Tools = []anthropic.ToolUnionParam{anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{
		Properties: weatherSchema["properties"],
		Required:   weatherSchema["required"].([]string),
	}, "get_weather")}
	check := func(m *anthropic.Message) anthropic.ToolUseBlock {
		t.Helper()
		require.Equal(t, anthropic.StopReasonToolUse, m.StopReason)
		require.Len(t, m.Content, 1)
		call := m.Content[0].AsToolUse()
		require.NotEmpty(t, call.ID)
		require.Equal(t, "get_weather", call.Name)
		require.JSONEq(t, weatherArguments, string(call.Input))
		return call
	}

	streamed, err := messageStream(client.Messages.NewStreaming(t.Context(), params))
	require.NoError(t, err)
	check(&streamed)
	m, err := client.Messages.New(t.Context(), params)
	require.NoError(t, err)
	call := check(m)

	params.Messages = append(params.Messages, m.ToParam(),
		anthropic.NewUserMessage(anthropic.NewToolResultBlock(call.ID, "Sunny.", false)))
	m, err = client.Messages.New(t.Context(), params)
	require.NoError(t, err)
	require.Equal(t, helloText, messageText(m))
}

func TestMessagesThinking(t *testing.T) {
	client := newAnthropic()
	params := messageParams("hello", "x")
	params.MaxTokens = 2000
	params.Thinking = anthropic.ThinkingConfigParamOfEnabled(1024)
	check := func(m *anthropic.Message) string {
		t.Helper()
		require.Len(t, m.Content, 2)
		thinking := m.Content[0].AsThinking()
		require.NotEmpty(t, thinking.Thinking)
		// Without it the thinking could not be sent back in the next turn.
		require.NotEmpty(t, thinking.Signature)
		require.Equal(t, helloText, messageText(m))
		return thinking.Thinking
	}
	m, err := client.Messages.New(t.Context(), params)
	require.NoError(t, err)
	streamed, err := messageStream(client.Messages.NewStreaming(t.Context(), params))
	require.NoError(t, err)
	require.Equal(t, check(m), check(&streamed))
}

func TestAnthropicErrors(t *testing.T) {
	f := func(client anthropic.Client, model string, status int, kind anthropic.ErrorType, message string) *anthropic.Error {
		t.Helper()
		_, err := client.Messages.New(t.Context(), messageParams(model, "x"))
		problem := requireAnthropicError(t, err, status, kind)
		require.Contains(t, problem.RawJSON(), message)
		_, err = messageStream(client.Messages.NewStreaming(t.Context(), messageParams(model, "x")))
		requireAnthropicError(t, err, status, kind)
		return problem
	}
	f(newAnthropic(), "nothing", http.StatusNotFound, anthropic.ErrorTypeNotFoundError, "nothing")
	f(newAnthropic(option.WithAPIKey("wrong")), "hello", http.StatusUnauthorized, anthropic.ErrorTypeAuthenticationError, "not valid")
	f(newAnthropic(), "refused", http.StatusBadRequest, anthropic.ErrorTypeInvalidRequestError, "The prompt is odd.")
	limited := f(newAnthropic(), "limited", http.StatusTooManyRequests, anthropic.ErrorTypeRateLimitError, "2 targets tried")
	require.Equal(t, "7", limited.Response.Header.Get("Retry-After"))
}

// Agents send their key as a bearer token.
func TestAnthropicAuthToken(t *testing.T) {
	client := anthropic.NewClient(option.WithBaseURL(gatewayURL), option.WithAuthToken(clientKey), option.WithMaxRetries(0))
	m, err := client.Messages.New(t.Context(), messageParams("hello", "x"))
	require.NoError(t, err)
	require.Equal(t, helloText, messageText(m))
}

func TestMessagesBrokenStream(t *testing.T) {
	client := newAnthropic()
	f := func(model string) {
		t.Helper()
		m, err := messageStream(client.Messages.NewStreaming(t.Context(), messageParams(model, "x")))
		require.NotEmpty(t, messageText(&m), "nothing came before the error")
		require.Empty(t, m.StopReason)
		var problem *anthropic.Error
		require.ErrorAs(t, err, &problem)
		require.Equal(t, anthropic.ErrorTypeAPIError, problem.Type())
	}
	f("broken")
	f("cut")
	f("ended")
}

func TestMessagesCancel(t *testing.T) {
	client := newAnthropic()
	f := func(model string) {
		t.Helper()
		prompt := "cancel messages " + model
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stream := client.Messages.NewStreaming(ctx, messageParams(model, prompt))
		defer stream.Close()
		require.True(t, stream.Next())
		cancel()
		requireCanceled(t, prompt)
		for stream.Next() {
		}
		require.ErrorIs(t, stream.Err(), context.Canceled)
	}
	f("silent")
	f("endless")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() {
		_, err := client.Messages.New(ctx, messageParams("hanging", "cancel messages unary"))
		done <- err
	}()
	waitForArrival(t, "cancel messages unary")
	cancel()
	requireCanceled(t, "cancel messages unary")
	require.ErrorIs(t, <-done, context.Canceled)
}
