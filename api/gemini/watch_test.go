package gemini_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/gemini"
)

var (
	none    = api.Signs{}
	content = api.Signs{Content: true}
	ended   = api.Signs{Content: true, Finished: true, Closed: true}
	failed  = api.Signs{Failed: true}
)

// unclocked are signs without those for clocks, which have a test of their own.
func unclocked(signs api.Signs) api.Signs {
	signs.Size, signs.Works = 0, false
	return signs
}

func TestEventsOfAStream(t *testing.T) {
	f := func(data string, want api.Signs) {
		t.Helper()
		require.Equal(t, want, unclocked(new(gemini.Watcher).Event(nil, []byte(data))), data)
	}
	part := func(part string, want api.Signs) {
		t.Helper()
		f(`{"candidates":[{"content":{"role":"model","parts":[`+part+`]},"index":0}],"modelVersion":"g"}`, want)
	}
	part(``, none)
	part(`{}`, none)
	part(`{"text":""}`, none)
	part(`{"text":"Hi"}`, content)
	part(`{"text":""},{"text":"Hi"}`, content)
	part(`{"text":"hm","thought":true}`, content)
	part(`{"text":"","thought":true}`, none)
	part(`{"thought":true}`, none)
	part(`{"text":"","thoughtSignature":"x"}`, content)
	part(`{"functionCall":{"name":"look_up","args":{}}}`, content)
	part(`{"functionCall":{}}`, none)
	part(`{"inlineData":{"mimeType":"image/png","data":"AA=="}}`, content)
	part(`{"fileData":{"fileUri":"https://example.com/a"}}`, content)
	part(`{"executableCode":{"language":"PYTHON","code":"1"}}`, content)

	f(`{"candidates":[{"finishReason":"STOP"}]}`, ended)
	f(`{"candidates":[{"content":{"parts":[{"text":""}]},"finishReason":"MAX_TOKENS"}]}`, ended)
	f(`{"candidates":[{"finishReason":"SAFETY","safetyRatings":[]}]}`, ended)
	f(`{"candidates":[{"finishReason":null}]}`, none)
	f(`{"candidates":[{"index":0},{"index":1,"finishReason":"STOP"}]}`, api.Signs{Content: true, Reopened: true})

	f(`{"promptFeedback":{"blockReason":"SAFETY","safetyRatings":[]}}`, ended)
	f(`{"promptFeedback":{"safetyRatings":[]}}`, none)
	f(`{"candidates":[],"usageMetadata":{"promptTokenCount":3}}`, none)
	f(`{"candidates":[{"content":{"role":"model"}}],"usageMetadata":{"trafficType":"ON_DEMAND"}}`, none)

	f(`{}`, none)
	f(`[]`, none)
	f(`[DONE]`, none)
	f(``, none)
	f(`{"candidates":[{"content":{"parts":[{"text":"cut o`, none)
	require.Equal(t, none, new(gemini.Watcher).Event([]byte("x"), nil))
}

func TestErrors(t *testing.T) {
	f := func(data string, event, answer api.Signs) {
		t.Helper()
		require.Equal(t, event, new(gemini.Watcher).Event(nil, []byte(data)), data)
		require.Equal(t, answer, new(gemini.Watcher).Answer([]byte(data)), data)
	}
	failedAnswer := api.Signs{Content: true, Failed: true}
	f(`{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE","details":[]}}`, failed, failedAnswer)
	f(`{"error":"overloaded"}`, failed, failedAnswer)
	f(`{"error":null}`, none, content)
	f(`{"error":null,"candidates":[{"finishReason":"STOP"}]}`, ended, ended)
}

func TestWholeAnswers(t *testing.T) {
	f := func(body string, want api.Signs) {
		t.Helper()
		require.Equal(t, want, unclocked(new(gemini.Watcher).Answer([]byte(body))), body)
	}
	f(`{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}`, ended)
	f(`{"promptFeedback":{"blockReason":"SAFETY"}}`, ended)
	// countTokens and embedContent have no end to tell of.
	f(`{"totalTokens":31}`, content)
	f(`{"embedding":{"values":[0.1]}}`, content)
}

