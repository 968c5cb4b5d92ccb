package embeddings

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

func decodeGemini(body []byte, batch bool) (*Request, error) {
	req := &Request{Source: api.Gemini, Batch: batch}
	if !batch {
		in, dimensions, err := readInput(body, "")
		if err != nil {
			return nil, err
		}
		req.Inputs, req.Dimensions = []Input{in}, dimensions
		return req, nil
	}
	it := jsonscan.Object(body)
	for it.Next() {
		switch name := camel(string(it.Key)); name {
		case "model": // the path decides
		case "requests":
			if err := req.requests(it.Value()); err != nil {
				return nil, err
			}
		default:
			req.Extra = keep(req.Extra, name, it.Value())
		}
	}
	if len(req.Inputs) == 0 {
		return nil, expected("requests", "a list of requests")
	}
	return req, nil
}

func (r *Request) requests(raw []byte) error {
	r.Inputs = nil
	it := jsonscan.Array(raw)
	for i := 0; it.Next(); i++ {
		path := "requests[" + strconv.Itoa(i) + "]."
		in, dimensions, err := readInput(it.Value(), path)
		if err != nil {
			return err
		}
		if i > 0 && dimensions != r.Dimensions {
			return &api.Unsupported{Field: path + "outputDimensionality", Why: "differs from that of the first request: ask for one length at a time"}
		}
		r.Inputs, r.Dimensions = append(r.Inputs, in), dimensions
	}
	if it.Err != nil {
		return expected("requests", "a list of requests")
	}
	return nil
}

// readInput reads one request: https://ai.google.dev/api/embeddings#EmbedContentRequest.
func readInput(raw []byte, path string) (in Input, dimensions int64, err error) {
	it := jsonscan.Object(raw)
	for err == nil && it.Next() {
		switch name, value := camel(string(it.Key)), it.Value(); name {
		case "model": // the path decides
		case "content":
			err = in.content(value, path+"content")
		case "outputDimensionality":
			dimensions, err = length(path+name, value)
		case "embedContentConfig":
			err = in.config(value, path+name, &dimensions)
		default:
			in.Extra = keep(in.Extra, name, value)
		}
	}
	switch {
	case err != nil:
	case it.Err != nil:
		err = expected(strings.TrimSuffix(path, "."), "an object")
	case in.Raw == nil:
		err = expected(path+"content", "a content")
	}
	return in, dimensions, err
}

// config reads the object in which Vertex AI has what stands beside the content
// elsewhere, and keeps all of it but the length.
func (in *Input) config(raw []byte, path string, dimensions *int64) (err error) {
	var rest []byte
	it := jsonscan.Object(raw)
	for err == nil && it.Next() {
		name := camel(string(it.Key))
		if name == "outputDimensionality" {
			*dimensions, err = length(path+"."+name, it.Value())
			continue
		}
		rest = append(api.AppendQuoted(append(rest, ','), name), ':')
		rest = append(rest, it.Value()...)
	}
	if len(rest) > 0 {
		rest[0] = '{'
		in.Extra = keep(in.Extra, "embedContentConfig", append(rest, '}'))
	}
	return err
}

// content reads what to embed: the texts of its parts, which make one input, or
// one text in its place.
func (in *Input) content(raw []byte, path string) error {
	if absent(raw) {
		return nil
	}
	in.Raw = raw
	if s, ok := jsonscan.String(raw); ok {
		in.Text = s
		in.Raw = append(append([]byte(`{"parts":[{"text":`), raw...), `}]}`...)
		return nil
	}
	it := jsonscan.Object(raw)
	var texts []string
	for it.Next() {
		if string(it.Key) != "parts" {
			continue
		}
		parts := it.Value()
		if parts[0] == '{' {
			parts = append(append([]byte{'['}, parts...), ']')
		}
		list := jsonscan.Array(parts)
		for i := 0; list.Next(); i++ {
			s, err := in.part(list.Value(), path+".parts["+strconv.Itoa(i)+"]")
			if err != nil {
				return err
			}
			texts = append(texts, s)
		}
		if list.Err != nil {
			return expected(path+".parts", "a list of parts")
		}
	}
	if it.Err != nil {
		return expected(path, "a content")
	}
	in.Text = strings.Join(texts, "\n")
	return nil
}

func (in *Input) part(raw []byte, path string) (s string, err error) {
	it := jsonscan.Object(raw)
	for err == nil && it.Next() {
		switch name := camel(string(it.Key)); {
		case name == "text":
			s, err = text(path+".text", it.Value())
		case (name == "inlineData" || name == "fileData") && !absent(it.Value()):
			in.Field, in.Other = path+"."+name, "is no text"
		}
	}
	if err == nil && it.Err != nil {
		err = expected(path, "a part")
	}
	return s, err
}

