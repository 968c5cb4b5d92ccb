package pairs_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// models are what the targets are asked for.
var models = map[api.API]string{
	api.Chat: "gpt-4.1", api.Responses: "gpt-4.1", api.Messages: "claude-sonnet-4-5", api.Gemini: "gemini-2.5-pro",
}

// thinkers are asked where the theme is to think.
var thinkers = map[api.API]string{
	api.Chat: "gpt-5.2", api.Responses: "gpt-5.2", api.Messages: "claude-opus-4-6", api.Gemini: "gemini-3-pro-preview",
}

// TestRequests gives each target the requests of each client: what it receives,
// and what of the request is left out, is in testdata/request, to be read.
func TestRequests(t *testing.T) {
	for _, from := range formats {
		for theme, body := range fixtures(t, "request", from.name, ".json") {
			for _, to := range formats {
				t.Run(theme+"/"+string(from.name)+"-"+string(to.name), func(t *testing.T) {
					req, err := from.codec.DecodeRequest(body)
					require.NoError(t, err)
					checkRequest(t, to, req, body)
					if req.Model = models[to.name]; theme == "think" {
						req.Model = thinkers[to.name]
					}
					golden(t, "request/"+theme+"."+string(from.name)+"-"+string(to.name)+".golden", asked(t, to, req))
				})
			}
		}
	}
}

// asked is what a target is asked, for a person to read.
func asked(t *testing.T, to format, req *api.Request) []byte {
	t.Helper()
	body, dropped, err := to.codec.EncodeRequest(req)
	if err != nil {
		return []byte("refused: " + err.Error() + "\n")
	}
	var out bytes.Buffer
	out.WriteString("dropped: " + strings.Join(dropped, ", ") + "\n")
	require.NoError(t, json.Indent(&out, body, "", "  "), "%s", body)
	out.WriteByte('\n')
	return out.Bytes()
}

// checkRequest checks that a target can read what it is asked.
func checkRequest(t testing.TB, to format, req *api.Request, body []byte) {
	t.Helper()
	out, _, err := to.codec.EncodeRequest(req)
	if err != nil {
		if unsupported, ok := errors.AsType[*api.Unsupported](err); ok {
			require.NotEmpty(t, unsupported.Field)
			require.NotEmpty(t, unsupported.Why)
		}
		require.NotEmpty(t, err.Error())
		return
	}
	require.True(t, json.Valid(out), "%s", out)
	_, err = to.codec.DecodeRequest(out)
	require.NoError(t, err, "%s\nto %s\n%s", body, to.name, out)
}
