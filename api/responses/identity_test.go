package responses_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What this format can say comes through the neutral one unharmed.
func TestRequestIdentity(t *testing.T) {
	f := func(body string) {
		t.Helper()
		req, err := codec.DecodeRequest([]byte(body))
		require.NoError(t, err)
		out, dropped, err := codec.EncodeRequest(req)
		require.NoError(t, err)
		require.Empty(t, dropped)
		require.JSONEq(t, body, string(out))
	}
	with := func(members string) {
		t.Helper()
		f(`{"model":"m","input":"Hi",` + members + `}`)
	}
	items := func(list string) {
		t.Helper()
		f(`{"model":"m","input":[` + list + `]}`)
	}
	f(`{"model":"m","input":"Hi"}`)
	f(`{"model":"m","prompt":{"id":"p","version":"2","variables":{"a":"b"}}}`)
	f(`{"model":"m","instructions":"Be brief","previous_response_id":"resp_1"}`)
	with(`"instructions":"Be brief","stream":true,"stream_options":{"include_obfuscation":false}`)
	with(`"max_output_tokens":5,"temperature":1e-7,"top_p":0.95,"top_logprobs":3,"truncation":"auto","max_tool_calls":2`)
	with(`"user":"u","safety_identifier":"s","metadata":{"a":"b"},"service_tier":"flex","store":false,"prompt_cache_key":"k","prompt_cache_retention":"24h"`)
	with(`"conversation":{"id":"conv_1"},"background":true`)
	with(`"text":{"verbosity":"low"}`)
	with(`"text":{"format":{"type":"json_object"}}`)
	with(`"text":{"format":{"type":"json_schema","name":"n","description":"d","schema":{"type":"object","properties":{"n":{"minimum":12345678901234567890}}},"strict":true},"verbosity":"high"}`)
	with(`"text":{"format":{"type":"grammar_of_tomorrow","x":1}}`)
	with(`"reasoning":{"effort":"xhigh","summary":"detailed"},"include":["reasoning.encrypted_content"],"store":false`)
	with(`"reasoning":{"effort":"none"}`)
	with(`"reasoning":{"summary":"auto","context":"current_turn"}`)
	with(`"include":["web_search_call.action.sources","reasoning.encrypted_content","message.output_text.logprobs"]`)
	with(`"parallel_tool_calls":false,"tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object","additionalProperties":false},"strict":true},{"type":"function","name":"g","parameters":null,"strict":null,"defer_loading":true}],"tool_choice":{"type":"function","name":"f"}`)
	with(`"tools":[{"type":"custom","name":"patch","description":"d","format":{"type":"grammar","syntax":"lark","definition":"start: /x/"}}],"tool_choice":{"type":"custom","name":"patch"}`)
	with(`"tools":[{"type":"web_search","filters":{"allowed_domains":["a.org"]},"search_context_size":"low","user_location":{"type":"approximate","city":"Bern","country":"CH"},"external_web_access":false}],"tool_choice":{"type":"web_search"}`)
	with(`"tools":[{"type":"web_search_preview_2025_03_11"}],"tool_choice":{"type":"web_search_preview_2025_03_11"}`)
	with(`"tools":[{"type":"local_shell"},{"type":"shell","environment":{"type":"container_auto"}},{"type":"apply_patch"},{"type":"code_interpreter","container":{"type":"auto"}},{"type":"file_search","vector_store_ids":["v"]},{"type":"image_generation"},{"type":"computer_use_preview","display_width":1},{"type":"mcp","server_label":"s","server_url":"https://s.org","require_approval":"never"}],"tool_choice":{"type":"mcp","server_label":"s","name":"t"}`)
	with(`"tools":[{"type":"namespace","name":"mcp__s","description":"d","tools":[{"type":"function","name":"a","parameters":{"type":"object"}},{"type":"custom","name":"b"}]}],"tool_choice":{"type":"function","namespace":"mcp__s","name":"a"}`)
	with(`"tools":[{"type":"function","name":"f"},{"type":"file_search","vector_store_ids":[]}],"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"},{"type":"file_search"}]}`)
	with(`"tool_choice":"none"`)

	items(`{"role":"user","content":"Hi"},{"type":"message","role":"user","content":[{"type":"input_text","text":"a"},{"type":"input_text","text":"b"}]},{"role":"assistant","content":"Yes"},{"role":"developer","content":"d"},{"role":"system","content":[{"type":"input_text","text":"s"}]}`)
	items(`{"role":"user","content":[{"type":"input_image","image_url":"https://a.org/b.png","detail":"low"},{"type":"input_image","image_url":"data:image/webp;base64,AA=="},{"type":"input_image","file_id":"file-1","detail":"auto"}]}`)
	items(`{"type":"message","role":"user","content":[{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERi0="},{"type":"input_file","file_url":"https://a.org/b.pdf"},{"type":"input_file","file_id":"file-1"},{"type":"input_audio","input_audio":{"data":"AA==","format":"mp3"}},{"type":"input_of_tomorrow","x":1}]}`)
	items(`{"id":"msg_1","type":"message","status":"completed","role":"assistant","phase":"commentary","content":[{"type":"output_text","text":"a","annotations":[{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":1}],"logprobs":[]},{"type":"refusal","refusal":"no"}]}`)
	items(`{"role":"user","content":"x"},{"type":"function_call","id":"fc_1","call_id":"c1","name":"f","arguments":"{\"n\":12345678901234567890}","status":"completed"},{"type":"function_call","call_id":"c2","namespace":"mcp__s","name":"g","arguments":""},{"type":"function_call_output","call_id":"c1","output":"1"},{"type":"function_call_output","call_id":"c2","output":[{"type":"input_text","text":"a"},{"type":"input_image","image_url":"data:image/png;base64,AA=="}]}`)
	items(`{"role":"user","content":"x"},{"type":"custom_tool_call","call_id":"c1","name":"patch","input":"*** Begin"},{"type":"custom_tool_call_output","call_id":"c1","output":"ok"}`)
	items(`{"role":"user","content":"x"},{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":"gAAA"},{"type":"reasoning","summary":[],"encrypted_content":"gAAB"},{"type":"reasoning","id":"rs_2","summary":[],"content":[{"type":"reasoning_text","text":"hm"}],"encrypted_content":null},{"type":"reasoning","id":"rs_3","summary":[]},{"role":"assistant","content":"y"}`)
	items(`{"role":"user","content":"x"},{"type":"local_shell_call","id":"l","call_id":"c","action":{"type":"exec","command":["ls"],"env":{}},"status":"completed"},{"type":"local_shell_call_output","id":"c","output":"{}"},{"type":"item_reference","id":"msg_1"},{"id":"rs_9"},{"type":"web_search_call","id":"ws","status":"completed","action":{"type":"search","query":"q"}},{"type":"item_of_tomorrow"}`)
	items(`{"role":"user","content":"x"},{"type":"reasoning","id":"rs_1","summary":[]},{"id":"msg_1","type":"message","role":"assistant","status":"completed","content":[]}`)
}

