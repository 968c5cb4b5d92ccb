package prices

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// usd makes a price out of decimals.
func usd(t *testing.T, given map[Class]string) map[Class]Rate {
	t.Helper()
	out := map[Class]Rate{}
	for c, text := range given {
		rate, err := ParseRate(text)
		require.NoError(t, err)
		out[c] = rate
	}
	return out
}

func TestCost(t *testing.T) {
	tariff := Fixed(usd(t, map[Class]string{
		Input: "3", CacheRead: "0.3", CacheWrite: "3.75", CacheWriteHour: "6", Output: "15", Reasoning: "16", OutputAudio: "60",
	})).At(time.Now())
	f := func(u Usage, want string) {
		t.Helper()
		got, known := tariff.Cost(u)
		require.True(t, known)
		require.Equal(t, want, got.String())
	}
	f(Usage{}, "0")
	f(Usage{Input: 1}, "0.000003")
	f(Usage{Output: 1_000_000}, "15")
	f(Usage{Input: 1000, Output: 100}, "0.0045")
	f(Usage{CacheRead: 10}, "0.000003")
	f(Usage{CacheWrite: 1000, CacheWriteHour: 1000}, "0.00975")
	f(Usage{Output: 10, Reasoning: 10}, "0.00031")
	f(Usage{OutputAudio: 100, InputAudio: 100}, "0.0063")
	f(Usage{Input: 333, CacheRead: 333, Output: 333}, "0.0060939")
}

// A sum of many small amounts is exact: in floating point a tenth of a millionth
// added up ten thousand times is not a thousandth.
func TestCostsAddUp(t *testing.T) {
	tariff := Fixed(usd(t, map[Class]string{Input: "0.1"})).At(time.Now())
	var sum NanoUSD
	for range 10_000 {
		cost, known := tariff.Cost(Usage{Input: 1})
		require.True(t, known)
		sum += cost
	}
	require.Equal(t, "0.001", sum.String())
	cost, _ := tariff.Cost(Usage{Input: 10_000})
	require.Equal(t, sum, cost)
}

func TestCostIsRoundedOnce(t *testing.T) {
	tariff := Fixed(usd(t, map[Class]string{Input: "0.0004", Output: "0.0001"})).At(time.Now())
	f := func(input, output int64, want NanoUSD) {
		t.Helper()
		got, known := tariff.Cost(Usage{Input: input, Output: output})
		require.True(t, known)
		require.Equal(t, want, got)
	}
	f(1, 0, 0) // 0.4 billionths
	f(1, 1, 1) // 0.4 and 0.1
	f(2, 0, 1)
	f(4, 8, 2)
}

func TestClassesWithoutAPrice(t *testing.T) {
	f := func(given map[Class]string, u Usage, want string, unpriced ...Class) {
		t.Helper()
		tariff := Fixed(usd(t, given)).At(time.Now())
		got, known := tariff.Cost(u)
		require.Equal(t, len(unpriced) == 0, known)
		require.Equal(t, unpriced, tariff.Unpriced(u))
		if known {
			require.Equal(t, want, got.String())
		}
	}
	plain := map[Class]string{Input: "1", Output: "2"}
	f(plain, Usage{CacheRead: 1e6}, "1")
	f(plain, Usage{CacheWrite: 1e6}, "1")
	f(plain, Usage{CacheWriteHour: 1e6}, "1")
	f(plain, Usage{InputAudio: 1e6, CacheReadAudio: 1e6, InputImage: 1e6, CacheReadImage: 1e6}, "4")
	f(plain, Usage{Reasoning: 1e6}, "2")
	f(plain, Usage{OutputAudio: 1}, "", OutputAudio)
	f(plain, Usage{OutputImage: 1}, "", OutputImage)
	draws := map[Class]string{Input: "1", Output: "2", InputImage: "3"}
	f(draws, Usage{OutputImage: 1e6}, "2")
	f(draws, Usage{OutputAudio: 1}, "", OutputAudio)

	f(map[Class]string{Input: "1", CacheWrite: "1.25"}, Usage{CacheWriteHour: 1}, "", CacheWriteHour)
	f(map[Class]string{Input: "1", CacheRead: "0.1", InputAudio: "3"}, Usage{CacheReadAudio: 1}, "", CacheReadAudio)
	f(map[Class]string{Input: "1", CacheRead: "0.1"}, Usage{CacheReadAudio: 1e6}, "0.1")
	f(map[Class]string{Input: "1"}, Usage{Input: 1e6}, "1")
	f(map[Class]string{Input: "1"}, Usage{Input: 1e6, Output: 1, Reasoning: 1}, "", Output, Reasoning)
	f(map[Class]string{}, Usage{}, "0")
	f(map[Class]string{}, Usage{Input: 1}, "", Input)
	f(map[Class]string{Input: "0", Output: "0"}, Usage{Input: 1e6, Output: 1e6}, "0")
}

func TestNothingIsKnownOfNil(t *testing.T) {
	var p *Price
	_, known := p.At(time.Now()).Cost(Usage{})
	require.False(t, known, "not even what nothing costs")
	require.Equal(t, []Class{Output}, p.At(time.Now()).Unpriced(Usage{Output: 1}))
}

