package mock

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/gzip"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/zstd"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"

	"github.com/caddy-plexus/plexus/internal/freeport"
)

func TestCaddyfile(t *testing.T) {
	for _, test := range []struct{ name, input, want string }{
		{"bare", `plexus_mock`, `{}`},
		{"handler options", `plexus_mock {
			models a b
			models c
			api_key {env.KEY}
			record off
		}`, `{"models":["a","b","c"],"api_key":"{env.KEY}","record":false}`},
		{"delays", `plexus_mock {
			latency 200ms
			first_content 1s
			rate 50.5
			pause 2s
			pause_after 3
			keep_alive 15s
		}`, `{"latency":200000000,"first_content":1000000000,"rate":50.5,"pause":2000000000,"pause_after":3,"keep_alive":15000000000}`},
		{"answer", `plexus_mock {
			tokens 100
			text "I am {model}: {prompt}"
			reasoning
			cached_tokens 5
			tool_calls off
			parallel_calls 2
			crlf
			no_done on
		}`, `{"tokens":100,"text":"I am {model}: {prompt}","reasoning":8,"cached_tokens":5,"tool_calls":false,"parallel_calls":2,"crlf":true,"no_done":true}`},
		{"faults", `plexus_mock {
			fault html
			status 503
			retry_after 2
			message "come back later"
			code busy
			after 4
			fault_share 0.25
			fault_first 3
			seed 42
		}`, `{"fault":"html","status":503,"retry_after":"2","message":"come back later","code":"busy","after":4,"fault_share":0.25,"fault_first":3,"seed":42}`},
		{"reasoning", `plexus_mock {
			reasoning off
		}`, `{"reasoning":false}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			var m Mock
			require.NoError(t, m.UnmarshalCaddyfile(caddyfile.NewTestDispenser(test.input)))
			got, err := json.Marshal(m)
			require.NoError(t, err)
			require.JSONEq(t, test.want, string(got))
			require.NoError(t, caddy.StrictUnmarshalJSON(got, new(Mock)))
		})
	}
}

func TestCaddyfileErrors(t *testing.T) {
	for _, test := range []struct{ input, want string }{
		{"plexus_mock hello", "wrong argument count"},
		{"plexus_mock {\n latensy 1s\n}", "unrecognized option: latensy (options: api_key, models, record, latency, "},
		{"plexus_mock {\n latency\n}", "wrong argument count"},
		{"plexus_mock {\n latency soon\n}", `option "latency": `},
		{"plexus_mock {\n latency 1s 2s\n}", "wrong argument count"},
		{"plexus_mock {\n models\n}", "wrong argument count"},
		{"plexus_mock {\n api_key\n}", "wrong argument count"},
		{"plexus_mock {\n record maybe\n}", `option "record": "maybe" is neither on nor off`},
		{"plexus_mock {\n crlf on on\n}", "wrong argument count"},
		{"plexus_mock {\n fault flood\n}", `unknown fault "flood" (faults: status, reset, hang, `},
		{"plexus_mock {\n status 99\n}", "status 99 is not within 300 and 599"},
	} {
		err := new(Mock).UnmarshalCaddyfile(caddyfile.NewTestDispenser(test.input))
		require.ErrorContains(t, err, test.want, test.input)
		require.ErrorContains(t, err, "at Testfile:", test.input)
	}
}

// run loads a Caddyfile into this process and returns the address it serves.
func run(t *testing.T, site string) string {
	t.Helper()
	address := freeport.Address()
	input := fmt.Sprintf("{\n\tadmin off\n\tpersist_config off\n\tgrace_period 1ms\n}\nhttp://%s {\n%s\n}\n", address, site)
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(input), nil)
	require.NoError(t, err)
	require.NoError(t, caddy.Load(config, true))
	t.Cleanup(func() { require.NoError(t, caddy.Stop()) })
	return "http://" + address
}

// The directive runs ahead of respond without an order, and what it passes on
// reaches respond.
func TestInCaddy(t *testing.T) {
	url := run(t, `
		respond "nothing here" 404
		handle_path /one/* {
			plexus_mock {
				text "{http.request.method} {model}"
			}
		}
		plexus_mock /two/* {
			tokens 3
		}`)
	got := object(t, post(t, url+"/one/v1/chat/completions", `{"model":"gpt"}`).body)
	require.Equal(t, "POST gpt", at(t, got, "choices", 0, "message", "content"))
	require.Equal(t, "This is a", joinChat(t, post(t, url+"/two/v1/chat/completions", `{"model":"gpt","stream":true}`).body, 0).text)
	require.Equal(t, http.StatusNotFound, do(t, "GET", url+"/two/else", "").StatusCode)
}

// Caddy's writers wrap the connection; the faults must get through to it.
func TestFaultsInCaddy(t *testing.T) {
	url := run(t, `
		encode
		plexus_mock`) + "/v1/chat/completions"
	const body = `{"model":"m","stream":true}`
	got := post(t, url, body, optionsHeader, `{"fault":"reset"}`)
	require.ErrorIs(t, got.err, syscall.ECONNRESET)
	got = post(t, url, body, optionsHeader, `{"fault":"cut","after":2}`)
	require.ErrorIs(t, got.err, io.ErrUnexpectedEOF)
	require.Equal(t, 2, words(got.body))
	got = post(t, url, `{"model":"m"}`, optionsHeader, `{"fault":"cut"}`)
	require.Error(t, got.err)
	got = post(t, url, `{"model":"m"}`, optionsHeader, `{"fault":"end"}`)
	require.NoError(t, got.err)
	require.False(t, json.Valid([]byte(got.body)))
	got = post(t, url, `{"model":"m"}`, optionsHeader, `{"fault":"empty"}`)
	require.NoError(t, got.err)
	require.Empty(t, got.body)
}

// Events reach the client while the stream is held.
func TestFlushInCaddy(t *testing.T) {
	url := run(t, `
		encode
		plexus_mock`) + "/v1/chat/completions"
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(`{"model":"m","stream":true}`))
	require.NoError(t, err)
	req.Header.Set(optionsHeader, `{"fault":"hang_after","after":1}`)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	lines := bufio.NewReader(resp.Body)
	for text := ""; !strings.Contains(text, `"This"`); {
		text, err = lines.ReadString('\n')
		require.NoError(t, err)
	}
}
