package plexus

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/prices"
)

// costOf is what {http.plexus.cost} says once a request is over.
func costOf(t *testing.T, g *Gateway, path, body string) string {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	repl := caddyhttp.NewTestReplacer(r)
	ctx := context.WithValue(r.Context(), caddy.ReplacerCtxKey, repl)
	ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{caddyhttp.ClientIPVarKey: "127.0.0.1"})
	w := httptest.NewRecorder()
	require.NoError(t, (&Handler{Gateway: g}).ServeHTTP(w, r.WithContext(ctx), nil))
	require.Equal(t, 200, w.Code, w.Body.String())
	cost, found := repl.GetString("http.plexus.cost")
	require.True(t, found)
	return cost
}

// countedOf is the sum of a counter's series of a provider, and how many there are.
func countedOf(t *testing.T, c prometheus.Collector, provider string) (sum float64, series int) {
	t.Helper()
	return countedBy(t, c, "provider", provider)
}

func countedBy(t *testing.T, c prometheus.Collector, name, value string) (sum float64, series int) {
	t.Helper()
	registry := prometheus.NewRegistry()
	require.NoError(t, registry.Register(c))
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			for _, label := range m.GetLabel() {
				if label.GetName() == name && label.GetValue() == value {
					sum += m.GetCounter().GetValue()
					series++
				}
			}
		}
	}
	return sum, series
}

// Claude's usage, of which a million tokens cost 10×3 + 1000×0.30 + 200×3.75 +
// 100×6 + 50×15 thousandths.
const (
	claudeAnswer = `{"id":"m1","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","usage":` +
		`{"input_tokens":10,"cache_read_input_tokens":1000,"cache_creation_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":200,"ephemeral_1h_input_tokens":100},"output_tokens":50}}`
	claudeStart = `event: message_start` + "\n" + `data: {"type":"message_start","message":{"id":"m1","type":"message","role":"assistant","model":"m","content":[],"usage":` +
		`{"input_tokens":10,"cache_read_input_tokens":1000,"cache_creation_input_tokens":300,"cache_creation":{"ephemeral_5m_input_tokens":200,"ephemeral_1h_input_tokens":100},"output_tokens":1}}}` + "\n\n"
	claudeText = `event: content_block_start` + "\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n" +
		`event: content_block_delta` + "\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}` + "\n\n" +
		`event: content_block_stop` + "\n" + `data: {"type":"content_block_stop","index":0}` + "\n\n"
	claudeStop = `event: message_delta` + "\n" + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":50}}` + "\n\n" +
		`event: message_stop` + "\n" + `data: {"type":"message_stop"}` + "\n\n"
)

// The cost is that of the provider's own usage, whole or streamed, relayed or
// translated.
func TestCostOfRequests(t *testing.T) {
	f := func(answer http.HandlerFunc, preset, model, path, body, want string) {
		t.Helper()
		p := newProvider(t, answer)
		g := newGateway(t, fmt.Sprintf("provider p %s {\n base_url %s/v1\n}\nmodel fast {\n target p %s\n}", preset, p.URL, model))
		require.Equal(t, want, costOf(t, g, path, body))
	}
	const ask = `{"model":"fast","messages":[{"role":"user","content":"hi"}]}`
	const stream = `{"model":"fast","stream":true,"messages":[{"role":"user","content":"hi"}]}`
	const claude = `{"model":"fast","max_tokens":100,"messages":[{"role":"user","content":"hi"}]}`

	// 6×2.50 + 4×1.25 + 5×10, and of the stream 10×2.50 + 5×10.
	f(says(200, chatAnswer), "openai", "gpt-4o", "/v1/chat/completions", ask, "0.00007")
	f(streams(chatRole, chatHello, chatStop, chatUsage, chatDone), "openai", "gpt-4o", "/v1/chat/completions", stream, "0.000075")
	f(streams(chatRole, chatHello, chatStop, chatUsage, chatDone), "mistral", "mistral-large-2512", "/v1/messages", strings.Replace(claude, `"max`, `"stream":true,"max`, 1), "0.0000125")
	f(says(200, claudeAnswer), "anthropic", "claude-sonnet-4-5", "/v1/messages", claude, "0.00243")
	f(streams(claudeStart, claudeText, claudeStop), "anthropic", "claude-sonnet-4-5", "/v1/messages", strings.Replace(claude, `"max`, `"stream":true,"max`, 1), "0.00243")
	f(streams(claudeStart, claudeText, claudeStop), "anthropic", "claude-sonnet-4-5", "/v1/chat/completions", stream, "0.00243")
	f(says(200, claudeAnswer), "anthropic", "claude-sonnet-4-5", "/v1/chat/completions", ask, "0.00243")

	f(says(200, chatAnswer), "openai", "gpt-99", "/v1/chat/completions", ask, "")
	f(says(200, chatAnswer), "vllm", "gpt-4o", "/v1/chat/completions", ask, "")
	f(says(200, chatAnswer), "", "gpt-4o", "/v1/chat/completions", ask, "")
	f(says(200, strings.Replace(chatAnswer, `"usage"`, `"usages"`, 1)), "openai", "gpt-4o", "/v1/chat/completions", ask, "")
	f(streams(chatRole, chatHello, chatStop, chatDone), "openai", "gpt-4o", "/v1/chat/completions", stream, "")
	f(says(200, `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.1]}],"usage":{"prompt_tokens":100,"total_tokens":100}}`),
		"openai", "text-embedding-3-small", "/v1/embeddings", `{"model":"fast","input":"hi"}`, "0.000002")
	f(says(200, `{"input_tokens":100}`), "anthropic", "claude-sonnet-4-5", "/v1/messages/count_tokens", claude, "")
}

