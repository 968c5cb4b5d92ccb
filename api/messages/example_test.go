package messages_test

import (
	"fmt"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/messages"
)

// A neutral request becomes one that Anthropic takes.
func ExampleCodec_EncodeRequest() {
	body, dropped, err := messages.Codec{}.EncodeRequest(&api.Request{
		Source: api.Chat,
		Model:  "claude-haiku-4-5",
		Messages: []api.Message{
			{Role: api.RoleSystem, Parts: []api.Part{{Kind: api.Text, Text: "Be brief."}}},
			{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: "Hello!"}}},
		},
		MaxTokens: 100,
		Seed:      "7",
	})
	fmt.Println(string(body), dropped, err)
	// Output: {"model":"claude-haiku-4-5","max_tokens":100,"system":"Be brief.","messages":[{"role":"user","content":"Hello!"}]} [seed] <nil>
}

// A provider's stream becomes the stream of a client.
func ExampleCodec_NewStreamEncoder() {
	decoder := messages.Codec{}.NewStreamDecoder()
	encoder := messages.Codec{}.NewStreamEncoder(&api.Request{Model: "fast"})
	var out []byte
	emit := func(ev *api.Event) { out = encoder.Encode(out, ev) }
	for _, data := range []string{
		`{"type":"message_start","message":{"id":"msg_1","usage":{"input_tokens":3,"output_tokens":1}}}`,
		`{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello!"}}`,
		`{"type":"content_block_stop","index":0}`,
		`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}`,
		`{"type":"message_stop"}`,
	} {
		out = out[:0]
		if err := decoder.Decode(nil, []byte(data), emit); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println(decoder.Close(emit))
	fmt.Print(string(out))
	// Output:
	// true
	// event: message_delta
	// data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":4}}
	//
	// event: message_stop
	// data: {"type":"message_stop"}
}
