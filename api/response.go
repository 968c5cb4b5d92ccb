package api

import "encoding/json"

// Response is a whole answer.
type Response struct {
	// Source is the format that the answer came in.
	Source API
	ID     string
	// Model is the provider's name of the model.
	Model string
	// Created is Unix time in seconds; 0 where the format does not say.
	Created int64
	Choices []Choice
	Usage   Usage
	// ServiceTier is what was used, in the source's words.
	ServiceTier string
	// Extra holds the members of the source's body that none of the above
	// stands for, by their paths, such as "container" and
	// "usage.server_tool_use". They go to a client of the same format only.
	Extra map[string]json.RawMessage
}

// Choice is one of the answers.
type Choice struct {
	Parts  []Part
	Finish Finish
	// StopSequence is the text at which the answer stopped, if one did.
	StopSequence string
	// Logprobs is chat's object, as it is; those of other formats are put into
	// its words.
	Logprobs json.RawMessage
}

// Finish is why an answer ended.
type Finish string

// The reasons. An answer that ends with calls ends with FinishToolCalls, whatever
// its format says.
const (
	FinishStop          Finish = "stop"
	FinishStopSequence  Finish = "stop_sequence"
	FinishLength        Finish = "length"
	FinishContextLength Finish = "context_length" // the model's window is full
	FinishToolCalls     Finish = "tool_calls"
	FinishContentFilter Finish = "content_filter" // a filter cut it off
	FinishRefusal       Finish = "refusal"        // the model declined
	FinishPause         Finish = "pause"          // a provider's tool takes longer: send it back to go on
	FinishMalformed     Finish = "malformed"      // a call that could not be parsed
)

// EventKind is what an event says.
type EventKind int

// The events of a stream, in the order in which they may come:
//
//	Start ( PartStart Delta* [Signature] [CitationEvent*] PartEnd | Ping )* Finished* UsageEvent* End
//
// and, instead of everything that is left, ErrorEvent. The deltas of several
// parts may interleave; Part tells them apart. A part of kind Opaque has no
// deltas. Start comes once, and so does End or ErrorEvent; nothing follows them.
const (
	Start         EventKind = iota + 1 // Source, ID, Model, Created, ServiceTier; Usage where it is known already
	PartStart                          // Choice, Part, Content: kind, and a call's id and name
	Delta                              // Choice, Part, Text, Logprobs
	Signature                          // Choice, Part, Content.Signature and Vendor
	CitationEvent                      // Choice, Part, Citation
	PartEnd                            // Choice, Part
	Finished                           // Choice, Finish, StopSequence, Logprobs, ServiceTier, Extra
	UsageEvent                         // Usage: what is known so far, in totals
	Ping                               // a sign of life
	ErrorEvent                         // Err
	End
)

// Event is a step of an answer as it is made. It and all that it points to are
// valid until the function returns to which it was given.
type Event struct {
	Kind EventKind

	// Source is the format that the stream came in; empty where a decoder does
	// not say.
	Source  API
	ID      string
	Model   string
	Created int64

	// Choice is which of the answers, from 0.
	Choice int
	// Part numbers the parts of a choice, from 0 in the order of their starts.
	Part int
	// Content says what begins, for PartStart: its kind, a call's ID, Name and
	// Custom, a thinking part's Redacted and Signature, an opaque part's Raw.
	// It holds none of the text that follows in deltas.
	Content *Part
	// Text is the new piece of a text, of reasoning, of a refusal, or of a
	// call's arguments: a JSON string with its quotes, just as the provider
	// wrote it. All four formats carry pieces as JSON strings, so that a piece
	// goes from one to the other without being decoded, and half a surrogate
	// pair stays what it is. See Quote and Unquote.
	Text json.RawMessage
	// Logprobs is chat's object for the piece of a text or of a refusal, for
	// Delta, and for what has no piece of its own, for Finished.
	Logprobs json.RawMessage

	Citation     *Citation
	Finish       Finish
	StopSequence string
	Usage        Usage
	Err          *Error

	// ServiceTier and Extra are those of Response.
	ServiceTier string
	Extra       map[string]json.RawMessage
}

// ClientCodec is what translation needs of the format that a client speaks. Its
// methods may be called by many goroutines at once; what they return may not.
type ClientCodec interface {
	// DecodeRequest reads a request. Its errors name the member at fault.
	DecodeRequest(body []byte) (*Request, error)
	// EncodeResponse writes a whole answer to the client who sent req.
	EncodeResponse(resp *Response, req *Request) ([]byte, error)
	// NewStreamEncoder writes one stream to the client who sent req.
	NewStreamEncoder(req *Request) StreamEncoder
}

// TargetCodec is what translation needs of the format that a target speaks, on
// the same terms.
type TargetCodec interface {
	// EncodeRequest writes a request, and lists by their neutral or source
	// names what the format cannot say and can do without. What it cannot do
	// without is an *Unsupported error.
	EncodeRequest(req *Request) (body []byte, dropped []string, err error)
	// DecodeResponse reads a whole answer.
	DecodeResponse(body []byte) (*Response, error)
	// NewStreamDecoder reads one stream.
	NewStreamDecoder() StreamDecoder
	// DecodeError reads the body of an error answer; what it does not
	// recognise becomes the message.
	DecodeError(status int, body []byte) Error
}

// Codec is a wire format that both clients and targets speak.
type Codec interface {
	ClientCodec
	TargetCodec
}

// StreamDecoder turns the events of one stream into neutral ones.
type StreamDecoder interface {
	// Decode calls emit for what an event of the wire says: name and data as
	// they came, either of them perhaps nil. An error says that the event
	// cannot be understood; the stream is broken then.
	Decode(name, data []byte, emit func(*Event)) error
	// Close is called once the wire has ended. It emits what is left to say,
	// End among it, and tells whether the stream had come to its own end. One
	// that had not gets no End.
	Close(emit func(*Event)) bool
}

// StreamEncoder turns neutral events into the bytes of one stream. It copes with
// interleaved parts, also where its format forbids them.
type StreamEncoder interface {
	// Encode appends what an event comes to, perhaps nothing, to dst: whole
	// server-sent events, each with its blank line.
	Encode(dst []byte, ev *Event) []byte
}

// Unsupported says that a request asks for something that a target's format
// cannot express, and without which the answer would mean something else.
type Unsupported struct { //nolint:errname // reads as what it says: unsupported n
	// Field is the member in the words of the client's format, such as "n".
	Field string
	// Why completes the sentence "field …".
	Why string
}

func (e *Unsupported) Error() string { return e.Field + " " + e.Why }
