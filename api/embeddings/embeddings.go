// Package embeddings translates requests for embeddings, and their answers,
// between OpenAI's format and Google's:
// https://platform.openai.com/docs/api-reference/embeddings,
// https://ai.google.dev/api/embeddings.
//
// Both turn texts into vectors. OpenAI takes a text or a list of them in one
// request; Google has embedContent for one content and batchEmbedContents for
// several. OpenAI's lists of tokens and Google's pictures and sounds have no
// like on the other side, and are refused by name. taskType, title and user are
// advice, and left out with a word to the caller.
//
// An answer's vectors are passed on as the provider wrote them. OpenAI's clients
// may ask for base64 of 32-bit floats, little endian, as its SDK for JavaScript
// does unless told otherwise; Google writes numbers, which then become such
// floats, and no number goes through any other.
//
// OpenAI's reference demands a usage in an answer, but Google tells one for some
// models only. Where it is unknown it is left out: OpenAI's own SDKs read
// answers without it, and zero would be a price.
package embeddings

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddy-plexus/plexus/api"
)

// Google's methods, which stand in the path.
const (
	EmbedContent       = "embedContent"
	BatchEmbedContents = "batchEmbedContents"
)

// Request asks for the embeddings of some inputs.
type Request struct {
	// Source is the format that the request came in: api.Embeddings is
	// OpenAI's, api.Gemini Google's.
	Source api.API
	// Model is the model's name. Google's requests have it in their path.
	Model string
	// Inputs are what to embed, at least one.
	Inputs []Input
	// Dimensions is the length of the vectors; 0 leaves it open.
	Dimensions int64
	// Base64 asks for vectors in base64, as OpenAI's clients may.
	Base64 bool
	// Batch says that a client of Google's asked for a list of answers.
	Batch bool
	// Extra holds the members that none of the above stands for, by name.
	Extra map[string]json.RawMessage
}

// Input is one thing to embed.
type Input struct {
	Text string
	// Other says what the input is where it is no text, to complete the
	// sentence "input …", and Field which member that is.
	Other, Field string
	// Raw is the input as it stood in the request's format; nil for a plain
	// text.
	Raw json.RawMessage
	// Extra holds what a request within Google's batch says besides.
	Extra map[string]json.RawMessage
}

// Response is the embeddings of a request's inputs, in their order.
type Response struct {
	// Model is the provider's name of the model.
	Model   string
	Vectors []Vector
	Usage   api.Usage
}

// DecodeRequest reads a client's request. The method is Google's, and says
// nothing to OpenAI's format. Errors name the member at fault.
func DecodeRequest(client api.API, method string, body []byte) (*Request, error) {
	if err := valid(body); err != nil {
		return nil, err
	}
	switch client {
	case api.Embeddings:
		return decodeOpenAI(body)
	case api.Gemini:
		return decodeGemini(body, method == BatchEmbedContents)
	}
	return nil, unknown(client)
}

// EncodeRequest writes a request to a target. The method is Google's, and empty
// in OpenAI's format. It lists what the format cannot say and can do without;
// what it cannot do without is an *api.Unsupported error.
func EncodeRequest(target api.API, req *Request) (body []byte, method string, dropped []string, err error) {
	switch target {
	case api.Embeddings:
		body, dropped, err = encodeOpenAI(req)
		return body, "", dropped, err
	case api.Gemini:
		return encodeGemini(req)
	}
	return nil, "", nil, unknown(target)
}

// DecodeResponse reads a target's answer, whose vectors share its memory.
func DecodeResponse(target api.API, body []byte) (*Response, error) {
	if err := valid(body); err != nil {
		return nil, err
	}
	var resp *Response
	var err error
	switch target {
	case api.Embeddings:
		resp, err = readOpenAI(body)
	case api.Gemini:
		resp, err = readGemini(body)
	default:
		return nil, unknown(target)
	}
	if err == nil && len(resp.Vectors) == 0 {
		err = errors.New("an answer without embeddings")
	}
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// EncodeResponse writes the answer to the client who sent req. It is an error
// where the provider gave more vectors or less than there were inputs, since
// nobody could tell which is whose.
func EncodeResponse(client api.API, resp *Response, req *Request) ([]byte, error) {
	if len(resp.Vectors) != len(req.Inputs) {
		return nil, fmt.Errorf("%d embeddings for %d inputs", len(resp.Vectors), len(req.Inputs))
	}
	switch client {
	case api.Embeddings:
		return writeOpenAI(resp, req)
	case api.Gemini:
		return writeGemini(resp, req)
	}
	return nil, unknown(client)
}

func unknown(a api.API) error { return fmt.Errorf("no embeddings in the API %q", string(a)) }
