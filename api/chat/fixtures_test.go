package chat_test

import (
	"encoding/json"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/sse"
)

// recordedMessage is a message or a delta, read by other means.
type recordedMessage struct {
	Content, Refusal string
	Reasoning        string `json:"reasoning_content"`
	ToolCalls        []struct {
		Index    int
		ID       string
		Function struct{ Name, Arguments string }
	} `json:"tool_calls"`
	Annotations []struct {
		Citation struct{ URL string } `json:"url_citation"`
	}
	Audio *struct{ Transcript string }
}

type recordedAnswer struct {
	Choices []struct {
		Index          int
		Message, Delta recordedMessage
		Finish         string `json:"finish_reason"`
	}
	Usage *struct {
		PromptDetails struct {
			Cached int64 `json:"cached_tokens"`
			Audio  int64 `json:"audio_tokens"`
		} `json:"prompt_tokens_details"`
		CompletionDetails struct {
			Reasoning int64 `json:"reasoning_tokens"`
			Audio     int64 `json:"audio_tokens"`
		} `json:"completion_tokens_details"`
		PromptTokens     int64 `json:"prompt_tokens"`
		CompletionTokens int64 `json:"completion_tokens"`
		TotalTokens      int64 `json:"total_tokens"`
	}
}

// account is what an answer comes to: of a recording as it stands, of an answer
// as it was decoded.
type account struct {
	heardParts
	citations, transcript, finish string
	usage                         api.Usage
}

func (a *account) message(m *recordedMessage, streamed bool) {
	a.text += m.Content
	a.refusal += m.Refusal
	a.thinking += m.Reasoning
	for i, c := range m.ToolCalls {
		if streamed {
			i = c.Index
		}
		if i == len(a.calls) {
			a.calls = append(a.calls, c.ID+" "+c.Function.Name)
		}
		a.arguments += c.Function.Arguments // no recording interleaves them
	}
	for _, c := range m.Annotations {
		a.citations += c.Citation.URL + " "
	}
	if m.Audio != nil {
		a.transcript += m.Audio.Transcript
	}
}

func recorded(t *testing.T, datas []string, streamed bool) (a account) {
	t.Helper()
	for _, data := range datas {
		var one recordedAnswer
		if data == "[DONE]" {
			continue
		}
		require.NoError(t, json.Unmarshal([]byte(data), &one))
		for _, c := range one.Choices {
			require.Zero(t, c.Index)
			a.message(&c.Message, streamed)
			a.message(&c.Delta, streamed)
			if c.Finish != "" {
				a.finish = c.Finish
			}
		}
		if u := one.Usage; u != nil {
			reasoning := u.CompletionDetails.Reasoning
			a.usage = api.Usage{
				Known: true, Input: u.PromptTokens - u.PromptDetails.Cached, CacheRead: u.PromptDetails.Cached,
				Output: u.TotalTokens - u.PromptTokens - reasoning, Reasoning: reasoning,
				Audio: api.Modality{Input: u.PromptDetails.Audio, Output: u.CompletionDetails.Audio},
			}
		}
	}
	return a
}

func accounted(resp *api.Response) (a account) {
	c := &resp.Choices[0]
	a.of(c.Parts)
	for i := range c.Parts {
		for _, cited := range c.Parts[i].Citations {
			a.citations += cited.URL + " "
		}
		if c.Parts[i].Kind == api.Sound {
			a.transcript += c.Parts[i].Text
		}
	}
	a.finish, a.usage = string(c.Finish), resp.Usage
	if c.Finish == api.FinishRefusal {
		a.finish = "stop"
	}
	return a
}

// accumulated is what a stream comes to, and whether it came to its end.
func accumulated(t *testing.T, stream io.Reader) (*api.Response, bool) {
	t.Helper()
	var a api.Accumulator
	d, reader := codec.NewStreamDecoder(), sse.NewReader(stream)
	for {
		ev, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		require.NoError(t, d.Decode(ev.Name, ev.Data, a.Add))
	}
	whole := d.Close(a.Add)
	resp, done := a.Response()
	require.Equal(t, whole, done)
	return resp, whole
}

// pieces gives no more than n bytes at a time.
type pieces struct {
	data []byte
	n    int
}

func (p *pieces) Read(to []byte) (int, error) {
	if len(p.data) == 0 {
		return 0, io.EOF
	}
	n := copy(to, p.data[:min(p.n, len(p.data))])
	p.data = p.data[n:]
	return n, nil
}

