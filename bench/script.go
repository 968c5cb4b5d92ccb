package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The APIs that the provider speaks, by the end of their paths.
const (
	chatPath     = "/chat/completions"
	messagesPath = "/messages"
)

// script is what the provider answers. The name of the model says it, because
// that is what reaches it through every subject, translated or not:
// "whole-<bytes>", "stream-<events>-<pause>", "hold", which is one event and
// silence until the client leaves, and "ask-<bytes>", which answers little to a
// question of that size; with "-picture" after it, most of that is a picture, with
// "-agent" it is tools, their calls and results, with "-document" a few long texts.
type script struct {
	name   string
	size   int // of a whole answer, in bytes
	events int // of content
	pause  time.Duration
	hold   bool

	asked int // the size of the question, in bytes, where it matters
	kind  string
}

func parseScript(name string) (script, error) {
	s := script{name: name}
	parts := strings.Split(name, "-")
	var err error
	switch {
	case name == "hold":
		s.events, s.hold = 1, true
	case parts[0] == "whole" && len(parts) == 2:
		s.size, err = strconv.Atoi(parts[1])
	case parts[0] == "stream" && len(parts) == 3:
		if s.events, err = strconv.Atoi(parts[1]); err == nil {
			s.pause, err = time.ParseDuration(parts[2])
		}
	case parts[0] == "ask" && (len(parts) == 2 || len(parts) == 3 && leastAsked[parts[2]] > 0):
		s.size, s.kind = shortAnswer, strings.Join(parts[2:], "")
		if s.asked, err = strconv.Atoi(parts[1]); err == nil && s.asked < leastAsked[s.kind] {
			err = fmt.Errorf("such a question has at least %d bytes", leastAsked[s.kind])
		}
	default:
		return s, fmt.Errorf("the model %q says neither whole-<bytes>, stream-<events>-<pause>, ask-<bytes>, ask-<bytes>-picture, ask-<bytes>-agent, ask-<bytes>-document nor hold", name)
	}
	if err != nil {
		return s, fmt.Errorf("reading the model %q: %w", name, err)
	}
	return s, nil
}

func (s *script) streams() bool { return s.events > 0 }

// stampDigits is the length of every event's text: when it was written, in
// nanoseconds of the clock that provider and generator share.
const stampDigits = 19

// format is how an API writes answers. What the generator expects is made of the
// same pieces, so that every byte of a relayed answer is checked.
type format struct {
	path                 string
	wholeHead, wholeTail string
	head                 []string // events before the content
	eventHead, eventTail string
	tail                 []string // events after it
	usage                string   // the event that only who asks gets, if any
	end                  string   // the last one
}

var chatFormat = format{
	path:      chatPath,
	wholeHead: `{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"message":{"role":"assistant","content":"`,
	wholeTail: `"},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":7}}`,
	eventHead: `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"`,
	eventTail: `"},"finish_reason":null}]}` + "\n\n",
	tail: []string{
		`data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}` + "\n\n",
	},
	usage: `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[],"usage":{"prompt_tokens":9,"completion_tokens":7,"total_tokens":16}}` + "\n\n",
	end:   "data: [DONE]\n\n",
}

var messagesFormat = format{
	path:      messagesPath,
	wholeHead: `{"id":"m","type":"message","role":"assistant","model":"m","content":[{"type":"text","text":"`,
	wholeTail: `"}],"stop_reason":"end_turn","stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":7}}`,
	head: []string{
		"event: message_start\n" + `data: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":9,"output_tokens":1}}}` + "\n\n",
		"event: content_block_start\n" + `data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}` + "\n\n",
	},
	eventHead: "event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"`,
	eventTail: `"}}` + "\n\n",
	tail: []string{
		"event: content_block_stop\n" + `data: {"type":"content_block_stop","index":0}` + "\n\n",
		"event: message_delta\n" + `data: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":7}}` + "\n\n",
	},
	end: "event: message_stop\n" + `data: {"type":"message_stop"}` + "\n\n",
}

func formatOf(path string) *format {
	if strings.HasSuffix(path, messagesPath) {
		return &messagesFormat
	}
	return &chatFormat
}

// text is the content of a whole answer; an answer that is shorter than its
// frame has none.
func (f *format) text(s *script) string {
	const words = "The quick brown fox jumps over the lazy dog. "
	size := max(s.size-len(f.wholeHead)-len(f.wholeTail), 0)
	return strings.Repeat(words, size/len(words)+1)[:size]
}

func (f *format) whole(s *script) []byte {
	return []byte(f.wholeHead + f.text(s) + f.wholeTail)
}

// event appends one event of content, written now.
func (f *format) event(dst []byte, now time.Time) []byte {
	dst = append(dst, f.eventHead...)
	dst = strconv.AppendInt(dst, now.UnixNano(), 10)
	return append(dst, f.eventTail...)
}

// body is what a client asks. It has to do with the answer in nothing but the
// model, so it is as short as a question is.
func body(model string, stream bool) []byte {
	return fmt.Appendf(nil, `{"model":%q,"max_tokens":100,"stream":%t,"messages":[{"role":"user","content":"Who are you, and what can you do for me today?"}]}`, model, stream)
}

// modelIn finds the model's name in a request that the benchmark made, or what
// became of it. In a large one it is near the end.
func modelIn(body []byte) string {
	const member = `"model":"`
	at := bytes.LastIndex(body, []byte(member))
	if at < 0 {
		return ""
	}
	name, _, _ := bytes.Cut(body[at+len(member):], []byte(`"`))
	return string(name)
}
