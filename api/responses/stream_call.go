package responses

import (
	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
)

// call takes what names a call.
func (item *inputItem) call(raw []byte) {
	var name, namespace string
	it := jsonscan.Object(raw)
	for it.Next() {
		switch string(it.Key) {
		case "name":
			name, _ = jsonscan.String(it.Value())
		case "namespace":
			namespace, _ = jsonscan.String(it.Value())
		case "call_id":
			if item.callID == "" {
				item.callID, _ = jsonscan.String(it.Value())
			}
		}
	}
	if item.name == "" {
		item.name = flatName(namespace, name)
	}
}

// beginCall begins a call once its name is known, or it has to be done without.
func (d *streamDecoder) beginCall(item *inputItem, anyway bool) {
	if item.begun || item.name == "" && !anyway {
		return
	}
	item.begun, d.called = true, true
	if item.callID == "" {
		item.callID = item.id
	}
	if item.callID == "" {
		item.callID = callID(d.id, d.parts)
	}
	d.call = api.Call{ID: item.callID, Name: item.name, Custom: item.kind == customCall}
	d.content = api.Part{Kind: api.ToolCall, ID: item.id, Call: &d.call}
	item.part = d.partStart()
	if len(item.early) > 0 {
		d.ev.Part, d.ev.Text = item.part, append(append([]byte{'"'}, item.early...), '"')
		item.early = nil
		d.send(api.Delta)
	}
}

// input tells a piece of a call's arguments or of its free text.
func (d *streamDecoder) input(item *inputItem, piece []byte) {
	if len(piece) <= 2 || piece[0] != '"' {
		return
	}
	literal := api.Literal(piece)
	inside := literal[1 : len(literal)-1]
	size, _ := measure(inside)
	item.told += size
	if !item.begun {
		item.early = append(item.early, inside...)
		return
	}
	d.ev.Part, d.ev.Text = item.part, literal
	d.send(api.Delta)
}

func (d *streamDecoder) callDelta(ev *wireEvent, kind string) {
	if item := d.find(ev, kind); !item.ended {
		d.input(item, ev.delta)
	}
}

// callDone tells what no delta has told. The item itself ends later.
func (d *streamDecoder) callDone(ev *wireEvent, kind string) {
	if item := d.find(ev, kind); !item.ended {
		d.input(item, rest(asText(ev.whole), item.told))
	}
}

// asText is arguments as a JSON string: some servers send the object itself.
func asText(raw []byte) []byte {
	if len(raw) > 0 && raw[0] == '{' {
		return api.Quote(string(raw))
	}
	return raw
}
