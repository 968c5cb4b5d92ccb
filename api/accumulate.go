package api

// Accumulator builds a whole answer from the events of a stream, for a client
// that did not ask for a stream while the provider has nothing else.
type Accumulator struct {
	response Response
	parts    map[[2]int]int // choice and part of the stream → index among the choice's parts
	done     bool
	err      *Error
}

// Add takes in one event.
func (a *Accumulator) Add(ev *Event) {
	switch ev.Kind {
	case Start:
		a.response.ID, a.response.Model, a.response.Created = ev.ID, ev.Model, ev.Created
	case PartStart:
		choice := a.choice(ev.Choice)
		if a.parts == nil {
			a.parts = map[[2]int]int{}
		}
		a.parts[[2]int{ev.Choice, ev.Part}] = len(choice.Parts)
		choice.Parts = append(choice.Parts, clone(ev.Content))
	case Delta:
		if part := a.part(ev); part != nil {
			if text := Unquote(ev.Text); part.Call != nil {
				part.Call.Arguments += text
			} else {
				part.Text += text
			}
		}
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
	case UsageEvent:
		a.response.Usage = ev.Usage
	case ErrorEvent:
		a.err = ev.Err
	case End:
		a.done = true
	}
}

// Response is the whole answer, and whether the stream came to its end.
func (a *Accumulator) Response() (*Response, bool) { return &a.response, a.done && a.err == nil }

// Err is the error with which the stream ended, if it did.
func (a *Accumulator) Err() *Error { return a.err }

func (a *Accumulator) choice(i int) *Choice {
	for len(a.response.Choices) <= i {
		a.response.Choices = append(a.response.Choices, Choice{})
	}
	return &a.response.Choices[i]
}

func (a *Accumulator) part(ev *Event) *Part {
	i, ok := a.parts[[2]int{ev.Choice, ev.Part}]
	if !ok {
		return nil
	}
	return &a.choice(ev.Choice).Parts[i]
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
		emit(&Event{Kind: Finished, Choice: c, Finish: r.Choices[c].Finish, StopSequence: r.Choices[c].StopSequence})
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
