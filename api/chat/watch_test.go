package chat_test

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
	"github.com/caddy-plexus/plexus/api/chat"
	"github.com/caddy-plexus/plexus/api/sse"
)

var (
	none    = api.Signs{}
	content = api.Signs{Content: true}
	ended   = api.Signs{Content: true, Finished: true}
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
		require.Equal(t, want, unclocked(new(chat.Watcher).Event(nil, []byte(data))), data)
	}
	delta := func(delta string, want api.Signs) {
		t.Helper()
		f(`{"id":"c1","object":"chat.completion.chunk","choices":[{"index":0,"delta":`+delta+`,"logprobs":null,"finish_reason":null}]}`, want)
	}
	delta(`{}`, none)
	delta(`{"role":"assistant"}`, none)
	delta(`{"role":"assistant","content":""}`, none)
	delta(`{"role":"assistant","content":null,"refusal":null,"tool_calls":[],"reasoning_details":[],"reasoning":null,"function_call":{}}`, none)
	delta(`{"content":"Hi"}`, content)
	delta(`{"role":"assistant","content":"Hi"}`, content)
	delta(`{"content":" "}`, content)
	delta(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]}`, content)
	delta(`{"reasoning_content":"hm","content":null}`, content)
	delta(`{"reasoning":"hm","content":""}`, content)
	delta(`{"content":"","reasoning_details":[{"type":"reasoning.encrypted","data":"x"}]}`, content)
	delta(`{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"look_up","arguments":""}}]}`, content)
	delta(`{"tool_calls":[{"index":0,"function":{"arguments":"{"}}]}`, content)
	delta(`{"refusal":"I can't"}`, content)
	delta(`{"function_call":{"name":"look_up"}}`, content)
	delta(`{"audio":{"id":"a1","transcript":"Hi"}}`, content)
	delta(`{"r\u006fle":"assistant"}`, none)

	finish := func(reason string, want api.Signs) {
		t.Helper()
		f(`{"choices":[{"index":0,"delta":{},"finish_reason":`+reason+`}]}`, want)
	}
	finish(`"stop"`, ended)
	finish(`"length"`, ended)
	finish(`"tool_calls"`, ended)
	finish(`"content_filter"`, ended)
	finish(`""`, none)
	finish(`null`, none)
	f(`{"choices":[{"delta":{"content":"Hello"},"finish_reason":"stop"}]}`, ended)
	f(`{"choices":[{"index":0,"delta":{}},{"index":1,"delta":{"content":"second"}}]}`, content)
	f(`[DONE]`, api.Signs{Finished: true, Closed: true})

	// Azure's first chunk, about the prompt.
	f(`{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[{"prompt_index":0,"content_filter_results":{}}],"usage":null}`, none)
	f(`{"choices":null}`, none)
	f(`{}`, none)
	f(`[]`, none)
	f(`"text"`, none)
	f(`{"object":"ping"}`, none)
	f(``, none)
	f(`{"choices":[{"delta":{"content":"cut o`, none)
}

func TestCommentsAreNoEvents(t *testing.T) {
	require.Equal(t, none, new(chat.Watcher).Event(nil, nil))
}

func TestEventsThatReportAnError(t *testing.T) {
	f := func(data string, want api.Signs) {
		t.Helper()
		require.Equal(t, want, unclocked(new(chat.Watcher).Event([]byte("error"), []byte(data))), data)
	}
	f(`{"error":{"message":"overloaded","type":"server_error","param":null,"code":null}}`, failed)
	f(`{"error":"overloaded"}`, failed)
	f(`{"error":null,"choices":[{"delta":{"content":"Hi"}}]}`, content)
	f(`{"error":{},"choices":[]}`, none)
	// OpenRouter and Mistral: the reason is no success, with or without an error beside it.
	f(`{"error":{"code":502,"message":"gone"},"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`, failed)
	f(`{"choices":[{"index":0,"delta":{"content":""},"finish_reason":"error"}]}`, failed)
	f(`{"choices":[{"index":0,"delta":{"content":"Hal"},"error":{"code":502,"message":"gone"}}]}`, api.Signs{Content: true, Failed: true})
}

func TestUsageOnly(t *testing.T) {
	f := func(data string, want bool) {
		t.Helper()
		require.Equal(t, want, new(chat.Watcher).Event(nil, []byte(data)).UsageOnly, data)
	}
	f(`{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`, true)
	f(`{"usage":{"prompt_tokens":1,"completion_tokens":1,"total_tokens":2}}`, true)
	f(`{"usage":{"prompt_tokens":1,"completion_tokens":1},"choices":[]}`, true)
	f(`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, false)
	f(`{"choices":[{"index":0,"delta":{}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`, false)
	f(`{"choices":[],"usage":null}`, false)
	f(`{"choices":[],"usage":{}}`, false)
	f(`{"choices":[]}`, false)
	f(`[DONE]`, false)
	// An error must not be taken out of the stream with the usage.
	f(`{"error":{"message":"gone"},"usage":{"prompt_tokens":1,"completion_tokens":0}}`, false)
}

func TestWholeAnswers(t *testing.T) {
	f := func(body string, want api.Signs) {
		t.Helper()
		require.Equal(t, want, new(chat.Watcher).Answer([]byte(body)), body)
	}
	f(`{"choices":[{"index":0,"message":{"role":"assistant","content":"Hi"},"finish_reason":"stop"}]}`, ended)
	f(`{"choices":[{"index":0,"message":{"role":"assistant","content":null,"tool_calls":[{}]},"finish_reason":"tool_calls"}],"error":null}`, ended)
	f(`{"choices":[{"index":0,"message":{"role":"assistant","content":""},"finish_reason":"length"}]}`, ended)
	f(`{"choices":[]}`, none)
	f(`{"choices":null,"error":null}`, none)
	f(`{}`, none)
	f(`null`, none)
	f(``, api.Signs{Broken: true})
	f(`{"error":{"message":"no","type":"server_error"}}`, failed)
	f(`{"error":"no"}`, failed)
	f(`{"choices":[{"message":{"content":"Hal"},"finish_reason":"error","error":{"code":502,"message":"gone"}}]}`, api.Signs{Content: true, Finished: true, Failed: true})
	f(`{"choices":[{"message":{"content":"Hi"}}]`, api.Signs{Content: true, Finished: true, Broken: true})
}

func TestUsageInDisjointClasses(t *testing.T) {
	f := func(usage string, want api.Usage) {
		t.Helper()
		whole, stream := new(chat.Watcher), new(chat.Watcher)
		whole.Answer([]byte(`{"choices":[{"index":0}],"usage":` + usage + `}`))
		require.Equal(t, want, whole.Usage(), usage)
		stream.Event(nil, []byte(`{"choices":[],"usage":`+usage+`}`))
		require.Equal(t, want, stream.Usage(), usage)
	}
	f(`{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15}`, api.Usage{Input: 10, Output: 5, Known: true})
	f(`{"prompt_tokens":1117,"completion_tokens":146,"total_tokens":1263,
		"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},
		"completion_tokens_details":{"reasoning_tokens":100,"accepted_prediction_tokens":0}}`,
		api.Usage{Input: 93, CacheRead: 1024, Output: 46, Reasoning: 100, Known: true})
	f(`{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":30}}`,
		api.Usage{Input: 10, CacheRead: 60, CacheWrite: 30, Output: 5, Known: true})
	// DeepSeek, which also says it OpenAI's way.
	f(`{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"prompt_cache_hit_tokens":64,"prompt_cache_miss_tokens":36}`,
		api.Usage{Input: 36, CacheRead: 64, Output: 5, Known: true})
	f(`{"prompt_tokens":100,"completion_tokens":5,"total_tokens":105,"prompt_cache_hit_tokens":64,"prompt_tokens_details":{"cached_tokens":64}}`,
		api.Usage{Input: 36, CacheRead: 64, Output: 5, Known: true})
	// xAI: the reasoning is outside of completion_tokens, as the total tells.
	f(`{"prompt_tokens":20,"completion_tokens":9,"total_tokens":329,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":300}}`,
		api.Usage{Input: 16, CacheRead: 4, Output: 9, Reasoning: 300, Known: true})
	f(`{"prompt_tokens":20,"completion_tokens":309,"total_tokens":329,"completion_tokens_details":{"reasoning_tokens":300}}`,
		api.Usage{Input: 20, Output: 9, Reasoning: 300, Known: true})
	f(`{"prompt_tokens":20,"completion_tokens":309,"completion_tokens_details":{"reasoning_tokens":300}}`,
		api.Usage{Input: 20, Output: 9, Reasoning: 300, Known: true})
	// Google's compatible endpoint and others: the reasoning is in the total only.
	f(`{"prompt_tokens":20,"completion_tokens":198,"total_tokens":623}`, api.Usage{Input: 20, Output: 198, Reasoning: 405, Known: true})
	f(`{"prompt_tokens":21,"completion_tokens":0,"total_tokens":81,"completion_tokens_details":{"reasoning_tokens":60}}`, api.Usage{Input: 21, Reasoning: 60, Known: true})
	// Moonshot; Anthropic's names, with the caches inside of the prompt and outside.
	f(`{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29,"cached_tokens":8}`, api.Usage{Input: 12, CacheRead: 8, Output: 9, Known: true})
	f(`{"prompt_tokens":20,"completion_tokens":9,"total_tokens":29,"cache_read_input_tokens":8,"cache_creation_input_tokens":4}`, api.Usage{Input: 8, CacheRead: 8, CacheWrite: 4, Output: 9, Known: true})
	f(`{"prompt_tokens":20,"completion_tokens":9,"total_tokens":41,"cache_read_input_tokens":8,"cache_creation_input_tokens":4}`, api.Usage{Input: 20, CacheRead: 8, CacheWrite: 4, Output: 9, Known: true})
	f(`{"prompt_tokens":20,"completion_tokens":9,"prompt_tokens_details":null,"completion_tokens_details":null}`, api.Usage{Input: 20, Output: 9, Known: true})
	f(`{"prompt_tokens":20,"completion_tokens":0,"prompt_tokens_details":{"cached_tokens":30}}`, api.Usage{CacheRead: 30, Known: true})
	f(`{"prompt_tokens":0,"completion_tokens":0,"total_tokens":0}`, api.Usage{Known: true})
	f(`{"cost":0.5}`, api.Usage{})
	f(`{"prompt_tokens":null,"completion_tokens":null,"total_tokens":null}`, api.Usage{})
	f(`{"prompt_tokens":"many"}`, api.Usage{})
	f(`{}`, api.Usage{})
	f(`null`, api.Usage{})
	f(`[]`, api.Usage{})
	f(`7`, api.Usage{})
}

func TestUsageStaysWhatItWasWhereNothingIsSaid(t *testing.T) {
	w := new(chat.Watcher)
	require.Equal(t, api.Usage{}, w.Usage())
	// Some tell the totals so far in every chunk.
	w.Event(nil, []byte(`{"choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`))
	w.Event(nil, []byte(`{"choices":[{"delta":{"content":"b"}}],"usage":{"prompt_tokens":3,"completion_tokens":2}}`))
	w.Event(nil, []byte(`{"choices":[{"delta":{},"finish_reason":"stop"}],"usage":null}`))
	w.Event(nil, []byte(`[DONE]`))
	require.Equal(t, api.Usage{Input: 3, Output: 2, Known: true}, w.Usage())
}

// Groq and Moonshot tell it elsewhere, and an error that is false is none.
func TestUsageInOddPlaces(t *testing.T) {
	for _, chunk := range []string{
		`{"error":false,"choices":[{"delta":{},"finish_reason":"stop"}],"x_groq":{"usage":{"prompt_tokens":3,"completion_tokens":2}}}`,
		`{"choices":[{"delta":{},"finish_reason":"stop","usage":{"prompt_tokens":3,"completion_tokens":2}}]}`,
	} {
		w := new(chat.Watcher)
		signs := w.Event(nil, []byte(chunk))
		require.Equal(t, api.Signs{Content: true, Finished: true}, signs)
		require.Equal(t, api.Usage{Input: 3, Output: 2, Known: true}, w.Usage())
	}
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

// told is the last usage that a recording holds.
type told struct {
	Usage *struct {
		Total int64 `json:"total_tokens"`
	} `json:"usage"`
}

// check holds what a watcher understood against what the recording says.
func check(t *testing.T, usage api.Usage, last told) {
	t.Helper()
	require.Equal(t, last.Usage != nil, usage.Known)
	if last.Usage != nil {
		sum := usage.Input + usage.CacheRead + usage.CacheWrite + usage.Generated()
		require.Equal(t, last.Usage.Total, sum, "the classes are disjoint")
	}
}

func TestRecordedStreams(t *testing.T) {
	for _, file := range recordings(t, "gomodel/*/chat_completion_stream.txt") {
		t.Run(filepath.Base(filepath.Dir(file)), func(t *testing.T) {
			var all api.Signs
			var last told
			w, reader := new(chat.Watcher), sse.NewReader(bytes.NewReader(read(t, file)))
			for {
				ev, err := reader.Next()
				if errors.Is(err, io.EOF) {
					break
				}
				require.NoError(t, err)
				signs := w.Event(ev.Name, ev.Data)
				require.False(t, signs.Failed, "%s", ev.Data)
				all.Content, all.Finished = all.Content || signs.Content, signs.Finished
				if string(ev.Data) != "[DONE]" {
					require.NoError(t, json.Unmarshal(ev.Data, &last))
				}
			}
			require.Equal(t, ended, all)
			check(t, w.Usage(), last)
		})
	}
}

func TestRecordedAnswers(t *testing.T) {
	for _, file := range recordings(t, "gomodel/*/chat_*.json") {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			var last told
			body, w := read(t, file), new(chat.Watcher)
			require.Equal(t, ended, w.Answer(body))
			require.NoError(t, json.Unmarshal(body, &last))
			check(t, w.Usage(), last)
		})
	}
}

// An event is seen as what it is, whatever came before it.
func FuzzWatcherOfTwo(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}]}`, `{"choices":[{"index":0,"delta":{"content":" there"},"finish_reason":null}]}`},
		{`{"choices":[{"index":0,"delta":{"content":"Hi"}}]}`, `{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}`},
		{`{"choices":[{"index":0,"delta":{"content":"Hi"}}],"usage":{"prompt_tokens":1}}`, `{"choices":[{"index":0,"delta":{"content":"\""}}],"usage":{"prompt_tokens":1}}`},
		{`{"choices":[{"index":0,"delta":{"content":"a","role":"b"}},{"index":1,"finish_reason":"stop"}]}`, `{"choices":[{"index":0,"delta":{"content":"b","role":"b"}},{"index":1,"finish_reason":"stop"}]}`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		w, fresh := new(chat.Watcher), new(chat.Watcher)
		require.Equal(t, w.Event(nil, one), fresh.Event(nil, one))
		fresh.Event(nil, []byte(`{}`)) // tells nothing
		require.Equal(t, fresh.Event(nil, two), w.Event(nil, two))
		require.Equal(t, fresh.Usage(), w.Usage())
	})
}

func FuzzWatcher(f *testing.F) {
	for _, seed := range []string{
		`{"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":null}],"usage":null}`,
		`{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":2,"completion_tokens_details":{"reasoning_tokens":1}}}`,
		`{"error":{"message":"no"}}`, `[DONE]`, `{"choices":[{"finish_reason":"error"`, `{"usage":{"prompt_tokens":-9223372036854775808,"total_tokens":1e9}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, look := range []func(*chat.Watcher) api.Signs{
			func(w *chat.Watcher) api.Signs { return w.Event(nil, data) },
			func(w *chat.Watcher) api.Signs { return w.Answer(data) },
		} {
			one, two := new(chat.Watcher), new(chat.Watcher)
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

// How much content there is, in bytes.
func TestSizeOfContent(t *testing.T) {
	f := func(delta string, want int) {
		t.Helper()
		signs := new(chat.Watcher).Event(nil, []byte(`{"choices":[{"index":0,"delta":`+delta+`}]}`))
		require.Equal(t, want, signs.Size, delta)
		require.False(t, signs.Works, delta)
	}
	f(`{"role":"assistant","content":""}`, 0)
	f(`{"role":"assistant","content":"Hello"}`, 5)
	f(`{"reasoning_content":"hm","content":null}`, 2)
	f(`{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"look_up","arguments":""}}]}`, 0)
	f(`{"tool_calls":[{"index":0,"function":{"arguments":"{\"a"}},{"index":1,"function":{"arguments":"bc"}}]}`, 6)
	f(`{"content":[{"a":1}]}`, 9)
}
