package chat

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/openai"
)

// DecodeResponse implements api.Codec.
func (Codec) DecodeResponse(body []byte) (*api.Response, error) {
	if !jsonscan.Valid(body) || !jsonscan.Texts(body) {
		return nil, errors.New("the answer is not valid JSON")
	}
	resp := &api.Response{Source: api.Chat}
	var choices []byte
	var beside sources
	err := object(body, func(key string, value []byte) error {
		switch key {
		case "id":
			resp.ID = textOf(value)
		case "model":
			resp.Model = textOf(value)
		case "created":
			resp.Created = seconds(value)
		case "usage":
			resp.Usage = openai.Usage(value, api.Usage{})
		case "service_tier":
			resp.ServiceTier = textOf(value)
		case "choices":
			choices = value
		case "citations", "search_results":
			beside.member(key, value)
		case "error":
			if failed(value) {
				return errors.New(streamError(value).Message)
			}
		}
		return nil
	})
	if err == nil && null(choices) {
		err = at("choices", expected("a list of answers"))
	}
	if err != nil {
		return nil, err
	}
	err = array(choices, func(i int, raw []byte) error {
		c, err := choice(resp.ID, i, raw)
		beside.cite(c.Parts)
		resp.Choices = append(resp.Choices, c)
		return err
	})
	if err == nil && len(resp.Choices) == 0 {
		err = expected("at least one answer")
	}
	return resp, at("choices", err)
}

// seconds is a time in whole seconds; some servers add a fraction.
func seconds(raw []byte) int64 {
	whole, _, _ := strings.Cut(string(raw), ".")
	n, _ := strconv.ParseInt(whole, 10, 64)
	return n
}

// callID makes up the id of a call that came without one. The same call of the
// same answer always gets the same one.
func callID(answer string, choice, index int) string {
	if answer == "" {
		answer = rand.Text()
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d/%d", answer, choice, index))
	return "call_" + hex.EncodeToString(sum[:12])
}

func choice(id string, i int, raw []byte) (c api.Choice, err error) {
	reason := ""
	err = object(raw, func(key string, value []byte) error {
		switch key {
		case "message":
			m, err := readMessage(value)
			if err != nil {
				return err
			}
			c.Parts, err = m.assistant(func(call int) string { return callID(id, i, call) })
			return err
		case "finish_reason":
			return text(value, &reason)
		case "stop_reason":
			// vLLM: the text of `stop` that was met.
			c.StopSequence = textOf(value)
		case "logprobs":
			c.Logprobs = kept(value)
		case "error":
			if failed(value) {
				return errors.New(streamError(value).Message)
			}
		}
		return nil
	})
	if _, yes := broken(reason); err == nil && yes {
		err = at("finish_reason", errors.New(strconv.Quote(reason)))
	}
	called, refused := false, false
	for i := range c.Parts {
		called = called || c.Parts[i].Kind == api.ToolCall
		refused = refused || c.Parts[i].Kind == api.Refusal
	}
	c.Finish = finish(reason, called, refused)
	if c.StopSequence != "" && reason != "stop" {
		c.StopSequence = ""
	} else if c.StopSequence != "" && c.Finish == api.FinishStop {
		c.Finish = api.FinishStopSequence
	}
	return c, err
}
