package plexus

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"github.com/caddy-plexus/plexus/prices"
)

// Price is what a provider takes, in USD per million tokens.
type Price struct {
	// USD per million tokens of the prompt.
	Input float64 `json:"input"`
	// USD per million tokens of the answer, reasoning included.
	Output float64 `json:"output"`
	// USD per million tokens of the prompt that are read from a cache.
	// Default: as `input`.
	CacheRead *float64 `json:"cache_read,omitempty"`
	// USD per million tokens of the prompt that are written to a cache.
	// Default: as `input`.
	CacheWrite *float64 `json:"cache_write,omitempty"`
	// USD per million tokens of the prompt that are written to a cache that
	// keeps them for an hour. Default: as `input`, unless `cache_write` is
	// given: then it is unknown.
	CacheWriteHour *float64 `json:"cache_write_1h,omitempty"`
}

// UnmarshalJSON implements json.Unmarshaler. What is left out is not free.
func (p *Price) UnmarshalJSON(data []byte) error {
	type plain Price
	price := plain{Input: math.NaN(), Output: math.NaN()}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&price); err != nil {
		return err
	}
	if math.IsNaN(price.Input) || math.IsNaN(price.Output) {
		return errors.New("price: expected input and output, in USD per million tokens; 0 is free")
	}
	*p = Price(price)
	return nil
}

// parts are the prices by the names of their classes. Those that are not given
// are nil.
func (p *Price) parts() map[prices.Class]*float64 {
	return map[prices.Class]*float64{
		prices.Input: &p.Input, prices.Output: &p.Output,
		prices.CacheRead: p.CacheRead, prices.CacheWrite: p.CacheWrite, prices.CacheWriteHour: p.CacheWriteHour,
	}
}

// compile makes a price that requests can be reckoned with.
func (p *Price) compile() (*prices.Price, error) {
	rates := map[prices.Class]prices.Rate{}
	for class, usd := range p.parts() {
		if usd == nil {
			continue
		}
		if *usd < 0 {
			return nil, errors.New("a price is negative")
		}
		rate, err := prices.RateOf(*usd)
		if err != nil {
			return nil, fmt.Errorf("price: %s: %w", class, err)
		}
		rates[class] = rate
	}
	// It holds for all that an answer may be.
	rates[prices.OutputAudio], rates[prices.OutputImage] = rates[prices.Output], rates[prices.Output]
	return prices.Fixed(rates), nil
}

// ofCache is where the price of a class is kept that has to do with caches; nil
// where there is no such class.
func (p *Price) ofCache(class string) **float64 {
	return map[string]**float64{
		prices.CacheRead.String(): &p.CacheRead, prices.CacheWrite.String(): &p.CacheWrite, prices.CacheWriteHour.String(): &p.CacheWriteHour,
	}[class]
}

// findPrice finds what a target costs: what the configuration says, else what the
// catalog does. It is nil where neither knows.
func (t *Target) findPrice() error {
	for _, m := range t.Provider.Models {
		if m.Name == t.Model && m.Price != nil {
			var err error
			t.Price, err = m.Price.compile()
			t.declared = true
			return err
		}
	}
	if found := t.Provider.catalog.Lookup(t.Provider.Preset, t.Model); found != nil {
		t.Price = found.Price
	}
	return nil
}
