package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"github.com/caddy-plexus/plexus/prices/internal/file"
)

// vendors are the services that are taken, with the source's ids and the names of
// the presets. The last one is there as a fallback of Azure's.
var vendors = []struct{ name, id string }{
	{"anthropic", "anthropic"},
	{"azure", "azure"},
	{"deepseek", "deepseek"},
	{"fireworks", "fireworks"},
	{"gemini", "google"},
	{"groq", "groq"},
	{"mistral", "mistral"},
	{"openai", "openai"},
	{"openrouter", "openrouter"},
	{"together", "together"},
	{"xai", "x-ai"},
	{"moonshotai", "moonshotai"},
}

// The source's shapes, as far as they are used.
type (
	sourceProvider struct {
		Fallbacks []string      `json:"fallback_model_providers"`
		Models    []sourceModel `json:"models"`
	}
	sourceModel struct {
		ID      string          `json:"id"`
		Match   file.Rule       `json:"match"`
		Context int64           `json:"context_window"`
		Prices  json.RawMessage `json:"prices"`
	}
	sourcePeriod struct {
		Constraint struct {
			Type  string `json:"type"`
			From  string `json:"start_date"`
			Start string `json:"start_time"`
			End   string `json:"end_time"`
		} `json:"constraint"`
		Prices map[string]sourcePrice `json:"prices"`
	}
	// sourcePrice is a number, or one with tiers.
	sourcePrice struct {
		Base  json.Number
		Tiers []sourceTier
	}
	sourceTier struct {
		Start int64       `json:"start"`
		Price json.Number `json:"price"`
	}
)

func (p *sourcePrice) UnmarshalJSON(data []byte) error {
	if data[0] != '{' {
		return json.Unmarshal(data, &p.Base)
	}
	type tiered sourcePrice
	return json.Unmarshal(data, (*tiered)(p))
}

