package plexus

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

func TestWindows(t *testing.T) {
	const block = `
		provider openai {
			models {
				gpt-4o
				gpt-4o-mini context 64000 price 1 2
				own
			}
		}
		provider local ollama {
			models {
				llama3.2 context 8192
				other
			}
		}
		model m {
			target openai gpt-4o
			target openai gpt-4o-mini
			target openai own
			target local llama3.2
			target local other
		}
	`
	f := func(block string, want ...int64) {
		t.Helper()
		var got []int64
		for _, target := range newGateway(t, block).router.names["m"].targets {
			got = append(got, target.window)
		}
		require.Equal(t, want, got)
	}
	f(block, 128_000, 64_000, 0, 8192, 0)
	f("no_price_catalog\n"+block, 0, 64_000, 0, 8192, 0)
}

// windows is a model with targets of which each has its window for a name.
func windows(option string, windows ...int) string {
	var block strings.Builder
	block.WriteString("provider p openai {\n base_url http://windows.example/v1\n base_url messages http://windows.example/v1\n models {\n")
	for _, w := range windows {
		fmt.Fprintf(&block, "w%d context %d\n", w, w)
	}
	block.WriteString("unknown\n}\n}\nprovider c anthropic {\n models {\n opus context 2000\n huge context 900000\n}\n}\nmodel m {\n selector in_order\n" + option + "\n")
	for _, w := range windows {
		fmt.Fprintf(&block, " target p w%d\n", w)
	}
	return block.String()
}

func TestTargetsThatFit(t *testing.T) {
	f := func(block string, op operation, req request, input int, want string) {
		t.Helper()
		g := newGateway(t, block)
		route, err := g.router.Resolve("m")
		require.NoError(t, err)
		route.fit(&req, &op, estimate{input: input})
		require.Equal(t, want, strings.Join(names(route.Targets), " "))
	}
	chat := operation{verb: verbGenerate, api: api.Chat}
	skip := windows("context_overflow skip", 1000, 8000, 4000) + "}"
	f(skip, chat, request{}, 1000, "p/w1000 p/w8000 p/w4000")
	f(skip, chat, request{}, 1001, "p/w8000 p/w4000")
	f(skip, chat, request{}, 8000, "p/w8000")
	f(skip, chat, request{}, 8001, "p/w8000") // the largest, where none will do
	// The answer stands in the same window.
	f(skip, chat, request{outputLimit: 1000}, 3001, "p/w8000")
	f(skip, chat, request{outputLimit: 1<<63 - 1}, 1, "p/w8000")
	f(skip, chat, request{outputLimit: -1 << 63}, 1000, "p/w1000 p/w8000 p/w4000")
	f(skip, operation{verb: verbCount, api: api.Messages}, request{outputLimit: 1000}, 3500, "p/w8000 p/w4000")
	// Each input of an embedding has the window for itself.
	f(skip, operation{verb: verbEmbed, api: api.Embeddings}, request{}, 9000, "p/w1000 p/w8000 p/w4000")

	// What is not known may do.
	unknown := windows("context_overflow skip", 1000, 8000) + "target p unknown\n}"
	f(unknown, chat, request{}, 9000, "p/unknown")

	// What does not speak the client's API is of no help.
	embed := windows("context_overflow skip", 1000) + "target c huge\n}"
	f(embed, operation{verb: verbGenerate, api: api.Moderations}, request{}, 9000, "p/w1000 c/huge")
	f(embed, chat, request{}, 9000, "c/huge")

	f(windows("", 1000, 8000)+"}", chat, request{}, 9000, "p/w1000 p/w8000")
	f(windows("context_overflow ask", 1000, 8000)+"}", chat, request{}, 9000, "p/w1000 p/w8000")
	// The option of the model that was asked for counts.
	outer := windows("", 1000, 8000) + "}\nmodel inner {\n target p w1000\n}\n"
	outer = strings.Replace(outer, "model m {", "model m {\n context_overflow skip\n target alias:inner\n", 1)
	f(outer, chat, request{}, 2000, "p/w8000")
}

