package api

import "math/bits"

// Signs is what one look at an answer, or at one event of its stream, tells a
// gateway that relays it without decoding it.
type Signs struct {
	// Content says that there is something for the client to act on: text,
	// reasoning, a tool call's delta, or the reason why there is none of them.
	Content bool
	// Finished says that the answer ended as the model meant it to: every
	// choice that has begun has ended.
	Finished bool
	// Reopened takes back an earlier Finished: another choice has begun, or
	// goes on.
	Reopened bool
	// Closed says that nothing of the answer can follow: the API's own mark of
	// the end was there, or all that was expected. A stream that is finished
	// but not closed may end; if its connection breaks, something was cut off.
	Closed bool
	// Failed says that the provider reports an error, under whatever status.
	Failed bool
	// Broken says that a whole answer is no JSON.
	Broken bool
	// Size is about how many bytes of content there are: text, reasoning,
	// arguments, without most of the JSON around them.
	Size int
	// Works says that there may be no content, but a sign that the provider is
	// at work: a tool of its own is searching, a part begins or ends.
	Works bool
	// UsageOnly says that a chat chunk carries a usage and nothing else, as
	// stream_options.include_usage asks for.
	UsageOnly bool
}

// OfText are the signs of an event that has a text in it, and nothing else.
func OfText(raw []byte) Signs { return Signs{Content: true, Size: SizeOf(raw)} }

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

// Repeater is a Watcher that knows events again which repeat the one before.
type Repeater interface {
	Watcher
	// Repeats are the events at the start of b that tell of a text and nothing
	// else, as Event would see if they were shown to it, up to the one that makes
	// them most bytes or more. Before and after are what stands around the data of
	// the event that Event has just been shown, and around that of each.
	Repeats(b, before, after []byte, most int) Run
}

// Run is a number of events that lie behind each other.
type Run struct {
	Length int // in bytes
	Events int
	Size   int // of their content, as in Signs
}

// Choices remembers which choices of an answer have begun and which have ended.
// OpenAI allows for 128.
type Choices struct {
	begun, ended [2]uint64
}

// See notes that a choice, by its raw index, has begun, and whether it has
// ended. One without an index is the first.
func (c *Choices) See(index []byte, ended bool) {
	n := 0
	for _, digit := range index {
		if digit < '0' || digit > '9' {
			break
		}
		n = min(10*n+int(digit-'0'), 127)
	}
	bit := uint64(1) << (n % 64)
	c.begun[n/64] |= bit
	if ended {
		c.ended[n/64] |= bit
	}
}

// Open tells whether a choice has begun that has not ended.
func (c *Choices) Open() bool { return c.begun != c.ended }

// Ended is how many have ended.
func (c *Choices) Ended() int {
	return bits.OnesCount64(c.ended[0]) + bits.OnesCount64(c.ended[1])
}

// Judge completes the signs of an event that carried choices: they are finished
// together, and one that goes on reopens what was.
func (c *Choices) Judge(signs *Signs) {
	signs.Finished = signs.Finished && !c.Open()
	signs.Reopened = c.Open() && c.Ended() > 0
}

// SizeOf is the size in bytes of a raw JSON value, of a string without its
// quotes.
func SizeOf(raw []byte) int {
	switch {
	case Empty(raw):
		return 0
	case raw[0] == '"':
		return len(raw) - len(`""`)
	}
	return len(raw)
}

// Empty tells whether a raw JSON value says nothing: absent, null, "", [], {}.
func Empty(raw []byte) bool {
	switch string(raw) {
	case "", "null", `""`, "[]", "{}":
		return true
	}
	return false
}
