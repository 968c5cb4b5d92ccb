package completions

import (
	"net/http"

	"github.com/caddy-plexus/plexus/api"
)

// NewStreamEncoder implements api.ClientCodec.
func (Codec) NewStreamEncoder(req *api.Request) api.StreamEncoder {
	if req == nil {
		req = &api.Request{}
	}
	return &encoder{req: req, kinds: map[[2]int]api.Kind{}, finished: map[int]bool{}}
}

// encoder writes a stream. Every chunk repeats the same head.
type encoder struct {
	req      *api.Request
	head     []byte
	kinds    map[[2]int]api.Kind // by choice and part
	finished map[int]bool
	usage    api.Usage
	over     bool
}

// Encode implements api.StreamEncoder.
func (e *encoder) Encode(dst []byte, ev *api.Event) []byte {
	if e.over {
		return dst
	}
	switch ev.Kind {
	case api.Start:
		e.start(ev)
	case api.PartStart:
		if ev.Content != nil {
			e.kinds[[2]int{ev.Choice, ev.Part}] = ev.Content.Kind
			if ev.Content.Kind == api.Sound && ev.Content.Text != "" {
				return e.chunk(dst, ev.Choice, api.Quote(ev.Content.Text), "")
			}
		}
	case api.Delta:
		if text := api.Literal(ev.Text); spoken(e.kinds[[2]int{ev.Choice, ev.Part}]) && len(text) > 2 {
			return e.chunk(dst, ev.Choice, text, "")
		}
	case api.Finished:
		return e.finish(dst, ev.Choice, ev.Finish)
	case api.UsageEvent:
		e.usage = ev.Usage
	case api.Ping:
		return append(dst, ": ping\n\n"...)
	case api.ErrorEvent:
		e.over = true
		failure := api.Error{Status: http.StatusBadGateway}
		if ev.Err != nil {
			failure = *ev.Err
		}
		return append(dst, api.Completions.ErrorEvent(failure, 0)...)
	case api.End:
		return e.end(dst)
	}
	return dst
}

func (e *encoder) start(ev *api.Event) {
	if e.head == nil {
		e.head = head([]byte("data: "), ev.ID, ev.Created, model(ev.Model, e.req))
	}
}

func (e *encoder) chunk(dst []byte, index int, text []byte, reason string) []byte {
	e.start(&api.Event{})
	dst = append(choice(append(dst, e.head...), index, text, reason), ']')
	if e.req.StreamUsage {
		dst = append(dst, `,"usage":null`...)
	}
	return append(dst, "}\n\n"...)
}

func (e *encoder) finish(dst []byte, index int, reason api.Finish) []byte {
	if e.finished[index] {
		return dst
	}
	e.finished[index] = true
	return e.chunk(dst, index, []byte(`""`), finish(reason))
}

func (e *encoder) end(dst []byte) []byte {
	if len(e.finished) == 0 {
		dst = e.finish(dst, 0, api.FinishStop)
	}
	e.over = true
	if e.req.StreamUsage && e.usage.Known {
		dst = append(usage(append(append(dst, e.head...), ']'), e.usage), "}\n\n"...)
	}
	return append(dst, "data: [DONE]\n\n"...)
}

// Interface guard
var _ api.StreamEncoder = (*encoder)(nil)
