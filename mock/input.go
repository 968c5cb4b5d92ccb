package mock

import (
	"encoding/json"
	"fmt"
	"strings"
)

// content is the content of a message: a string, or parts with text in them.
// Its text is all that the mock reads of it.
type content struct {
	text string
	// size is the bytes of text in all parts.
	size int
	// result: one of the parts is the result of a tool call.
	result bool
}

// UnmarshalJSON collects the text of OpenAI's and Anthropic's content parts.
func (c *content) UnmarshalJSON(raw []byte) error {
	switch raw[0] {
	case 'n':
		return nil
	case '"':
		if err := json.Unmarshal(raw, &c.text); err != nil {
			return err
		}
		c.size = len(c.text)
		return nil
	}
	var parts []struct {
		Type    string  `json:"type"`
		Text    string  `json:"text"`
		Content content `json:"content"`
	}
	if err := json.Unmarshal(raw, &parts); err != nil {
		return fmt.Errorf("content is neither a string nor a list of parts: %w", err)
	}
	for i := range parts {
		p := &parts[i]
		c.add(p.Text)
		if p.Type == "tool_result" {
			c.size += p.Content.size
			c.result = true
		}
	}
	return nil
}

func (c *content) add(text string) {
	if text == "" {
		return
	}
	c.size += len(text)
	if c.text != "" {
		c.text += "\n"
	}
	c.text += text
}

// stringList is a list of strings, or one alone.
type stringList []string

// UnmarshalJSON reads a string or a list of strings.
func (l *stringList) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		*l = make([]string, 1)
		return json.Unmarshal(raw, &(*l)[0])
	}
	return json.Unmarshal(raw, (*[]string)(l))
}

// inputs are the inputs of an endpoint that answers each of several: a text,
// texts, the tokens of a text, or the tokens of several texts.
type inputs []input

type input struct {
	// text as it is, or the JSON text of the tokens.
	text string
	// size is the bytes that count as input.
	size int
}

// UnmarshalJSON reads any of the forms.
func (l *inputs) UnmarshalJSON(raw []byte) error {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		*l = inputs{{text: text, size: len(text)}}
		return nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("input is neither a string nor a list: %w", err)
	}
	if len(list) > 0 && !strings.ContainsRune(`"[`, rune(list[0][0])) {
		// The tokens of one text, or the parts of one multimodal input.
		*l = inputs{{text: string(raw), size: 4 * len(list)}}
		return nil
	}
	for _, item := range list {
		one := input{text: string(item)}
		if json.Unmarshal(item, &one.text) == nil {
			one.size = len(one.text)
		} else {
			var ids []json.RawMessage
			if err := json.Unmarshal(item, &ids); err != nil {
				return fmt.Errorf("input list mixes kinds: %w", err)
			}
			one.size = 4 * len(ids)
		}
		*l = append(*l, one)
	}
	return nil
}

// size is the bytes of all inputs.
func (l inputs) size() int {
	n := 0
	for _, one := range l {
		n += one.size
	}
	return n
}

// UnmarshalJSON reads a tool_choice of OpenAI's APIs, which nest the tool's
// name in different ways.
func (c *toolChoice) UnmarshalJSON(raw []byte) error {
	var word string
	if json.Unmarshal(raw, &word) == nil {
		c.none = word == "none"
		return nil
	}
	type named struct {
		Name     string `json:"name"`
		Function struct {
			Name string `json:"name"`
		} `json:"function"`
	}
	var choice struct {
		named
		Tools   []named `json:"tools"`
		Allowed struct {
			Tools []named `json:"tools"`
		} `json:"allowed_tools"`
	}
	if err := json.Unmarshal(raw, &choice); err != nil {
		return fmt.Errorf("reading tool_choice: %w", err)
	}
	for _, n := range append(append([]named{choice.named}, choice.Tools...), choice.Allowed.Tools...) {
		if name := n.Name + n.Function.Name; name != "" {
			c.name = name
			return nil
		}
	}
	return nil
}

// Interface guards
var (
	_ json.Unmarshaler = (*content)(nil)
	_ json.Unmarshaler = (*stringList)(nil)
	_ json.Unmarshaler = (*inputs)(nil)
	_ json.Unmarshaler = (*toolChoice)(nil)
)
