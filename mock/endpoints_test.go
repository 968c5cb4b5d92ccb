package mock

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"image/png"
	"math"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestEmbeddings(t *testing.T) {
	url := serve(t, `{}`).URL + "/v1/embeddings"
	got := object(t, post(t, url, `{"model":"e","input":["12345678","b"],"dimensions":3}`).body)
	require.Equal(t, "list", got["object"])
	require.Equal(t, "e", got["model"])
	require.Len(t, got["data"], 2)
	require.InDelta(t, 2, at(t, got, "usage", "prompt_tokens"), 0)
	list := at(t, got, "data", 0, "embedding").([]any)
	require.Len(t, list, 3)
	require.NotEqual(t, list, at(t, got, "data", 1, "embedding"))

	same := object(t, post(t, url, `{"model":"e","input":"12345678","dimensions":3,"encoding_format":"base64"}`).body)
	raw, err := base64.StdEncoding.DecodeString(at(t, same, "data", 0, "embedding").(string))
	require.NoError(t, err)
	require.Len(t, raw, 12)
	for i := range list {
		value := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
		require.InDelta(t, list[i], float64(value), 1e-6)
	}
	for input, count := range map[string]int{`"a"`: 1, `["a","b"]`: 2, `[1,2,3]`: 1, `[[1,2],[3]]`: 2, `[]`: 0} {
		got := object(t, post(t, url, `{"model":"e","input":`+input+`}`).body)
		require.Len(t, got["data"], count, input)
		if count > 0 {
			require.Len(t, at(t, got, "data", 0, "embedding"), 8)
		}
	}
	require.Equal(t, http.StatusBadRequest, post(t, url, `{"model":"e","input":"a","dimensions":-1}`).StatusCode)
	require.Equal(t, http.StatusBadRequest, post(t, url, `{"model":"e","input":{}}`).StatusCode)
	require.Equal(t, http.StatusBadRequest, post(t, url, `{"model":"e","input":["a",1]}`).StatusCode)
}

func TestModerations(t *testing.T) {
	url := serve(t, `{}`).URL + "/v1/moderations"
	got := object(t, post(t, url, `{"input":["fine","a mock-flag here"]}`).body)
	require.Equal(t, "omni-moderation-latest", got["model"])
	require.Equal(t, false, at(t, got, "results", 0, "flagged"))
	require.Equal(t, true, at(t, got, "results", 1, "flagged"))
	require.Equal(t, true, at(t, got, "results", 1, "categories", "hate"))
	got = object(t, post(t, url, `{"model":"x","input":[{"type":"text","text":"fine"},{"type":"image_url"}]}`).body)
	require.Len(t, got["results"], 1)
	require.Equal(t, "x", got["model"])
}

func TestRerank(t *testing.T) {
	url := serve(t, `{}`).URL + "/v1/rerank"
	got := object(t, post(t, url, `{"model":"r","query":"red fish","documents":["a dog",{"text":"a red fish"},"Fish"],"top_n":2}`).body)
	require.Len(t, got["results"], 2)
	require.InDelta(t, 1, at(t, got, "results", 0, "index"), 0)
	require.InDelta(t, 0.99, at(t, got, "results", 0, "relevance_score"), 0.001)
	require.Equal(t, "Fish", at(t, got, "results", 1, "document", "text"))
	got = object(t, post(t, url, `{"model":"r","query":"q","documents":["a"],"return_documents":false}`).body)
	require.NotContains(t, at(t, got, "results", 0), "document")
}

