package prices

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/prices/internal/file"
)

var november = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func builtin(t testing.TB) *Catalog {
	t.Helper()
	c, err := Builtin()
	require.NoError(t, err)
	return c
}

// The file is what the generator would write, byte for byte, and its checksum
// fits: nobody has changed a price by hand.
func TestTheCatalogIsCanonical(t *testing.T) {
	f, err := file.Decode(embedded)
	require.NoError(t, err)
	again, err := file.Encode(f)
	require.NoError(t, err)
	require.True(t, bytes.Equal(embedded, again), "run go generate ./prices")
	require.True(t, strings.HasPrefix(f.Source, "npm package @pydantic/genai-prices "))
	require.Contains(t, f.License, "MIT")
	_, err = time.Parse(time.DateOnly, f.Date)
	require.NoError(t, err)
	for i := 1; i < len(f.Vendors); i++ {
		require.Less(t, f.Vendors[i-1].Name, f.Vendors[i].Name)
	}
}

func TestAChangedCatalogIsRefused(t *testing.T) {
	_, err := Load(bytes.Replace(embedded, []byte(`"input":3,`), []byte(`"input":2,`), 1))
	require.ErrorContains(t, err, "checksum")
}

func TestTheCatalogKnowsEveryVendor(t *testing.T) {
	c := builtin(t)
	require.Equal(t, []string{
		"anthropic", "azure", "deepseek", "fireworks", "gemini", "groq", "mistral", "moonshotai", "openai", "openrouter", "together", "xai",
	}, c.Vendors())
	require.Equal(t, "2026-09-23", c.Date)
	require.Contains(t, c.Source, "0.1.8")
	for name, v := range c.vendors {
		priced := 0
		for _, m := range v.models {
			if m.Price != nil {
				priced++
			}
		}
		require.Positive(t, priced, name)
	}
}

// Prices as the vendors' pages have them.
func TestLookup(t *testing.T) {
	c := builtin(t)
	f := func(vendor, name, id string, u Usage, want string) {
		t.Helper()
		m := c.Lookup(vendor, name)
		require.NotNil(t, m, name)
		require.Equal(t, id, m.ID)
		cost, known := m.Price.At(november).Cost(u)
		require.True(t, known)
		require.Equal(t, want, cost.String())
	}
	million := Usage{Input: 1e6, Output: 1e6}
	f("openai", "gpt-4o", "gpt-4o", million, "12.5")
	f("openai", "gpt-4o-2024-08-06", "gpt-4o", million, "12.5")
	f("openai", "gpt-4o-mini", "gpt-4o-mini", million, "0.75")
	f("openai", "gpt-4o-mini", "gpt-4o-mini", Usage{CacheRead: 1e6}, "0.075")
	f("openai", "o3", "o3", million, "10")
	f("openai", "text-embedding-3-small", "text-embedding-3-small", Usage{Input: 1e6}, "0.02")
	f("anthropic", "claude-haiku-4-5-20251001", "claude-haiku-4-5", Usage{CacheRead: 1e6, CacheWrite: 1e6, CacheWriteHour: 1e6}, "3.35")
	f("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5", Usage{Input: 200_000, Output: 1000}, "0.615")
	f("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5", Usage{Input: 200_001, Output: 1000}, "1.222506")
	f("gemini", "gemini-2.5-pro", "gemini-2.5-pro", Usage{Input: 1e5, CacheRead: 1e5, Output: 1e4, Reasoning: 1e4}, "0.3375")
	f("gemini", "models/gemini-2.5-flash", "gemini-2.5-flash", Usage{Input: 1e6, InputAudio: 1e6}, "1.3")
	f("gemini", "gemini-2.5-pro-preview-tts", "gemini-2.5-pro-tts", Usage{Input: 1e6}, "1")
	f("azure", "gpt-4o", "gpt-4o", million, "12.5")
	f("azure", "claude-sonnet-4-5", "claude-sonnet-4-5", Usage{Input: 1e5}, "0.3")
	f("openrouter", "anthropic/claude-sonnet-4.5", "anthropic/claude-sonnet-4.5", Usage{Input: 1e5, Output: 1e5}, "1.8")
	f("openrouter", "openai/gpt-oss-20b:free", "openai/gpt-oss-20b:free", million, "0")
	f("openrouter", "google/gemini-3.5-flash", "google/gemini-3.5-flash", Usage{CacheWrite: 1e6}, "1.583333333")
	f("openrouter", "OpenAI/GPT-4o", "openai/gpt-4o", million, "12.5")
	f("xai", "grok-4.3-20260101", "grok-4.3", Usage{Input: 1e5}, "0.125")
	f("groq", "llama-3.3-70b-versatile", "llama-3.3-70b-versatile", million, "1.38")
}