func TestDeclaredPricesWin(t *testing.T) {
	f := func(head, price, want string) {
		t.Helper()
		p := newProvider(t, says(200, claudeAnswer))
		g := newGateway(t, fmt.Sprintf("provider p anthropic {\n base_url %s/v1\n models {\n claude-sonnet-4-5 %s\n claude-haiku-4-5\n }\n}\nmodel fast {\n target p claude-sonnet-4-5\n}\nmodel small {\n target p claude-haiku-4-5\n}\n%s", p.URL, price, head))
		require.Equal(t, want, costOf(t, g, "/v1/messages", `{"model":"fast","messages":[]}`))
		require.Equal(t, want, costOf(t, g, "/v1/messages", `{"model":"p/claude-sonnet-4-5","messages":[]}`))
		small := "0.00081"
		if head != "" {
			small = ""
		}
		require.Equal(t, small, costOf(t, g, "/v1/messages", `{"model":"small","messages":[]}`))
	}
	f("", "", "0.00243")
	f("no_price_catalog", "", "")
	f("no_price_catalog", "price 1 2", "0.00141")
	f("", "price 1 2", "0.00141")
	f("", "price 1 2 cache_read 0", "0.00041")
	f("", "price 1 2 cache_read 0 cache_write 2 cache_write_1h 3", "0.00081")
	f("", "price 1 2 cache_read 0 cache_write 2", "")
	f("", "price 0 0", "0")
}

// What nobody listed is looked up as it comes, and the names do not become labels.
func TestPassthroughHasACost(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	g := newGateway(t, "provider through openai {\n base_url "+p.URL+"/v1\n}")
	require.Equal(t, "0.00007", costOf(t, g, "/v1/chat/completions", `{"model":"through/gpt-4o","messages":[]}`))
	require.Empty(t, costOf(t, g, "/v1/chat/completions", `{"model":"through/gpt-99","messages":[]}`))
	sum, series := countedOf(t, metrics.cost, "through")
	require.InDelta(t, 0.00007, sum, 1e-12)
	require.Equal(t, 1, series)
	sum, series = countedOf(t, metrics.unpriced, "through")
	require.InDelta(t, 1, sum, 0)
	require.Equal(t, 1, series)
}

