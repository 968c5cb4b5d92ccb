package pairs_test

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/caddy-plexus/plexus/api"
)

// said is what an answer says, however it is cut into parts.
type said struct {
	choices []choiceSaid
	usage   api.Usage
}

type choiceSaid struct {
	text, thoughts, refusal string
	calls                   []callSaid
	finish                  api.Finish
}

type callSaid struct {
	id, name, arguments string
	custom              bool
}

func hear(resp *api.Response) (s said) {
	s.usage = resp.Usage
	for i := range resp.Choices {
		c := choiceSaid{finish: resp.Choices[i].Finish}
		for j := range resp.Choices[i].Parts {
			switch p := &resp.Choices[i].Parts[j]; p.Kind {
			case api.Text:
				c.text += clean(p.Text)
			case api.Thinking:
				c.thoughts += clean(p.Text)
			case api.Refusal:
				c.refusal += clean(p.Text)
			case api.ToolCall:
				c.calls = append(c.calls, callSaid{clean(p.Call.ID), clean(p.Call.Name), clean(p.Call.Arguments), p.Call.Custom})
			}
		}
		s.choices = append(s.choices, c)
	}
	return s
}

// clean leaves out what is no text: a character of which an answer has one half
// only comes out as nothing in one format and as U+FFFD in another.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\ufffd", "")
}

// as is what a format can say of it.
func (s said) as(to api.API) said {
	out := said{usage: usageAs(to, s.usage)}
	choices := s.choices
	if to == api.Responses || to == api.Messages {
		choices = choices[:min(len(choices), 1)]
	}
	for _, c := range choices {
		out.choices = append(out.choices, c.as(to))
	}
	return out
}

func (c choiceSaid) as(to api.API) choiceSaid {
	if to == api.Gemini { // knows no call of no tool
		c.calls = slices.DeleteFunc(slices.Clone(c.calls), func(call callSaid) bool { return call.name == "" })
	}
	out := choiceSaid{text: c.text, thoughts: c.thoughts, refusal: c.refusal, finish: c.finishAs(to)}
	if to == api.Messages || to == api.Gemini {
		// A refusal is a text among others there. Which one comes first is
		// not what is compared.
		out.text, out.refusal = letters(c.text+c.refusal), ""
	}
	for _, call := range c.calls {
		out.calls = append(out.calls, call.as(to))
	}
	slices.SortStableFunc(out.calls, nameless)
	return out
}

// nameless puts calls of no tool after the others: a decoder waits for their names
// as long as it can.
func nameless(a, b callSaid) int {
	switch {
	case a.name != "" && b.name != "":
		return 0
	case a.name != "":
		return -1
	case b.name != "":
		return 1
	}
	return strings.Compare(a.arguments, b.arguments)
}

func letters(s string) string {
	counts := map[rune]int{}
	for _, r := range s {
		counts[r]++
	}
	raw, _ := json.Marshal(counts) // sorted by key
	return string(raw)
}

func (c callSaid) as(to api.API) callSaid {
	c.id = ""
	if c.custom && (to == api.Messages || to == api.Gemini) {
		c.arguments, c.custom = clean(api.WrapCustom(c.arguments)), false
	}
	if to == api.Gemini && !c.custom && strings.TrimSpace(c.arguments) != "" && !isObject(c.arguments) {
		c.arguments = `{"_raw":` + string(api.Quote(c.arguments)) + `}` // has to be an object there
	}
	switch {
	case c.custom:
	case strings.TrimSpace(c.arguments) == "":
		c.arguments = "{}" // means no arguments
	case json.Valid([]byte(c.arguments)):
		c.arguments = compact(c.arguments)
	}
	return c
}

func isObject(text string) bool {
	return strings.HasPrefix(strings.TrimSpace(text), "{") && json.Valid([]byte(text))
}

func compact(text string) string {
	var b strings.Builder
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if decoder.Decode(&value) != nil {
		return text
	}
	_ = json.NewEncoder(&b).Encode(value)
	return clean(strings.TrimSpace(b.String()))
}

// finishAs is why the answer ended in the words of a format.
func (c choiceSaid) finishAs(to api.API) api.Finish {
	ended := api.FinishStop
	switch {
	case len(c.calls) > 0:
		ended = api.FinishToolCalls
	case c.refusal != "" && to != api.Gemini:
		ended = api.FinishRefusal
	}
	switch c.finish {
	case api.FinishLength:
		return api.FinishLength
	case api.FinishContextLength:
		if to == api.Messages {
			return api.FinishContextLength
		}
		return api.FinishLength
	case api.FinishContentFilter:
		if to == api.Messages {
			return api.FinishRefusal
		}
		return api.FinishContentFilter
	case api.FinishRefusal:
		switch {
		case to == api.Messages:
			return api.FinishRefusal
		case to == api.Gemini || c.refusal == "":
			return api.FinishContentFilter
		}
	case api.FinishPause, api.FinishStopSequence:
		if to == api.Messages {
			return c.finish
		}
	case api.FinishMalformed:
		if to == api.Gemini {
			return api.FinishMalformed
		}
	}
	return ended
}

// usageAs is the usage in the classes of a format.
func usageAs(to api.API, u api.Usage) api.Usage {
	if !u.Known {
		return api.Usage{}
	}
	if to != api.Messages {
		u.CacheWriteHour = 0
	}
	if to == api.Gemini {
		u.Input, u.CacheWrite = u.Input+u.CacheWrite, 0
	}
	return u
}
