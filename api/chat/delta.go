package chat

import (
	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// change is what a chunk adds to an answer, taken apart; nil what it does not say.
type change struct {
	content, plain, details, refusal, calls, function, annotations, images, audio, extra []byte

	others bool // it says more than a content
}

func readChange(raw []byte) (c change) {
	it := jsonscan.Object(raw)
	for it.Next() {
		value := it.Value()
		if api.Empty(value) {
			continue
		}
		switch string(it.Key) {
		case "content":
			c.content = value
		case "reasoning_content", "reasoning", "reasoning_text":
			c.plain = value
		case "reasoning_details":
			c.details = value
		case "refusal":
			c.refusal = value
		case "tool_calls":
			c.calls = value
		case "function_call":
			c.function = value
		case "annotations":
			c.annotations = value
		case "images":
			c.images = value
		case "audio":
			c.audio = value
		case "extra_content":
			c.extra = value
		}
		c.others = c.others || string(it.Key) != "content"
	}
	return c
}

// delta reads what a chunk adds to an answer. Reasoning goes first and calls go
// last, wherever they stand in the chunk.
func (c *choiceState) delta(raw []byte) {
	if null(raw) {
		return
	}
	change := readChange(raw)
	c.d.others = c.d.others || change.others
	if change.plain != nil || change.details != nil {
		c.reasoning(change.plain, change.details)
	}
	if change.content != nil {
		c.content(change.content)
	}
	c.refusal(change.refusal)
	if change.extra != nil {
		c.signText(googleSignature(change.extra))
	}
	if change.annotations != nil {
		c.annotations(change.annotations)
	}
	if change.images != nil {
		c.media(change.images)
	}
	if change.audio != nil {
		c.speech(change.audio)
	}
	if change.calls != nil {
		c.toolCalls(change.calls)
	}
	if change.function != nil {
		c.legacyCall(change.function)
	}
}

// content reads a text, or a list of texts and thoughts as Mistral has it.
func (c *choiceState) content(raw []byte) {
	if raw[0] == '"' {
		c.d.text, c.d.speaker = raw, c
		c.piece(c.begin(api.Text, tailNone), raw)
		return
	}
	it := jsonscan.Array(raw)
	for it.Next() {
		c.contentPart(it.Value(), api.Text)
	}
}

// contentPart reads an element of a list. Whatever it calls itself, its text is
// one.
func (c *choiceState) contentPart(raw []byte, kind api.Kind) {
	if raw[0] == '"' {
		c.words(kind, raw)
		return
	}
	switch textOf(jsonscan.Member(raw, "type")) {
	case "thinking":
		thoughts := jsonscan.Member(raw, "thinking")
		c.words(api.Thinking, thoughts)
		it := jsonscan.Array(thoughts)
		for it.Next() {
			c.contentPart(it.Value(), api.Thinking)
		}
	case "refusal":
		c.refusal(jsonscan.Member(raw, "refusal"))
	case "image_url":
		c.image(raw)
	default:
		c.words(kind, jsonscan.Member(raw, "text"))
	}
}

// words sends a piece of a text, if raw is one.
func (c *choiceState) words(kind api.Kind, raw []byte) {
	if !api.Empty(raw) && raw[0] == '"' {
		c.piece(c.begin(kind, tailNone), raw)
	}
}

func (c *choiceState) refusal(raw []byte) {
	if !api.Empty(raw) && raw[0] == '"' {
		c.refused = true
		c.words(api.Refusal, raw)
	}
}

// reasoning reads both places of reasoning in a chunk. Where both tell a text it
// is the same one. A stream that tells it outside of the details may repeat it
// in them, piece by piece or, with the signature, as a whole.
func (c *choiceState) reasoning(plain, details []byte) {
	if plain != nil && plain[0] == '"' {
		c.plain = true
		c.piece(c.begin(api.Thinking, tailNone), plain)
	}
	it := jsonscan.Array(details)
	for details != nil && it.Next() {
		c.detail(it.Value())
	}
}

func (c *choiceState) detail(raw []byte) {
	var kind string
	var words, signature []byte
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "type":
			kind = textOf(it.Value())
		case "text", "summary":
			words = it.Value()
		case "signature", "data":
			signature = it.Value()
		}
	}
	if !c.plain && !api.Empty(words) && words[0] == '"' {
		c.piece(c.begin(api.Thinking, tailNone), words)
	}
	if c.open != none && c.kind == api.Thinking {
		c.summary = c.summary || kind == detailSummary
	}
	if !api.Empty(signature) && signature[0] == '"' {
		c.signThought(kind, textOf(signature), textOf(jsonscan.Member(raw, "id")))
	}
}

// signThought signs the reasoning that is open, or stands for reasoning that is
// hidden. OpenAI encrypts what it summed up, Anthropic what it does not tell.
func (c *choiceState) signThought(kind, signature, id string) {
	v, signature := api.Unseal(signature, vendor)
	open := c.open != none && c.kind == api.Thinking && c.tail == tailNone
	if open && (kind != detailEncrypted || c.summary && v == vendor) {
		c.tail = tailSigned
		c.sign(c.open, api.Thinking, v, signature)
		return
	}
	c.end()
	c.d.content = api.Part{
		Kind: api.Thinking, Signature: signature, Vendor: v, ID: id,
		Redacted: kind == detailEncrypted && v == api.Anthropic,
	}
	c.event(api.PartEnd, c.next())
}

// signText signs the text, even an empty one: Google's last chunk may have
// nothing else.
func (c *choiceState) signText(signature string) {
	if signature == "" {
		return
	}
	v, signature := api.Unseal(signature, api.Google)
	part := c.begin(api.Text, tailNone)
	c.tail = tailSigned
	c.sign(part, api.Text, v, signature)
}

func (c *choiceState) annotations(raw []byte) {
	it := jsonscan.Array(raw)
	for it.Next() {
		if found := citation(it.Value()); jsonscan.Texts(it.Value()) {
			c.cite(found)
		}
	}
}

func (c *choiceState) cite(found api.Citation) {
	part := c.begin(api.Text, tailCited)
	c.tail, c.cited = tailCited, true
	c.d.ev.Citation = &found
	c.event(api.CitationEvent, part)
	c.d.ev.Citation = nil
}

// media reads OpenRouter's images.
func (c *choiceState) media(raw []byte) {
	it := jsonscan.Array(raw)
	for it.Next() {
		c.image(it.Value())
	}
}

func (c *choiceState) image(raw []byte) {
	part, err := reference("image_url", jsonscan.Member(raw, "image_url"))
	if err != nil {
		return
	}
	c.end()
	c.d.content = part
	c.event(api.PartEnd, c.next())
}
