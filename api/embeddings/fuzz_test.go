package embeddings_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/embeddings"
)

var formats = []struct {
	api    api.API
	method string
}{{api.Embeddings, ""}, {api.Gemini, single}, {api.Gemini, batch}}

func FuzzRequest(f *testing.F) {
	for i, seed := range []string{
		`{"model":"m","input":["a","b\ud83d"],"dimensions":8,"encoding_format":"base64","user":"u"}`,
		`{"content":{"parts":[{"text":"a"},{"inline_data":{}}]},"task_type":"X","output_dimensionality":"8","embedContentConfig":{"outputDimensionality":2,"x":1}}`,
		`{"requests":[{"model":"models/x","content":"a"},{"content":{"parts":{"text":"b"}}}],"x":1}`,
		`{"input":[[1,2],"a"]}`,
	} {
		f.Add(uint(i), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, which uint, body []byte) {
		from := formats[which%uint(len(formats))]
		req, err := embeddings.DecodeRequest(from.api, from.method, body)
		if err != nil {
			return
		}
		require.NotEmpty(t, req.Inputs)
		for _, target := range []api.API{api.Embeddings, api.Gemini} {
			out, method, _, err := embeddings.EncodeRequest(target, req)
			if err != nil {
				require.NotEqual(t, from.api, target)
				continue
			}
			require.True(t, json.Valid(out), "%s", out)
			again, err := embeddings.DecodeRequest(target, method, out)
			require.NoError(t, err, "%s", out)
			require.Len(t, again.Inputs, len(req.Inputs))
			require.Equal(t, req.Dimensions, again.Dimensions)
		}
	})
}

func FuzzResponse(f *testing.F) {
	f.Add(uint(0), []byte(`{"data":[{"index":1,"embedding":[1,-2.5e-7]},{"index":0,"embedding":"AACAPw=="}],"model":"m","usage":{"prompt_tokens":1}}`))
	f.Add(uint(1), []byte(`{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":3}}`))
	f.Add(uint(2), []byte(`{"embeddings":[{"values":[]},{"values":[0.1,1e99]}]}`))
	f.Fuzz(func(t *testing.T, which uint, body []byte) {
		resp, err := embeddings.DecodeResponse(formats[which%uint(len(formats))].api, body)
		if err != nil {
			return
		}
		for _, to := range formats {
			req := &embeddings.Request{Inputs: make([]embeddings.Input, len(resp.Vectors)), Base64: which%2 == 0, Batch: to.method == batch || len(resp.Vectors) > 1}
			out, err := embeddings.EncodeResponse(to.api, resp, req)
			if err != nil {
				continue
			}
			require.True(t, json.Valid(out), "%s", out)
			again, err := embeddings.DecodeResponse(to.api, out)
			require.NoError(t, err, "%s", out)
			require.Len(t, again.Vectors, len(resp.Vectors))
		}
	})
}
