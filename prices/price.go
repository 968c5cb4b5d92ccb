package prices

import (
	"math"
	"math/bits"
	"time"
)

// Class is a kind of tokens that has a price.
type Class int

// The classes are disjoint: of what is read from a cache nothing counts as input,
// and of what is spoken nothing as text.
const (
	Input          Class = iota // of the prompt, neither read from a cache nor written to one
	CacheRead                   // of the prompt, read from a cache
	CacheWrite                  // of the prompt, written to a cache
	CacheWriteHour              // of the prompt, written to a cache that keeps it for an hour
	InputAudio                  // sound of the prompt
	CacheReadAudio              // sound of the prompt, read from a cache
	InputImage                  // images of the prompt
	CacheReadImage              // images of the prompt, read from a cache
	Output                      // of the answer
	Reasoning                   // spent on thinking
	OutputAudio                 // sound of the answer
	OutputImage                 // images of the answer
	Classes                     // how many there are
)

var classNames = [Classes]string{
	"input", "cache_read", "cache_write", "cache_write_1h", "input_audio", "cache_read_audio", "input_image", "cache_read_image",
	"output", "reasoning", "output_audio", "output_image",
}

func (c Class) String() string {
	if c < 0 || c >= Classes {
		return "unknown"
	}
	return classNames[c]
}

// Usage is how many tokens of each class a request took.
type Usage [Classes]int64

// prompt is the length of the prompt, by which tiers go.
func (u *Usage) prompt() int64 {
	var sum int64
	for _, n := range u[:Output] {
		sum += min(n, math.MaxInt64-sum)
	}
	return sum
}

// fallbacks say by which other class's price a class goes that has none of its
// own, in an order in which each is settled before it is asked for.
//
// Who gives no discount for what is read from a cache, and asks nothing extra for
// what is written to one, takes the price of the input for it; reasoning is
// billed as output; and models without a price for sound or images in a prompt
// bill them as text. The exceptions are unless: where one kind of writing, or of
// input, has a price of its own, the price of another kind is not just forgotten,
// and any guess would be too low. Nor is it where an answer may be sound or images,
// which cost many times what text does: without a price of their own they are
// billed as output only if, as of models that do nothing but draw, there is one of
// their kind in the prompt.
var fallbacks = []struct{ class, to, unless, needs Class }{
	{CacheWriteHour, Input, CacheWrite, Classes},
	{CacheRead, Input, Classes, Classes},
	{CacheWrite, Input, Classes, Classes},
	{CacheReadAudio, CacheRead, InputAudio, Classes},
	{CacheReadImage, CacheRead, InputImage, Classes},
	{InputAudio, Input, Classes, Classes},
	{InputImage, Input, Classes, Classes},
	{Reasoning, Output, Classes, Classes},
	{OutputAudio, Output, Classes, InputAudio},
	{OutputImage, Output, Classes, InputImage},
}

type rates [Classes]Rate

// newRates makes the prices of all classes out of those that are given.
func newRates(given map[Class]Rate) rates {
	var r rates
	for c := range r {
		r[c] = unpriced
	}
	for c, rate := range given {
		r[c] = rate
	}
	for _, f := range fallbacks {
		_, excepted := given[f.unless]
		_, needed := given[f.needs]
		if r[f.class] == unpriced && !excepted && (needed || f.needs == Classes) {
			r[f.class] = r[f.to]
		}
	}
	return r
}

// Tariff is the prices of one time. A nil one knows no price.
type Tariff struct {
	rates rates
	tiers []tier // by length
}

// tier is the prices of all of a request whose prompt is longer than over.
type tier struct {
	over  int64
	rates rates
}

func (t *Tariff) at(prompt int64) *rates {
	r := &t.rates
	for i := range t.tiers {
		if prompt > t.tiers[i].over {
			r = &t.tiers[i].rates
		}
	}
	return r
}

// Cost is what a request with this usage takes. It is not known where any class
// of which there are tokens has no price.
func (t *Tariff) Cost(u Usage) (NanoUSD, bool) {
	if t == nil {
		return 0, false
	}
	r := t.at(u.prompt())
	var high, low uint64
	for c, n := range u {
		if n == 0 {
			continue
		}
		if n < 0 || r[c] < 0 {
			return 0, false
		}
		h, l := bits.Mul64(uint64(n), uint64(r[c]))
		var carry uint64
		low, carry = bits.Add64(low, l, 0)
		high, _ = bits.Add64(high, h, carry)
	}
	const million = 1_000_000
	low, carry := bits.Add64(low, million/2, 0) // rounds half up
	high += carry
	if high >= million {
		return 0, false
	}
	cost, _ := bits.Div64(high, low, million)
	if cost > math.MaxInt64 {
		return 0, false
	}
	return NanoUSD(cost), true
}

// Unpriced are the classes whose tokens keep the cost of a usage from being
// known.
func (t *Tariff) Unpriced(u Usage) []Class {
	var classes []Class
	for c, n := range u {
		if n != 0 && (t == nil || t.at(u.prompt())[c] < 0) {
			classes = append(classes, Class(c))
		}
	}
	return classes
}

// Price is what a model costs, which may change with time. A nil one is not known
// at any.
type Price struct {
	periods []period
}

// period is when a tariff holds: from a day on, and perhaps only at some hours.
type period struct {
	from       int64 // Unix time in seconds
	start, end int64 // seconds of the day in UTC; equal for all of it
	tariff     Tariff
}

// Fixed is a price that does not change, by class.
func Fixed(given map[Class]Rate) *Price {
	return &Price{periods: []period{{from: math.MinInt64, tariff: Tariff{rates: newRates(given)}}}}
}

// At is the tariff at a time: the last of those that hold then. Before all of
// them the first is taken for the one that held.
func (p *Price) At(t time.Time) *Tariff {
	if p == nil || len(p.periods) == 0 {
		return nil
	}
	now := t.Unix()
	for i := len(p.periods) - 1; i > 0; i-- {
		if p.periods[i].holds(now) {
			return &p.periods[i].tariff
		}
	}
	return &p.periods[0].tariff
}

func (p *period) holds(now int64) bool {
	const day = 24 * 60 * 60
	if now < p.from {
		return false
	}
	clock := (now%day + day) % day
	switch {
	case p.start == p.end:
		return true
	case p.start < p.end:
		return p.start <= clock && clock < p.end
	default:
		return p.start <= clock || clock < p.end
	}
}
