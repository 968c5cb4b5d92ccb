package sdk_test

import (
	"context"
	"errors"
	"testing"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/ssestream"
	"github.com/tidwall/gjson"
)

// messagesAsker speaks Messages by Anthropic's SDK.
type messagesAsker struct{ client anthropic.Client }

func newMessagesAsker(_ *testing.T, w *wire) asker {
	return messagesAsker{newAnthropic(option.WithHTTPClient(w.client()))}
}

func (a messagesAsker) ask(ctx context.Context, model string, q *question) (*reply, error) {
	if q.n > 0 {
		return nil, errUnsayable
	}
	params := anthropic.MessageNewParams{Model: model, MaxTokens: 4000}
	for i := range q.earlier {
		params.Messages = append(params.Messages, messagesTurn(&q.earlier[i])...)
	}
	if !q.resumes {
		content := []anthropic.ContentBlockParamUnion{anthropic.NewTextBlock(q.prompt)}
		switch q.media {
		case anImage:
			content = append(content, anthropic.NewImageBlockBase64("image/png", pngData))
		case anImageURL:
			content = append(content, anthropic.NewImageBlock(anthropic.URLImageSourceParam{URL: pngURL}))
		case aDocument:
			content = append(content, anthropic.NewDocumentBlock(anthropic.Base64PDFSourceParam{Data: pdfData}))
		case aDocumentURL:
			content = append(content, anthropic.NewDocumentBlock(anthropic.URLPDFSourceParam{URL: pdfURL}))
		}
		params.Messages = append(params.Messages, anthropic.NewUserMessage(content...))
	}
	messagesOptions(&params, q)
	if !q.stream {
		m, err := a.client.Messages.New(ctx, params)
		if err != nil {
			return &reply{}, err
		}
		return messagesReply(m), nil
	}
	return messagesStreamed(a.client.Messages.NewStreaming(ctx, params))
}

func messagesStreamed(stream *ssestream.Stream[anthropic.MessageStreamEventUnion]) (*reply, error) {
	defer stream.Close()
	var m anthropic.Message
	pieces := 0
	for stream.Next() {
		ev := stream.Current()
		if err := m.Accumulate(ev); err != nil {
			return messagesReply(&m), err
		}
		if ev.Delta.Type == "text_delta" {
			pieces++
		}
	}
	r := messagesReply(&m)
	r.pieces = pieces
	if stream.Err() == nil && r.finish == "" {
		return r, errors.New("the stream has no stop reason")
	}
	return r, stream.Err()
}

func messagesTurn(t *turn) []anthropic.MessageParam {
	list := []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(t.prompt)), t.said.(anthropic.MessageParam)}
	var results []anthropic.ContentBlockParamUnion
	for _, r := range t.results {
		block := anthropic.NewToolResultBlock(r.id, r.text, r.failed)
		if r.image {
			picture := anthropic.NewImageBlockBase64("image/png", pngData)
			block.OfToolResult.Content = append(block.OfToolResult.Content, anthropic.ToolResultBlockParamContentUnion{OfImage: picture.OfImage})
		}
		results = append(results, block)
	}
	if len(results) > 0 {
		list = append(list, anthropic.NewUserMessage(results...))
	}
	return list
}

func messagesOptions(params *anthropic.MessageNewParams, q *question) {
	if q.system != "" {
		params.System = []anthropic.TextBlockParam{{Text: q.system}}
	}
	for _, name := range q.tools {
		params.Tools = append(params.Tools, anthropic.ToolUnionParamOfTool(anthropic.ToolInputSchemaParam{
			Properties: weatherSchema["properties"], Required: weatherSchema["required"].([]string),
		}, name))
	}
	switch q.choice {
	case "":
		if q.single {
			params.ToolChoice.OfAuto = &anthropic.ToolChoiceAutoParam{DisableParallelToolUse: anthropic.Bool(true)}
		}
	case "none":
		params.ToolChoice.OfNone = &anthropic.ToolChoiceNoneParam{}
	case "required":
		params.ToolChoice.OfAny = &anthropic.ToolChoiceAnyParam{}
	default:
		params.ToolChoice = anthropic.ToolChoiceParamOfTool(q.choice)
	}
	if q.schema {
		params.OutputConfig.Format = anthropic.JSONOutputFormatParam{Schema: answerSchema}
	}
	if q.reasoning {
		params.Thinking = anthropic.ThinkingConfigParamOfEnabled(2000)
	}
	if q.stop != "" {
		params.StopSequences = []string{q.stop}
	}
	if q.limit > 0 {
		params.MaxTokens = q.limit
	}
	if q.temperature != 0 {
		params.Temperature = anthropic.Float(q.temperature)
	}
	if q.topP != 0 {
		params.TopP = anthropic.Float(q.topP)
	}
	if q.user != "" {
		params.Metadata.UserID = anthropic.String(q.user)
	}
}

// messagesFinish are the reasons in neutral words.
var messagesFinish = map[anthropic.StopReason]string{
	anthropic.StopReasonEndTurn: "stop", anthropic.StopReasonStopSequence: "stop",
	anthropic.StopReasonMaxTokens: "length", anthropic.StopReasonToolUse: "calls",
	anthropic.StopReasonRefusal: "filter",
}

func messagesReply(m *anthropic.Message) *reply {
	r := &reply{text: messageText(m), texts: []string{messageText(m)}, said: m.ToParam(), finish: string(m.StopReason)}
	if word, ok := messagesFinish[m.StopReason]; ok {
		r.finish = word
	}
	for _, block := range m.Content {
		switch block.Type {
		case "thinking":
			r.reasoning += block.Thinking
		case "tool_use":
			c := block.AsToolUse()
			r.calls = append(r.calls, call{c.ID, c.Name, string(c.Input)})
		}
	}
	u := m.Usage
	r.usage = usage{
		input:  u.InputTokens + u.CacheReadInputTokens + u.CacheCreationInputTokens,
		cached: u.CacheReadInputTokens, output: u.OutputTokens, reasoning: u.OutputTokensDetails.ThinkingTokens,
	}
	return r
}

func (messagesAsker) problem(err error) (problem, bool) {
	var e *anthropic.Error
	if !errors.As(err, &e) {
		return problem{}, false
	}
	return problem{status: e.StatusCode, kind: string(e.Type()), message: gjson.Get(e.RawJSON(), "error.message").String()}, true
}

func (a messagesAsker) count(ctx context.Context, model, prompt string) (int64, error) {
	n, err := a.client.Messages.CountTokens(ctx, anthropic.MessageCountTokensParams{
		Model: model, Messages: []anthropic.MessageParam{anthropic.NewUserMessage(anthropic.NewTextBlock(prompt))},
	})
	if err != nil {
		return 0, err
	}
	return n.InputTokens, nil
}
