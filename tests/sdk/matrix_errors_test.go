package sdk_test

import (
	"encoding/json"
	"net/http"

	"github.com/stretchr/testify/require"
)

// kinds are the words for errors.
var kinds = map[string]map[int]string{
	chatAPI:      {400: "invalid_request_error", 429: "rate_limit_error", 500: "server_error"},
	responsesAPI: {400: "invalid_request_error", 429: "rate_limit_error", 500: "server_error"},
	messagesAPI:  {400: "invalid_request_error", 429: "rate_limit_error", 500: "api_error"},
	geminiAPI:    {400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"},
}

func error400(c *cell) {
	c.does(`{"status":400,"message":"The prompt is odd."}`)
	for _, stream := range []bool{false, true} {
		_, p := c.fails(question{stream: stream})
		require.Equal(c, 400, p.status)
		require.Equal(c, kinds[c.client][400], p.kind)
		require.Contains(c, p.message, "The prompt is odd.")
	}
}

func error429(c *cell) {
	c.does(`{"status":429,"retry_after":7}`)
	for _, stream := range []bool{false, true} {
		_, p := c.fails(question{stream: stream})
		require.Equal(c, http.StatusTooManyRequests, p.status)
		require.Equal(c, kinds[c.client][429], p.kind)
		require.Equal(c, "7", c.wire.header.Get("Retry-After"))
	}
}

func brokenStream(c *cell, fault string) {
	options, err := json.Marshal(map[string]any{"fault": fault, "after": 2, "message": "Something broke."})
	require.NoError(c, err)
	c.does(string(options))
	r, p := c.fails(question{stream: true})
	require.Equal(c, "Hello from", r.text)
	require.Empty(c, r.finish)
	if c.client != geminiAPI {
		require.Equal(c, kinds[c.client][500], p.kind)
	}
	if fault == "error_event" {
		require.Contains(c, p.message, "Something broke.")
	}
}
