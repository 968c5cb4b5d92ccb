package responses_test

import (
	"fmt"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/responses"
)

// A neutral request becomes one that OpenAI's Responses take.
func ExampleCodec_EncodeRequest() {
	body, dropped, err := responses.Codec{}.EncodeRequest(&api.Request{
		Source: api.Messages,
		Model:  "gpt-5-mini",
		Messages: []api.Message{
			{Role: api.RoleSystem, Parts: []api.Part{{Kind: api.Text, Text: "Be brief."}}},
			{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: "Hello!"}}},
		},
		MaxTokens: 100,
		TopK:      "7",
	})
	fmt.Println(string(body), dropped, err)
	// Output: {"model":"gpt-5-mini","instructions":"Be brief.","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"Hello!"}]}],"max_output_tokens":100,"store":false} [top_k] <nil>
}

// A provider's stream becomes the stream of a client.
func ExampleCodec_NewStreamEncoder() {
	decoder := responses.Codec{}.NewStreamDecoder()
	encoder := responses.Codec{}.NewStreamEncoder(&api.Request{Model: "fast"})
	var out []byte
	emit := func(ev *api.Event) { out = encoder.Encode(out, ev) }
	for _, data := range []string{
		`{"type":"response.created","response":{"id":"resp_1","model":"m","created_at":7}}`,
		`{"type":"response.output_item.added","output_index":0,"item":{"type":"message","id":"msg_1"}}`,
		`{"type":"response.output_text.delta","output_index":0,"item_id":"msg_1","content_index":0,"delta":"Hello"}`,
		`{"type":"response.output_text.delta","output_index":0,"item_id":"msg_1","content_index":0,"delta":"!"}`,
	} {
		out = out[:0]
		if err := decoder.Decode(nil, []byte(data), emit); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Print(string(out))
	fmt.Println(decoder.Close(emit)) // it is cut off
	// Output:
	// event: response.output_text.delta
	// data: {"type":"response.output_text.delta","sequence_number":5,"item_id":"msg_1","output_index":0,"content_index":0,"delta":"!","logprobs":[]}
	//
	// false
}
