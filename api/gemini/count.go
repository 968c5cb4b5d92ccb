package gemini

import (
	"encoding/json"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
)

// DecodeCountTokens reads a request of countTokens, which holds either the
// contents alone or a whole request:
// https://ai.google.dev/api/tokens#method:-models.counttokens.
func DecodeCountTokens(body []byte) (*api.Request, error) {
	if err := valid(body); err != nil {
		return nil, err
	}
	d := new(decoder)
	f := d.object(body, "")
	if f.has("generateContentRequest") {
		f = f.object("generateContentRequest")
	} else {
		f.take("generateContentRequest")
	}
	req := d.request(f)
	if d.err != nil {
		return nil, d.err
	}
	return req, nil
}

// EncodeCountTokens writes the answer of countTokens.
func EncodeCountTokens(total int64) json.RawMessage {
	return append(strconv.AppendInt([]byte(`{"totalTokens":`), total, 10), '}')
}
