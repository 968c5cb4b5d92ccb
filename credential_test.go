package plexus

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// account is a provider that counts what each credential asks, and answers as a
// test wants it to.
type account struct {
	*provider
	mu      sync.Mutex
	asked   map[string]int
	refuses map[string]int // the status for a credential
}

func newAccount(t *testing.T, answer http.HandlerFunc) *account {
	a := &account{asked: map[string]int{}, refuses: map[string]int{}}
	a.provider = newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		secret := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		a.mu.Lock()
		a.asked[secret]++
		status := a.refuses[secret]
		a.mu.Unlock()
		if status != 0 {
			says(status, `{"error":{"message":"not `+secret+`"}}`)(w, r)
			return
		}
		answer(w, r)
	})
	return a
}

func (a *account) refuse(secret string, status int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.refuses[secret] = status
}

// since is what each credential asked since the last call.
func (a *account) since() map[string]int {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := a.asked
	a.asked = map[string]int{}
	return asked
}

// several is a gateway with a model fast at a provider with some credentials,
// and another provider behind it.
func several(t *testing.T, a *account, credentials string, others ...string) (*Gateway, *clock, string) {
	t.Helper()
	block := fmt.Sprintf("provider lab {\n base_url %s/v1\n models m n\n %s\n}\n", a.URL, credentials)
	model := "model fast {\n selector in_order\n target lab m\n"
	for i, url := range others {
		block += fmt.Sprintf("provider other%d {\n base_url %s/v1\n}\n", i, url)
		model += fmt.Sprintf(" target other%d m\n", i)
	}
	g := newGateway(t, block+model+"}\nmodel slow {\n target lab n\n}")
	return g, fakeClock(g), serveGateway(t, g).URL + "/v1/chat/completions"
}

func TestCredentialsTakeTurns(t *testing.T) {
	a := newAccount(t, says(200, chatAnswer))
	_, _, url := several(t, a, "api_key sk-one\n api_key sk-two {\n weight 2\n }\n api_key sk-three")
	for range 100 {
		require.Equal(t, 200, post(t, url, askFast).status)
	}
	asked := a.since()
	require.InDelta(t, 25, asked["sk-one"], 2)
	require.InDelta(t, 50, asked["sk-two"], 2)
	require.InDelta(t, 25, asked["sk-three"], 2)
}

// A lane is picked in proportion to its weight, however long the run and
// whichever lanes are open.
func TestPickIsEven(t *testing.T) {
	all := []*lane{{credential: &Credential{weight: 1}}, {credential: &Credential{weight: 5}}, {credential: &Credential{weight: 0.5}}, {credential: &Credential{weight: 1.5}}}
	f := func(among lanes, want ...float64) {
		t.Helper()
		var turns turns
		got := make([]float64, len(all))
		for n := 1; n <= 1000; n++ {
			got[pick(all, among, turns.point())]++
			for i := range all {
				require.LessOrEqual(t, math.Abs(got[i]-want[i]*float64(n)), 4.0, "lane %d after %d turns", i, n)
			}
		}
	}
	f(0b1111, 1./8, 5./8, 0.5/8, 1.5/8)
	f(0b1101, 1./3, 0, 0.5/3, 1.5/3)
	f(0b0100, 0, 0, 1, 0)
	require.Equal(t, -1, pick(all, 0, 0.5))
	require.Equal(t, 3, pick(all, 0b1111, math.Nextafter(1, 0)))
}

// The next credential is asked before the next target, and the refused one is
// left alone: a 401 at all models, a 429 at that one.
func TestTheNextCredentialComesBeforeTheNextTarget(t *testing.T) {
	for status, elsewhere := range map[int]int{401: 0, 403: 0, 402: 0, 429: 1} {
		a := newAccount(t, says(200, chatAnswer))
		other := newProvider(t, says(200, chatAnswer))
		_, clock, url := several(t, a, "api_key sk-one\n api_key sk-two", other.URL)
		a.refuse("sk-one", status)
		for range 20 {
			require.Equal(t, 200, post(t, url, askFast).status)
		}
		require.Equal(t, map[string]int{"sk-one": 1, "sk-two": 20}, a.since(), status)
		require.Zero(t, other.count())
		for range 20 {
			require.Equal(t, 200, post(t, url, `{"model":"slow"}`).status)
		}
		require.Equal(t, elsewhere, a.since()["sk-one"], "%d: a limit is one of the model, a refusal one of all", status)

		a.refuse("sk-one", 0)
		clock.advance(time.Minute)
		for range 20 {
			require.Equal(t, 200, post(t, url, askFast).status)
		}
		require.InDelta(t, 10, a.since()["sk-one"], 2, "it is back after %d", status)
	}
}

