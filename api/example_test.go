package api_test

import (
	"fmt"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
	"github.com/caddy-plexus/plexus/api/messages"
)

// A client that speaks Messages asks a provider that speaks Chat.
func Example() {
	var client, target api.Codec = messages.Codec{}, chat.Codec{}

	req, err := client.DecodeRequest([]byte(`{
		"model": "fast", "max_tokens": 100, "system": "Be brief.", "top_k": 5,
		"messages": [{"role": "user", "content": "Hello!"}]
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	out := *req
	out.Model = "llama-3.3-70b"
	body, dropped, err := target.EncodeRequest(&out)
	fmt.Println(string(body), dropped, err)

	resp, err := target.DecodeResponse([]byte(`{
		"id": "c1", "model": "llama-3.3-70b",
		"choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
		"usage": {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 4}}
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err = client.EncodeResponse(resp, req)
	fmt.Println(string(body), err)
	// Output:
	// {"model":"llama-3.3-70b","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello!"}],"max_tokens":100} [top_k] <nil>
	// {"id":"c1","type":"message","role":"assistant","model":"llama-3.3-70b","content":[{"type":"text","text":"Hi."}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":5,"cache_creation_input_tokens":0,"cache_read_input_tokens":4,"output_tokens":2}} <nil>
}
