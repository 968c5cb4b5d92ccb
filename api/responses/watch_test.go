package responses_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/responses"
	"github.com/caddy-plexus/plexus/api/sse"
)

var (
	none    = api.Signs{}
	content = api.Signs{Content: true}
	ended   = api.Signs{Content: true, Finished: true}
	whole   = api.Signs{Content: true, Finished: true, Closed: true}
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
		require.Equal(t, want, unclocked(new(responses.Watcher).Event(nil, []byte(data))), data)
	}
	f(`{"type":"response.created","response":{"id":"r1","status":"in_progress","error":null,"output":[],"usage":null},"sequence_number":0}`, none)
	f(`{"type":"response.queued","response":{"id":"r1","status":"queued"}}`, none)
	f(`{"type":"response.in_progress","response":{"id":"r1","status":"in_progress","output":[]}}`, none)
	f(`{"type":"response.output_item.added","output_index":0,"item":{"type":"message","content":[]}}`, none)
	f(`{"type":"response.output_item.added","output_index":0,"item":{"type":"reasoning","summary":[]}}`, none)
	f(`{"type":"response.content_part.added","part":{"type":"output_text","text":""}}`, none)
	f(`{"type":"response.reasoning_summary_part.added","part":{"type":"summary_text","text":""}}`, none)
	f(`{"type":"response.web_search_call.searching","item_id":"ws1"}`, none)

	f(`{"type":"response.output_text.delta","delta":"Hi"}`, content)
	f(`{"type":"response.output_text.delta","delta":""}`, none)
	f(`{"type":"response.output_text.delta"}`, none)
	f(`{"type":"response.refusal.delta","delta":"I can't"}`, content)
	f(`{"type":"response.reasoning_text.delta","delta":"hm"}`, content)
	f(`{"type":"response.reasoning_summary_text.delta","delta":"hm"}`, content)
	f(`{"type":"response.function_call_arguments.delta","delta":"{"}`, content)
	f(`{"type":"response.custom_tool_call_input.delta","delta":"x"}`, content)
	f(`{"type":"response.mcp_call_arguments.delta","delta":"{}"}`, content)
	f(`{"type":"response.image_generation_call.partial_image","partial_image_b64":"AA=="}`, content)
	f(`{"type":"response.output_item.done","item":{"type":"function_call","name":"now","arguments":"{}"}}`, content)

	f(`{"type":"response.completed","response":{"status":"completed","error":null}}`, whole)
	f(`{"type":"response.incomplete","response":{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"}}}`, whole)

	f(`{"type":"response.event_of_tomorrow"}`, none)
	f(`{"type":null}`, none)
	f(`{}`, none)
	f(`[DONE]`, none)
	f(``, none)
	f(`{"type":"response.output_text.delta","del`, none)
	require.Equal(t, none, new(responses.Watcher).Event([]byte("response.completed"), nil))
}

func TestEventsThatReportAnError(t *testing.T) {
	f := func(data string, want api.Signs) {
		t.Helper()
		require.Equal(t, want, unclocked(new(responses.Watcher).Event(nil, []byte(data))), data)
	}
	f(`{"type":"error","code":"server_error","message":"gone","param":null,"sequence_number":3}`, failed)
	f(`{"type":"error","error":{"type":"server_error","message":"gone"}}`, failed)
	f(`{"type":"response.failed","response":{"status":"failed","error":{"code":"server_error","message":"gone"}}}`, failed)
	f(`{"error":{"message":"gone","type":"server_error"}}`, failed)
	f(`{"error":null}`, none)
	f(`{"type":"response.created","response":{"error":null},"error":null}`, none)
}

