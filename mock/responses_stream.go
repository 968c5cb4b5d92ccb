package mock

func (p *responses) mediaType() (string, framing) { return eventStream, events }

// event begins an event with its number; the caller writes further members and
// ends it.
func (p *responses) event(w *wire, name string) *wire {
	w.event(name).raw(`{"type":"`).raw(name).raw(`","sequence_number":`).num(p.sequence)
	p.sequence++
	return w
}

// part begins an event about the current item's only part.
func (p *responses) part(w *wire, name, itemID, indexName string) *wire {
	return p.event(w, name).raw(`,"item_id":`).str(itemID).raw(`,"output_index":`).num(p.index).
		raw(`,"`).raw(indexName).raw(`":0`)
}

// item begins an event that carries the current item.
func (p *responses) item(w *wire, name string) *wire {
	return p.event(w, name).raw(`,"output_index":`).num(p.index).raw(`,"item":`)
}

// state writes an event that carries the response.
func (p *responses) state(w *wire, name, status string) {
	p.event(w, name).raw(`,"response":`)
	p.object(w, status).raw(`}`).end()
}

func (p *responses) open(w *wire) {
	p.state(w, "response.created", statusRunning)
	p.state(w, "response.in_progress", statusRunning)
}

func (p *responses) delta(w *wire, d delta) {
	switch d.kind {
	case thought:
		p.reasoningDelta(w, d)
	case text:
		p.textDelta(w, d)
	case toolCall:
		p.callDelta(w, d)
	}
	if d.last {
		p.index++
	}
}

func (p *responses) reasoningDelta(w *wire, d delta) {
	const at = "summary_index"
	if d.first {
		p.reasoningItem(p.item(w, "response.output_item.added"), false).raw(`}`).end()
		p.part(w, "response.reasoning_summary_part.added", p.reasoningID, at).raw(`,"part":`)
		p.summaryPart(w, "").raw(`}`).end()
	}
	p.part(w, "response.reasoning_summary_text.delta", p.reasoningID, at).raw(`,"delta":`).str(d.s).raw(`}`).end()
	if d.last {
		full := p.fullThoughts()
		p.part(w, "response.reasoning_summary_text.done", p.reasoningID, at).raw(`,"text":`).str(full).raw(`}`).end()
		p.part(w, "response.reasoning_summary_part.done", p.reasoningID, at).raw(`,"part":`)
		p.summaryPart(w, full).raw(`}`).end()
		p.reasoningItem(p.item(w, "response.output_item.done"), true).raw(`}`).end()
	}
}

func (p *responses) textDelta(w *wire, d delta) {
	const at = "content_index"
	if d.first {
		p.messageItem(p.item(w, "response.output_item.added"), statusRunning).raw(`}`).end()
		p.part(w, "response.content_part.added", p.messageID, at).raw(`,"part":`)
		p.textPart(w, "").raw(`}`).end()
	}
	p.part(w, "response.output_text.delta", p.messageID, at).raw(`,"delta":`).str(d.s).raw(`,"logprobs":[]}`).end()
	if d.last {
		full := p.fullText()
		p.part(w, "response.output_text.done", p.messageID, at).raw(`,"text":`).str(full).raw(`,"logprobs":[]}`).end()
		p.part(w, "response.content_part.done", p.messageID, at).raw(`,"part":`)
		p.textPart(w, full).raw(`}`).end()
		p.messageItem(p.item(w, "response.output_item.done"), p.status()).raw(`}`).end()
	}
}

func (p *responses) callDelta(w *wire, d delta) {
	id := p.itemID(d.call)
	arguments := func(name string) *wire {
		return p.event(w, "response.function_call_arguments."+name).
			raw(`,"item_id":`).str(id).raw(`,"output_index":`).num(p.index)
	}
	if d.first {
		p.callItem(p.item(w, "response.output_item.added"), d.call, statusRunning).raw(`}`).end()
	}
	arguments("delta").raw(`,"delta":`).str(d.s).raw(`}`).end()
	if d.last {
		c := &p.calls[d.call]
		arguments("done").raw(`,"name":`).str(c.name).raw(`,"arguments":`).str(c.arguments()).raw(`}`).end()
		p.callItem(p.item(w, "response.output_item.done"), d.call, statusCompleted).raw(`}`).end()
	}
}

func (p *responses) close(w *wire) {
	p.state(w, "response."+p.status(), p.status())
}

// fail writes both events that OpenAI sends: SDKs raise the first, and clients
// that follow the response's state read the second. The first has its members
// twice: OpenAI documents them at the top, and sends them within "error".
func (p *responses) fail(w *wire, e *apiError) {
	kind, code := e.openAIType()
	p.event(w, "error").raw(`,"error":{"type":`).str(kind)
	for range 2 {
		w.raw(`,"code":`).strOrNull(code).raw(`,"message":`).str(e.message).raw(`,"param":null}`)
	}
	w.end()
	p.event(w, "response.failed").raw(`,"response":{"id":`).str(p.id)
	w.raw(`,"object":"response","created_at":`).num(int(p.at)).raw(`,"status":"failed","error":{"code":`).strOrNull(code)
	w.raw(`,"message":`).str(e.message).raw(`},"incomplete_details":null`)
	p.request(w)
	w.raw(`,"model":`).str(p.model).raw(`,"output":[],"usage":null}}`).end()
}

// Interface guards
var _ dialect = (*responses)(nil)
