package api

import (
	"bytes"
	"encoding/json"
)

// Vendor is who defined a format. Data that only its maker understands, such as
// the signature of a piece of reasoning, goes back to the same vendor or nowhere.
type Vendor string

// The vendors of the formats that can be translated.
const (
	OpenAI    Vendor = "openai"    // chat and responses
	Anthropic Vendor = "anthropic" // messages
	Google    Vendor = "google"    // gemini
)

// Vendor is who defined the format.
func (a API) Vendor() Vendor {
	switch a {
	case Messages:
		return Anthropic
	case Gemini:
		return Google
	default:
		return OpenAI
	}
}

// Request asks a model to continue a conversation. It is a format of its own, to
// which and from which each wire format translates; what it can say is the union
// of what they can. Absent members are zero, and mean "the target's default".
//
// Numbers that are only passed on are json.Number, so that none of them ever
// loses a digit in a float64.
type Request struct {
	// Source is the format that the request came in.
	Source API
	// Model is the model's name. Gemini's requests have it in their path.
	Model string
	// Stream asks for a stream. Gemini's requests say so in their path.
	Stream bool
	// StreamUsage asks chat for the usage at the end of a stream.
	StreamUsage bool

	// MaxCompletionTokens says that a chat client named its limit so, and not
	// max_tokens as before.
	MaxCompletionTokens bool
	// Functions says that a chat client speaks of functions and function_call,
	// as before there were tools, and has to be answered so.
	Functions bool

	// Messages are the conversation, system and developer messages among them
	// wherever they stood. Top-level system prompts come first.
	Messages []Message

	// Tools are what the model may call.
	Tools []Tool
	// ToolChoice says whether and which.
	ToolChoice ToolChoice
	// ParallelToolCalls allows several calls at once; nil leaves it open.
	ParallelToolCalls *bool

	// MaxTokens limits the answer, reasoning included; 0 leaves it open.
	MaxTokens int64
	// Stop are the texts at which the answer ends.
	Stop []string
	// Temperature, TopP and TopK shape the choice of tokens.
	Temperature, TopP, TopK json.Number
	// FrequencyPenalty and PresencePenalty discourage repetition.
	FrequencyPenalty, PresencePenalty json.Number
	// Seed makes answers repeatable, as far as a provider can.
	Seed json.Number
	// N is the number of answers; 0 and 1 are one.
	N int64
	// Logprobs asks for the probabilities of tokens, TopLogprobs for so many
	// alternatives.
	Logprobs    bool
	TopLogprobs int64
	// LogitBias is OpenAI's object of token ids and biases.
	LogitBias json.RawMessage

	// Format is the form of the answer; nil is free text.
	Format *Format
	// Reasoning says how much to think; nil leaves it open.
	Reasoning *Reasoning
	// Verbosity is OpenAI's low, medium or high.
	Verbosity string

	// User identifies the end user to the provider, in the client's words.
	User string
	// Metadata is OpenAI's object of texts.
	Metadata json.RawMessage
	// ServiceTier is the client's wish, in the source's words.
	ServiceTier string
	// Extra holds the members of the source's body that none of the above
	// stands for, by name. They are carried to a target of the same format,
	// or of the same vendor where it knows the member too.
	Extra map[string]json.RawMessage
}

// Repeats tells whether a member of Extra says in the source's words what the rest
// of the request says as well, so that nothing is lost without it.
func (r *Request) Repeats(name string) bool {
	switch name {
	case "generationConfig.responseSchema", "generationConfig._responseJsonSchema", "generationConfig.responseFormat":
		return r.Source == Gemini && r.Format != nil
	}
	return false
}

// Missed is why no other vendor's API can do without a member of Gemini's in
// Extra; empty where it can.
func (r *Request) Missed(name string) string {
	raw := r.Extra[name]
	if r.Source != Gemini || Empty(raw) {
		return ""
	}
	switch name {
	case "cachedContent":
		return "refers to what Google keeps, which the target cannot read: send the contents themselves"
	case "generationConfig.responseMimeType":
		if s := string(raw); s != `"text/plain"` {
			return "is " + s + ", which the target's API cannot say"
		}
	case "generationConfig.responseModalities":
		if !bytes.Contains(bytes.ToUpper(raw), []byte(`"TEXT"`)) {
			return "asks for an answer in other than text, which the target's API cannot give"
		}
	}
	return ""
}

// ShowsReasoning tells whether the client wants to see the reasoning. Chat has no
// word for that: its clients show what comes of it, as of the many servers that
// send it unasked.
func (r *Request) ShowsReasoning() bool {
	t := r.Reasoning
	return t != nil && (t.Visible || r.Source == Chat && t.Effort != "none")
}

// Role is who speaks in a message.
type Role string

// The roles. A tool's results are messages of their own, whoever carries them in
// a wire format.
const (
	RoleSystem    Role = "system"
	RoleDeveloper Role = "developer" // OpenAI's later word for system
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool" // holds ToolResult parts only
)

// Message is one turn. Turns of the same role may follow each other; a target
// that forbids this merges them.
type Message struct {
	Role  Role
	Name  string // chat's name of a participant
	Parts []Part
}

// Kind is what a part is.
type Kind int

// The kinds of parts.
const (
	Text       Kind = iota + 1
	Image           // Media
	Sound           // Media
	File            // Media: a document, a video, anything else
	ToolCall        // Call
	ToolResult      // Result
	Thinking        // Text: the reasoning or its summary; Signature
	Refusal         // Text
	Opaque          // Raw: an item or block that only Vendor understands
)

