package chat

import (
	"crypto/rand"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/caddy-plexus/plexus/api"
)

// EncodeResponse implements api.Codec.
func (Codec) EncodeResponse(resp *api.Response, req *api.Request) ([]byte, error) {
	w := answerWriter{req: req}
	w.b = make([]byte, 0, room+length(resp))
	w.open()
	id, created, model := identity(resp.ID, resp.Created, resp.Model, req)
	w.text("id", id)
	w.text("object", "chat.completion")
	w.integer("created", created)
	w.text("model", model)
	w.begin("choices", '[')
	for i := range resp.Choices {
		w.choice(i, &resp.Choices[i])
	}
	w.close(']')
	if resp.Usage.Known {
		w.usage(resp.Usage)
	}
	if resp.Source.Vendor() == vendor {
		w.some("service_tier", resp.ServiceTier)
	}
	w.close('}')
	return w.b, nil
}

// room is what an answer takes beside its texts.
const room = 512

// length is about how long the texts are.
func length(resp *api.Response) (bytes int) {
	for i := range resp.Choices {
		bytes += size(resp.Choices[i].Parts)
	}
	return bytes
}

// identity completes what every chunk and answer has to have.
func identity(id string, created int64, model string, req *api.Request) (string, int64, string) {
	if id == "" {
		id = "chatcmpl-" + rand.Text()
	}
	if created == 0 {
		created = time.Now().Unix()
	}
	if model == "" {
		model = req.Model
	}
	return id, created, model
}

type answerWriter struct {
	writer
	req *api.Request
}

// answer is a choice's parts, sorted as a message has them.
type answer struct {
	text, thought, refusal strings.Builder
	calls, thoughts        []*api.Part
	images                 []*api.Part
	audio                  *api.Part
	signature              *api.Part // a text with one
	citations              []api.Citation
	signed                 bool
	characters             int64 // of text
}

func (a *answer) add(p *api.Part) {
	switch p.Kind {
	case api.Text:
		start := a.characters
		a.text.WriteString(p.Text)
		a.characters += int64(utf8.RuneCountInString(p.Text))
		for _, c := range p.Citations {
			// What is said of no place in particular is said of this text.
			if c.Start == 0 && c.End == 0 {
				c.Start, c.End = start, a.characters
			}
			a.citations = append(a.citations, c)
		}
		if p.Signature != "" {
			a.signature = p
		}
	case api.Thinking:
		a.thought.WriteString(p.Text)
		a.thoughts = append(a.thoughts, p)
		a.signed = a.signed || p.Signature != ""
	case api.Refusal:
		a.refusal.WriteString(p.Text)
	case api.ToolCall:
		a.calls = append(a.calls, p)
	case api.Image:
		a.images = append(a.images, p)
	case api.Sound:
		a.audio = p
	}
}

func (w *answerWriter) choice(i int, c *api.Choice) {
	var a answer
	for p := range c.Parts {
		a.add(&c.Parts[p])
	}
	w.open()
	w.integer("index", int64(i))
	w.begin("message", '{')
	w.message(&a)
	w.close('}')
	logprobs := c.Logprobs
	if len(logprobs) == 0 {
		logprobs = []byte("null")
	}
	w.raw("logprobs", logprobs)
	w.text("finish_reason", finishReason(c.Finish, a.refusal.Len() > 0, w.req.Functions))
	w.close('}')
}

func (w *answerWriter) message(a *answer) {
	w.text("role", "assistant")
	if a.text.Len() > 0 || len(a.calls) == 0 && a.refusal.Len() == 0 && a.audio == nil {
		w.text("content", a.text.String())
	} else {
		w.raw("content", []byte("null"))
	}
	if a.refusal.Len() > 0 {
		w.text("refusal", a.refusal.String())
	} else {
		w.raw("refusal", []byte("null"))
	}
	w.some("reasoning_content", a.thought.String())
	if a.signed {
		w.begin("reasoning_details", '[')
		for i, p := range a.thoughts {
			w.detail(p, sealed(p, vendor), i)
		}
		w.close(']')
	}
	w.annotations(a.citations)
	w.calls(a.calls)
	if a.audio != nil {
		w.audio(a.audio)
	}
	if len(a.images) > 0 {
		w.begin("images", '[')
		for i, p := range a.images {
			w.image(p, i)
		}
		w.close(']')
	}
	if a.signature != nil {
		w.google(sealed(a.signature, api.Google))
	}
}

