package api

// Accumulator builds a whole answer from the events of a stream, for a client
// that did not ask for a stream while the provider has nothing else.
type Accumulator struct {
	response Response
	parts    map[[2]int]*growing // by choice and part of the stream
	done     bool
	err      *Error
}

// growing is a part that is not complete. Its text stays the JSON string that it
// came as until it is whole: half a surrogate pair is no text.
type growing struct {
	index int // among the choice's parts
	text  []byte
}

func (g *growing) add(literal []byte) {
	if len(g.text) > 0 {
		g.text = g.text[:len(g.text)-1]
		literal = literal[1:]
	}
	g.text = append(g.text, literal...)
}

// Add takes in one event.
func (a *Accumulator) Add(ev *Event) {
	switch ev.Kind {
	case Start:
		a.response.ID, a.response.Model, a.response.Created = ev.ID, ev.Model, ev.Created
	case PartStart:
		choice := a.choice(ev.Choice)
		if a.parts == nil {
			a.parts = map[[2]int]*growing{}
		}
		part := &growing{index: len(choice.Parts)}
		part.add(Quote(ev.Content.Text))
		if ev.Content.Call != nil {
			part.add(Quote(ev.Content.Call.Arguments))
		}
		a.parts[[2]int{ev.Choice, ev.Part}] = part
		choice.Parts = append(choice.Parts, clone(ev.Content))
	case Delta:
		if part := a.parts[[2]int{ev.Choice, ev.Part}]; part != nil {
			part.add(Literal(ev.Text))
		}
		a.logprobs(ev)
	case Signature:
		if part := a.part(ev); part != nil && ev.Content != nil {
			part.Signature += ev.Content.Signature
			part.Vendor = ev.Content.Vendor
		}
	case CitationEvent:
		if part := a.part(ev); part != nil && ev.Citation != nil {
			part.Citations = append(part.Citations, *ev.Citation)
		}
	case Finished:
		choice := a.choice(ev.Choice)
		choice.Finish, choice.StopSequence = ev.Finish, ev.StopSequence
		a.logprobs(ev)
	case UsageEvent:
		a.response.Usage = ev.Usage
	case ErrorEvent:
		a.err = ev.Err
	case End:
		a.done = true
	}
}

// Response is the whole answer, and whether the stream came to its end.
func (a *Accumulator) Response() (*Response, bool) {
	for at, part := range a.parts {
		p := &a.choice(at[0]).Parts[part.index]
		if text := Unquote(part.text); p.Call != nil {
			p.Call.Arguments = text
		} else {
			p.Text = text
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
	part, ok := a.parts[[2]int{ev.Choice, ev.Part}]
	if !ok {
		return nil
	}
	return &a.choice(ev.Choice).Parts[part.index]
}

func (a *Accumulator) logprobs(ev *Event) {
	if len(ev.Logprobs) > 0 {
		choice := a.choice(ev.Choice)
		choice.Logprobs = JoinLogprobs(choice.Logprobs, ev.Logprobs)
	}
}

func clone(p *Part) Part {
	out := *p
	if p.Call != nil {
		call := *p.Call
		out.Call = &call
	}
	out.Raw = append([]byte(nil), p.Raw...)
	return out
}

// Emit calls emit for the events as which a stream would have told a whole
// answer, for a client that asked for a stream while the provider gave none.
func (r *Response) Emit(emit func(*Event)) {
	emit(&Event{Kind: Start, ID: r.ID, Model: r.Model, Created: r.Created})
	for c := range r.Choices {
		for i := range r.Choices[c].Parts {
			r.Choices[c].Parts[i].emit(c, i, emit)
		}
	}
	for c := range r.Choices {
		choice := &r.Choices[c]
		emit(&Event{Kind: Finished, Choice: c, Finish: choice.Finish, StopSequence: choice.StopSequence, Logprobs: choice.Logprobs})
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