func TestContextOverflowIsChecked(t *testing.T) {
	g := &Gateway{
		Providers: []*Provider{{Name: "openai", Models: []ProviderModel{{Name: "a", Context: -1}}}},
		Models:    []*Model{{Alias: "m", Targets: []ModelTarget{{Provider: "openai", Model: "a"}}}},
	}
	require.ErrorContains(t, provision(t, g), `provider "openai": model "a": context: expected a number of tokens, got -1`)
	g.Providers[0].Models, g.Models[0].ContextOverflow = nil, "skp"
	require.ErrorContains(t, provision(t, g), `model "m": context_overflow: expected ask or skip, got "skp"`)
}

func TestProviderModelsWithAContextInJSON(t *testing.T) {
	m := ProviderModel{Name: "a", Context: 1000}
	raw, err := m.MarshalJSON()
	require.NoError(t, err)
	require.JSONEq(t, `{"name":"a","context":1000}`, string(raw))
	var again ProviderModel
	require.NoError(t, caddy.StrictUnmarshalJSON(raw, &again))
	require.Equal(t, m, again)
}

const tooLong = `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`

// overflowing is a gateway whose model asks targets one after the other, each
// with a window, 0 for none that is known.
func overflowing(t *testing.T, option string, windows []int, answers ...http.HandlerFunc) (*Gateway, []*provider, string) {
	t.Helper()
	var providers []*provider
	var block, model strings.Builder
	for i, answer := range answers {
		p := newProvider(t, answer)
		providers = append(providers, p)
		fmt.Fprintf(&block, "provider p%d {\n base_url %s/v1\n", i+1, p.URL)
		if windows[i] > 0 {
			fmt.Fprintf(&block, "models {\n m context %d\n}\n", windows[i])
		}
		block.WriteString("}\n")
		fmt.Fprintf(&model, "target p%d m\n", i+1)
	}
	g := newGateway(t, block.String()+"model fast {\n selector in_order\n"+option+"\n"+model.String()+"}")
	return g, providers, serveGateway(t, g).URL
}

// A target that finds the context too long sends the request to larger ones, and
// is none the worse for it.
func TestATooLongContextMovesOn(t *testing.T) {
	long, good := says(400, tooLong), says(200, chatAnswer)
	f := func(option string, windows []int, answers []http.HandlerFunc, status int, body string, asked ...int) {
		t.Helper()
		g, providers, url := overflowing(t, option, windows, answers...)
		got := post(t, url+"/v1/chat/completions", askFast)
		require.Equal(t, status, got.status, got.body)
		if body != "" {
			require.Equal(t, body, got.body)
		}
		var counts []int
		for _, p := range providers {
			counts = append(counts, p.count())
		}
		require.Equal(t, asked, counts)
		for _, target := range g.router.names["fast"].targets[:1] {
			_, b := target.hindrance()
			require.Nil(t, b)
		}
	}
	all := func(a ...http.HandlerFunc) []http.HandlerFunc { return a }
	const skip = "context_overflow skip"
	f(skip, []int{8000, 16000}, all(long, good), 200, chatAnswer, 1, 1)
	f(skip, []int{8000, 0}, all(long, good), 200, chatAnswer, 1, 1)
	f(skip, []int{0, 8000}, all(long, good), 200, chatAnswer, 1, 1)
	f(skip, []int{8000, 8000, 4000, 16000}, all(long, good, good, good), 200, chatAnswer, 1, 0, 0, 1)
	// Nobody else could: it is the client's business.
	f(skip, []int{8000, 8000}, all(long, good), 400, tooLong, 1, 0)
	f(skip, []int{8000, 16000}, all(long, long), 400, tooLong, 1, 1)
	f(skip+"\nfailover {\n attempts 1\n}", []int{8000, 16000}, all(long, good), 400, tooLong, 1, 0)
	f("", []int{8000, 16000}, all(long, good), 400, tooLong, 1, 0)
	// Another objection is none of this.
	f(skip, []int{8000, 16000}, all(says(400, `{"error":{"message":"no"}}`), good), 400, `{"error":{"message":"no"}}`, 1, 0)
	f(skip, []int{8000, 16000}, all(long, says(500, `{}`)), 502, "", 1, 1)
	// on_status would ask anybody, but smaller ones are of no use.
	f(skip+"\nfailover {\n on_status 4xx\n}", []int{8000, 4000, 16000}, all(long, good, good), 200, chatAnswer, 1, 0, 1)
}

