package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
)

// Large questions: a conversation of ordinary text, which JSON has to escape
// here and there, and perhaps a picture, or what an agent has done, or a few long
// documents, as the OpenAI SDKs send them, which write the messages before the model.

// The kinds of them, besides mere text.
const (
	picture  = "picture"
	agent    = "agent"
	document = "document"
)

// leastAsked is room for a few messages of each kind, in bytes.
var leastAsked = map[string]int{"": 2000, picture: 2000, agent: 20_000, document: 2000}

const (
	// shortAnswer is the size of what answers a large question.
	shortAnswer = 200
	// turn is the size of a message's text, chapter that of a document's.
	turn    = 1000
	chapter = 100 * turn

	opening = `{"messages":[{"role":"system","content":"You are a helpful assistant."}`
	closing = `","max_tokens":100,"stream":false}`
	toModel = `],"model":"`
)

// conversation is the request but for the model's name, which comes between its
// parts: so long that the whole, with the client's name of the model, is as long
// as the script says.
func (s *script) conversation() (head, tail []byte) {
	end := toModel
	if s.kind == agent {
		end = `],"tools":[` + tools() + end
	}
	left := s.asked - len(opening) - len(end) - len(s.name) - len(closing)
	var b bytes.Buffer
	b.Grow(s.asked)
	b.WriteString(opening)
	long := turn
	if s.kind == document {
		long = chapter
	}
	for i := 0; left >= 3*long && (s.kind != picture || i < 4); i++ {
		next := s.turn(i, long)
		b.WriteString(next)
		left -= len(next)
	}
	b.WriteString(s.lastMessage(left))
	b.WriteString(end)
	return b.Bytes(), []byte(closing)
}

// turn is one message with a text of about so many bytes, or an agent's call of a tool
// and its result.
func (s *script) turn(i, long int) string {
	if s.kind == agent {
		const frame = `,{"role":"assistant","content":null,"tool_calls":[{"id":"call_%06d","type":"function","function":{"name":"read_file","arguments":"{\"path\":\"/src/part_%d.go\",\"offset\":%d,\"limit\":40}"}}]},{"role":"tool","tool_call_id":"call_%06d","content":"%s"}`
		return fmt.Sprintf(frame, i, i, 40*i, i, code(long))
	}
	roles := [...]string{"user", "assistant"}
	return fmt.Sprintf(`,{"role":%q,"content":"%s"}`, roles[i%2], words(i, long))
}

// code is a text of about so many bytes, as JSON writes it.
func code(size int) string {
	const lines = `\tif err := read(path); err != nil {\n\t\treturn fmt.Errorf(\"reading %q: %w\", path, err)\n\t}\n`
	return strings.Repeat(lines, size/len(lines))
}

// tools are what an agent has, as the SDKs write them.
func tools() string {
	const (
		count = 16
		tool  = `{"type":"function","function":{"name":"tool_%02d","description":"Reads a file, from a line on if it is long.\nThe path must be absolute.","parameters":{"type":"object","properties":{"path":{"type":"string","description":"The path of the file"},"offset":{"type":"integer","minimum":0,"description":"The line to begin with"},"limit":{"type":"integer","exclusiveMinimum":0,"maximum":2000,"default":null},"modes":{"type":"array","items":{"type":"string","enum":["text","binary","lines"]}}},"required":["path"],"additionalProperties":false},"strict":true}}`
	)
	all := make([]string, count)
	for i := range all {
		all[i] = fmt.Sprintf(tool, i)
	}
	return strings.Join(all, ",")
}

// lastMessage has exactly so many bytes.
func (s *script) lastMessage(size int) string {
	if s.kind != picture {
		const frame = `,{"role":"user","content":"%s"}`
		return fmt.Sprintf(frame, words(0, size-len(fmt.Sprintf(frame, ""))))
	}
	const frame = `,{"role":"user","content":[{"type":"text","text":"%s"},{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}]}`
	const question = 100
	room := size - len(fmt.Sprintf(frame, "", "")) - question
	// Base64 comes in fours, so the text has what is over.
	return fmt.Sprintf(frame, words(0, question+room%4), pixels(room/4*3))
}

// pixels are as hard to compress as a real picture's, and always the same.
func pixels(size int) string {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data) // it cannot fail
	return base64.StdEncoding.EncodeToString(data)
}

// sentences are as JSON writes them.
var sentences = [...]string{
	`Please read the minutes of the meeting once more.\n`,
	`She asked him: \"What does the third paragraph say?\" `,
	`He had no answer, and went on to the next item of the agenda. `,
	`The café was closed that day, as it is on every Monday.\n\n`,
	`\"If nobody objects,\" said the chair, \"it is settled.\"\n`,
	`Of the figures in the table, two are estimates and the others are measured. `,
	`- the first point of the list, which is about money\n- the second, which is not\n`,
}

// words are a text of exactly so many bytes, another one for each number.
func words(number, size int) string {
	var b strings.Builder
	for i := number; ; i++ {
		next := sentences[i%len(sentences)]
		if b.Len()+len(next) > size {
			return b.String() + strings.Repeat(".", size-b.Len())
		}
		b.WriteString(next)
	}
}

// asked is a script's question, against which the provider holds what it gets.
type asked struct {
	head, tail []byte
	sums       sync.Map // of so many first bytes, uint32
}

func newAsked(s *script) *asked {
	head, tail := s.conversation()
	return &asked{head: head, tail: tail}
}

// check says where a request is not the client's but for the model's name.
func (a *asked) check(request *got, model string) error {
	switch size := len(a.head) + len(model) + len(a.tail); {
	case request.size() != size:
		return fmt.Errorf("the request has %d bytes, the client's with the model %q has %d", request.size(), model, size)
	case request.passed > len(a.head) || request.sum != a.sum(request.passed):
		return fmt.Errorf("the first %d bytes of the request are not the client's", request.passed)
	}
	if !bytes.HasPrefix(request.rest, a.head[request.passed:]) || !bytes.HasSuffix(request.rest, a.tail) {
		return fmt.Errorf("the request is not the client's: after %d bytes %.100q … %q", request.passed, request.rest, request.rest[max(len(request.rest)-100, 0):])
	}
	return nil
}

func (a *asked) sum(n int) uint32 {
	sum, ok := a.sums.Load(n)
	if !ok {
		sum, _ = a.sums.LoadOrStore(n, crc32.Checksum(a.head[:n], castagnoli))
	}
	return sum.(uint32)
}

// got is a request as the provider reads it: the checksum of what has passed, and
// the rest. To hold large ones, and to compare them byte by byte, would take more
// of the memory and the caches that it shares with its subject than all else.
type got struct {
	passed int
	sum    uint32
	rest   []byte
}

// held is how much of a request stays, in bytes: all of a small one, and of a large
// one the end, which has the model in it.
const held = 4 << 10

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (g *got) size() int { return g.passed + len(g.rest) }

// ReadFrom reads a request to its end, into the memory of the one before.
func (g *got) ReadFrom(src io.Reader) (int64, error) {
	if g.rest == nil {
		g.rest = make([]byte, 0, held+64<<10)
	}
	g.passed, g.sum, g.rest = 0, 0, g.rest[:0]
	for {
		n, err := src.Read(g.rest[len(g.rest):cap(g.rest)])
		g.rest = g.rest[:len(g.rest)+n]
		if passes := len(g.rest) - held; passes > 0 {
			g.sum = crc32.Update(g.sum, castagnoli, g.rest[:passes])
			g.passed += passes
			g.rest = g.rest[:copy(g.rest, g.rest[passes:])]
		}
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return int64(g.size()), err
		}
	}
}
