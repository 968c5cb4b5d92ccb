package sdk_test

import (
	"context"
	"net/http"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
	"github.com/stretchr/testify/require"
)

func responseParams(model, prompt string) responses.ResponseNewParams {
	return responses.ResponseNewParams{
		Model: model,
		Input: responses.ResponseNewParamsInputUnion{OfString: openai.String(prompt)},
	}
}

// responseEvents is what a stream of Responses has brought.
type responseEvents struct {
	text, thoughts, arguments string
	final                     *responses.Response
	// failures are the events by which the provider says that it failed.
	failures []string
}

func responseStream(stream *ssestream.Stream[responses.ResponseStreamEventUnion]) (got responseEvents, err error) {
	defer stream.Close()
	for stream.Next() {
		switch ev := stream.Current(); ev.Type {
		case "response.output_text.delta":
			got.text += ev.Delta
		case "response.reasoning_summary_text.delta":
			got.thoughts += ev.Delta
		case "response.function_call_arguments.delta":
			got.arguments += ev.Delta
		case "response.completed":
			got.final = &ev.Response
		case "error", "response.failed":
			got.failures = append(got.failures, ev.Type)
		}
	}
	return got, stream.Err()
}

func TestResponses(t *testing.T) {
	client := newOpenAI()
	f := func(model, want string) {
		t.Helper()
		prompt := "responses " + model
		res, err := client.Responses.New(t.Context(), responseParams(model, prompt))
		require.NoError(t, err)
		require.Equal(t, want, res.OutputText())
		require.Equal(t, responses.ResponseStatusCompleted, res.Status)
		require.Positive(t, res.Usage.OutputTokens)
		requireNoTrace(t, prompt)

		got, err := responseStream(client.Responses.NewStreaming(t.Context(), responseParams(model, "x")))
		require.NoError(t, err)
		require.Equal(t, want, got.text)
		require.NotNil(t, got.final)
		require.Equal(t, want, got.final.OutputText())
		require.Positive(t, got.final.Usage.OutputTokens)
	}
	f("hello", helloText)
	f("hi", helloText)
	f("red/mock-small", helloText)
	f("rescued", rescuedText)
	f("rescued-reset", rescuedText)
	f("rescued-error", rescuedText)
}

func TestResponsesTools(t *testing.T) {
	client := newOpenAI()
	params := responseParams("hello", "What is the weather?")
	params.Tools = []responses.ToolUnionParam{responses.ToolParamOfFunction("get_weather", weatherSchema, true)}
	check := func(res *responses.Response) responses.ResponseFunctionToolCall {
		t.Helper()
		require.Len(t, res.Output, 1)
		call := res.Output[0].AsFunctionCall()
		require.Equal(t, "get_weather", call.Name)
		require.NotEmpty(t, call.CallID)
		require.JSONEq(t, weatherArguments, call.Arguments)
		return call
	}

	got, err := responseStream(client.Responses.NewStreaming(t.Context(), params))
	require.NoError(t, err)
	require.JSONEq(t, weatherArguments, got.arguments)
	require.NotNil(t, got.final)
	check(got.final)
	res, err := client.Responses.New(t.Context(), params)
	require.NoError(t, err)
	call := check(res)

	result := responses.ResponseInputItemFunctionCallOutputParam{CallID: openai.String(call.CallID)}
	result.Output.OfString = openai.String("Sunny.")
	params.Input = responses.ResponseNewParamsInputUnion{OfInputItemList: responses.ResponseInputParam{
		responses.ResponseInputItemParamOfMessage("What is the weather?", responses.EasyInputMessageRoleUser),
		responses.ResponseInputItemParamOfFunctionCall(call.Arguments, call.CallID, call.Name),
		{OfFunctionCallOutput: &result},
	}}
	res, err = client.Responses.New(t.Context(), params)
	require.NoError(t, err)
	require.Equal(t, helloText, res.OutputText())
}

func TestResponsesReasoning(t *testing.T) {
	client := newOpenAI()
	params := responseParams("hello", "x")
	params.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortHigh, Summary: shared.ReasoningSummaryAuto}
	res, err := client.Responses.New(t.Context(), params)
	require.NoError(t, err)
	require.Len(t, res.Output, 2)
	thoughts := res.Output[0].AsReasoning().Summary[0].Text
	require.NotEmpty(t, thoughts)
	require.Positive(t, res.Usage.OutputTokensDetails.ReasoningTokens)

	got, err := responseStream(client.Responses.NewStreaming(t.Context(), params))
	require.NoError(t, err)
	require.Equal(t, thoughts, got.thoughts)
	require.Equal(t, helloText, got.text)
}

func TestResponsesErrors(t *testing.T) {
	f := func(client openai.Client, model string, status int, kind, code string) {
		t.Helper()
		_, err := client.Responses.New(t.Context(), responseParams(model, "x"))
		requireOpenAIError(t, err, status, kind, code)
		_, err = responseStream(client.Responses.NewStreaming(t.Context(), responseParams(model, "x")))
		requireOpenAIError(t, err, status, kind, code)
	}
	f(newOpenAI(), "nothing", http.StatusNotFound, "invalid_request_error", "model_not_found")
	f(newOpenAI(option.WithAPIKey("wrong")), "hello", http.StatusUnauthorized, "authentication_error", "invalid_api_key")
	f(newOpenAI(), "refused", http.StatusBadRequest, "invalid_request_error", "")
	f(newOpenAI(), "limited", http.StatusTooManyRequests, "rate_limit_error", "all_targets_failed")
}

func TestResponsesBrokenStream(t *testing.T) {
	client := newOpenAI()
	f := func(model string) {
		t.Helper()
		got, err := responseStream(client.Responses.NewStreaming(t.Context(), responseParams(model, "x")))
		require.NotEmpty(t, got.text, "nothing came before the error")
		require.Nil(t, got.final)
		var problem *ssestream.StreamError
		require.ErrorAs(t, err, &problem)
	}
	f("cut")
	f("ended")
	f("broken")
}

func TestResponsesCancel(t *testing.T) {
	client := newOpenAI()
	f := func(model string) {
		t.Helper()
		prompt := "cancel responses " + model
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		stream := client.Responses.NewStreaming(ctx, responseParams(model, prompt))
		defer stream.Close()
		require.True(t, stream.Next())
		cancel()
		requireCanceled(t, prompt)
	}
	f("silent")
	f("endless")

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error)
	go func() {
		_, err := client.Responses.New(ctx, responseParams("hanging", "cancel responses unary"))
		done <- err
	}()
	waitForArrival(t, "cancel responses unary")
	cancel()
	requireCanceled(t, "cancel responses unary")
	require.ErrorIs(t, <-done, context.Canceled)
}