// What this format can say of an answer comes through the neutral one unharmed.
func TestResponseIdentity(t *testing.T) {
	f := func(status, details, output, usage string) {
		t.Helper()
		body := `{"id":"resp_1","object":"response","created_at":7,"status":"` + status + `","background":false,"error":null,"incomplete_details":` + details + `,"instructions":"Be brief",
			"max_output_tokens":99,"max_tool_calls":3,"metadata":{"a":"b"},"model":"m-1","output":[` + output + `],"parallel_tool_calls":false,"previous_response_id":null,"prompt_cache_key":"k",
			"reasoning":{"effort":"high","summary":"auto"},"safety_identifier":"s","service_tier":"default","store":false,"temperature":0.5,"text":{"format":{"type":"json_object"},"verbosity":"low"},
			"tool_choice":{"type":"function","name":"f"},"tools":[{"type":"function","name":"f","parameters":{}},{"type":"local_shell"}],"top_logprobs":2,"top_p":0.9,"truncation":"auto","usage":` + usage + `,"user":"u"}`
		req, err := codec.DecodeRequest([]byte(`{"model":"m","instructions":"Be brief","input":"Hi","max_output_tokens":99,"max_tool_calls":3,"metadata":{"a":"b"},"parallel_tool_calls":false,
			"prompt_cache_key":"k","reasoning":{"effort":"high","summary":"auto"},"safety_identifier":"s","store":true,"temperature":0.5,"text":{"format":{"type":"json_object"},"verbosity":"low"},
			"tool_choice":{"type":"function","name":"f"},"tools":[{"type":"function","name":"f","parameters":{}},{"type":"local_shell"}],"top_logprobs":2,"top_p":0.9,"truncation":"auto","user":"u"}`))
		require.NoError(t, err)
		resp, err := codec.DecodeResponse([]byte(body))
		require.NoError(t, err)
		out, err := codec.EncodeResponse(resp, req)
		require.NoError(t, err)
		require.JSONEq(t, body, string(out))
	}
	const (
		usage = `{"input_tokens":10,"input_tokens_details":{"cached_tokens":4},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":5},"total_tokens":19}`
		text  = `{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Hi"}]}`
	)
	f("completed", "null", "", usage)
	f("completed", "null", text, usage)
	f("completed", "null", text, `{"input_tokens":10,"input_tokens_details":{"cached_tokens":4,"cache_write_tokens":3},"output_tokens":9,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":19}`)
	f("incomplete", `{"reason":"max_output_tokens"}`, `{"id":"msg_1","type":"message","status":"incomplete","role":"assistant","content":[{"type":"output_text","annotations":[],"logprobs":[],"text":"Hi"}]}`, usage)
	f("incomplete", `{"reason":"content_filter"}`, "", usage)
	f("completed", "null", `{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"refusal","refusal":"No."}]}`, usage)
	f("completed", "null", `{"id":"rs_1","type":"reasoning","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":"gAAA"},{"id":"rs_2","type":"reasoning","summary":[],"encrypted_content":"gAAB"},{"id":"rs_3","type":"reasoning","summary":[]},`+text, usage)
	f("completed", "null", `{"id":"msg_1","type":"message","status":"completed","role":"assistant","content":[{"type":"output_text","annotations":[{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":2},{"type":"file_citation","file_id":"f","filename":"n","index":1}],"logprobs":[{"token":"Hi","logprob":-0.1,"bytes":[72,105],"top_logprobs":[]}],"text":"Hi"},{"type":"output_text","annotations":[{"type":"url_citation","url":"u","title":"t","start_index":0,"end_index":2}],"logprobs":[],"text":"é!"}]}`, usage)
	f("completed", "null", `{"id":"fc_1","type":"function_call","status":"completed","call_id":"c1","name":"f","arguments":"{\"n\":1e-7}"},{"id":"fc_2","type":"function_call","status":"completed","call_id":"c2","name":"f","arguments":"not JSON"},{"id":"ctc_1","type":"custom_tool_call","status":"completed","call_id":"c3","name":"patch","input":"*** Begin"}`, usage)
	f("completed", "null", `{"type":"web_search_call","id":"ws_1","status":"completed","action":{"type":"search","query":"q"}},{"type":"local_shell_call","id":"l","call_id":"c","status":"completed","action":{"type":"exec","command":["ls"],"env":{}}},`+text, usage)
}
