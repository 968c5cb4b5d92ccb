package mock

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
)

const (
	defaultDimensions = 8
	maxDimensions     = 16384
)

// embeddingRequest is a request of OpenAI's Embeddings.
type embeddingRequest struct {
	head
	Input          inputs `json:"input"`
	Dimensions     int    `json:"dimensions"`
	EncodingFormat string `json:"encoding_format"`
}

func readEmbeddings(x *exchange) (head, func() error, error) {
	var req embeddingRequest
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	size, err := dimensions(req.Dimensions)
	if err != nil {
		return head{}, nil, err
	}
	return req.head, func() error {
		var w wire
		w.raw(`{"object":"list","data":[`)
		for i, in := range req.Input {
			w.comma(i).raw(`{"object":"embedding","index":`).num(i).raw(`,"embedding":`)
			vector := embed(in.text, size)
			// openai-node asks for base64 unless it is told otherwise.
			if req.EncodingFormat == "base64" {
				w.str(vector.base64())
			} else {
				vector.list(&w)
			}
			w.raw(`}`)
		}
		n := tokens(req.Input.size())
		w.raw(`],"model":`).str(x.model).raw(`,"usage":{"prompt_tokens":`).num(n).raw(`,"total_tokens":`).num(n).raw(`}}`)
		return x.sendJSON(w.buf)
	}, nil
}

func dimensions(asked int) (int, error) {
	if asked == 0 {
		return defaultDimensions, nil
	}
	if asked < 0 || asked > maxDimensions {
		return 0, &apiError{
			status:  http.StatusBadRequest,
			message: "dimensions must be within 1 and " + strconv.Itoa(maxDimensions) + ".",
			param:   "dimensions",
		}
	}
	return asked, nil
}

// vector is an embedding.
type vector []float32

// embed makes the unit vector that belongs to a text.
func embed(text string, size int) vector {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(text))
	draw := rand.New(rand.NewPCG(hash.Sum64(), 0)) //nolint:gosec // the same text needs the same vector
	values := make([]float64, size)
	var squares float64
	for i := range values {
		values[i] = 2*draw.Float64() - 1
		squares += values[i] * values[i]
	}
	v := make(vector, size)
	for i := range v {
		v[i] = float32(values[i] / math.Sqrt(squares))
	}
	return v
}

func (v vector) list(w *wire) {
	w.raw(`[`)
	for i, f := range v {
		w.comma(i)
		w.buf = strconv.AppendFloat(w.buf, float64(f), 'f', -1, 32)
	}
	w.raw(`]`)
}

func (v vector) base64() string {
	b := make([]byte, 0, 4*len(v))
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return base64.StdEncoding.EncodeToString(b)
}

// geminiEmbedRequest is a request of Gemini's embedContent, alone or in a batch.
type geminiEmbedRequest struct {
	head
	Content              geminiContent `json:"content"`
	OutputDimensionality int           `json:"outputDimensionality"`
}

// values writes the embedding that the request asks for.
func (req *geminiEmbedRequest) values(w *wire) error {
	size, err := dimensions(req.OutputDimensionality)
	if err != nil {
		return err
	}
	c := req.Content.content()
	w.raw(`{"values":`)
	embed(c.text, size).list(w)
	w.raw(`}`)
	return nil
}

func readGeminiEmbed(x *exchange) (head, func() error, error) {
	var req geminiEmbedRequest
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	return req.head, func() error {
		var w wire
		w.raw(`{"embedding":`)
		if err := req.values(&w); err != nil {
			return err
		}
		return x.sendJSON(w.raw(`}`).buf)
	}, nil
}

func readGeminiBatch(x *exchange) (head, func() error, error) {
	var req struct {
		Mock     json.RawMessage      `json:"mock"`
		Requests []geminiEmbedRequest `json:"requests"`
	}
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	return head{Mock: req.Mock}, func() error {
		var w wire
		w.raw(`{"embeddings":[`)
		for i := range req.Requests {
			if err := req.Requests[i].values(w.comma(i)); err != nil {
				return err
			}
		}
		return x.sendJSON(w.raw(`]}`).buf)
	}, nil
}