func TestUsageInDisjointClasses(t *testing.T) {
	f := func(usage string, want api.Usage) {
		t.Helper()
		whole, stream := new(gemini.Watcher), new(gemini.Watcher)
		whole.Answer([]byte(`{"candidates":[],"usageMetadata":` + usage + `}`))
		require.Equal(t, want, whole.Usage(), usage)
		stream.Event(nil, []byte(`{"candidates":[],"usageMetadata":`+usage+`}`))
		require.Equal(t, want, stream.Usage(), usage)
	}
	f(`{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15}`, api.Usage{Input: 10, Output: 5, Known: true})
	f(`{"promptTokenCount":10,"candidatesTokenCount":5,"thoughtsTokenCount":100,"totalTokenCount":115}`, api.Usage{Input: 10, Output: 5, Reasoning: 100, Known: true})
	f(`{"promptTokenCount":1000,"cachedContentTokenCount":900,"candidatesTokenCount":5,"totalTokenCount":1005}`, api.Usage{Input: 100, CacheRead: 900, Output: 5, Known: true})
	f(`{"promptTokenCount":10,"toolUsePromptTokenCount":70,"candidatesTokenCount":5,"totalTokenCount":85}`, api.Usage{Input: 80, Output: 5, Known: true})
	f(`{"promptTokenCount":10,"totalTokenCount":10,"promptTokensDetails":[{"modality":"TEXT","tokenCount":10}]}`, api.Usage{Input: 10, Known: true})
	f(`{"promptTokenCount":100,"cachedContentTokenCount":40,"candidatesTokenCount":1300,"promptTokensDetails":[{"modality":"TEXT","tokenCount":50},{"modality":"AUDIO","tokenCount":30},{"modality":"IMAGE","tokenCount":20}],`+
		`"cacheTokensDetails":[{"modality":"AUDIO","tokenCount":10},{"modality":"TEXT","tokenCount":30}],"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290},{"modality":"TEXT","tokenCount":10}]}`,
		api.Usage{Input: 60, CacheRead: 40, Output: 1300, Audio: api.Modality{Input: 20, CacheRead: 10}, Image: api.Modality{Input: 20, Output: 1290}, Known: true})
	f(`{"trafficType":"ON_DEMAND"}`, api.Usage{})
	f(`{"promptTokenCount":"many"}`, api.Usage{})
	f(`{}`, api.Usage{})
	f(`null`, api.Usage{})
}

func TestUsageOfAStreamIsTheLastTotal(t *testing.T) {
	w := new(gemini.Watcher)
	require.Equal(t, api.Usage{}, w.Usage())
	w.Event(nil, []byte(`{"usageMetadata":{"promptTokenCount":10,"thoughtsTokenCount":30}}`))
	w.Event(nil, []byte(`{"usageMetadata":{"promptTokenCount":10,"thoughtsTokenCount":30,"candidatesTokenCount":5}}`))
	w.Event(nil, []byte(`{"usageMetadata":{"trafficType":"ON_DEMAND"}}`))
	w.Event(nil, []byte(`{"candidates":[{"finishReason":"STOP"}]}`))
	require.Equal(t, api.Usage{Input: 10, Output: 5, Reasoning: 30, Known: true}, w.Usage())
}

// recordings lists the recorded answers of other projects that match a pattern.
func recordings(t *testing.T, pattern string) []string {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "fixtures")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the recorded answers are not beside the project")
	}
	files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(pattern)))
	require.NoError(t, err)
	require.NotEmpty(t, files, pattern)
	return files
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	raw, err := os.ReadFile(file)
	require.NoError(t, err)
	return raw
}

