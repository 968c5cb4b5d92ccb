package plexus

import (
	"strconv"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/gemini"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/openai"
)

// newWatcher watches an answer to this request. Where an API's streams do not
// say that they are over, the number of things that were asked for does.
func (x *exchange) newWatcher(p *passage) api.Watcher {
	if x.op.api == api.Responses && x.op.verb != verbGenerate {
		return new(openai.Watcher) // it compacts or counts, and answers with no response
	}
	w := watchers[p.op.api]()
	if p.op.api != x.op.api || !x.req.stream || x.req.boundary != "" {
		return w
	}
	switch w := w.(type) {
	case *gemini.Watcher:
		config := member(x.req.body, "generationConfig", "generation_config")
		w.Expected = number(member(config, "candidateCount", "candidate_count"))
	case *openai.Watcher:
		if x.op.api == api.Images {
			w.Expected = number(jsonscan.Member(x.req.body, "n"))
		}
	}
	return w
}

// member is the first member that goes by one of two names: Gemini reads both
// of its spellings.
func member(object []byte, name, other string) []byte {
	it := jsonscan.Object(object)
	for it.Next() {
		if string(it.Key) == name || string(it.Key) == other {
			return it.Value()
		}
	}
	return nil
}

// number is a small number, or 0.
func number(raw []byte) int {
	n, err := strconv.Atoi(string(raw))
	if err != nil {
		return 0
	}
	return n
}
