package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/prices/internal/file"
)

func TestNormaliseModel(t *testing.T) {
	f := func(vendor, source, want string) {
		t.Helper()
		var m sourceModel
		require.NoError(t, json.Unmarshal([]byte(source), &m))
		got, err := normaliseModel(vendor, m)
		require.NoError(t, err)
		encoded, err := file.Encode(&file.Catalog{Vendors: []file.Vendor{{Models: []file.Model{got}}}})
		require.NoError(t, err)
		require.Contains(t, string(encoded), "\n"+want+"\n")
	}
	f("v", `{"id":"M","name":"x","match":{"equals":"M"},"context_window":10,"prices":{"input_mtok":0.08333333333333334,"output_mtok":1e-7,"web_searches_kcount":10}}`,
		`{"id":"M","match":{"equals":"m"},"context":10,"prices":[{"input":0.083333333,"output":0.0000001}]}`)
	f("v", `{"id":"m","match":{"equals":"m"},"prices":{"input_mtok":{"base":1,"tiers":[{"start":20,"price":3},{"start":10,"price":2}]},"output_mtok":{"base":4,"tiers":[{"start":10,"price":5}]}}}`,
		`{"id":"m","match":{"equals":"m"},"prices":[{"input":1,"output":4,"over":[{"tokens":10,"input":2,"output":5},{"tokens":20,"input":3}]}]}`)
	f("v", `{"id":"m","match":{"equals":"m"},"prices":[{"prices":{}},{"constraint":{"type":"start_date","start_date":"2026-01-31"},"prices":{"input_mtok":1}},{"constraint":{"type":"time_of_date","start_time":"01:00:00Z","end_time":"04:00:00Z"},"prices":{"input_mtok":2}}]}`,
		`{"id":"m","match":{"equals":"m"},"prices":[{},{"from":"2026-01-31","input":1},{"start":"01:00:00","end":"04:00:00","input":2}]}`)
	f("v", `{"id":"m","match":{"regex":"^(?!.*-[tT](?:$|-))"},"prices":{"audio_hours":1}}`,
		`{"id":"m","match":{"not":{"regex":"^(?:.*-[tT](?:$|-))"}}}`)
	f("openrouter", `{"id":"m:free","match":{"equals":"m:free"},"prices":{}}`,
		`{"id":"m:free","match":{"equals":"m:free"},"prices":[{"input":0,"output":0}]}`)
	f("openrouter", `{"id":"google/m","match":{"equals":"google/m"},"prices":{"input_mtok":0.5,"cache_write_mtok":0.0833333333333,"output_mtok":3}}`,
		`{"id":"google/m","match":{"equals":"google/m"},"prices":[{"input":0.5,"cache_write":0.583333333,"output":3}]}`)
	f("openrouter", `{"id":"anthropic/m","match":{"equals":"anthropic/m"},"prices":{"input_mtok":4,"cache_write_mtok":5,"output_mtok":20}}`,
		`{"id":"anthropic/m","match":{"equals":"anthropic/m"},"prices":[{"input":4,"cache_write":5,"output":20}]}`)
}

// What the generator does not understand ends it, instead of leaving something
// out.
func TestNormaliseRefuses(t *testing.T) {
	f := func(source, want string) {
		t.Helper()
		var m sourceModel
		require.NoError(t, json.Unmarshal([]byte(source), &m))
		_, err := normaliseModel("v", m)
		require.ErrorContains(t, err, want)
	}
	f(`{"match":{"equals":"m"},"prices":{"new_mtok":1}}`, `a price of "new_mtok"`)
	f(`{"match":{"equals":"m"},"prices":{"input_mtok":-1}}`, "no price")
	f(`{"match":{"regex":"(?!a)b"},"prices":{}}`, "invalid or unsupported")
	f(`{"match":{"equals":"m"},"prices":[{"constraint":{"type":"moon"},"prices":{}}]}`, `the type "moon"`)
	f(`{"match":{"equals":"m"},"prices":[{"constraint":{"type":"time_of_date","start_time":"01:00:00+02:00","end_time":"04:00:00Z"},"prices":{}}]}`, "not in UTC")
}