// What is the fault of neither credential is not asked again with the other.
func TestAnOutageIsNoReasonToTryAnotherCredential(t *testing.T) {
	a := newAccount(t, says(500, ""))
	other := newProvider(t, says(200, chatAnswer))
	_, _, url := several(t, a, "api_key sk-one\n api_key sk-two", other.URL)
	got := post(t, url, askFast)
	require.Equal(t, 200, got.status)
	require.Equal(t, "2", got.header.Get("X-Plexus-Attempts"))
	require.Equal(t, 1, a.count())
}

// Each credential is tried once, also where none is ever left alone, and all of
// them count as one target.
func TestEveryCredentialIsTriedOnce(t *testing.T) {
	for _, cooldown := range []string{"", "cooldown off"} {
		a := newAccount(t, says(200, chatAnswer))
		other := newProvider(t, says(200, chatAnswer))
		_, _, url := several(t, a, "api_key sk-one\n api_key sk-two\n api_key sk-three\n api_key sk-four\n"+cooldown, other.URL)
		for _, secret := range []string{"one", "two", "three", "four"} {
			a.refuse("sk-"+secret, 401)
		}
		got := post(t, url, askFast)
		require.Equal(t, 200, got.status)
		require.Equal(t, "other0", got.header.Get("X-Plexus-Provider"))
		require.Equal(t, "5", got.header.Get("X-Plexus-Attempts"))
		require.Equal(t, map[string]int{"sk-one": 1, "sk-two": 1, "sk-three": 1, "sk-four": 1}, a.since())
	}
}

// The answer to a request that every credential failed says which, and no more.
func TestFailuresNumberTheCredentials(t *testing.T) {
	a := newAccount(t, says(200, chatAnswer))
	_, _, url := several(t, a, "api_key sk-one\n api_key sk-two")
	a.refuse("sk-one", 401)
	a.refuse("sk-two", 429)
	got := post(t, url, askFast)
	require.Contains(t, got.body, "lab/m with credential 1: 401 (it refuses our credential)")
	require.Contains(t, got.body, "lab/m with credential 2: 429 Too Many Requests")
	require.NotContains(t, got.body, "sk-")
	a.refuse("sk-two", 400)
	got = post(t, url, askFast)
	require.Equal(t, 400, got.status)
	require.Contains(t, got.body, "not REDACTED")
}

// The error said that two targets were tried where it was one, with two credentials.
func TestCredentialsAreNotCountedAsTargets(t *testing.T) {
	a := newAccount(t, says(200, chatAnswer))
	other := newProvider(t, says(500, ""))
	_, _, url := several(t, a, "api_key sk-one\n api_key sk-two")
	_, _, both := several(t, a, "api_key sk-one\n api_key sk-two", other.URL)
	a.refuse("sk-one", 401)
	a.refuse("sk-two", 401)
	require.Contains(t, post(t, url, askFast).body, ": 1 target tried, none succeeded: lab/m with credential ")
	require.Contains(t, post(t, both, askFast).body, ": 2 targets tried, none succeeded: ")
}

// Where all are cooling down the client is told when the first is back.
func TestTheSoonestCredentialCounts(t *testing.T) {
	a := newAccount(t, says(200, chatAnswer))
	g, _, _ := several(t, a, "api_key sk-one\n api_key sk-two")
	target := g.router.names["fast"].targets[0]
	for i, pause := range []time.Duration{2 * time.Minute, time.Minute} {
		begun := attemptAt(target, g.now())
		begun.claim.lane = target.lanes[i]
		g.blame(begun, &failure{status: 429, verdict: verdictStatus, reason: "429", retryAfter: pause})
		require.Equal(t, i == 0, target.free(g.now()))
	}
	got := post(t, serveGateway(t, g).URL+"/v1/chat/completions", askFast)
	require.Equal(t, 503, got.status)
	require.Equal(t, "60", got.header.Get("Retry-After"))
	require.Zero(t, a.count())
}

