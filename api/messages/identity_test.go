package messages_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api/messages"
)

// What this format can say comes through the neutral one unharmed.
func TestRequestIdentity(t *testing.T) {
	f := func(body string) {
		t.Helper()
		out, dropped, err := messages.Codec{}.EncodeRequest(decode(t, body))
		require.NoError(t, err)
		require.Empty(t, dropped)
		require.JSONEq(t, body, string(out))
	}
	with := func(members string) {
		t.Helper()
		f(`{"model":"m","max_tokens":9999,"messages":[{"role":"user","content":"Hi"}],` + members + `}`)
	}
	content := func(blocks string) {
		t.Helper()
		f(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[` + blocks + `]}]}`)
	}
	with(`"system":"Be brief"`)
	with(`"system":[{"type":"text","text":"a","cache_control":{"type":"ephemeral","ttl":"1h"}},{"type":"text","text":"b"}]`)
	with(`"temperature":0.5,"top_p":0.9,"top_k":40,"stop_sequences":["a"," "],"stream":true,"service_tier":"standard_only"`)
	with(`"metadata":{"user_id":"u","other":[1]},"container":{"id":"c"},"context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]},"mcp_servers":[],"inference_geo":"us","cache_control":{"type":"ephemeral"}`)
	with(`"thinking":{"type":"enabled","budget_tokens":2048},"temperature":1`)
	with(`"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"xhigh"}`)
	with(`"thinking":{"type":"adaptive","display":"omitted"}`)
	with(`"thinking":{"type":"disabled"},"output_config":{"effort":"low"}`)
	with(`"output_config":{"effort":"low","format":{"type":"json_schema","schema":{"type":"object","properties":{"n":{"type":"integer","minimum":3}}}},"task_budget":{"total":1}}`)
	with(`"tools":[{"name":"a","description":"b","input_schema":{"type":"object","oneOf":[]},"strict":true,"cache_control":{"type":"ephemeral"}},{"name":"c","input_schema":{"type":"object"},"strict":false}],"tool_choice":{"type":"any","disable_parallel_tool_use":true}`)
	with(`"tools":[{"type":"custom","name":"a","input_schema":{"type":"object"},"input_examples":[{}],"defer_loading":true}],"tool_choice":{"type":"tool","name":"a","disable_parallel_tool_use":false}`)
	with(`"tools":[{"type":"web_search_20250305","name":"web_search","max_uses":2,"blocked_domains":["x.org"],"user_location":{"type":"approximate","city":"Bern"}},{"type":"web_search_20260209","name":"web_search"},{"type":"bash_20250124","name":"bash"},{"type":"mcp_toolset","mcp_server_name":"s"}],"tool_choice":{"type":"auto"}`)
	f(`{"model":"m","messages":[{"role":"user","content":"Hi"}]}`) // count_tokens, which refuses a limit
	f(`{"model":"m","thinking":{"type":"enabled","budget_tokens":2048},"messages":[{"role":"user","content":"Hi"}]}`)
	f(`{"model":"m","max_tokens":0,"messages":[{"role":"user","content":"Hi"}]}`)

	content(`{"type":"thinking","thinking":"hm","signature":"sig"},{"type":"redacted_thinking","data":"d"},{"type":"text","text":"a"},{"type":"text","text":" "},{"type":"tool_use","id":"t","name":"n","input":{"n":12345678901234567890,"f":1e-7}}`)
	content(`{"type":"text","text":"a","citations":[{"type":"char_location","cited_text":"a","document_index":0,"document_title":null,"start_char_index":0,"end_char_index":1}]},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}`)
	content(`{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}},{"type":"web_search_tool_result","tool_use_id":"s","content":[{"type":"web_search_result","url":"u","encrypted_content":"e"}]},{"type":"text","text":"a"}`)
	content(`{"type":"tool_use","id":"t","name":"n","input":{},"caller":{"type":"direct"},"cache_control":{"type":"ephemeral"}},{"type":"tool_use","id":"u","name":"n","input":{},"cache_control":{"type":"ephemeral"}}`)
	f(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"},{"role":"system","content":"Be brief"},{"role":"assistant","content":"Yes "}]}`)
	f(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[
		{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="},"cache_control":{"type":"ephemeral"}},
		{"type":"image","source":{"type":"url","url":"https://a.org/b.png"}},{"type":"image","source":{"type":"file","file_id":"f"}},
		{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},"title":"T"},
		{"type":"document","source":{"type":"url","url":"https://a.org/b.pdf"}},{"type":"document","source":{"type":"file","file_id":"f"}},
		{"type":"document","source":{"type":"text","media_type":"text/plain","data":"abc"},"context":"c","citations":{"enabled":true}},
		{"type":"document","source":{"type":"content","content":[{"type":"text","text":"a"},{"type":"image","source":{"type":"url","url":"https://a.org/b.png"}}]}},
		{"type":"search_result","source":"s","title":"T","content":[{"type":"text","text":"x"}],"citations":{"enabled":true}},
		{"type":"container_upload","file_id":"f"},{"type":"text","text":"Look"}]}]}`)
	f(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"},
		{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"n","input":{}},{"type":"tool_use","id":"t2","name":"n","input":{}}]},
		{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1","is_error":true,"content":"no"},
			{"type":"tool_result","tool_use_id":"t2","content":[{"type":"text","text":"a"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AA=="}},{"type":"tool_reference","tool_name":"x"}],"cache_control":{"type":"ephemeral"}},
			{"type":"text","text":"So?"}]}]}`)
	f(`{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"Hi"},{"role":"assistant","content":[{"type":"tool_use","id":"t1","name":"n","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"t1"}]}]}`)
}

