// Package completions lets clients of OpenAI's legacy Completions be answered by
// models of other formats: https://platform.openai.com/docs/api-reference/completions.
// The prompt becomes a user's message. What only a text completion can do, such
// as going on inside a text or echoing the prompt, cannot be expressed.
package completions

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// Codec is the format, on the client's side.
type Codec struct{}

type request struct {
	Model         string          `json:"model"`
	Prompt        json.RawMessage `json:"prompt"`
	Suffix        string          `json:"suffix"`
	Echo          bool            `json:"echo"`
	BestOf        int64           `json:"best_of"`
	Logprobs      json.RawMessage `json:"logprobs"`
	Stream        bool            `json:"stream"`
	StreamOptions struct {
		IncludeUsage bool `json:"include_usage"`
	} `json:"stream_options"`
	MaxTokens        int64           `json:"max_tokens"`
	N                int64           `json:"n"`
	Stop             json.RawMessage `json:"stop"`
	Temperature      json.Number     `json:"temperature"`
	TopP             json.Number     `json:"top_p"`
	Seed             json.Number     `json:"seed"`
	FrequencyPenalty json.Number     `json:"frequency_penalty"`
	PresencePenalty  json.Number     `json:"presence_penalty"`
	LogitBias        json.RawMessage `json:"logit_bias"`
	User             string          `json:"user"`
}

// DecodeRequest implements api.ClientCodec.
func (Codec) DecodeRequest(body []byte) (*api.Request, error) {
	var r request
	if err := json.Unmarshal(body, &r); err != nil {
		if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return nil, fmt.Errorf("%s: expected a %s", typed.Field, typed.Type)
		}
		return nil, err
	}
	if err := r.check(); err != nil {
		return nil, err
	}
	prompt, err := oneText(r.Prompt)
	if err != nil {
		return nil, fmt.Errorf("prompt: %w", err)
	}
	stop, err := texts(r.Stop)
	if err != nil {
		return nil, fmt.Errorf("stop: %w", err)
	}
	return &api.Request{
		Source: api.Completions, Model: r.Model, Stream: r.Stream, StreamUsage: r.StreamOptions.IncludeUsage,
		Messages:  []api.Message{{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: prompt}}}},
		MaxTokens: r.MaxTokens, N: r.N, Stop: stop, Temperature: r.Temperature, TopP: r.TopP, Seed: r.Seed,
		FrequencyPenalty: r.FrequencyPenalty, PresencePenalty: r.PresencePenalty, LogitBias: r.LogitBias, User: r.User,
	}, nil
}

// check refuses what would be ignored otherwise, and change the answer.
func (r *request) check() error {
	switch {
	case r.Suffix != "":
		return errors.New("suffix: only a target that speaks completions can insert text")
	case r.Echo:
		return errors.New("echo: only a target that speaks completions can echo the prompt")
	case r.BestOf > 1:
		return errors.New("best_of: only a target that speaks completions can choose among answers")
	case !api.Empty(r.Logprobs):
		return errors.New("logprobs: only a target that speaks completions has them in this form")
	}
	return nil
}

// oneText reads a prompt that is a text, or a list of one.
func oneText(raw json.RawMessage) (string, error) {
	list, err := texts(raw)
	if err != nil {
		return "", err
	}
	if len(list) != 1 {
		return "", fmt.Errorf("expected one text, got %d; only a target that speaks completions takes more", len(list))
	}
	return list[0], nil
}

func texts(raw json.RawMessage) ([]string, error) {
	if api.Empty(raw) {
		if string(raw) == `""` {
			return []string{""}, nil
		}
		return nil, nil
	}
	if s, ok := jsonscan.String(raw); ok {
		return []string{s}, nil
	}
	var list []string
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, errors.New("expected a text or a list of texts; only a target that speaks completions takes tokens")
	}
	return list, nil
}

// EncodeResponse implements api.ClientCodec.
func (Codec) EncodeResponse(resp *api.Response, req *api.Request) ([]byte, error) {
	out := head(nil, resp.ID, resp.Created, model(resp.Model, req))
	for i := range resp.Choices {
		var text strings.Builder
		for _, p := range resp.Choices[i].Parts {
			if p.Kind == api.Text || p.Kind == api.Refusal {
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

// NewStreamEncoder implements api.ClientCodec.
func (Codec) NewStreamEncoder(req *api.Request) api.StreamEncoder { return &encoder{req: req} }

// encoder writes a stream. Every chunk repeats the same head.
type encoder struct {
	req   *api.Request
	head  []byte
	kinds map[[2]int]api.Kind
	usage api.Usage
	done  bool
}

// Encode implements api.StreamEncoder.
func (e *encoder) Encode(dst []byte, ev *api.Event) []byte {
	if e.done {
		return dst
	}
	switch ev.Kind {
	case api.Start:
		e.head = head([]byte("data: "), ev.ID, ev.Created, model(ev.Model, e.req))
		e.kinds = map[[2]int]api.Kind{}
	case api.PartStart:
		e.kinds[[2]int{ev.Choice, ev.Part}] = ev.Content.Kind
	case api.Delta:
		if kind := e.kinds[[2]int{ev.Choice, ev.Part}]; kind == api.Text || kind == api.Refusal {
			dst = append(choice(append(dst, e.head...), ev.Choice, ev.Text, ""), "]}\n\n"...)
		}
	case api.Finished:
		dst = append(choice(append(dst, e.head...), ev.Choice, []byte(`""`), finish(ev.Finish)), "]}\n\n"...)
	case api.UsageEvent:
		e.usage = ev.Usage
	case api.ErrorEvent:
		e.done = true
		dst = append(dst, api.Completions.ErrorEvent(*ev.Err, 0)...)
	case api.End:
		e.done = true
		if e.req.StreamUsage && e.usage.Known {
			dst = append(usage(append(append(dst, e.head...), ']'), e.usage), "}\n\n"...)
		}
		dst = append(dst, "data: [DONE]\n\n"...)
	}
	return dst
}

func model(answered string, req *api.Request) string {
	if answered != "" {
		return answered
	}
	return req.Model
}

// head is a completion up to its first choice.
func head(dst []byte, id string, created int64, model string) []byte {
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
	return append(dst, '}')
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

// Interface guards
var (
	_ api.ClientCodec   = Codec{}
	_ api.StreamEncoder = (*encoder)(nil)
)