func recordedStreams(t *testing.T) map[string]string {
	t.Helper()
	streams := map[string]string{}
	for _, file := range recordings(t, "gomodel/*/chat_completion_stream.txt") {
		streams[filepath.Base(filepath.Dir(file))] = string(read(t, file))
	}
	for name, bodies := range cassettes(t) {
		if strings.HasPrefix(bodies[1], "data:") {
			streams[name] = bodies[1]
		}
	}
	return streams
}

// Nothing is lost of what was recorded: not by reading it, not by writing it
// again, whole or as a stream.
func TestRecordedStreamsAreAccountedFor(t *testing.T) {
	for name, stream := range recordedStreams(t) {
		t.Run(name, func(t *testing.T) {
			want := recorded(t, split(t, []byte(stream)), true)
			for _, n := range []int{1, 2, 3, 7, 64, 4096} {
				resp, whole := accumulated(t, &pieces{[]byte(stream), n})
				require.True(t, whole)
				require.Equal(t, want, accounted(resp), "in pieces of %d", n)
			}
			resp, _ := accumulated(t, strings.NewReader(stream))
			checkAccount(t, want, resp)
		})
	}
}

func TestRecordedAnswersAreAccountedFor(t *testing.T) {
	f := func(name string, body []byte) {
		t.Run(name, func(t *testing.T) {
			resp, err := codec.DecodeResponse(body)
			require.NoError(t, err)
			want := recorded(t, []string{string(body)}, false)
			require.Equal(t, want, accounted(resp))
			checkAccount(t, want, resp)
		})
	}
	for _, file := range recordings(t, "gomodel/*/chat_*.json") {
		f(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), read(t, file))
	}
	for name, bodies := range cassettes(t) {
		if strings.HasPrefix(bodies[1], "{") && !strings.Contains(bodies[1], `"error": {`) {
			f(name, []byte(bodies[1]))
		}
	}
}

// checkAccount holds what an answer becomes for a client against what it was.
func checkAccount(t *testing.T, want account, resp *api.Response) {
	t.Helper()
	req := &api.Request{Source: api.Chat, StreamUsage: true}
	body, err := codec.EncodeResponse(resp, req)
	require.NoError(t, err)
	require.Equal(t, want, recorded(t, []string{string(body)}, false))
	e := codec.NewStreamEncoder(req)
	var stream []byte
	resp.Emit(func(ev *api.Event) { stream = e.Encode(stream, ev) })
	require.Equal(t, want, recorded(t, split(t, stream), true))
}

// A stream that breaks off, wherever, says what it said until then and no more,
// and has no end before its finish_reason.
func TestStreamsCutAtEveryByte(t *testing.T) {
	for name, stream := range recordedStreams(t) {
		t.Run(name, func(t *testing.T) { checkCuts(t, stream, 1+len(stream)/2000) })
	}
	t.Run("made up", func(t *testing.T) {
		var stream strings.Builder
		for _, data := range deltas("tool_calls", `{"role":"assistant","content":""}`, `{"reasoning_content":"Hé"}`, `{"content":"😀\ud83d"}`, `{"content":"\ude00"}`,
			call(`"index":0,"id":"a","function":{"name":"f","arguments":"{\"é\":"}`), call(`"index":0,"function":{"arguments":"\"ü\"}"}`)) {
			stream.WriteString(": comment\r\ndata: " + data + "\r\n\r\n")
		}
		checkCuts(t, stream.String(), 1)
	})
}

// checkCuts cuts a stream at every so many bytes.
func checkCuts(t *testing.T, stream string, step int) {
	t.Helper()
	whole, ended := accumulated(t, strings.NewReader(stream))
	require.True(t, ended)
	want := accounted(whole)
	finish := strings.LastIndex(stream, `"finish_reason":"`)
	for cut := 0; cut < len(stream); cut += step {
		var a api.Accumulator
		d, reader := codec.NewStreamDecoder(), sse.NewReader(&pieces{[]byte(stream[:cut]), 512})
		broken := false
		for !broken {
			ev, err := reader.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
			broken = d.Decode(ev.Name, ev.Data, a.Add) != nil
		}
		if !broken && d.Close(a.Add) {
			require.Greater(t, cut, finish, "an end that there was not")
		}
		resp, _ := a.Response()
		var got heardParts
		if len(resp.Choices) > 0 {
			got.of(resp.Choices[0].Parts)
		}
		// Half of a surrogate pair is what is left of a cut between the two.
		require.True(t, strings.HasPrefix(want.text, strings.TrimSuffix(got.text, "\ufffd")), "cut at %d", cut)
		require.True(t, strings.HasPrefix(want.thinking, got.thinking), "cut at %d", cut)
		require.True(t, strings.HasPrefix(want.arguments, got.arguments), "cut at %d", cut)
	}
}
