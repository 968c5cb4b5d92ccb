// Package completions lets clients of OpenAI's legacy Completions be answered by
// models of other formats: https://platform.openai.com/docs/api-reference/completions.
// The prompt becomes a user's message. What only a text completion can do, such
// as going on inside a text or echoing the prompt, cannot be expressed.
package completions

import (
	"crypto/rand"
	"strconv"
	"strings"
	"time"

	"github.com/caddy-plexus/plexus/api"
)

// Codec is the format, on the client's side.
type Codec struct{}

// EncodeResponse implements api.ClientCodec.
func (Codec) EncodeResponse(resp *api.Response, req *api.Request) ([]byte, error) {
	out := head(nil, resp.ID, resp.Created, model(resp.Model, req))
	for i := range resp.Choices {
		var text strings.Builder
		for _, p := range resp.Choices[i].Parts {
			if spoken(p.Kind) {
				text.WriteString(p.Text)
			}
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = choice(out, i, api.Quote(text.String()), finish(resp.Choices[i].Finish))
	}
	out = append(out, ']')
	if resp.Usage.Known {
		out = usage(out, resp.Usage)
	}
	return append(out, '}'), nil
}

// spoken tells the parts that are the answer's text. A spoken answer has a
// transcript.
func spoken(kind api.Kind) bool {
	return kind == api.Text || kind == api.Refusal || kind == api.Sound
}

func model(answered string, req *api.Request) string {
	if answered != "" || req == nil {
		return answered
	}
	return req.Model
}

// head is a completion up to its first choice. What an answer of another format
// does not tell has to be there all the same.
func head(dst []byte, id string, created int64, model string) []byte {
	if id == "" {
		id = "cmpl-" + rand.Text()
	}
	if created == 0 {
		created = time.Now().Unix()
	}
	dst = api.AppendQuoted(append(dst, `{"id":`...), id)
	dst = strconv.AppendInt(append(dst, `,"object":"text_completion","created":`...), created, 10)
	dst = api.AppendQuoted(append(dst, `,"model":`...), model)
	return append(dst, `,"choices":[`...)
}

func choice(dst []byte, index int, text []byte, reason string) []byte {
	dst = append(append(dst, `{"text":`...), text...)
	dst = strconv.AppendInt(append(dst, `,"index":`...), int64(index), 10)
	dst = append(dst, `,"logprobs":null,"finish_reason":`...)
	if reason == "" {
		return append(dst, "null}"...)
	}
	return append(append(append(dst, '"'), reason...), `"}`...)
}

func usage(dst []byte, u api.Usage) []byte {
	prompt, completion := u.Input+u.CacheRead+u.CacheWrite, u.Generated()
	dst = strconv.AppendInt(append(dst, `,"usage":{"prompt_tokens":`...), prompt, 10)
	dst = strconv.AppendInt(append(dst, `,"completion_tokens":`...), completion, 10)
	dst = strconv.AppendInt(append(dst, `,"total_tokens":`...), prompt+completion, 10)
	dst = strconv.AppendInt(append(dst, `,"prompt_tokens_details":{"cached_tokens":`...), u.CacheRead, 10)
	if u.CacheWrite > 0 {
		dst = strconv.AppendInt(append(dst, `,"cache_write_tokens":`...), u.CacheWrite, 10)
	}
	dst = strconv.AppendInt(append(dst, `},"completion_tokens_details":{"reasoning_tokens":`...), u.Reasoning, 10)
	return append(dst, "}}"...)
}

func finish(reason api.Finish) string {
	switch reason {
	case api.FinishLength, api.FinishContextLength:
		return "length"
	case api.FinishContentFilter, api.FinishRefusal:
		return "content_filter"
	default:
		return "stop"
	}
}

// Interface guard
var _ api.ClientCodec = Codec{}
