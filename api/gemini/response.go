package gemini

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// DecodeResponse implements api.Codec.
func (Codec) DecodeResponse(body []byte) (*api.Response, error) {
	if err := valid(body); err != nil {
		return nil, err
	}
	d := &decoder{answers: true}
	f := d.object(body, "")
	resp := &api.Response{
		Source:  api.Gemini,
		ID:      f.text("responseId"),
		Model:   f.text("modelVersion"),
		Created: created(f.take("createTime")),
		Usage:   readUsage(f.take("usageMetadata"), api.Usage{}),
	}
	ids := answerIDs(resp.ID)
	f.each("candidates", func(raw json.RawMessage, path string) { d.candidate(resp, raw, path, ids) })
	if feedback := f.object("promptFeedback"); len(resp.Choices) == 0 && feedback.has("blockReason") {
		resp.Choices = []api.Choice{{Finish: api.FinishContentFilter}}
	}
	if d.err != nil {
		return nil, d.err
	}
	return resp, nil
}

// created is the time of an answer, which Vertex AI tells.
func created(raw json.RawMessage) int64 {
	s, _ := jsonscan.String(raw)
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t.Unix()
	}
	return 0
}

// maxIndex is how many candidates an answer may have; Google gives up to eight.
const maxIndex = 128

func (d *decoder) candidate(resp *api.Response, raw json.RawMessage, path, ids string) {
	f := d.object(raw, path)
	// An index is left out where it is 0.
	index, ok := f.whole("index")
	if !ok || index < 0 || index >= maxIndex {
		index = int64(len(resp.Choices))
	}
	for int64(len(resp.Choices)) <= index {
		resp.Choices = append(resp.Choices, api.Choice{})
	}
	choice := &resp.Choices[index]
	calls := false
	f.object("content").each("parts", func(raw json.RawMessage, path string) {
		part := d.answerPart(raw, path, ids)
		calls = calls || part.Kind == api.ToolCall
		choice.Parts = append(choice.Parts, part)
	})
	choice.Finish = finishOf(f.text("finishReason"), calls)
	choice.Logprobs = chatLogprobs(f.take("logprobsResult"))
	cite(choice, f.take("groundingMetadata"), f.take("citationMetadata"))
}

// answerPart reads a part of an answer, whose calls get ids that no other
// answer's have.
func (d *decoder) answerPart(raw json.RawMessage, path, ids string) api.Part {
	before := d.counter
	part := d.part(raw, path)
	if part.Call != nil && d.counter > before {
		part.Call.ID = ids + strconv.Itoa(d.counter)
	}
	return part
}

// cite gives the sources to the last text. Their bounds are those of the whole
// answer's text.
func cite(choice *api.Choice, groundingRaw, citationRaw json.RawMessage) {
	text, starts, last := "", make([]int64, len(choice.Parts)), -1
	for i := range choice.Parts {
		starts[i] = int64(len(text))
		if choice.Parts[i].Kind == api.Text {
			text += choice.Parts[i].Text
			last = i
		}
	}
	if last < 0 || !hasSources(groundingRaw) && !hasSources(citationRaw) {
		return
	}
	choice.Parts[last].Citations = citations(groundingRaw, citationRaw, text, func(part int) int64 {
		if part < 0 || part >= len(starts) {
			return 0
		}
		return starts[part]
	})
}

// EncodeResponse implements api.Codec.
func (Codec) EncodeResponse(resp *api.Response, req *api.Request) ([]byte, error) {
	var o object
	var candidates []byte
	for i := range resp.Choices {
		candidates = append(append(candidates, ','), candidateOf(&resp.Choices[i], i)...)
	}
	o.add("candidates", asList(candidates))
	o.addUsage(resp.Usage)
	model := resp.Model
	if model == "" && req != nil {
		model = req.Model
	}
	o.optional("modelVersion", model)
	if resp.Created != 0 {
		o.text("createTime", time.Unix(resp.Created, 0).UTC().Format(time.RFC3339Nano))
	}
	o.optional("responseId", resp.ID)
	return o.end(), nil
}

func candidateOf(choice *api.Choice, index int) json.RawMessage {
	var parts []byte
	var sources []cited
	text := ""
	for i := range choice.Parts {
		part := &choice.Parts[i]
		from := len(text)
		if part.Kind == api.Text {
			text += part.Text
		}
		for _, c := range part.Citations {
			sources = append(sources, cited{c, from, len(text)})
		}
		if raw := answerPart(part); raw != nil {
			parts = append(append(parts, ','), raw...)
		}
	}
	var content, o object
	if len(parts) > 0 {
		content.add("parts", asList(parts))
	}
	content.text("role", "model")
	o.add("content", content.end())
	o.text("finishReason", finishReason(choice.Finish))
	o.addCitations(sources, text)
	if logprobs := logprobsResult(choice.Logprobs); logprobs != nil {
		o.add("logprobsResult", logprobs)
	}
	o.whole("index", int64(index))
	return o.end()
}

// answerPart writes a part of an answer; nil where a client of this format has
// no use for it.
func answerPart(part *api.Part) []byte {
	signature := clientSignature(part.Vendor, part.Signature, part.Redacted)
	native := part.Source == api.Gemini && len(part.Raw) > 0
	switch {
	case native:
		return appendOneLine(nil, part.Raw)
	case part.Kind == api.Text || part.Kind == api.Refusal || part.Kind == api.Thinking:
		return appendText(nil, api.Quote(part.Text), part.Kind == api.Thinking, signature)
	case part.Kind == api.ToolCall && part.Call != nil:
		return appendCall(nil, clientID(part.Call.ID), part.Call, signature)
	case part.Media != nil:
		return appendMedia(nil, part.Kind, part.Media, true, signature)
	}
	return nil
}

// clientID is the id of a call as the client gets it: none where Google gave none.
func clientID(id string) string {
	if len(id) >= len(madeUp) && id[:len(madeUp)] == madeUp {
		return ""
	}
	return id
}
