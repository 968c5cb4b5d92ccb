package pairs_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/chat"
	"github.com/caddy-plexus/plexus/api/gemini"
	"github.com/caddy-plexus/plexus/api/messages"
	"github.com/caddy-plexus/plexus/api/responses"
)

func decoded(t *testing.T, from api.ClientCodec, model, body string) *api.Request {
	t.Helper()
	req, err := from.DecodeRequest([]byte(body))
	require.NoError(t, err)
	req.Model = model
	return req
}

func mustRefuse(t *testing.T, to api.TargetCodec, req *api.Request, field string) {
	t.Helper()
	body, dropped, err := to.EncodeRequest(req)
	unsupported, ok := errors.AsType[*api.Unsupported](err)
	require.True(t, ok, "err %v, dropped %v, sent %s", err, dropped, body)
	require.Equal(t, field, unsupported.Field)
}

// A tool's name that begins with a digit, as OpenAI and Anthropic take it, made the
// whole request one that Gemini could not be asked.
func TestNamesThatGeminiWouldRefuseAreRenamed(t *testing.T) {
	for _, name := range []string{"1password__get_item", "3d-render", "-x"} {
		req := decoded(t, chat.Codec{}, "gemini-2.5-flash", `{"model":"x","messages":[{"role":"user","content":"q"}],"tools":[{"type":"function","function":{"name":"`+name+`"}}]}`)
		renamed, names := api.Rename(req, api.Gemini)
		body, _, err := gemini.Codec{}.EncodeRequest(renamed)
		require.NoError(t, err, name)
		short := renamed.Tools[0].Name
		require.Contains(t, string(body), `"name":"`+short+`"`)
		require.Equal(t, name, names[short])
		require.Regexp(t, `^[A-Za-z_][A-Za-z0-9_.:-]*$`, short)
	}
}

const listSchema = `{"contents":[{"parts":[{"text":"recipes"}]}],"generationConfig":{"responseMimeType":"application/json","responseSchema":{"type":"ARRAY","items":{"type":"OBJECT","properties":{"name":{"type":"STRING"}}}}}}`

// A list that a client of Gemini wants was forced into an object, by a tool whose
// schema had items.
func TestAListIsForcedAsOne(t *testing.T) {
	req := decoded(t, gemini.Codec{}, "claude-sonnet-4-20250514", listSchema)
	body, _, err := messages.Codec{}.EncodeRequest(req)
	require.NoError(t, err)
	var out struct {
		Tools []struct {
			Name   string
			Schema struct {
				Type       string
				Items      any
				Properties map[string]struct{ Type string }
			} `json:"input_schema"`
		}
	}
	require.NoError(t, json.Unmarshal(body, &out))
	require.Nil(t, out.Tools[0].Schema.Items, "an object with items is nonsense: %s", body)
	require.Equal(t, "array", out.Tools[0].Schema.Properties["value"].Type)

	// What comes back is the list that was asked for, whole and streamed.
	answer := `{"id":"m","content":[{"type":"tool_use","id":"a","name":"` + out.Tools[0].Name + `","input":{"value":[{"name":"x"}]}}],"stop_reason":"tool_use"}`
	resp, err := messages.Codec{}.DecodeResponse([]byte(answer))
	require.NoError(t, err)
	require.Equal(t, `[{"name":"x"}]`, resp.Choices[0].Parts[0].Text)
	require.Equal(t, api.FinishStop, resp.Choices[0].Finish)

	wire := `data: {"type":"message_start","message":{"id":"m"}}

data: {"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"a","name":"` + out.Tools[0].Name + `","input":{}}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"value\": [{\"na"}}

data: {"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"me\":\"x\"}]}"}}

data: {"type":"content_block_stop","index":0}

data: {"type":"message_delta","delta":{"stop_reason":"tool_use"},"usage":{"output_tokens":1}}

data: {"type":"message_stop"}

`
	told := translate(messages.Codec{}, gemini.Codec{}, asking(), strings.NewReader(wire), newOrder(t).see)
	require.True(t, told.whole)
	require.Equal(t, `[{"name":"x"}]`, told.said.choices[0].text)
}

