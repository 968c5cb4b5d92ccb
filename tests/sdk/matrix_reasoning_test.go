package sdk_test

import (
	"encoding/base64"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

// sealed is what every signature of the mock begins with.
var sealed = base64.StdEncoding.EncodeToString([]byte("plexus_mock sealed reasoning "))[:36]

// reasoningBack sends reasoning back with the calls that it led to.
func reasoningBack(c *cell, stream bool) {
	c.does(`{"reasoning":true}`)
	r := c.afterCalls(question{reasoning: true, tools: weather, stream: stream}, func(*result) {})
	c.thinks(r)
	body := c.received().Body
	require.NotContains(c, body, "plexus:")
	require.NotContains(c, body, "cGxleHVzO")
	if c.target == chatAPI { // where nothing is signed
		c.sent(thoughts, at{chatAPI: "messages.1.reasoning_content"})
		return
	}
	c.sent(sealed, at{
		responsesAPI: `input.#(type=="reasoning").encrypted_content`, messagesAPI: "messages.1.content.0.signature", geminiAPI: "contents.1.parts",
	})
	c.sent(thoughts, at{responsesAPI: `input.#(type=="reasoning").summary`, messagesAPI: "messages.1.content.0.thinking"})
}

// foreignReasoning goes on with another vendor's target.
func foreignReasoning(c *cell) {
	other := map[string]string{chatAPI: messagesAPI, responsesAPI: geminiAPI, messagesAPI: geminiAPI, geminiAPI: responsesAPI}
	own := c.target
	c.does(`{"reasoning":true}`)
	c.target, c.provider = other[own], other[own]
	first := c.ask(question{reasoning: true, tools: weather})
	c.target, c.provider = own, own
	require.Len(c, first.calls, 1)
	q := question{tools: weather, earlier: []turn{{prompt: c.prompt, said: first.said}}, resumes: true}
	q.earlier[0].results = []result{{call: first.calls[0], text: "The result of get_weather."}}
	c.does(`{}`)
	c.says(c.ask(q))
	body := c.received().Body
	require.NotContains(c, body, sealed, "another vendor's signature")
	require.NotContains(c, body, base64.StdEncoding.EncodeToString([]byte("plexus:")))
	require.NotContains(c, body, "plexus:")
	texts, _, _ := resultPaths(0)
	c.sent("The result of get_weather.", texts)
}

// unsignedReasoning goes on with what a target said that has no signatures.
func unsignedReasoning(c *cell) {
	own := c.target
	c.does(`{"reasoning":true}`)
	c.target, c.provider = chatAPI, chatAPI
	first := c.ask(question{reasoning: true, tools: weather})
	c.target, c.provider = own, own
	require.Equal(c, thoughts, first.reasoning)
	q := question{tools: weather, earlier: []turn{{prompt: c.prompt, said: first.said}}, resumes: true}
	q.earlier[0].results = []result{{call: first.calls[0], text: "The result of get_weather."}}
	c.does(`{}`)
	c.says(c.ask(q))
	body := c.received().Body
	require.NotContains(c, body, "plexus:")
	require.False(c, gjson.Get(body, `input.#(type=="reasoning")`).Exists(), "an item that OpenAI does not know: %s", body)
	c.sent(thoughts, at{chatAPI: "messages.1.reasoning_content"})
	texts, _, _ := resultPaths(0)
	c.sent("The result of get_weather.", texts)
}

func reasoningTokens(c *cell) {
	for _, stream := range []bool{false, true} {
		r := c.ask(question{reasoning: true, stream: stream})
		require.Equal(c, int64(thoughtLen+textLen), r.usage.output)
		require.Equal(c, int64(thoughtLen), r.usage.reasoning)
	}
}
