package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// lane is one line of a work's table: a subject that is asked a question.
type lane struct {
	label, subject string
	// beside is the label of another lane that this one is compared with too.
	beside string
	q      *question
	// meanwhile is what others ask beside, if they do.
	meanwhile *question
	// expected is the time that an answer takes, for the correction.
	expected time.Duration
}

// work is one kind of load.
type work struct {
	name, title string
	// unit is what CPU is counted per: a request or a chunk.
	unit  string
	lanes []*lane
	// base is the lane that the others are compared with.
	base int
	// least is how many units a round has, and all it has if fixed is set; else
	// it has as many as take the time that a round should.
	least int
	fixed bool
	// shared says that others take part of the CPU, so that no unit's is known.
	shared bool
	// fresh says that every round begins with a new process, because memory that
	// has been used once is not given back.
	fresh bool
	// rest is how long after a round the memory is looked at again.
	rest time.Duration
	run  func(ctx context.Context, l *lab, s *subject, ln *lane, n int) (*sample, error)
}

// models are those that the work's subjects have to know.
func (w *work) models() []string {
	var all []string
	for _, ln := range w.lanes {
		all = append(all, ln.q.script.name)
		if ln.meanwhile != nil {
			all = append(all, ln.meanwhile.script.name)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// sizes are how much of everything there is.
type sizes struct {
	rounds       int
	length       time.Duration // of a round, for each subject
	rate         int           // of the open loop, in requests a second
	many         int           // connections
	paced        []int         // clients
	pacedLength  time.Duration // the length of a paced stream
	idle         int
	models, keys int
	rest         time.Duration // before memory is looked at again
}

func allSizes() sizes {
	return sizes{many: 1000, paced: []int{64, 1000}, pacedLength: 3 * time.Second, idle: 5000, models: 10_000, keys: 100_000, rest: 2 * time.Second}
}

// smallSizes show that everything works, and measure nothing.
func smallSizes() sizes {
	return sizes{rounds: 1, length: 100 * time.Millisecond, rate: 100, many: 32, paced: []int{8}, pacedLength: 200 * time.Millisecond, idle: 40, models: 100, keys: 1000}
}

// works is the table of them, without the load of a large configuration, which
// compares nothing.
func works(z *sizes) ([]*work, error) {
	var t table
	t.add(whole("small-16", "200 B answers, 16 connections", "whole-200", 16, withLogs))
	t.add(whole("small-1", "200 B answers, 1 connection", "whole-200", 1, withLogs))
	t.add(whole(fmt.Sprintf("small-%d", z.many), fmt.Sprintf("200 B answers, %d connections", z.many), "whole-200", z.many, withoutLogs))
	t.add(opened(z))
	t.add(whole("medium", "10 KB answers, 16 connections", "whole-10240", 16, withLogs))
	t.add(whole("large", "1 MB answers, 4 connections", "whole-1048576", 4, withoutLogs))
	t.add(rested(z)(whole("huge", "8 MB answers, two at once", "whole-8388608", 2, withoutLogs)))
	t.add(whole("ask-medium", "10 KB questions, 16 connections", "ask-10240", 16, withLogs))
	t.add(whole("ask-agent", "100 KB questions of an agent, 16 connections", "ask-102400-agent", 16, withoutLogs))
	t.add(whole("ask-large", "1 MB questions, 4 connections", "ask-1048576", 4, withoutLogs))
	t.add(whole("ask-document", "1 MB questions of long texts, 4 connections", "ask-1048576-document", 4, withoutLogs))
	t.add(rested(z)(whole("ask-huge", "8 MB questions, two at once", "ask-8388608-picture", 2, withoutLogs)))
	t.add(streamed("", "", withoutLogs))
	for _, clients := range z.paced {
		t.add(paced("", "", clients, z.pacedLength, withoutLogs))
	}
	t.add(idling(z))
	t.add(whole("tls-small", "TLS, 200 B answers, 16 connections", "whole-200", 16, overTLS))
	t.add(streamed("tls-", "TLS, ", overTLS))
	for _, clients := range z.paced {
		t.add(paced("tls-", "TLS, ", clients, z.pacedLength, overTLS))
	}
	t.add(fair("fair-alone", "alone", z, "", 0))
	t.add(fair("fair-huge", "beside 8 MB questions, two at once", z, "ask-8388608-picture", 2))
	t.add(fair("fair-text", "beside 400 KB questions of text, one after the other", z, "ask-409600", 1))
	t.add(translated("translate", "translated, 1 KB, 16 connections", "whole-1024", wholeRun(16), false))
	t.add(translated("translate-stream", "translated, streams without pause, 8 clients", "stream-400-0s", streamRun(8), true))
	return t.works, t.err
}

type table struct {
	works []*work
	err   error
}

func (t *table) add(w *work, err error) {
	t.works = append(t.works, w)
	if t.err == nil {
		t.err = err
	}
}

// The subjects of a work, without and with the lines of those that keep an access
// log, and where the provider is asked over TLS, by each version of HTTP.
var (
	withoutLogs = []string{plexus, baseline, standard, direct}
	withLogs    = []string{plexus, plexusLogged, baseline, logged, standard, direct}
	overTLS     = []string{plexusHTTP1, plexusHTTP2, baseHTTP1, baseHTTP2}
)

// counterparts are what a subject is compared with besides the baseline.
var counterparts = map[string]string{plexusLogged: logged, plexusHTTP1: baseHTTP1, plexusHTTP2: baseHTTP2}

// compared is a work in which all subjects are asked the same. Over TLS the
// baseline is what reverse_proxy does of itself.
func compared(w work, model string, subjects ...string) (*work, error) {
	q, err := newQuestion(model, &chatFormat, &chatFormat)
	for i, name := range subjects {
		w.lanes = append(w.lanes, &lane{label: name, subject: name, beside: counterparts[name], q: q})
		if name == baseline || name == baseHTTP2 {
			w.base = i
		}
	}
	return &w, err
}

// rested is a work after which the memory is looked at again.
func rested(z *sizes) func(*work, error) (*work, error) {
	return func(w *work, err error) (*work, error) {
		if err == nil {
			w.rest = z.rest
		}
		return w, err
	}
}

func whole(name, title, model string, conns int, subjects []string) (*work, error) {
	w := work{name: name, title: title, unit: "request", least: 4 * conns, run: wholeRun(conns)}
	return compared(w, model, subjects...)
}

type run = func(context.Context, *lab, *subject, *lane, int) (*sample, error)

func wholeRun(conns int) run {
	return func(ctx context.Context, _ *lab, s *subject, ln *lane, n int) (*sample, error) {
		out, err := closed(ctx, s, ln.q, conns, n, ln.expected)
		if ln.expected == 0 && err == nil {
			// The first run is the one to get warm; what it took is expected of
			// the others.
			ln.expected = out.elapsed * time.Duration(conns) / time.Duration(n)
		}
		return out, err
	}
}

func opened(z *sizes) (*work, error) {
	w := work{name: "small-open", title: "200 B answers, " + itoa(z.rate) + " a second, open loop", unit: "request", fixed: true}
	w.run = func(ctx context.Context, _ *lab, s *subject, ln *lane, _ int) (*sample, error) {
		return open(ctx, s, ln.q, z.rate, z.length)
	}
	return compared(w, "whole-200", withLogs...)
}

func streamRun(clients int) run {
	return func(ctx context.Context, _ *lab, s *subject, ln *lane, n int) (*sample, error) {
		each := max(n/clients/ln.q.script.events, 1)
		return streams(ctx, s, ln.q, clients, each)
	}
}

func streamed(prefix, title string, subjects []string) (*work, error) {
	w := work{name: prefix + "stream", title: title + "streams without pause, 8 clients", unit: "chunk", least: 8 * 400, run: streamRun(8)}
	return compared(w, "stream-400-0s", subjects...)
}

// paced are streams at a rate that leaves the machine some rest.
func paced(prefix, title string, clients int, length time.Duration, subjects []string) (*work, error) {
	gap := 20 * time.Millisecond
	if clients > 100 {
		gap = 100 * time.Millisecond
	}
	events := int(length / gap)
	w := work{
		name: prefix + "paced-" + itoa(clients), title: title + itoa(clients) + " streams, a chunk every " + gap.String(), unit: "chunk",
		least: clients * events, fixed: true, run: streamRun(clients),
	}
	return compared(w, "stream-"+itoa(events)+"-"+gap.String(), subjects...)
}

func idling(z *sizes) (*work, error) {
	w := work{name: "idle", title: itoa(z.idle) + " idle streams", unit: "stream", least: z.idle, fixed: true, fresh: true}
	w.run = func(ctx context.Context, l *lab, s *subject, ln *lane, n int) (*sample, error) {
		return l.idle(ctx, s, ln.q, n, z.rest)
	}
	return compared(w, "hold", plexus, baseline, standard)
}

// translated compares Plexus with itself, where it relays.
func translated(name, title, model string, run run, stream bool) (*work, error) {
	w := &work{name: name, title: title, unit: "request", least: 64, run: run}
	if stream {
		w.unit, w.least = "chunk", 8*400
	}
	for _, c := range []struct {
		label          string
		client, target *format
	}{
		{"chat", &chatFormat, &chatFormat},
		{"chat from messages", &chatFormat, &messagesFormat},
		{"messages", &messagesFormat, &messagesFormat},
		{"messages from chat", &messagesFormat, &chatFormat},
	} {
		q, err := newQuestion(model, c.client, c.target)
		if err != nil {
			return nil, err
		}
		w.lanes = append(w.lanes, &lane{label: plexus + ", " + c.label, subject: plexus, q: q})
	}
	return w, nil
}
