package gemini_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/gemini"
)

func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range []string{
		`{"contents":[{"role":"user","parts":[{"text":"Hi"},{"inline_data":{"mime_type":"image/png","data":"AAAA"}}]}],"generationConfig":{"topK":"3","thinkingConfig":{"thinkingLevel":"LOW"}}}`,
		`{"contents":{"parts":[{"functionResponse":{"name":"f","response":{"output":1}}},{"functionCall":{"name":"f","args":[]}}]},"tools":{"functionDeclarations":{"name":"f","parameters":{"type":"OBJECT"}}}}`,
		`{"contents":[],"systemInstruction":"s","toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}},"x":1}`,
		`{"contents":[{"parts":[{"thoughtSignature":"cGxleHVzOmFudGhyb3BpYzpzaWc=","text":""},{"fileData":{"fileUri":"%"},"videoMetadata":{}}]}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Add([]byte(`{"generate_content_request":{"contents":"Hi"}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if counted, err := gemini.DecodeCountTokens(body); err == nil {
			require.NotNil(t, counted)
		}
		foreign := gemini.Foreign("gemini-3-pro", body)
		req, err := codec.DecodeRequest(body)
		if err != nil {
			return
		}
		require.Equal(t, foreign, gemini.Foreign("gemini-3-pro", body))
		for _, source := range []api.API{api.Gemini, api.Chat} {
			req.Source = source
			out, _, err := codec.EncodeRequest(req)
			if err != nil {
				continue
			}
			require.True(t, json.Valid(out), "%s", out)
			_, err = codec.DecodeRequest(out)
			if source == api.Gemini {
				require.NoError(t, err, "%s", out)
			}
		}
	})
}

func FuzzDecodeResponse(f *testing.F) {
	for _, seed := range []string{
		`{"candidates":[{"content":{"parts":[{"text":"a","thought":true},{"functionCall":{"name":"f"}}]},"finishReason":"STOP","index":1}],"usageMetadata":{"promptTokenCount":3}}`,
		`{"candidates":[{"content":{"parts":[{"text":"é"}]},"groundingMetadata":{"groundingChunks":[{"web":{"uri":"u"}}],"groundingSupports":[{"segment":{"partIndex":9,"startIndex":1,"endIndex":2},"groundingChunkIndices":[0,-1]}]}}]}`,
		`{"promptFeedback":{"blockReason":"OTHER"},"createTime":"2026-01-01T00:00:00Z"}`,
		`{"candidates":[{"logprobsResult":{"chosenCandidates":[{"token":1}]},"citationMetadata":{"citations":[{"uri":"u","endIndex":99}]}}]}`,
		"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"\xff\xff\"}]}}]}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		resp, err := codec.DecodeResponse(body)
		if err != nil {
			return
		}
		out, err := codec.EncodeResponse(resp, &api.Request{})
		require.NoError(t, err)
		require.True(t, json.Valid(out), "%s", out)
		again, err := codec.DecodeResponse(out)
		require.NoError(t, err, "%s", out)
		require.Len(t, again.Choices, len(resp.Choices))
		for i := range resp.Choices {
			require.Equal(t, said(&resp.Choices[i]), said(&again.Choices[i]))
		}
	})
}

// said is the texts and calls of a choice. Some texts were cut through a
// character; each byte of a broken one becomes a character of its own, as in JSON.
func said(c *api.Choice) (out []string) {
	for i := range c.Parts {
		switch p := &c.Parts[i]; p.Kind {
		case api.Text, api.Thinking:
			out = append(out, string([]rune(p.Text)))
		case api.ToolCall:
			out = append(out, string([]rune(p.Call.Name)))
		}
	}
	return out
}

// Any events at all: no panic, the order of api.EventKind, one end.
func FuzzStream(f *testing.F) {
	f.Add([]byte(chunkOf(`{"text":"a\ud83d","thought":true},{"functionCall":{"name":"f","willContinue":true}}`) + "\n" +
		chunkOf(`{"functionCall":{"partialArgs":[{"jsonPath":"$.a[0]['b']","stringValue":"x","willContinue":true}],"willContinue":true}}`) + "\n" + chunkOf(``, stop)))
	f.Add([]byte(chunkOf(`{"text":"a","thoughtSignature":"x"},{"executableCode":{}}`) + "\n" + `{"error":{"code":503}}`))
	f.Add([]byte(`{"candidates":[{"index":3,"content":{"parts":[{"text":"é"}]},"finishReason":"STOP","citationMetadata":{"citations":[{"uri":"u","endIndex":2}]}}]}`))
	f.Fuzz(func(t *testing.T, stream []byte) {
		order := newOrder(t)
		d, e := codec.NewStreamDecoder(), codec.NewStreamEncoder(&api.Request{Model: "m"})
		var out []byte
		var first, second api.Accumulator
		emit := func(ev *api.Event) {
			order.see(ev)
			first.Add(ev)
			out = e.Encode(out, ev)
		}
		broken := false
		for chunk := range bytes.SplitSeq(stream, []byte("\n")) {
			if broken = d.Decode(nil, chunk, emit) != nil; broken {
				return
			}
		}
		ended := d.Close(emit)
		order.close(ended)
		resp, _ := first.Response()
		if first.Err() != nil {
			require.False(t, ended)
			require.NotContains(t, string(out), `"finishReason"`)
			return
		}
		again := codec.NewStreamDecoder()
		for chunk := range strings.SplitSeq(string(out), "\n\n") {
			data := strings.TrimPrefix(chunk, "data: ")
			require.True(t, data == "" || json.Valid([]byte(data)), "%s", data)
			require.NoError(t, again.Decode(nil, []byte(data), second.Add))
		}
		if !ended {
			return
		}
		require.True(t, again.Close(second.Add))
		got, _ := second.Response()
		require.Len(t, got.Choices, len(resp.Choices))
		for i := range resp.Choices {
			require.Equal(t, strings.Join(said(&resp.Choices[i]), ""), strings.Join(said(&got.Choices[i]), ""))
		}
	})
}