func TestResponseIdentity(t *testing.T) {
	f := func(content, end, usage string) {
		t.Helper()
		body := `{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[` + content + `],` + end + `,"usage":` + usage + `}`
		resp, err := messages.Codec{}.DecodeResponse([]byte(body))
		require.NoError(t, err)
		out, err := messages.Codec{}.EncodeResponse(resp, nil)
		require.NoError(t, err)
		require.JSONEq(t, body, string(out))
	}
	const usage = `{"input_tokens":3,"cache_creation_input_tokens":2,"cache_read_input_tokens":1,"output_tokens":5}`
	f(`{"type":"text","text":"Hi"}`, `"stop_reason":"end_turn","stop_sequence":null`, usage)
	f(``, `"stop_reason":"refusal","stop_sequence":null`, usage)
	f(`{"type":"text","text":"Hi"}`, `"stop_reason":"stop_sequence","stop_sequence":"x"`, usage)
	f(`{"type":"text","text":"Hi"}`, `"stop_reason":"max_tokens","stop_sequence":null`, usage)
	f(`{"type":"text","text":"Hi"}`, `"stop_reason":"pause_turn","stop_sequence":null`, usage)
	f(`{"type":"text","text":"Hi"}`, `"stop_reason":"model_context_window_exceeded","stop_sequence":null`, usage)
	f(`{"type":"thinking","thinking":"hm","signature":"s"},{"type":"redacted_thinking","data":"d"},{"type":"thinking","thinking":"","signature":"s"},{"type":"tool_use","id":"t","name":"n","input":{"a":[1e-7]}}`,
		`"stop_reason":"tool_use","stop_sequence":null`, `{"input_tokens":3,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":5,"output_tokens_details":{"thinking_tokens":4},"service_tier":"standard"}`)
	// What only this format knows.
	f(`{"type":"tool_use","id":"t.1","name":"n","input":{"a":1},"caller":{"type":"code_execution_20250825","tool_id":"s"}},{"type":"text","text":"x","of_tomorrow":1}`,
		`"stop_reason":"tool_use","stop_sequence":null,"container":{"id":"c"},"context_management":{"applied_edits":[]}`,
		`{"input_tokens":3,"cache_creation_input_tokens":9,"cache_read_input_tokens":1,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":7},"output_tokens":5,"server_tool_use":{"web_search_requests":1},"service_tier":"standard","inference_geo":"us"}`)
	f(``, `"stop_reason":"refusal","stop_sequence":null,"stop_details":{"type":"refusal","category":"x"}`, usage)
	f(`{"type":"server_tool_use","id":"s","name":"web_search","input":{"query":"q"}},{"type":"text","text":"x","citations":[{"type":"web_search_result_location","url":"u","title":"t","cited_text":"c","encrypted_index":"e"}]}`,
		`"stop_reason":"end_turn","stop_sequence":null`, usage)
}
