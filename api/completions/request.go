package completions

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

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

// known are the members that request has a place for.
var known = map[string]bool{
	"model": true, "prompt": true, "suffix": true, "echo": true, "best_of": true, "logprobs": true,
	"stream": true, "stream_options": true, "max_tokens": true, "n": true, "stop": true,
	"temperature": true, "top_p": true, "seed": true, "frequency_penalty": true, "presence_penalty": true,
	"logit_bias": true, "user": true,
}

// DecodeRequest implements api.ClientCodec.
func (Codec) DecodeRequest(body []byte) (*api.Request, error) {
	var r request
	if err := json.Unmarshal(body, &r); err != nil {
		if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && typed.Field != "" {
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
	if null(r.LogitBias) {
		r.LogitBias = nil
	}
	return &api.Request{
		Source: api.Completions, Model: r.Model, Stream: r.Stream, StreamUsage: r.StreamOptions.IncludeUsage,
		Messages:  []api.Message{{Role: api.RoleUser, Parts: []api.Part{{Kind: api.Text, Text: prompt}}}},
		MaxTokens: max(r.MaxTokens, 0), N: r.N, Stop: stop, Temperature: r.Temperature, TopP: r.TopP, Seed: r.Seed,
		FrequencyPenalty: r.FrequencyPenalty, PresencePenalty: r.PresencePenalty, LogitBias: r.LogitBias, User: r.User,
		Extra: extra(body),
	}, nil
}

// extra are the other members, of which some are of OpenAI's chat as well and the
// rest is told where it is left out.
func extra(body []byte) (others map[string]json.RawMessage) {
	it := jsonscan.Object(body)
	for it.Next() {
		if name := string(it.Key); !known[name] && !null(it.Value()) {
			if others == nil {
				others = map[string]json.RawMessage{}
			}
			others[name] = append(json.RawMessage(nil), it.Value()...)
		}
	}
	return others
}

func null(raw []byte) bool { return len(raw) == 0 || string(raw) == "null" }

// check refuses what would be ignored otherwise, and change the answer.
func (r *request) check() error {
	switch {
	case r.Suffix != "":
		return errors.New("suffix: only a target that speaks completions can insert text")
	case r.Echo:
		return errors.New("echo: only a target that speaks completions can echo the prompt")
	case r.BestOf > max(r.N, 1):
		return errors.New("best_of: only a target that speaks completions can choose among answers")
	case !null(r.Logprobs) && string(r.Logprobs) != "false":
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
	if null(raw) {
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
