package mock

import (
	"encoding/base64"
	"encoding/json"
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ask is what a request to generate asks for, whatever its API.
type ask struct {
	// size is the bytes of input text.
	size int
	// prompt is the last user text.
	prompt string
	// answered: the last message is the result of a tool call.
	answered bool

	tools  []tool
	choice toolChoice
	// single forbids more than one tool call.
	single bool

	// think: the request asks for reasoning.
	think bool
	// limit is the greatest number of output tokens, 0 for none.
	limit int
	stops []string

	// structured asks for a JSON object, of the schema if there is one.
	structured bool
	schema     json.RawMessage
}

// tool is a function that the request offers.
type tool struct {
	name   string
	schema json.RawMessage
}

// toolChoice is what the request says about which tool to call: any if empty.
type toolChoice struct {
	none bool
	name string
}

// ending is why an answer ends.
type ending int

const (
	endStop ending = iota
	endSequence
	endLength
	endTools
	endFilter
)

// answer is what the mock says, whatever the API.
type answer struct {
	input    int
	cached   int
	thoughts []string
	text     []string
	calls    []call
	end      ending
	// stop is the stop sequence that ended the text.
	stop string
}

// call is a tool call; the fragments join into its arguments.
type call struct {
	id        string
	name      string
	fragments []string
}

func (c *call) arguments() string { return strings.Join(c.fragments, "") }

// tokens estimates the tokens of so many bytes of text, in every API alike.
func tokens(size int) int { return max(1, size/4) }

// output is the number of output tokens, reasoning included.
func (a *answer) output() int {
	n := len(a.thoughts) + len(a.text)
	for i := range a.calls {
		n += len(a.calls[i].fragments)
	}
	return n
}

func (a *answer) fullText() string     { return strings.Join(a.text, "") }
func (a *answer) fullThoughts() string { return strings.Join(a.thoughts, "") }

// compose makes the answer to a request.
func (x *exchange) compose(q *ask) *answer {
	a := &answer{input: tokens(q.size)}
	a.cached = min(x.opts.CachedTokens, a.input)
	switch words := x.opts.Reasoning; {
	case words > 0:
		a.thoughts = pieces(reasoningWords(), int(words))
	case words == 0 && q.think:
		a.thoughts = pieces(reasoningWords(), int(defaultWords))
	}
	if x.calls(q) {
		a.calls = x.makeCalls(q)
		if x.opts.Preamble {
			a.text = x.words(q, a)
		}
		a.end, a.stop = endTools, ""
		return a
	}
	a.text = x.words(q, a)
	a.shorten(q.limit)
	if x.opts.Filtered {
		a.end, a.stop = endFilter, ""
	}
	return a
}

// words makes the text of an answer, cut at a stop sequence.
func (x *exchange) words(q *ask, a *answer) []string {
	text := x.text(q.prompt)
	switch {
	case q.structured && len(q.schema) == 0 && !json.Valid([]byte(text)):
		return fragments(`{"answer":"mock"}`)
	case q.structured && !json.Valid([]byte(text)):
		return fragments(objectText(q.schema))
	case text == "" && len(q.stops) == 0:
		return pieces(answerWords(), x.opts.Tokens)
	case text == "":
		text = strings.Join(pieces(answerWords(), x.opts.Tokens), "")
	}
	for _, stop := range q.stops {
		if i := strings.Index(text, stop); i >= 0 && stop != "" {
			text, a.end, a.stop = text[:i], endSequence, stop
		}
	}
	return split(text)
}

// shorten keeps the output within limit tokens. Tool calls are never cut: their
// broken JSON would fault a client that the drill is not about.
func (a *answer) shorten(limit int) {
	if limit <= 0 || a.output() <= limit {
		return
	}
	a.end, a.stop = endLength, ""
	a.thoughts = a.thoughts[:min(len(a.thoughts), limit)]
	a.text = a.text[:limit-len(a.thoughts)]
}

// calls tells whether the answer is a tool call.
func (x *exchange) calls(q *ask) bool {
	wanted := x.opts.ToolCalls == nil || *x.opts.ToolCalls
	return wanted && len(q.tools) > 0 && !q.choice.none && !q.answered &&
		(x.opts.Call == "" || slices.ContainsFunc(q.tools, func(t tool) bool { return t.name == x.opts.Call }))
}

// makeCalls calls the tool that the request names, or else its tools in turn.
func (x *exchange) makeCalls(q *ask) []call {
	count := max(1, x.opts.ParallelCalls)
	if q.single {
		count = 1
	}
	prefix := "call_"
	if x.endpoint.family == anthropic {
		prefix = "toolu_"
	}
	name := q.choice.name
	if x.opts.Call != "" {
		name = x.opts.Call
	}
	calls := make([]call, count)
	for i := range calls {
		t := q.tools[i%len(q.tools)]
		for _, named := range q.tools {
			if named.name == name {
				t = named
			}
		}
		arguments := x.opts.Arguments
		if arguments == "" {
			arguments = objectText(t.schema)
		}
		calls[i] = call{id: x.id(prefix), name: t.name, fragments: fragments(arguments)}
	}
	return calls
}

// opaque stands for the sealed reasoning that providers want back unchanged.
func opaque(of string) string {
	return base64.StdEncoding.EncodeToString([]byte("plexus_mock sealed reasoning " + of))
}

func answerWords() []string {
	return []string{
		" This", " is", " a", " mock", " answer", " that", " no", " model", " wrote",
		" and", " that", " costs", " nothing", " but", " your", " time.",
	}
}

func reasoningWords() []string {
	return []string{" The", " user", " asks,", " so", " a", " mock", " must", " answer."}
}

// pieces repeats the words until there are n.
func pieces(words []string, n int) []string {
	if n <= 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = words[i%len(words)]
	}
	list[0] = list[0][1:]
	return list
}

// split cuts a text before the white space between its words.
func split(text string) []string {
	var list []string
	start, inWord := 0, false
	for i, r := range text {
		space := unicode.IsSpace(r)
		if space && inWord {
			list = append(list, text[start:i])
			start = i
		}
		inWord = !space
	}
	if start < len(text) {
		list = append(list, text[start:])
	}
	return list
}

// fragments cuts a text into up to four parts of whole characters.
func fragments(text string) []string {
	size := max(1, (len(text)+3)/4)
	var list []string
	for len(text) > size {
		end := size
		for end < len(text) && !utf8.RuneStart(text[end]) {
			end++
		}
		list = append(list, text[:end])
		text = text[end:]
	}
	return append(list, text)
}

// kind is what a delta is a piece of.
type kind int

const (
	thought kind = iota
	text
	toolCall
)

// delta is one piece of an answer.
type delta struct {
	kind kind
	// choice is which of the n answers it belongs to.
	choice int
	// call is the index of the tool call.
	call int
	// first and last piece of its kind, or of its call.
	first, last bool
	s           string
}

// deltas yields the answer's pieces in order, each for n choices in turn.
func (a *answer) deltas(n int) iter.Seq[delta] {
	return func(yield func(delta) bool) {
		section := func(d delta, list []string) bool {
			for i, s := range list {
				d.first, d.last, d.s = i == 0, i == len(list)-1, s
				for d.choice = range max(1, n) {
					if !yield(d) {
						return false
					}
				}
			}
			return true
		}
		if !section(delta{kind: thought}, a.thoughts) || !section(delta{kind: text}, a.text) {
			return
		}
		for i := range a.calls {
			if !section(delta{kind: toolCall, call: i}, a.calls[i].fragments) {
				return
			}
		}
	}
}
