package plexus

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// storing is a provider that keeps responses.
func storing(t *testing.T, name string) *provider {
	t.Helper()
	const events = "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_NAME\",\"status\":\"in_progress\"}}\n\n" +
		"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"Hi\"}\n\n" +
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_NAME\",\"previous_response_id\":null,\"status\":\"completed\",\"output\":[]}}\n\n"
	return newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/cancel"):
			says(200, `{"id":"resp_`+name+`","status":"cancelled"}`)(w, r)
		case r.Method == http.MethodPost:
			if r.Header.Get("Accept") == "text/event-stream" {
				streams(strings.ReplaceAll(events, "NAME", name))(w, r)
				return
			}
			says(200, `{"object":"response", "id" : "resp_`+name+`","previous_response_id":null,"status":"completed","output":[]}`)(w, r)
		case strings.HasSuffix(r.URL.Path, "/input_items"):
			says(200, `{"object":"list","data":[{"id":"msg_1"}]}`)(w, r)
		case r.URL.Query().Has("stream"):
			streams(strings.ReplaceAll(events, "NAME", name))(w, r)
		case strings.HasSuffix(r.URL.Path, "/resp_"+name) && r.Method == http.MethodDelete:
			says(200, `{"id":"resp_`+name+`","object":"response","deleted":true}`)(w, r)
		case strings.HasSuffix(r.URL.Path, "/resp_"+name):
			says(200, `{"id":"resp_`+name+`","object":"response"}`)(w, r)
		default:
			says(404, `{"error":{"message":"Response with id '`+strings.TrimPrefix(r.URL.Path, "/v1/responses/")+`' not found."}}`)(w, r)
		}
	})
}

// storingGateway has a model of two providers that store responses, and two keys.
func storingGateway(t *testing.T) (url string, one, two *provider) {
	t.Helper()
	one, two = storing(t, "one"), storing(t, "two")
	g := newGateway(t, "provider one {\n base_url responses "+one.URL+"/v1\n api_key secret-1\n}\nprovider two {\n base_url responses "+two.URL+"/v1\n api_key secret-2\n}\n"+
		"model fast {\n selector round_robin\n target one m\n target two m\n}\nmodel other {\n target two m\n}\nkey alice a-secret\nkey bob b-secret")
	return serveGateway(t, g).URL, one, two
}

func idOf(t *testing.T, body string) string {
	t.Helper()
	id, ok := jsonscan.String(jsonscan.Member([]byte(body), "id"))
	require.True(t, ok, body)
	return id
}

func TestStoredResponses(t *testing.T) {
	url, one, two := storingGateway(t)
	alice, bob := []string{"X-Api-Key", "a-secret"}, []string{"X-Api-Key", "b-secret"}
	for range 2 { // once at each provider
		got := post(t, url+"/v1/responses", `{"model":"fast","input":"hi"}`, alice...)
		require.Equal(t, 200, got.status, got.body)
		made, at := got.header.Get("X-Plexus-Provider"), map[string]*provider{"one": one, "two": two}[got.header.Get("X-Plexus-Provider")]
		id := idOf(t, got.body)
		require.Equal(t, `{"object":"response", "id" : "`+id+`","previous_response_id":null,"status":"completed","output":[]}`, got.body, "only the id changes")
		require.NotContains(t, id, "secret")

		// What continues it goes to the same provider, every time.
		for range 3 {
			got = post(t, url+"/v1/responses", `{"model":"fast","previous_response_id":"`+id+`","input":"more"}`, alice...)
			require.Equal(t, 200, got.status, got.body)
			require.Equal(t, `{"model":"m","previous_response_id":"resp_`+made+`","input":"more"}`, at.last(t).body)
		}

		f := func(method, path, want, wantPath string) {
			t.Helper()
			got := ask(t, method, url+"/v1/responses/"+id+path, "", alice...)
			require.Equal(t, 200, got.status, got.body)
			require.Equal(t, strings.ReplaceAll(want, "ID", id), got.body)
			require.Equal(t, "/v1/responses/resp_"+made+wantPath, at.last(t).path)
			require.Contains(t, at.last(t).header.Get("Authorization"), "Bearer secret-")
		}
		f(http.MethodGet, "", `{"id":"ID","object":"response"}`, "")
		f(http.MethodGet, "/input_items?limit=3", `{"object":"list","data":[{"id":"msg_1"}]}`, "/input_items")
		require.Equal(t, "limit=3", at.last(t).query)
		f(http.MethodPost, "/cancel", `{"id":"ID","status":"cancelled"}`, "/cancel")
		f(http.MethodDelete, "", `{"id":"ID","object":"response","deleted":true}`, "")

		// Nobody else may see it, and nobody can make up its id.
		for _, other := range []string{id, id + "x", strings.Replace(id, "resp_plexus_", "resp_", 1), "resp_" + made} {
			before := one.count() + two.count()
			got = ask(t, http.MethodGet, url+"/v1/responses/"+other, "", bob...)
			require.Equal(t, 404, got.status, other)
			require.Contains(t, got.body, `"code":"response_not_found"`)
			got = post(t, url+"/v1/responses", `{"model":"fast","previous_response_id":"`+other+`"}`, bob...)
			require.Equal(t, 400, got.status, other)
			require.Contains(t, got.body, `"code":"previous_response_not_found"`)
			require.Equal(t, before, one.count()+two.count())
		}
	}
}

