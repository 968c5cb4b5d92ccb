// Package prices knows what models cost, and how long a prompt they take.
//
// Its catalog is a dated copy of the data of pydantic/genai-prices (MIT; see
// NOTICE), embedded in the program: nothing is fetched. A price that it does not
// have is unknown, which is not the same as free. Amounts are exact, in
// billionths of a dollar.
package prices

import (
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddy-plexus/plexus/prices/internal/file"
)

//go:generate go run ./internal/gen

//go:embed catalog.json
var embedded []byte

// Catalog is the price lists of many vendors.
type Catalog struct {
	// Source names the data set and its version.
	Source string
	// Date is the day on which the data was published, as 2026-01-31.
	Date string

	vendors map[string]*vendor
}

// Model is an entry of a price list.
type Model struct {
	// ID is the list's own name of the model.
	ID string
	// ContextWindow is in tokens; 0 where it is not known.
	ContextWindow int64
	// Price is nil where it is not known.
	Price *Price
}

// Builtin is the embedded catalog. It is read when it is first asked for.
var Builtin = sync.OnceValues(func() (*Catalog, error) { return Load(embedded) })

// Load reads a catalog, whose checksum has to fit.
func Load(data []byte) (*Catalog, error) {
	f, err := file.Decode(data)
	if err != nil {
		return nil, err
	}
	c := &Catalog{Source: f.Source, Date: f.Date}
	c.vendors, err = newVendors(f.Vendors)
	return c, err
}

func newVendors(lists []file.Vendor) (map[string]*vendor, error) {
	vendors := make(map[string]*vendor, len(lists))
	for i := range lists {
		v, err := newVendor(&lists[i])
		if err != nil {
			return nil, fmt.Errorf("vendor %q: %w", lists[i].Name, err)
		}
		if vendors[lists[i].Name] != nil {
			return nil, fmt.Errorf("duplicate vendor %q", lists[i].Name)
		}
		vendors[lists[i].Name] = v
	}
	for i := range lists {
		for _, name := range lists[i].Fallbacks {
			other := vendors[name]
			if other == nil {
				return nil, fmt.Errorf("vendor %q: its fallback %q is not there", lists[i].Name, name)
			}
			// A copy without fallbacks of its own: they are not followed further.
			vendors[lists[i].Name].fallbacks = append(vendors[lists[i].Name].fallbacks, &vendor{models: other.models, exact: other.exact, others: other.others})
		}
	}
	return vendors, nil
}

// Vendors lists the names of the vendors.
func (c *Catalog) Vendors() []string {
	names := make([]string, 0, len(c.vendors))
	for name := range c.vendors {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Lookup finds a model by its vendor, one of openai, anthropic, gemini, azure,
// openrouter, groq, mistral, deepseek, together, fireworks and xai, and by the
// name that the vendor knows it by. It is nil where the vendor or the model is
// not known; a nil catalog knows none.
func (c *Catalog) Lookup(vendor, model string) *Model {
	if c == nil {
		return nil
	}
	v := c.vendors[vendor]
	if v == nil {
		return nil
	}
	name := strings.ToLower(strings.TrimSpace(model))
	if vendor == "gemini" {
		name = strings.TrimPrefix(name, "models/") // as Google's own lists have it
	}
	if m := v.find(name); m != nil {
		return m
	}
	if dashed := dashedDates(name); dashed != name {
		return v.find(dashed)
	}
	return nil
}

// packedDate is a date as some vendors put it behind the names of versions; the
// lists may have it with dashes.
var packedDate = regexp.MustCompile(`-(20\d{2})(\d{2})(\d{2})(-|:|$)`)

func dashedDates(name string) string { return packedDate.ReplaceAllString(name, "-$1-$2-$3$4") }

func newModel(m *file.Model) (Model, error) {
	out := Model{ID: m.ID, ContextWindow: m.Context}
	if m.Context < 0 {
		return out, errors.New("its context window is negative")
	}
	for i := range m.Prices {
		p, err := newPeriod(&m.Prices[i])
		if err != nil {
			return out, err
		}
		if out.Price == nil {
			out.Price = new(Price)
		}
		out.Price.periods = append(out.Price.periods, p)
	}
	return out, nil
}

func newPeriod(p *file.Period) (period, error) {
	var out period
	if p.From != "" {
		from, err := time.Parse(time.DateOnly, p.From)
		if err != nil {
			return out, fmt.Errorf("its price has the day %q", p.From)
		}
		out.from = from.Unix()
	}
	var errs [3]error
	out.start, errs[0] = clock(p.Start)
	out.end, errs[1] = clock(p.End)
	base, err := parseRates(&p.Rates, nil)
	errs[2] = err
	if err := errors.Join(errs[:]...); err != nil {
		return out, err
	}
	out.tariff.rates = newRates(base)
	for i := range p.Over {
		rates, err := parseRates(&p.Over[i].Rates, base)
		if err != nil {
			return out, err
		}
		if i > 0 && p.Over[i].Tokens <= p.Over[i-1].Tokens {
			return out, errors.New("its tiers are not in order")
		}
		out.tariff.tiers = append(out.tariff.tiers, tier{p.Over[i].Tokens, newRates(rates)})
	}
	return out, nil
}

// clock is a time of the day in seconds.
func clock(text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	t, err := time.Parse(time.TimeOnly, text)
	if err != nil {
		return 0, fmt.Errorf("its price has the time %q", text)
	}
	return int64(t.Hour()*3600 + t.Minute()*60 + t.Second()), nil
}

// parseRates reads prices, on top of those that hold where nothing else is said.
func parseRates(r *file.Rates, base map[Class]Rate) (map[Class]Rate, error) {
	out := make(map[Class]Rate, len(base))
	maps.Copy(out, base)
	for c, text := range [Classes]string{
		Input: string(r.Input), CacheRead: string(r.CacheRead), CacheWrite: string(r.CacheWrite), CacheWriteHour: string(r.CacheWriteHour),
		InputAudio: string(r.InputAudio), CacheReadAudio: string(r.CacheReadAudio), InputImage: string(r.InputImage),
		CacheReadImage: string(r.CacheReadImage), Output: string(r.Output), Reasoning: string(r.Reasoning),
		OutputAudio: string(r.OutputAudio), OutputImage: string(r.OutputImage),
	} {
		if text == "" {
			continue
		}
		rate, err := ParseRate(text)
		if err != nil {
			return nil, fmt.Errorf("its price of %s: %w", Class(c), err)
		}
		out[Class(c)] = rate
	}
	return out, nil
}
