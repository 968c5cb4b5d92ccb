package gemini_test

import (
	"fmt"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/gemini"
)

// A request of another format becomes one of Gemini's.
func ExampleCodec_EncodeRequest() {
	body, dropped, err := gemini.Codec{}.EncodeRequest(&api.Request{
		Source: api.Chat,
		Model:  "gemini-2.5-flash",
		User:   "customer-7",
		Messages: []api.Message{
			{Role: api.RoleSystem, Parts: []api.Part{{Kind: api.Text, Text: "Be brief."}}},
			{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: "Why is the sky blue?"}}},
		},
		Reasoning: &api.Reasoning{Effort: "low"},
	})
	fmt.Println(string(body), dropped, err)
	// Output: {"systemInstruction":{"parts":[{"text":"Be brief."}]},"contents":[{"role":"user","parts":[{"text":"Why is the sky blue?"}]}],"generationConfig":{"thinkingConfig":{"thinkingBudget":1024,"includeThoughts":true}}} [user] <nil>
}

// A stream of Gemini's is told as events that any format can write.
func ExampleCodec_NewStreamDecoder() {
	d := gemini.Codec{}.NewStreamDecoder()
	emit := func(ev *api.Event) {
		switch ev.Kind {
		case api.Delta:
			fmt.Println(api.Unquote(ev.Text))
		case api.Finished:
			fmt.Println("finished:", ev.Finish)
		}
	}
	_ = d.Decode(nil, []byte(`{"candidates":[{"content":{"parts":[{"text":"Because of"}]}}]}`), emit)
	_ = d.Decode(nil, []byte(`{"candidates":[{"content":{"parts":[{"text":" Rayleigh."}]},"finishReason":"STOP"}]}`), emit)
	fmt.Println("whole:", d.Close(emit))
	// Output:
	// Because of
	//  Rayleigh.
	// finished: stop
	// whole: true
}

// A target that cannot count is stood in for by an estimate.
func ExampleDecodeCountTokens() {
	req, err := gemini.DecodeCountTokens([]byte(`{"contents":[{"parts":[{"text":"Why is the sky blue?"}]}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(string(gemini.EncodeCountTokens(api.EstimateTokens(req))))
	// Output: {"totalTokens":9}
}