// A larger target that is left alone for good is no reason to keep the answer
// from the client.
func TestATooLongContextWhereTheLargerOneIsCoolingDown(t *testing.T) {
	g, providers, url := overflowing(t, "context_overflow skip", []int{8000, 16000}, says(400, tooLong), says(200, chatAnswer))
	g.blame(attemptAt(g.router.names["fast"].targets[1], g.now()), &failure{retryAfter: 60e9})
	got := post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, 400, got.status)
	require.Equal(t, tooLong, got.body)
	require.Zero(t, providers[1].count())
}

func TestATooLongRequestIsNotAskedOfSmallTargets(t *testing.T) {
	good := says(200, chatAnswer)
	_, providers, url := overflowing(t, "context_overflow skip", []int{1000, 100_000}, good, good)
	got := post(t, url+"/v1/chat/completions", `{"model":"fast","messages":[{"role":"user","content":"`+strings.Repeat("word ", 2000)+`"}]}`)
	require.Equal(t, 200, got.status)
	require.Equal(t, "1", got.header.Get("X-Plexus-Attempts"))
	require.Zero(t, providers[0].count())
	got = post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, 200, got.status)
	require.Equal(t, 1, providers[0].count())
}

// A second target that is asked beside the first says that it is too small: the
// client hears of the first.
func TestATooLongContextForTheSecondOfTwo(t *testing.T) {
	a, b := newSlow(t, says(200, chatAnswer)), newSlow(t, says(400, tooLong))
	_, _, url := overflowing(t, "context_overflow skip\n hedge "+soon, []int{8000, 16000, 32000}, a.Config.Handler.ServeHTTP, b.Config.Handler.ServeHTTP, says(500, ""))
	go func() {
		<-b.asked
		b.unblock()
		a.unblock()
	}()
	got := post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, 200, got.status)
	require.Equal(t, "p1", got.header.Get("X-Plexus-Provider"))
}

// The first of two that run beside each other is too small: the second answers.
func TestATooLongContextForTheFirstOfTwo(t *testing.T) {
	a, b := newSlow(t, says(400, tooLong)), newSlow(t, says(200, chatAnswer))
	_, _, url := overflowing(t, "context_overflow skip\n hedge "+soon, []int{8000, 16000}, a.Config.Handler.ServeHTTP, b.Config.Handler.ServeHTTP)
	go func() {
		<-b.asked
		a.unblock()
		b.unblock()
	}()
	got := post(t, url+"/v1/chat/completions", askFast)
	require.Equal(t, 200, got.status)
	require.Equal(t, "p2", got.header.Get("X-Plexus-Provider"))
}

// How many targets are tried says the model that was asked for, and not the one
// among its targets that found the context too long.
func TestATooLongContextGoesByTheAttemptsOfTheModelAskedFor(t *testing.T) {
	small, large := newProvider(t, says(400, tooLong)), newProvider(t, says(200, chatAnswer))
	g := newGateway(t, "provider p1 {\n base_url "+small.URL+"/v1\n models {\n m context 8192\n }\n}\nprovider p2 {\n base_url "+large.URL+`/v1
		}
		model fast {
			selector in_order
			context_overflow skip
			target alias:small
			target p2 m
		}
		model small {
			target p1 m
			failover {
				attempts 1
			}
		}`)
	got := post(t, serveGateway(t, g).URL+"/v1/chat/completions", askFast)
	require.Equal(t, 200, got.status, got.body)
	require.Equal(t, "p2", got.header.Get("X-Plexus-Provider"))
}