func TestWholeAnswers(t *testing.T) {
	f := func(body string, want api.Signs) {
		t.Helper()
		require.Equal(t, want, new(responses.Watcher).Answer([]byte(body)), body)
	}
	f(`{"object":"response","status":"completed","error":null,"output":[{"type":"message"}]}`, ended)
	f(`{"object":"response","status":"incomplete","output":[]}`, ended)
	f(`{"object":"response","status":"queued","background":true,"output":[]}`, ended)
	f(`{"object":"response","status":"failed","error":{"code":"server_error","message":"gone"},"output":[]}`, api.Signs{Content: true, Finished: true, Failed: true})
	f(`{"error":{"message":"no","type":"server_error"}}`, failed)
	f(`{"error":"no"}`, failed)
	f(`{}`, none)
	f(``, api.Signs{Broken: true})
	f(`{"status":"completed",}`, api.Signs{Content: true, Finished: true, Broken: true})
}

func TestUsageInDisjointClasses(t *testing.T) {
	f := func(usage string, want api.Usage) {
		t.Helper()
		whole := new(responses.Watcher)
		whole.Answer([]byte(`{"status":"completed","usage":` + usage + `}`))
		require.Equal(t, want, whole.Usage(), usage)
		for _, kind := range []string{"completed", "incomplete", "failed"} {
			stream := new(responses.Watcher)
			stream.Event(nil, []byte(`{"type":"response.`+kind+`","response":{"usage":`+usage+`}}`))
			require.Equal(t, want, stream.Usage(), "%s %s", kind, usage)
		}
	}
	f(`{"input_tokens":10,"output_tokens":5,"total_tokens":15}`, api.Usage{Input: 10, Output: 5, Known: true})
	f(`{"input_tokens":2000,"input_tokens_details":{"cached_tokens":1920},"output_tokens":139,"output_tokens_details":{"reasoning_tokens":55},"total_tokens":2139}`,
		api.Usage{Input: 80, CacheRead: 1920, Output: 84, Reasoning: 55, Known: true})
	f(`{"input_tokens":2000,"input_tokens_details":{"cached_tokens":1000,"cache_write_tokens":900},"output_tokens":5,"total_tokens":2005}`,
		api.Usage{Input: 100, CacheRead: 1000, CacheWrite: 900, Output: 5, Known: true})
	f(`{"input_tokens":0,"output_tokens":0,"total_tokens":0}`, api.Usage{Known: true})
	f(`null`, api.Usage{})
	f(`{}`, api.Usage{})
}

func TestUsageIsUnknownUntilTheEnd(t *testing.T) {
	w := new(responses.Watcher)
	w.Event(nil, []byte(`{"type":"response.created","response":{"usage":null}}`))
	w.Event(nil, []byte(`{"type":"response.output_text.delta","delta":"Hi"}`))
	require.Equal(t, api.Usage{}, w.Usage())
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

// told is the usage that a recording tells of.
type told struct {
	Total int64 `json:"total_tokens"`
}

func check(t *testing.T, usage api.Usage, last *told) {
	t.Helper()
	require.Equal(t, last != nil, usage.Known)
	if last != nil {
		sum := usage.Input + usage.CacheRead + usage.CacheWrite + usage.Generated()
		require.Equal(t, last.Total, sum, "the classes are disjoint")
	}
}

func watch(t *testing.T, events [][]byte) {
	t.Helper()
	var all api.Signs
	var last struct{ Response struct{ Usage *told } }
	w := new(responses.Watcher)
	for _, data := range events {
		signs := w.Event(nil, data)
		require.False(t, signs.Failed, "%s", data)
		all.Content, all.Finished = all.Content || signs.Content, signs.Finished
		if !json.Valid(data) {
			data = append(bytes.Clone(data), '}') // which one recording has lost
		}
		require.NoError(t, json.Unmarshal(data, &last), "%s", data)
	}
	require.Equal(t, ended, all)
	check(t, w.Usage(), last.Response.Usage)
}

func TestRecordedStreams(t *testing.T) {
	// Streams of other endpoints.
	others := map[string]bool{"openai-completion-text.chunks.txt": true, "openai-realtime-speech-translation.chunks.txt": true}
	for _, file := range recordings(t, "vercel-ai/openai/*.chunks.txt") {
		if others[filepath.Base(file)] {
			continue
		}
		t.Run(filepath.Base(file), func(t *testing.T) {
			var events [][]byte
			for line := range bytes.Lines(read(t, file)) {
				if line = bytes.TrimSpace(line); len(line) > 0 {
					events = append(events, line)
				}
			}
			watch(t, events)
		})
	}
	for _, file := range recordings(t, "gomodel/*/responses_stream.txt") {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			var events [][]byte
			reader := sse.NewReader(bytes.NewReader(read(t, file)))
			for {
				ev, err := reader.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				events = append(events, bytes.Clone(ev.Data))
			}
			watch(t, events)
		})
	}
}