// What is asked for at another price than the list's is not priced by the list.
func TestSurcharges(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	gemini := newProvider(t, says(200, `{"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":10,"candidatesTokenCount":10}}`))
	g := newGateway(t, fmt.Sprintf(`
		provider openai {
			base_url %[1]s/v1
		}
		provider declared openai {
			base_url %[1]s/v1
			models {
				gpt-4o price 2.50 10
			}
		}
		provider flex openai {
			base_url %[1]s/v1
			extra_body `+"`"+`{"service_tier":"flex"}`+"`"+`
		}
		provider gemini {
			base_url gemini %[2]s/v1beta
		}`, p.URL, gemini.URL))
	f := func(model, members, want string) {
		t.Helper()
		require.Equal(t, want, costOf(t, g, "/v1/chat/completions", `{"model":"`+model+`","messages":[]`+members+`}`), members)
	}
	const list = "0.00007"
	f("openai/gpt-4o", `,"service_tier":"auto"`, list)
	f("openai/gpt-4o", `,"service_tier":null,"speed":null,"inference_geo":"global","modalities":["text"]`, list)
	f("openai/gpt-4o", `,"service_tier":"priority"`, "")
	f("openai/gpt-4o", `,"service_tier":"flex"`, "")
	f("openai/gpt-4o", `,"speed":"fast"`, "")
	f("openai/gpt-4o", `,"inference_geo":"us"`, "")
	f("openai/gpt-4o", `,"modalities":["text","audio"]`, "")
	f("openai/gpt-4o", `,"service_tier":"priority","modalities":["text","audio"]`, "")
	f("openai/gpt-4o", `,"modalities":["text","audio"],"service_tier":"priority"`, "")
	f("declared/gpt-4o", `,"service_tier":"priority"`, "0.000075")
	f("flex/gpt-4o", ``, "")

	f = func(model, members, want string) {
		t.Helper()
		require.Equal(t, want, costOf(t, g, "/v1beta/models/"+model+":generateContent", `{"contents":[]`+members+`}`), members)
	}
	f("gemini/gemini-2.5-flash", ``, "0.000028")
	f("gemini/gemini-2.5-flash", `,"generationConfig":{"maxOutputTokens":10,"responseModalities":["TEXT"]}`, "0.000028")
	f("gemini/gemini-2.5-flash", `,"generationConfig":{"responseModalities":["TEXT","IMAGE"]}`, "")
	f("gemini/gemini-2.5-flash", `,"serviceTier":"priority"`, "")
}

// Where the usage tells which tokens are sound or images, they have their own
// prices, or those of text where the catalog has no others.
func TestSoundAndImagesHaveTheirOwnPrices(t *testing.T) {
	spoken := `{"id":"c","choices":[{"index":0,"message":{"role":"assistant","content":null,"audio":{"id":"a","data":"aGk=","transcript":"hi"}},"finish_reason":"stop"}],"usage":` +
		`{"prompt_tokens":1000000,"completion_tokens":1000000,"total_tokens":2000000,"prompt_tokens_details":{"audio_tokens":400000},"completion_tokens_details":{"audio_tokens":900000}}}`
	openai := newProvider(t, says(200, spoken))
	drawn := `{"candidates":[{"content":{"parts":[{"inlineData":{"mimeType":"image/png","data":"aGk="}}]},"finishReason":"STOP"}],"usageMetadata":` +
		`{"promptTokenCount":1000000,"candidatesTokenCount":1000000,"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1000000}]}}`
	google := newProvider(t, says(200, drawn))
	g := newGateway(t, fmt.Sprintf("provider openai {\n base_url %s/v1\n}\nprovider gemini {\n base_url gemini %s/v1beta\n}", openai.URL, google.URL))
	price := func(p *Provider, model string) *prices.Tariff {
		tariff := p.catalog.Lookup(p.Preset, model).Price.At(g.now())
		require.NotNil(t, tariff)
		return tariff
	}
	const million = 1_000_000
	want := func(tariff *prices.Tariff, u prices.Usage) string {
		cost, known := tariff.Cost(u)
		require.True(t, known)
		return cost.String()
	}
	tariff := price(g.Providers[0], "gpt-audio")
	require.NotEqual(t, want(tariff, prices.Usage{prices.Output: million}), want(tariff, prices.Usage{prices.OutputAudio: million}), "it proves something")
	require.Equal(t, want(tariff, prices.Usage{prices.Input: 600000, prices.InputAudio: 400000, prices.Output: 100000, prices.OutputAudio: 900000}),
		costOf(t, g, "/v1/chat/completions", `{"model":"openai/gpt-audio","messages":[],"modalities":["text","audio"]}`))
	require.Empty(t, costOf(t, g, "/v1/chat/completions", `{"model":"openai/gpt-audio","messages":[],"modalities":["text","audio"],"service_tier":"priority"}`))
	require.Empty(t, costOf(t, g, "/v1/chat/completions", `{"model":"openai/gpt-4o-audio-preview","messages":[],"modalities":["text","audio"]}`), "the catalog does not know")
	tariff = price(g.Providers[1], "gemini-2.5-flash-image")
	require.Equal(t, want(tariff, prices.Usage{prices.Input: million, prices.OutputImage: million}),
		costOf(t, g, "/v1beta/models/gemini/gemini-2.5-flash-image:generateContent", `{"contents":[],"generationConfig":{"responseModalities":["IMAGE"]}}`))
}

