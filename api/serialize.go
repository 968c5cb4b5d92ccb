package api

// Serializer brings the parts of a stream one after the other, for formats that
// know no interleaving. The events of the part that is open pass at once; those
// of the others wait until it has ended, which all parts have by the time of
// Finished. It serves one choice: the events of others are left out.
type Serializer struct {
	next    func(*Event)
	open    bool
	part    int
	waiting []Event
}

// NewSerializer passes events on to next.
func NewSerializer(next func(*Event)) *Serializer { return &Serializer{next: next} }

// Add takes one event.
func (s *Serializer) Add(ev *Event) {
	switch ev.Kind {
	case PartStart, Delta, Signature, CitationEvent, PartEnd:
		if ev.Choice == 0 {
			s.add(ev)
		}
	case Finished, ErrorEvent, End:
		if ev.Kind == Finished && ev.Choice != 0 {
			return
		}
		s.drain()
		s.next(ev)
	default:
		s.next(ev)
	}
}

func (s *Serializer) add(ev *Event) {
	if s.open && ev.Part != s.part {
		s.waiting = append(s.waiting, keep(ev))
		return
	}
	s.pass(ev)
	if ev.Kind == PartEnd {
		s.resume()
	}
}

func (s *Serializer) pass(ev *Event) {
	switch ev.Kind {
	case PartStart:
		s.open, s.part = true, ev.Part
	case PartEnd:
		s.open = false
	}
	s.next(ev)
}

// resume passes what waited: all of the part that comes next, until one stays
// open.
func (s *Serializer) resume() {
	for len(s.waiting) > 0 && !s.open {
		part := s.waiting[0].Part
		rest := s.waiting[:0:0]
		for i := range s.waiting {
			if s.waiting[i].Part == part {
				s.pass(&s.waiting[i])
			} else {
				rest = append(rest, s.waiting[i])
			}
		}
		s.waiting = rest
	}
}

// drain ends what a broken stream left open, and passes all that waits.
func (s *Serializer) drain() {
	for s.open {
		s.pass(&Event{Kind: PartEnd, Part: s.part})
		s.resume()
	}
}

// keep copies an event for later: what it points to is its giver's.
func keep(ev *Event) Event {
	out := *ev
	out.Text = append([]byte(nil), ev.Text...)
	out.Logprobs = append([]byte(nil), ev.Logprobs...)
	if ev.Content != nil {
		content := clone(ev.Content)
		out.Content = &content
	}
	if ev.Citation != nil {
		citation := *ev.Citation
		out.Citation = &citation
	}
	return out
}
