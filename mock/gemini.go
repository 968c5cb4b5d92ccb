package mock

import (
	"encoding/json"
)

// geminiRequest is a request of Gemini's generateContent, or of countTokens,
// which may wrap one.
type geminiRequest struct {
	head
	Contents          []geminiContent `json:"contents"`
	SystemInstruction geminiContent   `json:"systemInstruction"`
	// The REST examples use this spelling, and the API takes both.
	SystemInstructionSnake geminiContent `json:"system_instruction"`
	Tools                  []struct {
		FunctionDeclarations []struct {
			Name                 string          `json:"name"`
			Parameters           json.RawMessage `json:"parameters"`
			ParametersJSONSchema json.RawMessage `json:"parametersJsonSchema"`
		} `json:"functionDeclarations"`
	} `json:"tools"`
	ToolConfig struct {
		FunctionCallingConfig struct {
			Mode                 string   `json:"mode"`
			AllowedFunctionNames []string `json:"allowedFunctionNames"`
		} `json:"functionCallingConfig"`
	} `json:"toolConfig"`
	GenerationConfig struct {
		MaxOutputTokens    int             `json:"maxOutputTokens"`
		StopSequences      []string        `json:"stopSequences"`
		CandidateCount     int             `json:"candidateCount"`
		ResponseMIMEType   string          `json:"responseMimeType"`
		ResponseSchema     json.RawMessage `json:"responseSchema"`
		ResponseJSONSchema json.RawMessage `json:"responseJsonSchema"`
		ThinkingConfig     struct {
			IncludeThoughts bool `json:"includeThoughts"`
		} `json:"thinkingConfig"`
	} `json:"generationConfig"`
	GenerateContentRequest *geminiRequest `json:"generateContentRequest"`
}

type geminiContent struct {
	Role  string `json:"role"`
	Parts []struct {
		Text             string          `json:"text"`
		Thought          bool            `json:"thought"`
		FunctionResponse json.RawMessage `json:"functionResponse"`
	} `json:"parts"`
}

// content reads the parts as those of the other APIs are read.
func (g *geminiContent) content() content {
	var c content
	for i := range g.Parts {
		p := &g.Parts[i]
		if !p.Thought {
			c.add(p.Text)
		}
		if len(p.FunctionResponse) > 0 {
			c.size += resultSize(p.FunctionResponse)
			c.result = true
		}
	}
	return c
}

// resultSize counts the text of a function's result. Gemini wants an object
// where others have a string, so the usual wrappings of a string are undone.
func resultSize(raw json.RawMessage) int {
	var result struct {
		Response map[string]json.RawMessage `json:"response"`
	}
	if json.Unmarshal(raw, &result) != nil {
		return 0
	}
	size := 0
	for _, value := range result.Response {
		var text string
		if json.Unmarshal(value, &text) == nil {
			size += len(text)
		} else {
			size += len(value)
		}
	}
	return size
}

func readGemini(x *exchange) (head, func() error, error) {
	return readGenerate(x, false)
}

func readGeminiStream(x *exchange) (head, func() error, error) {
	return readGenerate(x, true)
}

func readGenerate(x *exchange, streaming bool) (head, func() error, error) {
	var req geminiRequest
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	req.Stream = streaming
	return req.head, func() error {
		g := &generate{
			answer: x.compose(req.ask()),
			n:      min(max(1, req.GenerationConfig.CandidateCount), maxChoices),
			id:     x.id(""),
			model:  x.model,
			sse:    x.r.URL.Query().Get("alt") == "sse",
		}
		if streaming {
			return x.stream(g, g.answer.deltas(g.n))
		}
		return x.sendJSON(g.whole())
	}, nil
}

func readGeminiCount(x *exchange) (head, func() error, error) {
	var req geminiRequest
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	return req.head, func() error {
		inner := &req
		if req.GenerateContentRequest != nil {
			inner = req.GenerateContentRequest
		}
		n := tokens(inner.ask().size)
		var w wire
		w.raw(`{"totalTokens":`).num(n).raw(`,"promptTokensDetails":[{"modality":"TEXT","tokenCount":`).num(n).raw(`}]}`)
		return x.sendJSON(w.buf)
	}, nil
}

// ask reads the request as every API's are read.
func (req *geminiRequest) ask() *ask {
	config := &req.GenerationConfig
	q := &ask{
		think:      config.ThinkingConfig.IncludeThoughts,
		limit:      config.MaxOutputTokens,
		stops:      config.StopSequences,
		structured: config.ResponseMIMEType == "application/json",
		schema:     config.ResponseJSONSchema,
	}
	if len(q.schema) == 0 {
		q.schema = config.ResponseSchema
	}
	calling := &req.ToolConfig.FunctionCallingConfig
	q.choice.none = calling.Mode == "NONE"
	if len(calling.AllowedFunctionNames) > 0 {
		q.choice.name = calling.AllowedFunctionNames[0]
	}
	system, snake := req.SystemInstruction.content(), req.SystemInstructionSnake.content()
	q.size = system.size + snake.size
	for i := range req.Contents {
		c := req.Contents[i].content()
		q.size += c.size
		q.answered = c.result
		if req.Contents[i].Role != "model" && c.text != "" {
			q.prompt = c.text
		}
	}
	for i := range req.Tools {
		for j := range req.Tools[i].FunctionDeclarations {
			f := &req.Tools[i].FunctionDeclarations[j]
			t := tool{f.Name, f.ParametersJSONSchema}
			if len(t.schema) == 0 {
				t.schema = f.Parameters
			}
			q.tools = append(q.tools, t)
		}
	}
	return q
}

