package plexus

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func keyed(t *testing.T, answer http.HandlerFunc) (*Gateway, string) {
	t.Helper()
	p := newProvider(t, answer)
	g := newGateway(t, fmt.Sprintf(`
		provider lab {
			base_url %[1]s/v1
			base_url messages %[1]s/v1
			base_url gemini %[1]s/v1beta
			models m n o/p
		}
		provider free {
			base_url %[1]s/v1
		}
		model fast quick {
			target lab m
		}
		model smart {
			target lab n
		}
		key all sk-all
		key app sk-app {
			models quick lab/o/p free/*
		}
		key hashed sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08
		key off sk-off {
			disabled
		}
		key old sk-old {
			expires 2026-11-22
		}
		key today sk-today {
			expires 2026-11-23
		}
	`, p.URL))
	g.now = func() time.Time { return t0 }
	return g, serveGateway(t, g).URL
}

func TestKeysAreAccepted(t *testing.T) {
	_, url := keyed(t, says(200, chatAnswer))
	f := func(want int, query string, header ...string) {
		t.Helper()
		require.Equal(t, want, post(t, url+"/v1/chat/completions"+query, askFast, header...).status)
	}
	f(200, "", "Authorization", "Bearer sk-all")
	f(200, "", "Authorization", "bearer  sk-all ")
	f(200, "", "X-Api-Key", "sk-all")
	f(200, "", "X-Goog-Api-Key", "sk-all")
	f(200, "?key=sk-all")
	f(200, "", "X-Api-Key", "test") // the hash is that of "test"
	f(200, "", "X-Api-Key", "wrong", "Authorization", "Bearer sk-all")
	f(200, "", "X-Api-Key", "sk-today")

	f(401, "")
	f(401, "", "Authorization", "sk-all")
	f(401, "", "Authorization", "Basic sk-all")
	f(401, "", "Authorization", "Bearer ")
	f(401, "", "Authorization", "Bearer sk-ALL")
	f(401, "", "X-Api-Key", "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08")
	f(401, "?key=wrong")
	f(401, "", "X-Api-Key", "sk-off")
	f(401, "", "X-Api-Key", "sk-old")
}

// Coding agents send one key as Authorization and another one as x-api-key: the
// first that is accepted counts, and one that is refused does no harm.
func TestSeveralKeysInOneRequest(t *testing.T) {
	g, _ := keyed(t, says(200, chatAnswer))
	f := func(want, query string, header ...string) {
		t.Helper()
		r := httptest.NewRequest(http.MethodPost, "/v1/messages"+query, nil)
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		k, err := g.admit(r)
		if k == nil {
			require.ErrorIs(t, err, ErrUnauthorized)
			require.ErrorContains(t, err, want)
			return
		}
		require.NoError(t, err)
		require.Equal(t, want, k.Name)
	}
	const auth, key, google = "Authorization", "X-Api-Key", "X-Goog-Api-Key"
	f("all", "", auth, "Bearer sk-off", key, "sk-all")
	f("all", "", auth, "Bearer sk-all", key, "sk-off")
	f("all", "", key, "sk-old", google, "sk-all")
	f("all", "?key=sk-all", auth, "Bearer wrong", key, "sk-off", google, "sk-old")
	f("app", "", auth, "Bearer sk-app", key, "sk-all")
	f("all", "", key, "sk-all", auth, "Bearer wrong", google, "sk-app")
	f("app", "?key=sk-all", google, "sk-app")
	f(`the API key "off" is disabled`, "", auth, "Bearer sk-off", key, "sk-old")
	f(`the API key "old" has expired`, "?key=wrong", auth, "Bearer wrong", key, "sk-old")
}

