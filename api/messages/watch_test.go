package messages_test

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
	"github.com/caddy-plexus/plexus/api/messages"
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
		require.Equal(t, want, unclocked(new(messages.Watcher).Event(nil, []byte(data))), data)
	}
	f(`{"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","content":[],"stop_reason":null,"usage":{"input_tokens":3,"output_tokens":1}}}`, none)
	f(`{"type":"ping"}`, none)
	f(`{"type": "ping" }`, none)
	f(`{"type":"content_block_stop","index":0}`, none)

	start := func(block string, want api.Signs) {
		t.Helper()
		f(`{"type":"content_block_start","index":0,"content_block":`+block+`}`, want)
	}
	start(`{"type":"text","text":""}`, none)
	start(`{"type":"text","text":"","citations":[]}`, none)
	start(`{"type":"text","text":"Hi"}`, content)
	start(`{"type":"thinking","thinking":"","signature":""}`, none)
	start(`{"type":"thinking","thinking":"hm"}`, content)
	start(`{"type":"redacted_thinking","data":"x"}`, content)
	start(`{"type":"tool_use","id":"toolu_1","name":"look_up","input":{}}`, content)
	start(`{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}`, content)
	start(`{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[]}`, content)
	start(`{"type":"compaction","content":null}`, none)
	f(`{"type":"content_block_start"}`, none)

	delta := func(delta string, want api.Signs) {
		t.Helper()
		f(`{"type":"content_block_delta","index":0,"delta":`+delta+`}`, want)
	}
	delta(`{"type":"text_delta","text":"Hi"}`, content)
	delta(`{"type":"text_delta","text":""}`, none)
	delta(`{"type":"thinking_delta","thinking":"hm"}`, content)
	delta(`{"type":"thinking_delta","thinking":""}`, none)
	delta(`{"type":"signature_delta","signature":"x"}`, content)
	delta(`{"type":"input_json_delta","partial_json":"{"}`, content)
	delta(`{"type":"input_json_delta","partial_json":""}`, none)
	delta(`{"type":"citations_delta","citation":{"type":"char_location"}}`, content)
	delta(`{"type":"compaction_delta","content":"summary"}`, content)
	delta(`{"type":"delta_of_tomorrow","thing":{"x":1}}`, content)

	f(`{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":5}}`, ended)
	f(`{"type":"message_delta","delta":{"stop_reason":"refusal"},"usage":{"output_tokens":0}}`, ended)
	f(`{"type":"message_delta","delta":{"stop_reason":null},"usage":{"output_tokens":5}}`, none)
	f(`{"type":"message_delta","delta":{},"usage":{"output_tokens":5}}`, none)
	f(`{"type":"message_stop"}`, api.Signs{Finished: true, Closed: true})

	f(`{"type":"event_of_tomorrow","content":"x"}`, none)
	f(`{"type":7}`, none)
	f(`{}`, none)
	f(`[]`, none)
	f(``, none)
	f(`{"type":"content_block_delta","delta":{"te`, none)
}

func TestTheTypeInsideTheDataDecides(t *testing.T) {
	require.Equal(t, none, new(messages.Watcher).Event(nil, nil))
	require.Equal(t, none, new(messages.Watcher).Event([]byte("message_stop"), []byte(`{"type":"ping"}`)))
	require.Equal(t, api.Signs{Finished: true, Closed: true}, new(messages.Watcher).Event(nil, []byte(`{"type":"message_stop"}`)))
}

func TestEventsThatReportAnError(t *testing.T) {
	f := func(data string, want api.Signs) {
		t.Helper()
		require.Equal(t, want, new(messages.Watcher).Event([]byte("error"), []byte(data)), data)
	}
	f(`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":null}`, failed)
	f(`{"error":{"message":"gone","type":"server_error"}}`, failed)
	f(`{"error":null}`, none)
	f(`{"type":"ping","error":null}`, none)
}