func normalise(source map[string]sourceProvider) ([]file.Vendor, error) {
	var out []file.Vendor
	for _, v := range vendors {
		from, ok := source[v.id]
		if !ok || len(from.Models) == 0 {
			return nil, fmt.Errorf("there is no provider %q", v.id)
		}
		to := file.Vendor{Name: v.name}
		for _, id := range from.Fallbacks {
			name, err := vendorName(id)
			if err != nil {
				return nil, err
			}
			to.Fallbacks = append(to.Fallbacks, name)
		}
		for _, m := range from.Models {
			model, err := normaliseModel(v.name, m)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", v.name, m.ID, err)
			}
			to.Models = append(to.Models, model)
		}
		out = append(out, to)
	}
	slices.SortFunc(out, func(a, b file.Vendor) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func vendorName(id string) (string, error) {
	for _, v := range vendors {
		if v.id == id {
			return v.name, nil
		}
	}
	return "", fmt.Errorf("the provider %q is needed as a fallback", id)
}

func normaliseModel(vendor string, m sourceModel) (file.Model, error) {
	out := file.Model{ID: m.ID, Match: m.Match, Context: m.Context}
	if err := normaliseRule(&out.Match); err != nil {
		return out, err
	}
	periods := []sourcePeriod{{}}
	to := any(&periods[0].Prices)
	if m.Prices[0] == '[' {
		to = &periods
	}
	if err := json.Unmarshal(m.Prices, to); err != nil {
		return out, err
	}
	for _, from := range periods {
		p, err := normalisePeriod(from)
		if err != nil {
			return out, err
		}
		if vendor == "openrouter" {
			openRouter(m.ID, &p)
		}
		if (p.Rates != file.Rates{}) || len(periods) > 1 {
			out.Prices = append(out.Prices, p)
		}
	}
	return out, nil
}

// negative is a negative lookahead over all that follows it, which Go's regular
// expressions don't have.
var negative = regexp.MustCompile(`^\^\(\?!([^()]*(?:\(\?:[^()]*\)[^()]*)*)\)$`)

// normaliseRule brings a rule into what Go can match. Names are matched in lower
// case.
func normaliseRule(r *file.Rule) error {
	for _, text := range []*string{&r.Equals, &r.StartsWith, &r.EndsWith, &r.Contains} {
		*text = strings.ToLower(*text)
	}
	if found := negative.FindStringSubmatch(r.Regex); found != nil {
		r.Regex, r.Not = "", &file.Rule{Regex: "^(?:" + found[1] + ")"}
		return normaliseRule(r.Not)
	}
	if _, err := regexp.Compile(r.Regex); err != nil {
		return err
	}
	for _, rules := range [][]file.Rule{r.Or, r.And} {
		for i := range rules {
			if err := normaliseRule(&rules[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func normalisePeriod(from sourcePeriod) (file.Period, error) {
	c := from.Constraint
	out := file.Period{From: c.From}
	switch c.Type {
	case "", "start_date":
	case "time_of_date":
		var utc [2]bool
		out.Start, utc[0] = strings.CutSuffix(c.Start, "Z")
		out.End, utc[1] = strings.CutSuffix(c.End, "Z")
		if !utc[0] || !utc[1] {
			return out, fmt.Errorf("the times %s and %s are not in UTC", c.Start, c.End)
		}
	default:
		return out, fmt.Errorf("there is a constraint of the type %q", c.Type)
	}
	tiers := map[int64]*file.Rates{}
	for key, price := range from.Prices {
		if err := put(&out.Rates, key, price.Base); err != nil {
			return out, err
		}
		for _, t := range price.Tiers {
			if tiers[t.Start] == nil {
				tiers[t.Start] = new(file.Rates)
			}
			if err := put(tiers[t.Start], key, t.Price); err != nil {
				return out, err
			}
		}
	}
	for start, rates := range tiers {
		if (*rates != file.Rates{}) {
			out.Over = append(out.Over, file.Tier{Tokens: start, Rates: *rates})
		}
	}
	slices.SortFunc(out.Over, func(a, b file.Tier) int { return int(a.Tokens - b.Tokens) })
	return out, nil
}

// skipped are prices of what no usage counts: calls of tools, pages, hours, and
// video.
var skipped = regexp.MustCompile(`_kcount$|_kpages$|_hours$|_video_mtok$`)

func put(to *file.Rates, key string, price json.Number) error {
	places := map[string]*json.Number{
		"input_mtok":            &to.Input,
		"cache_read_mtok":       &to.CacheRead,
		"cache_write_mtok":      &to.CacheWrite,
		"cache_write_1h_mtok":   &to.CacheWriteHour,
		"output_mtok":           &to.Output,
		"output_reasoning_mtok": &to.Reasoning,
		"input_audio_mtok":      &to.InputAudio,
		"cache_audio_read_mtok": &to.CacheReadAudio,
		"output_audio_mtok":     &to.OutputAudio,
		"input_image_mtok":      &to.InputImage,
		"cache_image_read_mtok": &to.CacheReadImage,
		"output_image_mtok":     &to.OutputImage,
	}
	place := places[key]
	if place == nil {
		if skipped.MatchString(key) {
			return nil
		}
		return fmt.Errorf("there is a price of %q", key)
	}
	var err error
	*place, err = decimal(price)
	return err
}

// decimal rounds to nine places, so that what the source computed in floating
// point loses its tail.
func decimal(price json.Number) (json.Number, error) {
	exact, ok := new(big.Rat).SetString(string(price))
	if !ok || exact.Sign() < 0 {
		return "", fmt.Errorf("%q is no price", price)
	}
	text := exact.FloatString(9)
	return json.Number(strings.TrimSuffix(strings.TrimRight(text, "0"), ".")), nil
}

// openRouter mends two things. The source says nothing of what the variants for
// free cost; and of Google's models OpenRouter's list has, as the price of a
// write to a cache, the storage that comes on top of the input's price
// (OpenRouter's guide to prompt caching, "Google Gemini").
func openRouter(id string, p *file.Period) {
	if strings.HasSuffix(id, ":free") && (p.Rates == file.Rates{}) {
		p.Input, p.Output = "0", "0"
		return
	}
	input, ok := new(big.Rat).SetString(string(p.Input))
	write, found := new(big.Rat).SetString(string(p.CacheWrite))
	if ok && found && write.Cmp(input) < 0 && strings.Contains(id, "google/") {
		p.CacheWrite, _ = decimal(json.Number(write.Add(write, input).FloatString(9)))
	}
}