// No other spelling of a name gives access to a model, and no name of an alias
// to the model behind it.
func TestAccessIsDecidedOnWhatANameStandsFor(t *testing.T) {
	_, url := keyed(t, says(200, chatAnswer))
	f := func(want int, model string) {
		t.Helper()
		body, err := json.Marshal(map[string]string{"model": model})
		require.NoError(t, err)
		require.Equal(t, want, post(t, url+"/v1/chat/completions", string(body), "X-Api-Key", "sk-app").status, model)
	}
	f(200, "quick")
	f(200, "fast")
	f(200, "lab/o/p")
	f(200, "free/anything")
	f(403, "smart")
	f(403, "lab/m")
	f(403, "lab/n")
	f(404, "lab/o")
	f(404, "FAST")
	require.Equal(t, 403, post(t, url+"/v1beta/models/smart:countTokens", `{}`, "X-Api-Key", "sk-app").status)
	require.Equal(t, 403, post(t, url+"/v1beta/models/lab%2Fm:countTokens", `{}`, "X-Api-Key", "sk-app").status)
	require.Equal(t, 403, post(t, url+"/v1/chat/completions", `{"mod\u0065l":"sm\u0061rt"}`, "X-Api-Key", "sk-app").status)
	require.Equal(t, 400, post(t, url+"/v1/chat/completions", `{"model":"fast","Model":"smart"}`, "X-Api-Key", "sk-app").status, "Go's JSON ignores case")
	require.Equal(t, 400, post(t, url+"/v1/chat/completions", `{"model":"fast","model":"smart"}`, "X-Api-Key", "sk-app").status)
}

func TestRefusalsAreInTheClientsShape(t *testing.T) {
	_, url := keyed(t, says(200, chatAnswer))
	f := func(path, body, key, want string) {
		t.Helper()
		require.JSONEq(t, want, post(t, url+path, body, "X-Api-Key", key).body)
	}
	const no = "the API key is not valid"
	f("/v1/chat/completions", askFast, "x", `{"error":{"message":"`+no+`","type":"authentication_error","param":null,"code":"invalid_api_key"}}`)
	f("/v1/messages", askFast, "x", `{"type":"error","error":{"type":"authentication_error","message":"`+no+`"}}`)
	f("/v1beta/models/fast:generateContent", `{}`, "x", `{"error":{"code":401,"message":"`+no+`","status":"UNAUTHENTICATED"}}`)
	const may = `the API key \"app\" may not use the model \"smart\"`
	f("/v1/chat/completions", `{"model":"smart"}`, "sk-app", `{"error":{"message":"`+may+`","type":"permission_error","param":null,"code":"forbidden"}}`)
	f("/v1/messages", `{"model":"smart"}`, "sk-app", `{"type":"error","error":{"type":"permission_error","message":"`+may+`"}}`)
	f("/v1beta/models/smart:generateContent", `{}`, "sk-app", `{"error":{"code":403,"message":"`+may+`","status":"PERMISSION_DENIED"}}`)
	require.Equal(t, `Bearer realm="plexus"`, post(t, url+"/v1/messages", askFast).header.Get("WWW-Authenticate"))
}

func TestLoopbackOnlyWithoutKeys(t *testing.T) {
	f := func(block, remote, want string, header ...string) {
		t.Helper()
		g := newGateway(t, block)
		r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", nil)
		r.RemoteAddr = remote
		for i := 0; i+1 < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		_, err := g.admit(r)
		if want == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, ErrForbidden)
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "add `key <name> <secret>` to the plexus block, or `open`")
	}
	f("", "127.0.0.1:5", "")
	f("", "127.9.9.9:5", "")
	f("", "[::1]:5", "")
	f("", "[::ffff:127.0.0.1]:5", "")
	f("", "203.0.113.9:5", "only clients on its own machine")
	f("", "10.0.0.1:5", "only clients on its own machine")
	f("", "@", "only clients on its own machine")
	f("", "127.0.0.1:5", "a proxy forwarded", "X-Forwarded-For", "203.0.113.9")
	f("", "127.0.0.1:5", "a proxy forwarded", "Forwarded", "for=203.0.113.9")
	f("", "127.0.0.1:5", "web pages of other sites", "Origin", "https://evil.example")
	f("", "127.0.0.1:5", "web pages of other sites", "Origin", "null")
	f("", "127.0.0.1:5", "", "Origin", "http://localhost:3000")
	f("", "127.0.0.1:5", "", "Origin", "http://[::1]:3000")
	f("open", "203.0.113.9:5", "", "Origin", "https://app.example")
}

func TestHideSecret(t *testing.T) {
	require.Equal(t, "{env.KEY}", hideSecret("{env.KEY}"))
	require.Equal(t, "sha256:ab", hideSecret("sha256:ab"))
	require.Empty(t, hideSecret(""))
	require.Contains(t, hideSecret("sk-{odd}-secret"), "sha256:")
	require.Equal(t, "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", hideSecret("test"))
}

