package sdk_test

import (
	"encoding/json"
	"strings"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// feature is a row of the table: what is asked, and what has to come of it.
type feature struct {
	name string
	run  func(c *cell)
}

const (
	greenText  = "Hello from the green provider."
	thoughts   = "The user asks, so a mock must answer."
	thoughtLen = 8 // words, which are the mock's tokens
	textLen    = 5

	pngData = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	pdfData = "JVBERi0xLjQKJSVFT0YK"
	pngURL  = "https://example.com/a.png"
	pdfURL  = "https://example.com/a.pdf"
)

var answerSchema = map[string]any{
	"type":                 "object",
	"properties":           map[string]any{"answer": map[string]any{"type": "string"}},
	"required":             []string{"answer"},
	"additionalProperties": false,
}

var features = []feature{
	{"text", func(c *cell) { c.says(c.ask(question{})) }},
	{"text, streamed", func(c *cell) {
		r := c.ask(question{stream: true})
		c.says(r)
		require.Equal(c, textLen, r.pieces, "the provider's pieces")
	}},
	{"letters of all kinds", letters},
	{"system prompt", func(c *cell) {
		c.says(c.ask(question{system: "Be brief."}))
		c.sent("Be brief.", at{
			chatAPI: `messages.#(role=="system").content`, responsesAPI: "instructions",
			messagesAPI: "system", geminiAPI: "systemInstruction.parts.0.text",
		})
	}},
	{"several turns", severalTurns},
	{"tool call", func(c *cell) { c.calls(c.ask(question{tools: weather}), 1) }},
	{"tool call, streamed", func(c *cell) { c.calls(c.ask(question{tools: weather, stream: true}), 1) }},
	{"parallel calls", func(c *cell) {
		c.does(`{"parallel_calls":2}`)
		c.calls(c.ask(question{tools: both}), 2)
	}},
	{"parallel calls, streamed", func(c *cell) {
		c.does(`{"parallel_calls":2}`)
		c.calls(c.ask(question{tools: both, stream: true}), 2)
	}},
	{"text before a call", func(c *cell) { textAndCall(c, false) }},
	{"text before a call, streamed", func(c *cell) { textAndCall(c, true) }},
	{"numbers in arguments", numbers},
	{"one call at a time", func(c *cell) {
		c.does(`{"parallel_calls":2}`)
		r := c.ask(question{tools: both, single: true})
		if c.target == geminiAPI {
			c.calls(r, 2)
			c.settle(leftOut)
		}
		c.calls(r, 1)
	}},
	{"no call", func(c *cell) { c.says(c.ask(question{tools: weather, choice: "none"})) }},
	{"some call", func(c *cell) {
		c.calls(c.ask(question{tools: weather, choice: "required"}), 1)
		c.sent("required", at{chatAPI: "tool_choice", responsesAPI: "tool_choice"})
		c.sent("any", at{messagesAPI: "tool_choice.type"})
		c.sent("ANY", at{geminiAPI: "toolConfig.functionCallingConfig.mode"})
	}},
	{"a certain call", func(c *cell) {
		r := c.ask(question{tools: both, choice: "get_time"})
		require.Len(c, r.calls, 1)
		require.Equal(c, "get_time", r.calls[0].name)
	}},
	{"tool result", func(c *cell) { toolResult(c, false, weather) }},
	{"tool result, streamed", func(c *cell) { toolResult(c, true, weather) }},
	{"results of parallel calls", func(c *cell) { toolResult(c, true, both) }},
	{"tool result with an image", resultWithImage},
	{"tool result that is an error", failedResult},
	{"image", func(c *cell) {
		c.shows(anImage, pngData, at{
			chatAPI: `messages.0.content.#(type=="image_url").image_url.url`, responsesAPI: `input.0.content.#(type=="input_image").image_url`,
			messagesAPI: `messages.0.content.#(type=="image").source.data`, geminiAPI: "contents.0.parts.#.inlineData.data",
		})
	}},
	{"image at a URL", func(c *cell) {
		c.shows(anImageURL, pngURL, at{
			chatAPI: `messages.0.content.#(type=="image_url").image_url.url`, responsesAPI: `input.0.content.#(type=="input_image").image_url`,
			messagesAPI: `messages.0.content.#(type=="image").source.url`, geminiAPI: "contents.0.parts.#.fileData.fileUri",
		})
	}},
	{"document", func(c *cell) {
		c.shows(aDocument, pdfData, at{
			chatAPI: `messages.0.content.#(type=="file").file.file_data`, responsesAPI: `input.0.content.#(type=="input_file").file_data`,
			messagesAPI: `messages.0.content.#(type=="document").source.data`, geminiAPI: "contents.0.parts.#.inlineData.data",
		})
	}},
	{"document at a URL", func(c *cell) {
		c.shows(aDocumentURL, pdfURL, at{
			responsesAPI: `input.0.content.#(type=="input_file").file_url`,
			messagesAPI:  `messages.0.content.#(type=="document").source.url`, geminiAPI: "contents.0.parts.#.fileData.fileUri",
		})
	}},
	{"structured output", func(c *cell) { structured(c, false) }},
	{"structured output, streamed", func(c *cell) { structured(c, true) }},
	{"reasoning", func(c *cell) { c.thinks(c.ask(question{reasoning: true})) }},
	{"reasoning, streamed", func(c *cell) { c.thinks(c.ask(question{reasoning: true, stream: true})) }},
	{"reasoning sent back", func(c *cell) { reasoningBack(c, false) }},
	{"reasoning sent back, streamed", func(c *cell) { reasoningBack(c, true) }},
	{"reasoning of another vendor", foreignReasoning},
	{"reasoning that nobody signed", unsignedReasoning},
	{"reasoning tokens", reasoningTokens},
	{"cached tokens", func(c *cell) { cachedTokens(c, false) }},
	{"cached tokens, streamed", func(c *cell) { cachedTokens(c, true) }},
	{"stop sequence", stopSequence},
	{"limit of tokens", func(c *cell) { limit(c, false) }},
	{"limit of tokens, streamed", func(c *cell) { limit(c, true) }},
	{"content filter", func(c *cell) { filtered(c, false) }},
	{"content filter, streamed", func(c *cell) { filtered(c, true) }},
	{"temperature", func(c *cell) {
		c.says(c.ask(question{temperature: 0.5}))
		c.sent("0.5", at{chatAPI: "temperature", responsesAPI: "temperature", messagesAPI: "temperature", geminiAPI: "generationConfig.temperature"})
	}},
	{"top_p", func(c *cell) {
		c.says(c.ask(question{topP: 0.75}))
		c.sent("0.75", at{chatAPI: "top_p", responsesAPI: "top_p", messagesAPI: "top_p", geminiAPI: "generationConfig.topP"})
	}},
	{"two answers", func(c *cell) { twoAnswers(c, false) }},
	{"two answers, streamed", func(c *cell) { twoAnswers(c, true) }},
	{"end user", func(c *cell) {
		c.says(c.ask(question{user: "user-1"}))
		if c.target == geminiAPI {
			c.settle(leftOut)
		}
		c.sent("user-1", at{chatAPI: "user", responsesAPI: "user", messagesAPI: "metadata.user_id"})
	}},
	{"error 400", error400},
	{"error 429 with Retry-After", error429},
	{"error in a stream", func(c *cell) { brokenStream(c, "error_event") }},
	{"stream that is cut", func(c *cell) { brokenStream(c, "cut") }},
	{"stream without its end", func(c *cell) { brokenStream(c, "end") }},
	{"whole answer of a stream", func(c *cell) {
		c.provider += "-streams"
		c.says(c.ask(question{}))
		c.streamed(true)
	}},
	{"stream of a whole answer", func(c *cell) {
		c.provider += "-whole"
		c.says(c.ask(question{stream: true}))
		c.streamed(false)
	}},
	{"count of tokens", countTokens},
}

// says checks that an answer is the mock's text, and no more.
func (c *cell) says(r *reply) {
	c.Helper()
	require.Equal(c, greenText, r.text)
	require.Equal(c, []string{greenText}, r.texts)
	require.Empty(c, r.calls)
	require.Empty(c, r.reasoning)
	require.Equal(c, "stop", r.finish)
	require.Equal(c, int64(textLen), r.usage.output)
	require.Positive(c, r.usage.input)
}

var (
	weather = []string{"get_weather"}
	both    = []string{"get_weather", "get_time"}
)

// calls checks that an answer is n calls.
func (c *cell) calls(r *reply, n int) {
	c.Helper()
	require.Len(c, r.calls, n)
	require.Equal(c, "calls", r.finish)
	require.Empty(c, r.text)
	ids := map[string]bool{}
	for i, one := range r.calls {
		require.Equal(c, both[i], one.name)
		require.JSONEq(c, weatherArguments, one.arguments)
		require.False(c, ids[one.id] && c.client != geminiAPI, "two calls with the id %s", one.id)
		ids[one.id] = true
	}
}

// shows checks that what is sent beside the text reaches the provider.
func (c *cell) shows(m media, want string, paths at) {
	c.Helper()
	c.says(c.ask(question{media: m}))
	c.sent(want, paths)
	require.Contains(c, c.received().Body, c.prompt)
}

func (c *cell) thinks(r *reply) {
	c.Helper()
	require.Equal(c, thoughts, r.reasoning)
	require.Equal(c, greenText, r.text)
	require.Equal(c, "stop", r.finish)
	require.Equal(c, int64(thoughtLen+textLen), r.usage.output)
}

// streamed checks how the provider was asked.
func (c *cell) streamed(want bool) {
	c.Helper()
	got := c.received()
	require.Equal(c, want, strings.Contains(got.Path, ":streamGenerateContent") || gjson.Get(got.Body, "stream").Bool())
}

func letters(c *cell) {
	const text = `Zażółć 日本 🎉 "quoted" \ </b> &amp;` + "\n\ttabs \u2028 e\u0301."
	options, err := json.Marshal(map[string]any{"text": text})
	require.NoError(c, err)
	c.does(string(options))
	for _, stream := range []bool{false, true} {
		r := c.ask(question{stream: stream, system: text})
		require.Equal(c, text, r.text)
		c.sent(text, at{
			chatAPI: `messages.#(role=="system").content`, responsesAPI: "instructions", geminiAPI: "systemInstruction.parts.0.text",
		})
	}
}

func textAndCall(c *cell, stream bool) {
	c.does(`{"preamble":true}`)
	r := c.ask(question{tools: weather, stream: stream})
	require.Equal(c, greenText, r.text)
	r.text = ""
	c.calls(r, 1)
	q := question{tools: weather, stream: stream, resumes: true, earlier: []turn{{prompt: c.prompt, said: r.said}}}
	q.earlier[0].results = []result{{call: r.calls[0], text: "The result of get_weather."}}
	c.says(c.ask(q))
	texts, _, _ := resultPaths(0)
	c.sent("The result of get_weather.", texts)
	c.sent(greenText, at{chatAPI: "messages.1.content", responsesAPI: "input.1.content", messagesAPI: "messages.1.content.0.text"})
	c.sent("Hello", at{geminiAPI: "contents.1.parts.0.text"}) // perhaps in pieces
}

// numbers that no float64 holds pass through; what an SDK makes of them is its own
// affair.
func numbers(c *cell) {
	c.does(`{"arguments":"{\"a\":12345678901234567890,\"b\":1e-7,\"c\":0.10}"}`)
	c.ask(question{tools: weather})
	for _, number := range []string{"12345678901234567890", "1e-7", "0.10"} {
		require.Contains(c, c.wire.got.String(), number)
	}
}

func severalTurns(c *cell) {
	first := c.ask(question{})
	c.says(c.ask(question{system: "Be brief.", earlier: []turn{{prompt: "the first prompt", said: first.said}}}))
	c.sent("the first prompt", at{
		chatAPI: "messages.1.content", responsesAPI: "input.0.content", messagesAPI: "messages.0.content", geminiAPI: "contents.0.parts.0.text",
	})
	c.sent(greenText, at{
		chatAPI: "messages.2.content", responsesAPI: "input.1.content", messagesAPI: "messages.1.content", geminiAPI: "contents.1.parts.#.text",
	})
	c.sent(c.prompt, at{
		chatAPI: "messages.3.content", responsesAPI: "input.2.content", messagesAPI: "messages.2.content", geminiAPI: "contents.2.parts.0.text",
	})
}

// afterCalls asks for calls, and then again with their results.
func (c *cell) afterCalls(q question, change func(r *result)) *reply {
	c.Helper()
	prompt := c.prompt
	first := c.ask(q)
	c.calls(first, len(q.tools))
	q.earlier = []turn{{prompt: prompt, said: first.said}}
	for _, one := range first.calls {
		r := result{call: one, text: "The result of " + one.name + "."}
		change(&r)
		q.earlier[0].results = append(q.earlier[0].results, r)
	}
	q.resumes = true
	return c.ask(q)
}

// resultPaths are where the text of the nth result stands, and the id of a call
// and of a result.
func resultPaths(n int) (texts, calls, results at) {
	i := string(rune('0' + n))
	texts = at{
		chatAPI: `messages.#(role=="tool")#.content|` + i, responsesAPI: `input.#(type=="function_call_output")#.output|` + i,
		messagesAPI: "messages.2.content." + i + ".content", geminiAPI: "contents.2.parts." + i + ".functionResponse.response",
	}
	calls = at{
		chatAPI: `messages.1.tool_calls.` + i + `.id`, responsesAPI: `input.#(type=="function_call")#.call_id|` + i,
		messagesAPI: `messages.1.content.#(type=="tool_use")#.id|` + i, geminiAPI: "contents.1.parts.#.functionCall|" + i + ".id",
	}
	results = at{
		chatAPI: `messages.#(role=="tool")#.tool_call_id|` + i, responsesAPI: `input.#(type=="function_call_output")#.call_id|` + i,
		messagesAPI: "messages.2.content." + i + ".tool_use_id", geminiAPI: "contents.2.parts." + i + ".functionResponse.id",
	}
	return texts, calls, results
}

func toolResult(c *cell, stream bool, tools []string) {
	if len(tools) > 1 {
		c.does(`{"parallel_calls":2}`)
	}
	c.says(c.afterCalls(question{tools: tools, stream: stream}, func(*result) {}))
	body := c.received().Body
	for i, name := range tools {
		texts, calls, results := resultPaths(i)
		c.sent("The result of "+name+".", texts)
		require.Equal(c, gjson.Get(body, calls[c.target]).String(), gjson.Get(body, results[c.target]).String(), "a result and its call: %s", body)
	}
	require.NotContains(c, body, "plexus:")
}

func resultWithImage(c *cell) {
	c.says(c.afterCalls(question{tools: weather}, func(r *result) {
		r.image = true
		// Chat has it in a message of the user's, which the mock takes for a new question.
		c.does(`{"tool_calls":false}`)
	}))
	c.sent("The result of get_weather.", at{
		chatAPI: "messages.2.content", responsesAPI: "input.2.output", messagesAPI: "messages.2.content.0.content", geminiAPI: "contents.2.parts.0.functionResponse.response",
	})
	c.sent(pngData, at{
		chatAPI: "messages.3.content", responsesAPI: "input.2.output", messagesAPI: "messages.2.content.0.content",
		geminiAPI: "contents.2.parts.0.functionResponse.parts",
	})
}

func failedResult(c *cell) {
	c.says(c.afterCalls(question{tools: weather}, func(r *result) { r.failed = true }))
	texts, _, _ := resultPaths(0)
	c.sent("The result of get_weather.", texts)
	c.sent("true", at{messagesAPI: "messages.2.content.0.is_error"})
	c.sent("incomplete", at{responsesAPI: "input.2.status"})
	c.sent(`"error":`, at{geminiAPI: "contents.2.parts.0.functionResponse.response"})
	c.sent(`{"error":`, at{chatAPI: `messages.2.content`})
}

func structured(c *cell, stream bool) {
	r := c.ask(question{schema: true, stream: stream})
	require.JSONEq(c, `{"answer":"mock"}`, r.text)
	require.Equal(c, "stop", r.finish)
	c.sent(`"answer":`, at{
		chatAPI: "response_format.json_schema.schema.properties", responsesAPI: "text.format.schema.properties",
		messagesAPI: "output_config.format.schema.properties", geminiAPI: "generationConfig.responseJsonSchema.properties",
	})
}

func cachedTokens(c *cell, stream bool) {
	c.does(`{"cached_tokens":5}`)
	r := c.ask(question{stream: stream})
	require.Equal(c, usage{input: int64(len(c.prompt) / 4), cached: 5, output: textLen}, r.usage)
}

func stopSequence(c *cell) {
	c.does(`{"text":"One two three."}`)
	for _, stream := range []bool{false, true} {
		r := c.ask(question{stop: " three", stream: stream})
		require.Equal(c, "One two", r.text)
		require.Equal(c, "stop", r.finish)
		c.sent(" three", at{chatAPI: "stop", messagesAPI: "stop_sequences", geminiAPI: "generationConfig.stopSequences"})
	}
}

func limit(c *cell, stream bool) {
	c.does(`{"tokens":50,"text":""}`)
	r := c.ask(question{limit: 20, stream: stream})
	require.Equal(c, "length", r.finish)
	require.Equal(c, int64(20), r.usage.output)
	require.NotEmpty(c, r.text)
	c.sent("20", at{
		chatAPI: "@values", responsesAPI: "max_output_tokens", messagesAPI: "max_tokens", geminiAPI: "generationConfig.maxOutputTokens",
	})
}

func filtered(c *cell, stream bool) {
	c.does(`{"filtered":true}`)
	r := c.ask(question{stream: stream})
	require.Equal(c, "filter", r.finish)
	require.Equal(c, greenText, r.text)
}

func twoAnswers(c *cell, stream bool) {
	r := c.ask(question{n: 2, stream: stream})
	require.Equal(c, []string{greenText, greenText}, r.texts)
	require.Equal(c, "stop", r.finish)
	require.Equal(c, int64(2*textLen), r.usage.output)
}

func countTokens(c *cell) {
	counts, ok := c.asker.(counter)
	if !ok {
		c.settle(unsayable)
	}
	prompt := strings.Repeat("four", 10)
	n, err := counts.count(c.Context(), c.model(), prompt)
	require.NoError(c, err)
	require.InDelta(c, 10, n, 10)
	require.Positive(c, n)
	if guess := c.wire.header.Get("X-Plexus-Estimate") == "true"; guess != (c.target != c.client) {
		c.Fatalf("an estimate: %v", guess)
	}
	if c.target != c.client {
		c.settle(estimated)
	}
}