// generate writes answers of generateContent.
type generate struct {
	*answer
	n     int
	id    string
	model string
	sse   bool
	// written is how many tokens a stream has written.
	written int
}

// whole writes the answer that is not a stream.
func (g *generate) whole() []byte {
	var w wire
	w.raw(`{"candidates":[`)
	for i := range g.n {
		w.comma(i).raw(`{"content":{"parts":[`)
		n := 0
		if len(g.thoughts) > 0 {
			g.thoughtPart(&w, g.fullThoughts(), true)
			n++
		}
		if len(g.text) > 0 {
			g.textPart(w.comma(n), g.fullText())
			n++
		}
		for j := range g.calls {
			g.callPart(w.comma(n), j)
			n++
		}
		w.raw(`],"role":"model"},"finishReason":"`).raw(g.reason()).raw(`","index":`).num(i).raw(`}`)
	}
	w.raw(`]`)
	g.tail(&w, g.output())
	return w.buf
}

func (g *generate) thoughtPart(w *wire, s string, signed bool) {
	w.raw(`{"text":`).str(s).raw(`,"thought":true`)
	if signed {
		w.raw(`,"thoughtSignature":`).str(opaque(g.id))
	}
	w.raw(`}`)
}

func (g *generate) textPart(w *wire, s string) {
	w.raw(`{"text":`).str(s).raw(`}`)
}

// callPart writes a call; with thoughts, it carries their signature, which
// clients must send back with it.
func (g *generate) callPart(w *wire, i int) {
	c := &g.calls[i]
	w.raw(`{"functionCall":{"name":`).str(c.name).raw(`,"args":`).raw(c.arguments()).raw(`}`)
	if len(g.thoughts) > 0 && i == 0 {
		w.raw(`,"thoughtSignature":`).str(opaque(g.id))
	}
	w.raw(`}`)
}

func (g *generate) reason() string {
	switch g.end {
	case endLength:
		return "MAX_TOKENS"
	case endFilter:
		return "SAFETY"
	default:
		return "STOP"
	}
}

// tail writes the members after the candidates. Gemini counts thoughts apart
// from the candidates' tokens.
func (g *generate) tail(w *wire, output int) {
	thoughts := min(output, len(g.thoughts)) * g.n
	candidates := output*g.n - thoughts
	w.raw(`,"usageMetadata":{"promptTokenCount":`).num(g.input)
	if g.cached > 0 {
		w.raw(`,"cachedContentTokenCount":`).num(g.cached)
	}
	w.raw(`,"candidatesTokenCount":`).num(candidates).raw(`,"totalTokenCount":`).num(g.input + candidates + thoughts)
	w.raw(`,"promptTokensDetails":[{"modality":"TEXT","tokenCount":`).num(g.input).raw(`}]`)
	if thoughts > 0 {
		w.raw(`,"thoughtsTokenCount":`).num(thoughts)
	}
	w.raw(`},"modelVersion":`).str(g.model).raw(`,"responseId":`).str(g.id).raw(`}`)
}

func (g *generate) mediaType() (string, framing) {
	if g.sse {
		return eventStream, events
	}
	return "application/json; charset=UTF-8", array
}

// open does nothing: this API's streams begin with content.
func (g *generate) open(*wire) {}

func (g *generate) delta(w *wire, d delta) {
	if d.choice == 0 {
		g.written++
	}
	if d.kind == toolCall && !d.last {
		// Gemini sends a call in one piece.
		return
	}
	w.event("").raw(`{"candidates":[{"content":{"parts":[`)
	switch d.kind {
	case thought:
		g.thoughtPart(w, d.s, d.last)
	case text:
		g.textPart(w, d.s)
	case toolCall:
		g.callPart(w, d.call)
	}
	w.raw(`],"role":"model"},"index":`).num(d.choice).raw(`}]`)
	g.tail(w, g.written)
	w.end()
}

func (g *generate) close(w *wire) {
	for i := range g.n {
		w.event("").raw(`{"candidates":[{"content":{"parts":[{"text":""}],"role":"model"},"finishReason":"`)
		w.raw(g.reason()).raw(`","index":`).num(i).raw(`}]`)
		g.tail(w, g.output())
		w.end()
	}
}

func (g *generate) fail(w *wire, e *apiError) {
	w.event("").raw(string(e.body(gemini, ""))).end()
}

// Interface guards
var _ dialect = (*generate)(nil)