// What a provider says may be nonsense.
func TestAbsurdUsage(t *testing.T) {
	tariff := Fixed(usd(t, map[Class]string{Input: "1000000", Output: "1000000"})).At(time.Now())
	f := func(u Usage) {
		t.Helper()
		_, known := tariff.Cost(u)
		require.False(t, known)
	}
	f(Usage{Input: -1})
	f(Usage{Input: math.MaxInt64})
	f(Usage{Input: math.MaxInt64, CacheRead: math.MaxInt64, Output: math.MaxInt64})
	f(Usage{Input: math.MinInt64})
	f(Usage{Input: 1e13})
	f(Usage{Input: 1e10}) // more than fits
	most := Usage{Input: 9e9}
	got, known := tariff.Cost(most)
	require.True(t, known)
	require.Equal(t, "9000000000", got.String())
}

func TestTiers(t *testing.T) {
	base := usd(t, map[Class]string{Input: "1", CacheRead: "0.1", Output: "2"})
	long := usd(t, map[Class]string{Input: "2", CacheRead: "0.1", Output: "3"})
	longer := usd(t, map[Class]string{Input: "4", CacheRead: "0.1", Output: "3"})
	tariff := Tariff{rates: newRates(base), tiers: []tier{{1000, newRates(long)}, {2000, newRates(longer)}}}
	f := func(u Usage, want string) {
		t.Helper()
		got, known := tariff.Cost(u)
		require.True(t, known)
		require.Equal(t, want, got.String())
	}
	f(Usage{Input: 1000, Output: 1000}, "0.003")
	f(Usage{Input: 1001, Output: 1000}, "0.005002")
	f(Usage{Input: 500, CacheRead: 501, Output: 1000}, "0.0040501")
	f(Usage{Input: 2001}, "0.008004")
}

func TestPeriods(t *testing.T) {
	at := func(text string) time.Time {
		t.Helper()
		when, err := time.Parse(time.DateTime, text)
		require.NoError(t, err)
		return when
	}
	price := func(rate Rate, from string, start, end int64) period {
		p := period{start: start, end: end, tariff: Tariff{rates: newRates(map[Class]Rate{Input: rate})}}
		if from != "" {
			p.from = at(from + " 00:00:00").Unix()
		}
		return p
	}
	const hour = 3600
	p := &Price{periods: []period{
		price(1, "", 0, 0), price(2, "2026-08-17", 0, 0), price(3, "", hour, 4*hour), price(4, "", 22*hour, hour/2),
	}}
	f := func(when string, want Rate) {
		t.Helper()
		require.Equal(t, want, p.At(at(when)).rates[Input], when)
		require.Equal(t, want, p.At(at(when).In(time.FixedZone("elsewhere", 7*hour))).rates[Input], when)
	}
	f("2026-08-16 23:59:59", 4)
	f("2026-08-16 12:00:00", 1)
	f("2026-08-17 00:30:00", 2)
	f("2026-08-17 00:29:59", 4)
	f("2026-08-17 00:59:59", 2)
	f("2026-08-17 01:00:00", 3)
	f("2026-08-17 03:59:59", 3)
	f("2026-08-17 04:00:00", 2)
	f("2026-08-17 22:00:00", 4)
	f("1969-12-31 12:00:00", 1)

	dated := &Price{periods: []period{price(1, "2026-08-17", 0, 0), price(2, "2026-09-01", 0, 0)}}
	require.Equal(t, Rate(1), dated.At(at("2020-01-01 00:00:00")).rates[Input])
}

func TestRates(t *testing.T) {
	f := func(text string, want Rate) {
		t.Helper()
		got, err := ParseRate(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	f("0", 0)
	f("2.5", 2_500_000_000)
	f("2.50", 2_500_000_000)
	f("0.003625", 3_625_000)
	f("0.000000001", 1)
	f("1000000", maxRate)

	bad := func(text string) {
		t.Helper()
		_, err := ParseRate(text)
		require.Error(t, err)
	}
	for _, text := range []string{"", ".", ".5", "1.", "-1", "+1", "1e3", "1.0000000001", "1000000.1", "99999999999999999999", "a", "1.a", "1.+5", "0x1", "1 ", "NaN"} {
		bad(text)
	}

	rate, err := RateOf(0.1 + 0.2)
	require.NoError(t, err)
	require.Equal(t, Rate(300_000_000), rate)
	for _, v := range []float64{-1, math.NaN(), math.Inf(1), 1e6 + 1} {
		_, err := RateOf(v)
		require.Error(t, err)
	}
}

func TestAmountsAreWrittenAsDecimals(t *testing.T) {
	f := func(n NanoUSD, want string) {
		t.Helper()
		require.Equal(t, want, n.String())
	}
	f(0, "0")
	f(1, "0.000000001")
	f(123_000, "0.000123")
	f(1_500_000_000, "1.5")
	f(-1, "-0.000000001")
	f(100_000_000_000, "100")
	f(math.MaxInt64, "9223372036.854775807")
	f(math.MinInt64, "-9223372036.854775808")
	require.InDelta(t, 0.000123, NanoUSD(123_000).USD(), 0)
}

func TestClassesHaveNames(t *testing.T) {
	for c := range Classes {
		require.NotEmpty(t, c.String())
	}
	require.Equal(t, "unknown", Classes.String())
	require.Equal(t, "unknown", Class(-1).String())
}

func BenchmarkCost(b *testing.B) {
	c, err := Builtin()
	require.NoError(b, err)
	m, now := c.Lookup("anthropic", "claude-sonnet-4-5"), time.Now()
	b.ReportAllocs()
	for b.Loop() {
		m.Price.At(now).Cost(Usage{Input: 1000, CacheRead: 100_000, Output: 500})
	}
}
