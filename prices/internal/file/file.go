// Package file is the form in which the price catalog is stored: JSON with one
// model a line, whose bytes are the same for the same prices, and whose checksum
// stands in its head.
package file

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Catalog is what a file holds.
type Catalog struct {
	// Source names the data set and its version, License the terms on which
	// it may be passed on.
	Source  string `json:"source"`
	License string `json:"license"`
	// Date is the day on which the source was published.
	Date string `json:"date"`
	// SHA256 is the checksum of the vendors, in hex, over the bytes in which
	// they stand in the file.
	SHA256  string   `json:"sha256"`
	Vendors []Vendor `json:"vendors"`
}

// Vendor is a service with a price list.
type Vendor struct {
	Name string `json:"name"`
	// Fallbacks are the vendors whose lists hold for what this one's does not
	// have.
	Fallbacks []string `json:"fallbacks,omitempty"`
	// Models are in the order in which they are tried: the first that matches
	// a name is the one.
	Models []Model `json:"models"`
}

// Model is one entry of a price list.
type Model struct {
	ID    string `json:"id"`
	Match Rule   `json:"match"`
	// Context is the context window in tokens; 0 where it is not known.
	Context int64 `json:"context,omitempty"`
	// Prices are those of all times. Of those that apply, the last counts.
	Prices []Period `json:"prices,omitempty"`
}

// Rule tells which names mean a model. One of its fields is set.
type Rule struct {
	Equals     string `json:"equals,omitempty"`
	StartsWith string `json:"starts_with,omitempty"`
	EndsWith   string `json:"ends_with,omitempty"`
	Contains   string `json:"contains,omitempty"`
	Regex      string `json:"regex,omitempty"`
	Not        *Rule  `json:"not,omitempty"`
	Or         []Rule `json:"or,omitempty"`
	And        []Rule `json:"and,omitempty"`
}

// Period is the prices of a time.
type Period struct {
	// From is the first day, in UTC; empty for a price without a beginning.
	From string `json:"from,omitempty"`
	// Start and End are the times of the day between which the price holds,
	// as HH:MM:SS in UTC; over midnight where the end is before the start.
	Start string `json:"start,omitempty"`
	End   string `json:"end,omitempty"`
	Rates
	// Over are the prices of requests with long prompts.
	Over []Tier `json:"over,omitempty"`
}

// Tier is what changes for all of a request whose prompt is longer than so many
// tokens.
type Tier struct {
	Tokens int64 `json:"tokens"`
	Rates
}

// Rates are in USD per million tokens, as decimals with at most nine places. What
// is empty has no price of its own.
type Rates struct {
	Input          json.Number `json:"input,omitempty"`
	CacheRead      json.Number `json:"cache_read,omitempty"`
	CacheWrite     json.Number `json:"cache_write,omitempty"`
	CacheWriteHour json.Number `json:"cache_write_1h,omitempty"`
	Output         json.Number `json:"output,omitempty"`
	Reasoning      json.Number `json:"reasoning,omitempty"`
	InputAudio     json.Number `json:"input_audio,omitempty"`
	CacheReadAudio json.Number `json:"cache_read_audio,omitempty"`
	OutputAudio    json.Number `json:"output_audio,omitempty"`
	InputImage     json.Number `json:"input_image,omitempty"`
	CacheReadImage json.Number `json:"cache_read_image,omitempty"`
	OutputImage    json.Number `json:"output_image,omitempty"`
}

// Decode reads a file, whose checksum has to fit.
func Decode(data []byte) (*Catalog, error) {
	var raw struct {
		*Catalog
		Vendors json.RawMessage `json:"vendors"`
	}
	raw.Catalog = new(Catalog)
	if err := decode(data, &raw); err != nil {
		return nil, fmt.Errorf("decoding the catalog: %w", err)
	}
	if sum := checksum(raw.Vendors); sum != raw.SHA256 {
		return nil, fmt.Errorf("decoding the catalog: the checksum of its vendors is %s, not %q", sum, raw.SHA256)
	}
	vendors, err := DecodeVendors(raw.Vendors)
	raw.Catalog.Vendors = vendors
	return raw.Catalog, err
}

// DecodeVendors reads the vendors alone.
func DecodeVendors(data []byte) ([]Vendor, error) {
	var vendors []Vendor
	if err := decode(data, &vendors); err != nil {
		return nil, fmt.Errorf("decoding the vendors: %w", err)
	}
	return vendors, nil
}

func decode(data []byte, to any) error {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(to); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("something follows its end")
	}
	return nil
}

// Encode writes a file, with the checksum that fits.
func Encode(c *Catalog) ([]byte, error) {
	vendors, err := encodeVendors(c.Vendors)
	if err != nil {
		return nil, fmt.Errorf("encoding the catalog: %w", err)
	}
	var out bytes.Buffer
	out.WriteString("{\n")
	for _, member := range [][2]string{{"source", c.Source}, {"license", c.License}, {"date", c.Date}, {"sha256", checksum(vendors)}} {
		value, err := plain(member[1])
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "%q: %s,\n", member[0], value)
	}
	fmt.Fprintf(&out, "\"vendors\": %s\n}\n", vendors)
	return out.Bytes(), nil
}

// encodeVendors writes a line for each model, so that the difference between two
// catalogs can be read.
func encodeVendors(vendors []Vendor) ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('[')
	for i, v := range vendors {
		models := v.Models
		v.Models = []Model{}
		head, err := plain(v)
		if err != nil {
			return nil, err
		}
		comma(&out, i)
		out.Write(bytes.TrimSuffix(head, []byte("]}")))
		for k, m := range models {
			line, err := plain(m)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", v.Name, m.ID, err)
			}
			comma(&out, k)
			out.Write(line)
		}
		out.WriteString("\n]}")
	}
	out.WriteString("\n]")
	return out.Bytes(), nil
}

func comma(out *bytes.Buffer, i int) {
	if i > 0 {
		out.WriteByte(',')
	}
	out.WriteByte('\n')
}

// plain is JSON without the escapes that are meant for HTML.
func plain(v any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	err := encoder.Encode(v)
	return bytes.TrimRight(out.Bytes(), "\n"), err
}

func checksum(vendors []byte) string {
	sum := sha256.Sum256(vendors)
	return hex.EncodeToString(sum[:])
}
