package sdk_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genai"
)

// geminiAsker speaks Gemini by Google's SDK.
type geminiAsker struct{ client *genai.Client }

func newGeminiAsker(t *testing.T, w *wire) asker {
	client, err := genai.NewClient(t.Context(), &genai.ClientConfig{
		Backend: genai.BackendGeminiAPI, APIKey: clientKey, HTTPClient: w.client(),
		HTTPOptions: genai.HTTPOptions{BaseURL: gatewayURL},
	})
	require.NoError(t, err)
	return geminiAsker{client}
}

func (a geminiAsker) ask(ctx context.Context, model string, q *question) (*reply, error) {
	if q.user != "" || q.single {
		return nil, errUnsayable
	}
	var contents []*genai.Content
	for i := range q.earlier {
		contents = append(contents, geminiTurn(&q.earlier[i])...)
	}
	if !q.resumes {
		content := genai.NewContentFromText(q.prompt, genai.RoleUser)
		switch q.media {
		case anImage:
			content.Parts = append(content.Parts, genai.NewPartFromBytes(bytesOf(pngData), "image/png"))
		case anImageURL:
			content.Parts = append(content.Parts, genai.NewPartFromURI(pngURL, "image/png"))
		case aDocument:
			content.Parts = append(content.Parts, genai.NewPartFromBytes(bytesOf(pdfData), "application/pdf"))
		case aDocumentURL:
			content.Parts = append(content.Parts, genai.NewPartFromURI(pdfURL, "application/pdf"))
		}
		contents = append(contents, content)
	}
	config := geminiConfig(q)
	if q.stream {
		return a.streamed(ctx, model, contents, config)
	}
	res, err := a.client.Models.GenerateContent(ctx, model, contents, config)
	r := &reply{}
	if err == nil {
		r.addGemini(res)
	}
	return r, err
}

// streamed reads a stream; what was said are its parts, one after the other.
func (a geminiAsker) streamed(ctx context.Context, model string, contents []*genai.Content, config *genai.GenerateContentConfig) (*reply, error) {
	r := &reply{}
	for res, err := range a.client.Models.GenerateContentStream(ctx, model, contents, config) {
		if err != nil {
			return r, err
		}
		r.addGemini(res)
	}
	if r.finish == "" {
		return r, errors.New("the stream has no finish reason")
	}
	return r, nil
}

func bytesOf(data string) []byte {
	b, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		panic(err)
	}
	return b
}

func geminiTurn(t *turn) []*genai.Content {
	list := []*genai.Content{genai.NewContentFromText(t.prompt, genai.RoleUser), t.said.(*genai.Content)}
	var results []*genai.Part
	for _, r := range t.results {
		one := &genai.FunctionResponse{ID: r.id, Name: r.name, Response: map[string]any{"output": r.text}}
		if r.failed {
			one.Response = map[string]any{"error": r.text}
		}
		if r.image {
			one.Parts = []*genai.FunctionResponsePart{{InlineData: &genai.FunctionResponseBlob{MIMEType: "image/png", Data: bytesOf(pngData)}}}
		}
		results = append(results, &genai.Part{FunctionResponse: one})
	}
	if len(results) > 0 {
		list = append(list, genai.NewContentFromParts(results, genai.RoleUser))
	}
	return list
}

func geminiConfig(q *question) *genai.GenerateContentConfig {
	config := &genai.GenerateContentConfig{CandidateCount: int32(q.n), MaxOutputTokens: int32(q.limit)}
	if q.system != "" {
		config.SystemInstruction = genai.NewContentFromText(q.system, "")
	}
	var functions []*genai.FunctionDeclaration
	for _, name := range q.tools {
		functions = append(functions, &genai.FunctionDeclaration{Name: name, ParametersJsonSchema: weatherSchema})
	}
	if functions != nil {
		config.Tools = []*genai.Tool{{FunctionDeclarations: functions}}
	}
	if q.choice != "" {
		calling := &genai.FunctionCallingConfig{Mode: genai.FunctionCallingConfigModeAny}
		switch q.choice {
		case "none":
			calling.Mode = genai.FunctionCallingConfigModeNone
		case "required":
		default:
			calling.AllowedFunctionNames = []string{q.choice}
		}
		config.ToolConfig = &genai.ToolConfig{FunctionCallingConfig: calling}
	}
	if q.schema {
		config.ResponseMIMEType, config.ResponseJsonSchema = "application/json", answerSchema
	}
	if q.reasoning {
		config.ThinkingConfig = &genai.ThinkingConfig{IncludeThoughts: true, ThinkingLevel: genai.ThinkingLevelHigh}
	}
	if q.stop != "" {
		config.StopSequences = []string{q.stop}
	}
	if q.temperature != 0 {
		config.Temperature = new(float32(q.temperature))
	}
	if q.topP != 0 {
		config.TopP = new(float32(q.topP))
	}
	return config
}