// OpenAI: "schema must be a JSON Schema of 'type: "object"', got 'type: "array"'".
func TestOpenAIHasNoListsForAnswers(t *testing.T) {
	req := decoded(t, gemini.Codec{}, "gpt-4.1", listSchema)
	mustRefuse(t, chat.Codec{}, req, "generationConfig.responseSchema")
	mustRefuse(t, responses.Codec{}, req, "generationConfig.responseSchema")
}

// The prompt that Google keeps was left out, and the rest was asked.
func TestCachedContentIsNotLost(t *testing.T) {
	req := decoded(t, gemini.Codec{}, "m", `{"contents":[{"parts":[{"text":"a"}]}],"cachedContent":"cachedContents/1"}`)
	for _, to := range []api.TargetCodec{chat.Codec{}, responses.Codec{}, messages.Codec{}} {
		mustRefuse(t, to, req, "cachedContent")
	}
}

// Instead of speech a text was the answer.
func TestSpeechIsNotLost(t *testing.T) {
	req := decoded(t, gemini.Codec{}, "m", `{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"responseModalities":["AUDIO"]}}`)
	for _, to := range []api.TargetCodec{chat.Codec{}, responses.Codec{}, messages.Codec{}} {
		mustRefuse(t, to, req, "generationConfig.responseModalities")
	}
}

// An enum became free text.
func TestAnEnumIsNotLost(t *testing.T) {
	req := decoded(t, gemini.Codec{}, "m", `{"contents":[{"parts":[{"text":"a"}]}],"generationConfig":{"responseMimeType":"text/x.enum","responseSchema":{"type":"STRING","enum":["a","b"]}}}`)
	for _, to := range []api.TargetCodec{chat.Codec{}, responses.Codec{}, messages.Codec{}} {
		mustRefuse(t, to, req, "generationConfig.responseMimeType")
	}
}

// A fifth stop sequence was left out, and the answer went on past it.
func TestAFifthStopIsNotLost(t *testing.T) {
	req := decoded(t, messages.Codec{}, "gpt-4o", `{"max_tokens":5,"stop_sequences":["1","2","3","4","5"],"messages":[{"role":"user","content":"a"}]}`)
	mustRefuse(t, chat.Codec{}, req, "stop_sequences")
}

// Of two calls of one turn with the same id the one had no result, the other that of
// the first.
func TestTwoCallsOfOneIDHaveAResultEach(t *testing.T) {
	req := decoded(t, chat.Codec{}, "claude-sonnet-4-5", `{"model":"x","messages":[{"role":"user","content":"q"},
		{"role":"assistant","content":null,"tool_calls":[{"id":"d","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"d","type":"function","function":{"name":"g","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"d","content":"one"},{"role":"tool","tool_call_id":"d","content":"two"}]}`)
	body, _, err := messages.Codec{}.EncodeRequest(req)
	require.NoError(t, err)
	require.Contains(t, string(body), `[{"type":"tool_result","tool_use_id":"d","content":"one"},{"type":"tool_result","tool_use_id":"d_2","content":"two"}]`)
}

// A call that the limit of tokens cut off was called completed.
func TestACallThatIsCutOffIsIncomplete(t *testing.T) {
	resp, err := chat.Codec{}.DecodeResponse([]byte(`{"id":"c","choices":[{"message":{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{\"a\":"}}]},"finish_reason":"length"}]}`))
	require.NoError(t, err)
	out, err := responses.Codec{}.EncodeResponse(resp, &api.Request{Model: "m"})
	require.NoError(t, err)
	require.Contains(t, string(out), `"type":"function_call","status":"incomplete"`)
}

// Google demands as many results as there were calls.
func TestGeminiGetsAResultForEachCall(t *testing.T) {
	req := decoded(t, chat.Codec{}, "gemini-2.5-flash", `{"model":"x","messages":[{"role":"user","content":"q"},
		{"role":"assistant","content":null,"tool_calls":[{"id":"a","type":"function","function":{"name":"f","arguments":"{}"}},{"id":"b","type":"function","function":{"name":"g","arguments":"{}"}}]},
		{"role":"tool","tool_call_id":"b","content":"one"},{"role":"user","content":"stop, do this instead"}]}`)
	body, _, err := gemini.Codec{}.EncodeRequest(req)
	require.NoError(t, err)
	require.Equal(t, 2, strings.Count(string(body), `"functionResponse"`), "%s", body)
}
