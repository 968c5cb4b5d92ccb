package chaos

// effect is what a fault does to an answer, as the gateway sees it.
type effect int

const (
	// serves: the answer is good, if late.
	serves effect = iota
	// fails before the first content: the next target has to be asked.
	fails
	// refuses: the answer is the client's own business, and goes to it.
	refuses
	// breaks after the first content, which no failover can hide.
	breaks
	// garbles one event after the first content.
	garbles
)

// fault is one way in which a provider misbehaves. A new one is a line of the
// table below, or of the next.
type fault struct {
	name string
	// mock are the options of plexus_mock that bring it about.
	mock string
	// whole and stream are its effects on an answer in one piece and on a stream.
	whole, stream effect
	// blameless: the target is not left alone for it.
	blameless bool
	// slow: time has to run out before the gateway knows.
	slow bool
	// lane: it is one credential's, where there are several.
	lane bool
	// unended: a chat stream lacks its [DONE].
	unended bool
}

// good is a provider that behaves.
func good() *fault { return &fault{name: "good", mock: `{}`} }

// quickFaults are those that the gateway knows at once.
func quickFaults() []*fault {
	return []*fault{
		{name: "500", mock: `{"status":500}`, whole: fails, stream: fails},
		{name: "503", mock: `{"status":503}`, whole: fails, stream: fails},
		{name: "529", mock: `{"status":529}`, whole: fails, stream: fails},
		{name: "429 with Retry-After", mock: `{"status":429,"retry_after":"1"}`, whole: fails, stream: fails, lane: true},
		{name: "401", mock: `{"status":401}`, whole: fails, stream: fails, lane: true},
		{name: "unknown model", mock: `{"status":404,"message":"model m does not exist"}`, whole: fails, stream: fails, blameless: true},
		{name: "reset", mock: `{"fault":"reset"}`, whole: fails, stream: fails},
		{name: "error body in a 200", mock: `{"fault":"error_body","message":"overloaded"}`, whole: fails, stream: fails},
		{name: "error event at once", mock: `{"fault":"error_event"}`, whole: fails, stream: fails},
		{name: "empty", mock: `{"fault":"empty"}`, whole: fails, stream: fails},
		{name: "HTML with 502", mock: `{"fault":"html"}`, whole: fails, stream: fails},
		{name: "broken JSON at once", mock: `{"fault":"malformed"}`, whole: fails, stream: fails},
		{name: "cut before content", mock: `{"fault":"cut"}`, whole: fails, stream: fails},
		{name: "end before content", mock: `{"fault":"end"}`, whole: fails, stream: fails},
	}
}

// laneFaults are what a provider has against one credential.
func laneFaults() []*fault {
	return []*fault{
		{name: "401", mock: `{"status":401}`, whole: fails, stream: fails, lane: true},
		{name: "402", mock: `{"status":402}`, whole: fails, stream: fails, lane: true},
		{name: "429", mock: `{"status":429}`, whole: fails, stream: fails, lane: true},
		{name: "429 with Retry-After", mock: `{"status":429,"retry_after":"1"}`, whole: fails, stream: fails, lane: true},
	}
}

// slowFaults are those for which time has to run out.
func slowFaults() []*fault {
	return []*fault{
		{name: "hang", mock: `{"fault":"hang"}`, whole: fails, stream: fails, slow: true},
		{name: "hang after the header", mock: `{"fault":"hang_after"}`, whole: fails, stream: fails, slow: true},
		{name: "keep-alives without end", mock: `{"fault":"hang_after","keep_alive":"20ms"}`, whole: fails, stream: fails, slow: true},
		{name: "slow loris", mock: `{"fault":"drip","drip":"50ms"}`, whole: fails, stream: fails, slow: true},
	}
}

// lateFaults strike amid a stream; an answer in one piece is judged as a whole.
func lateFaults() []*fault {
	return []*fault{
		{name: "cut amid the stream", mock: `{"fault":"cut","after":3}`, whole: fails, stream: breaks},
		{name: "end amid the stream", mock: `{"fault":"end","after":3}`, whole: fails, stream: breaks},
		{name: "error event amid the stream", mock: `{"fault":"error_event","after":3}`, whole: fails, stream: breaks},
		{name: "broken JSON amid the stream", mock: `{"fault":"malformed","after":3}`, whole: fails, stream: garbles},
		{name: "hang amid the stream", mock: `{"fault":"hang_after","after":3}`, whole: fails, stream: breaks, slow: true},
		{name: "hang amid the stream with keep-alives", mock: `{"fault":"hang_after","after":3,"keep_alive":"20ms"}`, whole: fails, stream: breaks, slow: true},
	}
}

// harmless are the ways to be odd that no client may notice.
func harmless() []*fault {
	return []*fault{
		{name: "late", mock: `{"latency":"200ms"}`},
		{name: "late content", mock: `{"first_content":"200ms","keep_alive":"20ms"}`},
		{name: "slow", mock: `{"rate":100}`},
		{name: "a pause", mock: `{"pause":"200ms","pause_after":3,"keep_alive":"20ms"}`},
		{name: "CRLF", mock: `{"crlf":true}`},
		{name: "no [DONE]", mock: `{"no_done":true}`, unended: true},
	}
}

// refusals are what is wrong with the request, as the provider sees it.
func refusals() []*fault {
	return []*fault{
		{name: "400", mock: `{"status":400,"message":"too hot"}`, whole: refuses, stream: refuses, blameless: true},
		{name: "413", mock: `{"status":413}`, whole: refuses, stream: refuses, blameless: true},
	}
}

// effectOn is the effect on a question.
func (f *fault) effectOn(stream bool) effect {
	if stream {
		return f.stream
	}
	return f.whole
}

func concat(lists ...[]*fault) []*fault {
	var all []*fault
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}