func TestIDsOfStreamedResponses(t *testing.T) {
	url, _, _ := storingGateway(t)
	f := func(body string, want func(string) bool) {
		t.Helper()
		got := post(t, url+"/v1/responses", body, "X-Api-Key", "a-secret", "Accept", "text/event-stream")
		require.Equal(t, 200, got.status, got.body)
		for ev := range strings.SplitSeq(strings.TrimSpace(got.body), "\n\n") {
			_, data, _ := strings.Cut(ev, "data: ")
			if response := jsonscan.Member([]byte(data), "response"); response != nil {
				require.True(t, want(idOf(t, string(response))), ev)
			}
		}
		require.Contains(t, got.body, `"delta":"Hi"`)
	}
	f(`{"model":"fast","stream":true}`, func(id string) bool { return strings.HasPrefix(id, responseIDPrefix) })
	f(`{"model":"fast","stream":true,"store":false}`, func(id string) bool { return id == "resp_one" || id == "resp_two" })
}

func TestStreamOfAStoredResponse(t *testing.T) {
	url, _, _ := storingGateway(t)
	id := idOf(t, post(t, url+"/v1/responses", `{"model":"fast"}`, "X-Api-Key", "a-secret").body)
	got := ask(t, http.MethodGet, url+"/v1/responses/"+id+"?stream=true&starting_after=2", "", "X-Api-Key", "a-secret")
	require.Equal(t, 200, got.status)
	require.Equal(t, 2, strings.Count(got.body, `"id":"`+id+`"`), got.body)
}

func TestStoredResponseElsewhere(t *testing.T) {
	url, one, two := storingGateway(t)
	var made string
	for made != "one" {
		made = post(t, url+"/v1/responses", `{"model":"fast"}`, "X-Api-Key", "a-secret").header.Get("X-Plexus-Provider")
	}
	id := ""
	for range 2 {
		got := post(t, url+"/v1/responses", `{"model":"fast"}`, "X-Api-Key", "a-secret")
		if got.header.Get("X-Plexus-Provider") == "one" {
			id = idOf(t, got.body)
		}
	}
	got := post(t, url+"/v1/responses", `{"model":"other","previous_response_id":"`+id+`"}`, "X-Api-Key", "a-secret")
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "no target of it is at the provider that has the response, one")
	one.Close()
	require.Equal(t, 502, ask(t, http.MethodGet, url+"/v1/responses/"+id, "", "X-Api-Key", "a-secret").status)
	require.NotZero(t, two.count())
}

// Without keys there is nobody to keep apart.
func TestProvidersOwnIDsWithoutKeys(t *testing.T) {
	p := storing(t, "one")
	_, url := inOrder(t, "", p.URL)
	got := post(t, url+"/v1/responses", `{"model":"fast","previous_response_id":"resp_old"}`)
	require.Equal(t, 200, got.status)
	require.Contains(t, p.last(t).body, `"resp_old"`)
	require.Equal(t, 404, ask(t, http.MethodGet, url+"/v1/responses/resp_old", "").status)
	require.Equal(t, 405, ask(t, http.MethodPut, url+"/v1/responses/resp_old", "").status)
	res, err := http.Get(url + "/v1/responses/resp_old/else")
	require.NoError(t, err)
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, res.Body)
	require.Equal(t, http.StatusTeapot, res.StatusCode, "what is not ours goes on")
}

