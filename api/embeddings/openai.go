package embeddings

import (
	"fmt"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/openai"
)

func decodeOpenAI(body []byte) (*Request, error) {
	req := &Request{Source: api.Embeddings}
	it := jsonscan.Object(body)
	for it.Next() {
		var err error
		switch raw := it.Value(); string(it.Key) {
		case "model":
			req.Model, err = text("model", raw)
		case "input":
			err = req.inputs(raw)
		case "dimensions":
			req.Dimensions, err = length("dimensions", raw)
		case "encoding_format":
			err = req.encoding(raw)
		default:
			req.Extra = keep(req.Extra, string(it.Key), raw)
		}
		if err != nil {
			return nil, err
		}
	}
	if len(req.Inputs) == 0 {
		return nil, expected("input", "a text or a list of texts")
	}
	return req, nil
}

func (r *Request) encoding(raw []byte) error {
	switch format, err := text("encoding_format", raw); {
	case err != nil:
		return err
	case format == "base64":
		r.Base64 = true
	case format != "float" && format != "":
		return expected("encoding_format", `"float" or "base64"`)
	}
	return nil
}

// inputs reads a text, a list of texts, a list of tokens, or a list of such.
func (r *Request) inputs(raw []byte) error {
	r.Inputs = nil
	if raw[0] != '[' {
		return r.input(raw, "input")
	}
	it := jsonscan.Array(raw)
	for i := 0; it.Next(); i++ {
		value := it.Value()
		if value[0] != '"' && value[0] != '[' {
			r.Inputs = nil
			return r.input(raw, "input")
		}
		if err := r.input(value, "input["+strconv.Itoa(i)+"]"); err != nil {
			return err
		}
	}
	return nil
}

func (r *Request) input(raw []byte, member string) error {
	in := Input{}
	switch {
	case raw[0] == '"':
		in.Text, _ = jsonscan.String(raw)
	case tokens(raw):
		in.Raw, in.Field, in.Other = raw, "input", "is a list of tokens"
	default:
		return expected(member, "a text or a list of tokens")
	}
	r.Inputs = append(r.Inputs, in)
	return nil
}

func tokens(raw []byte) bool {
	it := jsonscan.Array(raw)
	n := 0
	for ; it.Next(); n++ {
		if b := it.Value()[0]; b < '0' || b > '9' {
			return false
		}
	}
	return it.Err == nil && n > 0
}

func encodeOpenAI(req *Request) (body []byte, dropped []string, err error) {
	native := req.Source == api.Embeddings
	if !native {
		if err := req.texts("OpenAI's API"); err != nil {
			return nil, nil, err
		}
		dropped = req.names()
	}
	body = api.AppendQuoted([]byte(`{"model":`), req.Model)
	body = append(body, `,"input":`...)
	if len(req.Inputs) == 1 {
		body = req.Inputs[0].appendOpenAI(body)
	} else {
		for i := range req.Inputs {
			body = append(body, "[,"[min(i, 1)])
			body = req.Inputs[i].appendOpenAI(body)
		}
		body = append(body, ']')
	}
	if req.Dimensions != 0 {
		body = strconv.AppendInt(append(body, `,"dimensions":`...), req.Dimensions, 10)
	}
	if req.Base64 {
		body = append(body, `,"encoding_format":"base64"`...)
	}
	if native {
		body = appendExtra(body, req.Extra)
	}
	return append(body, '}'), dropped, nil
}

func (in *Input) appendOpenAI(dst []byte) []byte {
	if in.Other != "" {
		return append(dst, in.Raw...)
	}
	return api.AppendQuoted(dst, in.Text)
}

func readOpenAI(body []byte) (*Response, error) {
	resp := new(Response)
	it := jsonscan.Object(body)
	for it.Next() {
		var err error
		switch raw := it.Value(); string(it.Key) {
		case "model":
			resp.Model, err = text("model", raw)
		case "data":
			err = resp.data(raw)
		case "usage":
			resp.Usage = openai.Usage(raw, api.Usage{})
		}
		if err != nil {
			return nil, err
		}
	}
	return resp, nil
}

// data reads the embeddings, which each say which they are.
func (r *Response) data(raw []byte) error {
	var list []Vector
	var order []int
	it := jsonscan.Array(raw)
	for i := 0; it.Next(); i++ {
		at, vector := i, Vector(nil)
		members := jsonscan.Object(it.Value())
		for members.Next() {
			switch string(members.Key) {
			case "index":
				at, _ = strconv.Atoi(string(members.Value()))
			case "embedding":
				vector = members.Value()
			}
		}
		if err := vector.check(); err != nil {
			return fmt.Errorf("data[%d].embedding: %w", i, err)
		}
		list, order = append(list, vector), append(order, at)
	}
	if it.Err != nil {
		return expected("data", "a list of embeddings")
	}
	r.Vectors = make([]Vector, len(list))
	for i, at := range order {
		if at < 0 || at >= len(list) || r.Vectors[at] != nil {
			return fmt.Errorf("data[%d].index: expected each number below %d once", i, len(list))
		}
		r.Vectors[at] = list[i]
	}
	return nil
}

func writeOpenAI(resp *Response, req *Request) (out []byte, err error) {
	out = []byte(`{"object":"list","data":[`)
	for i, vector := range resp.Vectors {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(append(out, `{"object":"embedding","index":`...), int64(i), 10)
		if out, err = vector.append(append(out, `,"embedding":`...), req.Base64); err != nil {
			return nil, err
		}
		out = append(out, '}')
	}
	model := resp.Model
	if model == "" {
		model = req.Model
	}
	out = api.AppendQuoted(append(out, `],"model":`...), model)
	if resp.Usage.Known {
		tokens := resp.Usage.Input + resp.Usage.CacheRead + resp.Usage.CacheWrite
		out = strconv.AppendInt(append(out, `,"usage":{"prompt_tokens":`...), tokens, 10)
		out = strconv.AppendInt(append(out, `,"total_tokens":`...), tokens+resp.Usage.Generated(), 10)
		out = append(out, '}')
	}
	return append(out, '}'), nil
}
