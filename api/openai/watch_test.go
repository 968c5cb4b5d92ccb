package openai_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/openai"
)

var (
	none    = api.Signs{}
	content = api.Signs{Content: true}
	ended   = api.Signs{Content: true, Finished: true}
	closed  = api.Signs{Content: true, Finished: true, Closed: true}
)

// unclocked are signs without those for clocks, which have a test of their own.
func unclocked(signs api.Signs) api.Signs {
	signs.Size, signs.Works = 0, false
	return signs
}

func TestEventsOfStreams(t *testing.T) {
	f := func(data string, want api.Signs) {
		t.Helper()
		require.Equal(t, want, unclocked(new(openai.Watcher).Event(nil, []byte(data))), data)
	}
	// Completions.
	f(`{"object":"text_completion","choices":[{"text":"Hi","index":0,"finish_reason":null}],"usage":null}`, content)
	f(`{"object":"text_completion","choices":[{"text":"","index":0,"finish_reason":null}]}`, none)
	f(`{"object":"text_completion","choices":[{"text":"","index":0,"finish_reason":"stop"}]}`, ended)
	f(`{"object":"text_completion","choices":[{"text":"!","index":0,"finish_reason":"length"}]}`, ended)
	f(`{"object":"text_completion","choices":[{"text":""},{"text":"second"}]}`, content)
	f(`{"object":"text_completion","choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, none)
	f(`[DONE]`, api.Signs{Finished: true, Closed: true})
	// Audio and images.
	f(`{"type":"transcript.text.delta","delta":"Hi"}`, content)
	f(`{"type":"transcript.text.done","text":"Hi","usage":{"type":"tokens","input_tokens":1}}`, closed)
	f(`{"type":"speech.audio.delta","audio":"AA=="}`, content)
	f(`{"type":"speech.audio.done","usage":{"input_tokens":1}}`, closed)
	f(`{"type":"image_generation.partial_image","b64_json":"AA=="}`, content)
	f(`{"type":"image_generation.completed","b64_json":"AA=="}`, closed)
	f(`{"type":"image_edit.completed","b64_json":"AA=="}`, closed)

	f(``, none)
	require.Equal(t, none, new(openai.Watcher).Event([]byte("x"), nil))
}

func TestEventsThatReportAnError(t *testing.T) {
	f := func(data string, want bool) {
		t.Helper()
		signs := new(openai.Watcher).Event(nil, []byte(data))
		require.Equal(t, want, signs.Failed, data)
		require.False(t, signs.Finished, data)
	}
	f(`{"error":{"message":"gone","type":"server_error"}}`, true)
	f(`{"error":"gone"}`, true)
	f(`{"type":"error","error":{"message":"gone"}}`, true)
	f(`{"type":"error","message":"gone","code":"server_error"}`, true)
	f(`{"choices":[{"text":"","finish_reason":"error"}]}`, true)
	f(`{"choices":[{"text":"Hi"}],"error":null}`, false)
}

func TestWholeAnswers(t *testing.T) {
	f := func(body string, want api.Signs) {
		t.Helper()
		require.Equal(t, want, new(openai.Watcher).Answer([]byte(body)), body)
	}
	f(`{"object":"list","data":[{"object":"embedding","embedding":[0.1]}],"usage":{"prompt_tokens":8,"total_tokens":8}}`, content)
	f(`{"id":"modr-1","results":[{"flagged":false}]}`, content)
	f(`{"created":1,"data":[{"b64_json":"AA=="}],"error":null}`, content)
	f(`{"error":{"message":"no","type":"server_error"}}`, api.Signs{Content: true, Failed: true})
	f(`{"error":""}`, content)
}

func TestUsageInDisjointClasses(t *testing.T) {
	f := func(usage string, want api.Usage) {
		t.Helper()
		w := new(openai.Watcher)
		w.Answer([]byte(`{"usage":` + usage + `}`))
		require.Equal(t, want, w.Usage(), usage)
		before := api.Usage{Input: 1, Output: 2, Known: true}
		if !want.Known {
			want = before
		}
		require.Equal(t, want, openai.Usage([]byte(usage), before), usage)
	}
	f(`{"prompt_tokens":8,"total_tokens":8}`, api.Usage{Input: 8, Known: true})
	f(`{"total_tokens":8}`, api.Usage{Input: 8, Known: true})
	f(`{"prompt_tokens":0,"total_tokens":8}`, api.Usage{Known: true})
	f(`{"prompt_tokens":14,"completion_tokens":16,"total_tokens":30}`, api.Usage{Input: 14, Output: 16, Known: true})
	f(`{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":1056,"total_tokens":1106}`, api.Usage{Input: 50, Output: 1056, Image: api.Modality{Input: 40}, Known: true})
	f(`{"input_tokens":50,"input_tokens_details":{"text_tokens":10,"image_tokens":40},"output_tokens":1056,"output_tokens_details":{"image_tokens":1000,"text_tokens":56},"total_tokens":1106}`,
		api.Usage{Input: 50, Output: 1056, Image: api.Modality{Input: 40, Output: 1000}, Known: true})
	f(`{"prompt_tokens":100,"completion_tokens":50,"total_tokens":150,"prompt_tokens_details":{"cached_tokens":30,"audio_tokens":80},"completion_tokens_details":{"audio_tokens":45}}`,
		api.Usage{Input: 70, CacheRead: 30, Output: 50, Audio: api.Modality{Input: 70, CacheRead: 10, Output: 45}, Known: true})
	f(`{"type":"tokens","input_tokens":14,"input_token_details":{"audio_tokens":14},"output_tokens":45,"total_tokens":59}`, api.Usage{Input: 14, Output: 45, Audio: api.Modality{Input: 14}, Known: true})
	f(`{"type":"duration","seconds":37}`, api.Usage{})
	f(`{"prompt_tokens":1.5}`, api.Usage{})
	f(`{}`, api.Usage{})
	f(`null`, api.Usage{})
	f(``, api.Usage{})
}

func TestUsageIsUnknownWhereNoneIsSent(t *testing.T) {
	w := new(openai.Watcher)
	w.Event(nil, []byte(`{"choices":[{"text":"Hi"}],"usage":null}`))
	w.Event(nil, []byte(`[DONE]`))
	require.Equal(t, api.Usage{}, w.Usage())
}

// recording is a recorded answer of another project.
func recording(t *testing.T, name string) []byte {
	t.Helper()
	root := filepath.Join("..", "..", "..", "shared", "fixtures")
	if _, err := os.Stat(root); err != nil {
		t.Skip("the recorded answers are not beside the project")
	}
	raw, err := os.ReadFile(filepath.Join(root, "vercel-ai", "openai", name))
	require.NoError(t, err)
	return raw
}

func TestRecordedStream(t *testing.T) {
	var all api.Signs
	w := new(openai.Watcher)
	for data := range bytes.SplitSeq(bytes.TrimSpace(recording(t, "openai-completion-text.chunks.txt")), []byte("\n")) {
		signs := w.Event(nil, data)
		require.False(t, signs.Failed, "%s", data)
		all.Content, all.Finished = all.Content || signs.Content, all.Finished || signs.Finished
	}
	require.Equal(t, ended, all)
	require.Equal(t, api.Usage{Input: 14, Output: 16, Known: true}, w.Usage())
}

func TestRecordedAnswers(t *testing.T) {
	f := func(name string, want api.Signs, usage bool) {
		t.Helper()
		w := new(openai.Watcher)
		require.Equal(t, want, w.Answer(recording(t, name)), name)
		require.Equal(t, usage, w.Usage().Known, name)
	}
	f("openai-completion-text.json", content, true)
	f("openai-embedding.json", content, true)
	f("openai-image-edit.json", content, false)
	f("openai-transcription.json", content, false) // billed by the second
	f("gpt-image-response-format-error.json", api.Signs{Content: true, Failed: true}, false)
}

func FuzzWatcher(f *testing.F) {
	for _, seed := range []string{
		`{"choices":[{"text":"Hi","finish_reason":null}],"usage":null}`, `{"type":"transcript.text.done","usage":{"input_tokens":1}}`, `[DONE]`,
		`{"usage":{"total_tokens":8}}`, `{"error":{"message":"no"}}`, `{"type":"error`, `{"usage":{"prompt_tokens":9223372036854775807,"input_tokens":1}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, look := range []func(*openai.Watcher) api.Signs{
			func(w *openai.Watcher) api.Signs { return w.Event(nil, data) },
			func(w *openai.Watcher) api.Signs { return w.Answer(data) },
		} {
			one, two := new(openai.Watcher), new(openai.Watcher)
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

// How much content there is, in bytes. Pieces of sounds and images come when they
// come.
func TestSignsForClocks(t *testing.T) {
	f := func(data string, size int, works bool) {
		t.Helper()
		signs := new(openai.Watcher).Event(nil, []byte(data))
		require.Equal(t, size, signs.Size, data)
		require.Equal(t, works, signs.Works, data)
	}
	f(`{"choices":[{"text":"Hello","index":0},{"text":"you","index":1}]}`, 8, false)
	f(`{"choices":[{"text":"","index":0}]}`, 0, false)
	f(`{"type":"image_generation.partial_image","b64_json":"AA=="}`, 0, true)
	f(`[DONE]`, 0, false)
}
