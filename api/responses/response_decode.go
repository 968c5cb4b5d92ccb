package responses

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/openai"
)

// answer is a response as it stands in a body or in an event.
type answer struct {
	id, model, tier string
	created         int64
	status, reason  string
	failure         json.RawMessage
	output          json.RawMessage
	usage           json.RawMessage
}

func readAnswer(raw []byte) (a answer, err error) {
	err = members(raw, func(key string, value json.RawMessage) error {
		switch key {
		case "id":
			return readText(value, &a.id)
		case "model":
			return readText(value, &a.model)
		case "status":
			return readText(value, &a.status)
		case "created_at":
			a.created = seconds(value)
		case "service_tier":
			a.tier, _ = jsonscan.String(value)
		case "incomplete_details":
			a.reason, _ = jsonscan.String(jsonscan.Member(value, "reason"))
		case "error":
			a.failure = value
		case "output":
			a.output = value
		case "usage":
			a.usage = value
		}
		return nil
	})
	return a, err
}

// seconds is a time in whole seconds; some servers add a fraction.
func seconds(raw []byte) int64 {
	whole, _, _ := strings.Cut(string(raw), ".")
	n, _ := strconv.ParseInt(whole, 10, 64)
	return n
}

// failed is the error of a response that has failed. A cancelled one was the work
// of somebody else, and is no answer either.
func (a *answer) failed() *api.Error {
	if !api.Empty(a.failure) {
		return streamError(a.failure)
	}
	switch a.status {
	case "failed":
		return &api.Error{Status: http.StatusBadGateway, Message: "The provider's response has failed, and it does not say why."}
	case "cancelled":
		return &api.Error{Status: http.StatusBadGateway, Message: "The provider's response has been cancelled."}
	}
	return nil
}

// DecodeResponse implements api.Codec.
func (Codec) DecodeResponse(body []byte) (*api.Response, error) {
	if !json.Valid(body) {
		return nil, errors.New("the answer is not valid JSON")
	}
	// The answer outlives the body's buffer, whose bytes it points to.
	a, err := readAnswer(bytes.Clone(body))
	if err != nil {
		return nil, err
	}
	if failure := a.failed(); failure != nil {
		return nil, fmt.Errorf("the provider reports an error: %s", failure.Message)
	}
	if a.output == nil {
		return nil, in("output", expected("a list of items"))
	}
	resp := &api.Response{
		Source: api.Responses, ID: a.id, Model: a.model, Created: a.created,
		Usage: openai.Usage(a.usage, api.Usage{}), ServiceTier: a.tier,
	}
	choice, err := decodeOutput(a.id, a.output)
	if err != nil {
		return nil, in("output", err)
	}
	if len(choice.Parts) == 0 && (a.status == "queued" || a.status == "in_progress") {
		return nil, in("status", errors.New("the answer is not there yet: "+a.status))
	}
	called, refused := false, false
	for i := range choice.Parts {
		called = called || choice.Parts[i].Kind == api.ToolCall
		refused = refused || choice.Parts[i].Kind == api.Refusal
	}
	choice.Finish = finishOf(a.status, a.reason, called, refused)
	resp.Choices = []api.Choice{choice}
	return resp, nil
}

func decodeOutput(id string, output json.RawMessage) (choice api.Choice, err error) {
	var characters int64
	var logprobs buffer
	err = elements(output, func(_ int, raw json.RawMessage) error {
		it, err := decodeItem(raw, true)
		if err != nil {
			return err
		}
		for i := range it.parts {
			part := &it.parts[i]
			switch part.Kind {
			case api.ToolCall:
				if part.Call.ID == "" {
					part.Call.ID = callID(id, len(choice.Parts)+i)
				}
			case api.Text:
				shift(part.Citations, characters)
				characters += int64(utf8.RuneCountInString(part.Text))
			}
		}
		choice.Parts = append(choice.Parts, it.parts...)
		logprobs.logprobs(raw)
		return nil
	})
	if len(logprobs) > 0 {
		choice.Logprobs = []byte(`{"content":[` + string(logprobs) + `],"refusal":null}`)
	}
	return choice, err
}

// callID makes up the id of a call that came without one. The same call of the
// same answer always gets the same one.
func callID(answer string, part int) string {
	return api.CallID(answer + "/" + strconv.Itoa(part))
}

// logprobs takes the probabilities of a message's tokens, of which each is as in
// chat.
func (b *buffer) logprobs(item json.RawMessage) {
	contents := jsonscan.Array(jsonscan.Member(item, "content"))
	for contents.Next() {
		list := jsonscan.Member(contents.Value(), "logprobs")
		if !isArray(list) {
			continue
		}
		tokens := jsonscan.Array(list)
		for tokens.Next() {
			b.element(tokens.Value())
		}
	}
}
