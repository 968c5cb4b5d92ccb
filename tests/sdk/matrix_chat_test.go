package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/shared"
	"github.com/tidwall/gjson"
)

// chatAsker speaks chat by OpenAI's SDK.
type chatAsker struct{ client openai.Client }

func newChatAsker(_ *testing.T, w *wire) asker {
	return chatAsker{newOpenAI(option.WithHTTPClient(w.client()))}
}

func (a chatAsker) ask(ctx context.Context, model string, q *question) (*reply, error) {
	params := openai.ChatCompletionNewParams{Model: model}
	if q.system != "" {
		params.Messages = append(params.Messages, openai.SystemMessage(q.system))
	}
	for i := range q.earlier {
		earlier, err := chatTurn(&q.earlier[i])
		if err != nil {
			return nil, err
		}
		params.Messages = append(params.Messages, earlier...)
	}
	if !q.resumes {
		content := []openai.ChatCompletionContentPartUnionParam{openai.TextContentPart(q.prompt)}
		switch q.media {
		case anImage:
			content = append(content, openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: "data:image/png;base64," + pngData}))
		case anImageURL:
			content = append(content, openai.ImageContentPart(openai.ChatCompletionContentPartImageImageURLParam{URL: pngURL}))
		case aDocument:
			content = append(content, openai.FileContentPart(openai.ChatCompletionContentPartFileFileParam{
				FileData: openai.String("data:application/pdf;base64," + pdfData), Filename: openai.String("a.pdf"),
			}))
		case aDocumentURL:
			return nil, errUnsayable
		}
		params.Messages = append(params.Messages, openai.UserMessage(content))
	}
	chatOptions(&params, q)
	if !q.stream {
		res, err := a.client.Chat.Completions.New(ctx, params)
		if err != nil {
			return &reply{}, err
		}
		return chatReply(res, res.Choices[0].Message.RawJSON()), nil
	}
	params.StreamOptions.IncludeUsage = openai.Bool(true)
	return chatStreamed(a.client.Chat.Completions.NewStreaming(ctx, params))
}

func chatTurn(t *turn) ([]openai.ChatCompletionMessageParamUnion, error) {
	said := param.Override[openai.ChatCompletionAssistantMessageParam](json.RawMessage(t.said.(string)))
	list := []openai.ChatCompletionMessageParamUnion{openai.UserMessage(t.prompt), {OfAssistant: &said}}
	for _, r := range t.results {
		if r.image || r.failed {
			return nil, errUnsayable
		}
		list = append(list, openai.ToolMessage(r.text, r.id))
	}
	return list, nil
}

func chatOptions(params *openai.ChatCompletionNewParams, q *question) {
	for _, name := range q.tools {
		params.Tools = append(params.Tools, openai.ChatCompletionFunctionTool(shared.FunctionDefinitionParam{Name: name, Parameters: weatherSchema}))
	}
	switch q.choice {
	case "":
	case "none", "required":
		params.ToolChoice.OfAuto = openai.String(q.choice)
	default:
		params.ToolChoice = openai.ToolChoiceOptionFunctionToolChoice(openai.ChatCompletionNamedToolChoiceFunctionParam{Name: q.choice})
	}
	if q.single {
		params.ParallelToolCalls = openai.Bool(false)
	}
	if q.schema {
		params.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: "answer", Schema: answerSchema, Strict: openai.Bool(true)},
		}
	}
	if q.reasoning {
		params.ReasoningEffort = shared.ReasoningEffortHigh
	}
	if q.stop != "" {
		params.Stop.OfString = openai.String(q.stop)
	}
	if q.limit > 0 {
		params.MaxCompletionTokens = openai.Int(q.limit)
	}
	if q.temperature != 0 {
		params.Temperature = openai.Float(q.temperature)
	}
	if q.topP != 0 {
		params.TopP = openai.Float(q.topP)
	}
	if q.n > 0 {
		params.N = openai.Int(q.n)
	}
	if q.user != "" {
		params.User = openai.String(q.user)
	}
}