// Usage of images and audio does not always say which tokens are which.
func TestImagesHaveNoListPrice(t *testing.T) {
	p := newProvider(t, says(200, `{"created":1,"data":[{"b64_json":"aGk="}],"usage":{"input_tokens":10,"output_tokens":1000,"total_tokens":1010}}`))
	g := newGateway(t, fmt.Sprintf("provider openai {\n base_url %[1]s/v1\n}\nprovider told openai {\n base_url %[1]s/v1\n models {\n gpt-image-1 price 5 40\n }\n}", p.URL))
	require.Empty(t, costOf(t, g, "/v1/images/generations", `{"model":"openai/gpt-image-1","prompt":"hi"}`))
	require.Equal(t, "0.04005", costOf(t, g, "/v1/images/generations", `{"model":"told/gpt-image-1","prompt":"hi"}`))
}

// An unknown price is told once, counted each time, and never zero.
func TestUnknownPricesAreToldOnce(t *testing.T) {
	p := newProvider(t, says(200, chatAnswer))
	block := fmt.Sprintf("provider nobody {\n base_url %s/v1\n}\nmodel fast {\n target nobody m1\n}\nmodel smart {\n target nobody m2\n}", p.URL)
	g := newGateway(t, block)
	core, logs := observer.New(zapcore.InfoLevel)
	g.logger = zap.New(core)
	for range 3 {
		require.Empty(t, costOf(t, g, "/v1/chat/completions", askFast))
	}
	require.Empty(t, costOf(t, g, "/v1/chat/completions", strings.Replace(askFast, "fast", "smart", 1)))
	again := newGateway(t, block) // as a reload does
	again.logger = g.logger
	require.Empty(t, costOf(t, again, "/v1/chat/completions", askFast))

	told := logs.FilterMessage("the cost of a request is not known").All()
	require.Len(t, told, 2)
	require.Equal(t, map[string]any{"plexus_provider": "nobody", "plexus_model": "m1", "reason": "its model has no price"}, told[0].ContextMap())
	require.Equal(t, "m2", told[1].ContextMap()["plexus_model"])
	sum, _ := countedOf(t, metrics.unpriced, "nobody")
	require.InDelta(t, 5, sum, 0)
	_, series := countedOf(t, metrics.cost, "nobody")
	require.Zero(t, series)
}

func TestWhyACostIsNotKnown(t *testing.T) {
	f := func(price, members, reason string, classes ...any) {
		t.Helper()
		p := newProvider(t, says(200, claudeAnswer))
		g := newGateway(t, fmt.Sprintf("provider why anthropic {\n base_url %s/v1\n models {\n claude-sonnet-4-5 %s\n }\n}", p.URL, price))
		core, logs := observer.New(zapcore.InfoLevel)
		g.logger = zap.New(core)
		require.Empty(t, costOf(t, g, "/v1/messages", `{"model":"why/claude-sonnet-4-5"`+members+`}`))
		require.Equal(t, 1, logs.Len())
		require.Equal(t, reason, logs.All()[0].ContextMap()["reason"])
		if len(classes) > 0 {
			require.Equal(t, classes, logs.All()[0].ContextMap()["classes"])
		}
	}
	f("", `,"service_tier":"priority"`, "the catalog's price does not hold for service_tier")
	f("price 1 2 cache_write 2", ``, "there is no price for some of its tokens", "cache_write_1h")
}

func TestPriceOfAnHourIsPartOfTheWrites(t *testing.T) {
	require.Equal(t, prices.Usage{prices.Input: 1, prices.CacheRead: 2, prices.CacheWrite: 3, prices.CacheWriteHour: 4, prices.Output: 5, prices.Reasoning: 6},
		billed(&api.Usage{Input: 1, CacheRead: 2, CacheWrite: 7, CacheWriteHour: 4, Output: 5, Reasoning: 6}))
}