// form builds a multipart body and returns it with its content type.
func form(t *testing.T, fields map[string]string, file string) (body, contentType string) {
	t.Helper()
	var buf bytes.Buffer
	w := multipart.NewWriter(&buf)
	for name, value := range fields {
		require.NoError(t, w.WriteField(name, value))
	}
	if file != "" {
		part, err := w.CreateFormFile(file, file+".bin")
		require.NoError(t, err)
		_, err = part.Write(bytes.Repeat([]byte{0xff}, 400))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return buf.String(), w.FormDataContentType()
}

func TestImages(t *testing.T) {
	server := serve(t, `{}`)
	got := object(t, post(t, server.URL+"/v1/images/generations", `{"prompt":"a cat","n":2}`).body)
	require.Len(t, got["data"], 2)
	raw, err := base64.StdEncoding.DecodeString(at(t, got, "data", 0, "b64_json").(string))
	require.NoError(t, err)
	_, err = png.Decode(bytes.NewReader(raw))
	require.NoError(t, err)

	body, contentType := form(t, map[string]string{"model": "dall-e-2", "prompt": "a cat", "response_format": "url"}, "image")
	edited := post(t, server.URL+"/v1/images/edits", body, "Content-Type", contentType)
	require.Contains(t, at(t, object(t, edited.body), "data", 0, "url"), "data:image/png;base64,")
	body, contentType = form(t, map[string]string{"prompt": "a cat"}, "image")
	require.Equal(t, http.StatusBadRequest, post(t, server.URL+"/v1/images/edits", body, "Content-Type", contentType).StatusCode)
}

func TestSpeech(t *testing.T) {
	url := serve(t, `{"tokens": 3}`).URL + "/v1/audio/speech"
	for format, want := range map[string]string{
		"": "audio/mpeg", "mp3": "audio/mpeg", "opus": "audio/opus", "aac": "audio/aac",
		"flac": "audio/flac", "wav": "audio/wav", "pcm": "audio/pcm",
	} {
		got := post(t, url, `{"model":"tts","input":"hi","voice":"alloy","response_format":"`+format+`"}`)
		require.Equal(t, want, got.Header.Get("Content-Type"))
		if format == "wav" {
			require.Len(t, got.body, 44+3*frameSize)
			require.Equal(t, "RIFF", got.body[:4])
		} else {
			require.Len(t, got.body, 3*frameSize)
		}
	}
	require.Equal(t, http.StatusBadRequest, post(t, url, `{"model":"tts","response_format":"midi"}`).StatusCode)
	list := eventsOf(t, post(t, url, `{"model":"tts","input":"hi","stream_format":"sse"}`).body)
	require.Len(t, list, 4)
	require.Equal(t, "speech.audio.done", object(t, list[3].data)["type"])
}

func TestTranscriptions(t *testing.T) {
	server := serve(t, `{"tokens": 3}`)
	send := func(path string, fields map[string]string) reply {
		body, contentType := form(t, fields, "file")
		return post(t, server.URL+path, body, "Content-Type", contentType)
	}
	const path = "/v1/audio/transcriptions"
	got := object(t, send(path, map[string]string{"model": "w"}).body)
	require.Equal(t, "This is a", got["text"])
	require.InDelta(t, 100, at(t, got, "usage", "input_tokens"), 0)
	require.Equal(t, "This is a\n", send(path, map[string]string{"model": "w", "response_format": "text"}).body)
	require.Contains(t, send(path, map[string]string{"model": "w", "response_format": "vtt"}).body, "WEBVTT")
	require.Contains(t, send(path, map[string]string{"model": "w", "response_format": "srt"}).body, "-->")
	require.Equal(t, "transcribe", object(t, send(path, map[string]string{"model": "w", "response_format": "verbose_json"}).body)["task"])
	require.Equal(t, http.StatusBadRequest, send(path, map[string]string{"model": "w", "response_format": "x"}).StatusCode)

	list := eventsOf(t, send(path, map[string]string{"model": "w", "stream": "true"}).body)
	require.Len(t, list, 4)
	require.Equal(t, " is", object(t, list[1].data)["delta"])
	require.Equal(t, "This is a", object(t, list[3].data)["text"])

	got = object(t, send("/v1/audio/translations", map[string]string{"model": "w", "stream": "true"}).body)
	require.Equal(t, map[string]any{"text": "This is a"}, got)
	got = object(t, send(path, map[string]string{"model": "w", "mock": `{"text":"heard {prompt}"}`, "prompt": "p"}).body)
	require.Equal(t, "heard p", got["text"])
	require.Equal(t, http.StatusTeapot, send(path, map[string]string{"model": "w", "mock": `{"status":418}`}).StatusCode)
	require.Equal(t, http.StatusBadRequest, send(path, nil).StatusCode)
	body, contentType := form(t, map[string]string{"model": "w"}, "")
	require.Contains(t, post(t, server.URL+path, body, "Content-Type", contentType).body, "'file'")
}

func TestSchemaValues(t *testing.T) {
	for _, test := range []struct{ name, schema, want string }{
		{"nothing", ``, `{}`},
		{"null", `null`, `{}`},
		{"not a schema", `[]`, `{}`},
		{"empty", `{}`, `"mock"`},
		{"order", `{"properties":{"z":{"type":"string"},"a":{"type":"integer"}}}`, `{"z":"mock","a":1}`},
		{"undeclared", `{"type":"object","required":["x"]}`, `{"x":"mock"}`},
		{"enum and const", `{"properties":{"e":{"enum":["x","y"]},"c":{"const":3}}}`, `{"e":"x","c":3}`},
		{"type list", `{"properties":{"a":{"type":["null","boolean"]},"b":{"type":"null"}}}`, `{"a":true,"b":null}`},
		{"nested", `{"properties":{"o":{"type":"object","properties":{"n":{"type":"number","minimum":5}}},"l":{"type":"array","items":{"type":"string"}}}}`, `{"o":{"n":5},"l":[]}`},
		{"least items", `{"properties":{"l":{"type":"array","minItems":2,"items":{"type":"string"}}}}`, `{"l":["mock","mock"]}`},
		{"choices", `{"properties":{"a":{"anyOf":[{"type":"integer"},{"type":"null"}]},"o":{"oneOf":[{"type":"boolean"}]},"l":{"allOf":[{"type":"array"}]}}}`, `{"a":1,"o":true,"l":[]}`},
		{"reference", `{"$defs":{"d":{"type":"boolean"}},"definitions":{"e":{"type":"number"}},"properties":{"a":{"$ref":"#/$defs/d"},"b":{"$ref":"#/definitions/e"}}}`, `{"a":true,"b":1}`},
		{"gemini", `{"type":"OBJECT","properties":{"l":{"type":"ARRAY","minItems":"1","items":{"type":"INTEGER"}}}}`, `{"l":[1]}`},
		{"boolean", `{"properties":{"a":true}}`, `{"a":"mock"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, objectText([]byte(test.schema)))
		})
	}
	endless := objectText([]byte(`{"$defs":{"d":{"properties":{"a":{"$ref":"#/$defs/d"},"b":{"$ref":"#/$defs/d"},"c":{"$ref":"#/$defs/d"}},"required":["a","b","c"]}},"$ref":"#/$defs/d"}`))
	object(t, endless)
	require.Less(t, len(endless), 2*maxSample)
}

func TestWords(t *testing.T) {
	for _, text := range []string{"", "one", " one  two\n", "{\"a\":\"é\"}", "ééééééééé", "  "} {
		require.Equal(t, text, strings.Join(split(text), ""))
		require.Equal(t, text, strings.Join(fragments(text), ""))
	}
	require.Equal(t, []string{"one", " two", "\n"}, split("one two\n"))
	require.Equal(t, []string{"This", " is", " a"}, pieces(answerWords(), 3))
	require.Equal(t, " This", pieces(answerWords(), 17)[16])
}