// chatReply reads an answer. said is its first message, with the members that the
// SDK does not know.
func chatReply(res *openai.ChatCompletion, said string) *reply {
	r := &reply{
		said:      said,
		reasoning: gjson.Get(said, "reasoning_content").String(),
		usage: usage{
			res.Usage.PromptTokens, res.Usage.PromptTokensDetails.CachedTokens,
			res.Usage.CompletionTokens, res.Usage.CompletionTokensDetails.ReasoningTokens,
		},
	}
	for i, choice := range res.Choices {
		r.texts = append(r.texts, choice.Message.Content)
		if i > 0 {
			continue
		}
		r.text, r.finish = choice.Message.Content, choice.FinishReason
		switch r.finish {
		case "tool_calls":
			r.finish = "calls"
		case "content_filter":
			r.finish = "filter"
		}
		for _, c := range choice.Message.ToolCalls {
			r.calls = append(r.calls, call{c.ID, c.Function.Name, c.Function.Arguments})
		}
	}
	return r
}

// chatStreamed reads a stream, and puts the members together that the SDK leaves
// alone.
func chatStreamed(stream *ssestream.Stream[openai.ChatCompletionChunk]) (*reply, error) {
	defer stream.Close()
	var acc openai.ChatCompletionAccumulator
	var details []json.RawMessage
	reasoning, pieces := "", 0
	signatures := map[int64]json.RawMessage{}
	for stream.Next() {
		chunk := stream.Current()
		acc.AddChunk(chunk)
		for _, choice := range chunk.Choices {
			delta := choice.Delta.RawJSON()
			if choice.Delta.Content != "" {
				pieces++
			}
			reasoning += gjson.Get(delta, "reasoning_content").String()
			for _, detail := range gjson.Get(delta, "reasoning_details").Array() {
				details = append(details, json.RawMessage(detail.Raw))
			}
			for _, c := range choice.Delta.ToolCalls {
				if extra := gjson.Get(c.RawJSON(), "extra_content").Raw; extra != "" {
					signatures[c.Index] = json.RawMessage(extra)
				}
			}
		}
	}
	message := map[string]any{"role": "assistant", "content": nil, "reasoning_content": reasoning}
	if len(details) > 0 {
		message["reasoning_details"] = details
	}
	var calls []map[string]any
	if len(acc.Choices) > 0 {
		message["content"] = acc.Choices[0].Message.Content
		for i, c := range acc.Choices[0].Message.ToolCalls {
			one := map[string]any{"id": c.ID, "type": "function", "function": map[string]any{"name": c.Function.Name, "arguments": c.Function.Arguments}}
			if extra := signatures[int64(i)]; extra != nil {
				one["extra_content"] = extra
			}
			calls = append(calls, one)
		}
	}
	if calls != nil {
		message["tool_calls"] = calls
	}
	said, err := json.Marshal(message)
	r := chatReply(&acc.ChatCompletion, string(said))
	r.pieces = pieces
	return r, errors.Join(stream.Err(), err)
}

func (a chatAsker) embed(ctx context.Context, model string, size int, texts ...string) (vectors [][]float64, err error) {
	params := openai.EmbeddingNewParams{Model: model, Input: openai.EmbeddingNewParamsInputUnion{OfArrayOfStrings: texts}}
	if size > 0 {
		params.Dimensions = openai.Int(int64(size))
	}
	res, err := a.client.Embeddings.New(ctx, params)
	if err != nil {
		return nil, err
	}
	for _, one := range res.Data {
		vectors = append(vectors, one.Embedding)
	}
	return vectors, nil
}

func (chatAsker) problem(err error) (problem, bool) { return openAIProblem(err) }

// openAIProblem is the error of a status, or that of an event in a stream.
func openAIProblem(err error) (problem, bool) {
	if status, ok := errors.AsType[*openai.Error](err); ok {
		return problem{status.StatusCode, status.Type, status.Message, status.Param}, true
	}
	if event, ok := errors.AsType[*ssestream.StreamError](err); ok {
		e := gjson.GetBytes(event.Event.Data, "error")
		return problem{http.StatusOK, e.Get("type").String(), e.Get("message").String(), e.Get("param").String()}, true
	}
	return problem{}, false
}
