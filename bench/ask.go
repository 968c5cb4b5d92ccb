package main

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
)

// Large questions: a conversation of ordinary text, which JSON has to escape
// here and there, and perhaps a picture, as the OpenAI SDKs send them, which
// write the messages before the model.

const (
	// shortAnswer is the size of what answers a large question.
	shortAnswer = 200
	// leastAsked is room for a few messages.
	leastAsked = 2000
	// turn is the size of a message's text.
	turn = 1000

	opening = `{"messages":[{"role":"system","content":"You are a helpful assistant."}`
	closing = `","max_tokens":100,"stream":false}`
	toModel = `],"model":"`
)

// conversation is the request but for the model's name, which comes between its
// parts: so long that the whole, with the client's name of the model, is as long
// as the script says.
func (s *script) conversation() (head, tail []byte) {
	left := s.asked - len(opening) - len(toModel) - len(s.name) - len(closing)
	var b bytes.Buffer
	b.Grow(s.asked)
	b.WriteString(opening)
	roles := [...]string{"user", "assistant"}
	for i := 0; left >= 3*turn && (!s.picture || i < 4); i++ {
		before := b.Len()
		_, _ = fmt.Fprintf(&b, `,{"role":%q,"content":"%s"}`, roles[i%2], words(i, turn))
		left -= b.Len() - before
	}
	b.WriteString(s.lastMessage(left))
	b.WriteString(toModel)
	return b.Bytes(), []byte(closing)
}

// lastMessage has exactly so many bytes.
func (s *script) lastMessage(size int) string {
	if !s.picture {
		const frame = `,{"role":"user","content":"%s"}`
		return fmt.Sprintf(frame, words(0, size-len(fmt.Sprintf(frame, ""))))
	}
	const frame = `,{"role":"user","content":[{"type":"text","text":"%s"},{"type":"image_url","image_url":{"url":"data:image/png;base64,%s"}}]}`
	const question = 100
	room := size - len(fmt.Sprintf(frame, "", "")) - question
	// Base64 comes in fours, so the text has what is over.
	return fmt.Sprintf(frame, words(0, question+room%4), picture(room/4*3))
}

// picture is as hard to compress as a real one, and always the same.
func picture(size int) string {
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
type asked struct{ head, tail []byte }

func newAsked(s *script) *asked {
	head, tail := s.conversation()
	return &asked{head, tail}
}

// check says where a request is not the client's but for the model's name. It
// costs no more than the comparison.
func (a *asked) check(got []byte, model string) error {
	switch {
	case len(got) != len(a.head)+len(model)+len(a.tail):
		return fmt.Errorf("the request has %d bytes, the client's with the model %q has %d", len(got), model, len(a.head)+len(model)+len(a.tail))
	case !bytes.HasPrefix(got, a.head) || !bytes.HasSuffix(got, a.tail):
		return fmt.Errorf("the request is not the client's: %.100q … %q", got, got[max(len(got)-100, 0):])
	}
	return nil
}
