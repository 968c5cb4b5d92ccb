package embeddings

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Vector is one embedding as the provider wrote it: a JSON list of numbers, or a
// JSON string of base64.
type Vector json.RawMessage

const float32Size = 4

var errVector = errors.New("expected a list of numbers or base64 of 32-bit floats")

func (v Vector) base64() bool { return len(v) > 0 && v[0] == '"' }

// check tells whether v is a vector. What base64 says is looked at where it is
// written as numbers.
func (v Vector) check() error {
	if v.base64() {
		return nil
	}
	it := jsonscan.Array(v)
	for it.Next() {
		if b := v[it.Start]; b != '-' && (b < '0' || b > '9') {
			return errVector
		}
	}
	if it.Err != nil {
		return errVector
	}
	return nil
}

// append appends the vector as JSON in the form that the client asked for.
func (v Vector) append(dst []byte, asBase64 bool) ([]byte, error) {
	switch {
	case v.base64() == asBase64:
		return append(dst, v...), nil
	case asBase64:
		return v.appendBase64(dst)
	default:
		return v.appendNumbers(dst)
	}
}

func (v Vector) appendBase64(dst []byte) ([]byte, error) {
	var floats []byte
	for it := jsonscan.Array(v); it.Next(); {
		n, err := strconv.ParseFloat(string(it.Value()), 32)
		if err != nil {
			return nil, fmt.Errorf("writing an embedding in base64: %w", err)
		}
		floats = binary.LittleEndian.AppendUint32(floats, math.Float32bits(float32(n)))
	}
	dst = base64.StdEncoding.AppendEncode(append(dst, '"'), floats)
	return append(dst, '"'), nil
}

func (v Vector) appendNumbers(dst []byte) ([]byte, error) {
	floats, err := base64.StdEncoding.DecodeString(api.Unquote(json.RawMessage(v)))
	if err != nil || len(floats)%float32Size != 0 {
		return nil, errVector
	}
	dst = append(dst, '[')
	for i := 0; i < len(floats); i += float32Size {
		n := float64(math.Float32frombits(binary.LittleEndian.Uint32(floats[i:])))
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return nil, errVector
		}
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendFloat(dst, n, 'g', -1, 32)
	}
	return append(dst, ']'), nil
}
