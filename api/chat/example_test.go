package chat_test

import (
	"fmt"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
)

// A client speaks chat; what it wants can then be said in any format.
func ExampleCodec_DecodeRequest() {
	req, err := chat.Codec{}.DecodeRequest([]byte(`{
		"model": "gpt-5-mini",
		"messages": [
			{"role": "system", "content": "Be brief."},
			{"role": "user", "content": "What is the capital of Switzerland?"}
		],
		"max_completion_tokens": 100
	}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(req.Model, req.MaxTokens)
	for _, m := range req.Messages {
		fmt.Println(m.Role, m.Parts[0].Text)
	}
	// Output:
	// gpt-5-mini 100
	// system Be brief.
	// user What is the capital of Switzerland?
}

// A provider streams chunks; each becomes neutral events at once.
func ExampleCodec_NewStreamDecoder() {
	decoder := chat.Codec{}.NewStreamDecoder()
	emit := func(ev *api.Event) {
		switch ev.Kind {
		case api.Delta:
			fmt.Print(api.Unquote(ev.Text))
		case api.Finished:
			fmt.Println("\nfinished:", ev.Finish)
		}
	}
	for _, data := range []string{
		`{"id":"1","choices":[{"index":0,"delta":{"role":"assistant","content":"Bern"}}]}`,
		`{"id":"1","choices":[{"index":0,"delta":{"content":"."}}]}`,
		`{"id":"1","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`,
		`[DONE]`,
	} {
		if err := decoder.Decode(nil, []byte(data), emit); err != nil {
			fmt.Println(err)
		}
	}
	fmt.Println("whole:", decoder.Close(emit))
	// Output:
	// Bern.
	// finished: stop
	// whole: true
}

// An answer of any format, as a chat client expects it.
func ExampleCodec_NewStreamEncoder() {
	req := &api.Request{Source: api.Chat, Model: "claude"}
	encoder := chat.Codec{}.NewStreamEncoder(req)
	answer := &api.Response{ID: "msg_1", Created: 1700000000, Choices: []api.Choice{{
		Parts:  []api.Part{{Kind: api.Text, Text: "Bern."}},
		Finish: api.FinishStop,
	}}}
	var out []byte
	answer.Emit(func(ev *api.Event) { out = encoder.Encode(out, ev) })
	fmt.Print(string(out))
	// Output:
	// data: {"id":"msg_1","object":"chat.completion.chunk","created":1700000000,"model":"claude","choices":[{"index":0,"delta":{"role":"assistant","content":"","refusal":null},"logprobs":null,"finish_reason":null}]}
	//
	// data: {"id":"msg_1","object":"chat.completion.chunk","created":1700000000,"model":"claude","choices":[{"index":0,"delta":{"content":"Bern."},"logprobs":null,"finish_reason":null}]}
	//
	// data: {"id":"msg_1","object":"chat.completion.chunk","created":1700000000,"model":"claude","choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}]}
	//
	// data: [DONE]
}