// Part is a piece of a message or of an answer. Which members count is said by
// its kind.
type Part struct {
	Kind   Kind
	Text   string
	Media  *Media
	Call   *Call
	Result *Result
	// Citations are the sources of a text.
	Citations []Citation

	// Signature is data with which the vendor recognises its own reasoning:
	// Anthropic's signature, OpenAI's encrypted_content, Gemini's
	// thoughtSignature, which also stands on texts and calls. A Thinking part
	// with no text and a signature is reasoning that is hidden altogether
	// (Anthropic's redacted_thinking has Redacted set too).
	Signature string
	Redacted  bool
	// ID is the part's own id, which Responses gives to its items.
	ID string
	// Vendor made the signature or the raw data.
	Vendor Vendor
	// Raw is the whole of an Opaque part, as it stood in the format Source.
	Raw    json.RawMessage
	Source API
	// Cache is Anthropic's cache_control.
	Cache json.RawMessage
}

// Media is an image, a sound or a document, inside the request or somewhere else.
type Media struct {
	// MIME is the media type, such as image/png; empty where nobody said.
	MIME string
	// Data is the content in base64; empty where URL or FileID has it.
	Data string
	// URL is where the content is, never a data: URL.
	URL string
	// FileID is the provider's own name of an uploaded file, which no other
	// vendor understands.
	FileID string
	// Name is the file's name.
	Name string
	// Detail is OpenAI's low, high or auto.
	Detail string
	// Text is the content where it is plain text, as an Anthropic document may
	// be.
	Text string
}

// Call is a call of a tool by the model.
type Call struct {
	// ID connects the call with its result. It is never empty: decoders make
	// one up where the format has none.
	ID   string
	Name string
	// Arguments is the JSON text as the model wrote it, perhaps not valid; for
	// a custom tool it is plain text. Empty means {}.
	Arguments string
	// Custom says that the tool takes free text instead of JSON.
	Custom bool
}

// Result is what a tool answered.
type Result struct {
	// ID is that of the call.
	ID string
	// Name is the tool's, where the format or an earlier call tells it.
	Name  string
	Parts []Part // texts, images, files
	// IsError says that the tool failed.
	IsError bool
	// Custom says that the tool takes free text instead of JSON.
	Custom bool
}

// Citation is the source of a text.
type Citation struct {
	URL, Title string
	// CitedText is the passage, where the provider quotes it.
	CitedText string
	// Start and End bound the cited part of the answer's text in characters;
	// both 0 where it is not said.
	Start, End int64
	// Raw is the citation as it stood in the format Source.
	Raw    json.RawMessage
	Source API
}

// ToolKind is what kind of a tool it is.
type ToolKind int

// The kinds of tools.
const (
	FunctionTool  ToolKind = iota + 1
	CustomTool             // takes free text, perhaps of a grammar: OpenAI's
	WebSearchTool          // run by the provider; each of the four has one
	OpaqueTool             // run by the provider, of which only Vendor knows
)

// Tool is something that the model may call.
type Tool struct {
	Kind        ToolKind
	Name        string
	Description string
	// Schema is the JSON Schema of a function's arguments; nil means no
	// arguments.
	Schema json.RawMessage
	// Strict asks the provider to keep to the schema; nil leaves it open.
	Strict *bool
	// Grammar is a custom tool's format, as OpenAI has it.
	Grammar json.RawMessage
	// Search is a web search's settings.
	Search *WebSearch
	// Cache is Anthropic's cache_control.
	Cache json.RawMessage
	// Raw is the tool as it stood in the format Source, for OpaqueTool.
	Raw    json.RawMessage
	Source API
}

// WebSearch is the settings of a provider's web search.
type WebSearch struct {
	AllowedDomains, BlockedDomains []string
	MaxUses                        int64
	// ContextSize is OpenAI's low, medium or high.
	ContextSize string
	// City, Region, Country and Timezone say where the user is, roughly.
	City, Region, Country, Timezone string
}

// ToolChoice says whether the model has to call a tool.
type ToolChoice struct {
	Mode ToolMode
	// Name is the tool to call, for ToolNamed.
	Name string
	// Allowed limits the choice to these tools, where it is not empty.
	Allowed []string
}

// ToolMode is the manner of a ToolChoice.
type ToolMode string

// The manners of a ToolChoice; the empty one leaves it open.
const (
	ToolAuto     ToolMode = "auto"
	ToolNone     ToolMode = "none"
	ToolRequired ToolMode = "required"
	ToolNamed    ToolMode = "named"
)

// Format is the form of an answer.
type Format struct {
	// Schema is a JSON Schema that the answer has to follow; nil asks for any
	// JSON object.
	Schema      json.RawMessage
	Name        string
	Description string
	Strict      *bool
}

// Reasoning says how much a model shall think, and what of it the client sees.
// Efforts and budgets say the same in two ways; see Effort and Budget.
type Reasoning struct {
	// Effort is none, minimal, low, medium, high, xhigh or max; empty leaves
	// it open.
	Effort string
	// Budget is a number of tokens; 0 leaves it open.
	Budget int64
	// Adaptive is Anthropic's thinking of type adaptive: the model decides.
	Adaptive bool
	// Visible asks for the reasoning's text or its summary, as the source has
	// it: Anthropic's thinking always, Gemini's includeThoughts, Responses'
	// summary.
	Visible bool
	// Summary is Responses' auto, concise or detailed.
	Summary string
	// Encrypted asks Responses for encrypted_content.
	Encrypted bool
}