func TestNoPreviousResponseOfAnotherAPI(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	url := apis(t, "", api.Chat, p)
	got := post(t, url+"/v1/responses", `{"model":"fast","previous_response_id":"resp_old","input":"hi"}`)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "previous_response_id")
	require.Zero(t, p.count())
}

// A provider that only streams, or never does, stores responses all the same.
func TestIDsOfResponsesInAnotherForm(t *testing.T) {
	p := storing(t, "one")
	g := newGateway(t, "provider one {\n base_url responses "+p.URL+"/v1\n stream never\n}\nkey alice a-secret\nkey bob b-secret")
	url := serveGateway(t, g).URL
	got := post(t, url+"/v1/responses", `{"model":"one/m","stream":true,"input":"hi"}`, "X-Api-Key", "a-secret")
	id := collected(t, api.Responses, got.body).ID
	require.True(t, strings.HasPrefix(id, responseIDPrefix), id)
	require.Equal(t, 200, ask(t, http.MethodGet, url+"/v1/responses/"+id, "", "X-Api-Key", "a-secret").status)

	// It has no credential to seal with, and still nobody can make up an id.
	forged := g.Providers[0].sealResponseID(g.Providers[0].credentials[0], &Key{Name: "alice"}, "resp_one")
	require.Equal(t, 404, ask(t, http.MethodGet, url+"/v1/responses/"+forged, "", "X-Api-Key", "b-secret").status)
	require.Equal(t, 404, ask(t, http.MethodGet, url+"/v1/responses/"+forged, "", "X-Api-Key", "a-secret").status)
}

// There is one spelling of the response that is continued.
func TestSpellingsOfThePreviousResponse(t *testing.T) {
	url, one, two := storingGateway(t)
	for _, member := range []string{
		`"previous_response_id":"resp_one","previous_response_id":"x"`,
		`"PREVIOUS_RESPONSE_ID":"resp_one"`,
		`"previous_response_id":["resp_one"]`,
		`"previous_response_id":{"id":"resp_one"}`,
		`"previous\u005fresponse_id":"resp_one"`,
	} {
		got := post(t, url+"/v1/responses", `{"model":"fast",`+member+`}`, "X-Api-Key", "b-secret")
		require.Equal(t, 400, got.status, member)
	}
	require.Zero(t, one.count()+two.count())
}

// A provider that complains of the response names it by its own id.
func TestComplaintOfThePreviousResponse(t *testing.T) {
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		says(200, `{"id":"resp_raw","status":"completed","output":[]}`)(w, r)
	})
	g := newGateway(t, "provider one {\n base_url responses "+p.URL+"/v1\n}")
	url := serveGateway(t, g).URL
	id := idOf(t, post(t, url+"/v1/responses", `{"model":"one/m"}`).body)
	p.Config.Handler = says(400, `{"error":{"message":"Previous response with id 'resp_raw' not found."}}`)
	got := post(t, url+"/v1/responses", `{"model":"one/m","previous_response_id":"`+id+`"}`)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "'"+id+"' not found")
}

// A comment has no number, and leaves that of the error behind it as it is.
func TestStoredCommentsHaveNoNumber(t *testing.T) {
	d := &dialects[2]
	created := strings.Replace(d.opening, `"sequence_number":0`, `"sequence_number":41`, 1)
	g := play(t, d.api, "", "", d.plays(created, ": still here\n\n", forever))
	id := g.Providers[0].sealResponseID(g.Providers[0].credentials[0], nil, "r1")
	synctest.Test(t, func(t *testing.T) {
		got := g.send(t, http.MethodGet, "/v1/responses/"+id+"?stream=true", "", nil)
		require.Contains(t, got.heard.String(), `"sequence_number":42`)
	})
}

// One that is larger than what is read of it is an error, and no half of a document.
func TestAStoredResponseThatIsTooLarge(t *testing.T) {
	d := &dialects[2]
	first := d.plays(`{"id":"r1","output":"` + strings.Repeat("x", maxTranslated) + `"}`)
	first.kind = "application/json"
	g := play(t, d.api, "", "", first)
	id := g.Providers[0].sealResponseID(g.Providers[0].credentials[0], nil, "r1")
	synctest.Test(t, func(t *testing.T) {
		got := g.send(t, http.MethodGet, "/v1/responses/"+id, "", nil)
		require.Equal(t, 502, got.status)
		require.Contains(t, got.heard.String(), "too large")
	})
}