func TestEstimates(t *testing.T) {
	f := func(path, body string, input, output int) {
		t.Helper()
		op, ok := operationOf(httptest.NewRequest(http.MethodPost, path, nil))
		require.True(t, ok)
		req := request{body: []byte(body)}
		require.NoError(t, req.inspect(&op))
		require.Equal(t, estimate{input, output}, req.estimate(&op))
	}
	const chat = "/v1/chat/completions"
	f(chat, `{"model":"m"}`, 3, 500)
	f(chat, `{"model":"m","max_tokens":20}`, 7, 20)
	f(chat, `{"model":"m","max_completion_tokens":2000}`, 10, 500)
	f(chat, `{"model":"m","max_tokens":null}`, 7, 500)
	f(chat, `{"model":"m","max_tokens":-1}`, 7, 500)
	f("/v1/responses", `{"model":"m","max_output_tokens":20}`, 9, 20)
	f("/v1beta/models/m:generateContent", `{"generationConfig":{"maxOutputTokens":20}}`, 10, 20)
	f("/v1/embeddings", `{"model":"m"}`, 3, 0)

	text := strings.Repeat("words and more. ", 1000)
	file := strings.Repeat("aGVsbG8+/", 10_000)
	f(chat, `{"a":"`+text+`"}`, 4002, 500)
	f(chat, `{"a":"`+file+`"}`, 1002, 500)
	f(chat, `{"a":"data:image/png;base64,`+file+`","b":"`+text+`","c":"`+file+`"}`, 6005, 500)
	f(chat, `{"a":"`+strings.Repeat("文", 4000)+`"}`, 3002, 500)
}

// The cheapest is the cheapest for this request, at this hour.
func TestCostGoesByTheRequest(t *testing.T) {
	g := newGateway(t, `
		provider openai
		provider claude anthropic
		provider gemini
		provider deepseek
		provider lab ollama
		model long {
			selector cost
			target lab llama3.2
			target gemini gemini-2.5-pro
			target claude claude-sonnet-4-6
			target openai gpt-4o
		}
		model hours {
			selector cost
			target deepseek deepseek-v4-pro
			target openai o4-mini
		}
		model vectors {
			selector cost
			target openai text-embedding-3-large
			target openai text-embedding-3-small
		}`)
	f := func(model string, expected estimate, at time.Time, want ...string) {
		t.Helper()
		route, err := g.router.Resolve(model)
		require.NoError(t, err)
		order := append([]*Target(nil), route.Targets...)
		route.route.selector.Order(&Selection{Candidates: order, InputTokens: expected.input, OutputTokens: expected.output, Now: at})
		require.Equal(t, want, names(order))
	}
	noon := t0
	f("long", estimate{1000, 500}, noon, "gemini/gemini-2.5-pro", "openai/gpt-4o", "claude/claude-sonnet-4-6", "lab/llama3.2")
	f("long", estimate{300_000, 20}, noon, "openai/gpt-4o", "gemini/gemini-2.5-pro", "claude/claude-sonnet-4-6", "lab/llama3.2")
	f("hours", estimate{10_000, 500}, noon, "deepseek/deepseek-v4-pro", "openai/o4-mini")
	f("hours", estimate{10_000, 500}, noon.Add(15*time.Hour), "openai/o4-mini", "deepseek/deepseek-v4-pro")
	f("vectors", estimate{1000, 0}, noon, "openai/text-embedding-3-small", "openai/text-embedding-3-large")
}

func TestPricesThatCannotBe(t *testing.T) {
	for _, usd := range []float64{-1, math.NaN(), math.Inf(1), 1e7} {
		p := Price{Input: 1, Output: 2, CacheRead: &usd}
		_, err := p.compile()
		require.Error(t, err)
	}
	_, err := loadGateway(t, "provider openai {\n models {\n gpt-4o price 1 2\n }\n}")
	require.NoError(t, err)
	var g Gateway
	require.NoError(t, json.Unmarshal([]byte(`{"providers":[{"name":"openai","models":[{"name":"m","price":{"input":1,"output":2,"cache_write":-1}}]}]}`), &g))
	require.ErrorContains(t, provision(t, &g), `provider "openai": model "m": a price is negative`)
}