// maxBatch is how many requests Google takes at once:
// https://ai.google.dev/gemini-api/docs/embeddings.
const maxBatch = 100

func encodeGemini(req *Request) (body []byte, method string, dropped []string, err error) {
	native := req.Source == api.Gemini
	if !native {
		if err := req.texts("Gemini"); err != nil {
			return nil, "", nil, err
		}
		if len(req.Inputs) > maxBatch {
			return nil, "", nil, &api.Unsupported{Field: "input", Why: "has more than the " + strconv.Itoa(maxBatch) + " texts that Gemini embeds at once: send fewer"}
		}
		dropped = req.names()
	}
	if len(req.Inputs) == 1 && !req.Batch {
		return append(req.appendInput([]byte{'{'}, 0), '}'), EmbedContent, dropped, nil
	}
	body = []byte(`{"requests":`)
	for i := range req.Inputs {
		body = append(body, "[,"[min(i, 1)])
		// Each has to name the model of the path again.
		body = api.AppendQuoted(append(body, `{"model":`...), resource(req.Model))
		body = append(req.appendInput(append(body, ','), i), '}')
	}
	body = append(body, ']')
	if native {
		body = appendExtra(body, req.Extra)
	}
	return append(body, '}'), BatchEmbedContents, dropped, nil
}

// resource is a model's name as Google's bodies have it.
func resource(model string) string {
	if strings.Contains(model, "/") {
		return model
	}
	return "models/" + model
}

func (r *Request) appendInput(dst []byte, i int) []byte {
	in := &r.Inputs[i]
	dst = append(dst, `"content":`...)
	if in.Raw != nil {
		dst = append(dst, in.Raw...)
	} else {
		dst = api.AppendQuoted(append(dst, `{"parts":[{"text":`...), in.Text)
		dst = append(dst, `}]}`...)
	}
	if r.Dimensions != 0 {
		dst = strconv.AppendInt(append(dst, `,"outputDimensionality":`...), r.Dimensions, 10)
	}
	if r.Source == api.Gemini {
		dst = appendExtra(dst, in.Extra)
	}
	return dst
}

func readGemini(body []byte) (*Response, error) {
	resp := new(Response)
	it := jsonscan.Object(body)
	for it.Next() {
		var err error
		switch raw := it.Value(); string(it.Key) {
		case "embedding":
			err = resp.vector(raw, "embedding")
		case "embeddings":
			list := jsonscan.Array(raw)
			for i := 0; err == nil && list.Next(); i++ {
				err = resp.vector(list.Value(), "embeddings["+strconv.Itoa(i)+"]")
			}
			if err == nil && list.Err != nil {
				err = expected("embeddings", "a list of embeddings")
			}
		case "usageMetadata":
			resp.usage(raw)
		}
		if err != nil {
			return nil, err
		}
	}
	return resp, nil
}

func (r *Response) vector(raw []byte, path string) error {
	vector := Vector(jsonscan.Member(raw, "values"))
	if err := vector.check(); err != nil || vector.base64() {
		return fmt.Errorf("%s.values: %w", path, errVector)
	}
	r.Vectors = append(r.Vectors, vector)
	return nil
}

// usage reads how long the inputs were, which Google tells since Gemini
// Embedding 2.
func (r *Response) usage(raw []byte) {
	count := jsonscan.Member(raw, "promptTokenCount")
	if n, err := strconv.ParseInt(string(count), 10, 64); err == nil && n > 0 {
		r.Usage = api.Usage{Input: n, Known: true}
	}
}

func writeGemini(resp *Response, req *Request) (out []byte, err error) {
	if req.Batch {
		out = []byte(`{"embeddings":`)
	} else {
		out = []byte(`{"embedding":`)
	}
	for i, vector := range resp.Vectors {
		if req.Batch {
			out = append(out, "[,"[min(i, 1)])
		}
		if out, err = vector.append(append(out, `{"values":`...), false); err != nil {
			return nil, err
		}
		out = append(out, '}')
	}
	if req.Batch {
		out = append(out, ']')
	}
	if resp.Usage.Known {
		tokens := resp.Usage.Input + resp.Usage.CacheRead + resp.Usage.CacheWrite
		out = strconv.AppendInt(append(out, `,"usageMetadata":{"promptTokenCount":`...), tokens, 10)
		out = append(out, '}')
	}
	return append(out, '}'), nil
}