func TestUnknownModels(t *testing.T) {
	c := builtin(t)
	f := func(vendor, name string) {
		t.Helper()
		require.Nil(t, c.Lookup(vendor, name))
	}
	f("openai", "gpt-99")
	f("openai", "")
	f("openai", "openai/gpt-4o")
	f("openai", "claude-sonnet-4-5")
	f("ollama", "llama3.2")
	f("", "gpt-4o")
	f("openrouter", "openai/gpt-4o:nitro")
	f("moonshotai", "gpt-4o")

	require.Nil(t, c.Lookup("openai", "omni-moderation-latest").Price, "listed without a price is not free")
}

func TestContextWindows(t *testing.T) {
	c := builtin(t)
	f := func(vendor, name string, want int64) {
		t.Helper()
		require.Equal(t, want, c.Lookup(vendor, name).ContextWindow)
	}
	f("openai", "gpt-4o", 128_000)
	f("anthropic", "claude-sonnet-4-5", 200_000)
	f("openrouter", "openai/gpt-oss-20b:free", 0)
}

// Prices follow the calendar, and Deepseek's the clock.
func TestDatedPrices(t *testing.T) {
	c := builtin(t)
	f := func(vendor, name, when, want string) {
		t.Helper()
		at, err := time.Parse(time.DateTime, when)
		require.NoError(t, err)
		cost, known := c.Lookup(vendor, name).Price.At(at).Cost(Usage{Input: 1e5})
		require.True(t, known)
		require.Equal(t, want, cost.String())
	}
	f("openai", "o3", "2025-06-09 23:59:59", "1")
	f("openai", "o3", "2025-06-10 00:00:00", "0.2")
	f("deepseek", "deepseek-v4-pro", "2026-08-16 02:00:00", "0.132")
	f("deepseek", "deepseek-v4-pro", "2026-08-16 12:00:00", "0.0435")
	f("deepseek", "deepseek-v4-pro", "2026-09-16 12:00:00", "0.066")
	f("deepseek", "deepseek-v4-pro", "2026-09-16 06:00:00", "0.132")
	f("deepseek", "deepseek-v4-pro", "2026-09-16 10:00:00", "0.066")
}

func TestMatching(t *testing.T) {
	const list = `[{"name":"v","models":[
		{"id":"equals","match":{"equals":"a"}},
		{"id":"or","match":{"or":[{"equals":"b"},{"starts_with":"c-"},{"ends_with":"-d"}]}},
		{"id":"and","match":{"and":[{"contains":"e"},{"regex":"^f\\d+"},{"not":{"or":[{"equals":"f1e"},{"and":[{"contains":"x"},{"contains":"y"}]}]}}]}},
		{"id":"later","match":{"or":[{"equals":"a"},{"equals":"c-1"},{"starts_with":"z"},{"equals":"m-2025-01-31"}]}},
		{"id":"last","match":{"or":[{"equals":"z"},{"contains":"g"}]}}
	],"fallbacks":["w"]},{"name":"w","models":[{"id":"w","match":{"equals":"w"}},{"id":"w-a","match":{"equals":"a"}}],"fallbacks":["v"]}]`
	lists, err := file.DecodeVendors([]byte(list))
	require.NoError(t, err)
	vendors, err := newVendors(lists)
	require.NoError(t, err)
	c := &Catalog{vendors: vendors}
	f := func(name, want string) {
		t.Helper()
		got := ""
		if m := c.Lookup("v", name); m != nil {
			got = m.ID
		}
		require.Equal(t, want, got, name)
	}
	f("a", "equals")
	f(" A ", "equals")
	f("b", "or")
	f("c-1", "or")
	f("c", "")
	f("x-d", "or")
	f("f12e", "and")
	f("f1e", "")
	f("f2exy", "")
	f("f2ex", "and")
	f("z", "later")
	f("zg", "later")
	f("ag", "last")
	f("w", "w")
	f("m-20250131", "later")
	f("m-2025-01-31", "later")
	f("m-202501311", "")
	require.Equal(t, "w-a", c.Lookup("w", "a").ID)
	require.Equal(t, "or", c.Lookup("w", "b").ID)
}

