package plexus

import (
	"bytes"

	"github.com/cespare/xxhash/v2"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// What may tell one conversation from another.
const (
	ByPrefix = "prefix" // what stays the same through all of it
	ByUser   = "user"   // what the client calls the user, or the prompt's cache
	ByHeader = "header" // a header of the request
)

// Affinity is a key that the requests of a conversation have in common, by its
// prefix, user or header, and whether there is one. It is the same in every process.
// It is worked out when it is asked for, from the body as it came, which takes as
// long as passing over that once.
func (s *Selection) Affinity(by, header string) (key uint64, known bool) {
	if s.of == nil {
		return 0, false
	}
	return s.of.affinity(by, header)
}

// affinity is that of the request. The exchange keeps it.
func (x *exchange) affinity(by, header string) (key uint64, known bool) {
	switch by {
	case ByHeader:
		if value := x.r.Header.Get(header); value != "" {
			key, known = xxhash.Sum64String(value), true
		}
	case ByUser:
		if x.req.boundary == "" {
			key, known = userKey(x.req.body)
		}
	}
	if !known && x.req.boundary == "" {
		key, known = prefixKey(x.op.api, x.req.body)
	}
	x.conversation = key
	return key, known
}

// userMembers are where OpenAI's APIs say who asks, or rather which prompts are to
// share a cache: prompt_cache_key is made for that, and took the place of user
// together with safety_identifier.
// https://platform.openai.com/docs/api-reference/responses/create
var userMembers = [...]string{"prompt_cache_key", "user", "safety_identifier"}

// userKey is made of what the client calls the user. In messages that is
// metadata.user_id, in which Claude Code has its session.
// https://docs.anthropic.com/en/api/messages
func userKey(body []byte) (key uint64, known bool) {
	best := len(userMembers) + 1
	it := jsonscan.Object(body)
	for it.Next() {
		rank, value := len(userMembers), it.Value()
		if string(it.Key) == "metadata" {
			value = jsonscan.Member(value, "user_id")
		} else {
			rank = userRank(it.Key)
		}
		if text := inside(value); rank < best && len(text) > 0 {
			best, key, known = rank, xxhash.Sum64(text), true
		}
	}
	return key, known
}

func userRank(member []byte) int {
	for rank, name := range userMembers {
		if string(member) == name {
			return rank
		}
	}
	return len(userMembers) + 1
}

// inside is what stands between the quotes of a JSON string, as it is written; nil
// of anything else.
func inside(raw []byte) []byte {
	if len(raw) < 2 || raw[0] != '"' {
		return nil
	}
	return raw[1 : len(raw)-1]
}

// opening says where an API has the opening of a conversation: what comes before
// all messages, and the messages.
type opening struct {
	before, messages string
	// unnamed says that a message without a role is the user's.
	unnamed bool
	// following says that messages that follow the user's first one at once
	// belong to the opening: before the prompt Codex sends one with its
	// surroundings, which is the same for all conversations in a folder.
	following bool
}

var openings = map[api.API]opening{
	api.Chat:      {messages: "messages"},
	api.Messages:  {before: "system", messages: "messages"},
	api.Gemini:    {before: "systemInstruction", messages: "contents", unnamed: true},
	api.Responses: {before: "instructions", messages: "input", following: true},
}

// prefixKey is made of what stays the same through a conversation: the texts of the
// system prompt and of all messages up to the first one of the user. Only texts
// count, wherever they stand: between two turns clients move marks for the cache,
// and write a text as a list of parts, to have a place for a mark, or no more.
func prefixKey(a api.API, body []byte) (key uint64, known bool) {
	if a == api.Completions {
		return promptKey(body)
	}
	opening, ok := openings[a]
	if !ok {
		return 0, false
	}
	var before, messages []byte
	it := jsonscan.Object(body)
	for (before == nil && opening.before != "" || messages == nil) && it.Next() {
		switch string(it.Key) {
		case "system_instruction": // protobuf's JSON takes either
			if a == api.Gemini {
				before = it.Value()
			}
		case opening.before:
			before = it.Value()
		case opening.messages:
			messages = it.Value()
		}
	}
	var p prefix
	p.hash.Reset()
	p.texts(before, maxPartDepth)
	if inside(messages) != nil {
		p.texts(messages, maxPartDepth)
	} else {
		p.messages(messages, &opening)
	}
	return p.hash.Sum64(), p.found
}

// promptKey is made of the first bytes of a prompt, which grows with each turn.
func promptKey(body []byte) (key uint64, known bool) {
	prompt := jsonscan.Member(body, "prompt")
	if list := jsonscan.Array(prompt); list.Next() && inside(list.Value()) != nil {
		prompt = list.Value()
	}
	if text := inside(prompt); text != nil {
		prompt = text
	}
	const most = 256
	prompt = prompt[:min(len(prompt), most)]
	return xxhash.Sum64(prompt), len(prompt) > 0
}

// prefix gathers the texts of the opening of a conversation.
type prefix struct {
	hash  xxhash.Digest
	found bool
}

// messages takes the texts up to the first message of the user.
func (p *prefix) messages(list []byte, of *opening) {
	user := false
	it := jsonscan.Array(list)
	for it.Next() {
		var role, said []byte
		message := jsonscan.Object(it.Value())
		for message.Next() {
			switch string(message.Key) {
			case "role":
				role = inside(message.Value())
			case "content", "parts":
				said = message.Value()
			}
		}
		asked := string(role) == "user" || role == nil && of.unnamed
		if user && !asked && string(role) != "developer" && string(role) != "system" {
			return
		}
		p.texts(said, maxPartDepth)
		if user = user || asked; user && !of.following {
			return
		}
	}
}

// maxPartDepth is how deep texts stand in a message: in an array's part's result's
// array's part. A body that nests its parts deeper shall not be gone over for every
// level of them.
const maxPartDepth = 5

// texts takes a text, or those of parts of a message.
func (p *prefix) texts(raw []byte, depth int) {
	if len(raw) == 0 || depth == 0 {
		return
	}
	switch raw[0] {
	case '"':
		p.text(inside(raw))
	case '[':
		it := jsonscan.Array(raw)
		for it.Next() {
			p.texts(it.Value(), depth-1)
		}
	case '{':
		it := jsonscan.Object(raw)
		for it.Next() {
			switch string(it.Key) {
			case "text", "content", "parts":
				p.texts(it.Value(), depth-1)
			}
		}
	}
}

// billing is how Claude Code's system prompt begins, with a checksum that is another
// one in every request.
// https://github.com/anthropics/claude-code/issues/68900
var billing = []byte("x-anthropic-billing-header:")

func (p *prefix) text(text []byte) {
	if bytes.HasPrefix(text, billing) {
		_, text, _ = bytes.Cut(text, []byte(`\n`))
	}
	if len(text) == 0 {
		return
	}
	p.found = true
	_, _ = p.hash.Write(text)         // it cannot fail
	_, _ = p.hash.Write([]byte{0xff}) // which no text holds
}