// The admin API tells of each credential by its number.
// A response that one credential alone can continue was to be asked for again in a
// second, because another one was free.
func TestTheCredentialOfAContinuedResponseCounts(t *testing.T) {
	g := newGateway(t, "provider lab {\n base_url responses http://127.0.0.1:1/v1\n api_key sk-one\n api_key sk-two\n}\nmodel fast {\n target lab m\n}\nkey k secret-of-k")
	target := g.router.names["fast"].targets[0]
	id := g.Providers[0].sealResponseID(target.lanes[0].credential, g.Keys[0], "resp_x")
	g.blame(attemptAt(target, g.now()), &failure{status: 429, verdict: verdictStatus, reason: "429", retryAfter: 2 * time.Minute})
	url := serveGateway(t, g).URL + "/v1/responses"
	f := func() {
		t.Helper()
		got := post(t, url, `{"model":"fast","input":"hi","previous_response_id":"`+id+`"}`, "X-Api-Key", "secret-of-k")
		require.Equal(t, 503, got.status)
		require.Equal(t, "120", got.header.Get("Retry-After"))
	}
	f()
	// The other one is left alone too, for a shorter time.
	other := attemptAt(target, g.now())
	other.claim.lane = target.lanes[1]
	g.blame(other, &failure{status: 429, verdict: verdictStatus, reason: "429", retryAfter: 20 * time.Second})
	f()
}

func TestStatusOfCredentials(t *testing.T) {
	a := newAccount(t, says(200, chatAnswer))
	g, _, url := several(t, a, "api_key sk-one\n api_key sk-two")
	target := g.router.names["fast"].targets[0]
	states := func() []string {
		var out []string
		for _, c := range target.status(g.now()).Credentials {
			out = append(out, strings.TrimSpace(fmt.Sprintf("%d %s %s", c.Number, c.State, c.Reason)))
		}
		return append(out, target.status(g.now()).State)
	}
	require.Equal(t, []string{"1 up", "2 up", "up"}, states())
	a.refuse("sk-two", 429)
	for range 2 {
		require.Equal(t, 200, post(t, url, askFast).status)
	}
	require.Equal(t, []string{"1 up", "2 cooling 429 Too Many Requests", "up"}, states())
	require.Nil(t, target.status(g.now()).Until)
	a.refuse("sk-one", 401)
	post(t, url, askFast)
	require.Equal(t, []string{"1 cooling 401 (it refuses our credential)", "2 cooling 429 Too Many Requests", "cooling"}, states())
	require.Equal(t, 2, g.clear(g.targets()), "the model at hand, and the other that the credential is for")
	require.Equal(t, []string{"1 up", "2 up", "up"}, states())
}

// A response can only be continued with the credential that it was made with.
func TestStoredResponsesKeepTheirCredential(t *testing.T) {
	a := newAccount(t, says(200, `{"id":"resp_x","object":"response","status":"completed","output":[{"type":"message","role":"assistant","content":[{"type":"output_text","text":"hi"}]}]}`))
	g := newGateway(t, fmt.Sprintf("provider lab {\n base_url responses %s/v1\n api_key sk-one\n api_key sk-two\n}\nmodel fast {\n target lab m\n}\nkey k secret-of-k", a.URL))
	url := serveGateway(t, g).URL + "/v1/responses"
	got := post(t, url, `{"model":"fast","input":"hi"}`, "X-Api-Key", "secret-of-k")
	id, ok := jsonscan.String(jsonscan.Member([]byte(got.body), "id"))
	require.True(t, ok)
	made := a.since()
	require.Len(t, made, 1)
	for range 5 {
		require.Equal(t, 200, post(t, url, `{"model":"fast","input":"hi","previous_response_id":"`+id+`"}`, "X-Api-Key", "secret-of-k").status)
		require.Equal(t, 200, ask(t, http.MethodGet, url+"/"+id, "", "X-Api-Key", "secret-of-k").status)
	}
	for secret, n := range a.since() {
		require.Equal(t, 10, n)
		require.Equal(t, 1, made[secret])
		a.refuse(secret, 429)
	}
	require.Equal(t, 429, post(t, url, `{"model":"fast","input":"hi","previous_response_id":"`+id+`"}`, "X-Api-Key", "secret-of-k").status)
	require.Len(t, a.since(), 1, "the other credential knows nothing of it")
}