func TestBrokenCatalogs(t *testing.T) {
	f := func(list, want string) {
		t.Helper()
		lists, err := file.DecodeVendors([]byte(list))
		if err == nil {
			_, err = newVendors(lists)
		}
		require.ErrorContains(t, err, want)
	}
	model := func(members string) string { return `[{"name":"v","models":[{"id":"m",` + members + `}]}]` }
	f(`{}`, "decoding the vendors")
	f(`[] 1`, "something follows its end")
	f(`[{"name":"v","modells":[]}]`, "unknown field")
	f(`[{"name":"v","models":[]},{"name":"v","models":[]}]`, `duplicate vendor "v"`)
	f(`[{"name":"v","models":[],"fallbacks":["w"]}]`, `its fallback "w" is not there`)
	f(model(`"match":{}`), `vendor "v": model "m": a rule says nothing`)
	f(model(`"match":{"regex":"("}`), "missing closing")
	f(model(`"match":{"and":[{"or":[{}]}]}`), "a rule says nothing")
	f(model(`"match":{"equals":"a"},"context":-1`), "context window is negative")
	f(model(`"match":{"equals":"a"},"prices":[{"input":-1}]`), "its price of input")
	f(model(`"match":{"equals":"a"},"prices":[{"input":1e3}]`), "its price of input")
	f(model(`"match":{"equals":"a"},"prices":[{"over":[{"tokens":1,"output":-1}]}]`), "its price of output")
	f(model(`"match":{"equals":"a"},"prices":[{"over":[{"tokens":2},{"tokens":1}]}]`), "not in order")
	f(model(`"match":{"equals":"a"},"prices":[{"from":"tomorrow"}]`), `the day "tomorrow"`)
	f(model(`"match":{"equals":"a"},"prices":[{"start":"25:00:00"}]`), `the time "25:00:00"`)
	f(model(`"match":{"equals":"a"},"prices":[{"end":"noon"}]`), `the time "noon"`)
	deep := `{"equals":"a"}`
	for range maxNesting + 2 {
		deep = `{"not":` + deep + `}`
	}
	f(model(`"match":`+deep), "nested too deeply")
}

// Whatever is loaded can be asked.
func FuzzLoad(f *testing.F) {
	var raw struct {
		Vendors []json.RawMessage
	}
	require.NoError(f, json.Unmarshal(embedded, &raw))
	for _, v := range raw.Vendors {
		if len(v) < 4<<10 {
			f.Add([]byte("["+string(v)+"]"), "gpt-4o")
		}
	}
	f.Add([]byte(`[{"name":"v","models":[{"id":"m","match":{"not":{"regex":"a+"}},"prices":[{"from":"2026-01-01","start":"22:00:00","end":"01:00:00","input":0.1,"over":[{"tokens":5,"output":1}]}]}],"fallbacks":["v"]}]`), "m-20250131")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		lists, err := file.DecodeVendors(data)
		if err != nil {
			return
		}
		vendors, err := newVendors(lists)
		if err != nil {
			return
		}
		encoded, err := file.Encode(&file.Catalog{Vendors: lists})
		require.NoError(t, err)
		c, err := Load(encoded)
		require.NoError(t, err, "what is written can be read")
		require.Len(t, c.vendors, len(vendors))
		for v := range vendors {
			m := c.Lookup(v, name)
			if m == nil {
				continue
			}
			cost, known := m.Price.At(november).Cost(Usage{Input: 10, Output: 10})
			require.False(t, known && cost < 0)
		}
	})
}

func BenchmarkLookup(b *testing.B) {
	c := builtin(b)
	for _, name := range []string{"openai/gpt-4o", "nobody/nothing"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.Lookup("openrouter", name)
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for b.Loop() {
		if _, err := Load(embedded); err != nil {
			b.Fatal(err)
		}
	}
}

func Example() {
	catalog, err := Builtin()
	if err != nil {
		panic(err)
	}
	model := catalog.Lookup("anthropic", "claude-sonnet-4-5")
	tariff := model.Price.At(time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC))
	cost, known := tariff.Cost(Usage{Input: 1200, CacheRead: 30_000, Output: 450})
	fmt.Println(cost, known, model.ContextWindow)
	// Output: 0.01935 true 200000
}
