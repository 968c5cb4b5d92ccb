package embeddings_test

import (
	"fmt"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/embeddings"
)

// A client of OpenAI's gets its vectors from Google.
func Example() {
	req, err := embeddings.DecodeRequest(api.Embeddings, "", []byte(`{"model":"small","input":["sky","sea"],"dimensions":2,"user":"customer-7"}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Model = "gemini-embedding-001"
	body, method, dropped, err := embeddings.EncodeRequest(api.Gemini, req)
	fmt.Println(method, string(body), dropped, err)

	resp, err := embeddings.DecodeResponse(api.Gemini, []byte(`{"embeddings":[{"values":[0.6,0.8]},{"values":[0.8,0.6]}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Model = "small"
	answer, err := embeddings.EncodeResponse(api.Embeddings, resp, req)
	fmt.Println(string(answer), err)
	// Output:
	// batchEmbedContents {"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"sky"}]},"outputDimensionality":2},{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"sea"}]},"outputDimensionality":2}]} [user] <nil>
	// {"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.6,0.8]},{"object":"embedding","index":1,"embedding":[0.8,0.6]}],"model":"small"} <nil>
}
