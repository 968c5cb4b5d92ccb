package messages

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// DecodeResponse implements api.Codec.
func (Codec) DecodeResponse(body []byte) (*api.Response, error) {
	resp := &api.Response{Source: api.Messages}
	var choice api.Choice
	var kind, reason string
	given := false
	err := members(body, func(key string, raw []byte) (err error) {
		switch key {
		case "type":
			return text(raw, &kind)
		case "id":
			return text(raw, &resp.ID)
		case "model":
			return text(raw, &resp.Model)
		case "content":
			given = true
			choice.Parts, err = (&blockDecoder{}).content(raw)
		case "stop_reason":
			return text(raw, &reason)
		case "stop_sequence":
			return text(raw, &choice.StopSequence)
		case "usage":
			resp.Usage = tokens(raw, resp.Usage)
			resp.ServiceTier, resp.Extra = moreUsage(raw, resp.Extra)
		case "role":
		default:
			resp.Extra = extra(resp.Extra, key, raw)
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case kind == "error" || !given:
		if _, message := readError(body); message != "" {
			return nil, fmt.Errorf("the provider reports an error: %s", message)
		}
		return nil, in("content", expected("a list of blocks"))
	}
	calls := false
	for i := range choice.Parts {
		calls = unwrap(&choice.Parts[i]) || calls
	}
	choice.Finish = finishOf(reason, calls)
	resp.Choices = []api.Choice{choice}
	return resp, nil
}

// valueOf is the answer in an input of valueTool, or what there is of one that the
// limit of tokens cut off.
func valueOf(input []byte) string {
	if value := jsonscan.Member(input, jsonValue); value != nil {
		return string(value)
	}
	_, rest, _ := bytes.Cut(input, []byte{':'})
	return string(bytes.TrimSpace(rest))
}

// unwrap turns the call that stands for structured output into the answer's
// text, and tells whether the part is a call.
func unwrap(p *api.Part) bool {
	if p.Kind != api.ToolCall {
		return false
	}
	switch p.Call.Name {
	case jsonTool:
		*p = api.Part{Kind: api.Text, Text: p.Call.Arguments}
	case valueTool:
		*p = api.Part{Kind: api.Text, Text: valueOf([]byte(p.Call.Arguments))}
	default:
		return true
	}
	return false
}

// EncodeResponse implements api.Codec.
func (Codec) EncodeResponse(resp *api.Response, req *api.Request) ([]byte, error) {
	var choice api.Choice
	if len(resp.Choices) > 0 {
		choice = resp.Choices[0]
	}
	dst := memberText([]byte{'{'}, "id", messageID(resp.ID))
	dst = memberText(memberText(dst, "type", "message"), "role", "assistant")
	dst = memberText(dst, "model", modelOf(resp.Model, req))
	dst = append(member(dst, "content"), '[')
	calls, refused := false, false
	for i := range choice.Parts {
		dst = appendAnswer(dst, resp.Source, &choice.Parts[i])
		calls = calls || choice.Parts[i].Kind == api.ToolCall
		refused = refused || choice.Parts[i].Kind == api.Refusal
	}
	dst = append(dst, ']')
	dst = memberText(dst, "stop_reason", stopReason(choice.Finish, calls, refused))
	dst = appendStopSequence(dst, choice.StopSequence)
	own := resp.Extra
	if resp.Source != api.Messages {
		own = nil
	}
	dst = appendUsage(member(dst, "usage"), resp.Usage)
	if resp.Source == api.Messages {
		dst = optionalText(dst[:len(dst)-1], "service_tier", resp.ServiceTier)
		dst = append(appendExtra(dst, own, inUsage), '}')
	}
	return append(appendExtra(dst, own, inMessage), '}'), nil
}

func appendStopSequence(dst []byte, s string) []byte {
	if s == "" {
		return memberRaw(dst, "stop_sequence", "null")
	}
	return memberText(dst, "stop_sequence", s)
}

func modelOf(model string, req *api.Request) string {
	if model == "" && req != nil {
		return req.Model
	}
	return model
}

// messageID makes up an id where the provider gave none.
func messageID(id string) string {
	if id != "" {
		return id
	}
	var random [12]byte
	_, _ = rand.Read(random[:]) // never fails
	return "msg_" + hex.EncodeToString(random[:])
}

// appendAnswer writes a part of an answer; pictures and sounds have no block.
func appendAnswer(dst []byte, source api.API, p *api.Part) []byte {
	if p.Source == api.Messages && len(p.Raw) > 0 {
		switch {
		case !json.Valid(p.Raw):
			return dst
		case p.Kind == api.ToolCall: // which a stream tells of before its input
			return append(element(dst), withInput(p.Raw, toolInput(p.Call))...)
		}
		return append(element(dst), p.Raw...)
	}
	switch p.Kind {
	case api.Text, api.Refusal:
		if p.Text == "" {
			if p.Signature != "" && dst[len(dst)-1] != '[' { // it stands on the part before
				dst = appendRedacted(element(dst), ofPrevious+api.Seal(p.Vendor, p.Signature))
			}
			return dst
		}
		dst = appendNext(dst, p.Vendor, p.Signature)
		dst = memberText(append(element(dst), `{"type":"text"`...), "text", p.Text)
		if len(p.Citations) > 0 {
			dst = append(member(dst, "citations"), '[')
			for i := range p.Citations {
				dst = appendCitation(element(dst), &p.Citations[i])
			}
			dst = append(dst, ']')
		}
		return append(dst, '}')
	case api.ToolCall:
		dst = appendNext(dst, p.Vendor, p.Signature)
		return append(appendToolUse(element(dst), api.CallID(p.Call.ID), p.Call), '}')
	case api.Thinking:
		return appendThinking(dst, source, p)
	}
	return dst
}

// appendNext carries the signature of the text or call that follows.
func appendNext(dst []byte, v api.Vendor, signature string) []byte {
	if signature == "" {
		return dst
	}
	return appendRedacted(element(dst), ofNext+api.Seal(v, signature))
}

func appendThinking(dst []byte, source api.API, p *api.Part) []byte {
	signature := signedBy(source, p.Vendor, p.Signature)
	switch {
	case p.Text == "" && p.Signature == "":
		return dst
	case p.Redacted, p.Text == "" && p.Vendor != vendor:
		return appendRedacted(element(dst), signature)
	}
	dst = memberText(append(element(dst), `{"type":"thinking"`...), "thinking", p.Text)
	return append(memberText(dst, "signature", signature), '}')
}