// sealed is a part's signature for a place where native is whose signatures need
// no seal.
func sealed(p *api.Part, native api.Vendor) string {
	if p.Vendor == native || p.Vendor == "" {
		return p.Signature
	}
	return api.Seal(p.Vendor, p.Signature)
}

func (w *answerWriter) annotations(citations []api.Citation) {
	start := len(w.b)
	w.begin("annotations", '[')
	list := len(w.b)
	for i := range citations {
		w.citation(&citations[i])
	}
	if len(w.b) == list {
		w.b = w.b[:start]
		return
	}
	w.close(']')
}

// citation writes an annotation; chat has none for what is not on the web.
func (w *writer) citation(c *api.Citation) {
	if c.Source == api.Chat && len(c.Raw) > 0 {
		w.element(c.Raw)
		return
	}
	if c.URL == "" {
		return
	}
	w.open()
	w.text("type", "url_citation")
	w.begin("url_citation", '{')
	w.integer("start_index", c.Start)
	w.integer("end_index", c.End)
	w.text("title", c.Title)
	w.text("url", c.URL)
	w.b = append(w.b, `}}`...)
}

// calls writes tool_calls, or for a client of the old kind the one call for
// which it has room.
func (w *answerWriter) calls(calls []*api.Part) {
	if len(calls) == 0 {
		return
	}
	if w.req.Functions {
		w.begin("function_call", '{')
		w.text("name", calls[0].Call.Name)
		w.text("arguments", arguments(calls[0].Call))
		w.close('}')
		return
	}
	w.begin("tool_calls", '[')
	for _, p := range calls {
		c := *p.Call
		if isCustom(w.req, c.Name) && !c.Custom {
			c.Custom, c.Arguments = true, api.UnwrapCustom(c.Arguments)
		}
		w.open()
		w.text("id", c.ID)
		w.callBody(&c, c.Custom)
		w.google(sealed(p, api.Google))
		w.close('}')
	}
	w.close(']')
}

func arguments(c *api.Call) string {
	if c.Arguments == "" {
		return "{}"
	}
	return c.Arguments
}

func (w *writer) audio(p *api.Part) {
	if p.Source == api.Chat && len(p.Raw) > 0 {
		w.raw("audio", p.Raw)
		return
	}
	if p.Media == nil {
		return
	}
	w.begin("audio", '{')
	w.text("id", "audio_"+rand.Text())
	w.text("data", p.Media.Data)
	w.integer("expires_at", 0)
	w.text("transcript", p.Text)
	w.close('}')
}

// image writes an image that the model made, which OpenAI's chat does not do:
// https://openrouter.ai/docs/features/multimodal/image-generation.
func (w *writer) image(p *api.Part, index int) {
	if p.Media == nil {
		return
	}
	w.open()
	w.text("type", "image_url")
	w.begin("image_url", '{')
	w.url("url", p.Media, "image/png")
	w.close('}')
	w.integer("index", int64(index))
	w.close('}')
}

// usage writes OpenAI's usage, in which the prompt includes what caches served
// and the completion what was thought.
func (w *writer) usage(u api.Usage) {
	prompt := u.Input + u.CacheRead + u.CacheWrite
	w.begin("usage", '{')
	w.integer("prompt_tokens", prompt)
	w.integer("completion_tokens", u.Generated())
	w.integer("total_tokens", prompt+u.Generated())
	w.begin("prompt_tokens_details", '{')
	w.integer("cached_tokens", u.CacheRead)
	if n := u.Audio.Input + u.Audio.CacheRead; n > 0 {
		w.integer("audio_tokens", n)
	}
	if u.CacheWrite > 0 {
		w.integer("cache_write_tokens", u.CacheWrite) // OpenRouter's name
	}
	w.close('}')
	w.begin("completion_tokens_details", '{')
	w.integer("reasoning_tokens", u.Reasoning)
	if u.Audio.Output > 0 {
		w.integer("audio_tokens", u.Audio.Output)
	}
	w.b = append(w.b, `}}`...)
}