// The catalog's vendors go by the names of the presets.
func TestPresetsHavePrices(t *testing.T) {
	catalog, err := prices.Builtin()
	require.NoError(t, err)
	vendors := catalog.Vendors()
	for name := range presets {
		local := presets[name].env == ""
		require.Equal(t, !local, slices.Contains(vendors, name), name)
	}
}

func BenchmarkCostOfARequest(b *testing.B) {
	catalog, err := prices.Builtin()
	require.NoError(b, err)
	target := &Target{Provider: new(Provider), Price: catalog.Lookup("openai", "gpt-5.4").Price}
	x := &exchange{target: target, start: t0, usage: api.Usage{Known: true, Input: 1000, CacheRead: 2000, Output: 300}}
	b.ReportAllocs()
	for b.Loop() {
		x.cost()
	}
}

func TestEstimate(t *testing.T) {
	chat := operation{api: api.Chat, verb: verbGenerate}
	f := func(content string, files int) {
		t.Helper()
		req := request{body: []byte(`{"model":"fast","max_tokens":7,"messages":[{"role":"user","content":[` + content + `]}]}`)}
		require.NoError(t, req.inspect(&chat))
		text := len(req.body)
		if files > 0 {
			text -= 9000 * files
		}
		require.Equal(t, estimate{input: files*attachment + text/4, output: 7}, req.estimate(&chat))
	}
	picture := strings.Repeat("iVBORw0+/", 1000)
	f(`{"type":"text","text":"`+strings.Repeat("some text", 1000)+`"}`, 0)
	f(`{"type":"text","text":"`+picture[:3999]+`"}`, 0)
	f(`{"type":"image_url","image_url":{"url":"data:image\/png;base64,`+picture[23:]+`"}}`, 1)
	f(`{"type":"image","source":{"type":"base64","data":"`+picture+`"}}`, 1)
	f(`{"type":"image_url","image_url":{"url":"data:image/png;base64,`+picture[22:]+`"}},{"inlineData":{"data":"`+strings.ReplaceAll(picture, "+/", "-_")+`"}}`, 2)
}

// Of an answer that was cut off the number of tokens was that of its first event, 1,
// which was taken for what it cost, and for what it took of tpm.
func TestWhatACanceledMessageTook(t *testing.T) {
	f := func(path, body string) {
		t.Helper()
		p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
			streams(claudeStart, `event: content_block_start`+"\n"+`data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`+"\n\n"+
				`event: content_block_delta`+"\n"+`data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"`+strings.Repeat("many words ", 400)+`"}}`+"\n\n")(w, r)
			<-r.Context().Done()
		})
		g := newGateway(t, fmt.Sprintf("provider p anthropic {\n base_url %s/v1\n tpm 100000\n}\nmodel fast {\n target p claude-sonnet-4-5\n}", p.URL))
		core, logs := observer.New(zapcore.DebugLevel)
		g.logger = zap.New(core)
		ctx, cancel := context.WithCancel(context.Background())
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, serveGateway(t, g).URL+path, strings.NewReader(body))
		res, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		_, _ = io.ReadFull(res.Body, make([]byte, 4000))
		cancel()
		res.Body.Close()
		awaits(t, "the end", func() bool { return logs.FilterMessage("finished").Len() == 1 })
		fields := logs.FilterMessage("finished").All()[0].ContextMap()
		require.Equal(t, "CLIENT_CLOSED", fields["plexus_error"])
		require.NotContains(t, fields, "plexus_output_tokens", "the provider's 1 is not what the answer took")
		require.NotContains(t, fields, "plexus_cost", "a cost that leaves out the answer")
		// docs/limits.md: "An answer without a usage, such as one whose client left, took as many as were reserved."
		left := (&App{gateways: []*Gateway{g}}).limitStatus()[0].Credentials[0].TokensLeft
		require.LessOrEqual(t, *left, int64(100000-1310-500), "the answer is reckoned as it was reserved")
	}
	f("/v1/messages", `{"model":"fast","stream":true,"max_tokens":4000,"messages":[{"role":"user","content":"hi"}]}`)
	f("/v1/chat/completions", `{"model":"fast","stream":true,"messages":[{"role":"user","content":"hi"}]}`)
}