// addGemini adds an answer, or a piece of one.
func (r *reply) addGemini(res *genai.GenerateContentResponse) {
	for i, candidate := range res.Candidates {
		index := max(i, int(candidate.Index))
		for len(r.texts) <= index {
			r.texts = append(r.texts, "")
		}
		if index > 0 || candidate.Content == nil {
			if candidate.Content != nil {
				for _, part := range candidate.Content.Parts {
					r.texts[index] += part.Text
				}
			}
			continue
		}
		switch candidate.FinishReason {
		case "":
		case genai.FinishReasonStop:
			r.finish = "stop"
		case genai.FinishReasonMaxTokens:
			r.finish = "length"
		case genai.FinishReasonSafety, genai.FinishReasonProhibitedContent:
			r.finish = "filter"
		default:
			r.finish = string(candidate.FinishReason)
		}
		r.addGeminiParts(candidate.Content.Parts)
	}
	if len(r.calls) > 0 && r.finish == "stop" {
		r.finish = "calls" // for which Gemini has no word
	}
	if u := res.UsageMetadata; u != nil {
		r.usage = usage{
			int64(u.PromptTokenCount), int64(u.CachedContentTokenCount),
			int64(u.CandidatesTokenCount + u.ThoughtsTokenCount), int64(u.ThoughtsTokenCount),
		}
	}
}

func (r *reply) addGeminiParts(parts []*genai.Part) {
	said, _ := r.said.(*genai.Content)
	if said == nil {
		said = genai.NewContentFromParts(nil, genai.RoleModel)
		r.said = said
	}
	said.Parts = append(said.Parts, parts...)
	for _, part := range parts {
		switch {
		case part.FunctionCall != nil:
			arguments, _ := json.Marshal(part.FunctionCall.Args)
			r.calls = append(r.calls, call{part.FunctionCall.ID, part.FunctionCall.Name, string(arguments)})
		case part.Thought:
			r.reasoning += part.Text
		default:
			r.text += part.Text
			r.texts[0] += part.Text
			if part.Text != "" {
				r.pieces++
			}
		}
	}
}

func (a geminiAsker) embed(ctx context.Context, model string, size int, texts ...string) (vectors [][]float64, err error) {
	var contents []*genai.Content
	for _, text := range texts {
		contents = append(contents, genai.NewContentFromText(text, genai.RoleUser))
	}
	config := &genai.EmbedContentConfig{}
	if size > 0 {
		config.OutputDimensionality = new(int32(size))
	}
	res, err := a.client.Models.EmbedContent(ctx, model, contents, config)
	if err != nil {
		return nil, err
	}
	for _, one := range res.Embeddings {
		vector := make([]float64, len(one.Values))
		for i, value := range one.Values {
			vector[i] = float64(value)
		}
		vectors = append(vectors, vector)
	}
	return vectors, nil
}

func (geminiAsker) problem(err error) (problem, bool) {
	var e genai.APIError
	if !errors.As(err, &e) {
		return problem{}, false
	}
	return problem{status: e.Code, kind: e.Status, message: e.Message}, true
}

func (a geminiAsker) count(ctx context.Context, model, prompt string) (int64, error) {
	n, err := a.client.Models.CountTokens(ctx, model, genai.Text(prompt), nil)
	if err != nil {
		return 0, err
	}
	return int64(n.TotalTokens), nil
}
