package sdk_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/packages/ssestream"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"
)

// responsesAsker speaks Responses by OpenAI's SDK.
type responsesAsker struct{ client openai.Client }

func newResponsesAsker(_ *testing.T, w *wire) asker {
	return responsesAsker{newOpenAI(option.WithHTTPClient(w.client()))}
}

func (a responsesAsker) ask(ctx context.Context, model string, q *question) (*reply, error) {
	if q.stop != "" || q.n > 0 {
		return nil, errUnsayable
	}
	params := responses.ResponseNewParams{Model: model, Store: openai.Bool(false)}
	var input responses.ResponseInputParam
	for i := range q.earlier {
		input = append(input, responsesTurn(&q.earlier[i])...)
	}
	if !q.resumes {
		content := responses.ResponseInputMessageContentListParam{responses.ResponseInputContentParamOfInputText(q.prompt)}
		switch q.media {
		case anImage:
			content = append(content, inputImage("data:image/png;base64,"+pngData))
		case anImageURL:
			content = append(content, inputImage(pngURL))
		case aDocument:
			content = append(content, responses.ResponseInputContentUnionParam{OfInputFile: &responses.ResponseInputFileParam{
				FileData: openai.String("data:application/pdf;base64," + pdfData), Filename: openai.String("a.pdf"),
			}})
		case aDocumentURL:
			content = append(content, responses.ResponseInputContentUnionParam{OfInputFile: &responses.ResponseInputFileParam{FileURL: openai.String(pdfURL)}})
		}
		input = append(input, responses.ResponseInputItemParamOfMessage(content, responses.EasyInputMessageRoleUser))
	}
	params.Input.OfInputItemList = input
	responsesOptions(&params, q)
	if !q.stream {
		res, err := a.client.Responses.New(ctx, params)
		if err != nil {
			return &reply{}, err
		}
		return responsesReply(res), nil
	}
	return responsesStreamed(a.client.Responses.NewStreaming(ctx, params))
}

func inputImage(url string) responses.ResponseInputContentUnionParam {
	return responses.ResponseInputContentUnionParam{OfInputImage: &responses.ResponseInputImageParam{
		ImageURL: openai.String(url), Detail: responses.ResponseInputImageDetailAuto,
	}}
}

// responsesTurn gives the items back as they came.
func responsesTurn(t *turn) []responses.ResponseInputItemUnionParam {
	items := []responses.ResponseInputItemUnionParam{responses.ResponseInputItemParamOfMessage(t.prompt, responses.EasyInputMessageRoleUser)}
	for _, said := range t.said.([]string) {
		items = append(items, param.Override[responses.ResponseInputItemUnionParam](json.RawMessage(said)))
	}
	for _, r := range t.results {
		one := &responses.ResponseInputItemFunctionCallOutputParam{CallID: openai.String(r.id)}
		one.Output.OfString = openai.String(r.text)
		if r.image {
			one.Output = responses.ResponseInputItemFunctionCallOutputOutputUnionParam{
				OfResponseFunctionCallOutputItemArray: responses.ResponseFunctionCallOutputItemListParam{
					{OfInputText: &responses.ResponseInputTextContentParam{Text: r.text}},
					{OfInputImage: &responses.ResponseInputImageContentParam{ImageURL: openai.String("data:image/png;base64," + pngData)}},
				},
			}
		}
		if r.failed {
			one.Status = "incomplete"
		}
		items = append(items, responses.ResponseInputItemUnionParam{OfFunctionCallOutput: one})
	}
	return items
}