func TestRecordedAnswers(t *testing.T) {
	errorsOnly := map[string]bool{
		"openai-error.1.json":                         true,
		"reasoning-model-legacy-parameter-error.json": true,
		"reasoning-model-temperature-error.json":      true,
	}
	// Answers of other endpoints.
	others := map[string]bool{
		"gpt-image-response-format-error.json": true, "openai-completion-text.json": true, "openai-embedding.json": true,
		"openai-image-edit.json": true, "openai-skill-create.json": true, "openai-transcription.json": true,
	}
	for _, file := range append(recordings(t, "vercel-ai/openai/*.json"), recordings(t, "gomodel/*/responses.json")...) {
		if others[filepath.Base(file)] {
			continue
		}
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			body, w := read(t, file), new(responses.Watcher)
			signs := w.Answer(body)
			if errorsOnly[filepath.Base(file)] {
				require.Equal(t, failed, signs)
				require.Equal(t, api.Usage{}, w.Usage())
				return
			}
			var answer struct{ Usage *told }
			require.NoError(t, json.Unmarshal(body, &answer))
			require.Equal(t, ended, signs)
			check(t, w.Usage(), answer.Usage)
		})
	}
}

func FuzzWatcher(f *testing.F) {
	for _, seed := range []string{
		`{"type":"response.created","response":{"usage":null}}`, `{"type":"response.output_text.delta","delta":"Hi"}`,
		`{"type":"response.completed","response":{"usage":{"input_tokens":3,"output_tokens":1,"output_tokens_details":{"reasoning_tokens":1}}}}`,
		`{"type":"error","message":"no"}`, `{"output":[],"status":"completed","error":null}`, `{"type":"response.failed","response":`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, look := range []func(*responses.Watcher) api.Signs{
			func(w *responses.Watcher) api.Signs { return w.Event(nil, data) },
			func(w *responses.Watcher) api.Signs { return w.Answer(data) },
		} {
			one, two := new(responses.Watcher), new(responses.Watcher)
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

// How much content there is, in bytes, and what shows that work goes on.
func TestSignsForClocks(t *testing.T) {
	f := func(data string, size int, works bool) {
		t.Helper()
		signs := new(responses.Watcher).Event(nil, []byte(data))
		require.Equal(t, size, signs.Size, data)
		require.Equal(t, works, signs.Works, data)
	}
	f(`{"type":"response.created"}`, 0, false)
	f(`{"type":"response.queued"}`, 0, false)
	f(`{"type":"response.in_progress"}`, 0, false)
	f(`{"type":"keepalive","sequence_number":3}`, 0, false)
	f(`{"type":"response.output_item.added"}`, 0, true)
	f(`{"type":"response.reasoning_summary_part.added"}`, 0, true)
	f(`{"type":"response.web_search_call.in_progress"}`, 0, true)
	f(`{"type":"response.web_search_call.searching"}`, 0, true)
	f(`{"type":"response.mcp_call.completed"}`, 0, true)
	f(`{"type":"response.output_item.done","item":{}}`, 0, true)
	f(`{"type":"response.output_text.delta","delta":"Hello"}`, 5, false)
	f(`{"type":"response.output_text.delta","delta":""}`, 0, false)
	f(`{"type":"response.reasoning_summary_text.delta","delta":"hm"}`, 2, false)
}