// A misspelt placeholder was hashed, and so was itself the key, which anyone could
// guess.
func TestAMisspeltPlaceholderIsNoKey(t *testing.T) {
	for _, secret := range []string{"{PLEXUS_KEY}", "{env:PLEXUS_KEY}", "${PLEXUS_KEY}", "{ENV.PLEXUS_KEY}"} {
		_, err := loadGateway(t, "provider ollama\nkey app "+secret)
		require.ErrorContains(t, err, "unrecognized placeholder", secret)
	}
}

// A form on an endpoint that takes none is read as JSON: a provider that ignores
// the Content-Type must not find another model in it than we do.
func TestFormsDoNotHideAnotherModel(t *testing.T) {
	_, url := keyed(t, says(200, chatAnswer))
	f := func(body string, want int) {
		t.Helper()
		got := post(t, url+"/v1/chat/completions", body, "X-Api-Key", "sk-app", "Content-Type", "multipart/form-data; boundary=b")
		require.Equal(t, want, got.status)
	}
	f(`{"model":"smart","x":"--b Content-Disposition: form-data; name=model fast --b--"}`, 403)
	f("{\"model\":\"smart\",\"x\":\"\r\n--b\r\nContent-Disposition: form-data; name=model\r\n\r\nfast\r\n--b--\"}", 400)
	f("--b\r\nContent-Disposition: form-data; name=model\r\n\r\nfast\r\n--b--", 400)
}

// Gemini has the model in the path, where dots would lead elsewhere with our
// credential.
func TestNamesDoNotLeaveTheirPath(t *testing.T) {
	_, url := keyed(t, says(200, chatAnswer))
	for _, name := range []string{"free/..%2F..%2Ffiles", "free/../../files", "free/.%2Fx", "free/a%0Ab"} {
		got := post(t, url+"/v1/models/"+name+":generateContent", `{}`, "X-Api-Key", "sk-all")
		require.Equal(t, 404, got.status, name)
	}
}

// Some providers take more models than the one in "model": those the key was not
// asked about.
func TestLimitedKeysChooseNoOtherModel(t *testing.T) {
	_, url := keyed(t, says(200, chatAnswer))
	f := func(member, name string) {
		t.Helper()
		body := `{"model":"fast",` + member + `}`
		want := 200
		require.Equal(t, want, post(t, url+"/v1/chat/completions", body, "X-Api-Key", "sk-all").status, "other keys may")
		if name != "" {
			want = 403
		}
		got := post(t, url+"/v1/chat/completions", body, "X-Api-Key", "sk-app")
		require.Equal(t, want, got.status, got.body)
		require.Contains(t, got.body, name)
	}
	const tool = `"tools":[{"type":"function","function":{"name":"f","parameters":{"properties":{"model":{}}}}},`
	f(tool+`{"type":"function","name":"g","parameters":{"type":"object","properties":{"model":{}}}}]`, "")
	f(`"plugins":[{"id":"web"}],"user":"models"`, "")
	f(`"models":["smart"]`, `in the member \"models\"`)
	f(`"Models":["smart"]`, `in the member \"Models\"`)
	f(`"fallbacks":[{"model":"smart"}]`, `in the member \"fallbacks\"`)
	f(`"preset":"mine"`, `in the member \"preset\"`)
	f(`"route":"fallback"`, `in the member \"route\"`)
	f(`"advisor":{"model":"smart"}`, `in the member \"advisor\"`)
	f(tool+`{"type":"advisor_20260301","name":"advisor","model":"smart"}]`, `in the member \"model\"`)
	f(tool+`{"type":"openrouter:advisor","parameters":{"model":"smart"}}]`, `in the member \"model\"`)
	f(`"tools":[],"tools":[{"type":"image_generation","model":"smart"}]`, `in the member \"model\"`)
	f(`"plugins":[{"id":"fusion","analysis_models":["smart"]}]`, `in the member \"analysis_models\"`)

	for _, name := range []string{"fallbacks", "Models[]"} {
		body, contentType := form(t, "model", "fast", name, "smart")
		require.Equal(t, 200, post(t, url+"/v1/images/edits", body, "X-Api-Key", "sk-all", "Content-Type", contentType).status)
		require.Equal(t, 403, post(t, url+"/v1/images/edits", body, "X-Api-Key", "sk-app", "Content-Type", contentType).status)
	}
}
