package api

// Signs is what one look at an answer, or at one event of its stream, tells a
// gateway that relays it without decoding it.
type Signs struct {
	// Content says that there is something for the client to act on: text,
	// reasoning, a tool call's delta, or the reason why there is none of them.
	Content bool
	// Finished says that the answer ended as the model meant it to.
	Finished bool
	// Failed says that the provider reports an error, under whatever status.
	Failed bool
	// UsageOnly says that a chat chunk carries a usage and nothing else, as
	// stream_options.include_usage asks for.
	UsageOnly bool
}

// Watcher looks at one answer of one format as it passes by.
type Watcher interface {
	// Event looks at one event of a stream. Both slices may be nil and are
	// not kept.
	Event(name, data []byte) Signs
	// Answer looks at a whole answer that is not a stream.
	Answer(body []byte) Signs
	// Usage is the usage that the answer has told of up to now.
	Usage() Usage
}

// Empty tells whether a raw JSON value says nothing: absent, null, "", [], {}.
func Empty(raw []byte) bool {
	switch string(raw) {
	case "", "null", `""`, "[]", "{}":
		return true
	}
	return false
}