// told is what a recording says of its usage.
type told struct {
	Usage *struct {
		Total int64 `json:"totalTokenCount"`
	} `json:"usageMetadata"`
}

func check(t *testing.T, usage api.Usage, last told) {
	t.Helper()
	require.NotNil(t, last.Usage)
	require.True(t, usage.Known)
	require.Equal(t, last.Usage.Total, usage.Input+usage.CacheRead+usage.CacheWrite+usage.Generated(), "the classes are disjoint")
}

func TestRecordedStreams(t *testing.T) {
	others := map[string]bool{
		// Of the Interactions and Live APIs.
		"basic.chunks.txt": true, "google-search.chunks.txt": true, "google-live-speech-translation.chunks.txt": true,
		// A recording of nothing.
		"image-output-modify.chunks.txt": true,
	}
	for _, file := range recordings(t, "vercel-ai/google/*.chunks.txt") {
		if others[filepath.Base(file)] {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			var all api.Signs
			var last told
			w := new(gemini.Watcher)
			for data := range bytes.SplitSeq(bytes.TrimSpace(read(t, file)), []byte("\n")) {
				signs := w.Event(nil, data)
				require.False(t, signs.Failed, "%s", data)
				all.Content, all.Finished, all.Closed = all.Content || signs.Content, signs.Finished, signs.Closed
				last = told{}
				require.NoError(t, json.Unmarshal(data, &last))
			}
			require.Equal(t, ended, all)
			check(t, w.Usage(), last)
		})
	}
}

func TestRecordedAnswers(t *testing.T) {
	// Of the Interactions API.
	others := map[string]bool{"basic.json": true, "google-search.json": true}
	for _, file := range recordings(t, "vercel-ai/google/*.json") {
		if others[filepath.Base(file)] {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			var last told
			body, w := read(t, file), new(gemini.Watcher)
			require.Equal(t, ended, unclocked(w.Answer(body)))
			require.NoError(t, json.Unmarshal(body, &last))
			check(t, w.Usage(), last)
		})
	}
}

func FuzzWatcher(f *testing.F) {
	for _, seed := range []string{
		`{"candidates":[{"content":{"parts":[{"text":"Hi","thought":true}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":3}}`,
		`{"promptFeedback":{"blockReason":"SAFETY"}}`, `{"error":{"code":503}}`, `{"usageMetadata":{"trafficType":"ON_DEMAND"}}`,
		`{"candidates":[{"content":{"parts":[{"functionCall":`, `[{"candidates":[]}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, look := range []func(*gemini.Watcher) api.Signs{
			func(w *gemini.Watcher) api.Signs { return w.Event(nil, data) },
			func(w *gemini.Watcher) api.Signs { return w.Answer(data) },
		} {
			one, two := new(gemini.Watcher), new(gemini.Watcher)
			require.Equal(t, look(one), look(two))
			require.Equal(t, one.Usage(), two.Usage())
			first := look(one)
			require.Equal(t, first, look(one), "what was seen before does not matter")
			if !one.Usage().Known {
				require.Zero(t, one.Usage())
			}
		}
	})
}

// How much content there is, in bytes, and what shows that a tool is at work.
func TestSignsForClocks(t *testing.T) {
	f := func(candidate string, size int, works bool) {
		t.Helper()
		signs := new(gemini.Watcher).Event(nil, []byte(`{"candidates":[{`+candidate+`,"index":0}]}`))
		require.Equal(t, size, signs.Size, candidate)
		require.Equal(t, works, signs.Works, candidate)
	}
	f(`"content":{"parts":[{"text":"Hello"},{"text":"hm","thought":true}]}`, 7, false)
	f(`"content":{"parts":[{"text":""}]}`, 0, false)
	f(`"groundingMetadata":{}`, 0, false)
	f(`"groundingMetadata":{"webSearchQueries":["a"]}`, 0, true)
	f(`"safetyRatings":[{"category":"x"}]`, 0, false)
}
