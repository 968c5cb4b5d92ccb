package api

import (
	"encoding/json"
	"maps"
)

// Accumulator builds a whole answer from the events of a stream, for a client
// that did not ask for a stream while the provider has nothing else.
type Accumulator struct {
	response Response
	parts    map[[2]int]*building // by choice and part of the stream
	order    []*building
	done     bool
	err      *Error
}

// building is a part in the making. Its text is kept as the provider wrote it,
// the inside of a JSON string: half a surrogate pair in one delta and half in
// the next are one character, and a text of many deltas is copied once.
type building struct {
	choice, index int
	escaped       []byte
}

// maxChoices bounds what a broken stream can make us keep; OpenAI allows 128.
const maxChoices = 1024

// Add takes in one event.
func (a *Accumulator) Add(ev *Event) {
	if ev.Choice < 0 || ev.Choice >= maxChoices {
		return
	}
	switch ev.Kind {
	case Start:
		a.response.Source, a.response.ID, a.response.Model, a.response.Created = ev.Source, ev.ID, ev.Model, ev.Created
		if ev.Usage.Known {
			a.response.Usage = ev.Usage
		}
	case PartStart:
		a.start(ev)
	case Delta:
		a.delta(ev)
	case Signature:
		if part := a.part(ev); part != nil && ev.Content != nil {
			part.Signature += ev.Content.Signature
			part.Vendor = ev.Content.Vendor
		}
	case CitationEvent:
		if part := a.part(ev); part != nil && ev.Citation != nil {
			part.Citations = append(part.Citations, *cloneCitation(ev.Citation))
		}
	case Finished:
		choice := a.choice(ev.Choice)
		choice.Finish, choice.StopSequence = ev.Finish, ev.StopSequence
		choice.Logprobs = JoinLogprobs(choice.Logprobs, ev.Logprobs)
	case UsageEvent:
		a.response.Usage = ev.Usage
	case ErrorEvent:
		a.err = &Error{}
		if ev.Err != nil {
			*a.err = *ev.Err
		}
	case End:
		a.done = true
	}
	a.more(ev)
}

// more takes what several kinds of events may tell of the whole answer.
func (a *Accumulator) more(ev *Event) {
	if ev.ServiceTier != "" {
		a.response.ServiceTier = ev.ServiceTier
	}
	if len(ev.Extra) == 0 {
		return
	}
	if a.response.Extra == nil {
		a.response.Extra = map[string]json.RawMessage{}
	}
	for name, raw := range ev.Extra {
		a.response.Extra[name] = append([]byte(nil), raw...)
	}
}

func (a *Accumulator) start(ev *Event) {
	choice := a.choice(ev.Choice)
	if a.parts == nil {
		a.parts = map[[2]int]*building{}
	}
	b := &building{choice: ev.Choice, index: len(choice.Parts)}
	a.parts[[2]int{ev.Choice, ev.Part}] = b
	a.order = append(a.order, b)
	content := Part{Kind: Text}
	if ev.Content != nil {
		content = clone(ev.Content)
	}
	choice.Parts = append(choice.Parts, content)
}

func (a *Accumulator) delta(ev *Event) {
	b := a.parts[[2]int{ev.Choice, ev.Part}]
	if b == nil {
		return
	}
	literal := Literal(ev.Text)
	b.escaped = append(b.escaped, literal[1:len(literal)-1]...)
	if len(ev.Logprobs) > 0 {
		choice := a.choice(ev.Choice)
		choice.Logprobs = JoinLogprobs(choice.Logprobs, ev.Logprobs)
	}
}

// Response is the whole answer up to now, and whether the stream came to its
// end.
func (a *Accumulator) Response() (*Response, bool) {
	for _, b := range a.order {
		if len(b.escaped) == 0 {
			continue
		}
		part := &a.response.Choices[b.choice].Parts[b.index]
		text := Unquote(append(append([]byte{'"'}, b.escaped...), '"'))
		if b.escaped = nil; part.Call != nil {
			part.Call.Arguments += text
		} else {
			part.Text += text
		}
	}
	return &a.response, a.done && a.err == nil
}

// Err is the error with which the stream ended, if it did.
func (a *Accumulator) Err() *Error { return a.err }

func (a *Accumulator) choice(i int) *Choice {
	for len(a.response.Choices) <= i {
		a.response.Choices = append(a.response.Choices, Choice{})
	}
	return &a.response.Choices[i]
}

func (a *Accumulator) part(ev *Event) *Part {
	b := a.parts[[2]int{ev.Choice, ev.Part}]
	if b == nil {
		return nil
	}
	return &a.response.Choices[b.choice].Parts[b.index]
}

// clone copies a part, whose contents are its giver's.
func clone(p *Part) Part {
	out := *p
	if p.Call != nil {
		call := *p.Call
		out.Call = &call
	}
	if p.Media != nil {
		media := *p.Media
		out.Media = &media
	}
	out.Raw = append([]byte(nil), p.Raw...)
	out.Cache = append([]byte(nil), p.Cache...)
	return out
}

func cloneCitation(c *Citation) *Citation {
	out := *c
	out.Raw = append([]byte(nil), c.Raw...)
	return &out
}

// Emit calls emit for the events as which a stream would have told a whole
// answer, for a client that asked for a stream while the provider gave none.
func (r *Response) Emit(emit func(*Event)) {
	emit(&Event{
		Kind: Start, Source: r.Source, ID: r.ID, Model: r.Model, Created: r.Created,
		ServiceTier: r.ServiceTier, Usage: r.Usage,
	})
	for c := range r.Choices {
		for i := range r.Choices[c].Parts {
			r.Choices[c].Parts[i].emit(c, i, emit)
		}
	}
	for c := range r.Choices {
		choice := &r.Choices[c]
		ev := Event{Kind: Finished, Choice: c, Finish: choice.Finish, StopSequence: choice.StopSequence, Logprobs: choice.Logprobs}
		if c == 0 {
			ev.Extra = maps.Clone(r.Extra)
		}
		emit(&ev)
	}
	if r.Usage.Known {
		emit(&Event{Kind: UsageEvent, Usage: r.Usage})
	}
	emit(&Event{Kind: End})
}

func (p *Part) emit(choice, index int, emit func(*Event)) {
	start, text := clone(p), p.Text
	start.Text, start.Signature, start.Citations = "", "", nil
	if p.Redacted || p.Kind == Opaque {
		start.Signature = p.Signature
	}
	if start.Call != nil {
		text, start.Call.Arguments = start.Call.Arguments, ""
	}
	emit(&Event{Kind: PartStart, Choice: choice, Part: index, Content: &start})
	if text != "" {
		emit(&Event{Kind: Delta, Choice: choice, Part: index, Text: Quote(text)})
	}
	if p.Signature != "" && start.Signature == "" {
		emit(&Event{Kind: Signature, Choice: choice, Part: index, Content: &Part{Kind: p.Kind, Signature: p.Signature, Vendor: p.Vendor}})
	}
	for i := range p.Citations {
		emit(&Event{Kind: CitationEvent, Choice: choice, Part: index, Citation: &p.Citations[i]})
	}
	emit(&Event{Kind: PartEnd, Choice: choice, Part: index})
}