func responsesOptions(params *responses.ResponseNewParams, q *question) {
	if q.system != "" {
		params.Instructions = openai.String(q.system)
	}
	for _, name := range q.tools {
		params.Tools = append(params.Tools, responses.ToolParamOfFunction(name, weatherSchema, false))
	}
	switch q.choice {
	case "":
	case "none", "required":
		params.ToolChoice.OfToolChoiceMode = openai.Opt(responses.ToolChoiceOptions(q.choice))
	default:
		params.ToolChoice.OfFunctionTool = &responses.ToolChoiceFunctionParam{Name: q.choice}
	}
	if q.single {
		params.ParallelToolCalls = openai.Bool(false)
	}
	if q.schema {
		params.Text.Format.OfJSONSchema = &responses.ResponseFormatTextJSONSchemaConfigParam{Name: "answer", Schema: answerSchema, Strict: openai.Bool(true)}
	}
	if q.reasoning {
		params.Reasoning = shared.ReasoningParam{Effort: shared.ReasoningEffortHigh, Summary: shared.ReasoningSummaryAuto}
		params.Include = []responses.ResponseIncludable{responses.ResponseIncludableReasoningEncryptedContent}
	}
	if q.limit > 0 {
		params.MaxOutputTokens = openai.Int(q.limit)
	}
	if q.temperature != 0 {
		params.Temperature = openai.Float(q.temperature)
	}
	if q.topP != 0 {
		params.TopP = openai.Float(q.topP)
	}
	if q.user != "" {
		params.User = openai.String(q.user)
	}
}

func responsesReply(res *responses.Response) *reply {
	r := &reply{text: res.OutputText(), texts: []string{res.OutputText()}, finish: "stop"}
	var said []string
	for _, item := range res.Output {
		said = append(said, item.RawJSON())
		switch item.Type {
		case "reasoning":
			for _, s := range item.AsReasoning().Summary {
				r.reasoning += s.Text
			}
		case "function_call":
			c := item.AsFunctionCall()
			r.calls, r.finish = append(r.calls, call{c.CallID, c.Name, c.Arguments}), "calls"
		}
	}
	r.said = said
	if res.Status != responses.ResponseStatusCompleted {
		r.finish = string(res.Status)
	}
	switch res.IncompleteDetails.Reason {
	case "max_output_tokens":
		r.finish = "length"
	case "content_filter":
		r.finish = "filter"
	}
	u := res.Usage
	r.usage = usage{u.InputTokens, u.InputTokensDetails.CachedTokens, u.OutputTokens, u.OutputTokensDetails.ReasoningTokens}
	return r
}

// responsesStreamed reads a stream, whose pieces have to come to what its last
// event repeats.
func responsesStreamed(stream *ssestream.Stream[responses.ResponseStreamEventUnion]) (*reply, error) {
	defer stream.Close()
	pieces, final := &reply{}, (*reply)(nil)
	arguments := map[string]string{}
	for next := int64(0); stream.Next(); next++ {
		ev := stream.Current()
		if ev.SequenceNumber != next {
			return pieces, errors.New("the stream's numbers have a gap at " + ev.RawJSON())
		}
		switch ev.Type {
		case "response.output_text.delta":
			pieces.text += ev.Delta
			pieces.pieces++
		case "response.reasoning_summary_text.delta":
			pieces.reasoning += ev.Delta
		case "response.function_call_arguments.delta":
			arguments[ev.ItemID] += ev.Delta
		case "response.output_item.done":
			if ev.Item.Type == "function_call" {
				c := ev.Item.AsFunctionCall()
				pieces.calls = append(pieces.calls, call{c.CallID, c.Name, arguments[ev.Item.ID]})
			}
		case "response.completed", "response.incomplete":
			final = responsesReply(&ev.Response)
		}
	}
	if stream.Err() != nil {
		return pieces, stream.Err()
	}
	switch {
	case final == nil:
		return pieces, errors.New("the stream has no last event")
	case final.text != pieces.text, final.reasoning != pieces.reasoning, len(final.calls) != len(pieces.calls):
		return pieces, errors.New("the stream's pieces differ from its last event")
	}
	for i, c := range final.calls {
		if c != pieces.calls[i] {
			return pieces, errors.New("the stream's pieces differ from its last event in a call: " + c.arguments)
		}
	}
	final.pieces = pieces.pieces
	return final, nil
}

func (responsesAsker) problem(err error) (problem, bool) { return openAIProblem(err) }
