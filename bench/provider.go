package main

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// clientKey is what the generator shows, credential what a subject has to
	// show the provider instead.
	clientKey  = "sk-bench-client"
	credential = "sk-bench-provider"
	// gatewayPrefix is where a gateway asks, which has to name a target's model.
	gatewayPrefix = "/gateway"
	// targetMark comes between an alias and what tells its targets apart.
	targetMark = "@"
)

// provider answers at once what the model's name says. It is lighter than
// plexus_mock, so that less of a small machine goes into it.
type provider struct {
	answers   sync.Map  // of path and model, []byte
	questions sync.Map  // of models that say how long theirs are, *asked
	requests  sync.Pool // *got
	open      atomic.Int64
}

func (p *provider) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/open" {
		_, _ = fmt.Fprint(w, p.open.Load()) // whoever asks is there
		return
	}
	s, usage, err := p.read(r)
	if err != nil {
		// No status that a gateway would try again at another target.
		http.Error(w, "bench: "+err.Error(), http.StatusTeapot)
		return
	}
	f := formatOf(r.URL.Path)
	if s.streams() {
		p.stream(w, r, f, &s, usage)
		return
	}
	answer, ok := p.answers.Load(f.path + s.name)
	if !ok {
		answer, _ = p.answers.LoadOrStore(f.path+s.name, f.whole(&s))
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", fmt.Sprint(len(answer.([]byte))))
	_, _ = w.Write(answer.([]byte)) //nolint:gosec // no browser reads it, and who left sees it itself
}

// read checks that the request is what a subject had to make of the client's, and
// says whether it asks for a stream's usage.
func (p *provider) read(r *http.Request) (s script, usage bool, err error) {
	request, ok := p.requests.Get().(*got)
	if !ok {
		request = new(got)
	}
	defer p.requests.Put(request)
	if _, err := request.ReadFrom(r.Body); err != nil {
		return s, false, fmt.Errorf("reading the request: %w", err)
	}
	s, err = p.check(r, request)
	return s, s.streams() && bytes.Contains(request.rest, []byte(`"include_usage":true`)), err
}

func (p *provider) check(r *http.Request, request *got) (script, error) {
	if r.Header.Get("Authorization") != "Bearer "+credential && r.Header.Get("X-Api-Key") != credential {
		return script{}, errors.New("the request lacks the provider's credential")
	}
	model := modelIn(request.rest)
	name, target, marked := strings.Cut(model, targetMark)
	if gateway := strings.HasPrefix(r.URL.Path, gatewayPrefix); gateway != marked || marked && target == "" {
		return script{}, fmt.Errorf("%s is asked for the model %q", r.URL.Path, model)
	}
	s, err := parseScript(name)
	if err != nil || s.asked == 0 {
		return s, err
	}
	question, ok := p.questions.Load(name)
	if !ok {
		question, _ = p.questions.LoadOrStore(name, newAsked(&s))
	}
	return s, question.(*asked).check(request, model)
}

// stream sends each event in a flush of its own.
func (p *provider) stream(w http.ResponseWriter, r *http.Request, f *format, s *script, usage bool) {
	p.open.Add(1)
	defer p.open.Add(-1)
	w.Header().Set("Content-Type", "text/event-stream")
	rc := http.NewResponseController(w)
	send := func(event []byte) bool {
		_, err := w.Write(event)
		return err == nil && rc.Flush() == nil
	}
	for _, event := range f.head {
		if !send([]byte(event)) {
			return
		}
	}
	if !p.content(r, f, s, send) {
		return
	}
	tail := slices.Clone(f.tail)
	if usage && f.usage != "" {
		tail = append(tail, f.usage)
	}
	for _, event := range append(tail, f.end) {
		if !send([]byte(event)) {
			return
		}
	}
}

func (p *provider) content(r *http.Request, f *format, s *script, send func([]byte) bool) bool {
	var event []byte
	next := time.Now()
	for range s.events {
		event = f.event(event[:0], time.Now())
		if !send(event) {
			return false
		}
		if s.pause > 0 {
			// By the schedule, so that a late event does not delay the others.
			next = next.Add(s.pause)
			select {
			case <-time.After(time.Until(next)):
			case <-r.Context().Done():
				return false
			}
		}
	}
	if s.hold {
		<-r.Context().Done()
		return false
	}
	return true
}
