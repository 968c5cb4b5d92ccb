package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func questionOf(t *testing.T, model string) *question {
	t.Helper()
	q, err := newQuestion(model, &chatFormat, &chatFormat)
	require.NoError(t, err)
	return q
}

func TestQuestionsAreAsLongAsTheirModelSays(t *testing.T) {
	f := func(model string, want int) {
		t.Helper()
		q := questionOf(t, model)
		require.Len(t, q.body, want)
		require.LessOrEqual(t, len(q.answer), shortAnswer+10)
		require.Equal(t, model, modelIn(q.body))
		var request struct {
			Model    string
			Messages []struct {
				Role    string
				Content any
			}
		}
		require.NoError(t, json.Unmarshal(q.body, &request))
		require.Equal(t, model, request.Model)
		require.Equal(t, "user", request.Messages[len(request.Messages)-1].Role)
		require.Contains(t, request.Messages[1].Content, "\"What does the third paragraph say?\"")
	}
	f("ask-2000", 2000)
	for size := 10_000; size < 10_010; size++ {
		f("ask-"+itoa(size), size)
		f("ask-"+itoa(size)+"-picture", size)
	}
	f("ask-1048576", 1<<20)
	f("ask-1048576-document", 1<<20)
	f("ask-8388608-picture", 8<<20)
}

func TestAPictureFillsMostOfAQuestion(t *testing.T) {
	q := questionOf(t, "ask-8388608-picture")
	_, rest, found := bytes.Cut(q.body, []byte("data:image/png;base64,"))
	require.True(t, found)
	encoded, _, _ := bytes.Cut(rest, []byte(`"`))
	require.Greater(t, len(encoded), 8_000_000)
	_, err := base64.StdEncoding.DecodeString(string(encoded))
	require.NoError(t, err)
}

func TestADocumentIsAFewLongTexts(t *testing.T) {
	q := questionOf(t, "ask-1048576-document")
	require.Equal(t, 1+8+1, bytes.Count(q.body, []byte(`"role":`)))
}

func TestAnAgentHasToolsAndCallsThem(t *testing.T) {
	for size := 20_000; size < 20_010; size++ {
		q := questionOf(t, "ask-"+itoa(size)+"-agent")
		require.Len(t, q.body, size)
		var request struct {
			Messages []struct {
				Role      string
				ToolCalls []struct{ Function struct{ Arguments string } } `json:"tool_calls"`
			}
			Tools []struct{ Function struct{ Name string } }
		}
		require.NoError(t, json.Unmarshal(q.body, &request))
		require.Len(t, request.Tools, 16)
		require.Equal(t, "tool_00", request.Tools[0].Function.Name)
		require.True(t, json.Valid([]byte(request.Messages[1].ToolCalls[0].Function.Arguments)))
		require.Equal(t, "tool", request.Messages[2].Role)
	}
}

func TestProviderChecksLargeQuestions(t *testing.T) {
	s := served(t, new(provider))
	q := questionOf(t, "ask-20000")
	renamed := strings.Replace(string(q.body), `"model":"ask-20000"`, `"model":"ask-20000@one"`, 1)
	send := func(body string) error {
		return post(t.Context(), "http://"+s.addr+"/gateway/v1/chat/completions", credential, []byte(body))
	}
	require.NoError(t, send(renamed))
	bad := func(reason, was, is string) {
		t.Helper()
		body := strings.Replace(renamed, was, is, 1)
		require.NotEqual(t, renamed, body)
		require.ErrorContains(t, send(body), reason)
	}
	bad("the first 15908 bytes of the request are not the client's", "Monday", "Sunday")
	bad("is not the client's: after 15908 bytes", `.."}],"model"`, `. "}],"model"`)
	bad("is not the client's", `"max_tokens":100`, `"max_tokens":101`)
	bad("has 20003 bytes", "Monday", "Monda")
	bad("has 20005 bytes", "}]", "}] ")
}

func TestLargeQuestionsAreAskedAndAnswered(t *testing.T) {
	alone := served(t, new(provider))
	proxy := served(t, plainProxy(alone.addr))
	for _, model := range []string{"ask-10240", "ask-102400-agent", "ask-1048576", "ask-8388608-picture"} {
		for _, s := range []*subject{alone, proxy} {
			_, err := closed(t.Context(), s, questionOf(t, model), 2, 6, 0)
			require.NoError(t, err)
		}
	}
}