func TestWholeAnswers(t *testing.T) {
	f := func(body string, want api.Signs) {
		t.Helper()
		require.Equal(t, want, new(messages.Watcher).Answer([]byte(body)), body)
	}
	f(`{"type":"message","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn"}`, ended)
	f(`{"type":"message","content":[],"stop_reason":"refusal","error":null}`, ended)
	f(`{"input_tokens":7}`, ended) // count_tokens
	f(`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, failed)
	f(`{"error":"no"}`, failed)
	f(`{}`, none)
	f(``, api.Signs{Broken: true})
	f(`null`, none)
	f(`{"content":[{"text":"Hi"}`, api.Signs{Content: true, Finished: true, Broken: true})
}

func TestUsageOfAWholeAnswer(t *testing.T) {
	f := func(usage string, want api.Usage) {
		t.Helper()
		w := new(messages.Watcher)
		w.Answer([]byte(`{"content":[],"usage":` + usage + `}`))
		require.Equal(t, want, w.Usage(), usage)
	}
	f(`{"input_tokens":10,"output_tokens":5}`, api.Usage{Input: 10, Output: 5, Known: true})
	f(`{"input_tokens":10,"cache_creation_input_tokens":200,"cache_read_input_tokens":3000,"cache_creation":{"ephemeral_5m_input_tokens":150,"ephemeral_1h_input_tokens":50},"output_tokens":5,"service_tier":"standard"}`,
		api.Usage{Input: 10, CacheWrite: 200, CacheWriteHour: 50, CacheRead: 3000, Output: 5, Known: true})
	f(`{"input_tokens":10,"cache_creation":{"ephemeral_5m_input_tokens":150,"ephemeral_1h_input_tokens":50},"output_tokens":5}`,
		api.Usage{Input: 10, CacheWrite: 200, CacheWriteHour: 50, Output: 5, Known: true})
	f(`{"input_tokens":10,"cache_creation_input_tokens":0,"cache_creation":null,"output_tokens":5,"output_tokens_details":{"thinking_tokens":2}}`,
		api.Usage{Input: 10, Output: 3, Reasoning: 2, Known: true})
	f(`{"input_tokens":10,"cache_creation_input_tokens":null,"cache_read_input_tokens":null,"output_tokens":5,"server_tool_use":null}`,
		api.Usage{Input: 10, Output: 5, Known: true})
	f(`{"input_tokens":0,"output_tokens":0}`, api.Usage{Known: true})
	f(`{"input_tokens":null,"output_tokens":null}`, api.Usage{})
	f(`{"service_tier":"standard"}`, api.Usage{})
	f(`{"input_tokens":"many"}`, api.Usage{})
	f(`{}`, api.Usage{})
	f(`null`, api.Usage{})
}

func TestUsageOfAStreamIsCompletedByItsEnd(t *testing.T) {
	f := func(want api.Usage, usages ...string) {
		t.Helper()
		w := new(messages.Watcher)
		require.Equal(t, api.Usage{}, w.Usage())
		w.Event(nil, []byte(`{"type":"message_start","message":{"usage":`+usages[0]+`}}`))
		for _, usage := range usages[1:] {
			w.Event(nil, []byte(`{"type":"message_delta","delta":{},"usage":`+usage+`}`))
		}
		w.Event(nil, []byte(`{"type":"message_stop"}`))
		require.Equal(t, want, w.Usage())
	}
	f(api.Usage{Input: 10, CacheRead: 7, Output: 42, Known: true},
		`{"input_tokens":10,"cache_read_input_tokens":7,"output_tokens":1}`, `{"output_tokens":42}`)
	f(api.Usage{Input: 10, CacheRead: 7, CacheWrite: 8, Output: 42, Known: true},
		`{"input_tokens":9,"output_tokens":1}`, `{"input_tokens":10,"cache_creation_input_tokens":8,"cache_read_input_tokens":7,"output_tokens":42}`)
	f(api.Usage{Input: 10, CacheRead: 7, Output: 42, Known: true},
		`{"input_tokens":10,"cache_read_input_tokens":7,"output_tokens":1}`, `{"input_tokens":null,"cache_read_input_tokens":null,"output_tokens":42}`)
	// How long the cache is kept is told at the start alone.
	f(api.Usage{Input: 10, CacheWrite: 9, CacheWriteHour: 8, Output: 42, Known: true},
		`{"input_tokens":10,"cache_creation_input_tokens":8,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":8},"output_tokens":1}`,
		`{"cache_creation_input_tokens":9,"output_tokens":42}`)
	// Each number is a total: the deltas are not summed.
	f(api.Usage{Input: 10, Output: 42, Known: true}, `{"input_tokens":10,"output_tokens":1}`, `{"output_tokens":20}`, `{"output_tokens":42}`)
	f(api.Usage{Input: 10, Output: 42, Known: true}, `{"input_tokens":0,"output_tokens":0}`, `{"input_tokens":10,"output_tokens":42}`)
	f(api.Usage{Input: 10, Output: 1, Known: true}, `{"input_tokens":10,"output_tokens":1}`, `null`)
	f(api.Usage{Output: 42, Known: true}, `null`, `{"output_tokens":42}`)
	f(api.Usage{}, `null`, `{"output_tokens":null}`)
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

// told is what a recording says of its usage, merged over its events.
type told struct {
	Input      int64 `json:"input_tokens"`
	CacheRead  int64 `json:"cache_read_input_tokens"`
	CacheWrite int64 `json:"cache_creation_input_tokens"`
	Output     int64 `json:"output_tokens"`
}

func (u *told) usage() api.Usage {
	return api.Usage{Input: u.Input, CacheRead: u.CacheRead, CacheWrite: u.CacheWrite, Output: u.Output, Known: true}
}

// watch goes through a stream's events and holds what is seen against what they
// say.
func watch(t *testing.T, events [][]byte) {
	t.Helper()
	var all api.Signs
	var last told
	w := new(messages.Watcher)
	for _, data := range events {
		signs := w.Event(nil, data)
		require.False(t, signs.Failed, "%s", data)
		all.Content, all.Finished = all.Content || signs.Content, signs.Finished
		at := struct {
			Message struct{ Usage *told }
			Usage   *told
		}{Usage: &last}
		at.Message.Usage = &last
		require.NoError(t, json.Unmarshal(data, &at))
	}
	require.Equal(t, ended, all)
	require.Equal(t, last.usage(), w.Usage())
}

func TestRecordedStreams(t *testing.T) {
	for _, file := range recordings(t, "vercel-ai/anthropic/*.chunks.txt") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			watch(t, bytes.Split(bytes.TrimSpace(read(t, file)), []byte("\n")))
		})
	}
	for _, file := range recordings(t, "gomodel/anthropic/*_stream.txt") {
		t.Run(filepath.Base(file), func(t *testing.T) {
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
	// Answers of another endpoint.
	others := map[string]bool{"anthropic-skill-create.json": true, "anthropic-skill-version-create.json": true}
	for _, file := range recordings(t, "*/anthropic/*.json") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			body, w := read(t, file), new(messages.Watcher)
			signs := w.Answer(body)
			if others[filepath.Base(file)] {
				require.Equal(t, none, signs)
				return
			}
			var answer struct{ Usage told }
			require.NoError(t, json.Unmarshal(body, &answer))
			require.Equal(t, ended, signs)
			require.Equal(t, answer.Usage.usage(), w.Usage())
		})
	}
}

// An event is seen as what it is, whatever came before it.
func FuzzWatcherOfTwo(f *testing.F) {
	for _, seed := range [][2]string{
		{`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}`, `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" there"}}`},
		{`{"type":"content_block_delta","index":0,"delta":{"text":"Hi"}}`, `{"type":"content_block_delta","index":0,"delta":{"text":"\n"}}`},
		{`{"type":"content_block_delta","delta":{"text":"a","partial_json":"b"}}`, `{"type":"content_block_delta","delta":{"text":"a","partial_json":"c"}}`},
	} {
		f.Add([]byte(seed[0]), []byte(seed[1]))
	}
	f.Fuzz(func(t *testing.T, one, two []byte) {
		w, fresh := new(messages.Watcher), new(messages.Watcher)
		require.Equal(t, w.Event(nil, one), fresh.Event(nil, one))
		fresh.Event(nil, []byte(`{"type":"ping"}`)) // tells nothing
		require.Equal(t, fresh.Event(nil, two), w.Event(nil, two))
		require.Equal(t, fresh.Usage(), w.Usage())
	})
}

func FuzzWatcher(f *testing.F) {
	for _, seed := range []string{
		`{"type":"message_start","message":{"usage":{"input_tokens":3,"cache_read_input_tokens":null,"output_tokens":1}}}`,
		`{"type":"content_block_start","content_block":{"type":"text","text":""}}`, `{"type":"content_block_delta","delta":{"text":"Hi"}}`,
		`{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}`, `{"type":"error","error":{"message":"no"}}`,
		`{"content":[],"usage":{"input_tokens":1e3}}`, `{"type":"\ud83d`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, look := range []func(*messages.Watcher) api.Signs{
			func(w *messages.Watcher) api.Signs { return w.Event(nil, data) },
			func(w *messages.Watcher) api.Signs { return w.Answer(data) },
		} {
			one, two := new(messages.Watcher), new(messages.Watcher)
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
		signs := new(messages.Watcher).Event(nil, []byte(data))
		require.Equal(t, size, signs.Size, data)
		require.Equal(t, works, signs.Works, data)
	}
	f(`{"type":"message_start","message":{}}`, 0, false)
	f(`{"type":"ping"}`, 0, false)
	f(`{"type":"content_block_start","content_block":{"type":"text","text":""}}`, 0, true)
	f(`{"type":"content_block_start","content_block":{"type":"server_tool_use","id":"s","name":"web_search","input":{}}}`, 11, true)
	f(`{"type":"content_block_delta","delta":{"type":"text_delta","text":"Hello"}}`, 5, false)
	f(`{"type":"content_block_delta","delta":{"type":"text_delta","text":""}}`, 0, false)
	f(`{"type":"content_block_delta","delta":{"type":"input_json_delta","partial_json":"{\"a"}}`, 4, false)
	f(`{"type":"content_block_stop","index":0}`, 0, true)
}