// The pauses of credentials outlive a reload that adds one.
func TestCredentialsAreRememberedThroughReloads(t *testing.T) {
	a := newAccount(t, says(200, chatAnswer))
	_, _, url := several(t, a, "api_key sk-one\n api_key sk-two")
	a.refuse("sk-one", 429)
	for range 2 {
		require.Equal(t, 200, post(t, url, askFast).status)
	}
	_, _, url = several(t, a, "api_key sk-zero\n api_key sk-one\n api_key sk-two")
	a.since()
	for range 12 {
		require.Equal(t, 200, post(t, url, askFast).status)
	}
	require.Zero(t, a.since()["sk-one"])
}

func TestCredentialsThatAreRefused(t *testing.T) {
	f := func(block, want string) {
		t.Helper()
		_, err := loadGateway(t, "provider lab {\n base_url http://127.0.0.1:1/v1\n"+block+"\n}")
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "sk-")
	}
	f("api_key sk-one\n api_key sk-two\n api_key sk-one", `provider "lab": api_key number 3: it is one of the others`)
	f("api_key {env.PLEXUS_TEST_NO_SUCH}\n api_key sk-two", `provider "lab": api_key: `)
	f("api_key sk-one\n api_key {env.PLEXUS_TEST_NO_SUCH}", `provider "lab": api_key number 2: `)
	t.Setenv("PLEXUS_TEST_LINES", "sk-a\nb")
	f("api_key sk-one\n api_key {env.PLEXUS_TEST_LINES}", "control character")
	f(strings.Repeat("api_key sk\n", 65), "expected at most 64, got 65")
	g := &Gateway{Providers: []*Provider{{Name: "lab", BaseURL: "http://127.0.0.1:1", APIKey: "sk-one", Credentials: []*Credential{nil}}}}
	require.ErrorContains(t, provision(t, g), "an entry is null")
	g.Providers[0].Credentials = []*Credential{{APIKey: "sk-two", Weight: new(-1.0)}}
	require.ErrorContains(t, provision(t, g), "the weight -1 is not positive")
	g.Providers[0].Credentials = []*Credential{{}}
	require.ErrorContains(t, provision(t, g), "number 2: it is empty")
}

// A credential that is the beginning of another leaves nothing of that one behind.
func TestRedactingACredentialThatBeginsAnother(t *testing.T) {
	p := &Provider{credentials: []*Credential{{secret: "sk-team"}, {secret: "sk-team-secret"}}}
	require.Equal(t, "the key REDACTED, not REDACTED", string(p.redact([]byte("the key sk-team-secret, not sk-team"))))
}

// A credential that header_up sends reached clients in the errors that quote it.
func TestCredentialsOfHeaderUpAreRedacted(t *testing.T) {
	t.Setenv("PLEXUS_TEST_HEADER", "sk-of-header-up")
	p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
		says(400, `{"error":{"message":"no `+r.Header.Get("X-Gateway-Auth")+`"}}`)(w, r)
	})
	g := newGateway(t, fmt.Sprintf("provider p {\n base_url %s/v1\n header_up X-Gateway-Auth \"Bearer {env.PLEXUS_TEST_HEADER}\"\n}\nmodel fast {\n target p m\n}", p.URL))
	got := post(t, serveGateway(t, g).URL+"/v1/chat/completions", askFast)
	require.Equal(t, 400, got.status)
	require.Contains(t, p.last(t).header.Get("X-Gateway-Auth"), "sk-of")
	require.NotContains(t, got.body, "sk-of-header-up")
}
