// Package api names the wire formats that Plexus speaks, and defines the neutral
// one through which each of them becomes any other: Request, Response and Event.
// What the neutral form can say is the union of what the wire formats can; each
// of these has a package beside this one, with a Codec that reads and writes it.
//
//	request:  client → DecodeRequest    → Request  → EncodeRequest    → target
//	answer:   target → DecodeResponse   → Response → EncodeResponse   → client
//	stream:   target → NewStreamDecoder → Event    → NewStreamEncoder → client
//
// A Response told in events is Response.Emit, events gathered into a Response an
// Accumulator. Data that only its vendor understands travels through the clients
// of others under a seal: see Seal.
//
// Besides it holds what the formats have in common: usage in disjoint classes of
// tokens, the signs by which a gateway that relays an answer judges it, and each
// format's own way to say that something failed.
//
// Packages under api know nothing of HTTP serving, Caddy, providers or routing.
package api

import "slices"

// API is a wire format: the shape of a request, of its answer, of the answer's
// stream and of its errors.
type API string

// The wire formats. OpenAI's smaller endpoints are APIs of their own because
// providers that serve chat often lack some of them.
const (
	Chat        API = "chat"        // POST /chat/completions, https://platform.openai.com/docs/api-reference/chat
	Completions API = "completions" // POST /completions
	Responses   API = "responses"   // POST /responses, https://platform.openai.com/docs/api-reference/responses
	Embeddings  API = "embeddings"  // POST /embeddings
	Moderations API = "moderations" // POST /moderations
	Rerank      API = "rerank"      // POST /rerank, as Cohere's, Jina's and vLLM's
	Images      API = "images"      // POST /images/generations and /images/edits
	Audio       API = "audio"       // POST /audio/speech, /audio/transcriptions and /audio/translations
	Messages    API = "messages"    // POST /messages, https://docs.anthropic.com/en/api/messages
	Gemini      API = "gemini"      // POST /models/{model}:{method}, https://ai.google.dev/api/generate-content
)

// All lists every API, in the order in which documents and messages name them.
var All = []API{Chat, Completions, Responses, Messages, Gemini, Embeddings, Moderations, Rerank, Images, Audio}

// Known tells whether a is one of the APIs that Plexus speaks.
func (a API) Known() bool { return slices.Contains(All, a) }

// OpenAICompatible lists the APIs that a bare OpenAI-compatible base URL stands
// for. Responses is not among them: most servers that call themselves
// OpenAI-compatible do not have it.
var OpenAICompatible = []API{Chat, Completions, Embeddings, Moderations, Images, Audio}
